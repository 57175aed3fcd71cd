//! The teller against a real HTTP server that keeps a wallet by idempotency key: money moves once, whatever is lost.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used)]

mod spool_collector;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{Path as Segment, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use spool_collector::{client, until};
use tokio::sync::watch;
use unspool::outbox::{
    Cause, OpId, Order, Outbox, OutboxError, Payment, PaymentIntent, Teller, TellerConfig, TellerHandle,
};
use unspool::{Auth, Credentials, TokenError, TokenProvider};
use unspool_engine::Millis;
use unspool_engine::payment::EXPIRY;

const COINS: i64 = 1_000;

/// What a server says in place of its verdict.
#[derive(Debug, Clone)]
enum Say {
    /// The connection ends without a byte.
    HangUp,
    /// Nothing until the door is opened, then the verdict.
    Hold,
    Status(u16),
    /// With `Retry-After` in seconds.
    Busy(u16, u64),
    Text(u16, String),
}

/// What becomes of one payment: whether it is taken, and what is said.
type Mood = (bool, Say);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Confirmed,
    Void,
}

#[derive(Debug)]
struct Seen {
    op: String,
    actor: String,
    asks: bool,
    at: Instant,
}

#[derive(Default)]
struct Bank {
    /// For the next payments, and for the next questions.
    moods: VecDeque<Mood>,
    asked: VecDeque<Say>,
    /// While shut, questions get a 503.
    shut: bool,
    revoked: BTreeSet<String>,
    seen: Vec<Seen>,
    refused_tokens: usize,
    keys: BTreeMap<String, Verdict>,
    /// Everything that moved money, in order.
    taken: Vec<(String, String, i64)>,
}

impl Bank {
    fn coins(&self, actor: &str) -> i64 {
        COINS
            - self.taken.iter().filter(|(_, whose, _)| whose == actor).map(|(_, _, coins)| coins).sum::<i64>()
    }

    fn take(&mut self, op: &str, actor: &str, amount: i64) {
        if !self.keys.contains_key(op) {
            self.keys.insert(op.to_owned(), Verdict::Confirmed);
            self.taken.push((op.to_owned(), actor.to_owned(), amount));
        }
    }

    fn verdict(&self, op: &str, actor: &str) -> Response {
        let state = match self.keys[op] {
            Verdict::Confirmed => "confirmed",
            Verdict::Void => "void",
        };
        Json(json!({"state": state, "coins": self.coins(actor)})).into_response()
    }

    fn count(&self, op: &OpId, asks: bool) -> usize {
        self.seen.iter().filter(|seen| seen.op == op.0 && seen.asks == asks).count()
    }

    /// Notes a request; gives whose it is, or nothing where its token is no longer good.
    fn admit(&mut self, headers: &HeaderMap, op: &str, asks: bool) -> Option<String> {
        assert_eq!(headers["idempotency-key"], op);
        let token = headers[header::AUTHORIZATION].to_str().unwrap().strip_prefix("Bearer ").unwrap();
        if self.revoked.contains(token) {
            self.refused_tokens += 1;
            return None;
        }
        let actor = token.split('.').next().unwrap().to_owned();
        self.seen.push(Seen { op: op.to_owned(), actor: actor.clone(), asks, at: Instant::now() });
        Some(actor)
    }
}

#[derive(Clone)]
struct Wallets {
    address: SocketAddr,
    bank: Arc<Mutex<Bank>>,
    door: Arc<watch::Sender<bool>>,
}

impl Wallets {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wallets = Wallets {
            address: listener.local_addr().unwrap(),
            bank: Arc::default(),
            door: Arc::new(watch::Sender::new(false)),
        };
        let app = axum::Router::new()
            .route("/api/v1/payments", post(pay))
            .route("/api/v1/payments/{op}/resolve", post(resolve))
            .with_state(wallets.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        wallets
    }

    fn set<T>(&self, change: impl FnOnce(&mut Bank) -> T) -> T {
        change(&mut self.bank.lock().unwrap())
    }

    fn base(&self) -> reqwest::Url {
        format!("http://{}/api/", self.address).parse().unwrap()
    }

    /// Says what is to be said; nothing where it is the verdict.
    async fn say(&self, say: Say) -> Option<Response> {
        let status = |code| StatusCode::from_u16(code).unwrap();
        match say {
            // Ends the task of the connection, and with it the connection, without the noise of a panic.
            Say::HangUp => std::panic::resume_unwind(Box::new("the connection ends")),
            Say::Hold => {
                self.door.subscribe().wait_for(|open| *open).await.unwrap();
                None
            }
            Say::Status(code) => Some(status(code).into_response()),
            Say::Busy(code, wait) => {
                Some((status(code), [(header::RETRY_AFTER, wait.to_string())]).into_response())
            }
            Say::Text(code, text) => Some((status(code), text).into_response()),
        }
    }
}

async fn pay(State(wallets): State<Wallets>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let op = body["op_id"].as_str().unwrap().to_owned();
    let amount = body["amount"].as_i64().unwrap();
    for (field, value) in [("cause", "gift"), ("recipient", "creator"), ("price_version", "7")] {
        assert_eq!(body[field], value);
    }
    assert!(body["subject"].is_string() && body["at_ms"].as_i64().unwrap() > 0);
    let Some(actor) = wallets.set(|bank| bank.admit(&headers, &op, false)) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let mood = wallets.set(|bank| bank.moods.pop_front());
    if mood.as_ref().is_none_or(|(takes, _)| *takes) {
        wallets.set(|bank| bank.take(&op, &actor, amount));
    }
    if let Some((_, say)) = mood
        && let Some(said) = wallets.say(say).await
    {
        return said;
    }
    wallets.set(|bank| bank.verdict(&op, &actor))
}

async fn resolve(
    State(wallets): State<Wallets>,
    Segment(op): Segment<String>,
    headers: HeaderMap,
) -> Response {
    let Some(actor) = wallets.set(|bank| bank.admit(&headers, &op, true)) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let say = wallets.set(|bank| match bank.shut {
        true => Some(Say::Status(503)),
        false => bank.asked.pop_front(),
    });
    if let Some(say) = say
        && let Some(said) = wallets.say(say).await
    {
        return said;
    }
    wallets.set(|bank| {
        bank.keys.entry(op.clone()).or_insert(Verdict::Void);
        bank.verdict(&op, &actor)
    })
}

fn open(folder: &Path) -> Outbox {
    Outbox::open(folder.join("outbox.db")).unwrap()
}

fn token_of(actor: &str) -> Auth {
    Auth::new(Credentials::Fixed(format!("{actor}.0")), Duration::from_secs(10))
}

fn config(base: reqwest::Url) -> TellerConfig {
    TellerConfig {
        backoff_base: Millis(2),
        backoff_cap: Millis(20),
        ..TellerConfig::new(base, Arc::new(|actor| Some(token_of(actor))))
    }
}

fn start(outbox: &Outbox, config: TellerConfig, online: bool) -> TellerHandle {
    Teller::spawn(outbox.clone(), config, client(), online, &tokio::runtime::Handle::current())
}

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn draft(outbox: &Outbox, actor: &str, at_ms: i64) -> OpId {
    let order = Order {
        cause: Cause::Gift,
        recipient: "creator".into(),
        subject: "rose".into(),
        amount: 10,
        price_version: "7".into(),
    };
    outbox.draft_payment(&order, actor, at_ms).unwrap()
}

fn gift(outbox: &Outbox, actor: &str) -> OpId {
    let op = draft(outbox, actor, wall_ms());
    outbox.confirm_payment(&op).unwrap();
    op
}

/// One that is too old to be sent; a round that begins just now may find it before it is confirmed.
fn stale_gift(outbox: &Outbox, actor: &str) -> OpId {
    let op = draft(outbox, actor, wall_ms() - EXPIRY.0 as i64 - 60_000);
    assert!(matches!(outbox.confirm_payment(&op), Ok(()) | Err(OutboxError::TooLate)));
    op
}

fn found(outbox: &Outbox, actor: &str, op: &OpId) -> PaymentIntent {
    outbox.payments(actor).unwrap().into_iter().find(|payment| payment.op == *op).unwrap()
}

async fn becomes(outbox: &Outbox, actor: &str, op: &OpId, state: Payment) {
    until(state.name(), || found(outbox, actor, op).state == state).await;
}

/// Waits until the teller has begun another round: one that is too old to be sent is cancelled at its beginning.
async fn another_round(outbox: &Outbox, handle: &TellerHandle) {
    let old = stale_gift(outbox, "clock");
    handle.nudge();
    becomes(outbox, "clock", &old, Payment::Cancelled).await;
}

/// Nothing was taken twice, nothing was sent twice, and the books of both sides agree.
fn judge(wallets: &Wallets, outbox: &Outbox, actor: &str) {
    wallets.set(|bank| {
        for payment in outbox.payments(actor).unwrap() {
            let taken = bank.taken.iter().filter(|(op, ..)| *op == payment.op.0).count();
            assert_eq!(taken, usize::from(payment.state == Payment::Confirmed), "{payment:?}");
        }
        assert!(bank.seen.iter().all(|seen| {
            outbox.payments(&seen.actor).unwrap().iter().any(|payment| payment.op.0 == seen.op)
        }));
        if let Some(coins) = outbox.available(actor).unwrap() {
            assert_eq!(coins, bank.coins(actor));
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_confirmed_is_done_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (wallets, outbox) = (Wallets::start().await, open(folder.path()));
    let _handle = start(&outbox, config(wallets.base()), true);
    let ops: Vec<OpId> = (0..20).map(|_| gift(&outbox, "ann")).collect();
    becomes(&outbox, "ann", &ops[19], Payment::Confirmed).await;
    assert_eq!(outbox.available("ann").unwrap(), Some(COINS - 200));
    assert_eq!(found(&outbox, "ann", &ops[3]).reason, "", "there is nothing to say about what went well");
    wallets.set(|bank| {
        assert_eq!(
            bank.taken.iter().map(|(op, ..)| op).collect::<Vec<_>>(),
            ops.iter().map(|op| &op.0).collect::<Vec<_>>()
        );
        assert!(ops.iter().all(|op| bank.count(op, false) == 1 && bank.count(op, true) == 0));
    });
    judge(&wallets, &outbox, "ann");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_final_and_its_reason_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let (wallets, outbox) = (Wallets::start().await, open(folder.path()));
    let _handle = start(&outbox, config(wallets.base()), true);
    let declined = |reason: &str| json!({"state": "declined", "reason": reason, "coins": COINS}).to_string();
    let cases = [
        (Say::Text(402, declined("not enough coins")), "not enough coins"),
        (Say::Text(422, declined("the price has changed")), "the price has changed"),
        (Say::Text(200, declined("the creator takes no gifts")), "the creator takes no gifts"),
        (Say::Text(422, declined("")), "status 422"),
        (Say::Text(402, "<html>pay here</html>".into()), "status 402"),
        (Say::Status(403), "status 403"),
    ];
    for (say, reason) in cases {
        wallets.set(|bank| bank.moods.push_back((false, say)));
        let op = gift(&outbox, "ann");
        becomes(&outbox, "ann", &op, Payment::Declined).await;
        assert_eq!(found(&outbox, "ann", &op).reason, reason);
        assert_eq!(wallets.set(|bank| (bank.count(&op, false), bank.count(&op, true))), (1, 0));
    }
    assert_eq!(outbox.available("ann").unwrap(), Some(COINS), "nothing is held for what was refused");
    judge(&wallets, &outbox, "ann");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_says_nothing_is_asked_about_and_never_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let (wallets, outbox) = (Wallets::start().await, open(folder.path()));
    outbox.observe_balance("ann", COINS).unwrap();
    let mut config = config(wallets.base());
    config.request_timeout = Duration::from_secs(1);
    let _handle = start(&outbox, config, true);
    let says = [
        Say::HangUp,
        Say::Hold,
        Say::Status(404),
        Say::Status(408),
        Say::Status(409),
        Say::Status(500),
        Say::Status(503),
        Say::Status(204),
        Say::Text(200, "<html>log in</html>".into()),
        Say::Text(200, r#"{"state":"confirmed""#.into()),
        Say::Text(200, r#"{"state":"void"}"#.into()),
        Say::Text(409, r#"{"state":"confirmed"}"#.into()),
        Say::Text(200, format!(r#"{{"state":"confirmed","reason":"{}"}}"#, "x".repeat(20_000))),
        Say::Text(422, "x".repeat(20_000)),
    ];
    for (say, taken) in says.iter().flat_map(|say| [(say, true), (say, false)]) {
        wallets.set(|bank| (bank.shut, bank.moods) = (true, [(taken, say.clone())].into()));
        let before = wallets.set(|bank| bank.coins("ann"));
        let op = gift(&outbox, "ann");
        until("it was asked about in vain", || wallets.set(|bank| bank.count(&op, true) > 1)).await;
        let unknown = found(&outbox, "ann", &op);
        assert_eq!((unknown.state, unknown.reason.as_str()), (Payment::Unknown, ""), "{say:?}");
        assert_eq!(outbox.available("ann").unwrap(), Some(before - 10), "it is held");
        assert_eq!(outbox.cancel_payment(&op), Err(OutboxError::TooLate));
        wallets.set(|bank| {
            bank.shut = false;
            bank.asked =
                [Say::HangUp, Say::Text(200, "{}".into()), Say::Status(404), Say::Busy(429, 0)].into();
        });
        becomes(&outbox, "ann", &op, if taken { Payment::Confirmed } else { Payment::Cancelled }).await;
        assert_eq!(wallets.set(|bank| bank.count(&op, false)), 1, "{say:?}");
        judge(&wallets, &outbox, "ann");
    }
}

/// Gives the next generation when one was refused.
struct Refreshed(Mutex<u32>);

impl TokenProvider for Refreshed {
    fn token(&self, rejected: Option<String>) -> BoxFuture<'_, Result<String, TokenError>> {
        let mut generation = self.0.lock().unwrap();
        *generation += u32::from(rejected.is_some());
        std::future::ready(Ok(format!("ann.{generation}"))).boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_token_is_replaced_and_nothing_is_done_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (wallets, outbox) = (Wallets::start().await, open(folder.path()));
    let provider = Arc::new(Refreshed(Mutex::new(0)));
    let auth = Auth::new(Credentials::Provider(provider), Duration::from_secs(10));
    let mut config = config(wallets.base());
    config.tokens = Arc::new(move |_| Some(auth.clone()));
    wallets.set(|bank| bank.revoked.insert("ann.0".into()));
    let _handle = start(&outbox, config, true);
    let op = gift(&outbox, "ann");
    becomes(&outbox, "ann", &op, Payment::Confirmed).await;
    assert_eq!(
        wallets.set(|bank| (bank.refused_tokens, bank.count(&op, false), bank.count(&op, true))),
        (1, 1, 0)
    );
    // The next one expires while an answer is missing, so the question is refused; it is asked again with another.
    wallets.set(|bank| (bank.shut, bank.moods) = (true, [(true, Say::HangUp)].into()));
    let op = gift(&outbox, "ann");
    until("it was asked about in vain", || wallets.set(|bank| bank.count(&op, true) > 0)).await;
    wallets.set(|bank| (bank.shut, bank.revoked) = (false, ["ann.0".into(), "ann.1".into()].into()));
    becomes(&outbox, "ann", &op, Payment::Confirmed).await;
    assert_eq!(wallets.set(|bank| (bank.refused_tokens, bank.count(&op, false))), (2, 1));
    judge(&wallets, &outbox, "ann");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_asks_for_a_pause_gets_it_and_the_payment_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (wallets, outbox) = (Wallets::start().await, open(folder.path()));
    // Not carried out, and says so; taken, and does not say so. Either is left alone for the second it asks for.
    for (mood, posts, asks) in [((false, Say::Busy(429, 1)), 2, 0), ((true, Say::Busy(503, 1)), 1, 1)] {
        wallets.set(|bank| bank.moods = [mood].into());
        let handle = start(&outbox, config(wallets.base()), true);
        let first = gift(&outbox, "ann");
        until("it arrived", || wallets.set(|bank| bank.count(&first, false) >= 1)).await;
        // Neither another tap nor a look at the network ends the pause.
        let second = gift(&outbox, "ann");
        handle.set_online(true);
        becomes(&outbox, "ann", &second, Payment::Confirmed).await;
        assert_eq!(found(&outbox, "ann", &first).state, Payment::Confirmed);
        wallets.set(|bank| {
            assert_eq!((bank.count(&first, false), bank.count(&first, true)), (posts, asks));
            let mut at = bank.seen.iter().skip_while(|seen| seen.op != first.0).map(|seen| seen.at);
            let (refused, next) = (at.next().unwrap(), at.next().unwrap());
            assert!(next - refused >= Duration::from_secs(1), "{:?}", next - refused);
        });
    }
    // A pause without end: another wallet does not wait for it, and the person may still change their mind.
    wallets.set(|bank| bank.moods = [(false, Say::Busy(429, u64::MAX))].into());
    let handle = start(&outbox, config(wallets.base()), true);
    let first = gift(&outbox, "ann");
    until("it arrived", || wallets.set(|bank| bank.count(&first, false) >= 1)).await;
    becomes(&outbox, "ann", &first, Payment::Reserved).await;
    let other = gift(&outbox, "bob");
    becomes(&outbox, "bob", &other, Payment::Confirmed).await;
    another_round(&outbox, &handle).await;
    outbox.cancel_payment(&first).unwrap();
    assert_eq!(wallets.set(|bank| bank.count(&first, false)), 1);
    for actor in ["ann", "bob"] {
        judge(&wallets, &outbox, actor);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_on_its_way_when_the_teller_ended_is_resolved_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let wallets = Wallets::start().await;
    let mut outbox = open(folder.path());
    for (way, taken) in ["handle", "file", "runtime"].into_iter().flat_map(|way| [(way, true), (way, false)])
    {
        wallets.set(|bank| bank.moods = [(taken, Say::Hold)].into());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let handle = Teller::spawn(outbox.clone(), config(wallets.base()), client(), true, runtime.handle());
        let op = gift(&outbox, "ann");
        let waits = gift(&outbox, "ann");
        until("it arrived", || wallets.set(|bank| bank.count(&op, false) >= 1)).await;
        assert_eq!(found(&outbox, "ann", &op).state, Payment::Sending);
        let mut ended = Some(runtime);
        if way == "runtime" {
            ended.take().unwrap().shutdown_background();
        } else {
            drop(handle);
        }
        if way == "file" {
            drop(outbox);
            let path = folder.path().join("outbox.db");
            let mut opened = None;
            until("the file is free", || {
                opened = Outbox::open(&path).ok();
                opened.is_some()
            })
            .await;
            outbox = opened.unwrap();
            assert_eq!(found(&outbox, "ann", &op).state, Payment::Unknown);
        }
        let _next = start(&outbox, config(wallets.base()), true);
        becomes(&outbox, "ann", &waits, Payment::Confirmed).await;
        let state = if taken { Payment::Confirmed } else { Payment::Cancelled };
        assert_eq!(found(&outbox, "ann", &op).state, state, "{way}");
        wallets.set(|bank| {
            assert_eq!((bank.count(&op, false), bank.count(&op, true)), (1, 1), "{way}");
            assert_eq!((bank.count(&waits, false), bank.count(&waits, true)), (1, 0), "{way}");
        });
        if let Some(runtime) = ended {
            runtime.shutdown_background();
        }
        judge(&wallets, &outbox, "ann");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_account_that_is_signed_in_pays() {
    let folder = tempfile::tempdir().unwrap();
    let (wallets, outbox) = (Wallets::start().await, open(folder.path()));
    let signed_in = Arc::new(Mutex::new("ann"));
    let mut config = config(wallets.base());
    let who = signed_in.clone();
    config.tokens = Arc::new(move |actor| (*who.lock().unwrap() == actor).then(|| token_of(actor)));
    let lost: Vec<OpId> = ["bob", "ann"].map(|actor| gift(&outbox, actor)).into();
    let handle = start(&outbox, config, true);
    becomes(&outbox, "ann", &lost[1], Payment::Confirmed).await;
    another_round(&outbox, &handle).await;
    assert_eq!(found(&outbox, "bob", &lost[0]).state, Payment::Reserved);
    assert!(wallets.set(|bank| bank.seen.iter().all(|seen| seen.actor == "ann")));
    // Ann leaves while an answer of hers is missing: not even the question is asked for her by bob.
    wallets.set(|bank| (bank.shut, bank.moods) = (true, [(true, Say::HangUp)].into()));
    let hers = gift(&outbox, "ann");
    becomes(&outbox, "ann", &hers, Payment::Unknown).await;
    *signed_in.lock().unwrap() = "bob";
    another_round(&outbox, &handle).await;
    becomes(&outbox, "bob", &lost[0], Payment::Confirmed).await;
    wallets.set(|bank| bank.shut = false);
    another_round(&outbox, &handle).await;
    assert_eq!(found(&outbox, "ann", &hers).state, Payment::Unknown);
    *signed_in.lock().unwrap() = "ann";
    handle.nudge();
    becomes(&outbox, "ann", &hers, Payment::Confirmed).await;
    for actor in ["ann", "bob"] {
        judge(&wallets, &outbox, actor);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_without_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let (wallets, outbox) = (Wallets::start().await, open(folder.path()));
    let handle = start(&outbox, config(wallets.base()), false);
    outbox.observe_balance("ann", COINS).unwrap();
    let stale = stale_gift(&outbox, "ann");
    let op = gift(&outbox, "ann");
    // Ten minutes are over without a network too, and what was held is free again.
    becomes(&outbox, "ann", &stale, Payment::Cancelled).await;
    another_round(&outbox, &handle).await;
    assert_eq!(found(&outbox, "ann", &op).state, Payment::Reserved);
    assert_eq!(outbox.available("ann").unwrap(), Some(COINS - 10));
    assert!(wallets.set(|bank| bank.seen.is_empty()));
    // The network comes, and goes while one is on its way: the next one stays here.
    wallets.set(|bank| bank.moods = [(true, Say::Hold)].into());
    handle.set_online(true);
    until("it arrived", || wallets.set(|bank| bank.count(&op, false) >= 1)).await;
    let next = gift(&outbox, "ann");
    handle.set_online(false);
    wallets.door.send_replace(true);
    becomes(&outbox, "ann", &op, Payment::Confirmed).await;
    another_round(&outbox, &handle).await;
    assert_eq!(found(&outbox, "ann", &next).state, Payment::Reserved);
    assert_eq!(wallets.set(|bank| bank.count(&next, false)), 0);
    handle.set_online(true);
    becomes(&outbox, "ann", &next, Payment::Confirmed).await;
    assert_eq!(wallets.set(|bank| (bank.count(&next, false), bank.count(&next, true))), (1, 0));
    judge(&wallets, &outbox, "ann");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_left_for_want_of_a_connection_still_belongs_to_the_person() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path());
    // The port is taken and nobody listens there.
    let deaf = tokio::net::TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = deaf.local_addr().unwrap();
    let tries = Arc::new(Mutex::new(0));
    let mut config = config(format!("http://{nobody}").parse().unwrap());
    let count = tries.clone();
    config.tokens = Arc::new(move |actor| {
        *count.lock().unwrap() += 1;
        Some(token_of(actor))
    });
    let _handle = start(&outbox, config, true);
    let op = gift(&outbox, "ann");
    until("it was tried again and again", || *tries.lock().unwrap() > 4).await;
    until("it can be taken back", || {
        assert_ne!(found(&outbox, "ann", &op).state, Payment::Unknown);
        outbox.cancel_payment(&op).is_ok()
    })
    .await;
    assert_eq!(found(&outbox, "ann", &op).state, Payment::Cancelled);
}
