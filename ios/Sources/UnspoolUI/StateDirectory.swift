import Foundation

/// Where the session keeps its files.
public enum StateDirectory {
    /// In Application Support, because what waits there was not sent yet: the system empties folders of caches.
    public static var root: URL { URL.applicationSupportDirectory.appending(path: "Unspool", directoryHint: .isDirectory) }

    /// Makes the folder, with what iOS needs to know of it. Call it before every opening.
    ///
    /// - Readable after the first unlock: a task in the background opens the databases while the phone is locked. Files made in
    ///   it take its class; SQLite makes new ones at any time.
    /// - Not in backups: it is of this installation, and the bytes of videos are fetched again.
    public static func prepare() throws -> String {
        var folder = root
        let protection: [FileAttributeKey: Any] = [.protectionKey: FileProtectionType.completeUntilFirstUserAuthentication]
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: protection)
        // An older version of the app may have made it without.
        try FileManager.default.setAttributes(protection, ofItemAtPath: folder.path)
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        try folder.setResourceValues(values)
        return folder.path
    }
}
