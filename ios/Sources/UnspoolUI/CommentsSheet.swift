import SwiftUI
import UnspoolKit

/// The person's comments under a video: what waits says so, what was refused keeps its words.
struct CommentsSheet: View {
    let model: CommentsModel
    @State private var text = ""
    @State private var answers: CommentThread?
    @FocusState private var writing: Bool

    var body: some View {
        let state = model.state
        NavigationStack {
            List {
                if state.loaded, state.threads.isEmpty {
                    Text(Words.said("comments.none", "Nothing written yet")).foregroundStyle(.secondary)
                }
                ForEach(state.threads) { thread in
                    row(thread)
                    OutlineGroup(thread.answers, children: \.below) { row($0).padding(.leading) }
                }
            }
            .navigationTitle(Words.said("comments.title", "Comments"))
            .navigationBarTitleDisplayMode(.inline)
            .safeAreaInset(edge: .bottom) {
                VStack {
                    TroubleBanner(trouble: state.trouble)
                    if let answers {
                        HStack {
                            Text(Words.said("comments.answering", "In answer to “\(answers.comment.text)”")).lineLimit(1)
                            Button(Words.said("comments.noAnswer", "Cancel")) { self.answers = nil }
                        }
                        .font(.footnote)
                    }
                    HStack {
                        TextField(Words.said("comments.field", "Write something"), text: $text, axis: .vertical)
                            .focused($writing)
                            .textFieldStyle(.roundedBorder)
                        Button(Words.said("comments.send", "Send"), action: send)
                            .disabled(text.allSatisfy(\.isWhitespace))
                    }
                }
                .padding()
                .background(.bar)
            }
        }
        .presentationDetents([.medium, .large])
        .onDisappear { model.close() }
    }

    private func row(_ thread: CommentThread) -> some View {
        VStack(alignment: .leading, spacing: 4) {
            Text(thread.comment.text)
            if thread.waiting {
                Label(Words.said("comments.waiting", "Waits for the network"), systemImage: "clock").font(.footnote)
            } else if thread.refused != nil {
                Label(Words.said("comments.refused", "The server did not take it"), systemImage: "exclamationmark.circle").font(.footnote)
            }
        }
        .accessibilityElement(children: .combine)
        .swipeActions {
            Button(Words.said("comments.delete", "Delete"), role: .destructive) {
                if thread.refused == nil { model.delete(thread.id) } else { model.dismiss(thread.id) }
            }
            Button(Words.said("comments.answer", "Answer")) {
                answers = thread
                writing = true
            }
        }
    }

    private func send() {
        model.send(text, parent: answers?.id)
        (text, answers) = ("", nil)
    }
}

extension CommentThread {
    /// Nil where there are none, as outlines want it.
    fileprivate var below: [CommentThread]? { answers.isEmpty ? nil : answers }
}

/// Reports a video in three taps: reason, words if wanted, send.
struct ReportSheet: View {
    let send: (ReportReason, String?) -> Void

    @State private var reason: ReportReason?
    @State private var words = ""
    @Environment(\.dismiss) private var dismiss

    private static let reasons: [ReportReason] = [
        .violenceGraphic, .violenceThreat, .violenceExtremism, .sexualUnlabelled, .sexualWithoutConsent, .childAbuse,
        .childDanger, .harassmentBullying, .harassmentHate, .harassmentDoxxing, .selfHarm, .eatingDisorder,
        .dangerousChallenge, .misleadingScam, .misleadingImpersonation, .misleadingFalsehood, .misleadingAdvertising, .spam,
        .forbiddenGoods, .rights, .flashingLights, .other,
    ]

    var body: some View {
        NavigationStack {
            Form {
                Picker(Words.said("report.reason", "What is wrong?"), selection: $reason) {
                    ForEach(Self.reasons, id: \.self) { Text(Words.of($0)).tag(Optional($0)) }
                }
                .pickerStyle(.inline)
                Section(Words.said("report.words", "For the moderators, if you like")) {
                    TextField(Words.said("report.field", "Your words"), text: $words, axis: .vertical)
                }
            }
            .navigationTitle(Words.said("report.title", "Report"))
            .toolbar {
                ToolbarItem(placement: .confirmationAction) {
                    Button(Words.said("report.send", "Send")) {
                        if let reason { send(reason, words) }
                        dismiss()
                    }
                    .disabled(reason == nil || words.count > 300)
                }
            }
        }
    }
}
