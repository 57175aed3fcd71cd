package dev.unspool

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/**
 * What the feed is like: the state now, at once, and from then on every newer one.
 *
 * The collector sets the pace. While it works, states replace each other in the core, and the next one it gets is the
 * newest; nothing is buffered in between. The flow is cold and may be collected many times, on any dispatcher. It ends
 * when the session is shut down or the feed is replaced by a newer one, and fails with [UnspoolException.Internal] when a
 * fault of the core ended the feed. Cancelling the collector ends the wait in the core.
 */
public fun Feed.snapshots(): Flow<FeedSnapshot> = flow {
    var seen = snapshot()
    emit(seen)
    while (true) {
        val revision = seen.revision
        seen = untilShutDown { snapshotAfter(revision) } ?: break
        emit(seen)
    }
}

/**
 * What happened after event number [after], oldest first, in the batches they are pulled in.
 *
 * A collector that keeps [EventBatch.last] can be cancelled at any time and go on from there later: nothing is lost and
 * nothing comes twice. [EventBatch.missed] says how many events a collector that fell too far behind has lost. After the
 * last event the flow ends or fails as [snapshots] does.
 */
public fun Feed.eventBatches(after: ULong = 0uL): Flow<EventBatch> = flow {
    var last = after
    while (true) {
        val from = last
        val batch = untilShutDown { eventsAfter(from) } ?: break
        last = batch.last
        emit(batch)
    }
}

/**
 * What happened after event number [after], oldest first; [eventBatches] one by one.
 *
 * @param onMissed told how many events were lost before the next one, when the collector fell too far behind
 */
public fun Feed.events(after: ULong = 0uL, onMissed: suspend (ULong) -> Unit = {}): Flow<Event> = flow {
    eventBatches(after).collect { batch ->
        if (batch.missed > 0uL) onMissed(batch.missed)
        batch.events.forEach { emit(it) }
    }
}

/** What [pull] gives, or null at the end. Only the pull is watched: what a collector throws is its own. */
internal suspend inline fun <T> untilShutDown(pull: () -> T): T? =
    try {
        pull()
    } catch (_: UnspoolException.ShutDown) {
        null
    }
