import UnspoolCore

/// Why a card is covered, as the screen says it: the words belong to the app's catalogue, ``name`` fills them.
public struct CoverWord: Hashable, Sendable {
    /// One text each.
    public enum Kind: String, CaseIterable, Sendable {
        case adult, scam, conspiracy, propaganda, flashing
        case label, age, mutedWord, mutedTopic, mutedSound, mutedCreator, blocked, rule, gone
    }

    public let kind: Kind
    /// Of the label, word, topic or creator; empty where the kind says all.
    public let name: String

    /// The reasons of a covered card, the gravest first, each once.
    public static func of(_ safety: CardSafety) -> [CoverWord] {
        var words: [CoverWord] = []
        for weight in [SafetyWeight.hide, .blur, .mark] {
            for reason in safety.reasons where reason.weight == weight {
                let word = CoverWord(kind: kind(reason), name: reason.name)
                if !words.contains(word) { words.append(word) }
            }
        }
        return words
    }

    private static func kind(_ reason: SafetyReason) -> Kind {
        switch reason.harm {
        case .adult: return .adult
        case .scam: return .scam
        case .conspiracy: return .conspiracy
        case .propaganda: return .propaganda
        case .flashing: return .flashing
        case nil: break
        }
        switch reason.source {
        case .label, .unknownLabel: return .label
        case .age: return .age
        case .mutedWord: return .mutedWord
        case .mutedTopic: return .mutedTopic
        case .mutedSound: return .mutedSound
        case .mutedCreator: return .mutedCreator
        case .blocked, .blockedBy: return .blocked
        case .rule: return .rule
        case .withdrawn, .hiddenItem: return .gone
        }
    }
}
