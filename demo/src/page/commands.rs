//! What the person does on the page: one command, one answer.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use unspool::spool::Value as Told;
use unspool::{
    Choices, CommentState, Error as CoreError, Report, ReportReason, ReportSubject, Scene, Tap, Viewer,
};

use super::engine::Engine;
use super::network::Choice;
use super::person;
use super::phone::Phone;

/// Time for the chosen interests to reach the backend before the first page is asked for; without a network there is no
/// wait.
const INTERESTS_WITHIN: Duration = Duration::from_secs(2);

/// A command.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    Topics,
    Begin { interests: Option<Vec<String>> },
    Next,
    Previous,
    Pause { on: bool },
    Mute { on: bool },
    Captions { on: bool },
    Seek { ms: u64 },
    Rate { rate: f64 },
    Reveal { position: u64 },
    Like { item: String, position: u64, on: bool, double: bool },
    Follow { creator: String, position: u64, on: bool },
    Save { item: String, position: u64, on: bool },
    Comments { item: String, opened: bool },
    Comment { item: String, text: String },
    Share { item: String, position: u64 },
    NotInterested { item: String, position: u64 },
    Report { item: String, reason: ReportReason, at_ms: u64 },
    Reports,
    Block { creator: String, on: bool },
    Why { position: u64 },
    Zone { minutes: i16 },
    Time,
    Limits { change: Choices },
    Weight { topic: String, weight: f64 },
    ForgetTopic { topic: String },
    ResetLearner,
    EraseLearner,
    ExportLearner,
    Network { choice: Choice, name: Option<String> },
    Label { item: String, label: String },
    Flush,
    Engine { engine: Engine },
}

type Answer = Result<Value, Box<dyn Error>>;

/// Does it. What a break stands in the way of is not done; the phone shows the break.
pub async fn run(phone: &Arc<Phone>, command: Command) -> Answer {
    match done(phone, command).await {
        Err(error) => match error.downcast_ref::<CoreError>() {
            Some(CoreError::Break(card)) => Ok(json!({ "resting": person::resting(card) })),
            _ => Err(error),
        },
        answer => answer,
    }
}

async fn done(phone: &Arc<Phone>, command: Command) -> Answer {
    if phone.switches() {
        return Err("one moment, another player is being opened".into());
    }
    match command {
        Command::Topics => {
            let chosen = phone.session().interests().await?;
            // Without a network there is nothing to choose from, and what was chosen before holds.
            let topics = phone.session().topics().await.unwrap_or_default();
            let topics: Vec<Value> = topics.iter().map(|t| json!({ "id": t.id, "title": t.title })).collect();
            return Ok(json!({ "topics": topics, "chosen": chosen }));
        }
        Command::Begin { interests } => {
            if let Some(interests) = interests {
                phone.session().set_interests(interests).await?;
                phone.session().flush(INTERESTS_WITHIN).await?;
            }
            if phone.feed().is_err() {
                phone.begin().await?;
            }
        }
        Command::Next => phone.go(true).await?,
        Command::Previous => phone.go(false).await?,
        Command::Pause { on } => phone.feed()?.set_paused(on)?,
        Command::Mute { on } => phone.mute(on)?,
        Command::Captions { on } => phone.captions(on)?,
        Command::Seek { ms } => phone.feed()?.seek(ms)?,
        Command::Rate { rate } => phone.feed()?.set_rate(rate)?,
        Command::Reveal { position } => phone.reveal(position).await?,
        Command::Like { item, position, on, double } => {
            phone.feed()?.viewer(Viewer::Tapped(if double { Tap::Double } else { Tap::Like }))?;
            phone.like(&item, position, on).await?;
        }
        Command::Follow { creator, position, on } => {
            phone.feed()?.viewer(Viewer::Tapped(Tap::Follow))?;
            phone.follow(&creator, position, on).await?;
        }
        Command::Save { item, position, on } => {
            phone.feed()?.viewer(Viewer::Tapped(Tap::Save))?;
            phone.save(&item, position, on).await?;
        }
        Command::Comments { item, opened } => {
            if opened {
                phone.feed()?.viewer(Viewer::Tapped(Tap::Comment))?;
            }
            return comments(phone, &item).await;
        }
        Command::Comment { item, text } => {
            phone.session().add_comment(&item, None, &text).await?;
            return comments(phone, &item).await;
        }
        Command::Share { item, position } => {
            phone.feed()?.viewer(Viewer::Tapped(Tap::Share))?;
            record(
                phone,
                "unspool.share",
                vec![text("item", &item), count("position", position), text("target", "copy_link")],
            )
            .await?;
        }
        Command::NotInterested { item, position } => {
            phone.feed()?.not_interested(position).await?;
            let told = vec![text("item", &item), text("about", "item"), count("position", position)];
            record(phone, "unspool.not_interested", told).await?;
            phone.go(true).await?;
        }
        Command::Report { item, reason, at_ms } => {
            let scene = Some(Scene { from_ms: at_ms, to_ms: at_ms });
            phone
                .session()
                .report(Report { subject: ReportSubject::Item(item.clone()), reason, scene, words: None })
                .await?;
            let told = vec![text("subject", &item), text("about", "item"), text("category", reason.name())];
            record(phone, "unspool.report", told).await?;
            return Ok(json!({ "reports": person::reports(&phone.session().reports().await?) }));
        }
        Command::Reports => {
            // Without a network, or with a server that decides nothing, what this device knows is what there is.
            let filed = match phone.session().refresh_reports().await {
                Ok(filed) => filed,
                Err(_) => phone.session().reports().await?,
            };
            return Ok(json!({ "reports": person::reports(&filed) }));
        }
        Command::Block { creator, on } => phone.session().set_blocked(&creator, on).await?,
        Command::Why { position } => {
            let feed = phone.feed()?;
            feed.viewer(Viewer::Tapped(Tap::Why))?;
            let parameters = phone.session().main_parameters();
            let parameters = parameters.iter().map(|one| json!({ "words": one.words, "value": one.value }));
            let why = person::why(&feed.why(position).await?);
            return Ok(json!({ "why": why, "parameters": parameters.collect::<Vec<_>>() }));
        }
        Command::Zone { minutes } => phone.session().set_utc_offset(minutes)?,
        Command::Time => return Ok(person::time(&phone.session())),
        Command::Limits { change } => {
            let before = phone.session().wellbeing().view.choices;
            phone.session().set_limits(person::chosen(before, change)).await?;
            return Ok(person::time(&phone.session()));
        }
        Command::Weight { topic, weight } => phone.session().set_learner_weight(&topic, weight).await?,
        Command::ForgetTopic { topic } => {
            phone.session().forget_learned_topic(&topic).await?;
            // What the person set by hand goes too: nothing of the topic is left.
            phone.session().set_learner_weight(&topic, 0.0).await?;
        }
        Command::ResetLearner => phone.session().reset_learner().await?,
        Command::EraseLearner => phone.session().erase_learner().await?,
        Command::ExportLearner => return Ok(json!({ "text": phone.session().export_learner().await? })),
        Command::Network { choice, name } => phone.choose(&choice, name).await?,
        Command::Label { item, label } => {
            phone.origin.as_ref().ok_or("there is no server with moderators")?.label(&item, &label).await?;
            phone.feed()?.refresh_labels()?;
        }
        Command::Engine { engine } => {
            // Begun is begun, also where nobody waits for the answer any more.
            let phone = Arc::clone(phone);
            tokio::spawn(async move { phone.switch(engine).await }).await??;
        }
        Command::Flush => {
            phone.session().flush(Duration::from_secs(5)).await?;
        }
    }
    Ok(json!({}))
}

async fn comments(phone: &Phone, item: &str) -> Answer {
    let comments = phone.session().comments(item).await?;
    let list: Vec<Value> = comments
        .iter()
        .map(|comment| {
            let state = match &comment.state {
                CommentState::Sent => "sent",
                CommentState::Waiting => "waiting",
                CommentState::Refused { .. } => "refused",
            };
            json!({ "id": comment.id, "text": comment.text, "at": comment.at_ms, "state": state })
        })
        .collect();
    Ok(json!({ "comments": list }))
}

async fn record(phone: &Phone, name: &str, told: Vec<(String, Told)>) -> Result<(), unspool::Error> {
    phone.session().record_durable(name, told).await.map(drop)
}

fn text(key: &str, value: &str) -> (String, Told) {
    (key.to_owned(), Told::Str(value.to_owned()))
}

fn count(key: &str, value: u64) -> (String, Told) {
    (key.to_owned(), Told::Int(i64::try_from(value).unwrap_or(i64::MAX)))
}
