"""Keeping for offline: progress, playing without a network, the file, forgetting."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import OFFLINE, Follower, Origin, config, in_time
from unspool import FeedKind, KeepState, KeptAsset, Unspool, UnspoolError


async def complete(session: Unspool) -> KeptAsset:
    """The first kept asset, once all of it is here."""
    async for snapshot in session.kept_snapshots():
        if snapshot.kept and isinstance(snapshot.kept[0].state, KeepState.COMPLETE):
            return snapshot.kept[0]
    raise AssertionError("the session ended")


async def test_what_is_kept_plays_without_a_network_and_is_a_file(origin: Origin, core: Path) -> None:
    async with await Unspool.open(config(core, origin)) as session:
        feed = session.feed(FeedKind.FOR_YOU())
        card = await feed.next()
        estimate = await feed.keep_estimate([card.item.id])
        assert estimate.fits and estimate.assets == 1
        assert (await feed.keep([card.item.id])).assets == 1
        kept = await in_time("all of it is here", complete(session))
        assert kept.held_bytes == kept.total_bytes
        assert session.status().by_purpose.offline.network > 0
        assert session.gateway_url(kept.item.asset_id, kept.rendition).startswith("http://127.0.0.1:")
        file = await session.local_file(kept.item.asset_id, kept.rendition)
        assert Path(file.path()).stat().st_size == file.size_bytes() == kept.total_bytes
        file.release()
        with pytest.raises(UnspoolError.NotComplete):
            await session.local_file(kept.item.asset_id, "no")
    async with await Unspool.open(config(core, origin, conditions=OFFLINE)) as session:
        feed = session.feed(FeedKind.KEPT())
        card = await feed.next()
        assert card.item.id == kept.item.id
        await Follower(feed).first_frame(card.position)
        assert session.status().bytes.network == 0
        await session.pause_keep([kept.item.asset_id])
        assert isinstance(session.kept().kept[0].state, KeepState.COMPLETE), "there is nothing to pause"
        await session.resume_keep([kept.item.asset_id])
        assert await session.forget_kept([kept.item.asset_id]) > 0
        assert not session.kept().kept
