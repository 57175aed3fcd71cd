//! The outbox against a real HTTP server: folding, order, refusals, actors, failures and kills.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used)]

mod spool_collector;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rand::RngExt as _;
use serde_json::{Value, json};
use spool_collector::{client, until};
use unspool::outbox::{
    Cause, OpId, Order, Outbox, OutboxError, OutboxLevel, OutboxSender, OutboxSenderConfig, Payment, Verb,
};
use unspool::spool::SpoolError;
use unspool::telemetry::{FlushReason, UploaderHandle};
use unspool::{Auth, Credentials};
use unspool_engine::{DeliveryConfig, Millis};

const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
struct Seen {
    id: String,
    token: String,
    ops: Vec<(String, String, String, bool)>,
}

#[derive(Default)]
struct Server {
    /// Status codes for the next requests; 0 answers with HTML, 1 applies and then fails, 2 leaves results out.
    moods: VecDeque<u16>,
    /// Verb and target that are refused one by one.
    rejects: Option<String>,
    /// A target whose presence makes the whole request a 400.
    poison: Option<String>,
    seen: Vec<Seen>,
    /// The state of (token, verb, target), and every operation applied, by identity.
    states: BTreeMap<(String, String, String), bool>,
    applied: BTreeSet<String>,
}

#[derive(Clone)]
struct Social {
    address: SocketAddr,
    server: Arc<Mutex<Server>>,
}

impl Social {
    async fn start() -> Self {
        let server = Arc::new(Mutex::new(Server::default()));
        let app =
            axum::Router::new().route("/v1/interactions", post(interactions)).with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Social { address, server }
    }

    fn set<T>(&self, change: impl FnOnce(&mut Server) -> T) -> T {
        change(&mut self.server.lock().unwrap())
    }

    fn base(&self) -> reqwest::Url {
        format!("http://{}", self.address).parse().unwrap()
    }

    fn state(&self, actor: &str, verb: &str, target: &str) -> Option<bool> {
        let key = (format!("Bearer {actor}"), verb.to_owned(), target.to_owned());
        self.set(|server| server.states.get(&key).copied())
    }
}

async fn interactions(
    State(server): State<Arc<Mutex<Server>>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let field = |name: &str| headers[name].to_str().unwrap().to_owned();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap().to_owned();
    let list = body["interactions"].as_array().unwrap();
    let ops: Vec<_> = list
        .iter()
        .map(|op| {
            assert!(op["at_ms"].is_i64());
            (text(op, "op_id"), text(op, "verb"), text(op, "target"), op["state"].as_bool().unwrap())
        })
        .collect();
    let token = field("authorization");
    let mut server = server.lock().unwrap();
    server.seen.push(Seen { id: field("idempotency-key"), token: token.clone(), ops: ops.clone() });
    let mood = server.moods.pop_front();
    match mood {
        Some(0) => return axum::response::Html("<html>log in</html>").into_response(),
        Some(code) if code > 2 => return StatusCode::from_u16(code).unwrap().into_response(),
        _ => {}
    }
    if server.poison.as_ref().is_some_and(|poison| ops.iter().any(|op| op.2 == *poison)) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let mut results = Vec::new();
    for (op_id, verb, target, state) in ops {
        if server.rejects.as_ref() == Some(&target) {
            results.push(json!({"op_id": op_id, "status": "rejected", "reason": "the creator blocked you"}));
        } else if server.applied.insert(op_id.clone()) {
            server.states.insert((token.clone(), verb, target), state);
            results.push(json!({"op_id": op_id, "status": "applied"}));
        } else {
            results.push(json!({"op_id": op_id, "status": "duplicate"}));
        }
    }
    match mood {
        Some(1) => StatusCode::BAD_GATEWAY.into_response(),
        Some(2) => Json(json!({"results": []})).into_response(),
        _ => Json(json!({ "results": results })).into_response(),
    }
}

fn open(folder: &Path) -> Outbox {
    Outbox::open(folder.join("outbox.db")).unwrap()
}

/// A token that is the actor's name.
fn token_of(actor: &str) -> Auth {
    Auth::new(Credentials::Fixed(actor.to_owned()), DEADLINE)
}

fn config(base: reqwest::Url) -> OutboxSenderConfig {
    let usual = OutboxSenderConfig::new(base, Arc::new(|actor| Some(token_of(actor))));
    OutboxSenderConfig {
        delivery: DeliveryConfig {
            close_age: Millis(5),
            backoff_base: Millis(2),
            backoff_cap: Millis(20),
            ..usual.delivery
        },
        ..usual
    }
}

fn start(outbox: &Outbox, config: OutboxSenderConfig) -> UploaderHandle {
    OutboxSender::spawn(outbox.clone(), config, client(), &tokio::runtime::Handle::current())
}

fn like(outbox: &Outbox, target: &str, state: bool) -> OpId {
    outbox.set(Verb::Like, target, state, "ann", 1_700_000_000_000).unwrap()
}

#[test]
fn taps_fold_to_the_last_one_and_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path());
    assert_eq!(outbox.state(Verb::Like, "a", "ann").unwrap(), None);
    let first = like(&outbox, "a", true);
    assert_eq!(outbox.state(Verb::Like, "a", "ann").unwrap(), Some(true));
    assert_eq!(outbox.state(Verb::Like, "a", "bob").unwrap(), None);
    assert_eq!(like(&outbox, "a", true), first, "the same wish is the same intent");
    let second = like(&outbox, "a", false);
    assert_ne!(first, second);
    outbox.set(Verb::Save, "a", true, "ann", 5).unwrap();
    drop(outbox);

    let outbox = open(folder.path());
    let pending = outbox.pending().unwrap();
    assert_eq!(pending.len(), 2, "what the server has is not known, so the last wish is sent");
    assert_eq!((&pending[0].op, pending[0].state, pending[0].in_flight), (&second, false, false));
    assert_eq!(outbox.state(Verb::Like, "a", "ann").unwrap(), Some(false));
    let level = outbox.level();
    assert_eq!((level.queued_total, level.folded_total, level.pending), (3, 1, 2));
    assert!(level.is_conserved());
}

#[test]
fn a_change_that_ends_where_the_server_is_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path());
    outbox.observe(Verb::Follow, "c", false, "ann", 1).unwrap();
    outbox.set(Verb::Follow, "c", true, "ann", 2).unwrap();
    outbox.set(Verb::Follow, "c", false, "ann", 3).unwrap();
    assert!(outbox.pending().unwrap().is_empty());
    assert_eq!(outbox.state(Verb::Follow, "c", "ann").unwrap(), Some(false));
    let level = outbox.level();
    assert_eq!((level.queued_total, level.folded_total), (2, 2));
    assert!(level.is_conserved());
}

#[test]
fn comments_of_one_millisecond_stand_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path());
    let written: Vec<String> =
        (0..40).map(|n| outbox.add_comment("i1", None, &n.to_string(), "ann", 1_000).unwrap()).collect();
    let listed = outbox.comments("i1", "ann").unwrap();
    assert_eq!(listed.into_iter().map(|comment| comment.id).collect::<Vec<_>>(), written);
}

#[test]
fn bounds_a_damaged_file_and_a_second_owner() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path());
    assert_eq!(outbox.set(Verb::Like, "", true, "ann", 1), Err(OutboxError::Identifier));
    assert_eq!(outbox.set(Verb::Like, &"x".repeat(513), true, "ann", 1), Err(OutboxError::Identifier));
    let second = Outbox::open(folder.path().join("outbox.db"));
    assert_eq!(second.err(), Some(OutboxError::Store(SpoolError::InUse)));
    like(&outbox, "a", true);
    outbox.suspend().unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("outbox.db")).unwrap();
    let rows: i64 = connection.query_row("SELECT count(*) FROM intent", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1, "suspended, nobody holds a lock");
    drop(connection);
    like(&outbox, "b", true);
    outbox.resume();
    assert_eq!(outbox.pending().unwrap().len(), 2);
    drop(outbox);
    std::fs::write(folder.path().join("outbox.db"), b"not a database at all, whatever it says").unwrap();
    let outbox = open(folder.path());
    assert!(outbox.pending().unwrap().is_empty());
    assert!(folder.path().join("outbox.db.corrupt-1").exists());
}

fn order(amount: u64) -> Order {
    Order {
        cause: Cause::Gift,
        recipient: "cleo".into(),
        subject: "rose".into(),
        amount,
        price_version: "1".into(),
    }
}

/// Writes rubbish over `pages` pages from the share `at` of the file on.
fn damage(path: &Path, at: f64, pages: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let from = (bytes.len() as f64 * at) as usize / 4_096 * 4_096;
    let to = (from + pages * 4_096).min(bytes.len());
    bytes[from..to].fill(0xa5);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_can_be_read_of_a_damaged_file_goes_on_and_the_rest_is_counted() {
    let mut kept = 0;
    for (at, pages) in [(0.2, 1), (0.35, 2), (0.5, 1), (0.65, 3), (0.8, 1), (0.95, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let outbox = open(folder.path());
        let ops: BTreeMap<String, OpId> = (0..600)
            .map(|n| {
                let target = format!("item-{n:04}-{}", "x".repeat(40));
                let op = like(&outbox, &target, true);
                (target, op)
            })
            .collect();
        let words: Vec<String> = (0..60)
            .map(|n| {
                outbox.add_comment("i1", None, &format!("{n} {}", "words ".repeat(30)), "ann", n).unwrap()
            })
            .collect();
        let paid: Vec<OpId> =
            (1..=40).map(|n| outbox.draft_payment(&order(n), "ann", 1_700_000_000_000).unwrap()).collect();
        paid.iter().skip(10).for_each(|op| outbox.confirm_payment(op).unwrap());
        paid.iter().skip(30).for_each(|op| outbox.cancel_payment(op).unwrap());
        outbox.suspend().unwrap();
        drop(outbox);
        damage(&folder.path().join("outbox.db"), at, pages);

        let outbox = open(folder.path());
        let pending = outbox.pending();
        let pending = pending.unwrap();
        for intent in &pending {
            assert_eq!(ops.get(&intent.target), Some(&intent.op), "a row keeps its identity");
        }
        let comments = outbox.comments("i1", "ann").unwrap();
        assert!(comments.iter().all(|comment| words.contains(&comment.id)));
        let payments = outbox.payments("ann").unwrap();
        for payment in &payments {
            assert!(paid.contains(&payment.op));
        }
        let level = outbox.level();
        assert!(level.is_conserved(), "{level:?}");
        let aside = folder.path().join("outbox.db.corrupt-1").exists();
        if aside {
            assert_eq!(level.queued_total, 660, "the books go on: {level:?}");
            assert_eq!(level.damaged_total, 660 - level.pending, "{level:?}");
            // A file that lost pages cannot be believed when it says that money was not sent.
            let open = payments.iter().filter(|payment| !payment.state.is_final());
            assert!(open.clone().all(|payment| payment.state == Payment::Unknown), "{at}");
        }
        kept += pending.len() + comments.len() + payments.len();
        // It goes on as any other.
        like(&outbox, "after", true);
        assert_eq!(outbox.state(Verb::Like, "after", "ann").unwrap(), Some(true));
        drop(outbox);
        assert!(open(folder.path()).level().is_conserved());
    }
    assert!(kept > 6 * 700 * 3 / 4, "most of it can be read: {kept} of {}", 6 * 700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wishes_arrive_and_become_the_confirmed_state() {
    let folder = tempfile::tempdir().unwrap();
    let (social, outbox) = (Social::start().await, open(folder.path()));
    let sender = start(&outbox, config(social.base()));
    for n in 0..120 {
        like(&outbox, &format!("item-{n}"), true);
    }
    let report = sender.flush(DEADLINE).await;
    assert_eq!((report.reason, report.queued), (FlushReason::Drained, 0));
    assert!(social.set(|server| server.seen.iter().all(|seen| seen.ops.len() <= 50)));
    assert_eq!(social.state("ann", "like", "item-119"), Some(true));
    assert_eq!(outbox.state(Verb::Like, "item-7", "ann").unwrap(), Some(true));
    // Now the server's state is known, and a like that is taken back before it is sent leaves nothing.
    let before = social.set(|server| server.seen.len());
    sender.set_online(false);
    like(&outbox, "item-7", false);
    like(&outbox, "item-7", true);
    assert_eq!(outbox.level().pending, 0);
    sender.set_online(true);
    like(&outbox, "item-8", false);
    assert_eq!(sender.stop(DEADLINE).await.reason, FlushReason::Drained);
    assert_eq!(social.state("ann", "like", "item-8"), Some(false));
    assert_eq!(social.set(|server| server.seen.len()), before + 1);
    assert!(outbox.level().is_conserved());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_keep_everything_and_repeats_are_recognised() {
    for moods in [vec![500, 503, 429, 404], vec![0, 0], vec![1, 1], vec![2], vec![1, 2, 0, 502]] {
        let folder = tempfile::tempdir().unwrap();
        let (social, outbox) = (Social::start().await, open(folder.path()));
        let failures = moods.len();
        social.set(|server| server.moods = moods.into());
        for n in 0..10 {
            like(&outbox, &format!("item-{n}"), true);
        }
        let sender = start(&outbox, config(social.base()));
        assert_eq!(sender.flush(DEADLINE).await.reason, FlushReason::Drained);
        social.set(|server| {
            assert_eq!((server.seen.len(), server.applied.len()), (failures + 1, 10));
            assert!(
                server.seen.iter().all(|seen| seen.id == server.seen[0].id && seen.ops == server.seen[0].ops)
            );
        });
        let level = outbox.level();
        assert_eq!((level.delivered_total, level.pending), (10, 0));
        assert!(level.is_conserved());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_its_way_is_left_alone_and_the_follow_up_goes_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (social, outbox) = (Social::start().await, open(folder.path()));
    social.set(|server| server.moods = vec![503; 3].into());
    let first = like(&outbox, "a", true);
    let mut slow = config(social.base());
    slow.delivery.backoff_base = Millis(60_000);
    slow.delivery.backoff_cap = Millis(60_000);
    let sender = start(&outbox, slow);
    until("the intent is in a request", || outbox.pending().unwrap()[0].in_flight).await;
    let follow_up = like(&outbox, "a", false);
    let pending = outbox.pending().unwrap();
    assert_eq!((pending.len(), &pending[0].op, &pending[1].op), (2, &first, &follow_up));
    assert_eq!(outbox.state(Verb::Like, "a", "ann").unwrap(), Some(false), "the last wish shows");
    until("it failed", || sender.status().borrow().failures > 0).await;
    assert_eq!(sender.flush(DEADLINE).await.reason, FlushReason::Failing);
    social.set(|server| server.moods.clear());
    assert_eq!(sender.flush(DEADLINE).await.reason, FlushReason::Drained);
    assert_eq!(social.state("ann", "like", "a"), Some(false));
    social.set(|server| {
        let last: Vec<_> = server.seen.iter().rev().take(2).map(|seen| seen.ops[0].0.clone()).collect();
        assert_eq!(last, [follow_up.0.clone(), first.0.clone()]);
        assert!(server.seen.iter().all(|seen| seen.ops.len() == 1));
    });
    assert!(outbox.level().is_conserved());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_stays_in_sight_until_dismissed() {
    let folder = tempfile::tempdir().unwrap();
    let (social, outbox) = (Social::start().await, open(folder.path()));
    social.set(|server| (server.rejects, server.poison) = (Some("blocked".into()), Some("broken".into())));
    for n in 0..20 {
        like(&outbox, &format!("item-{n}"), true);
    }
    let blocked = like(&outbox, "blocked", true);
    let broken = like(&outbox, "broken", true);
    let sender = start(&outbox, config(social.base()));
    assert_eq!(sender.flush(DEADLINE).await.reason, FlushReason::Drained);
    let wedged = outbox.wedged("ann").unwrap();
    assert_eq!(wedged.len(), 2);
    assert_eq!((&wedged[0].intent.op, wedged[0].reason.as_str()), (&blocked, "the creator blocked you"));
    assert_eq!((&wedged[1].intent.op, wedged[1].reason.as_str()), (&broken, "status 400"));
    assert_eq!(outbox.state(Verb::Like, "blocked", "ann").unwrap(), None, "the heart goes back");
    assert_eq!(outbox.level().delivered_total, 20);
    assert!(outbox.wedged("bob").unwrap().is_empty());
    assert!(!outbox.dismiss(&blocked, "bob").unwrap(), "it is not his");
    assert!(outbox.dismiss(&blocked, "ann").unwrap());
    assert!(!outbox.dismiss(&blocked, "ann").unwrap());
    let level = outbox.level();
    assert_eq!((level.wedged, level.dismissed_total), (1, 1));
    assert!(level.is_conserved());

    // The same wish again: what the server says now stands in place of what it said before.
    let again = like(&outbox, "broken", true);
    assert_ne!(again, broken);
    assert_eq!(outbox.wedged("ann").unwrap()[0].intent.op, broken, "in sight until there is another answer");
    assert_eq!(sender.flush(DEADLINE).await.reason, FlushReason::Drained);
    let wedged = outbox.wedged("ann").unwrap();
    assert_eq!(wedged.iter().map(|refused| &refused.intent.op).collect::<Vec<_>>(), [&again]);
    social.set(|server| server.poison = None);
    like(&outbox, "broken", true);
    assert_eq!(sender.flush(DEADLINE).await.reason, FlushReason::Drained);
    assert_eq!(outbox.state(Verb::Like, "broken", "ann").unwrap(), Some(true));
    let level = outbox.level();
    assert_eq!((level.wedged, level.folded_total, level.delivered_total), (0, 2, 21));
    assert!(level.is_conserved());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_acts_for_another_and_nobody_waits_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let (social, outbox) = (Social::start().await, open(folder.path()));
    let signed_in = Arc::new(Mutex::new(BTreeSet::from(["ann".to_owned()])));
    let mut config = config(social.base());
    let tokens = signed_in.clone();
    config.tokens = Arc::new(move |actor| tokens.lock().unwrap().contains(actor).then(|| token_of(actor)));
    config.delivery.backoff_base = Millis(60_000);
    config.delivery.backoff_cap = Millis(60_000);
    social.set(|server| server.moods = [503, 503, 503].into());
    let sender = start(&outbox, config);
    like(&outbox, "a", true);
    until("ann's intent is on its way", || outbox.pending().unwrap()[0].in_flight).await;
    until("it failed", || sender.status().borrow().failures > 0).await;
    // Ann leaves with a request that nobody answered, bob comes.
    *signed_in.lock().unwrap() = BTreeSet::from(["bob".to_owned()]);
    social.set(|server| server.moods.clear());
    for n in 0..5 {
        outbox.set(Verb::Like, &format!("b{n}"), true, "bob", 1).unwrap();
        outbox.set(Verb::Follow, &format!("a{n}"), true, "ann", 1).unwrap();
    }
    sender.refreshed();
    let report = sender.flush(DEADLINE).await;
    assert_eq!((report.reason, report.delivered, report.queued), (FlushReason::Unauthorised, 5, 6));
    assert_eq!(social.state("bob", "like", "b4"), Some(true));
    signed_in.lock().unwrap().insert("ann".to_owned());
    sender.refreshed();
    assert_eq!(sender.flush(DEADLINE).await.reason, FlushReason::Drained);
    social.set(|server| {
        for seen in &server.seen {
            let own = seen.token.strip_prefix("Bearer ").unwrap()[..1].to_owned();
            assert!(seen.ops.iter().all(|op| op.2.starts_with(&own)), "{seen:?}");
        }
    });
    assert!(outbox.level().is_conserved());
}

const CHILD: &str = "UNSPOOL_TEST_OUTBOX_CHILD";
const SERVER: &str = "UNSPOOL_TEST_OUTBOX_SERVER";

/// Not a test of its own: what the child does until it is killed.
#[test]
fn child() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let (folder, round) = task.split_once('|').unwrap();
    let round: usize = round.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outbox = open(Path::new(folder));
    let base = std::env::var(SERVER).unwrap().parse().unwrap();
    let _sender = OutboxSender::spawn(outbox.clone(), config(base), client(), runtime.handle());
    for n in 0..20_000 {
        let (target, state) = (format!("t{}", n % 17), (n / 17 + round).is_multiple_of(2));
        let line = |word: &str| format!("\n{word} {target} {state}\n");
        std::io::stdout().write_all(line("try").as_bytes()).unwrap();
        like(&outbox, &target, state);
        std::io::stdout().write_all(line("set").as_bytes()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_points_the_last_wish_still_wins() {
    let folder = tempfile::tempdir().unwrap();
    let social = Social::start().await;
    let mut rng = rand::rng();
    // The states each target may end in: the last one acknowledged, and one that was being written when killed.
    let mut wishes: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for round in 0..30 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(CHILD, format!("{}|{round}", folder.path().display()))
            .env(SERVER, social.base().as_str())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut note = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [kind, target, state] = words[..] else { return 0 };
            let Ok(state) = state.parse::<bool>() else { return 0 };
            let wish = wishes.entry(target.to_owned()).or_default();
            match kind {
                "try" => drop(wish.insert(state)),
                "set" => *wish = BTreeSet::from([state]),
                _ => return 0,
            }
            1
        };
        let (mut line, mut lines) = (String::new(), 0);
        let wanted = rng.random_range(0..120);
        while lines < wanted {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the child ended by itself");
            lines += note(&line);
        }
        let until = std::time::Instant::now() + Duration::from_micros(rng.random_range(0..2_000));
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        for line in String::from_utf8_lossy(&rest).split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            note(line);
        }
    }
    let outbox = open(folder.path());
    let sender = start(&outbox, config(social.base()));
    assert_eq!(sender.flush(DEADLINE).await.reason, FlushReason::Drained);
    let OutboxLevel { pending, wedged, .. } = outbox.level();
    assert_eq!((pending, wedged), (0, 0));
    assert!(outbox.level().is_conserved());
    for (target, states) in wishes {
        let shown = outbox.state(Verb::Like, &target, "ann").unwrap();
        let server = social.state("ann", "like", &target);
        assert!(shown.is_some_and(|state| states.contains(&state)), "{target}: {shown:?} of {states:?}");
        assert_eq!(server, shown, "{target}: the server and the screen agree");
    }
}
