//! A media room in a folder of its own, and the runtime it runs on.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use unspool_engine::MediaKey;
use unspool_media::{Media, MediaConfig, MediaInfo, Origin, Priority};

pub struct Room {
    pub runtime: Runtime,
    pub media: Arc<Media>,
    _dir: tempfile::TempDir,
}

impl Room {
    pub fn open() -> Room {
        let dir = tempfile::tempdir().unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let media = Media::open(MediaConfig::new(dir.path()), runtime.handle().clone()).unwrap();
        Room { runtime, media, _dir: dir }
    }

    /// Makes an address known.
    pub fn register(&self, name: &str, origin: Origin) -> MediaKey {
        let key = MediaKey::new(name, "r");
        self.media.register(&key, origin);
        key
    }

    /// What a probe says.
    pub fn probe(&self, key: &MediaKey, priority: Priority) -> Arc<MediaInfo> {
        self.runtime.block_on(self.media.probe(key, priority)).unwrap()
    }

    pub fn close(self) {
        self.runtime.block_on(self.media.shutdown(Duration::from_secs(5))).unwrap();
    }
}
