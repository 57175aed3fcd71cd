package dev.unspool

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/**
 * What the core logs after line number [after], oldest first, in the batches it is pulled in.
 *
 * Nothing is collected before [setLogLevel]. The log is one for the process and outlives every session; the flow never ends
 * by itself. Cancelling the collector ends the wait, and one that keeps [LogBatch.last] goes on from there. On Android a
 * collector hands each line to `android.util.Log` under its target.
 */
public fun logBatches(after: ULong = 0uL): Flow<LogBatch> = flow {
    var last = after
    while (true) {
        val batch = logsAfter(last)
        last = batch.last
        emit(batch)
    }
}
