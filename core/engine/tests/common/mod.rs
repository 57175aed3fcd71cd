//! A clip of eight seconds that several tests play.

use std::sync::Arc;

use unspool_engine::{Asset, Container, Item, Layout, MediaInfo, Rendition, Span, VideoCodec};

/// Its length in bytes.
pub const SIZE: u64 = 400_000;

/// What the probe says of it.
pub fn info() -> Arc<MediaInfo> {
    Arc::new(MediaInfo {
        size: SIZE,
        layout: Layout::MoovFirst,
        duration_ms: 8_000,
        video: Some(VideoCodec::H264),
        width: 720,
        height: 1280,
        rotation: 0,
        audio: None,
        tracks: Vec::new(),
        headers: vec![Span::new(0, 1_000)],
        index: (0..32).map(|i| (i * 250, 1_000 + i * 12_000)).collect(),
    })
}

/// The item number `n`, which is this clip.
pub fn item(n: u64) -> Item {
    let rendition = Rendition {
        id: "r".into(),
        width: 720,
        height: 1280,
        bitrate_bps: 400_000,
        container: Container::Mp4,
        url: "http://127.0.0.1/v.mp4".into(),
        alternates: Vec::new(),
        bytes: None,
        expires_at_ms: None,
    };
    Item {
        id: format!("i{n}"),
        asset: Asset { id: format!("a{n}"), duration_ms: 8_000, renditions: vec![rendition] },
        ..Item::default()
    }
}
