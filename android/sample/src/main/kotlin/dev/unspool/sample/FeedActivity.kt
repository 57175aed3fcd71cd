package dev.unspool.sample

import android.app.Activity
import android.app.AlertDialog
import android.content.Intent
import android.os.Bundle
import android.view.SurfaceView
import android.view.WindowManager
import android.widget.FrameLayout
import android.widget.Toast
import dev.unspool.BreakAction
import dev.unspool.Feed
import dev.unspool.FeedKind
import dev.unspool.Place
import dev.unspool.ReportSubject
import dev.unspool.Scene
import dev.unspool.UnspoolException
import dev.unspool.android.AudioFocus
import dev.unspool.android.SurfaceLender
import dev.unspool.android.linkOf
import dev.unspool.android.shareIntent
import dev.unspool.shell.CommentsPresenter
import dev.unspool.shell.DeepLink
import dev.unspool.shell.FeedPresenter
import dev.unspool.shell.FeedView
import dev.unspool.shell.OnboardingPresenter
import dev.unspool.shell.ReportPresenter
import dev.unspool.shell.SoundPresenter
import dev.unspool.shell.Trouble
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch

/** The feed: opens the session, asks what the person likes where that was never asked, and shows page after page. */
class FeedActivity : Activity() {
    private val app get() = application as SampleApp
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    private val feedScope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    private var opened: Opened? = null
    private var presenter: FeedPresenter? = null
    private var sound: SoundPresenter? = null
    private var opening: Job? = null
    private var feed: Feed? = null

    /** Which feed is shown. */
    internal fun kind(): FeedKind? = feed?.kind()

    /** The item of the page on the screen. */
    internal fun item(): String? = presenter?.view?.value?.page?.card?.item?.id

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        open(linkOf(intent, setOf(getString(R.string.link_host))))
    }

    /** A link while the app is open: its feed takes the place of the one that is shown. */
    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        setIntent(intent)
        linkOf(intent, setOf(getString(R.string.link_host)))?.let(::open)
    }

    override fun onStart() {
        super.onStart()
        sound?.begin()
        // After an erasure the session that this screen showed is over.
        if (opened != null && opening?.isActive != true) opening = scope.launch { if (app.opened() !== opened) open(null) }
    }

    override fun onStop() {
        sound?.end()
        super.onStop()
    }

    override fun onDestroy() {
        scope.cancel() // ends every wait of this screen, here and in the core
        feedScope.cancel()
        super.onDestroy()
    }

    private fun open(link: DeepLink?) {
        opening?.cancel()
        opening = scope.launch {
            feedScope.coroutineContext.cancelChildren()
            setContentView(column().apply { addView(label(getString(R.string.opening))) })
            try {
                val now = app.opened().also { opened = it }
                interests(now)
                show(now, link)
            } catch (failed: UnspoolException) {
                failed(Trouble.of(failed) ?: return@launch, link)
            }
        }
    }

    private fun failed(trouble: Trouble, link: DeepLink?): Unit = setContentView(
        column().apply {
            addView(label(words(trouble)))
            addView(button(R.string.retry) { open(link) })
        },
    )

    private suspend fun interests(now: Opened) {
        if (now.session.interests().isNotEmpty() || getPreferences(MODE_PRIVATE).getString(ASKED, null) == now.session.status().installation) {
            return
        }
        val onboarding = OnboardingPresenter(now.session, feedScope)
        setContentView(OnboardingView(this, onboarding, feedScope))
        onboarding.view.first { it.done }
        // Who skipped is not asked again, until everything was erased.
        getPreferences(MODE_PRIVATE).edit().putString(ASKED, now.session.status().installation).apply()
    }

    private fun show(now: Opened, link: DeepLink?) {
        if (link is DeepLink.Creator) toast(getString(R.string.link_creator))
        val feed = now.session.feed(link?.feed ?: FeedKind.ForYou, link?.first).also { feed = it }
        val presenter = FeedPresenter(now.session, feed, feedScope, link?.first).also { presenter = it }
        lateinit var sounding: SoundPresenter
        sounding = SoundPresenter(now.session, feed, AudioFocus(this, now.watch.device) { sounding.lost() }, feedScope)
        sound = sounding
        val page = PageView(this, Buttons(now, presenter))
        val pager = Pager(this) { by -> presenter.settled(maxOf(0, presenter.view.value.current + by)) }
        val rest = RestView(this) { action -> rest(now, presenter, action) }
        now.surfaces?.let { surfaces -> pager.fill(SurfaceView(this).also { it.holder.addCallback(SurfaceLender(surfaces)) }) }
        pager.fill(page)
        pager.tapped = { presenter.togglePause() }
        pager.doubleTapped = { presenter.doubleTap() }
        setContentView(
            FrameLayout(this).apply {
                fill(pager)
                fill(rest)
            },
        )
        var before = -1
        feedScope.draw(presenter.view) { view ->
            if (before < 0 && view.otherThanAsked) toast(getString(R.string.link_gone))
            page.show(view)
            rest.show(view.rest)
            pager.open = view.rest == null
            if (view.current != before) pager.arrived(from = if (view.current > before) 1 else -1)
            before = view.current
            awake(view)
            offer(presenter, view)
            why(view)
        }
        feedScope.draw(sounding.view) { page.sounds(it.wanted) }
        presenter.start()
        sounding.begin()
    }

    /** A screen that plays stays on; one that is paused or rests may sleep. */
    private fun awake(view: FeedView) {
        val flag = WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON
        if (view.playing && !view.paused && view.rest == null) window.addFlags(flag) else window.clearFlags(flag)
    }

    private fun rest(now: Opened, presenter: FeedPresenter, action: BreakAction) {
        when (action) {
            BreakAction.LEAVE -> finish()
            BreakAction.WAIT -> moveTaskToBack(true)
            BreakAction.GO_ON -> presenter.goOn()
            BreakAction.ALLOW_MORE -> askPasscode(now.session, feedScope) { presenter.allowMore(MORE_MIN) }
        }
    }

    private var offered: AlertDialog? = null

    private fun offer(presenter: FeedPresenter, view: FeedView) {
        val offer = view.offer ?: return
        if (offered?.isShowing == true) return
        val choices = offer.choices.map { getString(it.words) }.toTypedArray()
        offered = AlertDialog.Builder(this)
            .setTitle(getString(R.string.loop_title, offer.topic))
            .setItems(choices) { _, chosen -> presenter.answer(offer.choices[chosen]) }
            .setCancelable(false)
            .show()
    }

    private var explained: String? = null

    private fun why(view: FeedView) {
        val why = view.why
        if (why?.item == explained) return
        explained = why?.item
        if (why == null) return
        AlertDialog.Builder(this)
            .setTitle(R.string.why)
            .setMessage((listOf(why.words) + why.reasons.map { it.words }).joinToString("\n"))
            .setPositiveButton(R.string.close, null)
            .show()
    }

    private fun toast(words: String): Unit = Toast.makeText(this, words, Toast.LENGTH_LONG).show()

    private inner class Buttons(private val now: Opened, private val presenter: FeedPresenter) : PageActions {
        private val page get() = presenter.view.value.page

        override fun like() {
            presenter.toggleLike()
        }

        override fun save() {
            presenter.toggleSave()
        }

        override fun follow() {
            presenter.toggleFollow()
        }

        override fun why() {
            presenter.askWhy()
        }

        override fun sound() {
            sound?.toggle()
        }

        override fun reveal() {
            presenter.reveal()
        }

        override fun comments() {
            val item = page?.card?.item ?: return
            presenter.left(Place.COMMENTS)
            val life = CoroutineScope(SupervisorJob(feedScope.coroutineContext[Job]) + Dispatchers.Main.immediate)
            CommentsSheet(this@FeedActivity, CommentsPresenter(now.session, item.id, life), life).apply {
                setOnDismissListener {
                    life.cancel()
                    presenter.returned()
                }
                show()
            }
        }

        override fun share() {
            val item = page?.card?.item ?: return
            presenter.left(Place.SHARE)
            startActivity(shareIntent(item, getString(R.string.link_host)))
            presenter.returned()
        }

        override fun more() {
            val words = listOf(R.string.not_interested, R.string.report, R.string.block).map { getString(it) }
            AlertDialog.Builder(this@FeedActivity).setItems(words.toTypedArray()) { _, chosen ->
                when (chosen) {
                    0 -> {
                        presenter.notInterested()
                        presenter.settled(presenter.view.value.current + 1)
                    }
                    1 -> report()
                    else -> presenter.blockCreator()
                }
            }.show()
        }

        override fun settings() {
            startActivity(Intent(this@FeedActivity, SettingsActivity::class.java))
        }

        private fun report() {
            val item = page?.card?.item ?: return
            val at = presenter.view.value.playheadMs.toULong()
            val report = ReportPresenter(now.session, ReportSubject.Item(item.id), feedScope, Scene(at, at))
            reportSheet(report, feedScope)
        }
    }

    private companion object {
        /** The installation whose person was asked for interests. */
        const val ASKED = "asked"

        /** Minutes that a guardian allows at a time. */
        const val MORE_MIN = 15u
    }
}
