package dev.unspool.android

import android.app.Application
import android.content.ComponentCallbacks2
import android.content.res.Configuration
import dev.unspool.Unspool
import dev.unspool.shell.DevicePresenter
import dev.unspool.shell.Signals
import kotlinx.coroutines.CoroutineScope

/**
 * Every observer of the system that feeds the core: network, battery, heat, storage, memory, zone, and whether an activity of
 * the app is on the screen. Made once a session, on the main thread; [close] ends it.
 */
public class DeviceWatch(
    private val app: Application,
    session: Unspool,
    scope: CoroutineScope,
    private val foreground: Foreground,
) : ComponentCallbacks2, AutoCloseable {
    /** What was told, and what went wrong. */
    public val device: DevicePresenter = DevicePresenter(session, scope, Signals(visible = foreground.visible))
    private val connectivity = Connectivity(app, device)
    private val power = Power(app, device)
    private val zone = ZoneWatch(app, session)

    init {
        app.registerComponentCallbacks(this)
        foreground.session = { visible ->
            if (visible) power.look()
            device.changed { it.copy(visible = visible) }
        }
    }

    override fun onTrimMemory(level: Int): Unit = device.trimMemory(level)

    override fun onLowMemory(): Unit = device.trimMemory(ComponentCallbacks2.TRIM_MEMORY_COMPLETE)

    override fun onConfigurationChanged(newConfig: Configuration): Unit = Unit

    override fun close() {
        foreground.session = {}
        app.unregisterComponentCallbacks(this)
        connectivity.close()
        power.close()
        zone.close()
    }
}
