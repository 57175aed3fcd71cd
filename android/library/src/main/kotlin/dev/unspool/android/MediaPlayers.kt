package dev.unspool.android

import android.media.MediaPlayer
import android.view.Surface
import dev.unspool.PlatformPlayers
import dev.unspool.PlayerReport
import dev.unspool.PlayerReports
import dev.unspool.PlayerRequest
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlin.time.Duration.Companion.milliseconds

/**
 * The framework's `MediaPlayer` over the core's gateway: nothing but the platform is needed. One surface moves to the player
 * that plays. A looping `MediaPlayer` does not say that it starts over, so laps are not counted; Media3's player says it.
 */
public class MediaPlayers(private val scope: CoroutineScope) : PlatformPlayers, Surfaces {
    private class One(val media: MediaPlayer, val reports: PlayerReports) {
        var ticks: Job? = null
        var muted = false
        var volume = 1f

        fun loudness() {
            val now = if (muted) 0f else volume
            media.setVolume(now, now)
        }
    }

    private val players = mutableMapOf<ULong, One>()
    private var playing: One? = null
    private var surface: Surface? = null

    override fun show(surface: Surface) {
        this.surface = surface
        playing?.media?.setSurface(surface)
    }

    override fun hide() {
        surface = null
        playing?.media?.setSurface(null)
    }

    override suspend fun make(player: ULong, request: PlayerRequest, reports: PlayerReports): Unit = onMain {
        val media = MediaPlayer()
        players[player] = One(media, reports)
        media.setAudioAttributes(AudioFocus.ATTRIBUTES)
        media.isLooping = request.looping
        media.setOnPreparedListener { reports.tell(PlayerReport.Ready(it.videoWidth.toUInt(), it.videoHeight.toUInt())) }
        media.setOnInfoListener { it, what, _ ->
            when (what) {
                MediaPlayer.MEDIA_INFO_VIDEO_RENDERING_START -> reports.tell(PlayerReport.Shown(it.place()))
                MediaPlayer.MEDIA_INFO_BUFFERING_START -> reports.tell(PlayerReport.Waiting)
                MediaPlayer.MEDIA_INFO_BUFFERING_END -> reports.tell(PlayerReport.Going)
            }
            true
        }
        media.setOnSeekCompleteListener { reports.tell(PlayerReport.Shown(it.place())) }
        media.setOnCompletionListener { reports.tell(PlayerReport.Ended) }
        media.setOnErrorListener { _, what, extra ->
            reports.tell(PlayerReport.Failed("MediaPlayer $what/$extra", recoverable = true))
            true
        }
        media.setDataSource(request.address)
        media.prepareAsync()
    }

    override suspend fun play(player: ULong): Unit = onMain {
        val one = players.getValue(player)
        playing?.takeIf { it !== one }?.media?.setSurface(null)
        playing = one
        one.media.setSurface(surface)
        one.media.start()
        one.ticks?.cancel()
        one.ticks = scope.launch(Dispatchers.Main) {
            while (isActive) {
                delay(TICK)
                one.reports.tell(PlayerReport.Position(one.media.place(), 0uL))
            }
        }
    }

    override suspend fun pause(player: ULong): Unit = onMain {
        val one = players.getValue(player)
        one.ticks?.cancel()
        one.media.pause()
    }

    override suspend fun seek(player: ULong, positionMs: ULong, exact: Boolean): Unit = onMain {
        val mode = if (exact) MediaPlayer.SEEK_CLOSEST else MediaPlayer.SEEK_PREVIOUS_SYNC
        players.getValue(player).media.seekTo(positionMs.toLong(), mode)
    }

    override suspend fun setMuted(player: ULong, muted: Boolean): Unit = onMain {
        val one = players.getValue(player)
        one.muted = muted
        one.loudness()
    }

    override suspend fun setVolume(player: ULong, volume: Double): Unit = onMain {
        val one = players.getValue(player)
        one.volume = volume.toFloat()
        one.loudness()
    }

    override suspend fun setRate(player: ULong, rate: Double): Unit = onMain {
        val media = players.getValue(player).media
        media.playbackParams = media.playbackParams.setSpeed(rate.toFloat())
    }

    override suspend fun release(player: ULong): Unit = onMain {
        val one = players.remove(player) ?: return@onMain
        if (playing === one) playing = null
        one.ticks?.cancel()
        one.media.release()
        one.reports.close()
    }

    private fun MediaPlayer.place(): ULong = currentPosition.toULong()

    private suspend fun onMain(call: () -> Unit): Unit = withContext(Dispatchers.Main) { call() }

    private companion object {
        /** The core wants a position a few times a second. */
        val TICK = 250.milliseconds
    }
}
