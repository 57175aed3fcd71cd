"""An open feed, with iterators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from . import _bindings
from ._bindings import Event, EventBatch, FeedSnapshot, UnspoolError


class Feed(_bindings.Feed):
    """One open feed: cards, playback and what happens to them.

    It ends with its session, or when the session opens another feed; calls then raise ``UnspoolError.ShutDown``, and
    iterators end. A fault of the core ends it too; calls and iterators then raise ``UnspoolError.Internal``.
    """

    _session: _bindings.Unspool

    async def snapshots(self) -> AsyncIterator[FeedSnapshot]:
        """What the feed is like: the state now, at once, and from then on every newer one.

        The reader sets the pace: while it works, states replace each other in the core, and the next one it gets is the
        newest. Any number of readers may follow a feed.
        """
        snapshot = self.snapshot()
        yield snapshot
        while True:
            try:
                snapshot = await self.snapshot_after(snapshot.revision)
            except UnspoolError.ShutDown:
                return
            yield snapshot

    async def event_batches(self, after: int = 0) -> AsyncIterator[EventBatch]:
        """What happened after event number ``after``, oldest first, in the batches it is pulled in.

        A reader that keeps ``EventBatch.last`` can be cancelled at any time and go on from there later: nothing is lost
        and nothing comes twice. ``EventBatch.missed`` says how many events a reader too far behind has lost.
        """
        last = after
        while True:
            try:
                batch = await self.events_after(last)
            except UnspoolError.ShutDown:
                return
            last = batch.last
            yield batch

    async def events(self, after: int = 0) -> AsyncIterator[Event]:
        """What happened after event number ``after``, oldest first; :meth:`event_batches` one by one."""
        async for batch in self.event_batches(after):
            for event in batch.events:
                yield event


def with_iterators(feed: _bindings.Feed, session: _bindings.Unspool) -> Feed:
    """The same feed as an object of this module's class. It keeps its session, as the core's handle does."""
    handle: Any = feed
    own: Any = Feed
    made: Feed = own._uniffi_make_instance(handle._uniffi_clone_handle())
    made._session = session
    return made
