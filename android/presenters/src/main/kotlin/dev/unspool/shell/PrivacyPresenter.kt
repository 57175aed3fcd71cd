package dev.unspool.shell

import dev.unspool.EraseScope
import dev.unspool.OutboundRequest
import dev.unspool.PreferenceChoices
import dev.unspool.Preferences
import dev.unspool.Purpose
import dev.unspool.Unspool
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job

/**
 * What the screen of privacy shows.
 *
 * @property preferences those in force; null until they were read
 * @property exported the file that holds everything, once it is whole; the shell hands it to the system's sharing
 * @property exportedBytes its length
 * @property erased the session has ended: the shell opens a new one and begins anew
 * @property requests the newest of what left this device, newest first
 */
public data class PrivacyView(
    val preferences: Preferences? = null,
    val exported: String? = null,
    val exportedBytes: ULong = 0uL,
    val erased: Boolean = false,
    val requests: List<OutboundRequest> = emptyList(),
    val trouble: Trouble? = null,
)

/** The person's hand on what is held: take it along, erase it, say what it may be used for, see what left. */
public class PrivacyPresenter(private val session: Unspool, scope: CoroutineScope) :
    Presenter<PrivacyView>(scope, PrivacyView()) {
    init {
        inOrder { load() }
    }

    /** Writes everything held into [file], which is replaced. */
    public fun export(file: String): Job = inOrder {
        show { it.copy(exported = null, trouble = null) }
        val written = session.exportData(file).use { it.run() }
        show { it.copy(exported = file, exportedBytes = written.bytes) }
    }

    /** Erases; the session is over when the job ends. */
    public fun erase(scopes: Set<EraseScope>): Job = inOrder {
        show { it.copy(trouble = null) }
        session.erase(scopes.sorted())
        show { it.copy(erased = true) }
    }

    /** Allows a purpose, or takes the consent back. */
    public fun consent(purpose: Purpose, given: Boolean): Job = chosen { now, choices ->
        choices.copy(consent = if (given) now.consent - purpose + purpose else now.consent - purpose)
    }

    /** Videos wait for a tap and nothing moves by itself. */
    public fun reducedMotion(wanted: Boolean): Job = chosen { _, choices -> choices.copy(reducedMotion = wanted) }

    /** Fewer bytes for a smaller picture. */
    public fun dataSaver(wanted: Boolean): Job = chosen { _, choices -> choices.copy(dataSaver = wanted) }

    /** Languages of captions, most wanted first; none means no captions. */
    public fun captions(languages: List<String>): Job = chosen { _, choices -> choices.copy(captions = languages) }

    /** Looks again at what left the device. */
    public fun refresh(): Job = inOrder { load() }

    override fun trouble(trouble: Trouble): Unit = show { it.copy(trouble = trouble) }

    private fun chosen(how: (Preferences, PreferenceChoices) -> PreferenceChoices): Job = inOrder {
        val now = session.settings()
        session.setPreferences(how(now.preferences, now.preferencesChosen))
        load()
    }

    private suspend fun load() {
        val preferences = session.settings().preferences
        val all = session.outboundAfter(0uL).requests
        show { it.copy(preferences = preferences, requests = all.takeLast(MOST_REQUESTS).asReversed(), trouble = null) }
    }

    private companion object {
        /** Requests that a screen shows; the export holds them all. */
        const val MOST_REQUESTS = 50
    }
}
