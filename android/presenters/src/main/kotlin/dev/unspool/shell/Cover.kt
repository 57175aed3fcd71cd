package dev.unspool.shell

import dev.unspool.CardSafety
import dev.unspool.Harm
import dev.unspool.SafetyReason
import dev.unspool.SafetySource

/**
 * Why a card is covered, as the screen says it: the words belong to the app's resources, [name] fills them.
 *
 * @property name of the label, word, topic or creator; empty where the kind says all
 */
public data class CoverWord(val kind: Kind, val name: String) {
    /** One string resource each. */
    public enum class Kind {
        ADULT, SCAM, CONSPIRACY, PROPAGANDA, FLASHING, LABEL, AGE, MUTED_WORD, MUTED_TOPIC, MUTED_SOUND, MUTED_CREATOR, BLOCKED, RULE, GONE,
    }

    public companion object {
        /** The reasons of a covered card, the gravest first, each once. */
        public fun of(safety: CardSafety): List<CoverWord> =
            safety.reasons.sortedByDescending { it.weight }.map(::word).distinct()

        private fun word(reason: SafetyReason): CoverWord = CoverWord(
            when (reason.harm) {
                Harm.ADULT -> Kind.ADULT
                Harm.SCAM -> Kind.SCAM
                Harm.CONSPIRACY -> Kind.CONSPIRACY
                Harm.PROPAGANDA -> Kind.PROPAGANDA
                Harm.FLASHING -> Kind.FLASHING
                null -> source(reason.source)
            },
            reason.name,
        )

        private fun source(source: SafetySource): Kind = when (source) {
            is SafetySource.Label, is SafetySource.UnknownLabel -> Kind.LABEL
            is SafetySource.Age -> Kind.AGE
            is SafetySource.MutedWord -> Kind.MUTED_WORD
            is SafetySource.MutedTopic -> Kind.MUTED_TOPIC
            is SafetySource.MutedSound -> Kind.MUTED_SOUND
            is SafetySource.MutedCreator -> Kind.MUTED_CREATOR
            is SafetySource.Blocked, is SafetySource.BlockedBy -> Kind.BLOCKED
            is SafetySource.Rule -> Kind.RULE
            is SafetySource.Withdrawn, is SafetySource.HiddenItem -> Kind.GONE
        }
    }
}
