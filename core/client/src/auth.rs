//! Bearer tokens: where they come from, and how an expired one is replaced.
//!
//! Everything that is sent carries the token of the moment. When the backend refuses it with 401, the provider is asked
//! for another, once for that token however many requests it refused, and each request is repeated once with the new
//! one. A second refusal is the person's affair: [`Error::SignIn`](crate::Error::SignIn).

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use unspool_media::tasks;

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
/// Called on the session's own threads, one call at a time (only [`signed_in`](crate::Unspool::signed_in) does not wait
/// for a call that is under way before it lets another begin); a call that takes longer than the session's request
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

/// The token of the moment, shared by everything that sends. Clones share it.
///
/// Needs a tokio runtime: a question to the provider runs as a task of its own, so that a request that is dropped while
/// it waits does not leave a half-refreshed token behind. Whoever asks while a question is under way gets its answer.
#[derive(Debug, Clone)]
pub struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    credentials: Credentials,
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<String>,
    /// The last token the backend refused and nobody replaced.
    refused: Option<String>,
    asking: Option<Question>,
    /// Grows when somebody signs in: an answer to a question asked before is not kept.
    sign_ins: u64,
}

/// What the provider is being asked.
#[derive(Debug, Clone)]
struct Question {
    rejected: Option<String>,
    answer: watch::Receiver<Option<Answer>>,
}

type Answer = Result<String, TokenError>;

impl Auth {
    /// Tokens from `credentials`; a provider has `timeout` for an answer.
    #[must_use]
    pub fn new(credentials: Credentials, timeout: Duration) -> Self {
        Auth(Arc::new(Inner { credentials, timeout, state: Mutex::default() }))
    }

    /// The token to send now.
    ///
    /// # Errors
    /// What the provider answered.
    pub async fn token(&self) -> Result<String, TokenError> {
        let question = {
            let mut state = self.0.lock();
            if let Some(token) = &state.held {
                return Ok(token.clone());
            }
            self.ask(&mut state)
        };
        question.heard().await
    }

    /// Another token after `rejected` was refused; the one already held where it is another.
    ///
    /// # Errors
    /// What the provider answered; [`TokenError::SignedOut`] when it has no other.
    pub async fn renew(&self, rejected: &str) -> Result<String, TokenError> {
        loop {
            let question = {
                let mut state = self.0.lock();
                match &state.held {
                    Some(token) if token != rejected => return Ok(token.clone()),
                    _ => {}
                }
                state.held = None;
                state.refused = Some(rejected.to_owned());
                self.ask(&mut state)
            };
            let told = question.rejected.as_deref() == Some(rejected);
            match question.heard().await {
                Ok(token) if token == rejected && told => return Err(TokenError::SignedOut),
                // Asked before it was known that this one is refused; the next question says so.
                Ok(token) if token == rejected => {}
                answer => return answer,
            }
        }
    }

    /// Somebody signed in: forgets what is held and what was refused, so that the next request asks the provider.
    pub fn signed_in(&self) {
        let mut state = self.0.lock();
        *state = State { sign_ins: state.sign_ins + 1, ..State::default() };
    }

    /// Joins the question under way, or asks one.
    fn ask(&self, state: &mut State) -> Question {
        if let Some(question) = &state.asking {
            return question.clone();
        }
        let (tell, answer) = watch::channel(None);
        let question = Question { rejected: state.refused.clone(), answer };
        state.asking = Some(question.clone());
        let (inner, rejected, sign_ins) = (Arc::clone(&self.0), state.refused.clone(), state.sign_ins);
        tasks::spawn(async move {
            let got = inner.question(rejected).await;
            let mut state = inner.lock();
            if state.sign_ins == sign_ins {
                state.asking = None;
                if let Ok(token) = &got
                    && state.refused.as_ref() != Some(token)
                {
                    state.held = Some(token.clone());
                    state.refused = None;
                }
            }
            drop(state);
            tell.send_replace(Some(got));
        });
        question
    }
}

impl Question {
    /// The answer; a runtime that ends gives none.
    async fn heard(mut self) -> Answer {
        let gone = || TokenError::Unavailable { reason: "the session ends".into() };
        let answer = self.answer.wait_for(Option::is_some).await.map_err(|_| gone())?;
        answer.clone().unwrap_or_else(|| Err(gone()))
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn question(&self, rejected: Option<String>) -> Answer {
        let unavailable = |reason: String| Err(TokenError::Unavailable { reason });
        let token = match &self.credentials {
            Credentials::Fixed(token) => token.clone(),
            Credentials::Provider(provider) => {
                // The call itself may fault, not only the future it gives.
                let call = async { provider.token(rejected).await };
                let guarded = AssertUnwindSafe(call).catch_unwind();
                match tokio::time::timeout(self.timeout, guarded).await {
                    Ok(Ok(answer)) => answer?,
                    Ok(Err(_)) => return unavailable("the provider panicked".into()),
                    Err(_) => {
                        return unavailable(format!("the provider gave none within {:?}", self.timeout));
                    }
                }
            }
        };
        if token_fits(&token) {
            Ok(token)
        } else {
            unavailable("the provider gave what cannot be a bearer token".into())
        }
    }
}

/// Whether a text can be a bearer token: the characters of RFC 6750, section 2.1, and a bounded length.
#[must_use]
pub fn token_fits(token: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    !token.is_empty() && token.len() <= MAX_TOKEN_BYTES && token.chars().all(fits)
}
