//! What is done about an address that no longer works.
//!
//! A refused file gets a fresh address. Behind a playlist the reference is what ran out, and a reading of the playlist
//! renews it: first at the address that is known, then at a fresh one. A host that cannot be connected to may have
//! moved, so the resolver is asked, seldom. All of it is done by one at a time per route; the others wait and go on
//! with what it found.

use unspool_engine::MediaKey;

use super::{FetchError, Fetcher, Place, Purpose, Relocated, Turn};
use crate::probe::hls::{self, Cuts, Parsed};
use crate::probe::{ProbeError, malformed};
use crate::store::Entry;

/// What the playlists of a rendition say.
pub(crate) struct Chain {
    /// From the registered address to the media file.
    pub references: Vec<String>,
    pub cuts: Cuts,
    /// The playlists themselves, in the order they were read.
    pub texts: Vec<Vec<u8>>,
}

impl Fetcher {
    /// Reads the playlists from the registered address of `key` to its media file. `purpose` is asked before each.
    pub(crate) async fn playlists(
        &self,
        key: &MediaKey,
        purpose: impl Fn() -> Purpose,
        turn: Option<&Turn<'_>>,
    ) -> Result<Chain, ProbeError> {
        let mut references: Vec<String> = Vec::new();
        let mut texts = Vec::new();
        loop {
            let text = self.small(key, &references, hls::PLAYLIST_BYTES, purpose(), turn).await?;
            let parsed = hls::parse(&text)?;
            texts.push(text);
            match parsed {
                Parsed::File(cuts) => {
                    references.push(cuts.reference.clone());
                    return Ok(Chain { references, cuts, texts });
                }
                Parsed::Variant(reference) if references.is_empty() => references.push(reference),
                Parsed::Variant(_) => return Err(malformed("a list of renditions within another")),
            }
        }
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
        let key = &entry.key;
        let route = self.route(key);
        if route.references().is_empty() {
            let Some(resolver) = self.resolver() else { return Err(FetchError::Denied { status }) };
            return route.refresh(key, refused.location, resolver, self.limits(), None).await;
        }
        let turn = route.turn().await;
        if route.numbers().1 != refused.references {
            return Ok(());
        }
        let (location, _) = route.numbers();
        self.read_references(entry, purpose, &turn).await?;
        let same_file = route.leads_to(&route.references(), &refused.url, self.http())?;
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
        let key = &entry.key;
        let route = self.route(key);
        let chain = self.playlists(key, || purpose, Some(turn)).await.map_err(|error| match error {
            ProbeError::Fetch(error) => error,
            _ => FetchError::Protocol("a playlist that is no longer usable"),
        })?;
        let shape = chain.cuts.shape();
        let same = route.shape().is_none_or(|known| known == shape);
        if !same && entry.supersede() {
            self.accounts().version_dropped(key);
        }
        route.set_references(chain.references.clone(), shape);
        if let Some(renewed) = self.renewed() {
            let key = key.clone();
            let kept =
                tokio::task::spawn_blocking(move || renewed(&key, same.then_some(&chain.references[..])));
            kept.await.map_err(|_| FetchError::Closed)?;
        }
        if same { Ok(()) } else { route.version_changed() }
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
        let key = &entry.key;
        let route = self.route(key);
        let turn = route.turn().await;
        let references = route.references();
        match self.relocate(key, &references, place, Some(&turn)).await {
            Relocated::Elsewhere => true,
            // A playlist may name a file on another host than its own, so only reading it again tells.
            Relocated::Same if !references.is_empty() => {
                self.read_references(entry, purpose, &turn).await.is_ok()
                    && route.leads_to(&route.references(), &place.url, self.http()).is_ok_and(|same| !same)
            }
            Relocated::Same | Relocated::NotAsked => false,
        }
    }
}
