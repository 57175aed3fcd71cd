//! Counting what was shown.
//!
//! Watch time is media time actually rendered: each picture adds how far its time stamp lies after the one before, and
//! at most as long as that one lasts. So a pause, a stall and a jump by seek add nothing. When playback wraps round, the
//! last picture of the pass has been shown for its own length, and that is added.

use std::time::{Duration, Instant};

/// A picture as the sink rendered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Media time.
    pub(crate) at: Duration,
    /// How long it is shown, nominally, in media time.
    pub(crate) step: Duration,
    /// Time on the pipeline's running line; says how far apart two pictures are meant to be shown.
    pub(crate) running: Duration,
}

/// What was special about a rendered picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    /// The first since a start was announced.
    pub(crate) starts: bool,
    /// The first of a new pass; the number of passes begun over.
    pub(crate) lap: Option<u64>,
}

/// Running totals of one player.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    active: Duration,
    frames: u64,
    laps: u64,
    laps_asked: u64,
    last: Option<Frame>,
    position: Duration,
    shown_at: Option<Instant>,
    awaiting_start: bool,
    awaiting_frame: bool,
    mark: Option<Instant>,
    marking: bool,
    /// The last picture's time on show is in `active` already.
    left: bool,
    /// The wait for the next picture is nobody's fault.
    excused: bool,
    late: Duration,
    /// Lateness from which the sink's clock counts a stall.
    late_from: Duration,
}

impl Meter {
    /// Counts nothing yet; `late_from` is how late a picture has to be to count as a stall.
    pub(crate) fn new(late_from: Duration) -> Self {
        Meter { late_from, ..Meter::default() }
    }

    /// Announces a start: the next picture is its first.
    pub(crate) fn expect_start(&mut self) {
        self.awaiting_start = true;
        self.awaiting_frame = true;
    }

    /// Announces a jump: the next picture neither continues nor wraps.
    pub(crate) fn expect_jump(&mut self, to: Duration) {
        self.last = None;
        self.left = false;
        self.position = to;
        self.awaiting_frame = true;
        self.laps_asked = self.laps;
    }

    /// The card was swiped away: its picture was shown until now, at most for its length. A swipe back shows the next
    /// picture at once, so this one gains nothing by it.
    pub(crate) fn leave(&mut self, now: Instant, rate: f64) {
        if let (Some(last), Some(shown_at), false) = (self.last, self.shown_at, self.left) {
            self.active += now.saturating_duration_since(shown_at).mul_f64(rate.max(0.0)).min(last.step);
            self.left = true;
        }
    }

    /// Announces that playback will wrap round.
    pub(crate) fn expect_lap(&mut self) {
        self.laps_asked += 1;
    }

    /// Asks for the moment of the next picture.
    pub(crate) fn mark_next(&mut self) {
        self.mark = None;
        self.marking = true;
    }

    /// A picture was rendered.
    pub(crate) fn shown(&mut self, frame: Frame, now: Instant) -> Shown {
        self.compare_clocks(&frame, now);
        let mut shown = Shown { starts: self.awaiting_start, lap: None };
        if let Some(last) = self.last {
            let left = std::mem::take(&mut self.left);
            if frame.at >= last.at {
                self.active += if left { Duration::ZERO } else { (frame.at - last.at).min(last.step) };
            } else if self.laps < self.laps_asked {
                self.active += if left { Duration::ZERO } else { last.step };
                self.laps += 1;
                shown.lap = Some(self.laps);
            }
        }
        self.frames += 1;
        self.last = Some(frame);
        self.position = frame.at;
        self.shown_at = Some(now);
        self.awaiting_start = false;
        self.awaiting_frame = false;
        if self.marking {
            self.mark = Some(now);
            self.marking = false;
        }
        shown
    }

    /// The person asked for the wait that follows: a pause, a jump, a card swiped away.
    pub(crate) fn excuse(&mut self) {
        self.excused = true;
    }

    /// Rebuffering as the sink's clock sees it: the time that passed against the time that should have.
    fn compare_clocks(&mut self, frame: &Frame, now: Instant) {
        let excused = std::mem::take(&mut self.excused) || self.awaiting_start || self.awaiting_frame;
        if let (Some(last), Some(shown_at), false) = (self.last, self.shown_at, excused) {
            let late = now
                .saturating_duration_since(shown_at)
                .saturating_sub(frame.running.saturating_sub(last.running));
            if late >= self.late_from {
                self.late += late;
            }
        }
    }

    /// Sum of the waits that the sink's clock saw.
    pub(crate) fn late(&self) -> Duration {
        self.late
    }

    /// The last picture was shown for its length.
    pub(crate) fn ended(&mut self) {
        if let Some(last) = self.last.take() {
            self.active += last.step;
            self.position = last.at + last.step;
        }
    }

    pub(crate) fn active(&self) -> Duration {
        self.active
    }

    pub(crate) fn position(&self) -> Duration {
        self.position
    }

    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    pub(crate) fn laps(&self) -> u64 {
        self.laps
    }

    pub(crate) fn last(&self) -> Option<Frame> {
        self.last
    }

    pub(crate) fn shown_at(&self) -> Option<Instant> {
        self.shown_at
    }

    pub(crate) fn awaiting_frame(&self) -> bool {
        self.awaiting_frame
    }

    /// When the picture asked for by [`mark_next`](Meter::mark_next) came.
    pub(crate) fn marked(&self) -> Option<Instant> {
        self.mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = Duration::from_millis(120);

    fn frame(ms: u64) -> Frame {
        Frame {
            at: Duration::from_millis(ms),
            step: Duration::from_millis(40),
            running: Duration::from_millis(ms),
        }
    }

    #[test]
    fn watch_time_is_the_sum_of_steps() {
        let (mut meter, now) = (Meter::new(LATE), Instant::now());
        for ms in [0, 40, 80, 120] {
            meter.shown(frame(ms), now);
        }
        assert_eq!(meter.active(), Duration::from_millis(120));
        meter.ended();
        assert_eq!(meter.active(), Duration::from_millis(160));
        assert_eq!(meter.frames(), 4);
    }

    #[test]
    fn a_gap_adds_no_more_than_one_step() {
        let (mut meter, now) = (Meter::new(LATE), Instant::now());
        meter.shown(frame(0), now);
        meter.shown(frame(5000), now);
        assert_eq!(meter.active(), Duration::from_millis(40));
    }

    #[test]
    fn a_seek_adds_nothing_and_is_no_lap() {
        let (mut meter, now) = (Meter::new(LATE), Instant::now());
        meter.shown(frame(5000), now);
        meter.expect_lap();
        meter.expect_jump(Duration::ZERO);
        assert_eq!(meter.shown(frame(0), now).lap, None);
        assert_eq!(meter.active(), Duration::ZERO);
    }

    #[test]
    fn a_lap_counts_once_and_adds_the_last_step() {
        let (mut meter, now) = (Meter::new(LATE), Instant::now());
        meter.shown(frame(0), now);
        meter.shown(frame(40), now);
        meter.expect_lap();
        assert_eq!(meter.shown(frame(0), now).lap, Some(1));
        assert_eq!(meter.shown(frame(40), now).lap, None);
        assert_eq!(meter.active(), Duration::from_millis(120));
    }

    #[test]
    fn a_picture_swiped_away_counts_for_as_long_as_it_was_seen() {
        let (mut meter, now) = (Meter::new(LATE), Instant::now());
        let later = |ms| now + Duration::from_millis(ms);
        meter.shown(frame(0), now);
        meter.leave(later(10), 1.0);
        meter.leave(later(20), 1.0);
        assert_eq!(meter.active(), Duration::from_millis(10));
        meter.shown(frame(40), later(5000));
        meter.shown(frame(80), later(5040));
        assert_eq!(meter.active(), Duration::from_millis(50));
        meter.leave(later(9000), 1.0);
        assert_eq!(meter.active(), Duration::from_millis(90));
    }

    #[test]
    fn only_the_first_picture_starts() {
        let (mut meter, now) = (Meter::new(LATE), Instant::now());
        meter.expect_start();
        assert!(meter.awaiting_frame());
        assert!(meter.shown(frame(0), now).starts);
        assert!(!meter.shown(frame(40), now).starts);
    }
    #[test]
    fn what_is_late_by_less_than_a_stall_is_none_and_a_longer_gap_on_the_running_line_is_meant() {
        let (mut meter, now) = (Meter::new(LATE), Instant::now());
        let later = |ms| now + Duration::from_millis(ms);
        meter.shown(frame(0), now);
        meter.shown(frame(40), later(40 + 119));
        assert_eq!(meter.late(), Duration::ZERO);
        meter.shown(frame(1040), later(159 + 1000));
        assert_eq!(meter.late(), Duration::ZERO);
        meter.shown(frame(1080), later(1159 + 40 + 500));
        assert_eq!(meter.late(), Duration::from_millis(500));
        meter.excuse();
        meter.shown(frame(1120), later(9000));
        assert_eq!(meter.late(), Duration::from_millis(500));
    }
}
