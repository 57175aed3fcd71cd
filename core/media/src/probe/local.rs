//! Probing what is on this machine already: bytes in memory, a file, a playlist beside its media file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use unspool_engine::Span;

use super::hls::{Cuts, INIT, NESTED, PLAYLIST_BYTES, Parsed, parse, parse_one_of_two};
use super::listing::{Listing, Packing};
use super::mp4::{Bytes, Probe, Step};
use super::{HEAD_BYTES, ProbeError, describe_head, malformed};
use crate::info::MediaInfo;
use crate::segments::{Plan, Rates, head_of};

/// How a playlist begins.
const PLAYLIST: &[u8] = b"#EXTM3U";
/// A byte order mark, which some editors put in front of it.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Finds out what the MP4 file with these bytes is.
///
/// Works for the length of the file's headers, at most some milliseconds, and holds no more than a copy of them.
///
/// # Errors
/// [`ProbeError::Malformed`], [`ProbeError::TooLarge`] or [`ProbeError::Unsupported`]. A playlist that is right in
/// itself is unsupported here, because what it describes is in other files.
pub fn probe_bytes(bytes: &[u8]) -> Result<MediaInfo, ProbeError> {
    if is_playlist(bytes) {
        parse(bytes)?;
        return Err(ProbeError::Unsupported { what: "a playlist without its file" });
    }
    run(&bytes)
}

/// Finds out what the MP4 file or HLS playlist at `path` is.
///
/// Reads only headers. Blocks for the disk. What a playlist names must lie beside or below it; the answer then describes
/// that file, or all of them with the lengths they have.
///
/// # Errors
/// [`ProbeError::File`] when a file cannot be read, and what [`probe_bytes`] says.
pub fn probe_file(path: &Path) -> Result<MediaInfo, ProbeError> {
    let mut file = open(path)?;
    let mut start = Vec::new();
    (&mut file).take(16).read_to_end(&mut start).map_err(failed)?;
    if !is_playlist(&start) {
        return run(&Opened::new(file)?);
    }
    playlist(path)
}

fn is_playlist(bytes: &[u8]) -> bool {
    bytes.strip_prefix(MARK).unwrap_or(bytes).trim_ascii_start().starts_with(PLAYLIST)
}

fn playlist(path: &Path) -> Result<MediaInfo, ProbeError> {
    let (list, parsed, rates, sound) = match parse(&text(path)?)? {
        Parsed::Variant(variant) => {
            let list = beside(path, &variant.reference)?;
            let parsed = match &variant.audio {
                Some(_) => Parsed::List(parse_one_of_two(&text(&list)?)?),
                None => parse(&text(&list)?)?,
            };
            let sound = variant.audio.map(|sound| beside(path, &sound)).transpose()?;
            (list, parsed, Rates { bits: Some(variant.bits), bytes: None }, sound)
        }
        media => (path.to_owned(), media, Rates::default(), None),
    };
    match parsed {
        Parsed::Variant(_) => Err(malformed(NESTED)),
        Parsed::File(cuts) => one_file(&list, &cuts),
        Parsed::List(pictures) => {
            let mut lists = vec![(list, pictures)];
            if let Some(sound) = sound {
                let listing = parse_one_of_two(&text(&sound)?)?;
                lists.push((sound, listing));
            }
            several_files(lists, rates)
        }
    }
}

/// The file of media that `path` is, or that the playlist at `path` is about.
pub(super) fn media_file(path: &Path) -> Result<PathBuf, ProbeError> {
    let mut start = Vec::new();
    open(path)?.take(16).read_to_end(&mut start).map_err(failed)?;
    if !is_playlist(&start) {
        return Ok(path.to_owned());
    }
    let (list, parsed) = match parse(&text(path)?)? {
        Parsed::Variant(variant) if variant.audio.is_none() => {
            let list = beside(path, &variant.reference)?;
            let parsed = parse(&text(&list)?)?;
            (list, parsed)
        }
        media => (path.to_owned(), media),
    };
    match parsed {
        Parsed::File(cuts) => beside(&list, &cuts.reference),
        Parsed::Variant(_) | Parsed::List(_) => {
            Err(ProbeError::Unsupported { what: "samples of a playlist over several files" })
        }
    }
}

fn one_file(list: &Path, cuts: &Cuts) -> Result<MediaInfo, ProbeError> {
    let media = Opened::new(open(&beside(list, &cuts.reference)?)?)?;
    if media.size < cuts.size {
        return Err(malformed("a playlist that goes past its file"));
    }
    let init = media.read(cuts.init).ok_or(malformed("a playlist that goes past its file"))?;
    cuts.describe(&init)
}

fn several_files(lists: Vec<(PathBuf, Listing)>, rates: Rates) -> Result<MediaInfo, ProbeError> {
    let (mut paths, mut heads, mut cuts) = (Vec::new(), Vec::new(), Vec::new());
    for (path, Listing { files, cut }) in lists {
        let files = files.iter().map(|file| beside(&path, file)).collect::<Result<Vec<PathBuf>, _>>()?;
        let (part, packing) = head_of(&cut).ok_or(malformed("a playlist without segments"))?;
        let head = Opened::new(open(&files[part.file as usize])?)?;
        let all = part.range.unwrap_or(Span::new(0, head.size));
        if packing == Packing::Fragments && all.len() > INIT {
            return Err(ProbeError::TooLarge { what: "initialisation segment" });
        }
        let most = if packing == Packing::Fragments { INIT } else { HEAD_BYTES };
        let some = Span::new(all.start, all.end.min(head.size).min(all.start.saturating_add(most)));
        let bytes = head.read(some).ok_or(malformed("a playlist that goes past its file"))?;
        heads.push(describe_head(&bytes, packing)?);
        paths.extend(files);
        cuts.push(cut);
    }
    let known = |file: u32| Some(paths.get(file as usize)?.metadata().ok()?.len());
    Plan::new(cuts, rates, known)?.describe(heads)
}

fn text(path: &Path) -> Result<Vec<u8>, ProbeError> {
    let mut bytes = Vec::new();
    open(path)?.take(PLAYLIST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The file that a playlist names, which a stranger wrote: nothing above the playlist's folder.
fn beside(playlist: &Path, reference: &str) -> Result<PathBuf, ProbeError> {
    let path = Path::new(reference.split(['?', '#']).next().unwrap_or_default());
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || reference.contains("://") {
        return Err(ProbeError::Unsupported { what: "a playlist whose file is elsewhere" });
    }
    Ok(playlist.parent().unwrap_or(Path::new("")).join(path))
}

fn open(path: &Path) -> Result<File, ProbeError> {
    // A folder opens and only fails to read; a pipe makes opening wait.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ProbeError::File(std::io::ErrorKind::InvalidInput));
    }
    File::open(path).map_err(failed)
}

fn failed(error: std::io::Error) -> ProbeError {
    ProbeError::File(error.kind())
}

/// Steps a probe over bytes that are all there.
fn run(view: &dyn Bytes) -> Result<MediaInfo, ProbeError> {
    match Probe::new().step(view)? {
        Step::Done(info) | Step::Likely(info) => Ok(*info),
        // Everything within the file is there, so what is asked for could not be read.
        Step::Need(_) => Err(ProbeError::File(std::io::ErrorKind::UnexpectedEof)),
    }
}

impl Bytes for &[u8] {
    fn size(&self) -> Option<u64> {
        Some(self.len() as u64)
    }

    fn read(&self, span: Span) -> Option<Vec<u8>> {
        let range = usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?;
        self.get(range).map(<[u8]>::to_vec)
    }
}

/// A file that stays as long as it was when it was opened.
pub(super) struct Opened {
    file: Mutex<File>,
    size: u64,
}

impl Opened {
    pub(super) fn at(path: &Path) -> Result<Self, ProbeError> {
        Opened::new(open(path)?)
    }

    fn new(file: File) -> Result<Self, ProbeError> {
        let size = file.metadata().map_err(failed)?.len();
        Ok(Opened { file: Mutex::new(file), size })
    }
}

impl Bytes for Opened {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn read(&self, span: Span) -> Option<Vec<u8>> {
        let length = usize::try_from(span.len()).ok().filter(|_| span.end <= self.size)?;
        let mut bytes = vec![0; length];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(span.start)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}
