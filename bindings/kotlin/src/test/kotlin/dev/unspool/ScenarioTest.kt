package dev.unspool

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path
import kotlin.io.path.Path
import kotlin.io.path.readText

/** The scenario that every language runs: the steps of `tests/scenario.json`, in that order. */
class ScenarioTest {
    private val steps = mutableListOf<String>()

    private suspend fun <T> step(name: String, body: suspend () -> T): T {
        steps += name
        return inTime("step $name", { body() })
    }

    @Test
    fun `the main job, step by step`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val session = step("open") {
                openUnspool(configOf(dir.resolve("core"), origin)).also { session ->
                    assertEquals(0uL, session.status().outgoing.recorded)
                    assertTrue(session.status().installation.isNotEmpty())
                }
            }
            val chosen = step("choose_interests") {
                val chosen = session.topics().take(2).map { it.id }.sorted()
                session.setInterests(chosen)
                assertEquals(2, chosen.size)
                assertEquals(chosen, session.interests().sorted())
                chosen
            }
            val feed = step("feed") {
                session.feed(FeedKind.ForYou).also { assertEquals(FeedKind.ForYou, it.kind()) }
            }
            step("prefetch") {
                feed.until("a card is prepared before it is asked for") { s ->
                    s.window.any { it.stage >= Stage.RANGE_CACHED }
                }
                assertTrue(session.status().bytes.media > 0uL)
            }
            val events = Follower(feed)
            val played = step("play_three") {
                List(3) {
                    val card = feed.next()
                    val frame = events.firstFrame(card.position)
                    assertTrue(frame.width > 0u && frame.height > 0u, "$frame")
                    assertTrue((frame.luma ?: 0.0) > 8.0, "a picture, not a black one: $frame")
                    val state = feed.until("ten frames of card ${card.position}, and enough for offline") { s ->
                        s.current == card.position && s.frames >= 10uL &&
                            s.window.first().let { it.aheadMs + s.playheadMs >= 3_000uL }
                    }
                    assertTrue(state.playheadMs > 0uL)
                    card
                }
            }
            assertEquals(3, played.map { it.item.id }.distinct().size)
            val liked = played[1].item.id
            step("like") {
                session.setLiked(liked, true)
                assertEquals(true, session.liked(liked), "a wish is readable at once")
            }
            step("go_offline") {
                origin.network("""{"down":true}""")
                session.setConditions(Conditions(online = false))
                feed.until("the feed knows") { !it.online }
            }
            step("replay_offline") {
                for (before in listOf(played[1], played[0])) {
                    val card = feed.previous()
                    assertEquals(before.item.id, card.item.id)
                    val frame = events.firstFrame(card.position)
                    assertTrue(frame.startClass != StartClass.COLD, "nothing is waited for: $frame")
                    feed.until("frames of card ${card.position}") { it.current == card.position && it.frames >= 3uL }
                }
            }
            step("cancel_a_wait") {
                val before = feed.eventsNow(0uL)
                val wait = async(start = CoroutineStart.UNDISPATCHED) { feed.eventsAfter(ULong.MAX_VALUE) }
                wait.cancelAndJoin()
                assertTrue(wait.isCancelled)
                val after = feed.eventsNow(0uL)
                assertEquals(0uL, after.missed)
                assertEquals(before.events, after.events.take(before.events.size), "asking again gives the same")
            }
            step("go_online") {
                origin.network("{}")
                session.setConditions(Conditions())
                feed.until("the feed knows") { it.online }
            }
            step("flush") {
                val left = session.flush(PATIENCE)
                assertEquals(0uL, left.queued + left.intentsQueued, "$left")
                assertEquals(left.intents, left.intentsDelivered)
            }
            val report = step("shut_down_twice") {
                val first = session.shutdown(PATIENCE)
                assertTrue(first.clean)
                assertEquals(first, session.shutdown(PATIENCE))
                first
            }
            step("server_has_it_once") {
                val out = report.outgoing
                assertEquals(5uL, out.recorded, "five viewings: $out")
                assertEquals(out.recorded, out.delivered)
                val records = origin.records(session.status().installation)
                assertEquals(out.recorded.toInt(), records.size)
                assertEquals(records.size, records.map { it.number("seq") }.distinct().size)
                val wishes = origin.interactions("ada").groupBy({ it.text("verb") }, { it.text("target") })
                assertEquals(mapOf("interest" to chosen, "like" to listOf(liked)), wishes.mapValues { it.value.sorted() })
                assertEquals(out.intents.toLong(), origin.operations(), "each intent arrived once")
            }
        }
        assertEquals(agreed(), steps, "the steps are those every language takes")
    }

    private fun agreed(): List<String> =
        Json.parseToJsonElement(Path(System.getProperty("unspool.scenario")).readText())
            .jsonObject.getValue("steps").jsonArray.map { it.jsonPrimitive.content }
}
