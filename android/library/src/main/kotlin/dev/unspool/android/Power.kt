package dev.unspool.android

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.os.Build
import android.os.PowerManager
import dev.unspool.shell.DevicePresenter

/** Tells the presenter of battery saver, heat, and how much room the volume has. */
internal class Power(private val context: Context, private val device: DevicePresenter) : BroadcastReceiver(), AutoCloseable {
    private val manager = context.service<PowerManager>()
    private val heat: Any? = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
        PowerManager.OnThermalStatusChangedListener { status -> device.changed { it.copy(thermal = status) } }
            .also(manager::addThermalStatusListener)
    } else {
        null
    }

    init {
        context.listen(this, PowerManager.ACTION_POWER_SAVE_MODE_CHANGED, Intent.ACTION_BATTERY_LOW, Intent.ACTION_BATTERY_OKAY)
        look()
    }

    override fun onReceive(context: Context, intent: Intent): Unit = look()

    /** Looks at what has no broadcast any more; also called when the app comes to the front. */
    fun look() {
        val saver = manager.isPowerSaveMode
        val low = lowStorage()
        device.changed { it.copy(batterySaver = saver, lowStorage = low) }
    }

    override fun close() {
        context.unregisterReceiver(this)
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            (heat as? PowerManager.OnThermalStatusChangedListener)?.let(manager::removeThermalStatusListener)
        }
    }

    private fun lowStorage(): Boolean = context.filesDir.usableSpace < LEAST_FREE

    private companion object {
        /** Bytes; Android 14 warns of low storage below 500 MB (its StorageManager). */
        const val LEAST_FREE = 500L * 1_024 * 1_024
    }
}
