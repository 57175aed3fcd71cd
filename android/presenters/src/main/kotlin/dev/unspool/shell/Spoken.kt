package dev.unspool.shell

import dev.unspool.Item

/**
 * What a screen reader says of a card, and how the shell moves.
 *
 * The words between the parts belong to the app's resources; here is what is said, and in which order.
 */
public object Spoken {
    /** Longest that is said of one card: a person who listens swipes by ear. */
    public const val LONGEST: Int = 280

    /** How far before the end a word may end that a line is cut at. */
    private const val NEAR: Int = 40

    /** Who made it, what is seen, what was written: alternative text before the caption, nothing twice. */
    public fun parts(item: Item): List<String> =
        listOf(item.creator.name.ifBlank { item.creator.handle }, item.altText, item.caption)
            .map { it.trim() }
            .filter { it.isNotEmpty() }
            .distinct()

    /** [parts] as one line of at most [LONGEST] characters, cut at a word where one ends near. */
    public fun line(item: Item, between: String = ". "): String {
        val whole = parts(item).joinToString(between)
        if (whole.length <= LONGEST) return whole
        val most = whole.take(LONGEST)
        val cut = most.substringBeforeLast(' ').takeIf { it.length > LONGEST - NEAR } ?: most
        return cut.trimEnd('.', ',', ' ') + "…"
    }
}
