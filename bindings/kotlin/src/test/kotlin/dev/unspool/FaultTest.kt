package dev.unspool

import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path

/** What a fault of the core looks like from here. The library under test has calls that panic on purpose. */
class FaultTest {
    @Test
    fun `a panic is an error, and the session goes on`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                assertThrows<InternalException> { session.panicHere() }
                val fault = assertThrows<UnspoolException.Internal> { session.panicInTask() }
                assertTrue(fault.toString().contains("report it"), "$fault")
                assertTrue(session.topics().isNotEmpty())
                session.setLiked("item-00001", true)
                assertEquals(0uL, session.flush(PATIENCE).intentsQueued)
            }
        }
    }

    @Test
    fun `a panic in the feed ends that feed, and a new one opens`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                val feed = session.feed(FeedKind.ForYou)
                feed.next()
                session.panicInFeed()
                val told = mutableListOf<Event>()
                assertThrows<UnspoolException.Internal> { inTime("the events end") { feed.events().toList(told) } }
                assertTrue(told.last() is Event.CoreFailed, "${told.last()}")
                assertThrows<UnspoolException.Internal> { inTime("the states end") { feed.snapshots().toList() } }
                assertThrows<UnspoolException.Internal> { feed.next() }
                val again = session.feed(FeedKind.ForYou)
                Follower(again).firstFrame(again.next().position)
            }
        }
    }
}
