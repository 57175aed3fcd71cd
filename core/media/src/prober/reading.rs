//! Finding out: what is asked for, and what the parsers make of it while it arrives.
//!
//! For a clip that a person waits for a probe is the beginning of its start: what the first picture needs is asked for
//! along with what tells what the clip is, so that a player rides on requests that run.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use unspool_engine::opening::{LOOK_BYTES, first_request};
use unspool_engine::{MediaKey, Span};

use super::{Answer, Declared, Known, Prober, Whole, blob_key};
use crate::fetch::{Demand, FetchError, Found, Priority, Purpose};
use crate::info::MediaInfo;
use crate::probe::hls::{Cuts, INIT};
use crate::probe::listing::{Cut, Packing, Part};
use crate::probe::mp4::{Bytes, Probe, Step};
use crate::probe::{HEAD_BYTES, ProbeError, TAIL_BYTES, describe_head, malformed};
use crate::segments::{Parts, Plan, Rates, head_of};
use crate::store::Entry;
use crate::tasks;
use crate::ticket::FetchTicket;

/// Requests of one probe at most. A moov-last file needs two or three; a file that keeps asking is hostile.
const STEPS: usize = 64;
/// Between two looks at what has arrived of a file: a twentieth of a mobile round trip, and a look that finds nothing new
/// costs a lock.
const EARLY_LOOK: Duration = Duration::from_millis(4);
/// Longest that the end of a fragmented file waits for the line to be free of it. 10 s: beyond the longest silence of a
/// connection, so a start that stands still does not stand beside it.
const BEHIND: Duration = Duration::from_secs(10);

impl Prober {
    /// Steps the parser over what has arrived, while what it asked for is on its way.
    ///
    /// A progressive file says all in its movie box, which is a fraction of the first piece asked for; a player that
    /// starts with it rides on the rest of that piece. A media box in front says where the movie box is, and that is
    /// asked for beside the rest of the first piece, which holds the first pictures.
    pub(super) async fn mp4(
        &self,
        entry: &Arc<Entry>,
        declared: Option<Declared>,
        urgency: watch::Receiver<Priority>,
    ) -> Result<(MediaInfo, Whole), ProbeError> {
        let front = match *urgency.borrow() {
            Priority::Playback => {
                first_request(declared.map(|d| d.container), declared.map_or(0, |declared| declared.bits))
            }
            Priority::Next | Priority::Prefetch | Priority::Offline => LOOK_BYTES,
        };
        let mut probe = Probe::opening(front);
        let mut brought: Vec<Span> = Vec::new();
        let mut coming = FuturesUnordered::new();
        let mut under_way: Vec<Span> = Vec::new();
        loop {
            let view = View(entry.clone());
            // Reading and parsing up to 8 MiB does not belong on the async threads.
            let (after, step) = tasks::spawn_blocking(move || {
                let step = probe.step(&view);
                (probe, step)
            })
            .await
            .map_err(|_| FetchError::Closed)?;
            probe = after;
            let span = match step? {
                Step::Done(info) => return Ok((*info, Whole::Known)),
                Step::Likely(info) => return Ok((*info, Whole::Likely)),
                Step::Need(span) => span,
            };
            let within = |all: &[Span]| all.iter().any(|a| a.start <= span.start && span.end <= a.end);
            if within(&brought) && entry.lock().run_from(span.start) < span.len() {
                return Err(ProbeError::Store);
            }
            if !within(&under_way) {
                if brought.len() + under_way.len() >= STEPS {
                    return Err(ProbeError::TooLarge { what: "requests of a probe" });
                }
                let bring = self.bring(entry, span, urgency.clone());
                coming.push(async move { (span, bring.await) });
                under_way.push(span);
            }
            let held = entry.lock().run_from(span.start);
            tokio::select! {
                biased;
                Some((span, outcome)) = coming.next() => {
                    outcome?;
                    under_way.retain(|other| *other != span);
                    brought.push(span);
                }
                () = grown(entry, span, held) => {}
            }
        }
    }

    /// Finds out the rest of a file whose end was not at hand when its answer was given: behind everything else, when
    /// its beginning is here and nothing of it is on its way any more.
    pub(super) async fn complete(&self, key: &MediaKey, generation: u64) -> Result<(), ProbeError> {
        let entry = self.store.entry(key);
        let (_keep, urgency) = watch::channel(Priority::Prefetch);
        let size = entry.lock().validators().size.unwrap_or(0);
        self.bring(&entry, Span::new(0, HEAD_BYTES.min(size)), urgency.clone()).await?;
        // Nobody waits for the end, and a demand of its own would be sent beside those of the start.
        let _ = tokio::time::timeout(BEHIND, self.fetcher.idle(key)).await;
        self.bring(&entry, Span::new(size.saturating_sub(TAIL_BYTES), size), urgency.clone()).await?;
        let (info, _) = self.mp4(&entry, None, urgency).await?;
        let validators = {
            let state = entry.lock();
            if state.generation() != generation {
                return Ok(());
            }
            state.validators().clone()
        };
        let info = Arc::new(info);
        let known = Some(Known { generation, info: info.clone(), plan: None });
        self.books().known.insert(key.clone(), Answer { known, unkept: true }, Answer::may_go);
        self.save(key, &info, None, validators).await;
        Ok(())
    }

    pub(super) async fn hls(
        &self,
        key: &MediaKey,
        entry: &Arc<Entry>,
        declared: Declared,
        urgency: watch::Receiver<Priority>,
    ) -> Result<(MediaInfo, Option<Plan>), ProbeError> {
        let chain = self.fetcher.playlists(key, || purpose_of(*urgency.borrow()), None).await?;
        let shape = chain.found.shape();
        self.fetcher.route(key).set_references(chain.references, chain.ways, shape);
        match chain.found {
            Found::File(cuts) => {
                for (number, text) in chain.texts.into_iter().enumerate() {
                    self.keep(blob_key(&format!("playlist{number}"), key), text).await;
                }
                Ok((self.one_file(entry, cuts, urgency).await?, None))
            }
            Found::Lists(cuts) => {
                let rates = Rates { bits: chain.bits, bytes: declared.bytes };
                let (info, plan) = self.several_files(key, entry, cuts, rates, urgency).await?;
                Ok((info, Some(plan)))
            }
        }
    }

    async fn one_file(
        &self,
        entry: &Arc<Entry>,
        cuts: Cuts,
        urgency: watch::Receiver<Priority>,
    ) -> Result<MediaInfo, ProbeError> {
        if *urgency.borrow() == Priority::Playback {
            self.begin(entry, Span::new(cuts.init.start, cuts.first_end()));
        }
        self.bring(entry, cuts.init, urgency).await?;
        let view = View(entry.clone());
        let info = tasks::spawn_blocking(move || {
            if view.size().is_some_and(|size| size < cuts.size) {
                return Err(malformed("a playlist that goes past its file"));
            }
            cuts.describe(&view.read(cuts.init).ok_or(ProbeError::Store)?)
        })
        .await
        .map_err(|_| FetchError::Closed)??;
        Ok(info)
    }

    /// Asks the beginning of each playlist's media what they are, and lays the parts out.
    async fn several_files(
        &self,
        key: &MediaKey,
        entry: &Arc<Entry>,
        cuts: Vec<Cut>,
        rates: Rates,
        urgency: watch::Receiver<Priority>,
    ) -> Result<(MediaInfo, Plan), ProbeError> {
        let version = entry.lock().generation();
        let plan = Plan::new(cuts, rates, |_| None)?;
        let parts = self.parts_of(key, version, Arc::new(plan));
        let mut heads = Vec::with_capacity(parts.plan.cuts.len());
        let mut base = 0;
        for cut in &parts.plan.cuts {
            let (part, packing) = head_of(cut).ok_or(malformed("a playlist without segments"))?;
            if *urgency.borrow() == Priority::Playback {
                self.begin_segment(&parts, base, cut);
            }
            let part = Part { file: base + part.file, ..part };
            let bytes = self.head(&parts, part, packing, urgency.clone()).await?;
            heads.push(describe_head(&bytes, packing)?);
            base += cut.files;
        }
        let known = |file| parts.entry(file).lock().validators().size;
        let plan = Plan::new(parts.plan.cuts.clone(), rates, known)?;
        Ok((plan.describe(heads)?, plan))
    }

    /// An initialisation part, or as much of a first segment as tells what it is.
    async fn head(
        &self,
        parts: &Parts,
        part: Part,
        packing: Packing,
        urgency: watch::Receiver<Priority>,
    ) -> Result<Vec<u8>, ProbeError> {
        let entry = parts.entry(part.file);
        let all = part.range.unwrap_or(Span::new(0, INIT + 1));
        let start = Span::new(all.start, all.end.min(all.start.saturating_add(HEAD_BYTES)));
        self.bring(&entry, start, urgency.clone()).await?;
        let size = entry.lock().validators().size;
        let size = size.ok_or(ProbeError::Unsupported { what: "a file of unknown length" })?;
        let all = Span::new(all.start.min(size), all.end.min(size));
        let wanted = match packing {
            Packing::Fragments if all.len() > INIT => {
                return Err(ProbeError::TooLarge { what: "initialisation segment" });
            }
            Packing::Fragments => all,
            Packing::Transport => Span::new(all.start, start.end.min(size)),
        };
        self.bring(&entry, wanted, urgency).await?;
        let read = tasks::spawn_blocking(move || View(entry).read(wanted));
        read.await.map_err(|_| FetchError::Closed)?.ok_or(ProbeError::Store)
    }

    /// Brings the beginning of a file, and with it what its server says of it.
    pub(crate) async fn first_bytes(&self, entry: &Arc<Entry>, priority: Priority) -> Result<(), FetchError> {
        let (_keep, urgency) = watch::channel(priority);
        match self.bring(entry, Span::new(0, HEAD_BYTES), urgency).await {
            Err(ProbeError::Fetch(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Asks for the first segment of a playlist, with the headers where they lie in front of it in the same file.
    fn begin_segment(&self, parts: &Parts, base: u32, cut: &Cut) {
        let Some(first) = cut.segments.first().map(|segment| segment.part) else { return };
        let all = first.range.unwrap_or(Span::new(0, u64::MAX));
        let headers = cut.init.filter(|init| init.file == first.file).and_then(|init| init.range);
        let start = headers.filter(|range| range.end == all.start).map_or(all.start, |range| range.start);
        self.begin(&parts.entry(base + first.file), Span::new(start, all.end));
    }

    /// Asks for what a first picture needs, as much as one request brings. Nobody waits for the answer here.
    fn begin(&self, entry: &Arc<Entry>, span: Span) {
        let most = span.start.saturating_add(self.fetcher.limits().chunk_max);
        FetchTicket::start(&self.fetcher, |done| Demand {
            entry: entry.clone(),
            wants: vec![Span::new(span.start, span.end.min(most))],
            priority: Priority::Playback,
            purpose: Purpose::Playback,
            reader: true,
            done,
        });
    }

    /// Fetches `span`, following the urgency while it runs. Whoever brings it, it is done when it is here.
    async fn bring(
        &self,
        entry: &Arc<Entry>,
        span: Span,
        mut urgency: watch::Receiver<Priority>,
    ) -> Result<(), ProbeError> {
        let priority = *urgency.borrow_and_update();
        let ticket = FetchTicket::start(&self.fetcher, |done| Demand {
            entry: entry.clone(),
            wants: vec![span],
            priority,
            purpose: purpose_of(priority),
            // A probe's few spans are as small as a window and as needed when the disk is full.
            reader: true,
            done,
        });
        loop {
            tokio::select! {
                outcome = ticket.wait() => return outcome.map(|_| ()).map_err(ProbeError::from),
                Ok(()) = urgency.changed() => ticket.promote(*urgency.borrow_and_update()),
                () = arrived(entry, span) => return Ok(()),
            }
        }
    }
}

/// Waits until all of `span` is here that the file has.
async fn arrived(entry: &Arc<Entry>, span: Span) {
    loop {
        tokio::time::sleep(EARLY_LOOK).await;
        let state = entry.lock();
        let end = state.validators().size.map_or(span.end, |size| span.end.min(size));
        if state.run_from(span.start) >= end.saturating_sub(span.start) {
            return;
        }
    }
}

/// Waits until more of `span` is here than `held` bytes; for ever where all of it is.
async fn grown(entry: &Arc<Entry>, span: Span, held: u64) {
    loop {
        tokio::time::sleep(EARLY_LOOK).await;
        let now = entry.lock().run_from(span.start);
        if now > held && held < span.len() {
            return;
        }
    }
}

/// The store as the parsers see it.
struct View(Arc<Entry>);

impl Bytes for View {
    fn size(&self) -> Option<u64> {
        self.0.lock().validators().size
    }

    fn read(&self, span: Span) -> Option<Vec<u8>> {
        let mut state = self.0.lock();
        let room = usize::try_from(span.len()).ok().filter(|_| state.run_from(span.start) >= span.len())?;
        let mut bytes = vec![0; room];
        let mut got = 0;
        while got < room {
            match self.0.read(&mut state, span.start + got as u64, &mut bytes[got..]) {
                (0, _) => return None,
                (n, _) => got += n,
            }
        }
        Some(bytes)
    }
}

fn purpose_of(priority: Priority) -> Purpose {
    match priority {
        Priority::Playback | Priority::Next | Priority::Prefetch => Purpose::Probe,
        Priority::Offline => Purpose::Offline,
    }
}
