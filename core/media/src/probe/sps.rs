//! The sequence parameter set of H.264: profile, level and picture size (ITU-T H.264, 7.3.2.1.1).

use super::{ProbeError, malformed};

/// What is told of the pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pictures {
    /// In the words of RFC 6381.
    pub codec: String,
    pub width: u32,
    pub height: u32,
}

/// Reads the payload of a parameter set, the byte that names it excluded.
pub(super) fn pictures(payload: &[u8]) -> Result<Pictures, ProbeError> {
    let bytes = unescaped(payload);
    let mut bits = Bits { bytes: &bytes, at: 0 };
    let (profile, constraints, level) = (bits.take(8)?, bits.take(8)?, bits.take(8)?);
    bits.golomb()?;
    let mut chroma = 1;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma = bits.golomb()?;
        if chroma == 3 && bits.take(1)? == 1 {
            chroma = 0;
        }
        bits.golomb()?;
        bits.golomb()?;
        bits.take(1)?;
        if bits.take(1)? == 1 {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.take(1)? == 1 {
                    scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.take(1)?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb()?.min(255) {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    bits.golomb()?;
    bits.take(1)?;
    let (columns, rows) = (bits.golomb()?, bits.golomb()?);
    // Above 16,384 pixels no level goes.
    if columns > 1023 || rows > 1023 {
        return Err(malformed("pictures of impossible size"));
    }
    let frames_only = bits.take(1)?;
    if frames_only == 0 {
        bits.take(1)?;
    }
    bits.take(1)?;
    let mut size = ((columns + 1) * 16, (rows + 1) * 16 * (2 - frames_only));
    if bits.take(1)? == 1 {
        let (across, down) = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let (left, right, top, bottom) = (bits.golomb()?, bits.golomb()?, bits.golomb()?, bits.golomb()?);
        let cut = |whole: u32, a: u32, b: u32, unit: u32| {
            whole.saturating_sub(a.saturating_add(b).saturating_mul(unit))
        };
        size.0 = cut(size.0, left, right, across);
        size.1 = cut(size.1, top, bottom, down * (2 - frames_only));
    }
    let codec = format!("avc1.{profile:02X}{constraints:02X}{level:02X}");
    Ok(Pictures { codec, width: size.0, height: size.1 })
}

fn scaling_list(bits: &mut Bits<'_>, length: u32) -> Result<(), ProbeError> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..length {
        if next != 0 {
            let code = i64::from(bits.golomb()?);
            let delta = if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 };
            next = (last + delta).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

/// Without the bytes that keep a start code from appearing.
fn unescaped(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for byte in payload {
        if *byte == 3 && zeros >= 2 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Result<u32, ProbeError> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(malformed("a parameter set ends early"))?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(value)
    }

    /// An unsigned Exp-Golomb code.
    fn golomb(&mut self) -> Result<u32, ProbeError> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return Err(malformed("an impossible number in a parameter set"));
            }
        }
        Ok(((1u64 << zeros) - 1) as u32 + self.take(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_profile_of_a_cropped_picture() {
        // Main profile at level 3.1, 20 by 68 macroblocks, eight lines cut off the bottom: 320 by 1080.
        let mut bits = String::new();
        let golomb = |n: u32| {
            let text = format!("{:b}", n + 1);
            "0".repeat(text.len() - 1) + &text
        };
        for part in [
            "01001101".to_owned(),
            "01000000".to_owned(),
            "00011111".to_owned(),
            golomb(0),
            golomb(0),
            golomb(2),
            golomb(1),
            "0".to_owned(),
            golomb(19),
            golomb(67),
            "1".to_owned(),
            "1".to_owned(),
            "1".to_owned(),
            golomb(0),
            golomb(0),
            golomb(0),
            golomb(4),
            "01".to_owned(),
        ] {
            bits.push_str(&part);
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('0');
        }
        let bytes: Vec<u8> =
            (0..bits.len()).step_by(8).map(|at| u8::from_str_radix(&bits[at..at + 8], 2).unwrap()).collect();
        let expected = Pictures { codec: "avc1.4D401F".to_owned(), width: 320, height: 1080 };
        assert_eq!(pictures(&bytes), Ok(expected));
        for cut in 0..bytes.len() - 1 {
            assert!(pictures(&bytes[..cut]).is_err(), "{cut}");
        }
        assert_eq!(unescaped(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3]), [0, 0, 1, 0, 0, 0, 0]);
    }
}
