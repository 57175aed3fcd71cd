package dev.unspool.android

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.media.AudioAttributes
import android.media.AudioFocusRequest
import android.media.AudioManager
import dev.unspool.shell.DevicePresenter
import dev.unspool.shell.FocusWish

/**
 * The system's audio focus, and the headphones that are pulled out. The core ducks, pauses and goes on by itself.
 *
 * @param lost told when the focus is gone for good
 */
public class AudioFocus(
    private val context: Context,
    private val device: DevicePresenter,
    private val lost: () -> Unit = {},
) : FocusWish, AudioManager.OnAudioFocusChangeListener {
    private val manager = context.service<AudioManager>()
    private val request = AudioFocusRequest.Builder(AudioManager.AUDIOFOCUS_GAIN)
        .setAudioAttributes(ATTRIBUTES)
        .setAcceptsDelayedFocusGain(true)
        // The core ducks by itself, smoothly; without this the system does.
        .setWillPauseWhenDucked(false)
        .setOnAudioFocusChangeListener(this)
        .build()
    private val noise = object : BroadcastReceiver() {
        override fun onReceive(context: Context, intent: Intent) = device.becomingNoisy()
    }
    private var listening = false

    override fun ask(): Boolean {
        if (!listening) context.listen(noise, AudioManager.ACTION_AUDIO_BECOMING_NOISY)
        listening = true
        return manager.requestAudioFocus(request) == AudioManager.AUDIOFOCUS_REQUEST_GRANTED
    }

    override fun giveBack() {
        manager.abandonAudioFocusRequest(request)
        if (listening) context.unregisterReceiver(noise)
        listening = false
    }

    override fun onAudioFocusChange(focusChange: Int) {
        device.audioFocus(focusChange)
        if (focusChange == AudioManager.AUDIOFOCUS_LOSS) lost()
    }

    internal companion object {
        /** What a video sounds like to the system; players are given the same. */
        val ATTRIBUTES: AudioAttributes = AudioAttributes.Builder()
            .setUsage(AudioAttributes.USAGE_MEDIA)
            .setContentType(AudioAttributes.CONTENT_TYPE_MOVIE)
            .build()
    }
}
