import SwiftUI
import UIKit
import UnspoolKit

/// The system's share sheet, in a sheet of SwiftUI's, which says when the person is back; `ShareLink` does not.
struct ShareSheet: UIViewControllerRepresentable {
    let share: ShareText

    func makeUIViewController(context: Context) -> UIActivityViewController {
        UIActivityViewController(activityItems: [share.text], applicationActivities: nil)
    }

    func updateUIViewController(_ controller: UIActivityViewController, context: Context) {}
}
