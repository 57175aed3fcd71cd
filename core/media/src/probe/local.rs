//! Probing what is on this machine already: bytes in memory, a file, a playlist beside its media file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use unspool_engine::Span;

use super::hls::{Cuts, PLAYLIST_BYTES, Parsed, parse};
use super::mp4::{Bytes, Probe, Step};
use super::{ProbeError, malformed};
use crate::info::MediaInfo;

/// How a playlist begins.
const PLAYLIST: &[u8] = b"#EXTM3U";
/// A byte order mark, which some editors put in front of it.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Finds out what the MP4 file with these bytes is.
///
/// Works for the length of the file's headers, at most some milliseconds, and holds no more than a copy of them.
///
/// # Errors
/// [`ProbeError::Malformed`], [`ProbeError::TooLarge`] or [`ProbeError::Unsupported`]. A playlist is unsupported here,
/// because what it describes is in another file.
pub fn probe_bytes(bytes: &[u8]) -> Result<MediaInfo, ProbeError> {
    if is_playlist(bytes) {
        return Err(ProbeError::Unsupported { what: "a playlist without its file" });
    }
    run(&bytes)
}

/// Finds out what the MP4 file or HLS playlist at `path` is.
///
/// Reads only headers. Blocks for the disk. Of a playlist, the media file must lie beside or below it; the answer then
/// describes that file.
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
    let (cuts, media) = playlists(path)?;
    let media = Opened::new(open(&media)?)?;
    if media.size < cuts.size {
        return Err(malformed("a playlist that goes past its file"));
    }
    let init = media.read(cuts.init).ok_or(malformed("a playlist that goes past its file"))?;
    cuts.describe(&init)
}

/// Whether these bytes are a playlist that is understood; for tests with damaged ones.
///
/// # Errors
/// Why they are not.
#[doc(hidden)]
pub fn playlist_is_answered(bytes: &[u8]) -> Result<(), ProbeError> {
    parse(bytes).map(drop)
}

fn is_playlist(bytes: &[u8]) -> bool {
    bytes.strip_prefix(MARK).unwrap_or(bytes).trim_ascii_start().starts_with(PLAYLIST)
}

/// The media playlist that `path` is or leads to, and the path of its file.
fn playlists(path: &Path) -> Result<(Cuts, PathBuf), ProbeError> {
    match parse(&text(path)?)? {
        Parsed::File(cuts) => {
            let media = beside(path, &cuts.reference)?;
            Ok((cuts, media))
        }
        Parsed::Variant(reference) => {
            let list = beside(path, &reference)?;
            match parse(&text(&list)?)? {
                Parsed::File(cuts) => {
                    let media = beside(&list, &cuts.reference)?;
                    Ok((cuts, media))
                }
                Parsed::Variant(_) => Err(malformed("a list of renditions within another")),
            }
        }
    }
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
        Step::Done(info) => Ok(*info),
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
struct Opened {
    file: Mutex<File>,
    size: u64,
}

impl Opened {
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
