//! What a person wants to be so, what they write, and what of it was refused.

use std::sync::Arc;

use unspool_engine::session::Signal;

use crate::clock::Clock;
use crate::core::outbox_error;
use crate::driver::Input;
use crate::error::Error;
use crate::outbox::{Comment, OpId, Outbox, OutboxError, Verb};
use crate::session::Unspool;
use crate::work::blocking;

/// Something the person wanted to be so and the backend refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedIntent {
    /// Its identity, for [`dismiss_intent`](Unspool::dismiss_intent).
    pub id: String,
    /// What was wanted.
    pub verb: Verb,
    /// Of what: the item, the creator, the topic, the installation.
    pub target: String,
    /// Whether it was to hold, or no longer.
    pub state: bool,
    /// What the backend said, at most 256 characters.
    pub reason: String,
    /// When the person wanted it, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Unspool {
    /// Likes an item, or takes that back. On disk when it returns, with or without a network; sent once, and not at all
    /// when what is wanted in the end is what the backend has.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses, [`Error::Config`] for an identifier that cannot be one.
    pub async fn set_liked(&self, item: &str, liked: bool) -> Result<(), Error> {
        self.want(Verb::Like, item, liked).await?;
        self.tell(Input::Signal(Signal::Liked(item.to_owned(), liked)));
        Ok(())
    }

    /// Whether the person likes an item, as far as this device knows: the newest wish, sent or not.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn liked(&self, item: &str) -> Result<Option<bool>, Error> {
        self.wanted(Verb::Like, item).await
    }

    /// Follows a creator, or takes that back. On disk when it returns, with or without a network; sent once, and not at
    /// all when what is wanted in the end is what the backend has.
    ///
    /// # Errors
    /// As [`set_liked`](Unspool::set_liked).
    pub async fn set_followed(&self, creator: &str, followed: bool) -> Result<(), Error> {
        self.want(Verb::Follow, creator, followed).await
    }

    /// Whether the person follows a creator, as far as this device knows: the newest wish, sent or not.
    ///
    /// # Errors
    /// As [`liked`](Unspool::liked).
    pub async fn followed(&self, creator: &str) -> Result<Option<bool>, Error> {
        self.wanted(Verb::Follow, creator).await
    }

    /// Saves an item for later, or takes that back. On disk when it returns, with or without a network; sent once, and not
    /// at all when what is wanted in the end is what the backend has. Its bytes are another matter: see
    /// [`keep`](Unspool::keep).
    ///
    /// # Errors
    /// As [`set_liked`](Unspool::set_liked).
    pub async fn set_saved(&self, item: &str, saved: bool) -> Result<(), Error> {
        self.want(Verb::Save, item, saved).await
    }

    /// Whether the person saved an item, as far as this device knows: the newest wish, sent or not.
    ///
    /// # Errors
    /// As [`liked`](Unspool::liked).
    pub async fn saved(&self, item: &str) -> Result<Option<bool>, Error> {
        self.wanted(Verb::Save, item).await
    }

    /// What the person wanted to be so and the backend refused for good, oldest first: likes, follows, saves, interests,
    /// blocks, reports and erasures. Each stays here until it is [dismissed](Unspool::dismiss_intent) or the backend has
    /// answered a later wish about the same thing; what is shown of the thing is what the backend has.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn refused_intents(&self) -> Result<Vec<RefusedIntent>, Error> {
        let wedged = self.ask(|outbox, account| outbox.wedged(account)).await?;
        let refused = wedged.into_iter().map(|wedged| {
            let intent = wedged.intent;
            RefusedIntent {
                id: intent.op.0,
                verb: intent.verb,
                target: intent.target,
                state: intent.state,
                reason: wedged.reason,
                at_ms: intent.at_ms,
            }
        });
        Ok(refused.collect())
    }

    /// Forgets a refused intent, once the app has dealt with it; `false` when there is none of that identity.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn dismiss_intent(&self, id: &str) -> Result<bool, Error> {
        let op = OpId(id.to_owned());
        self.intend(move |outbox, account, _| outbox.dismiss(&op, account)).await
    }

    async fn want(&self, verb: Verb, target: &str, state: bool) -> Result<(), Error> {
        let (core, target) = (Arc::clone(self.core()), target.to_owned());
        self.write(async move { core.intend(verb, target, state).await }).await
    }

    async fn wanted(&self, verb: Verb, target: &str) -> Result<Option<bool>, Error> {
        let (core, target) = (Arc::clone(self.core()), target.to_owned());
        self.read(async move { core.wish(verb, target).await }).await
    }

    /// Comments on an item, in answer to the comment `parent` where one is given, and gives the comment's identity. On
    /// disk when it returns, with or without a network; sent once, after what the person wrote under the item before.
    ///
    /// # Errors
    /// [`Error::Config`] for words that are none or more than 2,200 characters and for identifiers that cannot be ones,
    /// [`Error::Storage`] when the disk refuses.
    pub async fn add_comment(&self, item: &str, parent: Option<&str>, text: &str) -> Result<String, Error> {
        let (of, parent, text) = (item.to_owned(), parent.map(str::to_owned), text.to_owned());
        let work = move |outbox: &Outbox, account: &str, now| {
            outbox.add_comment(&of, parent.as_deref(), &text, account, now)
        };
        let comment = self.intend(work).await?;
        self.tell(Input::Signal(Signal::Commented(item.to_owned())));
        Ok(comment)
    }

    /// Gives a comment of the person other words. One that was not sent yet is sent with these only; the words of a
    /// refused one are tried again. On disk when it returns.
    ///
    /// # Errors
    /// As [`add_comment`](Unspool::add_comment), and [`Error::Config`] for a comment that is being deleted.
    pub async fn edit_comment(&self, item: &str, comment: &str, text: &str) -> Result<(), Error> {
        let (item, comment, text) = (item.to_owned(), comment.to_owned(), text.to_owned());
        self.intend(move |outbox, account, now| outbox.edit_comment(&item, &comment, &text, account, now))
            .await
    }

    /// Takes a comment of the person away. One that was not sent yet is never sent. On disk when it returns.
    ///
    /// # Errors
    /// As [`edit_comment`](Unspool::edit_comment).
    pub async fn delete_comment(&self, item: &str, comment: &str) -> Result<(), Error> {
        let (item, comment) = (item.to_owned(), comment.to_owned());
        self.intend(move |outbox, account, now| outbox.delete_comment(&item, &comment, account, now)).await
    }

    /// The person's comments under an item that this device knows of, oldest first, with the words wanted last, sent or
    /// not. What was deleted is not among them.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn comments(&self, item: &str) -> Result<Vec<Comment>, Error> {
        let item = item.to_owned();
        self.ask(move |outbox, account| outbox.comments(&item, account)).await
    }

    /// The person's comments that the backend refused, or a change of which it did: the words are here to be offered
    /// again.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn refused_comments(&self) -> Result<Vec<Comment>, Error> {
        self.ask(|outbox, account| outbox.refused_comments(account)).await
    }

    /// Forgets what was refused of a comment; `false` when nothing was.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn dismiss_comment(&self, item: &str, comment: &str) -> Result<bool, Error> {
        let (item, comment) = (item.to_owned(), comment.to_owned());
        self.intend(move |outbox, account, _| outbox.dismiss_comment(&item, &comment, account)).await
    }

    /// Waits until something about the person's intents, comments or payments may have changed since `revision`, and gives
    /// the number to wait for next; with 0 it answers once anything was written in this session. Asking again after a
    /// cancelled wait loses nothing.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the session ends.
    pub async fn intents_after(&self, revision: u64) -> Result<u64, Error> {
        let mut revisions = self.core().outbox.revisions();
        self.read(async move {
            let newer = revisions.wait_for(|now| *now > revision).await;
            newer.map(|now| *now).map_err(|_| Error::ShutDown)
        })
        .await
    }

    /// Writes to the outbox in turn, and has what is new sent soon.
    pub(crate) async fn intend<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Outbox, &str, i64) -> Result<T, OutboxError> + Send + 'static,
    ) -> Result<T, Error> {
        let core = Arc::clone(self.core());
        self.write(async move {
            blocking(move || {
                let done = work(&core.outbox, &core.config.account, Clock::wall().unix_ms);
                core.nudge();
                done.map_err(|e| outbox_error(&e))
            })
            .await
        })
        .await
    }

    /// Reads from the outbox.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Outbox, &str) -> Result<T, OutboxError> + Send + 'static,
    ) -> Result<T, Error> {
        let core = Arc::clone(self.core());
        self.read(async move {
            blocking(move || work(&core.outbox, &core.config.account).map_err(|e| outbox_error(&e))).await
        })
        .await
    }
}
