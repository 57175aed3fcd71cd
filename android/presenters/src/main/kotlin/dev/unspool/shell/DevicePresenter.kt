package dev.unspool.shell

import dev.unspool.Conditions
import dev.unspool.MemoryPressure
import dev.unspool.NetworkClass
import dev.unspool.SoundFocus
import dev.unspool.Unspool
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job

/**
 * What the system says of the device, in the words of its own services.
 *
 * @property connected there is a network that reaches the world (`NET_CAPABILITY_VALIDATED`)
 * @property transport what carries it, where that is known
 * @property metered each byte may cost (`NET_CAPABILITY_NOT_METERED` is missing)
 * @property roaming in another operator's network
 * @property dataSaver the person turned the system's data saver on
 * @property batterySaver `PowerManager.isPowerSaveMode`
 * @property thermal `PowerManager.getCurrentThermalStatus`, 0 to 6
 * @property lowStorage less room than the system wants to keep
 * @property visible an activity is started
 */
public data class Signals(
    val connected: Boolean = true,
    val transport: Transport? = null,
    val metered: Boolean = false,
    val roaming: Boolean = false,
    val dataSaver: Boolean = false,
    val batterySaver: Boolean = false,
    val thermal: Int = 0,
    val lowStorage: Boolean = false,
    val visible: Boolean = true,
) {
    /** What the core decides with. */
    public val conditions: Conditions
        get() = Conditions(
            online = connected,
            metered = metered || roaming,
            dataSaver = dataSaver,
            foreground = visible,
            lowStorage = lowStorage,
            batterySaver = batterySaver,
            hot = thermal >= THERMAL_SEVERE,
            network = transport?.network,
        )

    private companion object {
        /** `PowerManager.THERMAL_STATUS_SEVERE`: from here on the system slows the device down. */
        const val THERMAL_SEVERE = 3
    }
}

/** What carries the network. */
public enum class Transport(internal val network: NetworkClass) {
    WIFI(NetworkClass.WIFI),
    CELLULAR_5G(NetworkClass.CELLULAR5G),
    CELLULAR_4G(NetworkClass.CELLULAR4G),
    CELLULAR_SLOW(NetworkClass.CELLULAR_SLOW),
    ;

    public companion object {
        // Kilobit a second, between what Android 14 assumes of each generation before it has measured (its CarrierConfigManager):
        // 13,000 of HSPA+, 30,000 of LTE, 47,000 of the slowest 5G.
        private const val ABOVE_3G = 14_000
        private const val ABOVE_4G = 45_000

        /**
         * The class of a cellular network by the bandwidth that the system estimates (`getLinkDownstreamBandwidthKbps`), because
         * its generation takes a permission to ask for. Null where nothing is estimated.
         */
        public fun ofCellular(downKbps: Int): Transport? = when {
            downKbps <= 0 -> null
            downKbps < ABOVE_3G -> CELLULAR_SLOW
            downKbps < ABOVE_4G -> CELLULAR_4G
            else -> CELLULAR_5G
        }
    }
}

/**
 * Hands what the system says to the core: connectivity, battery, heat, memory, sound, and whether the app is looked at.
 *
 * Each method is one observer of the platform. What is said twice is told once; databases close when the app leaves the
 * screen, and open when it comes back, in that order however fast it goes to and fro.
 */
public class DevicePresenter(private val session: Unspool, scope: CoroutineScope, first: Signals = Signals()) :
    Presenter<Signals>(scope, first) {
    private var trouble: Trouble? = null
    private var asleep = false

    init {
        tell(first)
    }

    /** Something of the device changed. */
    public fun changed(how: (Signals) -> Signals): Job = inOrder {
        val before = view.value
        val now = how(before)
        if (now == before) return@inOrder
        show { now }
        tell(now)
        if (now.visible && asleep) {
            session.resume()
            asleep = false
        } else if (!now.visible && !asleep) {
            session.suspend()
            asleep = true
        }
    }

    /** `ComponentCallbacks2.onTrimMemory`: the levels that are still delivered, and those that older systems deliver. */
    public fun trimMemory(level: Int): Unit = session.setMemoryPressure(
        when {
            level >= TRIM_BACKGROUND || level == TRIM_RUNNING_CRITICAL -> MemoryPressure.CRITICAL
            level >= TRIM_RUNNING_LOW -> MemoryPressure.LOW
            else -> MemoryPressure.NORMAL
        },
    )

    /** `OnAudioFocusChangeListener`: the constants of `AudioManager`. Others are no news. */
    public fun audioFocus(change: Int) {
        val focus = when (change) {
            in GAIN_FIRST..GAIN_LAST -> SoundFocus.GAINED
            LOSS -> SoundFocus.LOST
            LOSS_TRANSIENT -> SoundFocus.LOST_FOR_NOW
            LOSS_DUCK -> SoundFocus.DUCK
            else -> return
        }
        session.setSoundFocus(focus)
    }

    /** `ACTION_AUDIO_BECOMING_NOISY`: the headphones were pulled out. */
    public fun becomingNoisy(): Unit = session.setSoundFocus(SoundFocus.BECOMING_NOISY)

    /** What went wrong last, for a log. */
    public fun lastTrouble(): Trouble? = trouble

    override fun trouble(trouble: Trouble) {
        this.trouble = trouble
    }

    private fun tell(now: Signals) {
        session.setConditions(now.conditions)
        session.setPower(now.roaming, now.batterySaver)
    }

    private companion object {
        // ComponentCallbacks2
        const val TRIM_RUNNING_LOW = 10
        const val TRIM_RUNNING_CRITICAL = 15
        const val TRIM_BACKGROUND = 40

        // AudioManager
        const val GAIN_FIRST = 1
        const val GAIN_LAST = 4
        const val LOSS = -1
        const val LOSS_TRANSIENT = -2
        const val LOSS_DUCK = -3
    }
}
