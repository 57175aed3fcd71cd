//! A folder of anybody's videos as a catalogue: each video file is an asset with one rendition, `source`; each folder that
//! holds a playlist is an HLS asset. Files that ffprobe cannot open are served all the same, with what is unknown as 0.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::process::Command;
use walkdir::WalkDir;

use crate::catalogue::{Asset, Catalogue, MediaFile, Rendition};
use crate::contract::Container;
use crate::digests::Digests;
use crate::error::OriginError;

/// Most files looked at.
const MAX_FILES: usize = 20_000;
/// Longest time ffprobe may take for one file.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);
const PROBES_AT_ONCE: usize = 4;
const VIDEOS: [&str; 6] = ["mp4", "m4v", "mov", "webm", "mkv", "ts"];

/// What to serve as one asset.
struct Found {
    /// Relative path that names it and that it is sorted by.
    name: String,
    /// The file a client opens.
    entry: PathBuf,
    /// Files by their name inside the asset.
    files: BTreeMap<String, PathBuf>,
    hls: bool,
}

/// Loads a folder. Content hashes are remembered in `memory`, not in the folder.
///
/// # Errors
/// When it cannot be read or holds no video.
pub async fn load(folder: &Path, memory: &Path) -> Result<Catalogue, OriginError> {
    let root = folder.canonicalize().map_err(OriginError::io("cannot read", folder))?;
    let found = find(&root)?;
    if found.is_empty() {
        return Err(OriginError::NothingToServe { path: root });
    }
    let facts: Vec<Facts> = futures_util::stream::iter(found.iter().map(|found| probe(&found.entry)))
        .buffered(PROBES_AT_ONCE)
        .collect()
        .await;
    let memory = memory.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut digests = Digests::open(&memory);
        let mut ids = BTreeSet::new();
        let mut assets = Vec::with_capacity(found.len());
        for (found, facts) in found.into_iter().zip(facts) {
            assets.push(asset(found, &facts, &mut ids, &mut digests)?);
        }
        digests.save();
        Ok(Catalogue::new(assets, false))
    })
    .await?
}

fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

fn find(root: &Path) -> Result<Vec<Found>, OriginError> {
    let mut files = Vec::new();
    for entry in WalkDir::new(root).max_depth(8).sort_by_file_name().into_iter().take(MAX_FILES) {
        let entry = entry.map_err(|error| OriginError::io("cannot read", root)(error.into()))?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    // Playlists of a folder below one with playlists belong to the upper one.
    let mut hls_roots: Vec<PathBuf> = Vec::new();
    let mut with_playlist: Vec<&Path> =
        files.iter().filter(|path| extension(path) == "m3u8").filter_map(|path| path.parent()).collect();
    with_playlist.sort();
    for folder in with_playlist {
        if !hls_roots.iter().any(|known| folder.starts_with(known)) {
            hls_roots.push(folder.to_owned());
        }
    }
    let mut found: Vec<Found> = Vec::new();
    for hls_root in &hls_roots {
        let inside: BTreeMap<String, PathBuf> = files
            .iter()
            .filter(|path| path.starts_with(hls_root))
            .map(|path| (relative(path, hls_root), path.clone()))
            .collect();
        if let Some(entry) = main_playlist(&inside) {
            let name = Some(relative(hls_root, root))
                .filter(|name| !name.is_empty())
                .unwrap_or("playlist".to_owned());
            found.push(Found { name, entry, files: inside, hls: true });
        }
    }
    for path in &files {
        let extension = extension(path);
        if VIDEOS.contains(&extension.as_str())
            && !hls_roots.iter().any(|hls_root| path.starts_with(hls_root))
        {
            let files = BTreeMap::from([(format!("source.{extension}"), path.clone())]);
            found.push(Found { name: relative(path, root), entry: path.clone(), files, hls: false });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The master playlist if there is one, else the first by name; those nearest the top first.
fn main_playlist(files: &BTreeMap<String, PathBuf>) -> Option<PathBuf> {
    let mut playlists: Vec<(&String, &PathBuf)> =
        files.iter().filter(|(_, path)| extension(path) == "m3u8").collect();
    playlists.sort_by_key(|(name, _)| (name.matches('/').count(), (*name).clone()));
    let is_master = |path: &Path| {
        let mut start = String::new();
        let read = File::open(path).and_then(|file| file.take(64 * 1024).read_to_string(&mut start));
        read.is_ok() && start.contains("#EXT-X-STREAM-INF")
    };
    playlists.iter().find(|(_, path)| is_master(path)).or(playlists.first()).map(|(_, path)| (*path).clone())
}

fn asset(
    found: Found,
    facts: &Facts,
    ids: &mut BTreeSet<String>,
    digests: &mut Digests,
) -> Result<Asset, OriginError> {
    let mut files = BTreeMap::new();
    for (name, path) in &found.files {
        files.insert(name.clone(), MediaFile::load(path, digests)?);
    }
    let entry = found
        .files
        .iter()
        .find_map(|(name, path)| (*path == found.entry).then(|| name.clone()))
        .unwrap_or_default();
    let container = if found.hls {
        Container::Hls
    } else {
        match top_boxes(&found.entry) {
            Ok(boxes) if boxes.iter().any(|name| name == "moof") => Container::Fmp4,
            _ => Container::Mp4,
        }
    };
    let bytes: u64 = if found.hls { 0 } else { files.get(&entry).map_or(0, |file| file.len) };
    let measured = bytes.saturating_mul(8000).checked_div(facts.duration_ms).unwrap_or(0);
    Ok(Asset {
        id: id_of(&found.name, ids),
        title: found.name,
        duration_ms: facts.duration_ms,
        renditions: vec![Rendition {
            id: "source".to_owned(),
            width: facts.width,
            height: facts.height,
            bitrate_bps: if measured > 0 { measured } else { facts.bitrate_bps },
            container,
            file: entry,
        }],
        captions: Vec::new(),
        files,
    })
}

/// An identifier from a name: what is not a letter, digit, `.`, `_` or `-` becomes `-`, and doubles get a number.
fn id_of(name: &str, taken: &mut BTreeSet<String>) -> String {
    let plain: String = name
        .chars()
        .map(
            |character| {
                if character.is_ascii_alphanumeric() || "._-".contains(character) { character } else { '-' }
            },
        )
        .take(100)
        .collect();
    let mut id = plain.clone();
    let mut number = 2;
    while !taken.insert(id.clone()) {
        id = format!("{plain}-{number}");
        number += 1;
    }
    id
}

#[derive(Default)]
struct Facts {
    duration_ms: u64,
    width: u32,
    height: u32,
    bitrate_bps: u64,
}

async fn probe(path: &Path) -> Facts {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe
        .args(["-v", "error", "-show_entries", "format=duration,bit_rate:stream=width,height", "-of", "json"])
        .arg(path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = match tokio::time::timeout(PROBE_DEADLINE, ffprobe.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            tracing::warn!(%error, "ffprobe did not run (Debian and Ubuntu: `apt-get install ffmpeg`); lengths are unknown");
            return Facts::default();
        }
        Err(_) => return Facts::default(),
    };
    facts(&serde_json::from_slice(&output.stdout).unwrap_or_default())
}

fn facts(json: &serde_json::Value) -> Facts {
    let number =
        |name: &str| json["format"][name].as_str().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let side = |name: &str| {
        let streams = json["streams"].as_array().into_iter().flatten();
        streams
            .filter_map(|stream| stream[name].as_u64())
            .find_map(|side| u32::try_from(side).ok())
            .unwrap_or(0)
    };
    // Saturating casts of numbers ffprobe printed.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Facts {
        duration_ms: (number("duration") * 1000.0).round() as u64,
        width: side("width"),
        height: side("height"),
        bitrate_bps: number("bit_rate") as u64,
    }
}

/// The names of the first 64 top-level boxes of an MP4; fewer when the file is damaged, none when it is no MP4.
///
/// # Errors
/// When the file cannot be read.
pub fn top_boxes(path: &Path) -> std::io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut names = Vec::new();
    let mut at = 0;
    while len.saturating_sub(at) >= 8 && names.len() < 64 {
        let mut head = [0; 16];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head[..8])?;
        let [a, b, c, d, name @ ..] = head;
        let name = &name[..4];
        if !name.iter().all(u8::is_ascii_graphic) {
            break;
        }
        names.push(String::from_utf8_lossy(name).into_owned());
        let size = match u32::from_be_bytes([a, b, c, d]) {
            0 => break,
            1 if len.saturating_sub(at) >= 16 => {
                file.read_exact(&mut head[8..])?;
                head[8..].iter().fold(0, |size, byte| size << 8 | u64::from(*byte))
            }
            size => u64::from(size),
        };
        if size < 8 {
            break;
        }
        at = at.saturating_add(size);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_plain_and_unique() {
        let mut taken = BTreeSet::new();
        assert_eq!(id_of("a b/ü.mp4", &mut taken), "a-b--.mp4");
        assert_eq!(id_of("a b/ö.mp4", &mut taken), "a-b--.mp4-2");
    }

    #[test]
    fn damaged_files_have_few_boxes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        for (bytes, expected) in [
            (&b""[..], 0),
            (b"\0\0\0\x08ftyp\0\0\0\x08moov", 2),
            (b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff", 1),
            (b"\0\0\0\x01mdat", 1),
            (b"\0\0\0\x00mdatxxxx", 1),
            (b"\0\0\0\x04ftypxxxx", 1),
            (b"not a movie at all", 0),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(top_boxes(&path).unwrap().len(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_folder_with_playlists_is_one_asset() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("show/low")).unwrap();
        std::fs::write(root.join("show/low/a.m3u8"), "#EXTM3U\n").unwrap();
        std::fs::write(root.join("show/low/a.ts"), "x").unwrap();
        std::fs::write(root.join("show/z.m3u8"), "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/a.m3u8\n")
            .unwrap();
        std::fs::write(root.join("b.MP4"), "x").unwrap();
        std::fs::write(root.join("notes.txt"), "x").unwrap();
        let found = find(root).unwrap();
        assert_eq!(found.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["b.MP4", "show"]);
        assert!(found[1].entry.ends_with("z.m3u8"));
        assert_eq!(found[1].files.len(), 3);
    }
}
