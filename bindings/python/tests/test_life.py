"""Opening, using from everywhere, shutting down, dropping."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from example import watch
from support import WITHIN, Origin, config, eventually, offline, outcome
from unspool import CancelToken, FeedKind, SessionConfig, Unspool, UnspoolError


async def test_two_hundred_calls_at_once(origin: Origin, core: Path) -> None:
    async with await Unspool.open(config(core, origin)) as session:
        feed = session.feed(FeedKind.FOR_YOU())
        await feed.next()

        async def call(n: int) -> None:
            match n % 8:
                case 0:
                    assert await session.topics()
                case 1:
                    await session.set_liked(f"item-{n}", True)
                case 2:
                    assert await session.liked(f"never-{n}") is None
                case 3:
                    assert (await feed.snapshot_after(0)).revision > 0
                case 4:
                    assert (await feed.events_after(0)).events
                case 5:
                    await feed.peek(2)
                case 6:
                    assert await session.interests() == []
                case _:
                    assert session.status().installation

        await asyncio.gather(*(call(n) for n in range(200)))
        assert (await session.flush(WITHIN)).intents_delivered == 25
        assert len(await origin.likes("ada")) == 25


async def test_the_example_of_the_documentation_does_what_it_says(origin: Origin, core: Path) -> None:
    await watch(str(core), origin.url, "ada")
    assert len(await origin.likes("ada")) == 1


async def test_use_after_shutdown_is_a_typed_error_and_waits_end(origin: Origin, core: Path) -> None:
    session = await Unspool.open(config(core, origin))
    with pytest.raises(UnspoolError.InUse):
        await Unspool.open(config(core, origin))
    feed = session.feed(FeedKind.TOPIC("science"))
    newest = 2**64 - 1
    waits = [asyncio.ensure_future(outcome(wait)) for wait in (feed.snapshot_after(newest), feed.events_after(newest))]
    report = await session.shutdown()
    assert await session.shutdown() == report
    for ended in await asyncio.gather(*waits):
        assert isinstance(ended, UnspoolError.ShutDown), repr(ended)

    waiting: list[Callable[[], Awaitable[object]]] = [
        feed.next,
        feed.previous,
        lambda: feed.peek(1),
        session.topics,
        session.interests,
        lambda: session.set_interests([]),
        lambda: session.set_liked("i", True),
        lambda: session.liked("i"),
        session.flush,
        session.suspend,
        session.resume,
    ]
    for call in waiting:
        with pytest.raises(UnspoolError.ShutDown):
            await call()
    at_once: list[Callable[[], object]] = [
        lambda: feed.set_paused(True),
        lambda: feed.seek(0),
        lambda: feed.set_muted(True),
        feed.retry,
        lambda: session.feed(FeedKind.FOR_YOU()),
    ]
    for now in at_once:
        with pytest.raises(UnspoolError.ShutDown):
            now()
    assert session.status().outgoing == report.outgoing
    again = await Unspool.open(config(core, origin))
    assert (await again.shutdown()).clean, "the directory is free again"


async def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnspoolError.Config) as wrong:
        await Unspool.open(SessionConfig(data_dir=str(tmp_path), account="ada", token="ada.1"))
    assert "correct it" in str(wrong.value)
    file = tmp_path / "file"
    file.write_text("not a directory")
    with pytest.raises(UnspoolError.Storage) as storage:
        await Unspool.open(offline(file))
    assert "free space" in str(storage.value)
    async with await Unspool.open(offline(tmp_path / "core")) as session:
        with pytest.raises(UnspoolError.Offline) as gone:
            await session.feed(FeedKind.FOR_YOU()).next()
        assert "try again" in str(gone.value)


async def test_a_block_shuts_its_session_down_however_it_is_left(core: Path) -> None:
    class Own(Exception):
        pass

    with pytest.raises(Own):
        async with await Unspool.open(offline(core)):
            raise Own

    inside = asyncio.Event()

    async def wait_inside() -> None:
        async with await Unspool.open(offline(core)) as session:
            await session.set_liked("item-1", True)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(wait_inside())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with await Unspool.open(offline(core)) as session:
        assert await session.liked("item-1") is True


async def test_a_cancelled_opening_leaves_the_directory_free(core: Path) -> None:
    async def is_free() -> bool:
        opened = await outcome(Unspool.open(offline(core)))
        if isinstance(opened, UnspoolError.InUse):
            return False
        return bool((await opened.shutdown()).clean)

    for turns in range(20):
        opening = asyncio.ensure_future(Unspool.open(offline(core)))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        del opening
        await eventually("the directory is free", is_free)


async def test_handles_are_used_and_dropped_on_any_thread(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    async def use(n: int) -> None:
        session = await Unspool.open(offline(tmp_path / str(n)))
        for _ in range(50):
            session.feed(FeedKind.FOR_YOU()).snapshot()
        CancelToken().cancel()
        feed = session.feed(FeedKind.LEARN())
        # The last handles are dropped by another thread than the one that made them, without a shutdown.
        held = [session, feed]
        del session, feed
        dropper = threading.Thread(target=held.clear)
        dropper.start()
        dropper.join()

    def run(n: int) -> None:
        try:
            asyncio.run(use(n))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert failures == []

    async def are_free() -> bool:
        gc.collect()
        for n in range(8):
            opened = await outcome(Unspool.open(offline(tmp_path / str(n))))
            if isinstance(opened, UnspoolError.InUse):
                return False
            await opened.shutdown()
        return True

    await eventually("forgotten sessions end", are_free)


PROGRAM = """
import asyncio, sys, unspool

async def main():
    config = unspool.SessionConfig(data_dir=sys.argv[1], account="ada", backend=sys.argv[2], token="ada.1")
    session = await unspool.Unspool.open(config)
    feed = session.feed(unspool.FeedKind.FOR_YOU())
    await feed.next()
    return session, feed, asyncio.ensure_future(session.topics())

kept = asyncio.run(main())
print("done")
"""


async def test_a_program_that_ends_without_a_shutdown_ends_well(origin: Origin, core: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(core), origin.url], capture_output=True, text=True, timeout=30
    )
    assert (run.returncode, run.stdout) == (0, "done\n"), run
    assert "Exception ignored" not in run.stderr and "panicked" not in run.stderr, run.stderr
    again = await Unspool.open(config(core, origin))
    assert (await again.shutdown()).clean
