//! The session's payments: gifts and donations, drafted, confirmed, carried out once.

use crate::error::Error;
use crate::outbox::{OpId, Order, PaymentIntent};
use crate::session::Unspool;

impl Unspool {
    /// Takes down what the person is about to pay, and gives the payment's identity. Nothing is sent before
    /// [`confirm_payment`](Unspool::confirm_payment). On disk when it returns.
    ///
    /// # Errors
    /// [`Error::Config`] for an order without a recipient, of nothing, or of more than can be written,
    /// [`Error::Storage`] when the disk refuses.
    pub async fn draft_payment(&self, order: Order) -> Result<String, Error> {
        let draft = self.intend(move |outbox, account, now| outbox.draft_payment(&order, account, now));
        draft.await.map(|OpId(id)| id)
    }

    /// The person confirmed it: its amount is held, and it is sent once, soon. On disk when it returns. What is not sent
    /// within ten minutes of its draft is cancelled; one whose answer did not come is `Unknown`, never sent again, and
    /// resolved by asking.
    ///
    /// # Errors
    /// [`Error::Config`] when there are not enough coins or it is no draft any more, [`Error::Storage`] when the disk
    /// refuses. Nothing is held then.
    pub async fn confirm_payment(&self, payment: &str) -> Result<(), Error> {
        let op = OpId(payment.to_owned());
        self.intend(move |outbox, _, _| outbox.confirm_payment(&op)).await
    }

    /// The person took it back, before it was sent.
    ///
    /// # Errors
    /// [`Error::Config`] when it has been sent or is finished, [`Error::Storage`] when the disk refuses.
    pub async fn cancel_payment(&self, payment: &str) -> Result<(), Error> {
        let op = OpId(payment.to_owned());
        self.intend(move |outbox, _, _| outbox.cancel_payment(&op)).await
    }

    /// The person's payments, newest first; finished ones for a while, refused ones until they are dismissed.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn payments(&self) -> Result<Vec<PaymentIntent>, Error> {
        self.ask(|outbox, account| outbox.payments(account)).await
    }

    /// Coins the person can still give: what the backend said last, without what is held for gifts that are not confirmed.
    /// `None` while it has said nothing.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn available_coins(&self) -> Result<Option<i64>, Error> {
        self.ask(|outbox, account| outbox.available(account)).await
    }

    /// Forgets a refused payment; `false` when there is none of that identity.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn dismiss_payment(&self, payment: &str) -> Result<bool, Error> {
        let op = OpId(payment.to_owned());
        self.intend(move |outbox, _, _| outbox.dismiss_payment(&op)).await
    }
}
