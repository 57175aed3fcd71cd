import SwiftUI
import UnspoolKit

/// Consent, export, erasure, and what left this phone.
struct PrivacyScreen: View {
    @State private var model: PrivacyModel
    @State private var scopes: Set<EraseScope> = []
    @State private var asksErase = false
    private let erased: () -> Void

    init(_ model: PrivacyModel, erased: @escaping () -> Void) {
        _model = State(initialValue: model)
        self.erased = erased
    }

    private static let purposes: [Purpose] = [.personalisation, .measurement, .quality]
    private static let all: [EraseScope] = [.history, .media, .telemetry, .deeds, .account]

    var body: some View {
        let state = model.state
        Form {
            Section(Words.said("privacy.consent", "You agree to")) {
                ForEach(Self.purposes, id: \.self) { purpose in
                    Toggle(Words.of(purpose), isOn: Binding(of: { state.consent.contains(purpose) }, set: { model.consent(to: purpose, $0) }))
                }
            }
            Section(Words.said("privacy.export", "Take it along")) {
                if let exported = state.exported {
                    ShareLink(item: URL(fileURLWithPath: exported))
                } else {
                    Button(Words.said("privacy.write", "Write everything into a file")) {
                        let folder = FileManager.default.temporaryDirectory
                        model.export(to: folder.appendingPathComponent("unspool-\(UUID().uuidString).json").path)
                    }
                    if let progress = state.progress { Text(Words.bytes(progress.bytes)) }
                }
            }
            Section(Words.said("privacy.erase", "Erase")) {
                ForEach(Self.all, id: \.self) { scope in
                    Toggle(Words.of(scope), isOn: Binding(
                        of: { scopes.contains(scope) }, set: { if $0 { scopes.insert(scope) } else { scopes.remove(scope) } }))
                }
                Button(Words.said("privacy.eraseNow", "Erase now"), role: .destructive) { asksErase = true }.disabled(scopes.isEmpty)
            }
            Section(Words.said("privacy.left", "What left this phone")) {
                ForEach(state.requests.suffix(50).reversed(), id: \.number) { request in
                    LabeledContent(request.host, value: Words.bytes(request.sentBytes))
                        .accessibilityElement(children: .combine)
                }
            }
        }
        .safeAreaInset(edge: .bottom) { TroubleBanner(trouble: state.trouble) }
        .refreshable { model.look() }
        .confirmationDialog(Words.said("privacy.sure", "This cannot be undone."), isPresented: $asksErase, titleVisibility: .visible) {
            Button(Words.said("privacy.eraseNow", "Erase now"), role: .destructive) { model.erase(scopes) }
        }
        .onChange(of: state.erased) { _, now in if now { erased() } }
        .onDisappear {
            model.cancelExport()
            if let exported = model.state.exported { try? FileManager.default.removeItem(atPath: exported) }
        }
    }
}
