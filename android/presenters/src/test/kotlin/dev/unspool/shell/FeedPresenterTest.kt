package dev.unspool.shell

import dev.unspool.BreakMeasure
import dev.unspool.Conditions
import dev.unspool.FeedKind
import dev.unspool.Night
import dev.unspool.PATIENCE
import dev.unspool.Place
import dev.unspool.eventually
import dev.unspool.flush
import dev.unspool.text
import kotlinx.serialization.json.jsonObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path as FilePath
import java.time.Instant

class FeedPresenterTest {
    /** A night that began an hour ago and lasts for two more, wherever the clock stands; the session's zone is UTC. */
    private fun night(): Night {
        val minute = Instant.now().epochSecond / 60 % 1_440
        return Night(((minute + 1_380) % 1_440).toUInt(), ((minute + 120) % 1_440).toUInt())
    }

    @Test
    fun `pages come, play, and are gone back to`(@TempDir dir: FilePath) = shell(dir) {
        val feed = feed()
        feed.start().join()
        val first = feed.until("the first card plays") { it.current == 0 && it.playing && it.playheadMs > 0 }
        assertNull(first.trouble)
        feed.settled(2).join()
        val third = feed.until("the third card plays") { it.current == 2 && it.playing }
        assertEquals(3, third.pages.map { it.card.item.id }.toSet().size, "a card passed is a page of its own")
        feed.settled(1).join()
        val second = feed.until("back on the second") { it.current == 1 && it.playing }
        assertEquals(third.pages[1].card.item.id, second.page?.card?.item?.id)
        assertEquals(3, second.pages.size, "what was seen stays")
        feed.togglePause().join()
        feed.until("it is paused") { it.paused }
        feed.togglePause().join()
        feed.until("it goes on") { !it.paused }
    }

    @Test
    fun `a still picture is shown until the first frame`(@TempDir dir: FilePath) = shell(dir) {
        // No byte of video comes before the picture was looked at.
        origin.fault("""{"path_prefix":"/media/","times":1000,"action":{"kind":"status","status":503}}""")
        val feed = feed()
        feed.start().join()
        val waiting = feed.until("the picture is there") { it.poster != null }
        assertFalse(waiting.playing)
        assertEquals("image/png", waiting.poster?.mediaType)
        assertNull(waiting.trouble)
        origin.clearFaults()
        val plays = feed.until("it plays") { it.playing }
        assertNull(plays.poster)
        feed.togglePause().join()
        assertNull(feed.until("it is paused") { it.paused }.poster, "the frame that stands is shown")
    }

    @Test
    fun `a link opens its video and says when it is gone`(@TempDir dir: FilePath) = shell(dir) {
        val item = origin.offered(6)[5]
        val link = checkNotNull(DeepLink.parse("https://unspool.example/video/$item", setOf("unspool.example")))
        val feed = feed(link.feed, link.first)
        feed.start().join()
        assertEquals(item to false, feed.view.value.let { it.page?.card?.item?.id to it.otherThanAsked })
        feed.settled(1).join()
        val next = feed.view.value
        assertTrue(next.page?.card?.item?.id != item && !next.otherThanAsked, "the feed goes on behind it")

        val gone = feed(first = "nobody-has-this")
        gone.start().join()
        assertTrue(gone.view.value.page != null && gone.view.value.otherThanAsked)
    }

    @Test
    fun `what a person wants shows at once and reaches the server`(@TempDir dir: FilePath) = shell(dir) {
        val feed = feed()
        feed.start().join()
        val item = feed.until("a card") { it.page != null }.page!!.card.item
        feed.doubleTap().join()
        feed.doubleTap().join()
        assertTrue(feed.view.value.page!!.liked, "a double tap takes no like away")
        feed.toggleSave().join()
        feed.toggleFollow().join()
        feed.toggleSave().join()
        assertEquals(Triple(true, false, true), feed.view.value.page!!.run { Triple(liked, saved, followed) })
        feed.left(Place.COMMENTS).join()
        feed.returned().join()
        session.flush(PATIENCE)
        val wanted = origin.interactions("ada").associate { it.text("verb") to it.text("target") }
        assertEquals(item.id, wanted["like"])
        assertEquals(item.creator.id, wanted["follow"])
    }

    @Test
    fun `why is answered until the next page, and not interested is believed`(@TempDir dir: FilePath) = shell(dir) {
        val feed = feed()
        feed.start().join()
        feed.until("it plays") { it.playing }
        feed.askWhy().join()
        val why = assertNotNull(feed.view.value.why).let { feed.view.value.why!! }
        assertEquals(feed.view.value.page!!.card.item.id, why.item)
        feed.notInterested().join()
        feed.settled(1).join()
        assertNull(feed.view.value.why)
        val learnt = LearnerPresenter(session, scope)
        eventually("the viewing is learnt") { session.learnerCard().viewings > 0uL }
        learnt.weigh("science", 0.5).join()
        assertEquals(listOf("science"), learnt.view.value.card.settings.map { it.topic })
        learnt.weigh("science", Double.NaN).join()
        assertEquals(Trouble.Kind.REFUSED, learnt.view.value.trouble?.kind)
        learnt.export().join()
        assertTrue("science" in learnt.view.value.exported!!)
        learnt.erase().join()
        assertTrue(learnt.view.value.card.settings.isEmpty() && learnt.view.value.trouble == null)
    }

    @Test
    fun `a blocked creator's pages are gone, and a filter takes hold of the open feed`(@TempDir dir: FilePath) = shell(dir) {
        val feed = feed(FeedKind.NonProfiled)
        feed.start().join()
        val blocked = feed.until("a card") { it.page != null }.page!!.card.item.creator.id
        feed.blockCreator().join()
        feed.until("the page says so") { it.pages[0].gone }
        feed.settled(1).join()
        assertTrue(feed.view.value.page!!.card.item.creator.id != blocked)
        val filters = SafetyPresenter(session, scope)
        assertTrue(blocked in filters.view.value.settings.blocked)
        val topic = feed.view.value.page!!.card.item.topics.first()
        filters.muteTopic(topic, true).join()
        feed.until("the card of a muted topic is gone") { it.pages[1].gone }
        filters.muteTopic(topic, false).join()
        filters.unblock(blocked).join()
        assertFalse(blocked in filters.view.value.settings.blocked || topic in filters.view.value.settings.topics)
    }

    @Test
    fun `a break stays on the screen until its own way out`(@TempDir dir: FilePath) = shell(dir) {
        val limits = LimitsPresenter(session, scope)
        val feed = feed(FeedKind.NonProfiled)
        limits.choose { it.copy(endless = false) }.join()
        feed.settled(9).join()
        assertNull(feed.view.value.rest)
        feed.settled(10).join()
        val reminder = feed.until("a break after ten") { it.rest != null }
        assertEquals(9, reminder.current, "no page takes its place")
        feed.goOn().join()
        feed.until("it goes on") { it.current == 10 && it.rest == null }

        limits.choose { it.copy(night = night(), atNight = BreakMeasure.STOP) }.join()
        limits.setPasscode("2468").join()
        feed.goOn().join()
        val asleep = feed.until("the night") { it.rest?.measure == BreakMeasure.STOP }.rest!!
        repeat(20) { feed.goOn().join() }
        assertEquals(10 to asleep.number, feed.view.value.current to feed.view.value.rest?.number)
        limits.choose { it.copy(atNight = BreakMeasure.REMIND) }.join()
        assertEquals(Trouble.Kind.GUARDED, limits.view.value.trouble?.kind)
        limits.givePasscode("0000").join()
        assertEquals(Trouble.Kind.WRONG_PASSCODE, limits.view.value.trouble?.kind)
        limits.givePasscode("2468").join()
        assertNull(limits.view.value.trouble)
        feed.allowMore(5u).join()
        feed.until("it goes on") { it.current == 11 && it.rest == null }
    }

    @Test
    fun `without a network the words say what to do, and retry goes on`(@TempDir dir: FilePath) =
        shell(dir, Conditions(online = false)) {
            val feed = feed()
            val device = DevicePresenter(session, scope, Signals(connected = false))
            val start = feed.start()
            feed.until("the screen knows") { !it.online }
            device.changed { it.copy(connected = true, transport = Transport.WIFI) }.join()
            feed.until("the network is there") { it.online }
            if (start.isCompleted) feed.retry().join()
            feed.until("a card plays") { it.playing && it.trouble == null }
        }
}
