"""The shared core of short-video apps, for asyncio.

:meth:`Unspool.open` begins; everything else hangs on the session it gives. Nothing is called back: what is the case is
pulled by revision (:meth:`Feed.snapshots`), what happened by number (:meth:`Feed.events`), so a cancelled wait loses
nothing. Media bytes do not cross into Python: players of the core render, and tell times and counts.

Every wait ends when its task is cancelled, and the work for it in the core ends too, except a write that was begun
(``set_liked``, ``set_interests``, ``keep`` and what belongs to it, ``shutdown``). Every error is an :class:`UnspoolError`, whose text says what to do;
one of an inner fault that no type foresaw is an :class:`InternalError`. Handles may be used and dropped on any thread,
and awaited on any event loop.
"""

from ._bindings import (
    ByPurpose,
    Bytes,
    CancelToken,
    Card,
    CardState,
    Conditions,
    Container,
    Creator,
    Duration,
    Event,
    EventBatch,
    FeedKind,
    FeedSnapshot,
    Hold,
    HostBackend,
    HostError,
    HostItem,
    HostPage,
    InternalError,
    Item,
    KeepEstimate,
    KeepFailure,
    KeepState,
    KeptAsset,
    KeptSnapshot,
    LocalFile,
    Location,
    Outgoing,
    PageRequest,
    Rendition,
    RetentionPoint,
    SessionConfig,
    SessionStatus,
    ShutdownReport,
    Stage,
    StartClass,
    TokenProvider,
    Topic,
    Traffic,
    UnspoolError,
)
from ._errors import give_errors_their_text
from ._feed import Feed
from ._session import Unspool

give_errors_their_text()

__all__ = [
    "ByPurpose",
    "Bytes",
    "CancelToken",
    "Card",
    "CardState",
    "Conditions",
    "Container",
    "Creator",
    "Duration",
    "Event",
    "EventBatch",
    "Feed",
    "FeedKind",
    "FeedSnapshot",
    "Hold",
    "HostBackend",
    "HostError",
    "HostItem",
    "HostPage",
    "InternalError",
    "Item",
    "KeepEstimate",
    "KeepFailure",
    "KeepState",
    "KeptAsset",
    "KeptSnapshot",
    "LocalFile",
    "Location",
    "Outgoing",
    "PageRequest",
    "Rendition",
    "RetentionPoint",
    "SessionConfig",
    "SessionStatus",
    "ShutdownReport",
    "Stage",
    "StartClass",
    "TokenProvider",
    "Topic",
    "Traffic",
    "Unspool",
    "UnspoolError",
]
