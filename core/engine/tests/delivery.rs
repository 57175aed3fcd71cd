//! The delivery machine in simulated time: a model store and a model server, no clock and no sleep.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use unspool_engine::{
    Answer, Backoff, Batch, Circumstances, Condition, Delivery, DeliveryConfig, DeliveryEffect,
    DeliveryReason, Encoding, Held, Millis, Offer, RETRY_AFTER_CAP, Stored, Time,
};

const ROW_BYTES: u64 = 100;

/// The store as the machine's contract describes it, and everything that must hold about what it is told.
struct World {
    now: Time,
    delivery: Delivery,
    next_row: u64,
    unclaimed: VecDeque<u64>,
    open: BTreeMap<u64, Vec<u64>>,
    next_key: u64,
    delivered: BTreeSet<u64>,
    quarantined: BTreeSet<u64>,
    in_flight: Option<(Batch, Encoding)>,
    offered: Option<Offer>,
    sends: u32,
    online: bool,
    paused: bool,
    store_failures: u32,
    waits: Vec<Millis>,
}

impl World {
    fn new(config: DeliveryConfig) -> Self {
        World {
            now: Time::ZERO,
            delivery: Delivery::new(config),
            next_row: 0,
            unclaimed: VecDeque::new(),
            open: BTreeMap::new(),
            next_key: 1,
            delivered: BTreeSet::new(),
            quarantined: BTreeSet::new(),
            in_flight: None,
            offered: None,
            sends: 0,
            online: true,
            paused: false,
            store_failures: 0,
            waits: Vec::new(),
        }
    }

    fn record(&mut self, rows: u64) {
        self.unclaimed.extend(self.next_row..self.next_row + rows);
        self.next_row += rows;
        let (rows, bytes) = self.backlog();
        self.delivery.handle_recorded(self.now, rows, bytes);
        self.drain();
    }

    fn backlog(&self) -> (u64, u64) {
        (self.unclaimed.len() as u64, self.unclaimed.len() as u64 * ROW_BYTES)
    }

    fn insert(&mut self, rows: Vec<u64>, encoding: Option<Encoding>) -> Batch {
        let key = self.next_key;
        self.next_key += 1;
        let batch =
            Batch { key, rows: rows.len() as u32, bytes: rows.len() as u64 * ROW_BYTES, tries: 0, encoding };
        self.open.insert(key, rows);
        batch
    }

    fn failing(&mut self) -> bool {
        let fails = self.store_failures > 0;
        self.store_failures = self.store_failures.saturating_sub(1);
        fails
    }

    /// Performs effects until the machine is quiet.
    fn drain(&mut self) {
        while let Some(effect) = self.delivery.poll_output() {
            match effect {
                DeliveryEffect::Send { batch, encoding } => {
                    assert!(self.in_flight.is_none(), "one request at a time");
                    assert!(self.online && !self.paused, "nothing leaves while offline or paused");
                    assert_eq!(self.open[&batch.key].len(), batch.rows as usize, "a batch never changes");
                    let zstd = self.offered.is_some_and(|offer| offer.zstd);
                    assert!(zstd || encoding != Encoding::Zstd, "nobody said that it is read");
                    self.sends += 1;
                    self.in_flight = Some((batch, encoding));
                }
                DeliveryEffect::Pause => self.paused = true,
                _ if self.failing() => self.delivery.handle_stored(self.now, Stored::Failed),
                DeliveryEffect::Claim { max_rows, max_bytes } => {
                    let fit = (max_bytes / ROW_BYTES).max(1).min(u64::from(max_rows)) as usize;
                    let rows: Vec<u64> = self.unclaimed.drain(..fit.min(self.unclaimed.len())).collect();
                    let batch = (!rows.is_empty()).then(|| self.insert(rows, None));
                    let (rows, bytes) = self.backlog();
                    self.delivery.handle_claimed(self.now, batch, rows, bytes);
                }
                DeliveryEffect::Accept { batch } => {
                    for row in self.open.remove(&batch.key).unwrap() {
                        assert!(self.delivered.insert(row), "accepted once");
                    }
                    self.delivery.handle_stored(self.now, Stored::Done);
                }
                DeliveryEffect::Defer { wait, .. } => {
                    self.waits.push(wait);
                    self.delivery.handle_stored(self.now, Stored::Done);
                }
                DeliveryEffect::Split { batch } => {
                    assert!(batch.rows > 1);
                    let mut left = self.open.remove(&batch.key).unwrap();
                    let right = left.split_off(left.len() / 2);
                    let halves = (self.insert(left, batch.encoding), self.insert(right, batch.encoding));
                    self.delivery.handle_stored(self.now, Stored::Split(halves.0, halves.1));
                }
                DeliveryEffect::Quarantine { batch, .. } => {
                    assert_eq!(batch.rows, 1, "only a single row is ever blamed");
                    self.quarantined.extend(self.open.remove(&batch.key).unwrap());
                    self.delivery.handle_stored(self.now, Stored::Done);
                }
            }
        }
        let open: usize = self.open.values().map(Vec::len).sum();
        let all = self.delivered.len() + self.quarantined.len() + open + self.unclaimed.len();
        assert_eq!(all as u64, self.next_row, "every row is somewhere");
    }

    fn answer(&mut self, answer: Answer) {
        if let Some((batch, _)) = self.in_flight.take() {
            self.delivery.handle_answer(self.now, batch.key, answer);
            self.drain();
        }
    }

    fn offer(&mut self, offer: Offer) {
        self.offered = Some(offer);
        self.delivery.handle_offer(offer);
    }

    fn condition(&mut self, condition: Condition) {
        match condition {
            Condition::Online => self.online = true,
            Condition::Offline => self.online = false,
            _ => {}
        }
        self.delivery.handle_condition(self.now, condition);
        self.drain();
    }

    fn circumstances(&mut self, circumstances: Circumstances) {
        self.delivery.handle_circumstances(self.now, circumstances);
        self.drain();
    }

    fn refreshed(&mut self) {
        self.paused = false;
        self.delivery.handle_refreshed(self.now);
        self.drain();
    }

    fn flush(&mut self) {
        self.delivery.handle_flush(self.now);
        self.drain();
    }

    /// Sleeps until the machine wants to be woken; says why.
    fn sleep(&mut self) -> Option<DeliveryReason> {
        let (at, reason) = self.delivery.poll_timeout()?;
        self.now = self.now.max(at);
        self.delivery.handle_timeout(self.now);
        self.drain();
        Some(reason)
    }

    fn rows_in_flight(&self) -> Vec<u64> {
        self.in_flight.map(|(batch, _)| self.open[&batch.key].clone()).unwrap_or_default()
    }
}

fn world() -> World {
    World::new(DeliveryConfig { seed: 42, ..DeliveryConfig::default() })
}

#[test]
fn a_batch_closes_by_age_by_rows_by_bytes_and_in_the_background() {
    let mut w = world();
    w.record(1);
    assert_eq!(w.delivery.poll_timeout(), Some((Time(30_000), DeliveryReason::BatchAge)));
    w.now = Time(29_999);
    w.record(1);
    assert_eq!(w.sends, 0);
    assert_eq!(w.sleep(), Some(DeliveryReason::BatchAge));
    assert_eq!((w.sends, w.rows_in_flight().len(), w.now), (1, 2, Time(30_000)));
    w.answer(Answer::Accepted);
    assert!(w.delivery.is_drained());
    assert_eq!(w.delivery.poll_timeout(), None);
    w.record(100);
    assert_eq!(w.rows_in_flight().len(), 100);
    w.answer(Answer::Accepted);
    w.record(3);
    assert!(w.in_flight.is_none());
    w.condition(Condition::Background);
    assert_eq!(w.rows_in_flight().len(), 3);
    w.answer(Answer::Accepted);

    let mut w = World::new(DeliveryConfig { close_bytes: 10 * ROW_BYTES, ..DeliveryConfig::default() });
    w.record(9);
    assert!(w.in_flight.is_none());
    w.record(4);
    assert_eq!(w.rows_in_flight().len(), 10);
    w.answer(Answer::Accepted);
    assert_eq!(w.delivery.poll_timeout().map(|(_, reason)| reason), Some(DeliveryReason::BatchAge));
}

#[test]
fn failures_back_off_and_attempts_never_delete() {
    let mut w = world();
    w.record(100);
    for attempt in 1..=40u32 {
        w.answer([Answer::Server, Answer::Network, Answer::CaptivePortal][attempt as usize % 3]);
        let wait = *w.waits.last().unwrap();
        let ceiling = 1_000u64.saturating_mul(1 << attempt.min(32)).min(900_000);
        assert!((1_000..=ceiling).contains(&wait.0), "attempt {attempt}: {wait:?}");
        assert_eq!(w.delivery.failures(), attempt);
        assert_eq!(w.sleep(), Some(DeliveryReason::BackOff));
        assert_eq!(w.in_flight.map(|(batch, _)| batch.tries), Some(attempt));
    }
    w.answer(Answer::Accepted);
    assert_eq!(w.delivered.len(), 100);
    assert_eq!(w.delivery.failures(), 0);
}

#[test]
fn jitter_spreads_devices_and_replays() {
    let delays = |seed| {
        let mut backoff = Backoff::new(Millis(1_000), Millis(900_000), seed);
        (0..20).map(|_| backoff.fail().0).collect::<Vec<_>>()
    };
    assert_eq!(delays(1), delays(1));
    let tenth: BTreeSet<u64> = (0..100).map(|seed| delays(seed)[9]).collect();
    assert!(tenth.len() > 95, "a hundred devices come back at different times");
    assert_eq!(Backoff::new(Millis(7), Millis(7), 0).fail(), Millis(7));
    assert_eq!(Backoff::new(Millis(7), Millis(3), 0).fail(), Millis(7));
    assert_eq!(Backoff::new(Millis(0), Millis(0), 0).fail(), Millis(0));
}

#[test]
fn retry_after_is_kept_through_flush_and_reconnection_but_not_for_ever() {
    let mut w = world();
    w.record(100);
    w.answer(Answer::Throttled { retry_after: Millis(600_000) });
    w.flush();
    w.condition(Condition::Online);
    assert!(w.in_flight.is_none());
    assert_eq!(w.delivery.held(), Some(Held::Until(Time(600_000), DeliveryReason::RetryAfter)));
    assert_eq!(w.sleep(), Some(DeliveryReason::RetryAfter));
    w.answer(Answer::Throttled { retry_after: Millis(u64::MAX) });
    assert_eq!(w.delivery.poll_timeout().unwrap().0, Time(600_000) + RETRY_AFTER_CAP);
}

#[test]
fn a_flush_ends_a_back_off_and_small_batches_follow() {
    let mut w = world();
    w.record(150);
    w.answer(Answer::Network);
    assert!(w.in_flight.is_none());
    w.flush();
    w.answer(Answer::Accepted);
    assert_eq!(w.rows_in_flight().len(), 50);
    w.answer(Answer::Accepted);
    w.record(1);
    assert!(w.in_flight.is_none(), "a flush is over when everything left");
}

#[test]
fn offline_sends_nothing_and_coming_back_sends_at_once() {
    let mut w = world();
    w.record(100);
    w.condition(Condition::Offline);
    w.answer(Answer::Network);
    assert_eq!((w.delivery.poll_timeout(), w.delivery.held()), (None, Some(Held::Offline)));
    w.record(500);
    w.condition(Condition::Online);
    assert_eq!(w.rows_in_flight(), (0..100).collect::<Vec<_>>());
}

#[test]
fn unauthorised_pauses_and_a_missing_credential_only_parks_its_batch() {
    let mut w = world();
    w.record(300);
    w.answer(Answer::Unauthorised);
    w.flush();
    assert_eq!((w.in_flight, w.delivery.held()), (None, Some(Held::Unauthorised)));
    w.refreshed();
    w.answer(Answer::NoCredential);
    assert_eq!(w.rows_in_flight()[0], 100, "the next one goes");
    w.refreshed();
    w.answer(Answer::Accepted);
    assert_eq!(w.rows_in_flight()[0], 0, "the parked one is next");
    w.answer(Answer::Accepted);
    w.answer(Answer::Accepted);
    assert_eq!(w.delivered.len(), 300);
}

#[test]
fn a_refusal_of_the_old_credential_does_not_hold_up_the_new_one() {
    let mut w = world();
    w.record(100);
    w.refreshed();
    w.answer(Answer::Unauthorised);
    assert_eq!(w.rows_in_flight().len(), 100, "sent again at once");
    w.answer(Answer::Unauthorised);
    assert_eq!(
        (w.in_flight, w.delivery.held()),
        (None, Some(Held::Unauthorised)),
        "the new one is refused too"
    );
    w.refreshed();
    w.refreshed();
    w.answer(Answer::Accepted);
    assert_eq!(w.delivered.len(), 100);
}

#[test]
fn too_large_halves_and_remembers_and_a_single_row_is_set_aside() {
    let mut w = world();
    w.record(200);
    w.answer(Answer::TooLarge);
    assert_eq!(w.rows_in_flight().len(), 50);
    w.answer(Answer::Accepted);
    w.answer(Answer::Accepted);
    assert_eq!(w.rows_in_flight().len(), 50, "the next claim is smaller");
    w.answer(Answer::Accepted);
    w.flush();
    w.answer(Answer::Accepted);
    w.record(1);
    w.flush();
    w.answer(Answer::TooLarge);
    assert_eq!((w.quarantined.len(), w.delivered.len()), (1, 200));
}

/// Answers requests as a server that refuses the rows in `poison` and, if `no_gzip`, every gzip body.
fn serve(w: &mut World, poison: &BTreeSet<u64>, no_gzip: bool) {
    let mut steps = 0;
    while !w.delivery.is_drained() {
        steps += 1;
        assert!(steps < 10_000, "it never ends");
        match w.in_flight {
            Some((_, encoding)) => {
                let bad = w.rows_in_flight().iter().any(|row| poison.contains(row));
                let refused = bad || (no_gzip && encoding == Encoding::Gzip);
                w.answer(if refused { Answer::Rejected } else { Answer::Accepted });
            }
            None => assert!(w.sleep().is_some(), "it waits for nothing"),
        }
    }
}

#[test]
fn one_poisoned_row_costs_a_dozen_requests_and_nothing_else() {
    for culprit in 0..100 {
        let mut w = world();
        w.record(100);
        serve(&mut w, &BTreeSet::from([culprit]), false);
        assert_eq!(w.quarantined, BTreeSet::from([culprit]));
        assert_eq!(w.delivered.len(), 99);
        assert!(w.sends <= 2 + 2 * 7, "{} requests", w.sends);
        w.record(100);
        assert_eq!(w.in_flight.map(|(_, encoding)| encoding), Some(Encoding::Gzip), "gzip was not to blame");
    }
}

#[test]
fn an_endpoint_without_gzip_is_asked_once() {
    let mut w = world();
    w.record(500);
    serve(&mut w, &BTreeSet::new(), true);
    assert_eq!((w.delivered.len(), w.quarantined.len(), w.sends), (500, 0, 6));
}

const BOTH: Offer = Offer { gzip: true, zstd: true };

/// A world that can write zstd, and the encoding of the request on its way.
fn zstd_world() -> World {
    World::new(DeliveryConfig { best: Encoding::Zstd, ..DeliveryConfig::default() })
}

fn encoding(w: &World) -> Encoding {
    w.in_flight.unwrap().1
}

/// Sends a batch that is answered at once, and says how it was packed.
fn deliver(w: &mut World, offer: Option<Offer>) -> Encoding {
    w.record(100);
    let used = encoding(w);
    offer.into_iter().for_each(|offer| w.offer(offer));
    w.answer(Answer::Accepted);
    used
}

#[test]
fn zstd_is_used_after_the_endpoint_said_that_it_reads_it_and_as_long_as_it_does() {
    let mut w = zstd_world();
    assert_eq!(deliver(&mut w, None), Encoding::Gzip);
    assert_eq!(deliver(&mut w, Some(BOTH)), Encoding::Gzip);
    assert_eq!(deliver(&mut w, None), Encoding::Zstd, "silence takes nothing back");
    assert_eq!(deliver(&mut w, Some(Offer { gzip: true, zstd: false })), Encoding::Zstd);
    assert_eq!(deliver(&mut w, Some(Offer { gzip: false, zstd: false })), Encoding::Gzip);
    assert_eq!(deliver(&mut w, Some(BOTH)), Encoding::Identity);
    assert_eq!(deliver(&mut w, None), Encoding::Zstd);
    // A side that cannot write it never does.
    let mut w = world();
    assert_eq!(deliver(&mut w, Some(BOTH)), Encoding::Gzip);
    assert_eq!(deliver(&mut w, None), Encoding::Gzip);
}

#[test]
fn an_endpoint_that_refuses_what_it_offers_is_believed_once() {
    for refusal in [Answer::Unsupported, Answer::Rejected] {
        let mut w = zstd_world();
        deliver(&mut w, Some(BOTH));
        w.record(100);
        assert_eq!(encoding(&w), Encoding::Zstd);
        w.answer(refusal);
        assert_eq!(
            (encoding(&w), w.rows_in_flight().len()),
            (Encoding::Gzip, 100),
            "{refusal:?}: the same rows"
        );
        w.offer(BOTH);
        w.answer(Answer::Accepted);
        assert_eq!(deliver(&mut w, Some(BOTH)), Encoding::Gzip);
        assert_eq!(deliver(&mut w, None), Encoding::Gzip);
        assert_eq!((w.delivered.len(), w.quarantined.len(), w.sends), (400, 0, 5));
    }
}

#[test]
fn a_refused_encoding_steps_down_to_what_is_read_and_blames_no_row() {
    let mut w = zstd_world();
    deliver(&mut w, Some(BOTH));
    w.record(100);
    // The refusal says that gzip is not read either.
    w.offer(Offer { gzip: false, zstd: false });
    w.answer(Answer::Unsupported);
    assert_eq!(encoding(&w), Encoding::Identity);
    // Even plain it is not read: that says nothing of the rows, so they wait.
    w.answer(Answer::Unsupported);
    assert!(w.in_flight.is_none());
    assert_eq!(w.sleep(), Some(DeliveryReason::BackOff));
    assert_eq!((encoding(&w), w.rows_in_flight().len()), (Encoding::Identity, 100));
    w.answer(Answer::Accepted);
    assert_eq!((w.delivered.len(), w.quarantined.len()), (200, 0));
}

#[test]
fn a_poisoned_row_under_zstd_is_found_and_zstd_goes_on() {
    let mut w = zstd_world();
    deliver(&mut w, Some(BOTH));
    w.record(100);
    serve(&mut w, &BTreeSet::from([142]), false);
    assert_eq!((&w.quarantined, w.delivered.len()), (&BTreeSet::from([142]), 199));
    assert!(w.sends <= 1 + 3 + 2 * 7, "{} requests", w.sends);
    w.record(100);
    assert_eq!(encoding(&w), Encoding::Zstd, "it was not to blame");
}

#[test]
fn an_endpoint_that_refuses_everything_empties_the_queue_slowly() {
    let mut w = world();
    w.record(100);
    let poison = (0..100).collect();
    serve(&mut w, &poison, false);
    assert_eq!(w.quarantined.len(), 100);
    assert!(w.now > Time(4 * 60 * 60 * 1_000), "{}: hours in which somebody can mend it", w.now);
}

#[test]
fn a_store_that_fails_is_asked_again_and_nothing_is_sent_twice_for_it() {
    let mut w = world();
    w.store_failures = 2;
    w.record(100);
    assert_eq!(w.sleep(), Some(DeliveryReason::StoreRetry));
    assert_eq!(w.sleep(), Some(DeliveryReason::StoreRetry));
    w.store_failures = 3;
    w.answer(Answer::Accepted);
    w.condition(Condition::Offline);
    for _ in 0..3 {
        assert_eq!(w.sleep(), Some(DeliveryReason::StoreRetry), "a write needs no network");
    }
    assert_eq!((w.delivered.len(), w.sends), (100, 1));
    assert!(w.delivery.is_drained());
}

#[test]
fn batches_of_the_last_process_go_first_and_keep_their_wait() {
    let mut w = world();
    let batch = w.insert(vec![0, 1], Some(Encoding::Identity));
    w.next_row = 2;
    w.delivery.handle_reopened(w.now, Batch { tries: 4, ..batch }, Millis(5_000));
    w.record(200);
    assert!(w.in_flight.is_none());
    assert_eq!(w.sleep(), Some(DeliveryReason::RetryAfter));
    assert_eq!((w.now, w.rows_in_flight()), (Time(5_000), vec![0, 1]));
    assert_eq!(w.in_flight.map(|(batch, encoding)| (batch.tries, encoding)), Some((4, Encoding::Identity)));
}

#[test]
fn a_batch_that_vanished_with_its_file_is_let_go() {
    let mut w = world();
    w.record(100);
    let key = w.in_flight.take().unwrap().0.key;
    w.delivery.handle_answer(w.now, key, Answer::TooLarge);
    assert!(matches!(w.delivery.poll_output(), Some(DeliveryEffect::Split { .. })));
    w.delivery.handle_stored(w.now, Stored::Gone);
    assert!(w.delivery.is_drained());
}

#[test]
fn late_and_unknown_answers_change_nothing() {
    let mut w = world();
    w.delivery.handle_answer(w.now, 9, Answer::Accepted);
    w.delivery.handle_stored(w.now, Stored::Done);
    w.delivery.handle_claimed(w.now, None, 0, 0);
    w.record(100);
    w.delivery.handle_answer(w.now, 999, Answer::Accepted);
    w.drain();
    assert!(w.in_flight.is_some() && w.delivered.is_empty());
}

#[derive(Debug, Clone)]
enum Move {
    Record(u64),
    Answer(Answer),
    Offer(Offer),
    Sleep,
    Wait(u64),
    Online(bool),
    Foreground(bool),
    Flush,
    Refreshed,
    StoreFails(u32),
}

fn any_move() -> impl Strategy<Value = Move> {
    let answer = prop_oneof![
        6 => Just(Answer::Accepted),
        1 => (0u64..100_000).prop_map(|wait| Answer::Throttled { retry_after: Millis(wait) }),
        1 => Just(Answer::TooLarge),
        1 => Just(Answer::Rejected),
        1 => Just(Answer::Unsupported),
        1 => Just(Answer::Unauthorised),
        1 => Just(Answer::NoCredential),
        1 => Just(Answer::Server),
        1 => Just(Answer::Network),
        1 => Just(Answer::CaptivePortal),
    ];
    prop_oneof![
        4 => (1u64..250).prop_map(Move::Record),
        8 => answer.prop_map(Move::Answer),
        2 => any::<(bool, bool)>().prop_map(|(gzip, zstd)| Move::Offer(Offer { gzip, zstd })),
        4 => Just(Move::Sleep),
        1 => (0u64..60_000).prop_map(Move::Wait),
        1 => any::<bool>().prop_map(Move::Online),
        1 => any::<bool>().prop_map(Move::Foreground),
        1 => Just(Move::Flush),
        1 => Just(Move::Refreshed),
        1 => (0u32..3).prop_map(Move::StoreFails),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: the invariants of [`World`] hold at every step, and once the world is well
    /// again everything left is delivered.
    #[test]
    fn whatever_happens_every_row_is_accounted_for_and_in_the_end_delivered(
        moves in prop::collection::vec(any_move(), 0..120),
        seed in any::<u64>(),
    ) {
        let mut w = World::new(DeliveryConfig { seed, best: Encoding::Zstd, ..DeliveryConfig::default() });
        for one in moves {
            match one {
                Move::Record(rows) => w.record(rows),
                Move::Answer(answer) => w.answer(answer),
                Move::Offer(offer) => w.offer(offer),
                Move::Sleep => drop(w.sleep()),
                Move::Wait(ms) => {
                    w.now = w.now + Millis(ms);
                    w.delivery.handle_timeout(w.now);
                    w.drain();
                }
                Move::Online(true) => w.condition(Condition::Online),
                Move::Online(false) => w.condition(Condition::Offline),
                Move::Foreground(true) => w.condition(Condition::Foreground),
                Move::Foreground(false) => w.condition(Condition::Background),
                Move::Flush => w.flush(),
                Move::Refreshed => w.refreshed(),
                Move::StoreFails(times) => w.store_failures = times,
            }
            if let Some((at, _)) = w.delivery.poll_timeout() {
                prop_assert!(at >= w.now || w.in_flight.is_none());
            }
        }
        w.store_failures = 0;
        w.condition(Condition::Online);
        w.refreshed();
        serve(&mut w, &BTreeSet::new(), false);
        prop_assert_eq!((w.delivered.len() + w.quarantined.len()) as u64, w.next_row);
        prop_assert!(w.open.is_empty());
    }
}

const ROAMING: Circumstances = Circumstances { roaming: true, low_power: false, metered: true };
const HOME: Circumstances = Circumstances { roaming: false, low_power: false, metered: false };

fn patient() -> World {
    World::new(DeliveryConfig { patient: true, cap_bytes: 1_000 * ROW_BYTES, ..DeliveryConfig::default() })
}

#[test]
fn a_patient_lane_waits_while_roaming_or_low_unless_the_queue_fills_or_somebody_insists() {
    for dear in [ROAMING, Circumstances { low_power: true, ..HOME }] {
        let mut w = patient();
        w.circumstances(dear);
        w.record(300);
        w.condition(Condition::Background);
        assert!(w.in_flight.is_none());
        assert_eq!((w.delivery.held(), w.delivery.poll_timeout()), (Some(Held::Saving), None));
        w.circumstances(HOME);
        assert!(w.in_flight.is_some(), "home again");

        let mut w = patient();
        w.circumstances(dear);
        w.record(699);
        assert!(w.in_flight.is_none());
        w.record(1);
        assert!(w.in_flight.is_some(), "70 % full");

        let mut w = patient();
        w.circumstances(dear);
        w.record(5);
        w.flush();
        assert!(w.in_flight.is_some(), "the host insists");

        let mut w = world();
        w.circumstances(dear);
        w.record(100);
        assert!(w.in_flight.is_some(), "what cannot wait does not");
    }
}

#[test]
fn metered_batches_are_larger_and_rarer() {
    let mut w = World::new(DeliveryConfig { patient: true, ..DeliveryConfig::default() });
    w.circumstances(Circumstances { metered: true, ..HOME });
    w.record(150);
    assert_eq!(w.delivery.poll_timeout(), Some((Time(120_000), DeliveryReason::BatchAge)));
    w.record(250);
    assert_eq!(w.rows_in_flight().len(), 400);
    w.answer(Answer::TooLarge);
    w.answer(Answer::Accepted);
    w.answer(Answer::Accepted);
    w.record(400);
    assert!(w.rows_in_flight().len() <= 200, "what was too large stays too large");
}

#[test]
fn a_million_phones_that_wake_together_do_not_call_together() {
    let first = |seed| {
        let config = DeliveryConfig { seed, start_jitter: Millis(60_000), ..DeliveryConfig::default() };
        let mut w = World::new(config);
        w.record(500);
        assert!(w.in_flight.is_none());
        while w.in_flight.is_none() {
            w.sleep().unwrap();
        }
        w.now.0
    };
    let mut slots = [0u32; 6];
    for seed in 0..600 {
        let at = first(seed * 7_919 + 13);
        assert!(at <= 60_000);
        slots[(at / 10_001) as usize] += 1;
    }
    assert!(slots.iter().skip(3).all(|calls| (60..160).contains(calls)), "{slots:?}");

    let config = DeliveryConfig { seed: 5, start_jitter: Millis(60_000), ..DeliveryConfig::default() };
    let mut w = World::new(config);
    w.flush();
    w.record(100);
    w.answer(Answer::Accepted);
    w.condition(Condition::Offline);
    w.record(100);
    w.condition(Condition::Online);
    assert!(w.in_flight.is_none(), "and when the network is back");
    assert!(w.delivery.poll_timeout().is_some());
    w.flush();
    assert!(w.in_flight.is_some());
}

#[test]
fn three_days_of_failures_cost_some_hundred_attempts_and_no_row() {
    let mut w = world();
    let end = Time(72 * 3_600_000);
    let mut recorded = 0;
    while w.now < end {
        if w.in_flight.is_some() {
            w.answer(if w.sends.is_multiple_of(3) { Answer::CaptivePortal } else { Answer::Network });
        }
        if recorded < w.now.0 / 20_000 {
            w.record(w.now.0 / 20_000 - recorded);
            recorded = w.now.0 / 20_000;
        } else if w.sleep().is_none() {
            w.now = Time(w.now.0 + 20_000);
        }
    }
    assert!((300..2_000).contains(&w.sends), "{} attempts", w.sends);
    assert_eq!((w.delivered.len(), w.quarantined.len()), (0, 0));
    while !w.delivery.is_drained() {
        w.answer(Answer::Accepted);
        w.flush();
    }
    assert_eq!(w.delivered.len() as u64, w.next_row);
}
