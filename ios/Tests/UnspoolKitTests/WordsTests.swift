import Foundation
import Testing
import UnspoolCore
import UnspoolKit

extension KitTests {
    private func item(_ name: String, _ alt: String, _ caption: String) -> Item {
        Item(
            id: "a/b é", assetId: "a", durationMs: 1_000, creator: Creator(id: "c", handle: "cleo", name: name), topics: [],
            caption: caption, altText: alt, labels: [])
    }

    @Test func voiceOverSaysWhoWhatAndTheCaptionNothingTwice() {
        #expect(Spoken.line(item("Cleo", "A dog runs", "Look!")) == "Cleo. A dog runs. Look!")
        #expect(Spoken.line(item("", " Look! ", "Look!")) == "cleo. Look!")
        let long = Spoken.line(item("Cleo", String(repeating: "word ", count: 200), ""))
        #expect(long.count <= Spoken.longest + 1 && long.hasSuffix("word…"), "\(long)")
        #expect(Spoken.line(item("", String(repeating: "x", count: 900), "")).count == Spoken.longest + 1)
    }

    @Test func everyErrorHasItsWordsAndItsRemedy() throws {
        #expect(Trouble(UnspoolError.Cancelled) == nil && Trouble(UnspoolError.EndOfFeed) == nil)
        #expect(Trouble(CancellationError()) == nil)
        let expected: [(UnspoolError, Trouble.Kind, Remedy)] = [
            (.Offline, .offline, .retry), (.SignIn, .signedOut, .signIn),
            (.NoRoom(neededBytes: 2, freeBytes: 1), .storageFull, .freeSpace),
            (.Storage(reason: "full"), .storage, .freeSpace), (.InUse, .inUse, .retry),
            (.TimedOut(after: 3), .server, .retry), (.Guarded(isSet: true), .guarded, .none),
            (.WrongPasscode(wait: 0, wrong: 1), .wrongPasscode, .retry), (.ShutDown, .ended, .none),
            (.NotRevealable, .refused, .none), (.HostRefused(host: "h"), .refused, .none),
            (.Internal(reason: "a fault"), .broken, .retry),
        ]
        for (error, kind, remedy) in expected {
            let trouble = try #require(Trouble(error))
            #expect(trouble.kind == kind && trouble.remedy == remedy, "\(error)")
        }
        #expect(Trouble(UnspoolError.Backend(reason: "503", retryAfter: 7)) == Trouble(.server, .retry, after: 7, detail: "503"))
        struct Private: Error { let words = "a secret" }
        #expect(Trouble(Private()) == Trouble(.broken, .retry, detail: "Private"))
    }
}
