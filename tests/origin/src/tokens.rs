//! Bearer tokens: whom one names, and which no longer count.
//!
//! A token is `<actor>` or `<actor>.<generation>`: the actor is what stands before the first dot, so a client can be given
//! a fresh token of the same actor after the old one was revoked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};

use crate::api::App;
use crate::error::ApiError;

/// Longest token and idempotency key, bytes.
pub const MAX_TOKEN: usize = 128;
/// Most tokens that can be revoked.
pub const MAX_REVOKED: usize = 10_000;

/// Whether a text may be a token: 1 to 128 characters of `[A-Za-z0-9._-]`, not beginning with a dot.
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_TOKEN
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn token_of(header: Option<&HeaderValue>) -> Option<&str> {
    let (scheme, token) = header?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && is_token(token)).then_some(token)
}

/// The actor an `Authorization` header names.
#[must_use]
pub fn actor_of(header: Option<&HeaderValue>) -> Option<String> {
    token_of(header)?.split('.').next().map(str::to_owned)
}

/// The answer to a call without a token that counts.
#[must_use]
pub fn unauthorized() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "send `Authorization: Bearer <token>`, 1 to 128 characters of A-Z a-z 0-9 . _ -, that was not revoked",
    )
}

/// Tokens that no longer count, until the server ends.
#[derive(Debug, Default)]
pub struct Revoked(Mutex<BTreeSet<String>>);

impl Revoked {
    /// Makes a token count no longer; gives all such tokens.
    ///
    /// # Errors
    /// What is wrong with it, or that there are too many.
    pub fn add(&self, token: String) -> Result<Vec<String>, String> {
        let mut revoked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_token(&token) {
            return Err("a token is 1 to 128 characters of A-Z a-z 0-9 . _ -".to_owned());
        }
        if revoked.len() >= MAX_REVOKED {
            return Err(format!("at most {MAX_REVOKED} tokens can be revoked"));
        }
        revoked.insert(token);
        Ok(revoked.iter().cloned().collect())
    }

    fn holds(&self, token: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(token)
    }
}

/// The middleware that answers 401 to a revoked token, whatever is called with it.
pub async fn refuse_revoked(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let token = token_of(request.headers().get(AUTHORIZATION));
    if token.is_some_and(|token| app.revoked.holds(token)) {
        return unauthorized().into_response();
    }
    next.run(request).await
}
