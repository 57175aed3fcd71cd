package dev.unspool.android

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import dev.unspool.PlatformPlayers
import dev.unspool.SessionConfig
import dev.unspool.TokenProvider
import dev.unspool.Unspool
import dev.unspool.openUnspool
import dev.unspool.setTimeZone

/**
 * What holds the session of this process: the app's `Application`. Jobs of the system find the session through it, also when
 * they are what started the process.
 */
public interface SessionHolder {
    /** The open session; waits while it is being opened, and opens it again after one that has ended. */
    public suspend fun session(): Unspool
}

/** The session's configuration as this device has it; an app changes what it wants with `copy`. */
public fun configOn(context: Context, account: String, backend: String): SessionConfig = SessionConfig(
    // Not in the system's backup: a copy on another device would be two installations with one name.
    dataDir = context.noBackupFilesDir.resolve("unspool").path,
    account = account,
    backend = backend,
    captions = captionWish(context).languages,
    reducedMotion = motionReduced(context),
    sound = true,
)

/**
 * Opens a session on Android: trust first, so that certificates can be judged, then the core, then its time zone. May be called
 * on the main thread; the disk is touched on a thread of the core. Fails as [openUnspool].
 */
public suspend fun openOnAndroid(
    context: Context,
    config: SessionConfig,
    tokens: TokenProvider? = null,
    players: PlatformPlayers? = null,
): Unspool {
    Trust.initialise(context.applicationContext)
    return openUnspool(config, tokens, players = players).also { it.setTimeZone() }
}

/** Days and nights of the person's limits follow the device into another zone. */
internal class ZoneWatch(private val context: Context, private val session: Unspool) : BroadcastReceiver(), AutoCloseable {
    init {
        context.listen(this, Intent.ACTION_TIMEZONE_CHANGED, Intent.ACTION_TIME_CHANGED)
    }

    override fun onReceive(context: Context, intent: Intent): Unit = session.setTimeZone()

    override fun close(): Unit = context.unregisterReceiver(this)
}

/** Listens to broadcasts that only the system sends. */
internal fun Context.listen(receiver: BroadcastReceiver, vararg actions: String): Intent? {
    val filter = IntentFilter().apply { actions.forEach(::addAction) }
    return if (android.os.Build.VERSION.SDK_INT >= android.os.Build.VERSION_CODES.TIRAMISU) {
        registerReceiver(receiver, filter, Context.RECEIVER_NOT_EXPORTED)
    } else {
        registerReceiver(receiver, filter)
    }
}
