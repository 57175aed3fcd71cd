//! What the person does on the page: one command, one answer.

use std::error::Error;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use unspool::spool::Value as Told;
use unspool::{CommentState, Tap, Viewer};

use super::network::Choice;
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
    Report { item: String, category: String },
    Block { creator: String, on: bool },
    Why,
    Network { choice: Choice, name: Option<String> },
    Label { item: String, label: String },
    Flush,
}

type Answer = Result<Value, Box<dyn Error>>;

/// Does it.
pub async fn run(phone: &Phone, command: Command) -> Answer {
    match command {
        Command::Topics => {
            let chosen = phone.session.interests().await?;
            // Without a network there is nothing to choose from, and what was chosen before holds.
            let topics = phone.session.topics().await.unwrap_or_default();
            let topics: Vec<Value> = topics.iter().map(|t| json!({ "id": t.id, "title": t.title })).collect();
            return Ok(json!({ "topics": topics, "chosen": chosen }));
        }
        Command::Begin { interests } => {
            if let Some(interests) = interests {
                phone.session.set_interests(interests).await?;
                phone.session.flush(INTERESTS_WITHIN).await?;
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
            phone.session.add_comment(&item, None, &text).await?;
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
            let told = vec![text("item", &item), text("about", "item"), count("position", position)];
            record(phone, "unspool.not_interested", told).await?;
            phone.go(true).await?;
        }
        Command::Report { item, category } => {
            let told = vec![text("subject", &item), text("about", "item"), text("category", &category)];
            record(phone, "unspool.report", told).await?;
        }
        Command::Block { creator, on } => phone.session.set_blocked(&creator, on).await?,
        Command::Why => phone.feed()?.viewer(Viewer::Tapped(Tap::Why))?,
        Command::Network { choice, name } => phone.choose(&choice, name).await?,
        Command::Label { item, label } => {
            phone.origin.as_ref().ok_or("there is no server with moderators")?.label(&item, &label).await?;
            phone.feed()?.refresh_labels()?;
        }
        Command::Flush => {
            phone.session.flush(Duration::from_secs(5)).await?;
        }
    }
    Ok(json!({}))
}

async fn comments(phone: &Phone, item: &str) -> Answer {
    let comments = phone.session.comments(item).await?;
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
    phone.session.record_durable(name, told).await.map(drop)
}

fn text(key: &str, value: &str) -> (String, Told) {
    (key.to_owned(), Told::Str(value.to_owned()))
}

fn count(key: &str, value: u64) -> (String, Told) {
    (key.to_owned(), Told::Int(i64::try_from(value).unwrap_or(i64::MAX)))
}
