package dev.unspool.android

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.net.ConnectivityManager
import android.net.Network
import android.net.NetworkCapabilities
import dev.unspool.shell.DevicePresenter
import dev.unspool.shell.Signals
import dev.unspool.shell.Transport

/** Tells the presenter which network there is, what it costs, and whether the person saves data. */
internal class Connectivity(private val context: Context, private val device: DevicePresenter) :
    ConnectivityManager.NetworkCallback(), AutoCloseable {
    private val manager = context.service<ConnectivityManager>()
    private val saver = object : BroadcastReceiver() {
        override fun onReceive(context: Context, intent: Intent) = saving()
    }

    init {
        // The callback comes at once where there is a network, and never where there is none.
        if (manager.activeNetwork == null) device.changed { it.copy(connected = false) }
        manager.registerDefaultNetworkCallback(this)
        context.listen(saver, ConnectivityManager.ACTION_RESTRICT_BACKGROUND_CHANGED)
        saving()
    }

    override fun onLost(network: Network) {
        device.changed { it.copy(connected = false) }
    }

    override fun onCapabilitiesChanged(network: Network, capabilities: NetworkCapabilities) {
        device.changed { it.on(capabilities) }
    }

    override fun close() {
        manager.unregisterNetworkCallback(this)
        context.unregisterReceiver(saver)
    }

    private fun saving() {
        val status = manager.restrictBackgroundStatus
        device.changed { it.copy(dataSaver = status == ConnectivityManager.RESTRICT_BACKGROUND_STATUS_ENABLED) }
    }
}

/** What is known with a network's [can]. The system does not say which generation a cellular network is of without a permission. */
internal fun Signals.on(can: NetworkCapabilities): Signals = copy(
    connected = can.hasCapability(NetworkCapabilities.NET_CAPABILITY_INTERNET) &&
        can.hasCapability(NetworkCapabilities.NET_CAPABILITY_VALIDATED),
    transport = when {
        can.hasTransport(NetworkCapabilities.TRANSPORT_WIFI) || can.hasTransport(NetworkCapabilities.TRANSPORT_ETHERNET) -> Transport.WIFI
        can.hasTransport(NetworkCapabilities.TRANSPORT_CELLULAR) -> Transport.ofCellular(can.linkDownstreamBandwidthKbps)
        else -> null
    },
    metered = !can.hasCapability(NetworkCapabilities.NET_CAPABILITY_NOT_METERED),
    roaming = android.os.Build.VERSION.SDK_INT >= android.os.Build.VERSION_CODES.P &&
        !can.hasCapability(NetworkCapabilities.NET_CAPABILITY_NOT_ROAMING),
)

internal inline fun <reified T : Any> Context.service(): T = checkNotNull(getSystemService(T::class.java)) { "no ${T::class.java.name}" }
