//! What a `Range` header asks of a file of known size. Pure.

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// The whole file: no range, several ranges, or one that does not parse (all may be ignored, RFC 9110 14.2).
    Whole,
    /// Bytes `first..=last`, both inside the file.
    Part {
        /// First byte.
        first: u64,
        /// Last byte, inclusive.
        last: u64,
    },
    /// No byte of the file is asked for: 416.
    Outside,
}

/// Reads a `Range` header against a size in bytes.
#[must_use]
pub fn slice(header: Option<&str>, size: u64) -> Slice {
    let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Slice::Whole };
    let spec = spec.trim();
    if spec.contains(',') {
        return Slice::Whole;
    }
    let Some((first, last)) = spec.split_once('-') else { return Slice::Whole };
    match (number(first), number(last)) {
        (Parsed::Empty, Parsed::Number(count)) => {
            if count == 0 || size == 0 {
                Slice::Outside
            } else {
                Slice::Part { first: size.saturating_sub(count), last: size - 1 }
            }
        }
        (Parsed::Number(first), Parsed::Empty) => {
            if first >= size {
                Slice::Outside
            } else {
                Slice::Part { first, last: size - 1 }
            }
        }
        (Parsed::Number(first), Parsed::Number(last)) if first <= last => {
            if first >= size {
                Slice::Outside
            } else {
                Slice::Part { first, last: last.min(size - 1) }
            }
        }
        _ => Slice::Whole,
    }
}

enum Parsed {
    Empty,
    Number(u64),
    Wrong,
}

/// Digits only; a number past 64 bits stands for "beyond any file".
fn number(text: &str) -> Parsed {
    let text = text.trim();
    if text.is_empty() {
        Parsed::Empty
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Parsed::Number(text.parse().unwrap_or(u64::MAX))
    } else {
        Parsed::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let part = |first, last| Slice::Part { first, last };
        for (header, size, expected) in [
            ("bytes=0-0", 10, part(0, 0)),
            ("bytes=0-", 10, part(0, 9)),
            ("bytes=9-", 10, part(9, 9)),
            ("bytes=10-", 10, Slice::Outside),
            ("bytes=3-5", 10, part(3, 5)),
            ("bytes=3-500", 10, part(3, 9)),
            ("bytes=5-3", 10, Slice::Whole),
            ("bytes=-3", 10, part(7, 9)),
            ("bytes=-30", 10, part(0, 9)),
            ("bytes=-0", 10, Slice::Outside),
            ("bytes=0-0", 0, Slice::Outside),
            ("bytes=-1", 0, Slice::Outside),
            ("bytes=0-1,3-4", 10, Slice::Whole),
            ("bytes=", 10, Slice::Whole),
            ("bytes=-", 10, Slice::Whole),
            ("bytes=a-b", 10, Slice::Whole),
            ("bytes=+1-2", 10, Slice::Whole),
            ("items=0-1", 10, Slice::Whole),
            ("bytes=99999999999999999999999-", 10, Slice::Outside),
            ("bytes=0-99999999999999999999999", 10, part(0, 9)),
        ] {
            assert_eq!(slice(Some(header), size), expected, "{header} of {size}");
        }
        assert_eq!(slice(None, 10), Slice::Whole);
    }

    #[test]
    fn every_part_lies_inside_the_file() {
        for size in 0..12u64 {
            for first in 0..14u64 {
                for last in 0..14u64 {
                    let header = format!("bytes={first}-{last}");
                    match slice(Some(&header), size) {
                        Slice::Part { first: f, last: l } => {
                            assert!(
                                f <= l && l < size && f == first && l == last.min(size - 1),
                                "{header} of {size}"
                            );
                        }
                        Slice::Outside => assert!(first >= size && first <= last, "{header} of {size}"),
                        Slice::Whole => assert!(first > last, "{header} of {size}"),
                    }
                }
            }
        }
    }
}
