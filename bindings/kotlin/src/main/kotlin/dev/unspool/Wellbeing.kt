package dev.unspool

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import java.time.Instant
import java.time.ZoneId

/**
 * What was watched, what holds, and the break that stands: the state now, at once, and from then on every newer one.
 *
 * The collector sets the pace, as with [Feed.snapshots]. The flow ends when the session is shut down. Cancelling the
 * collector ends the wait in the core.
 */
public fun Unspool.wellbeingStates(): Flow<WellbeingState> = flow {
    var seen = wellbeing()
    emit(seen)
    while (true) {
        val revision = seen.revision
        seen = untilShutDown { wellbeingAfter(revision) } ?: break
        emit(seen)
    }
}

/**
 * Everything the person can decide: as it is now, at once, and from then on after every change.
 *
 * The collector sets the pace, as with [Feed.snapshots]. The flow ends when the session is shut down. Cancelling the
 * collector ends the wait in the core.
 */
public fun Unspool.settingsStates(): Flow<Settings> = flow {
    var revision = 0uL
    while (true) {
        val after = revision
        val seen = untilShutDown { settingsAfter(after) } ?: break
        revision = seen.revision
        emit(seen)
    }
}

/**
 * Says where the person is, as the offset that [zone] has from UTC at the moment [at]. Call it when the session is opened
 * and whenever the system says that the zone or its offset changed. Fails as [Unspool.setUtcOffset].
 */
public fun Unspool.setTimeZone(zone: ZoneId = ZoneId.systemDefault(), at: Instant = Instant.now()): Unit =
    setUtcOffset(zone.rules.getOffset(at).totalSeconds / 60)
