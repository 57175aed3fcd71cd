//! What a card shows. Addresses of media stay in the core.

/// One card of a feed.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Card {
    /// Position in the feed, from 0.
    pub position: u64,
    /// What it is.
    pub item: Item,
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
        }
    }
}

impl From<unspool::Card> for Card {
    fn from(card: unspool::Card) -> Self {
        Card { position: card.position, item: card.item.into() }
    }
}
