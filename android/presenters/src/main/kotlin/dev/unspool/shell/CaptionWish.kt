package dev.unspool.shell

import java.util.Locale

/**
 * What the system's caption settings say: `CaptioningManager.isEnabled`, its locale, and the languages of the device.
 *
 * @property enabled the person turned captions on for all apps
 * @property locale the language chosen there, as a tag; null for the device's
 */
public data class CaptionWish(val enabled: Boolean, val locale: String?, val device: List<String>) {
    /**
     * Languages for the core, most wanted first: none while captions are off, else those above without their countries, and
     * any at all at the end, because a person who needs captions reads another language rather than nothing.
     */
    public val languages: List<String>
        get() = if (!enabled) {
            emptyList()
        } else {
            (listOfNotNull(locale) + device)
                .map { Locale.forLanguageTag(it.replace('_', '-')).language }
                .filter { it.isNotEmpty() }
                .distinct()
                .take(MOST) + ANY
        }

    private companion object {
        /** Languages of one person. */
        const val MOST = 4

        /** The core's word for whatever there is. */
        const val ANY = "*"
    }
}
