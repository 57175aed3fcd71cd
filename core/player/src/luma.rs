//! Brightness of a decoded picture, to prove that it is a picture and which one.

use crate::LumaFacts;
use gst_video::prelude::*;

/// Samples a side at most; 96 x 96 tells pictures apart and costs microseconds.
const GRID: usize = 96;

/// Measures the luma plane of a picture; `None` if its format keeps no plain samples.
pub(crate) fn measure(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Option<LumaFacts> {
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).ok()?;
    let format = info.format_info();
    let plane = frame.plane_data(*format.plane().first()?).ok()?;
    let stride = usize::try_from(*frame.plane_stride().first()?).ok()?;
    let step = usize::try_from(*format.pixel_stride().first()?).ok()?;
    let offset = usize::try_from(*format.poffset().first()?).ok()?;
    let depth = *format.depth().first()?;
    let shift = *format.shift().first()?;
    let (width, height) = (info.width() as usize, info.height() as usize);
    let (mut sum, mut squares, mut count) = (0.0_f64, 0.0_f64, 0.0_f64);
    // FNV-1a: stable over versions and platforms, and good enough to tell pictures apart.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let (across, down) = (width.min(GRID), height.min(GRID));
    for row in 0..down {
        for column in 0..across {
            let at = (row * height / down) * stride + (column * width / across) * step + offset;
            let sample = if depth <= 8 {
                *plane.get(at)?
            } else {
                let wide = u16::from_le_bytes([*plane.get(at)?, *plane.get(at + 1)?]);
                u8::try_from(u32::from(wide) >> (shift + depth - 8) & 0xff).ok()?
            };
            let value = f64::from(sample);
            (sum, squares, count) = (sum + value, squares + value * value, count + 1.0);
            hash = (hash ^ u64::from(sample)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    if count == 0.0 {
        return None;
    }
    let mean = sum / count;
    Some(LumaFacts { mean, stddev: (squares / count - mean * mean).max(0.0).sqrt(), hash })
}
