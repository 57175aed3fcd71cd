//! What can be served: assets, their renditions, and the files behind them.
//!
//! A catalogue is loaded once, from clips the [`crate::maker`] made or from a folder of videos, and never changes. Files
//! are found by lookup in it and in no other way, so no path of a request ever reaches the file system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::captions;
use crate::contract::Container;
use crate::digests::Digests;
use crate::error::OriginError;
use crate::maker::{self, ClipRecord};

/// Everything that can be served.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    assets: Vec<Asset>,
    by_id: BTreeMap<String, usize>,
    /// Whether the feed is invented around the assets, or is the assets as they are.
    pub invented: bool,
}

/// One video.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Identifier: letters, digits, `.`, `_` and `-`.
    pub id: String,
    /// What the picture shows, for captions and descriptions.
    pub title: String,
    /// Length in milliseconds; 0 when unknown.
    pub duration_ms: u64,
    /// Encodings, lowest bit rate first; never empty.
    pub renditions: Vec<Rendition>,
    /// Files of captions.
    pub captions: Vec<Captions>,
    /// Files by their name inside the asset.
    pub files: BTreeMap<String, MediaFile>,
}

/// One encoding.
#[derive(Debug, Clone)]
pub struct Rendition {
    /// Identifier within the asset.
    pub id: String,
    /// Pixels; 0 when unknown.
    pub width: u32,
    /// Pixels; 0 when unknown.
    pub height: u32,
    /// Average bits per second; 0 when unknown.
    pub bitrate_bps: u64,
    /// Packing.
    pub container: Container,
    /// The file a client opens.
    pub file: String,
}

/// One file of captions.
#[derive(Debug, Clone)]
pub struct Captions {
    /// Language of its text.
    pub language: String,
    /// Name to show.
    pub label: String,
    /// The file.
    pub file: String,
}

/// One file on disk, as it was when the catalogue was loaded.
#[derive(Debug, Clone)]
pub struct MediaFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub len: u64,
    /// When it was written last.
    pub modified: SystemTime,
    /// Strong entity tag, in quotes.
    pub etag: String,
}

impl MediaFile {
    /// Looks at a file on disk.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(path: &Path, digests: &mut Digests) -> Result<Self, OriginError> {
        let metadata = path.metadata().map_err(OriginError::io("cannot read", path))?;
        let etag = digests.etag(path, &metadata)?;
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(MediaFile { path: path.to_owned(), len: metadata.len(), modified, etag })
    }
}

impl Catalogue {
    /// A catalogue of these assets, in this order. Of two with the same identifier the second is not found by it.
    #[must_use]
    pub fn new(assets: Vec<Asset>, invented: bool) -> Self {
        let mut by_id = BTreeMap::new();
        for (index, asset) in assets.iter().enumerate() {
            by_id.entry(asset.id.clone()).or_insert(index);
        }
        Catalogue { assets, by_id, invented }
    }

    /// Loads clips that [`maker::make`] made in a cache folder.
    ///
    /// # Errors
    /// When a file is missing or unreadable.
    pub fn of_clips(cache: &Path, clips: &[ClipRecord]) -> Result<Self, OriginError> {
        let mut digests = Digests::open(cache);
        let mut assets = Vec::with_capacity(clips.len());
        for (number, clip) in clips.iter().enumerate() {
            let folder = maker::clip_folder(cache, &clip.id);
            let mut files = BTreeMap::new();
            for name in clip.renditions.iter().flat_map(|rendition| &rendition.files) {
                files.insert(name.clone(), MediaFile::load(&folder.join(name), &mut digests)?);
            }
            let captions = captions::write(&folder, number, clip)?;
            for track in &captions {
                files.insert(track.file.clone(), MediaFile::load(&folder.join(&track.file), &mut digests)?);
            }
            let renditions = clip
                .renditions
                .iter()
                .map(|rendition| Rendition {
                    id: rendition.id.clone(),
                    width: rendition.width,
                    height: rendition.height,
                    bitrate_bps: rendition.bitrate_bps,
                    container: rendition.container,
                    file: rendition.files.first().cloned().unwrap_or_default(),
                })
                .collect();
            assets.push(Asset {
                id: clip.id.clone(),
                title: clip.title.clone(),
                duration_ms: clip.duration_ms,
                renditions,
                captions,
                files,
            });
        }
        digests.save();
        Ok(Catalogue::new(assets, true))
    }

    /// All assets in order.
    #[must_use]
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// An asset by identifier.
    #[must_use]
    pub fn asset(&self, id: &str) -> Option<&Asset> {
        self.by_id.get(id).and_then(|index| self.assets.get(*index))
    }

    /// A file of an asset.
    #[must_use]
    pub fn file(&self, asset: &str, file: &str) -> Option<&MediaFile> {
        self.asset(asset)?.files.get(file)
    }
}
