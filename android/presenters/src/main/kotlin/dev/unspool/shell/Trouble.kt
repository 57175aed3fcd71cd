package dev.unspool.shell

import dev.unspool.UnspoolException
import kotlin.time.Duration
import kotlin.time.toKotlinDuration

/** What a screen offers beside the words of a trouble. */
public enum class Remedy {
    /** A button that repeats what failed. */
    RETRY,

    /** The way to the sign-in. */
    SIGN_IN,

    /** The way to the system's storage settings. */
    FREE_SPACE,

    /** Nothing: the words are enough. */
    NONE,
}

/**
 * Why something did not work, as a screen says it.
 *
 * The words belong to the app's string resources: [kind] chooses them, [detail] is for a log and never for a person.
 *
 * @property remedy what the screen offers
 * @property after when a repetition makes sense, where the backend said so
 */
public data class Trouble(
    val kind: Kind,
    val remedy: Remedy,
    val after: Duration? = null,
    val detail: String = "",
) {
    /** One string resource each. */
    public enum class Kind { OFFLINE, SIGNED_OUT, SERVER, STORAGE_FULL, STORAGE, IN_USE, PAUSED_BY_LIMIT, GUARDED, WRONG_PASSCODE, REFUSED, ENDED, BROKEN }

    public companion object {
        /** What a screen says of an error of the core, or null where it says nothing: what was cancelled, and a feed's end. */
        public fun of(error: UnspoolException): Trouble? = when (error) {
            is UnspoolException.Cancelled, is UnspoolException.EndOfFeed -> null
            is UnspoolException.Offline -> Trouble(Kind.OFFLINE, Remedy.RETRY)
            is UnspoolException.SignIn -> Trouble(Kind.SIGNED_OUT, Remedy.SIGN_IN)
            is UnspoolException.Backend ->
                Trouble(Kind.SERVER, Remedy.RETRY, error.retryAfter?.toKotlinDuration(), error.reason)
            is UnspoolException.TimedOut -> Trouble(Kind.SERVER, Remedy.RETRY, detail = "no answer")
            is UnspoolException.NoRoom -> Trouble(Kind.STORAGE_FULL, Remedy.FREE_SPACE)
            is UnspoolException.Storage -> Trouble(Kind.STORAGE, Remedy.FREE_SPACE, detail = error.reason)
            is UnspoolException.InUse -> Trouble(Kind.IN_USE, Remedy.RETRY)
            is UnspoolException.Break -> Trouble(Kind.PAUSED_BY_LIMIT, Remedy.NONE)
            is UnspoolException.Guarded -> Trouble(Kind.GUARDED, Remedy.NONE)
            is UnspoolException.WrongPasscode -> Trouble(Kind.WRONG_PASSCODE, Remedy.RETRY, error.wait.toKotlinDuration())
            is UnspoolException.HostRefused -> Trouble(Kind.REFUSED, Remedy.NONE, detail = error.toString())
            is UnspoolException.ShutDown -> Trouble(Kind.ENDED, Remedy.NONE)
            is UnspoolException.Config, is UnspoolException.Rules, is UnspoolException.NotRevealable,
            is UnspoolException.NoSuchCard, is UnspoolException.Withheld, is UnspoolException.NotComplete,
            is UnspoolException.Thumbnail,
            -> Trouble(Kind.REFUSED, Remedy.NONE, detail = error.toString())
            is UnspoolException.Internal -> Trouble(Kind.BROKEN, Remedy.RETRY, detail = error.reason)
        }
    }
}
