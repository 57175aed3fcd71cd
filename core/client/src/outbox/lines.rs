//! What goes to the server in parcels, and what its answer says: wishes to one address, comments to another.

use std::collections::BTreeMap;

use rusqlite::Transaction;
use serde::{Deserialize, Serialize};

use super::comments;
use super::intents::{self, Outcome};
use super::model::{OpId, Verb};
use super::parcels::{Line, Parcel};

/// A parcel as it is sent.
pub(super) struct Packed {
    pub parcel: Parcel,
    pub ops: Vec<OpId>,
    pub body: Vec<u8>,
}

/// What waits, of the actor who waits longest and is signed in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Backlog {
    pub rows: u64,
    pub bytes: u64,
}

impl Line {
    /// Where its parcels go, below the base address.
    pub fn path(self) -> &'static str {
        match self {
            Line::Intents => "/v1/interactions",
            Line::Comments => "/v1/comments",
        }
    }

    /// What a row weighs for the limit of a request beside its words, in bytes: identifiers of common length in JSON.
    pub fn row_bytes(self) -> u64 {
        match self {
            Line::Intents => 160,
            Line::Comments => 240,
        }
    }

    /// What can be claimed now by actors of whom `signed_in` is true.
    pub fn backlog(
        self,
        tx: &Transaction<'_>,
        signed_in: &dyn Fn(&str) -> bool,
    ) -> rusqlite::Result<Backlog> {
        let all: Vec<(String, u64, u64)> = self.claimable(tx)?;
        let ready = all.into_iter().filter(|(actor, ..)| signed_in(actor));
        Ok(ready.fold(Backlog::default(), |sum, (_, rows, words)| Backlog {
            rows: sum.rows + rows,
            bytes: sum.bytes + words + rows * self.row_bytes(),
        }))
    }

    fn claimable(self, tx: &Transaction<'_>) -> rusqlite::Result<Vec<(String, u64, u64)>> {
        match self {
            Line::Intents => {
                Ok(intents::claimable(tx)?.into_iter().map(|(actor, rows)| (actor, rows, 0)).collect())
            }
            Line::Comments => comments::claimable(tx),
        }
    }

    pub fn claim(
        self,
        tx: &Transaction<'_>,
        (max_rows, max_bytes): (u32, u64),
        signed_in: &dyn Fn(&str) -> bool,
    ) -> rusqlite::Result<Option<Parcel>> {
        let Some((actor, ..)) = self.claimable(tx)?.into_iter().find(|(actor, ..)| signed_in(actor)) else {
            return Ok(None);
        };
        match self {
            Line::Intents => {
                let fitting = u64::from(max_rows).min(max_bytes / self.row_bytes()).max(1) as u32;
                intents::claim(tx, &actor, fitting)
            }
            Line::Comments => comments::claim(tx, &actor, max_rows, max_bytes, self.row_bytes()),
        }
    }

    /// A parcel with its body; nothing when it is not on its way any more.
    pub fn pack(self, tx: &Transaction<'_>, key: u64) -> rusqlite::Result<Option<Packed>> {
        let json = |body: serde_json::Result<Vec<u8>>| {
            body.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
        };
        match self {
            Line::Intents => {
                let Some((parcel, rows)) = intents::load(tx, key)? else { return Ok(None) };
                let interactions = rows.iter().map(|intent| Interaction {
                    op_id: &intent.op.0,
                    verb: intent.verb,
                    target: &intent.target,
                    state: intent.state,
                    at_ms: intent.at_ms,
                    words: intent.words.as_deref(),
                });
                let body = Interactions { interactions: interactions.collect() };
                let body = json(serde_json::to_vec(&body))?;
                Ok(Some(Packed { parcel, ops: rows.into_iter().map(|intent| intent.op).collect(), body }))
            }
            Line::Comments => {
                let Some((parcel, operations)) = comments::load(tx, key)? else { return Ok(None) };
                let ops = operations.iter().map(|op| OpId(op.op_id.clone())).collect();
                let body = json(serde_json::to_vec(&Operations { operations }))?;
                Ok(Some(Packed { parcel, ops, body }))
            }
        }
    }

    /// Records the server's answer to a parcel.
    pub fn accept(
        self,
        tx: &Transaction<'_>,
        key: u64,
        outcome: impl Fn(&OpId) -> Option<Outcome>,
    ) -> rusqlite::Result<()> {
        match self {
            Line::Intents => intents::accept(tx, key, outcome),
            Line::Comments => comments::accept(tx, key, outcome),
        }
    }
}

#[derive(Serialize)]
struct Interactions<'a> {
    interactions: Vec<Interaction<'a>>,
}

#[derive(Serialize)]
struct Interaction<'a> {
    op_id: &'a str,
    verb: Verb,
    target: &'a str,
    state: bool,
    at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'a str>,
}

#[derive(Serialize)]
struct Operations {
    operations: Vec<comments::Op>,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<OpResult>,
}

#[derive(Deserialize)]
struct OpResult {
    op_id: String,
    status: OpStatus,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OpStatus {
    Applied,
    Duplicate,
    Rejected,
}

/// What the server did with each, where this is an answer.
pub(super) fn outcomes(body: &[u8]) -> Option<BTreeMap<OpId, Outcome>> {
    let results: Results = serde_json::from_slice(body).ok()?;
    let outcomes = results.results.into_iter().map(|result| {
        let outcome = match result.status {
            OpStatus::Applied | OpStatus::Duplicate => Outcome::Confirmed,
            OpStatus::Rejected => Outcome::Refused(result.reason.unwrap_or_else(|| "rejected".to_owned())),
        };
        (OpId(result.op_id), outcome)
    });
    Some(outcomes.collect())
}
