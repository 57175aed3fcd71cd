package dev.unspool.android

import android.view.Surface
import com.sun.jna.JNIEnv
import com.sun.jna.Library
import com.sun.jna.Native
import com.sun.jna.Pointer

/**
 * Android's `ANativeWindow` of a surface, held until [close]. Its functions lie in the system's `libandroid.so`, and take a
 * Java object: JNA hands one over as it is, so no C code of our own is needed.
 */
internal class NativeWindow private constructor(private val window: Pointer) : AutoCloseable {
    /** The address, as the core wants it. */
    val address: ULong get() = Pointer.nativeValue(window).toULong()

    override fun close(): Unit = SYSTEM.ANativeWindow_release(window)

    @Suppress("FunctionName") // the system's names
    private interface System : Library {
        fun ANativeWindow_fromSurface(env: JNIEnv, surface: Any): Pointer?

        fun ANativeWindow_release(window: Pointer)
    }

    companion object {
        private val SYSTEM by lazy {
            Native.load("android", System::class.java, mapOf(Library.OPTION_ALLOW_OBJECTS to true))
        }

        /** The window of a surface; null where the surface is gone already. */
        fun of(surface: Surface): NativeWindow? =
            if (surface.isValid) SYSTEM.ANativeWindow_fromSurface(JNIEnv.CURRENT, surface)?.let(::NativeWindow) else null
    }
}
