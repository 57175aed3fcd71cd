package dev.unspool.android

import android.content.Context
import android.content.Intent
import android.provider.Settings
import android.view.accessibility.AccessibilityManager
import android.view.accessibility.CaptioningManager
import dev.unspool.Item
import dev.unspool.Unspool
import dev.unspool.UnspoolException
import dev.unspool.shell.CaptionWish
import dev.unspool.shell.DeepLink
import dev.unspool.shell.ShareText

// What the person told the system, and what the person is shown by it: captions, motion, a screen reader, sharing, links.

/** What the system's caption settings say. */
public fun captionWish(context: Context): CaptionWish {
    val captions = context.service<CaptioningManager>()
    val locales = context.resources.configuration.locales
    return CaptionWish(
        enabled = captions.isEnabled,
        locale = captions.locale?.toLanguageTag(),
        device = (0 until locales.size()).map { locales[it].toLanguageTag() },
    )
}

/** How much larger than usual the person wants captions. */
public fun captionScale(context: Context): Float = context.service<CaptioningManager>().fontScale

/** Follows the caption settings until it is closed. */
public class CaptionWatch(private val context: Context, private val session: Unspool) :
    CaptioningManager.CaptioningChangeListener(), AutoCloseable {
    private val captions = context.service<CaptioningManager>()

    init {
        captions.addCaptioningChangeListener(this)
    }

    override fun onEnabledChanged(enabled: Boolean): Unit = tell()

    override fun onLocaleChanged(locale: java.util.Locale?): Unit = tell()

    override fun close(): Unit = captions.removeCaptioningChangeListener(this)

    private fun tell() {
        try {
            session.setCaptions(captionWish(context).languages)
        } catch (_: UnspoolException.ShutDown) {
            // The next session asks anew.
        }
    }
}

/** Whether the person turned animations off: nothing then plays or moves by itself. */
public fun motionReduced(context: Context): Boolean =
    Settings.Global.getFloat(context.contentResolver, Settings.Global.ANIMATOR_DURATION_SCALE, 1f) == 0f

/** Whether somebody listens to the screen instead of looking at it; pages then turn by buttons too. */
public fun screenIsRead(context: Context): Boolean = context.service<AccessibilityManager>().isTouchExplorationEnabled

/** How long words stay that nobody has to answer, in milliseconds: longer for who asked the system for time. */
public fun timeToRead(context: Context, usualMs: Int): Int =
    if (android.os.Build.VERSION.SDK_INT >= android.os.Build.VERSION_CODES.Q) {
        context.service<AccessibilityManager>().getRecommendedTimeoutMillis(usualMs, AccessibilityManager.FLAG_CONTENT_TEXT)
    } else {
        usualMs
    }

/** The system's share sheet for an item whose link lies at [host]. */
public fun shareIntent(item: Item, host: String): Intent {
    val share = ShareText.of(item, host)
    val send = Intent(Intent.ACTION_SEND)
        .setType("text/plain")
        .putExtra(Intent.EXTRA_TEXT, share.text)
        .putExtra(Intent.EXTRA_SUBJECT, share.title)
        .putExtra(Intent.EXTRA_TITLE, share.title)
    return Intent.createChooser(send, null)
}

/** Where an intent that opened the app leads, if it is a link of ours. */
public fun linkOf(intent: Intent, hosts: Set<String>): DeepLink? =
    intent.takeIf { it.action == Intent.ACTION_VIEW }?.dataString?.let { DeepLink.parse(it, hosts) }
