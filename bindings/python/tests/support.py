"""What the tests share: the reference server in a process of its own, and waits that say what they waited for."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import unspool
from unspool import Conditions, Event, Feed, FeedSnapshot, SessionConfig

T = TypeVar("T")

#: Seconds; a wait that lasts longer has failed.
PATIENCE = 30.0
WITHIN = timedelta(seconds=PATIENCE)
#: A port nobody listens on.
NOWHERE = "http://127.0.0.1:9"
OFFLINE = Conditions(online=False)


def _ask(method: str, url: str, body: str | None, token: str | None) -> Any:
    headers = {"content-type": "application/json"} if body is not None else {}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    data = body.encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


async def ask(method: str, url: str, body: Any = None, token: str | None = None) -> Any:
    """Asks over HTTP and gives the JSON that is answered; anything but a success raises."""
    text = None if body is None else json.dumps(body)
    return await asyncio.to_thread(_ask, method, url, text, token)


def rules() -> Any:
    """Signed safety rules, and the key that signed those which are not forged."""
    return json.loads(Path(os.environ["UNSPOOL_SCENARIO"]).with_name("rules.json").read_text())


class Origin:
    """The reference server in a process of its own; it ends with this one."""

    def __init__(self, state: Path, *more: str) -> None:
        program = os.environ.get("UNSPOOL_ORIGIN_PROGRAM")
        assert program, "UNSPOOL_ORIGIN_PROGRAM must name the origin-process program"
        pid = str(os.getpid())
        command = [program, "--state", str(state), "--clips", "6", "--parent-pid", pid, *more]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the origin ended at once"
        ready = json.loads(line)
        self.url: str = ready["listening"]
        self._control: str = ready["control"]

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    async def get(self, path: str) -> Any:
        return await ask("GET", self._control + path)

    async def network(self, settings: dict[str, Any]) -> None:
        await ask("PUT", f"{self._control}/control/network", settings)

    async def fault(self, fault: dict[str, Any]) -> None:
        await ask("POST", f"{self._control}/control/faults", fault)

    async def label(self, item: str, labels: list[str]) -> None:
        """Says what a moderator says of an item; its labels are these from now on."""
        await ask("POST", f"{self._control}/control/labels", {"id": item, "labels": labels})

    async def put_rules(self, signed: dict[str, str]) -> None:
        """Hands out these safety rules."""
        await ask("PUT", f"{self._control}/control/rules", signed)

    async def offered(self, count: int) -> list[str]:
        """The first items of the non-profiled feed, in the server's order."""
        page = await ask("GET", f"{self.url}/v1/feed?feed=non_profiled&limit={count}", token="ada.1")
        return [item["id"] for item in page["items"]]

    async def revoke(self, token: str) -> None:
        """Takes the validity from a token."""
        await ask("POST", f"{self._control}/control/tokens", {"revoke": token})

    async def in_flight(self) -> int:
        return int((await self.get("/control/stats"))["in_flight"])

    async def operations(self) -> int:
        """Different operations stored, of all actors."""
        return int((await self.get("/control/stats"))["interactions"])

    async def wishes(self, actor: str, verb: str) -> list[str]:
        """Targets an actor wants under a verb: items to ``like``, topics of ``interest``."""
        wishes = (await self.get(f"/control/interactions?actor={actor}"))["interactions"]
        return [wish["target"] for wish in wishes if wish["verb"] == verb and wish["state"]]

    async def likes(self, actor: str) -> list[str]:
        """Items an actor likes."""
        return await self.wishes(actor, "like")

    async def reports(self) -> list[dict[str, Any]]:
        """The reports of ada, as she is told of them."""
        return list((await ask("GET", f"{self.url}/v1/reports", token="ada.1"))["reports"])

    async def decide(self, actor: str, target: str, outcome: str) -> None:
        """A moderator decides about a report."""
        await ask("POST", f"{self._control}/control/reports", {"actor": actor, "target": target, "outcome": outcome})

    async def records(self, installation: str) -> list[dict[str, Any]]:
        """Telemetry of an installation, each record once, in order."""
        return list((await self.get(f"/control/events?installation={installation}"))["events"])


def config(
    folder: Path, origin: Origin | None, token: str | None = "ada.1", conditions: Conditions | None = None
) -> SessionConfig:
    """A configuration for tests: batches leave at once, first frames are looked at."""
    return SessionConfig(
        data_dir=str(folder),
        account="ada",
        backend=origin.url if origin is not None else None,
        token=token,
        conditions=conditions,
        describe_first_frame=True,
        send_every=timedelta(milliseconds=200),
    )


def offline(folder: Path) -> SessionConfig:
    """A configuration that never reaches a network."""
    made = config(folder, None, conditions=OFFLINE)
    made.backend = NOWHERE
    return made


class Follower:
    """Follows the events of a feed by number, and fails when one is missed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.last = 0

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        """Takes events until one is as wanted."""
        while True:
            batch = await self._feed.events_after(self.last)
            assert batch.missed == 0
            for event in batch.events:
                self.last += 1
                if wanted(event):
                    return event

    async def first_frame(self, position: int) -> Event.FIRST_FRAME:
        """The first frame of the card at ``position``; fails when the card or the players do."""

        def wanted(event: Event) -> bool:
            assert not isinstance(event, Event.PLAYERS_FAILED), event.reason
            if isinstance(event, Event.CARD_FAILED):
                assert event.position != position, event.reason
            return isinstance(event, Event.FIRST_FRAME) and event.position == position

        frame = await in_time(f"the first frame of card {position}", self.until(wanted))
        assert isinstance(frame, Event.FIRST_FRAME)
        return frame


async def until(feed: Feed, what: str, wanted: Callable[[FeedSnapshot], bool]) -> FeedSnapshot:
    """Waits until a feed is as wanted, and gives that state."""

    async def look() -> FeedSnapshot:
        async for snapshot in feed.snapshots():
            if wanted(snapshot):
                return snapshot
        raise AssertionError(f"the feed ended before: {what}")

    return await in_time(f"{what}; last {feed.snapshot()}", look())


async def in_time(what: str, wait: Awaitable[T]) -> T:
    """The result of a wait, or a failure that says what was waited for."""
    try:
        return await asyncio.wait_for(wait, PATIENCE)
    except (TimeoutError, asyncio.TimeoutError):
        raise AssertionError(f"not in time: {what}") from None


async def eventually(what: str, is_so: Callable[[], Awaitable[bool]]) -> None:
    """Looks again until it is so, with a deadline."""

    async def look() -> None:
        while not await is_so():
            await asyncio.sleep(0.005)

    await in_time(what, look())


async def outcome(wait: Awaitable[Any]) -> Any:
    """What a wait gives, or what it raises."""
    try:
        return await wait
    except (unspool.UnspoolError, unspool.InternalError) as error:
        return error


async def collect(of: AsyncIterator[T]) -> list[T]:
    """Everything an iterator gives."""
    return [one async for one in of]


def all_events(feed: Feed) -> list[Event]:
    """The whole log of a feed; the core keeps 2,048 events."""
    events: list[Event] = []
    while True:
        batch = feed.events_now(len(events))
        assert batch.missed == 0
        if not batch.events:
            return events
        events.extend(batch.events)
