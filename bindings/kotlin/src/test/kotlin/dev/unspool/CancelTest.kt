package dev.unspool

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path
import java.util.concurrent.ConcurrentHashMap
import kotlin.random.Random

class CancelTest {
    /** Lets the coroutine run for a moment that differs from call to call, then cancels it and waits for its end. */
    private suspend fun Job.cancelSoon(random: Random) {
        val until = System.nanoTime() + random.nextLong(LONGEST_NS)
        while (System.nanoTime() < until && isActive) yield()
        cancelAndJoin()
    }

    @Test
    fun `cancelling at every step loses no event and no acknowledged like`(@TempDir dir: Path) = test {
        val seed = System.nanoTime()
        println("seed $seed")
        val random = Random(seed)
        Origin(dir.resolve("origin")).use { origin ->
            val session = openUnspool(configOf(dir.resolve("core"), origin))
            val feed = session.feed(FeedKind.ForYou)
            feed.next()
            val acknowledged = ConcurrentHashMap<String, Boolean>()
            val calls = listOf<suspend (Int) -> Unit>(
                { feed.next() },
                { feed.previous() },
                { feed.snapshotAfter(feed.snapshot().revision) },
                { feed.eventsAfter(0uL) },
                { feed.peek(3u) },
                { session.topics() },
                { session.interests() },
                { session.liked("wish-$it") },
                { feed.snapshots().collect() },
                { session.flush(PATIENCE) },
                {
                    session.setLiked("wish-$it", true)
                    acknowledged["wish-$it"] = true
                },
            )
            val got = mutableListOf<Event>()
            var last = 0uL
            coroutineScope {
                // The reader is cancelled as well, again and again, and goes on where it was.
                val reader = launch(Dispatchers.Default) {
                    val readerRandom = Random(seed + 1)
                    while (true) {
                        val turn = launch {
                            feed.eventBatches(last).collect {
                                assertEquals(0uL, it.missed)
                                got += it.events
                                last = it.last
                            }
                        }
                        turn.cancelSoon(readerRandom)
                    }
                }
                repeat(CANCELS) { n ->
                    val call = launch(Dispatchers.Default) {
                        try {
                            calls[n % calls.size](n)
                        } catch (_: UnspoolException.EndOfFeed) {
                            // Swiping to and fro meets the ends.
                        }
                    }
                    call.cancelSoon(random)
                }
                reader.cancelAndJoin()
            }
            // On a busy machine every call may be cancelled before its end: one is left alone.
            session.setLiked("wish-alone", true)
            acknowledged["wish-alone"] = true
            val report = session.shutdown(PATIENCE)
            assertTrue(report.clean)
            // What happened after the reader left is still there, and then the feed is at its end.
            feed.eventBatches(last).collect {
                got += it.events
                last = it.last
            }
            val log = allEvents(feed)
            assertEquals(log.size, got.size)
            assertEquals(log, got, "every event once, in order")
            assertEquals(log.size.toULong(), last)

            val out = report.outgoing
            assertEquals(0uL, out.queued + out.intentsQueued + out.dropped + out.quarantined + out.intentsWedged, "$out")
            assertEquals(out.recorded, out.delivered)
            assertEquals(out.recorded.toInt(), origin.records(session.status().installation).size)
            assertEquals(out.intents.toLong(), origin.operations(), "each intent once")
            val liked = origin.interactions("ada").filter { it.text("state") == "true" }.map { it.text("target") }
            assertEquals(emptySet<String>(), acknowledged.keys - liked.toSet(), "what was acknowledged is at the origin")
            assertEquals(liked.size, liked.distinct().size)
            println("${log.size} events, ${acknowledged.size} acknowledged of ${liked.size} likes, ${out.recorded} records")
            assertNothingPending()
        }
    }

    @Test
    fun `a cancelled call reaches the core, and the origin sees the request end`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                origin.fault("""{"path_prefix":"/v1/topics","action":{"kind":"stall","after_bytes":0,"ms":600000}}""")
                val wait = async { session.topics() }
                eventually("the request is at the origin") { origin.inFlight() == 1L }
                wait.cancelAndJoin()
                // Far less than the request time-out, which would end it as well.
                val asked = System.nanoTime()
                eventually("the request ends") { origin.inFlight() == 0L }
                assertTrue(System.nanoTime() - asked < 5_000_000_000)
                assertTrue(session.topics().isNotEmpty())
            }
        }
    }

    @Test
    fun `a cancelled opening leaves the directory free, a cancelled shutdown goes on`(@TempDir dir: Path) = test {
        val random = Random(System.nanoTime())
        val config = SessionConfig(
            dir.toString(), "ada", backend = "http://127.0.0.1:9", token = "ada", conditions = Conditions(online = false),
        )
        repeat(30) {
            val opening = launch(Dispatchers.Default) {
                try {
                    openUnspool(config).close()
                } catch (_: UnspoolException.InUse) {
                    // The one before it has not quite ended.
                }
            }
            opening.cancelSoon(random)
        }
        lateinit var session: Unspool
        eventually("the directory is free") {
            runCatching { session = openUnspool(config) }.onFailure { if (it !is UnspoolException.InUse) throw it }.isSuccess
        }
        session.setLiked("item-1", true)
        val shutdown = launch(Dispatchers.Default) { session.shutdown(PATIENCE) }
        shutdown.cancelSoon(random)
        val report = session.shutdown(PATIENCE)
        assertTrue(report.clean)
        assertEquals(1uL, report.outgoing.intentsQueued)
        assertThrows<UnspoolException.ShutDown> { session.liked("item-1") }
        session.close()
        withUnspool(config) { assertEquals(true, it.liked("item-1")) }
    }

    @Test
    fun `a flow gives the state at once, is collected many times and ends with the session`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val session = openUnspool(configOf(dir.resolve("core"), origin))
            val feed = session.feed(FeedKind.ForYou)
            val now = feed.snapshot().revision
            assertTrue(feed.snapshots().first().revision >= now, "the state now, at once")
            val collectors = List(20) { async(Dispatchers.Default) { feed.snapshots().toList() } }
            val cancelled = List(20) { async(Dispatchers.Default) { feed.snapshots().toList() } }
            feed.next()
            assertEquals(3, feed.snapshots().take(3).toList().map { it.revision }.distinct().size)
            cancelled.forEach { it.cancelAndJoin() }
            assertTrue(session.shutdown(PATIENCE).clean)
            collectors.forEach {
                val revisions = it.await().map { state -> state.revision }
                assertEquals(revisions.sorted().distinct(), revisions, "each newer than the one before")
            }
            assertEquals(allEvents(feed), feed.events().toList())
            assertNothingPending()
        }
    }

    /** The whole log of a feed; the core keeps 2,048 events. */
    private fun allEvents(feed: Feed): List<Event> {
        val events = mutableListOf<Event>()
        while (true) {
            val batch = feed.eventsNow(events.size.toULong())
            assertEquals(0uL, batch.missed)
            if (batch.events.isEmpty()) return events
            events += batch.events
        }
    }

    /** No continuation is left behind in the table that the core answers through. */
    private suspend fun assertNothingPending() =
        eventually("every wait has ended") { uniffiContinuationHandleMap.size == 0 }

    private companion object {
        const val CANCELS = 660

        /** A call that crosses threads takes some tens of microseconds, one that writes to the disk some milliseconds. */
        const val LONGEST_NS = 6_000_000L
    }
}
