//! Faults on purpose, so that tests see what an app sees when the core has a defect. Not part of what is shipped.

/// Where the core panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a task of the session: the call that waits for it fails, and nothing else.
    Task,
    /// In the driver of the open feed: the feed ends, the session goes on.
    Driver,
}
