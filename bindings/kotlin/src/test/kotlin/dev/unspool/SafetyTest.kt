package dev.unspool

import kotlinx.serialization.json.jsonObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path

/** The safety filter: hidden items never appear, covered ones say why and are revealed, and what has to go goes at once. */
class SafetyTest {
    private val grownUp = SafetySettings(AgeBand.ADULT)

    /** Waits until an item is closed. */
    private suspend fun Follower.closed(item: String): Event.CardClosed =
        inTime("$item is closed") { until { it is Event.CardClosed && it.item == item } } as Event.CardClosed

    /** What is ahead, as far as it is known. */
    private suspend fun Feed.ids(): List<String> = peek(50u).map { it.id }

    @Test
    fun `a hidden item never appears, and a covered one says why and is revealed`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val items = origin.offered(8)
            listOf(arrayOf(), arrayOf("scam"), arrayOf("nobody_knows_this"), arrayOf("misinformation"), arrayOf("porn"), arrayOf())
                .forEachIndexed { number, labels: Array<String> -> origin.label(items[number], *labels) }
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                session.setSafety(grownUp)
                val feed = session.feed(FeedKind.NonProfiled)
                val events = Follower(feed)
                val plain = feed.next()
                assertEquals(items[0], plain.item.id)
                assertNotNull(plain.item.thumbnail)
                assertFalse(plain.safety.covered || plain.safety.hidden || plain.safety.reasons.isNotEmpty())
                val ahead = feed.ids()
                assertEquals(listOf(items[2], items[3], items[5]), ahead.take(3))
                assertFalse(items[1] in ahead || items[4] in ahead)

                val covered = feed.next()
                assertEquals(items[2], covered.item.id, "the scam is passed over")
                assertTrue(covered.safety.covered && covered.safety.revealable)
                assertNull(covered.item.thumbnail)
                assertEquals(
                    listOf(
                        SafetyReason(SafetySource.UnknownLabel(LabelOf.ITEM), "nobody_knows_this", null, SafetyWeight.BLUR, true),
                    ),
                    covered.safety.reasons,
                )
                assertTrue(covered.safety.surfaces.list.blur && !covered.safety.surfaces.list.filter)
                val state = feed.until("it is current") { it.current == covered.position }
                assertTrue(state.window.first().covered && state.frames == 0uL && state.hidden == 2uL, "$state")
                val shown = feed.reveal(covered.position)
                assertFalse(shown.safety.covered)
                assertNotNull(shown.item.thumbnail)
                assertEquals(covered.safety.reasons, shown.safety.reasons, "the reason stays readable")
                events.firstFrame(shown.position)

                val marked = feed.next()
                assertEquals(items[3], marked.item.id)
                assertTrue(!marked.safety.covered && marked.safety.noAmplification && marked.safety.surfaces.list.alert)
                assertEquals(listOf(Harm.CONSPIRACY to SafetyWeight.MARK), marked.safety.reasons.map { it.harm to it.weight })
                assertThrows<UnspoolException.NotRevealable> { feed.reveal(marked.position) }
                assertEquals(items[5], feed.next().item.id, "an adult who did not ask for it does not see it")
            }
        }
    }

    @Test
    fun `a late label and a blocked creator take cards away`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val items = origin.offered(2)
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                session.setSafety(grownUp)
                val feed = session.feed(FeedKind.NonProfiled)
                val events = Follower(feed)
                val first = feed.next()
                origin.label(items[1], "fraud")
                feed.refreshLabels()
                val late = events.closed(items[1])
                assertTrue(!late.current && late.safety.hidden && !late.safety.revealable)
                assertEquals(listOf("fraud" to Harm.SCAM), late.safety.reasons.map { it.name to it.harm })
                assertFalse(items[1] in feed.ids())

                val ahead = feed.peek(50u)
                val creator = ahead.first { it.creator.id != first.item.creator.id }.creator.id
                val theirs = ahead.filter { it.creator.id == creator }.map { it.id }
                session.setBlocked(creator, true)
                assertEquals(listOf(SafetySource.Blocked), events.closed(theirs.first()).safety.reasons.map { it.source })
                assertTrue(feed.ids().none { it in theirs })
                assertEquals(listOf(creator), session.safety().blocked)
                session.flush(PATIENCE)
                val blocks = origin.interactions("ada").filter { it.text("verb") == "block" }
                assertEquals(listOf(creator), blocks.map { it.text("target") })
                session.setBlocked(creator, false)
                assertTrue(session.safety().blocked.isEmpty())
                session.setBlocked(first.item.creator.id, true)
                assertTrue(events.closed(first.item.id).current, "the one on the screen goes too")
            }
        }
    }

    @Test
    fun `what was chosen stays, and what cannot be changes nothing`(@TempDir dir: Path) = test {
        val chosen = SafetySettings(
            age = AgeBand.TEEN,
            adultContent = true,
            harms = listOf(HarmChoice(Harm.SCAM, SafetyChoice.SHOW), HarmChoice(Harm.PROPAGANDA, SafetyChoice.HIDE)),
            labels = listOf(LabelChoice("nudity", SafetyChoice.WARN)),
            words = listOf(
                MutedWord("spoiler"),
                MutedWord("quiz", tagsOnly = true, exceptFollowed = true, expiresAtMs = 1L shl 41),
            ),
            topics = listOf("science"),
            sounds = listOf("sound-1"),
            creators = listOf("cleo"),
            blocked = listOf("bob"),
        )
        val config = configOf(dir.resolve("core"), origin = null, conditions = Conditions(online = false))
            .copy(backend = "http://127.0.0.1:9")
        withUnspool(config) { session ->
            assertEquals(SafetySettings(AgeBand.UNKNOWN), session.safety())
            session.setSafety(chosen)
            assertThrows<UnspoolException.Config> { session.setSafety(chosen.copy(words = listOf(MutedWord(" ")))) }
            assertFalse(assertThrows<UnspoolException.Guarded> { session.setSafety(chosen.copy(age = AgeBand.ADULT)) }.isSet)
            assertThrows<UnspoolException.Config> { session.setBlocked("", true) }
            assertEquals(chosen, session.safety())
        }
        withUnspool(config) { session -> assertEquals(chosen, session.safety()) }
    }

    @Test
    fun `rules hold at once, and forged or older ones are refused`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val shared = sharedRules()
            fun document(name: String) = shared.getValue(name).jsonObject.toString()
            val items = origin.offered(3)
            origin.label(items[0])
            origin.label(items[1], "paid_promotion")
            origin.label(items[2])
            val config = configOf(dir.resolve("core"), origin).copy(safetyKeys = listOf(shared.text("key")))
            withUnspool(config) { session ->
                session.setSafety(grownUp)
                val feed = session.feed(FeedKind.NonProfiled)
                feed.next()
                assertEquals(items[1] to 0uL, feed.ids().first() to session.rulesVersion())
                assertEquals(2uL, session.setRules(document("second")))
                Follower(feed).closed(items[1])
                assertEquals(items[2], feed.next().item.id)

                suspend fun refused(document: String): RulesTrouble {
                    val error = assertThrows<UnspoolException.Rules> { session.setRules(document) }
                    assertTrue("those in use stay" in error.toString(), "$error")
                    return error.trouble
                }
                assertEquals(RulesTrouble.Older(2uL, 1uL), refused(document("first")))
                assertEquals(RulesTrouble.Signature, refused(document("forged")))
                assertEquals(RulesTrouble.Signature, refused(document("second").replace("hide", "show")))
                assertTrue(refused("{}") is RulesTrouble.Malformed)
                assertEquals(2uL, session.rulesVersion())
            }
        }
    }
}
