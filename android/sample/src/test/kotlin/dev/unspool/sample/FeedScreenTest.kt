package dev.unspool.sample

import android.content.Intent
import android.net.Uri
import android.os.SystemClock
import android.view.KeyEvent
import android.view.MotionEvent
import android.view.accessibility.AccessibilityNodeInfo
import android.widget.Button
import android.widget.EditText
import dev.unspool.FeedKind
import dev.unspool.PATIENCE
import dev.unspool.flush
import dev.unspool.list
import dev.unspool.text
import kotlinx.serialization.json.jsonObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowDialog

class FeedScreenTest : Screens() {
    private fun FeedActivity.pager(): Pager = findViewById(R.id.pager)

    private fun FeedActivity.said(): String = findViewById<PageView>(R.id.page).contentDescription.toString()

    /** A finger that moves up fast, as the system sends it. */
    private fun Pager.flingUp() {
        val begun = SystemClock.uptimeMillis()
        fun touch(action: Int, at: Long, y: Float) {
            val event = MotionEvent.obtain(begun, begun + at, action, 100f, y, 0)
            dispatchTouchEvent(event)
            event.recycle()
        }
        touch(MotionEvent.ACTION_DOWN, 0, 400f)
        (1..5).forEach { touch(MotionEvent.ACTION_MOVE, it * 10L, 400f - it * 60f) }
        touch(MotionEvent.ACTION_UP, 60, 80f)
    }

    @Test
    fun `a new person chooses, watches, swipes and likes`() {
        val screen = open(FeedActivity::class.java)
        until("topics") { screen.findViewById<OnboardingView>(R.id.interests)?.let { it.all().count { one -> one is Button } > 4 } == true }
        val buttons = screen.root.all().filterIsInstance<Button>()
        val begin = screen.getString(R.string.interests_done)
        buttons.first { it.text.toString() !in listOf(begin, screen.getString(R.string.interests_skip)) }.performClick()
        screen.root.named(begin).performClick()
        until("a video plays") { screen.awake }
        assertEquals(1, awaits("interests") { app.session().interests() }.size)
        val first = screen.said()
        screen.pager().flingUp()
        until("the next one") { screen.said() != first }
        screen.pager().onKeyDown(KeyEvent.KEYCODE_PAGE_UP, KeyEvent(KeyEvent.ACTION_DOWN, KeyEvent.KEYCODE_PAGE_UP))
        until("back") { screen.said() == first }
        screen.pager().performAccessibilityAction(AccessibilityNodeInfo.ACTION_SCROLL_FORWARD, null)
        until("the next one again") { screen.said() != first && screen.awake }
        screen.findViewById<Button>(R.id.like).performClick()
        until("the heart") { screen.findViewById<Button>(R.id.like).isSelected }
        awaits("it is sent") { app.session().flush(PATIENCE) }
        assertTrue(origin.interactions("ada").any { it.text("verb") == "like" })
        screen.root.all().filterIsInstance<Button>().forEach {
            assertTrue("${it.text}: a finger's size and words", it.minHeight >= screen.dp(48) && it.text.isNotBlank())
        }
    }

    @Test
    fun `no finger, key or reader passes a break`() {
        awaits("pages end") { app.session().run { setLimits(wellbeing().chosen.copy(endless = false)) } }
        val screen = feed()
        val rest = screen.findViewById<RestView>(R.id.rest)
        repeat(10) { turn ->
            val before = screen.said()
            screen.pager().turn(1)
            until("page $turn turned, or a break") { rest.shown || screen.said() != before }
        }
        until("a break after ten") { rest.shown && !screen.awake }
        val tenth = screen.said()
        val down = KeyEvent(KeyEvent.ACTION_DOWN, KeyEvent.KEYCODE_PAGE_DOWN)
        repeat(5) {
            screen.pager().flingUp()
            screen.pager().onKeyDown(KeyEvent.KEYCODE_PAGE_DOWN, down)
            assertFalse(screen.pager().performAccessibilityAction(AccessibilityNodeInfo.ACTION_SCROLL_FORWARD, null))
            assertFalse(screen.pager().performAccessibilityAction(R.id.next_page, null))
        }
        awaits("the core had its say") { app.session().settings() }
        assertTrue(rest.shown && screen.said() == tenth)
        rest.named(screen.getString(R.string.break_go_on)).performClick()
        until("it goes on") { !rest.shown && screen.said() != tenth && screen.awake }
    }

    @Test
    fun `a covered card says why and opens when it is asked to`() {
        origin.offered(20).forEach { origin.label(it, "flashing") }
        awaits("a choice") { app.session().setInterests(listOf("science")) }
        val screen = open(FeedActivity::class.java)
        until("a covered card") { screen.findViewById<android.view.View>(R.id.cover)?.shown == true }
        val cover = screen.findViewById<android.view.View>(R.id.cover)
        assertTrue("${cover.words()}", screen.getString(R.string.cover_flashing) in cover.words())
        assertTrue(screen.getString(R.string.cover_flashing) in screen.said())
        assertFalse("nothing plays behind it", screen.awake)
        cover.named(screen.getString(R.string.reveal)).performClick()
        until("it plays") { !cover.shown && screen.awake }
    }

    @Test
    fun `comments are written and links are shared`() {
        val screen = feed()
        screen.root.named(screen.getString(R.string.comments)).performClick()
        val sheet = ShadowDialog.getLatestDialog() as CommentsSheet
        val threads = checkNotNull(sheet.findViewById<android.view.View>(R.id.threads))
        val root = checkNotNull(sheet.window).decorView
        until("it is loaded") { screen.getString(R.string.comments_none) in threads.words() }
        root.all().filterIsInstance<EditText>().single().setText("a fine bass line")
        root.named(screen.getString(R.string.comment_send)).performClick()
        until("it is sent") { threads.words() == listOf("a fine bass line") }
        sheet.dismiss()
        assertEquals(1, origin.get("/control/comments?actor=ada").jsonObject.list("comments").size)

        screen.root.named(screen.getString(R.string.share)).performClick()
        val chooser = shadowOf(screen).nextStartedActivity
        assertEquals(Intent.ACTION_CHOOSER, chooser.action)
        val send = checkNotNull(chooser.getParcelableExtra(Intent.EXTRA_INTENT, Intent::class.java))
        val text = checkNotNull(send.getStringExtra(Intent.EXTRA_TEXT))
        assertTrue(text, text.lines().last().startsWith("https://unspool.example/video/"))
    }

    @Test
    fun `links open their feed, also while another is shown`() {
        val link = Intent(Intent.ACTION_VIEW, Uri.parse("https://unspool.example/topic/science"))
        val screen = feed(link)
        val topic = awaits("the topic's feed") { checkNotNull(screen.kind()) }
        assertEquals(FeedKind.Topic("science"), topic)
        follow(screen, Intent(Intent.ACTION_VIEW, Uri.parse("unspool://following")))
        until("the other feed") { screen.kind() == FeedKind.Following }
        follow(screen, Intent(Intent.ACTION_VIEW, Uri.parse("https://elsewhere.example/topic/music")))
        until("nothing is on its way") { true }
        assertEquals(FeedKind.Following, screen.kind())
        assertNotEquals(topic, screen.kind())
        val item = origin.offered(6)[5]
        follow(screen, Intent(Intent.ACTION_VIEW, Uri.parse("unspool://video/$item")))
        until("its video") { screen.item() == item }
    }

    @Test
    fun `not interested and a report go from the page`() {
        val screen = feed()
        val first = screen.said()
        screen.root.named(screen.getString(R.string.more)).performClick()
        choose(0)
        until("the next one") { screen.said() != first && screen.awake }
        screen.root.named(screen.getString(R.string.more)).performClick()
        choose(1)
        choose(0)
        awaits("the report is on disk") {
            while (app.session().reports().isEmpty()) kotlinx.coroutines.delay(5)
            app.session().flush(PATIENCE)
        }
        assertEquals(1, origin.reports().size)
    }
}
