//! The edge of the ranking pipeline: what the feed learns is kept, and what is asked about its order is answered.

use std::sync::Arc;

use unspool_engine::Time;
use unspool_engine::pipeline::{Lesson, Manner};
use unspool_engine::session::Signal;
use unspool_media::tasks;

use super::{Driver, Reply};
use crate::error::Error;
use crate::explain::Why;

impl Driver {
    /// Gives the feed its order: by what is known of the person now that the feed before has ended, or by nothing.
    pub(super) fn set_ranking(&mut self) {
        self.learnt.mark_unchanged();
        let pipeline = match self.manner {
            Manner::NonProfiled => self.core.learning.blank(),
            Manner::Profiled | Manner::AsAsked | Manner::Course => self.core.learning.pipeline(),
        };
        self.engine.set_ranking(self.manner, pipeline);
    }

    /// What was learnt was changed by hand.
    pub(super) fn handle_learnt(&mut self) {
        let pipeline = Arc::clone(&self.learnt.borrow_and_update());
        if self.manner.learns() {
            self.engine.handle_pipeline(self.clock.now(), pipeline);
        }
    }

    /// Keeps what the feed has learnt, and writes it down now and then, beside the driver.
    pub(super) fn keep_lesson(&self, lesson: &Lesson) {
        if self.core.learning.learn(lesson) {
            let core = Arc::clone(&self.core);
            tasks::spawn(async move { core.write_learnt().await });
        }
    }

    pub(super) fn not_interested(&mut self, now: Time, position: u64, reply: Reply<()>) {
        let item = self.engine.item(position).map(|item| item.id.clone());
        let answer = match item {
            Some(item) => {
                self.engine.handle_signal(now, &Signal::NotInterested(item));
                // Whoever waited for it finds it learnt.
                self.drain();
                Ok(())
            }
            None => Err(Error::NoSuchCard),
        };
        let _ = reply.send(answer);
    }

    pub(super) fn why(&self, position: u64) -> Option<Why> {
        let item = self.engine.item(position)?.id.clone();
        let placed = self.engine.why(position)?;
        let policy = self.core.learning.policy().version.clone();
        Some(Why::new(item, self.manner, policy, placed))
    }
}
