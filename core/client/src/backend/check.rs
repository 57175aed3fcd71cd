//! The bounds of what a backend says, for answers from the wire and from an app alike.
//!
//! An item that breaks one is dropped and the page goes on without it; an answer that is wrong as a whole is
//! [`BackendError::Malformed`]. What passes may be trusted by the engine.

use std::time::Duration;

use unspool_engine::learner::MAX_DIMENSIONS;
use unspool_engine::report::MOST_REPORTS;
use unspool_engine::{CaptionTrack, Embedding, Item, LabelUpdate, Page, Rendition};
use unspool_media::Location;
use url::Url;

use super::{BackendError, Located, Topic};
use crate::wishes::is_language;

/// Most items of a page, and the largest limit asked for.
pub(super) const PAGE_ITEMS: usize = 50;
/// Longest identifier.
const ID_BYTES: usize = 128;
/// Longest text of a person, in bytes.
const TEXT_BYTES: usize = 4 * 1024;
/// Longest address.
const URL_BYTES: usize = 4 * 1024;
/// Most addresses of one rendition on other hosts: as many as are used.
const ALTERNATES: usize = Location::ALTERNATES;
/// Longest tag, in bytes: 64 letters of the widest scripts, as the open networks have it.
const TAG_BYTES: usize = 640;
/// Most entries of a list inside an item.
const LIST_ENTRIES: usize = 64;
/// Most files of captions of one asset; the largest publishers caption in some thirty languages.
const CAPTIONS: usize = 32;
/// Most topics.
const TOPICS: usize = 1_000;
/// Most points of a retention curve.
const CURVE_POINTS: usize = 1_000;
/// Longest asset: a day.
const DURATION_MS: u64 = 86_400_000;
/// Longest reason of an error, in characters: a line of a log.
const REASON_CHARS: usize = 256;
/// Longest wait that is believed, as for `Retry-After`: a day.
const RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// Whether a text can be an identifier: 1 to 128 printable ASCII characters without a space.
pub(crate) fn id_fits(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES && id.bytes().all(|b| b.is_ascii_graphic())
}

fn url_fits(url: &str) -> bool {
    url.len() <= URL_BYTES
        && Url::parse(url).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
}

/// The page without the items that break a bound.
pub(super) fn page(page: Page) -> Result<Page, BackendError> {
    let offered = page.items.len();
    if offered > PAGE_ITEMS {
        return Err(BackendError::Malformed(format!("more than {PAGE_ITEMS} items on a page")));
    }
    let items: Vec<Item> = page.items.into_iter().filter_map(item).collect();
    if items.len() < offered {
        tracing::warn!(dropped = offered - items.len(), "items outside the contract were dropped");
    }
    Ok(Page { items, next_cursor: page.next_cursor.filter(|c| c.len() <= TEXT_BYTES) })
}

/// The item with the renditions that keep the bounds, lowest bit rate first.
pub(crate) fn item(mut item: Item) -> Option<Item> {
    let ids = [&item.id, &item.asset.id, &item.creator.id];
    let texts = [&item.caption, &item.alt_text, &item.creator.name, &item.creator.handle];
    let lists = [&item.topics, &item.labels, &item.self_labels, &item.creator_labels, &item.languages];
    let lists_fit = lists.iter().all(|l| l.len() <= LIST_ENTRIES && l.iter().all(|t| id_fits(t)));
    let tag_fits = |t: &String| !t.is_empty() && t.len() <= TAG_BYTES && !t.chars().any(char::is_control);
    let tags_fit = item.tags.len() <= LIST_ENTRIES && item.tags.iter().all(tag_fits);
    let sound_fits = item.sound.as_deref().is_none_or(id_fits);
    let curve = &item.retention;
    let curve_fits = curve.len() <= CURVE_POINTS
        && curve.iter().all(|&(ms, share)| ms <= DURATION_MS && (0.0..=1.0).contains(&share))
        && curve.windows(2).all(|w| w[0].0 < w[1].0);
    let prior_fits = item.prior.is_none_or(|p| (0.0..=1.0).contains(&p));
    if !(ids.iter().all(|i| id_fits(i))
        && texts.iter().all(|t| t.len() <= TEXT_BYTES)
        && lists_fit
        && tags_fit
        && sound_fits
        && curve_fits
        && prior_fits
        && item.asset.duration_ms <= DURATION_MS)
    {
        return None;
    }
    // Without a vector or a series that can be used a card is still a card.
    item.vector = item.vector.filter(vector_fits);
    item.series = item.series.filter(|series| id_fits(&series.id));
    // A card without its picture is still a card.
    item.thumbnail = item.thumbnail.filter(|url| url_fits(url));
    let renditions = &mut item.asset.renditions;
    renditions.truncate(LIST_ENTRIES);
    renditions.retain(rendition_fits);
    renditions.iter_mut().for_each(|r| keep_alternates(&mut r.alternates));
    keep_captions(&mut item.captions);
    renditions.sort_by_key(|r| r.bitrate_bps);
    (!renditions.is_empty()).then_some(item)
}

/// Whether a vector can be learnt from: some finite numbers and not too many.
fn vector_fits(vector: &Embedding) -> bool {
    let values = &vector.values;
    !values.is_empty() && values.len() <= MAX_DIMENSIONS && values.iter().all(|v| v.is_finite())
}

fn rendition_fits(r: &Rendition) -> bool {
    let size_fits = r.width <= 16_384 && r.height <= 16_384 && r.bytes.is_none_or(|b| b <= 1 << 40);
    id_fits(&r.id) && size_fits && url_fits(&r.url)
}

/// Leaves the addresses that can be used: the first one alone is enough, so a bad one more costs nothing else.
fn keep_alternates(alternates: &mut Vec<String>) {
    alternates.retain(|url| url_fits(url));
    alternates.truncate(ALTERNATES);
}

/// Leaves the files of captions that can be used; a card plays without them.
fn keep_captions(captions: &mut Vec<CaptionTrack>) {
    let fits = |track: &CaptionTrack| {
        is_language(&track.language) && track.label.len() <= ID_BYTES && url_fits(&track.url)
    };
    captions.retain(fits);
    captions.truncate(CAPTIONS);
}

/// The topics that keep the bounds.
/// The updates that keep the bounds.
pub(super) fn labels(updates: Vec<LabelUpdate>) -> Vec<LabelUpdate> {
    let list_fits = |l: &Vec<String>| l.len() <= LIST_ENTRIES && l.iter().all(|t| id_fits(t));
    let fits = |u: &LabelUpdate| id_fits(&u.item) && list_fits(&u.labels) && list_fits(&u.creator_labels);
    updates.into_iter().filter(fits).take(PAGE_ITEMS).collect()
}

/// The decisions about reports that keep the bounds.
pub(super) fn reports(decided: Vec<(String, String)>) -> Vec<(String, String)> {
    let fits = |(target, outcome): &(String, String)| target.len() <= URL_BYTES && id_fits(outcome);
    decided.into_iter().filter(fits).take(MOST_REPORTS).collect()
}

pub(super) fn topics(topics: Vec<Topic>) -> Vec<Topic> {
    let fits = |t: &Topic| id_fits(&t.id) && t.title.len() <= TEXT_BYTES;
    topics.into_iter().filter(fits).take(TOPICS).collect()
}

/// The address, if it is one. One that is not counts as refused: unlike a page that was cut short, it does not come
/// better when it is asked for again.
pub(super) fn located(mut located: Located) -> Result<Located, BackendError> {
    keep_alternates(&mut located.alternates);
    if url_fits(&located.url) {
        Ok(located)
    } else {
        tracing::warn!("the answer to locate is no http(s) address of at most {URL_BYTES} bytes");
        Err(BackendError::Refused { status: 0 })
    }
}

/// The error with its text and its wait bounded.
pub(super) fn error(error: BackendError) -> BackendError {
    let short = |text: String| text.chars().take(REASON_CHARS).collect();
    match error {
        BackendError::Network(reason) => BackendError::Network(short(reason)),
        BackendError::Untrusted(reason) => BackendError::Untrusted(short(reason)),
        BackendError::NoToken(reason) => BackendError::NoToken(short(reason)),
        BackendError::Malformed(reason) => BackendError::Malformed(short(reason)),
        BackendError::Busy { status, retry_after } => {
            BackendError::Busy { status, retry_after: retry_after.map(|wait| wait.min(RETRY_AFTER)) }
        }
        BackendError::HostRefused { host } => BackendError::HostRefused { host: short(host) },
        BackendError::SignIn | BackendError::Refused { .. } => error,
    }
}
