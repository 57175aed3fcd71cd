//! A log of the session that `unspool-sim replay` can play again: the network, the cards with their layouts, and what the
//! person did and saw. JSON lines; the format is described with the simulator.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use unspool::{Event, Item};
use unspool_media::{Layout, Sample, TrackKind, fragment_heads, probe_file, samples};
use unspool_origin::maker::{clip_folder, default_cache};

/// Rate that stands for an unlimited network, Mbit/s: more than loopback carries.
const UNLIMITED_MBPS: f64 = 10_000.0;

/// The log of one session. Times count from its making.
pub struct SessionLog {
    out: BufWriter<File>,
    began: Instant,
    cards: BTreeSet<String>,
    clips: PathBuf,
}

impl SessionLog {
    /// Begins a log: `network` are the server's settings, in force from now on.
    pub fn begin(file: &Path, network: &Value, players: usize) -> Result<Self, Box<dyn Error>> {
        let rate = network["rate_kbps"].as_f64().map_or(UNLIMITED_MBPS, |kbps| kbps / 1_000.0);
        let trace = match &network["trace"] {
            Value::Null => json!([[0.0, 0.0], [1.0, rate]]),
            trace => trace.clone(),
        };
        let out = BufWriter::new(File::create(file)?);
        let mut log =
            SessionLog { out, began: Instant::now(), cards: BTreeSet::new(), clips: default_cache() };
        log.line(&json!({
            "kind": "session", "version": 1, "rtt_ms": network["rtt_ms"], "network": trace, "players": players,
        }))?;
        Ok(log)
    }

    fn now_ms(&self) -> f64 {
        self.began.elapsed().as_secs_f64() * 1_000.0
    }

    fn line(&mut self, line: &Value) -> Result<(), Box<dyn Error>> {
        writeln!(self.out, "{line}")?;
        Ok(())
    }

    /// The person asks for the card at `position`.
    pub fn swiped(&mut self, position: u64) -> Result<(), Box<dyn Error>> {
        let at_ms = self.now_ms();
        self.line(&json!({ "kind": "swipe", "position": position, "at_ms": at_ms }))
    }

    /// A card of the feed, in order; one that was written is not written again.
    pub fn card(&mut self, item: &Item) -> Result<(), Box<dyn Error>> {
        if !self.cards.insert(item.id.clone()) {
            return Ok(());
        }
        let (mut layouts, mut tables, mut heads) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for rendition in &item.asset.renditions {
            let path = rendition.url.split('?').next().unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or_default();
            let file = clip_folder(&self.clips, &item.asset.id).join(name);
            let layout = probe_file(&file)?;
            // A demuxer takes a segment of transport stream as a whole.
            if layout.layout != Layout::Segmented {
                let row = |s: Sample| (s.at_ms, s.span.start, s.span.end, s.kind == TrackKind::Video);
                let rows: Vec<_> = samples(&file)?.into_iter().map(row).collect();
                tables.insert(rendition.id.clone(), rows);
            }
            if layout.layout == Layout::Fragmented {
                let spans: Vec<_> = fragment_heads(&file)?.into_iter().map(|s| (s.start, s.end)).collect();
                heads.insert(rendition.id.clone(), spans);
            }
            layouts.insert(rendition.id.clone(), layout);
        }
        self.line(&json!({
            "kind": "card", "item": item, "layouts": layouts, "samples": tables, "heads": heads,
        }))
    }

    /// The card that came: the feed may have changed its order since it was seen ahead.
    pub fn shown(&mut self, position: u64, item: &Item) -> Result<(), Box<dyn Error>> {
        self.line(&json!({ "kind": "shown", "position": position, "item": item.id }))
    }

    /// Something happened to the current card.
    pub fn event(&mut self, event: &Event) -> Result<(), Box<dyn Error>> {
        let at_ms = self.now_ms();
        match event {
            Event::FirstFrame { position, latency_ms, .. } => self.line(&json!({
                "kind": "first_frame", "position": position, "at_ms": at_ms, "latency_ms": latency_ms,
            })),
            Event::Stalled { position, ms } => self.line(&json!({
                "kind": "stalled", "position": position, "at_ms": at_ms, "ms": ms,
            })),
            _ => Ok(()),
        }
    }

    /// Body bytes of the pages of the feed, in order.
    pub fn pages(&mut self, bytes: &[u64]) -> Result<(), Box<dyn Error>> {
        self.line(&json!({ "kind": "pages", "bytes": bytes }))
    }

    /// The session's online part is over.
    pub fn end(mut self, media_bytes: u64) -> Result<(), Box<dyn Error>> {
        let at_ms = self.now_ms();
        self.line(&json!({ "kind": "end", "at_ms": at_ms, "media_bytes": media_bytes }))?;
        self.out.flush()?;
        Ok(())
    }
}
