package dev.unspool.shell

import dev.unspool.Harm
import dev.unspool.HarmChoice
import dev.unspool.MutedWord
import dev.unspool.SafetyChoice
import dev.unspool.SafetySettings
import dev.unspool.Unspool
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job

/** What the screen of filters shows; [settings] are those in force. */
public data class SafetyView(val settings: SafetySettings, val trouble: Trouble? = null)

/** Filters of the person's own: each change is on disk, and in the open feed, when its job ends. */
public class SafetyPresenter(private val session: Unspool, scope: CoroutineScope) :
    Presenter<SafetyView>(scope, SafetyView(session.safety())) {

    /** Shows, covers or hides a class of harm. */
    public fun choose(harm: Harm, choice: SafetyChoice): Job =
        changed { it.copy(harms = it.harms.filter { one -> one.harm != harm } + HarmChoice(harm, choice)) }

    /** Mutes a word; one that is muted already is replaced. */
    public fun muteWord(word: MutedWord): Job =
        changed { it.copy(words = it.words.filter { one -> one.value != word.value } + word) }

    /** Takes a muted word away. */
    public fun unmuteWord(word: String): Job = changed { it.copy(words = it.words.filter { one -> one.value != word }) }

    /** Mutes a topic or hears of it again. */
    public fun muteTopic(topic: String, muted: Boolean): Job =
        changed { it.copy(topics = if (muted) it.topics - topic + topic else it.topics - topic) }

    /** Unblocks a creator, here and at the backend. */
    public fun unblock(creator: String): Job = inOrder {
        session.setBlocked(creator, false)
        show { it.copy(settings = session.safety(), trouble = null) }
    }

    override fun trouble(trouble: Trouble): Unit = show { it.copy(trouble = trouble) }

    private fun changed(how: (SafetySettings) -> SafetySettings): Job = inOrder {
        session.setSafety(how(session.safety()))
        show { it.copy(settings = session.safety(), trouble = null) }
    }
}
