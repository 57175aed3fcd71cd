//! Limits that hold against a real server and real players: what is counted, what ends playing, and who may change it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use unspool::{
    AgeBand, Break, BreakCause, Choices, Conditions, Config, Consent, Error, Event, FeedKind, Measure, Night,
    PreferenceChoices, Purpose, SafetySettings, Unspool,
};
use unspool_e2e::{Done, Origin, PATIENCE, config, eventually, first_frame, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");
const WATCHER: &str = env!("CARGO_BIN_EXE_watch-process");

/// Minutes east of UTC of where it is noon now, within an hour of it.
fn noon() -> i16 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let minutes = (unix / 60 % 1_440) as i16;
    720 - minutes
}

/// A configuration of a person for whom it is noon, so that no test ends at midnight or in a night.
fn at_noon(dir: &Path, url: &str) -> Done<Config> {
    let mut config = config(dir, url, "ada")?;
    config.utc_offset_min = Some(noon());
    Ok(config)
}

/// Lets a person have watched so much today.
fn watched(dir: &Path, ms: u64) -> Done<()> {
    let db = rusqlite::Connection::open(dir.join("session.db"))?;
    let name = "wellbeing:ada";
    let text: String = db.query_row("SELECT record FROM memory WHERE name = ?1", [name], |row| row.get(0))?;
    let mut record: Value = serde_json::from_str(&text)?;
    let ledger = &mut record["state"]["ledger"];
    ledger["total_ms"] = ms.into();
    let today = ledger["days"].as_array_mut().and_then(|days| days.last_mut()).ok_or("no day")?;
    today["watched_ms"] = ms.into();
    db.execute("UPDATE memory SET record = ?1 WHERE name = ?2", (record.to_string(), name))?;
    Ok(())
}

fn broke<T: std::fmt::Debug>(answer: Result<T, Error>) -> Break {
    match answer {
        Err(Error::Break(card)) => card,
        other => panic!("no break: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_used_up_ends_in_the_middle_of_a_card_and_nothing_passes_that() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let session = Unspool::open(at_noon(&core, &origin.url)?)?;
    let minute = Choices { daily_min: Some(1), at_daily: Some(Measure::Stop), ..Choices::default() };
    session.set_limits(minute).await?;
    session.set_passcode(Some("2468")).await?;
    session.shutdown(PATIENCE).await;
    watched(&core, 58_800)?;

    let session = Unspool::open(at_noon(&core, &origin.url)?)?;
    let before = session.wellbeing();
    assert_eq!(before.view.today_ms, 58_800);
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    let stopped = until(&feed, "the day is used up", |s| s.resting.is_some()).await?;
    let standing = stopped.resting.ok_or("no break")?;
    assert_eq!((standing.cause, standing.measure), (BreakCause::Daily, Measure::Stop));
    assert!(standing.opens_in_ms > 3_600_000 && standing.passcode_opens && stopped.paused);
    assert!((60_000..61_500).contains(&standing.today_ms), "{}", standing.today_ms);
    let events = feed.events(0, 1_000).events;
    assert!(events.iter().any(|e| matches!(e, Event::BreakBegan { card } if card.number == standing.number)));

    for _ in 0..200 {
        assert_eq!(broke(feed.next().await).number, standing.number);
    }
    broke(feed.previous().await);
    broke(feed.reveal(card.position).await);
    feed.set_paused(false)?;
    session.set_utc_offset(noon() / 2)?;
    for foreground in [false, true] {
        session.set_conditions(Conditions { foreground, ..Conditions::default() });
    }
    let loose = Choices { daily_min: Some(2), ..minute };
    assert_eq!(session.set_limits(loose).await, Err(Error::Guarded { is_set: true }));
    broke(feed.next().await);
    let still = feed.snapshot();
    assert_eq!((still.current, still.frames), (stopped.current, still.frames));
    assert!(still.paused && still.resting.is_some());
    let other = session.feed(FeedKind::NonProfiled)?;
    broke(other.next().await);
    assert_eq!(other.snapshot().frames, 0);
    let counted = session.wellbeing().view.total_ms;
    session.shutdown(PATIENCE).await;

    let session = Unspool::open(at_noon(&core, &origin.url)?)?;
    let feed = session.feed(FeedKind::ForYou)?;
    assert_eq!(broke(feed.next().await).cause, BreakCause::Daily, "a restart does not pass it");
    assert!(session.wellbeing().view.total_ms >= counted);
    assert!(matches!(session.give_passcode("0000").await, Err(Error::WrongPasscode { .. })));
    assert_eq!(session.allow_more(5).await, Err(Error::Guarded { is_set: true }));
    session.give_passcode("2468").await?;
    session.allow_more(5).await?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    let played = until(&feed, "it plays", |s| s.playhead_ms > 0).await?;
    assert_eq!(played.resting, None);
    session.shutdown(PATIENCE).await;
    let records = origin.impressions(&session.installation()).await?;
    let exits: Vec<&Value> = records.iter().map(|record| &record["attributes"]["exit"]).collect();
    assert!(exits.iter().any(|exit| **exit == "loop_break"), "{exits:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_guesses_reach_the_passcode_five_times() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let mut session = Unspool::open(at_noon(&core, &origin.url)?)?;
    session.set_passcode(Some("0007")).await?;
    let (mut refused, mut compared) = (0, 0);
    for guess in 0..10_000 {
        if guess == 0 || guess == 5_000 {
            session.shutdown(PATIENCE).await;
            session = Unspool::open(at_noon(&core, &origin.url)?)?;
        }
        // The right one is among them, and comes too late.
        let before = session.wellbeing().view.guard.wrong;
        match session.give_passcode(&format!("{guess:04}")).await {
            Err(Error::WrongPasscode { wait, .. }) => {
                compared += session.wellbeing().view.guard.wrong - before;
                refused += u32::from(!wait.is_zero());
            }
            other => panic!("guess {guess}: {other:?}"),
        }
    }
    // A minute that ends while the test runs may let one more through.
    assert!((5..=6).contains(&compared), "{compared} were compared");
    assert!(refused >= 9_995);
    session.shutdown(PATIENCE).await;
    // Nobody finds it in the files.
    let text = std::fs::read(core.join("session.db"))?;
    assert!(!text.windows(6).any(|bytes| bytes == b"\"0007\""));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn for_minors_a_card_waits_for_a_tap_and_nights_and_age_are_guarded() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let session = Unspool::open(at_noon(&core, &origin.url)?)?;
    session.set_safety(SafetySettings { age: AgeBand::Teen, ..session.safety() }).await?;
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    let stands = until(&feed, "it is prepared", |s| {
        s.paused && s.window.first().is_some_and(|card| card.ahead_ms > 1_000)
    });
    let stands = stands.await?;
    assert_eq!((stands.resting, stands.playhead_ms), (None, 0));
    feed.set_paused(false)?;
    until(&feed, "a tap plays it", |s| s.playhead_ms > 0 && !s.paused).await?;
    feed.next().await?;
    assert!(feed.snapshot().paused || feed.snapshot().current == Some(card.position));
    until(&feed, "the next one waits too", |s| s.paused && s.current != Some(card.position)).await?;

    let adult = SafetySettings { age: AgeBand::Adult, ..session.safety() };
    assert_eq!(session.set_safety(adult).await, Err(Error::Guarded { is_set: false }));
    let plays = Choices { autoplay: Some(true), ..Choices::default() };
    assert_eq!(session.set_limits(plays).await, Err(Error::Guarded { is_set: false }));
    assert_eq!(session.safety().age, AgeBand::Teen);
    let settings = session.settings();
    assert!(settings.guarded && !settings.passcode && !settings.limits.autoplay && !settings.limits.endless);

    // Pages end: after ten cards a break card, which a swipe passes.
    let mut breaks = 0;
    for _ in 0..12 {
        if let Err(error) = feed.next().await {
            assert_eq!(broke::<()>(Err(error)).cause, BreakCause::Page);
            breaks += 1;
        }
    }
    assert_eq!(breaks, 1);
    // Nights may be longer than the policy's, and this one is now. Somebody else looks at the time first.
    let moved = Some(Night { from_min: 600, until_min: 840 });
    let refused = session.set_limits(Choices { night: moved, ..Choices::default() }).await;
    assert_eq!(refused, Err(Error::Guarded { is_set: false }));
    feed.set_paused(false)?;
    until(&feed, "it plays", |s| !s.paused).await?;
    let night = Some(Night { from_min: 600, until_min: 420 });
    session.set_limits(Choices { night, ..Choices::default() }).await?;
    assert!(session.wellbeing().view.guarded);
    let asleep = until(&feed, "the night ends playing", |s| s.resting.is_some()).await?;
    let card = asleep.resting.ok_or("no break")?;
    assert_eq!((card.cause, card.measure), (BreakCause::Night, Measure::Pause));
    assert!(card.opens_in_ms <= 30_000 && asleep.paused);
    broke(feed.next().await);
    session.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_watched_is_not_given_back_by_a_kill() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let mut shown = 0;
    for kill in 0..3 {
        let mut command = Command::new(WATCHER);
        let mut child =
            command.arg(&core).arg(&origin.url).stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        let (mut first, began) = (None, Instant::now());
        for line in BufReader::new(out).lines() {
            let line: Value = serde_json::from_str(&line?)?;
            let total = line["total_ms"].as_u64().ok_or("no number")?;
            assert!(total >= shown, "{total} after {shown}, kill {kill}");
            shown = total;
            let first = *first.get_or_insert(total);
            if total >= first + 2_500 || began.elapsed() > PATIENCE {
                break;
            }
        }
        child.kill()?;
        child.wait()?;
    }
    assert!(shown >= 7_500, "{shown} ms in three runs of two and a half seconds");
    let session = Unspool::open(config(&core, &origin.url, "ada")?)?;
    let total = session.wellbeing().view.total_ms;
    assert!((shown..=shown + 5_000 + 1_000).contains(&total), "{total} after {shown}");
    session.shutdown(PATIENCE).await;
    let again = Unspool::open(config(&core, &origin.url, "ada")?)?;
    assert_eq!(again.wellbeing().view.total_ms, total, "a session that ended well counts nothing ahead");
    again.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_one_value_that_survives() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let open = || -> Done<Unspool> { Ok(Unspool::open(at_noon(&core, &origin.url)?)?) };
    let session = open()?;
    let fresh = session.settings();
    assert_eq!(fresh.preferences, fresh.preferences_policy);
    assert_eq!(session.settings().revision, fresh.revision, "nothing changed");
    let waiting = {
        let session = session.clone();
        tokio::spawn(async move { session.settings_after(fresh.revision).await })
    };
    let chosen = PreferenceChoices {
        captions: Some(vec!["de".into(), "*".into()]),
        reduced_motion: Some(true),
        data_saver: Some(true),
        consent: Some([Purpose::Measurement].into()),
    };
    session.set_preferences(chosen.clone()).await?;
    let told = tokio::time::timeout(PATIENCE, waiting).await???;
    assert!(told.revision > fresh.revision);
    let bad = PreferenceChoices { captions: Some(vec!["no tag".into()]), ..chosen.clone() };
    assert!(matches!(session.set_preferences(bad).await, Err(Error::Config { .. })));
    session.set_limits(Choices { break_min: Some(20), ..Choices::default() }).await?;
    session.set_safety(SafetySettings { age: AgeBand::Adult, ..session.safety() }).await?;
    session.set_interests(vec!["science".into()]).await?;
    let all = session.settings();
    assert_eq!((all.preferences_chosen.clone(), all.limits.break_min), (chosen, 20));
    assert_eq!((all.limits_policy.break_min, all.safety.age), (60, AgeBand::Adult));
    assert!(all.interests.contains("science"));
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    until(&feed, "reduced motion: it stands", |s| s.paused && s.current == Some(card.position)).await?;
    session.shutdown(PATIENCE).await;

    let session = open()?;
    let after = session.settings();
    let same = |mut settings: unspool::Settings| {
        settings.revision = 0;
        settings
    };
    assert_eq!(same(after), same(all));
    session.set_preferences(PreferenceChoices::default()).await?;
    assert_eq!(session.settings().preferences, fresh.preferences);
    session.set_consent(Consent::none()).await?;
    assert_eq!(session.settings().preferences.consent, [Purpose::Service].into());
    session.set_captions(vec!["fr".into()])?;
    eventually("languages of captions are kept", async || {
        Ok(session.settings().preferences_chosen.captions == Some(vec!["fr".into()]))
    })
    .await?;
    tokio::time::timeout(Duration::from_secs(30), session.shutdown(PATIENCE)).await?;
    let session = open()?;
    assert_eq!(session.settings().preferences.consent, [Purpose::Service].into(), "withdrawn is withdrawn");
    session.shutdown(PATIENCE).await;
    Ok(())
}
