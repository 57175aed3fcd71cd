//! The bytes of Unspool: a sparse span store, a range fetcher, a container probe and a loopback gateway.
//!
//! [`Media`] is the front door. Below it the store keeps bytes and says which are there, the fetcher brings the missing
//! ones in bounded chunks, and the probe finds out what a rendition is from its headers. Players read through
//! [`ByteSource`] and see one file whose bytes may still be arriving; the platform's own players read the same bytes over
//! HTTP from [`Gateway`].

mod disk;
mod fetch;
mod gateway;
mod impatient;
mod info;
mod local;
mod media;
mod outbound;
mod probe;
mod prober;
mod reach;
mod reader;
mod recent;
mod remux;
mod segments;
mod source;
mod store;
pub mod tasks;
mod ticket;
mod tls;
mod untailed;

pub use disk::{DataFile, Disk, LocalDisk, OpenMode, Step};
pub use fetch::{
    ByPurpose, ByteCounts, CertificateFault, Cmcd, FetchDone, FetchError, FetchSummary, Limits, Location,
    Playback, Prewarm, Priority, Purpose, ResolveError, Traffic, UrlResolver, is_web_page,
};
pub use gateway::{Gateway, GatewayError, GatewayLimits, GatewayStats};
pub use impatient::Impatient;
pub use info::{AudioCodec, Layout, MediaInfo, SyncSample, TrackInfo, TrackKind, VideoCodec};
pub use local::LocalFile;
pub use media::{Media, MediaConfig, MediaError, Origin};
pub use outbound::{
    Answer, OUTBOUND_REQUESTS, Outbound, OutboundBatch, OutboundPurpose, OutboundRequest, Wire, WireError,
};
pub use probe::{ProbeError, Sample, fragment_heads, probe_bytes, probe_file, samples};
pub use reach::{HostPattern, PatternError, Reach};
pub use source::{ByteSource, ReadError};
pub use store::{DirectoryLock, MemoryOnly, StoreError, StoreHealth, StoredMedia};
pub use ticket::FetchTicket;
#[cfg(target_os = "android")]
pub use tls::android::{AndroidTrustError, initialise_trust};
pub use tls::{HostPins, Pin, TlsConfig, TlsError, distrust};
