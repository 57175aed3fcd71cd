"""Bearer tokens from the app, with refresh."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import WITHIN, Origin, config, eventually, outcome
from unspool import FeedKind, HostError, SessionConfig, TokenProvider, Unspool, UnspoolError


class Tokens(TokenProvider):
    """Gives ``ada.1``, ``ada.2`` and so on: the next one each time one is refused."""

    def __init__(self, signed_out: bool = False) -> None:
        self.rejected: list[str | None] = []
        self.serial = 1
        self.signed_out = signed_out

    async def token(self, rejected: str | None) -> str:
        self.rejected.append(rejected)
        if self.signed_out:
            raise HostError.SignIn()
        if rejected is not None:
            self.serial += 1
        return f"ada.{self.serial}"


async def everything_arrived(session: Unspool) -> bool:
    left = await outcome(session.flush(WITHIN))
    return not isinstance(left, Exception) and bool(left.intents_queued == 0)


async def test_a_refused_token_is_refreshed_once(origin: Origin, core: Path) -> None:
    tokens = Tokens()
    async with await Unspool.open(config(core, origin, token=None), tokens) as session:
        await session.set_liked("item-00001", True)
        await eventually("the first like arrives", lambda: everything_arrived(session))
        assert tokens.rejected == [None]
        await origin.revoke("ada.1")
        await session.set_liked("item-00002", True)
        await session.feed(FeedKind.FOR_YOU()).next()
        await eventually("the second like arrives", lambda: everything_arrived(session))
        assert tokens.rejected == [None, "ada.1"]
        assert len(await origin.likes("ada")) == 2


async def test_who_is_signed_out_is_told_so_and_what_waited_goes_on(origin: Origin, core: Path) -> None:
    tokens = Tokens(signed_out=True)
    async with await Unspool.open(config(core, origin, token=None), tokens) as session:
        await session.set_liked("item-00003", True)
        feed = session.feed(FeedKind.FOR_YOU())
        with pytest.raises(UnspoolError.SignIn):
            await feed.next()
        assert await session.liked("item-00003") is True, "what was wished is kept"
        tokens.signed_out = False
        session.signed_in()
        await eventually("the like arrives", lambda: everything_arrived(session))
        assert await origin.likes("ada") == ["item-00003"]
        feed.retry()

        async def goes_on() -> bool:
            return not isinstance(await outcome(feed.next()), Exception)

        await eventually("the feed goes on", goes_on)


async def test_a_provider_that_fails_fails_the_call_and_not_the_session(origin: Origin, core: Path) -> None:
    class Failing(Tokens):
        async def token(self, rejected: str | None) -> str:
            if not self.rejected:
                self.rejected.append(rejected)
                raise NotImplementedError("written later")
            return await super().token(rejected)

    tokens = Failing()
    async with await Unspool.open(config(core, origin, token=None), tokens) as session:
        await session.set_liked("item-00004", True)
        await eventually("the like arrives", lambda: everything_arrived(session))
        assert len(tokens.rejected) >= 2


def test_the_configuration_printed_shows_neither_token_nor_account() -> None:
    config = SessionConfig(data_dir="core", account="account-of-ada", backend="http://localhost", token="secret")
    for printed in (str(config), repr(config), f"{config}"):
        assert "localhost" in printed
        assert "secret" not in printed and "account-of-ada" not in printed
