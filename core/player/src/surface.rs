//! Where pictures become visible: native windows and screens of the host, given, taken and replaced at any time.
//!
//! Players decode into a sink without a window, in step with the clock; an easel then draws the picture that is due. So
//! a pre-rolled player needs no window and no graphics context, a surface can go without disturbing the pipeline, and
//! the next card drawn into the same window replaces the last picture and never a black one. `close` returns when
//! nothing draws any more, which is what a system asks before it destroys a surface.

use crate::PlayerError;
use crate::graph::{element, internal};
use crate::lock::lock;
use gst::prelude::*;
use gst_video::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// A place for pictures.
#[derive(Debug, Clone)]
pub enum Surface {
    /// A native window by its platform handle (X11 window, `ANativeWindow*`, `UIView*`). It must exist until the
    /// surface is taken away again.
    Window(u64),
    /// Something of the host's that takes decoded pictures.
    Screen(Arc<dyn Screen>),
}

/// A host's own place for decoded pictures.
///
/// The first picture comes as soon as a player has decoded it, before it plays, and again when it plays.
///
/// Threads: `show` runs on a streaming thread and delays the picture by as long as it takes.
pub trait Screen: Send + Sync + std::fmt::Debug {
    /// Shows a picture, now.
    fn show(&self, picture: &Picture<'_>);
}

/// A decoded picture, readable while it is being shown.
#[derive(Debug)]
pub struct Picture<'a> {
    frame: gst_video::VideoFrameRef<&'a gst::BufferRef>,
}

impl Picture<'_> {
    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.frame.width()
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.frame.height()
    }

    /// GStreamer's name of the pixel format, such as `I420`.
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.frame.format().to_str().as_str()
    }

    /// Width of a pixel to its height; 1 to 1 where pixels are square.
    #[must_use]
    pub fn pixel_aspect(&self) -> (u32, u32) {
        let aspect = self.frame.info().par();
        let positive = |n: i32| u32::try_from(n).unwrap_or(1).max(1);
        (positive(aspect.numer()), positive(aspect.denom()))
    }

    /// How its numbers mean colours.
    #[must_use]
    pub fn colours(&self) -> Colours {
        let told = self.frame.info().colorimetry();
        let matrix = match told.matrix() {
            gst_video::VideoColorMatrix::Rgb => "rgb",
            gst_video::VideoColorMatrix::Bt601 => "smpte170m",
            gst_video::VideoColorMatrix::Bt2020 => "bt2020-ncl",
            _ => "bt709",
        };
        Colours { matrix, full_range: told.range() == gst_video::VideoColorRange::Range0_255 }
    }

    /// Bytes of a plane and the length of its rows in bytes; `None` past the last plane.
    #[must_use]
    pub fn plane(&self, plane: u32) -> Option<(&[u8], usize)> {
        let stride = *self.frame.plane_stride().get(usize::try_from(plane).ok()?)?;
        Some((self.frame.plane_data(plane).ok()?, usize::try_from(stride).ok()?))
    }
}

/// How the numbers of a picture mean colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours {
    /// The matrix by its name in WebCodecs: `rgb`, `bt709`, `smpte170m` or `bt2020-ncl`; `bt709` where it is another one or
    /// nothing says.
    pub matrix: &'static str,
    /// Whether black is 0 and white 255, and not 16 and 235.
    pub full_range: bool,
}

/// Draws into one surface, for one player at a time.
#[derive(Debug)]
pub(crate) struct Easel {
    surface: Surface,
    /// The player that may draw; pictures of others that are still on their way are not shown.
    owner: AtomicU64,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    drawing: bool,
    /// Whether what draws is being let go of.
    reaping: bool,
    failed: bool,
    pen: Option<WindowPen>,
}

impl Easel {
    pub(crate) fn new(surface: Surface) -> Arc<Self> {
        Arc::new(Self { surface, owner: AtomicU64::new(0), state: Mutex::default(), freed: Condvar::new() })
    }

    /// The window it draws into.
    pub(crate) fn window(&self) -> Option<u64> {
        match self.surface {
            Surface::Window(handle) => Some(handle),
            Surface::Screen(_) => None,
        }
    }

    /// Whether it draws onto a screen of the host.
    pub(crate) fn is_screen(&self) -> bool {
        matches!(self.surface, Surface::Screen(_))
    }

    /// Whether its surface was taken away.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// From here on only this player's pictures are shown.
    pub(crate) fn claim(&self, serial: u64) {
        self.owner.store(serial, Ordering::SeqCst);
    }

    /// Draws a picture; says whether it is on the surface now.
    pub(crate) fn draw(&self, serial: u64, sample: &gst::Sample) -> Result<bool, PlayerError> {
        if self.owner.load(Ordering::SeqCst) != serial {
            return Ok(false);
        }
        let mut state = lock(&self.state);
        if state.closed || state.drawing || state.failed {
            return Ok(false);
        }
        state.drawing = true;
        let pen = state.pen.take();
        drop(state);
        let drawn = self.paint(pen, sample);
        let mut state = lock(&self.state);
        state.drawing = false;
        let result = match drawn {
            Ok(pen) => {
                state.pen = pen;
                Ok(!state.closed)
            }
            Err(error) => {
                state.failed = true;
                Err(error)
            }
        };
        drop(state);
        self.freed.notify_all();
        result
    }

    /// Draws without the lock, so that nobody waits for a window system while holding it.
    fn paint(&self, pen: Option<WindowPen>, sample: &gst::Sample) -> Result<Option<WindowPen>, PlayerError> {
        match &self.surface {
            Surface::Window(handle) => {
                let mut pen = pen.map_or_else(|| WindowPen::open(*handle), Ok)?;
                pen.draw(sample)?;
                Ok(Some(pen))
            }
            Surface::Screen(screen) => {
                let video = sample.caps().and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok());
                if let (Some(buffer), Some(video)) = (sample.buffer(), video)
                    && let Ok(frame) = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &video)
                {
                    screen.show(&Picture { frame });
                }
                Ok(None)
            }
        }
    }

    /// Ends all drawing; true if nothing touches the surface any more, false if something still did after `patience`. May
    /// be called again then.
    pub(crate) fn close(self: &Arc<Self>, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut state = lock(&self.state);
        state.closed = true;
        loop {
            if !state.drawing && !state.reaping {
                let Some(pen) = state.pen.take() else { return true };
                state.reaping = true;
                let own = Arc::clone(self);
                let reaper = std::thread::Builder::new().name("unspool-easel".to_owned()).spawn(move || {
                    drop(pen);
                    lock(&own.state).reaping = false;
                    own.freed.notify_all();
                });
                // Without a thread the pen was dropped here.
                state.reaping = reaper.is_ok();
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.freed.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }
}

/// Connections to an X server are opened, asked for extensions and closed by one thread at a time, while nobody draws. What
/// Xlib keeps of all connections together is not safe otherwise, whatever `XInitThreads` promises of one: libXext's list
/// of displays was seen corrupt in `XextAddDisplay` with two windows opening, and the sink swaps the one handler of errors.
static X_CONNECTIONS: RwLock<()> = RwLock::new(());

fn drawing(x: bool) -> Option<RwLockReadGuard<'static, ()>> {
    x.then(|| X_CONNECTIONS.read().unwrap_or_else(PoisonError::into_inner))
}

fn connecting(x: bool) -> Option<RwLockWriteGuard<'static, ()>> {
    x.then(|| X_CONNECTIONS.write().unwrap_or_else(PoisonError::into_inner))
}

/// A small pipeline that draws what it is pushed at once, on the pushing thread.
#[derive(Debug)]
struct WindowPen {
    /// Whether it has a connection to an X server.
    x: bool,
    pipeline: gst::Pipeline,
    entry: gst::Pad,
    caps: Option<gst::Caps>,
}

impl WindowPen {
    fn open(handle: u64) -> Result<Self, PlayerError> {
        let names: &[&str] = if cfg!(any(target_os = "macos", target_os = "ios")) {
            &["glimagesink", "osxvideosink"]
        } else if cfg!(target_os = "windows") {
            &["d3d11videosink", "glimagesink"]
        } else {
            &["glimagesink", "ximagesink"]
        };
        let sink = names
            .iter()
            .find_map(|name| element(name).ok())
            .ok_or_else(|| PlayerError::MissingElement { name: names[0].to_owned() })?;
        for (name, value) in [("sync", false), ("async", false), ("enable-last-sample", false)] {
            sink.set_property(name, value);
        }
        let convert = element("videoconvert")?;
        let pipeline = gst::Pipeline::new();
        let x = sink.factory().is_some_and(|f| f.name() == "ximagesink");
        let pen = Self { x, pipeline, entry: gst::Pad::builder(gst::PadDirection::Src).build(), caps: None };
        pen.pipeline.add_many([&convert, &sink]).map_err(internal)?;
        convert.link(&sink).map_err(internal)?;
        let target = convert.static_pad("sink").ok_or_else(|| internal("no pad"))?;
        pen.entry.link(&target).map_err(internal)?;
        // Nobody reads the bus, and what is kept there would keep the pipeline.
        if let Some(bus) = pen.pipeline.bus() {
            bus.set_sync_handler(|_, _| gst::BusSyncReply::Drop);
        }
        let overlay = sink
            .dynamic_cast_ref::<gst_video::VideoOverlay>()
            .ok_or_else(|| internal("the window sink takes no window"))?;
        // Taken after the pen is there, so that a pen that fails lets go of it before it is dropped.
        let alone = connecting(x);
        give_window(overlay, handle);
        pen.pipeline.set_state(gst::State::Playing).map_err(|_| unusable())?;
        drop(alone);
        pen.entry.set_active(true).map_err(internal)?;
        pen.entry.push_event(gst::event::StreamStart::new("picture"));
        Ok(pen)
    }

    fn draw(&mut self, sample: &gst::Sample) -> Result<(), PlayerError> {
        let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps_owned()) else { return Ok(()) };
        let news = self.caps.as_ref() != Some(&caps);
        // The first picture of a size looks for extensions of the server.
        let _alone = connecting(self.x && news);
        let _shared = drawing(self.x && !news);
        if news {
            if !self.entry.push_event(gst::event::Caps::new(&caps)) {
                return Err(unusable());
            }
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.entry.push_event(gst::event::Segment::new(&segment));
            self.caps = Some(caps);
        }
        self.entry.push(buffer).map(drop).map_err(|_| unusable())
    }
}

impl Drop for WindowPen {
    fn drop(&mut self) {
        let _ = self.entry.set_active(false);
        let _alone = connecting(self.x);
        let _ = self.pipeline.set_state(gst::State::Null);
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
    }
}

fn unusable() -> PlayerError {
    PlayerError::Surface { reason: "the window cannot be drawn into".to_owned() }
}

#[allow(
    unsafe_code,
    reason = "the overlay takes the handle as a plain number; the contract of `Surface::Window` keeps it valid"
)]
fn give_window(overlay: &gst_video::VideoOverlay, handle: u64) {
    if let Ok(handle) = usize::try_from(handle) {
        // SAFETY: the host promises that the window exists until the surface is taken away, and `close` has ended
        // every use of it by then.
        unsafe { overlay.set_window_handle(handle) };
    }
}
