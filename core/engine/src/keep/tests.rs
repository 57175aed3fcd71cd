//! The machine against a world that answers as it likes: the promises hold for every order of events.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{Container, Rendition};
use crate::testing::item;
use crate::time::Millis;

const SIZE: u64 = 1_000_000;
const PASSES: KeepTrouble = KeepTrouble::of(KeepFailure::Server, true);
const FINAL: KeepTrouble = KeepTrouble::of(KeepFailure::Gone, false);
const OFFLINE: KeepTrouble = KeepTrouble { offline: true, ..PASSES };
const SIGNED_OUT: KeepTrouble = KeepTrouble { sign_in: true, ..FINAL };

/// The edge: what runs, what the store holds, what is on the disk.
struct World {
    keep: Keep,
    now: Time,
    conditions: Conditions,
    policy: KeepPolicy,
    saved: BTreeMap<String, KeptRecord>,
    held: BTreeMap<String, u64>,
    shown: BTreeMap<String, u64>,
    running: Vec<KeepOutput>,
    fetches: usize,
}

impl World {
    fn new() -> Self {
        let policy = KeepPolicy::default();
        World {
            keep: Keep::new(policy.clone(), Conditions::default(), 7),
            now: Time::ZERO,
            conditions: Conditions::default(),
            policy,
            saved: BTreeMap::new(),
            held: BTreeMap::new(),
            shown: BTreeMap::new(),
            running: Vec::new(),
            fetches: 0,
        }
    }

    fn keep(&mut self, names: &[&str]) {
        let items = names.iter().map(|name| item(name)).collect();
        let records = self.keep.records(items, &|_| Vec::new());
        for record in &records {
            self.saved.insert(record.asset().to_owned(), record.clone());
        }
        self.keep.handle_kept(self.now, records);
        self.drain();
    }

    /// Takes the outputs in and holds them to what is promised.
    fn drain(&mut self) {
        while let Some(output) = self.keep.poll_output() {
            match &output {
                KeepOutput::Save(record) => {
                    self.saved.insert(record.asset().to_owned(), (**record).clone());
                }
                KeepOutput::Erase { asset } => {
                    self.saved.remove(asset);
                    self.shown.remove(asset);
                }
                KeepOutput::Pin { .. } => {}
                KeepOutput::Cancel { asset } => {
                    let running =
                        |o: &KeepOutput| matches!(o, KeepOutput::Fetch { asset: a, .. } if a == asset);
                    assert!(self.running.iter().any(running), "a cancel of what does not run");
                }
                KeepOutput::Probe { asset, .. } | KeepOutput::Fetch { asset, .. } => {
                    assert_eq!(self.policy.hold(self.conditions), None, "a request under a hold");
                    assert_eq!(self.saved[asset].mark, KeptMark::Wanted, "a request for what is not wanted");
                    assert_eq!(self.requests(), 0, "two at once");
                    self.fetches += 1;
                    self.running.push(output);
                }
                KeepOutput::Check { .. } => self.running.push(output),
                KeepOutput::Drop { asset, .. } => {
                    assert_eq!(
                        self.saved[asset].mark,
                        KeptMark::Dropping,
                        "dropped before that was written down"
                    );
                    let busy = self.running.iter().any(|o| of(o) == Some(asset.as_str()));
                    assert!(!busy, "dropped while something of it is on its way");
                    self.running.push(output);
                }
            }
        }
        for view in self.keep.views() {
            let shown = self.shown.entry(view.record.asset().to_owned()).or_default();
            assert!(view.held >= *shown, "progress went back");
            assert!(view.record.size.is_none_or(|size| view.held <= size), "more than there is");
            *shown = view.held;
        }
    }

    fn requests(&self) -> usize {
        let is = |o: &&KeepOutput| matches!(o, KeepOutput::Probe { .. } | KeepOutput::Fetch { .. });
        self.running.iter().filter(is).count()
    }

    /// Answers the thing that runs at `at`, as `how` says.
    fn answer(&mut self, at: usize, how: u8) {
        if self.running.is_empty() {
            return;
        }
        let output = self.running.remove(at % self.running.len());
        let trouble = [PASSES, FINAL, OFFLINE, SIGNED_OUT][usize::from(how / 4) % 4];
        let fine = !how.is_multiple_of(4);
        match output {
            KeepOutput::Probe { asset, .. } => {
                self.keep.handle_probed(self.now, &asset, if fine { Ok(SIZE) } else { Err(trouble) });
            }
            KeepOutput::Fetch { asset, size, .. } => {
                let held = self.held.entry(asset.clone()).or_default();
                *held = if fine { size } else { (*held + u64::from(how) * 1_000).min(size - 1) };
                let (held, end) = (*held, if fine { Ok(()) } else { Err(trouble) });
                self.keep.handle_fetched(self.now, &asset, end, held, held == size);
            }
            KeepOutput::Check { asset, .. } => {
                let held = self.held.get(&asset).copied().unwrap_or(0);
                self.keep.handle_checked(self.now, &asset, held, held == SIZE);
            }
            KeepOutput::Drop { asset, .. } => {
                if fine {
                    self.held.remove(&asset);
                }
                self.keep.handle_dropped(self.now, &asset, fine);
            }
            other => unreachable!("{other:?}"),
        }
        self.drain();
    }

    /// The store has more of what is being fetched.
    fn progress(&mut self, asset: &str, held: u64) {
        let fetch = |o: &KeepOutput| matches!(o, KeepOutput::Fetch { .. }) && of(o) == Some(asset);
        if self.running.iter().any(fetch) {
            let known = self.held.entry(asset.to_owned()).or_default();
            *known = held.min(SIZE - 1).max(*known);
            self.keep.handle_held(asset, *known);
        }
    }

    fn conditions(&mut self, bits: u8) {
        self.conditions = Conditions {
            online: bits & 1 == 0,
            metered: bits & 2 != 0,
            data_saver: bits & 4 != 0,
            foreground: bits & 8 == 0,
            low_storage: bits & 16 != 0,
            ..Conditions::default()
        };
        self.keep.handle_conditions(self.now, self.conditions);
        self.drain();
    }

    /// The process is killed; what was written down is all that is left.
    fn restart(&mut self) {
        self.keep = Keep::new(self.policy.clone(), self.conditions, 8);
        self.running.clear();
        let mut records: Vec<KeptRecord> = self.saved.values().cloned().collect();
        records.sort_by_key(|r| r.order);
        // The bar begins where the record says and the check corrects it: another session, another bar.
        self.shown.clear();
        self.keep.handle_start(self.now, records);
        self.drain();
        while let Some(at) = self.running.iter().position(|o| matches!(o, KeepOutput::Check { .. })) {
            self.shown.clear();
            self.answer(at, 1);
        }
        self.drain();
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now + Millis(ms);
        self.keep.handle_timeout(self.now);
        self.drain();
    }

    /// Lets everything succeed until nothing is left to do.
    fn settle(&mut self) {
        self.conditions(0);
        self.keep.handle_signed_in(self.now);
        self.drain();
        for _ in 0..10_000 {
            if !self.running.is_empty() {
                self.answer(0, 1);
            } else if let Some(at) = self.keep.poll_timeout() {
                self.pass(at.since(self.now).0);
            } else {
                return;
            }
        }
        panic!("it never came to rest");
    }

    fn state(&self, asset: &str) -> Option<KeepState> {
        self.keep.views().find(|v| v.record.asset() == asset).map(|v| v.state)
    }
}

fn of(output: &KeepOutput) -> Option<&str> {
    match output {
        KeepOutput::Check { asset, .. }
        | KeepOutput::Probe { asset, .. }
        | KeepOutput::Fetch { asset, .. }
        | KeepOutput::Drop { asset, .. } => Some(asset),
        _ => None,
    }
}

#[test]
fn one_after_the_other_in_the_order_they_were_asked_for() {
    let mut world = World::new();
    world.keep(&["b", "a", "b"]);
    assert_eq!(world.keep.len(), 2, "what is asked for twice is kept once");
    assert_eq!(world.state("asset-b"), Some(KeepState::Fetching));
    assert_eq!(world.state("asset-a"), Some(KeepState::Queued));
    world.answer(0, 1);
    world.answer(0, 1);
    assert_eq!(world.state("asset-b"), Some(KeepState::Complete));
    assert_eq!(world.state("asset-a"), Some(KeepState::Fetching));
    world.settle();
    assert_eq!(world.state("asset-a"), Some(KeepState::Complete));
    assert_eq!(world.fetches, 4, "a probe and a fetch each");
    assert_eq!(world.keep.pending_bytes(), 0);
}

#[test]
fn the_conditions_stop_it_and_let_it_go_on() {
    let mut world = World::new();
    world.keep(&["a"]);
    world.answer(0, 1);
    for (bits, hold) in [
        (1, Hold::Offline),
        (2, Hold::Metered),
        (4, Hold::Metered),
        (8, Hold::Background),
        (16, Hold::LowStorage),
    ] {
        world.conditions(bits);
        assert_eq!(world.state("asset-a"), Some(KeepState::Held(hold)));
        world.keep.handle_fetched(world.now, "asset-a", Err(PASSES), 10, false);
        world.running.clear();
        world.drain();
        assert_eq!(world.keep.poll_timeout(), None, "nothing is due under a hold");
        world.conditions(0);
        assert_eq!(world.state("asset-a"), Some(KeepState::Fetching), "a stop is no failure");
    }
    world.policy.metered = true;
    assert_eq!(world.policy.hold(Conditions { metered: true, ..Conditions::default() }), None);
}

#[test]
fn tries_end_unless_bytes_arrive_in_between() {
    let mut world = World::new();
    world.keep(&["a"]);
    world.answer(0, 1);
    let mut pauses = Vec::new();
    for n in 0..40 {
        world.running.clear();
        world.keep.handle_fetched(world.now, "asset-a", Err(PASSES), 1_000 * (n + 1), false);
        world.drain();
        assert_eq!(world.state("asset-a"), Some(KeepState::Retrying), "bytes arrived: try {n}");
        let due = world.keep.poll_timeout().unwrap();
        world.pass(due.since(world.now).0);
    }
    while world.state("asset-a") == Some(KeepState::Fetching) {
        world.running.clear();
        world.keep.handle_fetched(world.now, "asset-a", Err(PASSES), 40_000, false);
        world.drain();
        if let Some(due) = world.keep.poll_timeout() {
            pauses.push(due.since(world.now).0);
            world.pass(due.since(world.now).0);
        }
    }
    assert_eq!(world.state("asset-a"), Some(KeepState::Failed(KeepFailure::Server)));
    assert_eq!(
        pauses.len() as u32,
        world.policy.attempts - 2,
        "the last failure above is the first of the row"
    );
    assert!(pauses.iter().all(|p| (2_000..=300_000).contains(p)), "{pauses:?}");
    world.keep.handle_resume(world.now, "asset-a");
    world.settle();
    assert_eq!(world.state("asset-a"), Some(KeepState::Complete), "resuming tries again");
}

#[test]
fn a_bar_does_not_go_back_and_an_end_that_lacks_bytes_is_not_complete() {
    let mut world = World::new();
    world.keep(&["a"]);
    world.answer(0, 1);
    for (told, shown) in [(5_000, 5_000), (4_000, 5_000), (2 * SIZE, SIZE)] {
        world.keep.handle_held("asset-a", told);
        assert_eq!(world.keep.views().next().unwrap().held, shown, "told {told}");
    }
    world.running.clear();
    world.keep.handle_fetched(world.now, "asset-a", Ok(()), 4_000, false);
    world.drain();
    assert_eq!(world.state("asset-a"), Some(KeepState::Retrying), "something of it was lost on the way");
    world.settle();
    assert_eq!(world.state("asset-a"), Some(KeepState::Complete));
}

#[test]
fn what_was_refused_is_wanted_again_after_signing_in() {
    let mut world = World::new();
    world.keep(&["a"]);
    world.answer(0, 4);
    assert_eq!(world.state("asset-a"), Some(KeepState::Failed(KeepFailure::Gone)));
    world.keep.handle_signed_in(world.now);
    world.settle();
    assert_eq!(world.state("asset-a"), Some(KeepState::Complete));
}

#[test]
fn what_needs_a_sign_in_waits_for_it_and_says_so() {
    let mut world = World::new();
    world.keep(&["a", "b"]);
    for _ in 0..20 {
        world.keep.handle_probed(world.now, "asset-a", Err(SIGNED_OUT));
    }
    world.running.clear();
    world.drain();
    assert_eq!(world.state("asset-a"), Some(KeepState::Held(Hold::SignIn)), "not a failure, however often");
    assert_eq!(world.keep.hold(), None, "others may not need it");
    assert_eq!(world.state("asset-b"), Some(KeepState::Fetching), "and do not wait for it");
    assert_eq!(world.keep.poll_timeout(), None, "asking again helps nobody");
    assert_eq!(world.saved["asset-a"].mark, KeptMark::Wanted);
    world.restart();
    assert_eq!(world.state("asset-a"), Some(KeepState::Fetching), "another session may be signed in");
    world.keep.handle_probed(world.now, "asset-a", Err(SIGNED_OUT));
    world.running.clear();
    world.drain();
    world.keep.handle_signed_in(world.now);
    world.drain();
    assert_eq!(world.state("asset-a"), Some(KeepState::Queued), "behind the one that took its place");
    world.running.clear();
    world.keep.handle_probed(world.now, "asset-b", Ok(SIZE));
    world.drain();
    world.settle();
    assert_eq!(world.state("asset-a"), Some(KeepState::Complete));
}

#[test]
fn what_is_complete_and_lost_its_bytes_is_fetched_again() {
    let mut world = World::new();
    world.keep(&["a"]);
    world.settle();
    world.held.insert("asset-a".into(), 10);
    world.restart();
    assert_eq!(world.state("asset-a"), Some(KeepState::Fetching));
    world.settle();
    assert_eq!(world.state("asset-a"), Some(KeepState::Complete));
}

#[test]
fn the_best_rendition_within_the_caps() {
    let mut asset = item("a").asset;
    let tall =
        Rendition { id: "1080p".into(), height: 1920, bitrate_bps: 9_000_000, ..asset.renditions[1].clone() };
    asset.renditions.push(tall);
    let list = Rendition { id: "list".into(), container: Container::Hls, ..asset.renditions[1].clone() };
    asset.renditions.push(list);
    let named = |policy: &KeepPolicy| choose(&asset, policy).unwrap().id.clone();
    assert_eq!(named(&KeepPolicy::default()), "720p", "within the height, and a file before a playlist");
    assert_eq!(named(&KeepPolicy { max_bytes: 1_200_000, ..KeepPolicy::default() }), "480p");
    assert_eq!(named(&KeepPolicy { max_height: 100, ..KeepPolicy::default() }), "480p", "better than none");
    assert_eq!(named(&KeepPolicy { max_height: 4_000, ..KeepPolicy::default() }), "1080p");
    asset.renditions.clear();
    assert!(choose(&asset, &KeepPolicy::default()).is_none());
}

#[test]
fn an_estimate_counts_what_is_missing_and_leaves_room() {
    let keep = Keep::new(KeepPolicy::default(), Conditions::default(), 0);
    let records = keep.records(vec![item("a"), item("b")], &|_| vec![Span::new(0, 500_000)]);
    let needs = estimate(&records, 0, u64::MAX);
    assert_eq!((needs.assets, needs.needed, needs.fits), (2, 4_000_000, true));
    assert!(!estimate(&records, 0, 4_000_000).fits, "the device needs room too");
    let free = 4_000_000 + 128 * 1024 * 1024;
    assert!(estimate(&records, 0, free).fits);
    assert!(!estimate(&records, 1, free).fits, "what is on its way counts");
    assert!(estimate(&[], 1, 0).fits, "nothing new needs nothing");
}

#[derive(Debug, Clone)]
enum Move {
    Keep(u8),
    Pause(u8),
    Resume(u8),
    Forget(u8),
    Conditions(u8),
    Answer(usize, u8),
    Progress(u8, u32),
    Used(u8, u32),
    Pass(u64),
    SignedIn,
    Restart,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => (0u8..5).prop_map(Move::Keep),
        1 => (0u8..5).prop_map(Move::Pause),
        1 => (0u8..5).prop_map(Move::Resume),
        1 => (0u8..5).prop_map(Move::Forget),
        2 => (0u8..32).prop_map(Move::Conditions),
        6 => (0usize..4, 0u8..16).prop_map(|(at, how)| Move::Answer(at, how)),
        2 => (0u8..5, 0u32..1_000_000).prop_map(|(n, held)| Move::Progress(n, held)),
        1 => (0u8..5, 0u32..1_000_000).prop_map(|(n, held)| Move::Used(n, held)),
        2 => (0u64..400_000).prop_map(Move::Pass),
        1 => Just(Move::SignedIn),
        1 => Just(Move::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_happens_the_promises_hold_and_it_comes_to_rest(
        steps in prop::collection::vec(moves(), 0..80),
    ) {
        let mut world = World::new();
        for step in steps {
            let asset = |n: u8| format!("asset-{n}");
            match step {
                Move::Keep(n) => world.keep(&[&n.to_string()]),
                Move::Pause(n) => world.keep.handle_pause(world.now, &asset(n)),
                Move::Resume(n) => world.keep.handle_resume(world.now, &asset(n)),
                Move::Forget(n) => world.keep.handle_forget(world.now, &asset(n)),
                Move::Conditions(bits) => world.conditions(bits),
                Move::Answer(at, how) => world.answer(at, how),
                Move::Progress(n, held) => world.progress(&asset(n), u64::from(held)),
                Move::Used(n, to) => world.keep.handle_used(&asset(n), &[Span::new(0, u64::from(to))]),
                Move::Pass(ms) => world.pass(ms),
                Move::SignedIn => world.keep.handle_signed_in(world.now),
                Move::Restart => world.restart(),
            }
            world.drain();
        }
        world.settle();
        for (asset, record) in &world.saved {
            let rests = matches!(record.mark, KeptMark::Complete | KeptMark::Paused | KeptMark::Failed(_));
            prop_assert!(rests, "{asset}: {:?}", record.mark);
            if record.mark == KeptMark::Complete {
                prop_assert_eq!(world.held.get(asset), Some(&SIZE), "complete without its bytes");
            }
        }
        prop_assert_eq!(world.saved.len(), world.keep.len(), "the disk and the machine know the same");
        prop_assert!(world.running.is_empty());
    }
}
