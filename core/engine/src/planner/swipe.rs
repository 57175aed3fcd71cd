//! How long a person will stay: the share of viewers who do, bent by what this person did so far.
//!
//! A feed may give a retention curve with a card. Where it gives none, [`Curve::prior`] stands in. Either way the curve is
//! a survival function S; a person who tends to leave earlier or later than others is modelled by one exponent, S^θ
//! (proportional hazards). Watching a card for d adds −ln S(d) to what the person was exposed to and, if they swiped, one
//! to the swipes they made of it; θ is the ratio, drawn to 1 by a prior of some cards. Three such tallies are kept: of
//! the session, of the topic, and a short one, whose memory of a few cards is the fast-swipe mode.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

/// Share of viewers of KuaiRand-Pure (Gao et al., CIKM 2022; 83,623 views with any play time in the week of 25 April
/// 2022) who still watch at these milliseconds, videos shorter than that left out.
const PRIOR: [(u32, f64); 8] = [
    (0, 1.0),
    (1_000, 0.95),
    (2_000, 0.76),
    (3_000, 0.65),
    (5_000, 0.54),
    (10_000, 0.44),
    (20_000, 0.34),
    (40_000, 0.27),
];
/// Share of the same views that went to the end, by length of video in milliseconds.
const TO_THE_END: [(u32, f64); 5] =
    [(10_000, 0.30), (20_000, 0.27), (40_000, 0.22), (90_000, 0.16), (u32::MAX, 0.07)];
/// Topics a person is remembered by.
const MAX_TOPICS: usize = 64;
/// Milliseconds under which a look counts as none.
const FAST_MS: u64 = 2_000;
/// So many fast looks in a row are the fast-swipe mode: one in four views ends under two seconds anyway, three in a row
/// come by chance once in 64.
const FAST_RUN: u32 = 3;

/// The share of viewers still watching, by media time.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Ascending in time, falling in share; the first is `(0, 1)`, the last the end of the video.
    points: Vec<(u32, f64)>,
}

impl Curve {
    /// The curve a feed gave, `(milliseconds, share)` ascending in time; shares that rise are taken as level.
    #[must_use]
    pub fn new(retention: &[(u64, f64)], duration_ms: u64) -> Self {
        let duration = u32::try_from(duration_ms).unwrap_or(u32::MAX).max(1);
        let mut points = Vec::with_capacity(retention.len() + 2);
        points.push((0, 1.0));
        let mut low = 1.0_f64;
        for &(ms, share) in retention {
            let ms = u32::try_from(ms).unwrap_or(u32::MAX);
            low = low.min(if share.is_finite() { share.clamp(0.0, 1.0) } else { low });
            match ms {
                0 => points[0].1 = low.max(1e-6),
                _ if ms >= duration => break,
                _ => points.push((ms, low)),
            }
        }
        // Relative to those who saw the beginning.
        let first = points[0].1;
        points.iter_mut().for_each(|p| p.1 /= first);
        if let Some(&(ms, share)) = points.last()
            && ms < duration
        {
            points.push((duration, share));
        }
        Curve { points }
    }

    /// The curve of a video nothing is known of but its length.
    #[must_use]
    pub fn prior(duration_ms: u64) -> Self {
        let duration = u32::try_from(duration_ms).unwrap_or(u32::MAX).max(1);
        let end = TO_THE_END.iter().find(|&&(below, _)| duration < below).map_or(0.07, |&(_, share)| share);
        let mut points: Vec<(u32, f64)> =
            PRIOR.iter().filter(|&&(ms, _)| ms < duration).map(|&(ms, share)| (ms, share.max(end))).collect();
        points.push((duration, end.min(points.last().map_or(1.0, |p| p.1))));
        Curve { points }
    }

    /// Share of viewers still watching at `ms`; 0 past the end.
    #[must_use]
    pub fn survival(&self, ms: f64) -> f64 {
        let after = self.points.partition_point(|&(t, _)| f64::from(t) <= ms);
        let Some(&(t0, p0)) = after.checked_sub(1).and_then(|i| self.points.get(i)) else { return 1.0 };
        match self.points.get(after) {
            Some(&(t1, p1)) => p0 + (p1 - p0) * (ms - f64::from(t0)) / f64::from((t1 - t0).max(1)),
            None if ms <= f64::from(t0) => p0,
            None => 0.0,
        }
    }
}

/// Swipes made against swipes expected, both fading.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Tally {
    swipes: f64,
    exposure: f64,
}

impl Tally {
    fn add(&mut self, swiped: bool, exposure: f64, keep: f64) {
        self.swipes = self.swipes * keep + f64::from(u8::from(swiped));
        self.exposure = self.exposure * keep + exposure;
    }

    /// The exponent, drawn to `towards` by a prior that counts as `cards`.
    fn theta(&self, towards: f64, cards: f64) -> f64 {
        ((self.swipes + cards * towards) / (self.exposure + cards)).clamp(0.2, 5.0)
    }
}

/// How strongly a person's own looks bend the curve. Zero weights leave it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Habit {
    /// Cards of looks like everybody's that a person is assumed to have had.
    pub prior_cards: f64,
    /// Share of the session's tally that is left after one more card.
    pub keep: f64,
    /// The exponent of the fast-swipe mode, as a multiple.
    pub fast: f64,
}

impl Default for Habit {
    fn default() -> Self {
        Habit { prior_cards: 8.0, keep: 0.97, fast: 1.5 }
    }
}

/// What this person did so far.
#[derive(Debug, Clone, Default)]
pub struct SwipeModel {
    habit: Habit,
    session: Tally,
    topics: BTreeMap<String, Tally>,
    fast_run: u32,
}

impl SwipeModel {
    /// A person nothing is known of.
    #[must_use]
    pub fn new(habit: Habit) -> Self {
        SwipeModel { habit, ..SwipeModel::default() }
    }

    /// The person stayed this long with a video of this curve and topic, and swiped or saw it to its end.
    pub fn handle_dwell(&mut self, curve: &Curve, topic: Option<&str>, watched_ms: u64, swiped: bool) {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a video")]
        let share = curve.survival(watched_ms as f64).max(0.01);
        let exposure = -share.ln();
        self.session.add(swiped, exposure, self.habit.keep);
        self.fast_run = if swiped && watched_ms < FAST_MS { self.fast_run + 1 } else { 0 };
        let Some(topic) = topic else { return };
        if !self.topics.contains_key(topic) && self.topics.len() >= MAX_TOPICS {
            return;
        }
        self.topics.entry(topic.to_owned()).or_default().add(swiped, exposure, self.habit.keep);
    }

    /// The exponent for a card of this topic: above 1 for a person who leaves earlier than others.
    #[must_use]
    pub fn theta(&self, topic: Option<&str>) -> f64 {
        let cards = self.habit.prior_cards;
        let session = self.session.theta(1.0, cards);
        let own = topic.and_then(|t| self.topics.get(t)).map_or(session, |t| t.theta(session, cards));
        if self.fast() { own * self.habit.fast } else { own }
    }

    /// Whether the person is swiping through without looking.
    #[must_use]
    pub fn fast(&self) -> bool {
        self.fast_run >= FAST_RUN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_curve_is_read_between_its_points_and_ends_with_the_video() {
        let curve = Curve::new(&[(0, 0.8), (1_000, 0.4), (2_000, 0.6)], 4_000);
        assert!((curve.survival(0.0) - 1.0).abs() < 1e-9, "of those who saw the beginning");
        assert!((curve.survival(500.0) - 0.75).abs() < 1e-9);
        assert!((curve.survival(3_000.0) - 0.5).abs() < 1e-9, "a rise is taken as level");
        assert!(curve.survival(4_001.0).abs() < 1e-9);
        assert!(Curve::prior(15_000).survival(14_999.0) > 0.26);
    }

    #[test]
    fn a_hasty_person_bends_the_curve_and_a_patient_one_too() {
        let curve = Curve::prior(30_000);
        let (mut hasty, mut patient) = (SwipeModel::default(), SwipeModel::default());
        for _ in 0..20 {
            hasty.handle_dwell(&curve, Some("t"), 1_500, true);
            patient.handle_dwell(&curve, None, 30_000, false);
        }
        assert!(hasty.theta(Some("t")) > 2.0 && hasty.fast(), "{}", hasty.theta(Some("t")));
        assert!(hasty.theta(None) > 1.2);
        assert!(patient.theta(None) < 0.5, "{}", patient.theta(None));
        hasty.handle_dwell(&curve, None, 20_000, true);
        assert!(!hasty.fast(), "one long look ends the mode");
        assert!((SwipeModel::default().theta(Some("t")) - 1.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn curves_fall_and_stay_within_bounds(
            points in prop::collection::vec((0u64..60_000, -1.0f64..2.0), 0..20), duration in 0u64..90_000,
        ) {
            let mut points = points;
            points.sort_by_key(|p| p.0);
            points.dedup_by_key(|p| p.0);
            for curve in [Curve::new(&points, duration), Curve::prior(duration)] {
                let shares: Vec<f64> = (0..100).map(|i| curve.survival(f64::from(i) * 1_000.0)).collect();
                prop_assert!(shares.iter().all(|s| (0.0..=1.0).contains(s)), "{shares:?}");
                prop_assert!(shares.windows(2).all(|w| w[0] >= w[1]), "{shares:?}");
            }
        }
    }
}
