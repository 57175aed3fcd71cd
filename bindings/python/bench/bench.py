"""What the ten hottest calls cost from Python, and what a swipe costs, against a running server.

usage: bench.py DATA_DIR, with the address of the server in UNSPOOL_BENCH_ORIGIN. Prints one JSON object.

The times are those of whole calls, the core's own work included: whoever wants the cost of the crossing takes away what
the same call costs from Rust.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from unspool import Conditions, Event, Feed, FeedKind, FeedSnapshot, SessionConfig, Stage, Unspool

QUICK = os.environ.get("UNSPOOL_BENCH_QUICK") == "1"
#: Reads: many, they disturb nothing.
READS = 200 if QUICK else 3_000
#: Commands are queued and carried out: few, so that the queue of the core stays short.
COMMANDS = 50 if QUICK else 500
SWIPES = 6 if QUICK else 60
#: Events of a batch as a reader that keeps up gets it.
RECENT = 4


def times(name: str, us: list[float]) -> dict[str, Any]:
    us = sorted(us)
    at = int((len(us) - 1) * 0.9)
    return {"name": name, "n": len(us), "median_us": round(statistics.median(us), 2), "p90_us": round(us[at], 2)}


def take(name: str, n: int, call: Callable[[int], object]) -> dict[str, Any]:
    us = []
    for turn in range(-n // 5, n):
        begun = time.perf_counter_ns()
        call(turn)
        took = time.perf_counter_ns() - begun
        if turn >= 0:
            us.append(took / 1_000)
    return times(name, us)


async def wait(name: str, n: int, call: Callable[[], Awaitable[object]]) -> dict[str, Any]:
    us = []
    for turn in range(-n // 5, n):
        begun = time.perf_counter_ns()
        await call()
        took = time.perf_counter_ns() - begun
        if turn >= 0:
            us.append(took / 1_000)
    return times(name, us)


class Reader:
    """Reads the events of a feed by number, as an app does."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.last = 0

    async def first_frame(self, position: int) -> int:
        """Waits for the first frame of a card; says how many calls that took."""
        pulls = 0
        while True:
            batch = await self._feed.events_after(self.last)
            pulls += 1
            self.last = batch.last
            for event in batch.events:
                if isinstance(event, (Event.CARD_FAILED, Event.PLAYERS_FAILED)):
                    raise RuntimeError(event.reason)
            if any(isinstance(event, Event.FIRST_FRAME) and event.position == position for event in batch.events):
                return pulls

    def drain(self) -> None:
        """Takes what is there already."""
        self.last = self._feed.events_now(self.last).last


async def until(feed: Feed, wanted: Callable[[FeedSnapshot], bool]) -> None:
    async for snapshot in feed.snapshots():
        if wanted(snapshot):
            return


async def measure(session: Unspool) -> dict[str, Any]:
    feed = session.feed(FeedKind.FOR_YOU())
    reader = Reader(feed)
    for _ in range(2):
        await reader.first_frame((await feed.next()).position)
    await reader.first_frame((await feed.previous()).position)
    await until(feed, lambda s: len(s.window) > 1 and s.window[1].stage is Stage.PRE_ROLLED)
    # A paused player leaves the processor to what is measured.
    feed.set_paused(True)
    await until(feed, lambda s: s.paused)

    recent = max(0, reader.last - RECENT)
    conditions = Conditions()
    calls = [
        take("feed.snapshot", READS, lambda _: feed.snapshot()),
        await wait("feed.snapshot_after", READS, lambda: feed.snapshot_after(0)),
        take("feed.events", READS, lambda _: feed.events_now(recent)),
        await wait("feed.events_after", READS, lambda: feed.events_after(recent)),
        take("session.status", READS, lambda _: session.status()),
        take("session.set_conditions", COMMANDS, lambda _: session.set_conditions(conditions)),
        take("feed.set_muted", COMMANDS, lambda turn: feed.set_muted(turn % 2 == 0)),
        take("feed.set_paused", COMMANDS, lambda _: feed.set_paused(True)),
        take("feed.seek", COMMANDS, lambda _: feed.seek(0)),
    ]
    # A call that waits for the core and does nothing there: what it costs to suspend and to be woken.
    suspended = await wait("feed.peek", READS, lambda: feed.peek(0))

    feed.set_paused(False)
    next_us, first_frame_ms, made = [], [], []
    for turn in range(-SWIPES // 5, SWIPES):
        reader.drain()
        begun = time.perf_counter_ns()
        card = await (feed.next() if turn % 2 == 0 else feed.previous())
        moved = time.perf_counter_ns()
        pulls = await reader.first_frame(card.position)
        shown = time.perf_counter_ns()
        if turn >= 0:
            next_us.append((moved - begun) / 1_000)
            first_frame_ms.append((shown - begun) / 1_000_000)
            made.append(1 + pulls)
    return {
        "language": "python",
        "runtime": f"{platform.python_implementation()} {platform.python_version()}",
        "calls": [times("feed.next", next_us), *calls],
        "swipe": {
            "n": len(made),
            "calls": round(statistics.median(made)),
            "most_calls": max(made),
            "first_frame_ms": round(statistics.median(first_frame_ms), 2),
            "suspended_call_us": suspended["median_us"],
            "suspended_n": suspended["n"],
        },
    }


async def main(folder: str, origin: str) -> None:
    config = SessionConfig(data_dir=folder, account="bench", backend=origin, token="bench")
    async with await Unspool.open(config) as session:
        print(json.dumps(await asyncio.wait_for(measure(session), 170)))


if __name__ == "__main__":
    address = os.environ.get("UNSPOOL_BENCH_ORIGIN")
    if len(sys.argv) != 2 or not address:
        sys.exit("usage: UNSPOOL_BENCH_ORIGIN=http://... bench.py DATA_DIR")
    asyncio.run(main(sys.argv[1], address))
