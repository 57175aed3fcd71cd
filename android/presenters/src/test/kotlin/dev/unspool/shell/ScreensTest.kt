package dev.unspool.shell

import dev.unspool.Conditions
import dev.unspool.PATIENCE
import dev.unspool.eventually
import dev.unspool.flush
import dev.unspool.list
import dev.unspool.text
import kotlinx.serialization.json.jsonObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path as FilePath
import kotlin.time.Duration.Companion.seconds

class ScreensTest {
    @Test
    fun `interests are chosen once`(@TempDir dir: FilePath) = shell(dir) {
        val first = OnboardingPresenter(session, scope)
        val topics = first.until("the catalogue") { it.topics.isNotEmpty() }.topics.map { it.id }
        assertFalse(first.view.value.done)
        first.toggle(topics[0])
        first.toggle(topics[1])
        first.toggle(topics[0])
        first.finish().join()
        assertTrue(first.view.value.done)
        val again = OnboardingPresenter(session, scope)
        assertEquals(listOf(topics[1]), again.until("who chose goes on") { it.done }.chosen)
        session.flush(PATIENCE)
        assertTrue(origin.interactions("ada").any { it.text("verb") == "interest" && it.text("target") == topics[1] })
    }

    @Test
    fun `comments wait, arrive, and stay when they are refused`(@TempDir dir: FilePath) =
        shell(dir, Conditions(online = false)) {
            val sheet = CommentsPresenter(session, "item", scope)
            sheet.send("  a fine bass line ").join()
            val written = sheet.until("it waits") { it.threads.size == 1 }.threads[0]
            assertEquals("a fine bass line" to true, written.comment.text to written.waiting)
            sheet.send("indeed", parent = written.comment.id).join()
            sheet.send(" ").join()
            assertEquals(Trouble.Kind.REFUSED, sheet.view.value.trouble?.kind)
            assertEquals(listOf("indeed"), sheet.view.value.threads[0].answers.map { it.comment.text })
            sheet.send("to nobody", parent = "nobody").join()
            session.setConditions(Conditions())
            val sent = sheet.until("all are decided") { now ->
                now.threads.size == 2 && now.threads.none { it.waiting } && now.threads[0].answers.none { it.waiting }
            }
            val refused = sent.threads.single { it.refused != null }
            assertEquals("to nobody" to "parent_gone", refused.comment.text to refused.refused)
            sheet.dismiss(refused.comment.id).join()
            assertEquals(1, sheet.view.value.threads.size)
            val stored = origin.get("/control/comments?actor=ada").jsonObject.list("comments").map { it.text("text") }
            assertEquals(setOf("a fine bass line", "indeed"), stored.toSet())
        }

    @Test
    fun `a job sends what waits and says when there is more`(@TempDir dir: FilePath) = shell(dir, Conditions(online = false)) {
        session.setLiked("item", true)
        assertEquals(FlushJob.Outcome.AGAIN, FlushJob.run(session, 3.seconds), "there is no network")
        assertEquals(FlushJob.Outcome.AGAIN, FlushJob.run(session, 0.seconds), "there is no time")
        session.setConditions(Conditions())
        eventually("it is sent") { FlushJob.run(session) == FlushJob.Outcome.DONE }
        assertEquals(1, origin.interactions("ada").size)
        session.shutdown()
        assertEquals(FlushJob.Outcome.AGAIN, FlushJob.run(session))
    }

    @Test
    fun `what the system says reaches the core in order`(@TempDir dir: FilePath) = shell(dir) {
        val feed = feed()
        val device = DevicePresenter(session, scope)
        feed.start().join()
        feed.until("it plays") { it.playing }
        device.audioFocus(-2)
        feed.until("a call") { it.interrupted && it.paused }
        device.audioFocus(1)
        feed.until("its end") { !it.interrupted && !it.paused }
        device.audioFocus(99)
        device.trimMemory(5)
        device.trimMemory(80)
        // To and fro, faster than databases close.
        val jobs = (1..7).map { turn -> device.changed { it.copy(visible = turn % 2 == 0) } } +
            device.changed { it.copy(visible = true) }
        jobs.forEach { it.join() }
        assertTrue(device.lastTrouble() == null, "${device.lastTrouble()}")
        feed.settled(1).join()
        feed.until("it plays again") { it.current == 1 && it.playing }
        device.changed { it.copy(visible = false) }.join()
        device.changed { it.copy(visible = true) }.join()
        feed.settled(2).join()
        assertEquals(2, feed.view.value.current)
    }

    @Test
    fun `signals are the core's conditions`() {
        val busy = Signals(
            connected = true, transport = Transport.CELLULAR_4G, roaming = true, thermal = 3, batterySaver = true, visible = false,
        ).conditions
        assertTrue(busy.online && busy.metered && busy.hot && busy.batterySaver && !busy.foreground && !busy.dataSaver)
        assertEquals(dev.unspool.NetworkClass.CELLULAR4G, busy.network)
        assertFalse(Signals(thermal = 2).conditions.hot)
        assertEquals(Conditions(), Signals().conditions)
    }
}
