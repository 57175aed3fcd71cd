package dev.unspool

import kotlinx.coroutines.flow.first

/** The example of the documentation: opens a session, plays a card until a picture is there, and likes it. */
suspend fun watch(dir: String, url: String, token: String) {
    withUnspool(SessionConfig(dataDir = dir, account = "ada", backend = url, token = token)) { session ->
        val feed = session.feed(FeedKind.ForYou)
        val card = feed.next()                            // plays at once; the cards after it are being fetched
        feed.snapshots().first { it.frames > 0uL }        // a picture is there
        session.setLiked(card.item.id, true)              // on disk when this returns
    }                                                     // sends what can be sent; the rest waits on disk
}
