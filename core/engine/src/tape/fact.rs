//! Everything an engine can be told, as it stands on a tape.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ReplayError;
use crate::breaker::Choice;
use crate::feed::{LabelUpdate, PageFailure, SavedFeed};
use crate::impression::Viewer;
use crate::info::MediaInfo;
use crate::model::{MediaKey, Page, Span};
use crate::pipeline::{Manner, Pipeline};
use crate::planner::{DemandId, FetchEnd};
use crate::port::{Conditions, EngineConfig, PlayerFact, Signal};
use crate::ranking::RankingPolicy;
use crate::safety::Recipe;
use crate::session::Engine;
use crate::stage::PlayerId;
use crate::throughput::Remembered;
use crate::time::{Millis, Time, Wall};

/// A pipeline: the policy, and what was learnt as it is exported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learnt {
    policy: RankingPolicy,
    learnt: String,
}

impl Learnt {
    pub(super) fn of(pipeline: &Pipeline) -> Self {
        // What cannot be written is no pipeline to the reader, which says so.
        let learnt = pipeline.export().ok().and_then(|bytes| String::from_utf8(bytes).ok());
        Learnt { policy: pipeline.policy().clone(), learnt: learnt.unwrap_or_default() }
    }

    fn pipeline(self) -> Result<Arc<Pipeline>, ReplayError> {
        let pipeline = Pipeline::restore(Arc::new(self.policy), self.learnt.as_bytes());
        pipeline.map(Arc::new).map_err(|e| ReplayError::Pipeline(e.to_string()))
    }
}

/// One call of the engine. Names and arguments are those of its methods.
// A fact lives for one turn; a box for the largest would buy nothing.
#[allow(clippy::large_enum_variant, missing_docs)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    New { config: EngineConfig, conditions: Conditions },
    SetPolicyVersion { version: String, ranking: String },
    SetFilter { filter: Recipe },
    SetRanking { manner: Manner, pipeline: Learnt },
    Start { now: Time, saved: Option<SavedFeed>, stored: BTreeMap<MediaKey, u64> },
    Next { now: Time, wall: Wall },
    Previous { now: Time, wall: Wall },
    Page { now: Time, request: u64, answer: Result<Page, PageFailure> },
    Filter { now: Time, filter: Recipe },
    Labels { now: Time, updates: Vec<LabelUpdate> },
    Reveal { now: Time, wall: Wall, position: u64 },
    Probed { now: Time, key: MediaKey, info: MediaInfo, held: Vec<Span> },
    ProbeFailed { now: Time, key: MediaKey, retryable: bool, reason: String },
    Held { now: Time, key: MediaKey, held: Vec<Span> },
    FetchEnd { now: Time, demand: DemandId, key: MediaKey, end: FetchEnd, held: Vec<Span>, reason: String },
    Transfer { host: String, bytes: u64, first_byte: Millis, transfer: Millis },
    Remembered { wall: Wall, past: BTreeMap<String, Remembered> },
    DataLeft { now: Time, data_left: Option<u64> },
    Player { now: Time, player: PlayerId, fact: PlayerFact },
    Paused { now: Time, paused: bool },
    Conditions { now: Time, wall: Wall, conditions: Conditions },
    Viewer { now: Time, wall: Wall, fact: Viewer },
    PlayerBudget { now: Time, players: usize, bytes: u64 },
    PlayersLost { now: Time },
    Retry { now: Time },
    End { now: Time },
    Timeout { now: Time },
    Pipeline { now: Time, pipeline: Learnt },
    Answer { now: Time, answer: Choice },
    Refresh { now: Time },
    Signal { now: Time, signal: Signal },
    Rest { now: Time },
    RestOver { now: Time, wall: Wall, stay: bool },
    Autoplay { now: Time, autoplay: bool },
}

impl Fact {
    /// Tells it to an engine. [`Fact::New`] makes another one in its place.
    pub(super) fn tell(self, engine: &mut Option<Engine>) -> Result<(), ReplayError> {
        let filter =
            |recipe: Recipe| recipe.prepare().map(Arc::new).map_err(|e| ReplayError::Filter(e.to_string()));
        if let Fact::New { config, conditions } = self {
            *engine = Some(Engine::new(config, conditions));
            return Ok(());
        }
        let engine = engine.as_mut().ok_or(ReplayError::NoEngine)?;
        match self {
            Fact::New { .. } => {}
            Fact::SetPolicyVersion { version, ranking } => engine.set_policy_version(&version, &ranking),
            Fact::SetFilter { filter: recipe } => engine.set_filter(filter(recipe)?),
            Fact::SetRanking { manner, pipeline } => engine.set_ranking(manner, pipeline.pipeline()?),
            Fact::Start { now, saved, stored } => engine.handle_start(now, saved, stored),
            Fact::Next { now, wall } => drop(engine.handle_next(now, wall)),
            Fact::Previous { now, wall } => drop(engine.handle_previous(now, wall)),
            Fact::Page { now, request, answer } => engine.handle_page(now, request, answer),
            Fact::Filter { now, filter: recipe } => engine.handle_filter(now, filter(recipe)?),
            Fact::Labels { now, updates } => engine.handle_labels(now, updates),
            Fact::Reveal { now, wall, position } => drop(engine.handle_reveal(now, wall, position)),
            Fact::Probed { now, key, info, held } => engine.handle_probed(now, &key, &Arc::new(info), held),
            Fact::ProbeFailed { now, key, retryable, reason } => {
                engine.handle_probe_failed(now, &key, retryable, &reason);
            }
            Fact::Held { now, key, held } => engine.handle_held(now, &key, held),
            Fact::FetchEnd { now, demand, key, end, held, reason } => {
                engine.handle_fetch_end(now, demand, &key, end, held, &reason);
            }
            Fact::Transfer { host, bytes, first_byte, transfer } => {
                engine.handle_transfer(&host, bytes, first_byte, transfer);
            }
            Fact::Remembered { wall, past } => engine.handle_remembered(wall, &past),
            Fact::DataLeft { now, data_left } => engine.handle_data_left(now, data_left),
            Fact::Player { now, player, fact } => engine.handle_player(now, player, fact),
            Fact::Paused { now, paused } => engine.handle_paused(now, paused),
            Fact::Conditions { now, wall, conditions } => engine.handle_conditions(now, wall, conditions),
            Fact::Viewer { now, wall, fact } => engine.handle_viewer(now, wall, fact),
            Fact::PlayerBudget { now, players, bytes } => engine.handle_player_budget(now, players, bytes),
            Fact::PlayersLost { now } => engine.handle_players_lost(now),
            Fact::Retry { now } => engine.handle_retry(now),
            Fact::End { now } => engine.handle_end(now),
            Fact::Timeout { now } => engine.handle_timeout(now),
            Fact::Pipeline { now, pipeline } => engine.handle_pipeline(now, pipeline.pipeline()?),
            Fact::Answer { now, answer } => engine.handle_answer(now, answer),
            Fact::Refresh { now } => engine.handle_refresh(now),
            Fact::Signal { now, signal } => drop(engine.handle_signal(now, &signal)),
            Fact::Rest { now } => engine.handle_rest(now),
            Fact::RestOver { now, wall, stay } => engine.handle_rest_over(now, wall, stay),
            Fact::Autoplay { now, autoplay } => engine.handle_autoplay(now, autoplay),
        }
        Ok(())
    }
}
