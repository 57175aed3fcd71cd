import SwiftUI
import UnspoolKit

/// The vertical pager: one card a page, one page more that waits.
///
/// There is one picture, which moves with the current page, because one player plays at a time.
public struct FeedScreen: View {
    private let session: Unspool
    private let model: FeedModel
    private let engine: Engine
    private let host: String
    private let remedy: (Remedy) -> Void

    @State private var page: Int?
    @State private var sheet: Sheet?
    @Environment(\.accessibilityReduceMotion) private var stillness

    private enum Sheet: Identifiable {
        case comments(CommentsModel, of: Page)
        case share(ShareText)
        case report(Page)
        case why(Why)

        var id: String {
            switch self {
            case .comments(_, let page): "comments \(page.id)"
            case .share(let share): "share \(share.link)"
            case .report(let page): "report \(page.id)"
            case .why(let why): "why \(why.item)"
            }
        }
    }

    /// - Parameters:
    ///   - host: The host of links that are shared.
    ///   - remedy: What the app does about ``Remedy/signIn`` and ``Remedy/freeSpace``.
    public init(
        _ session: Unspool, _ model: FeedModel, engine: Engine, host: String, remedy: @escaping (Remedy) -> Void
    ) {
        (self.session, self.model, self.engine, self.host, self.remedy) = (session, model, engine, host, remedy)
    }

    public var body: some View {
        let state = model.state
        ScrollView(.vertical) {
            LazyVStack(spacing: 0) {
                ForEach(0..<(state.pages.count + (state.ended ? 0 : 1)), id: \.self) { index in
                    Group {
                        if state.pages.indices.contains(index) {
                            pageView(state.pages[index], current: index == state.current)
                        } else {
                            waiting
                        }
                    }
                    .containerRelativeFrame([.horizontal, .vertical])
                    .clipped()
                }
            }
            .scrollTargetLayout()
        }
        .scrollTargetBehavior(.paging)
        .scrollPosition(id: $page)
        .scrollIndicators(.hidden)
        .scrollDisabled(state.rest != nil)
        .background(.black)
        .ignoresSafeArea()
        .overlay(alignment: .top) {
            TroubleBanner(trouble: state.trouble) { if $0 == .retry { model.retry() } else { remedy($0) } }
        }
        .overlay {
            if let rest = state.rest { BreakView(session: session, model: model, rest: rest) }
        }
        .onChange(of: page) { _, now in
            if let now, now != model.state.current { model.settled(now) }
        }
        // What is withheld never becomes a page: the pager goes back to where the feed stands.
        .onChange(of: state.rest?.number) { _, _ in follow() }
        .onChange(of: state.trouble) { _, _ in follow() }
        .onChange(of: state.ended) { _, _ in follow() }
        .onChange(of: state.current) { _, _ in follow() }
        .onChange(of: state.why) { _, why in if let why { sheet = .why(why) } }
        .sheet(item: $sheet, onDismiss: { model.closeWhy(); model.returned() }) { sheet in
            switch sheet {
            case .comments(let model, _): CommentsSheet(model: model)
            case .share(let share): ShareSheet(share: share)
            case .report: ReportSheet { reason, words in model.report(reason, words: words) }
            case .why(let why): WhySheet(why: why)
            }
        }
        .confirmationDialog(offer, isPresented: offered, titleVisibility: .visible) {
            ForEach(state.offer?.choices ?? [], id: \.self) { choice in
                // Tapping beside the dialog is the button of that role.
                Button(Words.of(choice), role: choice == .keepGoing ? .cancel : nil) { model.answer(choice) }
            }
        }
        .task { if model.state.current < 0 { model.start() } }
        .preferredColorScheme(.dark)
    }

    private func pageView(_ page: Page, current: Bool) -> some View {
        PageView(
            page: page, current: current, state: model.state, model: model,
            share: ShareText(page.card.item, host: host).map { share in
                {
                    model.left(.share)
                    sheet = .share(share)
                }
            },
            comments: {
                model.left(.comments)
                sheet = .comments(CommentsModel(session, item: page.card.item.id), of: page)
            },
            report: { sheet = .report(page) },
            next: { move(1) }, previous: { move(-1) }
        ) {
            if current, !page.gone, !page.card.safety.covered { Picture(engine: engine, session: session) }
        }
    }

    private var waiting: some View {
        VStack(spacing: 12) {
            ProgressView()
            if !model.state.online {
                Text(Words.said("feed.offline", "No network"))
            } else if model.state.link == .captive {
                Text(Words.said("feed.captive", "This network wants you to log in first"))
            } else if model.state.link == .stalled {
                Text(Words.said("feed.stalled", "The network is slow"))
            }
        }
        .foregroundStyle(.secondary)
        .accessibilityElement(children: .combine)
        .accessibilityLabel(Words.said("feed.waiting", "The next video is on its way"))
    }

    private var offer: String {
        Words.said("loop.offer", "You have seen a lot of “\(model.state.offer?.topic ?? "")”.")
    }

    private var offered: Binding<Bool> {
        Binding(of: { model.state.offer != nil }, set: { _ in })  // an answer closes it, and nothing else
    }

    private func move(_ by: Int) {
        withAnimation(stillness ? nil : .snappy) { page = max(0, model.state.current + by) }
    }

    private func follow() {
        let current = model.state.current
        guard current >= 0, page != current, model.state.rest != nil || model.state.ended || page == nil else { return }
        withAnimation(stillness ? nil : .snappy) { page = current }
    }
}

/// Why a video was shown, in the core's own words.
struct WhySheet: View {
    let why: Why

    var body: some View {
        List {
            Text(why.words)
            ForEach(why.reasons, id: \.words) { reason in
                LabeledContent(reason.words, value: reason.amount.formatted(.number.precision(.fractionLength(2)).sign(strategy: .always())))
            }
        }
        .presentationDetents([.medium, .large])
    }
}
