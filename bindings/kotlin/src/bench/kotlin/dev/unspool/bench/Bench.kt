package dev.unspool.bench

import dev.unspool.CardState
import dev.unspool.Conditions
import dev.unspool.Event
import dev.unspool.Feed
import dev.unspool.FeedKind
import dev.unspool.SessionConfig
import dev.unspool.Stage
import dev.unspool.Unspool
import dev.unspool.openUnspool
import dev.unspool.shutdown
import dev.unspool.snapshots
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.seconds

/**
 * What the ten hottest calls cost from Kotlin, and what a swipe costs, against a running server.
 *
 * Usage: `BenchKt <data directory> [--plain]`, with the address of the server in `UNSPOOL_BENCH_ORIGIN`. Prints one JSON
 * object. `--plain` opens the session as the generated code does, without what `openUnspool` adds.
 *
 * The times are those of whole calls, the core's own work included: whoever wants the cost of the crossing takes away
 * what the same call costs from Rust.
 */
fun main(args: Array<String>) {
    val dir = args.firstOrNull { !it.startsWith("--") }
    val origin = System.getenv("UNSPOOL_BENCH_ORIGIN")
    if (dir == null || origin == null) {
        System.err.println("usage: UNSPOOL_BENCH_ORIGIN=http://... BenchKt <data directory> [--plain]")
        exitProcess(2)
    }
    val config = SessionConfig(dir, account = "bench", backend = origin, token = "bench")
    val plain = "--plain" in args
    val result = runBlocking(Dispatchers.Default) {
        withTimeout(170.seconds) {
            val session = if (plain) Unspool.open(config) else openUnspool(config)
            measure(session).also { session.shutdown(5.seconds) }
        }
    }
    println(result)
}

/** Times of one call, in microseconds. */
private class Times(val name: String, val us: List<Double>) {
    fun at(share: Double): Double = us.sorted()[((us.size - 1) * share).toInt()]
    val median get() = at(0.5)
    fun json() = """{"name":"$name","n":${us.size},"median_us":${number(median)},"p90_us":${number(at(0.9))}}"""
}

/** Calls often enough for the compiler of the JVM to be done, then takes the times. */
private inline fun time(name: String, n: Int, warm: Int, call: (Int) -> Unit): Times {
    repeat(warm) { call(it) }
    val us = ArrayList<Double>(n)
    repeat(n) {
        val begun = System.nanoTime()
        call(it)
        us += (System.nanoTime() - begun) / 1_000.0
    }
    return Times(name, us)
}

private suspend fun measure(session: Unspool): String {
    val feed = session.feed(FeedKind.ForYou)
    val reader = Reader(feed)
    repeat(2) { reader.firstFrame(feed.next().position) }
    reader.firstFrame(feed.previous().position)
    feed.prepared { it.stage >= Stage.PRE_ROLLED }
    // A paused player leaves the processor to what is measured.
    feed.setPaused(true)
    feed.snapshots().first { it.paused }

    // A batch as a reader that keeps up gets it: a handful of events.
    val recent = if (reader.last > BATCH) reader.last - BATCH else 0uL
    val calls = mutableListOf(
        time("feed.snapshot", CHEAP, WARM) { feed.snapshot() },
        time("feed.snapshot_after", CHEAP, WARM) { feed.snapshotAfter(0uL) },
        time("feed.events", CHEAP, WARM) { feed.eventsNow(recent) },
        time("feed.events_after", CHEAP, WARM) { feed.eventsAfter(recent) },
        time("session.status", CHEAP, WARM) { session.status() },
        time("session.set_conditions", COMMANDS, COMMANDS) { session.setConditions(Conditions()) },
        time("feed.set_muted", COMMANDS, COMMANDS) { feed.setMuted(it % 2 == 0) },
        time("feed.set_paused", COMMANDS, COMMANDS) { feed.setPaused(true) },
        time("feed.seek", COMMANDS, COMMANDS) { feed.seek(0uL) },
    )
    // A call that waits for the core and does nothing there: what it costs to suspend and to be woken.
    val suspended = time("feed.peek", CHEAP, WARM) { feed.peek(0u) }

    feed.setPaused(false)
    val swipes = Swipes(reader)
    repeat(SWIPES_WARM + SWIPES) { swipes.one(feed, forward = it % 2 == 0, counted = it >= SWIPES_WARM) }
    val next = Times("feed.next", swipes.nextUs)
    calls.add(0, next)

    val perSwipe = swipes.calls.sorted()
    val typical = perSwipe[perSwipe.size / 2]
    val runtime = "Java ${System.getProperty("java.version")}, Kotlin ${KotlinVersion.CURRENT}, JNA ${com.sun.jna.Native.VERSION}"
    return buildString {
        append("""{"language":"kotlin","runtime":"$runtime",""")
        append(calls.joinToString(",", """"calls":[""", "],") { it.json() })
        append(""""swipe":{"n":${perSwipe.size},"calls":$typical,"most_calls":${perSwipe.last()},""")
        append(""""first_frame_ms":${number(Times("", swipes.firstFrameUs).median / 1_000.0)},""")
        append(""""suspended_call_us":${number(suspended.median)},""")
        // Every call of a swipe taken as one that is suspended and woken.
        append(""""ffi_us":${number(typical * suspended.median)},""")
        // An upper bound, what the core does for the swipe included.
        append(""""ffi_us_at_most":${number(next.median + (typical - 1) * suspended.median)}}}""")
    }
}

/** Swipes to and fro between two cards, each until its first frame is shown. */
private class Swipes(private val reader: Reader) {
    val nextUs = mutableListOf<Double>()
    val firstFrameUs = mutableListOf<Double>()
    val calls = mutableListOf<Int>()

    suspend fun one(feed: Feed, forward: Boolean, counted: Boolean) {
        reader.drain()
        val begun = System.nanoTime()
        val card = if (forward) feed.next() else feed.previous()
        val moved = System.nanoTime()
        val pulls = reader.firstFrame(card.position)
        val shown = System.nanoTime()
        if (counted) {
            nextUs += (moved - begun) / 1_000.0
            firstFrameUs += (shown - begun) / 1_000.0
            calls += 1 + pulls
        }
    }
}

/** Reads the events of a feed by number, as an app does. */
private class Reader(private val feed: Feed) {
    var last = 0uL
        private set

    /** Waits for the first frame of the card at [position]; says how many calls that took. */
    suspend fun firstFrame(position: ULong): Int {
        var pulls = 0
        while (true) {
            val batch = feed.eventsAfter(last)
            pulls++
            last = batch.last
            batch.events.forEach { check(it !is Event.CardFailed && it !is Event.PlayersFailed) { "$it" } }
            if (batch.events.any { it is Event.FirstFrame && it.position == position }) return pulls
        }
    }

    /** Takes what is there already. */
    fun drain() {
        last = feed.eventsNow(last).last
    }
}

/** Waits until the card after the current one is as wanted. */
private suspend fun Feed.prepared(wanted: (CardState) -> Boolean) {
    snapshots().first { state -> state.window.getOrNull(1)?.let(wanted) == true }
}

private fun number(value: Double): String = "%.2f".format(java.util.Locale.ROOT, value)

/** Reads: many, they disturb nothing. */
private const val CHEAP = 5_000

/** The JVM compiles a method for good after some thousands of calls. */
private const val WARM = 10_000

/** Commands are queued and carried out: few, so that the queue of the core stays short. */
private const val COMMANDS = 500
private const val SWIPES = 100
private const val SWIPES_WARM = 20
private const val BATCH = 4uL
