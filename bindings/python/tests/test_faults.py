"""What a fault of the core looks like from here. The library under test has calls that panic on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import WITHIN, Follower, Origin, collect, config, in_time, outcome
from unspool import Event, FeedKind, InternalError, Unspool, UnspoolError


async def test_a_panic_is_an_error_and_the_session_goes_on(origin: Origin, core: Path) -> None:
    async with await Unspool.open(config(core, origin)) as session:
        with pytest.raises(InternalError):
            session.panic_here()
        with pytest.raises(UnspoolError.Internal) as fault:
            await session.panic_in_task()
        assert "report it" in str(fault.value)
        assert await session.topics()
        await session.set_liked("item-00001", True)
        assert (await session.flush(WITHIN)).intents_queued == 0


async def test_a_panic_in_the_feed_ends_that_feed_and_a_new_one_opens(origin: Origin, core: Path) -> None:
    async with await Unspool.open(config(core, origin)) as session:
        feed = session.feed(FeedKind.FOR_YOU())
        await feed.next()
        ended = await outcome(session.panic_in_feed())
        assert ended is None or isinstance(ended, UnspoolError)
        told: list[Event] = []
        with pytest.raises(UnspoolError.Internal):
            async for event in feed.events():
                told.append(event)
        assert isinstance(told[-1], Event.CORE_FAILED), told[-1]
        with pytest.raises(UnspoolError.Internal):
            await in_time("the states end", collect(feed.snapshots()))
        with pytest.raises(UnspoolError.Internal):
            await feed.next()
        again = session.feed(FeedKind.FOR_YOU())
        await Follower(again).first_frame((await again.next()).position)
