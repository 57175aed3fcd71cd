"""The core's log: pulled by number, and nobody's secrets in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Origin, config, in_time
from unspool import Conditions, FeedKind, LogLevel, LogLine, Unspool, UnspoolError, log_batches, set_log_level

#: Lines in a batch; one with fewer is the newest.
MOST = 256


async def lines_so_far() -> list[LogLine]:
    """Every line that is kept."""
    found: list[LogLine] = []
    async for batch in log_batches():
        assert batch.missed == 0
        found += batch.lines
        if len(batch.lines) < MOST:
            break
    return found


async def test_lines_are_pulled_and_hold_nothing_personal(origin: Origin, core: Path) -> None:
    assert set_log_level(LogLevel.DEBUG)
    secrets = ["ada.1", "a-word-of-mine", origin.url.removeprefix("http://")]
    try:
        async with await Unspool.open(config(core, origin)) as session:
            feed = session.feed(FeedKind.FOR_YOU())
            card = await in_time("a card", feed.next())
            secrets += [card.item.id, card.item.creator.id, card.item.asset_id]
            await session.add_comment(card.item.id, "a-word-of-mine")
            await session.set_liked(card.item.id, True)
            await origin.fault({"path_prefix": "/v1/feed", "action": {"kind": "status", "status": 503}})
            feed.refresh()
            session.set_conditions(Conditions(online=False))
            session.set_conditions(Conditions())
            await session.flush()
        # Against nothing, so that something fails for certain.
        broken = config(core / "other", None)
        broken.backend = "http://127.0.0.1:9"
        async with await Unspool.open(broken) as session:
            with pytest.raises(UnspoolError.Offline):
                await session.feed(FeedKind.FOR_YOU()).next()
        lines = await lines_so_far()
    finally:
        assert set_log_level(None)
    assert lines and [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert all(line.target.startswith("unspool") and line.text for line in lines)
    for line in lines:
        if line.level in (LogLevel.ERROR, LogLevel.WARN, LogLevel.INFO):
            assert not [secret for secret in secrets if secret in line.text], line
