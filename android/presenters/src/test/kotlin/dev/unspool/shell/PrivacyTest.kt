package dev.unspool.shell

import dev.unspool.Conditions
import dev.unspool.EraseScope
import dev.unspool.PATIENCE
import dev.unspool.Purpose
import dev.unspool.ReportReason
import dev.unspool.ReportSubject
import dev.unspool.eventually
import dev.unspool.flush
import dev.unspool.text
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path as FilePath
import kotlin.io.path.readText

class PrivacyTest {
    @Test
    fun `what is held is taken along, chosen, seen and erased`(@TempDir dir: FilePath) = shell(dir) {
        session.setLiked("a-liked-item", true)
        session.flush(PATIENCE)
        val screen = PrivacyPresenter(session, scope)
        val first = screen.until("it is read") { it.preferences != null && it.requests.isNotEmpty() }
        assertTrue(first.requests.zipWithNext().all { (newer, older) -> newer.number > older.number })
        val purpose = Purpose.MEASUREMENT
        val given = purpose in first.preferences!!.consent
        screen.consent(purpose, !given).join()
        screen.dataSaver(true).join()
        screen.reducedMotion(true).join()
        screen.captions(listOf("de")).join()
        val chosen = session.settings().preferences
        assertEquals(!given, purpose in chosen.consent)
        assertTrue(chosen.dataSaver && chosen.reducedMotion && chosen.captions == listOf("de"))
        val file = dir.resolve("export.json")
        screen.export(file.toString()).join()
        assertEquals(file.toString(), screen.view.value.exported)
        assertTrue("a-liked-item" in file.readText())
        screen.erase(emptySet()).join()
        assertEquals(Trouble.Kind.REFUSED, screen.view.value.trouble?.kind)
        assertFalse(screen.view.value.erased)
        screen.erase(setOf(EraseScope.DEEDS, EraseScope.HISTORY)).join()
        assertTrue(screen.view.value.erased)
        screen.refresh().join()
        assertEquals(Trouble.Kind.ENDED, screen.view.value.trouble?.kind)
    }

    @Test
    fun `a report has a receipt without a network and goes once`(@TempDir dir: FilePath) = shell(dir, Conditions(online = false)) {
        val sheet = ReportPresenter(session, ReportSubject.Item("item"), scope)
        sheet.send().join()
        assertEquals(null, sheet.view.value.receipt)
        sheet.choose(ReportReason.SPAM)
        sheet.send("  twice the same ").join()
        val receipt = sheet.view.value.receipt
        assertTrue(!receipt.isNullOrEmpty())
        sheet.send("again").join()
        session.setConditions(Conditions())
        eventually("it is sent") { origin.reports().isNotEmpty() }
        session.flush(PATIENCE)
        assertEquals(listOf("item"), session.reports().map { (it.report.subject as ReportSubject.Item).id })
        assertEquals(1, origin.reports().size)
    }

    @Test
    fun `sound asks for the focus, and gives it back`(@TempDir dir: FilePath) = shell(dir) {
        val kind = feed()
        kind.start().join()
        kind.until("it plays") { it.playing }
        val asked = mutableListOf<String>()
        var given = false
        val focus = object : FocusWish {
            override fun ask(): Boolean = given.also { asked += "ask" }

            override fun giveBack() {
                asked += "back"
            }
        }
        val sound = SoundPresenter(session, session.feed(dev.unspool.FeedKind.ForYou), focus, scope)
        sound.begin().join()
        assertFalse(sound.view.value.held, "a call holds it")
        given = true
        sound.begin().join()
        sound.begin().join()
        assertTrue(sound.view.value.held)
        sound.toggle().join()
        assertEquals(false to false, sound.view.value.run { wanted to held })
        sound.begin().join()
        sound.toggle().join()
        sound.lost().join()
        sound.end().join()
        assertEquals(listOf("ask", "ask", "back", "ask"), asked)
        assertEquals(null, sound.view.value.trouble)
    }

    @Test
    fun `a job sends while the databases are closed`(@TempDir dir: FilePath) = shell(dir, Conditions(online = false)) {
        val device = DevicePresenter(session, scope, Signals(connected = false))
        session.setLiked("item", true)
        device.changed { it.copy(visible = false) }.join()
        device.changed { it.copy(connected = true) }.join()
        eventually("it is sent") { FlushJob.run(session) == FlushJob.Outcome.DONE }
        assertEquals(listOf("item"), origin.interactions("ada").map { it.text("target") })
    }
}
