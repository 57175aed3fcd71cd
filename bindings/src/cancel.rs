//! Ending a wait from outside of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::UnspoolError;

/// Ends the waits it was given to.
///
/// A call that takes one answers [`UnspoolError::Cancelled`] as soon as [`cancel`](CancelToken::cancel) is called, or at
/// once when that happened before. Only Swift needs it: there the overloads of `UnspoolCore` pass one and cancel it with
/// the surrounding `Task`. Kotlin and Python end a wait by dropping it.
#[derive(Debug, uniffi::Object)]
pub struct CancelToken {
    told: watch::Sender<bool>,
}

#[uniffi::export]
impl CancelToken {
    /// A token nobody has cancelled.
    #[uniffi::constructor]
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(CancelToken { told: watch::Sender::new(false) })
    }

    /// Ends every wait that holds this token. Calling it again changes nothing. From any thread.
    pub fn cancel(&self) {
        self.told.send_replace(true);
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.told.borrow()
    }
}

impl CancelToken {
    async fn cancelled(&self) {
        // The sender lives as long as `self`, so the only answer is that it was told.
        let _ = self.told.subscribe().wait_for(|told| *told).await;
    }
}

/// Waits for `work`, until `cancel` ends the wait. `work` is boxed, so that waiting is one piece of code for each answer and
/// not for each call.
pub(crate) async fn unless_cancelled<T>(
    cancel: Option<Arc<CancelToken>>,
    work: impl Future<Output = Result<T, unspool::Error>> + Send,
) -> Result<T, UnspoolError> {
    let work: Pin<Box<dyn Future<Output = Result<T, unspool::Error>> + Send + '_>> = Box::pin(work);
    match cancel {
        None => Ok(work.await?),
        Some(token) => tokio::select! {
            biased;
            () = token.cancelled() => Err(UnspoolError::Cancelled),
            done = work => Ok(done?),
        },
    }
}
