package dev.unspool.shell

import dev.unspool.Topic
import dev.unspool.Unspool
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job

/**
 * What the first screen shows.
 *
 * @property topics what can be chosen; empty until the catalogue is here
 * @property chosen identifiers of what the person likes, in the order of choosing
 * @property done the feed may begin
 */
public data class OnboardingView(
    val topics: List<Topic> = emptyList(),
    val chosen: List<String> = emptyList(),
    val done: Boolean = false,
    val trouble: Trouble? = null,
)

/** "What do you like?": choose or skip. Who chose before, on this device, does not see it again. */
public class OnboardingPresenter(private val session: Unspool, scope: CoroutineScope) :
    Presenter<OnboardingView>(scope, OnboardingView()) {
    init {
        load()
    }

    /** Fetches the catalogue, again when it failed. */
    public fun load(): Job = inOrder {
        show { it.copy(trouble = null) }
        val chosen = session.interests()
        show { it.copy(chosen = chosen, done = chosen.isNotEmpty()) }
        val topics = session.topics()
        show { it.copy(topics = topics) }
    }

    /** Chooses a topic, or takes it back. */
    public fun toggle(topic: String): Unit = show {
        it.copy(chosen = if (topic in it.chosen) it.chosen - topic else it.chosen + topic)
    }

    /** Keeps the choice; it is on disk, and at the server as soon as there is one. */
    public fun finish(): Job = inOrder {
        session.setInterests(view.value.chosen)
        show { it.copy(done = true) }
    }

    /** Goes on without a choice. */
    public fun skip(): Unit = show { it.copy(chosen = emptyList(), done = true) }

    override fun trouble(trouble: Trouble): Unit = show { it.copy(trouble = trouble) }
}
