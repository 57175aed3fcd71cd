package dev.unspool.sample

import android.annotation.SuppressLint
import android.content.Context
import android.os.Bundle
import android.view.GestureDetector
import android.view.KeyEvent
import android.view.MotionEvent
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo
import android.widget.FrameLayout
import dev.unspool.android.motionReduced
import kotlin.math.abs

/**
 * A vertical pager with one page in it: a swipe, a key, or the scrolling of a screen reader asks for the one after or before.
 * The feed alone decides whether there is one; until then the page that is here stays.
 *
 * @param turned 1 for the next page, -1 for the one before
 */
@SuppressLint("ViewConstructor") // made in code only
internal class Pager(context: Context, private val turned: (Int) -> Unit) : FrameLayout(context) {
    /** A tap and a double tap on the picture. */
    var tapped: () -> Unit = {}
    var doubleTapped: () -> Unit = {}

    /** Whether pages turn; a break closes the pager. */
    var open = true

    private val gestures = GestureDetector(
        context,
        object : GestureDetector.SimpleOnGestureListener() {
            override fun onDown(e: MotionEvent) = true

            override fun onFling(e1: MotionEvent?, e2: MotionEvent, velocityX: Float, velocityY: Float): Boolean =
                abs(velocityY) > abs(velocityX) && turn(if (velocityY < 0) 1 else -1)

            override fun onSingleTapConfirmed(e: MotionEvent): Boolean {
                if (open) tapped()
                return open
            }

            override fun onDoubleTap(e: MotionEvent): Boolean {
                if (open) doubleTapped()
                return open
            }
        },
    )

    init {
        id = R.id.pager
        isFocusable = true
        isClickable = true
    }

    /** Asks for another page; false where the pager is closed. */
    fun turn(by: Int): Boolean {
        if (open) turned(by)
        return open
    }

    /** A page has come: it slides in from where it was asked for, or stands there at once for who wants no motion. */
    fun arrived(from: Int) {
        val page = getChildAt(childCount - 1) ?: return
        page.animate().cancel()
        page.translationY = 0f
        if (from == 0 || motionReduced(context)) return
        page.translationY = from * height.toFloat()
        page.animate().translationY(0f).setDuration(SLIDE_MS)
    }

    override fun performClick(): Boolean {
        super.performClick()
        if (open) tapped()
        return open
    }

    @SuppressLint("ClickableViewAccessibility") // the detector tells taps, and a screen reader clicks
    override fun onTouchEvent(event: MotionEvent): Boolean = gestures.onTouchEvent(event)

    override fun onKeyDown(keyCode: Int, event: KeyEvent): Boolean = when (keyCode) {
        KeyEvent.KEYCODE_DPAD_DOWN, KeyEvent.KEYCODE_PAGE_DOWN -> turn(1)
        KeyEvent.KEYCODE_DPAD_UP, KeyEvent.KEYCODE_PAGE_UP -> turn(-1)
        KeyEvent.KEYCODE_SPACE, KeyEvent.KEYCODE_MEDIA_PLAY_PAUSE -> performClick()
        else -> super.onKeyDown(keyCode, event)
    }

    override fun onInitializeAccessibilityNodeInfo(info: AccessibilityNodeInfo) {
        super.onInitializeAccessibilityNodeInfo(info)
        info.isScrollable = open
        if (!open) return
        info.addAction(AccessibilityNodeInfo.AccessibilityAction.ACTION_SCROLL_FORWARD)
        info.addAction(AccessibilityNodeInfo.AccessibilityAction.ACTION_SCROLL_BACKWARD)
        // Named ones too, for the menu of who cannot swipe.
        info.addAction(AccessibilityNodeInfo.AccessibilityAction(R.id.next_page, context.getString(R.string.next_video)))
        info.addAction(AccessibilityNodeInfo.AccessibilityAction(R.id.previous_page, context.getString(R.string.previous_video)))
    }

    override fun performAccessibilityAction(action: Int, arguments: Bundle?): Boolean = when (action) {
        AccessibilityNodeInfo.ACTION_SCROLL_FORWARD, R.id.next_page -> turn(1)
        AccessibilityNodeInfo.ACTION_SCROLL_BACKWARD, R.id.previous_page -> turn(-1)
        else -> super.performAccessibilityAction(action, arguments)
    }

    override fun getAccessibilityClassName(): CharSequence = View::class.java.name

    private companion object {
        /** As long as the system's own pages take. */
        const val SLIDE_MS = 250L
    }
}
