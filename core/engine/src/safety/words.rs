//! Muted words: whether a text or its tags hold one of them.
//!
//! The meaning is that of the AT Protocol's reference client, so that a list of words brought from there does the same
//! here: upper and lower case are one, a word is what stands between spaces, punctuation around it does not count, and
//! `super-bad` is `super bad` and `superbad` too. One character, and anything with a space or punctuation in it, is looked
//! for anywhere; so is every word where the main language of the text does not part words by spaces. A word that holds a
//! slash is not taken apart (`and/or` is not `andor`). Unlike there, such a word does not hide those that come after it.
//!
//! A list is prepared once; judging a text takes one pass over it, however many words are muted.

use std::collections::BTreeMap;

use super::needles::Needles;
use super::punctuation::is_punctuation;

/// Languages that do not part words by spaces, or not so that it helps: Japanese, Chinese, Korean, Thai, Vietnamese.
const UNSPACED: [&str; 5] = ["ja", "zh", "ko", "th", "vi"];

/// A word to look for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    /// As it was written.
    pub(super) value: &'a str,
    /// Looked for in tags alone.
    pub(super) tags_only: bool,
}

/// Words prepared for looking.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    /// Number by word, for tags and for whole words of a text.
    tags: BTreeMap<String, usize>,
    whole: BTreeMap<String, usize>,
    inside: Needles,
    unspaced: Needles,
}

impl Words {
    /// Prepares words; a find answers the number of one.
    pub(super) fn new<'a>(words: impl Iterator<Item = (usize, Word<'a>)>) -> Self {
        let (mut tags, mut whole) = (BTreeMap::new(), BTreeMap::new());
        for (number, word) in words {
            let value = word.value.to_lowercase();
            if !word.tags_only {
                whole.entry(value.clone()).or_insert(number);
            }
            tags.entry(value).or_insert(number);
        }
        let texts = || whole.iter().map(|(text, &number)| (text.as_str(), number));
        let inside = Needles::new(texts().filter(|(text, _)| anywhere(text)));
        let unspaced = Needles::new(texts());
        Words { tags, whole, inside, unspaced }
    }

    /// Whether no word is muted.
    pub(super) fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Number of a word that is one of the tags.
    pub(super) fn in_tags(&self, tags: &[String]) -> Option<usize> {
        if self.tags.is_empty() {
            return None;
        }
        tags.iter().find_map(|tag| self.tags.get(&tag.to_lowercase()).copied())
    }

    /// Number of a word that a text holds; `language` is its main one.
    pub(super) fn in_text(&self, text: &str, language: Option<&str>) -> Option<usize> {
        if self.whole.is_empty() || text.is_empty() {
            return None;
        }
        let text = text.to_lowercase();
        if language.is_some_and(|l| UNSPACED.contains(&l))
            && let Some(number) = self.unspaced.find(&text)
        {
            return Some(number);
        }
        self.inside.find(&text).or_else(|| text.split(is_space).find_map(|group| self.in_group(group)))
    }

    /// Looks at what stands between two spaces.
    fn in_group(&self, group: &str) -> Option<usize> {
        let find = |word: &str| self.whole.get(word).copied();
        if let Some(number) = find(group) {
            return Some(number);
        }
        let bare = group.trim_matches(is_punctuation);
        if let Some(number) = find(bare) {
            return Some(number);
        }
        if bare.contains('/') || !bare.contains(is_punctuation) {
            return None;
        }
        let parts: Vec<&str> = bare.split(is_punctuation).filter(|part| !part.is_empty()).collect();
        find(&parts.join(" ")).or_else(|| find(&parts.concat())).or_else(|| parts.into_iter().find_map(find))
    }
}

/// Whether a word counts wherever it stands: a single character (of 16 bits, as the reference counts), or one that could
/// never be a word between spaces.
fn anywhere(word: &str) -> bool {
    let mut units = word.encode_utf16();
    (units.next().is_some() && units.next().is_none()) || word.contains(|c| is_space(c) || is_punctuation(c))
}

/// White space as the reference's expressions have it.
fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(word: &str, text: &str, language: Option<&str>) -> bool {
        let word = Word { value: word, tags_only: false };
        Words::new(std::iter::once((0, word))).in_text(text, language).is_some()
    }

    #[test]
    fn words_are_found_as_people_mean_them() {
        assert!(hit("superbad", "a super--bad day", None));
        assert!(hit("bad", "(super-bad!)", None));
        assert!(hit("\u{5e0c}\u{671b}", "\u{6539}\u{5584}\u{5e0c}\u{671b}\u{3067}\u{3059}", Some("ja")));
        assert!(!hit("\u{5e0c}\u{671b}", "\u{6539}\u{5584}\u{5e0c}\u{671b}\u{3067}\u{3059}", None));
        assert!(!hit("andor", "and/or", None));
        assert!(hit("gore", "and/or gore", None));
        assert!(hit("\u{39f}\u{394}\u{39f}\u{3a3}", "\u{3bf}\u{3b4}\u{3bf}\u{3c2}", None));
        assert!(!hit("", "text", None));
    }

    #[test]
    fn a_thousand_words_and_a_long_text_take_one_pass() {
        let list: Vec<String> = (0..1_000).map(|n| format!("word{n} x")).collect();
        let word = |value| Word { value, tags_only: false };
        let words = Words::new(list.iter().enumerate().map(|(n, w)| (n, word(w))));
        let text = "word999 y ".repeat(400);
        assert_eq!(words.in_text(&text, None), None);
        assert_eq!(words.in_text(&format!("{text} WORD7 X"), None), Some(7));
        assert_eq!(words.in_tags(&["Word7 x".into()]), Some(7));
    }
}
