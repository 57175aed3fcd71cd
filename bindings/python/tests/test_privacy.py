"""What a person may ask of what is held: all of it in a file, parts of it gone, and where media may come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import NOWHERE, OFFLINE, Origin, config
from unspool import EraseScope, FeedKind, SessionConfig, Unspool, UnspoolError


def alone(core: Path, hosts: list[str] | None = None) -> SessionConfig:
    """A session without a network."""
    return SessionConfig(
        data_dir=str(core), account="ada", backend=NOWHERE, token="ada", conditions=OFFLINE, media_hosts=hosts or []
    )


async def test_what_is_held_is_exported_and_erased(core: Path, tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    async with await Unspool.open(alone(core)) as session:
        await session.set_liked("a-liked-item", True)
        await session.set_interests(["science"])
        export = session.export_data(str(file))
        written = await export.run()
        assert written == export.progress()
        assert written.bytes == file.stat().st_size
        held = json.loads(file.read_text())
        assert held["format"] == "unspool.export" and held["account"] == "ada"
        assert held["interests"] == [{"topic": "science"}]
        assert any(intent["target"] == "a-liked-item" for intent in held["intents"])
        with pytest.raises(UnspoolError.Config):
            await session.erase([])
        await session.erase([EraseScope.HISTORY, EraseScope.DEEDS])
        with pytest.raises(UnspoolError.ShutDown):
            await session.set_liked("i", True)
    async with await Unspool.open(alone(core)) as session:
        assert await session.liked("a-liked-item") is None
        assert await session.interests() == []


async def test_media_come_from_listed_hosts_only(origin: Origin, core: Path) -> None:
    with pytest.raises(UnspoolError.Config):
        await Unspool.open(alone(core, ["cdn.example"]))
    other = config(core, origin)
    # Media are served beside the backend, on its own host.
    other.media_hosts = ["https://*.cdn.example"]
    async with await Unspool.open(other) as session:
        await session.feed(FeedKind.FOR_YOU()).next()
        listed = session.outbound_after(0).requests
        assert listed and all(request.method in {"GET", "POST", "HEAD"} and not request.refused for request in listed)
