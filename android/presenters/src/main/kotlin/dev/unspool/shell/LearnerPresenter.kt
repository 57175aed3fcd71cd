package dev.unspool.shell

import dev.unspool.LearnerCard
import dev.unspool.Parameter
import dev.unspool.Unspool
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job

/**
 * What the screen "What this app has learnt" shows.
 *
 * @property card what was learnt on this device, in plain words
 * @property parameters every number that orders the feed
 * @property exported all of it as JSON, once it was asked for; the shell hands it to the system's sharing
 */
public data class LearnerView(
    val card: LearnerCard,
    val parameters: List<Parameter>,
    val exported: String? = null,
    val trouble: Trouble? = null,
)

/** The person's hand on what was learnt: read it, weigh it, take it along, begin anew. None of it ever leaves by itself. */
public class LearnerPresenter(private val session: Unspool, scope: CoroutineScope) :
    Presenter<LearnerView>(scope, LearnerView(session.learnerCard(), session.mainParameters())) {

    /** The person's own word on a topic, from -1 (as little as can be) to 1 (as much as can be); 0 takes it back. */
    public fun weigh(topic: String, weight: Double): Job = changed { session.setLearnerWeight(topic, weight) }

    /** Forgets one topic. */
    public fun forget(topic: String): Job = changed { session.forgetLearnedTopic(topic) }

    /** Begins anew; the choice of interests stays. */
    public fun reset(): Job = changed { session.resetLearner() }

    /** Deletes all of it. */
    public fun erase(): Job = changed { session.eraseLearner() }

    /** Makes the export. */
    public fun export(): Job = inOrder {
        val all = session.exportLearner()
        show { it.copy(exported = all) }
    }

    override fun trouble(trouble: Trouble): Unit = show { it.copy(trouble = trouble) }

    private fun changed(change: suspend () -> Unit): Job = inOrder {
        show { it.copy(trouble = null) }
        change()
        show { it.copy(card = session.learnerCard()) }
    }
}
