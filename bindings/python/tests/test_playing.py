"""What an app does with what plays, and a second player in the core's place."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from support import PATIENCE, WITHIN, Follower, Origin, config, in_time, until
from unspool import (
    CaptionStatus,
    Event,
    FeedKind,
    HostError,
    MemoryPressure,
    PlatformPlayers,
    PlayerReport,
    PlayerReports,
    PlayerRequest,
    SoundFocus,
    Stage,
    Unspool,
    UnspoolError,
)

#: Bytes read at once, ahead of the clock of the player.
PIECE = 65_536


def _read(address: str, first: int) -> bytes:
    headers = {"Range": f"bytes={first}-{first + PIECE - 1}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=PATIENCE) as answer:
            return bytes(answer.read(PIECE))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            return b""
        raise


class Reader:
    """One player: reads the gateway piece by piece and keeps time; pictures are counted, not decoded."""

    def __init__(self, request: PlayerRequest, reports: PlayerReports) -> None:
        self.request = request
        self.reports = reports
        self.read = 0
        self.position = 0.0
        self.rate = 1.0
        self.frames = 0
        self.running: asyncio.Task[None] | None = None

    async def load(self) -> None:
        piece = await asyncio.to_thread(_read, self.request.address, 0)
        assert piece, "the first bytes are there"
        self.read += len(piece)
        self.reports.tell(PlayerReport.READY(width=720, height=1280))

    def play(self) -> None:
        if self.running is None:
            self.running = asyncio.ensure_future(self._run())

    def pause(self) -> None:
        if self.running is not None:
            self.running.cancel()
            self.running = None

    async def _run(self) -> None:
        self.reports.tell(PlayerReport.SHOWN(position_ms=int(self.position)))
        at = time.monotonic()
        ended = False
        while True:
            if not ended:
                piece = await asyncio.to_thread(_read, self.request.address, self.read)
                self.read += len(piece)
                ended = not piece
            await asyncio.sleep(0.05)
            now = time.monotonic()
            self.position += (now - at) * 1000 * self.rate
            at = now
            self.frames += 1
            self.reports.tell(PlayerReport.POSITION(position_ms=int(self.position), frames=self.frames))


class Readers(PlatformPlayers):
    """Players as an app would write them."""

    def __init__(self) -> None:
        self.players: dict[int, Reader] = {}
        self.made: list[Reader] = []
        self.calls: list[str] = []
        self.refuse = 0

    async def make(self, player: int, request: PlayerRequest, reports: PlayerReports) -> None:
        if self.refuse > 0:
            self.refuse -= 1
            raise OSError("no decoder is free")
        reader = Reader(request, reports)
        await reader.load()
        self.players[player] = reader
        self.made.append(reader)

    async def play(self, player: int) -> None:
        self.players[player].play()

    async def pause(self, player: int) -> None:
        self.players[player].pause()

    async def seek(self, player: int, position_ms: int, exact: bool) -> None:
        self.calls.append(f"seek {position_ms} {exact}")
        reader = self.players[player]
        reader.position = float(position_ms)
        if reader.running is not None:
            reader.reports.tell(PlayerReport.SHOWN(position_ms=position_ms))

    async def set_muted(self, player: int, muted: bool) -> None:
        self.calls.append(f"muted {muted}")

    async def set_volume(self, player: int, volume: float) -> None:
        self.calls.append(f"volume {volume}")

    async def set_rate(self, player: int, rate: float) -> None:
        self.calls.append(f"rate {rate}")
        self.players[player].rate = rate

    async def release(self, player: int) -> None:
        reader = self.players.pop(player, None)
        if reader is not None:
            reader.pause()


async def test_a_player_of_the_app_reads_the_gateway_and_its_facts_are_those_of_the_core(
    origin: Origin, core: Path
) -> None:
    players = Readers()
    players.refuse = 1
    async with await Unspool.open(config(core, origin), players=players) as session:
        feed = session.feed(FeedKind.FOR_YOU())
        events = Follower(feed)
        card = await feed.next()
        await events.first_frame(card.position)
        await until(feed, "it plays", lambda s: s.playhead_ms > 300 and s.window[0].stage == Stage.PLAYING)
        await until(feed, "the next is ready", lambda s: len(s.window) > 1 and s.window[1].stage == Stage.PRE_ROLLED)
        card = await feed.next()
        frame = await events.first_frame(card.position)
        assert frame.start_class.name == "PRE_ROLLED"
        feed.set_rate(2.0)
        feed.set_volume(0.5)
        feed.set_muted(True)
        feed.seek_exact(1_500)
        await until(feed, "it is there", lambda s: s.playhead_ms >= 1_600)
        for call in ("rate 2.0", "volume 0.5", "muted True", "seek 1500 True"):
            assert call in players.calls, players.calls
        assert all(reader.request.address.startswith("http://127.0.0.1:") for reader in players.made)
        assert all(reader.read > 0 for reader in players.made)
        installation = session.status().installation
        report = await session.shutdown(WITHIN)
        assert report.clean
        assert not players.players, "every player was released"
        records = await origin.records(installation)
        assert [r["attributes"]["start_class"] for r in records] == ["cold", "prerolled"]
        assert all(r["attributes"]["active_ms"] > 0 for r in records), records
        assert records[1]["attributes"]["rate"] == 2.0 and records[1]["attributes"]["muted"]


async def test_players_that_cannot_be_had_fail_cards_and_not_the_session(origin: Origin, core: Path) -> None:
    class Wrong(Readers):
        async def make(self, player: int, request: PlayerRequest, reports: PlayerReports) -> None:
            raise HostError.Refused("this device cannot")

    async with await Unspool.open(config(core, origin), players=Wrong()) as session:
        feed = session.feed(FeedKind.FOR_YOU())
        card = await feed.next()
        failed: Any = await in_time(
            "the failure", Follower(feed).until(lambda e: isinstance(e, Event.CARD_FAILED))
        )
        assert failed.position == card.position
        assert await session.topics(), "the session goes on"


async def test_captions_focus_and_memory_are_reachable(origin: Origin, core: Path) -> None:
    async with await Unspool.open(config(core, origin)) as session:
        with pytest.raises(UnspoolError.Config):
            session.set_captions(["no tag"])
        session.set_captions(["fr", "*"])
        feed = session.feed(FeedKind.NON_PROFILED())
        events = Follower(feed)
        card = await feed.next()
        await events.first_frame(card.position)
        shown = await until(feed, "a caption", lambda s: len(s.captions.cues) > 0)
        assert shown.captions.status == CaptionStatus.READY
        captions = await feed.captions(card.position)
        assert captions is not None and captions.chosen is not None
        track = captions.tracks[captions.chosen]
        assert track.language == shown.captions.language and track.label
        word = {"en": "Second", "de": "Sekunde"}[track.language]
        assert captions.cues[0].text == f"{word} 0" and captions.cues[0].end_ms == 1_000
        assert await feed.captions(99_999) is None

        session.set_sound_focus(SoundFocus.LOST_FOR_NOW)
        await until(feed, "a call", lambda s: s.interrupted and s.paused)
        session.set_sound_focus(SoundFocus.GAINED)
        await until(feed, "its end", lambda s: not s.interrupted and not s.paused)
        ready = await until(feed, "the next", lambda s: len(s.window) > 1 and s.window[1].stage == Stage.PRE_ROLLED)
        assert ready.window[1].position == card.position + 1
        session.set_memory_pressure(MemoryPressure.CRITICAL)
        await until(feed, "room is made", lambda s: s.window[1].stage != Stage.PRE_ROLLED)
        session.set_player_budget(2, 64_000_000)
        with pytest.raises(UnspoolError.Config):
            session.set_player_budget(0, 0)
        with pytest.raises(UnspoolError.Config):
            session.set_window(1)  # This session shows nothing.
        with pytest.raises(UnspoolError.Config):
            feed.set_rate(9.0)
