//! What an app does with a playing card: how it sounds and runs, where it is, what the system says, what the device bears.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use unspool::{
    Error, Event, FeedKind, FeedSession, MemoryPressure, Picture, PlayerEngine, Screen, Screens, SeekMode,
    SoundFocus, Stage, Unspool,
};
use unspool_e2e::{Done, Origin, PATIENCE, config, first_frame, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");
/// How long an interruption lasts in these tests.
const CALL: Duration = Duration::from_millis(40);

async fn begin(dir: &std::path::Path, origin: &Origin) -> Done<(Unspool, FeedSession, u64)> {
    let session = Unspool::open(config(&dir.join("core"), &origin.url, "ada")?)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    Ok((session, feed, seen))
}

async fn event(feed: &FeedSession, seen: &mut u64, wanted: impl Fn(&Event) -> bool) -> Done<Event> {
    let find = async {
        loop {
            let batch = feed.events_after(*seen, 1).await?;
            *seen = batch.last;
            if let Some(found) = batch.events.into_iter().find(&wanted) {
                return Ok::<_, Error>(found);
            }
        }
    };
    Ok(tokio::time::timeout(PATIENCE, find).await??)
}

#[tokio::test(flavor = "multi_thread")]
async fn speed_place_and_volume_reach_the_player_and_the_record() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let (session, feed, _) = begin(dir.path(), &origin).await?;
    let decoding = event(&feed, &mut 0, |e| matches!(e, Event::Decoding { .. })).await?;
    assert!(
        matches!(&decoding, Event::Decoding { position: 0, codec, width, decoder, .. }
            if codec == "h264" && *width > 0 && !decoder.is_empty()),
        "{decoding:?}"
    );
    for wrong in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(feed.set_volume(wrong), Err(Error::Config { .. })), "{wrong}");
    }
    for wrong in [0.0, 4.1, f64::INFINITY] {
        assert!(matches!(feed.set_rate(wrong), Err(Error::Config { .. })), "{wrong}");
    }
    feed.set_volume(0.3)?;
    until(&feed, "it plays", |s| s.playhead_ms > 0).await?;
    feed.set_rate(2.0)?;
    // Half of the media's time passes on the clock: two seconds of it in well under two.
    let from = until(&feed, "it goes on", |s| s.playhead_ms > 0).await?.playhead_ms;
    let begun = std::time::Instant::now();
    let to = until(&feed, "two seconds further", |s| s.playhead_ms >= from + 2_000).await?.playhead_ms;
    let speed = (to - from) as f64 / begun.elapsed().as_secs_f64() / 1_000.0;
    assert!(speed > 1.4, "at {speed:.2} times");
    feed.set_paused(true)?;
    until(&feed, "it stands", |s| s.paused).await?;
    feed.seek_with(1_234, SeekMode::Accurate)?;
    feed.set_paused(false)?;
    let sought = until(&feed, "it is there", |s| (1_200..2_400).contains(&s.playhead_ms)).await?;
    assert!(sought.playhead_ms >= 1_200);
    let next = feed.next().await?;
    until(&feed, "the next plays", |s| s.current == Some(next.position) && s.playhead_ms > 200).await?;
    session.shutdown(PATIENCE).await;
    let records = origin.impressions(&session.installation()).await?;
    let [first, second] = &records[..] else { panic!("two viewings: {records:?}") };
    assert_eq!((&first["attributes"]["rate"], &first["attributes"]["seeks"]), (&2.0.into(), &1.into()));
    assert_eq!(second["attributes"]["rate"], 2.0, "speed holds for the cards after it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_stands_in_the_snapshot_and_ends_by_itself_or_with_the_person() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let (session, feed, _) = begin(dir.path(), &origin).await?;
    until(&feed, "it plays", |s| s.playhead_ms > 0).await?;
    session.set_sound_focus(SoundFocus::Duck);
    let at = feed.snapshot().frames;
    let ducked = until(&feed, "quiet, it goes on", |s| s.frames > at + 3).await?;
    assert!(!ducked.paused && !ducked.interrupted);

    session.set_sound_focus(SoundFocus::LostForNow);
    let held = until(&feed, "a call comes", |s| s.interrupted).await?;
    assert!(held.paused);
    // The call takes a while: the record counts whole milliseconds.
    tokio::time::sleep(CALL).await;
    session.set_sound_focus(SoundFocus::Gained);
    let back = until(&feed, "the call ends", |s| !s.interrupted && !s.paused).await?.frames;
    until(&feed, "pictures come again", |s| s.frames > back + 3).await?;

    session.set_sound_focus(SoundFocus::BecomingNoisy);
    let noisy = until(&feed, "the headphones are gone", |s| s.paused).await?;
    assert!(!noisy.interrupted, "that does not end by itself");
    session.set_sound_focus(SoundFocus::Gained);
    // What was said is taken in order: when the budget has arrived, the focus has.
    feed.peek(1).await?;
    assert!(feed.snapshot().paused, "only the person goes on");
    feed.set_paused(false)?;
    let on = until(&feed, "the person plays", |s| !s.paused).await?.frames;
    until(&feed, "pictures come again", |s| s.frames > on + 3).await?;

    session.set_sound_focus(SoundFocus::LostForNow);
    until(&feed, "another call", |s| s.interrupted).await?;
    let card = feed.next().await?;
    until(&feed, "a swipe outlives it", |s| s.current == Some(card.position) && !s.interrupted && !s.paused)
        .await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    let records = origin.impressions(&session.installation()).await?;
    let paused = records[0]["attributes"]["paused_ms"].as_u64().ok_or("no pause")?;
    assert!(u128::from(paused) >= CALL.as_millis(), "an interruption is a pause of the viewing: {paused} ms");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_device_bears_changes_while_it_plays() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let (session, feed, mut seen) = begin(dir.path(), &origin).await?;
    let prerolled = |s: &unspool::Snapshot| s.window.get(1).is_some_and(|c| c.stage == Stage::PreRolled);
    until(&feed, "the next card is pre-rolled", prerolled).await?;
    session.set_memory_pressure(MemoryPressure::Critical);
    until(&feed, "one player is left", |s| !prerolled(s) && s.window[0].stage == Stage::Playing).await?;
    session.set_memory_pressure(MemoryPressure::Normal);
    until(&feed, "there is room again", prerolled).await?;
    assert!(matches!(session.set_player_budget(0, 1), Err(Error::Config { .. })));
    session.set_player_budget(1, 96_000_000)?;
    until(&feed, "one decoder is left", |s| !prerolled(s)).await?;
    // With one decoder a swipe takes it from the card before; the card plays all the same.
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    session.set_player_budget(3, 0)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    session.set_player_budget(4, 200_000_000)?;
    until(&feed, "more than at the beginning", prerolled).await?;
    // A feed opened later keeps to what was said before.
    session.set_player_budget(1, 96_000_000)?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    until(&feed, "the next card's start is here", |s| {
        s.window.get(1).is_some_and(|c| matches!(c.stage, Stage::RangeCached(ms) if ms >= 1_500))
    })
    .await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_looping_a_card_ends_and_says_so() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let mut config = config(&dir.path().join("core"), &origin.url, "ada")?;
    config.player.loop_playback = false;
    let session = Unspool::open(config)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    feed.set_rate(4.0)?;
    feed.seek(card.item.asset.duration_ms.saturating_sub(1_500))?;
    event(&feed, &mut seen, |e| matches!(e, Event::Ended { position } if *position == card.position)).await?;
    assert!(session.shutdown(Duration::from_secs(20)).await.clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_shows_nothing_takes_no_window() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = Unspool::open(config(&dir.path().join("core"), &origin.url, "ada")?)?;
    assert!(matches!(session.set_window(Some(1)), Err(Error::Config { .. })));
    let feed = session.feed(FeedKind::ForYou)?;
    assert!(matches!(feed.set_card_window(0, None), Err(Error::Config { .. })));
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

/// Pictures that an app took, by card, and the screens that there are.
#[derive(Debug, Default)]
struct Hall {
    shown: Mutex<BTreeMap<u64, u64>>,
    screens: Mutex<usize>,
}

fn held<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The screens of a hall.
#[derive(Debug, Clone)]
struct Walls(Arc<Hall>);

#[derive(Debug)]
struct Wall(Arc<Hall>, u64);

impl Screens for Walls {
    fn screen(&self, position: u64) -> Arc<dyn Screen> {
        *held(&self.0.screens) += 1;
        Arc::new(Wall(Arc::clone(&self.0), position))
    }
}

impl Screen for Wall {
    fn show(&self, picture: &Picture<'_>) {
        assert_eq!(picture.pixel_aspect(), (1, 1));
        assert!(picture.width() > 0 && !picture.colours().full_range);
        *held(&self.0.shown).entry(self.1).or_default() += 1;
    }
}

impl Drop for Wall {
    fn drop(&mut self) {
        *held(&self.0.screens) -= 1;
    }
}

impl Hall {
    async fn has(&self, what: &str, enough: impl Fn(&BTreeMap<u64, u64>, usize) -> bool) -> Done<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let (shown, screens) = (held(&self.shown).clone(), *held(&self.screens));
            if enough(&shown, screens) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("{what}: {shown:?}, {screens} screens").into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_takes_the_pictures_itself_gets_those_of_the_next_card_too() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let hall = Arc::new(Hall::default());
    let mut config = config(&dir.path().join("core"), &origin.url, "ada")?;
    config.engine = PlayerEngine::Screens(Arc::new(Walls(Arc::clone(&hall))));
    let session = Unspool::open(config)?;
    let refused = session.set_window(Some(1));
    assert!(matches!(&refused, Err(Error::Config { reason }) if reason.contains("itself")), "{refused:?}");
    let feed = session.feed(FeedKind::ForYou)?;
    let first = feed.next().await?.position;
    hall.has("it plays", |shown, _| shown.get(&first).is_some_and(|n| *n > 5)).await?;
    hall.has("the next one stands ready", |shown, _| shown.contains_key(&(first + 1))).await?;
    let frames = feed.snapshot().frames;
    let second = feed.next().await?.position;
    let at = held(&hall.shown)[&second];
    hall.has("the next one plays", |shown, _| shown[&second] > at + 5).await?;
    until(&feed, "its pictures count", |s| s.frames > frames).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    hall.has("the screens are free", |_, screens| screens == 0).await
}
