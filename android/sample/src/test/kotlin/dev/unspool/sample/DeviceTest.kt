package dev.unspool.sample

import android.app.job.JobScheduler
import android.content.Intent
import android.content.pm.PackageManager
import android.os.PowerManager
import android.provider.Settings
import android.widget.Button
import dev.unspool.Harm
import dev.unspool.SafetyChoice
import dev.unspool.android.FlushJobService
import dev.unspool.android.motionReduced
import dev.unspool.shell.Signals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowAlertDialog
import android.app.AlertDialog

class DeviceTest : Screens() {
    private fun signals(): Signals = awaits("the session") { app.opened() }.watch.device.view.value

    @Test
    fun `what the system says reaches the core, and leaving asks for a job`() {
        val screen = feed()
        assertTrue(signals().visible)
        val power = app.getSystemService(PowerManager::class.java)
        shadowOf(power).setIsPowerSaveMode(true)
        app.sendBroadcast(Intent(PowerManager.ACTION_POWER_SAVE_MODE_CHANGED))
        until("battery saver") { signals().batterySaver }
        shadowOf(power).setCurrentThermalStatus(PowerManager.THERMAL_STATUS_SEVERE)
        until("heat") { signals().conditions.hot }
        leave(screen)
        until("it left the screen") { !signals().visible }
        val job = app.getSystemService(JobScheduler::class.java).allPendingJobs.single()
        assertEquals(FlushJobService.JOB to FlushJobService::class.java.name, job.id to job.service.className)
        comeBack(screen)
        until("it is back, and plays") { signals().visible && screen.awake }
        assertEquals(null, awaits("the session") { app.opened() }.watch.device.lastTrouble())
        assertFalse(motionReduced(app))
        Settings.Global.putFloat(app.contentResolver, Settings.Global.ANIMATOR_DURATION_SCALE, 0f)
        assertTrue(motionReduced(app))
    }

    @Test
    fun `settings hold, a passcode closes them, and an erasure begins anew`() {
        awaits("a limit") { app.session().run { setLimits(wellbeing().chosen.copy(dailyMin = 30u)) } }
        val feed = feed()
        val screen = open(SettingsActivity::class.java)
        fun button(words: Int) = screen.root.named(screen.getString(words))
        until("all is read") { screen.getString(R.string.learner_erase) in screen.root.words() && screen.getString(R.string.data_saver) in screen.root.words() }
        screen.root.all().filterIsInstance<Button>().first { it.text.startsWith(screen.getString(R.string.harm_scam)) }.performClick()
        choose(SafetyChoice.HIDE.ordinal)
        until("scams are hidden") { awaits("safety") { app.session().safety() }.harms.any { it.harm == Harm.SCAM && it.choice == SafetyChoice.HIDE } }
        button(R.string.data_saver).performClick()
        until("fewer bytes") { awaits("settings") { app.session().settings() }.preferences.dataSaver }
        screen.root.all().filterIsInstance<android.widget.EditText>().first { it.hint == screen.getString(R.string.passcode_hint) }.setText("2468")
        button(R.string.passcode_set).performClick()
        until("it is closed") { screen.getString(R.string.passcode_closed) in screen.root.words() }
        val holds = awaits("limits") { app.session().wellbeing() }.limits.dailyMin
        button(R.string.limit_more).performClick()
        until("it takes the passcode") { screen.getString(R.string.trouble_guarded) in screen.root.words() }
        assertEquals(holds, awaits("limits") { app.session().wellbeing() }.limits.dailyMin)
        val before = awaits("the session") { app.session() }
        button(R.string.erase).performClick()
        (ShadowAlertDialog.getLatestDialog() as AlertDialog).getButton(AlertDialog.BUTTON_POSITIVE).performClick()
        until("the screen closes") { screen.isFinishing }
        assertTrue(awaits("a new session") { app.session() } !== before)
        assertTrue(awaits("interests") { app.session().interests() }.isEmpty())
        comeBack(feed.also(::leave))
        until("it asks anew") { feed.findViewById<OnboardingView>(R.id.interests) != null }
    }

    @Test
    fun `what the manifest names is there`() {
        val flags = PackageManager.GET_ACTIVITIES or PackageManager.GET_SERVICES or PackageManager.GET_PERMISSIONS
        val all = app.packageManager.getPackageInfo(app.packageName, flags)
        val named = all.activities.map { it.name } + all.services.map { it.name }
        assertEquals(3, named.size)
        named.forEach { Class.forName(it) }
        assertEquals(TestApp::class.java.superclass.name, "dev.unspool.sample.SampleApp")
        assertEquals(android.Manifest.permission.BIND_JOB_SERVICE, all.services.single().permission)
        assertFalse(all.services.single().exported)
        assertEquals(
            setOf(android.Manifest.permission.INTERNET, android.Manifest.permission.ACCESS_NETWORK_STATE),
            all.requestedPermissions.toSet(),
        )
    }
}
