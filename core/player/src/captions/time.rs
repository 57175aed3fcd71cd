//! Times of cues: `1:02:03.456`, `02:03.456`, and with a comma as `SubRip` writes them.

/// Milliseconds; `None` for what is no time. Hours may be left out and are at most four digits.
pub(super) fn ms(text: &str) -> Option<u64> {
    let (clock, fraction) = text.split_once(['.', ','])?;
    let millis = digits(fraction, 3..=3)?;
    let mut parts = clock.rsplit(':');
    let seconds = digits(parts.next()?, 2..=2).filter(|s| *s < 60)?;
    let minutes = digits(parts.next()?, 2..=2).filter(|m| *m < 60)?;
    let hours = parts.next().map_or(Some(0), |hours| digits(hours, 1..=4))?;
    parts.next().is_none().then_some(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<u64> {
    (length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}
