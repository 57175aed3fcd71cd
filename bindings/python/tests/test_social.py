"""Comments, payments and telemetry: written without a network, there once afterwards, and listed as they leave."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import OFFLINE, WITHIN, Follower, Origin, config, in_time
from unspool import (
    Attribute,
    AttributeValue,
    CommentState,
    Conditions,
    FeedKind,
    IntentVerb,
    Order,
    OutboundPurpose,
    Payment,
    PaymentCause,
    PaymentState,
    Place,
    Purpose,
    RefusedIntent,
    Tap,
    Unspool,
    UnspoolError,
    ViewerAction,
)


def share(item: str) -> list[Attribute]:
    return [
        Attribute(key="item", value=AttributeValue.TEXT(item)),
        Attribute(key="target", value=AttributeValue.TEXT("message")),
    ]


def gift(amount: int) -> Order:
    return Order(cause=PaymentCause.GIFT, recipient="cleo", subject="rose", amount=amount, price_version="1")


async def decided(session: Unspool, payment: str) -> Payment:
    revision = 0
    while True:
        found = next(one for one in await session.payments() if one.id == payment)
        if found.state in (PaymentState.CONFIRMED, PaymentState.DECLINED, PaymentState.CANCELLED):
            return found
        revision = await session.intents_after(revision)


async def test_comments_and_payments_arrive_once(origin: Origin, core: Path) -> None:
    async with await Unspool.open(config(core, origin, conditions=OFFLINE)) as session:
        first = await session.add_comment("item", "frist")
        await session.edit_comment("item", first, "first")
        answer = await session.add_comment("item", "an answer", first)
        never = await session.add_comment("item", "never")
        await session.delete_comment("item", never)
        with pytest.raises(UnspoolError.Config):
            await session.add_comment("item", " ")
        shown = await session.comments("item")
        assert [one.text for one in shown] == ["first", "an answer"]
        assert all(isinstance(one.state, CommentState.WAITING) for one in shown)
        payment = await session.draft_payment(gift(100))
        await session.confirm_payment(payment)
        taken_back = await session.draft_payment(gift(1))
        await session.cancel_payment(taken_back)
        # The answer to the payment is lost: it is asked about, and not sent again.
        lost = {"kind": "reset", "after_bytes": 0}
        await origin.fault({"path_prefix": "/v1/payments", "action": lost})
        session.set_conditions(Conditions())
        found = await in_time("the payment is decided", decided(session, payment))
        assert found.state == PaymentState.CONFIRMED
        assert await session.available_coins() == 900
        await session.flush(WITHIN)
        assert all(isinstance(one.state, CommentState.SENT) for one in await session.comments("item"))
        stored = (await origin.get("/control/comments?actor=ada"))["comments"]
        assert {one["id"]: one["text"] for one in stored} == {first: "first", answer: "an answer"}
        paid = (await origin.get("/control/payments?actor=ada"))["payments"]
        assert [(one["op_id"], one["moved"], one["arrivals"]) for one in paid] == [(payment, 100, 1)]
        lonely = await session.add_comment("item", "to nobody", "nobody")
        await session.flush(WITHIN)
        refused = await session.refused_comments()
        assert [(one.id, one.text) for one in refused] == [(lonely, "to nobody")]
        assert isinstance(refused[0].state, CommentState.REFUSED) and refused[0].state.reason == "parent_gone"
        assert await session.dismiss_comment("item", lonely)
        assert not await session.dismiss_payment(payment), "it was not refused"


async def test_wishes_are_shown_at_once_and_what_is_refused_stays_in_sight(origin: Origin, core: Path) -> None:
    async with await Unspool.open(config(core, origin, conditions=OFFLINE)) as session:
        too_long = "x" * 300  # Longer than the server takes an identifier.
        assert await session.followed("cleo") is None
        await session.set_followed("cleo", True)
        await session.set_saved("item", True)
        await session.set_saved("item", False)
        await session.set_saved(too_long, True)
        assert await session.followed("cleo") is True
        assert await session.saved("item") is False
        assert await session.refused_intents() == []
        session.set_conditions(Conditions())
        outgoing = await session.flush(WITHIN)
        assert (outgoing.intents_delivered, outgoing.intents_wedged) == (2, 1)
        (refused,) = await session.refused_intents()
        assert refused == RefusedIntent(
            id=refused.id,
            verb=IntentVerb.SAVE,
            target=too_long,
            state=True,
            reason="bad_target",
            at_ms=refused.at_ms,
        )
        assert refused.at_ms > 0
        assert await session.saved(too_long) is None, "what the backend has is shown"
        assert await session.dismiss_intent(refused.id)
        assert not await session.dismiss_intent(refused.id)
        assert await session.refused_intents() == []
        wanted = (await origin.get("/control/interactions?actor=ada"))["interactions"]
        assert {(one["verb"], one["target"], one["state"]) for one in wanted} == {
            ("follow", "cleo", True),
            ("save", "item", False),
        }


async def test_records_leave_once_and_are_listed_and_erased(origin: Origin, core: Path) -> None:
    async with await Unspool.open(config(core, origin)) as session:
        feed = session.feed(FeedKind.FOR_YOU())
        card = await feed.next()
        await Follower(feed).first_frame(card.position)
        feed.viewer(ViewerAction.TAPPED(Tap.LIKE))
        feed.viewer(ViewerAction.LEFT(Place.COMMENTS))
        session.record("unspool.share", share("item-1"))
        assert await session.record_durable("unspool.share", share("item-2"))
        with pytest.raises(UnspoolError.Config):
            session.record("unspool.share", [])
        session.set_power(roaming=True, low_power=True)
        await session.suspend()
        assert await session.record_durable("unspool.share", share("item-3"))
        await session.resume()
        session.set_power(roaming=False, low_power=False)
        outgoing = await session.flush(WITHIN)
        assert outgoing.queued == 0
        installation = session.status().installation
        records = await origin.records(installation)
        items = sorted(one["attributes"]["item"] for one in records if one["event_name"] == "unspool.share")
        assert items == ["item-1", "item-2", "item-3"]
        viewing = next(one for one in records if one["event_name"] == "unspool.impression")
        assert viewing["attributes"]["exit"] == "comments"
        assert viewing["attributes"]["taps"].startswith("like@")

        listed = session.outbound_after(0)
        assert {one.host for one in listed.requests} == {origin.url.removeprefix("http://")}
        purposes = {one.purpose for one in listed.requests}
        assert {OutboundPurpose.FEED, OutboundPurpose.MEDIA, OutboundPurpose.TELEMETRY} <= purposes
        assert session.outbound_after(listed.last).forgotten == 0

        await session.set_consent([Purpose.QUALITY])
        assert not await session.record_durable("unspool.share", share("item-4"))
        await session.erase_telemetry()
        assert session.status().installation != installation
        await session.flush(WITHIN)
        assert await origin.records(installation) == []
