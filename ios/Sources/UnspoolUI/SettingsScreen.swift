import SwiftUI
import UnspoolKit

/// Everything the person decides, one screen each.
public struct SettingsScreen: View {
    private let session: Unspool
    private let erased: () -> Void

    /// - Parameter erased: The session has ended with an erasure: open another one.
    public init(_ session: Unspool, erased: @escaping () -> Void) { (self.session, self.erased) = (session, erased) }

    private enum Screen: CaseIterable {
        case limits, safety, learner, viewing, privacy

        var title: String {
            switch self {
            case .limits: Words.said("settings.limits", "Time and breaks")
            case .safety: Words.said("settings.safety", "What you see")
            case .learner: Words.said("settings.learner", "What this app has learnt")
            case .viewing: Words.said("settings.viewing", "Playback and accessibility")
            case .privacy: Words.said("settings.privacy", "Your data")
            }
        }
    }

    public var body: some View {
        NavigationStack {
            List(Screen.allCases, id: \.self) { NavigationLink($0.title, value: $0) }
                .navigationTitle(Words.said("settings.title", "Settings"))
                .navigationDestination(for: Screen.self) { screen in
                    Group {
                        switch screen {
                        case .limits: LimitsScreen(LimitsModel(session))
                        case .safety: SafetyScreen(SafetyModel(session))
                        case .learner: LearnerScreen(LearnerModel(session))
                        case .viewing: ViewingScreen(ViewingModel(session))
                        case .privacy: PrivacyScreen(PrivacyModel(session), erased: erased)
                        }
                    }
                    .navigationTitle(screen.title)
                }
        }
    }
}
