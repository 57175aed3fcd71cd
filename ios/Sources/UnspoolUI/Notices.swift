import SwiftUI
import UnspoolKit

/// Says what did not work, with the button that helps; read out at once.
struct TroubleBanner: View {
    let trouble: Trouble?
    var act: ((Remedy) -> Void)?

    var body: some View {
        if let trouble {
            HStack(alignment: .firstTextBaseline) {
                Label(Words.of(trouble), systemImage: "exclamationmark.triangle")
                    .font(.callout)
                Spacer(minLength: 8)
                if let act, let words = Words.of(trouble.remedy) {
                    Button(words) { act(trouble.remedy) }
                        .buttonStyle(.bordered)
                }
            }
            .padding()
            .background(.regularMaterial, in: .rect(cornerRadius: 12))
            .padding(.horizontal)
            .accessibilityElement(children: .combine)
            .onAppear { AccessibilityNotification.Announcement(Words.of(trouble)).post() }
        }
    }
}
