package dev.unspool

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.withContext
import java.io.IOException

/**
 * The same provider, safe to hand to the core: it runs on [dispatcher], where it may block, and whatever it throws
 * reaches the core as a [HostException].
 *
 * A [HostException] passes as it is, an [IOException] and a time-out become [HostException.Network], anything else, also
 * an `Error`, becomes [HostException.Unexpected] with the name of its class: a message could hold something personal.
 *
 * @param report is shown what was not foreseen, for the app's own log
 */
public fun TokenProvider.guarded(
    dispatcher: CoroutineDispatcher = Dispatchers.IO,
    report: (Throwable) -> Unit = {},
): TokenProvider = if (this is GuardedTokens) this else GuardedTokens(this, Guard(dispatcher, report))

/** The same host, safe to hand to the core; see the [guarded] of [TokenProvider]. */
public fun HostBackend.guarded(
    dispatcher: CoroutineDispatcher = Dispatchers.IO,
    report: (Throwable) -> Unit = {},
): HostBackend = if (this is GuardedHost) this else GuardedHost(this, Guard(dispatcher, report))

/** The same players, safe to hand to the core; see the [guarded] of [TokenProvider]. */
public fun PlatformPlayers.guarded(
    dispatcher: CoroutineDispatcher = Dispatchers.IO,
    report: (Throwable) -> Unit = {},
): PlatformPlayers = if (this is GuardedPlayers) this else GuardedPlayers(this, Guard(dispatcher, report))

private class GuardedPlayers(private val app: PlatformPlayers, private val guard: Guard) : PlatformPlayers {
    override suspend fun make(player: ULong, request: PlayerRequest, reports: PlayerReports): Unit =
        guard.run { app.make(player, request, reports) }

    override suspend fun play(player: ULong): Unit = guard.run { app.play(player) }

    override suspend fun pause(player: ULong): Unit = guard.run { app.pause(player) }

    override suspend fun seek(player: ULong, positionMs: ULong, exact: Boolean): Unit =
        guard.run { app.seek(player, positionMs, exact) }

    override suspend fun setMuted(player: ULong, muted: Boolean): Unit = guard.run { app.setMuted(player, muted) }

    override suspend fun setVolume(player: ULong, volume: Double): Unit = guard.run { app.setVolume(player, volume) }

    override suspend fun setRate(player: ULong, rate: Double): Unit = guard.run { app.setRate(player, rate) }

    override suspend fun release(player: ULong): Unit = guard.run { app.release(player) }
}

private class GuardedTokens(private val app: TokenProvider, private val guard: Guard) : TokenProvider {
    override suspend fun token(rejected: String?): String = guard.run { app.token(rejected) }
}

private class GuardedHost(private val app: HostBackend, private val guard: Guard) : HostBackend {
    override suspend fun page(request: PageRequest): HostPage = guard.run { app.page(request) }

    override suspend fun topics(): List<Topic> = guard.run { app.topics() }

    override suspend fun labels(items: List<String>): List<LabelUpdate> = guard.run { app.labels(items) }

    override suspend fun rules(held: ULong): String? = guard.run { app.rules(held) }

    override suspend fun locate(asset: String, rendition: String): Location = guard.run { app.locate(asset, rendition) }
}

/**
 * Lets nothing but a [HostException] out of the app's code.
 *
 * The generated code answers the core for exceptions only. After an `Error`, such as the one `TODO()` throws, it would
 * answer nothing, and the core would wait until its time-out.
 */
private class Guard(private val dispatcher: CoroutineDispatcher, private val report: (Throwable) -> Unit) {
    suspend fun <T> run(call: suspend () -> T): T =
        try {
            withContext(dispatcher) { call() }
        } catch (e: HostException) {
            throw e
        } catch (e: CancellationException) {
            // Either the core no longer wants the answer, or the app's own time-out ran out.
            currentCoroutineContext().ensureActive()
            throw HostException.Network(e.javaClass.name)
        } catch (e: IOException) {
            throw HostException.Network(e.javaClass.name)
        } catch (e: Throwable) {
            report(e)
            throw HostException.Unexpected(e.javaClass.name)
        }
}
