//! One chunk: ask, judge the answer, file the bytes where they belong.
//!
//! Bytes are filed in pieces while they arrive, so a reader that waits at the front of a chunk does not wait for its
//! end. Nothing is filed before the response head proved which bytes of which version follow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use unspool_engine::Span;

use super::cmcd::Object;
use super::renew::rendition_of;
use super::response::{
    content_length, content_range, if_range, is_identity, is_intercepted, retry_after, validators,
};
use super::{FetchDone, FetchError, Fetcher, Location, Place, Purpose, Route};
use crate::outbound::Answer;
use crate::store::{Entry, StoreError, Validators};
use crate::tasks;

/// Arriving bytes are filed when this many are together; one checksum block.
const PIECE_BYTES: usize = 64 * 1024;
/// ... or when the oldest of them is this old, so that a slow line feeds its reader steadily,
const PIECE_AGE: Duration = Duration::from_millis(50);
/// ... or this old where a person waits: it is added to every first picture, and less would be a write per packet.
const URGENT_AGE: Duration = Duration::from_millis(10);
/// When a server that cannot send ranges is asked for bytes this near the start, the bytes before them are taken too.
/// 2 MiB: the head and first seconds of any short clip.
const SKIP_BYTES: u64 = 2 * 1024 * 1024;

/// Refusals that a chunk answers with a fresh address, as long as each refused one had run out of time by itself: a
/// slow line can outlive a very short-lived address more than once, but not for ever.
const REFUSALS: u32 = 3;

/// What a chunk needs to run.
pub(super) struct Chunk {
    pub fetcher: Arc<Fetcher>,
    pub route: Arc<Route>,
    pub entry: Arc<Entry>,
    pub span: Span,
    /// The range that is likely asked for after this one.
    pub next: Option<Span>,
    /// Whether a person waits for it.
    pub urgent: bool,
    pub purpose: Purpose,
}

/// How a chunk went.
#[derive(Debug)]
pub(super) struct ChunkEnd {
    pub result: Result<(), FetchError>,
    /// Body bytes received, whatever became of them.
    pub received: u64,
    /// Bytes that are new in the store.
    pub stored: u64,
    pub retry_after: Option<Duration>,
    /// Whether the next request goes to another host, so that waiting helps nobody.
    pub elsewhere: bool,
    pub sample: Option<FetchDone>,
    pub elapsed: Duration,
}

impl ChunkEnd {
    pub(super) fn failed(error: FetchError) -> Self {
        ChunkEnd {
            result: Err(error),
            received: 0,
            stored: 0,
            retry_after: None,
            elsewhere: false,
            sample: None,
            elapsed: Duration::ZERO,
        }
    }
}

/// What the head of an answer leads to.
enum Verdict {
    /// The body holds bytes from this offset on.
    Take(Body),
    /// Something was learnt; ask again.
    Again,
}

/// Which bytes a body holds.
#[derive(Clone, Copy)]
struct Body {
    from: u64,
    until: u64,
    generation: u64,
    /// Whether the end of the body is the end of the file, because the head did not tell its length.
    tells_size: bool,
}

/// Things that may happen once, or a few times, per chunk.
#[derive(Default)]
struct Once {
    refusals: u32,
    relocated: bool,
    relearnt: bool,
    versions: u32,
    switches: usize,
}

impl Chunk {
    pub(super) async fn run(self) -> ChunkEnd {
        let mut end = ChunkEnd {
            result: Ok(()),
            received: 0,
            stored: 0,
            retry_after: None,
            elsewhere: false,
            sample: None,
            elapsed: Duration::ZERO,
        };
        end.result = self.run_into(&mut end).await;
        end
    }

    async fn run_into(&self, end: &mut ChunkEnd) -> Result<(), FetchError> {
        let mut once = Once::default();
        loop {
            let known = self.entry.lock().validators().clone();
            let span = Span::new(self.span.start, self.span.end.min(known.size.unwrap_or(u64::MAX)));
            if span.is_empty() {
                return Ok(());
            }
            let (rendition, file) = rendition_of(&self.entry.key);
            let place = self.route.media_place(&rendition, file, &self.fetcher, self.urgent).await?;
            let asked = Instant::now();
            let mut said = self.fetcher.says(&rendition, Object::Media, self.next, self.urgent);
            // A segment of unknown length is likely shorter than a chunk.
            let last = self.next.is_none() || known.size.is_none();
            if let (Some((_, data)), Some(file), true) = (&mut said, file, last)
                && let Some(next) = self.route.after(file, &place, self.fetcher.http())
            {
                data.set_next(&place.url, next);
            }
            self.fetcher.warmth().used(&place.host);
            let got = self.fetcher.http().get(place.url.clone(), span, if_range(&known), said).await;
            let mut response = match got {
                Ok(response) => response,
                Err(error) => {
                    if self.fails_over(&place, asked, &error, None, &mut once) {
                        continue;
                    }
                    if error == FetchError::Unreachable
                        && !std::mem::replace(&mut once.relocated, true)
                        && self.fetcher.relocate_media(&self.entry, &place, self.purpose).await
                    {
                        continue;
                    }
                    return Err(error);
                }
            };
            let ttfb = asked.elapsed();
            if !response.status().is_success() || is_intercepted(&response) {
                self.fetcher.discard(&mut response, self.purpose).await;
            }
            match self.judge(&response, span, &place, &mut once, end).await {
                Ok(Verdict::Again) => self.fetcher.hosts().answered(&place.host, asked),
                Err(error) if error.of_host() => {
                    if !self.fails_over(&place, asked, &error, end.retry_after, &mut once) {
                        return Err(error);
                    }
                    end.retry_after = None;
                }
                Err(error) => {
                    self.fetcher.hosts().answered(&place.host, asked);
                    return Err(error);
                }
                Ok(Verdict::Take(body)) => {
                    let before = end.received;
                    let took = self.take(&mut response, body, end).await;
                    end.elapsed = asked.elapsed();
                    end.sample = Some(FetchDone {
                        key: self.entry.key.clone(),
                        host: place.host.clone(),
                        bytes: end.received - before,
                        elapsed_ms: millis(end.elapsed),
                        ttfb_ms: millis(ttfb),
                    });
                    match &took {
                        Ok(()) => self.fetcher.hosts().answered(&place.host, asked),
                        Err(error) => {
                            end.elsewhere = self.fails_over(&place, asked, error, None, &mut once);
                        }
                    }
                    return took;
                }
            }
        }
    }

    /// The references to the file that this chunk is of.
    fn references(&self) -> Vec<String> {
        self.route.references(rendition_of(&self.entry.key).1)
    }

    /// Writes a failure into the books of health; whether another host is to be asked at once.
    fn fails_over(
        &self,
        place: &Place,
        asked: Instant,
        error: &FetchError,
        wait: Option<Duration>,
        once: &mut Once,
    ) -> bool {
        self.fetcher.hosts().failed(&place.host, asked, error, wait);
        if *error == FetchError::Unreachable {
            self.fetcher.warmth().failed(&place.host);
        }
        once.switches += 1;
        error.of_host()
            && once.switches <= Location::ALTERNATES
            && self.fetcher.may_send().is_ok()
            && self.route.has_better(
                &self.references(),
                place,
                self.fetcher.http(),
                self.fetcher.hosts(),
                self.urgent,
            )
    }

    async fn judge(
        &self,
        response: &reqwest::Response,
        span: Span,
        place: &Place,
        once: &mut Once,
        end: &mut ChunkEnd,
    ) -> Result<Verdict, FetchError> {
        let headers = response.headers();
        let status = response.status().as_u16();
        match status {
            206 => {
                let range = content_range(headers).ok_or(FetchError::Protocol("no usable Content-Range"))?;
                let sent = range.span.ok_or(FetchError::Protocol("no usable Content-Range"))?;
                if sent.start != span.start || sent.end > span.end {
                    return Err(FetchError::Protocol("another range than asked for"));
                }
                if !is_identity(headers) {
                    return Err(FetchError::Protocol("a content encoding on a range"));
                }
                if content_length(headers).is_some_and(|len| len != sent.len()) {
                    return Err(FetchError::Protocol("length and range disagree"));
                }
                // A short range must be short because the file ends there, or the size is simply not told.
                let size = range.total;
                let generation = self.observe(headers, size, place, once).await?;
                Ok(Verdict::Take(Body { from: sent.start, until: sent.end, generation, tells_size: false }))
            }
            200 if is_intercepted(response) => Err(FetchError::Intercepted),
            200 => {
                if !is_identity(headers) {
                    return Err(FetchError::Protocol("a content encoding on a media file"));
                }
                let size = content_length(headers);
                let before = once.versions;
                let generation = self.observe(headers, size, place, once).await?;
                if once.versions != before && span.start > 0 {
                    // The whole new file, sent because our validator no longer holds: ask for the part instead.
                    return Ok(Verdict::Again);
                }
                if span.start > SKIP_BYTES {
                    return Err(FetchError::NoRanges);
                }
                let until = span.end.min(size.unwrap_or(u64::MAX));
                Ok(Verdict::Take(Body { from: 0, until, generation, tells_size: size.is_none() }))
            }
            416 => {
                let total = content_range(headers)
                    .and_then(|range| range.total)
                    .ok_or(FetchError::Protocol("range refused without a length"))?;
                if std::mem::replace(&mut once.relearnt, true) || total > span.start {
                    return Err(FetchError::Protocol("a range within the file was refused"));
                }
                self.observe(headers, Some(total), place, once).await?;
                Ok(Verdict::Again)
            }
            404 if self.route.is_missing(&self.references(), place, self.fetcher.http()) => {
                Ok(Verdict::Again)
            }
            401 | 403 | 404 | 410 => {
                if once.refusals > 0 && (once.refusals >= REFUSALS || !place.expired()) {
                    return Err(FetchError::Denied { status });
                }
                once.refusals += 1;
                self.fetcher.renew(&self.entry, place, status, self.purpose).await?;
                Ok(Verdict::Again)
            }
            408 | 425 | 429 | 500..=599 => {
                end.retry_after = retry_after(headers);
                Err(FetchError::Busy { status })
            }
            _ => Err(FetchError::Status { status }),
        }
    }

    /// Compares the answer's version with the stored one; the generation that its bytes belong to.
    async fn observe(
        &self,
        headers: &http::HeaderMap,
        size: Option<u64>,
        place: &Place,
        once: &mut Once,
    ) -> Result<u64, FetchError> {
        let before = self.entry.lock().generation();
        let had_bytes = self.entry.observe(&validators(headers, size));
        let generation = self.entry.lock().generation();
        if generation != before {
            once.versions += 1;
            self.route.settle_at(&place.host);
            self.route.version_changed(rendition_of(&self.entry.key).1)?;
        }
        if had_bytes {
            self.fetcher.accounts().version_dropped(&self.entry.key);
        }
        if generation != before {
            self.fetcher.file_changed(&self.entry.key, &self.route, self.purpose).await?;
        }
        Ok(generation)
    }

    async fn take(&self, response: &mut Answer, body: Body, end: &mut ChunkEnd) -> Result<(), FetchError> {
        let Body { from, until, generation, tells_size } = body;
        let mut at = from;
        let mut held = BytesMut::new();
        let mut oldest = Instant::now();
        let age = if self.urgent { URGENT_AGE } else { PIECE_AGE };
        let ended = loop {
            if at + held.len() as u64 >= until {
                break Ok(());
            }
            let next = self.fetcher.http().piece(response);
            let next = match held.is_empty() {
                true => next.await,
                // What has come must not wait for what is still on its way.
                false => match tokio::time::timeout(age.saturating_sub(oldest.elapsed()), next).await {
                    Ok(next) => next,
                    Err(_) => {
                        at += self.file(generation, at, held.split().freeze(), end).await?;
                        continue;
                    }
                },
            };
            let piece = match next {
                Ok(Some(piece)) => piece,
                Ok(None) if tells_size => {
                    let size = Some(at + held.len() as u64);
                    self.entry.observe(&Validators { size, ..Validators::default() });
                    break Ok(());
                }
                Ok(None) => break Err(FetchError::Broken),
                Err(error) => break Err(error),
            };
            end.received += piece.len() as u64;
            self.fetcher.accounts().received(self.purpose, piece.len() as u64);
            if held.is_empty() {
                oldest = Instant::now();
            }
            let room = usize::try_from(until - at - held.len() as u64).unwrap_or(usize::MAX);
            let useful = piece.len().min(room);
            self.fetcher.accounts().dropped(self.purpose, (piece.len() - useful) as u64);
            held.extend_from_slice(&piece[..useful]);
            if held.len() >= PIECE_BYTES || oldest.elapsed() >= age {
                let bytes = held.split().freeze();
                at += self.file(generation, at, bytes, end).await?;
            }
        };
        if !held.is_empty() {
            self.file(generation, at, held.freeze(), end).await?;
        }
        ended
    }

    /// Files bytes off the async threads; how many were handed over.
    async fn file(
        &self,
        generation: u64,
        at: u64,
        bytes: Bytes,
        end: &mut ChunkEnd,
    ) -> Result<u64, FetchError> {
        let len = bytes.len() as u64;
        let entry = self.entry.clone();
        let (accounts, purpose) = (self.fetcher.accounts().clone(), self.purpose);
        let filed = tasks::spawn_blocking(move || {
            let holes = entry.lock().holes(Span::new(at, at + len));
            let new = entry.write(generation, at, &bytes)?;
            if new > 0 {
                holes.iter().for_each(|hole| accounts.fetched(&entry.key, purpose, *hole));
            }
            Ok::<u64, StoreError>(new)
        })
        .await;
        match filed {
            Ok(Ok(new)) => {
                end.stored += new;
                let same = self.entry.lock().generation() == generation;
                match same {
                    true => self.fetcher.accounts().duplicate(purpose, len - new),
                    false => self.fetcher.accounts().dropped(purpose, len - new),
                }
                Ok(len)
            }
            Ok(Err(error)) => {
                tracing::warn!(target: "unspool::media", %error, "fetched bytes could not be stored");
                self.fetcher.accounts().dropped(purpose, len);
                Err(FetchError::Store)
            }
            Err(_) => Err(FetchError::Closed),
        }
    }
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
