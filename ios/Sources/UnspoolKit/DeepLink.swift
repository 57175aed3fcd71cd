import Foundation
import UnspoolCore

/// What a link asks for: a universal link, or one of the app's own scheme.
///
/// | link | asks for |
/// |---|---|
/// | `https://HOST/video/ITEM` | one video |
/// | `https://HOST/creator/CREATOR` | a creator |
/// | `https://HOST/topic/TOPIC` | a topic |
/// | `https://HOST/following`, `/learn`, `/kept` | a feed |
/// | `unspool://video/ITEM` and so on | the same |
///
/// Android reads the same links. The association file of the host (`ios/Sample/apple-app-site-association`) lists their paths.
/// A link is somebody else's text: one that is not exactly of these forms is no link, and the app opens as it always does. It
/// may choose what is looked at and never what is done.
public enum DeepLink: Equatable, Sendable {
    case video(String)
    case creator(String)
    case feed(FeedKind)

    /// The app's own scheme, for links that no browser should see.
    public static let scheme = "unspool"

    /// Longest link that is read, in bytes: three of every byte of an identifier, and room for a host.
    private static let longest = 2_048
    /// Longest identifier, in bytes: the core's own bounds.
    private static let longestId = 512
    private static let longestVideo = 128

    private static let feeds: [(path: String, kind: FeedKind)] = [
        ("following", .following), ("learn", .learn), ("kept", .kept),
    ]

    /// Reads a link to one of `hosts` over HTTPS, or of the app's ``scheme``, without a port or a user in it; nil for anything
    /// else. A query and a fragment say nothing and are not read.
    public init?(_ link: String, hosts: Set<String>) {
        guard link.utf8.count <= Self.longest, let parts = URLComponents(string: link), let host = parts.percentEncodedHost,
            parts.port == nil, parts.user == nil, parts.password == nil
        else { return nil }
        var path = parts.percentEncodedPath.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        if path.last == "" { path.removeLast() }
        switch parts.scheme?.lowercased() {
        case "https" where hosts.contains(host.lowercased()): break
        case Self.scheme: path.insert(host, at: 0)
        default: return nil
        }
        switch path.count {
        case 1:
            guard let feed = Self.feeds.first(where: { $0.path == path[0] }) else { return nil }
            self = .feed(feed.kind)
        case 2:
            guard let id = Self.identifier(path[1]) else { return nil }
            switch path[0] {
            case "video" where Self.isVideo(id): self = .video(id)
            case "creator": self = .creator(id)
            case "topic": self = .feed(.topic(topic: id))
            default: return nil
            }
        default: return nil
        }
    }

    /// The link to this on `host`; nil for a feed that no link names and an identifier that is none.
    public func link(host: String) -> String? {
        let path: String?
        switch self {
        case .video(let id): path = Self.isVideo(id) ? Self.escaped(id).map { "video/\($0)" } : nil
        case .creator(let id): path = Self.escaped(id).map { "creator/\($0)" }
        case .feed(.topic(let id)): path = Self.escaped(id).map { "topic/\($0)" }
        case .feed(let kind): path = Self.feeds.first { $0.kind == kind }?.path
        }
        return path.map { "https://\(host)/\($0)" }
    }

    /// The feed that is opened for it. The core has none of one creator, so that opens the feed of the person.
    public var opens: FeedKind {
        if case .feed(let kind) = self { kind } else { .forYou }
    }

    /// The item that the feed begins with.
    public var first: String? {
        if case .video(let id) = self { id } else { nil }
    }

    /// Whether what the link asks for is what opens. Where it is not, the screen says that it cannot show it yet.
    public var isShown: Bool {
        if case .creator = self { false } else { true }
    }

    private static func identifier(_ escaped: String) -> String? {
        guard let id = escaped.removingPercentEncoding else { return nil }
        return isIdentifier(id) ? id : nil
    }

    private static func isIdentifier(_ id: String) -> Bool {
        !id.isEmpty && id.utf8.count <= longestId && id != "." && id != ".."
            && !id.unicodeScalars.contains { CharacterSet.controlCharacters.contains($0) }
    }

    /// Whether it can name an item: the core takes printable characters of ASCII.
    private static func isVideo(_ id: String) -> Bool {
        id.utf8.count <= longestVideo && id.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    private static func escaped(_ id: String) -> String? {
        // Letters and digits of ASCII and what no part of a URL has a use for.
        let plain = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return isIdentifier(id) ? id.addingPercentEncoding(withAllowedCharacters: plain) : nil
    }
}
