//! Processor time of whoever serves, without that of the clients.

use rustix::time::{ClockId, clock_gettime};

/// Whose time it is.
pub(super) enum Cpu {
    /// This process, but for the threads of clients.
    Ours,
    /// The children of a process.
    ChildrenOf(u32),
}

impl Cpu {
    /// Microseconds used so far, `None` where the system does not say. Of this process those of the clients are part,
    /// which are taken off later.
    pub(super) fn used(&self) -> Option<f64> {
        let Cpu::ChildrenOf(pid) = self else { return Some(microseconds(ClockId::ProcessCPUTime)) };
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let used = children.split_whitespace().map(|child| {
            // Its first number counts nanoseconds on a processor.
            let text = std::fs::read_to_string(format!("/proc/{child}/schedstat")).ok()?;
            Some(text.split_whitespace().next()?.parse::<f64>().ok()? / 1e3)
        });
        used.sum::<Option<f64>>().filter(|used| *used > 0.0)
    }

    /// What of `clients`, the time of their threads, is part of what was [`used`](Cpu::used).
    pub(super) fn shared(&self, clients: f64) -> f64 {
        if matches!(self, Cpu::Ours) { clients } else { 0.0 }
    }
}

/// Microseconds that the calling thread used so far.
pub(super) fn of_this_thread() -> f64 {
    microseconds(ClockId::ThreadCPUTime)
}

fn microseconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
