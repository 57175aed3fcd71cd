import Foundation
import UnspoolCore

/// What VoiceOver says of a card.
///
/// The words between the parts belong to the app's catalogue; here is what is said, and in which order.
public enum Spoken {
    /// Longest that is said of one card, in characters: a person who listens swipes by ear.
    public static let longest = 280

    /// How far before the end a word may end that a line is cut at.
    private static let near = 40

    /// Who made it, what is seen, what was written: alternative text before the caption, nothing twice.
    public static func parts(_ item: Item) -> [String] {
        let name = item.creator.name.trimmed
        var said: [String] = []
        for part in [name.isEmpty ? item.creator.handle.trimmed : name, item.altText.trimmed, item.caption.trimmed]
        where !part.isEmpty && !said.contains(part) {
            said.append(part)
        }
        return said
    }

    /// ``parts(_:)`` as one line of at most ``longest`` characters, cut at a word where one ends near.
    public static func line(_ item: Item, between: String = ". ") -> String {
        let whole = parts(item).joined(separator: between)
        if whole.count <= longest { return whole }
        var cut = whole.prefix(longest)
        if let space = cut.lastIndex(of: " "), cut.distance(from: cut.startIndex, to: space) > longest - near {
            cut = cut[..<space]
        }
        while let last = cut.last, ".,  ".contains(last) { cut.removeLast() }
        return cut + "…"
    }
}

extension String {
    var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
