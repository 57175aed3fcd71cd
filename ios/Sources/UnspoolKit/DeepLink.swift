import Foundation
import UnspoolCore

/// What a universal link asks for, and the links that are shared.
///
/// | link | asks for |
/// |---|---|
/// | `https://HOST/v/ITEM` | one video |
/// | `https://HOST/c/CREATOR` | a creator |
/// | `https://HOST/t/TOPIC` | a topic |
/// | `https://HOST/`, `/following`, `/learn`, `/everybody`, `/kept` | a feed |
///
/// The association file of the host (`ios/Sample/apple-app-site-association`) lists the same paths. A link is somebody else's
/// text: one that is not exactly of these forms is no link, and the app opens as it always does.
public enum DeepLink: Equatable, Sendable {
    case item(String)
    case creator(String)
    case topic(String)
    case feed(FeedKind)

    /// Longest link that is read, in bytes: three of every byte of an identifier, and room for a host.
    private static let longest = 2_048
    /// Longest identifier, in bytes: the core's own bound.
    private static let longestId = 512

    private static let feeds: [(path: String, kind: FeedKind)] = [
        ("following", .following), ("learn", .learn), ("everybody", .nonProfiled), ("kept", .kept),
    ]

    /// Reads a link to one of `hosts`, over HTTPS, without a port or a user in it; nil for anything else. A query and a
    /// fragment say nothing and are not read.
    public init?(_ link: String, hosts: Set<String>) {
        guard link.utf8.count <= Self.longest, let parts = URLComponents(string: link), parts.scheme?.lowercased() == "https",
            let host = parts.host?.lowercased(), hosts.contains(host),
            parts.port == nil, parts.user == nil, parts.password == nil
        else { return nil }
        var path = parts.percentEncodedPath.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        if path.last == "" { path.removeLast() }
        switch path.count {
        case 0: self = .feed(.forYou)
        case 1:
            guard let feed = Self.feeds.first(where: { $0.path == path.first! }) else { return nil }
            self = .feed(feed.kind)
        case 2:
            guard let id = Self.identifier(path.last!) else { return nil }
            switch path.first! {
            case "v": self = .item(id)
            case "c": self = .creator(id)
            case "t": self = .topic(id)
            default: return nil
            }
        default: return nil
        }
    }

    /// The link to this on `host`; nil for a feed that no link names and an identifier that is none.
    public func link(host: String) -> String? {
        let path: String?
        switch self {
        case .item(let id): path = Self.escaped(id).map { "v/\($0)" }
        case .creator(let id): path = Self.escaped(id).map { "c/\($0)" }
        case .topic(let id), .feed(.topic(let id)): path = Self.escaped(id).map { "t/\($0)" }
        case .feed(.forYou): path = ""
        case .feed(let kind): path = Self.feeds.first { $0.kind == kind }?.path
        }
        return path.map { "https://\(host)/\($0)" }
    }

    /// The feed that is opened for it.
    ///
    /// The core has no feed of one item and none of one creator, so these open the feed of the person; ``isShown`` says so.
    public var opens: FeedKind {
        switch self {
        case .item, .creator: .forYou
        case .topic(let topic): .topic(topic: topic)
        case .feed(let kind): kind
        }
    }

    /// Whether what the link asks for is what opens. Where it is not, the screen says that it cannot show it yet.
    public var isShown: Bool {
        switch self {
        case .item, .creator: false
        case .topic, .feed: true
        }
    }

    private static func identifier(_ escaped: Substring) -> String? {
        guard let id = String(escaped).removingPercentEncoding else { return nil }
        return isIdentifier(id) ? id : nil
    }

    private static func isIdentifier(_ id: String) -> Bool {
        !id.isEmpty && id.utf8.count <= longestId && id != "." && id != ".."
            && !id.unicodeScalars.contains { CharacterSet.controlCharacters.contains($0) }
    }

    private static func escaped(_ id: String) -> String? {
        // Letters and digits of ASCII and what no part of a URL has a use for.
        let plain = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return isIdentifier(id) ? id.addingPercentEncoding(withAllowedCharacters: plain) : nil
    }
}

extension DeepLink {
    /// What is shared of a card: its creator's words, and the link to it.
    public static func share(_ item: Item, host: String) -> (words: String, link: String)? {
        guard let link = DeepLink.item(item.id).link(host: host) else { return nil }
        return (item.caption.trimmed.isEmpty ? item.altText.trimmed : item.caption.trimmed, link)
    }
}
