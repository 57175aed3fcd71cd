import AVFAudio
import Observation
import SwiftUI
import UnspoolKit
import UnspoolUI

/// The sample app: opens a session, asks what the person likes, plays the feed.
@main
struct SampleApp: App {
    @State private var shell = Shell()
    @Environment(\.scenePhase) private var phase

    init() {
        // Before launching has finished, as the scheduler demands.
        let shell = shell
        BackgroundFlush.register { try await shell.opened().device }
    }

    var body: some SwiftUI.Scene {
        WindowGroup {
            Root(shell: shell)
                .task { await LogSink.follow(subsystem: "dev.unspool.sample") }
                .onOpenURL { shell.open(link: $0) }
                .onContinueUserActivity(NSUserActivityTypeBrowsingWeb) { activity in
                    if let url = activity.webpageURL { shell.open(link: url) }
                }
        }
        .onChange(of: phase) { _, now in
            guard let device = shell.session?.device else { return }
            switch now {
            case .active: device.changed { $0.scene = .active }
            case .inactive: device.changed { $0.scene = .inactive }
            case .background: BackgroundFlush.leave(device)
            @unknown default: break
            }
        }
    }
}

/// What is shown: the trouble of opening, the first screen, or the feed with its settings.
struct Root: View {
    let shell: Shell
    @State private var settings = false

    var body: some View {
        Group {
            if let session = shell.session {
                if session.onboarding.state.done {
                    feed(session)
                } else {
                    OnboardingScreen(session.onboarding)
                }
            } else if shell.trouble != nil {
                ContentUnavailableView {
                    Label("The app cannot start", systemImage: "exclamationmark.triangle")
                } actions: {
                    Button("Try again") { Task { try? await shell.opened() } }
                }
            } else {
                ProgressView()
            }
        }
        .task { _ = try? await shell.opened() }
    }

    private func feed(_ session: Shell.Session) -> some View {
        FeedScreen(session.core, session.feed, engine: .system(session.players), host: Shell.host) { _ in }
            .id(ObjectIdentifier(session.feed))
            .overlay(alignment: .topTrailing) {
                Button { settings = true } label: {
                    Image(systemName: "gearshape").frame(minWidth: 44, minHeight: 44)
                }
                .accessibilityLabel("Settings")
            }
            .overlay(alignment: .top) {
                if let notice = shell.notice { Text(notice).padding().background(.regularMaterial, in: .capsule) }
            }
            .sheet(isPresented: $settings) {
                SettingsScreen(session.core) {
                    settings = false
                    shell.forget()
                    Task { try? await shell.opened() }
                }
            }
    }
}

/// Holds the one session of the process, and opens it once, whoever asks first: the first screen, or a task in the background.
@MainActor
@Observable
final class Shell {
    /// The host of universal links; the entitlements name the same.
    static let host = "watch.example"

    struct Session {
        let core: Unspool
        let players: AVPlayers
        let device: DeviceModel
        let observers: SystemObservers
        let onboarding: OnboardingModel
        var feed: FeedModel
    }

    private(set) var session: Session?
    private(set) var trouble: Trouble?
    private var asked: DeepLink?
    @ObservationIgnored private var opening: Task<Session, any Error>?
    @ObservationIgnored private var link: DeepLink?

    /// What the screen says of a link that it could not follow: the core has no feed of one creator, and videos go away.
    var notice: String? {
        guard let asked, session?.feed.state.current == 0 else { return nil }
        if !asked.isShown { return "This link cannot be opened yet; here is your feed." }
        return session?.feed.state.isOtherThanAsked == true ? "This video is no longer there; here is your feed." : nil
    }

    /// The session, opened where it is not.
    @discardableResult
    func opened() async throws -> Session {
        if let session { return session }
        if let opening { return try await opening.value }
        let opening = Task { try await self.start() }
        self.opening = opening
        defer { self.opening = nil }
        return try await opening.value
    }

    /// The session has ended: the next call opens another one.
    func forget() {
        session?.observers.stop()
        session = nil
    }

    /// A universal link, or one of the app's own scheme.
    func open(link url: URL) {
        guard let link = DeepLink(url.absoluteString, hosts: [Self.host]) else { return }
        self.link = link
        follow()
    }

    private func start() async throws -> Session {
        do {
            // Sound also with the switch at the side on silent, as people expect of a video they chose.
            try AVAudioSession.sharedInstance().setCategory(.playback, mode: .moviePlayback)
            let players = AVPlayers()
            let config = SessionConfig(
                dataDir: try StateDirectory.prepare(), account: "ada",
                backend: Bundle.main.object(forInfoDictionaryKey: "UnspoolBackend") as? String,
                captions: CaptionWish(
                    enabled: UIAccessibility.isClosedCaptioningEnabled, preferred: Locale.preferredLanguages
                ).languages,
                reducedMotion: UIAccessibility.isReduceMotionEnabled)
            // The reference server takes any token that begins with the account; an app asks its account code here.
            let core = try await Unspool.open(config: config, tokens: Tokens { _ in "ada" }, players: players)
            let device = DeviceModel(core)
            let session = Session(
                core: core, players: players, device: device, observers: SystemObservers(device),
                onboarding: OnboardingModel(core), feed: try FeedModel(core))
            (self.session, trouble) = (session, nil)
            follow()
            return session
        } catch {
            trouble = Trouble(error)
            throw error
        }
    }

    /// Opens what a link asks for, once there is a session.
    private func follow() {
        guard let link, var session else { return }
        self.link = nil
        guard let feed = try? FeedModel(session.core, link: link) else { return }
        session.feed.close()
        session.feed = feed
        self.session = session
        asked = link
    }
}
