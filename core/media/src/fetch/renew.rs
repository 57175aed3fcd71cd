//! What is done about an address that no longer works.
//!
//! A refused file gets a fresh address. Behind a playlist the reference is what ran out, and a reading of the playlist
//! renews it: first at the address that is known, then at a fresh one. A host that cannot be connected to may have
//! moved, so the resolver is asked, seldom. All of it is done by one at a time per route; the others wait and go on
//! with what it found.

use unspool_engine::MediaKey;

use super::scheduler::Renewal;
use super::{FetchError, Fetcher, Place, Purpose, Relocated, Turn, Way};
use crate::probe::hls::{self, Cuts, Parsed, Shape};
use crate::probe::listing::{Cut, Listing};
use crate::probe::{ProbeError, malformed};
use crate::segments::owner;
use crate::store::Entry;
use crate::tasks;

/// What the playlists of a rendition say.
pub(crate) struct Chain {
    /// From the registered address to the media file, of a rendition that has one.
    pub references: Vec<String>,
    /// The ways to the files of a rendition that has several.
    pub ways: Vec<Way>,
    pub found: Found,
    /// Declared bits per second.
    pub bits: Option<u64>,
    /// The playlists themselves, in the order they were read.
    pub texts: Vec<Vec<u8>>,
}

/// How a rendition is cut.
pub(crate) enum Found {
    File(Cuts),
    Lists(Vec<Cut>),
}

impl Found {
    pub(crate) fn shape(&self) -> Shape {
        match self {
            Found::File(cuts) => cuts.shape(),
            Found::Lists(cuts) => Shape::Lists(cuts.clone()),
        }
    }
}

/// The rendition that a stored key belongs to, and the number of its file where there are several.
pub(super) fn rendition_of(key: &MediaKey) -> (MediaKey, Option<u32>) {
    owner(key).map_or_else(|| (key.clone(), None), |(rendition, file)| (rendition, Some(file)))
}

impl Fetcher {
    /// Reads the playlists from the registered address of `key` to its media files. `purpose` is asked before each.
    pub(crate) async fn playlists(
        &self,
        key: &MediaKey,
        purpose: impl Fn() -> Purpose,
        turn: Option<&Turn<'_>>,
    ) -> Result<Chain, ProbeError> {
        let mut text = self.small(key, &[], hls::PLAYLIST_BYTES, purpose(), turn).await?;
        let mut parsed = hls::parse(&text)?;
        let mut texts = vec![text];
        let (mut to, mut sound, mut bits) = (Vec::new(), None, None);
        if let Parsed::Variant(variant) = parsed {
            to.push(variant.reference);
            sound = variant.audio;
            bits = Some(variant.bits);
            text = self.small(key, &to, hls::PLAYLIST_BYTES, purpose(), turn).await?;
            parsed = match sound {
                Some(_) => Parsed::List(hls::parse_one_of_two(&text)?),
                None => hls::parse(&text)?,
            };
            texts.push(text);
        }
        let mut lists = match parsed {
            Parsed::File(cuts) => {
                let references = to.into_iter().chain([cuts.reference.clone()]).collect();
                return Ok(Chain { references, ways: Vec::new(), found: Found::File(cuts), bits, texts });
            }
            Parsed::List(pictures) => vec![(to, pictures)],
            Parsed::Variant(_) => return Err(malformed(hls::NESTED)),
        };
        if let Some(sound) = sound {
            let to = vec![sound];
            let text = self.small(key, &to, hls::PLAYLIST_BYTES, purpose(), turn).await?;
            lists.push((to, hls::parse_one_of_two(&text)?));
            texts.push(text);
        }
        let (mut ways, mut cuts) = (Vec::new(), Vec::new());
        for (to, Listing { files, cut }) in lists {
            ways.push(Way { to, files });
            cuts.push(cut);
        }
        Ok(Chain { references: Vec::new(), ways, found: Found::Lists(cuts), bits, texts })
    }

    /// Renews the way to the media file after `refused` was refused with `status`.
    pub(super) async fn renew(
        &self,
        entry: &Entry,
        refused: &Place,
        status: u16,
        purpose: Purpose,
    ) -> Result<(), FetchError> {
        self.may_send()?;
        let (key, file) = &rendition_of(&entry.key);
        let route = self.route(key);
        if route.references(*file).is_empty() {
            let Some(resolver) = self.resolver() else { return Err(FetchError::Denied { status }) };
            return route.refresh(key, refused.location, resolver, self.limits(), None).await;
        }
        let turn = route.turn().await;
        if route.numbers().1 != refused.references {
            return Ok(());
        }
        let (location, _) = route.numbers();
        self.read_references(entry, purpose, &turn).await?;
        let same_file = route.leads_to(&route.references(*file), &refused.url, self.http())?;
        if let Some(resolver) = self.resolver()
            && same_file
            && route.numbers().0 == location
        {
            // The playlist still names what was refused: an old copy of it, or an address whose path is what ran out.
            route.resolve(key, resolver, self.limits()).await?;
            self.read_references(entry, purpose, &turn).await?;
        }
        Ok(())
    }

    /// Reads the playlists again and takes their references; another layout than before is another version.
    async fn read_references(
        &self,
        entry: &Entry,
        purpose: Purpose,
        turn: &Turn<'_>,
    ) -> Result<(), FetchError> {
        let (key, file) = rendition_of(&entry.key);
        let route = self.route(&key);
        let chain = self.playlists(&key, || purpose, Some(turn)).await.map_err(|error| match error {
            ProbeError::Fetch(error) => error,
            _ => FetchError::Protocol("a playlist that is no longer usable"),
        })?;
        let shape = chain.found.shape();
        let same = route.shape().is_none_or(|known| known == shape);
        if !same && file.is_none() && entry.supersede() {
            self.accounts().version_dropped(&key);
        }
        route.set_references(chain.references.clone(), chain.ways.clone(), shape);
        let news = match same {
            true => Renewal::References(chain.references, chain.ways),
            false => Renewal::Version,
        };
        self.tell(key, news).await?;
        match (same, file) {
            (true, _) => Ok(()),
            // What was asked for belongs to the version that is gone.
            (false, Some(_)) => Err(FetchError::Unstable),
            (false, None) => route.version_changed(None),
        }
    }

    /// Tells whoever keeps what is known of renditions, off the async threads; whether they are the version they were.
    pub(super) async fn tell(&self, key: MediaKey, news: Renewal) -> Result<bool, FetchError> {
        let Some(renewed) = self.renewed() else { return Ok(true) };
        let told = tasks::spawn_blocking(move || renewed(&key, news));
        told.await.map_err(|_| FetchError::Closed)
    }

    /// Asks for another address after no connection to `place` came about.
    pub(super) async fn relocate(
        &self,
        key: &MediaKey,
        references: &[String],
        place: &Place,
        turn: Option<&Turn<'_>>,
    ) -> Relocated {
        let Some(resolver) = self.resolver() else { return Relocated::NotAsked };
        let route = self.route(key);
        let _turn = route.own_turn(turn).await;
        let elsewhere = || {
            route.leads_to(references, &place.url, self.http()).is_ok_and(|same| !same)
                || route.has_better(references, place, self.http(), self.hosts(), false)
        };
        if elsewhere() {
            Relocated::Elsewhere
        } else if self.may_send().is_err() || !route.may_ask() {
            Relocated::NotAsked
        } else if route.resolve(key, resolver, self.limits()).await.is_ok() && elsewhere() {
            Relocated::Elsewhere
        } else {
            Relocated::Same
        }
    }

    /// Like [`relocate`](Fetcher::relocate) for the media file; whether it is somewhere else now.
    pub(super) async fn relocate_media(&self, entry: &Entry, place: &Place, purpose: Purpose) -> bool {
        let (key, file) = &rendition_of(&entry.key);
        let route = self.route(key);
        let turn = route.turn().await;
        let references = route.references(*file);
        match self.relocate(key, &references, place, Some(&turn)).await {
            Relocated::Elsewhere => true,
            // A playlist may name a file on another host than its own, so only reading it again tells.
            Relocated::Same if !references.is_empty() => {
                self.read_references(entry, purpose, &turn).await.is_ok()
                    && route
                        .leads_to(&route.references(*file), &place.url, self.http())
                        .is_ok_and(|same| !same)
            }
            Relocated::Same | Relocated::NotAsked => false,
        }
    }
}
