//! What is taken out of the outbox when a person erases what they did.

use std::path::Path;
use std::path::PathBuf;

use rusqlite::{Transaction, TransactionBehavior, params};

use super::file;
use super::intents::{self, Thing, count};
use super::model::{OutboxError, Verb};
use crate::erase::without_remains;
use crate::spool::database::{Database, Durability};

/// Whose, and what else is to be noted.
pub(crate) struct Erased<'a> {
    pub actor: &'a str,
    /// The name that what remains is filed under, which does not show the account.
    pub shown_as: String,
    /// Whether what the person did goes.
    pub deeds: bool,
    /// Whose telemetry the backend is asked to delete.
    pub installations: &'a [String],
    pub at_ms: i64,
}

/// Takes it out of the closed file at `path`, and notes what the backend has to be asked. May be done twice.
pub(crate) fn erase(path: &Path, erased: &Erased<'_>) -> Result<(), OutboxError> {
    let database = file::database(PathBuf::from(path), Durability::Power);
    if erased.deeds {
        // What was set aside as damaged is kept for inspection only, and holds the same.
        database.delete_set_aside()?;
    }
    let mut connection = match open(&database) {
        Err(OutboxError::Store(crate::spool::SpoolError::Corrupt)) => {
            database.delete()?;
            open(&database)?
        }
        other => other?,
    };
    connection.pragma_update(None, "secure_delete", "ON")?;
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if erased.deeds {
        take_out(&tx, erased)?;
    }
    for target in erased.installations {
        let thing = Thing { actor: &erased.shown_as, verb: Verb::Erase, target };
        intents::set(&tx, &thing, true, erased.at_ms)?;
    }
    tx.commit()?;
    without_remains(&connection)?;
    Ok(())
}

fn open(database: &Database) -> Result<rusqlite::Connection, OutboxError> {
    Ok(database.open()?)
}

fn take_out(tx: &Transaction<'_>, erased: &Erased<'_>) -> rusqlite::Result<()> {
    let actor = erased.actor;
    // The backend is still to be asked to delete what it has.
    tx.execute(
        "UPDATE intent SET actor = ?2, parcel = NULL WHERE actor = ?1 AND verb = ?3 AND reason IS NULL",
        params![actor, erased.shown_as, Verb::Erase.as_str()],
    )?;
    let mut dismissed = tx.execute("DELETE FROM intent WHERE actor = ?1", [actor])?;
    dismissed += tx.execute("DELETE FROM comment_op WHERE actor = ?1", [actor])?;
    count(tx, "dismissed", dismissed as u64)?;
    for table in ["parcel", "confirmed", "interest", "comment", "balance"] {
        tx.execute(&format!("DELETE FROM {table} WHERE actor = ?1"), [actor])?;
    }
    tx.execute("DELETE FROM payment WHERE actor = ?1 AND state NOT IN ('sending', 'unknown')", [actor])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use unspool_engine::payment::Payment;

    use super::super::{Cause, Errand, Order, Outbox};
    use super::*;

    fn order(recipient: &str) -> Order {
        let (recipient, price_version) = (recipient.to_owned(), "1".to_owned());
        Order { cause: Cause::Gift, recipient, subject: String::new(), amount: 5, price_version }
    }

    #[test]
    fn a_payment_under_way_and_requests_for_erasure_stay_and_all_else_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox.db");
        let outbox = Outbox::open(&path).unwrap();
        let sent = outbox.draft_payment(&order("still-asked-about"), "ada", 1).unwrap();
        outbox.confirm_payment(&sent).unwrap();
        assert!(matches!(outbox.next_errand("ada", 2), Ok(Some(Errand::Send(_)))));
        let waiting = outbox.draft_payment(&order("word-of-ada"), "ada", 3).unwrap();
        outbox.confirm_payment(&waiting).unwrap();
        outbox.draft_payment(&order("of-bea"), "bea", 3).unwrap();
        outbox.set(Verb::Like, "word-of-ada", true, "ada", 4).unwrap();
        outbox.set(Verb::Like, "of-bea", true, "bea", 4).unwrap();
        outbox.request_erasure(&["earlier".to_owned()], "ada", 5).unwrap();
        outbox.erased().unwrap();
        drop(outbox);
        std::fs::write(dir.path().join("outbox.db.corrupt-1"), "word-of-ada").unwrap();
        let installations = ["now".to_owned()];
        let erased = Erased {
            actor: "ada",
            shown_as: "hidden".into(),
            deeds: true,
            installations: &installations,
            at_ms: 6,
        };
        for _ in 0..2 {
            erase(&path, &erased).unwrap();
        }
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(11).any(|w| w == b"word-of-ada"));
        }
        let outbox = Outbox::open(&path).unwrap();
        let payments = outbox.payments("ada").unwrap();
        assert_eq!(
            payments.iter().map(|p| (&p.op, p.state)).collect::<Vec<_>>(),
            [(&sent, Payment::Unknown)]
        );
        assert!(
            matches!(outbox.next_errand("ada", 7), Ok(Some(Errand::Resolve(_)))),
            "it is still asked about"
        );
        assert_eq!(outbox.payments("bea").unwrap().len(), 1);
        let pending = outbox.pending().unwrap();
        let left: Vec<(&str, &str)> =
            pending.iter().map(|intent| (intent.actor.as_str(), intent.target.as_str())).collect();
        assert_eq!(left, [("bea", "of-bea"), ("hidden", "earlier"), ("hidden", "now")]);
        let books = outbox.level();
        assert_eq!(books.queued_total, books.pending + books.dismissed_total);
    }
}
