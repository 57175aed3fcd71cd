//! Cards for the tests of this crate.

use crate::model::{Asset, Container, Creator, Item, Rendition};

/// A card with two renditions of a ten-second clip.
pub(crate) fn item(id: &str) -> Item {
    let rendition = |name: &str, height: u32, bitrate_bps: u64| Rendition {
        id: name.into(),
        width: height * 9 / 16,
        height,
        bitrate_bps,
        container: Container::Mp4,
        url: format!("http://127.0.0.1/{id}/{name}.mp4"),
        alternates: Vec::new(),
        bytes: Some(bitrate_bps * 10 / 8),
        expires_at_ms: None,
    };
    Item {
        id: id.into(),
        asset: Asset {
            id: format!("asset-{id}"),
            duration_ms: 10_000,
            renditions: vec![rendition("480p", 480, 800_000), rendition("720p", 720, 2_000_000)],
        },
        creator: Creator { id: "c1".into(), handle: "ada".into(), name: "Ada".into() },
        topics: vec!["science".into()],
        ..Item::default()
    }
}
