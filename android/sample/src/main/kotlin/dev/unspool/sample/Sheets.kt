package dev.unspool.sample

import android.annotation.SuppressLint
import android.app.Activity
import android.app.AlertDialog
import android.app.Dialog
import android.content.Context
import android.text.InputFilter
import android.text.InputType
import android.widget.Button
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.ScrollView
import dev.unspool.ReportReason
import dev.unspool.Unspool
import dev.unspool.shell.CommentsPresenter
import dev.unspool.shell.CommentsView
import dev.unspool.shell.LimitsPresenter
import dev.unspool.shell.OnboardingPresenter
import dev.unspool.shell.ReportPresenter
import dev.unspool.shell.Thread
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch

/** Words that a person types, at most so many as the contract takes. */
private fun Context.field(hint: Int, longest: Int): EditText = EditText(this).apply {
    setHint(hint)
    filters = arrayOf(InputFilter.LengthFilter(longest))
}

/** "What do you like?" */
@SuppressLint("ViewConstructor") // made in code only
internal class OnboardingView(context: Context, onboarding: OnboardingPresenter, scope: CoroutineScope) : ScrollView(context) {
    init {
        id = R.id.interests
        val trouble = context.label()
        val retry = context.button(R.string.retry) { onboarding.load() }
        val topics = LinearLayout(context).apply { orientation = LinearLayout.VERTICAL }
        fill(
            context.column().apply {
                addView(context.heading(R.string.interests_title))
                addView(trouble)
                addView(retry)
                addView(topics)
                addView(context.button(R.string.interests_done) { onboarding.finish() })
                addView(context.button(R.string.interests_skip, onboarding::skip))
            },
        )
        val buttons = mutableMapOf<String, Button>()
        scope.draw(onboarding.view) { now ->
            trouble.shown = now.trouble != null
            retry.shown = now.trouble != null
            now.trouble?.let { trouble.text = context.words(it) }
            now.topics.forEach { topic ->
                val button = buttons.getOrPut(topic.id) {
                    context.button(topic.title) { onboarding.toggle(topic.id) }.also(topics::addView)
                }
                button.isSelected = topic.id in now.chosen
                button.alpha = if (topic.id in now.chosen) 1f else UNCHOSEN
            }
        }
    }

    private companion object {
        /** What is not chosen stands back; a screen reader hears "selected" instead. */
        const val UNCHOSEN = 0.6f
    }
}

/** The sheet of comments. */
internal class CommentsSheet(context: Context, private val comments: CommentsPresenter, scope: CoroutineScope) : Dialog(context) {
    private val threads = context.column().apply { id = R.id.threads }
    private val words = context.field(R.string.comment_hint, LONGEST)
    private val trouble = context.label()

    init {
        setTitle(R.string.comments)
        val send = context.button(R.string.comment_send) {
            if (words.text.isNotBlank()) {
                comments.send(words.text.toString())
                words.text.clear()
            }
        }
        setContentView(
            context.column().apply {
                addView(ScrollView(context).apply { fill(threads) }, LinearLayout.LayoutParams(MATCH, 0, 1f))
                listOf(trouble, words, send).forEach(::addView)
            },
        )
        scope.draw(comments.view, ::draw)
    }

    private fun draw(now: CommentsView) {
        trouble.shown = now.trouble != null
        now.trouble?.let { trouble.text = context.words(it) }
        threads.removeAllViews()
        if (now.loaded && now.threads.isEmpty()) threads.addView(context.label(context.getString(R.string.comments_none)))
        now.threads.forEach { add(it, 0) }
    }

    private fun add(thread: Thread, depth: Int) {
        val refused = thread.refused
        val state = when {
            refused != null -> context.getString(R.string.comment_refused, refused)
            thread.waiting -> context.getString(R.string.comment_waiting)
            else -> null
        }
        val line = context.label(listOfNotNull(thread.comment.text, state).joinToString(" · "))
        line.setPaddingRelative(context.dp(STEP_DP) * depth, 0, 0, 0)
        if (refused != null) line.setOnClickListener { comments.dismiss(thread.comment.id) }
        threads.addView(line)
        thread.answers.forEach { add(it, depth + 1) }
    }

    private companion object {
        const val MATCH = LinearLayout.LayoutParams.MATCH_PARENT

        /** Longest comment, in characters. */
        const val LONGEST = 1_000

        /** How far an answer stands in. */
        const val STEP_DP = 16
    }
}

/** Asks why, files the report, and shows its receipt. */
internal fun Activity.reportSheet(report: ReportPresenter, scope: CoroutineScope) {
    val names = ReportReason.entries.map { it.name.lowercase().replace('_', ' ') }
    AlertDialog.Builder(this).setTitle(R.string.report_title).setItems(names.toTypedArray()) { _, chosen ->
        report.choose(ReportReason.entries[chosen])
        scope.launch {
            report.send().join()
            val now = report.view.value
            val said = now.receipt?.let { getString(R.string.report_receipt, it) } ?: now.trouble?.let { words(it) }
            if (said != null) AlertDialog.Builder(this@reportSheet).setMessage(said).setPositiveButton(R.string.close, null).show()
        }
    }.show()
}

/** Asks for the guardian's passcode, and goes on when it was the right one. */
internal fun Activity.askPasscode(session: Unspool, scope: CoroutineScope, then: () -> Unit) {
    val code = field(R.string.passcode_hint, LONGEST_CODE).apply {
        inputType = InputType.TYPE_CLASS_NUMBER or InputType.TYPE_NUMBER_VARIATION_PASSWORD
    }
    val limits = LimitsPresenter(session, scope)
    AlertDialog.Builder(this)
        .setTitle(R.string.passcode_give)
        .setView(code)
        .setNegativeButton(R.string.cancel, null)
        .setPositiveButton(R.string.passcode_give) { _, _ ->
            scope.launch {
                limits.givePasscode(code.text.toString()).join()
                val trouble = limits.view.value.trouble
                if (trouble == null) then() else AlertDialog.Builder(this@askPasscode).setMessage(words(trouble)).show()
            }
        }
        .show()
}

/** Digits of a passcode that anybody would type. */
private const val LONGEST_CODE = 12
