"""A session, with a life cycle."""

from __future__ import annotations

import asyncio
import atexit
import weakref
from datetime import timedelta
from types import TracebackType
from typing import Any

from . import _bindings
from ._bindings import CancelToken, FeedKind, HostBackend, SessionConfig, TokenProvider
from ._feed import Feed, with_iterators
from ._hosts import guarded_host, guarded_tokens

_open: weakref.WeakSet[Unspool] = weakref.WeakSet()


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
        cancel: CancelToken | None = None,
    ) -> Unspool:
        """Opens a session. The disk is touched on a thread of the core, never on the caller's.

        ``tokens`` gives bearer tokens where the configuration holds none; ``host`` supplies pages, topics and addresses
        instead of the backend's contract. Their coroutines run on the event loop that this call is awaited on, which must
        go on as long as the session, and whatever they raise becomes a typed error of the call that needed them. A
        cancelled opening ends what it began.
        """
        opened: Any = await _bindings.Unspool.open(
            config,
            guarded_tokens(tokens) if tokens is not None else None,
            guarded_host(host) if host is not None else None,
            cancel,
        )
        own: Any = cls
        session: Unspool = own._uniffi_make_instance(opened._uniffi_clone_handle())
        _open.add(session)
        return session

    def feed(self, kind: FeedKind) -> Feed:
        """Opens a feed and begins to fetch ahead. One feed is open at a time; an earlier one ends."""
        return with_iterators(super().feed(kind))

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
def _end_what_is_open() -> None:
    """Ends sessions that nobody shut down: their threads must not call into an interpreter that is gone."""
    left = list(_open)
    if not left:
        return

    async def end() -> None:
        await asyncio.gather(*(session.shutdown(timedelta()) for session in left))

    asyncio.run(end())
