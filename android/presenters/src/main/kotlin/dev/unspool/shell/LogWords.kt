package dev.unspool.shell

import dev.unspool.LogBatch
import dev.unspool.LogLevel

/**
 * One line for logcat.
 *
 * @property priority the constants of `android.util.Log`
 * @property tag at most 23 characters, all that older systems take
 */
public data class LogWord(val priority: Int, val tag: String, val text: String) {
    public companion object {
        private const val LONGEST_TAG: Int = 23

        // android.util.Log
        private const val VERBOSE = 2
        private const val DEBUG = 3
        private const val INFO = 4
        private const val WARN = 5
        private const val ERROR = 6

        /** The lines of a batch, after a word on those that were lost before it. */
        public fun of(batch: LogBatch): List<LogWord> {
            val lost = batch.missed.takeIf { it > 0uL }?.let { LogWord(WARN, "unspool", "$it lines were lost") }
            return listOfNotNull(lost) + batch.lines.map { LogWord(priority(it.level), tag(it.target), it.text) }
        }

        private fun priority(level: LogLevel): Int = when (level) {
            LogLevel.ERROR -> ERROR
            LogLevel.WARN -> WARN
            LogLevel.INFO -> INFO
            LogLevel.DEBUG -> DEBUG
            LogLevel.TRACE -> VERBOSE
        }

        // The end of a target is what tells one from another.
        private fun tag(target: String): String = target.replace("::", ".").takeLast(LONGEST_TAG).trimStart('.')
    }
}
