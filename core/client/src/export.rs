//! Everything this device holds about a person, as one JSON document; `docs/export.schema.json` says what is in it.
//!
//! It is written row by row, a page of the databases at a time, so its size costs no memory, and appears under its name only
//! when it is whole. Bytes of media are not in it, their list is.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::core::{Core, outbox_error, spool_error, store_error};
use crate::error::Error;
use crate::owner;
use crate::rows::{PAGE, Query};
use crate::session::Unspool;
use crate::work::blocking;

/// Version of the document; a change that old readers would not understand raises it.
const VERSION: u32 = 1;

/// Small records of an account.
const RECORDS: [&str; 5] = ["learnt", "settings", "safety", "wellbeing", "reports"];

/// Of the session's database.
const SESSION: [(&str, Query); 2] = [
    ("feeds", Query("SELECT name, wall_ms AS at_ms, saved AS \"json:saved\" FROM feed ORDER BY name")),
    ("kept", Query("SELECT asset, place, record AS \"json:record\" FROM kept ORDER BY place, asset")),
];

/// Of the outbox, by actor.
const DEEDS: [(&str, Query); 7] = [
    ("interests", Query("SELECT target AS topic FROM interest WHERE actor IN (?1, ?2) ORDER BY target")),
    (
        "intents",
        Query(
            "SELECT op_id AS id, verb, target, state AS \"bool:state\", at_ms, parcel IS NOT NULL AS \"bool:on_its_way\",
             reason AS refused, words FROM intent WHERE actor IN (?1, ?2) ORDER BY seq",
        ),
    ),
    (
        "confirmed",
        Query(
            "SELECT verb, target, state AS \"bool:state\", at_ms FROM confirmed WHERE actor IN (?1, ?2)
             ORDER BY verb, target",
        ),
    ),
    (
        "comments",
        Query(
            "SELECT id, item, parent, text, at_ms, sent AS \"bool:sent\" FROM comment WHERE actor IN (?1, ?2)
             ORDER BY id",
        ),
    ),
    (
        "comment_changes",
        Query(
            "SELECT op_id AS id, item, comment, deed, text, at_ms, parcel IS NOT NULL AS \"bool:on_its_way\",
             reason AS refused FROM comment_op WHERE actor IN (?1, ?2) ORDER BY seq",
        ),
    ),
    (
        "payments",
        Query(
            "SELECT op_id AS id, order_json AS \"json:order\", state, reason, at_ms FROM payment
             WHERE actor IN (?1, ?2) ORDER BY seq",
        ),
    ),
    ("balances", Query("SELECT coins FROM balance WHERE actor IN (?1, ?2)")),
];

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportProgress {
    /// Entries written.
    pub entries: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// An export that is to be [run](Export::run).
#[derive(Debug)]
pub struct Export {
    session: Unspool,
    to: PathBuf,
    progress: watch::Sender<ExportProgress>,
}

impl Unspool {
    /// Prepares the export of everything this device holds about the person to the file `to`, which is replaced.
    #[must_use]
    pub fn export(&self, to: impl Into<PathBuf>) -> Export {
        Export { session: self.clone(), to: to.into(), progress: watch::Sender::default() }
    }
}

impl Export {
    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> ExportProgress {
        *self.progress.borrow()
    }

    /// Follows how far it is.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ExportProgress> {
        self.progress.subscribe()
    }

    /// Writes the file, and says what was written. Dropping the future ends it, and leaves no file that was not there.
    ///
    /// # Errors
    /// [`Error::Storage`] when a disk refuses, [`Error::ShutDown`] after the end of the session.
    pub async fn run(&self) -> Result<ExportProgress, Error> {
        let stop = StopOnDrop(Arc::default());
        let (stopped, core) = (Arc::clone(&stop.0), Arc::clone(self.session.core()));
        let (to, progress) = (self.to.clone(), self.progress.clone());
        let done = self.session.read(async move {
            core.settle_records().await?;
            blocking(move || {
                let part = part_of(&to);
                let written = write(&core, &part, &stopped, &progress).and_then(|()| {
                    fs::rename(&part, &to).map_err(|e| refused(&e))?;
                    Ok(*progress.borrow())
                });
                if written.is_err() {
                    // A part of it is of no use to anybody, and holds what a person did.
                    let _ = fs::remove_file(&part);
                }
                written
            })
            .await
        });
        done.await
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn part_of(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn refused(error: &std::io::Error) -> Error {
    Error::Storage { reason: format!("export: {error}") }
}

fn write(
    core: &Core,
    part: &Path,
    stopped: &AtomicBool,
    progress: &watch::Sender<ExportProgress>,
) -> Result<(), Error> {
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(part).map_err(|e| refused(&e))?;
    let mut out = Document {
        out: BufWriter::new(file),
        stopped,
        progress,
        done: ExportProgress::default(),
        first: true,
    };
    let account = core.config.account.as_str();
    out.text("{")?;
    let of = [
        ("format", json!("unspool.export")),
        ("version", json!(VERSION)),
        ("exported_at_ms", json!(Clock::wall().unix_ms)),
        ("account", json!(account)),
        ("installation", json!(core.spool.installation().to_string())),
    ];
    for (name, value) in of {
        out.value(name, &value)?;
    }
    let mut records = Map::new();
    for kind in RECORDS {
        let text = core.store.recall(&format!("{kind}:{account}")).map_err(|e| store_error(&e))?;
        let record = text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        records.insert(kind.to_owned(), record.unwrap_or_default());
    }
    out.value("records", &Value::Object(records))?;
    for (name, query) in SESSION {
        out.list(name, |from| core.store.rows(query, from).map_err(|e| store_error(&e)))?;
    }
    let actors = [account.to_owned(), owner::hidden(account)];
    for (name, query) in DEEDS {
        out.list(name, |from| core.outbox.rows(query, &actors, from).map_err(|e| outbox_error(&e)))?;
    }
    let mut after = 0;
    out.list("telemetry", |_| {
        let rows = core.spool.held(after, PAGE).wait().map_err(|e| spool_error(&e))?;
        after = rows.last().map_or(after, |(seq, _)| *seq);
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    })?;
    let stored = core.media.stored();
    out.list("media", |from| {
        let page = stored.iter().skip(from).take(PAGE);
        Ok(page.map(media).collect())
    })?;
    let outbound = core.outbound.after(0).requests;
    out.list("outbound", |from| Ok(outbound.iter().skip(from).take(PAGE).map(request).collect()))?;
    out.text("\n}\n")?;
    out.progress.send_replace(out.done);
    let file = out.out.into_inner().map_err(|e| refused(e.error()))?;
    file.sync_all().map_err(|e| refused(&e))
}

fn media(stored: &unspool_media::StoredMedia) -> Value {
    let held: u64 = stored.spans.iter().map(unspool_engine::Span::len).sum();
    let key = stored.key.as_str().replace('\u{1f}', "/");
    json!({"key": key, "held_bytes": held, "bytes": stored.size, "kept": stored.pinned,
           "last_used_ms": stored.last_used_ms})
}

fn request(request: &unspool_media::OutboundRequest) -> Value {
    json!({"at_ms": request.at_ms, "host": request.host, "method": request.method,
           "purpose": request.purpose.name(), "refused": request.refused, "redirected": request.redirected,
           "sent_bytes": request.sent, "received_bytes": request.received, "status": request.status})
}

/// The document as it is written.
struct Document<'a> {
    out: BufWriter<File>,
    stopped: &'a AtomicBool,
    progress: &'a watch::Sender<ExportProgress>,
    done: ExportProgress,
    first: bool,
}

impl Document<'_> {
    fn text(&mut self, text: &str) -> Result<(), Error> {
        self.done.bytes += text.len() as u64;
        self.out.write_all(text.as_bytes()).map_err(|e| refused(&e))
    }

    fn name(&mut self, name: &str) -> Result<(), Error> {
        let comma = if std::mem::take(&mut self.first) { "" } else { "," };
        self.text(&format!("{comma}\n\"{name}\": "))
    }

    fn value(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        self.name(name)?;
        self.text(&value.to_string())
    }

    /// Writes the pages that `page` gives from an entry on, until one is empty.
    fn list(
        &mut self,
        name: &str,
        mut page: impl FnMut(usize) -> Result<Vec<Value>, Error>,
    ) -> Result<(), Error> {
        self.name(name)?;
        self.text("[")?;
        let mut written = 0;
        loop {
            if self.stopped.load(Ordering::Acquire) {
                return Err(Error::ShutDown);
            }
            let entries = page(written)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                let comma = if written == 0 { "\n" } else { ",\n" };
                self.text(comma)?;
                self.text(&entry.to_string())?;
                written += 1;
                self.done.entries += 1;
            }
            self.progress.send_replace(self.done);
        }
        self.text("]")?;
        self.progress.send_replace(self.done);
        Ok(())
    }
}
