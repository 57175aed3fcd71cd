package dev.unspool.shell

import dev.unspool.Report
import dev.unspool.ReportReason
import dev.unspool.ReportSubject
import dev.unspool.Scene
import dev.unspool.Unspool
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job

/**
 * What the sheet of a report shows.
 *
 * @property receipt of the report that is on disk; it needs no network to be there
 */
public data class ReportView(
    val subject: ReportSubject,
    val reason: ReportReason? = null,
    val receipt: String? = null,
    val trouble: Trouble? = null,
)

/** "Report this": a reason, words where the person wants to add some, and a receipt. The card is hidden at once. */
public class ReportPresenter(
    private val session: Unspool,
    private val subject: ReportSubject,
    scope: CoroutineScope,
    private val scene: Scene? = null,
) : Presenter<ReportView>(scope, ReportView(subject)) {
    /** Chooses why. */
    public fun choose(reason: ReportReason): Unit = show { it.copy(reason = reason, trouble = null) }

    /** Files it; without a reason nothing happens, and a second tap makes no second report. */
    public fun send(words: String = ""): Job = inOrder {
        val reason = view.value.reason ?: return@inOrder
        session.report(Report(subject, reason, scene, words.trim().takeIf { it.isNotEmpty() }))
        val filed = session.reports().lastOrNull { it.report.subject == subject && it.report.reason == reason }
        show { it.copy(receipt = filed?.receipt, trouble = null) }
    }

    override fun trouble(trouble: Trouble): Unit = show { it.copy(trouble = trouble) }
}
