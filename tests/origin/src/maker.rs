//! Makes the clips of the catalogue with ffmpeg, once, and keeps them.
//!
//! A clip is a folder `clip-NN` with its files and `clip.json`. It is made in a temporary folder beside and renamed when
//! it is complete and checked, so a clip is there whole or not at all and interrupted making goes on clip by clip. A lock
//! on `maker.lock` keeps two makers apart; the second waits and then finds the work done.

use std::fs::{File, TryLockError};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::contract::Container;
use crate::error::OriginError;
use crate::folder::top_boxes;
use crate::recipes::{LADDER, Layout, MAX_CLIPS, Packing, Recipe, SEGMENT};

/// Version of what is on disk.
const VERSION: u32 = 1;
/// Longest time one clip may take: a hundred times what a slow machine needs.
const CLIP_DEADLINE: Duration = Duration::from_secs(300);
/// Most ffmpeg processes at once; more would only compete with whatever waits for the clips.
const MAX_WORKERS: usize = 4;
const LOCK_POLL: Duration = Duration::from_millis(200);

/// What is known of a made clip, as kept in `clip.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipRecord {
    version: u32,
    fingerprint: String,
    /// Identifier, which is also the asset's.
    pub id: String,
    /// What the picture shows.
    pub title: String,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Renditions, lowest bit rate first.
    pub renditions: Vec<RenditionRecord>,
}

/// One rendition of a made clip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenditionRecord {
    /// Identifier.
    pub id: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Average over the clip, audio included.
    pub bitrate_bps: u64,
    /// Packing.
    pub container: Container,
    /// Files; the one a client opens first.
    pub files: Vec<String>,
}

#[derive(Serialize)]
struct Manifest {
    version: u32,
    clips: Vec<String>,
}

/// Where a clip lies in a cache.
#[must_use]
pub fn clip_folder(cache: &Path, id: &str) -> PathBuf {
    cache.join(id)
}

/// `$XDG_CACHE_HOME/unspool/catalogue`, else `~/.cache/unspool/catalogue`, else a folder of the working directory.
#[must_use]
pub fn default_cache() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(|| PathBuf::from(".cache"))
        .join("unspool")
        .join("catalogue")
}

/// Makes those of the first `count` clips that the cache lacks, and describes all of them. Dropping the future kills the
/// encoders; what was complete stays.
///
/// # Errors
/// When ffmpeg is missing or fails, or the cache cannot be written.
pub async fn make(cache: &Path, count: usize) -> Result<Vec<ClipRecord>, OriginError> {
    if !(1..=MAX_CLIPS).contains(&count) {
        return Err(OriginError::Setting { name: "clips", why: format!("must lie within 1..={MAX_CLIPS}") });
    }
    let recipes: Vec<Recipe> = (0..count).map(Recipe::of).collect();
    if let Some(records) = all_made(cache, &recipes) {
        return Ok(records);
    }
    std::fs::create_dir_all(cache).map_err(OriginError::io("cannot create", cache))?;
    let _lock = lock(cache).await?;
    let missing: Vec<&Recipe> = recipes.iter().filter(|recipe| made(cache, recipe).is_none()).collect();
    if !missing.is_empty() {
        sweep(cache);
        make_all(cache, &missing).await?;
        write_manifest(cache)?;
    }
    all_made(cache, &recipes).ok_or_else(|| OriginError::BadClip {
        clip: recipes.last().map(|recipe| recipe.id.clone()).unwrap_or_default(),
        why: "it vanished while it was made".to_owned(),
    })
}

fn all_made(cache: &Path, recipes: &[Recipe]) -> Option<Vec<ClipRecord>> {
    recipes.iter().map(|recipe| made(cache, recipe)).collect()
}

/// The record of a clip that is there, complete, and made by this recipe.
fn made(cache: &Path, recipe: &Recipe) -> Option<ClipRecord> {
    let folder = clip_folder(cache, &recipe.id);
    let record: ClipRecord = serde_json::from_slice(&std::fs::read(folder.join("clip.json")).ok()?).ok()?;
    let complete = record
        .renditions
        .iter()
        .flat_map(|rendition| &rendition.files)
        .all(|file| folder.join(file).is_file());
    (record.version == VERSION && record.fingerprint == recipe.fingerprint() && complete).then_some(record)
}

async fn lock(cache: &Path) -> Result<File, OriginError> {
    let path = cache.join("maker.lock");
    let file = File::create(&path).map_err(OriginError::io("cannot create", &path))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                if !told {
                    eprintln!("another process is making the catalogue; waiting for it");
                    told = true;
                }
                tokio::time::sleep(LOCK_POLL).await;
            }
            Err(TryLockError::Error(error)) => return Err(OriginError::io("cannot lock", path)(error)),
        }
    }
}

/// Removes what an interrupted maker left. Only called under the lock.
fn sweep(cache: &Path) {
    for entry in std::fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(".making-") {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

async fn make_all(cache: &Path, missing: &[&Recipe]) -> Result<(), OriginError> {
    let font = find_font().await;
    if font.is_none() {
        eprintln!(
            "no DejaVu font found (Debian and Ubuntu: `apt-get install fonts-dejavu-core`); clips will show no text"
        );
    }
    let terminal = std::io::stderr().is_terminal();
    let bar = ProgressBar::new(missing.len() as u64).with_style(
        ProgressStyle::with_template("making clips {bar:30} {pos}/{len} {elapsed} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    if terminal {
        bar.enable_steady_tick(LOCK_POLL);
    }
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    futures_util::stream::iter(missing.iter().map(Ok))
        .try_for_each_concurrent(workers, |recipe| {
            let (font, bar) = (&font, &bar);
            async move {
                let began = std::time::Instant::now();
                make_one(cache, recipe, font.as_deref()).await?;
                bar.inc(1);
                bar.set_message(recipe.title.clone());
                if !terminal {
                    eprintln!(
                        "made {} ({}) in {:.1} s, {} of {}",
                        recipe.id,
                        recipe.title,
                        began.elapsed().as_secs_f64(),
                        bar.position(),
                        missing.len()
                    );
                }
                Ok::<(), OriginError>(())
            }
        })
        .await?;
    bar.finish_and_clear();
    Ok(())
}

async fn make_one(cache: &Path, recipe: &Recipe, font: Option<&Path>) -> Result<(), OriginError> {
    let temporary = tempfile::Builder::new()
        .prefix(&format!(".making-{}-", recipe.id))
        .tempdir_in(cache)
        .map_err(OriginError::io("cannot create a folder in", cache))?;
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(recipe.arguments(font))
        .current_dir(temporary.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = match tokio::time::timeout(CLIP_DEADLINE, ffmpeg.output()).await {
        Ok(output) => output.map_err(|source| missing_or_io(source, "ffmpeg"))?,
        Err(_) => {
            let said = format!("it was stopped after {} s", CLIP_DEADLINE.as_secs());
            return Err(OriginError::Encode { clip: recipe.id.clone(), said });
        }
    };
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        let said = lines.into_iter().rev().collect::<Vec<_>>().join(" | ");
        return Err(OriginError::Encode { clip: recipe.id.clone(), said });
    }
    let record = describe(temporary.path(), recipe)?;
    let json = serde_json::to_vec_pretty(&record).unwrap_or_default();
    let path = temporary.path().join("clip.json");
    std::fs::write(&path, json).map_err(OriginError::io("cannot write", path))?;
    let target = clip_folder(cache, &recipe.id);
    if target.exists() {
        std::fs::remove_dir_all(&target).map_err(OriginError::io("cannot remove", &target))?;
    }
    std::fs::rename(temporary.path(), &target).map_err(OriginError::io("cannot create", &target))?;
    // Renamed away: there is nothing left to remove.
    let _ = temporary.keep();
    Ok(())
}

/// The error of a program that could not be started.
pub(crate) fn missing_or_io(source: std::io::Error, program: &'static str) -> OriginError {
    if source.kind() == std::io::ErrorKind::NotFound {
        OriginError::ProgramMissing { program }
    } else {
        OriginError::io("cannot run", program)(source)
    }
}

/// Checks what ffmpeg wrote against the recipe and describes it.
fn describe(folder: &Path, recipe: &Recipe) -> Result<ClipRecord, OriginError> {
    let bad = |why: String| OriginError::BadClip { clip: recipe.id.clone(), why };
    let duration_ms = recipe.seconds as u64 * 1000;
    let mut renditions = Vec::new();
    for rung in &LADDER {
        let files = recipe.files(rung);
        let mut len = 0;
        for file in files.iter().skip(usize::from(recipe.layout == Layout::Hls)).map(|name| folder.join(name))
        {
            len += file.metadata().map_err(OriginError::io("cannot read", &file))?.len();
        }
        let boxes = match recipe.layout {
            Layout::Hls => Vec::new(),
            _ => {
                let media = folder.join(&files[0]);
                top_boxes(&media).map_err(OriginError::io("cannot read", &media))?
            }
        };
        let place = |name: &str| boxes.iter().position(|found| found == name);
        let right = match recipe.layout {
            Layout::MoovFirst => place("moov").is_some() && place("moov") < place("mdat"),
            Layout::MoovLast => place("mdat").is_some() && place("mdat") < place("moov"),
            Layout::Fragmented => {
                place("moov").is_some() && place("moov") < place("sidx") && place("sidx") < place("moof")
            }
            Layout::Hls => {
                let playlist = std::fs::read_to_string(folder.join(&files[0])).unwrap_or_default();
                let tags: &[&str] = match rung.hls {
                    Packing::OneFile => &["#EXT-X-MAP:", "#EXT-X-BYTERANGE:", "#EXT-X-ENDLIST"],
                    Packing::Fragments => &["#EXT-X-MAP:", "#EXT-X-ENDLIST"],
                    Packing::Transport => &["#EXT-X-ENDLIST"],
                };
                // What is listed is what was made, no more and no less.
                tags.iter().all(|tag| playlist.contains(tag))
                    && files[1..].iter().all(|file| playlist.contains(file.as_str()))
                    && playlist.matches("#EXTINF:").count() == recipe.seconds.div_ceil(SEGMENT)
            }
        };
        if !right {
            return Err(bad(format!("{:?} has boxes {boxes:?}", recipe.layout)));
        }
        renditions.push(RenditionRecord {
            id: rung.id.to_owned(),
            width: rung.width,
            height: rung.height,
            bitrate_bps: len * 8 * 1000 / duration_ms,
            container: recipe.layout.container(),
            files,
        });
    }
    Ok(ClipRecord {
        version: VERSION,
        fingerprint: recipe.fingerprint(),
        id: recipe.id.clone(),
        title: recipe.title.clone(),
        duration_ms,
        renditions,
    })
}

/// Lists the clips that are there, for people and other programs; the maker itself trusts only `clip.json`.
fn write_manifest(cache: &Path) -> Result<(), OriginError> {
    let clips =
        (0..MAX_CLIPS).map(Recipe::of).filter(|recipe| made(cache, recipe).is_some()).map(|recipe| recipe.id);
    let manifest = Manifest { version: VERSION, clips: clips.collect() };
    let (path, temporary) = (cache.join("manifest.json"), cache.join("manifest.json.tmp"));
    std::fs::write(&temporary, serde_json::to_vec_pretty(&manifest).unwrap_or_default())
        .and_then(|()| std::fs::rename(&temporary, &path))
        .map_err(OriginError::io("cannot write", path))
}

/// DejaVu Sans, where distributions put it or where fontconfig says.
async fn find_font() -> Option<PathBuf> {
    const KNOWN: [&str; 3] = [
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
        "/usr/share/fonts/TTF/DejaVuSans.ttf",
    ];
    if let Some(known) = KNOWN.iter().map(PathBuf::from).find(|path| path.is_file()) {
        return Some(known);
    }
    let output =
        Command::new("fc-match").args(["-f", "%{file}", "DejaVu Sans"]).stdin(Stdio::null()).output().await;
    let path = PathBuf::from(String::from_utf8(output.ok()?.stdout).ok()?);
    path.is_file().then_some(path)
}
