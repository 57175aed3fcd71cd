package dev.unspool

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.toJavaDuration

/**
 * Opens a session, the way an app on the JVM wants it.
 *
 * It is [Unspool.open] with two things added. The app's [tokens], [host] and [players] are [guarded]: whatever they throw becomes a
 * typed error, and they run on [dispatcher], where they may block. And the core's threads stay known to the JVM between
 * calls, which makes waking a coroutine cheaper.
 *
 * Fails as [Unspool.open]. A cancelled opening ends what it began. May be called on any thread; the disk is touched on a
 * thread of the core.
 *
 * @param config what the app decides beforehand
 * @param tokens gives bearer tokens, where the configuration holds none
 * @param host supplies pages, topics and addresses instead of the backend's contract
 * @param players plays instead of the core's own players
 * @param dispatcher where [tokens], [host] and [players] run
 */
public suspend fun openUnspool(
    config: SessionConfig,
    tokens: TokenProvider? = null,
    host: HostBackend? = null,
    players: PlatformPlayers? = null,
    dispatcher: CoroutineDispatcher = Dispatchers.IO,
): Unspool {
    CoreThreads.keepAttached()
    return Unspool.open(config, tokens?.guarded(dispatcher), host?.guarded(dispatcher), players?.guarded(dispatcher))
}

/**
 * Opens a session, runs [block] with it and shuts it down, whether [block] returns, throws or is cancelled.
 *
 * The shutdown takes at most [within] and is not cut short by a cancellation: what was recorded is on disk afterwards and
 * the data directory is free. Fails as [openUnspool], or with what [block] throws.
 */
public suspend fun <T> withUnspool(
    config: SessionConfig,
    tokens: TokenProvider? = null,
    host: HostBackend? = null,
    players: PlatformPlayers? = null,
    dispatcher: CoroutineDispatcher = Dispatchers.IO,
    within: Duration = 5.seconds,
    block: suspend (Unspool) -> T,
): T {
    val session = openUnspool(config, tokens, host, players, dispatcher)
    return session.use {
        try {
            block(session)
        } finally {
            withContext(NonCancellable) { session.shutdown(within) }
        }
    }
}

/** Sends what is queued, for at most [within], and says what is left. Fails as the call it stands for. */
public suspend fun Unspool.flush(within: Duration): Outgoing = flush(within.toJavaDuration())

/** Ends the session within [within]; calling it again gives the same report. It goes on when its caller is cancelled. */
public suspend fun Unspool.shutdown(within: Duration): ShutdownReport = shutdown(within.toJavaDuration())

/**
 * What is kept for offline: the state now, at once, and from then on every newer one.
 *
 * The collector sets the pace, as with [Feed.snapshots]. The flow ends when the session is shut down. Cancelling the
 * collector ends the wait in the core.
 */
public fun Unspool.keptSnapshots(): Flow<KeptSnapshot> = flow {
    var seen = kept()
    emit(seen)
    while (true) {
        val revision = seen.revision
        seen = untilShutDown { keptAfter(revision) } ?: break
        emit(seen)
    }
}
