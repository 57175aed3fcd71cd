//! Transport streams as fragmented MP4: the same coded pictures and sound in other boxes.
//!
//! A demuxer that reads at will, seeks by an index and loops without a gap needs MP4, and so a segment of HLS is turned
//! into a fragment when it is read. Nothing is decoded. H.264 and AAC, which is what HLS carries in transport streams.

mod fragment;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use fragment::{TIMESCALE, VIDEO, earlier, fragment, headers};
pub(crate) use stream::{Clip, read};
