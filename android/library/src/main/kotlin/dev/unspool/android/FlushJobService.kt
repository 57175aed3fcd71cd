package dev.unspool.android

import android.app.job.JobInfo
import android.app.job.JobParameters
import android.app.job.JobScheduler
import android.app.job.JobService
import android.content.ComponentName
import android.content.Context
import dev.unspool.UnspoolException
import dev.unspool.shell.FlushJob
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch

/**
 * Sends what waits when the person has gone, without a notification: the system chooses the moment, and nothing runs in the
 * foreground. The `Application` is the [SessionHolder].
 */
public class FlushJobService : JobService() {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    private var sending: Job? = null

    override fun onStartJob(params: JobParameters): Boolean {
        val holder = application as? SessionHolder ?: return false
        sending = scope.launch {
            val outcome = try {
                FlushJob.run(holder.session())
            } catch (_: UnspoolException) {
                // The session did not open; whatever waits is on disk.
                FlushJob.Outcome.AGAIN
            }
            jobFinished(params, outcome == FlushJob.Outcome.AGAIN)
        }
        return true
    }

    /** The time is up: the wait ends in the core too, and what was not sent stays on disk. */
    override fun onStopJob(params: JobParameters): Boolean {
        sending?.cancel()
        return true
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    public companion object {
        /** The job's number among those of the app, where the app has not another use for it. */
        public const val JOB: Int = 0x0_5F00

        /** First wait after a failure; the system doubles it. */
        private const val BACK_OFF_MS = 30_000L

        /** Asks the system for one flush, as soon as there is a network. Asked twice, it is one. */
        public fun schedule(context: Context, job: Int = JOB): Boolean {
            val wanted = JobInfo.Builder(job, ComponentName(context, FlushJobService::class.java))
                .setRequiredNetworkType(JobInfo.NETWORK_TYPE_ANY)
                .setBackoffCriteria(BACK_OFF_MS, JobInfo.BACKOFF_POLICY_EXPONENTIAL)
                .build()
            return context.service<JobScheduler>().schedule(wanted) == JobScheduler.RESULT_SUCCESS
        }
    }
}
