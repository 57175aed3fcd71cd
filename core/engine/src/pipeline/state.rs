//! What is kept of a pipeline across launches: one bounded record with a version, read back only when it is sound.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Pipeline;
use crate::breaker::{Detector, DetectorState};
use crate::exposure::{self, Ledger};
use crate::learner::{self, Learner, MAX_STATE_BYTES, StateError};
use crate::ranking::RankingPolicy;

/// Version of the record.
const VERSION: u32 = 1;
/// Largest record that is read, bytes: the learner's own bound, and as much again for ledger and detector.
pub const MAX_PIPELINE_BYTES: usize = 2 * MAX_STATE_BYTES;

/// Why a kept pipeline is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PipelineError {
    /// Longer than [`MAX_PIPELINE_BYTES`].
    #[error("a record of {0} bytes is too long")]
    TooLong(usize),
    /// Not JSON of this shape.
    #[error("not a record of what was learnt: {0}")]
    Format(String),
    /// Of another version.
    #[error("version {0} is not read by this build")]
    Version(u32),
    /// The learner is not one.
    #[error(transparent)]
    Learner(#[from] StateError),
    /// Numbers or sizes that cannot come about.
    #[error("unsound {0}")]
    Unsound(&'static str),
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    learner: &'a learner::State,
    ledger: &'a exposure::State,
    detector: &'a DetectorState,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(rename = "version")]
    _version: u32,
    learner: learner::State,
    ledger: exposure::State,
    detector: DetectorState,
}

/// The version alone, so that a later record is told from a broken one.
#[derive(Deserialize)]
struct Header {
    version: u32,
}

impl Pipeline {
    /// Everything that is kept of the person, as JSON that [`Pipeline::restore`] takes.
    ///
    /// # Errors
    /// [`PipelineError::Format`] where it cannot be written, which no reachable state does.
    pub fn export(&self) -> Result<Vec<u8>, PipelineError> {
        let written = Written {
            version: VERSION,
            learner: self.learner.state(),
            ledger: self.ledger.state(),
            detector: self.detector.kept(),
        };
        serde_json::to_vec(&written).map_err(|e| PipelineError::Format(e.to_string()))
    }

    /// A pipeline as it was exported, under a policy that may be another. The same bytes give the same orders.
    ///
    /// # Errors
    /// Where the bytes are too many, not of this shape or version, or hold what no pipeline holds; nothing of them is used
    /// then, and the caller starts anew.
    pub fn restore(policy: Arc<RankingPolicy>, bytes: &[u8]) -> Result<Self, PipelineError> {
        if bytes.len() > MAX_PIPELINE_BYTES {
            return Err(PipelineError::TooLong(bytes.len()));
        }
        let format = |e: serde_json::Error| PipelineError::Format(e.to_string());
        let Header { version } = serde_json::from_slice(bytes).map_err(format)?;
        if version != VERSION {
            return Err(PipelineError::Version(version));
        }
        let read: Read = serde_json::from_slice(bytes).map_err(format)?;
        let learner = Learner::of_state(policy.learner.clone(), read.learner)?;
        let ledger = Ledger::restore(policy.exposure.clone(), read.ledger);
        let detector = Detector::restore(policy.detector.clone(), read.detector);
        Ok(Pipeline {
            learner,
            ledger: ledger.ok_or(PipelineError::Unsound("ledger"))?,
            detector: detector.ok_or(PipelineError::Unsound("detector"))?,
            policy,
        })
    }
}
