//! What a person wants to be so, what they write and what they pay, as data.

use std::sync::Arc;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::error::UnspoolError;
use crate::session::Unspool;

/// A comment of the person, as it is to be shown.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Comment {
    /// Its identity, made on this device.
    pub id: String,
    /// What it stands under.
    pub item: String,
    /// The comment it answers.
    pub parent: Option<String>,
    /// The words wanted last; empty where only the server knows them.
    pub text: String,
    /// When it was written, in milliseconds since 1970.
    pub at_ms: i64,
    /// Where it stands.
    pub state: CommentState,
}

/// Where a comment stands.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum CommentState {
    /// The server has it as it is shown.
    Sent,
    /// It, or its last change, waits or is on its way.
    Waiting,
    /// The server refused it, or its last change. It waits to be rewritten, deleted or dismissed.
    Refused {
        /// What the server said.
        reason: String,
    },
}

/// What a person can want of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum IntentVerb {
    /// Like an item.
    Like,
    /// Follow a creator.
    Follow,
    /// Keep an item for later.
    Save,
    /// Be interested in a topic.
    Interest,
    /// See nothing of a creator any more.
    Block,
    /// Report something.
    Report,
    /// Delete what was sent from an installation.
    Erase,
}

/// Something the person wanted to be so and the backend refused.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RefusedIntent {
    /// Its identity, for `dismiss_intent`.
    pub id: String,
    /// What was wanted.
    pub verb: IntentVerb,
    /// Of what: the item, the creator, the topic, the installation.
    pub target: String,
    /// Whether it was to hold, or no longer.
    pub state: bool,
    /// What the backend said.
    pub reason: String,
    /// When the person wanted it, in milliseconds since 1970.
    pub at_ms: i64,
}

impl From<unspool::RefusedIntent> for RefusedIntent {
    fn from(refused: unspool::RefusedIntent) -> Self {
        let unspool::RefusedIntent { id, verb, target, state, reason, at_ms } = refused;
        let verb = match verb {
            unspool::IntentVerb::Like => IntentVerb::Like,
            unspool::IntentVerb::Follow => IntentVerb::Follow,
            unspool::IntentVerb::Save => IntentVerb::Save,
            unspool::IntentVerb::Interest => IntentVerb::Interest,
            unspool::IntentVerb::Block => IntentVerb::Block,
            unspool::IntentVerb::Report => IntentVerb::Report,
            unspool::IntentVerb::Erase => IntentVerb::Erase,
        };
        RefusedIntent { id, verb, target, state, reason, at_ms }
    }
}

/// What money is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum PaymentCause {
    /// Coins to a creator.
    Gift,
    /// Money to a campaign.
    Donation,
}

/// What the person is about to pay.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Order {
    /// What for.
    pub cause: PaymentCause,
    /// To whom: a creator or a campaign.
    pub recipient: String,
    /// Which gift, or the item it was given on; may be empty.
    pub subject: String,
    /// Coins, or the smallest unit of the currency.
    pub amount: u64,
    /// Version of the price list the person saw.
    pub price_version: String,
}

/// A payment of the person.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Payment {
    /// Its identity.
    pub id: String,
    /// What is paid.
    pub order: Order,
    /// Where it stands.
    pub state: PaymentState,
    /// What the server said, where it refused.
    pub reason: String,
    /// When it was drafted, in milliseconds since 1970.
    pub at_ms: i64,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum PaymentState {
    /// Shown to the person, not yet confirmed.
    Draft,
    /// Confirmed by the person; its amount is held.
    Reserved,
    /// On its way.
    Sending,
    /// Carried out.
    Confirmed,
    /// Refused.
    Declined,
    /// It may have been carried out; the server is being asked.
    Unknown,
    /// Never carried out, and never will be.
    Cancelled,
}

impl From<unspool::Comment> for Comment {
    fn from(comment: unspool::Comment) -> Self {
        let unspool::Comment { id, item, parent, text, at_ms, state } = comment;
        let state = match state {
            unspool::CommentState::Sent => CommentState::Sent,
            unspool::CommentState::Waiting => CommentState::Waiting,
            unspool::CommentState::Refused { reason } => CommentState::Refused { reason },
        };
        Comment { id, item, parent, text, at_ms, state }
    }
}

impl From<Order> for unspool::Order {
    fn from(order: Order) -> Self {
        let Order { cause, recipient, subject, amount, price_version } = order;
        let cause = match cause {
            PaymentCause::Gift => unspool::PaymentCause::Gift,
            PaymentCause::Donation => unspool::PaymentCause::Donation,
        };
        unspool::Order { cause, recipient, subject, amount, price_version }
    }
}

impl From<unspool::PaymentIntent> for Payment {
    fn from(intent: unspool::PaymentIntent) -> Self {
        let unspool::PaymentIntent { op, order, state, reason, at_ms, .. } = intent;
        let unspool::Order { cause, recipient, subject, amount, price_version } = order;
        let cause = match cause {
            unspool::PaymentCause::Gift => PaymentCause::Gift,
            unspool::PaymentCause::Donation => PaymentCause::Donation,
        };
        let order = Order { cause, recipient, subject, amount, price_version };
        let state = match state {
            unspool::Payment::Draft => PaymentState::Draft,
            unspool::Payment::Reserved => PaymentState::Reserved,
            unspool::Payment::Sending => PaymentState::Sending,
            unspool::Payment::Confirmed => PaymentState::Confirmed,
            unspool::Payment::Declined => PaymentState::Declined,
            unspool::Payment::Unknown => PaymentState::Unknown,
            unspool::Payment::Cancelled => PaymentState::Cancelled,
        };
        Payment { id: op.0, order, state, reason, at_ms }
    }
}

#[uniffi::export]
impl Unspool {
    /// Follows a creator, or takes that back. On disk when it returns, with or without a network; sent once, and not at
    /// all when what is wanted in the end is what the backend has.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_followed(
        &self,
        creator: String,
        followed: bool,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.set_followed(&creator, followed)).await
    }

    /// Whether the person follows a creator, as far as this device knows: the newest wish, sent or not.
    #[uniffi::method(default(cancel = None))]
    pub async fn followed(
        &self,
        creator: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Option<bool>, UnspoolError> {
        unless_cancelled(cancel, self.core.followed(&creator)).await
    }

    /// Saves an item for later, or takes that back. On disk when it returns, with or without a network; sent once, and not
    /// at all when what is wanted in the end is what the backend has. Its bytes are another matter: see `keep`.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_saved(
        &self,
        item: String,
        saved: bool,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.set_saved(&item, saved)).await
    }

    /// Whether the person saved an item, as far as this device knows: the newest wish, sent or not.
    #[uniffi::method(default(cancel = None))]
    pub async fn saved(
        &self,
        item: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Option<bool>, UnspoolError> {
        unless_cancelled(cancel, self.core.saved(&item)).await
    }

    /// What the person wanted to be so and the backend refused for good, oldest first: likes, follows, saves, interests,
    /// blocks, reports and erasures. Each stays here until it is dismissed or the backend has answered a later wish about
    /// the same thing; what is shown of the thing is what the backend has.
    #[uniffi::method(default(cancel = None))]
    pub async fn refused_intents(
        &self,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Vec<RefusedIntent>, UnspoolError> {
        let refused = unless_cancelled(cancel, self.core.refused_intents()).await?;
        Ok(refused.into_iter().map(RefusedIntent::from).collect())
    }

    /// Forgets a refused intent, once the app has dealt with it; `false` when there is none of that identity.
    #[uniffi::method(default(cancel = None))]
    pub async fn dismiss_intent(
        &self,
        intent: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<bool, UnspoolError> {
        unless_cancelled(cancel, self.core.dismiss_intent(&intent)).await
    }

    /// Comments on an item, in answer to the comment `parent` where one is given, and gives the comment's identity. On
    /// disk when it returns, with or without a network; sent once, after what the person wrote under the item before.
    ///
    /// Fails with `Config` for words that are none or more than 2,200 characters, and with `Storage`.
    #[uniffi::method(default(parent = None, cancel = None))]
    pub async fn add_comment(
        &self,
        item: String,
        text: String,
        parent: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<String, UnspoolError> {
        unless_cancelled(cancel, self.core.add_comment(&item, parent.as_deref(), &text)).await
    }

    /// Gives a comment of the person other words. One that was not sent yet is sent with these only; the words of a
    /// refused one are tried again. On disk when it returns. Fails as `add_comment`, and with `Config` for a comment that
    /// is being deleted.
    #[uniffi::method(default(cancel = None))]
    pub async fn edit_comment(
        &self,
        item: String,
        comment: String,
        text: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.edit_comment(&item, &comment, &text)).await
    }

    /// Takes a comment of the person away. One that was not sent yet is never sent. On disk when it returns.
    #[uniffi::method(default(cancel = None))]
    pub async fn delete_comment(
        &self,
        item: String,
        comment: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.delete_comment(&item, &comment)).await
    }

    /// The person's comments under an item that this device knows of, oldest first, with the words wanted last.
    #[uniffi::method(default(cancel = None))]
    pub async fn comments(
        &self,
        item: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Vec<Comment>, UnspoolError> {
        let comments = unless_cancelled(cancel, self.core.comments(&item)).await?;
        Ok(comments.into_iter().map(Comment::from).collect())
    }

    /// The person's comments that the backend refused, or a change of which it did.
    #[uniffi::method(default(cancel = None))]
    pub async fn refused_comments(
        &self,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Vec<Comment>, UnspoolError> {
        let comments = unless_cancelled(cancel, self.core.refused_comments()).await?;
        Ok(comments.into_iter().map(Comment::from).collect())
    }

    /// Forgets what was refused of a comment; `false` when nothing was.
    #[uniffi::method(default(cancel = None))]
    pub async fn dismiss_comment(
        &self,
        item: String,
        comment: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<bool, UnspoolError> {
        unless_cancelled(cancel, self.core.dismiss_comment(&item, &comment)).await
    }

    /// Takes down what the person is about to pay, and gives the payment's identity. Nothing is sent before
    /// `confirm_payment`. Fails with `Config` for an order that cannot be paid.
    #[uniffi::method(default(cancel = None))]
    pub async fn draft_payment(
        &self,
        order: Order,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<String, UnspoolError> {
        unless_cancelled(cancel, self.core.draft_payment(order.into())).await
    }

    /// The person confirmed it: its amount is held, and it is sent once, soon. On disk when it returns. What is not sent
    /// within ten minutes of its draft is cancelled; one whose answer did not come is never sent again, and resolved by
    /// asking. Fails with `Config` when there are not enough coins or it is no draft any more.
    #[uniffi::method(default(cancel = None))]
    pub async fn confirm_payment(
        &self,
        payment: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.confirm_payment(&payment)).await
    }

    /// The person took it back, before it was sent; fails with `Config` afterwards.
    #[uniffi::method(default(cancel = None))]
    pub async fn cancel_payment(
        &self,
        payment: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.cancel_payment(&payment)).await
    }

    /// The person's payments, newest first; finished ones for a while, refused ones until they are dismissed.
    #[uniffi::method(default(cancel = None))]
    pub async fn payments(&self, cancel: Option<Arc<CancelToken>>) -> Result<Vec<Payment>, UnspoolError> {
        let payments = unless_cancelled(cancel, self.core.payments()).await?;
        Ok(payments.into_iter().map(Payment::from).collect())
    }

    /// Coins the person can still give: what the backend said last, without what is held for gifts that are not confirmed.
    #[uniffi::method(default(cancel = None))]
    pub async fn available_coins(
        &self,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Option<i64>, UnspoolError> {
        unless_cancelled(cancel, self.core.available_coins()).await
    }

    /// Forgets a refused payment; `false` when there is none of that identity.
    #[uniffi::method(default(cancel = None))]
    pub async fn dismiss_payment(
        &self,
        payment: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<bool, UnspoolError> {
        unless_cancelled(cancel, self.core.dismiss_payment(&payment)).await
    }

    /// Waits until something about likes, comments or payments may have changed since `revision`, and gives the number to
    /// wait for next; begin with 0. Asking again after a cancelled wait loses nothing.
    #[uniffi::method(default(cancel = None))]
    pub async fn intents_after(
        &self,
        revision: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<u64, UnspoolError> {
        unless_cancelled(cancel, self.core.intents_after(revision)).await
    }
}
