//! What a feed is made of: items, the assets they show, and the renditions an asset comes in.
//!
//! These records are facts from a backend after validation. Sizes, counts and lengths were bounded at the edge; the
//! engines trust them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A stable identifier of (asset, rendition): what the span store files bytes under. Never a URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MediaKey(String);

impl MediaKey {
    /// The key of one rendition of one asset.
    #[must_use]
    pub fn new(asset: &str, rendition: &str) -> Self {
        // The unit separator cannot occur in identifiers (they are printable ASCII), so two pairs never collide.
        MediaKey(format!("{asset}\u{1f}{rendition}"))
    }

    /// The asset and the rendition.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once('\u{1f}').unwrap_or((&self.0, ""))
    }

    /// The key as text, for storage.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key read back from storage.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        MediaKey(text)
    }
}

impl fmt::Display for MediaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace('\u{1f}', "/"))
    }
}

/// A half-open range of bytes, `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl Span {
    /// `start..end`; empty when `end <= start`.
    #[must_use]
    pub fn new(start: u64, end: u64) -> Self {
        Span { start, end: end.max(start) }
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether it holds no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}

/// How the bytes of a rendition are packed, as the backend declares it. The probe has the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// One progressive MP4, with its `moov` box first or last.
    Mp4,
    /// One fragmented MP4.
    Fmp4,
    /// An HLS playlist.
    Hls,
}

/// One encoding of an asset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rendition {
    /// Identifier, unique within the asset.
    pub id: String,
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
    /// Average bits per second over the whole asset.
    pub bitrate_bps: u64,
    /// Declared packing.
    pub container: Container,
    /// Where the bytes are. May be signed and may expire.
    pub url: String,
    /// Where the same bytes are on other hosts, best first; they expire with `url`.
    #[serde(default)]
    pub alternates: Vec<String>,
    /// Total size in bytes where the backend knows it.
    pub bytes: Option<u64>,
    /// Wall-clock time in milliseconds since 1970 after which `url` no longer answers.
    pub expires_at_ms: Option<i64>,
}

/// One video.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Asset {
    /// Identifier.
    pub id: String,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Renditions, lowest bit rate first; never empty.
    pub renditions: Vec<Rendition>,
}

/// Who made an item.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Creator {
    /// Identifier.
    pub id: String,
    /// Short public name, without the @.
    pub handle: String,
    /// Display name.
    pub name: String,
}

/// One file of captions of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptionTrack {
    /// Language of its text as a BCP 47 tag, such as `en` or `pt-BR`.
    pub language: String,
    /// Name to show, such as `English (for the deaf)`.
    #[serde(default)]
    pub label: String,
    /// Where the `WebVTT` or `SubRip` file is. May be signed and may expire.
    pub url: String,
}

/// How the person stands to the creator of an item, as the backend tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Relation {
    /// The person follows the creator.
    pub following: bool,
    /// The person muted the creator.
    pub muted: bool,
    /// The person blocked the creator.
    pub blocking: bool,
    /// The creator blocked the person.
    pub blocked_by: bool,
}

/// Where the backend places an item among all others, so that likeness can be learnt on the device.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Embedding {
    /// Which set of vectors this belongs to; those of two sets cannot be compared.
    pub space: u32,
    /// Components, finite, at most [`MAX_DIMENSIONS`](crate::learner::MAX_DIMENSIONS).
    pub values: Vec<f64>,
}

/// The place of an item in a series.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SeriesPart {
    /// Identifier of the series.
    pub id: String,
    /// Number of the part, ascending in the order it is meant to be seen.
    pub part: u32,
}

/// One card of a feed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Item {
    /// Identifier.
    pub id: String,
    /// What it shows.
    pub asset: Asset,
    /// Who made it.
    pub creator: Creator,
    /// Topics, most important first.
    pub topics: Vec<String>,
    /// Caption as written by the creator.
    pub caption: String,
    /// Description for people who cannot see the picture.
    pub alt_text: String,
    /// Labels put on it by the backend.
    pub labels: Vec<String>,
    /// Labels its creator put on it.
    #[serde(default)]
    pub self_labels: Vec<String>,
    /// Labels that the backend put on its creator.
    #[serde(default)]
    pub creator_labels: Vec<String>,
    /// Tags of the creator's own, without the #.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Languages of its caption, main one first, as two-letter codes where given.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Identifier of the sound it uses, where it uses one that others use too.
    #[serde(default)]
    pub sound: Option<String>,
    /// Where a still picture of it is.
    #[serde(default)]
    pub thumbnail: Option<String>,
    /// How the person stands to its creator.
    #[serde(default)]
    pub relation: Relation,
    /// Share of viewers still watching: `(milliseconds, share)`, ascending in time, shares within 0..=1.
    pub retention: Vec<(u64, f64)>,
    /// The server's own prediction that the person will like it, 0..=1, where given.
    pub prior: Option<f64>,
    /// Where the server places it among all items, where given.
    #[serde(default)]
    pub vector: Option<Embedding>,
    /// The series it is part of, where it is of one.
    #[serde(default)]
    pub series: Option<SeriesPart>,
    /// Files of captions, in the backend's order.
    #[serde(default)]
    pub captions: Vec<CaptionTrack>,
}

/// One answer of a feed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Page {
    /// Cards in the backend's order.
    pub items: Vec<Item>,
    /// Where the next page starts; `None` at the end.
    pub next_cursor: Option<String>,
}
