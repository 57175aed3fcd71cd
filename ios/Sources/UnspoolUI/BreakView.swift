import SwiftUI
import UnspoolKit

/// The break that stands in a card's place. What can be done is what the core lists; nothing of the view passes it.
struct BreakView: View {
    let session: Unspool
    let model: FeedModel
    let rest: BreakCard

    @State private var limits: LimitsModel?
    @State private var opensAt: Date?
    @AccessibilityFocusState private var focused: Bool

    var body: some View {
        VStack(spacing: 24) {
            Text(Words.of(rest.cause)).font(.title).multilineTextAlignment(.center)
                .accessibilityAddTraits(.isHeader)
                .accessibilityFocused($focused)
            Text(Words.said("break.today", "Today: \(Words.duration(ms: rest.todayMs))")).foregroundStyle(.secondary)
            ForEach(rest.actions, id: \.self) { action in
                switch action {
                case .leave: EmptyView()  // the person leaves as they leave any app; iOS lets none close itself
                case .wait, .goOn: goOn
                case .allowMore: Button(Words.of(action)) { limits = LimitsModel(session) }.buttonStyle(.bordered)
                }
            }
        }
        .padding()
        .frame(maxWidth: .infinity, maxHeight: .infinity)
        .background(.thickMaterial)
        .accessibilityAddTraits(.isModal)
        .onChange(of: rest, initial: true) { _, rest in
            opensAt = Date(timeIntervalSinceNow: Double(rest.opensInMs) / 1_000)
        }
        .onAppear { focused = true }
        .sheet(item: $limits) { limits in
            PasscodeSheet(model: limits) { model.allowMore(minutes: 15) }
        }
    }

    /// Opens when the card says so. Who presses it before that, by whatever way, is told by the core to wait.
    private var goOn: some View {
        TimelineView(.periodic(from: .now, by: 1)) { context in
            let left = opensAt.map { $0.timeIntervalSince(context.date) } ?? 0
            Button(Words.of(.goOn)) { model.goOn() }
                .buttonStyle(.borderedProminent)
                .disabled(left > 0)
                .accessibilityHint(left > 0 ? Words.said("break.opens", "Opens in \(Words.duration(ms: UInt64(left * 1_000)))") : "")
        }
    }
}

/// Asks for the guardian's passcode.
struct PasscodeSheet: View {
    let model: LimitsModel
    let opened: () -> Void

    @State private var code = ""
    @Environment(\.dismiss) private var dismiss

    var body: some View {
        Form {
            SecureField(Words.said("passcode.field", "Passcode"), text: $code).textContentType(.password)
            Button(Words.said("passcode.give", "Open")) {
                Task {
                    await model.givePasscode(code).value
                    if model.state.trouble == nil {
                        opened()
                        dismiss()
                    }
                }
            }
            .disabled(code.utf8.count < 4)
            TroubleBanner(trouble: model.state.trouble)
            if let wait = model.state.trouble?.after, wait > 0 {
                Text(Words.said("passcode.wait", "Wait \(Words.duration(ms: UInt64(wait * 1_000)))"))
            }
        }
        .presentationDetents([.medium])
    }
}
