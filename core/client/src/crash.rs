//! Places at which a test may end the process, as a kill would: between two steps that must not depend on each other.
//!
//! Without the feature `fault-injection` a place is nothing at all.

/// Every place, by name. A test goes through all of them.
#[cfg(feature = "fault-injection")]
pub const POINTS: &[&str] = &[
    "open.migrated",
    "open.recovered",
    "group.taken",
    "group.begun",
    "group.inserted",
    "group.enforced",
    "group.committed",
    "group.answered",
    "claim.inserted",
    "batch.loaded",
    "batch.answered",
    "accept.deleted",
    "ahead.written",
    "ahead.closed",
    "suspend.checkpointed",
    "suspend.closed",
    "erase.ordered",
    "erase.rows",
    "erase.vacuumed",
    "erase.session",
    "erase.outbox",
    "erase.events",
    "erase.media",
    "erase.done",
];

/// Ends the process with SIGKILL when `UNSPOOL_CRASH_AT` is `<name>:<n>` and this is the n-th time here.
#[cfg(feature = "fault-injection")]
pub(crate) fn point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static ARMED: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| {
        let wanted = std::env::var("UNSPOOL_CRASH_AT").ok()?;
        let (place, times) = wanted.split_once(':')?;
        Some((place.to_owned(), AtomicU64::new(times.parse().ok()?)))
    });
    debug_assert!(POINTS.contains(&name), "a place without an entry: {name}");
    if let Some((place, left)) = armed
        && place == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Nothing.
#[cfg(not(feature = "fault-injection"))]
pub(crate) fn point(_: &str) {}
