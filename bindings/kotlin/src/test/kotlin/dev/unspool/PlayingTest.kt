package dev.unspool

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.double
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.io.IOException
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse.BodyHandlers
import java.nio.file.Path
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.TimeSource

/** One player: reads the gateway piece by piece and keeps time; pictures are counted, not decoded. */
class Reader(private val address: String, private val reports: PlayerReports, private val scope: CoroutineScope) {
    @Volatile var bytes = 0L
    @Volatile var position = 0.0
    @Volatile var rate = 1.0
    private var running: Job? = null

    /** Loads the first piece. */
    fun load() {
        check(readOn()) { "the first bytes are there" }
        reports.tell(PlayerReport.Ready(720u, 1280u))
    }

    fun play() {
        if (running?.isActive == true) return
        running = scope.launch { run() }
    }

    fun pause() {
        running?.cancel()
    }

    fun seek(to: ULong) {
        position = to.toDouble()
        if (running?.isActive == true) reports.tell(PlayerReport.Shown(to))
    }

    fun release() {
        pause()
        reports.close()
    }

    private suspend fun CoroutineScope.run() {
        reports.tell(PlayerReport.Shown(position.toULong()))
        var mark = TimeSource.Monotonic.markNow()
        var frames = 0uL
        var more = true
        while (isActive) {
            if (more) more = readOn()
            delay(50.milliseconds)
            position += mark.elapsedNow().inWholeMicroseconds / 1_000.0 * rate
            mark = TimeSource.Monotonic.markNow()
            frames++
            reports.tell(PlayerReport.Position(position.toULong(), frames))
        }
    }

    /** Reads the next piece; false at the end. */
    private fun readOn(): Boolean {
        val request = HttpRequest.newBuilder(URI.create(address)).timeout(java.time.Duration.ofSeconds(20))
            .header("range", "bytes=$bytes-${bytes + PIECE - 1}").build()
        val answer = http.send(request, BodyHandlers.ofByteArray())
        if (answer.statusCode() == 416) return false
        check(answer.statusCode() in 200..299) { "the gateway answers ${answer.statusCode()}" }
        bytes += answer.body().size
        return answer.body().isNotEmpty()
    }

    private companion object {
        const val PIECE = 65_536
        val http: HttpClient = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()
    }
}

/** Players as an app would write them. */
class Readers(refusals: Int) : PlatformPlayers, AutoCloseable {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.IO)
    private val refusals = AtomicInteger(refusals)
    val players = ConcurrentHashMap<ULong, Reader>()
    val addresses = CopyOnWriteArrayList<String>()
    val calls = CopyOnWriteArrayList<String>()

    override suspend fun make(player: ULong, request: PlayerRequest, reports: PlayerReports) {
        if (refusals.getAndDecrement() > 0) throw IOException("no decoder is free")
        addresses += request.address
        players[player] = Reader(request.address, reports, scope).apply { load() }
    }

    override suspend fun play(player: ULong) = players.getValue(player).play()

    override suspend fun pause(player: ULong) = players.getValue(player).pause()

    override suspend fun seek(player: ULong, positionMs: ULong, exact: Boolean) {
        calls += "seek $positionMs $exact"
        players.getValue(player).seek(positionMs)
    }

    override suspend fun setMuted(player: ULong, muted: Boolean) {
        calls += "muted $muted"
    }

    override suspend fun setVolume(player: ULong, volume: Double) {
        calls += "volume $volume"
    }

    override suspend fun setRate(player: ULong, rate: Double) {
        calls += "rate $rate"
        players.getValue(player).rate = rate
    }

    override suspend fun release(player: ULong) {
        players.remove(player)?.release()
    }

    override fun close() = scope.cancel()
}

class PlayingTest {
    @Test
    fun `a player of the app reads the gateway and its facts are those of the core`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            Readers(refusals = 1).use { players ->
                val session = openUnspool(configOf(dir.resolve("core"), origin), players = players)
                val feed = session.feed(FeedKind.ForYou)
                val events = Follower(feed)
                events.firstFrame(feed.next().position)
                feed.until("it plays") { it.playheadMs > 300uL && it.window[0].stage == Stage.PLAYING }
                feed.until("the next is ready") { it.window.getOrNull(1)?.stage == Stage.PRE_ROLLED }
                val frame = events.firstFrame(feed.next().position)
                assertEquals(StartClass.PRE_ROLLED, frame.startClass)
                feed.setRate(2.0)
                feed.setVolume(0.5)
                feed.setMuted(true)
                feed.seekExact(1_500uL)
                feed.until("it is there") { it.playheadMs >= 1_600uL }
                assertTrue(players.calls.containsAll(listOf("rate 2.0", "volume 0.5", "muted true", "seek 1500 true")), "${players.calls}")
                assertTrue(players.addresses.all { it.startsWith("http://127.0.0.1:") })
                assertTrue(players.players.values.all { it.bytes > 0 })
                val installation = session.status().installation
                assertTrue(session.shutdown(PATIENCE).clean)
                session.close()
                assertTrue(players.players.isEmpty(), "every player was released")
                val records = origin.records(installation).map { it.getValue("attributes").jsonObject }
                assertEquals(listOf("cold", "prerolled"), records.map { it.text("start_class") })
                assertTrue(records.all { it.number("active_ms") > 0 }, "$records")
                assertEquals(2.0, records[1].getValue("rate").jsonPrimitive.double)
                assertTrue(records[1].getValue("muted").jsonPrimitive.boolean)
            }
        }
    }

    @Test
    fun `captions, focus and memory are reachable`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                assertThrows<UnspoolException.Config> { session.setCaptions(listOf("no tag")) }
                session.setCaptions(listOf("fr", "*"))
                val feed = session.feed(FeedKind.NonProfiled)
                val card = feed.next()
                Follower(feed).firstFrame(card.position)
                val shown = feed.until("a caption") { it.captions.cues.isNotEmpty() }
                assertEquals(CaptionStatus.READY, shown.captions.status)
                val captions = checkNotNull(feed.captions(card.position))
                val track = captions.tracks[checkNotNull(captions.chosen).toInt()]
                assertEquals(shown.captions.language, track.language)
                assertTrue(captions.cues[0].text.endsWith(" 0") && captions.cues[0].endMs == 1_000uL, "${captions.cues[0]}")
                assertNull(feed.captions(99_999uL))

                session.setSoundFocus(SoundFocus.LOST_FOR_NOW)
                feed.until("a call") { it.interrupted && it.paused }
                session.setSoundFocus(SoundFocus.GAINED)
                feed.until("its end") { !it.interrupted && !it.paused }
                feed.until("the next is ready") { it.window.getOrNull(1)?.stage == Stage.PRE_ROLLED }
                session.setMemoryPressure(MemoryPressure.CRITICAL)
                feed.until("room is made") { it.window.getOrNull(1)?.stage != Stage.PRE_ROLLED }
                session.setPlayerBudget(2u, 64_000_000uL)
                assertThrows<UnspoolException.Config> { session.setPlayerBudget(0u, 0uL) }
                assertThrows<UnspoolException.Config> { session.setWindow(1uL) }
                assertThrows<UnspoolException.Config> { feed.setRate(9.0) }
            }
        }
    }
}
