//! What both sides of the comparison with Glean record, and how a process measures itself. Included by both programs.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The value of an attribute.
pub(crate) enum Field {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
}

/// The kinds of events, and how many of a hundred each is: most of what a short-video app records is viewings.
pub(crate) const KINDS: [(&str, u32); 10] = [
    ("impression", 62),
    ("playback", 12),
    ("like", 8),
    ("share", 3),
    ("comment", 4),
    ("follow", 3),
    ("save", 3),
    ("search", 2),
    ("gift", 1),
    ("report", 2),
];

/// The keys of the attributes, six to nine of them an event.
pub(crate) const KEYS: [&str; 9] =
    ["item", "position", "reason", "active_ms", "duration_ms", "exit", "loops", "network", "creator"];

/// Event number `n`: the index of its kind and its attributes, about 164 bytes as JSON.
pub(crate) fn event(n: u64) -> (usize, Vec<(&'static str, Field)>) {
    // splitmix64, so that both sides see the same numbers.
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    let mut share = (z % 100) as u32;
    let kind = KINDS.iter().position(|(_, of)| match share.checked_sub(*of) {
        Some(left) => {
            share = left;
            false
        }
        None => true,
    });
    let item = z >> 8 & 0xffff;
    let mut fields = vec![
        (KEYS[0], Field::Text(format!("v{item:05}"))),
        (KEYS[1], Field::Int((n % 1_000) as i64)),
        (KEYS[2], Field::Text(["for_you", "following", "learn"][(z >> 24) as usize % 3].to_owned())),
        (KEYS[3], Field::Int((z >> 28) as i64 & 0x3fff)),
        (KEYS[4], Field::Int([8_000, 12_000, 15_000, 30_000, 60_000][(item % 5) as usize])),
        (
            KEYS[5],
            Field::Text(
                ["swipe_next", "swipe_back", "comments", "background"][(z >> 42) as usize % 4].to_owned(),
            ),
        ),
    ];
    let more = (z >> 44) as usize % 4;
    if more > 0 {
        fields.push((KEYS[6], Field::Int((z >> 46) as i64 & 3)));
    }
    if more > 1 {
        fields.push((KEYS[7], Field::Text(["unmetered", "metered"][(z >> 48) as usize % 2].to_owned())));
    }
    if more > 2 {
        fields.push((KEYS[8], Field::Text(format!("c{:04}", item % 2_000))));
    }
    (kind.unwrap_or(0), fields)
}

/// What a process measured of itself. Times in microseconds.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Figures {
    /// Events recorded.
    pub(crate) events: u64,
    /// Processor time, all threads.
    pub(crate) cpu_us: f64,
    /// Time until everything was written down, and delivered where that was asked for.
    pub(crate) wall_us: f64,
    /// How long the caller of one `record` was held up, at the median.
    pub(crate) p50_us: f64,
    /// The same, at the 99th percentile.
    pub(crate) p99_us: f64,
    /// Bytes handed to write calls.
    pub(crate) written: u64,
    /// Bytes of memory at the peak beyond those at the beginning.
    pub(crate) grown: u64,
    /// Bytes of compressed bodies.
    pub(crate) wire: u64,
    /// Bodies.
    pub(crate) bodies: u64,
    /// Time to open what was left behind.
    pub(crate) open_us: f64,
}

/// Measures from its making on.
pub(crate) struct Gauge {
    cpu: Duration,
    begun: Instant,
    written: u64,
    memory: u64,
    calls: Vec<u32>,
}

impl Gauge {
    pub(crate) fn start(calls: usize) -> Self {
        let calls = Vec::with_capacity(calls);
        Gauge { memory: status("VmRSS:"), written: written(), cpu: cpu(), begun: Instant::now(), calls }
    }

    /// Times one call of the caller's.
    pub(crate) fn call<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = call();
        self.calls.push(u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX));
        done
    }

    pub(crate) fn figures(mut self, events: u64) -> Figures {
        let wall_us = self.begun.elapsed().as_secs_f64() * 1e6;
        let cpu_us = cpu().saturating_sub(self.cpu).as_secs_f64() * 1e6;
        let written = written().saturating_sub(self.written);
        let grown = status("VmHWM:").saturating_sub(self.memory);
        self.calls.sort_unstable();
        let at = |share: usize| {
            let last = self.calls.len().saturating_sub(1);
            self.calls.get(last * share / 100).map_or(0.0, |ns| f64::from(*ns) / 1e3)
        };
        let (p50_us, p99_us) = (at(50), at(99));
        Figures { events, cpu_us, wall_us, p50_us, p99_us, written, grown, ..Figures::default() }
    }
}

fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(spent.tv_sec).unwrap_or(0), u32::try_from(spent.tv_nsec).unwrap_or(0))
}

fn written() -> u64 {
    number("/proc/self/io", "wchar:")
}

/// Bytes of a line of the process's status.
fn status(line: &str) -> u64 {
    number("/proc/self/status", line) * 1_024
}

fn number(file: &str, line: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|of| of.strip_prefix(line));
    found.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
