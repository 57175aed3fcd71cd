//! Small files that are needed whole: playlists.
//!
//! They go past the scheduler, because they are one short request each, and past the span store, because they are kept
//! as blobs. The rules about addresses, refusals, retries and the books are the same.

use std::time::{Duration, Instant};

use unspool_engine::{MediaKey, Span};

use super::cmcd::Object;
use super::hosts::host_of;
use super::policy::backoff;
use super::response::{content_range, is_identity, is_intercepted, retry_after};
use super::{FetchError, Fetcher, Location, Purpose, Relocated, Turn};
use crate::outbound::Answer;

/// Most that is received of a refusal: an error page of any common server.
const REFUSAL_BYTES: u64 = 64 * 1024;

impl Fetcher {
    /// The file that `references` lead to from the address of `key`; refused when longer than `limit` bytes.
    ///
    /// `turn` is given by who holds the route's turn already.
    pub(super) async fn small(
        &self,
        key: &MediaKey,
        references: &[String],
        limit: u64,
        purpose: Purpose,
        turn: Option<&Turn<'_>>,
    ) -> Result<Vec<u8>, FetchError> {
        let mut attempt = 0;
        let mut refreshed = false;
        let mut relocated = false;
        let mut switches = 0;
        loop {
            self.may_send()?;
            let route = self.route(key);
            let place = route.place_along(key, references, self, turn).await?;
            let mut asked = None;
            let began = Instant::now();
            let error = match self.try_small(key, place.url.clone(), limit, purpose, &mut asked).await {
                Ok(bytes) => {
                    self.hosts().answered(&place.host, began);
                    return Ok(bytes);
                }
                Err(error) => error,
            };
            self.hosts().failed(&place.host, began, &error, asked);
            let elsewhere = error.of_host()
                && switches < Location::ALTERNATES
                && route.has_better(references, &place, self.http(), self.hosts(), false);
            let missing = error == FetchError::Denied { status: 404 }
                && route.is_missing(references, &place, self.http());
            if elsewhere || missing {
                switches += 1;
                continue;
            }
            match (&error, self.resolver()) {
                (FetchError::Denied { .. }, Some(resolver)) if !refreshed => {
                    refreshed = true;
                    route.refresh(key, place.location, resolver, self.limits(), turn).await?;
                }
                (FetchError::Unreachable, _)
                    if !relocated
                        && self.relocate(key, references, &place, turn).await == Relocated::Elsewhere =>
                {
                    relocated = true;
                }
                _ if error.transient() && attempt + 1 < self.limits().attempts => {
                    attempt += 1;
                    tokio::time::sleep(backoff(self.limits(), attempt, asked)).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// Receives the body of a refusal, so that the connection can be used again and the books are exact. A long one is
    /// hung up on.
    pub(super) async fn discard(&self, response: &mut Answer, purpose: Purpose) {
        let mut left = REFUSAL_BYTES;
        while let Ok(Some(piece)) = self.http().piece(response).await {
            let bytes = piece.len() as u64;
            self.accounts().received(purpose, bytes);
            self.accounts().dropped(purpose, bytes);
            left = left.saturating_sub(bytes);
            if left == 0 {
                return;
            }
        }
    }

    async fn try_small(
        &self,
        key: &MediaKey,
        url: url::Url,
        limit: u64,
        purpose: Purpose,
        asked: &mut Option<Duration>,
    ) -> Result<Vec<u8>, FetchError> {
        let said = self.says(key, Object::Manifest, None, false);
        self.warmth().used(&host_of(&url));
        let mut response = self.http().get(url, Span::new(0, limit), None, said).await?;
        let status = response.status().as_u16();
        if !response.status().is_success() || is_intercepted(&response) {
            self.discard(&mut response, purpose).await;
        }
        match status {
            206 => {
                let range = content_range(response.headers())
                    .ok_or(FetchError::Protocol("no usable Content-Range"))?;
                if range.span.is_none_or(|span| span.start != 0) {
                    return Err(FetchError::Protocol("another range than asked for"));
                }
                if range.total.is_some_and(|total| total > limit) {
                    return Err(FetchError::Protocol("a playlist over its limit"));
                }
            }
            200 if is_intercepted(&response) => return Err(FetchError::Intercepted),
            200 => {}
            401 | 403 | 404 | 410 => return Err(FetchError::Denied { status }),
            408 | 425 | 429 | 500..=599 => {
                *asked = retry_after(response.headers());
                return Err(FetchError::Busy { status });
            }
            _ => return Err(FetchError::Status { status }),
        }
        if !is_identity(response.headers()) {
            return Err(FetchError::Protocol("a content encoding on a playlist"));
        }
        let mut bytes = Vec::new();
        while let Some(piece) = self.http().piece(&mut response).await? {
            self.accounts().received(purpose, piece.len() as u64);
            bytes.extend_from_slice(&piece);
            if bytes.len() as u64 > limit {
                return Err(FetchError::Protocol("a playlist over its limit"));
            }
        }
        Ok(bytes)
    }
}
