import Foundation
import Testing
import UnspoolCore

/// Minutes east of UTC of where it is noon now: no test ends at midnight or in a night.
private func noon() -> Int32 { 720 - Int32(Int(Date().timeIntervalSince1970) / 60 % 1_440) }

extension Feed {
    /// The break that stands in the way of the next card.
    fileprivate func broken() async throws -> BreakCard {
        guard case let .Break(card)? = await thrown(by: { _ = try await next() }) as? UnspoolError else {
            throw Unexpected(what: "no break stands in the way")
        }
        return card
    }
}

extension UnspoolTests {
    @Test func aBreakStandsInACardsPlaceAndOnlyItsOwnWayOutPassesIt() async throws {
        let scratch = try Scratch()
        let origin = try Origin(in: scratch.url)
        try await Unspool.withSession(config: config(scratch, origin, utcOffsetMin: noon())) { session in
            let feed = try session.feed(kind: .nonProfiled)
            try await session.setLimits(choices: LimitChoices(endless: false))
            for _ in 0..<10 { _ = try await feed.next() }
            let reminder = try await feed.broken()
            #expect(reminder.cause == .page && reminder.measure == .remind && reminder.opensInMs == 0)
            #expect(reminder.actions == [.leave, .goOn])
            let standing = try await feed.until("it stands") { $0.resting != nil }
            #expect(standing.resting?.number == reminder.number)
            let events = Follower(feed)
            try await events.until("it is told") {
                if case let .breakBegan(card) = $0 { card.number == reminder.number } else { false }
            }
            _ = try await feed.next()
            try await events.until("it is over") { $0 == .breakOver }

            let night = LimitChoices(night: Night(fromMin: 600, untilMin: 840), atNight: .stop)
            try await session.setLimits(choices: night)
            try await session.setPasscode(code: "2468")
            let asleep = try await feed.broken()
            #expect(asleep.cause == .night && asleep.measure == .stop && asleep.passcodeOpens)
            #expect(asleep.opensInMs > 3_000_000 && asleep.actions == [.leave, .wait, .allowMore])
            for _ in 0..<50 { #expect(try await feed.broken().number == asleep.number) }
            let words = await thrown { _ = try await feed.next() }
            #expect("\(words!)".contains("call again in "))
            let guarded = UnspoolError.Guarded(isSet: true)
            await #expect(throws: guarded) { try await session.setLimits(choices: LimitChoices()) }
            await #expect(throws: guarded) { try await session.allowMore(minutes: 5) }

            let mistyped = UnspoolError.WrongPasscode(wait: 0, wrong: 1)
            await #expect(throws: mistyped) { try await session.givePasscode(code: "0000") }
            try await session.givePasscode(code: "2468")
            let open = session.wellbeing().passcode
            #expect(open.isSet && open.unlocked && open.wrong == 0)
            try await session.allowMore(minutes: 5)
            let card = try await feed.next()
            _ = try await events.firstFrame(card.position)
            try await eventually("it counts") { session.wellbeing().totalMs > 0 }
            session.lockLimits()
            #expect(!session.wellbeing().passcode.unlocked)
            for _ in 0..<4 { _ = await thrown { try await session.givePasscode(code: "0000") } }
            await #expect { try await session.givePasscode(code: "0000") } throws: {
                guard case let .WrongPasscode(wait, wrong) = $0 as? UnspoolError else { return false }
                return wait > 20 && wrong == 5 && "\($0)".contains("ask again in ")
            }
        }
    }

    @Test func somebodyUnderAgeIsGuardedAndWhatWasChosenStays() async throws {
        let scratch = try Scratch()
        let config = offlineConfig(scratch, utcOffsetMin: noon())
        try await Unspool.withSession(config: config) { session in
            let grownUp = session.wellbeing()
            #expect(grownUp.limits == grownUp.policy && grownUp.chosen == LimitChoices() && !grownUp.guarded)
            async let changed = inTime("it is told") {
                for try await state in session.wellbeingStates where state.guarded { return state }
                throw Unexpected(what: "the states ended")
            }
            try await session.setSafety(settings: SafetySettings(age: .under16))
            let minor = try await changed
            #expect(minor.limits.dailyMin == 60 && minor.limits.atDaily == .stop)
            #expect(!minor.limits.autoplay && !minor.limits.endless && !minor.limits.push)
            #expect(minor.limits.night == Night(fromMin: 22 * 60, untilMin: 7 * 60))
            await #expect(throws: UnspoolError.Guarded(isSet: false)) {
                try await session.setLimits(choices: LimitChoices(autoplay: true))
            }
            try await session.setLimits(choices: LimitChoices(dailyMin: 30))
            #expect(session.wellbeing().limits.dailyMin == 30 && session.wellbeing().policy.dailyMin == 60)
            for broken in [LimitChoices(breakMin: 4), LimitChoices(dailyMin: 4_000_000_000)] {
                await #expect(throws: UnspoolError.self) { try await session.setLimits(choices: broken) }
            }
            await #expect(throws: UnspoolError.self) { try await session.setPasscode(code: "123") }
            await #expect(throws: UnspoolError.self) { try await session.givePasscode(code: "1234") }
            try session.setTimeZone(try #require(TimeZone(secondsFromGMT: 20_700)))
            #expect(throws: UnspoolError.self) { try session.setUtcOffset(minutes: 15 * 60) }
            let week = session.recap(date: Int64(Date().timeIntervalSince1970) / 86_400)
            #expect(week.daysMs.count == 7 && week.beforeMs == 0 && week.monday % 7 == 4, "1970 began with a Thursday")
            try await session.recapShown()
            #expect(session.wellbeing().recapDue == nil)
        }
        try await Unspool.withSession(config: config) { session in
            #expect(session.wellbeing().chosen == LimitChoices(dailyMin: 30))
        }
    }

    @Test func settingsAreOneValueWithThePolicyBesideTheChoice() async throws {
        let scratch = try Scratch()
        let config = offlineConfig(scratch, captions: ["en"], reducedMotion: true)
        let chosen = PreferenceChoices(
            captions: ["de", "*"], reducedMotion: false, dataSaver: true, consent: [.measurement])
        let all = try await Unspool.withSession(config: config) { session in
            let fresh = try await session.settings()
            #expect(fresh.preferences == fresh.preferencesPolicy)
            #expect(fresh.preferences.reducedMotion && fresh.preferences.captions == ["en"])
            #expect(fresh.preferences.consent.count == 3 && fresh.preferencesChosen == PreferenceChoices())
            #expect(try await session.settings().revision == fresh.revision, "nothing changed")
            async let told = inTime("it is told") {
                for try await state in session.settingsStates where state.preferencesChosen == chosen { return state }
                throw Unexpected(what: "the states ended")
            }
            try await session.setPreferences(chosen: chosen)
            #expect(try await told.revision > fresh.revision)
            await #expect(throws: UnspoolError.self) {
                try await session.setPreferences(chosen: PreferenceChoices(captions: ["no tag"]))
            }
            try await session.setLimits(choices: LimitChoices(breakMin: 20))
            try await session.setSafety(settings: SafetySettings(age: .adult))
            try await session.setInterests(topics: ["science"])
            let all = try await session.settings()
            #expect(all.preferences.captions == ["de", "*"] && !all.preferences.reducedMotion && all.preferences.dataSaver)
            #expect(all.preferences.consent == [.measurement])
            #expect(all.preferencesPolicy == fresh.preferencesPolicy, "the policy stands beside the choice")
            #expect(all.limits.breakMin == 20 && all.limitsPolicy.breakMin == 60)
            #expect(all.safety.age == .adult && all.interests == ["science"])
            async let ended = inTime("the states end") {
                for try await _ in session.settingsStates {}
                for try await _ in session.wellbeingStates {}
            }
            _ = await session.shutdown()
            try await ended
            return all
        }
        try await Unspool.withSession(config: config) { session in
            let again = try await session.settings()
            #expect(again.preferencesChosen == all.preferencesChosen && again.preferences == all.preferences)
            #expect(again.limitsChosen == all.limitsChosen && again.limits == all.limits)
            #expect(again.safety == all.safety && again.interests == all.interests)
        }
    }
}
