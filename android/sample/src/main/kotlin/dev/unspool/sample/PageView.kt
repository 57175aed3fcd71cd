package dev.unspool.sample

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.Color
import android.view.Gravity
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.FrameLayout
import android.widget.LinearLayout
import dev.unspool.android.captionScale
import dev.unspool.shell.CoverWord
import dev.unspool.shell.FeedView
import dev.unspool.shell.Page
import dev.unspool.shell.Spoken

/** What a page's buttons do; the activity does it. */
internal interface PageActions {
    fun like()
    fun save()
    fun follow()
    fun comments()
    fun share()
    fun why()
    fun more()
    fun sound()
    fun reveal()
    fun settings()
}

/** What lies over the picture: who made it, words, captions, buttons, and the cover of a card that its filter covers. */
@SuppressLint("ViewConstructor") // made in code only
internal class PageView(context: Context, private val actions: PageActions) : FrameLayout(context) {
    private val poster = PosterView(context)
    private val creator = context.label(sizeSp = 18f)
    private val words = context.label()
    private val captions = context.label().apply {
        id = R.id.caption
        textSize = CAPTION_SP * captionScale(context)
        setBackgroundColor(SHADE)
        accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_NONE // spoken words are not read over themselves
    }
    private val notice = context.label().apply {
        id = R.id.notice
        accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE
    }
    private val like = context.button(R.string.like, actions::like).apply { id = R.id.like }
    private val save = context.button(R.string.save, actions::save)
    private val follow = context.button(R.string.follow, actions::follow)
    private val sound = context.button(R.string.mute, actions::sound)
    private val reasons = context.label()
    private val reveal = context.button(R.string.reveal, actions::reveal)
    private val cover = context.column(Gravity.CENTER).apply {
        id = R.id.cover
        shown = false
        setBackgroundColor(Color.BLACK)
        addView(context.heading(R.string.covered))
        addView(reasons)
        addView(reveal)
    }

    init {
        id = R.id.page
        // One stop for a screen reader that says the card; the buttons follow it.
        isFocusable = true
        fill(poster)
        fill(cover)
        val buttons = context.column(Gravity.END).apply {
            listOf(like, save, follow).forEach(::addView)
            addView(context.button(R.string.comments, actions::comments))
            addView(context.button(R.string.share, actions::share))
            addView(context.button(R.string.why, actions::why))
            addView(sound)
            addView(context.button(R.string.more, actions::more))
            addView(context.button(R.string.settings, actions::settings))
        }
        val below = context.column().apply { listOf(captions, notice, creator, words).forEach(::addView) }
        addView(below, at(Gravity.BOTTOM or Gravity.START))
        addView(buttons, at(Gravity.CENTER_VERTICAL or Gravity.END))
    }

    /** Shows the page that the feed stands at; null where none has come yet. */
    fun show(view: FeedView) {
        val page = view.page
        shown = page != null
        if (page == null) return
        val item = page.card.item
        creator.text = item.creator.name.ifBlank { item.creator.handle }
        words.text = item.caption
        contentDescription = Spoken.line(item)
        captions.text = view.caption.joinToString("\n")
        captions.shown = view.caption.isNotEmpty() && !page.card.safety.covered
        state(like, page.liked, R.string.like, R.string.liked)
        state(save, page.saved, R.string.save, R.string.saved)
        state(follow, page.followed, R.string.follow, R.string.followed)
        poster.show(view.poster.takeUnless { page.gone || page.card.safety.covered })
        cover(page)
        val said = notice(view, page)
        notice.shown = said != null
        if (said != null) notice.text = said
    }

    /** The speaker's button says what a tap does. */
    fun sounds(on: Boolean): Unit = sound.setText(if (on) R.string.mute else R.string.unmute)

    private fun cover(page: Page) {
        val safety = page.card.safety
        cover.shown = safety.covered
        if (!safety.covered) return
        reasons.text = CoverWord.of(safety).joinToString("\n") { context.words(it) }
        reveal.shown = safety.revealable
        // What is covered is not described either.
        words.text = ""
        contentDescription = listOf(context.getString(R.string.covered), reasons.text).joinToString(". ")
    }

    private fun notice(view: FeedView, page: Page): String? = when {
        page.gone -> context.getString(R.string.video_gone)
        page.failed != null -> context.getString(R.string.video_failed)
        view.trouble != null -> view.trouble?.let { context.words(it) }
        view.ended -> context.getString(R.string.feed_ended)
        !view.online -> context.getString(R.string.offline)
        else -> null
    }

    private fun state(button: Button, on: Boolean, off: Int, words: Int) {
        button.isSelected = on
        button.setText(if (on) words else off)
    }

    private fun at(gravity: Int) = LayoutParams(ViewGroup.LayoutParams.WRAP_CONTENT, ViewGroup.LayoutParams.WRAP_CONTENT, gravity)

    private companion object {
        /** Size of captions before the person's own scale. */
        const val CAPTION_SP = 16f

        /** Behind captions, so that they can be read over any picture. */
        val SHADE = Color.argb(0xB0, 0, 0, 0)
    }
}

/** The break in the next card's place: over everything, with the actions that the core offers and no other way out. */
@SuppressLint("ViewConstructor") // made in code only
internal class RestView(context: Context, private val act: (dev.unspool.BreakAction) -> Unit) : LinearLayout(context) {
    private var number: ULong? = null

    init {
        id = R.id.rest
        orientation = VERTICAL
        gravity = Gravity.CENTER
        setBackgroundColor(Color.BLACK)
        // Nothing behind it is touched.
        isClickable = true
        accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_ASSERTIVE
    }

    /** Shows the break that stands, or none. */
    fun show(card: dev.unspool.BreakCard?) {
        shown = card != null
        if (card == null || card.number == number) {
            if (card == null) number = null
            return
        }
        number = card.number
        removeAllViews()
        addView(context.heading(card.cause.words))
        addView(context.label(context.getString(R.string.break_today, minutes(card.todayMs))))
        if (card.opensInMs > 0uL) addView(context.label(context.getString(R.string.break_opens, minutes(card.opensInMs) + 1)))
        card.actions.forEach { action -> addView(context.button(action.words) { act(action) }) }
    }

    private fun minutes(ms: ULong): Int = (ms / 60_000uL).toInt()
}
