package dev.unspool.android

import android.util.Log
import dev.unspool.LogLevel
import dev.unspool.logBatches
import dev.unspool.setLogLevel
import dev.unspool.shell.LogWord
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch

/** Hands the core's log to logcat, until the job is cancelled. One for the process; at `INFO` and above nothing personal is in it. */
public fun CoroutineScope.logToLogcat(level: LogLevel = LogLevel.INFO): Job {
    setLogLevel(level)
    return launch {
        logBatches().collect { batch -> LogWord.of(batch).forEach { Log.println(it.priority, it.tag, it.text) } }
    }
}
