import Foundation
import Testing
import UnspoolCore
@testable import UnspoolKit

extension KitTests {
    private func item(_ name: String, _ alt: String, _ caption: String) -> Item {
        Item(
            id: "a/b", assetId: "a", durationMs: 1_000, creator: Creator(id: "c", handle: "cleo", name: name), topics: [],
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

    @Test func whatIsSharedEndsWithItsLink() throws {
        let plain = try #require(ShareText(item("Cleo", "A dog runs", " Look! "), host: "watch.example"))
        #expect(plain.title == "Cleo" && plain.text == "Look!\nhttps://watch.example/video/a%2Fb")
        let silent = try #require(ShareText(item("", "A dog runs", ""), host: "watch.example"))
        #expect(silent.title == "cleo" && silent.text == silent.link)
        let long = try #require(ShareText(item("Cleo", "", String(repeating: "x", count: 900)), host: "watch.example"))
        #expect(long.words.count == ShareText.longest + 1 && long.words.hasSuffix("…"))
    }

    @Test func aCoverSaysWhyTheGravestFirst() {
        func reason(_ source: SafetySource, _ name: String, _ harm: Harm?, _ weight: SafetyWeight) -> SafetyReason {
            SafetyReason(source: source, name: name, harm: harm, weight: weight, overridable: true)
        }
        let none = SafetyTreatment(filter: false, blur: false, alert: false, inform: false, noOverride: false)
        let safety = CardSafety(
            covered: true, revealable: true, hidden: false,
            reasons: [
                reason(.label(of: .item), "rumour", .conspiracy, .mark), reason(.mutedWord, "spoiler", nil, .blur),
                reason(.label(of: .creator), "rumour", .conspiracy, .mark), reason(.age, "", nil, .hide),
            ],
            noAmplification: false, offerReport: false, surfaces: SafetySurfaces(list: none, view: none, media: none))
        #expect(CoverWord.of(safety) == [
            CoverWord(kind: .age, name: ""), CoverWord(kind: .mutedWord, name: "spoiler"),
            CoverWord(kind: .conspiracy, name: "rumour"),
        ])
    }

    @Test func captionsFollowTheSystemsSettings() {
        #expect(CaptionWish(enabled: false, preferred: ["de"]).languages.isEmpty)
        let many = CaptionWish(enabled: true, preferred: ["de-AT", "de", "EN_us", "", "x", "fr", "it", "pl"])
        #expect(many.languages == ["de", "en", "fr", "it", "*"])
        #expect(CaptionWish(enabled: true, preferred: []).languages == ["*"])
    }
}
