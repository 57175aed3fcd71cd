//! The books: how many events came in, and where each of them went.
//!
//! At every moment `recorded = delivered + queued + dropped + quarantined`. The numbers change in the transaction that
//! changes the rows, so the equation survives a kill at any point, and a collector can check it against the gaps in
//! the sequence.

use rusqlite::{Connection, OptionalExtension, Transaction};

/// Events given up, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Removed because the queue had reached its size.
    pub size_limit: u64,
    /// Removed because they had waited longer than the age limit.
    pub age_limit: u64,
    /// Handed over without waiting, and then the disk refused them.
    pub write_failed: u64,
    /// The collector took the batch and refused these rows of it.
    pub refused: u64,
    /// Rows of class B removed for size while a sample of their time was kept.
    pub sampled: u64,
    /// Lost with a damaged file, beyond what could be read of it.
    pub damaged: u64,
    /// Removed because the person withdrew the consent they were recorded under.
    pub consent: u64,
}

impl Dropped {
    /// Each reason by its name on the wire, and how many.
    #[must_use]
    pub fn reasons(&self) -> [(&'static str, u64); 7] {
        [
            ("size_limit", self.size_limit),
            ("age_limit", self.age_limit),
            ("write_failed", self.write_failed),
            ("refused", self.refused),
            ("sampled", self.sampled),
            ("damaged", self.damaged),
            ("consent", self.consent),
        ]
    }

    /// All reasons together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.reasons().iter().map(|(_, n)| n).sum()
    }
}

/// Counts since the database file was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Events recorded.
    pub recorded: u64,
    /// Events the collector acknowledged.
    pub delivered: u64,
    /// Events the collector refused one by one; their rows are kept aside.
    pub quarantined: u64,
    /// Events given up.
    pub dropped: Dropped,
}

/// The numbers the writer keeps, loaded once and written with each transaction that changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ledger {
    pub counters: Counters,
    /// The last sequence number given out; none is ever used twice.
    pub last_seq: u64,
    /// Every row up to here belongs to an open batch.
    pub claimed_to: u64,
    /// Rows of class B up to here have been thinned to a sample.
    pub sampled_to: u64,
    pub rows: u64,
    pub bytes: u64,
    pub unclaimed_rows: u64,
    pub unclaimed_bytes: u64,
}

impl Ledger {
    fn fields(&self) -> [(&'static str, u64); 17] {
        let Counters { recorded, delivered, quarantined, dropped } = self.counters;
        [
            ("recorded", recorded),
            ("delivered", delivered),
            ("quarantined", quarantined),
            ("dropped.size_limit", dropped.size_limit),
            ("dropped.age_limit", dropped.age_limit),
            ("dropped.write_failed", dropped.write_failed),
            ("dropped.refused", dropped.refused),
            ("dropped.sampled", dropped.sampled),
            ("dropped.damaged", dropped.damaged),
            ("dropped.consent", dropped.consent),
            ("last_seq", self.last_seq),
            ("claimed_to", self.claimed_to),
            ("sampled_to", self.sampled_to),
            ("rows", self.rows),
            ("bytes", self.bytes),
            ("unclaimed_rows", self.unclaimed_rows),
            ("unclaimed_bytes", self.unclaimed_bytes),
        ]
    }

    pub fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare("SELECT n FROM counter WHERE name = ?1")?;
        let mut read = |name: &str| -> rusqlite::Result<u64> {
            let n: Option<i64> = statement.query_row([name], |row| row.get(0)).optional()?;
            Ok(n.unwrap_or(0).max(0) as u64)
        };
        Ok(Ledger {
            counters: Counters {
                recorded: read("recorded")?,
                delivered: read("delivered")?,
                quarantined: read("quarantined")?,
                dropped: Dropped {
                    size_limit: read("dropped.size_limit")?,
                    age_limit: read("dropped.age_limit")?,
                    write_failed: read("dropped.write_failed")?,
                    refused: read("dropped.refused")?,
                    sampled: read("dropped.sampled")?,
                    damaged: read("dropped.damaged")?,
                    consent: read("dropped.consent")?,
                },
            },
            last_seq: read("last_seq")?,
            claimed_to: read("claimed_to")?,
            sampled_to: read("sampled_to")?,
            rows: read("rows")?,
            bytes: read("bytes")?,
            unclaimed_rows: read("unclaimed_rows")?,
            unclaimed_bytes: read("unclaimed_bytes")?,
        })
    }

    /// Writes what differs from `before`.
    pub fn save(&self, before: &Ledger, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut statement = tx.prepare_cached(
            "INSERT INTO counter(name, n) VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET n = excluded.n",
        )?;
        for ((name, now), (_, was)) in self.fields().into_iter().zip(before.fields()) {
            if now != was {
                statement.execute((name, now as i64))?;
            }
        }
        Ok(())
    }

    /// Whether every recorded event is accounted for.
    pub fn is_conserved(&self) -> bool {
        let c = &self.counters;
        c.recorded == c.delivered + self.rows + c.dropped.total() + c.quarantined
    }

    /// Rows left the queue that no batch had claimed.
    pub fn removed_unclaimed(&mut self, rows: u64, bytes: u64) {
        self.removed(rows, bytes);
        self.unclaimed_rows = self.unclaimed_rows.saturating_sub(rows);
        self.unclaimed_bytes = self.unclaimed_bytes.saturating_sub(bytes);
    }

    /// Rows left the queue.
    pub fn removed(&mut self, rows: u64, bytes: u64) {
        self.rows = self.rows.saturating_sub(rows);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
