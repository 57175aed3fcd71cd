package dev.unspool.android.work

import android.content.Context
import androidx.work.BackoffPolicy
import androidx.work.Constraints
import androidx.work.CoroutineWorker
import androidx.work.ExistingWorkPolicy
import androidx.work.NetworkType
import androidx.work.OneTimeWorkRequestBuilder
import androidx.work.WorkManager
import androidx.work.WorkerParameters
import dev.unspool.UnspoolException
import dev.unspool.android.SessionHolder
import dev.unspool.shell.FlushJob
import java.util.concurrent.TimeUnit

/**
 * WorkManager's worker in place of the library's `FlushJobService`; an app uses one of the two. Neither expedited nor in the
 * foreground, so it shows no notification. Not compiled by CI, which cannot fetch AndroidX.
 */
public class FlushWorker(context: Context, parameters: WorkerParameters) : CoroutineWorker(context, parameters) {
    override suspend fun doWork(): Result {
        val holder = applicationContext as? SessionHolder ?: return Result.failure()
        val outcome = try {
            FlushJob.run(holder.session())
        } catch (_: UnspoolException) {
            // The session did not open; whatever waits is on disk.
            FlushJob.Outcome.AGAIN
        }
        return when (outcome) {
            FlushJob.Outcome.DONE -> Result.success()
            FlushJob.Outcome.AGAIN -> Result.retry()
            FlushJob.Outcome.GIVE_UP -> Result.failure()
        }
    }

    public companion object {
        private const val NAME = "unspool-flush"

        /** First wait after a failure; the system doubles it. */
        private const val BACK_OFF_S = 30L

        /** Asks for one flush, as soon as there is a network. Asked twice, it is one. */
        public fun schedule(context: Context) {
            val wanted = OneTimeWorkRequestBuilder<FlushWorker>()
                .setConstraints(Constraints.Builder().setRequiredNetworkType(NetworkType.CONNECTED).build())
                .setBackoffCriteria(BackoffPolicy.EXPONENTIAL, BACK_OFF_S, TimeUnit.SECONDS)
                .build()
            WorkManager.getInstance(context).enqueueUniqueWork(NAME, ExistingWorkPolicy.KEEP, wanted)
        }
    }
}
