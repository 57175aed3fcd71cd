//! The address space of a segmented rendition. Pure.

use serde::{Deserialize, Serialize};
use unspool_engine::Span;

use crate::info::{Layout, MediaInfo, TrackKind};
use crate::probe::listing::{Cut, Packing, Part};
use crate::probe::{ProbeError, malformed};

/// Bits per second where nothing is declared: a phone-sized picture.
const USUAL_BITS: u64 = 1_000_000;
/// Bits per second of sound in a playlist of its own: what encoders choose for stereo.
const SOUND_BITS: u64 = 128_000;
/// Most bits per second that are believed; above lies no clip, and far above no sum of sizes.
const MOST_BITS: u64 = 1_000_000_000;
/// Shortest slot. 1 KiB: a part of it can be told from none and all.
const SHORTEST: u64 = 1024;

/// What sizes are expected by, where they are not known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rates {
    /// Declared bits per second of the whole rendition.
    pub bits: Option<u64>,
    /// Declared bytes of the whole rendition.
    pub bytes: Option<u64>,
}

/// Where a part of a rendition lies, and where it is expected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slot {
    /// Its place in the address space.
    pub span: Span,
    /// Which playlist lists it: 0, or 1 for sound that is apart.
    pub list: u8,
    /// Number of its file over all playlists.
    pub file: u32,
    /// Its bytes in that file; `None` for all of them.
    pub range: Option<Span>,
    /// When it is shown, in microseconds; `None` for an initialisation part.
    pub at: Option<u64>,
    /// Its length in microseconds.
    pub micros: u64,
}

/// The parts of a rendition in the order of play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// What the playlists say: of pictures, or of everything, and of sound that is apart.
    pub cuts: Vec<Cut>,
    /// Ascending, without gaps.
    pub slots: Vec<Slot>,
}

impl Plan {
    /// Lays the parts out. `known` answers the length of a file where it is known.
    pub(crate) fn new(
        cuts: Vec<Cut>,
        rates: Rates,
        known: impl Fn(u32) -> Option<u64>,
    ) -> Result<Plan, ProbeError> {
        let mut slots: Vec<Slot> = Vec::new();
        for (list, cut) in cuts.iter().enumerate() {
            let base: u32 = cuts[..list].iter().map(|before| before.files).sum();
            let slot = |part: Part, at, micros| Slot {
                span: Span::new(0, 0),
                list: list as u8,
                file: base + part.file,
                range: part.range,
                at,
                micros,
            };
            slots.extend(cut.init.map(|init| slot(init, None, 0)));
            let mut at = 0;
            for segment in &cut.segments {
                slots.push(slot(segment.part, Some(at), segment.micros));
                at += segment.micros;
            }
        }
        slots.sort_by_key(|slot| (slot.at, slot.list));
        let bits = bits_of(&cuts, rates, &slots, &known);
        let mut end = 0u64;
        for slot in &mut slots {
            let expected = match slot.range {
                Some(range) => range.len(),
                None => known(slot.file).unwrap_or_else(|| {
                    let bits = bits[usize::from(slot.list).min(1)];
                    u64::try_from(u128::from(bits) * u128::from(slot.micros) / 8_000_000).unwrap_or(u64::MAX)
                }),
            };
            slot.span = Span::new(end, end.saturating_add(expected.max(SHORTEST)));
            end = slot.span.end;
        }
        if slots.iter().all(|slot| slot.micros == 0) {
            return Err(malformed("a playlist without a duration"));
        }
        Ok(Plan { cuts, slots })
    }

    /// Number of files over all playlists.
    pub(crate) fn files(&self) -> u32 {
        self.cuts.iter().map(|cut| cut.files).sum()
    }

    /// The playlist that lists `file`, and whether it is one of pictures or of everything.
    pub(crate) fn list_of(&self, file: u32) -> Option<(&Cut, bool)> {
        let first = self.cuts.first()?;
        if file < first.files {
            return Some((first, true));
        }
        self.cuts.get(1).filter(|second| file - first.files < second.files).map(|second| (second, false))
    }

    fn end(&self) -> u64 {
        self.slots.last().map_or(0, |slot| slot.span.end)
    }

    /// The probe's answer, from what the beginning of each playlist's media says.
    pub(crate) fn describe(&self, heads: Vec<MediaInfo>) -> Result<MediaInfo, ProbeError> {
        let mut heads = heads.into_iter();
        let mut info = heads.next().ok_or(malformed("a playlist without segments"))?;
        for sound in heads {
            info.tracks.retain(|track| track.kind == TrackKind::Video);
            info.tracks.extend(sound.tracks.into_iter().filter(|track| track.kind == TrackKind::Audio));
            info.audio = sound.audio;
        }
        let micros = self.cuts.iter().map(Cut::micros).max().unwrap_or(0);
        info.size = self.end();
        info.layout = Layout::Segmented;
        info.duration_ms = (micros + 500) / 1000;
        let headers = self.slots.iter().take_while(|slot| slot.at.is_none()).map(|slot| slot.span.end).max();
        info.headers = headers.map(|end| Span::new(0, end)).into_iter().collect();
        info.index = Vec::new();
        for slot in self.slots.iter().filter(|slot| slot.list == 0) {
            let Some(at) = slot.at else { continue };
            match info.index.last_mut() {
                Some(last) if last.0 >= at / 1000 => {}
                _ => info.index.push((at / 1000, slot.span.start)),
            }
        }
        match info.index.last_mut() {
            Some(last) if last.0 >= info.duration_ms => last.1 = info.size,
            _ => info.index.push((info.duration_ms, info.size)),
        }
        for track in &mut info.tracks {
            // Only the first slot's places are those of its file.
            let first = self.slots.first().map_or(0, |slot| slot.span.end);
            track.first_sync = track.first_sync.filter(|sync| sync.span.end <= first);
        }
        Ok(info)
    }

    /// What to fetch of which file for `spans`, in the order of play.
    ///
    /// A slot's last byte stands for everything that its part may have beyond what was expected.
    pub(crate) fn wants(&self, spans: &[Span]) -> Vec<(u32, Vec<Span>)> {
        let mut wants: Vec<(u32, Vec<Span>)> = Vec::new();
        for slot in &self.slots {
            let all = slot.range.unwrap_or(Span::new(0, u64::MAX));
            for span in spans {
                let inside = slot.part_of(*span);
                if inside.is_empty() {
                    continue;
                }
                let want = if inside.end == slot.span.len() {
                    all
                } else {
                    Span::new(all.start + inside.start, (all.start + inside.end).min(all.end))
                };
                match wants.iter_mut().rfind(|(file, _)| *file == slot.file) {
                    Some((_, spans)) => spans.push(want),
                    None => wants.push((slot.file, vec![want])),
                }
            }
        }
        wants
    }

    /// What `span` means in the files, to take it off the disk.
    pub(crate) fn places(&self, span: Span) -> Vec<(u32, Span)> {
        let slots = self.slots.iter().map(|slot| (slot, slot.part_of(span)));
        slots
            .filter(|(_, inside)| !inside.is_empty())
            .map(|(slot, inside)| {
                let all = slot.range.unwrap_or(Span::new(0, u64::MAX));
                let end = if inside.end == slot.span.len() { all.end } else { all.start + inside.end };
                (slot.file, Span::new(all.start + inside.start, end.min(all.end)))
            })
            .collect()
    }
}

impl Slot {
    /// The part of `span` within the slot, from the slot's beginning on.
    fn part_of(&self, span: Span) -> Span {
        let start = span.start.max(self.span.start);
        let end = span.end.min(self.span.end).max(start);
        Span::new(start.saturating_sub(self.span.start), end.saturating_sub(self.span.start))
    }

    /// What is held of the slot when its part is held so far.
    pub(crate) fn held(&self, got: Got) -> Span {
        let most = self.span.end.saturating_sub(1);
        let end = match got {
            Got::All => self.span.end,
            Got::First(bytes) => self.span.start.saturating_add(bytes).min(most),
        };
        Span::new(self.span.start, end)
    }
}

/// How much of a part is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Got {
    All,
    /// Its first bytes.
    First(u64),
}

/// Bits per second of each playlist.
fn bits_of(cuts: &[Cut], rates: Rates, slots: &[Slot], known: &impl Fn(u32) -> Option<u64>) -> [u64; 2] {
    let micros = cuts.first().map_or(0, Cut::micros).max(1);
    let per_second = |bytes: u64, micros: u64| {
        u64::try_from(u128::from(bytes) * 8_000_000 / u128::from(micros.max(1))).ok()
    };
    let measured = slots
        .iter()
        .filter(|slot| slot.list == 0 && slot.at.is_some() && slot.micros > 0)
        .find_map(|slot| per_second(known(slot.file).filter(|_| slot.range.is_none())?, slot.micros));
    let whole = rates
        .bits
        .or_else(|| per_second(rates.bytes?, micros))
        .or(measured)
        .filter(|bits| *bits > 0)
        .unwrap_or(USUAL_BITS)
        .min(MOST_BITS);
    match cuts.len() {
        0 | 1 => [whole, whole],
        // Whatever is declared, pictures have the larger part of it.
        _ => [whole - SOUND_BITS.min(whole / 2), SOUND_BITS.min(whole / 2)],
    }
}

/// The part at the beginning of a playlist that says what its media are.
pub(crate) fn head_of(cut: &Cut) -> Option<(Part, Packing)> {
    let first = cut.segments.first().map(|segment| segment.part);
    cut.init.or(first).map(|part| (part, cut.packing))
}
