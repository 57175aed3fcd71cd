package dev.unspool

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.lang.ref.WeakReference
import java.nio.file.Path
import java.util.concurrent.CopyOnWriteArrayList
import kotlin.concurrent.thread
import kotlin.coroutines.cancellation.CancellationException
import kotlin.time.Duration.Companion.seconds

class LifeTest {
    private val offline = Conditions(online = false)

    @Test
    fun `two hundred calls at once`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                val feed = session.feed(FeedKind.ForYou)
                feed.next()
                coroutineScope {
                    List(200) { n ->
                        async(Dispatchers.Default) {
                            when (n % 8) {
                                0 -> assertTrue(session.topics().isNotEmpty())
                                1 -> session.setLiked("item-$n", true)
                                2 -> assertNull(session.liked("never-$n"))
                                3 -> assertTrue(feed.snapshotAfter(0uL).revision > 0uL)
                                4 -> assertTrue(feed.eventsAfter(0uL).events.isNotEmpty())
                                5 -> feed.peek(2u)
                                6 -> session.interests()
                                else -> assertTrue(session.status().installation.isNotEmpty())
                            }
                        }
                    }.awaitAll()
                }
                val out = session.flush(PATIENCE)
                assertEquals(25uL, out.intentsDelivered)
                assertEquals(25, origin.interactions("ada").size)
            }
        }
    }

    @Test
    fun `the example of the documentation does what it says`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            watch(dir.resolve("core").toString(), origin.url, "ada")
            assertEquals(1, origin.interactions("ada").size)
        }
    }

    @Test
    fun `use after shutdown is a typed error, and waits end`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val config = configOf(dir.resolve("core"), origin)
            val session = openUnspool(config)
            assertThrows<UnspoolException.InUse> { openUnspool(config) }
            val feed = session.feed(FeedKind.Topic("science"))
            val waits = listOf(
                async(Dispatchers.Default) { runCatching { feed.snapshotAfter(ULong.MAX_VALUE) } },
                async(Dispatchers.Default) { runCatching { feed.eventsAfter(ULong.MAX_VALUE) } },
            )
            val report = session.shutdown(5.seconds)
            assertEquals(report, session.shutdown(5.seconds))
            waits.awaitAll().forEach { assertTrue(it.exceptionOrNull() is UnspoolException.ShutDown, "$it") }
            val calls = listOf<suspend () -> Any?>(
                { feed.next() },
                { feed.previous() },
                { feed.peek(1u) },
                { feed.setPaused(true) },
                { feed.seek(0uL) },
                { feed.setMuted(true) },
                { feed.retry() },
                { session.feed(FeedKind.ForYou) },
                { session.topics() },
                { session.interests() },
                { session.setInterests(emptyList()) },
                { session.setLiked("i", true) },
                { session.liked("i") },
                { session.flush(5.seconds) },
                { session.suspend() },
                { session.resume() },
            )
            calls.forEachIndexed { n, call ->
                val thrown = runCatching { call() }.exceptionOrNull()
                assertTrue(thrown is UnspoolException.ShutDown, "call $n: $thrown")
            }
            session.setConditions(offline)
            assertEquals(report.outgoing, session.status().outgoing)
            // The directory is free again.
            assertTrue(openUnspool(config).shutdown(5.seconds).clean)
        }
    }

    @Test
    fun `errors say what to do`(@TempDir dir: Path) = test {
        val wrong = assertThrows<UnspoolException.Config> { openUnspool(configOf(dir, null)) }
        assertTrue(wrong.toString().contains("correct it"), "$wrong")
        val file = dir.resolve("file").toFile().apply { writeText("not a directory") }
        val config = SessionConfig(file.path, "ada", backend = "http://127.0.0.1:9", token = "ada", conditions = offline)
        val storage = assertThrows<UnspoolException.Storage> { openUnspool(config) }
        assertTrue(storage.toString().contains("free space"), "$storage")
        withUnspool(config.copy(dataDir = dir.resolve("core").toString())) { session ->
            assertThrows<UnspoolException.Offline> { session.feed(FeedKind.ForYou).next() }
        }
    }

    @Test
    fun `a session is shut down whatever happens in its block`(@TempDir dir: Path) = test {
        val config = SessionConfig(dir.toString(), "ada", backend = "http://127.0.0.1:9", token = "ada", conditions = offline)
        lateinit var kept: Unspool
        assertThrows<IllegalStateException> { withUnspool(config) { error("the app's own") } }
        assertThrows<CancellationException> { withUnspool(config) { throw CancellationException() } }
        withUnspool(config) { session ->
            kept = session
            session.setLiked("item-1", true)
        }
        assertThrows<IllegalStateException>("a closed handle") { kept.status() }
        withUnspool(config) { session -> assertEquals(true, session.liked("item-1")) }
    }

    @Test
    fun `handles are used, dropped and collected on any thread`(@TempDir dir: Path) = test {
        val config = { n: Int ->
            SessionConfig(dir.resolve("$n").toString(), "ada", backend = "http://127.0.0.1:9", token = "ada", conditions = offline)
        }
        val failures = CopyOnWriteArrayList<Throwable>()
        val threads = List(8) { n ->
            thread {
                runCatching {
                    kotlinx.coroutines.runBlocking {
                        // Closed by hand while the session lives, closed without a shutdown, and forgotten.
                        val session = openUnspool(config(n))
                        repeat(50) { session.feed(FeedKind.ForYou).use { it.snapshot() } }
                        CancelToken().close()
                        val feed = session.feed(FeedKind.Learn)
                        session.close()
                        thread { feed.use { it.snapshot() } }.join()
                        openUnspool(config(100 + n))
                    }
                }.onFailure(failures::add)
            }
        }
        threads.forEach { it.join() }
        assertEquals(emptyList<Throwable>(), failures)
        // The collector finds the forgotten ones; the cleaner's thread drops them, and their directories are free again.
        eventually("forgotten sessions end") {
            System.gc()
            (0 until 8).all { n ->
                listOf(n, 100 + n).all { dirNumber ->
                    try {
                        openUnspool(config(dirNumber)).shutdown(5.seconds).clean
                    } catch (_: UnspoolException.InUse) {
                        false
                    }
                }
            }
        }
    }

    @Test
    fun `threads of the core leave the JVM with their session`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val before = coreThreads()
            repeat(5) {
                withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                    eventually("a thread of the core wakes a coroutine, and stays") {
                        session.liked("item-1")
                        coreThreads().isNotEmpty()
                    }
                    assertTrue(coreThreads().all { it.isDaemon })
                }
            }
            eventually("they are gone") { (coreThreads() - before).isEmpty() }
        }
    }

    private fun coreThreads() = Thread.getAllStackTraces().keys.filter { it.name.startsWith("unspool-") }.toSet()

    @Test
    fun `a forgotten feed is collected`(@TempDir dir: Path) = test {
        val config = SessionConfig(dir.toString(), "ada", backend = "http://127.0.0.1:9", token = "ada", conditions = offline)
        withUnspool(config) { session ->
            val forgotten = WeakReference(session.feed(FeedKind.ForYou))
            eventually("the handle is collected") {
                System.gc()
                forgotten.get() == null
            }
            assertTrue(session.status().installation.isNotEmpty())
        }
    }
}
