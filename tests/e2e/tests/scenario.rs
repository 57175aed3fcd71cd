//! The scenario that every language runs, in Rust: the steps of `tests/scenario.json`, in that order.

use std::time::Duration;

use serde_json::{Value, json};
use unspool::{Card, Conditions, Credentials, Error, Event, FeedKind, FeedSession, Unspool};
use unspool_e2e::{Done, Origin, PATIENCE, config, first_frame, open, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");
const STEPS: &str = include_str!("../../scenario.json");

/// Pictures that make a video played and not only begun: a third of a second at 30 a second.
const FRAMES: u64 = 10;

/// Walks through the list and refuses a step out of turn.
struct Steps {
    left: std::vec::IntoIter<Value>,
}

impl Steps {
    fn read() -> Done<Self> {
        let list: Value = serde_json::from_str(STEPS)?;
        let steps = list["steps"].as_array().cloned().ok_or("no list of steps")?;
        Ok(Steps { left: steps.into_iter() })
    }

    fn begin(&mut self, name: &str) {
        assert_eq!(self.left.next(), Some(json!(name)), "the steps and their order are those of the list");
    }
}

/// What a card must hold to be played without a network.
const OFFLINE_MS: u64 = unspool_engine::session::OFFLINE_MS;

/// Waits until a card was decoded and shown for a while.
async fn plays(feed: &FeedSession, seen: &mut u64, card: &Card) -> Done<()> {
    let frame = first_frame(feed, seen, card.position).await?;
    assert!(frame.luma.is_some_and(|l| l > 8.0), "a picture, not a black one: {frame:?}");
    until(feed, "pictures come", |s| s.current == Some(card.position) && s.frames >= FRAMES).await?;
    Ok(())
}

async fn online(session: &Unspool, origin: &Origin, online: bool) -> Done<()> {
    origin.network(if online { json!({}) } else { json!({"down": true}) }).await?;
    session.set_conditions(Conditions { online, ..Conditions::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_scenario() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let mut steps = Steps::read()?;

    steps.begin("open");
    let mut settings = config(&core, &origin.url, "ada")?;
    settings.credentials = Credentials::Fixed("ada.1".into());
    let session = Unspool::open(settings)?;
    let second = open(&core, &origin.url, "ada", true);
    assert!(second.is_err_and(|e| e.downcast_ref() == Some(&Error::InUse)), "one session owns the directory");

    steps.begin("choose_interests");
    let topics = session.topics().await?;
    assert!(topics.iter().any(|t| t.id == "science" && t.title == "Science"), "{topics:?}");
    session.set_interests(vec!["science".into(), "music".into()]).await?;
    assert_eq!(session.interests().await?, ["music", "science"]);
    assert_eq!(session.flush(PATIENCE).await?.intents_queued, 0);

    steps.begin("feed");
    let feed = session.feed(FeedKind::ForYou)?;
    let mut cards = vec![feed.next().await?];
    let chosen = |topic: &String| topic == "science" || topic == "music";
    assert!(cards[0].item.topics.iter().any(chosen), "interests come first: {:?}", cards[0].item);
    assert_eq!(feed.peek(3).await?.len(), 3);

    steps.begin("prefetch");
    until(&feed, "the cards ahead can start without the network", |s| {
        s.window.len() > 2 && s.window[1..=2].iter().all(|c| c.ahead_ms >= 1_000)
    })
    .await?;
    assert!(session.bytes().media > 0);

    steps.begin("play_three");
    let mut seen = 0;
    for n in 0..3 {
        if n > 0 {
            cards.push(feed.next().await?);
        }
        plays(&feed, &mut seen, &cards[n]).await?;
        let enough = |s: &unspool::Snapshot| {
            s.window.first().is_some_and(|c| c.ahead_ms + s.playhead_ms >= OFFLINE_MS)
        };
        until(&feed, "enough for offline", enough).await?;
    }

    steps.begin("like");
    let item = &cards[2].item.id;
    session.set_liked(item, true).await?;
    assert_eq!(session.liked(item).await?, Some(true));
    assert_eq!(session.flush(PATIENCE).await?.intents_queued, 0);

    steps.begin("go_offline");
    online(&session, &origin, false).await?;
    origin.quiet().await?;
    let lines = origin.log()?.len();

    steps.begin("replay_offline");
    let back = feed.previous().await?;
    assert_eq!(back.item.id, cards[1].item.id);
    plays(&feed, &mut seen, &back).await?;
    session.set_liked(&back.item.id, true).await?;
    let out = session.flush(Duration::from_secs(5)).await?;
    assert_eq!((out.intents_queued, out.intents_delivered), (1, 3), "it waits on the device");
    assert_eq!(session.topics().await.err(), Some(Error::Offline));

    steps.begin("cancel_a_wait");
    let before = feed.snapshot().revision;
    let cut = tokio::time::timeout(Duration::from_millis(50), feed.events_after(u64::MAX, 1)).await;
    assert!(cut.is_err(), "there is no such event to wait for");
    assert!(feed.snapshot_after(before).await?.revision > before, "other waits go on");
    let all = feed.events(0, 10_000);
    assert_eq!((all.missed, all.last), (0, all.events.len() as u64), "every event is still there");
    origin.quiet().await?;
    assert_eq!(origin.log()?.len(), lines, "nothing was asked of the server");

    steps.begin("go_online");
    online(&session, &origin, true).await?;
    let card = feed.next().await?;
    plays(&feed, &mut seen, &card).await?;

    steps.begin("flush");
    let out = session.flush(PATIENCE).await?;
    assert_eq!((out.intents_queued, out.queued), (0, 0), "{out:?}");

    steps.begin("shut_down_twice");
    let report = session.shutdown(PATIENCE).await;
    assert!(report.clean);
    assert_eq!(session.shutdown(PATIENCE).await, report);
    assert_eq!(feed.next().await.err(), Some(Error::ShutDown));
    let shown = feed.events(0, 10_000).events.into_iter();
    let shown = shown.filter(|e| matches!(e, Event::FirstFrame { .. })).count();
    assert_eq!(shown, 5, "each card that was swiped to showed a picture");

    steps.begin("server_has_it_once");
    let out = report.outgoing;
    assert_eq!((out.recorded, out.delivered, out.queued), (5, 5, 0), "{out:?}");
    let impressions = origin.impressions(&session.installation()).await?;
    assert_eq!(impressions.len(), 5);
    assert!(impressions.iter().all(|i| i["deliveries"] == 1));
    let of = |verb: &str, target: &str| (verb.to_owned(), target.to_owned(), true);
    let wanted =
        [of("interest", "music"), of("interest", "science"), of("like", item), of("like", &back.item.id)];
    assert_eq!(origin.desired("ada").await?, wanted.into());
    assert_eq!(origin.get("/control/stats").await?["interactions"], json!(4));
    origin.quiet().await?;
    assert_eq!(session.bytes().network, origin.bytes_to("ada")?, "both sides count the same bytes");
    assert_eq!(steps.left.next(), None, "every step of the list was done");
    Ok(())
}
