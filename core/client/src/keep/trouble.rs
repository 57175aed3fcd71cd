//! Failures of the edge, reduced to what the machine decides by.

use unspool_engine::{KeepFailure, KeepTrouble};
use unspool_media::{FetchError, ProbeError, ResolveError};

/// What a failed fetch means for keeping.
pub(super) fn of_fetch(error: &FetchError) -> KeepTrouble {
    let kind = match error {
        FetchError::Denied { .. } | FetchError::Resolve(ResolveError::Gone | ResolveError::SignIn) => {
            KeepFailure::Gone
        }
        FetchError::NoSpace | FetchError::Store => KeepFailure::Storage,
        _ => KeepFailure::Server,
    };
    // Whoever ended it, no server failed.
    let offline = matches!(error, FetchError::Offline | FetchError::Cancelled | FetchError::Closed);
    let sign_in = *error == FetchError::Resolve(ResolveError::SignIn);
    KeepTrouble { kind, retryable: error.retryable() || offline, offline, sign_in }
}

/// What a failed probe means for keeping.
pub(super) fn of_probe(error: &ProbeError) -> KeepTrouble {
    match error {
        ProbeError::Fetch(error) => of_fetch(error),
        ProbeError::Store => KeepTrouble::of(KeepFailure::Storage, true),
        _ => KeepTrouble::of(KeepFailure::Unplayable, error.retryable()),
    }
}
