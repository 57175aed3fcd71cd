//! The feed: invented items around the assets, and the order each feed shows them in.
//!
//! Everything is a function of the item's number and of the actor's name, so two servers with the same catalogue answer
//! alike and a test can be read. A cursor names a place in the feed's order, not a count of items, so a filter that
//! changes between two pages (a follow) never shows an item twice.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::catalogue::{Asset, Catalogue};
use crate::contract::{Creator, ItemVector, SeriesPart, Topic};

/// Most items a feed may have.
pub const MAX_ITEMS: usize = 100_000;

const TOPICS: [(&str, &str); 8] = [
    ("nature", "Nature"),
    ("cooking", "Cooking"),
    ("music", "Music"),
    ("science", "Science"),
    ("sport", "Sport"),
    ("craft", "Craft"),
    ("travel", "Travel"),
    ("comedy", "Comedy"),
];

const CREATORS: [(&str, &str); 12] = [
    ("fern.and.moss", "Fern & Moss"),
    ("pan_and_fire", "Pan and Fire"),
    ("lowendtheory", "Low End Theory"),
    ("askaphysicist", "Ask a Physicist"),
    ("sundaylegs", "Sunday Legs"),
    ("knotwork", "Knotwork"),
    ("slowtrains", "Slow Trains"),
    ("deadpan.dan", "Deadpan Dan"),
    ("tidepool", "Tidepool"),
    ("bakewithbo", "Bake with Bo"),
    ("one.take", "One Take"),
    ("mapmaker", "The Map Maker"),
];

/// Creators everybody follows until they say otherwise.
const FOLLOWED: [usize; 4] = [0, 3, 6, 9];

/// Sounds that items share.
const SOUNDS: u64 = 20;

const OPENINGS: [&str; 8] = [
    "Nobody told me about this",
    "Watch until the end",
    "Three tries and it worked",
    "What a morning",
    "I keep coming back to this",
    "Small thing, big difference",
    "You asked, here it is",
    "Day 12 of trying",
];

const CLOSINGS: [(&str, &str); 8] = [
    ("the light through the old beeches", "nature"),
    ("the only dumpling fold you need", "cooking"),
    ("that bass line, slowed down", "music"),
    ("why ice is slippery after all", "science"),
    ("a corner kick from the touchline", "sport"),
    ("a bowline you can tie behind your back", "craft"),
    ("the night train over the pass", "travel"),
    ("my cat reviews the new sofa", "comedy"),
];

/// Which feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feed {
    /// Ordered for the actor.
    ForYou,
    /// Of the creators the actor follows.
    Following,
    /// Items labelled `reviewed`.
    Learn,
    /// The same order for everybody.
    NonProfiled,
    /// Items of one topic.
    Topic(String),
}

impl Feed {
    /// The feed a query names, or `None` when there is none of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "for_you" => Some(Feed::ForYou),
            "following" => Some(Feed::Following),
            "learn" => Some(Feed::Learn),
            "non_profiled" => Some(Feed::NonProfiled),
            other => {
                let topic = other.strip_prefix("topic:")?;
                TOPICS.iter().any(|(id, _)| *id == topic).then(|| Feed::Topic(topic.to_owned()))
            }
        }
    }

    /// The name a query uses.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Feed::ForYou => "for_you".to_owned(),
            Feed::Following => "following".to_owned(),
            Feed::Learn => "learn".to_owned(),
            Feed::NonProfiled => "non_profiled".to_owned(),
            Feed::Topic(topic) => format!("topic:{topic}"),
        }
    }
}

/// An item without its addresses, which differ per actor and call.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Identifier.
    pub id: String,
    /// Number of the asset in the catalogue.
    pub asset: usize,
    /// Number of the creator.
    creator: usize,
    /// Topic identifiers.
    pub topics: Vec<String>,
    /// Caption.
    pub caption: String,
    /// Description of the picture.
    pub alt_text: String,
    /// Labels.
    pub labels: Vec<String>,
    /// Tags of the creator's own.
    pub tags: Vec<String>,
    /// The sound it uses, where others use it too.
    pub sound: Option<String>,
    /// `[milliseconds, share]`.
    pub retention: Vec<(u64, f64)>,
    /// Prediction.
    pub prior: Option<f64>,
    /// Where it lies among all items.
    pub vector: Option<ItemVector>,
    /// Its place in a series.
    pub series: Option<SeriesPart>,
}

impl Card {
    /// Who made it.
    #[must_use]
    pub fn creator(&self) -> Creator {
        let (handle, name) = CREATORS[self.creator % CREATORS.len()];
        Creator { id: creator_id(self.creator), handle: handle.to_owned(), name: name.to_owned() }
    }
}

/// All items there are.
#[derive(Debug, Clone)]
pub struct Feeds {
    cards: Vec<Card>,
    /// Items that show each asset once; a shuffle stays within such a round, so that one clip is not shown twice in a
    /// row except where rounds meet. `None` when nothing is shuffled.
    round: Option<usize>,
}

/// The topics an actor chose, as the bits of their numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chosen(u8);

impl Chosen {
    /// The topics among what an actor said of each; unknown ones do not count.
    #[must_use]
    pub fn of(said: &[(String, bool)]) -> Self {
        let chosen = |topic: &str| said.iter().any(|(target, wanted)| *wanted && target == topic);
        let bits = TOPICS.iter().enumerate().filter(|(_, (topic, _))| chosen(topic));
        Chosen(bits.fold(0, |bits, (number, _)| bits | 1 << number))
    }

    fn shows(self, card: &Card) -> bool {
        let holds = |(number, (topic, _)): (usize, &(&str, &str))| {
            self.0 & 1 << number != 0 && card.topics.iter().any(|of| of == topic)
        };
        TOPICS.iter().enumerate().any(holds)
    }
}

/// A place in a feed's order. The order of `for_you` depends on what was chosen when the listing began, so the place
/// carries it: an interest that changes between two pages neither repeats nor loses an item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Cards of the order before it.
    pub at: usize,
    /// What the actor had chosen.
    pub chosen: Chosen,
}

/// Rounds a card of a chosen topic moves ahead of the others: cards of the first four stand before the first.
const AHEAD_ROUNDS: usize = 4;

impl Feeds {
    /// Items around a catalogue: `count` invented ones, or one per asset in its own order when it is a folder.
    #[must_use]
    pub fn new(catalogue: &Catalogue, count: usize) -> Self {
        let assets = catalogue.assets();
        if assets.is_empty() {
            return Feeds { cards: Vec::new(), round: None };
        }
        let cards = if catalogue.invented {
            (0..count.min(MAX_ITEMS)).map(|number| invent(number, assets)).collect()
        } else {
            assets.iter().enumerate().map(|(number, asset)| plain(number, asset)).collect()
        };
        Feeds { cards, round: catalogue.invented.then_some(assets.len()) }
    }

    /// The number of an item.
    #[must_use]
    pub fn number(&self, item: &str) -> Option<usize> {
        let number: usize = item.strip_prefix("item-")?.parse().ok()?;
        self.cards.get(number).filter(|card| card.id == item).map(|_| number)
    }

    /// An item by its identifier.
    #[must_use]
    pub fn card(&self, item: &str) -> Option<&Card> {
        self.cards.get(self.number(item)?)
    }

    /// Number of items of the longest feed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cards.len()
    }

    /// Whether there is nothing to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cards.is_empty()
    }

    /// Up to `limit` items from `place` on, and the place to go on from unless the end is reached. `follows` are what
    /// the actor said about creators.
    #[must_use]
    pub fn page(
        &self,
        feed: &Feed,
        actor: &str,
        follows: &[(String, bool)],
        place: Place,
        limit: usize,
    ) -> (Vec<&Card>, Option<Place>) {
        self.page_without(feed, actor, follows, &[], place, limit)
    }

    /// The same with nothing of the topics in `enough_of`.
    #[must_use]
    pub fn page_without(
        &self,
        feed: &Feed,
        actor: &str,
        follows: &[(String, bool)],
        enough_of: &[&str],
        place: Place,
        limit: usize,
    ) -> (Vec<&Card>, Option<Place>) {
        let order = self.order(feed, actor, place.chosen);
        let followed = followed(follows);
        let shown = |card: &Card| match feed {
            Feed::ForYou | Feed::NonProfiled => true,
            Feed::Following => followed.contains(&creator_id(card.creator)),
            Feed::Learn => card.labels.iter().any(|label| label == "reviewed"),
            Feed::Topic(topic) => card.topics.contains(topic),
        };
        let mut cards = Vec::with_capacity(limit);
        for (at, card) in order.iter().enumerate().skip(place.at).filter_map(|(at, number)| {
            let card = self.cards.get(*number)?;
            let other = !card.topics.iter().any(|topic| enough_of.contains(&topic.as_str()));
            (shown(card) && other).then_some((at, card))
        }) {
            if cards.len() == limit {
                return (cards, Some(Place { at, ..place }));
            }
            cards.push(card);
        }
        (cards, None)
    }

    fn order(&self, feed: &Feed, actor: &str, chosen: Chosen) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.cards.len()).collect();
        if let (Feed::ForYou, Some(round)) = (feed, self.round) {
            let seed = number_of(&["order", actor]);
            order.sort_by_cached_key(|number| {
                let (in_round, shuffled) = (number / round, mix(seed ^ *number as u64));
                let wanted = self.cards.get(*number).is_some_and(|card| chosen.shows(card));
                let turn = if wanted { in_round / AHEAD_ROUNDS } else { in_round };
                (turn, !wanted, in_round, shuffled, *number)
            });
        }
        order
    }
}

fn followed(follows: &[(String, bool)]) -> BTreeSet<String> {
    let mut set: BTreeSet<String> = FOLLOWED.iter().map(|number| creator_id(*number)).collect();
    for (creator, wanted) in follows {
        if *wanted {
            set.insert(creator.clone());
        } else {
            set.remove(creator);
        }
    }
    set
}

/// All topics.
#[must_use]
pub fn topics() -> Vec<Topic> {
    TOPICS.iter().map(|(id, title)| Topic { id: (*id).to_owned(), title: (*title).to_owned() }).collect()
}

/// The opaque text of a place in a feed.
#[must_use]
pub fn cursor(feed: &Feed, place: Place) -> String {
    hex::encode(format!("1 {} {} {}", feed.name(), place.at, place.chosen.0))
}

/// The place a cursor names, or `None` when it is not one of this feed's.
#[must_use]
pub fn place_of(feed: &Feed, cursor: &str) -> Option<Place> {
    let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
    let rest = text.strip_prefix("1 ")?.strip_prefix(&feed.name())?.strip_prefix(' ')?;
    let (at, chosen) = rest.split_once(' ')?;
    Some(Place { at: at.parse().ok()?, chosen: Chosen(chosen.parse().ok()?) })
}

fn creator_id(number: usize) -> String {
    format!("creator-{:02}", number % CREATORS.len())
}

fn invent(number: usize, assets: &[Asset]) -> Card {
    let draw = |what: u64| mix((number as u64) << 8 | what);
    let pick = |what: u64, of: usize| usize::try_from(draw(what) % of as u64).unwrap_or(0);
    let share = |what: u64| (draw(what) >> 11) as f64 / (1u64 << 53) as f64;
    // Each round through the assets starts one further, so that neighbours differ across the seam too.
    let asset = (number + number / assets.len()) % assets.len();
    let topic = pick(1, TOPICS.len());
    let second = pick(2, TOPICS.len());
    let mut topics = vec![TOPICS[topic].0.to_owned()];
    if second != topic && draw(3) % 2 == 0 {
        topics.push(TOPICS[second].0.to_owned());
    }
    let closing = CLOSINGS.iter().find(|(_, of)| *of == TOPICS[topic].0).map_or("this", |(text, _)| *text);
    let mut labels = Vec::new();
    if draw(4) % 3 == 0 {
        labels.push("reviewed".to_owned());
    }
    if draw(5) % 9 == 0 {
        labels.push("ai_generated".to_owned());
    }
    if draw(6) % 11 == 0 {
        labels.push("paid_promotion".to_owned());
    }
    let title = &assets[asset].title;
    Card {
        id: format!("item-{number:05}"),
        asset,
        creator: pick(7, CREATORS.len()),
        caption: format!("{}: {closing} #{}", OPENINGS[pick(8, OPENINGS.len())], TOPICS[topic].0),
        alt_text: format!("{title}, with the clip's name and a running clock on top."),
        labels,
        tags: vec![TOPICS[topic].0.to_owned()],
        sound: (draw(13) % 3 != 0).then(|| format!("sound-{:02}", draw(14) % SOUNDS)),
        retention: retention(assets[asset].duration_ms, share(9), share(10)),
        prior: (draw(11) % 4 != 0).then(|| rounded(share(12))),
        vector: Some(vector(&topics, share(15))),
        // Every third item is a part of its topic's course.
        series: number
            .is_multiple_of(3)
            .then(|| SeriesPart { id: format!("course-{}", TOPICS[topic].0), part: (number / 3) as u32 }),
        topics,
    }
}

/// A place among all items: one axis a topic, which each of its topics pulls along, and a little of its own.
fn vector(topics: &[String], own: f64) -> ItemVector {
    let along = |id: &str| if topics.iter().any(|topic| topic == id) { 1.0 } else { 0.0 };
    let values = TOPICS.iter().map(|(id, _)| rounded(along(id) - 0.125 + 0.1 * (own - 0.5))).collect();
    ItemVector { space: 1, values }
}

/// A curve that falls fast at first and slowly later: `floor` of the viewers stay, the rest leave at rate `haste`.
fn retention(duration_ms: u64, floor: f64, haste: f64) -> Vec<(u64, f64)> {
    const POINTS: u64 = 8;
    let floor = 0.1 + 0.6 * floor;
    let haste = 1.0 + 5.0 * haste;
    (0..=POINTS)
        .map(|point| {
            let share = floor + (1.0 - floor) * (-haste * point as f64 / POINTS as f64).exp();
            (duration_ms * point / POINTS, rounded(share))
        })
        .collect()
}

fn plain(number: usize, asset: &Asset) -> Card {
    Card {
        id: format!("item-{number:05}"),
        asset: number,
        creator: number,
        topics: vec![TOPICS[number % TOPICS.len()].0.to_owned()],
        caption: asset.title.clone(),
        alt_text: format!("The file {}.", asset.title),
        labels: Vec::new(),
        tags: Vec::new(),
        sound: None,
        retention: Vec::new(),
        prior: None,
        vector: None,
        series: None,
    }
}

fn rounded(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}

fn number_of(words: &[&str]) -> u64 {
    let mut sha256 = Sha256::new();
    for word in words {
        sha256.update(word.as_bytes());
        sha256.update([0]);
    }
    sha256.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Spreads a number over 64 bits (the finalizer of SplitMix64).
fn mix(number: u64) -> u64 {
    let mut value = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Rendition;
    use crate::contract::Container;

    fn catalogue(assets: usize, invented: bool) -> Catalogue {
        let asset = |number: usize| Asset {
            id: format!("a{number}"),
            title: format!("Picture {number}"),
            duration_ms: 8000,
            renditions: vec![Rendition {
                id: "720".into(),
                width: 720,
                height: 1280,
                bitrate_bps: 1,
                container: Container::Mp4,
                file: "720.mp4".into(),
            }],
            captions: Vec::new(),
            files: Default::default(),
        };
        Catalogue::new((0..assets).map(asset).collect(), invented)
    }

    fn all(feeds: &Feeds, feed: &Feed, actor: &str, limit: usize) -> Vec<String> {
        listing(feeds, feed, actor, Chosen::default(), limit)
    }

    fn listing(feeds: &Feeds, feed: &Feed, actor: &str, chosen: Chosen, limit: usize) -> Vec<String> {
        let mut ids = Vec::new();
        let mut place = Place { at: 0, chosen };
        loop {
            let (cards, next) = feeds.page(feed, actor, &[], place, limit);
            assert!(cards.len() == limit || next.is_none());
            ids.extend(cards.iter().map(|card| card.id.clone()));
            match next {
                Some(next) => place = place_of(feed, &cursor(feed, next)).unwrap(),
                None => return ids,
            }
        }
    }

    #[test]
    fn every_feed_ends_and_repeats_nothing() {
        let feeds = Feeds::new(&catalogue(24, true), 5000);
        for feed in ["for_you", "following", "learn", "non_profiled", "topic:music"] {
            let feed = Feed::parse(feed).unwrap();
            let ids = all(&feeds, &feed, "me", 37);
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
            assert_eq!(ids, all(&feeds, &feed, "me", 50), "the same whatever the page size");
            assert!(ids.len() > 300, "{feed:?} has {} items", ids.len());
        }
        assert_eq!(all(&feeds, &Feed::ForYou, "me", 50).len(), 5000);
        assert_ne!(all(&feeds, &Feed::ForYou, "me", 50), all(&feeds, &Feed::ForYou, "you", 50));
        assert_eq!(all(&feeds, &Feed::NonProfiled, "me", 50), all(&feeds, &Feed::NonProfiled, "you", 50));
    }

    #[test]
    fn a_follow_between_pages_repeats_nothing() {
        let feeds = Feeds::new(&catalogue(24, true), 500);
        let (first, next) = feeds.page(&Feed::Following, "me", &[], Place::default(), 10);
        let follows = [("creator-01".to_owned(), true), ("creator-00".to_owned(), false)];
        let (second, _) = feeds.page(&Feed::Following, "me", &follows, next.unwrap(), 400);
        assert!(second.iter().any(|card| card.creator == 1));
        assert!(second.iter().all(|card| card.creator != 0));
        assert!(first.iter().all(|card| second.iter().all(|other| other.id != card.id)));
    }

    #[test]
    fn chosen_topics_come_earlier_and_a_listing_keeps_what_it_began_with() {
        let feeds = Feeds::new(&catalogue(6, true), 72);
        let said = |topic: &str, wanted| (topic.to_owned(), wanted);
        let chosen = Chosen::of(&[said("science", true), said("music", false), said("knitting", true)]);
        let plain = all(&feeds, &Feed::ForYou, "me", 50);
        let ordered = listing(&feeds, &Feed::ForYou, "me", chosen, 50);
        assert_eq!(
            ordered,
            listing(&feeds, &Feed::ForYou, "me", chosen, 7),
            "the same whatever the page size"
        );
        assert_eq!(ordered.iter().collect::<BTreeSet<_>>(), plain.iter().collect::<BTreeSet<_>>());
        let science = |id: &&String| {
            feeds.cards.iter().any(|card| card.id == **id && card.topics.contains(&"science".to_owned()))
        };
        let first = |list: &[String]| list.iter().take(12).filter(science).count();
        assert!(ordered.first().as_ref().is_some_and(science));
        assert!(first(&ordered) > first(&plain), "{} and {}", first(&ordered), first(&plain));
        let elsewhere = listing(&feeds, &Feed::NonProfiled, "me", chosen, 50);
        assert_eq!(
            elsewhere,
            all(&feeds, &Feed::NonProfiled, "me", 50),
            "what is not profiled does not change"
        );
    }

    #[test]
    fn a_folder_is_shown_in_its_own_order() {
        let feeds = Feeds::new(&catalogue(3, false), 72);
        assert_eq!(all(&feeds, &Feed::ForYou, "me", 2), ["item-00000", "item-00001", "item-00002"]);
    }

    #[test]
    fn curves_fall_from_one_and_neighbours_differ() {
        let feeds = Feeds::new(&catalogue(24, true), 200);
        for card in &feeds.cards {
            assert_eq!(card.retention[0], (0, 1.0));
            assert!(card.retention.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 >= two[1].1));
            assert!(card.prior.is_none_or(|prior| (0.0..=1.0).contains(&prior)));
        }
        assert!(feeds.cards.windows(2).all(|two| two[0].asset != two[1].asset));
    }

    #[test]
    fn cursors_belong_to_their_feed() {
        let place = Place { at: 7, chosen: Chosen(5) };
        let cursor = cursor(&Feed::ForYou, place);
        assert_eq!(place_of(&Feed::ForYou, &cursor), Some(place));
        assert_eq!(place_of(&Feed::Learn, &cursor), None);
        assert_eq!(place_of(&Feed::ForYou, "zz"), None);
        assert_eq!(Feed::parse("topic:knitting"), None);
    }
}
