//! Comments as the app sees them: written, changed, taken away, looked at.

use super::Outbox;
use super::comments::{self, Comment, Key, MAX_COMMENT_CHARS};
use super::model::{MAX_ID_BYTES, MAX_PENDING, OutboxError};

impl Outbox {
    /// Keeps a comment under `item`, in answer to `parent` where one is given, and gives its identity. Durable, even
    /// against a power cut, when it returns; sent once, after what was written under the same item before.
    ///
    /// # Errors
    /// [`OutboxError::Words`], [`OutboxError::Identifier`], [`OutboxError::Full`] or [`OutboxError::Store`].
    pub fn add_comment(
        &self,
        item: &str,
        parent: Option<&str>,
        text: &str,
        actor: &str,
        wall_ms: i64,
    ) -> Result<String, OutboxError> {
        self.check_comment(&[item, actor], Some(text))?;
        if parent.is_some_and(|parent| parent.is_empty() || parent.len() > MAX_ID_BYTES) {
            return Err(OutboxError::Identifier);
        }
        // Ascending: of two comments of one millisecond the first stands first.
        let id = uuid::Uuid::now_v7().to_string();
        self.write(|tx| comments::add(tx, Key { actor, item, id: &id }, parent, text, wall_ms))?;
        Ok(id)
    }

    /// Gives a comment of `actor` other words. One that was not sent yet is sent with these; the words of a refused one
    /// are tried again.
    ///
    /// # Errors
    /// As [`add_comment`](Self::add_comment), and [`OutboxError::NoSuchComment`].
    pub fn edit_comment(
        &self,
        item: &str,
        id: &str,
        text: &str,
        actor: &str,
        wall_ms: i64,
    ) -> Result<(), OutboxError> {
        self.check_comment(&[item, id, actor], Some(text))?;
        self.change_comment(Key { actor, item, id }, Some(text), wall_ms)
    }

    /// Takes a comment of `actor` away. One that was not sent yet is never sent.
    ///
    /// # Errors
    /// [`OutboxError::Identifier`], [`OutboxError::NoSuchComment`], [`OutboxError::Full`] or [`OutboxError::Store`].
    pub fn delete_comment(&self, item: &str, id: &str, actor: &str, wall_ms: i64) -> Result<(), OutboxError> {
        self.check_comment(&[item, id, actor], None)?;
        self.change_comment(Key { actor, item, id }, None, wall_ms)
    }

    /// The comments of `actor` under `item` that this device knows of, oldest first, with the words wanted last.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn comments(&self, item: &str, actor: &str) -> Result<Vec<Comment>, OutboxError> {
        self.write(|tx| comments::list(tx, actor, Some(item)))
    }

    /// The comments of `actor` that the server refused, or a change of which it did.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn refused_comments(&self, actor: &str) -> Result<Vec<Comment>, OutboxError> {
        self.write(|tx| comments::list(tx, actor, None))
    }

    /// Forgets what was refused of a comment; `false` when nothing was.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn dismiss_comment(&self, item: &str, id: &str, actor: &str) -> Result<bool, OutboxError> {
        self.write(|tx| comments::dismiss(tx, Key { actor, item, id }))
    }

    fn change_comment(&self, key: Key<'_>, text: Option<&str>, wall_ms: i64) -> Result<(), OutboxError> {
        match self.write(|tx| comments::change(tx, key, text, wall_ms))? {
            true => Ok(()),
            false => Err(OutboxError::NoSuchComment),
        }
    }

    fn check_comment(&self, ids: &[&str], text: Option<&str>) -> Result<(), OutboxError> {
        if ids.iter().any(|id| id.is_empty() || id.len() > MAX_ID_BYTES) {
            return Err(OutboxError::Identifier);
        }
        if text.is_some_and(|text| text.trim().is_empty() || text.chars().nth(MAX_COMMENT_CHARS).is_some()) {
            return Err(OutboxError::Words);
        }
        // Other writers can only make room between this look and the write.
        if self.level().pending >= MAX_PENDING { Err(OutboxError::Full) } else { Ok(()) }
    }
}
