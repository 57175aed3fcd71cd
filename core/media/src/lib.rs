//! The bytes of Unspool: a sparse span store, a range fetcher and a container probe.
#![allow(dead_code)]

mod fetch;
mod info;
mod probe;
mod source;
mod store;

pub use fetch::{
    ByteCounts, FetchDone, FetchError, FetchSummary, Limits, Location, Priority, Purpose, ResolveError, UrlResolver,
};
pub use info::{AudioCodec, Layout, MediaInfo, VideoCodec};
pub use probe::ProbeError;
pub use source::{ByteSource, ReadError};
pub use store::{StoreError, StoreHealth, StoredMedia};
