//! The keys of a segmented rendition's files.
//!
//! A file's key is its rendition's key, a unit separator, and `version.number`. Identifiers are printable ASCII, so a
//! rendition's key has one separator and no rendition has a key with two. The version is the rendition's own: another
//! reading of its playlist that describes other files begins another one, so files of two versions never share a key.

use unspool_engine::MediaKey;

const SEPARATOR: char = '\u{1f}';

/// The key of file `file` of version `version` of `rendition`.
pub(crate) fn file_key(rendition: &MediaKey, version: u64, file: u32) -> MediaKey {
    MediaKey::from_stored(format!("{}{SEPARATOR}{version}.{file}", rendition.as_str()))
}

/// The rendition that a file belongs to and the file's number; `None` for the key of a rendition.
pub(crate) fn owner(key: &MediaKey) -> Option<(MediaKey, u32)> {
    let (rendition, file) = key.as_str().rsplit_once(SEPARATOR)?;
    let (version, file) = file.split_once('.')?;
    let known = rendition.contains(SEPARATOR) && version.parse::<u64>().is_ok();
    let file = file.parse().ok().filter(|_| known)?;
    Some((MediaKey::from_stored(rendition.to_owned()), file))
}

/// The key of another file of the version that `key` is a file of.
pub(crate) fn sibling(key: &MediaKey, file: u32) -> MediaKey {
    let version = key.as_str().rsplit_once('.').map_or(key.as_str(), |(version, _)| version);
    MediaKey::from_stored(format!("{version}.{file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_know_their_rendition_and_renditions_have_none() {
        let rendition = MediaKey::new("a", "7.5");
        assert_eq!(owner(&file_key(&rendition, 3, 12)), Some((rendition.clone(), 12)));
        assert_ne!(file_key(&rendition, 3, 12), file_key(&rendition, 4, 12));
        assert_eq!(sibling(&file_key(&rendition, 3, 12), 0), file_key(&rendition, 3, 0));
        assert_eq!(owner(&rendition), None);
        assert_eq!(owner(&MediaKey::from_stored("1.2".to_owned())), None);
    }
}
