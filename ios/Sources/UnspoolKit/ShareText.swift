import UnspoolCore

/// What the share sheet is given. Nothing of the person who shares is in it.
public struct ShareText: Equatable, Sendable {
    /// Of the sheet's preview, and the subject of a mail.
    public let title: String
    /// What was written below the video.
    public let words: String
    public let link: String

    /// Longest part of a caption that goes along, in characters.
    public static let longest = 120

    /// Words for an item whose link lies at `host`; nil for an identifier that no link can hold.
    public init?(_ item: Item, host: String) {
        guard let link = DeepLink.video(item.id).link(host: host) else { return nil }
        let (name, caption) = (item.creator.name.trimmed, item.caption.trimmed)
        title = name.isEmpty ? item.creator.handle : name
        words = caption.count > Self.longest ? String(caption.prefix(Self.longest)).trimmed + "…" : caption
        self.link = link
    }

    /// The words, and the link last, where messengers look for it.
    public var text: String { words.isEmpty ? link : "\(words)\n\(link)" }
}
