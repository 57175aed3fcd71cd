//! Where a rendition's bytes are: its address, how long that is good, and how a fresh one is had.
//!
//! An HLS rendition is one media file named by a playlist; its route is the playlist's address and the references
//! from there to the file. Both may carry signatures of their own and run out of time apart from each other, so each
//! has a number, and a refusal is blamed on the numbers it met. A rendition in several files has one route too: the
//! references to each playlist, and from there to each file.
//!
//! The same bytes may be on several hosts. The addresses stand in the publisher's order; which one a request goes to is
//! decided by the health of their hosts, except that a rendition whose version differs between hosts stays where its
//! stored bytes came from as long as that host is well.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use unspool_engine::MediaKey;
use url::Url;

use super::hosts::host_of;
use super::{FetchError, Fetcher, HostBook, Http, Limits, Location, ResolveError, UrlResolver};
use crate::probe::hls::Shape;

/// Versions of a file seen in one session before it is called unstable.
const VERSIONS: u32 = 4;
/// A resolver is asked where a dead host went at most this often per route. 10 s: longer than the back-off of one
/// demand, so a line that is down costs one question, and short enough that a move is noticed within a swipe or two.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// The right to change a route's address or references over the network; one holder at a time.
pub(crate) type Turn<'a> = tokio::sync::MutexGuard<'a, ()>;

/// The way to one rendition.
#[derive(Debug, Default)]
pub(crate) struct Route {
    state: Mutex<State>,
    resolving: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default, Clone)]
struct State {
    location: Option<Location>,
    /// Counts addresses.
    number: u64,
    references: Vec<String>,
    /// Of a rendition in several files: the ways to them.
    ways: Vec<Way>,
    /// Counts readings of the references.
    reading: u64,
    /// What the playlist cut when the references were read.
    shape: Option<Shape>,
    needs_references: bool,
    /// Nothing of it may be asked for until an address is set again.
    withdrawn: bool,
    /// Versions seen beyond the first of the rendition's file, or of each of several.
    versions: BTreeMap<Option<u32>, u32>,
    /// When the resolver was last asked where a dead host went.
    asked: Option<Instant>,
    /// The host that the stored version came from, once hosts were seen to differ.
    home: Option<String>,
    /// Addresses that their hosts do not know.
    missing: Vec<Url>,
}

/// The way to the files that one playlist lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// From the registered address to the playlist.
    pub to: Vec<String>,
    /// From there to each file.
    pub files: Vec<String>,
}

/// An address to send a request to, and what it was made from.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub url: Url,
    /// Name of its host in the books of health.
    pub host: String,
    /// Number of the registered address.
    pub location: u64,
    /// Number of the references.
    pub references: u64,
    expires_at_ms: Option<i64>,
}

impl Place {
    /// Whether its own time is over by now.
    pub(crate) fn expired(&self) -> bool {
        self.expires_at_ms.is_some_and(|at| at <= wall_ms())
    }
}

impl State {
    /// The references from the address to a file; none when it is the address itself, or is not known yet.
    fn references(&self, file: Option<u32>) -> Vec<String> {
        let Some(mut number) = file.and_then(|file| usize::try_from(file).ok()) else {
            return self.references.clone();
        };
        for way in &self.ways {
            match way.files.get(number) {
                Some(file) => return way.to.iter().chain([file]).cloned().collect(),
                None => number -= way.files.len(),
            }
        }
        Vec::new()
    }

    /// Every usable address of what `references` lead to, best first; the first one's error when there is none.
    fn addresses(&self, references: &[String], http: &Http) -> Result<Vec<Url>, FetchError> {
        self.may_ask()?;
        let Some(location) = &self.location else { return Err(FetchError::Unknown) };
        let follow = |base: &String| {
            let mut url = http.check(base)?;
            for reference in references {
                let next = url.join(reference).map_err(|_| FetchError::Refused("not a usable reference"))?;
                url = http.check(next.as_str())?;
            }
            Ok(url)
        };
        let mut wrong = None;
        let mut urls: Vec<Url> = Vec::with_capacity(1 + location.alternates.len());
        for base in std::iter::once(&location.url).chain(&location.alternates) {
            match follow(base) {
                Ok(url) if !urls.contains(&url) => urls.push(url),
                Ok(_) => {}
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        if urls.is_empty() {
            return Err(wrong.unwrap_or(FetchError::Unknown));
        }
        // Where all are missing, the first one's refusal is the answer.
        if urls.iter().any(|url| !self.missing.contains(url)) {
            urls.retain(|url| !self.missing.contains(url));
        }
        if let Some(home) = &self.home {
            urls.sort_by_key(|url| host_of(url) != *home);
        }
        Ok(urls)
    }

    fn place(
        &self,
        references: &[String],
        http: &Http,
        choose: impl FnOnce(&[&str]) -> usize,
    ) -> Result<Place, FetchError> {
        let mut urls = self.addresses(references, http)?;
        let names: Vec<String> = urls.iter().map(host_of).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let chosen = choose(&names).min(urls.len() - 1);
        let url = urls.swap_remove(chosen);
        Ok(Place {
            host: host_of(&url),
            url,
            location: self.number,
            references: self.reading,
            expires_at_ms: self.location.as_ref().and_then(|location| location.expires_at_ms),
        })
    }

    fn may_ask(&self) -> Result<(), FetchError> {
        if self.withdrawn { Err(FetchError::Refused("withdrawn")) } else { Ok(()) }
    }

    fn take(&mut self, mut location: Location) {
        location.alternates.truncate(Location::ALTERNATES);
        self.location = Some(location);
        self.number += 1;
        self.missing.clear();
    }
}

/// What came of asking where a dead host went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relocated {
    /// The address is another one now.
    Elsewhere,
    /// The answer is the old address, or there is no answer.
    Same,
    /// Nobody may be asked now.
    NotAsked,
}

impl Route {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the newest address.
    pub(crate) fn set(&self, location: Location) {
        let mut state = self.state();
        state.withdrawn = false;
        if state.location.as_ref() != Some(&location) {
            state.take(location);
        }
    }

    /// Whether it has an address.
    pub(crate) fn is_known(&self) -> bool {
        self.state().location.is_some()
    }

    /// Lets nothing be asked for any more, neither bytes nor a fresh address, until an address is set.
    pub(crate) fn withdraw(&self) {
        self.state().withdrawn = true;
    }

    /// The references from the address to the media file, or the ways to all of them, just read, and what the playlist
    /// says apart from these.
    pub(crate) fn set_references(&self, references: Vec<String>, ways: Vec<Way>, shape: Shape) {
        let mut state = self.state();
        state.references = references;
        state.ways = ways;
        state.shape = Some(shape);
        state.reading += 1;
        state.missing.clear();
    }

    /// The references to a file, or to the media file of a rendition that has one. Empty when the address is the file,
    /// or was not read yet.
    pub(crate) fn references(&self, file: Option<u32>) -> Vec<String> {
        self.state().references(file)
    }

    /// The ways to the files of a rendition that has several.
    pub(crate) fn ways(&self) -> Vec<Way> {
        self.state().ways.clone()
    }

    /// What the playlist cut when the references were read.
    pub(crate) fn shape(&self) -> Option<Shape> {
        self.state().shape.clone()
    }

    /// The numbers of the address and of the references.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        let state = self.state();
        (state.number, state.reading)
    }

    /// Counts a version change of the file, or of `file` of several; an error when there were too many.
    pub(crate) fn version_changed(&self, file: Option<u32>) -> Result<(), FetchError> {
        let mut state = self.state();
        let versions = state.versions.entry(file).or_default();
        *versions += 1;
        if *versions >= VERSIONS { Err(FetchError::Unstable) } else { Ok(()) }
    }

    /// Where the file that the playlist lists after `file` is, on the host that `place` is on.
    pub(crate) fn after(&self, file: u32, place: &Place, http: &Http) -> Option<Url> {
        let state = self.state();
        let mut base = 0;
        let listed = state.ways.iter().any(|way| {
            let within = base..base + way.files.len() as u64;
            base = within.end;
            within.contains(&u64::from(file)) && within.contains(&(u64::from(file) + 1))
        });
        let references = state.references(file.checked_add(1).filter(|_| listed));
        let urls = state.addresses(&references, http).ok().filter(|_| listed)?;
        urls.into_iter().find(|url| host_of(url) == place.host)
    }

    /// The file that `file` of several is read with, which may be itself; none for what is read by itself.
    pub(crate) fn header_of(&self, file: u32) -> Option<u32> {
        let state = self.state();
        let Some(Shape::Lists(cuts)) = &state.shape else { return None };
        let mut base = 0;
        for cut in cuts {
            if file - base < cut.files {
                return cut.init.map(|init| base + init.file);
            }
            base += cut.files;
        }
        None
    }

    /// Whether the address is a playlist, so that the file is only known once it was read.
    pub(crate) fn need_references(&self, needed: bool) {
        self.state().needs_references = needed;
    }

    /// Waits for the turn.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        self.resolving.lock().await
    }

    /// Waits for the turn unless the caller has it.
    pub(crate) async fn own_turn(&self, held: Option<&Turn<'_>>) -> Option<Turn<'_>> {
        match held {
            Some(_) => None,
            None => Some(self.turn().await),
        }
    }

    /// Where the media file is, or `file` of several; the address is refreshed first when it is about to expire. `urgent`
    /// says that a person waits.
    pub(crate) async fn media_place(
        &self,
        key: &MediaKey,
        file: Option<u32>,
        fetcher: &Fetcher,
        urgent: bool,
    ) -> Result<Place, FetchError> {
        if self.lacks_references(file) {
            return Err(FetchError::Refused("a playlist that was not probed yet"));
        }
        self.freshen(key, fetcher, None).await?;
        let state = self.state();
        state.place(&state.references(file), fetcher.http(), |hosts| fetcher.hosts().choose(hosts, urgent))
    }

    /// Whether what `references` lead to is also on a host that does not rest, other than the one of `place`.
    pub(crate) fn has_better(
        &self,
        references: &[String],
        place: &Place,
        http: &Http,
        book: &HostBook,
        urgent: bool,
    ) -> bool {
        let Ok(urls) = self.state().addresses(references, http) else { return false };
        let names: Vec<String> = urls.iter().map(host_of).collect();
        book.has_better(&names.iter().map(String::as_str).collect::<Vec<_>>(), &place.host, urgent)
    }

    /// The host of `place` does not know the file; whether it may be on another one.
    pub(crate) fn is_missing(&self, references: &[String], place: &Place, http: &Http) -> bool {
        let mut state = self.state();
        if (state.number, state.reading) != (place.location, place.references) {
            return true;
        }
        let Ok(urls) = state.addresses(references, http) else { return false };
        let others = urls.iter().any(|url| *url != place.url);
        if others {
            state.missing.push(place.url.clone());
        }
        others
    }

    /// The version stored now came from `host`, and another one had another: stay with this one.
    pub(crate) fn settle_at(&self, host: &str) {
        self.state().home = Some(host.to_owned());
    }

    /// Whether one of the addresses that `references` lead to is `url`.
    pub(crate) fn leads_to(&self, references: &[String], url: &Url, http: &Http) -> Result<bool, FetchError> {
        Ok(self.state().addresses(references, http)?.contains(url))
    }

    fn lacks_references(&self, file: Option<u32>) -> bool {
        let state = self.state();
        (state.needs_references || file.is_some()) && state.references(file).is_empty()
    }

    /// Where `references` lead to from the registered address, which is refreshed first when it is about to expire.
    pub(crate) async fn place_along(
        &self,
        key: &MediaKey,
        references: &[String],
        fetcher: &Fetcher,
        turn: Option<&Turn<'_>>,
    ) -> Result<Place, FetchError> {
        self.freshen(key, fetcher, turn).await?;
        self.state().place(references, fetcher.http(), |hosts| fetcher.hosts().choose(hosts, false))
    }

    /// Refreshes an address that is unknown or about to expire.
    async fn freshen(
        &self,
        key: &MediaKey,
        fetcher: &Fetcher,
        turn: Option<&Turn<'_>>,
    ) -> Result<(), FetchError> {
        let limits = fetcher.limits();
        let (stale, number) = {
            let state = self.state();
            state.may_ask()?;
            let margin = i64::try_from(limits.expiry_margin.as_millis()).unwrap_or(i64::MAX);
            let stale = match &state.location {
                None => true,
                Some(location) => {
                    location.expires_at_ms.is_some_and(|at| at.saturating_sub(margin) <= wall_ms())
                }
            };
            (stale, state.number)
        };
        match fetcher.resolver() {
            Some(resolver) if stale => self.refresh(key, number, resolver, limits, turn).await,
            _ => Ok(()),
        }
    }

    /// Whether the resolver may be asked now where a dead host went; a yes counts as asking.
    pub(crate) fn may_ask(&self) -> bool {
        let mut state = self.state();
        let may = state.asked.is_none_or(|at| at.elapsed() >= ASK_AGAIN);
        if may {
            state.asked = Some(Instant::now());
        }
        may
    }

    /// Gets a fresh address after number `refused` was refused. Those who were refused together ask once.
    pub(crate) async fn refresh(
        &self,
        key: &MediaKey,
        refused: u64,
        resolver: &dyn UrlResolver,
        limits: &Limits,
        turn: Option<&Turn<'_>>,
    ) -> Result<(), FetchError> {
        let _turn = self.own_turn(turn).await;
        if self.state().number != refused {
            return Ok(());
        }
        self.resolve(key, resolver, limits).await
    }

    /// Gets a fresh address; the caller has the turn.
    pub(crate) async fn resolve(
        &self,
        key: &MediaKey,
        resolver: &dyn UrlResolver,
        limits: &Limits,
    ) -> Result<(), FetchError> {
        match tokio::time::timeout(limits.resolve_timeout, resolver.resolve(key)).await {
            Ok(Ok(location)) => {
                self.state().take(location);
                Ok(())
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(ResolveError::Unavailable.into()),
        }
    }
}

/// Milliseconds since 1970.
fn wall_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
