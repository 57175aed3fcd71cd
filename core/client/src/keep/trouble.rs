//! Failures of the edge, reduced to what the machine decides by.

use unspool_engine::{KeepFailure, KeepTrouble};
use unspool_media::{FetchError, ProbeError, ResolveError};

/// What a failed fetch means for keeping.
pub(super) fn of_fetch(error: &FetchError) -> KeepTrouble {
    let kind = match error {
        FetchError::Denied { .. } | FetchError::Resolve(ResolveError::Gone) => KeepFailure::Gone,
        FetchError::NoSpace | FetchError::Store => KeepFailure::Storage,
        _ => KeepFailure::Server,
    };
    // Whoever ended it, no server failed.
    let offline = matches!(error, FetchError::Offline | FetchError::Cancelled | FetchError::Closed);
    KeepTrouble { kind, retryable: error.retryable() || offline, offline }
}

/// What a failed probe means for keeping.
pub(super) fn of_probe(error: &ProbeError) -> KeepTrouble {
    match error {
        ProbeError::Fetch(error) => of_fetch(error),
        ProbeError::Store => KeepTrouble { kind: KeepFailure::Storage, retryable: true, offline: false },
        _ => KeepTrouble { kind: KeepFailure::Unplayable, retryable: error.retryable(), offline: false },
    }
}
