//! The GStreamer source element: a demuxer pulls, a [`ByteSource`] answers.
//!
//! Random access of a known size, in pull mode, so that the demuxer reads exactly the headers and samples it needs and
//! a sparse source is never asked for a tail it does not have. It never claims limited bandwidth: elements would then
//! switch to download modes of their own, and the bytes are this core's business.
//!
//! Cancellation: GStreamer's `unlock` ends a wait through [`ByteSource::interrupt`] and every read re-checks the flag,
//! because a read may begin just after the interrupt. `Feed::abort` is the stronger form used by a release: it is final,
//! so a late `unlock_stop` cannot set a dying pipeline waiting again.

use crate::lock::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_src::CreateSuccess;
use gst_base::subclass::prelude::*;
use unspool_media::{ByteSource, ReadError};

/// Scheme of the element's URIs.
const SCHEME: &str = "unspool";

/// How long one read waits before the flags are looked at again.
///
/// A net below `interrupt`, which ends waits at once; a quarter of a second bounds a lost wake-up.
const READ_SLICE: Duration = Duration::from_millis(250);

/// Largest single read answered, in bytes.
///
/// A demuxer's reads are samples and headers, a few MB at most; more is a broken length field, and would be allocated.
const LARGEST_READ: u32 = 64 << 20;

/// One player's bytes and what is known about reading them; shared by the element, the pool and the watchdog.
#[derive(Debug)]
pub(crate) struct Feed {
    key: u64,
    source: Arc<dyn ByteSource>,
    next: AtomicU64,
    waiting: AtomicBool,
    waits: AtomicU64,
    /// When the last wait ended.
    waited: Mutex<Option<Instant>>,
    flushing: AtomicBool,
    aborted: AtomicBool,
    failure: Mutex<Option<ReadError>>,
}

static FEEDS: Mutex<BTreeMap<u64, Weak<Feed>>> = Mutex::new(BTreeMap::new());
static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

impl Feed {
    /// Wraps a source and makes it known under its URI for as long as the feed lives.
    pub(crate) fn new(source: Arc<dyn ByteSource>) -> Arc<Self> {
        let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
        source.set_watched(false);
        let feed = Arc::new(Self {
            key,
            source,
            next: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
            waits: AtomicU64::new(0),
            waited: Mutex::new(None),
            flushing: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            failure: Mutex::new(None),
        });
        lock(&FEEDS).insert(key, Arc::downgrade(&feed));
        feed
    }

    /// The URI under which the element finds this feed.
    pub(crate) fn uri(&self) -> String {
        format!("{SCHEME}://{}", self.key)
    }

    /// Says whether somebody watches, so that the source fetches ahead or holds back.
    pub(crate) fn set_watched(&self, watched: bool) {
        self.source.set_watched(watched);
    }

    /// Says that the first picture is on show.
    pub(crate) fn set_started(&self) {
        self.source.set_started();
    }

    /// Ends every wait for good.
    pub(crate) fn abort(&self) {
        self.aborted.store(true, Ordering::SeqCst);
        self.source.interrupt();
    }

    /// Whether a read is waiting for bytes.
    pub(crate) fn waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Reads so far that had to wait.
    pub(crate) fn waits(&self) -> u64 {
        self.waits.load(Ordering::SeqCst)
    }

    /// Whether a read waits for bytes, or did until a moment ago.
    pub(crate) fn starved(&self, moment: Duration) -> bool {
        self.waiting() || lock(&self.waited).is_some_and(|ended| ended.elapsed() < moment)
    }

    fn wait_over(&self) {
        if self.waiting.swap(false, Ordering::SeqCst) {
            *lock(&self.waited) = Some(Instant::now());
        }
    }

    /// Where the demuxer reads next, and how many bytes are there.
    pub(crate) fn ahead(&self) -> (u64, u64) {
        let at = self.next.load(Ordering::SeqCst);
        (at, self.source.available_from(at))
    }

    /// Why reading failed, if it did.
    pub(crate) fn failure(&self) -> Option<ReadError> {
        lock(&self.failure).clone()
    }

    fn set_flushing(&self, flushing: bool) {
        if flushing {
            self.flushing.store(true, Ordering::SeqCst);
            self.source.interrupt();
        } else {
            self.flushing.store(false, Ordering::SeqCst);
            if !self.aborted.load(Ordering::SeqCst) {
                self.source.resume();
            }
            // An abort between the check and the resume would be lost without this second look.
            if self.aborted.load(Ordering::SeqCst) {
                self.source.interrupt();
            }
        }
    }

    fn stopped(&self) -> bool {
        self.flushing.load(Ordering::SeqCst) || self.aborted.load(Ordering::SeqCst)
    }

    /// Fills `buf` from `offset`; fewer bytes only at the end.
    fn fill(&self, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        let mut done = 0;
        let mut waited = false;
        let result = loop {
            if done == buf.len() {
                break Ok(done);
            }
            if self.stopped() {
                break Err(ReadError::Interrupted);
            }
            let at = offset + done as u64;
            self.next.store(at, Ordering::SeqCst);
            if at < self.source.size() && self.source.available_from(at) == 0 {
                self.waiting.store(true, Ordering::SeqCst);
                if !waited {
                    self.waits.fetch_add(1, Ordering::SeqCst);
                    waited = true;
                }
            }
            match self.source.read_at(at, &mut buf[done..], READ_SLICE) {
                Ok(0) => break Ok(done),
                Ok(n) => {
                    done += n.min(buf.len() - done);
                    self.wait_over();
                }
                Err(ReadError::TimedOut) => {}
                Err(error) => break Err(error),
            }
        };
        self.wait_over();
        self.next.store(offset + done as u64, Ordering::SeqCst);
        result
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        lock(&FEEDS).remove(&self.key);
    }
}

mod imp {
    use super::*;
    use std::sync::LazyLock;

    #[derive(Default)]
    pub struct UnspoolSrc {
        feed: Mutex<Option<Arc<Feed>>>,
    }

    impl UnspoolSrc {
        fn feed(&self) -> Option<Arc<Feed>> {
            lock(&self.feed).clone()
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for UnspoolSrc {
        const NAME: &'static str = "UnspoolSrc";
        type Type = super::UnspoolSrc;
        type ParentType = gst_base::BaseSrc;
        type Interfaces = (gst::URIHandler,);
    }

    impl ObjectImpl for UnspoolSrc {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().set_format(gst::Format::Bytes);
        }
    }

    impl GstObjectImpl for UnspoolSrc {}

    impl ElementImpl for UnspoolSrc {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Unspool source",
                    "Source",
                    "Reads a rendition whose bytes may still be arriving",
                    "Unspool",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                gst::PadTemplate::new(
                    "src",
                    gst::PadDirection::Src,
                    gst::PadPresence::Always,
                    &gst::Caps::new_any(),
                )
                .into_iter()
                .collect()
            });
            &TEMPLATES
        }
    }

    impl BaseSrcImpl for UnspoolSrc {
        fn start(&self) -> Result<(), gst::ErrorMessage> {
            let Some(feed) = self.feed() else {
                return Err(gst::error_msg!(gst::ResourceError::Settings, ["no byte source is set"]));
            };
            feed.set_flushing(false);
            Ok(())
        }

        fn stop(&self) -> Result<(), gst::ErrorMessage> {
            Ok(())
        }

        fn is_seekable(&self) -> bool {
            true
        }

        fn size(&self) -> Option<u64> {
            self.feed().map(|feed| feed.source.size())
        }

        fn unlock(&self) -> Result<(), gst::ErrorMessage> {
            if let Some(feed) = self.feed() {
                feed.set_flushing(true);
            }
            Ok(())
        }

        fn unlock_stop(&self) -> Result<(), gst::ErrorMessage> {
            if let Some(feed) = self.feed() {
                feed.set_flushing(false);
            }
            Ok(())
        }

        fn create(
            &self,
            offset: u64,
            _buffer: Option<&mut gst::BufferRef>,
            length: u32,
        ) -> Result<CreateSuccess, gst::FlowError> {
            let feed = self.feed().ok_or(gst::FlowError::Error)?;
            let left = feed.source.size().saturating_sub(offset);
            let length = length.min(u32::try_from(left).unwrap_or(u32::MAX));
            if length == 0 {
                return Err(gst::FlowError::Eos);
            }
            if length > LARGEST_READ {
                gst::element_imp_error!(
                    self,
                    gst::StreamError::Demux,
                    ["a read of {} bytes was asked for", length]
                );
                return Err(gst::FlowError::Error);
            }
            let mut bytes = vec![0_u8; length as usize];
            match feed.fill(offset, &mut bytes) {
                Ok(0) => Err(gst::FlowError::Eos),
                Ok(n) => {
                    bytes.truncate(n);
                    let mut buffer = gst::Buffer::from_mut_slice(bytes);
                    if let Some(buffer) = buffer.get_mut() {
                        buffer.set_offset(offset);
                        buffer.set_offset_end(offset + n as u64);
                    }
                    Ok(CreateSuccess::NewBuffer(buffer))
                }
                Err(_) if feed.stopped() => Err(gst::FlowError::Flushing),
                Err(error) => {
                    let text = error.to_string();
                    *lock(&feed.failure) = Some(error);
                    gst::element_imp_error!(self, gst::ResourceError::Read, ["{}", text]);
                    Err(gst::FlowError::Error)
                }
            }
        }
    }

    impl URIHandlerImpl for UnspoolSrc {
        const URI_TYPE: gst::URIType = gst::URIType::Src;

        fn protocols() -> &'static [&'static str] {
            &[SCHEME]
        }

        fn uri(&self) -> Option<String> {
            self.feed().map(|feed| feed.uri())
        }

        fn set_uri(&self, uri: &str) -> Result<(), glib::Error> {
            let feed = uri
                .strip_prefix(SCHEME)
                .and_then(|rest| rest.strip_prefix("://"))
                .and_then(|key| key.trim_end_matches('/').parse::<u64>().ok())
                .and_then(|key| lock(&FEEDS).get(&key).and_then(Weak::upgrade))
                .ok_or_else(|| {
                    glib::Error::new(gst::URIError::BadReference, "no byte source has this address")
                })?;
            *lock(&self.feed) = Some(feed);
            Ok(())
        }
    }
}

glib::wrapper! {
    /// The element type; private to this crate, found by its URI scheme.
    pub struct UnspoolSrc(ObjectSubclass<imp::UnspoolSrc>)
        @extends gst_base::BaseSrc, gst::Element, gst::Object,
        @implements gst::URIHandler;
}

/// Name under which the element is registered.
pub(crate) const ELEMENT: &str = "unspoolsrc";

/// Makes the element known to GStreamer, without a rank: nothing picks it by itself.
pub(crate) fn register() -> Result<(), glib::BoolError> {
    gst::Element::register(None, ELEMENT, gst::Rank::NONE, UnspoolSrc::static_type())
}
