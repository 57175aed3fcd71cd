//! A session log: JSON lines, each with a `kind`. `README.md` beside this crate describes the fields.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use unspool_engine::{Item, MediaInfo, MediaKey};

use crate::error::SimError;
use crate::network::{MAX_ROWS, Trace};

/// Largest log, bytes.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Session {
        version: u32,
        rtt_ms: f64,
        network: Vec<(f64, f64)>,
        players: usize,
    },
    Card {
        item: Box<Item>,
        layouts: BTreeMap<String, MediaInfo>,
        #[serde(default)]
        samples: BTreeMap<String, Vec<Sample>>,
        #[serde(default)]
        heads: BTreeMap<String, Vec<(u64, u64)>>,
    },
    Swipe {
        position: u64,
        at_ms: f64,
    },
    Shown {
        position: u64,
        item: String,
    },
    FirstFrame {
        position: u64,
        at_ms: f64,
        latency_ms: f64,
    },
    Stalled {
        ms: f64,
    },
    Pages {
        bytes: Vec<u64>,
    },
    End {
        at_ms: f64,
        media_bytes: u64,
    },
}

/// A sample of a file: when it is decoded in milliseconds, its first byte, one past its last, and whether it is a picture.
pub(super) type Sample = (f64, u64, u64, bool);

/// A card the person moved to.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// When the person asked for it, milliseconds of the session.
    pub at_ms: f64,
    /// Milliseconds from there to its first picture; `None` where none came.
    pub first_frame_ms: Option<f64>,
    /// When the person left it, or the session ended.
    pub left_ms: f64,
}

/// A session as it went in the real stack.
#[derive(Debug)]
pub struct SessionLog {
    /// Milliseconds of a round trip.
    pub rtt_ms: f64,
    /// The network, from the session's begin on; the rates are those of bodies.
    pub trace: Trace,
    /// Most players at once.
    pub players: usize,
    /// The cards of the feed: those that were shown, in order, then the others as they were seen ahead.
    pub items: Vec<Item>,
    /// What the probe says of each rendition.
    pub layouts: BTreeMap<MediaKey, Arc<MediaInfo>>,
    /// Every sample of the renditions whose layout says less, in the order in which a demuxer gives them out.
    pub(super) samples: BTreeMap<MediaKey, Arc<Vec<Sample>>>,
    /// Where the heads of the fragments of a rendition are, where the log tells.
    pub(super) heads: BTreeMap<MediaKey, Arc<Vec<(u64, u64)>>>,
    /// Bytes of each page of the feed, in order; empty where the log does not tell.
    pub(super) pages: Vec<u64>,
    /// The cards that were moved to, in order from position 0.
    pub visits: Vec<Visit>,
    /// Milliseconds of stalls after first pictures.
    pub stall_ms: f64,
    /// Bytes of media and playlists.
    pub media_bytes: u64,
}

impl SessionLog {
    /// Reads a log.
    ///
    /// # Errors
    /// Where the file cannot be read, a line is not in the format, or the session or its end is missing.
    pub fn read(path: &Path) -> Result<Self, SimError> {
        let bad = |what: String| SimError::format(path, what);
        let size = std::fs::metadata(path).map_err(|e| SimError::io(path, e))?.len();
        if size > MAX_BYTES {
            return Err(bad("larger than 256 MiB".into()));
        }
        let text = std::fs::read_to_string(path).map_err(|e| SimError::io(path, e))?;
        let (mut session, mut end) = (None, None);
        let (mut items, mut layouts, mut tables) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let (mut visits, mut stall_ms) = (Vec::<Visit>::new(), 0.0);
        let mut all_heads = BTreeMap::new();
        let (mut shown, mut pages) = (Vec::<String>::new(), Vec::new());
        for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let line = serde_json::from_str(line).map_err(|e| bad(format!("line {}: {e}", n + 1)))?;
            match line {
                Line::Session { version: 1, rtt_ms, network, players }
                    if (0.0..=60_000.0).contains(&rtt_ms) && (1..=16).contains(&players) =>
                {
                    if network.len() > MAX_ROWS {
                        return Err(bad("a network of too many rows".into()));
                    }
                    session = Some((rtt_ms, Trace::of_bodies("log", &network)?, players));
                }
                Line::Session { .. } => return Err(bad(format!("line {}: a session out of bounds", n + 1))),
                Line::Card { item, layouts: of, samples, heads } => {
                    for (rendition, spans) in heads {
                        all_heads.insert(MediaKey::new(&item.asset.id, &rendition), Arc::new(spans));
                    }
                    for (rendition, rows) in samples {
                        if rows.iter().any(|s| !s.0.is_finite() || s.1 > s.2)
                            || !rows.is_sorted_by(|a, b| a.0 <= b.0)
                        {
                            return Err(bad(format!("line {}: samples out of order", n + 1)));
                        }
                        tables.insert(MediaKey::new(&item.asset.id, &rendition), Arc::new(rows));
                    }
                    for (rendition, info) in of {
                        layouts.insert(MediaKey::new(&item.asset.id, &rendition), Arc::new(info));
                    }
                    items.push(*item);
                }
                Line::Swipe { position, at_ms } => {
                    if position != visits.len() as u64 || visits.last().is_some_and(|v| v.at_ms > at_ms) {
                        return Err(bad(format!("line {}: a swipe out of order", n + 1)));
                    }
                    if let Some(last) = visits.last_mut() {
                        last.left_ms = at_ms;
                    }
                    visits.push(Visit { at_ms, first_frame_ms: None, left_ms: at_ms });
                }
                Line::Shown { position, item } => {
                    if position != shown.len() as u64 {
                        return Err(bad(format!("line {}: a card out of order", n + 1)));
                    }
                    shown.push(item);
                }
                Line::FirstFrame { position, at_ms, latency_ms } => {
                    if let Some(visit) = visits.get_mut(position as usize)
                        && at_ms >= visit.at_ms
                    {
                        visit.first_frame_ms = Some(latency_ms);
                    }
                }
                Line::Stalled { ms } => stall_ms += ms,
                Line::Pages { bytes } => pages = bytes,
                Line::End { at_ms, media_bytes } => end = Some((at_ms, media_bytes)),
            }
        }
        let (rtt_ms, trace, players) = session.ok_or_else(|| bad("no session line".into()))?;
        let (end_ms, media_bytes) = end.ok_or_else(|| bad("no end line".into()))?;
        if let Some(last) = visits.last_mut() {
            last.left_ms = end_ms;
        }
        if visits.is_empty() || items.len() < visits.len() {
            return Err(bad("fewer cards than swipes, or no swipe".into()));
        }
        let place = |item: &Item| shown.iter().position(|id| *id == item.id).unwrap_or(shown.len());
        items.sort_by_key(place);
        Ok(SessionLog {
            rtt_ms,
            trace,
            players,
            items,
            layouts,
            samples: tables,
            heads: all_heads,
            pages,
            visits,
            stall_ms,
            media_bytes,
        })
    }
}
