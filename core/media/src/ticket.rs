//! A running fetch in the hands of whoever asked for it.

use std::sync::Arc;

use tokio::sync::watch;

use unspool_engine::Span;

use crate::fetch::{Demand, FetchError, FetchSummary, Fetcher, Priority, Purpose};
use crate::segments::{Parts, Relay};

/// One call of [`Media::fetch`](crate::Media::fetch).
///
/// Dropping it changes nothing; the fetch goes on.
#[derive(Debug)]
pub struct FetchTicket {
    id: u64,
    run: Run,
    outcome: watch::Receiver<Option<Result<FetchSummary, FetchError>>>,
}

/// What a ticket is for.
#[derive(Debug)]
enum Run {
    Demand(Arc<Fetcher>),
    Relay(Arc<Relay>),
}

impl FetchTicket {
    /// A ticket for a fetch over several files.
    pub(crate) fn relay(
        fetcher: &Arc<Fetcher>,
        parts: Parts,
        spans: &[Span],
        priority: Priority,
        purpose: Purpose,
    ) -> Self {
        let id = fetcher.number();
        let (relay, outcome) = Relay::start(fetcher, parts, spans, priority, purpose);
        FetchTicket { id, run: Run::Relay(relay), outcome }
    }

    pub(crate) fn start(
        fetcher: &Arc<Fetcher>,
        demand: impl FnOnce(Box<dyn FnOnce(Result<FetchSummary, FetchError>) + Send>) -> Demand,
    ) -> Self {
        let (sender, outcome) = watch::channel(None);
        let done = Box::new(move |result| {
            sender.send_replace(Some(result));
        });
        let id = fetcher.demand(demand(done));
        FetchTicket { id, run: Run::Demand(fetcher.clone()), outcome }
    }

    /// Number of the fetch, unique within the session.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Changes the priority from the next chunk on.
    pub fn promote(&self, priority: Priority) {
        match &self.run {
            Run::Demand(fetcher) => fetcher.promote(self.id, priority),
            Run::Relay(relay) => relay.promote(priority),
        }
    }

    /// Ends the fetch. The chunk that runs for it, if any, is received and kept; nothing more is asked for.
    pub fn cancel(&self) {
        match &self.run {
            Run::Demand(fetcher) => fetcher.cancel(self.id),
            Run::Relay(relay) => relay.cancel(),
        }
    }

    /// The outcome if there is one yet.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<FetchSummary, FetchError>> {
        self.outcome.borrow().clone()
    }

    /// Waits for the outcome.
    ///
    /// # Errors
    /// [`FetchError`]; `Cancelled` after [`cancel`](FetchTicket::cancel).
    pub async fn wait(&self) -> Result<FetchSummary, FetchError> {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(found) => found.clone().unwrap_or(Err(FetchError::Closed)),
            Err(_) => Err(FetchError::Closed),
        }
    }
}
