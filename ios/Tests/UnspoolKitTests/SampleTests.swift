import Foundation
import Testing
@testable import UnspoolKit

/// A file of the shell, by its place below `ios/`.
private func file(_ path: String) throws -> Data {
    let ios = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    return try Data(contentsOf: ios.appendingPathComponent(path))
}

private func list(_ path: String) throws -> [String: Any] {
    try #require(try PropertyListSerialization.propertyList(from: file(path), format: nil) as? [String: Any])
}

extension KitTests {
    /// What the code needs and iOS refuses without a word where it is missing.
    @Test func theSamplesListsSayWhatTheCodeNeeds() throws {
        let info = try list("Sample/Info.plist")
        #expect(info["BGTaskSchedulerPermittedIdentifiers"] as? [String] == [FlushJob.identifier])
        #expect(info["UIBackgroundModes"] as? [String] == ["processing"])
        #expect(info["NSAppTransportSecurity"] as? [String: Bool] == ["NSAllowsLocalNetworking": true], "and nothing else")
        let schemes = (info["CFBundleURLTypes"] as? [[String: Any]])?.first?["CFBundleURLSchemes"] as? [String]
        #expect(schemes == [DeepLink.scheme])

        let rights = try list("Sample/Sample.entitlements")
        #expect(rights["com.apple.developer.associated-domains"] as? [String] == ["applinks:watch.example"])

        let site = try #require(try JSONSerialization.jsonObject(with: file("Sample/apple-app-site-association")) as? [String: Any])
        let details = (site["applinks"] as? [String: Any])?["details"] as? [[String: Any]]
        let components = try #require(details?.first?["components"] as? [[String: String]])
        for path in components.compactMap({ $0["/"] }) {
            let link = "https://watch.example" + path.replacingOccurrences(of: "*", with: "x")
            #expect(DeepLink(link, hosts: ["watch.example"]) != nil, "the system hands over \(link)")
        }
        #expect(components.count == 6)
    }

    @Test func theLibrarysPrivacyManifestIsOfApplesForm() throws {
        let manifest = try list("Sources/UnspoolUI/Resources/PrivacyInfo.xcprivacy")
        #expect(manifest["NSPrivacyTracking"] as? Bool == false)
        let used = try #require(manifest["NSPrivacyAccessedAPITypes"] as? [[String: Any]])
        let reasons = used.map { ($0["NSPrivacyAccessedAPIType"] as? String, $0["NSPrivacyAccessedAPITypeReasons"] as? [String]) }
        let known = [
            "NSPrivacyAccessedAPICategoryFileTimestamp": ["C617.1"], "NSPrivacyAccessedAPICategorySystemBootTime": ["35F9.1"],
            "NSPrivacyAccessedAPICategoryDiskSpace": ["E174.1"],
        ]
        #expect(reasons.count == known.count && reasons.allSatisfy { known[$0.0 ?? ""] == $0.1 })
        let collected = try #require(manifest["NSPrivacyCollectedDataTypes"] as? [[String: Any]])
        #expect(collected.count == 4)
        for type in collected {
            #expect(type["NSPrivacyCollectedDataTypeTracking"] as? Bool == false)
            #expect((type["NSPrivacyCollectedDataTypePurposes"] as? [String])?.isEmpty == false)
        }
    }
}
