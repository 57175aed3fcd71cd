//! Whether the link still brings anything: stalled when what was asked for is long overdue, captive when all that comes
//! back are refusals, or when somebody else answers in the backend's place before anything came at all.
//!
//! Both stop what is fetched ahead, and only that: the current card keeps asking, at its own pace of retries, and the first
//! transfer that ends makes the link fine again. A stall also lowers the estimate of the rate while it lasts, for what
//! has not arrived by now is an upper bound of what the link carries.

use std::collections::BTreeSet;

use crate::links::Links;
use crate::model::MediaKey;
use crate::time::{Millis, Time};

/// How often a fetch that brought nothing yet is looked at.
pub(crate) const LOOK: Millis = Millis(1_000);
/// Silence under which no link counts as stalled: a hand-over between cells takes up to about two seconds.
const SILENCE: Millis = Millis(3_000);
/// How many times as long as expected a fetch must take besides.
const OVERDUE: f64 = 3.0;
/// Renditions that must fail one after the other, with nothing received between them, for the link to count as captive:
/// one may be broken, and its neighbour too.
const REFUSALS: usize = 3;

/// What the link does with what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkState {
    /// It brings it, or nothing was asked.
    #[default]
    Fine,
    /// Nothing arrives, for much longer than it should take.
    Stalled,
    /// Everything is answered by a refusal or by somebody else, as in front of a log-in page or behind a filter.
    Captive,
}

/// What runs on one host at the moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Underway<'a> {
    pub(crate) host: &'a str,
    pub(crate) bytes: u64,
}

/// Watches one link.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    /// Since when something runs and nothing was heard.
    quiet_since: Option<Time>,
    heard: bool,
    stalled: bool,
    refused: BTreeSet<MediaKey>,
    /// Whether anything came since the device is on this network.
    brought: bool,
    /// Whether it was not the backend that answered last in its name.
    intercepted: bool,
}

impl Watch {
    /// A transfer ended, or bytes of one arrived.
    pub(crate) fn received(&mut self) {
        self.heard = true;
        self.stalled = false;
        self.brought = true;
        self.refused.clear();
    }

    /// The backend was asked; `itself` says whether it was the one that answered.
    pub(crate) fn answered(&mut self, itself: bool) {
        self.intercepted = !itself;
    }

    /// A fetch or probe ended without bytes.
    pub(crate) fn refused(&mut self, key: &MediaKey) {
        self.heard = true;
        self.stalled = false;
        if self.refused.len() < REFUSALS {
            self.refused.insert(key.clone());
        }
    }

    /// The device changed its network, or came back to one.
    pub(crate) fn reset(&mut self) {
        *self = Watch::default();
    }

    /// Looks at what is under way.
    pub(crate) fn look(&mut self, now: Time, underway: &[Underway<'_>], links: &mut Links) {
        if underway.is_empty() {
            (self.quiet_since, self.stalled) = (None, false);
            return;
        }
        let since = match self.quiet_since {
            Some(since) if !self.heard => since,
            _ => now,
        };
        (self.quiet_since, self.heard) = (Some(since), false);
        let silence = now.since(since);
        if silence < LOOK {
            return;
        }
        // What runs shares the link, so only its sum bounds the rate.
        let bytes: u64 = underway.iter().map(|u| u.bytes).sum();
        if !self.stalled {
            #[expect(clippy::cast_precision_loss, reason = "rates need no 53 bits")]
            let expected_s = links.all().rtt_s() + bytes as f64 * 8e-6 / links.all().mean_mbps();
            #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
            let silence_s = silence.0 as f64 / 1_000.0;
            self.stalled = silence >= SILENCE && silence_s >= OVERDUE * expected_s;
        }
        let mut hosts: Vec<&str> = underway.iter().map(|u| u.host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        for host in hosts {
            links.at_most(host, bytes, silence);
        }
    }

    pub(crate) fn state(&self) -> LinkState {
        match () {
            () if self.stalled => LinkState::Stalled,
            () if self.refused.len() >= REFUSALS => LinkState::Captive,
            // On a link that has brought media it is the backend that is in trouble.
            () if self.intercepted && !self.brought => LinkState::Captive,
            () => LinkState::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> MediaKey {
        MediaKey::new(&n.to_string(), "r")
    }

    /// A link measured at 8 Mbit/s and a fetch of 100 kB begun at 0.
    fn begun() -> (Watch, Links) {
        let (mut watch, mut links) = (Watch::default(), Links::default());
        for _ in 0..20 {
            links.sample("h", 250_000, Millis(50), Millis(250));
        }
        watch.look(Time::ZERO, &[Underway { host: "h", bytes: 100_000 }], &mut links);
        (watch, links)
    }

    #[test]
    fn silence_lowers_the_estimate_and_then_counts_as_a_stall() {
        let (mut watch, mut links) = begun();
        let running = [Underway { host: "h", bytes: 100_000 }];
        let before = links.to("h").mean_mbps();
        watch.look(Time(1_500), &running, &mut links);
        assert_eq!(watch.state(), LinkState::Fine);
        assert!(links.to("h").mean_mbps() < 0.7 * before && links.all().mean_mbps() < 0.7 * before);
        watch.look(Time(3_000), &running, &mut links);
        assert_eq!(watch.state(), LinkState::Stalled);
        watch.received();
        links.sample("h", 100_000, Millis(50), Millis(3_000));
        assert_eq!(watch.state(), LinkState::Fine);
        watch.look(Time(3_100), &running, &mut links);
        watch.look(Time(5_000), &running, &mut links);
        assert_eq!(watch.state(), LinkState::Fine, "silence is counted from what was heard last");
    }

    #[test]
    fn a_large_fetch_on_a_slow_link_is_no_stall() {
        let (mut watch, mut links) = begun();
        for _ in 0..20 {
            links.sample("h", 50_000, Millis(50), Millis(2_000));
        }
        let running = [Underway { host: "h", bytes: 200_000 }];
        watch.look(Time(4_000), &running, &mut links);
        watch.look(Time(8_000), &running, &mut links);
        assert_eq!(watch.state(), LinkState::Fine, "8 s are what it takes");
        watch.look(Time(60_000), &running, &mut links);
        assert_eq!(watch.state(), LinkState::Stalled);
        watch.look(Time(61_000), &[], &mut links);
        assert_eq!(watch.state(), LinkState::Fine, "nothing is asked of it");
    }

    #[test]
    fn somebody_else_in_the_place_of_the_backend_is_captive_until_anything_comes() {
        let mut watch = Watch::default();
        watch.answered(false);
        assert_eq!(watch.state(), LinkState::Captive);
        watch.answered(true);
        assert_eq!(watch.state(), LinkState::Fine);
        watch.answered(false);
        watch.received();
        assert_eq!(watch.state(), LinkState::Fine);
        watch.answered(false);
        assert_eq!(watch.state(), LinkState::Fine, "media come: the backend is in trouble, not the link");
        watch.reset();
        watch.answered(false);
        assert_eq!(watch.state(), LinkState::Captive, "on another network it may be the link again");
    }

    #[test]
    fn three_refusals_in_a_row_are_captive_and_one_byte_is_not() {
        let mut watch = Watch::default();
        for n in [1, 1, 2] {
            watch.refused(&key(n));
        }
        assert_eq!(watch.state(), LinkState::Fine, "the same rendition twice is one");
        watch.refused(&key(3));
        assert_eq!(watch.state(), LinkState::Captive);
        watch.received();
        assert_eq!(watch.state(), LinkState::Fine);
        for n in [1, 2] {
            watch.refused(&key(n));
        }
        watch.received();
        watch.refused(&key(3));
        assert_eq!(watch.state(), LinkState::Fine);
    }
}
