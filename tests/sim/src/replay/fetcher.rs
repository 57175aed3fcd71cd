//! The media room in simulated time: demands, chunks of HTTP, connections, and one link they share.
//!
//! It follows `unspool-media`: at most three chunks in flight, one of them out of reach for anything but playback; a demand has
//! one chunk in flight; a chunk is about 0.4 s of the line, from 64 KiB to 1 MiB, and of one file, the first of a file that
//! a person waits for a whole second; a new connection costs a
//! second round trip; a cancelled demand's running chunk is received and kept.

use std::collections::BTreeMap;

use unspool_engine::info::{merge, missing};
use unspool_engine::{DemandId, MediaKey, PlayerId, Span, Urgency};

const IN_FLIGHT: usize = 3;
const CHUNK_INITIAL: f64 = 128.0 * 1024.0;
const CHUNK_MIN: f64 = 64.0 * 1024.0;
const CHUNK_MAX: f64 = 1024.0 * 1024.0;
const CHUNK_S: f64 = 0.4;
const OPENING_S: f64 = 1.0;
const NEWEST: f64 = 0.4;

/// Who wants bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Owner {
    Planner(DemandId),
    Probe,
    Reader(PlayerId),
}

#[derive(Debug)]
pub(super) struct Demand {
    pub(super) owner: Owner,
    pub(super) key: MediaKey,
    pub(super) spans: Vec<Span>,
    pub(super) urgency: Urgency,
}

#[derive(Debug)]
struct Chunk {
    demand: u64,
    key: MediaKey,
    span: Span,
    got: f64,
    asked_ms: f64,
    /// When the first byte may flow.
    head_ms: f64,
    playback: bool,
}

/// A request that ended.
pub(super) struct Transfer {
    pub(super) key: MediaKey,
    pub(super) span: Span,
    pub(super) first_byte_ms: f64,
    pub(super) body_ms: f64,
}

#[derive(Debug)]
pub(super) struct Fetcher {
    rtt_ms: f64,
    next: u64,
    pub(super) demands: BTreeMap<u64, Demand>,
    chunks: Vec<Chunk>,
    /// Where the files of a rendition that has several begin.
    files: BTreeMap<MediaKey, Vec<u64>>,
    held: BTreeMap<MediaKey, Vec<Span>>,
    idle: usize,
    rate: Option<f64>,
    pub(super) received: u64,
}

impl Fetcher {
    pub(super) fn new(rtt_ms: f64) -> Self {
        Fetcher {
            rtt_ms,
            next: 0,
            demands: BTreeMap::new(),
            chunks: Vec::new(),
            files: BTreeMap::new(),
            held: BTreeMap::new(),
            idle: 0,
            rate: None,
            received: 0,
        }
    }

    /// Says where the files of a rendition begin.
    pub(super) fn set_files(&mut self, key: &MediaKey, starts: Vec<u64>) {
        self.files.insert(key.clone(), starts);
    }

    /// A connection is there that nobody uses yet.
    pub(super) fn warmed(&mut self) {
        self.idle += 1;
    }

    /// Whether a chunk that runs for the file, or one that is next for it, brings the byte at `offset`.
    pub(super) fn brings(&self, key: &MediaKey, offset: u64) -> bool {
        let inside = |span: &Span| span.start <= offset && offset < span.end;
        let taken = self.taken(key);
        taken.iter().any(inside)
            || self.demands.values().filter(|d| d.key == *key).any(|d| {
                let next = missing(&missing(&d.spans, self.held(key)), &taken);
                next.first().is_some_and(|next| inside(&self.chunk_of(key, *next)))
            })
    }

    /// Whether nothing was asked for yet of the file that begins at `hole`.
    fn is_unopened(&self, key: &MediaKey, hole: Span) -> bool {
        let begins = match self.files.get(key) {
            Some(starts) => starts.contains(&hole.start),
            None => self.held(key).is_empty(),
        };
        begins && !self.taken(key).iter().any(|t| t.start <= hole.start && hole.start < t.end)
    }

    fn taken(&self, key: &MediaKey) -> Vec<Span> {
        merge(self.chunks.iter().filter(|c| c.key == *key).map(|c| c.span).collect())
    }

    /// The first chunk of a hole.
    fn chunk_of(&self, key: &MediaKey, hole: Span) -> Span {
        self.chunk(key, hole, self.rate.map_or(CHUNK_INITIAL, |r| r * CHUNK_S))
    }

    /// The first request for a file that a person waits for.
    fn opening_of(&self, key: &MediaKey, hole: Span) -> Span {
        self.chunk(key, hole, self.rate.map_or(CHUNK_MAX, |r| r * OPENING_S))
    }

    fn chunk(&self, key: &MediaKey, hole: Span, wanted: f64) -> Span {
        let starts = self.files.get(key).map_or(&[][..], Vec::as_slice);
        let file_end = starts.iter().copied().find(|&start| start > hole.start).unwrap_or(u64::MAX);
        let hole = Span::new(hole.start, hole.end.min(file_end));
        let wanted = wanted.clamp(CHUNK_MIN, CHUNK_MAX) as u64;
        if hole.len() <= wanted + wanted / 4 { hole } else { Span::new(hole.start, hole.start + wanted) }
    }

    pub(super) fn held(&self, key: &MediaKey) -> &[Span] {
        self.held.get(key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn demand(&mut self, demand: Demand) -> u64 {
        self.next += 1;
        self.demands.insert(self.next, demand);
        self.next
    }

    pub(super) fn find(&self, owner: &Owner, key: &MediaKey) -> Option<u64> {
        self.demands.iter().find(|(_, d)| d.owner == *owner && d.key == *key).map(|(id, _)| *id)
    }

    /// Ends demands that have all they want; then starts what may start.
    pub(super) fn pump(&mut self, now: f64) -> Vec<Demand> {
        let done: Vec<u64> = self
            .demands
            .iter()
            .filter(|(id, d)| {
                missing(&d.spans, self.held(&d.key)).is_empty()
                    && !self.chunks.iter().any(|c| c.demand == **id)
            })
            .map(|(id, _)| *id)
            .collect();
        let done = done.into_iter().filter_map(|id| self.demands.remove(&id)).collect();
        let mut order: Vec<(std::cmp::Reverse<Urgency>, u64)> =
            self.demands.iter().map(|(id, d)| (std::cmp::Reverse(d.urgency), *id)).collect();
        order.sort_unstable();
        for (_, id) in order {
            self.start(now, id);
        }
        done
    }

    fn start(&mut self, now: f64, id: u64) {
        let Some(demand) = self.demands.get(&id) else { return };
        let playback = demand.urgency == Urgency::Playback;
        let others = self.chunks.iter().filter(|c| !c.playback).count();
        let room = self.chunks.len() < IN_FLIGHT && (playback || others + 1 < IN_FLIGHT);
        if !room || self.chunks.iter().any(|c| c.demand == id) {
            return;
        }
        let holes = missing(&demand.spans, self.held(&demand.key));
        let Some(&hole) = missing(&holes, &self.taken(&demand.key)).first() else { return };
        let opens = playback && self.is_unopened(&demand.key, hole);
        let span = if opens { self.opening_of(&demand.key, hole) } else { self.chunk_of(&demand.key, hole) };
        let trips = if self.idle > 0 { 1.0 } else { 2.0 };
        self.idle = self.idle.saturating_sub(1);
        let key = demand.key.clone();
        let head_ms = now + trips * self.rtt_ms;
        self.chunks.push(Chunk { demand: id, key, span, got: 0.0, asked_ms: now, head_ms, playback });
    }

    /// Lets `bytes` of the link flow at `now`; answers the requests that ended.
    pub(super) fn flow(&mut self, now: f64, bytes: f64) -> Vec<Transfer> {
        let mut left = bytes;
        // Connections that compete take turns: an even share each, what one does not need goes to the others.
        loop {
            let open = |c: &Chunk| c.head_ms <= now && c.got < c.span.len() as f64;
            let sharing = self.chunks.iter().filter(|c| open(c)).count();
            if sharing == 0 || left < 0.5 {
                break;
            }
            let share = left / sharing as f64;
            for chunk in self.chunks.iter_mut().filter(|c| open(c)) {
                let takes = share.min(chunk.span.len() as f64 - chunk.got);
                chunk.got += takes;
                left -= takes;
            }
        }
        for chunk in self.chunks.iter().filter(|c| c.got >= 1.0) {
            let end = (chunk.span.start + (chunk.got + 0.5) as u64).min(chunk.span.end);
            let held = self.held.entry(chunk.key.clone()).or_default();
            held.push(Span::new(chunk.span.start, end));
            *held = merge(std::mem::take(held));
        }
        let (ended, running) = std::mem::take(&mut self.chunks)
            .into_iter()
            .partition::<Vec<_>, _>(|c| c.head_ms <= now && c.got >= c.span.len() as f64 - 0.5);
        self.chunks = running;
        let mut transfers = Vec::new();
        for chunk in ended {
            self.idle += 1;
            let bytes = chunk.span.len();
            self.received += bytes;
            let elapsed_s = ((now - chunk.asked_ms) / 1_000.0).max(0.001);
            if bytes as f64 >= CHUNK_MIN / 2.0 {
                let rate = bytes as f64 / elapsed_s;
                self.rate = Some(self.rate.map_or(rate, |known| known + NEWEST * (rate - known)));
            }
            transfers.push(Transfer {
                key: chunk.key,
                span: chunk.span,
                first_byte_ms: chunk.head_ms - chunk.asked_ms,
                body_ms: now - chunk.head_ms,
            });
        }
        transfers
    }

    /// Bytes received so far, those of running chunks included.
    pub(super) fn bytes(&self) -> u64 {
        self.received + self.chunks.iter().map(|c| c.got as u64).sum::<u64>()
    }
}
