"""The scenario that every language runs: the steps of tests/scenario.json, in that order."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from support import WITHIN, Follower, Origin, config, until
from unspool import Conditions, Feed, FeedKind, FeedSnapshot, Stage, StartClass, Unspool

PREPARED = (Stage.RANGE_CACHED, Stage.PRE_ROLLED, Stage.PLAYING)





async def test_the_main_job_step_by_step(origin: Origin, core: Path) -> None:
    steps: list[str] = []

    steps.append("open")
    session = await Unspool.open(config(core, origin))
    assert session.status().outgoing.recorded == 0
    assert session.status().installation

    steps.append("choose_interests")
    chosen = [topic.id for topic in (await session.topics())[:2]]
    assert len(chosen) == 2
    await session.set_interests(chosen)
    assert sorted(await session.interests()) == sorted(chosen)

    steps.append("feed")
    feed: Feed = session.feed(FeedKind.FOR_YOU())
    assert feed.kind() == FeedKind.FOR_YOU()

    steps.append("prefetch")
    await until(feed, "a card is prepared before it is asked for", lambda s: any(c.stage in PREPARED for c in s.window))
    assert session.status().bytes.media > 0

    steps.append("play_three")
    events = Follower(feed)
    played = []
    for _ in range(3):
        card = await feed.next()
        frame = await events.first_frame(card.position)
        assert frame.width > 0 and frame.height > 0
        assert frame.luma is not None and frame.luma > 8.0, f"a picture, not a black one: {frame}"

        def enough(s: FeedSnapshot, position: int = card.position) -> bool:
            return s.current == position and s.frames >= 10 and s.window[0].ahead_ms + s.playhead_ms >= 3_000

        state = await until(feed, f"ten frames of card {card.position}, and enough for offline", enough)
        assert state.playhead_ms > 0
        played.append(card)
    assert len({card.item.id for card in played}) == 3
    liked = played[1].item.id

    steps.append("like")
    await session.set_liked(liked, True)
    assert await session.liked(liked) is True, "a wish is readable at once"

    steps.append("go_offline")
    await origin.network({"down": True})
    session.set_conditions(Conditions(online=False))
    await until(feed, "the feed knows", lambda s: not s.online)

    steps.append("replay_offline")
    for before in (played[1], played[0]):
        card = await feed.previous()
        assert card.item.id == before.item.id
        frame = await events.first_frame(card.position)
        assert frame.start_class is not StartClass.COLD, f"nothing is waited for: {frame}"

        def shown(s: FeedSnapshot, position: int = card.position) -> bool:
            return s.current == position and s.frames >= 3

        await until(feed, f"frames of card {card.position}", shown)

    steps.append("cancel_a_wait")
    earlier = feed.events_now(0)
    wait = asyncio.ensure_future(feed.events_after(2**64 - 1))
    await asyncio.sleep(0)
    wait.cancel()
    assert isinstance((await asyncio.gather(wait, return_exceptions=True))[0], asyncio.CancelledError)
    later = feed.events_now(0)
    assert later.missed == 0
    assert later.events[: len(earlier.events)] == earlier.events, "asking again gives the same"

    steps.append("go_online")
    await origin.network({})
    session.set_conditions(Conditions())
    await until(feed, "the feed knows", lambda s: s.online)

    steps.append("flush")
    left = await session.flush(WITHIN)
    assert left.queued + left.intents_queued == 0, left
    assert left.intents == left.intents_delivered

    steps.append("shut_down_twice")
    report = await session.shutdown(WITHIN)
    assert report.clean
    assert await session.shutdown(WITHIN) == report

    steps.append("server_has_it_once")
    out = report.outgoing
    assert out.recorded == out.delivered == 5, f"five viewings: {out}"
    records = await origin.records(session.status().installation)
    assert len(records) == out.recorded
    assert len({record["seq"] for record in records}) == out.recorded
    assert await origin.likes("ada") == [liked]
    assert await origin.operations() == out.intents, "each intent arrived once"
    assert sorted(await origin.wishes("ada", "interest")) == sorted(chosen)

    agreed = json.loads(Path(os.environ["UNSPOOL_SCENARIO"]).read_text())["steps"]
    assert steps == agreed, "the steps are those every language takes"
