package dev.unspool

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import java.nio.file.Path
import java.time.Duration
import kotlin.time.Duration.Companion.seconds

/** A test that hangs fails by itself, and says so. */
fun test(body: suspend CoroutineScope.() -> Unit) = runBlocking { withTimeout(60.seconds, body) }

/** A configuration for tests: batches leave at once, first frames are looked at. */
fun configOf(dir: Path, origin: Origin?, token: String? = "ada", conditions: Conditions? = null) = SessionConfig(
    dataDir = dir.toString(),
    account = "ada",
    backend = origin?.url,
    token = token,
    conditions = conditions,
    describeFirstFrame = true,
    sendEvery = Duration.ofMillis(200),
)

/** Follows the events of a feed by number, and fails when one is missed. */
class Follower(private val feed: Feed) {
    /** Number of the last event seen. */
    var last = 0uL
        private set

    /** The first frame of the card at [position]; fails when the card or the players do. */
    suspend fun firstFrame(position: ULong): Event.FirstFrame =
        inTime("the first frame of card $position") {
            lateinit var frame: Event.FirstFrame
            until {
                when (it) {
                    is Event.FirstFrame -> if (it.position == position) frame = it
                    is Event.CardFailed -> check(it.position != position) { "card $position: ${it.reason}" }
                    is Event.PlayersFailed -> error(it.reason)
                    else -> Unit
                }
                it is Event.FirstFrame && it.position == position
            }
            frame
        }

    /** Takes events until one is as wanted. */
    suspend fun until(wanted: (Event) -> Boolean): Event {
        while (true) {
            val batch = feed.eventsAfter(last)
            check(batch.missed == 0uL) { "${batch.missed} events missed" }
            batch.events.forEach {
                last++
                if (wanted(it)) return it
            }
        }
    }
}

/** Waits until a feed is as wanted, and gives that state. */
suspend fun Feed.until(what: String, wanted: (FeedSnapshot) -> Boolean): FeedSnapshot {
    val feed = this
    return inTime("$what; last ${feed.snapshot()}") { feed.snapshots().first(wanted) }
}

/** Waits for the body, and says what was waited for when it takes too long. */
suspend fun <T> inTime(what: String, body: suspend CoroutineScope.() -> T): T =
    try {
        withTimeout(PATIENCE, body)
    } catch (_: TimeoutCancellationException) {
        throw AssertionError("not in time: $what")
    }
