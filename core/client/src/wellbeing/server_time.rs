//! What time the backend says it is, on its way from an answer to the machine of well-being.

use std::sync::{Arc, OnceLock, Weak};
use std::time::UNIX_EPOCH;

use reqwest::header::{AGE, DATE, HeaderMap};

use super::WellbeingRoom;

/// Carries the `Date` of answers to the machine, which is made after the backend it asks. Clones lead to the same machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerTime(Arc<OnceLock<Weak<WellbeingRoom>>>);

impl ServerTime {
    /// From now on `room` hears of it.
    pub(crate) fn goes_to(&self, room: &Arc<WellbeingRoom>) {
        // There is one machine for a session; a second call changes nothing.
        let _ = self.0.set(Arc::downgrade(room));
    }

    /// Takes the time from an answer that the backend gave to who signed in. One without a date that can
    /// be read is no news, and neither is one that lay in a cache.
    pub(crate) fn hear(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let date = date.filter(|_| !headers.contains_key(AGE));
        let since = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        let unix_ms = since.and_then(|since| i64::try_from(since.as_millis()).ok());
        if let (Some(room), Some(unix_ms)) = (self.0.get().and_then(Weak::upgrade), unix_ms) {
            room.server_says(unix_ms);
        }
    }
}
