"""The example of the documentation: opens a session, plays a card until a picture is there, and likes it."""

from unspool import FeedKind, SessionConfig, Unspool


async def watch(dir: str, url: str, token: str) -> None:
    config = SessionConfig(data_dir=dir, account="ada", backend=url, token=token)
    async with await Unspool.open(config) as session:
        feed = session.feed(FeedKind.FOR_YOU())
        card = await feed.next()
        async for snapshot in feed.snapshots():
            if snapshot.frames > 0:
                break
        await session.set_liked(card.item.id, True)
