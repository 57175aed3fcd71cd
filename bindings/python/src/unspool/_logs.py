"""The core's log, for ``logging``."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ._bindings import LogBatch, logs_after


async def log_batches(after: int = 0) -> AsyncIterator[LogBatch]:
    """What the core logs after line number ``after``, oldest first, in the batches it is pulled in.

    Nothing is collected before :func:`set_log_level`. The log is one for the process and outlives every session, so this
    never ends by itself; a reader that keeps ``last`` goes on from there after a cancelled wait and loses nothing.
    """
    while True:
        batch = await logs_after(after)
        after = batch.last
        yield batch
