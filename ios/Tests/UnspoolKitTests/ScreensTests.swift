import Foundation
import Testing
import UnspoolCore
import UnspoolKit

extension KitTests {
    @Test func interestsAreChosenOnce() async throws {
        try await shell { shell in
            let first = OnboardingModel(shell.session)
            let topics = try await first.until("the catalogue") { !$0.topics.isEmpty }.topics.map(\.id)
            #expect(!first.state.done)
            first.toggle(topics[0])
            first.toggle(topics[1])
            first.toggle(topics[0])
            await first.choose(age: .teen).value
            await first.finish().value
            #expect(first.state.done && first.state.age == .teen)
            let again = OnboardingModel(shell.session)
            #expect(try await again.until("who chose goes on") { $0.done }.chosen == [topics[1]])
            await again.choose(age: .adult).value
            #expect(again.state.trouble?.kind == .guarded && again.state.age == .teen)
            _ = try await shell.session.flush(within: patienceSeconds)
            let wishes = try await shell.origin.wishes(of: "ada")
            #expect(wishes.contains { $0.verb == "interest" && $0.target == topics[1] && $0.state })
            again.skip()
            #expect(again.state.done && again.state.chosen.isEmpty)
        }
    }

    @Test func commentsWaitArriveAndStayWhenTheyAreRefused() async throws {
        try await shell(Conditions(online: false)) { shell in
            let sheet = CommentsModel(shell.session, item: "item")
            await sheet.send("  a fine bass line ").value
            let written = try #require(try await sheet.until("it waits") { $0.threads.count == 1 }.threads.first)
            #expect(written.comment.text == "a fine bass line" && written.waiting)
            await sheet.send("indeed", parent: written.id).value
            await sheet.send(" ").value
            #expect(sheet.state.trouble?.kind == .refused)
            #expect(sheet.state.threads[0].answers.map(\.comment.text) == ["indeed"])
            await sheet.send("to nobody", parent: "nobody").value
            shell.session.setConditions(conditions: Conditions())
            let sent = try await sheet.until("all are decided") { now in
                now.threads.count == 2 && !now.threads.contains { $0.waiting }
                    && !now.threads[0].answers.contains { $0.waiting }
            }
            let refused = try #require(sent.threads.first { $0.refused != nil })
            #expect(refused.comment.text == "to nobody" && refused.refused == "parent_gone")
            await sheet.dismiss(refused.id).value
            #expect(sheet.state.threads.count == 1)
            await sheet.edit(written.id, text: "a finer bass line").value
            try await sheet.until("its new words arrived") {
                $0.threads.first.map { $0.comment.text == "a finer bass line" && !$0.waiting } ?? false
            }
            let stored = try await shell.origin.comments(of: "ada").map(\.text)
            #expect(Set(stored) == ["a finer bass line", "indeed"])
        }
    }

    @Test func aTaskSendsWhatWaitsAndSaysWhenThereIsMore() async throws {
        try await shell(Conditions(online: false)) { shell in
            let session = shell.session
            try await session.setLiked(item: "item", liked: true)
            #expect(await FlushJob.run(session, within: 3) == .again, "there is no network")
            #expect(await FlushJob.run(session, within: 0) == .again, "there is no time")
            session.setConditions(conditions: Conditions())
            try await eventually("it is sent") { await FlushJob.run(session) == .done }
            #expect(try await shell.origin.wishes(of: "ada").count == 1)
            _ = await session.shutdown()
            #expect(await FlushJob.run(session) == .again)
        }
    }

    @Test func aTaskInTheBackgroundWakesTheSessionAndPutsItToSleepAgain() async throws {
        try await shell { shell in
            let (session, device) = (shell.session, DeviceModel(shell.session))
            try await session.setLiked(item: "first", liked: true)
            await device.changed { $0.scene = .inactive }.value
            #expect(!device.state.asleep, "an alert over the app is no reason")
            let end = ContinuousClock.now + patience
            repeat {
                await device.changed { $0.scene = .active }.value
                await device.changed { $0.scene = .background }.value
                #expect(device.state.asleep && device.state.trouble == nil)
            } while try await shell.origin.wishes(of: "ada").isEmpty && ContinuousClock.now < end
            #expect(try await shell.origin.wishes(of: "ada").map(\.target) == ["first"], "what waits leaves with the app")

            #expect(await device.work() == .done)
            #expect(device.state.asleep)
            // The system takes the time back at once: what was begun ends, and the databases are closed all the same.
            let task = Task { await device.work() }
            task.cancel()
            #expect(await task.value == .again)
            #expect(device.state.asleep && device.state.trouble == nil)
            // The person comes back while a task works: it does not close what they look at.
            async let working = device.work()
            await device.changed { $0.scene = .active }.value
            _ = await working
            await device.changed { _ in }.value
            #expect(!device.state.asleep)
            try await session.setLiked(item: "second", liked: true)
            #expect(await device.work() == .done)
        }
    }

    @Test func whatTheSystemSaysReachesTheCoreInOrder() async throws {
        try await shell { shell in
            let feed = try shell.feed()
            let device = DeviceModel(shell.session)
            await feed.start().value
            try await feed.until("it plays") { $0.playing }
            device.audio(.interrupted)
            try await feed.until("a call") { $0.interrupted && $0.paused }
            device.audio(.interruptionOver(resume: true))
            try await feed.until("its end") { !$0.interrupted && !$0.paused }
            device.audio(.outputGone)
            try await feed.until("the headphones are gone") { $0.paused }
            device.audio(.interruptionOver(resume: true))
            feed.togglePause()
            try await feed.until("the person plays") { !$0.paused }
            device.memory(.warning)
            device.memory(.critical)
            device.memory(.normal)
            device.timeZone(try #require(TimeZone(secondsFromGMT: 20_700)))
            // To and fro, faster than databases close.
            var tasks: [Task<Void, Never>] = []
            for turn in 1...7 { tasks.append(device.changed { $0.scene = turn % 2 == 0 ? .active : .background }) }
            tasks.append(device.changed { $0.scene = .active })
            for task in tasks { await task.value }
            #expect(device.state.trouble == nil && !device.state.asleep)
            await feed.settled(1).value
            try await feed.until("it plays again") { $0.current == 1 && $0.playing }
            await device.changed { $0.scene = .background }.value
            await device.changed { $0.scene = .active }.value
            await feed.settled(2).value
            #expect(feed.state.current == 2)
        }
    }

    @Test func yourDataAreYoursToTakeAndToErase() async throws {
        try await shell(Conditions(online: false)) { shell in
            let privacy = PrivacyModel(shell.session)
            try await privacy.until("what was agreed to") { $0.consent.count == 3 }
            await privacy.consent(to: .quality, false).value
            await privacy.consent(to: .measurement, false).value
            #expect(privacy.state.consent == [.personalisation])
            #expect(try await shell.session.settings().preferences.consent == [.personalisation])
            await privacy.consent(to: .quality, true).value
            #expect(privacy.state.consent == [.personalisation, .quality])

            try await shell.session.setLiked(item: "a-liked-item", liked: true)
            let file = shell.scratch.path("export.json")
            await privacy.export(to: file).value
            #expect(privacy.state.exported == file && privacy.state.trouble == nil)
            let written = try String(contentsOfFile: file, encoding: .utf8)
            #expect(written.contains("a-liked-item") && privacy.state.progress?.bytes == UInt64(written.utf8.count))
            await privacy.export(to: shell.scratch.path("no-such-folder/export.json")).value
            #expect(privacy.state.exported == nil && privacy.state.trouble?.kind == .storage)

            await privacy.erase([]).value
            #expect(privacy.state.trouble?.kind == .refused && !privacy.state.erased)
            await privacy.erase([.deeds]).value
            #expect(privacy.state.erased)
            await privacy.erase([.deeds]).value
            #expect(privacy.state.trouble?.kind == .ended, "the session ended with it")
        }
    }

    @Test func whatLeftThisDeviceIsListed() async throws {
        try await shell { shell in
            let privacy = PrivacyModel(shell.session)
            _ = try await shell.session.topics()
            privacy.look()
            let listed = privacy.state.requests.count
            #expect(listed > 0)
            #expect(privacy.state.requests.allSatisfy { $0.host.hasPrefix("127.0.0.1") && !$0.refused })
            privacy.look()
            #expect(privacy.state.requests.map(\.number) == Array(Set(privacy.state.requests.map(\.number))).sorted())
        }
    }

    @Test func captionsStillnessAndThriftAreChosen() async throws {
        let scratch = try Scratch()
        let config = offlineConfig(scratch, captions: ["en"], reducedMotion: true)
        try await Unspool.withSession(config: config) { session in
            let viewing = ViewingModel(session)
            try await viewing.until("the device's wishes") { $0.preferences.reducedMotion }
            #expect(viewing.state.preferences.captions == ["en"])
            await viewing.captions(["de", "*"]).value
            await viewing.reduceMotion(false).value
            await viewing.saveData(true).value
            let chosen = viewing.state.preferences
            #expect(chosen.captions == ["de", "*"] && !chosen.reducedMotion && chosen.dataSaver)
            await viewing.captions(["no tag"]).value
            #expect(viewing.state.trouble?.kind == .refused)
            #expect(viewing.state.preferences.captions == ["de", "*"])
            await viewing.reduceMotion(nil).value
            #expect(viewing.state.preferences.reducedMotion && viewing.state.trouble == nil)
        }
    }
}
