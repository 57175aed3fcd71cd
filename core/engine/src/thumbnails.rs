//! Still pictures of items: what the store files one under, and what its first bytes say it is.
//!
//! What a server calls a file is not believed: decoders are chosen by the answer, and a captive portal's page must not be
//! taken for a picture. Formats are those that Android, iOS and every toolkit of the desktop decode by themselves.

use crate::model::{Item, MediaKey};

/// Largest still picture in bytes. 2 MiB: ten times a good JPEG of a phone's whole screen.
pub const LARGEST_FILE: usize = 2 << 20;

/// What an item's picture is filed under: its asset and its own identifier, since two items may show one asset under two
/// pictures. Addresses are signed anew with every page, so they do not name it. `None` for an item without a picture.
#[must_use]
pub fn key(item: &Item) -> Option<MediaKey> {
    item.thumbnail.as_ref()?;
    // A space cannot occur in an identifier, so no rendition has this name.
    Some(MediaKey::new(&item.asset.id, &format!("thumbnail {}", item.id)))
}

/// Whether a key is that of a still picture.
#[must_use]
pub fn is_thumbnail(key: &MediaKey) -> bool {
    key.parts().1.starts_with("thumbnail ")
}

/// Format of a still picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PictureFormat {
    /// JPEG (ISO/IEC 10918).
    Jpeg,
    /// PNG (ISO/IEC 15948).
    Png,
    /// WebP (RFC 9649).
    WebP,
    /// AVIF: AV1 in HEIF, one picture or a sequence.
    Avif,
    /// GIF.
    Gif,
}

impl PictureFormat {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            PictureFormat::Jpeg => "image/jpeg",
            PictureFormat::Png => "image/png",
            PictureFormat::WebP => "image/webp",
            PictureFormat::Avif => "image/avif",
            PictureFormat::Gif => "image/gif",
        }
    }

    /// The format of a file by its first bytes; `None` for anything else. Looks at 4 KiB at most.
    #[must_use]
    pub fn of(file: &[u8]) -> Option<PictureFormat> {
        match file {
            [0xff, 0xd8, 0xff, ..] => Some(PictureFormat::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(PictureFormat::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(PictureFormat::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(PictureFormat::Gif),
            [a, b, c, d, b'f', b't', b'y', b'p', ..] => {
                let length = u32::from_be_bytes([*a, *b, *c, *d]).min(4_096);
                // The major brand, then a version of as many bytes, then the compatible brands.
                let brands = file.get(8..usize::try_from(length).ok()?.min(file.len()))?;
                let mut brands = brands.chunks_exact(4).enumerate().filter(|(place, _)| *place != 1);
                let known = |brand: &[u8]| matches!(brand, b"avif" | b"avis");
                brands.any(|(_, brand)| known(brand)).then_some(PictureFormat::Avif)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let of = PictureFormat::of;
        assert_eq!(of(b"\xff\xd8\xff\xe0\0\x10JFIF"), Some(PictureFormat::Jpeg));
        assert_eq!(of(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Some(PictureFormat::Png));
        assert_eq!(of(b"RIFF\x24\0\0\0WEBPVP8 "), Some(PictureFormat::WebP));
        assert_eq!(of(b"GIF89a\x01\0\x01\0"), Some(PictureFormat::Gif));
        assert_eq!(of(b"GIF87a\x01\0\x01\0"), Some(PictureFormat::Gif));
        assert_eq!(of(b"\0\0\0\x1cftypavif\0\0\0\0mif1miaf"), Some(PictureFormat::Avif));
        assert_eq!(of(b"\0\0\0\x1cftypmif1\0\0\0\0avifmiaf"), Some(PictureFormat::Avif));
        assert_eq!(of(b"\0\0\0\x14ftypavis\0\0\0\0"), Some(PictureFormat::Avif));
    }

    #[test]
    fn what_is_no_picture_is_none() {
        let of = PictureFormat::of;
        for file in [
            &b""[..],
            b"\xff\xd8",
            b"\x89PNG\r\n\x1a",
            b"RIFF\x24\0\0\0WAVEfmt ",
            b"GIF88a\x01\0",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            b"<!doctype html><title>Sign in</title>",
            b"{\"error\":{}}",
            // A clip, and one whose version is spelt like a brand.
            b"\0\0\0\x18ftypisom\0\0\0\0isomiso2",
            b"\0\0\0\x14ftypisomavifisom",
            // A brand behind the end of its box, and boxes that lie about their length.
            b"\0\0\0\x10ftypmif1\0\0\0\0avif",
            b"\0\0\0\0ftypavif",
            b"\0\0\0\x07ftypavif",
        ] {
            assert_eq!(of(file), None, "{file:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_arrives_makes_it_fail(file in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = PictureFormat::of(&file);
            let _ = PictureFormat::of(&[&[0xff; 4], &b"ftyp"[..], &file].concat());
        }
    }
}
