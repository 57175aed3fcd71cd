//! The media room in simulated time: demands, chunks of HTTP, connections, and one link they share.
//!
//! It follows `unspool-media`: at most three chunks in flight, one of them out of reach for anything but playback; a demand has
//! one chunk in flight; a chunk is about 0.4 s of the line, from 64 KiB to 1 MiB, and of one file, the first of a file that
//! a person waits for a whole second; a new connection costs a second round trip; a cancelled demand's running chunk is
//! received and kept. The link is the reference server's: answers take turns on it, each with a slice of 50 ms.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use unspool_engine::info::{merge, missing};
use unspool_engine::{DemandId, MediaKey, PlayerId, Span, Urgency};

use crate::network::Trace;

const IN_FLIGHT: usize = 3;
const CHUNK_INITIAL: f64 = 128.0 * 1024.0;
const CHUNK_MIN: f64 = 64.0 * 1024.0;
const CHUNK_MAX: f64 = 1024.0 * 1024.0;
const CHUNK_S: f64 = 0.4;
const OPENING_S: f64 = 1.0;
const NEWEST: f64 = 0.4;
/// Arriving bytes are filed when so many are together, or when the oldest is so old: where a person waits, and elsewhere.
const PIECE: f64 = 64.0 * 1024.0;
const URGENT_AGE_MS: f64 = 10.0;
const PIECE_AGE_MS: f64 = 50.0;
/// What the reference server sends at once: as much as the link carries in so long, within these bounds.
const SLICE_MS: f64 = 50.0;
const SLICE_MIN: f64 = 1_024.0;
const SLICE_MAX: f64 = 16_384.0;
/// It reads a file in pieces, and a slice ends with its piece.
const READ: f64 = 64.0 * 1024.0;
/// How late its timer wakes: a grain of a millisecond, and a little. An answer that goes on loses none of the link by it.
const TIMER_MS: f64 = 1.2;
/// What a request and its answer spend in threads of both sides before the server sees the one and the client the other:
/// the mean where it is drawn, as a wait for a processor is. From the end of one answer to the next request on its
/// connection the server's log shows 1.2 ms (449 requests, a release build with the machine to itself).
const THREADS_MS: f64 = 1.2;

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

/// Bytes that wait for their turn on the link.
#[derive(Debug, Clone, Copy)]
struct Booked {
    bytes: f64,
    until_ms: f64,
}

#[derive(Debug)]
struct Chunk {
    demand: u64,
    key: MediaKey,
    span: Span,
    got: f64,
    booked: Option<Booked>,
    /// Of an answer of the backend, which shares the link and nothing else, its number.
    page: Option<u64>,
    /// What of it is in the store, and since when something is not.
    filed: f64,
    oldest_ms: f64,
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
    threads: Option<StdRng>,
    next: u64,
    pub(super) demands: BTreeMap<u64, Demand>,
    chunks: Vec<Chunk>,
    /// Where the files of a rendition that has several begin.
    files: BTreeMap<MediaKey, Vec<u64>>,
    held: BTreeMap<MediaKey, Vec<Span>>,
    idle: usize,
    rate: Option<f64>,
    /// When the link has carried all that is booked.
    free_ms: f64,
    answered: Vec<u64>,
    /// Whether demands are to be looked through.
    due: bool,
    pub(super) received: u64,
}

impl Fetcher {
    pub(super) fn new(rtt_ms: f64, seed: Option<u64>) -> Self {
        Fetcher {
            threads: seed.map(StdRng::seed_from_u64),
            rtt_ms,
            next: 0,
            demands: BTreeMap::new(),
            chunks: Vec::new(),
            files: BTreeMap::new(),
            held: BTreeMap::new(),
            idle: 0,
            rate: None,
            free_ms: 0.0,
            answered: Vec::new(),
            due: false,
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
        self.due = true;
        self.demands.insert(self.next, demand);
        self.next
    }

    pub(super) fn find(&self, owner: &Owner, key: &MediaKey) -> Option<u64> {
        self.demands.iter().find(|(_, d)| d.owner == *owner && d.key == *key).map(|(id, _)| *id)
    }

    /// A demand went, or is more urgent now.
    pub(super) fn changed(&mut self) {
        self.due = true;
    }

    /// Ends demands that have all they want; then starts what may start. Like the scheduler it looks when a demand comes,
    /// goes or changes and when a chunk ends, not with every byte.
    pub(super) fn pump(&mut self, now: f64) -> Vec<Demand> {
        if !std::mem::take(&mut self.due) {
            return Vec::new();
        }
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
        let running = self.chunks.iter().filter(|c| c.page.is_none()).count();
        let others = self.chunks.iter().filter(|c| c.page.is_none() && !c.playback).count();
        let room = running < IN_FLIGHT && (playback || others + 1 < IN_FLIGHT);
        if !room || self.chunks.iter().any(|c| c.demand == id) {
            return;
        }
        let holes = missing(&demand.spans, self.held(&demand.key));
        // What is wanted first is on its way for somebody else.
        let taken = self.taken(&demand.key);
        let comes = |hole: &Span| taken.iter().any(|t| t.start <= hole.start && hole.start < t.end);
        if holes.first().is_some_and(comes) {
            return;
        }
        let Some(&hole) = missing(&holes, &taken).first() else { return };
        let opens = playback && self.is_unopened(&demand.key, hole);
        let span = if opens { self.opening_of(&demand.key, hole) } else { self.chunk_of(&demand.key, hole) };
        let trips = if self.idle > 0 { 1.0 } else { 2.0 };
        self.idle = self.idle.saturating_sub(1);
        let key = demand.key.clone();
        let threads_ms = match &mut self.threads {
            Some(luck) => -THREADS_MS * (1.0 - luck.random::<f64>()).ln(),
            None => THREADS_MS,
        };
        let head_ms = now + trips * self.rtt_ms + threads_ms;
        self.chunks.push(Chunk {
            demand: id,
            key,
            span,
            got: 0.0,
            booked: None,
            page: None,
            filed: 0.0,
            oldest_ms: now,
            asked_ms: now,
            head_ms,
            playback,
        });
    }

    /// The backend is asked: its answer of so many bytes begins after `trips` round trips.
    pub(super) fn ask_page(&mut self, now: f64, page: u64, bytes: u64, trips: f64) {
        self.chunks.push(Chunk {
            demand: 0,
            key: MediaKey::new("", ""),
            span: Span::new(0, bytes.max(1)),
            got: 0.0,
            booked: None,
            page: Some(page),
            filed: 0.0,
            oldest_ms: now,
            asked_ms: now,
            head_ms: now + trips * self.rtt_ms,
            playback: false,
        });
    }

    /// The backend's answers that are here now.
    pub(super) fn pages(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.answered)
    }

    /// Lets the link flow until `now`; answers the requests that ended.
    pub(super) fn flow(&mut self, now: f64, trace: &Trace) -> Vec<Transfer> {
        while let Some((at, turn)) = self.next_turn().filter(|&(at, _)| at <= now) {
            self.turn(at, turn, trace);
        }
        for chunk in self.chunks.iter_mut().filter(|c| c.page.is_none() && c.got > c.filed) {
            let age = if chunk.playback { URGENT_AGE_MS } else { PIECE_AGE_MS };
            let ended = chunk.got >= chunk.span.len() as f64 - 0.5;
            if !ended && chunk.got - chunk.filed < PIECE && now - chunk.oldest_ms < age {
                continue;
            }
            chunk.filed = chunk.got;
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
            if let Some(page) = chunk.page {
                self.answered.push(page);
                continue;
            }
            self.idle += 1;
            self.due = true;
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

    /// Which answer sends or books next, and when.
    fn next_turn(&self) -> Option<(f64, usize)> {
        let open = self.chunks.iter().enumerate().filter(|(_, c)| c.got < c.span.len() as f64 - 0.5);
        let turns = open.map(|(n, c)| (c.booked.map_or(c.head_ms, |b| b.until_ms + TIMER_MS), n));
        turns.min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// An answer sends what it waited with, and books the link for what comes next.
    fn turn(&mut self, at: f64, turn: usize, trace: &Trace) {
        let chunk = &mut self.chunks[turn];
        let goes_on = chunk.booked.is_some();
        if let Some(booked) = chunk.booked.take() {
            if chunk.got <= chunk.filed {
                chunk.oldest_ms = at;
            }
            chunk.got += booked.bytes;
        }
        let left = chunk.span.len() as f64 - chunk.got;
        if left < 0.5 {
            return;
        }
        let bytes = (trace.bytes_within(at, 1.0) * SLICE_MS).clamp(SLICE_MIN, SLICE_MAX);
        let bytes = bytes.min(READ - chunk.got.rem_euclid(READ)).min(left);
        let from = self.free_ms.max(if goes_on { at - TIMER_MS } else { at });
        self.free_ms = from + trace.transfer_ms(from, bytes);
        chunk.booked = Some(Booked { bytes, until_ms: self.free_ms });
    }

    /// Bytes received so far, those of running chunks included.
    pub(super) fn bytes(&self) -> u64 {
        self.received + self.chunks.iter().filter(|c| c.page.is_none()).map(|c| c.got as u64).sum::<u64>()
    }
}
