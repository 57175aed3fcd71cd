"""Reports: one however often somebody taps, hidden at once, with a receipt, and told about until somebody decided."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import OFFLINE, WITHIN, Follower, Origin, config, eventually, in_time, until
from unspool import (
    Conditions,
    Event,
    FeedKind,
    Harm,
    HarmChoice,
    Report,
    ReportReason,
    ReportState,
    ReportSubject,
    SafetyChoice,
    SafetySettings,
    SafetySource,
    Scene,
    Unspool,
    UnspoolError,
)


async def test_taps_without_a_network_are_one_report_that_is_received_and_decided_about(
    origin: Origin, core: Path
) -> None:
    async with await Unspool.open(config(core, origin)) as session:
        feed = session.feed(FeedKind.NON_PROFILED())
        card = await feed.next()
        assert card.item.alt_text
        await Follower(feed).first_frame(card.position)
        session.set_conditions(OFFLINE)
        report = Report(
            subject=ReportSubject.ITEM(id=card.item.id),
            reason=ReportReason.MISLEADING_SCAM,
            scene=Scene(from_ms=1_200, to_ms=2_700),
            words="They want “coins” first.",
        )
        for _ in range(20):
            await session.report(report)
        (filed,) = await session.reports()
        assert (filed.state, filed.taps, filed.report) == (ReportState.WAITING(), 20, report)
        assert filed.receipt and filed.at_ms > 1_600_000_000_000

        def gone(event: Event) -> bool:
            return isinstance(event, Event.CARD_CLOSED) and event.item == card.item.id

        closed = await in_time("it goes", Follower(feed).until(gone))
        assert isinstance(closed, Event.CARD_CLOSED) and closed.current
        assert [reason.source for reason in closed.safety.reasons] == [SafetySource.HIDDEN_ITEM()]
        spam, item = ReportReason.SPAM, ReportSubject.ITEM(id="x")
        for wrong in [
            Report(subject=item, reason=spam, scene=Scene(from_ms=2, to_ms=1)),
            Report(subject=item, reason=spam, words="a" * 301),
            Report(subject=ReportSubject.CREATOR(id="c"), reason=spam, scene=Scene(from_ms=1, to_ms=2)),
            Report(subject=ReportSubject.COMMENT(id=""), reason=spam),
        ]:
            with pytest.raises(UnspoolError.Config):
                await session.report(wrong)

        session.set_conditions(Conditions())
        await session.flush(WITHIN)

        async def received() -> bool:
            return [one.state for one in await session.reports()] == [ReportState.RECEIVED()]

        await eventually("it is received", received)
        target = f"item:{card.item.id}#misleading.scam@1200-2700"
        assert await origin.wishes("ada", "report") == [target]
        assert [told["words"] for told in await origin.reports()] == [report.words]
        await origin.decide("ada", target, "removed")
        assert [one.state for one in await session.refresh_reports()] == [ReportState.DECIDED(outcome="removed")]
        later = session.feed(FeedKind.FOR_YOU())
        await later.next()
        assert card.item.id not in [one.id for one in await later.peek(50)]


async def test_flashing_lights_are_covered_until_somebody_decides(origin: Origin, core: Path) -> None:
    items = await origin.offered(4)
    for item, labels in zip(items, [["flashing"], ["flashing"], ["flashing"], []]):
        await origin.label(item, labels)
    async with await Unspool.open(config(core, origin)) as session:
        feed = session.feed(FeedKind.NON_PROFILED())
        card = await feed.next()
        assert card.item.id == items[0] and card.safety.covered and card.safety.revealable
        assert [reason.harm for reason in card.safety.reasons] == [Harm.FLASHING] and card.item.thumbnail is None
        assert card.safety.surfaces.media.blur and not card.safety.surfaces.list.blur, "its words stay readable"
        state = await until(feed, "it is current", lambda s: s.current == card.position)
        assert state.window[0].covered and state.window[0].ahead_ms == 0 and state.frames == 0
        await feed.reveal(card.position)
        await Follower(feed).first_frame(card.position)

        async def choose(choice: SafetyChoice) -> None:
            harms = [HarmChoice(harm=Harm.FLASHING, choice=choice)]
            await session.set_safety(SafetySettings(age=session.safety().age, harms=harms))

        async def open_to_all() -> bool:
            return (await feed.peek(1))[0].thumbnail is not None

        async def skipped() -> bool:
            return items[2] not in [item.id for item in await feed.peek(50)]

        await choose(SafetyChoice.SHOW)
        await eventually("warnings are off", open_to_all)
        plain = await feed.next()
        assert plain.item.id == items[1] and not plain.safety.covered and plain.safety.reasons == []
        await choose(SafetyChoice.HIDE)
        await eventually("they are skipped", skipped)
        assert (await feed.next()).item.id == items[3]
