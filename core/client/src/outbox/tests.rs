//! Ten thousand sequences of gifts and likes against a model server over a network that loses, repeats, delays and
//! reorders, with the process killed in between.
//!
//! The store and its rules are the real ones, on a real file. The server and the network are modelled, so that a request
//! can arrive twice, late, or after the person was told that it was given up. A kill is the loss of everything in memory:
//! the outbox is dropped and opened again on what was committed.

// What was played is worth a line.
#![allow(clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::intents::{self, Outcome};
use super::*;

const WORLDS: u64 = 50;
const SEQUENCES: u64 = 200;
const ACTOR: &str = "ada";
const COINS: i64 = 1_000_000;

/// A request under way, and whether its answer will be heard.
#[derive(Debug, Clone)]
enum Request {
    Pay(PaymentIntent),
    Resolve(OpId),
    Likes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Confirmed,
    Declined,
    Void,
}

/// Carries a payment out at most once for a key, as the contract asks.
#[derive(Debug, Default)]
struct Server {
    keys: BTreeMap<OpId, Verdict>,
    /// Times money moved for a key.
    spent: BTreeMap<OpId, u32>,
    coins: i64,
    likes: BTreeMap<String, bool>,
    applied: BTreeSet<OpId>,
}

impl Server {
    fn pay(&mut self, intent: &PaymentIntent) -> Verdict {
        if let Some(known) = self.keys.get(&intent.op) {
            return *known;
        }
        let amount = intent.order.amount as i64;
        let refuses = intent.order.recipient == "nobody" || amount > self.coins;
        if !refuses {
            self.coins -= amount;
            *self.spent.entry(intent.op.clone()).or_default() += 1;
        }
        let verdict = if refuses { Verdict::Declined } else { Verdict::Confirmed };
        self.keys.insert(intent.op.clone(), verdict);
        verdict
    }

    fn resolve(&mut self, op: &OpId) -> Verdict {
        *self.keys.entry(op.clone()).or_insert(Verdict::Void)
    }

    fn like(&mut self, intents: &[Intent]) {
        for intent in intents {
            // A repeat of an operation changes nothing.
            if self.applied.insert(intent.op.clone()) {
                self.likes.insert(intent.target.clone(), intent.state);
            }
        }
    }
}

/// A device, a network and a server.
struct World {
    rng: StdRng,
    folder: tempfile::TempDir,
    outbox: Option<Outbox>,
    server: Server,
    /// Requests that are still on their way although nobody waits for them.
    stray: Vec<Request>,
    wall_ms: i64,
    wanted: BTreeMap<String, bool>,
    confirmed_by_person: BTreeSet<OpId>,
    faults: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        // A kill is played by closing the file, which waits for the disk; memory has none to wait for.
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.unwrap();
        let mut world = World {
            rng: StdRng::seed_from_u64(seed),
            folder,
            outbox: None,
            server: Server { coins: COINS, ..Server::default() },
            stray: Vec::new(),
            wall_ms: 1_700_000_000_000,
            wanted: BTreeMap::new(),
            confirmed_by_person: BTreeSet::new(),
            faults: 0,
        };
        world.outbox().observe_balance(ACTOR, COINS).unwrap();
        world
    }

    fn outbox(&mut self) -> Outbox {
        let path = self.folder.path().join("outbox.db");
        self.outbox.get_or_insert_with(|| Outbox::open_as(path, Durability::Process).unwrap()).clone()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn kill(&mut self) {
        self.faults += 1;
        self.outbox = None;
    }

    /// Old requests arrive at last, in any order.
    fn strays(&mut self) {
        while !self.stray.is_empty() && self.chance(40) {
            let at = self.rng.random_range(0..self.stray.len());
            match self.stray.swap_remove(at) {
                Request::Pay(intent) => drop(self.server.pay(&intent)),
                Request::Resolve(op) => drop(self.server.resolve(&op)),
                Request::Likes => {}
            }
        }
    }

    /// Sends a request over the bad network; `true` when it arrives and the answer comes back in time.
    fn travels(&mut self, request: &Request) -> (bool, bool) {
        if self.chance(70) {
            return (true, true);
        }
        self.faults += 1;
        match self.rng.random_range(0..4) {
            // Lost on the way.
            0 => (false, false),
            // The answer is lost.
            1 => (true, false),
            // Delayed beyond the time-out: it arrives later.
            2 => {
                // Likes share a connection with what follows them, so only payments overtake each other.
                if !matches!(request, Request::Likes) {
                    self.stray.push(request.clone());
                }
                (false, false)
            }
            // Repeated by the network.
            _ => {
                if !matches!(request, Request::Likes) {
                    self.stray.push(request.clone());
                }
                (true, true)
            }
        }
    }

    fn money(&mut self) {
        let outbox = self.outbox();
        let Some(errand) = outbox.next_errand(ACTOR, self.wall_ms).unwrap() else { return };
        if self.chance(5) {
            // Killed after it was written down and before a byte left.
            return self.kill();
        }
        let op = errand.intent().op.clone();
        let request = match &errand {
            Errand::Send(intent) => Request::Pay(intent.clone()),
            Errand::Resolve(intent) => Request::Resolve(intent.op.clone()),
        };
        let (arrives, answers) = self.travels(&request);
        let verdict = arrives.then(|| match &errand {
            Errand::Send(intent) => self.server.pay(intent),
            Errand::Resolve(intent) => self.server.resolve(&intent.op),
        });
        if self.chance(5) {
            // Killed while the answer was on its way.
            return self.kill();
        }
        let fact = match verdict.filter(|_| answers) {
            Some(Verdict::Confirmed) => PaymentFact::Done,
            Some(Verdict::Declined) => PaymentFact::Refused,
            // A late payment of a closed key is refused as void, which nobody waits for.
            Some(Verdict::Void) if matches!(errand, Errand::Resolve(_)) => PaymentFact::Void,
            _ => PaymentFact::Unclear,
        };
        outbox.payment_fact(&op, fact, "", None).unwrap();
        if self.chance(3) {
            self.kill();
        }
    }

    fn likes(&mut self) {
        let outbox = self.outbox();
        // What an earlier process had on its way is sent again under its own name.
        let open = outbox.write(|tx| parcels::list(tx, parcels::Line::Intents)).unwrap();
        let key = match open.first() {
            Some(parcel) => Some(parcel.key),
            None => outbox.write(|tx| intents::claim(tx, ACTOR, 50)).unwrap().map(|parcel| parcel.key),
        };
        let Some(key) = key else { return };
        let (_, rows) = outbox.write(|tx| intents::load(tx, key)).unwrap().unwrap();
        let request = Request::Likes;
        let (arrives, answers) = self.travels(&request);
        if arrives {
            self.server.like(&rows);
            if self.chance(10) {
                self.server.like(&rows);
            }
        }
        if self.chance(5) {
            return self.kill();
        }
        if answers {
            outbox.write(|tx| intents::accept(tx, key, |_| Some(Outcome::Confirmed))).unwrap();
        }
    }

    fn tap(&mut self) {
        let item = format!("item-{}", self.rng.random_range(0..8));
        let liked = self.chance(50);
        self.outbox().set(Verb::Like, &item, liked, ACTOR, self.wall_ms).unwrap();
        assert_eq!(self.outbox().state(Verb::Like, &item, ACTOR).unwrap(), Some(liked), "shown at once");
        self.wanted.insert(item, liked);
    }

    fn give(&mut self) {
        let order = Order {
            cause: if self.chance(80) { Cause::Gift } else { Cause::Donation },
            recipient: if self.chance(5) { "nobody".into() } else { "creator".into() },
            subject: "rose".into(),
            amount: self.rng.random_range(1..50),
            price_version: "1".into(),
        };
        let op = self.outbox().draft_payment(&order, ACTOR, self.wall_ms).unwrap();
        if self.chance(5) {
            self.kill();
        }
        if self.chance(5) {
            return self.outbox().cancel_payment(&op).unwrap();
        }
        self.outbox().confirm_payment(&op).unwrap();
        self.confirmed_by_person.insert(op);
    }

    fn run(&mut self) -> (u64, BTreeMap<Payment, u64>) {
        for _ in 0..SEQUENCES {
            self.give();
            for _ in 0..self.rng.random_range(1..4) {
                self.tap();
            }
            for _ in 0..self.rng.random_range(1..4) {
                self.money();
                self.likes();
                self.strays();
            }
            self.wall_ms += self.rng.random_range(0..30_000);
        }
        // The network is well again; everything comes to an end.
        for _ in 0..SEQUENCES * 20 {
            self.strays();
            self.money();
            self.likes();
            let outbox = self.outbox();
            let busy = outbox.write(wallet::actors).unwrap().len() + outbox.pending().unwrap().len();
            if busy == 0 && self.stray.is_empty() {
                break;
            }
        }
        while let Some(request) = self.stray.pop() {
            if let Request::Pay(intent) = request {
                self.server.pay(&intent);
            }
        }
        self.judge()
    }

    fn judge(&mut self) -> (u64, BTreeMap<Payment, u64>) {
        let outbox = self.outbox();
        let payments = outbox.payments(ACTOR).unwrap();
        let mut ends: BTreeMap<Payment, u64> = BTreeMap::new();
        assert!(self.server.spent.values().all(|times| *times == 1), "money moved twice");
        let mut known = 0;
        for payment in &payments {
            *ends.entry(payment.state).or_default() += 1;
            let verdict = self.server.keys.get(&payment.op);
            match payment.state {
                Payment::Confirmed => assert_eq!(verdict, Some(&Verdict::Confirmed), "told done and was not"),
                Payment::Declined => assert_eq!(verdict, Some(&Verdict::Declined)),
                Payment::Cancelled | Payment::Draft => {
                    assert!(matches!(verdict, None | Some(Verdict::Void)), "told not done and was");
                }
                state => panic!("not resolved: {state:?}"),
            }
            known += u64::from(self.confirmed_by_person.contains(&payment.op));
        }
        assert_eq!(known, self.confirmed_by_person.len() as u64, "an intent is missing");
        let gone: i64 = payments
            .iter()
            .filter(|payment| payment.state == Payment::Confirmed && payment.order.cause == Cause::Gift)
            .map(|payment| payment.order.amount as i64)
            .sum();
        assert_eq!(outbox.available(ACTOR).unwrap(), Some(COINS - gone), "nothing is held any more");
        for (item, liked) in &self.wanted {
            assert_eq!(self.server.likes.get(item).unwrap_or(&false), liked, "the last tap counts: {item}");
        }
        assert!(outbox.level().is_conserved());
        (self.faults, ends)
    }
}

#[test]
fn ten_thousand_faulted_sequences_spend_nothing_twice_and_lose_nothing() {
    let (mut faults, mut ends) = (0, BTreeMap::<Payment, u64>::new());
    let halves = std::thread::scope(|scope| {
        let run =
            |half: u64| (half..WORLDS).step_by(2).map(|seed| World::new(seed).run()).collect::<Vec<_>>();
        let threads = [0, 1].map(|half| scope.spawn(move || run(half)));
        threads.map(|thread| thread.join().unwrap())
    });
    for (some, of) in halves.into_iter().flatten() {
        faults += some;
        for (state, n) in of {
            *ends.entry(state).or_default() += n;
        }
    }
    println!("{} sequences, {faults} faults, {ends:?}", WORLDS * SEQUENCES);
    assert!(faults > WORLDS * SEQUENCES / 2 && ends[&Payment::Confirmed] > 5_000);
}

#[test]
fn what_waited_too_long_wants_another_tap_and_coins_are_given_once() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path().join("outbox.db")).unwrap();
    outbox.observe_balance(ACTOR, 100).unwrap();
    let order = Order {
        cause: Cause::Gift,
        recipient: "creator".into(),
        subject: String::new(),
        amount: 60,
        price_version: "1".into(),
    };
    let first = outbox.draft_payment(&order, ACTOR, 0).unwrap();
    let second = outbox.draft_payment(&order, ACTOR, 0).unwrap();
    outbox.confirm_payment(&first).unwrap();
    assert_eq!(outbox.available(ACTOR).unwrap(), Some(40));
    assert_eq!(outbox.confirm_payment(&second), Err(OutboxError::Insufficient));
    assert_eq!(outbox.next_errand("bea", 0).unwrap(), None, "never under another account");
    assert_eq!(outbox.next_errand(ACTOR, 600_001).unwrap(), None);
    assert_eq!(outbox.available(ACTOR).unwrap(), Some(100));
    outbox.confirm_payment(&second).unwrap();
    assert!(matches!(outbox.next_errand(ACTOR, 1).unwrap(), Some(Errand::Send(_))));
    assert_eq!(outbox.next_errand(ACTOR, 1).unwrap(), None, "one on its way at a time");
    assert_eq!(outbox.cancel_payment(&second), Err(OutboxError::TooLate));
    outbox.payment_fact(&second, PaymentFact::Refused, "blocked", None).unwrap();
    let refused = outbox.payments(ACTOR).unwrap().into_iter().find(|payment| payment.op == second).unwrap();
    assert_eq!((refused.state, refused.reason.as_str()), (Payment::Declined, "blocked"));
    assert!(outbox.dismiss_payment(&second).unwrap() && !outbox.dismiss_payment(&first).unwrap());
    let zero = Order { amount: 0, ..order };
    assert_eq!(outbox.draft_payment(&zero, ACTOR, 0), Err(OutboxError::Order));
}
