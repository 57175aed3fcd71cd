import SwiftUI
import UIKit
import UnspoolKit

/// The still picture of a card until its first frame is there. Decoded beside the main thread.
struct Poster: View {
    let picture: Thumbnail

    @State private var decoded: UIImage?

    var body: some View {
        GeometryReader { space in
            if let decoded {
                Image(uiImage: decoded)
                    .resizable()
                    .scaledToFill()
                    .frame(width: space.size.width, height: space.size.height)
                    .clipped()
            }
        }
        .accessibilityHidden(true)  // the page says what is seen
        .task(id: picture) {
            // What the system cannot decode is no picture for it.
            decoded = await UIImage(data: picture.data)?.byPreparingForDisplay()
        }
    }
}
