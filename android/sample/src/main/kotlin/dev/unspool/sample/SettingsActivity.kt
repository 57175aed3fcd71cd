package dev.unspool.sample

import android.app.Activity
import android.app.AlertDialog
import android.content.Intent
import android.os.Bundle
import android.text.InputType
import android.view.View
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.ScrollView
import dev.unspool.EraseScope
import dev.unspool.Harm
import dev.unspool.MutedWord
import dev.unspool.Purpose
import dev.unspool.SafetyChoice
import dev.unspool.UnspoolException
import dev.unspool.shell.LearnerPresenter
import dev.unspool.shell.LimitsPresenter
import dev.unspool.shell.PrivacyPresenter
import dev.unspool.shell.SafetyPresenter
import dev.unspool.shell.Trouble
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.filter
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import java.io.File
import java.io.IOException

/** Everything the person can decide: filters, time and breaks, privacy, and what was learnt. */
class SettingsActivity : Activity() {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    private val body by lazy { column() }
    private val trouble by lazy { label() }
    private var limits: LimitsPresenter? = null

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(ScrollView(this).apply { fill(body) })
        body.addView(trouble)
        trouble.shown = false
        scope.launch {
            try {
                val session = (application as SampleApp).session()
                filters(SafetyPresenter(session, scope))
                limits = LimitsPresenter(session, scope).also(::limits)
                privacy(PrivacyPresenter(session, scope))
                learner(LearnerPresenter(session, scope))
            } catch (failed: UnspoolException) {
                said(Trouble.of(failed))
            }
        }
    }

    override fun onStop() {
        // What the passcode opened closes with the screen.
        limits?.lock()
        super.onStop()
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    private fun said(now: Trouble?) {
        trouble.shown = now != null
        if (now == null) return
        trouble.text = words(now)
        trouble.announceForAccessibility(trouble.text)
    }

    private fun section(heading: Int): LinearLayout = column().also {
        body.addView(heading(heading))
        body.addView(it)
    }

    /** Begins a section anew, with what went wrong in it. */
    private fun LinearLayout.begin(trouble: Trouble?) {
        removeAllViews()
        if (trouble != null) addView(label(words(trouble)).apply { accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE })
    }

    private fun filters(filters: SafetyPresenter) {
        val section = section(R.string.filters)
        val word = EditText(this).apply { setHint(R.string.word_hint) }
        scope.draw(filters.view) { now ->
            section.begin(now.trouble)
            Harm.entries.forEach { harm ->
                val chosen = now.settings.harms.firstOrNull { it.harm == harm }?.choice
                val text = listOfNotNull(getString(harm.words), chosen?.let { getString(it.words) }).joinToString(": ")
                section.addView(button(text) { choose(filters, harm) })
            }
            now.settings.words.forEach { muted ->
                section.addView(button(getString(R.string.unmute_named, muted.value)) { filters.unmuteWord(muted.value) })
            }
            now.settings.topics.forEach { topic ->
                section.addView(button(getString(R.string.unmute_named, topic)) { filters.muteTopic(topic, false) })
            }
            now.settings.blocked.forEach { creator ->
                section.addView(button(getString(R.string.unblock_named, creator)) { filters.unblock(creator) })
            }
            section.addView(word)
            section.addView(
                button(R.string.word_mute) {
                    if (word.text.isNotBlank()) filters.muteWord(MutedWord(word.text.toString().trim()))
                    word.text.clear()
                },
            )
        }
    }

    private fun choose(filters: SafetyPresenter, harm: Harm) {
        val names = SafetyChoice.entries.map { getString(it.words) }.toTypedArray()
        AlertDialog.Builder(this).setTitle(harm.words)
            .setItems(names) { _, chosen -> filters.choose(harm, SafetyChoice.entries[chosen]) }
            .show()
    }

    private fun limits(limits: LimitsPresenter) {
        val section = section(R.string.limits)
        val code = EditText(this).apply {
            setHint(R.string.passcode_hint)
            inputType = InputType.TYPE_CLASS_NUMBER or InputType.TYPE_NUMBER_VARIATION_PASSWORD
        }
        scope.draw(limits.view) { now ->
            val holds = now.state.limits
            section.begin(now.trouble)
            section.addView(label(getString(R.string.limit_daily, holds.dailyMin.toInt())))
            section.addView(button(R.string.limit_less) { limits.choose { it.copy(dailyMin = less(holds.dailyMin)) } })
            section.addView(button(R.string.limit_more) { limits.choose { it.copy(dailyMin = holds.dailyMin + STEP_MIN) } })
            section.addView(toggle(R.string.limit_endless, holds.endless) { on -> limits.choose { it.copy(endless = on) } })
            section.addView(toggle(R.string.limit_autoplay, holds.autoplay) { on -> limits.choose { it.copy(autoplay = on) } })
            section.addView(code)
            val closed = now.state.passcode.isSet && !now.state.passcode.unlocked
            if (closed) section.addView(label(getString(R.string.passcode_closed)))
            section.addView(
                button(if (closed) R.string.passcode_give else R.string.passcode_set) {
                    val typed = code.text.toString()
                    code.text.clear()
                    if (closed) limits.givePasscode(typed) else limits.setPasscode(typed)
                },
            )
        }
    }

    private fun less(minutes: UInt): UInt = if (minutes > STEP_MIN) minutes - STEP_MIN else minutes

    private fun privacy(privacy: PrivacyPresenter) {
        val section = section(R.string.privacy)
        scope.draw(privacy.view) { now ->
            section.begin(now.trouble)
            val chosen = now.preferences
            if (chosen != null) {
                Purpose.entries.forEach { purpose ->
                    section.addView(toggle(purpose.words, purpose in chosen.consent) { privacy.consent(purpose, it) })
                }
                section.addView(toggle(R.string.reduced_motion, chosen.reducedMotion) { privacy.reducedMotion(it) })
                section.addView(toggle(R.string.data_saver, chosen.dataSaver) { privacy.dataSaver(it) })
            }
            val newest = now.requests.firstOrNull()
            val left = if (newest == null) getString(R.string.left_none) else getString(R.string.left, now.requests.size, newest.host)
            section.addView(label(left))
            section.addView(button(R.string.export, ::askWhere))
            if (now.exported != null) section.addView(label(getString(R.string.exported, now.exportedBytes.toLong())))
            section.addView(button(R.string.erase) { askErase(privacy) })
        }
        exporting = privacy
        scope.launch {
            privacy.view.filter { it.erased }.first()
            (application as SampleApp).ended()
            finish()
        }
    }

    private fun askErase(privacy: PrivacyPresenter) {
        AlertDialog.Builder(this)
            .setMessage(R.string.erase_sure)
            .setNegativeButton(R.string.cancel, null)
            .setPositiveButton(R.string.erase) { _, _ -> privacy.erase(EraseScope.entries.toSet()) }
            .show()
    }

    private var exporting: PrivacyPresenter? = null

    /** The person chooses the place; the app asks for no permission. */
    private fun askWhere(): Unit = startActivityForResult(
        Intent(Intent.ACTION_CREATE_DOCUMENT)
            .addCategory(Intent.CATEGORY_OPENABLE)
            .setType("application/json")
            .putExtra(Intent.EXTRA_TITLE, "unspool.json"),
        EXPORT,
    )

    @Deprecated("The framework's own way; AndroidX has a newer one.")
    override fun onActivityResult(requestCode: Int, resultCode: Int, data: Intent?) {
        val place = data?.data
        val privacy = exporting
        if (requestCode != EXPORT || resultCode != RESULT_OK || place == null || privacy == null) return
        val whole = File(cacheDir, "export.json")
        scope.launch {
            privacy.export(whole.path).join()
            try {
                withContext(Dispatchers.IO) {
                    val out = contentResolver.openOutputStream(place) ?: throw IOException("the place is gone")
                    out.use { to -> whole.inputStream().use { it.copyTo(to) } }
                }
            } catch (failed: IOException) {
                said(Trouble(Trouble.Kind.STORAGE, dev.unspool.shell.Remedy.FREE_SPACE, detail = failed.toString()))
            } finally {
                whole.delete()
            }
        }
    }

    private fun learner(learner: LearnerPresenter) {
        val section = section(R.string.learner)
        scope.draw(learner.view) { now ->
            section.begin(now.trouble)
            section.addView(label(now.card.words))
            now.card.topics.forEach { line ->
                section.addView(label(line.words))
                section.addView(button(getString(R.string.learner_less, line.about)) { learner.weigh(line.about, LEAST) })
                section.addView(button(getString(R.string.learner_more, line.about)) { learner.weigh(line.about, MOST) })
            }
            section.addView(button(R.string.learner_reset) { learner.reset() })
            section.addView(button(R.string.learner_erase) { learner.erase() })
        }
    }

    private companion object {
        const val EXPORT = 1

        /** Minutes a day, a step. */
        const val STEP_MIN = 15u

        // The ends of the learner's scale.
        const val LEAST = -1.0
        const val MOST = 1.0
    }
}
