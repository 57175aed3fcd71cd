//! Which of several hosts to ask for the same file: fail-over, cool-down, and the way back.
//!
//! A host that fails rests; meanwhile the next one of the list is asked. When its rest is over, one request that nobody
//! waits for tries it; if that goes well everybody comes back, if not it rests twice as long. When all of them rest, the
//! one whose rest ends first is asked: a doubtful host is better than none. Nothing here knows addresses or bytes; hosts
//! are names that the caller makes up, such as `https://cdn.example:443`.

use std::collections::BTreeMap;

use crate::time::{Millis, Time};

/// First rest of a failing host. 10 s: longer than a hiccup behind a load balancer, short enough that a better host is
/// back within a clip or two.
pub const REST: Millis = Millis(10_000);
/// Longest rest; rests double up to it. Five minutes is what Media3 excludes a failing location for.
pub const REST_MAX: Millis = Millis(300_000);
/// Broken connections in a row before a host rests. On a mobile line a single one says more about the line.
const BREAKS: u32 = 2;
/// While a try of a rested host has run no longer than this, nobody else joins it. 8 s: the fetcher's patience with a
/// silent server, after which the try has an outcome.
const TRY: Millis = Millis(8_000);
/// Requests that a person waits for leave the try to others for this long after a rest, if another host is well.
const GRACE: Millis = Millis(30_000);
/// Hosts remembered at once. A feed names a handful; what is over the bound forgets the host that is due first.
const KEPT: usize = 64;

/// How a host failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFailure {
    /// No connection came about, or none that could be trusted.
    Unreachable,
    /// It went silent.
    Silent,
    /// The connection broke in the middle.
    Broken,
    /// It said that it cannot answer now: status 408, 425, 429 or 5xx.
    Busy {
        /// How long it asked to be left alone, where it did.
        wait: Option<Millis>,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Health {
    /// Broken connections in a row.
    breaks: u32,
    /// Rests since the last success.
    rests: u32,
    /// When the last failure was told.
    failed: Time,
    /// End of the rest; `None` while the host is trusted.
    until: Option<Time>,
    /// When a rested host was last given to a request.
    tried: Option<Time>,
}

/// The health of all hosts.
///
/// Shape: told of outcomes, asked for choices; a value without I/O. Times are the caller's monotonic ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    rest: Millis,
    known: BTreeMap<String, Health>,
}

impl Default for Hosts {
    fn default() -> Self {
        Hosts::new(REST)
    }
}

enum Standing {
    Well,
    Due { over: bool },
    Resting { until: Time },
}

impl Hosts {
    /// Nothing known yet; failing hosts rest for `rest` first, at least a millisecond and at most [`REST_MAX`].
    #[must_use]
    pub fn new(rest: Millis) -> Self {
        Hosts { rest: rest.clamp(Millis(1), REST_MAX), known: BTreeMap::new() }
    }

    fn standing(&self, now: Time, host: &str) -> Standing {
        let Some(health) = self.known.get(host) else { return Standing::Well };
        let Some(until) = health.until else { return Standing::Well };
        let trying = health.tried.is_some_and(|at| now < at + TRY);
        if now < until || trying {
            Standing::Resting { until }
        } else {
            Standing::Due { over: now >= until + GRACE }
        }
    }

    /// Which of `hosts`, best first, a request would be sent to now; 0 for an empty list. `urgent` says that a person
    /// waits for it.
    #[must_use]
    pub fn peek(&self, now: Time, hosts: &[&str], urgent: bool) -> usize {
        let mut due = None;
        let mut first_back: Option<(Time, usize)> = None;
        for (index, host) in hosts.iter().enumerate() {
            match self.standing(now, host) {
                Standing::Well => return index,
                Standing::Due { over } if over || !urgent => return index,
                Standing::Due { .. } => due = due.or(Some(index)),
                Standing::Resting { until } => {
                    if first_back.is_none_or(|(earliest, _)| until < earliest) {
                        first_back = Some((until, index));
                    }
                }
            }
        }
        due.or(first_back.map(|(_, index)| index)).unwrap_or(0)
    }

    /// Like [`peek`](Hosts::peek), and the request is sent: a rested host counts as being tried.
    pub fn choose(&mut self, now: Time, hosts: &[&str], urgent: bool) -> usize {
        let index = self.peek(now, hosts, urgent);
        if let Some(health) = hosts.get(index).and_then(|host| self.known.get_mut(*host))
            && health.until.is_some()
        {
            health.tried = Some(now);
        }
        index
    }

    /// Whether the next request would go to another host than `host`, and to one that does not rest.
    #[must_use]
    pub fn has_better(&self, now: Time, hosts: &[&str], host: &str, urgent: bool) -> bool {
        hosts.get(self.peek(now, hosts, urgent)).is_some_and(|other| {
            *other != host && !matches!(self.standing(now, other), Standing::Resting { .. })
        })
    }

    /// A request that began at `began` got its answer from `host`.
    ///
    /// An answer to a request from before the last failure says nothing about how the host is now.
    pub fn handle_success(&mut self, began: Time, host: &str) {
        if self.known.get(host).is_some_and(|health| began >= health.failed) {
            self.known.remove(host);
        }
    }

    /// A request that began at `began` failed at `host`.
    ///
    /// Failures of requests that ran side by side are one failure: the rest grows only when the host failed again.
    pub fn handle_failure(&mut self, now: Time, began: Time, host: &str, failure: HostFailure) {
        if !self.known.contains_key(host) {
            self.make_room();
        }
        let first_rest = self.rest;
        let health = self.known.entry(host.to_owned()).or_default();
        let same = health.until.is_some() && began < health.failed;
        if failure == HostFailure::Broken && health.until.is_none() {
            health.breaks += 1;
            if health.breaks < BREAKS {
                health.failed = now;
                return;
            }
        }
        if !same {
            health.rests = health.rests.saturating_add(1);
            health.failed = now;
            health.tried = None;
        }
        let doublings = health.rests.saturating_sub(1).min(16);
        let asked = match failure {
            HostFailure::Busy { wait } => wait.unwrap_or_default(),
            _ => Millis::default(),
        };
        let rest = Millis(first_rest.0 << doublings).max(asked).min(REST_MAX);
        let until = health.failed + rest;
        health.until = Some(health.until.filter(|_| same).map_or(until, |known| known.max(until)));
    }

    /// Forgets every failure: the device came to another network, where all hosts may be well.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    fn make_room(&mut self) {
        while self.known.len() >= KEPT {
            let due_first =
                self.known.iter().min_by_key(|(_, health)| health.until).map(|(host, _)| host.clone());
            match due_first {
                Some(host) => self.known.remove(&host),
                None => return,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AB: [&str; 2] = ["a", "b"];

    #[test]
    fn a_failing_host_rests_is_tried_by_one_and_comes_back() {
        let mut hosts = Hosts::default();
        let at = Time;
        assert_eq!(hosts.choose(at(0), &AB, true), 0);
        hosts.handle_failure(at(5), at(0), "a", HostFailure::Unreachable);
        assert!(hosts.has_better(at(6), &AB, "a", true));
        assert_eq!(hosts.choose(at(6), &AB, true), 1);
        hosts.handle_failure(at(7), at(6), "b", HostFailure::Silent);
        assert!(!hosts.has_better(at(8), &AB, "b", true), "both rest");
        assert_eq!(hosts.choose(at(8), &AB, true), 0, "the one that rests no longer than the other");
        hosts.handle_success(at(8), "b");
        assert_eq!(hosts.choose(at(10_004), &AB, false), 1, "it rests for ten seconds");
        assert_eq!(hosts.choose(at(10_005), &AB, true), 1, "a person does not wait for the try");
        assert_eq!(hosts.choose(at(10_005), &AB, false), 0, "one request tries it");
        assert_eq!(hosts.choose(at(10_006), &AB, false), 1, "and only one");
        hosts.handle_success(at(10_005), "a");
        assert_eq!(hosts.choose(at(10_007), &AB, true), 0, "everybody is back");
    }

    #[test]
    fn rests_double_up_to_their_bound_and_side_by_side_failures_are_one() {
        let mut hosts = Hosts::default();
        let (mut now, mut rest) = (0, REST.0);
        for _ in 0..8 {
            let began = now;
            now += 100;
            for late in 0..3 {
                hosts.handle_failure(Time(now + late), Time(began), "a", HostFailure::Silent);
            }
            assert_eq!(hosts.peek(Time(now + rest - 1), &AB, false), 1, "after {rest}");
            assert_eq!(hosts.peek(Time(now + rest), &AB, false), 0, "after {rest}");
            now += rest;
            rest = (rest * 2).min(REST_MAX.0);
        }
        hosts.clear();
        assert_eq!(hosts.peek(Time(now), &AB, true), 0);
    }

    #[test]
    fn one_broken_connection_is_forgiven_and_a_stale_success_is_not_believed() {
        let mut hosts = Hosts::default();
        hosts.handle_failure(Time(10), Time(0), "a", HostFailure::Broken);
        assert_eq!(hosts.peek(Time(11), &AB, true), 0);
        hosts.handle_success(Time(11), "a");
        hosts.handle_failure(Time(20), Time(12), "a", HostFailure::Broken);
        assert_eq!(hosts.peek(Time(21), &AB, true), 0, "not in a row");
        hosts.handle_failure(Time(30), Time(21), "a", HostFailure::Broken);
        assert_eq!(hosts.peek(Time(31), &AB, true), 1);
        hosts.handle_success(Time(22), "a");
        assert_eq!(hosts.peek(Time(32), &AB, true), 1, "that request was older than the failure");
    }

    #[test]
    fn a_busy_host_is_left_alone_as_long_as_it_asks_within_the_bound() {
        let mut hosts = Hosts::default();
        hosts.handle_failure(Time(0), Time(0), "a", HostFailure::Busy { wait: Some(Millis(60_000)) });
        assert_eq!(hosts.peek(Time(59_999), &AB, false), 1);
        assert_eq!(hosts.peek(Time(60_000), &AB, false), 0);
        hosts.handle_failure(
            Time(60_000),
            Time(60_000),
            "a",
            HostFailure::Busy { wait: Some(Millis(u64::MAX)) },
        );
        assert_eq!(hosts.peek(Time(60_000 + REST_MAX.0), &AB, false), 0);
    }

    #[test]
    fn strangers_cannot_fill_the_memory() {
        let mut hosts = Hosts::default();
        for n in 0..10_000u64 {
            hosts.handle_failure(Time(n), Time(n), &format!("h{n}"), HostFailure::Silent);
        }
        assert!(hosts.known.len() <= KEPT);
    }

    #[derive(Debug, Clone)]
    enum Act {
        Wait(u64),
        Ask(bool),
        Succeed(usize),
        Fail(usize, HostFailure),
    }

    fn act() -> impl Strategy<Value = Act> {
        let failure = prop_oneof![
            Just(HostFailure::Unreachable),
            Just(HostFailure::Silent),
            Just(HostFailure::Broken),
            (0u64..400_000).prop_map(|ms| HostFailure::Busy { wait: Some(Millis(ms)) }),
        ];
        prop_oneof![
            (0u64..20_000).prop_map(Act::Wait),
            any::<bool>().prop_map(Act::Ask),
            (0usize..3).prop_map(Act::Succeed),
            ((0usize..3), failure).prop_map(|(host, failure)| Act::Fail(host, failure)),
        ]
    }

    proptest! {
        #[test]
        fn the_first_host_that_is_well_is_asked_and_none_is_shut_out(acts in prop::collection::vec(act(), 0..120)) {
            const ALL: [&str; 3] = ["a", "b", "c"];
            let mut hosts = Hosts::default();
            // When each host last failed in a way that makes it rest; what a reader of the log would know.
            let mut failed: [Option<u64>; 3] = [None; 3];
            let mut breaks = [0; 3];
            let mut now = 0;
            for act in acts {
                match act {
                    Act::Wait(ms) => now += ms,
                    Act::Ask(urgent) => {
                        let chosen = hosts.choose(Time(now), &ALL, urgent);
                        prop_assert!(chosen < 3);
                        let well = failed.iter().position(Option::is_none);
                        if let Some(first) = well {
                            prop_assert!(chosen <= first, "a host that is well stands before {chosen}");
                            if let Some(at) = failed[chosen] {
                                prop_assert!(now >= at + REST.0, "{chosen} rests");
                            }
                        }
                    }
                    Act::Succeed(host) => {
                        hosts.handle_success(Time(now), ALL[host]);
                        (failed[host], breaks[host]) = (None, 0);
                    }
                    Act::Fail(host, failure) => {
                        hosts.handle_failure(Time(now), Time(now), ALL[host], failure);
                        breaks[host] += u32::from(failure == HostFailure::Broken);
                        if failure != HostFailure::Broken || failed[host].is_some() || breaks[host] >= BREAKS {
                            failed[host] = Some(now);
                        }
                    }
                }
            }
            // Whatever happened, the first host is asked again once it had its longest rest.
            now += REST_MAX.0 + GRACE.0;
            prop_assert_eq!(hosts.choose(Time(now), &ALL, true), 0);
        }
    }
}
