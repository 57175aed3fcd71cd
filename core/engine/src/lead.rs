//! Who asks for the bytes in front of a reader: the planner, or the reader itself.
//!
//! A card on screen is fetched by the planner, which weighs what the person is likely to watch against what else the
//! link is needed for. A reader that asked for whatever lies ahead of it would undo that, so it leaves what comes next
//! in the order of the file to the planner and waits. It asks by itself for what no planner can foresee: headers that
//! are not among the next bytes to come, places that it jumps to, and a hole that nobody brings for as long as a player
//! can go on without it.

use crate::model::Span;
use crate::time::{Millis, Time};

/// Bytes asked for at a hole that nobody brings. 64 KiB: one checksum block of the store.
pub const BLOCK_BYTES: u64 = 64 * 1024;
/// Time that a hole may lie in front of a reader with nobody bringing it. Three quarters of the second that a player holds
/// between its demuxer and its decoder: a planner that lets it run low on purpose has asked by then, and one that does not
/// know the bytes costs no picture.
const GRACE: Millis = Millis(750);
/// Between two looks at whether somebody brings a hole: a demand can end without a word to readers.
const LOOK: Millis = Millis(100);
/// Furthest that a read may lie behind the end of an earlier one and still go on from there. 4 MiB: two fragments of two
/// seconds at 8 Mbit/s, because a demuxer reads the head of the next fragment before the samples of this one. A seek is
/// not told by its distance but by [`Lead::jumped`].
const AHEAD: u64 = 4 * 1024 * 1024;
/// Furthest that it may lie before it: half a second of a track between two chunks of another one at 4 Mbit/s.
const BEHIND: u64 = 256 * 1024;
/// Places read in turn: one per track of a usual clip and one for headers.
const CURSORS: usize = 3;
/// Holes in a row that nobody brought, after which nobody is expected to.
const FORSAKEN: u32 = 2;

/// What a reader does about a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Wait for so long, then look again.
    Wait(Millis),
    /// Ask for [`BLOCK_BYTES`].
    Block,
    /// Ask for as much as a reader on its own keeps ahead.
    Window,
}

/// Circumstances of a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// The byte that is missing.
    pub offset: u64,
    /// Whether somebody watches what is read.
    pub watched: bool,
    /// Whether a request that runs or is next for this file brings it.
    pub coming: bool,
    /// Whether the disk takes nothing, so that only what a reader asks for can be had.
    pub full: bool,
}

/// What a reader remembers to tell going on from jumping, and planned from forgotten.
#[derive(Debug)]
pub struct Lead {
    headers: Vec<Span>,
    /// Ends of reads, most recent last.
    cursors: Vec<u64>,
    dry: Option<(u64, Time)>,
    forsaken: u32,
}

impl Lead {
    /// The lead over a file with these headers. `from` is where a reader goes on that read another file before.
    #[must_use]
    pub fn new(headers: Vec<Span>, from: Option<u64>) -> Self {
        Lead { headers, cursors: from.into_iter().collect(), dry: None, forsaken: 0 }
    }

    /// A read from `offset` gave the bytes up to `end`.
    pub fn read(&mut self, offset: u64, end: u64) {
        self.dry = None;
        if let Some(own) = self.cursors.iter().rposition(|&cursor| cursor == offset) {
            self.cursors.remove(own);
        } else if let Some(own) = self.cursors.iter().position(|&cursor| near(cursor, offset)) {
            self.cursors.remove(own);
        } else if self.cursors.len() >= CURSORS {
            self.cursors.remove(0);
        }
        self.cursors.push(end);
    }

    /// Reading goes on somewhere else: a seek.
    pub fn jumped(&mut self) {
        self.dry = None;
        self.cursors.clear();
    }

    /// Somebody began to watch, or stopped.
    pub fn turned(&mut self) {
        self.dry = None;
    }

    /// What to do about a hole at `now`.
    pub fn ask(&mut self, now: Time, hole: Hole) -> Ask {
        if hole.full {
            return Ask::Window;
        }
        if hole.coming {
            self.dry = None;
            self.forsaken = 0;
            return Ask::Wait(LOOK);
        }
        if self.headers.iter().any(|header| header.start <= hole.offset && hole.offset < header.end) {
            return Ask::Block;
        }
        if !self.cursors.iter().any(|&cursor| near(cursor, hole.offset)) {
            return if hole.watched { Ask::Window } else { Ask::Block };
        }
        if !hole.watched {
            return Ask::Wait(LOOK);
        }
        if self.forsaken >= FORSAKEN {
            return Ask::Window;
        }
        let since = match self.dry {
            Some((at, since)) if at == hole.offset => since,
            _ => {
                self.dry = Some((hole.offset, now));
                now
            }
        };
        let waited = now.since(since);
        if waited >= GRACE {
            self.dry = None;
            self.forsaken += 1;
            return Ask::Block;
        }
        Ask::Wait(LOOK.min(GRACE - waited))
    }
}

fn near(cursor: u64, offset: u64) -> bool {
    (cursor.saturating_sub(BEHIND)..=cursor.saturating_add(AHEAD)).contains(&offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: [Span; 2] = [Span { start: 0, end: 1_600 }, Span { start: 9_995_904, end: 10_000_000 }];

    fn hole(offset: u64) -> Hole {
        Hole { offset, watched: true, coming: false, full: false }
    }

    fn reading(at: u64) -> Lead {
        let mut lead = Lead::new(HEADERS.to_vec(), None);
        lead.read(0, at);
        lead
    }

    /// What is done in the end, and how long that took.
    fn settle(lead: &mut Lead, hole: Hole) -> (Ask, Millis) {
        let mut now = Time::ZERO;
        loop {
            match lead.ask(now, hole) {
                Ask::Wait(wait) if now < Time(60_000) => now = now + wait,
                done => return (done, now.since(Time::ZERO)),
            }
        }
    }

    #[test]
    fn what_comes_next_is_left_to_the_planner_until_a_player_would_stand_still() {
        let mut lead = reading(100_000);
        assert_eq!(settle(&mut lead, hole(100_000)), (Ask::Block, GRACE));
        assert_eq!(settle(&mut lead, Hole { coming: true, ..hole(165_000) }).0, Ask::Wait(LOOK));
        assert_eq!(settle(&mut lead, hole(165_000)), (Ask::Block, GRACE), "somebody came in between");
        assert_eq!(settle(&mut lead, hole(231_000)), (Ask::Block, GRACE));
        assert_eq!(settle(&mut lead, hole(297_000)), (Ask::Window, Millis(0)), "nobody does");
    }

    #[test]
    fn what_no_planner_foresees_is_asked_for_at_once() {
        let mut lead = reading(100_000);
        assert_eq!(settle(&mut lead, hole(9_996_000)), (Ask::Block, Millis(0)), "the index at the end");
        assert_eq!(
            settle(&mut lead, hole(5_000_000)),
            (Ask::Window, Millis(0)),
            "far from all that was read"
        );
        assert_eq!(settle(&mut lead, hole(700_000)), (Ask::Block, GRACE), "the next fragment");
        lead.jumped();
        assert_eq!(settle(&mut lead, hole(700_000)), (Ask::Window, Millis(0)), "a seek");
        assert_eq!(settle(&mut lead, Hole { full: true, ..hole(100_000) }), (Ask::Window, Millis(0)));
        let coming = Hole { coming: true, ..hole(9_996_000) };
        assert_eq!(lead.ask(Time::ZERO, coming), Ask::Wait(LOOK), "but not twice");
    }

    #[test]
    fn nobody_watching_nothing_that_comes_next_is_asked_for() {
        let mut lead = reading(100_000);
        let unwatched = |offset| Hole { watched: false, ..hole(offset) };
        assert_eq!(settle(&mut lead, unwatched(100_000)).0, Ask::Wait(LOOK));
        assert_eq!(settle(&mut lead, unwatched(5_000_000)), (Ask::Block, Millis(0)));
        assert_eq!(settle(&mut lead, hole(100_000)), (Ask::Block, GRACE), "counted from the first look");
    }

    #[test]
    fn tracks_far_apart_each_go_on() {
        let mut lead = reading(100_000);
        lead.read(5_000_000, 5_001_000);
        lead.read(100_000, 120_000);
        lead.read(5_001_000, 5_002_000);
        for offset in [120_000, 5_002_000, 120_000 + AHEAD] {
            assert_eq!(settle(&mut lead, hole(offset)).1, GRACE, "{offset}");
            lead.ask(Time::ZERO, Hole { coming: true, ..hole(offset) });
        }
        lead.read(7_000_000, 9_500_000);
        lead.read(9_600_000, 9_700_000);
        lead.read(1_000, 1_010);
        lead.read(20_000_000, 20_000_010);
        lead.read(30_000_000, 30_000_010);
        lead.read(40_000_000, 40_000_010);
        assert_eq!(settle(&mut lead, hole(120_000)).0, Ask::Window, "three places are remembered");
        assert_eq!(Lead::new(Vec::new(), Some(0)).ask(Time::ZERO, hole(0)), Ask::Wait(LOOK));
        assert_eq!(Lead::new(Vec::new(), None).ask(Time::ZERO, hole(0)), Ask::Window);
    }
}
