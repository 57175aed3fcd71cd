//! A transport stream made by hand, what comes of it, and what damage to it does not do.

use super::{fragment, headers, read};
use crate::probe::describe_head;
use crate::probe::listing::Packing;
use crate::{AudioCodec, VideoCodec};

/// Main profile, level 3.1, 320 by 1088.
const SPS: [u8; 13] = [0x67, 0x4d, 0x40, 0x1f, 0xec, 0xa0, 0xa0, 0x22, 0x5f, 0xe5, 0x20, 0x00, 0x80];
const PPS: [u8; 3] = [0x68, 0xee, 0x3c];

/// Cuts a unit into packets.
fn packets(pid: u16, unit: &[u8], out: &mut Vec<u8>) {
    let mut rest = unit;
    let mut first = true;
    while !rest.is_empty() {
        let take = rest.len().min(184);
        let stuffing = 184 - take;
        let start = if first { 0x40 } else { 0 };
        out.extend([0x47, start | (pid >> 8) as u8, pid as u8, if stuffing > 0 { 0x30 } else { 0x10 }]);
        if stuffing > 0 {
            out.push(stuffing as u8 - 1);
            if stuffing > 1 {
                out.push(0);
                out.extend(vec![0xff; stuffing - 2]);
            }
        }
        out.extend(&rest[..take]);
        rest = &rest[take..];
        first = false;
    }
}

fn table(id: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() + 4;
    [&[0, id, 0xb0 | (length >> 8) as u8, length as u8], body, &[0; 4]].concat()
}

fn stamp(mark: u8, time: u64) -> [u8; 5] {
    [
        mark << 4 | (time >> 29) as u8 & 0x0e | 1,
        (time >> 22) as u8,
        (time >> 14) as u8 | 1,
        (time >> 7) as u8,
        (time << 1) as u8 | 1,
    ]
}

fn unit(stream: u8, shown: u64, decoded: u64, payload: &[u8]) -> Vec<u8> {
    let head = [0, 0, 1, stream, 0, 0, 0x80, 0xc0, 10];
    [&head[..], &stamp(3, shown), &stamp(1, decoded), payload].concat()
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() + 7;
    let head = [
        0xff,
        0xf1,
        1 << 6 | 4 << 2,
        2 << 6 | (length >> 11) as u8,
        (length >> 3) as u8,
        (length << 5) as u8 | 0x1f,
        0xfc,
    ];
    [&head[..], bytes].concat()
}

/// Three pictures out of order and four frames of sound, one of them over the edge of a unit.
fn stream() -> Vec<u8> {
    let mut out = Vec::new();
    packets(0, &table(0, &[0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0]), &mut out);
    let streams = [0x1b, 0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 1, 0xf0, 0];
    let map = [&[0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0], &streams[..]].concat();
    packets(0x1000, &table(2, &map), &mut out);
    let sets = [&[0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1], &SPS[..], &[0, 0, 0, 1], &PPS, &[0, 0, 1, 0x65]].concat();
    let key = [sets, vec![0x80; 500]].concat();
    let other = |byte: u8| [vec![0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x41], vec![byte; 90]].concat();
    packets(0x100, &unit(0xe0, 129_600, 126_000, &key), &mut out);
    let sound = [frame(&[1; 50]), frame(&[2; 60]), frame(&[3; 70]), frame(&[4; 80])].concat();
    packets(0x101, &unit(0xc0, 127_800, 127_800, &sound[..150]), &mut out);
    packets(0x100, &unit(0xe0, 136_800, 129_600, &other(2)), &mut out);
    packets(0x100, &unit(0xe0, 133_200, 133_200, &other(3)), &mut out);
    packets(0x101, &unit(0xc0, 133_000, 133_000, &sound[150..]), &mut out);
    out
}

#[test]
fn samples_keep_their_bytes_their_order_and_their_times() {
    let stream = stream();
    let info = describe_head(&stream, Packing::Transport).unwrap();
    assert_eq!((info.video, info.audio), (Some(VideoCodec::H264), Some(AudioCodec::Aac)));
    assert_eq!((info.width, info.height), (320, 1088));
    let codecs: Vec<&str> = info.tracks.iter().map(|track| track.codec.as_str()).collect();
    assert_eq!(codecs, ["avc1.4D401F", "mp4a.40.2"]);
    let sync = info.tracks[0].first_sync.unwrap();
    assert_eq!((sync.at_ms, sync.span.start % 188, sync.span.end % 188), (0, 0, 0));
    let clip = read(&stream).unwrap();
    let (video, audio) = (clip.video.as_ref().unwrap(), clip.audio.as_ref().unwrap());
    assert_eq!((video.sps.as_slice(), video.pps.as_slice()), (&SPS[..], &PPS[..]));
    let pictures: Vec<_> = video.samples.iter().map(|s| (s.times.shown, s.times.decoded, s.sync)).collect();
    let expected = [(129_600, 126_000, true), (136_800, 129_600, false), (133_200, 133_200, false)];
    assert_eq!(pictures, expected);
    assert_eq!(video.samples[0].bytes, [&[0, 0, 1, 245, 0x65][..], &[0x80; 500]].concat());
    assert_eq!(video.samples[1].bytes, [&[0, 0, 0, 91, 0x41][..], &[2; 90]].concat());
    let frames: Vec<(u8, usize)> = audio.frames.iter().map(|frame| (frame[0], frame.len())).collect();
    assert_eq!(frames, [(1, 50), (2, 60), (3, 70), (4, 80)]);
    assert_eq!((audio.rate, audio.channels, audio.shown), (44_100, 2, 127_800));
    let made = describe_head(&headers(&clip, info.width, info.height), Packing::Fragments).unwrap();
    assert_eq!((made.video, made.audio, made.width, made.height), (info.video, info.audio, 320, 1088));
    let names: Vec<String> = made.tracks.into_iter().map(|track| track.codec).collect();
    assert_eq!(names, codecs);
    let made = fragment(&clip, 1, 127_800, 3_600);
    let bytes = made.len() - clip.audio.as_ref().unwrap().frames.concat().len();
    assert!(made.ends_with(&audio.frames.concat()) && made[..bytes].ends_with(&video.samples[2].bytes));
}

#[test]
fn a_damaged_stream_is_an_error_or_less_of_it() {
    let whole = stream();
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut number = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let (mut understood, rounds) = (0, 4_000);
    for _ in 0..rounds {
        let mut bytes = whole.clone();
        for _ in 0..=number(4) {
            let at = number(bytes.len());
            match number(4) {
                0 | 1 => bytes[at] ^= 1 << number(8),
                2 => bytes.truncate(at.max(1)),
                _ => bytes[at] = 0xff,
            }
        }
        let _ = describe_head(&bytes, Packing::Transport);
        let Ok(clip) = read(&bytes) else { continue };
        understood += 1;
        let made = headers(&clip, 320, 1088).len() + fragment(&clip, 1, 127_800, 3_600).len();
        assert!(made < 4 * whole.len(), "{made} bytes");
    }
    assert!(understood > rounds / 4, "{understood} of {rounds}");
}
