"""Pages, topics and addresses from the app."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support import PATIENCE, Follower, Origin, ask, config, eventually, in_time, outcome, rules, until
from unspool import (
    Container,
    Creator,
    Event,
    FeedKind,
    HostBackend,
    HostError,
    HostItem,
    HostPage,
    Item,
    LabelUpdate,
    Location,
    PageRequest,
    Rendition,
    RetentionPoint,
    Topic,
    Unspool,
    UnspoolError,
)


class AppBackend(HostBackend):
    """A backend as an app would write it: its own HTTP client and its own JSON."""

    def __init__(self, origin: Origin, stale_addresses: bool = False) -> None:
        self.origin = origin
        self.stale_addresses = stale_addresses
        self.pages = 0
        self.located = 0
        self.threads: set[str] = set()

    async def page(self, request: PageRequest) -> HostPage:
        self.pages += 1
        cursor = "" if request.cursor is None else f"&cursor={quote(request.cursor)}"
        page = await self._ask(f"/v1/feed?feed={request.feed}&limit={request.limit}{cursor}")
        return HostPage(items=[self._item(one) for one in page["items"]], next_cursor=page["next_cursor"])

    async def topics(self) -> list[Topic]:
        topics = (await self._ask("/v1/topics"))["topics"]
        return [Topic(id=topic["id"], title=topic["title"]) for topic in topics]

    async def labels(self, items: list[str]) -> list[LabelUpdate]:
        answer = await ask("POST", f"{self.origin.url}/v1/labels", {"items": items}, token="ada.1")
        return [LabelUpdate(item=one["id"], labels=one["labels"], gone=one["gone"]) for one in answer["items"]]

    async def rules(self, held: int) -> str | None:
        return json.dumps(await self._ask(f"/v1/rules?held={held}"))

    async def locate(self, asset: str, rendition: str) -> Location:
        self.located += 1
        fresh = await self._ask(f"/v1/assets/{asset}/renditions/{rendition}")
        return Location(url=fresh["url"], expires_at_ms=fresh["expires_at_ms"])

    async def _ask(self, path: str) -> Any:
        self.threads.add(threading.current_thread().name)
        return await ask("GET", self.origin.url + path, token="ada.1")

    def _item(self, one: dict[str, Any]) -> HostItem:
        asset, creator = one["asset"], one["creator"]
        item = Item(
            id=one["id"],
            asset_id=asset["id"],
            duration_ms=asset["duration_ms"],
            creator=Creator(id=creator["id"], handle=creator["handle"], name=creator["name"]),
            topics=one["topics"],
            caption=one["caption"],
            alt_text=one["alt_text"],
            labels=one["labels"],
        )
        retention = [RetentionPoint(at_ms=at, share=share) for at, share in one["retention"]]
        renditions = [self._rendition(rendition) for rendition in asset["renditions"]]
        return HostItem(item=item, renditions=renditions, retention=retention, prior=one["prior"])

    def _rendition(self, one: dict[str, Any]) -> Rendition:
        return Rendition(
            id=one["id"],
            url=one["url"].replace("sig=", "sig=00") if self.stale_addresses else one["url"],
            container=Container[one["container"].upper()],
            width=one["width"],
            height=one["height"],
            bitrate_bps=one["bitrate_bps"],
            bytes=one["bytes"],
            expires_at_ms=one["expires_at_ms"],
        )


async def test_the_app_supplies_pages_topics_and_addresses(origin: Origin, core: Path) -> None:
    app = AppBackend(origin, stale_addresses=True)
    async with await Unspool.open(config(core, None), host=app) as session:
        assert "science" in [topic.id for topic in await session.topics()]
        feed = session.feed(FeedKind.FOR_YOU())
        events = Follower(feed)
        for _ in range(2):
            card = await feed.next()
            frame = await events.first_frame(card.position)
            assert frame.luma is not None and frame.luma > 8.0
        assert app.pages >= 1
        assert app.located >= 2, "a refused address is asked for again"
        assert app.threads == {threading.current_thread().name}, "on the loop the session was opened on"


async def test_the_app_supplies_late_labels_and_signed_rules(origin: Origin, core: Path) -> None:
    shared = rules()
    await origin.put_rules(shared["second"])
    trusting = config(core, None)
    trusting.safety_keys = [shared["key"]]
    async with await Unspool.open(trusting, host=AppBackend(origin)) as session:
        feed = session.feed(FeedKind.NON_PROFILED())
        await feed.next()

        async def taken() -> bool:
            return session.rules_version() == 2

        await eventually("the app's rules are taken", taken)
        ahead = (await feed.peek(1))[0]
        await origin.label(ahead.id, ["fraud"])
        feed.refresh_labels()
        closed = Follower(feed).until(lambda e: isinstance(e, Event.CARD_CLOSED) and e.item == ahead.id)
        assert isinstance(await in_time("the label", closed), Event.CARD_CLOSED)


def refuse() -> None:
    raise HostError.Refused("no")


def lose_the_cable() -> None:
    raise OSError("the cable")


def fail() -> None:
    raise ValueError("unforeseen, with a name: ada")


def time_out() -> None:
    raise asyncio.TimeoutError


def leave() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("fault", [refuse, lose_the_cable, fail, time_out, leave])
async def test_whatever_the_app_raises_is_an_error_of_the_call(
    origin: Origin, core: Path, fault: Callable[[], None]
) -> None:
    class Failing(AppBackend):
        failed = False

        async def topics(self) -> list[Topic]:
            if not self.failed:
                self.failed = True
                fault()
            return await super().topics()

    async with await Unspool.open(config(core, None), host=Failing(origin)) as session:
        error = await in_time("an answer", outcome(session.topics()))
        assert isinstance(error, (UnspoolError.Backend, UnspoolError.Offline)), repr(error)
        assert "cable" not in str(error) and "ada" not in str(error), "the app's words stay with the app"
        assert await session.topics(), "the session goes on"


async def test_an_answer_of_another_type_is_an_error_of_the_call(origin: Origin, core: Path) -> None:
    class Wrong(AppBackend):
        async def topics(self) -> list[Topic]:
            wrong: Any = 3
            return wrong  # type: ignore[no-any-return]

    async with await Unspool.open(config(core, None), host=Wrong(origin)) as session:
        assert isinstance(await in_time("an answer", outcome(session.topics())), UnspoolError.Backend)


async def test_a_page_that_failed_is_asked_for_again(origin: Origin, core: Path) -> None:
    class Busy(AppBackend):
        async def page(self, request: PageRequest) -> HostPage:
            if self.pages == 0:
                self.pages += 1
                raise HostError.Busy(None)
            return await super().page(request)

    async with await Unspool.open(config(core, None), host=Busy(origin)) as session:
        feed = session.feed(FeedKind.FOLLOWING())
        failed = await in_time("the refusal", Follower(feed).until(lambda e: isinstance(e, Event.PAGE_FAILED)))
        assert isinstance(failed, Event.PAGE_FAILED) and failed.retryable
        feed.retry()
        await until(feed, "the second page", lambda s: len(s.window) > 0)


async def test_the_apps_task_is_cancelled_when_nobody_wants_its_answer(origin: Origin, core: Path) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    class Slow(AppBackend):
        async def topics(self) -> list[Topic]:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                left.set()
            return []

    async with await Unspool.open(config(core, None), host=Slow(origin)) as session:
        wait = asyncio.ensure_future(session.topics())
        await in_time("the app is asked", asked.wait())
        wait.cancel()
        await asyncio.gather(wait, return_exceptions=True)
        await in_time("the app's task ends", left.wait())


async def test_a_loop_that_ended_fails_the_call_and_nothing_else(origin: Origin, core: Path, tmp_path: Path) -> None:
    def open_elsewhere() -> Unspool:
        return asyncio.run(Unspool.open(config(core, None), host=AppBackend(origin)))

    session = await asyncio.to_thread(open_elsewhere)
    async with session, await Unspool.open(config(tmp_path / "other", None), host=AppBackend(origin)) as other:
        assert isinstance(await in_time("an answer", outcome(session.topics())), UnspoolError.Backend)
        assert await other.topics()

        async def ended() -> bool:
            return isinstance(await outcome(session.feed(FeedKind.FOR_YOU()).next()), UnspoolError)

        await eventually("the feed says so", ended)


async def test_sessions_on_several_loops_at_once(origin: Origin, tmp_path: Path) -> None:
    async def use(folder: Path) -> list[Topic]:
        async with await Unspool.open(config(folder, None), host=AppBackend(origin)) as session:
            return await asyncio.wait_for(session.topics(), PATIENCE)

    def elsewhere(number: int) -> list[Topic]:
        return asyncio.run(use(tmp_path / str(number)))

    answers = await asyncio.gather(*(asyncio.to_thread(elsewhere, n) for n in range(3)), use(tmp_path / "here"))
    assert all(answers)
