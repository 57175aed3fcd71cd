package dev.unspool.sample

import android.app.Activity
import android.app.AlertDialog
import android.content.Intent
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.widget.TextView
import dev.unspool.Conditions
import dev.unspool.Origin
import dev.unspool.PATIENCE
import dev.unspool.SessionConfig
import dev.unspool.Unspool
import dev.unspool.android.Surfaces
import dev.unspool.configOf
import dev.unspool.openUnspool
import dev.unspool.shutdown
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.runBlocking
import org.junit.After
import org.junit.Before
import org.junit.Rule
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.junit.runners.model.FrameworkMethod
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.annotation.Config
import org.robolectric.internal.bytecode.InstrumentationConfiguration
import org.robolectric.shadows.ShadowAlertDialog
import kotlin.time.Duration.Companion.seconds

/** Native code is loaded once a process, so JNA stays outside of what Robolectric loads anew. */
class ScreenRunner(tests: Class<*>) : RobolectricTestRunner(tests) {
    override fun createClassLoaderConfig(method: FrameworkMethod): InstrumentationConfiguration =
        InstrumentationConfiguration.Builder(super.createClassLoaderConfig(method)).doNotAcquirePackage("com.sun.jna.").build()
}

/** The app as it is, with the core's own players, which decode on this machine and draw nowhere. */
class TestApp : SampleApp() {
    override suspend fun openSession(): Pair<Unspool, Surfaces?> = openUnspool(config) to null

    companion object {
        /** What the next session is opened with. */
        lateinit var config: SessionConfig
    }
}

/** Screens of the real app over the real core, against the reference server in a process of its own. */
@RunWith(ScreenRunner::class)
@Config(application = TestApp::class, sdk = [34])
abstract class Screens {
    @get:Rule
    val folder = TemporaryFolder()
    protected lateinit var origin: Origin
    private val screens = mutableListOf<ActivityController<*>>()

    protected val app: TestApp get() = RuntimeEnvironment.getApplication() as TestApp

    @Before
    fun begin() {
        val dir = folder.root.toPath()
        origin = Origin(dir.resolve("origin"))
        TestApp.config = configOf(dir.resolve("core"), origin, conditions = Conditions())
    }

    @After
    fun end() {
        screens.asReversed().forEach { it.pause().stop().destroy() }
        awaits("the end") {
            app.session().shutdown(5.seconds)
            app.ended()
        }
        origin.close()
    }

    protected fun <A : Activity> open(screen: Class<A>, intent: Intent? = null): A =
        Robolectric.buildActivity(screen, intent).also { screens += it }.setup().get()

    /** The feed of somebody who was asked already, with a video that plays. */
    protected fun feed(intent: Intent? = null): FeedActivity {
        awaits("a choice") { app.session().setInterests(listOf("science", "music")) }
        return open(FeedActivity::class.java, intent).also { screen -> until("a video plays") { screen.awake } }
    }

    protected fun leave(screen: Activity) {
        screens.single { it.get() === screen }.pause().stop()
        until("nothing is on its way") { true }
    }

    protected fun comeBack(screen: Activity) {
        screens.single { it.get() === screen }.restart().resume()
    }

    /** The system hands a screen that is open another intent. */
    protected fun follow(screen: Activity, intent: Intent) {
        screens.single { it.get() === screen }.newIntent(intent)
    }

    /** Lets the main thread work until it is so, with a deadline. */
    protected fun until(what: String, isSo: () -> Boolean) {
        val end = System.nanoTime() + PATIENCE.inWholeNanoseconds
        while (true) {
            shadowOf(Looper.getMainLooper()).idle()
            if (isSo()) return
            if (System.nanoTime() > end) throw AssertionError("not in time: $what")
            Thread.sleep(5)
        }
    }

    /** Calls the core, while the main thread goes on. */
    protected fun <T> awaits(what: String, call: suspend () -> T): T {
        val answer = CoroutineScope(Dispatchers.IO).async { call() }
        until(what) { answer.isCompleted }
        return runBlocking { answer.await() }
    }

    /** Taps an entry of the dialog on top. */
    protected fun choose(entry: Int) {
        val dialog = ShadowAlertDialog.getLatestDialog() as AlertDialog
        shadowOf(dialog).clickOnItem(entry)
    }
}

/** A screen that plays keeps itself lit. */
internal val Activity.awake: Boolean
    get() = window.attributes.flags and android.view.WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON != 0

/** All views that are shown, from the root down. */
internal fun View.all(): List<View> = when {
    visibility != View.VISIBLE -> emptyList()
    this is ViewGroup -> listOf(this) + (0 until childCount).flatMap { getChildAt(it).all() }
    else -> listOf(this)
}

internal val Activity.root: View get() = window.decorView

/** The words on the screen. */
internal fun View.words(): List<String> = all().filterIsInstance<TextView>().map { it.text.toString() }.filter { it.isNotEmpty() }

/** The shown view with these words. */
internal fun View.named(words: String): TextView =
    checkNotNull(all().filterIsInstance<TextView>().firstOrNull { it.text.toString() == words }) { "no '$words' among ${words()}" }
