package dev.unspool.shell

import dev.unspool.Item

/**
 * What the share sheet is given.
 *
 * @property title of the sheet's preview and the subject of a mail
 * @property text the words and the link, which stands last, where messengers look for it
 */
public data class ShareText(val title: String, val text: String) {
    public companion object {
        /** Longest part of a caption that goes along. */
        public const val LONGEST: Int = 120

        /** Words for an item whose link lies at [host]. Nothing of the person who shares is in it. */
        public fun of(item: Item, host: String): ShareText {
            val title = item.creator.name.ifBlank { item.creator.handle }
            val words = item.caption.trim().let { if (it.length > LONGEST) it.take(LONGEST).trimEnd() + "…" else it }
            return ShareText(title, listOf(words, DeepLink.video(host, item.id)).filter { it.isNotEmpty() }.joinToString("\n"))
        }
    }
}
