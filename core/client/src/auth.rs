//! Bearer tokens: where they come from, and how an expired one is replaced.
//!
//! Everything that is sent carries the token of the moment. When the backend refuses it with 401, the provider is asked
//! for another, once for that token however many requests it refused, and each request is repeated once with the new
//! one. A second refusal is the person's affair: [`Error::SignIn`](crate::Error::SignIn).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

/// Longest token, in bytes: four times what common JSON web tokens take, and within what servers accept as one header.
pub const MAX_TOKEN_BYTES: usize = 4 * 1024;

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nobody is signed in; the person must act.
    #[error("nobody is signed in")]
    SignedOut,
    /// It cannot be had now; asking again may help.
    #[error("no token now: {reason}")]
    Unavailable {
        /// Why, without personal data.
        reason: String,
    },
}

/// Gives bearer tokens of the account a session was opened for.
///
/// Called on the session's own threads, one call at a time; a call that takes longer than the session's request
/// time-out is dropped and counts as [`TokenError::Unavailable`].
pub trait TokenProvider: Send + Sync {
    /// A token to send. `rejected` is the one the backend has just refused: give another, refreshing it if needed.
    fn token(&self, rejected: Option<String>) -> BoxFuture<'_, Result<String, TokenError>>;
}

/// Who pays for the requests: one token for the life of a session, or somebody who can refresh it.
#[derive(Clone)]
pub enum Credentials {
    /// The same token until the session ends.
    Fixed(String),
    /// Asked for a token when the first is needed and when one was refused.
    Provider(Arc<dyn TokenProvider>),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::Fixed(_) => "Fixed",
            Credentials::Provider(_) => "Provider",
        })
    }
}

/// The token of the moment, shared by everything that sends.
#[derive(Debug)]
pub struct Auth {
    credentials: Credentials,
    held: Mutex<Option<String>>,
    timeout: Duration,
}

impl Auth {
    /// Tokens from `credentials`; a provider has `timeout` for an answer.
    #[must_use]
    pub fn new(credentials: Credentials, timeout: Duration) -> Self {
        Auth { credentials, held: Mutex::new(None), timeout }
    }

    /// The token to send now.
    ///
    /// # Errors
    /// What the provider answered.
    pub async fn token(&self) -> Result<String, TokenError> {
        let mut held = self.held.lock().await;
        if let Some(token) = &*held {
            return Ok(token.clone());
        }
        let token = self.ask(None).await?;
        *held = Some(token.clone());
        Ok(token)
    }

    /// Another token after `rejected` was refused; the one already held where it is another.
    ///
    /// # Errors
    /// What the provider answered; [`TokenError::SignedOut`] when it has no other.
    pub async fn renew(&self, rejected: &str) -> Result<String, TokenError> {
        let mut held = self.held.lock().await;
        if let Some(token) = held.as_ref().filter(|t| *t != rejected) {
            return Ok(token.clone());
        }
        let token = self.ask(Some(rejected.to_owned())).await?;
        if token == rejected {
            return Err(TokenError::SignedOut);
        }
        *held = Some(token.clone());
        Ok(token)
    }

    async fn ask(&self, rejected: Option<String>) -> Result<String, TokenError> {
        let token = match &self.credentials {
            Credentials::Fixed(token) => token.clone(),
            Credentials::Provider(provider) => {
                match tokio::time::timeout(self.timeout, provider.token(rejected)).await {
                    Ok(answer) => answer?,
                    Err(_) => {
                        let reason = format!("the provider gave none within {:?}", self.timeout);
                        return Err(TokenError::Unavailable { reason });
                    }
                }
            }
        };
        if token_fits(&token) {
            Ok(token)
        } else {
            Err(TokenError::Unavailable { reason: "the provider gave what cannot be a bearer token".into() })
        }
    }
}

/// Whether a text can be a bearer token: the characters of RFC 6750, section 2.1, and a bounded length.
#[must_use]
pub fn token_fits(token: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    !token.is_empty() && token.len() <= MAX_TOKEN_BYTES && token.chars().all(fits)
}
