import AVFoundation
import QuartzCore
import SwiftUI
import UIKit
import UnspoolKit

/// What draws the pictures.
public enum Engine {
    /// The system's players over the core's gateway.
    case system(AVPlayers)
    /// GStreamer in the core, which draws into a view that is lent to it. Takes a native build with GStreamer and a session
    /// opened with `surfaces`.
    case gstreamer
}

/// The moving picture of the current card.
struct Picture: View {
    let engine: Engine
    let session: Unspool

    var body: some View {
        Group {
            switch engine {
            case .system(let players): SystemPicture(layer: players.layer)
            case .gstreamer: GStreamerPicture(session: session)
            }
        }
        .accessibilityHidden(true)  // the page says what is seen
    }
}

/// The layer of the players of the system.
struct SystemPicture: UIViewRepresentable {
    let layer: AVPlayerLayer

    func makeUIView(context: Context) -> Holder {
        let view = Holder()
        view.shown = layer
        view.layer.addSublayer(layer)
        return view
    }

    func updateUIView(_ view: Holder, context: Context) {}

    final class Holder: UIView {
        var shown: CALayer?

        override func layoutSubviews() {
            super.layoutSubviews()
            // A layer moves slowly by itself; the picture is to be where its view is.
            CATransaction.begin()
            CATransaction.setDisableActions(true)
            shown?.frame = bounds
            CATransaction.commit()
        }
    }
}

/// A view that the core's GStreamer draws into.
///
/// It is lent as long as it is in a window: `setWindow(nil)` returns when nothing draws into it any more. The core's interface has
/// no call for a view that changed its size, none for how the picture fills it, and none that gives pictures as `CVPixelBuffer`
/// for a Metal layer; so a turned phone lends the view anew, and the picture is letterboxed by the sink.
struct GStreamerPicture: UIViewRepresentable {
    let session: Unspool

    func makeUIView(context: Context) -> Lent { Lent(session) }

    func updateUIView(_ view: Lent, context: Context) {}

    static func dismantleUIView(_ view: Lent, coordinator: ()) { view.takeBack() }

    final class Lent: UIView {
        /// The view that is lent now. A new page's view comes before the old one goes.
        private static weak var current: Lent?

        private let session: Unspool
        private var lentSize: CGSize?

        // The sink of GStreamer draws with OpenGL ES.
        override static var layerClass: AnyClass { CAEAGLLayer.self }

        init(_ session: Unspool) {
            self.session = session
            super.init(frame: .zero)
            backgroundColor = .black
        }

        @available(*, unavailable)
        required init?(coder: NSCoder) { nil }

        override func didMoveToWindow() {
            super.didMoveToWindow()
            if window == nil { takeBack() } else { lend() }
        }

        override func layoutSubviews() {
            super.layoutSubviews()
            if lentSize != nil, lentSize != bounds.size { takeBack() }
            lend()
        }

        func takeBack() {
            guard lentSize != nil else { return }
            lentSize = nil
            guard Self.current === self else { return }  // another view was lent in its place
            Self.current = nil
            // When it fails something may still draw, so the view must stay: it is kept for as long as the process.
            if (try? session.setWindow(window: nil)) == nil { _ = Unmanaged.passRetained(self) }
        }

        private func lend() {
            guard lentSize == nil, window != nil, !bounds.isEmpty else { return }
            let address = UInt64(UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
            guard (try? session.setWindow(window: address)) != nil else { return }
            (Self.current, lentSize) = (self, bounds.size)
        }
    }
}
