//! A run without a person: swipe, lose the network, swipe on, get it back, count.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use unspool::{Conditions, Config, Credentials, Event, FeedKind, FeedSession, StartClass, Unspool};

use crate::DemoArgs;
use crate::access;
use crate::log::SessionLog;
use crate::origin::Origin;
use crate::report::{Bytes, FirstFrames, Latency, Offline, Report, Skipped, peak_rss_mb};
use crate::script::Person;

/// A card that shows nothing for this long is passed over and reported.
const FRAME_WITHIN: Duration = Duration::from_secs(20);
const FLUSH_WITHIN: Duration = Duration::from_secs(20);
/// Cards swiped without a network, at most, in each direction.
const OFFLINE_SWIPES: u64 = 6;

/// Cards ahead of the current one that the log names: more than the planner looks at.
const LOGGED_AHEAD: usize = 12;

type Done<T> = Result<T, Box<dyn Error>>;

/// What the event logs of the sessions of this run told.
#[derive(Default)]
struct Told {
    seen: u64,
    frames: [Vec<f64>; 3],
    stall_ms: u64,
    skipped: Vec<Skipped>,
    played: u64,
    log: Option<SessionLog>,
}

impl Told {
    fn take(&mut self, feed: &FeedSession) {
        loop {
            let batch = feed.events(self.seen, 256);
            if batch.events.is_empty() {
                return;
            }
            self.seen = batch.last;
            for event in batch.events {
                if let Some(log) = &mut self.log
                    && let Err(e) = log.event(&event)
                {
                    progress(&format!("the log: {e}"));
                }
                match event {
                    Event::FirstFrame { class, latency_ms, .. } => {
                        self.played += 1;
                        let class = match class {
                            StartClass::PreRolled => 0,
                            StartClass::Cached => 1,
                            StartClass::Cold => 2,
                        };
                        self.frames[class].push(latency_ms);
                    }
                    Event::Stalled { ms, .. } => self.stall_ms += ms,
                    Event::CardFailed { item, reason, .. } => self.skipped.push(Skipped { item, reason }),
                    _ => {}
                }
            }
        }
    }
}

/// Runs and writes the report.
pub async fn run(args: DemoArgs) -> Done<()> {
    let kept = match &args.state {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("unspool-demo-").tempdir()?),
    };
    let state = args
        .state
        .clone()
        .or_else(|| kept.as_ref().map(|k| k.path().to_owned()))
        .ok_or("no state directory")?;
    std::fs::create_dir_all(&state)?;
    let mut report = Report {
        engine: "gstreamer",
        engine_version: unspool::player_version(),
        client: client_name(&state)?,
        ..Report::default()
    };
    let mut told = Told::default();
    if args.offline {
        let session = open(&args, &state, "http://127.0.0.1:9", &report.client, false)?;
        report.offline =
            swipe_offline(&session, kind(&args), &mut told, OFFLINE_SWIPES.max(args.swipes.unwrap_or(0)))
                .await?;
        finish(&session, &mut report).await;
    } else {
        online(&args, &state, &mut report, &mut told).await?;
    }
    let [prerolled, cached, cold] = told.frames;
    report.first_frame_ms = FirstFrames {
        prerolled: Latency::of(prerolled),
        cached: Latency::of(cached),
        cold: Latency::of(cold),
    };
    report.played = told.played;
    report.skipped = told.skipped;
    report.rebuffer_ms = told.stall_ms;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    let ratio = report.rebuffer_ms as f64 / (report.rebuffer_ms + report.watched_ms).max(1) as f64;
    report.rebuffer_ratio = (ratio * 10_000.0).round() / 10_000.0;
    report.peak_rss_mb = peak_rss_mb();
    let text = serde_json::to_string_pretty(&report)?;
    match &args.json {
        Some(file) => std::fs::write(file, text + "\n")?,
        None => {
            use std::io::Write;
            writeln!(std::io::stdout(), "{text}")?;
        }
    }
    Ok(())
}

async fn online(args: &DemoArgs, state: &Path, report: &mut Report, told: &mut Told) -> Done<()> {
    let origin = Origin::start(args, state).await?;
    let log = state.join("access.jsonl");
    let before = access::read(&log, 0, &report.client)?.lines;
    report.log_from_line = before + 1;

    if let Some(file) = &args.log {
        let players = unspool::PlayerOptions::default().players;
        told.log = Some(SessionLog::begin(file, &origin.restart_network().await?, players)?);
    }
    let session = open(args, state, &origin.url, &report.client, true)?;
    let feed = session.feed(kind(args))?;
    let swipes = args.swipes.unwrap_or(if args.media.is_some() { u64::MAX } else { 12 });
    let mut person = Person::new(args.seed);
    while report.swipes < swipes {
        if let Some(log) = &mut told.log {
            log.swiped(report.swipes)?;
        }
        match feed.next().await {
            Ok(card) => {
                report.swipes += 1;
                if let Some(log) = &mut told.log {
                    log.card(&card.item)?;
                    log.shown(card.position, &card.item)?;
                    feed.peek(LOGGED_AHEAD).await?.iter().try_for_each(|item| log.card(item))?;
                }
                watch(&feed, told, card.position, person.stays()).await;
                progress(&format!("{:>3}  {}", report.swipes, card.item.caption));
            }
            Err(unspool::Error::EndOfFeed) => break,
            Err(e) => return Err(format!("swipe {}: {e}", report.swipes + 1).into()),
        }
    }
    if let Some(mut session_log) = told.log.take() {
        session_log.pages(&access::pages(&log, before, &report.client)?)?;
        session_log.end(session.bytes().media)?;
    }
    session.flush(FLUSH_WITHIN).await?;
    let mut clean = finish(&session, report).await;

    // The network goes away for real; the next session is told so, as a phone would tell it.
    origin.set_down(true).await?;
    let quiet = access::read(&log, 0, &report.client)?.lines;
    let session = open(args, state, &origin.url, &report.client, false)?;
    told.seen = 0;
    report.offline = swipe_offline(&session, kind(args), told, OFFLINE_SWIPES.min(swipes)).await?;
    report.offline.origin_requests = access::read(&log, quiet, &report.client)?.lines;

    origin.set_down(false).await?;
    session.set_conditions(Conditions::default());
    session.flush(FLUSH_WITHIN).await?;
    clean &= finish(&session, report).await;
    report.clean_shutdown = clean;

    if origin.is_own() {
        report.bytes.origin_log = Some(access::read(&log, before, &report.client)?.bytes);
    }
    report.impressions.distinct_at_origin =
        origin.distinct(&session.installation(), unspool::IMPRESSION).await?;
    report.outbox.at_origin = origin.likes(&report.client).await?;
    origin.stop().await;
    Ok(())
}

/// Shows what is on the device: from where the feed was left on, then back over what was watched. Likes the first card
/// that plays.
async fn swipe_offline(session: &Unspool, kind: FeedKind, told: &mut Told, most: u64) -> Done<Offline> {
    let feed = session.feed(kind)?;
    let mut offline = Offline::default();
    let mut person = Person::new(7);
    let mut liked = false;
    for forward in [true, false] {
        for _ in 0..most {
            let moved = if forward { feed.next().await } else { feed.previous().await };
            let card = match moved {
                Ok(card) => card,
                Err(unspool::Error::Offline | unspool::Error::EndOfFeed) => break,
                Err(e) => return Err(format!("without a network: {e}").into()),
            };
            offline.swipes += 1;
            let before = told.played;
            watch(&feed, told, card.position, person.stays()).await;
            offline.played += u64::from(told.played > before);
            if told.played > before && !liked {
                session.set_liked(&card.item.id, true).await?;
                liked = true;
            }
            progress(&format!("     without a network: {}", card.item.caption));
        }
    }
    Ok(offline)
}

/// Waits for the card's first frame or for its refusal, then stays.
async fn watch(feed: &FeedSession, told: &mut Told, position: u64, stays: Duration) {
    let deadline = Instant::now() + FRAME_WITHIN;
    let mut seen = told.seen;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let batch = tokio::time::timeout(left, feed.events_after(seen, 256)).await;
        told.take(feed);
        let Ok(Ok(batch)) = batch else { return };
        seen = batch.last;
        let of_this = |e: &Event| match e {
            Event::FirstFrame { position: p, .. } => Some(true).filter(|_| *p == position),
            Event::CardFailed { position: p, .. } => Some(false).filter(|_| *p == position),
            _ => None,
        };
        match batch.events.iter().find_map(of_this) {
            Some(true) => break,
            Some(false) => return,
            None => {}
        }
    }
    tokio::time::sleep(stays).await;
    told.take(feed);
}

/// Ends a session and adds its figures to the report.
async fn finish(session: &Unspool, report: &mut Report) -> bool {
    let ended = session.shutdown(FLUSH_WITHIN).await;
    let (bytes, out) = (session.bytes(), ended.outgoing);
    let Bytes { network, media, from_cache, wasted, .. } = &mut report.bytes;
    *network += bytes.network;
    *media += bytes.media;
    *from_cache += bytes.from_cache;
    *wasted += bytes.wasted;
    report.impressions.recorded = out.recorded;
    report.impressions.delivered = out.delivered;
    report.impressions.recovered += session.recovered();
    report.watched_ms += session.watched_ms();
    report.outbox.queued = out.intents;
    report.outbox.delivered = out.intents_delivered;
    report.clean_shutdown = ended.clean;
    ended.clean
}

fn kind(args: &DemoArgs) -> FeedKind {
    if args.non_profiled { FeedKind::NonProfiled } else { FeedKind::ForYou }
}

/// Opens the core on its part of the state directory.
pub fn open(args: &DemoArgs, state: &Path, url: &str, client: &str, online: bool) -> Done<Unspool> {
    let mut config = Config::new(core_dir(state), url, client, Credentials::Fixed(client.to_owned()))?;
    config.conditions.online = online;
    config.player.loop_playback = true;
    config.telemetry.send_every = Duration::from_secs(2);
    // A headless run opens the core a second time without a network; the first session is the one that is recorded.
    config.tape = args.record.clone().filter(|_| online || args.offline);
    Ok(Unspool::open(config)?)
}

/// Where in the state directory the core keeps its files.
pub fn core_dir(state: &Path) -> PathBuf {
    state.join("core")
}

/// The name this state directory's client has in the server's log: made once, kept beside the log.
pub fn client_name(state: &Path) -> Done<String> {
    let file = state.join("client");
    if let Ok(name) = std::fs::read_to_string(&file) {
        return Ok(name.trim().to_owned());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let name = format!("demo-{now:x}-{:x}", std::process::id());
    std::fs::write(file, &name)?;
    Ok(name)
}

fn progress(line: &str) {
    eprintln!("{line}");
}
