package dev.unspool

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path

/** Reports: one however often somebody taps, hidden at once, with a receipt, and told about until somebody decided. */
class ReportTest {
    @Test
    fun `taps without a network are one report that is received and decided about`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                val feed = session.feed(FeedKind.NonProfiled)
                val card = feed.next()
                assertTrue(card.item.altText.isNotEmpty())
                Follower(feed).firstFrame(card.position)
                session.setConditions(Conditions(online = false))
                val report = Report(
                    ReportSubject.Item(card.item.id),
                    ReportReason.MISLEADING_SCAM,
                    scene = Scene(1_200uL, 2_700uL),
                    words = "They want “coins” first.",
                )
                repeat(20) { session.report(report) }
                val waiting = session.reports().single()
                assertEquals(ReportState.Waiting to 20u, waiting.state to waiting.taps)
                assertTrue(waiting.receipt.isNotEmpty() && waiting.report == report && waiting.atMs > 1_600_000_000_000)
                val follower = Follower(feed)
                val gone = inTime("it goes") { follower.until { it is Event.CardClosed && it.item == card.item.id } }
                assertTrue((gone as Event.CardClosed).current && gone.safety.reasons.single().source == SafetySource.HiddenItem)
                for (wrong in listOf(
                    report.copy(scene = Scene(2uL, 1uL)),
                    report.copy(words = "a".repeat(301)),
                    report.copy(subject = ReportSubject.Creator("c")),
                    Report(ReportSubject.Comment(""), ReportReason.SPAM),
                )) assertThrows<UnspoolException.Config> { session.report(wrong) }

                session.setConditions(Conditions())
                session.flush(PATIENCE)
                eventually("it is received") { session.reports().single().state == ReportState.Received }
                val told = origin.interactions("ada").filter { it.text("verb") == "report" }
                val target = "item:${card.item.id}#misleading.scam@1200-2700"
                assertEquals(listOf(target), told.map { it.text("target") })
                assertEquals(listOf(report.words), origin.reports().map { it.text("words") })
                origin.decide("ada", target, "removed")
                assertEquals(ReportState.Decided("removed"), session.refreshReports().single().state)
                val later = session.feed(FeedKind.ForYou)
                later.next()
                assertFalse(later.peek(50u).any { it.id == card.item.id })
            }
        }
    }

    @Test
    fun `flashing lights are covered until somebody decides`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val items = origin.offered(4)
            items.take(3).forEach { origin.label(it, "flashing") }
            origin.label(items[3])
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                val feed = session.feed(FeedKind.NonProfiled)
                val card = feed.next()
                assertEquals(items[0], card.item.id)
                assertEquals(listOf(Harm.FLASHING to SafetyWeight.BLUR), card.safety.reasons.map { it.harm to it.weight })
                assertTrue(card.safety.covered && card.safety.revealable && card.item.thumbnail == null)
                assertTrue(card.safety.surfaces.media.blur && !card.safety.surfaces.list.blur, "its words stay readable")
                val state = feed.until("it is current") { it.current == card.position }
                assertTrue(state.window.first().let { it.covered && it.aheadMs == 0uL } && state.frames == 0uL, "$state")
                val shown = feed.reveal(card.position)
                Follower(feed).firstFrame(shown.position)

                suspend fun choose(choice: SafetyChoice) =
                    session.setSafety(session.safety().copy(harms = listOf(HarmChoice(Harm.FLASHING, choice))))
                choose(SafetyChoice.SHOW)
                eventually("warnings are off") { feed.peek(1u).single().thumbnail != null }
                val plain = feed.next()
                assertTrue(plain.item.id == items[1] && !plain.safety.covered && plain.safety.reasons.isEmpty(), "$plain")
                choose(SafetyChoice.HIDE)
                eventually("they are skipped") { feed.peek(50u).none { it.id == items[2] } }
                assertEquals(items[3], feed.next().item.id)
            }
        }
    }
}
