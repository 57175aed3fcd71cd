//! HLS over several files, from a server through the media room into a player: the right first picture, loops without a
//! gap, seeks, stalls.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::room::Room;
use support::server::Server;
use support::{LONG, MOVING, Script, Stage, ffmpeg};
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{ByteSource, MediaInfo, Origin, Priority, Purpose};
use unspool_player::{LumaFacts, PlayerConfig, PlayerEvent, PlayerId, SeekMode};

const A: PlayerId = PlayerId(1);

/// A clip of one-second segments, a server of its files, and a media room.
struct World {
    room: Room,
    server: Server,
    dir: tempfile::TempDir,
    key: MediaKey,
}

impl World {
    fn new(seconds: &str, packing: &[&str]) -> World {
        let dir = tempfile::tempdir().unwrap();
        let clip = dir.path().join("clip");
        std::fs::create_dir(&clip).unwrap();
        let path = |name: &str| clip.join(name).to_str().unwrap().to_owned();
        let (list, segments) = (path("list.m3u8"), path("%d.part"));
        let picture = format!("{MOVING},format=yuv420p");
        let mut args = vec!["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", "sine=frequency=300"];
        args.extend([
            "-t",
            seconds,
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-g",
            "25",
            "-sc_threshold",
            "0",
        ]);
        args.extend(["-c:a", "aac", "-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod"]);
        args.extend(packing);
        args.extend(["-hls_segment_filename", &segments, &list]);
        ffmpeg(&args);
        let server = Server::of(&clip);
        let room = Room::open();
        let key = room.register("clip", Origin::new(server.url("list.m3u8"), Container::Hls));
        World { room, server, dir, key }
    }

    fn fragments(seconds: &str) -> World {
        World::new(seconds, &["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.part"])
    }

    fn info(&self) -> Arc<MediaInfo> {
        self.room.probe(&self.key, Priority::Next)
    }

    fn playable(&self) -> (Arc<dyn ByteSource>, Arc<MediaInfo>) {
        self.info();
        self.room.media.playable(&self.key).unwrap()
    }

    fn fetch(&self, span: Span) {
        let ticket = self.room.media.fetch(&self.key, &[span], Priority::Prefetch, Purpose::Prefetch);
        self.room.runtime.block_on(ticket.wait()).unwrap();
    }

    /// The same pictures in one file, as ffmpeg puts them there.
    fn plain(&self) -> (Vec<u8>, MediaInfo) {
        let list = self.dir.path().join("clip/list.m3u8");
        let file = self.dir.path().join("plain.mp4");
        let args = ["-allowed_extensions", "ALL", "-extension_picky", "0", "-i", list.to_str().unwrap()];
        ffmpeg(&[&args[..], &["-c", "copy", "-bsf:a", "aac_adtstoasc", file.to_str().unwrap()]].concat());
        (std::fs::read(&file).unwrap(), support::probe(&file))
    }

    fn close(self) {
        self.room.close();
    }
}

fn luma(event: &PlayerEvent) -> LumaFacts {
    match event {
        PlayerEvent::FirstFrame { luma: Some(luma), .. } => *luma,
        other => panic!("no picture facts in {other:?}"),
    }
}

fn no_errors(stage: &mut Stage) {
    stage.drain();
    let errors: Vec<_> = stage.seen.iter().filter(|e| matches!(e, PlayerEvent::Error { .. })).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

fn capturing() -> Stage {
    Stage::open(PlayerConfig { capture_first_frame: true, ..PlayerConfig::default() })
}

/// First picture, loops, and what of the origin's files was asked for.
fn plays(world: World, laps: u64, clip_ms: u64) {
    let (source, info) = world.playable();
    assert!(info.duration_ms.abs_diff(clip_ms) < 100, "{info:?}");
    let (bytes, plain) = world.plain();
    let mut stage = capturing();
    stage.pool.prepare(A, Script::new(bytes), Arc::new(plain)).unwrap();
    stage.pool.play(A).unwrap();
    let expected = luma(&stage.first_frame(A));
    stage.pool.release(A).unwrap();
    stage.pool.prepare(A, source, info).unwrap();
    stage.preroll(A);
    stage.pool.play(A).unwrap();
    assert_eq!(luma(&stage.first_frame(A)).hash, expected.hash, "the first picture");
    let begun = Instant::now();
    stage.wait(LONG, |event| {
        matches!(event, PlayerEvent::Looped { loops, .. } if *loops == laps).then_some(())
    });
    let wall = begun.elapsed();
    assert!(wall < Duration::from_millis(laps * clip_ms + 700), "{laps} laps took {wall:?}");
    let facts = stage.pool.snapshot(A).unwrap();
    assert!(facts.active_ms.abs_diff(laps * clip_ms) <= laps * 60 + 200, "{facts:?}");
    no_errors(&mut stage);
    assert!(stage.seen.iter().all(|e| !matches!(e, PlayerEvent::StallBegin { .. })), "{:?}", stage.seen);
    assert!(world.room.media.is_complete(&world.key));
    world.server.assert_each_file_once();
    assert!(stage.pool.shutdown(LONG));
    world.close();
}

#[test]
fn fragments_in_files_play_and_loop() {
    plays(World::fragments("2.4"), 2, 2_400);
}

#[test]
fn transport_streams_play_and_loop() {
    plays(World::new("2.4", &["-hls_segment_type", "mpegts"]), 2, 2_400);
}

#[test]
fn every_picture_of_transport_streams_is_the_origins() {
    // With pictures out of order, which fast encoders leave out.
    let packing = ["-hls_segment_type", "mpegts", "-bf", "2", "-preset", "veryfast"];
    let world = World::new("2.2", &packing);
    let (source, _) = world.playable();
    compare(&world, &*source);
    world.close();
}

#[test]
fn a_seek_goes_to_a_segment_that_is_not_here() {
    let world = World::fragments("6");
    let info = world.info();
    world.fetch(info.ranges(0, 1_000)[0]);
    let (source, info) = world.playable();
    let mut stage = Stage::open(PlayerConfig::default());
    stage.pool.prepare(A, source, info).unwrap();
    stage.preroll(A);
    stage.pool.play(A).unwrap();
    stage.first_frame(A);
    stage.pool.seek(A, 4_500, SeekMode::Keyframe).unwrap();
    stage.until(A, |s| s.position_ms >= 4_000 && s.frames > 3);
    assert!(stage.pool.snapshot(A).unwrap().position_ms < 4_900);
    assert!(world.server.asked("3.part") == 0, "what was jumped over was not fetched");
    stage.pool.seek(A, 2_000, SeekMode::Keyframe).unwrap();
    stage.until(A, |s| (2_000..3_500).contains(&s.position_ms));
    stage.pool.seek(A, 0, SeekMode::Keyframe).unwrap();
    stage.until(A, |s| s.position_ms < 1_000);
    no_errors(&mut stage);
    assert!(stage.pool.shutdown(LONG));
    world.close();
}

#[test]
fn a_segment_that_does_not_come_is_a_stall_and_a_release_ends_the_wait() {
    let world = World::fragments("3");
    let info = world.info();
    world.fetch(info.ranges(0, 1_000)[0]);
    world.server.hold("2.part");
    let (source, info) = world.playable();
    let mut stage = Stage::open(PlayerConfig { loop_playback: false, ..PlayerConfig::default() });
    stage.pool.prepare(A, source, info).unwrap();
    stage.pool.play(A).unwrap();
    stage.first_frame(A);
    stage.wait(LONG, |event| matches!(event, PlayerEvent::StallBegin { .. }).then_some(()));
    world.server.let_go();
    stage.wait(LONG, |event| matches!(event, PlayerEvent::StallEnd { .. }).then_some(()));
    stage.wait(LONG, |event| matches!(event, PlayerEvent::Ended { .. }).then_some(()));
    no_errors(&mut stage);
    stage.pool.release(A).unwrap();

    let world = {
        world.close();
        World::fragments("2")
    };
    world.info();
    world.server.hold("0.part");
    let (source, info) = world.playable();
    stage.pool.prepare(A, source, info).unwrap();
    stage.pool.play(A).unwrap();
    world.server.wait_for("0.part");
    let begun = Instant::now();
    stage.pool.release(A).unwrap();
    stage.wait(LONG, |event| matches!(event, PlayerEvent::Released { reached_null: true, .. }).then_some(()));
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    world.server.let_go();
    assert!(stage.pool.shutdown(LONG));
    world.close();
}

#[test]
fn every_picture_is_the_origins() {
    let world = World::fragments("2.2");
    let (source, _) = world.playable();
    compare(&world, &*source);
    world.close();
}

/// Writes what a demuxer reads of the assembled file, the gaps left out, and compares every decoded picture.
fn compare(world: &World, source: &dyn ByteSource) {
    let assembled = world.dir.path().join("assembled.mp4");
    std::fs::write(&assembled, without_gaps(source)).unwrap();
    let list = world.dir.path().join("clip/list.m3u8");
    assert_eq!(sums(&assembled), sums(&list));
}

fn without_gaps(source: &dyn ByteSource) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < source.size() {
        let mut head = [0; 16];
        read(source, at, &mut head[..8]);
        let mut length = u64::from(u32::from_be_bytes(head[..4].try_into().unwrap()));
        if length == 1 {
            read(source, at, &mut head);
            length = u64::from_be_bytes(head[8..].try_into().unwrap());
        }
        if &head[4..8] != b"free" && &head[4..8] != b"mfra" {
            let from = out.len();
            out.resize(from + usize::try_from(length).unwrap(), 0);
            read(source, at, &mut out[from..]);
        }
        at += length;
    }
    assert_eq!(at, source.size(), "boxes fill the file");
    out
}

fn read(source: &dyn ByteSource, at: u64, buf: &mut [u8]) {
    let mut got = 0;
    while got < buf.len() {
        let more = source.read_at(at + got as u64, &mut buf[got..], LONG).unwrap();
        assert!(more > 0);
        got += more;
    }
}

fn sums(of: &Path) -> Vec<String> {
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    if of.extension().is_some_and(|ending| ending == "m3u8") {
        ffmpeg.args(["-allowed_extensions", "ALL", "-extension_picky", "0"]);
    }
    let out = ffmpeg
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(of)
        .args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let sums = text.lines().filter(|line| !line.starts_with('#'));
    let sums: Vec<String> = sums.map(|line| line.rsplit(',').next().unwrap().to_owned()).collect();
    assert!(sums.len() > 20, "{} pictures", sums.len());
    sums
}
