package dev.unspool.android.media3

import android.content.Context
import android.view.Surface
import androidx.annotation.OptIn
import androidx.media3.common.AudioAttributes
import androidx.media3.common.C
import androidx.media3.common.MediaItem
import androidx.media3.common.PlaybackException
import androidx.media3.common.Player
import androidx.media3.common.util.UnstableApi
import androidx.media3.datasource.DefaultHttpDataSource
import androidx.media3.exoplayer.DefaultLoadControl
import androidx.media3.exoplayer.ExoPlayer
import androidx.media3.exoplayer.SeekParameters
import androidx.media3.exoplayer.source.DefaultMediaSourceFactory
import dev.unspool.PlatformPlayers
import dev.unspool.PlayerReport
import dev.unspool.PlayerReports
import dev.unspool.PlayerRequest
import dev.unspool.android.Surfaces
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlin.time.Duration.Companion.milliseconds

/**
 * Media3's player over the core's gateway: the same contract as the framework's `MediaPlayers`, with laps told and seeks to key
 * frames. Not compiled by CI, which cannot fetch Media3.
 */
@OptIn(UnstableApi::class)
public class ExoPlayers(context: Context, private val scope: CoroutineScope) : PlatformPlayers, Surfaces {
    private class One(val player: ExoPlayer, val reports: PlayerReports) {
        var ticks: Job? = null
        var volume = 1f
        var muted = false
        var prepared = false
        var shows = false

        fun loudness() {
            player.volume = if (muted) 0f else volume
        }
    }

    private val context = context.applicationContext

    // The gateway keeps the bytes; a buffer of the player's own would fetch them twice. It answers ranges on one connection, and
    // follows no redirection.
    private val source = DefaultHttpDataSource.Factory()
        .setAllowCrossProtocolRedirects(false)
        .setConnectTimeoutMs(TIME_OUT_MS)
        .setReadTimeoutMs(TIME_OUT_MS)
    private val players = mutableMapOf<ULong, One>()
    private var playing: One? = null
    private var surface: Surface? = null

    override fun show(surface: Surface) {
        this.surface = surface
        playing?.player?.setVideoSurface(surface)
    }

    override fun hide() {
        surface = null
        playing?.player?.clearVideoSurface()
    }

    override suspend fun make(player: ULong, request: PlayerRequest, reports: PlayerReports): Unit = onMain {
        val load = DefaultLoadControl.Builder()
            .setBufferDurationsMs(AHEAD_MS, AHEAD_MS, START_MS, START_MS)
            .build()
        val exo = ExoPlayer.Builder(context)
            .setMediaSourceFactory(DefaultMediaSourceFactory(source))
            .setLoadControl(load)
            .build()
        val one = One(exo, reports)
        players[player] = one
        val sound = AudioAttributes.Builder().setUsage(C.USAGE_MEDIA).setContentType(C.AUDIO_CONTENT_TYPE_MOVIE).build()
        // The core hears of the focus itself.
        exo.setAudioAttributes(sound, false)
        exo.repeatMode = if (request.looping) Player.REPEAT_MODE_ONE else Player.REPEAT_MODE_OFF
        exo.addListener(Ears(one))
        exo.setMediaItem(MediaItem.fromUri(request.address))
        exo.playWhenReady = false
        exo.prepare()
    }

    override suspend fun play(player: ULong): Unit = onMain {
        val one = players.getValue(player)
        playing?.takeIf { it !== one }?.player?.clearVideoSurface()
        playing = one
        surface?.let(one.player::setVideoSurface)
        one.shows = false
        one.player.play()
        one.ticks?.cancel()
        one.ticks = scope.launch(Dispatchers.Main) {
            while (isActive) {
                delay(TICK)
                one.reports.tell(PlayerReport.Position(one.place(), one.frames()))
            }
        }
    }

    override suspend fun pause(player: ULong): Unit = onMain {
        val one = players.getValue(player)
        one.ticks?.cancel()
        one.player.pause()
    }

    override suspend fun seek(player: ULong, positionMs: ULong, exact: Boolean): Unit = onMain {
        val one = players.getValue(player)
        one.player.setSeekParameters(if (exact) SeekParameters.EXACT else SeekParameters.PREVIOUS_SYNC)
        one.player.seekTo(positionMs.toLong())
    }

    override suspend fun setMuted(player: ULong, muted: Boolean): Unit = onMain {
        players.getValue(player).run {
            this.muted = muted
            loudness()
        }
    }

    override suspend fun setVolume(player: ULong, volume: Double): Unit = onMain {
        players.getValue(player).run {
            this.volume = volume.toFloat()
            loudness()
        }
    }

    override suspend fun setRate(player: ULong, rate: Double): Unit = onMain {
        players.getValue(player).player.setPlaybackSpeed(rate.toFloat())
    }

    override suspend fun release(player: ULong): Unit = onMain {
        val one = players.remove(player) ?: return@onMain
        if (playing === one) playing = null
        one.ticks?.cancel()
        one.player.release()
        one.reports.close()
    }

    /** What the player says, in the core's words. */
    private class Ears(private val one: One) : Player.Listener {
        private var waiting = false

        override fun onPlaybackStateChanged(state: Int) {
            when (state) {
                Player.STATE_READY -> {
                    if (!one.prepared) {
                        one.prepared = true
                        val size = one.player.videoSize
                        one.reports.tell(PlayerReport.Ready(size.width.toUInt(), size.height.toUInt()))
                    }
                    if (waiting) one.reports.tell(PlayerReport.Going)
                    waiting = false
                }
                Player.STATE_BUFFERING -> if (one.prepared && one.shows) {
                    waiting = true
                    one.reports.tell(PlayerReport.Waiting)
                }
                Player.STATE_ENDED -> one.reports.tell(PlayerReport.Ended)
            }
        }

        override fun onRenderedFirstFrame() {
            one.shows = true
            one.reports.tell(PlayerReport.Shown(one.player.currentPosition.toULong()))
        }

        override fun onPositionDiscontinuity(old: Player.PositionInfo, new: Player.PositionInfo, reason: Int) {
            if (reason == Player.DISCONTINUITY_REASON_AUTO_TRANSITION) one.reports.tell(PlayerReport.StartedOver)
        }

        override fun onPlayerError(error: PlaybackException) {
            // The name of the error alone: its words may hold the address.
            one.reports.tell(PlayerReport.Failed(error.errorCodeName, recoverable = true))
        }
    }

    private fun One.place(): ULong = player.currentPosition.toULong()

    private fun One.frames(): ULong = player.videoDecoderCounters?.renderedOutputBufferCount?.toULong() ?: 0uL

    private suspend fun onMain(call: () -> Unit): Unit = withContext(Dispatchers.Main) { call() }

    private companion object {
        /** The core wants a position a few times a second. */
        val TICK = 250.milliseconds

        /** Media that the player holds ahead: the gateway has the rest on disk. */
        const val AHEAD_MS = 2_000

        /** Media after which it starts: a card that was fetched ahead shows at once. */
        const val START_MS = 100

        /** The gateway answers from this device, or waits for the network at most so long. */
        const val TIME_OUT_MS = 15_000
    }
}
