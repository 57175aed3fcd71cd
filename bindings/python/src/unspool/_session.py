"""A session, with a life cycle."""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, tzinfo
from types import TracebackType
from typing import Any

from . import _bindings
from ._bindings import (
    CancelToken,
    FeedKind,
    HostBackend,
    KeptSnapshot,
    PlatformPlayers,
    SessionConfig,
    Settings,
    TokenProvider,
    UnspoolError,
    WellbeingState,
)
from ._feed import Feed, with_iterators
from ._hosts import guarded_host, guarded_players, guarded_tokens

_open: weakref.WeakSet[Unspool] = weakref.WeakSet()
_opened_any = False

#: Seconds between two looks: the interpreter passes from thread to thread at least every 5 ms.
_TURN_S = 0.006
#: Seconds the end of the program is put off at most; a call of the core takes well below a millisecond.
_LEAVING_S = 1.0


class Unspool(_bindings.Unspool):
    """A session: prefetching feeds, playback, durable telemetry and the offline cache of one person.

    It owns its data directory and its threads until :meth:`shutdown`. ``async with`` shuts it down at the end of the
    block, also when that is left by an error or a cancellation. Use it from any thread and any event loop.
    """

    @classmethod
    async def open(
        cls,
        config: SessionConfig,
        tokens: TokenProvider | None = None,
        host: HostBackend | None = None,
        players: PlatformPlayers | None = None,
        cancel: CancelToken | None = None,
    ) -> Unspool:
        """Opens a session. The disk is touched on a thread of the core, never on the caller's.

        ``tokens`` gives bearer tokens where the configuration holds none; ``host`` supplies pages, topics and addresses
        instead of the backend's contract; ``players`` plays instead of the core's own players. Their coroutines run on the event loop that this call is awaited on, which must
        go on as long as the session, and whatever they raise becomes a typed error of the call that needed them. A
        cancelled opening ends what it began.
        """
        opened: Any = await _bindings.Unspool.open(
            config,
            guarded_tokens(tokens) if tokens is not None else None,
            guarded_host(host) if host is not None else None,
            guarded_players(players) if players is not None else None,
            cancel,
        )
        own: Any = cls
        session: Unspool = own._uniffi_make_instance(opened._uniffi_clone_handle())
        global _opened_any
        _opened_any = True
        _open.add(session)
        return session

    def feed(self, kind: FeedKind, first: str | None = None) -> Feed:
        """Opens a feed and begins to fetch ahead. One feed is open at a time; an earlier one ends.

        With ``first`` it begins with that item: a link was opened, a shared video tapped. One that the backend does not have
        any more, or that the safety filter hides, is left out: compare the first card's ``item.id`` where that is to be
        told. Without a network and without the card the first ``next`` raises ``UnspoolError.Offline``.
        """
        return with_iterators(super().feed(kind, first), self)

    async def kept_snapshots(self) -> AsyncIterator[KeptSnapshot]:
        """What is kept for offline: the state now, at once, and from then on every newer one; ends with the session.

        The reader sets the pace: while it works, states replace each other in the core, and the next one it gets is the
        newest.
        """
        snapshot = self.kept()
        yield snapshot
        while True:
            try:
                snapshot = await self.kept_after(snapshot.revision)
            except UnspoolError.ShutDown:
                return
            yield snapshot

    async def wellbeing_states(self) -> AsyncIterator[WellbeingState]:
        """What was watched, what holds, and the break that stands: now, at once, and then every newer state; ends with the
        session. The reader sets the pace, as with :meth:`kept_snapshots`."""
        state = self.wellbeing()
        yield state
        while True:
            try:
                state = await self.wellbeing_after(state.revision)
            except UnspoolError.ShutDown:
                return
            yield state

    async def settings_states(self) -> AsyncIterator[Settings]:
        """Everything the person can decide: as it is now, at once, and then after every change; ends with the session. The
        reader sets the pace, as with :meth:`kept_snapshots`."""
        revision = 0
        while True:
            try:
                state = await self.settings_after(revision)
            except UnspoolError.ShutDown:
                return
            revision = state.revision
            yield state

    def set_time_zone(self, zone: tzinfo | None = None, at: datetime | None = None) -> None:
        """Says where the person is, by the offset that ``zone`` (the system's unless given) has from UTC ``at`` a moment
        (now unless given). Call it after opening and whenever the zone or its offset changed. Raises as
        ``set_utc_offset``."""
        offset = (at or datetime.now().astimezone()).astimezone(zone).utcoffset() or timedelta()
        self.set_utc_offset(offset // timedelta(minutes=1))

    async def __aenter__(self) -> Unspool:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ending = asyncio.ensure_future(self.shutdown())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            # The directory is free when the block is left, whatever happens around it.
            await ending
            raise


@atexit.register
def _leave_nothing_behind() -> None:
    """Ends sessions that nobody shut down, and lets threads of the core leave the interpreter.

    A thread that comes back to an interpreter that is gone takes the whole process down. Whoever waited for the core is
    woken a moment before the thread that woke them has left, and may be here by then.
    """
    if not _opened_any:
        return
    left = list(_open)
    if left:

        async def end() -> None:
            await asyncio.gather(*(session.shutdown(timedelta()) for session in left))

        asyncio.run(end())
    deadline = time.monotonic() + _LEAVING_S
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:
        # While this thread sleeps, every thread that waits for the interpreter has its turn.
        time.sleep(_TURN_S)
        quiet = 0 if _strangers() else quiet + 1


def _strangers() -> set[int]:
    """Threads that run Python code and were not started by it."""
    ours = {thread.ident for thread in threading.enumerate() if type(thread).__name__ != "_DummyThread"}
    return {thread for thread in sys._current_frames() if thread not in ours}
