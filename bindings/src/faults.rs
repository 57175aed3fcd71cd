//! Panics on purpose, so that the tests of every language see what a fault of the core looks like from there.

use std::sync::Arc;

use unspool::Place;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::error::UnspoolError;
use crate::session::Unspool;

#[uniffi::export]
impl Unspool {
    /// Panics on the caller's thread.
    pub fn panic_here(&self) -> Result<(), UnspoolError> {
        panic!("a fault on purpose, in a call");
    }

    /// Panics in a task of the session.
    #[uniffi::method(default(cancel = None))]
    pub async fn panic_in_task(&self, cancel: Option<Arc<CancelToken>>) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.panic_on_purpose(Place::Task)).await
    }

    /// Panics in the driver of the open feed, which ends that feed.
    #[uniffi::method(default(cancel = None))]
    pub async fn panic_in_feed(&self, cancel: Option<Arc<CancelToken>>) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.panic_on_purpose(Place::Driver)).await
    }
}
