package dev.unspool

import dev.unspool.guide.AccountTokens
import dev.unspool.guide.FeedPresenter
import dev.unspool.guide.Swipe
import dev.unspool.guide.block
import dev.unspool.guide.hideSpoilersAndScams
import dev.unspool.guide.inspect
import dev.unspool.guide.keep
import dev.unspool.guide.onboard
import dev.unspool.guide.openSession
import dev.unspool.guide.playableOffline
import dev.unspool.guide.sendWhatIsLeft
import dev.unspool.guide.signOut
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.net.URI
import java.nio.file.Path
import java.util.concurrent.CopyOnWriteArrayList

/** The program of docs/guides/android.md, whose code is compiled beside this class, without its screens. */
class GuideTest {
    @Test
    fun `the guide's app plays a feed, keeps, filters, sends and ends`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            Readers(refusals = 0).use { players ->
                val asked = CopyOnWriteArrayList<String?>()
                val tokens = AccountTokens { rejected -> "ada".also { asked += rejected } }
                val session = openSession(dir.resolve("core").toString(), origin.url, tokens, players)
                onboard(session, AgeBand.ADULT) { topics -> topics.take(2).map { it.id } }
                assertEquals(2, session.interests().size)
                assertEquals(AgeBand.ADULT, session.safety().age)
                assertEquals(listOf<String?>(null), asked)

                val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
                val presenter = FeedPresenter(session, scope)
                val first = presenter.swipeUp() as Swipe.Shows
                inTime("it plays") { presenter.state.first { it.current == first.card.position && it.playheadMs > 300uL } }
                presenter.like(true)
                val second = presenter.swipeUp() as Swipe.Shows
                assertEquals(first.card.item, (presenter.swipeDown() as Swipe.Shows).card.item)
                assertEquals(first.card, presenter.card.value)

                assertNull(keep(presenter.feed, first.card))
                val kept = inTime("it is complete") { playableOffline(session).first { it.isNotEmpty() } }
                assertEquals(listOf(first.card.item.id), kept.map { it.item.id })

                hideSpoilersAndScams(session)
                assertEquals(listOf(MutedWord("spoiler")), session.safety().words)
                assertEquals(listOf(HarmChoice(Harm.SCAM, SafetyChoice.HIDE)), session.safety().harms)
                if (second.card.item.creator.id != first.card.item.creator.id) block(session, second.card)

                assertTrue(sendWhatIsLeft(session), "all of it arrived")
                assertEquals(listOf(first.card.item.id), origin.interactions("ada").filter { it.text("verb") == "like" }.map { it.text("target") })

                origin.network("""{"down":true}""")
                session.setConditions(Conditions(online = false))
                inTime("what is on the device ends") {
                    var swipe = presenter.swipeUp()
                    while (swipe is Swipe.Shows) swipe = presenter.swipeUp()
                    assertEquals(Swipe.NoNetwork, swipe)
                }
                scope.cancel()
                assertTrue(signOut(session))
                assertTrue(players.players.isEmpty(), "every player was released")
            }
        }
    }

    @Test
    fun `the lines of the inspector's page serve it while they are held`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(SessionConfig(dataDir = dir.resolve("core").toString(), account = "ada", backend = origin.url, token = "ada")) { session ->
                val said = CopyOnWriteArrayList<String>()
                inspect(session, port = 0u) { said += it }!!.use {
                    assertTrue(URI(said.single()).toURL().readText().contains("<html"), "a page")
                }
            }
        }
    }
}
