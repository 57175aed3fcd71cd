//! Reports as an app makes them: hidden at once, sent before likes, told about until somebody decided.
//!
//! A report is written into the book first and into the outbox next, so that a kill in between loses nothing and sends
//! nothing twice: what is in the book without a receipt is put into the outbox at the next opening.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use unspool_engine::report::{Book, Filed, Report, Subject, Tapped};
use unspool_engine::session::Signal;

use crate::clock::Clock;
use crate::core::{Core, outbox_error};
use crate::driver::{Input, public};
use crate::error::Error;
use crate::session::Unspool;
use crate::store::{SessionStore, StoreError};
use crate::work::blocking;

/// Longest wait for the open feed to learn of a report before its card goes; a turn of it takes a millisecond.
const LEARNT_WITHIN: Duration = Duration::from_secs(1);

/// The reports of a session.
#[derive(Debug)]
pub(crate) struct ReportRoom {
    store: Arc<SessionStore>,
    record: String,
    book: Mutex<Book>,
}

impl ReportRoom {
    /// Reads what was reported. A record that cannot be read counts as none.
    pub(crate) fn open(store: Arc<SessionStore>, account: &str) -> Result<Self, StoreError> {
        let record = format!("reports:{account}");
        let book = store.recall(&record)?.and_then(|text| {
            Book::read(&text).inspect_err(|e| tracing::warn!(%e, "what was reported is not known")).ok()
        });
        Ok(ReportRoom { store, record, book: Mutex::new(book.unwrap_or_default()) })
    }

    /// Items that were reported.
    pub(crate) fn items(&self) -> BTreeSet<String> {
        let item = |filed: &Filed| match &filed.report.subject {
            Subject::Item(item) => Some(item.clone()),
            Subject::Creator(_) | Subject::Comment(_) => None,
        };
        self.book().filed().iter().filter_map(item).collect()
    }

    /// Changes the book and writes it down; it stays as it was when the disk refuses. Blocks.
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> Result<T, Error>) -> Result<T, Error> {
        let mut book = self.book();
        let mut next = book.clone();
        let done = change(&mut next)?;
        if next != *book {
            let text = next.record().map_err(|e| Error::Internal { reason: e.to_string() })?;
            let written = self.store.remember_for_sure(&self.record, &text);
            written.map_err(|e| Error::Storage { reason: e.to_string() })?;
            *book = next;
        }
        Ok(done)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Puts what was reported into the outbox, where it is not. Blocks for the disk.
    pub(crate) fn send_reports(&self) -> Result<(), Error> {
        let unsent: Vec<Filed> = self.reports.book().unsent().cloned().collect();
        for Filed { report, at_ms, .. } in unsent {
            let target = report.target();
            let op = self.outbox.report(&target, report.words.as_deref(), &self.config.account, at_ms);
            let op = op.map_err(|e| outbox_error(&e))?;
            self.reports.change(|book| {
                book.sent(&target, &op.0);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn report(&self, report: &Report) -> Result<Tapped, Error> {
        let at_ms = Clock::wall().unix_ms;
        let wrong = |e: unspool_engine::report::ReportError| Error::Config { reason: e.to_string() };
        self.reports.change(|book| book.tap(report, at_ms).map_err(wrong))
    }

    /// What the outbox says of the reports.
    fn settled_reports(&self) -> Result<Vec<Filed>, Error> {
        let pending = self.outbox.pending().map_err(|e| outbox_error(&e))?;
        let refused = self.outbox.wedged(&self.config.account).map_err(|e| outbox_error(&e))?;
        let waiting: Vec<String> = pending.into_iter().map(|intent| intent.op.0).collect();
        let refused: Vec<(String, String)> =
            refused.into_iter().map(|wedged| (wedged.intent.op.0, wedged.reason)).collect();
        self.reports.change(|book| {
            book.settle(&waiting, &refused);
            Ok(book.filed().to_vec())
        })
    }
}

impl Unspool {
    /// Reports an item, a creator or a comment. On disk when it returns, with or without a network; sent once, before likes,
    /// however often it is called for the same thing and reason. An item leaves the open feed at once and later pages too;
    /// of a creator nothing more is shown after [`set_blocked`](Unspool::set_blocked). The scene and the words of the first
    /// call are those that are sent, and the open feed learns to bring less like it.
    ///
    /// # Errors
    /// [`Error::Config`] for an identifier, a scene or words that cannot be such, or when 500 reports wait already;
    /// [`Error::Storage`] when the disk refuses.
    pub async fn report(&self, report: Report) -> Result<(), Error> {
        let session = self.clone();
        self.write(async move {
            let core = Arc::clone(session.core());
            let item = match &report.subject {
                Subject::Item(item) => Some(item.clone()),
                Subject::Creator(_) | Subject::Comment(_) => None,
            };
            let tapped = blocking(move || core.report(&report)).await?;
            let new = tapped == Tapped::New;
            if let Some(item) = item {
                if new {
                    // Told before its card goes; a feed that does not listen does not put that off for long.
                    session.tell(Input::Signal(Signal::Reported(item.clone())));
                    let _ = tokio::time::timeout(LEARNT_WITHIN, session.settle()).await;
                }
                session.core().safety.hide_item(&item);
            }
            if !new {
                return Ok(());
            }
            let core = Arc::clone(session.core());
            blocking(move || {
                core.send_reports()?;
                core.nudge();
                Ok(())
            })
            .await
        })
        .await
    }

    /// What was reported from this device and what became of it, oldest first: whether it waits, was received (its receipt
    /// names it at the backend), was refused, or was decided about. [`intents_after`](Unspool::intents_after) says when to
    /// look again.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn reports(&self) -> Result<Vec<Filed>, Error> {
        let core = Arc::clone(self.core());
        self.read(async move { blocking(move || core.settled_reports()).await }).await
    }

    /// Asks the backend what became of the reports, and gives all of them.
    ///
    /// # Errors
    /// What the backend answered; [`Error::Offline`] without a network; [`Error::Storage`] when the disk refuses.
    pub async fn refresh_reports(&self) -> Result<Vec<Filed>, Error> {
        let core = Arc::clone(self.core());
        self.read(async move {
            let decisions = core.backend.reports().await.map_err(|e| public(&e))?;
            blocking(move || {
                core.settled_reports()?;
                core.reports.change(|book| {
                    for (target, outcome) in &decisions {
                        book.decided(target, outcome);
                    }
                    Ok(book.filed().to_vec())
                })
            })
            .await
        })
        .await
    }
}
