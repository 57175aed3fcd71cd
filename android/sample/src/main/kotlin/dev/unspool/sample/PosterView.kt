package dev.unspool.sample

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.view.View
import android.widget.ImageView
import dev.unspool.Thumbnail
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors

/** The still picture of a card until its first frame is there. Decoded beside the screen's thread, no larger than the screen. */
@SuppressLint("ViewConstructor", "AppCompatCustomView") // made in code only, without AppCompat
internal class PosterView(context: Context) : ImageView(context) {
    private var wanted: Thumbnail? = null

    init {
        id = R.id.poster
        scaleType = ScaleType.CENTER_CROP
        // The page says what is seen.
        importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        shown = false
    }

    /** Shows a picture, or none. */
    fun show(picture: Thumbnail?) {
        if (picture === wanted) return
        wanted = picture
        shown = false
        setImageDrawable(null)
        if (picture == null) return
        val most = resources.displayMetrics.heightPixels
        decoder.execute {
            val bitmap = decoded(picture.data, most)
            post {
                if (wanted !== picture || bitmap == null) return@post
                setImageBitmap(bitmap)
                shown = true
            }
        }
    }

    private companion object {
        /** One after the other: there is one picture on the screen. */
        val decoder: ExecutorService = Executors.newSingleThreadExecutor { work -> Thread(work, "poster").apply { isDaemon = true } }

        /** What the platform cannot decode is no picture for it: null. */
        fun decoded(file: ByteArray, most: Int): Bitmap? {
            val options = BitmapFactory.Options().apply { inJustDecodeBounds = true }
            BitmapFactory.decodeByteArray(file, 0, file.size, options)
            options.inJustDecodeBounds = false
            options.inSampleSize = maxOf(1, Integer.highestOneBit(maxOf(options.outHeight, options.outWidth, 1) / maxOf(most, 1)))
            return BitmapFactory.decodeByteArray(file, 0, file.size, options)
        }
    }
}
