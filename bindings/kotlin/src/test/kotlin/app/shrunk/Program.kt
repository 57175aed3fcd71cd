package app.shrunk

import dev.unspool.FeedKind
import dev.unspool.SessionConfig
import dev.unspool.TokenProvider
import dev.unspool.UnspoolException
import dev.unspool.openUnspool
import dev.unspool.snapshots
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlin.time.Duration.Companion.seconds

/** An error of the app's own, whose name reaches the core. */
class NoAccountHere : Exception("nobody is signed in")

/** Its first answer is an error, its second a token. */
private class Account : TokenProvider {
    private var asked = 0

    override suspend fun token(rejected: String?): String {
        asked += 1
        println("asked for a token")
        if (asked == 1) throw NoAccountHere()
        return "ada"
    }
}

/**
 * An app as a shrinker sees one: its `main` is all that is kept. It calls into the core, is called by it, waits for it, and is
 * told errors; [dev.unspool.ShrunkCheck] reads what it prints.
 */
fun main(arguments: Array<String>) = runBlocking {
    val (directory, backend) = arguments
    withTimeout(300.seconds) {
        val config = SessionConfig(dataDir = directory, account = "ada", backend = backend)
        val session = openUnspool(config, tokens = Account())
        try {
            openUnspool(config.copy(token = "ada"))
        } catch (error: UnspoolException.InUse) {
            println("error: $error")
        }
        try {
            session.topics()
        } catch (error: UnspoolException) {
            println("error: $error")
        }
        println("topics: ${session.topics().isNotEmpty()}")
        val feed = session.feed(FeedKind.ForYou)
        val card = feed.next()
        val shown = feed.snapshots().first { it.current == card.position }.window.first()
        println("card: ${card.position == shown.position}")
        session.shutdown()
        println("ended")
    }
}
