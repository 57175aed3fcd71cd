//! Players that know nothing of this project read the gateway: `ffprobe` finds what it finds in the file itself, and
//! GStreamer's own HTTP source plays to the end. Prints NO DATA and passes where the clips are absent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test says what it skips"
)]

mod common;
mod gateway_common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::World;
use common::playlist;
use gateway_common::Door;
use unspool_engine::{Container, Span};
use unspool_media::Priority;

fn clips() -> Option<PathBuf> {
    let shared = std::env::var_os("UNSPOOL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    Some(shared.join("data/media")).filter(|clips| clips.is_dir())
}

/// What `ffprobe` says of a file or an address: duration, and each stream's codec and packet count.
fn ffprobe(of: &str) -> Option<String> {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-of", "csv"])
        .args(["-show_entries", "format=duration:stream=codec_name,width,height,nb_read_packets", of])
        .env_remove("http_proxy")
        .output()
        .ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

fn have(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|out| out.status.success())
        || Command::new(tool).arg("-version").output().is_ok_and(|out| out.status.success())
}

/// Files of a folder, small enough for a test.
fn files(dir: PathBuf) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    files.retain(|file| {
        file.extension().is_some_and(|ext| ext == "mp4" || ext == "mov")
            && file.metadata().is_ok_and(|data| data.len() < 8_000_000)
    });
    files.sort();
    files
}

#[test]
fn ffprobe_sees_the_same_clip_through_the_gateway() {
    let Some(clips) = clips().filter(|_| have("ffprobe")) else {
        eprintln!("NO DATA: clips or ffprobe");
        return;
    };
    let world = World::new();
    let media = world.open();
    let door = Door::open(&world, &media);
    let mut seen = 0;
    for file in files(clips.join("progressive")).into_iter().chain(files(clips.join("fmp4"))) {
        let Some(direct) = ffprobe(file.to_str().unwrap()) else { continue };
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        world.server.put(&name, std::fs::read(&file).unwrap(), "\"1\"");
        let key = world.register(&media, &name, Container::Mp4);
        if world.run(media.probe(&key, Priority::Next)).is_err() {
            continue;
        }
        let through = ffprobe(&door.gateway.url(&key).unwrap());
        assert_eq!(through.as_deref(), Some(&*direct), "{name}");
        world.server.assert_no_byte_twice(&name);
        seen += 1;
    }
    eprintln!("{seen} clips");
    assert!(seen >= 5, "only {seen} clips could be compared");
}

#[test]
fn hls_over_one_file_plays_through_the_gateway() {
    let Some(clips) = clips().filter(|_| have("ffprobe")) else {
        eprintln!("NO DATA: clips or ffprobe");
        return;
    };
    let world = World::new();
    let media = world.open();
    let door = Door::open(&world, &media);
    for name in ["bbb5s_aac_sidx.mp4", "sample_fragmented_seekable.mp4"] {
        let file = clips.join("fmp4").join(name);
        let bytes = std::fs::read(&file).unwrap();
        world.server.put(name, bytes.clone(), "\"1\"");
        let plain = world.register(&media, name, Container::Fmp4);
        let info = world.run(media.probe(&plain, Priority::Next)).unwrap();
        // The playlist cuts the file where its own index does.
        let mut list = playlist(name, info.index[0].1 as usize, &[]).replace("#EXT-X-ENDLIST\n", "");
        for cut in info.index.windows(2) {
            let (seconds, length) = ((cut[1].0 - cut[0].0) as f64 / 1000.0, cut[1].1 - cut[0].1);
            list += &format!("#EXTINF:{seconds},\n#EXT-X-BYTERANGE:{length}@{}\n{name}\n", cut[0].1);
        }
        let last = info.index.last().unwrap();
        if last.1 < info.size {
            let (seconds, length) = ((info.duration_ms - last.0) as f64 / 1000.0, info.size - last.1);
            list += &format!("#EXTINF:{seconds},\n#EXT-X-BYTERANGE:{length}@{}\n{name}\n", last.1);
        }
        let list_name = format!("{name}.m3u8");
        world.server.put(&list_name, (list + "#EXT-X-ENDLIST\n").into_bytes(), "");
        let key = world.register(&media, &list_name, Container::Hls);
        let told = world.run(media.probe(&key, Priority::Next)).unwrap().duration_ms;
        world.fetch(&media, &key, Span::new(0, bytes.len() as u64));
        // What the origin's own playlist plays is what the gateway's plays, from the cache alone.
        let direct = ffprobe(&world.server.url(&list_name)).expect("ffprobe reads the origin's playlist");
        let requests = world.server.requests();
        let through =
            ffprobe(&door.gateway.url(&key).unwrap()).expect("ffprobe reads the gateway's playlist");
        assert_eq!(through, direct, "{name}");
        let seconds =
            direct.lines().find_map(|line| line.strip_prefix("format,")?.parse::<f64>().ok()).unwrap();
        assert!((seconds * 1000.0 - told as f64).abs() < 10.0, "{name}: {seconds}");
        assert_eq!(world.server.requests(), requests, "all of it was here");
    }
}

/// The checksum of every decoded picture of a file or an address, in the order they are shown.
fn ffmpeg_pictures(of: &str) -> Vec<String> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i", of, "-map", "0:v:0", "-fps_mode", "passthrough"])
        .args(["-pix_fmt", "yuv420p", "-f", "framemd5", "-"])
        .env_remove("http_proxy")
        .output()
        .unwrap();
    assert!(out.status.success(), "{of}: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let sums = text.lines().filter(|line| !line.starts_with('#'));
    sums.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

/// The same from GStreamer's own HLS demuxer and HTTP source.
fn gstreamer_pictures(address: &str, into: &Path) -> Vec<u8> {
    let out = Command::new("timeout")
        .args(["40", "gst-launch-1.0", "-q", "souphttpsrc", &format!("location={address}"), "!", "hlsdemux"])
        .args(["!", "decodebin", "!", "videoconvert", "!", "video/x-raw,format=I420", "!", "filesink"])
        .arg(format!("location={}", into.display()))
        .env_remove("http_proxy")
        .output()
        .unwrap();
    assert!(out.status.success(), "{address}: {}", String::from_utf8_lossy(&out.stderr));
    std::fs::read(into).unwrap()
}

#[test]
fn hls_over_several_files_decodes_to_the_origins_pictures() {
    let Some(clips) = clips().map(|clips| clips.join("hls")).filter(|dir| dir.is_dir() && have("ffmpeg"))
    else {
        eprintln!("NO DATA: playlists or ffmpeg");
        return;
    };
    let gstreamer =
        Command::new("gst-inspect-1.0").arg("hlsdemux").output().is_ok_and(|out| out.status.success());
    let world = World::new();
    let media = world.open();
    let door = Door::open(&world, &media);
    for (folder, list, sound) in [
        ("cmaf-multi-segment", "playlist.m3u8", true),
        ("ts-b-frames", "index.m3u8", false),
        ("mp4-muxed", "hls.m3u8", false),
    ] {
        for file in std::fs::read_dir(clips.join(folder)).unwrap() {
            let file = file.unwrap().path();
            let name = format!("{folder}/{}", file.file_name().unwrap().to_str().unwrap());
            world.server.put(&name, std::fs::read(&file).unwrap(), "\"1\"");
        }
        let path = format!("{folder}/{list}");
        let key = world.register(&media, &path, Container::Hls);
        let info = world.run(media.probe(&key, Priority::Next)).unwrap();
        let direct = ffprobe(clips.join(folder).join(list).to_str().unwrap()).unwrap();
        assert!(
            direct.contains(&format!("h264,{},{}", info.width, info.height)),
            "{folder}: {direct} {info:?}"
        );
        assert_eq!(info.audio.is_some(), direct.contains("aac"), "{folder}: {direct}");
        let seconds = direct.lines().find_map(|l| l.strip_prefix("format,")?.parse::<f64>().ok()).unwrap();
        assert!((seconds * 1000.0 - info.duration_ms as f64).abs() < 50.0, "{folder}: {seconds} {info:?}");
        let address = door.gateway.url(&key).unwrap();
        let expected = ffmpeg_pictures(clips.join(folder).join(list).to_str().unwrap());
        assert!(expected.len() > 20, "{folder}: {} pictures", expected.len());
        assert_eq!(ffmpeg_pictures(&address), expected, "{folder}: through the gateway");
        if sound {
            assert!(ffprobe(&address).unwrap().contains("aac"), "{folder}");
        }
        if gstreamer {
            let one = gstreamer_pictures(&world.server.url(&path), &world.dir.path().join("one.yuv"));
            let two = gstreamer_pictures(&address, &world.dir.path().join("two.yuv"));
            let picture = (info.width * info.height * 3 / 2) as usize;
            assert_eq!(two.len() / picture, expected.len(), "{folder}: pictures from GStreamer");
            assert!(one == two, "{folder}: what the origin's playlist decodes to");
        } else {
            eprintln!("NO DATA: hlsdemux");
        }
        world.fetch(&media, &key, Span::new(0, info.size));
        assert!(media.is_complete(&key), "{folder}");
        let requests = world.server.requests();
        assert_eq!(ffmpeg_pictures(&address), expected, "{folder}: from the cache");
        assert_eq!(world.server.requests(), requests, "{folder}: the cache asks nobody");
    }
}

#[test]
fn gstreamers_own_http_source_plays_to_the_end() {
    let file = clips().map(|clips| clips.join("progressive/bbb_prog_10s.mp4")).filter(|file| file.is_file());
    let source = Command::new("gst-inspect-1.0").arg("souphttpsrc").output();
    let (Some(file), true) = (file, source.is_ok_and(|out| out.status.success())) else {
        eprintln!("NO DATA: clips or souphttpsrc");
        return;
    };
    let world = World::new();
    let media = world.open();
    let bytes = std::fs::read(&file).unwrap();
    world.server.put("a", bytes, "\"1\"");
    let key = world.register(&media, "a", Container::Mp4);
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    let out = Command::new("timeout")
        .args(["20", "gst-launch-1.0", "-q", "souphttpsrc", &format!("location={url}")])
        .args(["!", "qtdemux", "!", "h264parse", "!", "avdec_h264", "!", "fakesink", "sync=false"])
        .env_remove("http_proxy")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(media.is_complete(&key));
    world.server.assert_no_byte_twice("a");
}
