//! Into fragmented MP4: headers for a clip, and a fragment for each of its segments.

use super::stream::{Audio, Clip, FRAME, Video};
use crate::probe::transport::Times;

/// Units of time in a second: those of a transport stream.
pub(crate) const TIMESCALE: u32 = 90_000;
/// Number of the track of pictures; sound has the next one.
pub(crate) const VIDEO: u32 = 1;
const AUDIO: u32 = 2;
/// Flags of a sample that depends on no other, and of one that does (ISO 14496-12, 8.8.3.1).
const SYNC: u32 = 0x0200_0000;
const DEPENDS: u32 = 0x0101_0000;
/// Length of a picture where nothing tells: a thirtieth of a second.
const PICTURE: u64 = 3_000;
/// Longest picture that is believed: ten seconds.
const LONGEST: u64 = 900_000;

fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Vec::with_capacity(length);
    out.extend((length as u32).to_be_bytes());
    out.extend(name);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A descriptor of MPEG-4 systems (ISO 14496-1, 8.3.3).
fn descriptor(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![tag, parts.iter().map(|part| part.len()).sum::<usize>() as u8];
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// The boxes in front of all fragments, for a picture of this size.
pub(crate) fn headers(clip: &Clip, width: u32, height: u32) -> Vec<u8> {
    let brands = boxed(b"ftyp", &[b"iso6\0\0\0\0iso6mp41"]);
    let matrix = words(&[0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]);
    let mvhd = boxed(
        b"mvhd",
        &[&words(&[0, 0, 0, TIMESCALE, 0, 0x1_0000, 0x100_0000, 0, 0]), &matrix, &[0; 24], &words(&[3])],
    );
    let mut traks = Vec::new();
    let mut defaults = Vec::new();
    if let Some(video) = &clip.video {
        let media = boxed(b"vmhd", &[&words(&[1, 0, 0])]);
        let entry = avc(video, width, height);
        traks.push(trak(VIDEO, TIMESCALE, b"vide", &media, &entry, &matrix, (width << 16, height << 16)));
        defaults.push(boxed(b"trex", &[&words(&[0, VIDEO, 1, 0, 0, 0])]));
    }
    if let Some(audio) = &clip.audio {
        let media = boxed(b"smhd", &[&words(&[0, 0])]);
        traks.push(trak(AUDIO, audio.rate, b"soun", &media, &aac(audio), &matrix, (0, 0)));
        defaults.push(boxed(b"trex", &[&words(&[0, AUDIO, 1, 0, 0, 0])]));
    }
    let defaults = boxed(b"mvex", &[&defaults.concat()]);
    [brands, boxed(b"moov", &[&mvhd, &traks.concat(), &defaults])].concat()
}

fn trak(
    id: u32,
    scale: u32,
    handler: &[u8; 4],
    media: &[u8],
    entry: &[u8],
    matrix: &[u8],
    size: (u32, u32),
) -> Vec<u8> {
    let volume = if handler == b"soun" { 0x100_0000 } else { 0 };
    let tkhd =
        boxed(b"tkhd", &[&words(&[3, 0, 0, id, 0, 0, 0, 0, 0, volume]), matrix, &words(&[size.0, size.1])]);
    // The language is "und".
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, scale, 0, 0x55c4_0000])]);
    let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), handler, &[0; 13]]);
    let here = boxed(b"url ", &[&words(&[1])]);
    let dinf = boxed(b"dinf", &[&boxed(b"dref", &[&words(&[0, 1]), &here])]);
    let stbl = boxed(
        b"stbl",
        &[
            &boxed(b"stsd", &[&words(&[0, 1]), entry]),
            &boxed(b"stts", &[&words(&[0, 0])]),
            &boxed(b"stsc", &[&words(&[0, 0])]),
            &boxed(b"stsz", &[&words(&[0, 0, 0])]),
            &boxed(b"stco", &[&words(&[0, 0])]),
        ],
    );
    let minf = boxed(b"minf", &[media, &dinf, &stbl]);
    boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&mdhd, &hdlr, &minf])])
}

fn avc(video: &Video, width: u32, height: u32) -> Vec<u8> {
    let mut fields = vec![0; 78];
    fields[7] = 1;
    fields[24..26].copy_from_slice(&(width as u16).to_be_bytes());
    fields[26..28].copy_from_slice(&(height as u16).to_be_bytes());
    // Seventy-two dots to the inch, one picture per sample, 24 bits of colour.
    fields[28..36].copy_from_slice(&words(&[0x48_0000, 0x48_0000]));
    fields[41] = 1;
    fields[75] = 24;
    fields[76..78].copy_from_slice(&[0xff, 0xff]);
    let told: [u8; 3] = [1, 2, 3].map(|at| video.sps.get(at).copied().unwrap_or(0));
    let length = |set: &[u8]| (set.len() as u16).to_be_bytes();
    let config = boxed(
        b"avcC",
        &[&[1], &told, &[0xff, 0xe1], &length(&video.sps), &video.sps, &[1], &length(&video.pps), &video.pps],
    );
    boxed(b"avc1", &[&fields, &config])
}

fn aac(audio: &Audio) -> Vec<u8> {
    let mut fields = vec![0; 28];
    fields[7] = 1;
    fields[17] = audio.channels;
    fields[19] = 16;
    fields[24..26].copy_from_slice(&u16::try_from(audio.rate).unwrap_or(0).to_be_bytes());
    let decoder = descriptor(5, &[&audio.config]);
    // AAC, a stream of sound.
    let config = descriptor(4, &[&[0x40, 0x15, 0, 0, 0], &words(&[0, 0]), &decoder]);
    let stream = descriptor(3, &[&[0, AUDIO as u8, 0], &config, &descriptor(6, &[&[2]])]);
    boxed(b"mp4a", &[&fields, &boxed(b"esds", &[&words(&[0]), &stream])])
}

/// One track of a fragment.
struct Run {
    track: u32,
    /// Decoding time of the first sample.
    start: u64,
    /// Duration, size, flags and what to add to the decoding time for the time of showing.
    samples: Vec<(u32, u32, u32, i32)>,
    bytes: Vec<u8>,
}

/// The fragment with number `number` that holds a segment. `base` is the time that becomes 0, `delay` what is added to
/// decoding times so that the first picture is decoded at the time it is shown.
pub(crate) fn fragment(clip: &Clip, number: u32, base: u64, delay: u64) -> Vec<u8> {
    let mut runs = Vec::new();
    if let Some(video) = &clip.video {
        runs.push(pictures(video, base, delay));
    }
    if let Some(audio) = &clip.audio {
        let start = u128::from(since(audio.shown, base)) * u128::from(audio.rate) / u128::from(TIMESCALE);
        runs.push(Run {
            track: AUDIO,
            start: u64::try_from(start).unwrap_or(u64::MAX),
            samples: audio.frames.iter().map(|frame| (FRAME as u32, frame.len() as u32, SYNC, 0)).collect(),
            bytes: audio.frames.concat(),
        });
    }
    // The places of the bytes depend on the length of the head, which does not depend on them.
    let length = head(&runs, number, 0).len() as u32;
    let mut out = head(&runs, number, length + 8);
    let bytes: Vec<&[u8]> = runs.iter().map(|run| run.bytes.as_slice()).collect();
    out.extend(boxed(b"mdat", &bytes));
    out
}

/// The earlier of two times of 33 bits that are near each other.
pub(crate) fn earlier(one: u64, other: u64) -> u64 {
    if other.wrapping_sub(one) & ((1 << 33) - 1) >= 1 << 32 { other } else { one }
}

/// From one time of 33 bits to another; a time a little before it is no time after it.
fn since(time: u64, base: u64) -> u64 {
    let passed = time.wrapping_sub(base) & ((1 << 33) - 1);
    if passed >= 1 << 32 { 0 } else { passed }
}

fn pictures(video: &Video, base: u64, delay: u64) -> Run {
    let decoded = |times: &Times| since(times.decoded.wrapping_add(delay), base);
    let mut lengths: Vec<u64> = video
        .samples
        .windows(2)
        .map(|two| decoded(&two[1].times).saturating_sub(decoded(&two[0].times)))
        .collect();
    lengths.push(lengths.last().copied().unwrap_or(PICTURE));
    let samples = video.samples.iter().zip(&lengths).map(|(picture, length)| {
        let (decoded, shown) = (decoded(&picture.times), since(picture.times.shown, base));
        let offset = i64::try_from(shown).unwrap_or(0) - i64::try_from(decoded).unwrap_or(0);
        let flags = if picture.sync { SYNC } else { DEPENDS };
        let length = (*length).min(LONGEST) as u32;
        (length, picture.bytes.len() as u32, flags, i32::try_from(offset).unwrap_or(0))
    });
    Run {
        track: VIDEO,
        start: video.samples.first().map_or(0, |first| decoded(&first.times)),
        samples: samples.collect(),
        bytes: video.samples.iter().flat_map(|picture| picture.bytes.iter().copied()).collect(),
    }
}

fn head(runs: &[Run], number: u32, mut place: u32) -> Vec<u8> {
    let mut trafs = Vec::new();
    for run in runs {
        // Places count from the beginning of the fragment.
        let tfhd = boxed(b"tfhd", &[&words(&[0x2_0000, run.track])]);
        let tfdt = boxed(b"tfdt", &[&words(&[0x100_0000]), &run.start.to_be_bytes()]);
        let mut table = words(&[0x100_0f01, run.samples.len() as u32, place]);
        for (length, size, flags, offset) in &run.samples {
            table.extend(words(&[*length, *size, *flags]));
            table.extend(offset.to_be_bytes());
        }
        place = place.saturating_add(run.bytes.len() as u32);
        trafs.extend(boxed(b"traf", &[&tfhd, &tfdt, &boxed(b"trun", &[&table])]));
    }
    boxed(b"moof", &[&boxed(b"mfhd", &[&words(&[0, number])]), &trafs])
}
