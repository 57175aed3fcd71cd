package dev.unspool.android

import android.graphics.SurfaceTexture
import android.view.Surface
import android.view.SurfaceHolder
import android.view.TextureView
import dev.unspool.Unspool
import dev.unspool.UnspoolException

/** Where pictures go: told on the main thread that a surface is there, and, before it goes, that nothing may draw any more. */
public interface Surfaces {
    /** Draw there from now on. */
    public fun show(surface: Surface)

    /** When this returns nothing draws. */
    public fun hide()
}

/** The surface of the core's own GStreamer players: lent as a native window, taken back before Android takes it away. */
public class CoreSurfaces(private val session: Unspool) : Surfaces {
    private var lent: NativeWindow? = null

    override fun show(surface: Surface) {
        hide()
        val window = NativeWindow.of(surface) ?: return
        try {
            session.setWindow(window.address)
            lent = window
        } catch (_: UnspoolException) {
            // The session is over; nobody draws.
            window.close()
        }
    }

    override fun hide() {
        val window = lent ?: return
        lent = null
        try {
            session.setWindow(null)
        } catch (_: UnspoolException) {
            // A session that is over has let go of every window.
        } finally {
            window.close()
        }
    }
}

/** Lends the surface of a `SurfaceView` for as long as it lives. */
public class SurfaceLender(private val to: Surfaces) : SurfaceHolder.Callback {
    override fun surfaceCreated(holder: SurfaceHolder): Unit = to.show(holder.surface)

    override fun surfaceChanged(holder: SurfaceHolder, format: Int, width: Int, height: Int): Unit = Unit

    override fun surfaceDestroyed(holder: SurfaceHolder): Unit = to.hide()
}

/** The same for a `TextureView`, which can be moved and faded as any view and costs a copy of each picture. */
public class TextureLender(private val to: Surfaces) : TextureView.SurfaceTextureListener {
    private var surface: Surface? = null

    override fun onSurfaceTextureAvailable(texture: SurfaceTexture, width: Int, height: Int) {
        surface = Surface(texture).also(to::show)
    }

    override fun onSurfaceTextureSizeChanged(texture: SurfaceTexture, width: Int, height: Int): Unit = Unit

    override fun onSurfaceTextureDestroyed(texture: SurfaceTexture): Boolean {
        to.hide()
        surface?.release()
        surface = null
        return true
    }

    override fun onSurfaceTextureUpdated(texture: SurfaceTexture): Unit = Unit
}
