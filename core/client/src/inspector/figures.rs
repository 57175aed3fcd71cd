//! Everything the inspector shows, in one value: what the session says of itself and what was gathered from its feeds.
//!
//! Gathering holds no session: a page that stays open keeps nothing alive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use unspool_engine::planner::Plan;
use unspool_engine::safety::Decision;
use unspool_engine::{KeepState, MediaKey};
use unspool_media::tasks;
use unspool_media::{OutboundRequest, StoredMedia, Traffic};

use super::person;
use super::story::Story;
use super::tail::Tail;
use super::words;
use crate::driver::Input;
use crate::events::EventLog;
use crate::feed::Inputs;
use crate::keep::Kept;
use crate::session::{Faint, Unspool};
use crate::snapshot::{CardView, Snapshot};

/// Requests listed, newest first.
const LISTED: u64 = 40;
/// Renditions of the cache that are listed, those used last first: a list for people.
const CACHED: usize = 40;
/// Stretches of a rendition that are told apart; the bar of the page is no finer.
const SPANS: usize = 48;
/// The list of the cache reads the whole index, so it is made anew only so often.
const CACHE_EVERY: Duration = Duration::from_secs(1);
/// A driver that does not answer in this time is busy; what it said last stays.
const PLAN_WITHIN: Duration = Duration::from_millis(500);

/// The open feed, as far as somebody who only looks needs it.
#[derive(Clone)]
pub(crate) struct Watched {
    /// Which feed of the session it is.
    pub(crate) number: u64,
    pub(crate) events: Arc<EventLog>,
    pub(crate) snapshot: watch::Receiver<Snapshot>,
    pub(crate) inputs: Inputs,
}

/// What a session says of itself, as the inspector's page reads it.
///
/// Shape: made once for a session, [`gather`](Figures::gather) is called again and again, [`json`](Figures::json) reads. Figures
/// do not keep the session open; when it is gone they stay as they were gathered last. Any thread.
pub struct Figures {
    session: Mutex<Faint>,
    story: Story,
    /// Lines of the app's log and of the feed's events, in the order in which they were seen.
    tail: Tail,
    log: Tail,
    gathered: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    plans: Vec<Plan>,
    cache: Value,
    cached_at: Option<Instant>,
    /// The last line of the app's log that was seen.
    line: u64,
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Figures").finish_non_exhaustive()
    }
}

impl Figures {
    /// The figures of `session`, whose log is written into `log`.
    #[must_use]
    pub fn of(session: &Unspool, log: Tail) -> Self {
        let (story, tail) = (Story::default(), Tail::default());
        Figures { session: Mutex::new(session.faint()), story, tail, log, gathered: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Faint> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> Option<Unspool> {
        self.held().upgrade()
    }

    /// Goes on with another session that was opened in the place of this one, which has ended; what feeds and requests told is
    /// added up. Returns at once.
    pub fn follow(&self, session: &Unspool) {
        self.listen();
        let mut held = self.held();
        if let Some(ended) = held.upgrade() {
            self.story.another_session(ended.core().viewings(), &ended.core().outbound);
        }
        *held = session.faint();
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the log and the open feed tell. Call it a few times a second: a feed remembers the newest 2,048 events. Returns at
    /// once.
    pub fn listen(&self) {
        {
            let mut gathered = self.gathered();
            for line in self.log.after(gathered.line) {
                gathered.line = line.n;
                self.tail.push(&line.level, &line.text);
            }
        }
        // Held until all is taken in: another session would count what this one tells as its own.
        let held = self.held();
        let Some(session) = held.upgrade() else { return };
        if let Some(feed) = session.watched() {
            self.story.take(feed.number, &feed.events, &self.tail);
        }
    }

    /// Takes in what has to be asked for, besides: the planner's reasons and, once a second at most, what is on the disk. Waits
    /// for the driver of the feed, half a second at most. To be awaited on any executor; dropped, it asked for nothing.
    pub async fn gather(&self) {
        self.listen();
        let Some(session) = self.session() else { return };
        let asked = session.watched().and_then(|feed| {
            let (reply, answer) = oneshot::channel();
            feed.inputs.send(Input::Plans(reply)).ok().map(|()| answer)
        });
        let due = self.gathered().cached_at.is_none_or(|at| at.elapsed() >= CACHE_EVERY);
        let core = Arc::clone(session.core());
        // Another executor than tokio may await this, so both waits are a task of the session.
        let work = session.handle().spawn(async move {
            let plans = match asked {
                Some(answer) => tokio::time::timeout(PLAN_WITHIN, answer).await.ok().and_then(Result::ok),
                None => Some(Vec::new()),
            };
            let cache = match due {
                true => tasks::spawn_blocking(move || cache(&core)).await.ok(),
                false => None,
            };
            (plans, cache)
        });
        drop(session);
        let Ok((plans, cache)) = work.await else { return };
        let mut gathered = self.gathered();
        if let Some(plans) = plans {
            gathered.plans = plans;
        }
        if let Some(cache) = cache {
            (gathered.cache, gathered.cached_at) = (cache, Some(Instant::now()));
        }
    }

    /// Why the card at a position was closed after it had been given, where that happened.
    #[must_use]
    pub fn closed(&self, position: u64) -> Option<Decision> {
        self.story.closed(position)
    }

    /// The log, with what the feeds told among its lines.
    #[must_use]
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// The figures now; `null` when the session is gone. Returns at once.
    #[must_use]
    pub fn json(&self) -> Value {
        let held = self.held();
        let Some(session) = held.upgrade() else { return Value::Null };
        let (bytes, out) = (session.bytes(), session.outgoing());
        let feed = session.watched().map(|feed| feed.snapshot.borrow().clone());
        let by = bytes.by_purpose;
        let account = |name: &str, traffic: Traffic| {
            json!({
                "purpose": name,
                "network": traffic.network,
                "fromCache": traffic.from_cache,
                "duplicate": traffic.duplicate,
                "wasted": traffic.wasted,
            })
        };
        let last = session.outbound_after(u64::MAX).last;
        let listed = session.outbound_after(last.saturating_sub(LISTED));
        let gathered = self.gathered();
        json!({
            "name": concat!("unspool ", env!("CARGO_PKG_VERSION")),
            "estimateBps": feed.as_ref().map_or(0, |feed| feed.throughput_bps),
            "feed": feed.as_ref().map(window),
            "plans": gathered.plans.iter().map(plan).collect::<Vec<_>>(),
            "cache": gathered.cache,
            "bytes": {
                "network": bytes.network,
                "media": bytes.media,
                "fromCache": bytes.from_cache,
                "duplicate": bytes.duplicate,
                "wasted": bytes.wasted,
                "onDisk": bytes.on_disk,
                "purposes": [
                    account("playback", by.playback),
                    account("next", by.next),
                    account("prefetch", by.prefetch),
                    account("offline", by.offline),
                    account("probe", by.probe),
                ],
            },
            "requests": self.story.count(&session.core().outbound),
            "outbound": listed.requests.iter().rev().map(request).collect::<Vec<_>>(),
            "out": {
                "recorded": out.recorded,
                "delivered": out.delivered,
                "queued": out.queued,
                "dropped": out.dropped,
                "quarantined": out.quarantined,
                "intents": out.intents,
                "intentsDelivered": out.intents_delivered,
                "intentsQueued": out.intents_queued,
                "intentsWedged": out.intents_wedged,
                "intentsSettled": out.intents_settled,
            },
            "watchedMs": session.watched_ms(),
            "story": self.story.figures(session.core().viewings()),
            "rules": session.rules_version(),
            "time": person::time(&session),
            "learner": person::learnt(&session),
            "loop": feed.as_ref().map(person::circles),
            "installation": session.installation(),
        })
    }
}

fn window(now: &Snapshot) -> Value {
    let card = |view: &CardView| {
        let item = &view.item;
        let chosen = item.asset.renditions.iter().find(|r| Some(&r.id) == view.rendition.as_ref());
        json!({
            "position": view.position,
            "current": now.current == Some(view.position),
            "asset": item.asset.id,
            "handle": item.creator.handle,
            "caption": item.caption,
            "topics": item.topics,
            "durationMs": item.asset.duration_ms,
            "rendition": view.rendition,
            "container": chosen.map(|r| r.container),
            "stage": words::stage(view.stage),
            "aheadMs": view.ahead_ms,
            "covered": view.covered,
        })
    };
    json!({
        "online": now.online,
        "paused": now.paused,
        "playheadMs": now.playhead_ms,
        "hidden": now.hidden,
        "cards": now.window.iter().map(card).collect::<Vec<_>>(),
    })
}

fn plan(plan: &Plan) -> Value {
    json!({
        "position": plan.position,
        "rendition": plan.key.as_ref().map(|key| key.parts().1),
        "bytes": plan.bytes,
        "toMs": plan.to_ms,
        "reason": plan.reason.name(),
    })
}

fn request(request: &OutboundRequest) -> Value {
    json!({
        "n": request.number,
        "at": request.at_ms,
        "host": request.host,
        "purpose": request.purpose.name(),
        "sent": request.sent,
        "received": request.received,
        "status": request.status,
        "ms": request.took_ms,
    })
}

/// What is on the disk, those used last first. Reads the whole index.
fn cache(core: &crate::core::Core) -> Value {
    let kept: BTreeMap<MediaKey, &'static str> =
        core.keep.snapshot().kept.iter().map(|kept| (kept_key(kept), state(kept.state))).collect();
    let mut renditions: BTreeMap<MediaKey, Vec<StoredMedia>> = BTreeMap::new();
    for stored in core.media.stored() {
        renditions.entry(stored.rendition()).or_default().push(stored);
    }
    let pinned = renditions.values().flatten().filter(|stored| stored.pinned).map(held).sum::<u64>();
    let used = |files: &[StoredMedia]| files.iter().map(|file| file.last_used_ms).max();
    let mut rows: Vec<(&MediaKey, &Vec<StoredMedia>)> = renditions.iter().collect();
    rows.sort_by_key(|(key, files)| (std::cmp::Reverse(used(files)), *key));
    let row = |(key, files): &(&MediaKey, &Vec<StoredMedia>)| {
        let (asset, rendition) = key.parts();
        let (size, spans) = match files.as_slice() {
            [file] => (file.size, file.spans.iter().take(SPANS).map(|s| [s.start, s.end]).collect()),
            // Files of a playlist lie in no order that bytes would tell.
            _ => (None, Vec::new()),
        };
        json!({
            "asset": asset,
            "rendition": rendition,
            "bytes": files.iter().map(held).sum::<u64>(),
            "size": size,
            "files": files.len(),
            "stretches": files.iter().map(|file| file.spans.len()).sum::<usize>(),
            "spans": spans,
            "pinned": files.iter().any(|file| file.pinned),
            "offline": kept.get(*key),
            "usedAt": used(files),
        })
    };
    let health = core.media.health();
    json!({
        "renditions": rows.len(),
        "bytes": core.media.usage(),
        "pinned": pinned,
        "budget": core.config.cache_bytes,
        "inMemory": health.memory_only.is_some(),
        "readThrough": health.read_through,
        "damaged": health.damaged_blocks,
        "rows": rows.iter().take(CACHED).map(row).collect::<Vec<_>>(),
    })
}

fn held(stored: &StoredMedia) -> u64 {
    stored.spans.iter().map(unspool_engine::Span::len).sum()
}

fn kept_key(kept: &Kept) -> MediaKey {
    MediaKey::new(&kept.item.asset.id, &kept.rendition)
}

fn state(state: KeepState) -> &'static str {
    match state {
        KeepState::Queued => "queued",
        KeepState::Held(_) => "waiting",
        KeepState::Fetching => "fetching",
        KeepState::Retrying => "retrying",
        KeepState::Paused => "paused",
        KeepState::Complete => "complete",
        KeepState::Failed(_) => "failed",
    }
}
