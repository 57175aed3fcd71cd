package dev.unspool.shell

import dev.unspool.Feed
import dev.unspool.SoundFocus
import dev.unspool.Unspool
import dev.unspool.ViewerAction
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job

/**
 * Whether videos sound, and whether the app holds the system's audio focus.
 *
 * @property wanted the person wants to hear
 * @property held the system gave its focus; [FocusWish] asks for it and gives it back
 */
public data class SoundView(val wanted: Boolean = true, val held: Boolean = false, val trouble: Trouble? = null)

/** What the shell does with `AudioManager`: asks for the focus while a video sounds, and gives it back when none does. */
public interface FocusWish {
    /** Asks; true when it was given at once. A loss comes later to [DevicePresenter.audioFocus]. */
    public fun ask(): Boolean

    /** Gives it back. */
    public fun giveBack()
}

/**
 * Sound of one feed. A muted feed asks for no focus, so that it does not stop somebody's music; one that plays without the
 * focus is paused by the core, as if another app had taken it.
 */
public class SoundPresenter(
    private val session: Unspool,
    private val feed: Feed,
    private val focus: FocusWish,
    scope: CoroutineScope,
    wanted: Boolean = true,
) : Presenter<SoundView>(scope, SoundView(wanted)) {
    init {
        inOrder { feed.setMuted(!wanted) }
    }

    /** The screen is in front: sound may begin. */
    public fun begin(): Job = inOrder { if (view.value.wanted) take() }

    /** The speaker's button. */
    public fun toggle(): Job = inOrder {
        val wanted = !view.value.wanted
        feed.setMuted(!wanted)
        feed.viewer(ViewerAction.Muted(!wanted))
        show { it.copy(wanted = wanted, trouble = null) }
        if (wanted) take() else drop()
    }

    /** The system took the focus for good (`AUDIOFOCUS_LOSS`): the next [begin] asks anew. */
    public fun lost(): Job = inOrder { show { it.copy(held = false) } }

    /** The screen is left. */
    public fun end(): Job = inOrder { drop() }

    override fun trouble(trouble: Trouble): Unit = show { it.copy(trouble = trouble) }

    private fun take() {
        if (view.value.held) return
        val given = focus.ask()
        session.setSoundFocus(if (given) SoundFocus.GAINED else SoundFocus.LOST_FOR_NOW)
        show { it.copy(held = given) }
    }

    private fun drop() {
        if (!view.value.held) return
        focus.giveBack()
        show { it.copy(held = false) }
    }
}
