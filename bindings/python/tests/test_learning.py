"""Why a feed stands as it stands: the learner's card, weights by hand, reasons, and forgetting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import Follower, Origin, config, eventually, offline, until
from unspool import FeedKind, LoopChoice, LoopState, TopicWeight, Unspool, UnspoolError


async def test_the_learner_can_be_read_set_exported_and_erased(core: Path) -> None:
    async with await Unspool.open(offline(core)) as session:
        parameters = session.main_parameters()
        assert all(one.name and one.words for one in parameters) and len(parameters) > 20
        assert next(one.value for one in parameters if one.name == "version") == session.ranking_version()
        assert session.learner_lost() is None and session.exposure() == []
        await session.set_learner_weight("science", 0.5)
        await session.set_learner_weight("football", -1.0)
        for topic, weight in [("x" * 500, 0.5), ("science", float("nan"))]:
            with pytest.raises(UnspoolError.Config):
                await session.set_learner_weight(topic, weight)
        await session.set_interests(["science"])
    async with await Unspool.open(offline(core)) as session:
        card = session.learner_card()
        assert card.settings == [TopicWeight(topic="football", weight=-1.0), TopicWeight(topic="science", weight=0.5)]
        assert card.interests == ["science"] and card.viewings == 0 and card.words
        assert "football" in await session.export_learner()
        json.loads(await session.export_learner())
        await session.forget_learned_topic("football")
        await session.reset_learner()
        await session.set_learner_weight("football", 0.0)
        assert [one.topic for one in session.learner_card().settings] == ["science"]
        await session.erase_learner()
        assert session.learner_card().settings == []
        assert "science" not in await session.export_learner()


async def test_a_card_says_why_and_a_viewing_is_learnt(origin: Origin, core: Path) -> None:
    async with await Unspool.open(config(core, origin)) as session:
        feed = session.feed(FeedKind.FOR_YOU())
        card = await feed.next()
        await Follower(feed).first_frame(card.position)
        why = await feed.why(card.position)
        assert (why.item, why.policy) == (card.item.id, session.ranking_version())
        assert why.words and abs(sum(one.amount for one in why.reasons) - why.difference) < 1e-9
        with pytest.raises(UnspoolError.NoSuchCard):
            await feed.why(9_999)
        with pytest.raises(UnspoolError.NoSuchCard):
            await feed.not_interested(9_999)
        await feed.not_interested(card.position)
        feed.answer_loop(LoopChoice.KEEP_GOING)
        await feed.next()

        async def learnt() -> bool:
            return session.learner_card().viewings == 1

        await eventually("the viewing is learnt", learnt)
        topic = card.item.topics[0]
        believed = {line.about: line.amount for line in session.learner_card().topics}
        assert believed[topic] < 0, "who wants nothing like it is believed"
        state = feed.snapshot()
        assert state.loop_state == LoopState.NORMAL and state.enough_of == []
        assert session.exposure()
        feed.refresh()
        await until(feed, "cards after a refresh", lambda s: len(s.window) > 1)

        everybody = session.feed(FeedKind.NON_PROFILED())
        shown = await everybody.next()
        why = await everybody.why(shown.position)
        assert why.reasons == [] and why.against is None and "same for everybody" in why.words


async def test_a_link_opens_its_video_and_the_feed_goes_on_behind_it(origin: Origin, core: Path) -> None:
    async with await Unspool.open(config(core, origin)) as session:
        with pytest.raises(UnspoolError.NoSuchCard):
            session.feed(FeedKind.FOR_YOU(), first="two words")
        feed = session.feed(FeedKind.FOR_YOU(), first="item-00040")
        assert (await feed.next()).item.id == "item-00040"
        assert "You opened" in (await feed.why(0)).words
        assert (await feed.next()).item.id != "item-00040"
