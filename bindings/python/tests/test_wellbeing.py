"""Limits, the card that stands in a video's place, the guardian's passcode, and all settings as one value."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from support import Follower, Origin, collect, config, eventually, in_time, offline, until
from unspool import (
    AgeBand,
    BreakAction,
    BreakCard,
    BreakCause,
    BreakMeasure,
    Event,
    Feed,
    FeedKind,
    LimitChoices,
    Night,
    PreferenceChoices,
    Preferences,
    Purpose,
    SafetySettings,
    Settings,
    Unspool,
    UnspoolError,
    WellbeingState,
)


def noon() -> int:
    """Minutes east of UTC of where it is noon now: no test ends at midnight or in a night."""
    return 720 - int(time.time()) // 60 % 1_440


async def broken(feed: Feed) -> BreakCard:
    """The break that stands in the way of the next card."""
    with pytest.raises(UnspoolError.Break) as error:
        await feed.next()
    card: BreakCard = error.value.card
    return card


async def test_a_break_stands_in_a_cards_place_and_only_its_own_way_out_passes_it(origin: Origin, core: Path) -> None:
    made = config(core, origin)
    made.utc_offset_min = noon()
    async with await Unspool.open(made) as session:
        feed = session.feed(FeedKind.NON_PROFILED())
        await session.set_limits(LimitChoices(endless=False))
        for _ in range(10):
            await feed.next()
        reminder = await broken(feed)
        assert (reminder.cause, reminder.measure) == (BreakCause.PAGE, BreakMeasure.REMIND)
        assert reminder.actions == [BreakAction.LEAVE, BreakAction.GO_ON] and reminder.opens_in_ms == 0
        standing = (await until(feed, "it stands", lambda s: s.resting is not None)).resting
        assert standing is not None and standing.number == reminder.number
        events = Follower(feed)
        told = await in_time("it is told", events.until(lambda e: isinstance(e, Event.BREAK_BEGAN)))
        assert isinstance(told, Event.BREAK_BEGAN) and told.card.number == reminder.number
        await feed.next()
        await in_time("it is over", events.until(lambda e: isinstance(e, Event.BREAK_OVER)))

        await session.set_limits(LimitChoices(night=Night(from_min=600, until_min=840), at_night=BreakMeasure.STOP))
        await session.set_passcode("2468")
        asleep = await broken(feed)
        assert (asleep.cause, asleep.measure) == (BreakCause.NIGHT, BreakMeasure.STOP)
        assert asleep.passcode_opens and asleep.opens_in_ms > 3_000_000
        assert asleep.actions == [BreakAction.LEAVE, BreakAction.WAIT, BreakAction.ALLOW_MORE]
        for _ in range(50):
            assert (await broken(feed)).number == asleep.number
        with pytest.raises(UnspoolError.Break, match="call again in "):
            await feed.next()
        for loosened in (session.set_limits(LimitChoices()), session.allow_more(5)):
            with pytest.raises(UnspoolError.Guarded) as guarded:
                await loosened
            assert guarded.value.is_set

        with pytest.raises(UnspoolError.WrongPasscode) as mistyped:
            await session.give_passcode("0000")
        assert (mistyped.value.wait, mistyped.value.wrong) == (timedelta(), 1)
        await session.give_passcode("2468")
        opened = session.wellbeing().passcode
        assert opened.is_set and opened.unlocked and opened.wrong == 0
        await session.allow_more(5)
        card = await feed.next()
        await events.first_frame(card.position)

        async def counts() -> bool:
            return session.wellbeing().total_ms > 0

        await eventually("it counts", counts)
        session.lock_limits()
        assert not session.wellbeing().passcode.unlocked
        for _ in range(5):
            with pytest.raises(UnspoolError.WrongPasscode) as mistyped:
                await session.give_passcode("0000")
        assert mistyped.value.wait > timedelta(seconds=20) and mistyped.value.wrong == 5
        assert "ask again in " in str(mistyped.value)


async def test_somebody_under_age_is_guarded_and_what_was_chosen_stays(core: Path) -> None:
    made = offline(core)
    made.utc_offset_min = noon()
    async with await Unspool.open(made) as session:
        grown_up = session.wellbeing()
        assert grown_up.limits == grown_up.policy and grown_up.chosen == LimitChoices() and not grown_up.guarded

        async def guarded() -> WellbeingState:
            async for state in session.wellbeing_states():
                if state.guarded:
                    return state
            raise AssertionError("the states ended")

        changed = asyncio.ensure_future(guarded())
        await session.set_safety(SafetySettings(age=AgeBand.UNDER16))
        minor = (await in_time("it is told", changed)).limits
        assert (minor.daily_min, minor.at_daily) == (60, BreakMeasure.STOP)
        assert not (minor.autoplay or minor.endless or minor.push)
        assert minor.night == Night(from_min=22 * 60, until_min=7 * 60)
        with pytest.raises(UnspoolError.Guarded) as refused:
            await session.set_limits(LimitChoices(autoplay=True))
        assert not refused.value.is_set
        await session.set_limits(LimitChoices(daily_min=30))
        assert (session.wellbeing().limits.daily_min, session.wellbeing().policy.daily_min) == (30, 60)
        for bad in (LimitChoices(break_min=4), LimitChoices(daily_min=4_000_000_000)):
            with pytest.raises(UnspoolError.Config):
                await session.set_limits(bad)
        for wrong in (session.set_passcode("123"), session.give_passcode("1234")):
            with pytest.raises(UnspoolError.Config):
                await wrong
        session.set_time_zone(timezone(timedelta(hours=5, minutes=45)))
        session.set_time_zone()
        with pytest.raises(UnspoolError.Config):
            session.set_utc_offset(15 * 60)
        week = session.recap(int(time.time()) // 86_400)
        assert len(week.days_ms) == 7 and week.before_ms == 0 and week.monday % 7 == 4, "1970 began with a Thursday"
        await session.recap_shown()
        assert session.wellbeing().recap_due is None
    async with await Unspool.open(made) as session:
        assert session.wellbeing().chosen == LimitChoices(daily_min=30)


async def test_settings_are_one_value_with_the_policy_beside_the_choice(core: Path) -> None:
    made = offline(core)
    made.captions, made.reduced_motion = ["en"], True
    chosen = PreferenceChoices(
        captions=["de", "*"], reduced_motion=False, data_saver=True, consent=[Purpose.MEASUREMENT]
    )
    async with await Unspool.open(made) as session:
        fresh = await session.settings()
        assert fresh.preferences == fresh.preferences_policy and fresh.preferences_chosen == PreferenceChoices()
        assert fresh.preferences.reduced_motion and fresh.preferences.captions == ["en"]
        assert len(fresh.preferences.consent) == 3
        assert (await session.settings()).revision == fresh.revision, "nothing changed"

        async def told() -> Settings:
            async for state in session.settings_states():
                if state.preferences_chosen == chosen:
                    return state
            raise AssertionError("the states ended")

        telling = asyncio.ensure_future(told())
        await session.set_preferences(chosen)
        assert (await in_time("it is told", telling)).revision > fresh.revision
        with pytest.raises(UnspoolError.Config):
            await session.set_preferences(PreferenceChoices(captions=["no tag"]))
        await session.set_limits(LimitChoices(break_min=20))
        await session.set_safety(SafetySettings(age=AgeBand.ADULT))
        await session.set_interests(["science"])
        known = await session.settings()
        assert known.preferences == Preferences(
            captions=["de", "*"], reduced_motion=False, data_saver=True, consent=[Purpose.MEASUREMENT]
        )
        assert known.preferences_policy == fresh.preferences_policy, "the policy stands beside the choice"
        assert (known.limits.break_min, known.limits_policy.break_min) == (20, 60)
        assert (known.safety.age, known.interests) == (AgeBand.ADULT, ["science"])
        following = asyncio.gather(collect(session.settings_states()), collect(session.wellbeing_states()))
        await asyncio.sleep(0)
        await session.shutdown()
        settings, times = await in_time("the states end", following)
        assert len(settings) + len(times) < 10
    async with await Unspool.open(made) as session:
        again = await session.settings()
        again.revision = known.revision
        assert again == known
