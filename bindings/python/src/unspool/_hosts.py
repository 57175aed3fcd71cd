"""Calls of the core into the app: which event loop they run on, and what becomes of what they raise.

The core calls from threads of its own, which have no event loop. The generated code asks one function for a loop, for
these calls and for every call of the app. Here that function gives an app's call the loop it runs on, and a call of the
core a loop on a thread that this module keeps; from there the app's coroutine is sent to the loop the session was opened
on. So any number of loops and sessions live side by side, and a loop that has ended fails its own session's calls and
no others.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar

from . import _bindings
from ._bindings import (
    HostBackend,
    HostError,
    HostPage,
    LabelUpdate,
    Location,
    PageRequest,
    PlatformPlayers,
    PlayerReports,
    PlayerRequest,
    TokenProvider,
    Topic,
)

T = TypeVar("T")
_log = logging.getLogger("unspool")
_generated: Any = _bindings


class _CallsLoop(asyncio.SelectorEventLoop):
    """A loop whose ``call_soon`` may be called from any thread.

    The generated code cancels a call the core no longer wants with ``call_soon`` from the core's thread, which would not
    wake an ordinary loop.
    """

    home: int | None = None

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if self.home in (None, threading.get_ident()):
            return super().call_soon(callback, *args, context=context)
        return self.call_soon_threadsafe(callback, *args, context=context)

    def run(self) -> None:
        self.home = threading.get_ident()
        asyncio.set_event_loop(self)
        self.run_forever()


_calls_lock = threading.Lock()
_calls: _CallsLoop | None = None


def _calls_loop() -> _CallsLoop:
    """The loop for calls of the core, started when it is first needed; its thread ends with the process."""
    global _calls
    with _calls_lock:
        if _calls is None:
            _calls = _CallsLoop()
            threading.Thread(target=_calls.run, name="unspool-calls", daemon=True).start()
        return _calls


def _loop_of_this_call() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return _calls_loop()


_generated._uniffi_get_event_loop = _loop_of_this_call


class _Guard:
    """Runs the app's coroutines on its loop, and lets nothing but a ``HostError`` out of them.

    A ``HostError`` passes as it is, an ``OSError`` or a time-out becomes ``HostError.Network``, anything else
    ``HostError.Unexpected``, each with the name of the class only: a message could hold something personal. It is logged
    in full under the logger ``unspool``.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        asked: list[concurrent.futures.Future[T]] = []

        async def guarded() -> T:
            try:
                return await call()
            except HostError:
                raise
            except (OSError, TimeoutError, asyncio.TimeoutError) as error:
                raise HostError.Network(type(error).__name__) from error
            except asyncio.CancelledError as error:
                if asked and asked[0].cancelled():
                    raise  # The core no longer wants the answer.
                raise HostError.Network(type(error).__name__) from error
            except Exception as error:
                _log.exception("the app failed to answer the core")
                raise HostError.Unexpected(type(error).__name__) from error

        coroutine = guarded()
        try:
            asked.append(asyncio.run_coroutine_threadsafe(coroutine, self._loop))
        except RuntimeError:
            coroutine.close()
            raise HostError.Unexpected("the event loop the session was opened on has ended") from None
        try:
            return await asyncio.wrap_future(asked[0])
        except (KeyboardInterrupt, SystemExit) as error:
            # They end the app's loop, not this one.
            raise HostError.Unexpected(type(error).__name__) from error


class _Tokens(TokenProvider):
    def __init__(self, app: TokenProvider, guard: _Guard) -> None:
        self._app = app
        self._guard = guard

    async def token(self, rejected: str | None) -> str:
        return await self._guard.run(lambda: self._app.token(rejected))


class _Host(HostBackend):
    def __init__(self, app: HostBackend, guard: _Guard) -> None:
        self._app = app
        self._guard = guard

    async def page(self, request: PageRequest) -> HostPage:
        return await self._guard.run(lambda: self._app.page(request))

    async def topics(self) -> list[Topic]:
        return await self._guard.run(self._app.topics)

    async def labels(self, items: list[str]) -> list[LabelUpdate]:
        return await self._guard.run(lambda: self._app.labels(items))

    async def rules(self, held: int) -> str | None:
        return await self._guard.run(lambda: self._app.rules(held))

    async def locate(self, asset: str, rendition: str) -> Location:
        return await self._guard.run(lambda: self._app.locate(asset, rendition))


class _Players(PlatformPlayers):
    def __init__(self, app: PlatformPlayers, guard: _Guard) -> None:
        self._app = app
        self._guard = guard

    async def make(self, player: int, request: PlayerRequest, reports: PlayerReports) -> None:
        await self._guard.run(lambda: self._app.make(player, request, reports))

    async def play(self, player: int) -> None:
        await self._guard.run(lambda: self._app.play(player))

    async def pause(self, player: int) -> None:
        await self._guard.run(lambda: self._app.pause(player))

    async def seek(self, player: int, position_ms: int, exact: bool) -> None:
        await self._guard.run(lambda: self._app.seek(player, position_ms, exact))

    async def set_muted(self, player: int, muted: bool) -> None:
        await self._guard.run(lambda: self._app.set_muted(player, muted))

    async def set_volume(self, player: int, volume: float) -> None:
        await self._guard.run(lambda: self._app.set_volume(player, volume))

    async def set_rate(self, player: int, rate: float) -> None:
        await self._guard.run(lambda: self._app.set_rate(player, rate))

    async def release(self, player: int) -> None:
        await self._guard.run(lambda: self._app.release(player))


def guarded_tokens(app: TokenProvider) -> TokenProvider:
    """The same provider, safe to hand to the core; its coroutines run on the loop that is running now."""
    return _Tokens(app, _Guard(asyncio.get_running_loop()))


def guarded_host(app: HostBackend) -> HostBackend:
    """The same host, safe to hand to the core; its coroutines run on the loop that is running now."""
    return _Host(app, _Guard(asyncio.get_running_loop()))


def guarded_players(app: PlatformPlayers) -> PlatformPlayers:
    """The same players, safe to hand to the core; their coroutines run on the loop that is running now."""
    return _Players(app, _Guard(asyncio.get_running_loop()))
