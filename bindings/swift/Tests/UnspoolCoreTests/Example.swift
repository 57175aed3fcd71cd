import UnspoolCore

/// The example of the documentation: opens a session, plays a card until a picture is there, and likes it.
func watch(dir: String, url: String, token: String) async throws {
    let config = SessionConfig(dataDir: dir, account: "ada", backend: url, token: token)
    try await Unspool.withSession(config: config) { session in
        let feed = try session.feed(kind: .forYou)
        let card = try await feed.next()
        for try await snapshot in feed.snapshots where snapshot.frames > 0 { break }
        try await session.setLiked(item: card.item.id, liked: true)
    }
}
