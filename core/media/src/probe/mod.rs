//! The probe: what a rendition is, from as few of its bytes as possible.
//!
//! The parsers are sans-IO: [`mp4::Probe`] looks at the bytes that are there and answers either what it needs next or
//! what the file is. Everything in a file is hostile until checked: sizes, counts and depths are bounded, arithmetic
//! saturates, and a reader that runs off the end of a box is an error with a name. The library that the tests compare
//! with indexes tables without checks and panics on damaged files, which is why the headers are read here.

mod boxes;
mod codec;
mod fragment;
pub(crate) mod hls;
mod index;
pub(crate) mod listing;
mod local;
mod movie;
pub(crate) mod mp4;
mod samples;
mod segments;
mod sps;
#[cfg(test)]
mod tests;
pub(crate) mod transport;

pub use local::{probe_bytes, probe_file};
pub use samples::{Sample, fragment_heads, samples};

use unspool_engine::Span;

use crate::fetch::FetchError;
use crate::info::MediaInfo;
use crate::store::SpanSet;

/// Why a rendition cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The bytes could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The file breaks its own format; another rendition may be fine.
    #[error("malformed file: {what}")]
    Malformed {
        /// Which rule is broken.
        what: &'static str,
    },
    /// The file is larger than a short clip's headers may be.
    #[error("over a limit: {what}")]
    TooLarge {
        /// Which limit.
        what: &'static str,
    },
    /// A format that this core does not play.
    #[error("unsupported: {what}")]
    Unsupported {
        /// Which feature.
        what: &'static str,
    },
    /// The file on this machine cannot be read.
    #[error("the file cannot be read: {0}")]
    File(std::io::ErrorKind),
    /// The cache could not be read.
    #[error("the cache could not be read")]
    Store,
}

impl ProbeError {
    /// Whether the same probe may succeed later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            ProbeError::Fetch(error) => error.retryable(),
            ProbeError::Store => true,
            _ => false,
        }
    }
}

/// Bytes at the end of a fragmented file that a demuxer reads before any sample: the random access index (`mfra`), whose
/// last box tells its length. 4 KiB hold it for some 150 fragments, five minutes cut every two seconds.
pub(crate) const TAIL_BYTES: u64 = 4 * 1024;

/// Bytes of a segmented rendition's beginning that are asked for at first: one initial chunk, which holds any usual
/// initialisation segment, and of a transport stream the tables and the first picture of a phone-sized clip.
pub(crate) const HEAD_BYTES: u64 = 128 * 1024;

/// The headers of a fragmented file with its tail.
pub(crate) fn with_tail(headers: Vec<Span>, size: u64) -> Vec<Span> {
    let mut all = SpanSet::from_spans(headers);
    all.insert(Span::new(size.saturating_sub(TAIL_BYTES), size));
    all.as_slice().to_vec()
}

/// What the media of a playlist are, from the beginning of them: an initialisation part, or the start of a segment.
pub(crate) fn describe_head(bytes: &[u8], packing: listing::Packing) -> Result<MediaInfo, ProbeError> {
    match packing {
        listing::Packing::Fragments => mp4::describe_init(bytes),
        listing::Packing::Transport => transport::describe(bytes),
    }
}

/// How many units of time a second has in a track of an initialisation part.
pub(crate) fn track_timescale(init: &[u8], track: u32) -> Option<u32> {
    let moov = boxes::child(init, b"moov").ok()??;
    let movie = movie::Movie::read(moov).ok()?;
    movie.tables.iter().find(|table| table.id == track).map(|table| table.timescale)
}

pub(crate) const fn malformed(what: &'static str) -> ProbeError {
    ProbeError::Malformed { what }
}
