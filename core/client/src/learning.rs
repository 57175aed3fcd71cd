//! What a session has learnt about one person: kept on this device, under their account, and given to every feed.
//!
//! The feed that is open learns first and tells each lesson; the same lessons here give the same state, from which the next
//! feed begins. What the person changes by hand is written down before it counts and reaches the open feed in its next turn.
//! Viewings are written a few at a time: a kill costs the last [`WRITE_EVERY`] at most.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use unspool_engine::pipeline::{Lesson, Pipeline, PipelineError};
use unspool_engine::ranking::RankingPolicy;

use crate::error::Error;
use crate::store::{SessionStore, StoreError};

/// Viewings between two writes. A record is some kilobytes, and a kill is rare.
const WRITE_EVERY: u32 = 4;

/// What was learnt about one person.
#[derive(Debug)]
pub(crate) struct LearningRoom {
    store: Arc<SessionStore>,
    record: String,
    policy: Arc<RankingPolicy>,
    state: Mutex<State>,
    /// Held by whoever writes, so that an older state never replaces a newer one on the disk.
    writing: Mutex<()>,
    /// The state after each change by hand.
    changed: watch::Sender<Arc<Pipeline>>,
    lost: Option<PipelineError>,
}

#[derive(Debug)]
struct State {
    pipeline: Arc<Pipeline>,
    unwritten: u32,
}

impl LearningRoom {
    /// Takes up what was kept. A record that cannot be used is named by [`lost`](LearningRoom::lost) and begun anew;
    /// `interests` are those chosen on this device.
    pub(crate) fn open(
        store: Arc<SessionStore>,
        policy: RankingPolicy,
        account: &str,
        interests: impl IntoIterator<Item = String>,
    ) -> Result<Self, StoreError> {
        let (record, policy) = (format!("learnt:{account}"), Arc::new(policy));
        let (kept, lost) = match store.recall(&record)? {
            Some(json) => match Pipeline::restore(Arc::clone(&policy), json.as_bytes()) {
                Ok(pipeline) => (Some(pipeline), None),
                Err(error) => {
                    tracing::warn!(%error, "what was learnt is not used; learning begins anew");
                    (None, Some(error))
                }
            },
            None => (None, None),
        };
        let mut pipeline = kept.unwrap_or_else(|| Pipeline::new(Arc::clone(&policy)));
        pipeline.handle_interests(interests);
        let pipeline = Arc::new(pipeline);
        let changed = watch::Sender::new(Arc::clone(&pipeline));
        let state = Mutex::new(State { pipeline, unwritten: 0 });
        Ok(LearningRoom { store, record, policy, state, writing: Mutex::new(()), changed, lost })
    }

    /// What is known now.
    pub(crate) fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.state().pipeline)
    }

    /// What somebody is ranked by of whom nothing may be known.
    pub(crate) fn blank(&self) -> Arc<Pipeline> {
        Arc::new(Pipeline::new(Arc::clone(&self.policy)))
    }

    /// The states after changes by hand.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Pipeline>> {
        self.changed.subscribe()
    }

    /// The policy in use.
    pub(crate) fn policy(&self) -> &RankingPolicy {
        &self.policy
    }

    /// Why what was kept could not be used when the session was opened.
    pub(crate) fn lost(&self) -> Option<&PipelineError> {
        self.lost.as_ref()
    }

    /// Everything that is kept, as text.
    pub(crate) fn text(&self) -> Result<String, Error> {
        text(&self.pipeline())
    }

    /// Takes in what the open feed learnt; says whether it is time to [write](LearningRoom::write).
    pub(crate) fn learn(&self, lesson: &Lesson) -> bool {
        let mut state = self.state();
        Arc::make_mut(&mut state.pipeline).handle_lesson(lesson);
        state.unwritten += match lesson {
            Lesson::Viewed(lived) if lived.viewing.refused() => WRITE_EVERY,
            Lesson::Answered(_) => WRITE_EVERY,
            Lesson::Viewed(_) => 1,
            Lesson::Opened | Lesson::Offered { .. } | Lesson::Placed { .. } => 0,
        };
        state.unwritten >= WRITE_EVERY
    }

    /// Writes down what is new. Blocks for the disk.
    pub(crate) fn write(&self) -> Result<(), Error> {
        let _writing = self.writing();
        let pipeline = {
            let mut state = self.state();
            if state.unwritten == 0 {
                return Ok(());
            }
            state.unwritten = 0;
            Arc::clone(&state.pipeline)
        };
        let written = text(&pipeline)
            .and_then(|text| self.store.remember(&self.record, &text).map_err(|e| refused(&e)));
        if written.is_err() {
            // The next viewing tries again.
            self.state().unwritten = WRITE_EVERY;
        }
        written
    }

    /// Changes what is known by the person's hand: on the disk first, then here and in the open feed. `change` says whether
    /// it can be; it is done twice, and gives the same each time. Blocks for the disk.
    pub(crate) fn change(&self, change: impl Fn(&mut Pipeline) -> bool) -> Result<bool, Error> {
        let _writing = self.writing();
        let mut changed = (*self.pipeline()).clone();
        if !change(&mut changed) {
            return Ok(false);
        }
        self.store.remember_for_sure(&self.record, &text(&changed)?).map_err(|e| refused(&e))?;
        self.apply(change);
        Ok(true)
    }

    /// Forgets everything, also on the disk: no page of the database holds any of it afterwards. Blocks for the disk.
    pub(crate) fn erase(&self) -> Result<(), Error> {
        let _writing = self.writing();
        self.store.erase_memory(&self.record).map_err(|e| refused(&e))?;
        self.apply(|pipeline| {
            pipeline.handle_erase();
            true
        });
        Ok(())
    }

    fn apply(&self, change: impl Fn(&mut Pipeline) -> bool) {
        let mut state = self.state();
        change(Arc::make_mut(&mut state.pipeline));
        self.changed.send_replace(Arc::clone(&state.pipeline));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(pipeline: &Pipeline) -> Result<String, Error> {
    let fault = |reason: String| Error::Internal { reason };
    let bytes = pipeline.export().map_err(|e| fault(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| fault(e.to_string()))
}

fn refused(error: &StoreError) -> Error {
    Error::Storage { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use unspool_engine::learner::Viewing;
    use unspool_engine::pipeline::{Facts, Lived};

    use super::*;

    fn open(path: &Path, account: &str) -> LearningRoom {
        let store = Arc::new(SessionStore::open(path).unwrap());
        LearningRoom::open(store, RankingPolicy::shipped().unwrap(), account, Vec::new()).unwrap()
    }

    fn viewed(topic: &str, not_interested: bool) -> Lesson {
        let clip = Facts { topics: vec![topic.to_owned()], duration_ms: 8_000, ..Facts::default() };
        let viewing = Viewing { active_ms: 8_000, not_interested, ..Viewing::default() };
        Lesson::Viewed(Box::new(Lived { clip, viewing, moment: None }))
    }

    #[test]
    fn what_was_learnt_survives_under_its_account_and_a_broken_record_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.db");
        let room = open(&path, "ada");
        assert!(!room.learn(&viewed("tea", false)));
        assert!(room.learn(&viewed("oak", true)), "a refusal is written at once");
        room.write().unwrap();
        assert_eq!(room.change(|p| p.handle_weight("tea", 0.5)), Ok(true));
        assert_eq!(room.change(|p| p.handle_weight(&"x".repeat(500), 0.5)), Ok(false));
        let held = room.pipeline();
        drop(room);
        let again = open(&path, "ada");
        assert_eq!((again.pipeline(), again.lost()), (held, None));
        assert_eq!(open(&path, "bob").pipeline().learner_card().viewings, 0);
        again.store.remember("learnt:ada", "{\"version\":1}").unwrap();
        drop(again);
        let anew = open(&path, "ada");
        assert!(matches!(anew.lost(), Some(PipelineError::Format(_))));
        assert_eq!(anew.pipeline(), anew.blank());
    }

    #[test]
    fn nothing_of_what_was_erased_is_left_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.db");
        let room = open(&path, "ada");
        for n in 0..200 {
            room.learn(&viewed(&format!("canary-{n}"), false));
            if n % 20 == 0 {
                room.write().unwrap();
            }
        }
        room.change(|p| p.handle_weight("canary", 1.0)).unwrap();
        let found = |name: &str| {
            let bytes = std::fs::read(dir.path().join(name)).unwrap_or_default();
            bytes.windows(6).any(|w| w == b"canary")
        };
        assert!(found("session.db") || found("session.db-wal"), "it was there before");
        let mut changes = room.changes();
        changes.mark_unchanged();
        room.erase().unwrap();
        assert!(changes.has_changed().unwrap(), "the open feed is told");
        assert_eq!(room.pipeline(), room.blank());
        for name in ["session.db", "session.db-wal", "session.db-shm"] {
            assert!(!found(name), "{name}");
        }
    }
}
