import SwiftUI
import UnspoolKit

/// One page: the picture, what was written, the buttons. For VoiceOver it is one element with actions.
struct PageView<Moving: View>: View {
    let page: Page
    let current: Bool
    let state: FeedState
    let model: FeedModel
    /// Nil for a video that no link can name.
    let share: (() -> Void)?
    let comments: () -> Void
    let report: () -> Void
    let next: () -> Void
    let previous: () -> Void
    @ViewBuilder let picture: Moving

    @Environment(\.dynamicTypeSize) private var textSize

    var body: some View {
        ZStack {
            Color.black
            picture
            if current, !page.gone, !page.card.safety.covered, let poster = state.poster { Poster(picture: poster) }
            if page.gone {
                notice(Words.said("page.gone", "This video is no longer there."), "eye.slash")
            } else if page.card.safety.covered {
                cover
            } else if page.failed != nil {
                notice(Words.said("page.failed", "This video does not play."), "exclamationmark.triangle")
            } else if current, state.paused {
                Image(systemName: state.interrupted ? "phone" : "play.fill").font(.largeTitle).foregroundStyle(.white.opacity(0.8))
            } else if current, !state.playing {
                ProgressView()
            }
        }
        .contentShape(.rect)
        .onTapGesture(count: 2) { model.doubleTap() }
        .onTapGesture { model.togglePause() }
        .overlay(alignment: .bottom) { foot }
        .accessibilityElement(children: .ignore)
        .accessibilityLabel(page.card.safety.covered ? covered : Spoken.line(page.card.item))
        .accessibilityValue(state.caption.joined(separator: " "))
        .accessibilityAddTraits(current ? [.startsMediaSession, .isSelected] : [])
        .accessibilityAction(.magicTap) { model.togglePause() }
        .accessibilityAction(named: Words.said("action.like", "Like")) { model.toggleLike() }
        .accessibilityAction(named: Words.said("action.save", "Save")) { model.toggleSave() }
        .accessibilityAction(named: Words.said("action.follow", "Follow")) { model.toggleFollow() }
        .accessibilityAction(named: Words.said("action.comments", "Comments"), comments)
        .accessibilityAction(named: Words.said("action.share", "Share")) { share?() }
        .accessibilityAction(named: Words.said("action.why", "Why this video")) { model.askWhy() }
        .accessibilityAction(named: Words.said("action.notInterested", "Not interested"), refuse)
        .accessibilityAction(named: Words.said("action.report", "Report"), report)
        .accessibilityScrollAction { edge in edge == .top ? previous() : next() }
    }

    private var foot: some View {
        HStack(alignment: .bottom, spacing: 16) {
            VStack(alignment: .leading, spacing: 6) {
                if current, !state.caption.isEmpty {
                    Text(state.caption.joined(separator: "\n"))
                        .padding(6)
                        .background(.black.opacity(0.7), in: .rect(cornerRadius: 6))
                }
                Text(page.card.item.creator.name).font(.headline)
                // Large text takes the room it needs, up to where the picture would be gone.
                Text(page.card.item.caption).lineLimit(textSize.isAccessibilitySize ? 8 : 3)
            }
            Spacer(minLength: 0)
            buttons
        }
        .foregroundStyle(.white)
        .shadow(radius: 2)
        .padding()
        .padding(.bottom, 32)
    }

    private var buttons: some View {
        VStack(spacing: 20) {
            button(page.liked ? "heart.fill" : "heart", page.liked ? .red : .white) { model.toggleLike() }
            button(page.saved ? "bookmark.fill" : "bookmark") { model.toggleSave() }
            button(page.followed ? "person.fill.checkmark" : "person.badge.plus") { model.toggleFollow() }
            button("text.bubble", .white, comments)
            if let share { button("square.and.arrow.up", .white, share) }
            button(state.muted ? "speaker.slash" : "speaker.wave.2") { model.toggleMute() }
            Menu {
                Button(Words.said("action.why", "Why this video")) { model.askWhy() }
                Button(Words.said("action.notInterested", "Not interested"), action: refuse)
                Button(Words.said("action.report", "Report"), action: report)
                Button(Words.said("action.block", "Block this creator"), role: .destructive) { model.blockCreator() }
            } label: {
                Image(systemName: "ellipsis").font(.title2)
            }
        }
    }

    private func button(_ symbol: String, _ colour: Color = .white, _ act: @escaping () -> Void) -> some View {
        Button(action: act) {
            Image(systemName: symbol).font(.title2).foregroundStyle(colour).frame(minWidth: 44, minHeight: 44)
        }
    }

    private var cover: some View {
        VStack(spacing: 16) {
            notice(covered, "eye.slash")
            if page.card.safety.revealable {
                Button(Words.said("cover.reveal", "Show anyway")) { model.reveal() }.buttonStyle(.bordered)
            }
        }
    }

    private var covered: String { CoverWord.of(page.card.safety).map(Words.of).joined(separator: ". ") }

    private func notice(_ words: String, _ symbol: String) -> some View {
        ContentUnavailableView(words, systemImage: symbol)
    }

    private func refuse() {
        model.notInterested()
        next()
    }
}
