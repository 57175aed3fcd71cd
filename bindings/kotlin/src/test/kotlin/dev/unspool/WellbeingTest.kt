package dev.unspool

import kotlinx.coroutines.async
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path
import java.time.Duration
import java.time.Instant
import java.time.ZoneId

/** Limits, the card that stands in a video's place, the guardian's passcode, and all settings as one value. */
class WellbeingTest {
    /** Minutes east of UTC of where it is noon now: no test ends at midnight or in a night. */
    private fun noon(): Int = 720 - (Instant.now().epochSecond / 60 % 1_440).toInt()

    private val none = LimitChoices()
    private val reminds = listOf(BreakAction.LEAVE, BreakAction.GO_ON)
    private val stops = listOf(BreakAction.LEAVE, BreakAction.WAIT, BreakAction.ALLOW_MORE)

    private suspend fun Feed.broken(): BreakCard = assertThrows<UnspoolException.Break> { next() }.card

    @Test
    fun `a break stands in a card's place, and only its own way out passes it`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin).copy(utcOffsetMin = noon())) { session ->
                val feed = session.feed(FeedKind.NonProfiled)
                session.setLimits(none.copy(endless = false))
                repeat(10) { feed.next() }
                val reminder = feed.broken()
                assertEquals(BreakCause.PAGE to BreakMeasure.REMIND, reminder.cause to reminder.measure)
                assertEquals(reminds to 0uL, reminder.actions to reminder.opensInMs)
                assertEquals(reminder.number, feed.until("it stands") { it.resting != null }.resting?.number)
                val events = Follower(feed)
                val told = inTime("it is told") { events.until { it is Event.BreakBegan } } as Event.BreakBegan
                assertEquals(reminder.number, told.card.number)
                feed.next()
                inTime("it is over") { events.until { it == Event.BreakOver } }

                val night = none.copy(night = Night(600u, 840u), atNight = BreakMeasure.STOP)
                session.setLimits(night)
                session.setPasscode("2468")
                val asleep = feed.broken()
                assertEquals(BreakCause.NIGHT to BreakMeasure.STOP, asleep.cause to asleep.measure)
                assertTrue(asleep.passcodeOpens && asleep.opensInMs > 3_000_000uL && asleep.actions == stops, "$asleep")
                repeat(50) { assertEquals(asleep.number, feed.broken().number) }
                assertTrue("call again in " in assertThrows<UnspoolException.Break> { feed.next() }.toString())
                assertTrue(assertThrows<UnspoolException.Guarded> { session.setLimits(none) }.isSet)
                assertTrue(assertThrows<UnspoolException.Guarded> { session.allowMore(5u) }.isSet)

                val mistyped = assertThrows<UnspoolException.WrongPasscode> { session.givePasscode("0000") }
                assertEquals(Duration.ZERO to 1u, mistyped.wait to mistyped.wrong)
                session.givePasscode("2468")
                assertTrue(session.wellbeing().passcode.let { it.isSet && it.unlocked && it.wrong == 0u })
                session.allowMore(5u)
                val card = feed.next()
                events.firstFrame(card.position)
                eventually("it counts") { session.wellbeing().totalMs > 0uL }
                session.lockLimits()
                assertFalse(session.wellbeing().passcode.unlocked)
                repeat(4) { assertThrows<UnspoolException.WrongPasscode> { session.givePasscode("0000") } }
                val fifth = assertThrows<UnspoolException.WrongPasscode> { session.givePasscode("0000") }
                assertTrue(fifth.wait > Duration.ofSeconds(20) && fifth.wrong == 5u, "$fifth")
                assertTrue("ask again in " in fifth.toString())
            }
        }
    }

    @Test
    fun `somebody under age is guarded, and what was counted stays`(@TempDir dir: Path) = test {
        val config = configOf(dir.resolve("core"), origin = null, conditions = Conditions(online = false))
            .copy(backend = "http://127.0.0.1:9", utcOffsetMin = noon())
        withUnspool(config) { session ->
            val grownUp = session.wellbeing()
            assertTrue(grownUp.limits == grownUp.policy && grownUp.chosen == none && !grownUp.guarded, "$grownUp")
            val changed = async { session.wellbeingStates().first { it.guarded } }
            session.setSafety(SafetySettings(AgeBand.UNDER16))
            val minor = changed.await()
            assertEquals(60u to BreakMeasure.STOP, minor.limits.dailyMin to minor.limits.atDaily)
            assertFalse(minor.limits.autoplay || minor.limits.endless || minor.limits.push)
            assertEquals(Night(22u * 60u, 7u * 60u), minor.limits.night)
            assertFalse(assertThrows<UnspoolException.Guarded> { session.setLimits(none.copy(autoplay = true)) }.isSet)
            session.setLimits(none.copy(dailyMin = 30u))
            val stricter = session.wellbeing()
            assertEquals(listOf(30u, 60u), listOf(stricter.limits.dailyMin, stricter.policy.dailyMin))
            assertThrows<UnspoolException.Config> { session.setLimits(none.copy(breakMin = 4u)) }
            assertThrows<UnspoolException.Config> { session.setLimits(none.copy(dailyMin = 4_000_000_000u)) }
            assertThrows<UnspoolException.Config> { session.setPasscode("123") }
            assertThrows<UnspoolException.Config> { session.givePasscode("1234") }
            session.setTimeZone(ZoneId.of("Asia/Kathmandu"))
            assertThrows<UnspoolException.Config> { session.setUtcOffset(15 * 60) }
            val week = session.recap(Instant.now().epochSecond / 86_400)
            assertEquals(7 to 0uL, week.daysMs.size to week.beforeMs)
            assertEquals(4L, Math.floorMod(week.monday, 7L), "1970 began with a Thursday")
            session.recapShown()
            assertNull(session.wellbeing().recapDue)
        }
        withUnspool(config) { session -> assertEquals(none.copy(dailyMin = 30u), session.wellbeing().chosen) }
    }

    @Test
    fun `settings are one value with the policy beside the choice`(@TempDir dir: Path) = test {
        val config = configOf(dir.resolve("core"), origin = null, conditions = Conditions(online = false))
            .copy(backend = "http://127.0.0.1:9", captions = listOf("en"), reducedMotion = true)
        val chosen = PreferenceChoices(listOf("de", "*"), reducedMotion = false, dataSaver = true, listOf(Purpose.MEASUREMENT))
        lateinit var all: Settings
        withUnspool(config) { session ->
            val fresh = session.settings()
            assertEquals(fresh.preferencesPolicy, fresh.preferences)
            assertTrue(fresh.preferences.reducedMotion && fresh.preferences.captions == listOf("en"))
            assertEquals(3 to PreferenceChoices(), fresh.preferences.consent.size to fresh.preferencesChosen)
            assertEquals(fresh.revision, session.settings().revision, "nothing changed")
            val told = async { session.settingsStates().first { it.preferencesChosen == chosen } }
            session.setPreferences(chosen)
            assertTrue(told.await().revision > fresh.revision)
            assertThrows<UnspoolException.Config> { session.setPreferences(chosen.copy(captions = listOf("no tag"))) }
            session.setLimits(none.copy(breakMin = 20u))
            session.setSafety(SafetySettings(AgeBand.ADULT))
            session.setInterests(listOf("science"))
            all = session.settings()
            assertEquals(Preferences(listOf("de", "*"), false, true, listOf(Purpose.MEASUREMENT)), all.preferences)
            assertEquals(fresh.preferencesPolicy, all.preferencesPolicy, "the policy stands beside the choice")
            assertEquals(listOf(20u, 60u), listOf(all.limits.breakMin, all.limitsPolicy.breakMin))
            assertEquals(AgeBand.ADULT to listOf("science"), all.safety.age to all.interests)
            val states = async { session.settingsStates().toList() }
            val times = async { session.wellbeingStates().toList() }
            session.shutdown()
            assertTrue(inTime("the flows end") { states.await() + times.await() }.size < 10)
        }
        withUnspool(config) { session ->
            assertEquals(all.copy(revision = 0uL), session.settings().copy(revision = 0uL))
        }
    }
}
