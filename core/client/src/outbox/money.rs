//! Money intents as the app sees them: drafted, confirmed, taken back, looked at.

use unspool_engine::payment::{Payment, PaymentFact};

use super::Outbox;
use super::model::{MAX_ID_BYTES, OpId, OutboxError};
use super::wallet::{self, Cause, Errand, Order, PaymentIntent};

impl Outbox {
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
    /// outbox with a [`Teller`](super::Teller), which asks about whatever it finds being sent.
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
}
