package dev.unspool

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path
import kotlin.math.abs

/** Why a feed stands as it stands: the learner's card, weights by hand, reasons, and forgetting. */
class LearningTest {
    @Test
    fun `the learner can be read, set, exported and erased`(@TempDir dir: Path) = test {
        val config = configOf(dir.resolve("core"), origin = null, conditions = Conditions(online = false))
            .copy(backend = "http://127.0.0.1:9")
        withUnspool(config) { session ->
            val parameters = session.mainParameters()
            assertTrue(parameters.size > 20 && parameters.all { it.name.isNotEmpty() && it.words.isNotEmpty() })
            assertEquals(session.rankingVersion(), parameters.first { it.name == "version" }.value)
            assertNull(session.learnerLost())
            assertTrue(session.exposure().isEmpty())
            session.setLearnerWeight("science", 0.5)
            session.setLearnerWeight("football", -1.0)
            assertThrows<UnspoolException.Config> { session.setLearnerWeight("x".repeat(500), 0.5) }
            assertThrows<UnspoolException.Config> { session.setLearnerWeight("science", Double.NaN) }
            session.setInterests(listOf("science"))
        }
        withUnspool(config) { session ->
            val card = session.learnerCard()
            assertEquals(listOf(TopicWeight("football", -1.0), TopicWeight("science", 0.5)), card.settings)
            assertEquals(listOf("science") to 0uL, card.interests to card.viewings)
            assertTrue("football" in session.exportLearner())
            session.forgetLearnedTopic("football")
            session.resetLearner()
            session.setLearnerWeight("football", 0.0)
            assertEquals(listOf("science"), session.learnerCard().settings.map { it.topic })
            session.eraseLearner()
            assertTrue(session.learnerCard().settings.isEmpty())
            assertFalse("science" in session.exportLearner())
        }
    }

    @Test
    fun `a card says why, and a viewing is learnt`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                val feed = session.feed(FeedKind.ForYou)
                val card = feed.next()
                Follower(feed).firstFrame(card.position)
                val why = feed.why(card.position)
                assertEquals(card.item.id to session.rankingVersion(), why.item to why.policy)
                assertTrue(abs(why.reasons.sumOf { it.amount } - why.difference) < 1e-9, "$why")
                assertThrows<UnspoolException.NoSuchCard> { feed.why(9_999uL) }
                assertThrows<UnspoolException.NoSuchCard> { feed.notInterested(9_999uL) }
                feed.notInterested(card.position)
                feed.answerLoop(LoopChoice.KEEP_GOING)
                feed.next()
                eventually("the viewing is learnt") { session.learnerCard().viewings == 1uL }
                val believed = session.learnerCard().topics.first { it.about == card.item.topics.first() }
                assertTrue(believed.amount < 0, "who wants nothing like it is believed: $believed")
                val state = feed.snapshot()
                assertEquals(LoopState.NORMAL to emptyList<String>(), state.loopState to state.enoughOf)
                assertTrue(session.exposure().isNotEmpty())
                feed.refresh()
                feed.until("cards after a refresh") { it.window.size > 1 }

                val everybody = session.feed(FeedKind.NonProfiled)
                val same = everybody.why(everybody.next().position)
                assertTrue(same.reasons.isEmpty() && same.against == null && "same for everybody" in same.words, "$same")
            }
        }
    }

    @Test
    fun `a link opens its video and the feed goes on behind it`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                assertThrows<UnspoolException.NoSuchCard> { session.feed(FeedKind.ForYou, first = "two words") }
                val feed = session.feed(FeedKind.ForYou, first = "item-00040")
                assertEquals("item-00040", feed.next().item.id)
                assertTrue("You opened" in feed.why(0uL).words)
                assertNotEquals("item-00040", feed.next().item.id)
            }
        }
    }
}
