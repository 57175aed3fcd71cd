//! The outbox: what a person does (like, follow, save, choose interests) is durable before the heart turns red, and arrives once.
//!
//! An intent is a desired state, never a toggle, so sending one twice does no harm. Taps fold while they wait: the
//! last one counts, and a change that ends where the server already is leaves nothing to send. What is on its way is
//! left alone and a follow-up waits behind it. Whatever the server refuses is kept in sight
//! ([`wedged`](Outbox::wedged)) until the app has dealt with it. Nothing here is ever given up for age or size.
//!
//! Every intent belongs to an actor. A request carries the intents of one actor with that actor's token; those of an
//! actor who is not signed in wait, and nobody waits behind them.
//!
//! The file is written with `synchronous=FULL`: a committed intent survives a power cut. Calls block for that write
//! (a few milliseconds), so call them from a thread that may block. At most 10 000 intents wait.

mod intents;
mod sender;
mod teller;
mod wallet;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use sender::{ActorTokens, OutboxSender, OutboxSenderConfig};
pub use teller::{Teller, TellerConfig, TellerHandle};
pub use unspool_engine::payment::{Payment, PaymentFact};
pub use wallet::{Cause, Errand, Order, PaymentIntent};

use crate::spool::SpoolError;
use crate::spool::database::{Database, Durability};

const STEPS: &[M<'static>] = &[
    M::up(
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
     CREATE TABLE counter(name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
     CREATE TABLE confirmed(
         actor TEXT NOT NULL, verb TEXT NOT NULL, target TEXT NOT NULL, state INTEGER NOT NULL,
         at_ms INTEGER NOT NULL, PRIMARY KEY(actor, verb, target)) WITHOUT ROWID;
     CREATE TABLE parcel(
         key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, actor TEXT NOT NULL, rows INTEGER NOT NULL,
         tries INTEGER NOT NULL, next_at INTEGER NOT NULL);
     CREATE TABLE intent(
         seq INTEGER PRIMARY KEY AUTOINCREMENT, op_id TEXT NOT NULL UNIQUE, actor TEXT NOT NULL, verb TEXT NOT NULL,
         target TEXT NOT NULL, state INTEGER NOT NULL, at_ms INTEGER NOT NULL, parcel INTEGER, reason TEXT);
     CREATE INDEX intent_of ON intent(actor, verb, target);
     CREATE INDEX intent_in ON intent(parcel);",
    ),
    M::up("CREATE TABLE interest(actor TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY(actor, target)) WITHOUT ROWID;"),
    M::up(
        "CREATE TABLE payment(
         seq INTEGER PRIMARY KEY AUTOINCREMENT, op_id TEXT NOT NULL UNIQUE, actor TEXT NOT NULL, cause TEXT NOT NULL,
         amount INTEGER NOT NULL, order_json TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
         at_ms INTEGER NOT NULL);
     CREATE INDEX payment_of ON payment(actor, state);
     CREATE TABLE balance(actor TEXT PRIMARY KEY, coins INTEGER NOT NULL) WITHOUT ROWID;",
    ),
];
static MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// Intents that may wait.
pub const MAX_PENDING: u64 = 10_000;
/// Interests an actor may have.
pub const MAX_INTERESTS: usize = 64;
/// Longest actor or target identifier, in bytes.
pub const MAX_ID_BYTES: usize = 512;

/// What a person can want of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Like an item.
    Like,
    /// Follow a creator.
    Follow,
    /// Keep an item for later.
    Save,
    /// Be interested in a topic.
    Interest,
    /// See nothing of a creator any more. Sent before anything else.
    Block,
    /// Report something, named `<subject>#<category>`. Sent before anything else.
    Report,
    /// Delete what was sent from an installation.
    Erase,
}

impl Verb {
    /// As it is written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Like => "like",
            Verb::Follow => "follow",
            Verb::Save => "save",
            Verb::Interest => "interest",
            Verb::Block => "block",
            Verb::Report => "report",
            Verb::Erase => "erase",
        }
    }

    fn parse(text: &str) -> rusqlite::Result<Self> {
        match text {
            "like" => Ok(Verb::Like),
            "follow" => Ok(Verb::Follow),
            "save" => Ok(Verb::Save),
            "interest" => Ok(Verb::Interest),
            "block" => Ok(Verb::Block),
            "report" => Ok(Verb::Report),
            "erase" => Ok(Verb::Erase),
            other => Err(rusqlite::Error::InvalidParameterName(other.to_owned())),
        }
    }
}

/// The identity of one intent, by which a server recognises a repeat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId(pub String);

/// Something a person wants, not yet confirmed by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Its identity.
    pub op: OpId,
    /// Whose it is.
    pub actor: String,
    /// What to do.
    pub verb: Verb,
    /// To what.
    pub target: String,
    /// The state wanted.
    pub state: bool,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether it has been put into a request.
    pub in_flight: bool,
}

/// An intent the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wedged {
    /// What was wanted.
    pub intent: Intent,
    /// What the server said.
    pub reason: String,
}

/// Why an intent was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// An actor or a target is empty or too long.
    #[error("actor and target must have 1 to {MAX_ID_BYTES} bytes")]
    Identifier,
    /// Too many interests at once.
    #[error("at most {MAX_INTERESTS} interests")]
    TooManyInterests,
    /// An order without a recipient, or of nothing, or too large a one.
    #[error("an order needs a recipient and an amount that can be paid")]
    Order,
    /// What the person can still give is less than the amount.
    #[error("there are not enough coins")]
    Insufficient,
    /// It has been sent, or is finished: it cannot be changed any more.
    #[error("the payment cannot be changed any more")]
    TooLate,
    /// Too many intents wait.
    #[error("{MAX_PENDING} intents wait already: connect to a network and try again")]
    Full,
    /// The file.
    #[error(transparent)]
    Store(#[from] SpoolError),
}

impl From<rusqlite::Error> for OutboxError {
    fn from(error: rusqlite::Error) -> Self {
        OutboxError::Store(SpoolError::from(&error))
    }
}

/// The books of an outbox: `queued_total = delivered_total + folded_total + dismissed_total + pending + wedged`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxLevel {
    /// Intents taken since the file was made.
    pub queued_total: u64,
    /// Intents the server confirmed.
    pub delivered_total: u64,
    /// Intents that a later one made needless before they were sent.
    pub folded_total: u64,
    /// Refused intents the app has dealt with.
    pub dismissed_total: u64,
    /// Intents waiting or on their way.
    pub pending: u64,
    /// Intents the server refused.
    pub wedged: u64,
}

impl OutboxLevel {
    /// Whether every intent is accounted for.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let gone = self.delivered_total + self.folded_total + self.dismissed_total;
        self.queued_total == gone + self.pending + self.wedged
    }
}

struct File {
    connection: Option<Connection>,
    suspended: bool,
}

struct Inner {
    database: Database,
    file: Mutex<File>,
    level: watch::Sender<OutboxLevel>,
    /// Grows when there may be money to send.
    money: watch::Sender<u64>,
    /// Held by the one teller that sends.
    teller: Arc<tokio::sync::Mutex<()>>,
}

/// The durable queue of what a person does. Clones share it.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("level", &*self.0.level.borrow()).finish_non_exhaustive()
    }
}

impl Outbox {
    /// Opens or makes the file at `path`. A damaged file is set aside beside it.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OutboxError> {
        Self::open_as(path, Durability::Power)
    }

    fn open_as(path: impl Into<PathBuf>, durability: Durability) -> Result<Self, OutboxError> {
        let database = Database { path: path.into(), durability, migrations: &MIGRATIONS };
        let outbox = Outbox(Arc::new(Inner {
            database,
            file: Mutex::new(File { connection: None, suspended: false }),
            level: watch::Sender::new(OutboxLevel::default()),
            money: watch::Sender::new(0),
            teller: Arc::default(),
        }));
        outbox.write(|tx| {
            let known: Option<i64> = tx
                .query_row("SELECT 1 FROM meta WHERE name = 'installation'", [], |row| row.get(0))
                .optional()?;
            if known.is_none() {
                let id = uuid::Uuid::new_v4().to_string();
                tx.execute("INSERT INTO meta(name, value) VALUES ('installation', ?1)", [id])?;
            }
            wallet::recover(tx)
        })?;
        Ok(outbox)
    }

    /// Asks for the deletion of what was sent from `installations`, and notes that the files here are to be deleted too
    /// until [`erased`](Self::erased) says that they are. Durable, even against a power cut, when it returns.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn request_erasure(
        &self,
        installations: &[String],
        actor: &str,
        wall_ms: i64,
    ) -> Result<(), OutboxError> {
        self.write(|tx| {
            for target in installations {
                intents::set(tx, &intents::Thing { actor, verb: Verb::Erase, target }, true, wall_ms)?;
            }
            tx.execute("INSERT OR REPLACE INTO meta(name, value) VALUES ('erasing', '1')", [])?;
            Ok(())
        })
    }

    /// Whether an erasure was asked for whose files may still be here.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn is_erasing(&self) -> Result<bool, OutboxError> {
        self.write(|tx| {
            let found =
                tx.query_row("SELECT 1 FROM meta WHERE name = 'erasing'", [], |_| Ok(())).optional()?;
            Ok(found.is_some())
        })
    }

    /// The files of the last erasure are gone.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn erased(&self) -> Result<(), OutboxError> {
        self.write(|tx| tx.execute("DELETE FROM meta WHERE name = 'erasing'", []).map(drop))
    }

    /// Takes down what the person is about to pay. Nothing is sent before [`confirm_payment`](Self::confirm_payment).
    ///
    /// # Errors
    /// [`OutboxError::Identifier`], [`OutboxError::Order`] or [`OutboxError::Store`].
    pub fn draft_payment(&self, order: &Order, actor: &str, wall_ms: i64) -> Result<OpId, OutboxError> {
        let fits = |text: &str| text.len() <= MAX_ID_BYTES;
        if !fits(actor) || actor.is_empty() || !fits(&order.recipient) || !fits(&order.subject) {
            return Err(OutboxError::Identifier);
        }
        let payable = order.amount > 0 && i64::try_from(order.amount).is_ok();
        if order.recipient.is_empty() || !payable || !fits(&order.price_version) {
            return Err(OutboxError::Order);
        }
        self.write(|tx| wallet::draft(tx, actor, order, wall_ms))
    }

    /// The person confirmed it: its amount is held, and it is sent once, soon. Durable, even against a power cut, when it
    /// returns. What is not sent within ten minutes of its draft is cancelled.
    ///
    /// # Errors
    /// [`OutboxError::Insufficient`], [`OutboxError::TooLate`] or [`OutboxError::Store`]; nothing is held then.
    pub fn confirm_payment(&self, op: &OpId) -> Result<(), OutboxError> {
        let done = self.write(|tx| {
            let Some(intent) = wallet::find(tx, op)? else { return Ok(Err(OutboxError::TooLate)) };
            let short = intent.order.cause == Cause::Gift
                && wallet::available(tx, &intent.actor)?
                    .is_some_and(|coins| coins < i64::try_from(intent.order.amount).unwrap_or(i64::MAX));
            if short {
                return Ok(Err(OutboxError::Insufficient));
            }
            let state = wallet::step(tx, op, PaymentFact::Confirm, "")?;
            Ok(state.map(drop).ok_or(OutboxError::TooLate))
        })?;
        self.0.money.send_modify(|turns| *turns += 1);
        done
    }

    /// The person took it back, before it was sent.
    ///
    /// # Errors
    /// [`OutboxError::TooLate`] or [`OutboxError::Store`].
    pub fn cancel_payment(&self, op: &OpId) -> Result<(), OutboxError> {
        self.write(|tx| wallet::step(tx, op, PaymentFact::Cancel, ""))?.map(drop).ok_or(OutboxError::TooLate)
    }

    /// Payments of `actor`, newest first; finished ones for a while, refused ones until they are dismissed.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn payments(&self, actor: &str) -> Result<Vec<PaymentIntent>, OutboxError> {
        self.write(|tx| wallet::list(tx, actor))
    }

    /// Forgets a refused payment; `false` when there is none of that identity.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn dismiss_payment(&self, op: &OpId) -> Result<bool, OutboxError> {
        self.write(|tx| wallet::dismiss(tx, op))
    }

    /// Takes note of the coins the server says `actor` has.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn observe_balance(&self, actor: &str, coins: i64) -> Result<(), OutboxError> {
        self.write(|tx| wallet::observe(tx, actor, coins))
    }

    /// Coins `actor` can still give: the server's figure without what is held for gifts not yet confirmed. `None` while
    /// the server has said none.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn available(&self, actor: &str) -> Result<Option<i64>, OutboxError> {
        self.write(|tx| wallet::available(tx, actor))
    }

    /// What is to be done about the wallet of `actor` now, if anything. What is to be sent has been written down as being
    /// sent: whoever gets it sends it, at most once, and says with [`payment_fact`](Self::payment_fact) how that ended. Not for an
    /// outbox with a [`Teller`], which asks about whatever it finds being sent.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn next_errand(&self, actor: &str, wall_ms: i64) -> Result<Option<Errand>, OutboxError> {
        self.write(|tx| wallet::next(tx, actor, wall_ms))
    }

    /// How an errand ended, and the coins the server says are left, where it does. Gives the new state; `None` where the
    /// fact comes too late to change anything.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn payment_fact(
        &self,
        op: &OpId,
        fact: PaymentFact,
        reason: &str,
        coins: Option<i64>,
    ) -> Result<Option<Payment>, OutboxError> {
        self.write(|tx| {
            let state = wallet::step(tx, op, fact, reason)?;
            if let (Some(coins), Some(intent)) = (coins, wallet::find(tx, op)?) {
                wallet::observe(tx, &intent.actor, coins)?;
            }
            Ok(state)
        })
    }

    /// Keeps what `actor` wants: `target` to be in `state`. Durable, even against a power cut, when it returns.
    ///
    /// An unsent intent for the same thing is replaced; if that ends where the server already is, both vanish, and
    /// the identity given back is never sent.
    ///
    /// # Errors
    /// [`OutboxError::Identifier`], [`OutboxError::Full`] or [`OutboxError::Store`].
    pub fn set(
        &self,
        verb: Verb,
        target: &str,
        state: bool,
        actor: &str,
        wall_ms: i64,
    ) -> Result<OpId, OutboxError> {
        let fits = |text: &str| !text.is_empty() && text.len() <= MAX_ID_BYTES;
        if !fits(target) || !fits(actor) {
            return Err(OutboxError::Identifier);
        }
        // Other writers can only make room between this look and the write.
        if self.level().pending >= MAX_PENDING {
            return Err(OutboxError::Full);
        }
        self.write(|tx| intents::set(tx, &intents::Thing { actor, verb, target }, state, wall_ms))
    }

    /// The state to show: what was wanted last, else what the server last confirmed, else nothing is known.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn state(&self, verb: Verb, target: &str, actor: &str) -> Result<Option<bool>, OutboxError> {
        self.write(|tx| intents::state(tx, &intents::Thing { actor, verb, target }))
    }

    /// The interests of `actor`, in alphabetical order.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn interests(&self, actor: &str) -> Result<BTreeSet<String>, OutboxError> {
        self.write(|tx| intents::interests(tx, actor))
    }

    /// Replaces the interests of `actor` and keeps an intent for each that changed, all or nothing. Durable, even
    /// against a power cut, when it returns.
    ///
    /// # Errors
    /// [`OutboxError::Identifier`], [`OutboxError::TooManyInterests`], [`OutboxError::Full`] or [`OutboxError::Store`].
    pub fn set_interests(
        &self,
        targets: &BTreeSet<String>,
        actor: &str,
        wall_ms: i64,
    ) -> Result<(), OutboxError> {
        let fits = |text: &str| !text.is_empty() && text.len() <= MAX_ID_BYTES;
        if !fits(actor) || !targets.iter().all(|target| fits(target)) {
            return Err(OutboxError::Identifier);
        }
        if targets.len() > MAX_INTERESTS {
            return Err(OutboxError::TooManyInterests);
        }
        if self.level().pending >= MAX_PENDING {
            return Err(OutboxError::Full);
        }
        self.write(|tx| intents::set_interests(tx, targets, actor, wall_ms))
    }

    /// Takes note of what the server says the state is, for example in a feed; later taps fold against it.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn observe(
        &self,
        verb: Verb,
        target: &str,
        state: bool,
        actor: &str,
        wall_ms: i64,
    ) -> Result<(), OutboxError> {
        self.write(|tx| intents::confirm(tx, &intents::Thing { actor, verb, target }, state, wall_ms))
    }

    /// Intents not yet confirmed, oldest first.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn pending(&self) -> Result<Vec<Intent>, OutboxError> {
        self.write(intents::pending)
    }

    /// Intents the server refused, oldest first.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn wedged(&self) -> Result<Vec<Wedged>, OutboxError> {
        self.write(intents::wedged)
    }

    /// Forgets a refused intent; `false` when there is none of that identity.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn dismiss(&self, op: &OpId) -> Result<bool, OutboxError> {
        self.write(|tx| intents::dismiss(tx, op))
    }

    /// The books after the last change.
    #[must_use]
    pub fn level(&self) -> OutboxLevel {
        *self.0.level.borrow()
    }

    /// Follows the books: the last value at once, then each newer one.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<OutboxLevel> {
        self.0.level.subscribe()
    }

    /// Empties the write-ahead log and closes the file, for an app about to be frozen. Intents set while suspended
    /// are still kept: each call opens the file, commits and closes it.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn suspend(&self) -> Result<(), OutboxError> {
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.suspended = true;
        file.shut()
    }

    /// Keeps the file open again.
    pub fn resume(&self) {
        self.0.file.lock().unwrap_or_else(PoisonError::into_inner).suspended = false;
    }

    /// Runs `work` in one transaction, and tells the new books when it is committed.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, OutboxError> {
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, level) = {
            let connection = match file.connection.take() {
                Some(connection) => connection,
                None => self.0.database.open_or_replace()?,
            };
            let connection = file.connection.insert(connection);
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            let level = intents::level(&tx)?;
            tx.commit()?;
            (done, level)
        };
        if file.suspended {
            file.shut()?;
        }
        // Told in the order of the commits, hence before the lock is given back; watchers only wake.
        self.0.level.send_if_modified(|shown| {
            let changed = *shown != level;
            *shown = level;
            changed
        });
        Ok(done)
    }
}

impl File {
    fn shut(&mut self) -> Result<(), OutboxError> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
