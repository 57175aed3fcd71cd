//! What a card shows. Addresses of its video stay in the core.

use crate::safety::CardSafety;

/// One card of a feed.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Card {
    /// Position in the feed, from 0.
    pub position: u64,
    /// What it is; without its thumbnail while it is covered.
    pub item: Item,
    /// What the safety filter says of it.
    pub safety: CardSafety,
}

/// What a backend says about one video.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Item {
    /// Identifier: 1 to 128 printable ASCII characters without space.
    pub id: String,
    /// Identifier of the asset it shows; same form.
    pub asset_id: String,
    /// Length of the asset in milliseconds; 0 when unknown.
    pub duration_ms: u64,
    /// Who made it.
    pub creator: Creator,
    /// Topic identifiers, most important first; at most 64.
    pub topics: Vec<String>,
    /// Caption as written by the creator; at most 4 KiB.
    pub caption: String,
    /// Description for people who cannot see the picture; at most 4 KiB.
    pub alt_text: String,
    /// Labels put on it by the backend; at most 64.
    pub labels: Vec<String>,
    /// Labels its creator put on it; at most 64.
    #[uniffi(default = [])]
    pub self_labels: Vec<String>,
    /// Labels put on its creator by the backend; at most 64.
    #[uniffi(default = [])]
    pub creator_labels: Vec<String>,
    /// Tags of the creator's own, without the #; at most 64 of 640 bytes.
    #[uniffi(default = [])]
    pub tags: Vec<String>,
    /// Languages of the caption, main one first, as two-letter codes.
    #[uniffi(default = [])]
    pub languages: Vec<String>,
    /// Identifier of the sound it uses, where it uses one that others use too.
    #[uniffi(default = None)]
    pub sound: Option<String>,
    /// Address of a still picture of it.
    #[uniffi(default = None)]
    pub thumbnail: Option<String>,
    /// How the person stands to its creator, as the backend said with it.
    #[uniffi(default = None)]
    pub relation: Option<Relation>,
    /// The series it is part of, where it is of one.
    #[uniffi(default = None)]
    pub series: Option<SeriesPart>,
}

/// The place of an item in a series.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SeriesPart {
    /// Identifier of the series.
    pub id: String,
    /// Number of the part, ascending in the order it is meant to be seen.
    pub part: u32,
}

/// How the person and a creator stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Relation {
    /// The person follows the creator.
    #[uniffi(default = false)]
    pub following: bool,
    /// The person muted the creator.
    #[uniffi(default = false)]
    pub muted: bool,
    /// The person blocked the creator.
    #[uniffi(default = false)]
    pub blocking: bool,
    /// The creator blocked the person.
    #[uniffi(default = false)]
    pub blocked_by: bool,
}

/// Who made an item.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Creator {
    /// Identifier.
    pub id: String,
    /// Short public name, without the @.
    pub handle: String,
    /// Display name.
    pub name: String,
}

impl From<unspool::Item> for Item {
    fn from(item: unspool::Item) -> Self {
        Item {
            id: item.id,
            asset_id: item.asset.id,
            duration_ms: item.asset.duration_ms,
            creator: Creator { id: item.creator.id, handle: item.creator.handle, name: item.creator.name },
            topics: item.topics,
            caption: item.caption,
            alt_text: item.alt_text,
            labels: item.labels,
            self_labels: item.self_labels,
            creator_labels: item.creator_labels,
            tags: item.tags,
            languages: item.languages,
            sound: item.sound,
            thumbnail: item.thumbnail,
            relation: Some(item.relation.into()),
            series: item.series.map(SeriesPart::from),
        }
    }
}

impl From<unspool::SeriesPart> for SeriesPart {
    fn from(series: unspool::SeriesPart) -> Self {
        let unspool::SeriesPart { id, part } = series;
        SeriesPart { id, part }
    }
}

impl From<SeriesPart> for unspool::SeriesPart {
    fn from(series: SeriesPart) -> Self {
        let SeriesPart { id, part } = series;
        unspool::SeriesPart { id, part }
    }
}

impl From<unspool::Relation> for Relation {
    fn from(relation: unspool::Relation) -> Self {
        let unspool::Relation { following, muted, blocking, blocked_by } = relation;
        Relation { following, muted, blocking, blocked_by }
    }
}

impl From<Relation> for unspool::Relation {
    fn from(relation: Relation) -> Self {
        let Relation { following, muted, blocking, blocked_by } = relation;
        unspool::Relation { following, muted, blocking, blocked_by }
    }
}

impl From<unspool::Card> for Card {
    fn from(card: unspool::Card) -> Self {
        Card {
            position: card.position,
            item: card.item.into(),
            safety: CardSafety::new(card.decision, card.covered),
        }
    }
}
