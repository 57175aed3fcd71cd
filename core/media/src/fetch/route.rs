//! Where a rendition's bytes are: its address, how long that is good, and how a fresh one is had.
//!
//! An HLS rendition is one media file named by a playlist; its route is the playlist's address and the references
//! from there to the file, so a fresh playlist address leads to a fresh file address.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use unspool_engine::MediaKey;
use url::Url;

use super::{FetchError, Http, Limits, Location, ResolveError, UrlResolver};

/// Versions of a file seen in one session before it is called unstable.
const VERSIONS: u32 = 4;

/// The way to one rendition.
#[derive(Debug, Default)]
pub(crate) struct Route {
    state: Mutex<State>,
    resolving: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default, Clone)]
struct State {
    location: Option<Location>,
    /// Counts addresses, so that a refusal is blamed on the address it met.
    number: u64,
    references: Vec<String>,
    needs_references: bool,
    versions: u32,
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

    /// The references from the address to the media file; empty when the address is the file.
    pub(crate) fn set_references(&self, references: Vec<String>) {
        self.state().references = references;
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

    /// The media file's address and its number, refreshed first when it is about to expire.
    pub(crate) async fn media_url(
        &self,
        key: &MediaKey,
        http: &Http,
        resolver: Option<&dyn UrlResolver>,
        limits: &Limits,
    ) -> Result<(Url, u64), FetchError> {
        let references = {
            let state = self.state();
            if state.needs_references && state.references.is_empty() {
                return Err(FetchError::Refused("a playlist that was not probed yet"));
            }
            state.references.clone()
        };
        self.url_along(key, &references, http, resolver, limits).await
    }

    /// The address that `references` lead to from the registered one, and the number of that one.
    pub(crate) async fn url_along(
        &self,
        key: &MediaKey,
        references: &[String],
        http: &Http,
        resolver: Option<&dyn UrlResolver>,
        limits: &Limits,
    ) -> Result<(Url, u64), FetchError> {
        let mut state = self.state().clone();
        let margin = i64::try_from(limits.expiry_margin.as_millis()).unwrap_or(i64::MAX);
        let stale = match &state.location {
            None => true,
            Some(location) => location.expires_at_ms.is_some_and(|at| at.saturating_sub(margin) <= wall_ms()),
        };
        if stale && let Some(resolver) = resolver {
            self.refresh(key, state.number, resolver, limits).await?;
            state = self.state().clone();
        }
        let Some(location) = &state.location else { return Err(FetchError::Unknown) };
        let mut url = http.check(&location.url)?;
        for reference in references {
            let next = url.join(reference).map_err(|_| FetchError::Refused("not a usable reference"))?;
            url = http.check(next.as_str())?;
        }
        Ok((url, state.number))
    }

    /// Gets a fresh address after number `refused` was refused. Those who were refused together ask once.
    pub(crate) async fn refresh(
        &self,
        key: &MediaKey,
        refused: u64,
        resolver: &dyn UrlResolver,
        limits: &Limits,
    ) -> Result<(), FetchError> {
        let _turn = self.resolving.lock().await;
        if self.state().number != refused {
            return Ok(());
        }
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
