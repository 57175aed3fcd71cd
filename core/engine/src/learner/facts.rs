//! What the learner is told: a clip before it is shown, and one viewing of it afterwards.
//!
//! These types are the whole of what can be learnt from. They hold behaviour and facts of the clip; there is no field for
//! who the person is, and a test reads them to keep it so.

use crate::ranking::LabelWeights;

/// A vector for a clip, from the server.
///
/// The learner takes each component as of the order of one and people's tastes along it as of the same spread; a server
/// scales its vectors so. Components that are no number, and vectors longer than [`MAX_DIMENSIONS`], count as absent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vector<'a> {
    /// Which set of vectors this belongs to. Vectors of two sets cannot be compared; a new set starts anew.
    pub space: u32,
    /// Components.
    pub values: &'a [f64],
}

/// Longest vector that is used: 8 to 32 are usual for re-ranking on a phone; the cost of learning grows with the cube.
pub const MAX_DIMENSIONS: usize = 32;
/// Components beyond this are taken as this: a broken vector must not outweigh everything else.
pub const MAX_COMPONENT: f64 = 8.0;
/// Tags of a clip that are looked at.
pub const MAX_TAGS: usize = 16;
/// Longest topic or creator that is remembered, bytes; longer ones teach nothing.
pub const MAX_NAME: usize = 128;

/// What is known of a clip before it is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip<'a> {
    /// The server's own estimate that the clip is watched well, 0 to 1, where it gives one.
    pub prior: Option<f64>,
    /// Topics, most important first.
    pub topics: &'a [String],
    /// Who made it.
    pub creator: &'a str,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Where the server places it among all clips.
    pub vector: Option<Vector<'a>>,
    /// What the exposure ledger adds, so that what is less common is shown as often as it deserves; zero or more.
    pub lift: f64,
}

/// What somebody did with a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Viewing {
    /// Milliseconds actually rendered, repetitions included.
    pub active_ms: u64,
    /// Liked it.
    pub liked: bool,
    /// Shared it.
    pub shared: bool,
    /// Saved it.
    pub saved: bool,
    /// Commented on it.
    pub commented: bool,
    /// Followed its creator.
    pub followed: bool,
    /// Said "not interested".
    pub not_interested: bool,
    /// Hid its creator.
    pub hid_creator: bool,
    /// Reported it.
    pub reported: bool,
}

impl Viewing {
    /// Whether the person said no in so many words.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.not_interested || self.hid_creator || self.reported
    }

    /// How good the viewing was: -1 for a refusal, 0 for a swipe away, 1 for a long view, up to 1.5 with actions.
    ///
    /// A long view is the whole of a short clip and a fixed stretch of a longer one, so that length alone is no merit.
    #[must_use]
    pub fn quality(&self, duration_ms: u64, weights: &LabelWeights) -> f64 {
        if self.refused() {
            return -1.0;
        }
        let enough = duration_ms.min(weights.long_view_ms).max(1);
        let watched = self.active_ms.min(enough);
        let view = if watched == enough {
            1.0
        } else if self.active_ms < weights.skip_ms {
            0.0
        } else {
            weights.partial * watched as f64 / enough as f64
        };
        let actions = [
            (self.liked, weights.like),
            (self.shared, weights.share),
            (self.saved, weights.save),
            (self.commented, weights.comment),
            (self.followed, weights.follow),
        ];
        let more: f64 = actions.iter().filter(|(done, _)| *done).map(|(_, worth)| worth).sum();
        (view + more).min(1.5)
    }
}

/// Bands of length: taste differs between a joke and a lecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    /// Below 10 s.
    Flash,
    /// Below 30 s.
    Short,
    /// Below 60 s.
    Medium,
    /// Below 3 min.
    Long,
    /// 3 min and more.
    Extended,
}

impl Band {
    /// All of them, shortest first.
    pub const ALL: [Band; 5] = [Band::Flash, Band::Short, Band::Medium, Band::Long, Band::Extended];

    /// The band of a length in milliseconds.
    #[must_use]
    pub fn of(duration_ms: u64) -> Self {
        match duration_ms {
            0..10_000 => Band::Flash,
            10_000..30_000 => Band::Short,
            30_000..60_000 => Band::Medium,
            60_000..180_000 => Band::Long,
            _ => Band::Extended,
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Band::Flash => "under 10 seconds",
            Band::Short => "10 to 30 seconds",
            Band::Medium => "30 to 60 seconds",
            Band::Long => "1 to 3 minutes",
            Band::Extended => "3 minutes and more",
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

impl<'a> Clip<'a> {
    /// The prior as a number that can be trusted.
    pub(super) fn sound_prior(&self, unknown: f64) -> f64 {
        self.prior.filter(|p| p.is_finite()).map_or(unknown, |p| p.clamp(0.0, 1.0))
    }

    /// Topics that are looked at, each once.
    pub(super) fn sound_topics(&self) -> Vec<&'a str> {
        let mut out: Vec<&'a str> = Vec::with_capacity(self.topics.len().min(MAX_TAGS));
        for topic in self.topics.iter().take(MAX_TAGS) {
            if sound_name(topic) && !out.contains(&topic.as_str()) {
                out.push(topic);
            }
        }
        out
    }
}

/// Whether a name is one to remember.
pub(super) fn sound_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME
}

/// Whether a kept number is one that can come about: sums of bounded terms that fade stay far below this, and what does not
/// would overflow in a score.
pub(super) fn sound_number(value: f64) -> bool {
    value.abs() <= 1e12
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::RankingPolicy;

    fn weights() -> LabelWeights {
        RankingPolicy::shipped().unwrap().learner.label
    }

    #[test]
    fn length_alone_is_no_merit() {
        let w = weights();
        let watched = |ms| Viewing { active_ms: ms, ..Viewing::default() };
        assert_eq!(watched(6_000).quality(6_000, &w), watched(20_000).quality(300_000, &w));
        assert_eq!(watched(500).quality(60_000, &w), 0.0);
        assert!(watched(9_000).quality(60_000, &w) < 1.0);
        assert!(watched(9_000).quality(60_000, &w) > watched(4_000).quality(60_000, &w));
        assert_eq!(watched(0).quality(0, &w), 0.0, "a clip without length was not watched");
    }

    #[test]
    fn a_refusal_outweighs_everything() {
        let w = weights();
        let all = Viewing { active_ms: 60_000, liked: true, shared: true, ..Viewing::default() };
        assert!(all.quality(10_000, &w) > 1.0 && all.quality(10_000, &w) <= 1.5);
        for refusal in [
            Viewing { not_interested: true, ..all },
            Viewing { hid_creator: true, ..all },
            Viewing { reported: true, ..all },
        ] {
            assert_eq!(refusal.quality(10_000, &w), -1.0);
        }
    }

    /// Every field of the inputs, by name: a new one does not compile until somebody has looked at this list.
    #[test]
    fn inputs_hold_no_personal_attribute() {
        let topics = ["a".to_owned()];
        let vector = Vector { space: 1, values: &[0.0] };
        let clip = Clip {
            prior: None,
            topics: &topics,
            creator: "c",
            duration_ms: 1,
            vector: Some(vector),
            lift: 0.0,
        };
        let Clip { prior: _, topics: _, creator: _, duration_ms: _, vector, lift: _ } = clip;
        let Some(Vector { space: _, values: _ }) = vector else { panic!("a vector was given") };
        let Viewing {
            active_ms: _,
            liked: _,
            shared: _,
            saved: _,
            commented: _,
            followed: _,
            not_interested: _,
            hid_creator: _,
            reported: _,
        } = Viewing::default();
        // Fields of every type of the room, so that nothing personal comes in by a side door.
        let sources = [
            include_str!("facts.rs"),
            include_str!("mod.rs"),
            include_str!("taste.rs"),
            include_str!("ridge.rs"),
            include_str!("state.rs"),
        ];
        let banned = [
            "age",
            "gender",
            "sex",
            "language",
            "locale",
            "country",
            "city",
            "latitude",
            "longitude",
            "location",
            "contact",
            "contacts",
            "phone",
            "email",
            "birth",
            "ethnicity",
            "religion",
            "income",
            "address",
            "ip",
            "device",
            "account",
            "name_of_person",
        ];
        for source in sources {
            for line in source.lines().map(str::trim) {
                let Some((left, _)) = line.trim_start_matches("pub ").split_once(':') else { continue };
                let words: Vec<&str> = left.split('_').collect();
                let field = left.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                assert!(!(field && words.iter().any(|w| banned.contains(w))), "a personal field: {line}");
            }
        }
    }
}
