//! The bytes of Unspool: a sparse span store, a range fetcher and a container probe.

mod info;
mod source;

pub use info::{AudioCodec, Layout, MediaInfo, VideoCodec};
pub use source::{ByteSource, ReadError};
