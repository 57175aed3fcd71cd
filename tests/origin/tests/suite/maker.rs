//! Clips are made once, whole or not at all.

use unspool_origin::OriginError;
use unspool_origin::maker::make;

use crate::support::{CLIPS, cache};

#[tokio::test]
async fn two_makers_make_the_same_clips_once() {
    let cache = cache();
    let (one, two) = tokio::join!(make(&cache, CLIPS), make(&cache, CLIPS));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one, two);
    assert_eq!(one.len(), CLIPS);
    let left: Vec<_> = std::fs::read_dir(&cache)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".making"))
        .collect();
    assert!(left.is_empty());
}

#[tokio::test]
async fn a_clip_that_is_there_is_not_made_again() {
    make(&cache(), 1).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip-00");
    std::fs::create_dir(&clip).unwrap();
    for entry in std::fs::read_dir(cache().join("clip-00")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), clip.join(entry.file_name())).unwrap();
    }
    let before = clip.join("720.mp4").metadata().unwrap().modified().unwrap();
    assert_eq!(make(folder.path(), 1).await.unwrap()[0].id, "clip-00");
    assert_eq!(clip.join("720.mp4").metadata().unwrap().modified().unwrap(), before);
}

#[tokio::test]
async fn what_an_interrupted_or_older_maker_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path();
    std::fs::create_dir(cache.join(".making-clip-00-x")).unwrap();
    std::fs::create_dir(cache.join("clip-00")).unwrap();
    std::fs::write(cache.join("clip-00/clip.json"), "{}").unwrap();
    let records = make(cache, 1).await.unwrap();
    assert_eq!((records[0].duration_ms, records[0].renditions.len()), (6000, 3));
    assert!(!cache.join(".making-clip-00-x").exists());
    assert!(std::fs::read_to_string(cache.join("manifest.json")).unwrap().contains("clip-00"));
}

#[tokio::test]
async fn a_count_out_of_bounds_is_refused() {
    for count in [0, 100_000] {
        assert!(matches!(make(&cache(), count).await, Err(OriginError::Setting { name: "clips", .. })));
    }
}
