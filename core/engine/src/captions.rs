//! Which file of captions a person gets: the first language of their list that a card has, and which bytes that is.
//!
//! Languages are compared as RFC 4647 looks them up: a wish for `de-AT` is served by `de-AT`, else by `de`, else by any
//! other German; only then the next wish counts. The wish `*` takes whatever there is. An empty list is the wish for none.

use std::time::Duration;

use crate::model::{CaptionTrack, Item, MediaKey};

/// Most languages of a list of wishes that are looked at; nobody reads more.
pub const MOST_WISHES: usize = 16;

/// Place of the track to show among `tracks`; `None` when none is wished for.
#[must_use]
pub fn choose(tracks: &[CaptionTrack], wishes: &[String]) -> Option<usize> {
    wishes.iter().take(MOST_WISHES).find_map(|wish| serve(tracks, wish))
}

fn serve(tracks: &[CaptionTrack], wish: &str) -> Option<usize> {
    if wish == "*" {
        return (!tracks.is_empty()).then_some(0);
    }
    let mut range = wish;
    loop {
        if let Some(place) = tracks.iter().position(|track| track.language.eq_ignore_ascii_case(range)) {
            return Some(place);
        }
        match range.rsplit_once('-') {
            Some((shorter, _)) => range = shorter,
            None => {
                return tracks.iter().position(|track| primary(&track.language).eq_ignore_ascii_case(range));
            }
        }
    }
}

fn primary(language: &str) -> &str {
    language.split('-').next().unwrap_or(language)
}

/// What the store files a track of an item under: the asset, the language, and the how manieth of that language it is.
/// Addresses are signed anew with every page, so they do not name it.
#[must_use]
pub fn key(item: &Item, place: usize) -> Option<MediaKey> {
    let track = item.captions.get(place)?;
    let earlier =
        item.captions[..place].iter().filter(|t| t.language.eq_ignore_ascii_case(&track.language)).count();
    // A space cannot occur in an identifier, so no rendition has this name.
    let name = format!("captions {} {earlier}", track.language.to_ascii_lowercase());
    Some(MediaKey::new(&item.asset.id, &name))
}

/// Whether a key is that of a file of captions.
#[must_use]
pub fn is_captions(key: &MediaKey) -> bool {
    key.parts().1.starts_with("captions ")
}

/// Where the captions of a card are in its media: the playhead as last told, carried on while it moves.
///
/// Players tell a few times a second; a caption that comes a quarter of a second late is seen to. No report for longer than
/// [`CARRY_MS`] stops it, so that it does not run ahead of a card that stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pointer {
    told_ms: u64,
    told_at: u64,
    rate: f64,
}

/// Longest time the playhead is carried on from one report: two reports and a bit.
pub const CARRY_MS: u64 = 600;

impl Pointer {
    /// The playhead is at `playhead_ms` at the moment `now_ms` and moves at `rate`; 0 while it stands.
    pub fn set(&mut self, now_ms: u64, playhead_ms: u64, rate: f64) {
        (self.told_at, self.told_ms, self.rate) = (now_ms, playhead_ms, rate.max(0.0));
    }

    /// Where it is at the moment `now_ms`.
    #[must_use]
    pub fn at(&self, now_ms: u64) -> u64 {
        let passed = now_ms.saturating_sub(self.told_at).min(CARRY_MS);
        self.told_ms.saturating_add(whole(passed, self.rate))
    }

    /// The moment it gets to `target_ms`, if it gets there before another report is due.
    #[must_use]
    pub fn reaches(&self, target_ms: u64) -> Option<u64> {
        let way = target_ms.checked_sub(self.told_ms)?;
        if self.rate <= 0.0 {
            return None;
        }
        let takes = whole(way.min(u64::from(u32::MAX)), 1.0 / self.rate).saturating_add(1);
        (takes <= CARRY_MS).then(|| self.told_at.saturating_add(takes))
    }
}

fn whole(ms: u64, factor: f64) -> u64 {
    let seconds = Duration::from_millis(ms).as_secs_f64() * factor;
    Duration::try_from_secs_f64(seconds)
        .map_or(u64::MAX, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tracks(languages: &[&str]) -> Vec<CaptionTrack> {
        let track = |language: &&str| CaptionTrack {
            language: (*language).to_owned(),
            label: String::new(),
            url: String::new(),
        };
        languages.iter().map(track).collect()
    }

    fn chosen(have: &[&str], wishes: &[&str]) -> Option<usize> {
        let wishes: Vec<String> = wishes.iter().map(|w| (*w).to_owned()).collect();
        choose(&tracks(have), &wishes)
    }

    #[test]
    fn the_first_wish_that_can_be_served_is() {
        assert_eq!(chosen(&["en", "de"], &["de", "en"]), Some(1));
        assert_eq!(
            chosen(&["en", "DE"], &["de-AT-1996"]),
            Some(1),
            "a longer wish falls back to a shorter one"
        );
        assert_eq!(chosen(&["en-US", "de"], &["en"]), Some(0), "and a bare language to any of its kinds");
        assert_eq!(chosen(&["en-US", "en-GB"], &["en-GB"]), Some(1));
        assert_eq!(chosen(&["pt-BR", "en"], &["pt-PT", "en"]), Some(0), "before the next language counts");
        assert_eq!(chosen(&["fr"], &["de", "*"]), Some(0));
        assert_eq!(chosen(&["fr"], &["de", "en"]), None);
        assert_eq!(chosen(&["fr"], &[]), None, "off");
        assert_eq!(chosen(&[], &["*"]), None);
        assert_eq!(chosen(&["french"], &["fr"]), None, "a tag is not a prefix of letters");
    }

    #[test]
    fn tracks_of_one_language_have_keys_of_their_own() {
        let mut item = crate::testing::item("a");
        item.captions = tracks(&["en", "de", "EN"]);
        let keys: Vec<_> = (0..3).filter_map(|place| key(&item, place)).collect();
        assert_eq!(keys.len(), 3);
        assert_ne!(keys[0], keys[2]);
        assert!(keys.iter().all(is_captions));
        assert_eq!(key(&item, 3), None);
        assert!(!is_captions(&MediaKey::new(&item.asset.id, "captions")));
    }

    #[test]
    fn the_pointer_moves_between_reports_and_stops_without_them() {
        let mut pointer = Pointer::default();
        pointer.set(1_000, 400, 1.0);
        assert_eq!((pointer.at(1_000), pointer.at(1_250)), (400, 650));
        assert_eq!(pointer.at(9_000), 400 + CARRY_MS, "a card that is not heard of stands");
        assert_eq!(pointer.reaches(500), Some(1_101));
        assert_eq!(pointer.reaches(300), None, "what is past is not ahead");
        assert_eq!(pointer.reaches(5_000), None);
        pointer.set(2_000, 400, 2.0);
        assert_eq!((pointer.at(2_100), pointer.reaches(600)), (600, Some(2_101)));
        pointer.set(2_000, 400, 0.0);
        assert_eq!((pointer.at(3_000), pointer.reaches(401)), (400, None));
    }

    proptest! {
        #[test]
        fn a_moment_that_is_named_is_one_at_which_it_is_there(
            now in 0_u64..1_000_000, at in 0_u64..100_000, rate in 0.25_f64..4.0, ahead in 0_u64..2_000,
        ) {
            let mut pointer = Pointer::default();
            pointer.set(now, at, rate);
            if let Some(moment) = pointer.reaches(at + ahead) {
                prop_assert!(moment > now);
                prop_assert!(pointer.at(moment) >= at + ahead, "{} {}", pointer.at(moment), at + ahead);
            }
        }
    }
}
