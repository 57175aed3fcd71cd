/// What the system's caption settings say.
public struct CaptionWish: Equatable, Sendable {
    /// `UIAccessibility.isClosedCaptioningEnabled`: the person turned captions on for all apps.
    public let enabled: Bool
    /// Languages chosen for captions, then those of the device, as tags.
    public let preferred: [String]

    /// Languages of one person.
    private static let most = 4

    public init(enabled: Bool, preferred: [String]) { (self.enabled, self.preferred) = (enabled, preferred) }

    /// Languages for the core, most wanted first: none while captions are off, else those above without their countries, and
    /// any at all at the end, because a person who needs captions reads another language rather than nothing.
    public var languages: [String] {
        guard enabled else { return [] }
        var languages: [String] = []
        for tag in preferred {
            let language = tag.prefix { $0 != "-" && $0 != "_" }.lowercased()
            if (2...8).contains(language.count), language.allSatisfy({ $0.isASCII && $0.isLetter }), !languages.contains(language) {
                languages.append(language)
            }
        }
        return languages.prefix(Self.most) + ["*"]
    }
}
