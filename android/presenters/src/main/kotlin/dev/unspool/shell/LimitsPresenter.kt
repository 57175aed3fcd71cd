package dev.unspool.shell

import dev.unspool.LimitChoices
import dev.unspool.Unspool
import dev.unspool.WellbeingState
import dev.unspool.wellbeingStates
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job

/** What the screen of limits shows; [state] holds the choice, the policy beside it, and what was watched today. */
public data class LimitsView(val state: WellbeingState, val trouble: Trouble? = null)

/**
 * Daily limit, breaks, nights, and the guardian's passcode. What the core guards stays guarded: a choice that would loosen a
 * minor's limits comes back as a [Trouble] until the passcode was given.
 */
public class LimitsPresenter(private val session: Unspool, scope: CoroutineScope) :
    Presenter<LimitsView>(scope, LimitsView(session.wellbeing())) {
    init {
        begin { session.wellbeingStates().collect { now -> show { it.copy(state = now) } } }
    }

    /** Changes the person's choices; null in one of them means the policy's. */
    public fun choose(how: (LimitChoices) -> LimitChoices): Job = told { session.setLimits(how(session.wellbeing().chosen)) }

    /** Opens what is guarded. A wrong code costs time: [Trouble.after] says how long to wait. */
    public fun givePasscode(code: String): Job = told { session.givePasscode(code) }

    /** Sets a new passcode, or takes it away. */
    public fun setPasscode(code: String?): Job = told { session.setPasscode(code) }

    /** Closes what the passcode opened, at the latest when the screen is left. */
    public fun lock(): Unit = session.lockLimits()

    override fun trouble(trouble: Trouble): Unit = show { it.copy(trouble = trouble) }

    private fun told(change: suspend () -> Unit): Job = inOrder {
        show { it.copy(trouble = null) }
        change()
        show { it.copy(state = session.wellbeing()) }
    }
}
