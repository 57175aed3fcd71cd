package dev.unspool.shell

import dev.unspool.BreakCard
import dev.unspool.Card
import dev.unspool.Event
import dev.unspool.Feed
import dev.unspool.FeedSnapshot
import dev.unspool.LoopChoice
import dev.unspool.LoopWord
import dev.unspool.Place
import dev.unspool.Stage
import dev.unspool.Tap
import dev.unspool.Thumbnail
import dev.unspool.Unspool
import dev.unspool.UnspoolException
import dev.unspool.ViewerAction
import dev.unspool.Why
import dev.unspool.events
import dev.unspool.snapshots
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job

/**
 * One page of the pager.
 *
 * @property card what the core gave
 * @property liked what the person wants, sent or not; [saved] and [followed] likewise
 * @property failed why its video does not play, for a log; null while nothing is wrong
 * @property gone the backend or the filter took it away: the page says so and plays nothing
 */
public data class Page(
    val card: Card,
    val liked: Boolean = false,
    val saved: Boolean = false,
    val followed: Boolean = false,
    val failed: String? = null,
    val gone: Boolean = false,
)

/**
 * What the feed's screen shows.
 *
 * @property pages those seen so far, in order; a pager has one more page, which waits, unless [ended]
 * @property current index of the page on the screen, -1 before the first
 * @property playing whether a picture of the current card has been rendered
 * @property poster the still picture of the page on the screen until its first frame is there; null where there is none
 * @property caption words spoken now
 * @property offer the way out of a loop, to be answered with [FeedPresenter.answer]
 * @property why the explanation asked for last
 * @property otherThanAsked the video that a link asked for is not there any more, or not for this person; the feed begins with another
 * @property rest the break that stands in the next card's place; the shell shows it over the page, with its actions
 */
public data class FeedView(
    val pages: List<Page> = emptyList(),
    val current: Int = -1,
    val playing: Boolean = false,
    val paused: Boolean = false,
    val interrupted: Boolean = false,
    val playheadMs: Long = 0,
    val poster: Thumbnail? = null,
    val caption: List<String> = emptyList(),
    val online: Boolean = true,
    val ended: Boolean = false,
    val otherThanAsked: Boolean = false,
    val rest: BreakCard? = null,
    val offer: LoopWord.Offer? = null,
    val why: Why? = null,
    val trouble: Trouble? = null,
) {
    /** The page on the screen. */
    val page: Page? get() = pages.getOrNull(current)
}

/**
 * The vertical pager over one [Feed]: every gesture of the person goes in, one [FeedView] comes out.
 *
 * The pager says where it came to rest ([settled]); the presenter brings the feed there, card by card, so that every card
 * passed has its record. What is withheld never becomes a page: a break holds the pager where it is.
 *
 * @param asked the item that the feed was opened to begin with
 */
public class FeedPresenter(
    private val session: Unspool,
    private val feed: Feed,
    scope: CoroutineScope,
    private val asked: String? = null,
) : Presenter<FeedView>(scope, FeedView()) {
    /** Position of the card whose first frame was seen last. */
    @Volatile private var started: ULong? = null

    init {
        begin { feed.snapshots().collect(::snapshot) }
        begin { feed.events().collect(::event) }
    }

    /** Shows the first card. */
    public fun start(): Job = settled(0)

    /** The pager came to rest on page [index]; one beyond the last page asks for the next card. */
    public fun settled(index: Int): Job = inOrder {
        show { it.copy(trouble = null, why = null) }
        try {
            while (view.value.current < index) arrive(feed.next(), view.value.current + 1)
            while (view.value.current > index) arrive(feed.previous(), view.value.current - 1)
        } catch (_: UnspoolException.EndOfFeed) {
            show { it.copy(ended = true) }
        } catch (stopped: UnspoolException.Break) {
            show { it.copy(rest = stopped.card) }
        }
    }

    /** The person wants to go on after a break; where it stands still, it stays on the screen. */
    public fun goOn(): Job = settled(view.value.current + 1)

    /** Somebody who gave the passcode allows so many minutes more, and the feed goes on. */
    public fun allowMore(minutes: UInt): Job {
        inOrder { session.allowMore(minutes) }
        return goOn()
    }

    /** A tap on the picture. */
    public fun togglePause(): Job = begin { feed.setPaused(!view.value.paused) }

    /** A double tap likes and never takes a like away. */
    public fun doubleTap(): Job = begin {
        feed.viewer(ViewerAction.Tapped(Tap.DOUBLE))
        like(true)
    }

    /** The heart. */
    public fun toggleLike(): Job = begin {
        feed.viewer(ViewerAction.Tapped(Tap.LIKE))
        view.value.page?.let { like(!it.liked) }
    }

    /** The bookmark. */
    public fun toggleSave(): Job = begin {
        feed.viewer(ViewerAction.Tapped(Tap.SAVE))
        view.value.page?.let { page ->
            session.setSaved(page.card.item.id, !page.saved)
            change(page.card.position) { it.copy(saved = !page.saved) }
        }
    }

    /** The plus at the creator's picture. */
    public fun toggleFollow(): Job = begin {
        feed.viewer(ViewerAction.Tapped(Tap.FOLLOW))
        view.value.page?.let { page ->
            val creator = page.card.item.creator.id
            session.setFollowed(creator, !page.followed)
            show { now ->
                now.copy(pages = now.pages.map { if (it.card.item.creator.id == creator) it.copy(followed = !page.followed) else it })
            }
        }
    }

    /** Uncovers the card on the screen, where its filter allows that. */
    public fun reveal(): Job = inOrder {
        view.value.page?.let { page ->
            val card = feed.reveal(page.card.position)
            change(page.card.position) { it.copy(card = card) }
            poster(card)
        }
    }

    /** "Not interested": counts from the next card that may still move. The shell swipes on. */
    public fun notInterested(): Job = inOrder { view.value.page?.let { feed.notInterested(it.card.position) } }

    /** "Why this video": the answer is in the view until the next page. */
    public fun askWhy(): Job = begin {
        feed.viewer(ViewerAction.Tapped(Tap.WHY))
        view.value.page?.let { page ->
            val why = feed.why(page.card.position)
            show { it.copy(why = why) }
        }
    }

    /** Blocks the creator of the card on the screen; their cards close by themselves. */
    public fun blockCreator(): Job = inOrder { view.value.page?.let { session.setBlocked(it.card.item.creator.id, true) } }

    /** The person answers the offer out of a loop. */
    public fun answer(choice: LoopChoice): Job = begin {
        feed.answerLoop(choice)
        show { it.copy(offer = null) }
    }

    /** The person opens comments, a profile or the share sheet: watching ends until [returned]. */
    public fun left(place: Place): Job = begin { feed.viewer(ViewerAction.Left(place)) }

    /** The person is back. */
    public fun returned(): Job = begin { feed.viewer(ViewerAction.Returned) }

    /** Asks again for the page of the feed that failed. */
    public fun retry(): Job {
        begin { feed.retry() }
        return settled(maxOf(view.value.current, 0))
    }

    override fun trouble(trouble: Trouble): Unit = show { it.copy(trouble = trouble) }

    private suspend fun arrive(card: Card, at: Int) {
        val page = Page(
            card,
            liked = session.liked(card.item.id) ?: false,
            saved = session.saved(card.item.id) ?: false,
            followed = session.followed(card.item.creator.id) ?: card.item.relation?.following ?: false,
        )
        show { now ->
            val pages = now.pages.take(at) + page + now.pages.drop(at + 1)
            val other = if (at == 0 && asked != null) asked != card.item.id else now.otherThanAsked
            now.copy(pages = pages, current = at, playing = false, poster = null, ended = false, otherThanAsked = other)
        }
        poster(card)
    }

    /** Puts the still picture on the screen when it comes before the first frame. Without one the page waits as it is. */
    private fun poster(card: Card) {
        if (card.item.thumbnail == null) return
        begin {
            val poster = try {
                session.thumbnail(card.item.id)
            } catch (_: UnspoolException) {
                null // the card plays all the same
            }
            show { if (it.page?.card?.position == card.position && started != card.position) it.copy(poster = poster) else it }
        }
    }

    private suspend fun like(liked: Boolean) {
        val page = view.value.page ?: return
        session.setLiked(page.card.item.id, liked)
        change(page.card.position) { it.copy(liked = liked) }
    }

    private fun snapshot(now: FeedSnapshot): Unit = show {
        val playing = now.current == it.page?.card?.position && now.frames > 0uL && stage(now) == Stage.PLAYING
        if (playing) started = now.current
        it.copy(
            paused = now.paused,
            rest = now.resting,
            interrupted = now.interrupted,
            online = now.online,
            playheadMs = now.playheadMs.toLong(),
            caption = now.captions.cues.map { cue -> cue.text },
            playing = playing,
            poster = it.poster.takeUnless { playing },
        )
    }

    private fun stage(now: FeedSnapshot): Stage? = now.window.firstOrNull { it.position == now.current }?.stage

    private fun event(event: Event) {
        when (event) {
            is Event.CardFailed -> change(event.position) { it.copy(failed = event.reason) }
            is Event.CardClosed -> {
                change(event.position) { it.copy(gone = true) }
                if (event.current) show { it.copy(poster = null) }
            }
            is Event.Loop -> (event.word as? LoopWord.Offer)?.let { offer -> show { it.copy(offer = offer) } }
            is Event.PageFailed ->
                trouble(Trouble(Trouble.Kind.SERVER, if (event.retryable) Remedy.RETRY else Remedy.NONE, detail = event.reason))
            is Event.PlayersFailed -> trouble(Trouble(Trouble.Kind.BROKEN, Remedy.RETRY, detail = event.reason))
            is Event.StorageFailed -> trouble(Trouble(Trouble.Kind.STORAGE, Remedy.FREE_SPACE, detail = event.reason))
            else -> Unit
        }
    }

    private fun change(position: ULong, how: (Page) -> Page): Unit = show { now ->
        now.copy(pages = now.pages.map { if (it.card.position == position) how(it) else it })
    }
}
