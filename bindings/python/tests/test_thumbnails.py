"""Still pictures: through the core, once, also without a network, none of what is covered, and nothing but pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import OFFLINE, Origin, config, in_time
from unspool import (
    AgeBand,
    FeedKind,
    KeepState,
    SafetySettings,
    Thumbnail,
    ThumbnailTrouble,
    Unspool,
    UnspoolError,
)


async def complete(session: Unspool) -> None:
    """Waits until all of the first kept asset is here."""
    async for snapshot in session.kept_snapshots():
        if snapshot.kept and isinstance(snapshot.kept[0].state, KeepState.COMPLETE):
            return


async def test_a_picture_comes_through_the_core_and_stays_with_what_is_kept(origin: Origin, core: Path) -> None:
    await origin.label((await origin.offered(2))[1], ["nobody_knows_this"])
    async with await Unspool.open(config(core, origin)) as session:
        await session.set_safety(SafetySettings(age=AgeBand.ADULT))
        feed = session.feed(FeedKind.NON_PROFILED())
        item = (await feed.next()).item.id
        picture = await session.thumbnail(item)
        assert isinstance(picture, Thumbnail) and picture.media_type == "image/png"
        assert picture.data.startswith(b"\x89PNG\r\n")
        with pytest.raises(UnspoolError.NoSuchCard):
            await session.thumbnail("nobody")
        covered = (await feed.next()).item.id
        with pytest.raises(UnspoolError.Withheld) as withheld:
            await session.thumbnail(covered)
        assert withheld.value.items == [covered]
        ahead = (await feed.peek(1))[0].id
        await origin.fault({"path_prefix": "/thumbnails/", "action": {"kind": "status", "status": 404}})
        with pytest.raises(UnspoolError.Thumbnail) as refused:
            await session.thumbnail(ahead)
        assert refused.value.trouble == ThumbnailTrouble.REFUSED
        assert await session.thumbnail(ahead) is not None, "a refusal is not kept"
        await feed.keep([item])
        await in_time("all of it is here", complete(session))
    async with await Unspool.open(config(core, origin, conditions=OFFLINE)) as session:
        assert await session.thumbnail(item) == picture
        with pytest.raises(UnspoolError.NoSuchCard):
            await session.thumbnail(ahead)
        assert session.status().bytes.network == 0
