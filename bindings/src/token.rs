//! Bearer tokens from the app.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use unspool::TokenError;

use crate::host::HostError;

/// Gives bearer tokens of the account a session was opened for, and refreshes them.
///
/// Called once when the first token is needed and once for each token the backend refused, never twice at a time. It has
/// the session's request time-out for an answer and is cancelled after it. `HostError.SignIn` means that the person must
/// act: calls answer `SignIn` until the app calls `signedIn`. Any other failure is tried again later.
#[uniffi::export(foreign)]
#[async_trait::async_trait]
pub trait TokenProvider: Send + Sync {
    /// A token to send. `rejected` is the one the backend has just refused: give another, refreshing it if needed.
    async fn token(&self, rejected: Option<String>) -> Result<String, HostError>;
}

pub(crate) struct TokenAdapter(pub(crate) Arc<dyn TokenProvider>);

impl unspool::TokenProvider for TokenAdapter {
    fn token(&self, rejected: Option<String>) -> BoxFuture<'_, Result<String, TokenError>> {
        Box::pin(async move {
            self.0.token(rejected).await.map_err(|error| match error {
                HostError::SignIn => TokenError::SignedOut,
                other => TokenError::Unavailable { reason: other.to_string() },
            })
        })
    }
}
