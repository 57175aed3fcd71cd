//! How a session rests and ends: what is queued is sent, the process may be frozen, everything is erased or closed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use unspool_engine::session::Conditions;
use unspool_media::tasks;

use super::{ShutdownReport, Unspool, lock};
use crate::driver::{Control, Input};
use crate::erase::EraseScope;
use crate::error::Error;
use crate::snapshot::Outgoing;

/// Time for what runs to end before an erasure. The media room waits for the chunk on its way, which a server that went silent
/// holds up; what has not ended by then has lost its files.
const ERASE_WITHIN: Duration = Duration::from_secs(10);

impl Unspool {
    /// Sends what is queued, for at most `within`, and says what is left. Answers at once where nothing can be sent:
    /// without a network, without a backend, or with nobody signed in. Dropped, it stops waiting; what was being sent is.
    ///
    /// # Errors
    /// [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown).
    pub async fn flush(&self, within: Duration) -> Result<Outgoing, Error> {
        let core = Arc::clone(&self.0.core);
        self.read(async move {
            core.flush(within).await;
            Ok(core.outgoing())
        })
        .await
    }

    /// Ends the open viewing, stops playing and closes the databases, so that the operating system may freeze the
    /// process. Call it before the app leaves the foreground, and wait for it.
    ///
    /// # Errors
    /// [`Error::Storage`] when something could not be written.
    pub async fn suspend(&self) -> Result<(), Error> {
        let session = self.clone();
        self.write(async move {
            let background = Conditions { foreground: false, ..*lock(&session.0.conditions) };
            session.set_conditions(background);
            session.settle().await;
            session.0.core.suspend().await
        })
        .await
    }

    /// Opens the databases again and goes on playing. Addresses of the gateway are dead after it; ask for them again.
    ///
    /// # Errors
    /// [`Error::Storage`] when the databases do not open.
    pub async fn resume(&self) -> Result<(), Error> {
        let session = self.clone();
        self.write(async move {
            session.0.core.resume().await?;
            session.tell(Input::Control(Control::Rebound));
            let foreground = Conditions { foreground: true, ..*lock(&session.0.conditions) };
            session.set_conditions(foreground);
            Ok(())
        })
        .await
    }

    /// Ends the session: closes the viewing, sends what can be sent within `within`, stops every task and thread.
    /// Calling it again gives the same report, also when the first call was dropped while it waited.
    pub async fn shutdown(&self, within: Duration) -> ShutdownReport {
        let mut report = lock(&self.0.report).get_or_insert_with(|| self.end(within, None)).clone();
        let told = report.wait_for(Option::is_some).await.ok().and_then(|report| *report);
        told.unwrap_or_else(|| ShutdownReport { clean: false, outgoing: self.outgoing() })
    }

    /// Begins to end the session; the report comes when it has ended.
    /// With `erasing` what was ordered to be erased is erased then.
    fn end(
        &self,
        within: Duration,
        erasing: Option<oneshot::Sender<Result<(), Error>>>,
    ) -> watch::Receiver<Option<ShutdownReport>> {
        self.0.closed.store(true, Ordering::Release);
        let feed = lock(&self.0.feed).take();
        let (tell, report) = watch::channel(None);
        let (inner, earlier) = (Arc::clone(&self.0), self.clone());
        tasks::spawn_on(&self.0.handle, async move {
            let core = Arc::clone(&inner.core);
            let ended = tasks::spawn(async move {
                let began = Instant::now();
                // What was begun before is done before.
                let _ = tokio::time::timeout(within, earlier.0.writes.run(async { Ok(()) })).await;
                if let Some(feed) = feed {
                    let (reply, done) = oneshot::channel();
                    if feed.send(Input::Stop(reply)).is_ok() {
                        // A feed that does not end in time is left to the end of the runtime.
                        let _ = tokio::time::timeout(within.saturating_sub(began.elapsed()), done).await;
                    }
                }
                core.close(within.saturating_sub(began.elapsed())).await
            });
            let clean = ended.await.unwrap_or(false);
            if let Some(reply) = erasing {
                // Nobody needs to wait for it.
                let _ = reply.send(inner.core.carry_out_erasure().await);
            }
            tell.send_replace(Some(ShutdownReport { clean, outgoing: inner.core.outgoing() }));
            if let Some(runtime) = lock(&inner.runtime).take() {
                runtime.shutdown_background();
            }
        });
        report
    }

    /// Erases `scopes` and ends the session: open another one to go on. Nothing that waits to be sent is sent before. When it
    /// returns, no file of the data directory holds any of it any more; what stays for the sake of others, and why, stands
    /// at [`EraseScope`]. Once begun it goes on, also when the future is dropped; a kill in between leaves the rest to the next
    /// [`open`](Unspool::open), which does it before anything else.
    ///
    /// # Errors
    /// [`Error::Config`] for no scope at all, [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown), [`Error::Storage`]
    /// when the disk refuses: before the session was ended when nothing was written down, else the next opening goes on.
    pub async fn erase(&self, scopes: &[EraseScope]) -> Result<(), Error> {
        self.check()?;
        if scopes.is_empty() {
            return Err(Error::Config { reason: "nothing to erase is named".into() });
        }
        let (reply, done) = oneshot::channel();
        let (session, scopes) = (self.clone(), scopes.to_vec());
        tasks::spawn_on(&self.0.handle, async move {
            let core = Arc::clone(&session.0.core);
            if let Err(error) = session.0.writes.run(async move { core.order_erasure(scopes).await }).await {
                let _ = reply.send(Err(error));
                return;
            }
            // What waits is not to be sent any more.
            let offline = Conditions { online: false, ..*lock(&session.0.conditions) };
            session.set_conditions(offline);
            let mut report = lock(&session.0.report);
            match &*report {
                // Another call ends the session; the next opening erases.
                Some(_) => drop(reply.send(Err(Error::ShutDown))),
                None => *report = Some(session.end(ERASE_WITHIN, Some(reply))),
            }
        });
        done.await.unwrap_or(Err(Error::ShutDown))
    }
}
