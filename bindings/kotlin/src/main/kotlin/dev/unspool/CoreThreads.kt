package dev.unspool

import com.sun.jna.Callback
import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native
import java.util.concurrent.atomic.AtomicInteger

/**
 * Keeps the core's threads attached to the JVM.
 *
 * A native thread must be attached to call into the JVM. JNA attaches it for each call and detaches it afterwards, which
 * makes a `Thread` object for every coroutine that is woken. Here a thread stays attached, as a daemon, until it ends.
 */
internal object CoreThreads {
    private val count = AtomicInteger()

    private val initializer = object : CallbackThreadInitializer(true, false) {
        override fun getName(cb: Callback): String = "unspool-${count.incrementAndGet()}"
    }

    private val done by lazy {
        val called: List<Callback> = listOf(
            uniffiRustFutureContinuationCallbackImpl,
            uniffiForeignFutureDroppedCallbackImpl,
            uniffiCallbackInterfaceTokenProvider.`token`,
            uniffiCallbackInterfaceTokenProvider.uniffiFree,
            uniffiCallbackInterfaceTokenProvider.uniffiClone,
            uniffiCallbackInterfaceHostBackend.`page`,
            uniffiCallbackInterfaceHostBackend.`topics`,
            uniffiCallbackInterfaceHostBackend.`labels`,
            uniffiCallbackInterfaceHostBackend.`rules`,
            uniffiCallbackInterfaceHostBackend.`locate`,
            uniffiCallbackInterfaceHostBackend.uniffiFree,
            uniffiCallbackInterfaceHostBackend.uniffiClone,
            uniffiCallbackInterfacePlatformPlayers.`make`,
            uniffiCallbackInterfacePlatformPlayers.`play`,
            uniffiCallbackInterfacePlatformPlayers.`pause`,
            uniffiCallbackInterfacePlatformPlayers.`seek`,
            uniffiCallbackInterfacePlatformPlayers.`setMuted`,
            uniffiCallbackInterfacePlatformPlayers.`setVolume`,
            uniffiCallbackInterfacePlatformPlayers.`setRate`,
            uniffiCallbackInterfacePlatformPlayers.`release`,
            uniffiCallbackInterfacePlatformPlayers.uniffiFree,
            uniffiCallbackInterfacePlatformPlayers.uniffiClone,
        )
        called.forEach { Native.setCallbackThreadInitializer(it, initializer) }
    }

    /** Takes effect for threads that call into the JVM for the first time afterwards. Calling it again costs nothing. */
    fun keepAttached() = done
}
