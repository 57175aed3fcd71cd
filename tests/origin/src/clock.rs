//! Wall-clock milliseconds, the only clock that appears in anything the server writes.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, by the system clock; 0 if the clock stands before 1970.
#[must_use]
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
