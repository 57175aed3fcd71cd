//! Where the core reads its clocks.
//!
//! Session time is the boot clock, which counts while the device sleeps; wall time is what the device shows. A turn of
//! the driver reads each once and hands them to the engine as arguments.

use std::time::{SystemTime, UNIX_EPOCH};

use once_cell::sync::Lazy;
use rustix::time::{ClockId, clock_gettime};
use unspool_engine::wellbeing::Moment;
use unspool_engine::{Time, Wall};

// Apple's monotonic clock counts suspension; Linux and Android keep that for the boot clock.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Names the start of the device: the kernel's random name of it, where there is one.
static BOOT: Lazy<Option<u64>> = Lazy::new(|| {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).ok()
});

/// A clock that began when the session did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Clock { origin_ms: ticks() }
    }

    pub(crate) fn now(self) -> Time {
        Time(ticks().saturating_sub(self.origin_ms))
    }

    /// Milliseconds since 1970 in UTC; the host gives the zone where it matters.
    pub(crate) fn wall() -> Wall {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Wall { unix_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX), offset_min: 0 }
    }

    /// All clocks at once, for a person whose zone is so many minutes east of UTC.
    pub(crate) fn moment(offset_min: i16) -> Moment {
        Moment { ticks: ticks(), boot: *BOOT, wall: Wall { offset_min, ..Clock::wall() } }
    }
}

fn ticks() -> u64 {
    let t = clock_gettime(CLOCK);
    u64::try_from(t.tv_sec).unwrap_or(0).saturating_mul(1_000)
        + u64::try_from(t.tv_nsec).unwrap_or(0) / 1_000_000
}

/// Wall clock and boot clock, in milliseconds, for who compares them.
pub(crate) fn pair() -> (i64, i64) {
    (Clock::wall().unix_ms, i64::try_from(ticks()).unwrap_or(i64::MAX))
}
