package dev.unspool

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path
import java.util.Collections
import java.util.concurrent.atomic.AtomicInteger

/** Gives `ada.1`, `ada.2` and so on: the next one each time one is refused. */
private class Tokens : TokenProvider {
    val rejected: MutableList<String?> = Collections.synchronizedList(mutableListOf())
    private val serial = AtomicInteger(1)

    @Volatile
    var signedOut = false

    override suspend fun token(rejected: String?): String {
        this.rejected += rejected
        if (signedOut) throw HostException.SignIn()
        if (rejected != null) serial.incrementAndGet()
        return "ada.${serial.get()}"
    }
}

class TokenTest {
    @Test
    fun `a refused token is refreshed once, and the call that met the refusal succeeds`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val tokens = Tokens()
            withUnspool(configOf(dir.resolve("core"), origin, token = null), tokens) { session ->
                session.setLiked("item-00001", true)
                assertEquals(0uL, session.flush(PATIENCE).intentsQueued)
                assertEquals(listOf<String?>(null), tokens.rejected.toList())
                origin.revoke("ada.1")
                session.setLiked("item-00002", true)
                val feed = session.feed(FeedKind.ForYou)
                feed.next()
                eventually("the second like arrives") { session.flush(PATIENCE).intentsQueued == 0uL }
                assertEquals(listOf(null, "ada.1"), tokens.rejected.toList())
                assertEquals(2, origin.interactions("ada").size)
            }
        }
    }

    @Test
    fun `a person who is signed out is told so, and what waited goes on afterwards`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val tokens = Tokens().apply { signedOut = true }
            withUnspool(configOf(dir.resolve("core"), origin, token = null), tokens) { session ->
                session.setLiked("item-00003", true)
                val feed = session.feed(FeedKind.ForYou)
                assertThrows<UnspoolException.SignIn> { feed.next() }
                assertEquals(true, session.liked("item-00003"), "what was wished is kept")
                tokens.signedOut = false
                session.signedIn()
                eventually("the like arrives") { session.flush(PATIENCE).intentsQueued == 0uL }
                assertEquals(listOf("item-00003"), origin.interactions("ada").map { it.text("target") })
                feed.retry()
                eventually("the feed goes on") { runCatching { feed.next() }.isSuccess }
            }
        }
    }

    @Test
    fun `a provider that throws an Error fails the call, not the session`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val turn = AtomicInteger()
            val tokens = object : TokenProvider {
                override suspend fun token(rejected: String?): String =
                    if (turn.getAndIncrement() == 0) TODO("written later") else "ada.1"
            }
            withUnspool(configOf(dir.resolve("core"), origin, token = null), tokens) { session ->
                session.setLiked("item-00004", true)
                eventually("the like arrives") { runCatching { session.flush(PATIENCE).intentsQueued }.getOrNull() == 0uL }
                assertTrue(turn.get() >= 2)
            }
        }
    }

    @Test
    fun `the configuration printed shows neither token nor account`(@TempDir dir: Path) {
        val config = SessionConfig(dataDir = "$dir", account = "account-of-ada", backend = "http://localhost", token = "secret")
        val printed = "$config"
        assertTrue("localhost" in printed, printed)
        assertTrue("secret" !in printed && "account-of-ada" !in printed, printed)
    }
}
