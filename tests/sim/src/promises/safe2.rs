//! SAFE-2: the safety filter against the decisions of the AT Protocol's reference client.
//!
//! The file `protocols/atproto/moderation-vectors.json` holds 260 decisions on posts (labels under every preference, mutes
//! and blocks), each told for three places, and 75 on muted words. The filter that ships takes each of them.

use std::path::Path;

use serde::Deserialize;
use unspool_engine::safety::{
    AgeBand, Choice, Filter, LabelOf, MutedWord, Rules, SafetyError, SafetySettings, Source, Subject,
    Treatment,
};
use unspool_engine::{Relation, Wall};

use crate::error::SimError;

use super::{Inputs, Row};

/// What is measured.
const WHAT: &str = "reference decisions that the filter takes differently";

#[derive(Deserialize)]
struct Vectors {
    moderation: Vec<Moderation>,
    muted: Vec<Muted>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Moderation {
    label: Option<String>,
    visibility: Option<Visibility>,
    adult: Option<bool>,
    #[serde(default, rename = "self")]
    by_creator: bool,
    target: Option<Target>,
    #[serde(default)]
    viewer: Viewer,
    content_list: Place,
    content_view: Place,
    content_media: Place,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Visibility {
    #[serde(alias = "show")]
    Ignore,
    Warn,
    Hide,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Target {
    Post,
    Account,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Viewer {
    muted: bool,
    blocked_by: bool,
    blocking: Option<String>,
    following: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
struct Place {
    filter: bool,
    blur: bool,
    alert: bool,
    inform: bool,
    no_override: bool,
}

impl Place {
    fn equals(self, treatment: Treatment) -> bool {
        let Treatment { filter, blur, alert, inform, no_override } = treatment;
        (self.filter, self.blur, self.alert, self.inform, self.no_override)
            == (filter, blur, alert, inform, no_override)
    }
}

#[derive(Deserialize)]
struct Muted {
    value: String,
    text: String,
    targets: Vec<String>,
    tags: Vec<String>,
    hit: bool,
}

/// How many decisions there are, and which of them the filter takes differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Decisions of the file.
    pub decisions: usize,
    /// Those that differ, in words.
    pub different: Vec<String>,
}

/// Takes every decision of the file below `data`; nothing where the file is absent.
///
/// # Errors
/// Where the file is there and not in its format.
pub fn measure(data: &Path) -> Result<Option<Comparison>, SimError> {
    let path = data.join("protocols/atproto/moderation-vectors.json");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SimError::io(&path, error)),
    };
    let bad = |error: &dyn std::fmt::Display| SimError::format(&path, error.to_string());
    let vectors: Vectors = serde_json::from_str(&text).map_err(|error| bad(&error))?;
    let mut different = Vec::new();
    for (number, vector) in vectors.moderation.iter().enumerate() {
        if !decides_alike(vector).map_err(|error| bad(&error))? {
            different.push(format!("decision {number}"));
        }
    }
    for (number, vector) in vectors.muted.iter().enumerate() {
        if hits(vector).map_err(|error| bad(&error))? != vector.hit {
            different.push(format!("muted word {number}: {} in {:?}", vector.value, vector.text));
        }
    }
    Ok(Some(Comparison { decisions: vectors.moderation.len() + vectors.muted.len(), different }))
}

fn decides_alike(vector: &Moderation) -> Result<bool, SafetyError> {
    let mut settings = SafetySettings {
        age: AgeBand::Adult,
        adult_content: vector.adult.unwrap_or(false),
        ..SafetySettings::default()
    };
    if let (Some(label), Some(visibility)) = (&vector.label, vector.visibility) {
        let choice = match visibility {
            Visibility::Ignore => Choice::Show,
            Visibility::Warn => Choice::Warn,
            Visibility::Hide => Choice::Hide,
        };
        settings.labels.insert(label.clone(), choice);
    }
    let of = match (vector.target == Some(Target::Account), vector.by_creator) {
        (false, false) => LabelOf::Item,
        (false, true) => LabelOf::ItemByCreator,
        (true, false) => LabelOf::Creator,
        (true, true) => LabelOf::CreatorByCreator,
    };
    let Viewer { muted, blocked_by, blocking, following } = &vector.viewer;
    let subject = Subject {
        labels: vector.label.iter().map(|label| (label.as_str(), of)).collect(),
        relation: Relation {
            following: following.is_some(),
            muted: *muted,
            blocking: blocking.is_some(),
            blocked_by: *blocked_by,
        },
        ..Subject::default()
    };
    let decision = Filter::new(&Rules::default(), &settings, Wall::default())?.judge(&subject);
    let surfaces = decision.surfaces;
    // What the feed does must follow from the places, not stand beside them.
    let follows = decision.hides() == surfaces.list.filter
        && (decision.hides() || decision.blurs())
            == (surfaces.list.filter || surfaces.list.blur || surfaces.view.blur || surfaces.media.blur);
    Ok(follows
        && vector.content_list.equals(surfaces.list)
        && vector.content_view.equals(surfaces.view)
        && vector.content_media.equals(surfaces.media))
}

fn hits(vector: &Muted) -> Result<bool, SafetyError> {
    let word = MutedWord {
        value: vector.value.clone(),
        tags_only: !vector.targets.iter().any(|target| target == "content"),
        ..MutedWord::default()
    };
    let settings = SafetySettings { age: AgeBand::Adult, words: vec![word], ..SafetySettings::default() };
    let subject = Subject { tags: &vector.tags, texts: [&vector.text, ""], ..Subject::default() };
    let decision = Filter::new(&Rules::default(), &settings, Wall::default())?.judge(&subject);
    Ok(decision.hides() && decision.causes.iter().any(|cause| cause.source == Source::MutedWord))
}

/// Judges the filter.
///
/// # Errors
/// Where a file is there and not in its format.
pub fn rows(inputs: &Inputs) -> Result<Vec<Row>, SimError> {
    let Some(data) = &inputs.data else {
        return Ok(vec![Row::no_data("SAFE-2", WHAT, "no folder of data")]);
    };
    let Some(Comparison { decisions, different }) = measure(data)? else {
        return Ok(vec![Row::no_data("SAFE-2", WHAT, "no reference decisions")]);
    };
    let alike = decisions - different.len();
    let row = Row::told("SAFE-2", WHAT, different.len() as f64).at_most(0.0);
    let first = different.first().map(|first| format!(", first {first}")).unwrap_or_default();
    Ok(vec![row.note(format!("{alike} of {decisions} alike{first}"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_decides_as_the_reference_does() {
        let data = crate::world::shared_folder().unwrap_or_default().join("data");
        match measure(&data).unwrap() {
            Some(comparison) => {
                assert_eq!(comparison.different, Vec::<String>::new());
                assert_eq!(comparison.decisions, 335);
            }
            None => eprintln!("NO DATA: {}", data.display()),
        }
    }
}
