package dev.unspool.sample

import android.app.Application
import dev.unspool.Unspool
import dev.unspool.android.CaptionWatch
import dev.unspool.android.DeviceWatch
import dev.unspool.android.FlushJobService
import dev.unspool.android.Foreground
import dev.unspool.android.MediaPlayers
import dev.unspool.android.SessionHolder
import dev.unspool.android.Surfaces
import dev.unspool.android.configOn
import dev.unspool.android.logToLogcat
import dev.unspool.android.openOnAndroid
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext

/** An open session with what belongs to it. */
class Opened(val session: Unspool, val surfaces: Surfaces?, val watch: DeviceWatch, private val captions: CaptionWatch) {
    /** Ends what listens. The session is over already; screens that still hold it are told so, and its handle goes with the last. */
    fun close() {
        captions.close()
        watch.close()
    }
}

/** The process: it owns the one session, opens it when it is first wanted, and again after an erasure ended it. */
open class SampleApp : Application(), SessionHolder {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    private val door = Mutex()
    private var open: Opened? = null
    private lateinit var foreground: Foreground

    override fun onCreate() {
        super.onCreate()
        foreground = Foreground(this) { visible -> if (!visible) FlushJobService.schedule(this) }
        scope.logToLogcat()
    }

    override suspend fun session(): Unspool = opened().session

    /** The open session; fails as [openOnAndroid]. */
    suspend fun opened(): Opened = door.withLock { open ?: begin().also { open = it } }

    /** The session is over: what was erased is gone, and the next one begins anew. */
    suspend fun ended(): Unit = door.withLock {
        open?.close()
        open = null
    }

    /** Opens the session with the players of the platform, over the core's gateway. */
    protected open suspend fun openSession(): Pair<Unspool, Surfaces?> {
        val players = MediaPlayers(scope)
        val config = configOn(this, getString(R.string.account), getString(R.string.backend)).copy(token = getString(R.string.account))
        return openOnAndroid(this, config, players = players) to players
    }

    // Observers of the system are made on the main thread.
    private suspend fun begin(): Opened = withContext(Dispatchers.Main.immediate) {
        val (session, surfaces) = openSession()
        Opened(session, surfaces, DeviceWatch(this@SampleApp, session, scope, foreground), CaptionWatch(this@SampleApp, session))
    }
}
