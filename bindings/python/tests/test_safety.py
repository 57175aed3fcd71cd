"""The safety filter: hidden items never appear, covered ones say why and are revealed, and what has to go goes at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import WITHIN, Follower, Origin, config, in_time, offline, rules, until
from unspool import (
    AgeBand,
    Event,
    Feed,
    FeedKind,
    Harm,
    HarmChoice,
    LabelChoice,
    LabelOf,
    MutedWord,
    RulesTrouble,
    SafetyChoice,
    SafetySettings,
    SafetySource,
    SafetyWeight,
    Unspool,
    UnspoolError,
)


async def closed(follower: Follower, item: str) -> Event.CARD_CLOSED:
    """Waits until an item is closed."""
    wanted = follower.until(lambda event: isinstance(event, Event.CARD_CLOSED) and event.item == item)
    event = await in_time(f"{item} is closed", wanted)
    assert isinstance(event, Event.CARD_CLOSED)
    return event


async def ids(feed: Feed) -> list[str]:
    """What is ahead, as far as it is known."""
    return [item.id for item in await feed.peek(50)]


async def test_a_hidden_item_never_appears_and_a_covered_one_says_why_and_is_revealed(
    origin: Origin, core: Path
) -> None:
    items = await origin.offered(8)
    for number, labels in enumerate([[], ["scam"], ["nobody_knows_this"], ["misinformation"], ["porn"], []]):
        await origin.label(items[number], labels)
    async with await Unspool.open(config(core, origin)) as session:
        await session.set_safety(SafetySettings(age=AgeBand.ADULT))
        feed = session.feed(FeedKind.NON_PROFILED())
        events = Follower(feed)
        plain = await feed.next()
        assert plain.item.id == items[0] and plain.item.thumbnail is not None
        assert not plain.safety.covered and not plain.safety.hidden and plain.safety.reasons == []
        ahead = await ids(feed)
        assert ahead[:3] == [items[2], items[3], items[5]] and items[1] not in ahead and items[4] not in ahead

        covered = await feed.next()
        assert covered.item.id == items[2], "the scam is passed over"
        assert covered.safety.covered and covered.safety.revealable and covered.item.thumbnail is None
        (reason,) = covered.safety.reasons
        assert reason.source == SafetySource.UNKNOWN_LABEL(of=LabelOf.ITEM)
        assert (reason.name, reason.weight, reason.overridable) == ("nobody_knows_this", SafetyWeight.BLUR, True)
        assert covered.safety.surfaces.list.blur and not covered.safety.surfaces.list.filter
        state = await until(feed, "it is current", lambda s: s.current == covered.position)
        assert state.window[0].covered and state.frames == 0 and state.hidden == 2
        shown = await feed.reveal(covered.position)
        assert not shown.safety.covered and shown.item.thumbnail is not None
        assert shown.safety.reasons == covered.safety.reasons, "the reason stays readable"
        await events.first_frame(shown.position)

        marked = await feed.next()
        assert marked.item.id == items[3] and not marked.safety.covered
        assert marked.safety.no_amplification and marked.safety.surfaces.list.alert
        assert [(r.harm, r.weight) for r in marked.safety.reasons] == [(Harm.CONSPIRACY, SafetyWeight.MARK)]
        with pytest.raises(UnspoolError.NotRevealable):
            await feed.reveal(marked.position)
        fifth = await feed.next()
        assert fifth.item.id == items[5], "an adult who did not ask for it does not see it"


async def test_a_late_label_and_a_blocked_creator_take_cards_away(origin: Origin, core: Path) -> None:
    items = await origin.offered(2)
    async with await Unspool.open(config(core, origin)) as session:
        await session.set_safety(SafetySettings(age=AgeBand.ADULT))
        feed = session.feed(FeedKind.NON_PROFILED())
        events = Follower(feed)
        first = await feed.next()
        await origin.label(items[1], ["fraud"])
        feed.refresh_labels()
        gone = await closed(events, items[1])
        assert not gone.current and gone.safety.hidden and not gone.safety.revealable
        assert [(r.name, r.harm) for r in gone.safety.reasons] == [("fraud", Harm.SCAM)]
        assert items[1] not in await ids(feed)

        creator = next(i.creator.id for i in await feed.peek(50) if i.creator.id != first.item.creator.id)
        theirs = [i.id for i in await feed.peek(50) if i.creator.id == creator]
        await session.set_blocked(creator, True)
        gone = await closed(events, theirs[0])
        assert [r.source for r in gone.safety.reasons] == [SafetySource.BLOCKED()]
        assert not set(theirs) & set(await ids(feed))
        assert session.safety().blocked == [creator]
        await session.flush(WITHIN)
        assert await origin.wishes("ada", "block") == [creator]
        await session.set_blocked(creator, False)
        assert session.safety().blocked == []
        await session.set_blocked(first.item.creator.id, True)
        assert (await closed(events, first.item.id)).current, "the one on the screen goes too"


async def test_what_was_chosen_stays_and_what_cannot_be_changes_nothing(core: Path) -> None:
    chosen = SafetySettings(
        age=AgeBand.TEEN,
        adult_content=True,
        harms=[
            HarmChoice(harm=Harm.SCAM, choice=SafetyChoice.SHOW),
            HarmChoice(harm=Harm.PROPAGANDA, choice=SafetyChoice.HIDE),
        ],
        labels=[LabelChoice(label="nudity", choice=SafetyChoice.WARN)],
        words=[
            MutedWord(value="spoiler"),
            MutedWord(value="quiz", tags_only=True, except_followed=True, expires_at_ms=2**41),
        ],
        topics=["science"],
        sounds=["sound-1"],
        creators=["cleo"],
        blocked=["bob"],
    )
    async with await Unspool.open(offline(core)) as session:
        assert session.safety() == SafetySettings(age=AgeBand.UNKNOWN)
        await session.set_safety(chosen)
        with pytest.raises(UnspoolError.Config):
            await session.set_safety(SafetySettings(age=AgeBand.TEEN, words=[MutedWord(value=" ")]))
        with pytest.raises(UnspoolError.Guarded) as guarded:
            await session.set_safety(SafetySettings(age=AgeBand.ADULT))
        assert not guarded.value.is_set
        with pytest.raises(UnspoolError.Config):
            await session.set_blocked("", True)
        assert session.safety() == chosen
    async with await Unspool.open(offline(core)) as session:
        assert session.safety() == chosen


async def test_rules_hold_at_once_and_forged_or_older_ones_are_refused(origin: Origin, core: Path) -> None:
    shared = rules()
    documents = {name: json.dumps(shared[name]) for name in ("first", "second", "forged")}
    items = await origin.offered(3)
    for item, labels in zip(items, [[], ["paid_promotion"], []]):
        await origin.label(item, labels)
    trusting = config(core, origin)
    trusting.safety_keys = [shared["key"]]
    async with await Unspool.open(trusting) as session:
        await session.set_safety(SafetySettings(age=AgeBand.ADULT))
        feed = session.feed(FeedKind.NON_PROFILED())
        await feed.next()
        assert (await ids(feed))[0] == items[1] and session.rules_version() == 0
        assert await session.set_rules(documents["second"]) == 2
        await closed(Follower(feed), items[1])
        assert (await feed.next()).item.id == items[2]

        async def refused(document: str) -> RulesTrouble:
            with pytest.raises(UnspoolError.Rules) as error:
                await session.set_rules(document)
            assert "those in use stay" in str(error.value)
            trouble: RulesTrouble = error.value.trouble
            return trouble

        assert await refused(documents["first"]) == RulesTrouble.OLDER(held=2, offered=1)
        assert await refused(documents["forged"]) == RulesTrouble.SIGNATURE()
        assert await refused(documents["second"].replace("hide", "show")) == RulesTrouble.SIGNATURE()
        assert isinstance(await refused("{}"), RulesTrouble.MALFORMED)
        assert session.rules_version() == 2
