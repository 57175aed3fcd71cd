//! What may be changed from the page of a writable inspector: what was learnt of the person, nothing else.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::session::Unspool;

/// One change, as the page asks for it.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Act {
    Weight { topic: String, weight: f64 },
    ForgetTopic { topic: String },
    ResetLearner,
    EraseLearner,
    ExportLearner,
}

/// Carries it out.
pub(super) async fn run(session: &Unspool, act: Act) -> Result<Value, Error> {
    match act {
        Act::Weight { topic, weight } => session.set_learner_weight(&topic, weight).await?,
        Act::ForgetTopic { topic } => {
            session.forget_learned_topic(&topic).await?;
            // What the person set by hand goes too: nothing of the topic is left.
            session.set_learner_weight(&topic, 0.0).await?;
        }
        Act::ResetLearner => session.reset_learner().await?,
        Act::EraseLearner => session.erase_learner().await?,
        Act::ExportLearner => return Ok(json!({ "text": session.export_learner().await? })),
    }
    Ok(json!({}))
}
