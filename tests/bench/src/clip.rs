//! The clip the benches play and read, made by ffmpeg on the spot.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::BenchError;

/// Width, height, pictures a second and seconds of a clip.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rate: u32,
    pub(crate) seconds: u32,
}

/// Encodes a moving picture with a tone: H.264 and AAC, headers first, a key picture every second.
pub(crate) fn make(path: &Path, shape: Shape) -> Result<(), BenchError> {
    let Shape { width, height, rate, seconds } = shape;
    let out = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(["-f", "lavfi", "-i", &format!("testsrc2=size={width}x{height}:rate={rate}")])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
        .args(["-t", &seconds.to_string(), "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"])
        .args(["-g", &rate.to_string(), "-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart"])
        .arg(path)
        .stdin(Stdio::null())
        .output();
    match out {
        Ok(out) if out.status.success() => Ok(()),
        Ok(out) => Err(BenchError::Step {
            step: "encoding a clip with ffmpeg",
            reason: String::from_utf8_lossy(&out.stderr).trim().to_owned(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(BenchError::Missing {
            what: "ffmpeg".to_owned(),
            remedy: "install the package ffmpeg and run again",
        }),
        Err(error) => Err(error.into()),
    }
}

/// Grows a clip to `bytes` by a box that players skip, filled with noise, so that it stays a file the probe accepts.
pub(crate) fn grow(path: &Path, bytes: u64) -> Result<(), BenchError> {
    let mut file = std::fs::File::options().append(true).open(path)?;
    let room = bytes.saturating_sub(file.metadata()?.len());
    let length = u32::try_from(room).ok().filter(|room| *room >= 8);
    let length =
        length.ok_or_else(|| BenchError::step("growing a clip")("it is larger than it should become"))?;
    let mut filling = Vec::with_capacity(length as usize);
    filling.extend_from_slice(&length.to_be_bytes());
    filling.extend_from_slice(b"free");
    let mut noise = Noise::new(1);
    while filling.len() < length as usize {
        filling.extend_from_slice(&noise.next().to_le_bytes());
    }
    filling.truncate(length as usize);
    Ok(file.write_all(&filling)?)
}

/// Numbers without a pattern, the same in every run (xorshift).
#[derive(Debug)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}
