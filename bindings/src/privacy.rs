//! What a person may ask of what is held about them: all of it in a file, and parts of it gone.

use std::sync::Arc;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::error::UnspoolError;
use crate::session::Unspool;

/// What can be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum EraseScope {
    /// What was seen and what was learnt from it.
    History,
    /// Every byte of media, of the cache and of what is kept for offline.
    Media,
    /// Telemetry that was not sent, under every account; the backend is asked to delete what it was sent from here.
    Telemetry,
    /// What the person did: likes, follows, comments, interests, reports and payments, sent or not. What waited is not sent.
    /// A payment that was sent and whose answer is awaited stays until it is known. What the ranking made of it goes with
    /// `History`.
    Deeds,
    /// All of the account. What guards a minor stays, and what other accounts of this device chose stays theirs.
    Account,
}

impl From<EraseScope> for unspool::EraseScope {
    fn from(scope: EraseScope) -> Self {
        match scope {
            EraseScope::History => unspool::EraseScope::History,
            EraseScope::Media => unspool::EraseScope::Media,
            EraseScope::Telemetry => unspool::EraseScope::Telemetry,
            EraseScope::Deeds => unspool::EraseScope::Deeds,
            EraseScope::Account => unspool::EraseScope::Account,
        }
    }
}

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct ExportProgress {
    /// Entries written.
    pub entries: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl From<unspool::ExportProgress> for ExportProgress {
    fn from(progress: unspool::ExportProgress) -> Self {
        ExportProgress { entries: progress.entries, bytes: progress.bytes }
    }
}

/// An export of everything that is held about a person.
#[derive(Debug, uniffi::Object)]
pub struct DataExport {
    core: unspool::Export,
}

#[uniffi::export]
impl DataExport {
    /// Writes the file, as `docs/export.schema.json` says, and tells what was written. Cancelled, it leaves no file that was
    /// not there. Fails with `Storage` and `ShutDown`.
    #[uniffi::method(default(cancel = None))]
    pub async fn run(&self, cancel: Option<Arc<CancelToken>>) -> Result<ExportProgress, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.run()).await?.into())
    }

    /// How far it is. Returns at once.
    #[must_use]
    pub fn progress(&self) -> ExportProgress {
        self.core.progress().into()
    }
}

#[uniffi::export]
impl Unspool {
    /// Prepares the export of everything this device holds about the person to the file `path`, which is replaced. Returns
    /// at once.
    #[must_use]
    pub fn export_data(&self, path: String) -> Arc<DataExport> {
        Arc::new(DataExport { core: self.core.export(path) })
    }

    /// Erases `scopes` and ends the session: open another one to go on. Nothing that waits to be sent is sent before. When
    /// it returns, no file of the data directory holds any of it. Once begun it goes on, whoever waits; a kill in between
    /// leaves the rest to the next opening.
    ///
    /// Fails with `Config` for no scope at all, with `ShutDown`, and with `Storage` when the disk refuses: the next opening
    /// goes on then.
    #[uniffi::method(default(cancel = None))]
    pub async fn erase(
        &self,
        scopes: Vec<EraseScope>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        let scopes: Vec<unspool::EraseScope> = scopes.into_iter().map(Into::into).collect();
        unless_cancelled(cancel, self.core.erase(&scopes)).await
    }
}
