//! Reading the index beside its writer: single entries when they are first used, and the oldest ones for eviction.
//!
//! A connection of its own sees the last commit and waits for no commit that is under way. What is newer than the last
//! commit is in memory by definition, and whoever asks here has looked there first.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension};
use unspool_engine::{MediaKey, Span};

use super::super::{StoreError, StoredMedia};
use super::{Place, Row, file_number};
use crate::segments::owner;

/// A reading connection.
#[derive(Debug)]
pub(in super::super) struct Reader {
    db: Connection,
}

/// What an entry has to offer to eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Tail,
    Head,
}

impl Reader {
    /// Opens the index at `place`, which its writer has brought to this version.
    pub(in super::super) fn open(place: &Place) -> Result<Self, StoreError> {
        let db = place.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.busy_timeout(Duration::from_secs(2))?;
        db.pragma_update(None, "query_only", true)?;
        Ok(Reader { db })
    }

    /// The entry of `key` with its spans and all its checksums.
    pub(in super::super) fn find(&self, key: &str) -> Result<Option<Row>, StoreError> {
        let mut entry = self.db.prepare_cached(
            "SELECT id, generation, size, etag, last_modified, pinned, last_used_ms FROM entry WHERE key = ?1",
        )?;
        let found = entry.query_row([key], |row| {
            let found = Row {
                key: key.to_owned(),
                generation: row.get::<_, i64>(1)?.cast_unsigned(),
                size: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
                etag: row.get(3)?,
                last_modified: row.get(4)?,
                pinned: row.get(5)?,
                last_used_ms: row.get(6)?,
                ..Row::default()
            };
            Ok((row.get::<_, i64>(0)?, found))
        });
        let Some((id, mut found)) = found.optional()? else { return Ok(None) };
        found.spans = spans(&mut self.spans()?, id)?;
        let mut blocks = self.db.prepare_cached("SELECT number, hash FROM block WHERE entry = ?1")?;
        let blocks = blocks.query_map([id], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        found.blocks = blocks.collect::<Result<_, _>>()?;
        Ok(Some(found))
    }

    /// Bytes that all entries hold, and the folder that is to be swept next.
    pub(in super::super) fn totals(&self) -> Result<(u64, u64), StoreError> {
        Ok(self.db.query_row("SELECT bytes, swept FROM total", [], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        })?)
    }

    /// Everything that holds bytes or is pinned, least recently used first.
    pub(in super::super) fn list(&self) -> Result<Vec<StoredMedia>, StoreError> {
        let mut all = self.db.prepare(
            "SELECT id, key, size, pinned, last_used_ms, 0 FROM entry WHERE bytes > 0 OR pinned = 1
             ORDER BY last_used_ms, key",
        )?;
        let mut spans = self.spans()?;
        let mut rows = all.query([])?;
        let mut list = Vec::new();
        while let Some(row) = rows.next()? {
            list.push(stored(row, &mut spans)?);
        }
        Ok(list)
    }

    /// The keys of everything that is pinned. Looks at every entry, without its spans.
    pub(in super::super) fn pinned(&self) -> Result<Vec<MediaKey>, StoreError> {
        let mut pinned = self.db.prepare("SELECT key FROM entry WHERE pinned = 1 ORDER BY key")?;
        let keys = pinned.query_map([], |row| Ok(MediaKey::from_stored(row.get(0)?)))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// What eviction needs to see to free `bytes`, least recently used first: the tails that suffice, or every tail
    /// and as many of the oldest heads as it takes then. Pinned entries and `except` are not offered.
    pub(in super::super) fn oldest(
        &self,
        bytes: u64,
        except: &BTreeSet<MediaKey>,
    ) -> Result<Vec<StoredMedia>, StoreError> {
        let (mut chosen, mut offered) = (Vec::new(), 0);
        self.offer(Part::Tail, bytes, except, &mut chosen, &mut offered)?;
        if offered < bytes {
            self.offer(Part::Head, bytes, except, &mut chosen, &mut offered)?;
            chosen.sort_by(|a, b| a.last_used_ms.cmp(&b.last_used_ms).then_with(|| a.key.cmp(&b.key)));
        }
        Ok(chosen)
    }

    /// Whether `key` is a file of a rendition that is pinned or in `except`.
    fn is_kept(&self, key: &MediaKey, except: &BTreeSet<MediaKey>) -> Result<bool, StoreError> {
        let Some((rendition, _)) = owner(key) else { return Ok(false) };
        if except.contains(&rendition) {
            return Ok(true);
        }
        let mut pinned = self.db.prepare_cached("SELECT pinned FROM entry WHERE key = ?1")?;
        let found: Option<bool> = pinned.query_row([rendition.as_str()], |row| row.get(0)).optional()?;
        Ok(found.unwrap_or(false))
    }

    /// What was last used before `before_ms`, least recently used first; not pinned, and at most `most`.
    pub(in super::super) fn unused_since(
        &self,
        before_ms: i64,
        most: u32,
    ) -> Result<Vec<StoredMedia>, StoreError> {
        let mut old = self.db.prepare_cached(
            "SELECT id, key, size, pinned, last_used_ms FROM entry
             WHERE bytes > 0 AND pinned = 0 AND last_used_ms < ?1 ORDER BY last_used_ms, key",
        )?;
        let mut spans = self.spans()?;
        let mut rows = old.query((before_ms,))?;
        let mut found = Vec::new();
        while (found.len() as u64) < u64::from(most)
            && let Some(row) = rows.next()?
        {
            let stored = stored(row, &mut spans)?;
            if !self.is_kept(&stored.key, &BTreeSet::new())? {
                found.push(stored);
            }
        }
        Ok(found)
    }

    fn offer(
        &self,
        part: Part,
        bytes: u64,
        except: &BTreeSet<MediaKey>,
        chosen: &mut Vec<StoredMedia>,
        offered: &mut u64,
    ) -> Result<(), StoreError> {
        let mut oldest = self.db.prepare_cached(match part {
            Part::Tail => {
                "SELECT id, key, size, pinned, last_used_ms, tail FROM entry
                 WHERE tail > 0 AND pinned = 0 ORDER BY last_used_ms, key"
            }
            Part::Head => {
                "SELECT id, key, size, pinned, last_used_ms, bytes - tail FROM entry
                 WHERE bytes > 0 AND pinned = 0 ORDER BY last_used_ms, key"
            }
        })?;
        let known: BTreeSet<MediaKey> = chosen.iter().map(|stored| stored.key.clone()).collect();
        let mut spans = self.spans()?;
        let mut rows = oldest.query([])?;
        while *offered < bytes
            && let Some(row) = rows.next()?
        {
            let key = MediaKey::from_stored(row.get(1)?);
            if except.contains(&key) || self.is_kept(&key, except)? {
                continue;
            }
            *offered += row.get::<_, i64>(5)?.cast_unsigned();
            if !known.contains(&key) {
                chosen.push(stored(row, &mut spans)?);
            }
        }
        Ok(())
    }

    /// Keys whose data file may have this number, with the generation of the file that holds their bytes.
    pub(in super::super) fn claims(&self, number: i64) -> Result<Vec<(String, u64)>, StoreError> {
        let mut claims =
            self.db.prepare_cached("SELECT key, generation FROM entry WHERE file = ?1 AND bytes > 0")?;
        let rows =
            claims.query_map([number], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn spans(&self) -> Result<CachedStatement<'_>, StoreError> {
        Ok(self.db.prepare_cached("SELECT first, past FROM span WHERE entry = ?1 ORDER BY first")?)
    }
}

fn stored(row: &rusqlite::Row<'_>, statement: &mut CachedStatement<'_>) -> Result<StoredMedia, StoreError> {
    Ok(StoredMedia {
        key: MediaKey::from_stored(row.get(1)?),
        spans: spans(statement, row.get(0)?)?,
        size: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
        pinned: row.get(3)?,
        last_used_ms: row.get(4)?,
    })
}

fn spans(statement: &mut CachedStatement<'_>, id: i64) -> Result<Vec<Span>, StoreError> {
    let spans = statement.query_map([id], |row| {
        Ok(Span::new(row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
    })?;
    Ok(spans.collect::<Result<_, _>>()?)
}

/// Whether a data file called `name` in `generation` belongs to nobody.
pub(in super::super) fn is_orphan(reader: &Reader, name: &str, generation: u64) -> Result<bool, StoreError> {
    let Some(number) = name.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()) else {
        return Ok(false);
    };
    let claims = reader.claims(number.cast_signed())?;
    debug_assert!(claims.iter().all(|(key, _)| file_number(key) == number.cast_signed()));
    Ok(!claims.iter().any(|(key, current)| *current == generation && super::file_name(key) == name))
}
