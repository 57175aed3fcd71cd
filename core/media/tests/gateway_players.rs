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

use std::path::PathBuf;
use std::process::Command;

use common::World;
use common::playlist;
use gateway_common::Door;
use unspool_engine::{Container, Span};
use unspool_media::{Layout, Priority};

fn clips() -> Option<PathBuf> {
    let shared = std::env::var_os("UNSPOOL_SHARED").map(PathBuf::from);
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let beside = here.ancestors().map(|dir| dir.join("shared")).find(|dir| dir.join("data/media").is_dir());
    let clips = shared.or(beside)?.join("data/media");
    clips.is_dir().then_some(clips)
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
        println!("NO DATA: clips or ffprobe");
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
    println!("{seen} clips");
    assert!(seen >= 5, "only {seen} clips could be compared");
}

#[test]
fn hls_over_one_file_plays_through_the_gateway() {
    let Some(file) = clips().map(|clips| clips.join("fmp4/bbb5s_aac_sidx.mp4")).filter(|f| f.is_file())
    else {
        println!("NO DATA: clips");
        return;
    };
    let bytes = std::fs::read(&file).unwrap();
    let world = World::new();
    let media = world.open();
    world.server.put("plain.mp4", bytes.clone(), "\"1\"");
    let plain = world.register(&media, "plain.mp4", Container::Fmp4);
    let info = world.run(media.probe(&plain, Priority::Next)).unwrap();
    assert_eq!(info.layout, Layout::Fragmented);
    // The cuts of the file are its fragments; the playlist gives each its length in the file's own index.
    let first = info.index[0].1;
    let parts: Vec<(f64, u64)> =
        info.index.windows(2).map(|p| ((p[1].0 - p[0].0) as f64 / 1000.0, p[1].1 - p[0].1)).collect();
    let mut list = playlist("plain.mp4", first as usize, &[]).replace("#EXT-X-ENDLIST\n", "");
    let mut at = first;
    for (seconds, length) in &parts {
        list += &format!("#EXTINF:{seconds},\n#EXT-X-BYTERANGE:{length}@{at}\nplain.mp4\n");
        at += length;
    }
    world.server.put("list.m3u8", (list + "#EXT-X-ENDLIST\n").into_bytes(), "");
    let key = world.register(&media, "list.m3u8", Container::Hls);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    world.fetch(&media, &key, Span::new(0, bytes.len() as u64));
    let requests = world.server.requests();
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    if have("ffprobe") {
        let direct = ffprobe(file.to_str().unwrap()).unwrap();
        let through = ffprobe(&url).expect("ffprobe reads the playlist");
        let packets = |text: &str| {
            text.lines().filter(|l| l.starts_with("stream")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(packets(&through).first(), packets(&direct).first(), "every packet arrives");
        let seconds = |text: &str| {
            let line = text.lines().find(|line| line.starts_with("format")).unwrap().to_owned();
            line.split(',').nth(1).unwrap().parse::<f64>().unwrap()
        };
        assert!((seconds(&through) - seconds(&direct)).abs() < 0.1, "{through} / {direct}");
    } else {
        println!("NO DATA: ffprobe");
    }
    assert_eq!(world.server.requests(), requests, "all of it was here");
}

#[test]
fn gstreamers_own_http_source_plays_to_the_end() {
    let file = clips().map(|clips| clips.join("fmp4/bbb5s_aac_sidx.mp4")).filter(|file| file.is_file());
    let source = Command::new("gst-inspect-1.0").arg("souphttpsrc").output();
    let (Some(file), true) = (file, source.is_ok_and(|out| out.status.success())) else {
        println!("NO DATA: clips or souphttpsrc");
        return;
    };
    let world = World::new();
    let media = world.open();
    let bytes = std::fs::read(&file).unwrap();
    world.server.put("a", bytes, "\"1\"");
    let key = world.register(&media, "a", Container::Fmp4);
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
