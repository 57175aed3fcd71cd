package dev.unspool.shell

import dev.unspool.CardSafety
import dev.unspool.Creator
import dev.unspool.FeedKind
import dev.unspool.Harm
import dev.unspool.Item
import dev.unspool.LabelOf
import dev.unspool.LogBatch
import dev.unspool.LogLevel
import dev.unspool.LogLine
import dev.unspool.NetworkClass
import dev.unspool.SafetyReason
import dev.unspool.SafetySource
import dev.unspool.SafetySurfaces
import dev.unspool.SafetyTreatment
import dev.unspool.SafetyWeight
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class DeepLinkTest {
    private val hosts = setOf("unspool.example")

    private fun parse(link: String) = DeepLink.parse(link, hosts)

    @Test
    fun `a link chooses what is looked at`() {
        assertEquals(DeepLink.Creator("v 1/ü+"), parse("https://unspool.example/creator/v%201%2F%C3%BC+"))
        assertEquals(DeepLink.Creator("cleo"), parse("HTTPS://Unspool.Example/creator/cleo?from=mail#top"))
        assertEquals(FeedKind.Topic("science"), parse("unspool://topic/science")?.feed)
        assertEquals(listOf(FeedKind.Following, FeedKind.Learn, FeedKind.Kept), listOf("following", "learn", "kept").map { parse("unspool://$it")?.feed })
        assertEquals(FeedKind.ForYou to "v", parse("unspool://video/v")?.let { it.feed to it.first })
        val odd = "a_b/c?d#e%+~"
        assertEquals(DeepLink.Video(odd), parse(DeepLink.video("unspool.example", odd)))
    }

    @Test
    fun `what is none of ours opens nothing`() {
        val strange = listOf(
            "https://elsewhere.example/video/v", "http://unspool.example/video/v", "https://unspool.example:8443/video/v",
            "https://user@unspool.example/video/v", "https://unspool.example.evil.example/video/v", "https://unspool.example/",
            "https://unspool.example/video", "https://unspool.example/video/a/b", "https://unspool.example/like/v",
            "unspool://gift/v", "unspool:", "not a link", "", "https://unspool.example/video/%zz", "https://unspool.example/video/%00",
            "unspool://video/two%20words", "unspool://video/%C3%BC", "unspool://video/" + "x".repeat(129), "unspool://topic/" + "x".repeat(513), "unspool://topic/" + "x".repeat(4_000), "javascript:alert(1)", "intent://video/v",
        )
        strange.forEach { assertNull(parse(it), it) }
    }

    @Test
    fun `what is shared ends in the link`() {
        val item = Item("v/1", "a", 1_000uL, Creator("c", "cleo", ""), listOf(), "  " + "word ".repeat(100), "", listOf())
        val share = ShareText.of(item, "unspool.example")
        assertEquals("cleo" to "https://unspool.example/video/v%2F1", share.title to share.text.lines().last())
        assertTrue(share.text.lines().first().length <= ShareText.LONGEST + 1)
        assertEquals("https://unspool.example/video/v", ShareText.of(item.copy(id = "v", caption = " "), "unspool.example").text)
    }

    @Test
    fun `a cover says why, the gravest first, each once`() {
        val plain = SafetyTreatment(filter = false, blur = false, alert = false, inform = false, noOverride = false)
        fun reason(source: SafetySource, name: String, harm: Harm?, weight: SafetyWeight) = SafetyReason(source, name, harm, weight, true)
        val safety = CardSafety(
            covered = true, revealable = true, hidden = false,
            reasons = listOf(
                reason(SafetySource.MutedTopic, "sport", null, SafetyWeight.MARK),
                reason(SafetySource.Label(LabelOf.ITEM), "flashing", Harm.FLASHING, SafetyWeight.BLUR),
                reason(SafetySource.Label(LabelOf.ITEM_BY_CREATOR), "flashing", Harm.FLASHING, SafetyWeight.BLUR),
                reason(SafetySource.UnknownLabel(LabelOf.ITEM), "odd", null, SafetyWeight.MARK),
            ),
            noAmplification = false, offerReport = false, surfaces = SafetySurfaces(plain, plain, plain),
        )
        val said = listOf(
            CoverWord(CoverWord.Kind.FLASHING, "flashing"), CoverWord(CoverWord.Kind.MUTED_TOPIC, "sport"), CoverWord(CoverWord.Kind.LABEL, "odd"),
        )
        assertEquals(said, CoverWord.of(safety))
    }

    @Test
    fun `captions follow the system, and any language beats none`() {
        assertEquals(listOf<String>(), CaptionWish(false, "de-AT", listOf("en-GB")).languages)
        assertEquals(listOf("de", "en", "*"), CaptionWish(true, "de-AT", listOf("en-GB", "de_DE", "en")).languages)
        assertEquals(listOf("fr", "*"), CaptionWish(true, null, listOf("fr-CA")).languages)
    }

    @Test
    fun `a line of the log fits the system's`() {
        val lines = listOf(
            LogLine(1uL, 0, LogLevel.ERROR, "unspool::store", "a"), LogLine(2uL, 0, LogLevel.TRACE, "unspool_media::fetcher::requests", "b"),
        )
        val words = LogWord.of(LogBatch(lines, 2uL, 3uL))
        assertEquals(listOf(5, 6, 2), words.map { it.priority })
        assertEquals(listOf("unspool", "unspool.store"), words.take(2).map { it.tag })
        assertTrue(words.all { it.tag.length <= 23 } && words[2].tag.endsWith("requests"), "${words[2]}")
        assertEquals(2, LogWord.of(LogBatch(lines, 2uL, 0uL)).size)
    }

    @Test
    fun `a cellular network is known by its bandwidth`() {
        assertEquals(null, Transport.ofCellular(0))
        val known = listOf(4_300, 13_000, 30_000, 47_000, 145_000).map { Signals(transport = Transport.ofCellular(it)).conditions.network }
        val wanted = listOf(NetworkClass.CELLULAR_SLOW, NetworkClass.CELLULAR_SLOW, NetworkClass.CELLULAR4G, NetworkClass.CELLULAR5G, NetworkClass.CELLULAR5G)
        assertEquals(wanted, known)
    }
}
