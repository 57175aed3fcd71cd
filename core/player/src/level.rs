//! How much media a number of bytes is.

use unspool_media::MediaInfo;

/// Media time at a byte offset, in milliseconds, from the index or else from the average rate.
fn ms_at(info: &MediaInfo, offset: u64) -> u64 {
    let n = info.index.partition_point(|&(_, at)| at <= offset);
    let (from, to) = match n {
        0 => return 0,
        n => (info.index[n - 1], info.index.get(n).copied().unwrap_or((info.duration_ms, info.size))),
    };
    let (bytes, ms) = (to.1.saturating_sub(from.1), to.0.saturating_sub(from.0));
    if bytes == 0 {
        return from.0;
    }
    let part = u128::from(offset - from.1) * u128::from(ms) / u128::from(bytes);
    from.0 + u64::try_from(part).unwrap_or(ms).min(ms)
}

/// Milliseconds of media in `bytes` bytes from `offset`; `None` says that it is everything up to the end.
pub(crate) fn buffered_ms(info: &MediaInfo, offset: u64, bytes: u64) -> Option<u64> {
    if offset.saturating_add(bytes) >= info.size {
        return None;
    }
    if info.index.len() >= 2 {
        return Some(ms_at(info, offset + bytes).saturating_sub(ms_at(info, offset)));
    }
    let ms = u128::from(bytes) * u128::from(info.duration_ms) / u128::from(info.size.max(1));
    Some(u64::try_from(ms).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool_media::{Layout, VideoCodec};

    fn info(index: Vec<(u64, u64)>) -> MediaInfo {
        MediaInfo {
            size: 1000,
            layout: Layout::MoovFirst,
            duration_ms: 10_000,
            video: Some(VideoCodec::H264),
            width: 2,
            height: 2,
            rotation: 0,
            audio: None,
            tracks: Vec::new(),
            headers: Vec::new(),
            index,
        }
    }

    #[test]
    fn without_an_index_the_average_counts() {
        assert_eq!(buffered_ms(&info(vec![]), 0, 100), Some(1000));
    }

    #[test]
    fn the_end_is_no_number() {
        assert_eq!(buffered_ms(&info(vec![]), 900, 100), None);
    }

    #[test]
    fn the_index_interpolates() {
        let info = info(vec![(0, 100), (2000, 300), (4000, 900)]);
        assert_eq!(buffered_ms(&info, 100, 100), Some(1000));
        assert_eq!(buffered_ms(&info, 200, 400), Some(2000));
        assert_eq!(buffered_ms(&info, 0, 50), Some(0));
    }

    #[test]
    fn nonsense_does_not_panic() {
        let info = info(vec![(5, 5), (5, 5), (0, u64::MAX)]);
        for at in [0, 5, 6, 999, u64::MAX] {
            let _ = buffered_ms(&info, at, 1);
        }
    }
}
