//! Cold starts: the right picture, from as few requests as there can be.
//!
//! The server stops in the middle of its first answer for a file, so a picture that comes is one that needed no more than
//! that, and a request that was made is one that did not wait for what was on its way.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use support::room::Room;
use support::server::Server;
use support::{LONG, Script, Stage, ffmpeg, files, probe, shared};
use unspool_engine::{Container, Layout, MediaKey};
use unspool_media::{ByteSource, MediaInfo, Origin, Priority, probe_file};
use unspool_player::{LumaFacts, PlayerConfig, PlayerEvent, PlayerId};

const A: PlayerId = PlayerId(1);

/// Bytes of a first answer: most of the first piece that is asked for.
const STOP: usize = 120_000;

/// A server of a folder, a media room and players.
struct World {
    room: Room,
    server: Server,
    stage: Stage,
}

/// What a start took: ranges by file, and the first picture.
type Took = (Vec<(String, Vec<(u64, u64)>)>, LumaFacts);

impl World {
    fn of(folder: &Path) -> World {
        World::stopping(folder, STOP)
    }

    fn stopping(folder: &Path, stop: usize) -> World {
        let server = Server::stopping(folder, stop);
        let stage = Stage::open(PlayerConfig { capture_first_frame: true, ..PlayerConfig::default() });
        World { room: Room::open(), server, stage }
    }

    fn info(&self, name: &str, container: Container) -> (MediaKey, Arc<MediaInfo>) {
        let key = self.room.register(name, Origin::new(self.server.url(name), container));
        let info = self.room.probe(&key, Priority::Playback);
        (key, info)
    }

    /// Starts from the address alone.
    fn start(&mut self, name: &str, container: Container) -> Took {
        let (key, _) = self.info(name, container);
        let (source, info) = self.room.media.playable(&key).unwrap();
        let luma = first(&mut self.stage, source, info);
        (self.server.log(), luma)
    }

    fn close(self) {
        self.server.let_go();
        assert!(self.stage.pool.shutdown(LONG));
        self.room.close();
    }
}

fn first(stage: &mut Stage, source: Arc<dyn ByteSource>, info: Arc<MediaInfo>) -> LumaFacts {
    stage.pool.prepare(A, source, info).unwrap();
    stage.pool.play(A).unwrap();
    let luma = match stage.first_frame(A) {
        PlayerEvent::FirstFrame { luma: Some(luma), .. } => luma,
        other => panic!("no picture facts in {other:?}"),
    };
    stage.pool.release(A).unwrap();
    luma
}

/// The first picture of a file that is all here.
fn of_file(stage: &mut Stage, path: &Path) -> LumaFacts {
    first(stage, Script::file(path), Arc::new(probe(path)))
}

/// A clip with sound of `rate` bits a second, two seconds to a key picture, laid out by `flags`.
fn clip(path: &Path, rate: &str, flags: &str) {
    cut(path, rate, flags, "60");
}

/// The same with a key picture every so many pictures, of 30 a second.
fn cut(path: &Path, rate: &str, flags: &str, pictures: &str) {
    let picture = "testsrc2=size=360x640:rate=30,noise=alls=12";
    let mut args = vec!["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=frequency=300", "-t", "6"];
    args.extend(["-c:v", "libx264", "-preset", "veryfast", "-b:v", rate, "-maxrate", rate, "-bufsize", rate]);
    args.extend([
        "-g",
        pictures,
        "-sc_threshold",
        "0",
        "-pix_fmt",
        "yuv420p",
        "-c:a",
        "aac",
        "-movflags",
        flags,
    ]);
    args.push(path.to_str().unwrap());
    ffmpeg(&args);
}

const FRAGMENTED: &str = "+frag_keyframe+empty_moov+default_base_moof";

#[test]
fn a_first_picture_takes_one_request_or_two_where_the_headers_are_last() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        ("first.mp4", "600k", "+faststart", Layout::MoovFirst, 1),
        ("last.mp4", "600k", "+write_colr", Layout::MoovLast, 2),
        // The first fragment is in the first piece, with its sound.
        ("small.mp4", "250k", FRAGMENTED, Layout::Fragmented, 1),
    ];
    for (name, rate, flags, layout, requests) in cases {
        let path = dir.path().join(name);
        clip(&path, rate, flags);
        let mut world = World::of(dir.path());
        let (log, luma) = world.start(name, Container::Mp4);
        assert_eq!(log.len(), 1, "{log:?}");
        assert_eq!(log[0].1.len(), requests, "{name}: {log:?}");
        assert_eq!(luma.hash, of_file(&mut world.stage, &path).hash, "{name}");
        let info = world.room.media.info(&MediaKey::new(name, "r")).unwrap();
        assert_eq!(info.layout, layout, "{name}");
        assert!(info.duration_ms.abs_diff(6000) < 2500, "{name}: {}", info.duration_ms);
        world.close();
    }
}

#[test]
fn a_fragment_larger_than_the_first_piece_shows_its_picture_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.mp4");
    clip(&path, "600k", FRAGMENTED);
    let mut world = World::of(dir.path());
    world.server.let_go();
    // The sound of the fragment lies behind all its pictures, and a demuxer wants both.
    let (_, luma) = world.start("large.mp4", Container::Mp4);
    assert_eq!(luma.hash, of_file(&mut world.stage, &path).hash);
    world.server.assert_each_file_once();
    world.close();
}

#[test]
fn a_fragment_of_a_second_takes_one_request_whether_its_rate_is_known_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("second.mp4");
    cut(&path, "1800k", FRAGMENTED, "30");
    // Where the second fragment begins, with its head.
    let two = probe_file(&path).unwrap().index[1].1 as usize + 4096;
    assert!((STOP..400_000).contains(&two), "{two}");
    for bits in [0, 1_900_000] {
        let mut world = World::stopping(dir.path(), two);
        let origin = Origin::new(world.server.url("second.mp4"), Container::Fmp4);
        let key = world.room.register("second.mp4", Origin { bitrate_bps: bits, ..origin });
        world.room.probe(&key, Priority::Playback);
        let (source, info) = world.room.media.playable(&key).unwrap();
        let luma = first(&mut world.stage, source, info);
        assert_eq!(world.server.asked("second.mp4"), 1, "{bits}: {:?}", world.server.log());
        assert_eq!(luma.hash, of_file(&mut world.stage, &path).hash);
        world.close();
    }
}

#[test]
fn what_the_end_of_a_fragmented_file_says_is_learnt_after_the_start() {
    let dir = tempfile::tempdir().unwrap();
    clip(&dir.path().join("a.mp4"), "600k", FRAGMENTED);
    let world = World::of(dir.path());
    let (key, early) = world.info("a.mp4", Container::Mp4);
    assert_eq!(world.server.asked("a.mp4"), 1);
    world.server.let_go();
    let until = std::time::Instant::now() + LONG;
    let late = loop {
        let info = world.room.media.info(&key).unwrap();
        if info != early {
            break info;
        }
        assert!(std::time::Instant::now() < until, "{early:?}");
        std::thread::park_timeout(Duration::from_millis(2));
    };
    assert!(late.index.len() > early.index.len(), "{early:?} {late:?}");
    assert!(late.duration_ms.abs_diff(6000) < 2100, "{}", late.duration_ms);
    world.close();
}

#[test]
fn a_segmented_start_takes_its_playlists_its_header_and_one_segment() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain.mp4");
    clip(&plain, "250k", "+faststart");
    let clip = dir.path().join("hls");
    std::fs::create_dir(&clip).unwrap();
    let path = |name: &str| clip.join(name).to_str().unwrap().to_owned();
    ffmpeg(&[
        "-i",
        plain.to_str().unwrap(),
        "-c",
        "copy",
        "-f",
        "hls",
        "-hls_time",
        "2",
        "-hls_playlist_type",
        "vod",
        "-hls_segment_type",
        "fmp4",
        "-hls_fmp4_init_filename",
        "init.mp4",
        "-master_pl_name",
        "master.m3u8",
        "-hls_segment_filename",
        &path("%d.m4s"),
        &path("list.m3u8"),
    ]);
    let mut world = World::of(&clip);
    // Once the picture is there the second segment is asked for.
    world.server.hold("1.m4s");
    let (log, luma) = world.start("master.m3u8", Container::Hls);
    let names: Vec<&str> = log.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["0.m4s", "init.mp4", "list.m3u8", "master.m3u8"], "{log:?}");
    assert!(log.iter().all(|(_, ranges)| ranges.len() == 1), "{log:?}");
    assert_eq!(luma.hash, of_file(&mut world.stage, &plain).hash);
    world.close();
}

#[test]
fn every_shared_file_with_its_headers_first_starts_with_one_request() {
    let Some(media) = shared() else { return };
    let folder = media.join("progressive");
    let mut started = 0;
    let mut world = World::of(&folder);
    for path in files(&folder) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let key = world.room.register(&name, Origin::new(world.server.url(&name), Container::Mp4));
        let probed = world.room.media.probe(&key, Priority::Playback);
        let Ok(info) = world.room.runtime.block_on(probed) else { continue };
        if info.layout != Layout::MoovFirst || info.video.is_none() {
            continue;
        }
        let Ok((source, info)) = world.room.media.playable(&key) else { continue };
        let luma = first(&mut world.stage, source, info);
        let asked = world.server.asked(&name);
        assert_eq!(luma.hash, of_file(&mut world.stage, &path).hash, "{name}");
        assert_eq!(asked, 1, "{name}: {:?}", world.server.log());
        started += 1;
    }
    assert!(started >= 3, "only {started} files");
    world.close();
}
