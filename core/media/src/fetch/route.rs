//! Where a rendition's bytes are: its address, how long that is good, and how a fresh one is had.
//!
//! An HLS rendition is one media file named by a playlist; its route is the playlist's address and the references
//! from there to the file. Both may carry signatures of their own and run out of time apart from each other, so each
//! has a number, and a refusal is blamed on the numbers it met. A rendition in several files has one route too: the
//! references to each playlist, and from there to each file.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use unspool_engine::MediaKey;
use url::Url;

use super::{FetchError, Fetcher, Http, Limits, Location, ResolveError, UrlResolver};
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
    versions: u32,
    /// When the resolver was last asked where a dead host went.
    asked: Option<Instant>,
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

    fn place(&self, references: &[String], http: &Http) -> Result<Place, FetchError> {
        let Some(location) = &self.location else { return Err(FetchError::Unknown) };
        let mut url = http.check(&location.url)?;
        for reference in references {
            let next = url.join(reference).map_err(|_| FetchError::Refused("not a usable reference"))?;
            url = http.check(next.as_str())?;
        }
        Ok(Place {
            url,
            location: self.number,
            references: self.reading,
            expires_at_ms: location.expires_at_ms,
        })
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
        if state.location.as_ref() != Some(&location) {
            state.location = Some(location);
            state.number += 1;
        }
    }

    /// The references from the address to the media file, or the ways to all of them, just read, and what the playlist
    /// says apart from these.
    pub(crate) fn set_references(&self, references: Vec<String>, ways: Vec<Way>, shape: Shape) {
        let mut state = self.state();
        state.references = references;
        state.ways = ways;
        state.shape = Some(shape);
        state.reading += 1;
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

    /// Counts a version change; an error when there were too many.
    pub(crate) fn version_changed(&self) -> Result<(), FetchError> {
        let mut state = self.state();
        state.versions += 1;
        if state.versions >= VERSIONS { Err(FetchError::Unstable) } else { Ok(()) }
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

    /// Where the media file is, or `file` of several; the address is refreshed first when it is about to expire.
    pub(crate) async fn media_place(
        &self,
        key: &MediaKey,
        file: Option<u32>,
        fetcher: &Fetcher,
    ) -> Result<Place, FetchError> {
        if self.lacks_references(file) {
            return Err(FetchError::Refused("a playlist that was not probed yet"));
        }
        self.freshen(key, fetcher, None).await?;
        let state = self.state();
        state.place(&state.references(file), fetcher.http())
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
        self.here(references, fetcher.http())
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

    /// Where `references` lead to from the address as it is.
    pub(crate) fn here(&self, references: &[String], http: &Http) -> Result<Place, FetchError> {
        self.state().place(references, http)
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
                let mut state = self.state();
                state.location = Some(location);
                state.number += 1;
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
