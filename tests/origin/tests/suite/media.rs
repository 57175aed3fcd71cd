//! Signed bytes: ranges, conditions, refusals, playlists.

use reqwest::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use unspool_origin::contract::Container;
use unspool_origin::folder::top_boxes;
use unspool_origin::{Config, Media};

use crate::support::{Origin, cache, clip_bytes, code, shared};

fn text(headers: &HeaderMap, name: reqwest::header::HeaderName) -> &str {
    headers.get(name).unwrap().to_str().unwrap()
}

#[tokio::test]
async fn ranges_answer_exactly_the_bytes_asked_for() {
    let origin = Origin::start().await;
    let whole = clip_bytes("clip-00", "270.mp4");
    let url = origin.url("ann", "clip-00", "270").await;
    let n = whole.len();
    let last = n - 1;
    let cases = [
        ("bytes=0-0".to_owned(), Some((0, 0))),
        ("bytes=0-".to_owned(), Some((0, last))),
        (format!("bytes={last}-"), Some((last, last))),
        (format!("bytes={n}-"), None),
        ("bytes=100-20000".to_owned(), Some((100, 20_000))),
        (format!("bytes=5-{}", n + 99), Some((5, last))),
        ("bytes=-1".to_owned(), Some((last, last))),
        ("bytes=-777".to_owned(), Some((n - 777, last))),
        (format!("bytes=-{}", n * 2), Some((0, last))),
        ("bytes=-0".to_owned(), None),
    ];
    for (range, expected) in cases {
        let response = origin.client.get(&url).header(RANGE, &range).send().await.unwrap();
        match expected {
            Some((first, last)) => {
                assert_eq!(response.status(), 206, "{range}");
                let headers = response.headers().clone();
                assert_eq!(text(&headers, CONTENT_RANGE), format!("bytes {first}-{last}/{n}"));
                assert_eq!(text(&headers, CONTENT_LENGTH), (last - first + 1).to_string());
                assert!(response.bytes().await.unwrap() == whole[first..=last], "{range}");
            }
            None => {
                assert_eq!(response.status(), 416, "{range}");
                assert_eq!(text(response.headers(), CONTENT_RANGE), format!("bytes */{n}"));
                assert_eq!(code(response).await, "range_not_satisfiable");
            }
        }
    }
    for ignored in ["bytes=9-3", "bytes=0-1,5-6", "lines=0-1", "bytes=x-"] {
        let response = origin.client.get(&url).header(RANGE, ignored).send().await.unwrap();
        assert_eq!(response.status(), 200, "{ignored}");
        assert!(response.bytes().await.unwrap() == whole, "{ignored}");
    }
}

#[tokio::test]
async fn validators_and_conditions() {
    let origin = Origin::start().await;
    let whole = clip_bytes("clip-00", "270.mp4");
    let url = origin.url("ann", "clip-00", "270").await;
    let head = origin.client.head(&url).send().await.unwrap();
    assert_eq!(head.status(), 200);
    let headers = head.headers().clone();
    assert_eq!(text(&headers, CONTENT_LENGTH), whole.len().to_string());
    assert_eq!(text(&headers, CONTENT_TYPE), "video/mp4");
    assert_eq!(text(&headers, ACCEPT_RANGES), "bytes");
    let (etag, date) = (text(&headers, ETAG), text(&headers, LAST_MODIFIED));
    assert!(etag.starts_with('"') && etag.len() > 20, "a strong tag");
    assert!(head.bytes().await.unwrap().is_empty());

    let status = async |name: reqwest::header::HeaderName, value: &str| {
        let request = origin.client.get(&url).header(RANGE, "bytes=0-9").header(name, value);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(IF_RANGE, etag).await, 206);
    assert_eq!(status(IF_RANGE, date).await, 206);
    assert_eq!(status(IF_RANGE, &format!("W/{etag}")).await, 200, "a weak tag never matches");
    assert_eq!(status(IF_RANGE, "\"other\"").await, 200);
    assert_eq!(status(IF_RANGE, "Thu, 01 Jan 1970 00:00:00 GMT").await, 200);
    assert_eq!(status(IF_NONE_MATCH, etag).await, 304);
    assert_eq!(status(IF_NONE_MATCH, &format!("\"a\", W/{etag}")).await, 304);
    assert_eq!(status(IF_NONE_MATCH, "*").await, 304);
    assert_eq!(status(IF_NONE_MATCH, "\"other\"").await, 206);
    assert_eq!(status(IF_MODIFIED_SINCE, date).await, 304);
    assert_eq!(status(IF_MODIFIED_SINCE, "Thu, 01 Jan 1970 00:00:00 GMT").await, 206);

    let other = origin.url("ann", "clip-03", "270").await;
    let other = origin.client.head(&other).send().await.unwrap();
    assert_ne!(text(other.headers(), ETAG), etag);
}

#[tokio::test]
async fn addresses_open_what_they_were_signed_for_until_they_expire() {
    let origin = Origin::start().await;
    let url = origin.url("ann", "clip-00", "270").await;
    let status = async |url: String| {
        let response = origin.client.get(url).send().await.unwrap();
        (response.status().as_u16(), code(response).await)
    };
    let bad = (403, "bad_signature".to_owned());
    assert_eq!(status(url.replace("270.mp4", "720.mp4")).await, bad);
    assert_eq!(status(url.replace("c=ann", "c=bob")).await, bad);
    assert_eq!(status(url.replace("exp=", "exp=1")).await, bad);
    assert_eq!(status(url.replace("&sig=", "&sig=00")).await, bad);
    assert_eq!(status(url.split('?').next().unwrap().to_owned()).await, bad);

    let brief = Origin::with(|config: &mut Config| config.url_ttl = std::time::Duration::ZERO).await;
    let url = brief.url("ann", "clip-00", "270").await;
    let response = brief.client.get(url).send().await.unwrap();
    assert_eq!((response.status().as_u16(), code(response).await), (403, "expired".to_owned()));
}

#[tokio::test]
async fn fresh_addresses_and_their_refusals() {
    let origin = Origin::start().await;
    let fresh = origin.json("ann", "/v1/assets/clip-00/renditions/720").await;
    assert!(fresh["expires_at_ms"].as_i64().unwrap() > unspool_origin::clock::now_ms());
    for (path, expected) in [
        ("/v1/assets/clip-99/renditions/720", "unknown_asset"),
        ("/v1/assets/clip-00/renditions/999", "unknown_rendition"),
    ] {
        let response = origin.get_as("ann", path).send().await.unwrap();
        assert_eq!(response.status(), 404);
        assert_eq!(code(response).await, expected);
    }
    let response = origin.get("/v1/assets/clip-00/renditions/720").send().await.unwrap();
    assert_eq!(response.status(), 401);
}

/// Follows a playlist the way a player does: every URI relative to the playlist, every byte range.
async fn play(origin: &Origin, url: &str) -> Vec<u8> {
    let response = origin.client.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(text(response.headers(), CONTENT_TYPE), "application/vnd.apple.mpegurl");
    assert!(text(response.headers(), CACHE_CONTROL).contains("no-store"));
    let declared: usize = text(response.headers(), CONTENT_LENGTH).parse().unwrap();
    let playlist = response.text().await.unwrap();
    assert_eq!(playlist.len(), declared);
    let base = reqwest::Url::parse(url).unwrap();
    let mut wanted = Vec::new();
    let mut range = None;
    for line in playlist.lines() {
        if let Some(map) = line.strip_prefix("#EXT-X-MAP:URI=\"") {
            let (uri, rest) = map.split_once('"').unwrap();
            let range = rest.split_once("BYTERANGE=\"").map(|(_, range)| range.trim_end_matches('"'));
            wanted.push((uri.to_owned(), range.map(str::to_owned)));
        } else if let Some(bytes) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            range = Some(bytes.to_owned());
        } else if !line.starts_with('#') && !line.is_empty() {
            wanted.push((line.to_owned(), range.take()));
        }
    }
    assert!(wanted.len() > 2);
    let mut all = Vec::new();
    for (uri, range) in wanted {
        let mut request = origin.client.get(base.join(&uri).unwrap());
        if let Some((len, first)) = range.as_deref().and_then(|range| range.split_once('@')) {
            let (len, first): (u64, u64) = (len.parse().unwrap(), first.parse().unwrap());
            request = request.header(RANGE, format!("bytes={first}-{}", first + len - 1));
        }
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{uri}");
        all.extend_from_slice(&response.bytes().await.unwrap());
    }
    all
}

#[tokio::test]
async fn a_playlist_leads_to_all_bytes_of_its_clip() {
    let origin = Origin::start().await;
    // Eleven seconds are six segments: of transport stream, of fragments behind their headers, and ranges of one file.
    let numbered = |ending: &str| (0..6).map(|number| format!("-{number:02}.{ending}")).collect::<Vec<_>>();
    let packings = [
        ("270", numbered("ts")),
        ("406", [vec!["-init.mp4".to_owned()], numbered("m4s")].concat()),
        ("720", vec![".m4s".to_owned()]),
    ];
    for (rendition, files) in packings {
        let url = origin.url("ann", "clip-01", rendition).await;
        let all = play(&origin, &url).await;
        let made: Vec<Vec<u8>> =
            files.iter().map(|file| clip_bytes("clip-01", &format!("{rendition}{file}"))).collect();
        assert!(all == made.concat(), "{rendition}");
        for file in files {
            let url = origin.url("ann", "clip-01", rendition).await;
            let bare = url.split('?').next().unwrap().replace(".m3u8", &file);
            let status = origin.client.get(bare).send().await.unwrap().status();
            assert_eq!(status, 403, "{rendition}{file} opens only with a signature");
        }
    }
    let lines = origin.lines(1, |line| line.path.ends_with(".m4s") && line.status == 206).await;
    assert!(lines.iter().all(|line| line.client == "ann"), "the tag is carried on");
}

#[tokio::test]
async fn the_four_packings() {
    let origin = Origin::start().await;
    let page = origin.json("ann", "/v1/feed?feed=non_profiled&limit=4").await;
    let containers: Vec<Container> = (0..4)
        .map(|item| {
            serde_json::from_value(page["items"][item]["asset"]["renditions"][0]["container"].clone())
                .unwrap()
        })
        .collect();
    assert_eq!(containers, [Container::Mp4, Container::Hls, Container::Fmp4, Container::Mp4]);
    let boxes = |clip: &str, file: &str| top_boxes(&cache().join(clip).join(file)).unwrap();
    let before = |boxes: &[String], a: &str, b: &str| {
        let place = |name: &str| boxes.iter().position(|found| found == name).unwrap();
        place(a) < place(b)
    };
    assert!(before(&boxes("clip-00", "720.mp4"), "moov", "mdat"));
    assert!(before(&boxes("clip-03", "720.mp4"), "mdat", "moov"));
    let fragmented = boxes("clip-02", "720.mp4");
    assert!(before(&fragmented, "moov", "sidx") && before(&fragmented, "sidx", "moof"));
    assert!(page["items"][1]["asset"]["renditions"][0]["bytes"].is_null());
    assert_eq!(page["items"][0]["asset"]["renditions"][0]["bytes"], clip_bytes("clip-00", "270.mp4").len());
}

#[tokio::test]
async fn a_folder_of_videos_is_served_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::copy(cache_file("clip-00", "270.mp4").await, root.join("b first.mp4")).unwrap();
    std::fs::copy(cache_file("clip-02", "270.mp4").await, root.join("c.m4v")).unwrap();
    std::fs::write(root.join("a.mp4"), "not a video").unwrap();
    std::fs::write(root.join("notes.txt"), "no").unwrap();
    std::fs::create_dir(root.join("d")).unwrap();
    for file in ["720.m3u8", "720.m4s"] {
        std::fs::copy(cache_file("clip-01", file).await, root.join("d").join(file)).unwrap();
    }
    let origin = Origin::with(|config| config.media = Media::Folder(root.to_owned())).await;
    let page = origin.json("ann", "/v1/feed?feed=for_you&limit=50").await;
    let items = page["items"].as_array().unwrap();
    let of = |field: &str| {
        items.iter().map(|item| item["asset"]["renditions"][0][field].clone()).collect::<Vec<_>>()
    };
    let captions: Vec<&str> = items.iter().map(|item| item["caption"].as_str().unwrap()).collect();
    assert_eq!(captions, ["a.mp4", "b first.mp4", "c.m4v", "d"]);
    assert_eq!(of("container"), ["mp4", "mp4", "fmp4", "hls"]);
    assert_eq!(of("id"), ["source"; 4]);
    assert_eq!(of("width"), [0, 270, 270, 720]);
    let lengths: Vec<u64> = items.iter().map(|item| item["asset"]["duration_ms"].as_u64().unwrap()).collect();
    assert_eq!(lengths, [0, 6000, 9000, 11000]);
    for (item, expected) in [(0, b"not a video".to_vec()), (1, clip_bytes("clip-00", "270.mp4"))] {
        let url = items[item]["asset"]["renditions"][0]["url"].as_str().unwrap();
        assert!(origin.client.get(url).send().await.unwrap().bytes().await.unwrap() == expected);
    }
    let url = items[3]["asset"]["renditions"][0]["url"].as_str().unwrap();
    assert!(play(&origin, url).await == clip_bytes("clip-01", "720.m4s"));
}

async fn cache_file(clip: &str, file: &str) -> std::path::PathBuf {
    unspool_origin::maker::make(&cache(), crate::support::CLIPS).await.unwrap();
    cache().join(clip).join(file)
}

#[tokio::test]
async fn foreign_and_damaged_videos_are_served() {
    let Some(data) = shared() else { return };
    let origin = Origin::with(|config| config.media = Media::Folder(data.join("media"))).await;
    let page = origin.json("ann", "/v1/feed?feed=for_you&limit=50").await;
    let items = page["items"].as_array().unwrap();
    assert!(items.len() > 10);
    for item in items {
        let rendition = &item["asset"]["renditions"][0];
        let response = origin.client.get(rendition["url"].as_str().unwrap()).send().await.unwrap();
        assert_eq!(response.status(), 200, "{}", item["caption"]);
        let bytes = response.bytes().await.unwrap();
        if let Some(expected) = rendition["bytes"].as_u64() {
            assert_eq!(bytes.len() as u64, expected, "{}", item["caption"]);
        }
    }
}

#[tokio::test]
async fn an_empty_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { media: Media::Folder(folder.path().to_owned()), ..Config::default() };
    let error = unspool_origin::serve(config).await.unwrap_err();
    assert!(matches!(error, unspool_origin::OriginError::NothingToServe { .. }));
}
