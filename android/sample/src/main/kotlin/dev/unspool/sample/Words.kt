package dev.unspool.sample

import android.content.Context
import dev.unspool.BreakAction
import dev.unspool.BreakCause
import dev.unspool.Harm
import dev.unspool.LoopChoice
import dev.unspool.Purpose
import dev.unspool.SafetyChoice
import dev.unspool.shell.CoverWord
import dev.unspool.shell.Trouble

// The presenters say what; the app's resources say how. One string each, and the compiler misses none.

internal fun Context.words(trouble: Trouble): String = getString(
    when (trouble.kind) {
        Trouble.Kind.OFFLINE -> R.string.trouble_offline
        Trouble.Kind.SIGNED_OUT -> R.string.trouble_signed_out
        Trouble.Kind.SERVER -> R.string.trouble_server
        Trouble.Kind.STORAGE_FULL -> R.string.trouble_storage_full
        Trouble.Kind.STORAGE -> R.string.trouble_storage
        Trouble.Kind.IN_USE -> R.string.trouble_in_use
        Trouble.Kind.PAUSED_BY_LIMIT -> R.string.trouble_paused
        Trouble.Kind.GUARDED -> R.string.trouble_guarded
        Trouble.Kind.WRONG_PASSCODE -> R.string.trouble_wrong_passcode
        Trouble.Kind.REFUSED -> R.string.trouble_refused
        Trouble.Kind.ENDED -> R.string.trouble_ended
        Trouble.Kind.BROKEN -> R.string.trouble_broken
    },
)

internal fun Context.words(cover: CoverWord): String = getString(
    when (cover.kind) {
        CoverWord.Kind.ADULT -> R.string.cover_adult
        CoverWord.Kind.SCAM -> R.string.cover_scam
        CoverWord.Kind.CONSPIRACY -> R.string.cover_conspiracy
        CoverWord.Kind.PROPAGANDA -> R.string.cover_propaganda
        CoverWord.Kind.FLASHING -> R.string.cover_flashing
        CoverWord.Kind.LABEL -> R.string.cover_label
        CoverWord.Kind.AGE -> R.string.cover_age
        CoverWord.Kind.MUTED_WORD -> R.string.cover_muted_word
        CoverWord.Kind.MUTED_TOPIC -> R.string.cover_muted_topic
        CoverWord.Kind.MUTED_SOUND -> R.string.cover_muted_sound
        CoverWord.Kind.MUTED_CREATOR -> R.string.cover_muted_creator
        CoverWord.Kind.BLOCKED -> R.string.cover_blocked
        CoverWord.Kind.RULE -> R.string.cover_rule
        CoverWord.Kind.GONE -> R.string.cover_gone
    },
    cover.name,
)

internal val BreakCause.words: Int
    get() = when (this) {
        BreakCause.PAGE -> R.string.break_page
        BreakCause.REST -> R.string.break_rest
        BreakCause.DAILY -> R.string.break_daily
        BreakCause.NIGHT -> R.string.break_night
    }

internal val BreakAction.words: Int
    get() = when (this) {
        BreakAction.LEAVE -> R.string.break_leave
        BreakAction.WAIT -> R.string.break_wait
        BreakAction.GO_ON -> R.string.break_go_on
        BreakAction.ALLOW_MORE -> R.string.break_allow_more
    }

internal val LoopChoice.words: Int
    get() = when (this) {
        LoopChoice.TAKE_BREAK -> R.string.loop_break
        LoopChoice.RESET_TOPIC -> R.string.loop_reset
        LoopChoice.KEEP_GOING -> R.string.loop_keep
    }

internal val Harm.words: Int
    get() = when (this) {
        Harm.ADULT -> R.string.harm_adult
        Harm.SCAM -> R.string.harm_scam
        Harm.CONSPIRACY -> R.string.harm_conspiracy
        Harm.PROPAGANDA -> R.string.harm_propaganda
        Harm.FLASHING -> R.string.harm_flashing
    }

internal val SafetyChoice.words: Int
    get() = when (this) {
        SafetyChoice.SHOW -> R.string.choice_show
        SafetyChoice.WARN -> R.string.choice_warn
        SafetyChoice.HIDE -> R.string.choice_hide
    }

internal val Purpose.words: Int
    get() = when (this) {
        Purpose.PERSONALISATION -> R.string.consent_personalisation
        Purpose.MEASUREMENT -> R.string.consent_measurement
        Purpose.QUALITY -> R.string.consent_quality
    }
