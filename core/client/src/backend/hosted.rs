//! An app that answers for its own backend: whatever it says is bounded, timed and checked like an answer from the wire.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use unspool_engine::{LabelUpdate, MediaKey, Page, PageRequest};

use super::{Backend, BackendError, Located, Topic, check};

/// The app's adapter within the session's limits.
#[derive(Debug)]
pub(crate) struct Hosted {
    host: Arc<dyn Backend>,
    timeout: Duration,
}

impl Hosted {
    /// `host` with `timeout` for each call.
    pub(crate) fn new(host: Arc<dyn Backend>, timeout: Duration) -> Self {
        Hosted { host, timeout }
    }

    async fn answer<'a, T>(
        &'a self,
        call: impl FnOnce(&'a dyn Backend) -> BoxFuture<'a, Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        // The call itself may fault, not only the future it gives.
        let guarded = AssertUnwindSafe(async { call(&*self.host).await }).catch_unwind();
        match tokio::time::timeout(self.timeout, guarded).await {
            Ok(Ok(answer)) => answer.map_err(check::error),
            Ok(Err(_)) => Err(BackendError::Malformed("the host backend panicked".into())),
            Err(_) => Err(BackendError::Network("time-out".into())),
        }
    }
}

impl Backend for Hosted {
    fn page<'a>(
        &'a self,
        feed: &'a str,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        Box::pin(async move { check::page(self.answer(|host| host.page(feed, cursor, limit)).await?) })
    }

    fn requested<'a>(
        &'a self,
        feed: &'a str,
        request: &'a PageRequest,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        Box::pin(async move { check::page(self.answer(|host| host.requested(feed, request)).await?) })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, BackendError>> {
        Box::pin(async move { Ok(check::topics(self.answer(|host| host.topics()).await?)) })
    }

    fn labels<'a>(&'a self, items: &'a [String]) -> BoxFuture<'a, Result<Vec<LabelUpdate>, BackendError>> {
        Box::pin(async move { Ok(check::labels(self.answer(|host| host.labels(items)).await?)) })
    }

    fn rules(&self, held: u64) -> BoxFuture<'_, Result<Option<Vec<u8>>, BackendError>> {
        Box::pin(self.answer(move |host| host.rules(held)))
    }

    fn reports(&self) -> BoxFuture<'_, Result<Vec<(String, String)>, BackendError>> {
        Box::pin(async move { Ok(check::reports(self.answer(|host| host.reports()).await?)) })
    }

    fn locate<'a>(&'a self, key: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>> {
        Box::pin(async move { check::located(self.answer(|host| host.locate(key)).await?) })
    }
}
