"""Cancelling loses nothing, and reaches the core."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from support import WITHIN, Origin, all_events, collect, config, eventually
from unspool import Event, FeedKind, Unspool, UnspoolError

CANCELS = 660
#: Seconds. A call that crosses threads takes some tens of microseconds, one that writes to the disk some milliseconds.
LONGEST = 0.006


async def cancel_soon(task: asyncio.Future[None], chance: random.Random) -> None:
    """Lets a task run for a moment that differs from call to call, then cancels it and waits for its end."""
    end = time.monotonic() + chance.random() * LONGEST
    while time.monotonic() < end and not task.done():
        await asyncio.sleep(0)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    # Swiping to and fro meets the ends.
    allowed = (asyncio.CancelledError, UnspoolError.EndOfFeed)
    assert result is None or isinstance(result, allowed), repr(result)


async def test_cancelling_at_every_step_loses_no_event_and_no_acknowledged_like(origin: Origin, core: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    session = await Unspool.open(config(core, origin))
    feed = session.feed(FeedKind.FOR_YOU())
    await feed.next()
    acknowledged: set[str] = set()

    async def like(n: int) -> None:
        await session.set_liked(f"wish-{n}", True)
        acknowledged.add(f"wish-{n}")

    calls: list[Callable[[int], Awaitable[object]]] = [
        lambda n: feed.next(),
        lambda n: feed.previous(),
        lambda n: feed.snapshot_after(feed.snapshot().revision),
        lambda n: feed.events_after(0),
        lambda n: feed.peek(3),
        lambda n: session.topics(),
        lambda n: session.interests(),
        lambda n: session.liked(f"wish-{n}"),
        lambda n: collect(feed.snapshots()),
        lambda n: session.flush(WITHIN),
        like,
    ]
    got: list[Event] = []
    last = 0

    async def read() -> None:
        nonlocal last
        async for batch in feed.event_batches(last):
            assert batch.missed == 0
            got.extend(batch.events)
            last = batch.last

    async def reader() -> None:
        # It is cancelled as well, again and again, and goes on where it was.
        own = random.Random(seed + 1)
        while True:
            await cancel_soon(asyncio.ensure_future(read()), own)

    async def call(n: int) -> None:
        await calls[n % len(calls)](n)

    reading = asyncio.ensure_future(reader())
    for n in range(CANCELS):
        await cancel_soon(asyncio.ensure_future(call(n)), chance)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    # On a busy machine every call may be cancelled before its end: one is left alone.
    await like(CANCELS)

    report = await session.shutdown(WITHIN)
    assert report.clean
    # What happened after the reader left is still there, and then the feed is at its end.
    await read()
    log = all_events(feed)
    assert got == log, "every event once, in order"
    assert last == len(log)

    out = report.outgoing
    assert out.queued + out.intents_queued + out.dropped + out.quarantined + out.intents_wedged == 0, out
    assert out.recorded == out.delivered
    assert len(await origin.records(session.status().installation)) == out.recorded
    assert await origin.operations() == out.intents, "each intent once"
    likes = await origin.likes("ada")
    assert acknowledged <= set(likes), "what was acknowledged is at the origin"
    assert len(likes) == len(set(likes))
    print(f"{len(log)} events, {len(acknowledged)} acknowledged of {len(likes)} likes, {out.recorded} records")


async def test_a_cancelled_call_reaches_the_core_and_the_origin_sees_the_request_end(
    origin: Origin, core: Path
) -> None:
    async with await Unspool.open(config(core, origin)) as session:
        stall = {"kind": "stall", "after_bytes": 0, "ms": 600_000}
        await origin.fault({"path_prefix": "/v1/topics", "action": stall})
        wait = asyncio.ensure_future(session.topics())

        async def flying(count: int) -> bool:
            return await origin.in_flight() == count

        await eventually("the request is at the origin", lambda: flying(1))
        wait.cancel()
        await asyncio.gather(wait, return_exceptions=True)
        asked = time.monotonic()
        await eventually("the request ends", lambda: flying(0))
        assert time.monotonic() - asked < 5, "far less than the request time-out, which would end it as well"
        assert await session.topics()


async def test_iterators_begin_at_once_and_end_with_the_session(origin: Origin, core: Path) -> None:
    session = await Unspool.open(config(core, origin))
    feed = session.feed(FeedKind.FOR_YOU())
    async for snapshot in feed.snapshots():
        assert snapshot.revision <= feed.snapshot().revision
        break
    readers = [asyncio.ensure_future(collect(feed.snapshots())) for _ in range(20)]
    leavers = [asyncio.ensure_future(collect(feed.snapshots())) for _ in range(20)]
    await feed.next()
    for leaver in leavers:
        leaver.cancel()
    left = await asyncio.gather(*leavers, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in left)
    assert (await session.shutdown(WITHIN)).clean
    for snapshots in await asyncio.gather(*readers):
        revisions = [snapshot.revision for snapshot in snapshots]
        assert revisions == sorted(set(revisions)), "each newer than the one before"
    assert await collect(feed.events()) == all_events(feed)
    assert await collect(feed.events(after=1)) == all_events(feed)[1:]
