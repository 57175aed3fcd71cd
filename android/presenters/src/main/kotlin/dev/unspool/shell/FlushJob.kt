package dev.unspool.shell

import dev.unspool.Outgoing
import dev.unspool.Unspool
import dev.unspool.UnspoolException
import dev.unspool.flush
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/**
 * What a background job of the system does: send what waits, in the time it is given.
 *
 * WorkManager gives a worker ten minutes; [LIMIT] leaves the system time to end it in peace.
 */
public object FlushJob {
    /** Longest that a job sends. */
    public val LIMIT: Duration = 9.minutes

    /** Least that is worth beginning with. */
    public val LEAST: Duration = 2.seconds

    /** What the job tells the system. */
    public enum class Outcome {
        /** Nothing waits any more. */
        DONE,

        /** Something waits: the system's own back-off decides when to come again. */
        AGAIN,

        /** The person has to sign in first; a job cannot help. */
        GIVE_UP,
    }

    /** Sends for at most [within]. A cancelled job ends the sending; what waits stays on disk. */
    public suspend fun run(session: Unspool, within: Duration = LIMIT): Outcome {
        if (within < LEAST) return Outcome.AGAIN
        return try {
            if (waits(session.flush(within.coerceAtMost(LIMIT)))) Outcome.AGAIN else Outcome.DONE
        } catch (_: UnspoolException.SignIn) {
            Outcome.GIVE_UP
        } catch (_: UnspoolException.ShutDown) {
            Outcome.AGAIN
        } catch (failed: UnspoolException) {
            if (failed is UnspoolException.Config) Outcome.GIVE_UP else Outcome.AGAIN
        }
    }

    private fun waits(now: Outgoing): Boolean = now.queued > 0uL || now.intentsQueued > 0uL
}
