//! How much of a file is asked for at first, before anything is known of it.
//!
//! A first picture that ends behind the first request costs a round trip more: a large key picture, or the first fragment,
//! of which a demuxer wants the sound behind the pictures, and the head of the next one. So the first request for a clip
//! that a person waits for takes a second of it; for a clip that may never be seen it takes what the headers of most files
//! fit in.

use crate::model::Container;

/// Bytes of a first look. 128 KiB: the headers of most clips under a minute.
pub const LOOK_BYTES: u64 = 128 * 1024;
/// Bytes of a first request for a fragmented file when nothing says how many a second has. 512 KiB: what a reader on its
/// own keeps ahead of itself, so it asks for no more than it would anyway.
const FRAGMENT_BYTES: u64 = 512 * 1024;
/// Largest first request. 1 MiB: the largest chunk, for a swipe away from it costs as much as from any other.
const MOST_BYTES: u64 = 1024 * 1024;
/// Headers in front of the samples. 32 KiB: the `moov` of a fragmented file has 2, of a minute that is not, 30.
const HEADER_BYTES: u64 = 32 * 1024;
/// Milliseconds of media: a fragment of a second that is a quarter larger than the average, for it begins with a key
/// picture.
const MEDIA_MS: u64 = 1250;

/// Bytes of the first request for a file that a person waits for, declared to be packed so and to have so many bits a
/// second, 0 if that is not known.
#[must_use]
pub fn first_request(container: Option<Container>, bits_per_second: u64) -> u64 {
    if bits_per_second == 0 {
        return if container == Some(Container::Fmp4) { FRAGMENT_BYTES } else { LOOK_BYTES };
    }
    let media = bits_per_second.saturating_mul(MEDIA_MS) / 8_000;
    media.saturating_add(HEADER_BYTES).clamp(LOOK_BYTES, MOST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_request_holds_a_second_of_media_within_bounds() {
        for container in [None, Some(Container::Mp4), Some(Container::Fmp4)] {
            assert_eq!(first_request(container, 1_850_000), 289_062 + 32 * 1024);
            assert_eq!(first_request(container, 100_000), LOOK_BYTES);
            assert_eq!(first_request(container, 50_000_000), MOST_BYTES);
            assert_eq!(first_request(container, u64::MAX), MOST_BYTES);
        }
        assert_eq!(first_request(Some(Container::Mp4), 0), LOOK_BYTES);
        assert_eq!(first_request(Some(Container::Fmp4), 0), 512 * 1024);
    }
}
