//! An engine that writes down what it is told and what it does.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use super::fact::{Fact, Learnt};
use super::{Line, Wrote};
use crate::breaker::Choice;
use crate::feed::{LabelUpdate, PageFailure, SavedFeed, Step};
use crate::impression::Viewer;
use crate::info::MediaInfo;
use crate::model::{MediaKey, Page, Span};
use crate::pipeline::{Manner, Pipeline};
use crate::planner::{DemandId, FetchEnd};
use crate::port::{Conditions, Effect, EngineConfig, PlayerFact, Signal};
use crate::safety::Filter;
use crate::session::Engine;
use crate::stage::PlayerId;
use crate::throughput::Remembered;
use crate::time::{Millis, Time, Wall};

/// An [`Engine`] whose every input and effect may be written down. Getters are the engine's own; what changes it goes
/// through here, and there is no other way in. Without a tape a call costs one comparison.
#[derive(Debug)]
pub struct Taped {
    engine: Engine,
    /// Lines nobody has taken yet; none without a tape.
    lines: Option<Vec<String>>,
    feed: u64,
}

impl Deref for Taped {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Taped {
    /// An engine for one feed; `tape` is the number of the feed on the tape, where there is one.
    #[must_use]
    pub fn new(config: EngineConfig, conditions: Conditions, tape: Option<u64>) -> Self {
        let mut lines = None;
        if let Some(feed) = tape {
            let fact = Fact::New { config: config.clone(), conditions };
            lines = Some(vec![Line { feed, wrote: Wrote::Told(fact) }.text()]);
        }
        Taped { engine: Engine::new(config, conditions), lines, feed: tape.unwrap_or(0) }
    }

    /// What was written since the last time, a line each, oldest first.
    pub fn take_lines(&mut self) -> Vec<String> {
        self.lines.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Ends the tape: nothing is written any more.
    pub fn cut(&mut self) {
        self.lines = None;
    }

    fn note(&mut self, fact: impl FnOnce() -> Fact) {
        if let Some(lines) = &mut self.lines {
            lines.push(Line { feed: self.feed, wrote: Wrote::Told(fact()) }.text());
        }
    }

    /// See [`Engine::poll_output`].
    pub fn poll_output(&mut self) -> Option<Effect> {
        let effect = self.engine.poll_output()?;
        if let Some(lines) = &mut self.lines {
            lines.push(Line { feed: self.feed, wrote: Wrote::did(&effect) }.text());
        }
        Some(effect)
    }

    /// See [`Engine::set_policy_version`].
    pub fn set_policy_version(&mut self, version: &str, ranking: &str) {
        self.note(|| Fact::SetPolicyVersion { version: version.to_owned(), ranking: ranking.to_owned() });
        self.engine.set_policy_version(version, ranking);
    }

    /// See [`Engine::set_filter`].
    pub fn set_filter(&mut self, filter: Arc<Filter>) {
        self.note(|| Fact::SetFilter { filter: filter.recipe() });
        self.engine.set_filter(filter);
    }

    /// See [`Engine::set_ranking`].
    pub fn set_ranking(&mut self, manner: Manner, pipeline: Arc<Pipeline>) {
        self.note(|| Fact::SetRanking { manner, pipeline: Learnt::of(&pipeline) });
        self.engine.set_ranking(manner, pipeline);
    }

    /// See [`Engine::handle_start`].
    pub fn handle_start(&mut self, now: Time, saved: Option<SavedFeed>, stored: BTreeMap<MediaKey, u64>) {
        self.note(|| Fact::Start { now, saved: saved.clone(), stored: stored.clone() });
        self.engine.handle_start(now, saved, stored);
    }

    /// See [`Engine::handle_next`].
    pub fn handle_next(&mut self, now: Time, wall: Wall) -> Step {
        self.note(|| Fact::Next { now, wall });
        self.engine.handle_next(now, wall)
    }

    /// See [`Engine::handle_previous`].
    pub fn handle_previous(&mut self, now: Time, wall: Wall) -> Step {
        self.note(|| Fact::Previous { now, wall });
        self.engine.handle_previous(now, wall)
    }

    /// See [`Engine::handle_page`].
    pub fn handle_page(&mut self, now: Time, request: u64, answer: Result<Page, PageFailure>) {
        self.note(|| Fact::Page { now, request, answer: answer.clone() });
        self.engine.handle_page(now, request, answer);
    }

    /// See [`Engine::handle_filter`].
    pub fn handle_filter(&mut self, now: Time, filter: Arc<Filter>) {
        self.note(|| Fact::Filter { now, filter: filter.recipe() });
        self.engine.handle_filter(now, filter);
    }

    /// See [`Engine::handle_labels`].
    pub fn handle_labels(&mut self, now: Time, updates: Vec<LabelUpdate>) {
        self.note(|| Fact::Labels { now, updates: updates.clone() });
        self.engine.handle_labels(now, updates);
    }

    /// See [`Engine::handle_reveal`].
    pub fn handle_reveal(&mut self, now: Time, wall: Wall, position: u64) -> bool {
        self.note(|| Fact::Reveal { now, wall, position });
        self.engine.handle_reveal(now, wall, position)
    }

    /// See [`Engine::handle_probed`].
    pub fn handle_probed(&mut self, now: Time, key: &MediaKey, info: &Arc<MediaInfo>, held: Vec<Span>) {
        self.note(|| Fact::Probed { now, key: key.clone(), info: (**info).clone(), held: held.clone() });
        self.engine.handle_probed(now, key, info, held);
    }

    /// See [`Engine::handle_probe_failed`].
    pub fn handle_probe_failed(&mut self, now: Time, key: &MediaKey, retryable: bool, reason: &str) {
        self.note(|| Fact::ProbeFailed { now, key: key.clone(), retryable, reason: reason.to_owned() });
        self.engine.handle_probe_failed(now, key, retryable, reason);
    }

    /// See [`Engine::handle_held`].
    pub fn handle_held(&mut self, now: Time, key: &MediaKey, held: Vec<Span>) {
        self.note(|| Fact::Held { now, key: key.clone(), held: held.clone() });
        self.engine.handle_held(now, key, held);
    }

    /// See [`Engine::handle_fetch_end`].
    pub fn handle_fetch_end(
        &mut self,
        now: Time,
        demand: DemandId,
        key: &MediaKey,
        end: FetchEnd,
        held: Vec<Span>,
        reason: &str,
    ) {
        self.note(|| Fact::FetchEnd {
            now,
            demand,
            key: key.clone(),
            end,
            held: held.clone(),
            reason: reason.to_owned(),
        });
        self.engine.handle_fetch_end(now, demand, key, end, held, reason);
    }

    /// See [`Engine::handle_transfer`].
    pub fn handle_transfer(&mut self, host: &str, bytes: u64, first_byte: Millis, transfer: Millis) {
        self.note(|| Fact::Transfer { host: host.to_owned(), bytes, first_byte, transfer });
        self.engine.handle_transfer(host, bytes, first_byte, transfer);
    }

    /// See [`Engine::handle_remembered`].
    pub fn handle_remembered(&mut self, wall: Wall, past: &BTreeMap<String, Remembered>) {
        self.note(|| Fact::Remembered { wall, past: past.clone() });
        self.engine.handle_remembered(wall, past);
    }

    /// See [`Engine::handle_data_left`].
    pub fn handle_data_left(&mut self, now: Time, data_left: Option<u64>) {
        self.note(|| Fact::DataLeft { now, data_left });
        self.engine.handle_data_left(now, data_left);
    }

    /// See [`Engine::handle_player`].
    pub fn handle_player(&mut self, now: Time, player: PlayerId, fact: PlayerFact) {
        self.note(|| Fact::Player { now, player, fact: fact.clone() });
        self.engine.handle_player(now, player, fact);
    }

    /// See [`Engine::handle_paused`].
    pub fn handle_paused(&mut self, now: Time, paused: bool) {
        self.note(|| Fact::Paused { now, paused });
        self.engine.handle_paused(now, paused);
    }

    /// See [`Engine::handle_conditions`].
    pub fn handle_conditions(&mut self, now: Time, wall: Wall, conditions: Conditions) {
        self.note(|| Fact::Conditions { now, wall, conditions });
        self.engine.handle_conditions(now, wall, conditions);
    }

    /// See [`Engine::handle_viewer`].
    pub fn handle_viewer(&mut self, now: Time, wall: Wall, fact: Viewer) {
        self.note(|| Fact::Viewer { now, wall, fact });
        self.engine.handle_viewer(now, wall, fact);
    }

    /// See [`Engine::handle_player_budget`].
    pub fn handle_player_budget(&mut self, now: Time, players: usize, bytes: u64) {
        self.note(|| Fact::PlayerBudget { now, players, bytes });
        self.engine.handle_player_budget(now, players, bytes);
    }

    /// See [`Engine::handle_players_lost`].
    pub fn handle_players_lost(&mut self, now: Time) {
        self.note(|| Fact::PlayersLost { now });
        self.engine.handle_players_lost(now);
    }

    /// See [`Engine::handle_retry`].
    pub fn handle_retry(&mut self, now: Time) {
        self.note(|| Fact::Retry { now });
        self.engine.handle_retry(now);
    }

    /// See [`Engine::handle_end`].
    pub fn handle_end(&mut self, now: Time) {
        self.note(|| Fact::End { now });
        self.engine.handle_end(now);
    }

    /// See [`Engine::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Time) {
        self.note(|| Fact::Timeout { now });
        self.engine.handle_timeout(now);
    }

    /// See [`Engine::handle_pipeline`].
    pub fn handle_pipeline(&mut self, now: Time, pipeline: Arc<Pipeline>) {
        self.note(|| Fact::Pipeline { now, pipeline: Learnt::of(&pipeline) });
        self.engine.handle_pipeline(now, pipeline);
    }

    /// See [`Engine::handle_answer`].
    pub fn handle_answer(&mut self, now: Time, answer: Choice) {
        self.note(|| Fact::Answer { now, answer });
        self.engine.handle_answer(now, answer);
    }

    /// See [`Engine::handle_refresh`].
    pub fn handle_refresh(&mut self, now: Time) {
        self.note(|| Fact::Refresh { now });
        self.engine.handle_refresh(now);
    }

    /// See [`Engine::handle_signal`].
    pub fn handle_signal(&mut self, now: Time, signal: &Signal) -> bool {
        self.note(|| Fact::Signal { now, signal: signal.clone() });
        self.engine.handle_signal(now, signal)
    }

    /// See [`Engine::handle_rest`].
    pub fn handle_rest(&mut self, now: Time) {
        self.note(|| Fact::Rest { now });
        self.engine.handle_rest(now);
    }

    /// See [`Engine::handle_rest_over`].
    pub fn handle_rest_over(&mut self, now: Time, wall: Wall, stay: bool) {
        self.note(|| Fact::RestOver { now, wall, stay });
        self.engine.handle_rest_over(now, wall, stay);
    }

    /// See [`Engine::handle_autoplay`].
    pub fn handle_autoplay(&mut self, now: Time, autoplay: bool) {
        self.note(|| Fact::Autoplay { now, autoplay });
        self.engine.handle_autoplay(now, autoplay);
    }
}
