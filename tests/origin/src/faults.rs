//! Scripted faults: a queue of "the n-th request like this meets that".

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::Method;
use serde::{Deserialize, Serialize};

/// Most faults queued at once.
pub const MAX_FAULTS: usize = 1000;

/// A fault and the requests it meets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only this method; any when null.
    #[serde(default)]
    pub method: Option<String>,
    /// Only paths that begin so; any when empty.
    #[serde(default)]
    pub path_prefix: String,
    /// Requests to let pass first.
    #[serde(default)]
    pub skip: u32,
    /// Requests to meet.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens to them.
    pub action: Action,
}

fn once() -> u32 {
    1
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// An error status instead of the answer.
    Status {
        /// The status, 400 to 599.
        status: u16,
        /// `Retry-After`, seconds.
        #[serde(default)]
        retry_after_s: Option<u32>,
    },
    /// The stream ends after so many body bytes, although more were declared.
    Truncate {
        /// Body bytes let through.
        after_bytes: u64,
    },
    /// A pause.
    Stall {
        /// Body bytes let through before it.
        after_bytes: u64,
        /// Its length, milliseconds.
        ms: u64,
    },
    /// The connection is reset.
    Reset {
        /// Body bytes let through before it.
        after_bytes: u64,
    },
    /// The right bytes under a `Content-Range` that is one byte off.
    WrongContentRange,
    /// The whole file with 200, whatever range was asked for.
    IgnoreRange,
    /// An `ETag` never seen before, as if the file had been replaced.
    NewEtag,
    /// A captive portal: 200 and a web page.
    Html,
}

impl Action {
    /// The name of the kind, as in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Action::Status { .. } => "status",
            Action::Truncate { .. } => "truncate",
            Action::Stall { .. } => "stall",
            Action::Reset { .. } => "reset",
            Action::WrongContentRange => "wrong_content_range",
            Action::IgnoreRange => "ignore_range",
            Action::NewEtag => "new_etag",
            Action::Html => "html",
        }
    }
}

/// The queue.
#[derive(Default)]
pub struct Faults {
    queue: Mutex<VecDeque<Fault>>,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Fault>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a fault at the end.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn add(&self, fault: Fault) -> Result<(), String> {
        if let Action::Status { status, .. } = fault.action
            && !(400..=599).contains(&status)
        {
            return Err("status must lie within 400..=599".to_owned());
        }
        if let Action::Stall { ms, .. } = fault.action
            && ms > 600_000
        {
            return Err("ms must lie within 0..=600000".to_owned());
        }
        let mut queue = self.lock();
        if queue.len() >= MAX_FAULTS {
            return Err(format!("at most {MAX_FAULTS} faults may be queued"));
        }
        if fault.times > 0 {
            queue.push_back(fault);
        }
        Ok(())
    }

    /// Forgets all faults.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// What is still queued.
    #[must_use]
    pub fn pending(&self) -> Vec<Fault> {
        self.lock().iter().cloned().collect()
    }

    /// The fault that meets this request, if any: the first queued one that fits and has nothing left to skip. Those
    /// before it count the request as skipped.
    #[must_use]
    pub fn take(&self, method: &Method, path: &str) -> Option<Action> {
        let mut queue = self.lock();
        let mut met = None;
        for (index, fault) in queue.iter_mut().enumerate() {
            let fits =
                fault.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
                    && path.starts_with(&fault.path_prefix);
            if !fits {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times -= 1;
            met = Some((index, fault.times, fault.action.clone()));
            break;
        }
        let (index, left, action) = met?;
        if left == 0 {
            queue.remove(index);
        }
        Some(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn skip_then_times_then_gone() {
        let faults = Faults::default();
        faults
            .add(fault(
                r#"{"path_prefix":"/media/","skip":1,"times":2,"action":{"kind":"reset","after_bytes":5}}"#,
            ))
            .unwrap();
        faults
            .add(fault(r#"{"method":"post","action":{"kind":"status","status":503,"retry_after_s":2}}"#))
            .unwrap();
        let get = |path| faults.take(&Method::GET, path).map(|action| action.kind());
        assert_eq!(get("/v1/feed"), None);
        assert_eq!(get("/media/a"), None);
        assert_eq!(get("/media/a"), Some("reset"));
        assert_eq!(get("/media/b"), Some("reset"));
        assert_eq!(get("/media/b"), None);
        assert_eq!(faults.pending().len(), 1);
        assert_eq!(faults.take(&Method::POST, "/v1/logs").map(|action| action.kind()), Some("status"));
        assert!(faults.pending().is_empty());
    }

    #[test]
    fn nonsense_is_refused() {
        let faults = Faults::default();
        faults.add(fault(r#"{"action":{"kind":"status","status":200}}"#)).unwrap_err();
        faults.add(fault(r#"{"action":{"kind":"stall","after_bytes":0,"ms":99999999}}"#)).unwrap_err();
        assert!(serde_json::from_str::<Fault>(r#"{"action":{"kind":"flood"}}"#).is_err());
    }
}
