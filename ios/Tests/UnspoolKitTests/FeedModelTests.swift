import Foundation
import Testing
import UnspoolCore
import UnspoolKit

/// A night that began an hour ago and lasts for two more, wherever the clock stands; the session's zone is UTC.
private func night() -> Night {
    let minute = UInt32(Int(Date().timeIntervalSince1970) / 60 % 1_440)
    return Night(fromMin: (minute + 1_380) % 1_440, untilMin: (minute + 120) % 1_440)
}

extension KitTests {
    @Test func pagesComePlayAndAreGoneBackTo() async throws {
        try await shell { shell in
            let feed = try shell.feed()
            await feed.start().value
            let first = try await feed.until("the first card plays") { $0.current == 0 && $0.playing && $0.playheadMs > 0 }
            #expect(first.trouble == nil)
            await feed.settled(2).value
            let third = try await feed.until("the third card plays") { $0.current == 2 && $0.playing }
            #expect(Set(third.pages.map(\.card.item.id)).count == 3, "a card passed is a page of its own")
            await feed.settled(1).value
            let second = try await feed.until("back on the second") { $0.current == 1 && $0.playing }
            #expect(second.page?.card.item.id == third.pages[1].card.item.id)
            #expect(second.pages.count == 3, "what was seen stays")
            feed.togglePause()
            try await feed.until("it is paused") { $0.paused }
            feed.togglePause()
            try await feed.until("it goes on") { !$0.paused }
            feed.toggleMute()
            #expect(feed.state.muted && feed.state.trouble == nil)
            await feed.settled(-5).value
            #expect(feed.state.current == 0, "there is nothing before the first")
        }
    }

    @Test func aStillPictureIsShownUntilTheFirstFrame() async throws {
        try await shell { shell in
            // No byte of video comes before the picture was looked at.
            try await shell.origin.fault(#"{"path_prefix":"/media/","times":1000,"action":{"kind":"status","status":503}}"#)
            let feed = try shell.feed()
            await feed.start().value
            let waiting = try await feed.until("the picture is there") { $0.poster != nil }
            #expect(!waiting.playing && waiting.poster?.mediaType == "image/png" && waiting.trouble == nil)
            try await shell.origin.clearFaults()
            let plays = try await feed.until("it plays") { $0.playing }
            #expect(plays.poster == nil)
            feed.togglePause()
            let paused = try await feed.until("it is paused") { $0.paused }
            #expect(paused.poster == nil, "the frame that stands is shown")
        }
    }

    @Test func whatAPersonWantsShowsAtOnceAndReachesTheServer() async throws {
        try await shell { shell in
            let feed = try shell.feed()
            await feed.start().value
            let item = try #require(feed.state.page).card.item
            let wishes = [feed.doubleTap(), feed.doubleTap()]
            #expect(feed.state.page?.liked == true, "before the core has answered; a double tap takes no like away")
            let more = [feed.toggleSave(), feed.toggleFollow(), feed.toggleSave()]
            for wish in wishes + more { await wish.value }
            let page = try #require(feed.state.page)
            #expect(page.liked && !page.saved && page.followed)
            feed.left(.comments)
            feed.returned()
            _ = try await shell.session.flush(within: patienceSeconds)
            let wanted = try await shell.origin.wishes(of: "ada").filter(\.state)
            #expect(wanted.contains { $0.verb == "like" && $0.target == item.id })
            #expect(wanted.contains { $0.verb == "follow" && $0.target == item.creator.id })
            #expect(!wanted.contains { $0.verb == "save" })

            _ = await shell.session.shutdown()
            await feed.toggleLike().value
            #expect(feed.state.page?.liked == true, "what the core refuses is taken back on the screen")
            #expect(feed.state.trouble?.kind == .ended)
        }
    }

    @Test func whyIsAnsweredUntilTheNextPageAndNotInterestedIsBelieved() async throws {
        try await shell { shell in
            let feed = try shell.feed()
            await feed.start().value
            try await feed.until("it plays") { $0.playing }
            await feed.askWhy().value
            #expect(feed.state.why?.item == feed.state.page?.card.item.id)
            await feed.notInterested().value
            await feed.settled(1).value
            #expect(feed.state.why == nil)
            let session = shell.session
            let learnt = LearnerModel(session)
            try await eventually("the viewing is learnt") { session.learnerCard().viewings > 0 }
            await learnt.weigh("science", 0.5).value
            #expect(learnt.state.card.settings.map(\.topic) == ["science"])
            await learnt.weigh("science", .nan).value
            #expect(learnt.state.trouble?.kind == .refused)
            await learnt.export().value
            #expect(learnt.state.exported?.contains("science") == true)
            await learnt.erase().value
            #expect(learnt.state.card.settings.isEmpty && learnt.state.trouble == nil)
        }
    }

    @Test func aBlockedCreatorsPagesAreGoneAndAFilterTakesHoldOfTheOpenFeed() async throws {
        try await shell { shell in
            let feed = try shell.feed(.nonProfiled)
            await feed.start().value
            let blocked = try #require(feed.state.page).card.item.creator.id
            await feed.blockCreator().value
            try await feed.until("the page says so") { $0.pages[0].gone }
            await feed.settled(1).value
            let page = try #require(feed.state.page)
            #expect(page.card.item.creator.id != blocked)
            let filters = SafetyModel(shell.session)
            #expect(filters.state.settings.blocked == [blocked])
            let topic = try #require(page.card.item.topics.first)
            await filters.muteTopic(topic, true).value
            try await feed.until("the card of a muted topic is gone") { $0.pages[1].gone }
            await filters.muteTopic(topic, false).value
            await filters.unblock(blocked).value
            #expect(filters.state.settings.blocked.isEmpty && filters.state.settings.topics.isEmpty)
            await filters.choose(.scam, .hide).value
            await filters.choose(.scam, .warn).value
            await filters.muteWord(MutedWord(value: "spoiler")).value
            await filters.muteWord(MutedWord(value: "spoiler", tagsOnly: true)).value
            #expect(filters.state.settings.harms == [HarmChoice(harm: .scam, choice: .warn)])
            #expect(filters.state.settings.words == [MutedWord(value: "spoiler", tagsOnly: true)])
            await filters.muteWord(MutedWord(value: " ")).value
            #expect(filters.state.trouble?.kind == .refused && filters.state.settings.words.count == 1)
            await filters.unmuteWord("spoiler").value
            #expect(filters.state.settings.words.isEmpty && filters.state.trouble == nil)
        }
    }

    @Test func aCoveredCardIsRevealedAndAReportedOneCloses() async throws {
        try await shell { shell in
            let items = try await shell.origin.offered(2)
            try await shell.origin.label(items[0], "flashing")
            try await shell.origin.label(items[1])
            let feed = try shell.feed(.nonProfiled)
            await feed.start().value
            let covered = try #require(feed.state.page).card
            #expect(covered.item.id == items[0] && covered.safety.covered && covered.safety.revealable)
            await feed.reveal().value
            try await feed.until("it plays") { $0.playing && $0.page?.card.safety.covered == false }
            await feed.report(.flashingLights, words: "  they flash ").value
            try await feed.until("it closes") { $0.pages[0].gone }
            await feed.report(.spam, words: String(repeating: "a", count: 301)).value
            #expect(feed.state.trouble?.kind == .refused)
            await feed.settled(1).value
            #expect(feed.state.page?.card.item.id == items[1] && feed.state.trouble == nil)
            await feed.reveal().value
            #expect(feed.state.trouble?.kind == .refused, "nothing is covered there")
            _ = try await shell.session.flush(within: patienceSeconds)
            #expect(try await shell.origin.reports().map(\.words) == ["they flash"])
        }
    }

    @Test func aBreakStaysOnTheScreenUntilItsOwnWayOut() async throws {
        try await shell { shell in
            let limits = LimitsModel(shell.session)
            let feed = try shell.feed(.nonProfiled)
            await limits.choose { $0.endless = false }.value
            await feed.settled(9).value
            #expect(feed.state.rest == nil && feed.state.current == 9)
            await feed.settled(10).value
            let reminder = try await feed.until("a break after ten") { $0.rest != nil }
            #expect(reminder.current == 9, "no page takes its place")
            await feed.goOn().value
            try await feed.until("it goes on") { $0.current == 10 && $0.rest == nil }

            await limits.choose { ($0.night, $0.atNight) = (night(), .stop) }.value
            await limits.setPasscode("2468").value
            await feed.goOn().value
            let asleep = try #require(try await feed.until("the night") { $0.rest?.measure == .stop }.rest)
            for _ in 0..<20 { await feed.goOn().value }
            #expect(feed.state.current == 10 && feed.state.rest?.number == asleep.number)
            await limits.choose { $0.atNight = .remind }.value
            #expect(limits.state.trouble?.kind == .guarded)
            await limits.givePasscode("0000").value
            #expect(limits.state.trouble?.kind == .wrongPasscode)
            await limits.givePasscode("2468").value
            #expect(limits.state.trouble == nil)
            await feed.allowMore(minutes: 5).value
            try await feed.until("it goes on") { $0.current == 11 && $0.rest == nil }
            limits.lock()
            try await limits.until("it is locked") { !$0.wellbeing.passcode.unlocked }
        }
    }

    @Test func withoutANetworkTheWordsSayWhatToDoAndRetryGoesOn() async throws {
        try await shell(Conditions(online: false)) { shell in
            let feed = try shell.feed()
            var away = Signals()
            away.connected = false
            let device = DeviceModel(shell.session, away)
            let start = feed.start()
            try await feed.until("the screen knows") { !$0.online }
            await device.changed { ($0.connected, $0.transport) = (true, .wifi) }.value
            try await feed.until("the network is there") { $0.online }
            await start.value
            if feed.state.page == nil { await feed.retry().value }
            try await feed.until("a card plays") { $0.playing && $0.trouble == nil }
        }
    }

    @Test func aLinkOpensItsVideoAndSaysWhenItIsGone() async throws {
        try await shell { shell in
            let item = try await shell.origin.offered(6)[5]
            let link = try #require(DeepLink("https://watch.example/video/\(item)", hosts: ["watch.example"]))
            let feed = try FeedModel(shell.session, link: link)
            await feed.start().value
            #expect(feed.state.page?.card.item.id == item && !feed.state.isOtherThanAsked)
            await feed.settled(1).value
            #expect(feed.state.page?.card.item.id != item && !feed.state.isOtherThanAsked, "the feed goes on behind it")

            let gone = try FeedModel(shell.session, link: .video("nobody-has-this"))
            await gone.start().value
            #expect(gone.state.page != nil && gone.state.isOtherThanAsked)
            #expect(throws: UnspoolError.self) { try FeedModel(shell.session, link: .video("two words")) }
        }
    }

    @Test func aModelThatIsLetGoFollowsNoLonger() async throws {
        try await shell { shell in
            weak var gone: FeedModel?
            do {
                let feed = try shell.feed()
                gone = feed
                await feed.start().value
                try await feed.until("it plays") { $0.playing }
            }
            let end = ContinuousClock.now + patience
            while gone != nil, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
            #expect(gone == nil, "what follows the core does not hold the model")

            let closed = try shell.feed()
            closed.close()
            await closed.settled(3).value
            #expect(closed.state.current == -1, "a screen that is gone begins nothing")
        }
    }
}
