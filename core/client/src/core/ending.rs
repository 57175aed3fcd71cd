//! How the rooms of a session rest and end: erased, suspended, closed. Each in its order, the databases last, so that what
//! a room still has to say is written down before its database closes.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use unspool_media::tasks;

use super::{Core, media_error, outbox_error, spool_error, store_error};
use crate::clock::Clock;
use crate::erase;
use crate::error::Error;
use crate::owner;
use crate::spool::{Pending, Spool};
use crate::taping::Tape;
use crate::work::blocking;

/// Part of the time to close that is spent on sending; the rest is for the databases and the media room.
const SEND_SHARE_PERCENT: u32 = 70;

impl Core {
    /// Writes down that `scopes` are to be erased.
    pub(crate) async fn order_erasure(self: &Arc<Self>, scopes: Vec<erase::EraseScope>) -> Result<(), Error> {
        let installations = match erase::reaches_telemetry(&scopes) {
            true => self.spool.installations().await.map_err(|e| spool_error(&e))?,
            false => Vec::new(),
        };
        let core = Arc::clone(self);
        blocking(move || {
            let (config, now) = (&core.config, Clock::wall().unix_ms);
            erase::order(&config.data_dir, &scopes, &config.account, installations, now)
        })
        .await
    }

    /// Carries out what was ordered; every room is closed.
    pub(crate) async fn carry_out_erasure(&self) -> Result<(), Error> {
        let dir = self.config.data_dir.clone();
        blocking(move || match erase::finish(&dir) {
            Err(Error::InUse) => {
                let reason = "erasing: something did not end in time; the next opening goes on".to_owned();
                Err(Error::Storage { reason })
            }
            done => done,
        })
        .await
    }

    /// Deletes all telemetry, and asks the collector's side to delete what it has.
    pub(crate) async fn erase(self: Arc<Self>) -> Result<(), Error> {
        let installations = self.spool.installations().await.map_err(|e| spool_error(&e))?;
        let core = Arc::clone(&self);
        blocking(move || {
            let (account, wall_ms) = (&core.config.account, Clock::wall().unix_ms);
            core.outbox.request_erasure(&installations, account, wall_ms).map_err(|e| outbox_error(&e))
        })
        .await?;
        self.set_viewing(None);
        erase_files(&self.config.data_dir, &self.spool).await.map_err(|e| spool_error(&e))?;
        let core = Arc::clone(&self);
        blocking(move || core.outbox.erased().map_err(|e| outbox_error(&e))).await?;
        self.nudge();
        Ok(())
    }

    pub(crate) async fn suspend(self: &Arc<Self>) -> Result<(), Error> {
        self.keep.settle().await;
        self.spool.suspend().await.map_err(|e| spool_error(&e))?;
        self.write_learnt().await;
        let (store, outbox, media) = (Arc::clone(&self.store), self.outbox.clone(), Arc::clone(&self.media));
        let wellbeing = Arc::clone(&self.wellbeing);
        blocking(move || {
            // What is suspended already was written down then.
            if store.is_open() {
                wellbeing.save(true)?;
            }
            outbox.suspend().map_err(|e| outbox_error(&e))?;
            media.flush().map_err(|e| media_error(&e))?;
            store.suspend().map_err(|e| store_error(&e))
        })
        .await
    }

    pub(crate) async fn resume(&self) -> Result<(), Error> {
        self.gate.rebind();
        let (store, outbox) = (Arc::clone(&self.store), self.outbox.clone());
        blocking(move || {
            outbox.resume();
            store.resume().map_err(|e| store_error(&e))
        })
        .await?;
        // What could not be written down meanwhile is written now.
        self.keep.settle().await;
        self.spool.resume().await.map_err(|e| spool_error(&e))
    }

    /// Sends what can be sent and closes every room; says whether all of it ended in time.
    pub(crate) async fn close(self: &Arc<Self>, within: Duration) -> bool {
        let began = Instant::now();
        #[cfg(feature = "inspector")]
        self.inspectors.close().await;
        let sending = within * SEND_SHARE_PERCENT / 100;
        if let Some(lanes) = &self.lanes {
            lanes.stop(sending).await;
        }
        let left = within.saturating_sub(began.elapsed()).max(Duration::from_millis(200));
        let rooms = async {
            self.write_learnt().await;
            self.gate.close(left / 4).await;
            self.keep.stop().await;
            let media = self.media.shutdown(left).await.is_ok();
            let spool = self.spool.close().await.is_ok();
            let core = Arc::clone(self);
            let _ = tasks::spawn_blocking(move || core.tape.as_ref().map(Tape::close)).await;
            self.saves.send_replace(None);
            let saver = self.saver.lock().unwrap_or_else(PoisonError::into_inner).take();
            let saved = match saver {
                Some(saver) => saver.await.is_ok(),
                None => true,
            };
            let (store, outbox) = (Arc::clone(&self.store), self.outbox.clone());
            let wellbeing = Arc::clone(&self.wellbeing);
            let stores = blocking(move || {
                if store.is_open()
                    && let Err(error) = wellbeing.save(true)
                {
                    tracing::warn!(%error, "what was watched last is not on the disk");
                }
                outbox.suspend().map_err(|e| outbox_error(&e))?;
                store.suspend().map_err(|e| store_error(&e))
            });
            let stores = stores.await.is_ok();
            media && spool && saved && stores
        };
        tokio::time::timeout(left, rooms).await.unwrap_or(false)
    }
}

/// Deletes the telemetry in use and what was put away for other accounts.
pub(super) fn erase_files(dir: &Path, spool: &Spool) -> Pending<()> {
    if let Err(error) = owner::forget_others(dir) {
        tracing::warn!(kind = ?error.kind(), "files put away for other accounts could not be deleted");
    }
    spool.erase()
}
