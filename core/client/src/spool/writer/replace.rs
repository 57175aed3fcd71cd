//! A damaged file gives way to a new one: set aside, and what can be read of it taken over with its books.

use rusqlite::{TransactionBehavior, params};

use super::super::error::SpoolError;
use super::super::ledger::{Counters, Ledger};
use super::super::records;
use super::super::salvage::{self, Salvaged};
use super::{Writer, save_skew};

impl Writer {
    /// Sets a damaged file aside, starts a new one and takes over what can be read.
    pub(super) fn replace(&mut self) -> Result<(), SpoolError> {
        self.connection = None;
        let (number, aside) = self.database.set_aside()?;
        self.replaced = number;
        let found = salvage::read(&aside);
        let connection = self.database.open()?;
        self.adopt(connection)?;
        tracing::warn!(rows = found.rows.len(), "what could be read of a damaged database was taken over");
        self.restore(found)
    }

    fn restore(&mut self, found: Salvaged) -> Result<(), SpoolError> {
        let Some(connection) = self.connection.as_mut() else { return Ok(()) };
        if found.epochs.is_empty() {
            return Ok(());
        }
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let rows = found.rows.len() as u64;
        let bytes = found.rows.iter().map(|row| records::size_of(row.body.len())).sum();
        let mut ledger = match found.ledger.filter(|ledger| ledger.rows >= rows) {
            Some(mut ledger) => {
                ledger.counters.dropped.damaged += ledger.rows - rows;
                ledger
            }
            // Without the old books, new ones begin with what is here.
            None => {
                let quarantined = found.quarantine.len() as u64;
                let counters = Counters { recorded: rows + quarantined, quarantined, ..Counters::default() };
                Ledger { counters, ..Ledger::default() }
            }
        };
        ledger.last_seq = found.last_seq;
        ledger.claimed_to = 0;
        ledger.rows = rows;
        ledger.bytes = bytes;
        ledger.unclaimed_rows = rows;
        ledger.unclaimed_bytes = bytes;
        for (first, installation) in &found.epochs {
            tx.execute(
                "INSERT OR REPLACE INTO epoch(first, installation) VALUES (?1, ?2)",
                params![first, installation],
            )?;
        }
        // Numbers go on behind the old ones, under a new identifier.
        let first = found.last_seq + 1;
        tx.execute("DELETE FROM epoch WHERE installation = ?1", [&*self.installation])?;
        tx.execute(
            "INSERT OR REPLACE INTO epoch(first, installation) VALUES (?1, ?2)",
            params![first as i64, &*self.installation],
        )?;
        {
            let mut insert = tx
                .prepare("INSERT INTO event(seq, class, purpose, at_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for row in &found.rows {
                insert.execute(params![row.seq, row.class, row.purpose, row.at_ms, row.body])?;
            }
        }
        for (seq, code, body) in &found.quarantine {
            tx.execute(
                "INSERT OR REPLACE INTO quarantine(seq, code, body) VALUES (?1, ?2, ?3)",
                params![seq, code, body],
            )?;
        }
        for (slot, event) in &found.open {
            tx.execute(
                "INSERT OR REPLACE INTO open_impression(slot, event) VALUES (?1, ?2)",
                params![slot, event],
            )?;
        }
        ledger.save(&Ledger::default(), &tx)?;
        save_skew(&tx, found.skew_ms)?;
        tx.commit()?;
        match self.connection.take() {
            Some(connection) => self.adopt(connection),
            None => Ok(()),
        }
    }
}
