package dev.unspool.android

import android.app.Activity
import android.app.Application
import android.os.Bundle

/**
 * Whether an activity of the app is on the screen. Made in `Application.onCreate`, before the first activity, so that none is
 * missed; a session that is opened later asks [visible].
 *
 * @param changed told on the main thread, for what the app does itself: ask for a [FlushJobService] when the person has gone
 */
public class Foreground(app: Application, private val changed: (Boolean) -> Unit = {}) : Application.ActivityLifecycleCallbacks {
    private var started = 0
    internal var session: (Boolean) -> Unit = {}

    /** An activity is started. */
    public val visible: Boolean get() = started > 0

    init {
        app.registerActivityLifecycleCallbacks(this)
    }

    override fun onActivityStarted(activity: Activity) {
        started += 1
        if (started == 1) tell()
    }

    override fun onActivityStopped(activity: Activity) {
        // Of two activities the new one starts before the old one stops.
        started = maxOf(0, started - 1)
        if (started == 0) tell()
    }

    override fun onActivityCreated(activity: Activity, savedInstanceState: Bundle?): Unit = Unit
    override fun onActivityResumed(activity: Activity): Unit = Unit
    override fun onActivityPaused(activity: Activity): Unit = Unit
    override fun onActivitySaveInstanceState(activity: Activity, outState: Bundle): Unit = Unit
    override fun onActivityDestroyed(activity: Activity): Unit = Unit

    private fun tell() {
        session(visible)
        changed(visible)
    }
}
