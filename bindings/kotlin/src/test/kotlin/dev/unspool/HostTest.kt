package dev.unspool

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.double
import kotlinx.serialization.json.doubleOrNull
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.IOException
import java.net.URLEncoder
import java.nio.file.Path
import java.util.concurrent.atomic.AtomicInteger

/** A backend as an app would write it: its own HTTP client, its own JSON, blocking as it likes. */
private open class AppBackend(private val origin: Origin) : HostBackend {
    val pages = AtomicInteger()
    val located = AtomicInteger()

    /** Whether addresses in pages are of no use, so that fresh ones must be asked for. */
    var staleAddresses = false

    override suspend fun page(request: PageRequest): HostPage {
        pages.incrementAndGet()
        val cursor = request.cursor?.let { "&cursor=" + URLEncoder.encode(it, Charsets.UTF_8) }.orEmpty()
        val page = ask("/v1/feed?feed=${request.feed}&limit=${request.limit}$cursor")
        return HostPage(page.list("items").map(::item), page["next_cursor"]?.jsonPrimitive?.contentOrNull)
    }

    override suspend fun topics(): List<Topic> = ask("/v1/topics").list("topics").map { Topic(it.text("id"), it.text("title")) }

    override suspend fun labels(items: List<String>): List<LabelUpdate> {
        val wanted = JsonObject(mapOf("items" to JsonArray(items.map(::JsonPrimitive))))
        val answer = askJson("POST", "${origin.url}/v1/labels", "$wanted", token = "ada").jsonObject
        return answer.list("items").map {
            LabelUpdate(it.text("id"), it.texts("labels"), gone = it.getValue("gone").jsonPrimitive.boolean)
        }
    }

    override suspend fun rules(held: ULong): String? = ask("/v1/rules?held=$held").toString()

    override suspend fun locate(asset: String, rendition: String): Location {
        located.incrementAndGet()
        val fresh = ask("/v1/assets/$asset/renditions/$rendition")
        return Location(fresh.text("url"), fresh.numberOrNull("expires_at_ms"))
    }

    private fun ask(path: String) = askJson("GET", origin.url + path, token = "ada").jsonObject

    private fun item(json: JsonObject): HostItem {
        val asset = json.getValue("asset").jsonObject
        val creator = json.getValue("creator").jsonObject
        return HostItem(
            item = Item(
                id = json.text("id"),
                assetId = asset.text("id"),
                durationMs = asset.number("duration_ms").toULong(),
                creator = Creator(creator.text("id"), creator.text("handle"), creator.text("name")),
                topics = json.texts("topics"),
                caption = json.text("caption"),
                altText = json.text("alt_text"),
                labels = json.texts("labels"),
            ),
            renditions = asset.list("renditions").map(::rendition),
            retention = json.getValue("retention").jsonArray.map {
                val (at, share) = it.jsonArray.map { number -> number as JsonPrimitive }
                RetentionPoint(at.long.toULong(), share.double)
            },
            prior = json.getValue("prior").jsonPrimitive.doubleOrNull,
        )
    }

    private fun rendition(json: JsonObject) = Rendition(
        id = json.text("id"),
        url = json.text("url").let { if (staleAddresses) it.replace("sig=", "sig=00") else it },
        container = Container.valueOf(json.text("container").uppercase()),
        width = json.number("width").toUInt(),
        height = json.number("height").toUInt(),
        bitrateBps = json.number("bitrate_bps").toULong(),
        bytes = json.numberOrNull("bytes")?.toULong(),
        expiresAtMs = json.numberOrNull("expires_at_ms"),
    )
}

class HostTest {
    private fun hosted(dir: Path) = configOf(dir.resolve("core"), origin = null)

    @Test
    fun `the app supplies pages, topics and addresses`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val app = AppBackend(origin).apply { staleAddresses = true }
            withUnspool(hosted(dir), host = app) { session ->
                assertTrue(session.topics().any { it.id == "science" })
                val feed = session.feed(FeedKind.ForYou)
                val events = Follower(feed)
                repeat(2) {
                    val card = feed.next()
                    val frame = events.firstFrame(card.position)
                    assertTrue((frame.luma ?: 0.0) > 8.0, "$frame")
                }
                assertTrue(app.pages.get() >= 1)
                assertTrue(app.located.get() >= 2, "a refused address is asked for again")
            }
        }
    }

    @Test
    fun `the app supplies late labels and signed rules`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val shared = sharedRules()
            origin.putRules(shared.getValue("second").toString())
            val config = hosted(dir).copy(safetyKeys = listOf(shared.text("key")))
            withUnspool(config, host = AppBackend(origin)) { session ->
                val feed = session.feed(FeedKind.NonProfiled)
                feed.next()
                eventually("the app's rules are taken") { session.rulesVersion() == 2uL }
                val ahead = feed.peek(1u).single()
                origin.label(ahead.id, "fraud")
                feed.refreshLabels()
                inTime("the label") { Follower(feed).until { it is Event.CardClosed && it.item == ahead.id } }
            }
        }
    }

    @Test
    fun `whatever the app throws is an error of the call, and the session goes on`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val faults = listOf<() -> Nothing>(
                { throw HostException.Refused("no") },
                { throw IOException("the cable") },
                { throw IllegalStateException("unforeseen") },
                { TODO("an Error, no Exception") },
                { throw StackOverflowError() },
            )
            val turn = AtomicInteger()
            val app = object : AppBackend(origin) {
                override suspend fun topics(): List<Topic> = faults.getOrNull(turn.getAndIncrement())?.invoke() ?: super.topics()
            }
            withUnspool(hosted(dir), host = app) { session ->
                repeat(faults.size) { n ->
                    val thrown = runCatching { session.topics() }.exceptionOrNull()
                    val typed = thrown is UnspoolException.Backend || thrown is UnspoolException.Offline
                    assertTrue(typed, "fault $n became $thrown")
                    assertTrue(!thrown.toString().contains("cable"), "the app's words stay with the app: $thrown")
                }
                assertTrue(session.topics().isNotEmpty(), "the session goes on")
            }
        }
    }

    @Test
    fun `a page that failed is asked for again`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val app = object : AppBackend(origin) {
                override suspend fun page(request: PageRequest): HostPage {
                    if (pages.get() == 0) {
                        pages.incrementAndGet()
                        throw HostException.Busy(null)
                    }
                    return super.page(request)
                }
            }
            withUnspool(hosted(dir), host = app) { session ->
                val feed = session.feed(FeedKind.Following)
                val failed = inTime("the refusal") { Follower(feed).until { it is Event.PageFailed } } as Event.PageFailed
                assertTrue(failed.retryable, "$failed")
                feed.retry()
                feed.until("the second page") { it.window.isNotEmpty() }
            }
        }
    }

    @Test
    fun `a reader that fell behind is told how much it lost`(@TempDir dir: Path) = test {
        val app = object : HostBackend {
            override suspend fun page(request: PageRequest): HostPage = throw HostException.Refused("none today")
            override suspend fun topics(): List<Topic> = emptyList()
            override suspend fun labels(items: List<String>): List<LabelUpdate> = emptyList()
            override suspend fun rules(held: ULong): String? = null
            override suspend fun locate(asset: String, rendition: String): Location = throw HostException.Refused("none")
        }
        withUnspool(hosted(dir), host = app) { session ->
            val feed = session.feed(FeedKind.ForYou)
            // Each page that is asked for again and refused is an event.
            var count = 0uL
            while (count < KEPT + 50uL) {
                feed.retry()
                count = feed.eventsAfter(count).last
            }
            val missed = mutableListOf<ULong>()
            feed.events(onMissed = { missed += it }).take(KEPT.toInt()).collect { assertTrue(it is Event.PageFailed, "$it") }
            assertEquals(listOf(count - KEPT), missed)
            assertEquals(0uL, feed.eventsNow(count - KEPT).missed)
        }
    }

    @Test
    fun `the app's coroutine is cancelled when nobody wants its answer`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val asked = CompletableDeferred<Unit>()
            val left = CompletableDeferred<Unit>()
            val app = object : AppBackend(origin) {
                override suspend fun topics(): List<Topic> =
                    try {
                        asked.complete(Unit)
                        awaitCancellation()
                    } finally {
                        left.complete(Unit)
                    }
            }
            withUnspool(hosted(dir), host = app) { session ->
                val wait = launch { session.topics() }
                inTime("the app is asked") { asked.await() }
                wait.cancelAndJoin()
                inTime("the app's coroutine ends") { left.await() }
            }
            // Feeds of other tests that nobody closed hold their session until they are collected.
            eventually("the core lets go of the app's backend") {
                System.gc()
                FfiConverterTypeHostBackend.handleMap.size == 0 && uniffiForeignFutureHandleCount() == 0
            }
        }
    }

    @Test
    fun `an app that blocks its thread blocks nobody else`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val app = object : AppBackend(origin) {
                override suspend fun topics(): List<Topic> {
                    Thread.sleep(PATIENCE.inWholeMilliseconds * 10)
                    return emptyList()
                }
            }
            withUnspool(hosted(dir).copy(requestTimeout = java.time.Duration.ofSeconds(20)), host = app) { session ->
                val blocked = List(8) { launch { runCatching { session.topics() } } }
                withTimeout(PATIENCE) {
                    // The default dispatcher has two threads on a small machine; both are free.
                    val feed = session.feed(FeedKind.ForYou)
                    Follower(feed).firstFrame(feed.next().position)
                }
                assertTrue(blocked.all { it.isActive })
                blocked.forEach { it.cancelAndJoin() }
            }
        }
    }

    private companion object {
        /** Events the core keeps for a reader that is behind. */
        const val KEPT = 2_048uL
    }
}
