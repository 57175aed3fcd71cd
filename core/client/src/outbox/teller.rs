//! Sends money intents, one of a wallet at a time, and asks what became of those whose answer did not come.
//!
//! `POST <base>/v1/payments` with `{"op_id","cause","recipient","subject","amount","price_version","at_ms"}` and the
//! `Idempotency-Key`; `POST <base>/v1/payments/<op>/resolve` with an empty object closes the key. Both answer
//! `{"state":"confirmed"|"declined"|"void","reason","coins"}`, `void` only to the second. Any other answer says nothing
//! about what was done, and is asked about again. What never left, for no connection was made, is sent later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tokio::time::Instant;
use unspool_engine::payment::{EXPIRY, PaymentFact};
use unspool_engine::{Backoff, Millis};
use unspool_media::tasks;
use unspool_media::{OutboundPurpose, Wire};

use super::{ActorTokens, Cause, Errand, OpId, Outbox, OutboxError, PaymentIntent, wallet};
use crate::auth::Auth;
use crate::meter::Meter;

/// Longest answer that is read, in bytes: a state, a reason and a number.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// Where money intents go, and how.
#[derive(Clone)]
pub struct TellerConfig {
    /// Address of the server; `/v1/payments` is added to its path.
    pub base: Url,
    /// Tokens by actor; a wallet runs only while its own actor is signed in.
    pub tokens: ActorTokens,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// Shortest wait after a failure.
    pub backoff_base: Millis,
    /// Longest wait after a failure.
    pub backoff_cap: Millis,
    /// Where the jitter starts.
    pub seed: u64,
    /// Counts the body bytes of the answers.
    pub meter: Meter,
}

impl TellerConfig {
    /// The usual delays: 1 s to 1 min, for somebody is looking at the screen.
    #[must_use]
    pub fn new(base: Url, tokens: ActorTokens) -> Self {
        TellerConfig {
            base,
            tokens,
            request_timeout: Duration::from_secs(15),
            backoff_base: Millis(1_000),
            backoff_cap: Millis(60_000),
            seed: 0,
            meter: Meter::default(),
        }
    }
}

impl std::fmt::Debug for TellerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TellerConfig").finish_non_exhaustive()
    }
}

/// Starts sending money intents.
#[derive(Debug)]
pub struct Teller;

/// Controls the task. It ends when the last clone goes; what was on its way then is unknown to the next one, and asked
/// about.
#[derive(Debug, Clone)]
pub struct TellerHandle {
    mode: Arc<watch::Sender<Mode>>,
    again: Arc<Notify>,
    rounds: watch::Receiver<Rounds>,
}

impl TellerHandle {
    /// Says whether there is a network. Coming online ends a back-off.
    pub fn set_online(&self, online: bool) {
        self.mode.send_modify(|mode| {
            if *mode != Mode::Stop {
                *mode = Mode::of(online);
            }
        });
        self.again.notify_one();
    }

    /// Somebody signed in, or something was confirmed: look again now.
    pub fn nudge(&self) {
        self.again.notify_one();
    }

    /// Does what can be done about the wallets now, for at most `within`. Ends early when nothing is left, or when what is
    /// left has to wait. Dropping the future leaves the task as it is.
    pub async fn flush(&self, within: Duration) {
        let mut rounds = self.rounds.clone();
        let begun = rounds.borrow().begun;
        self.again.notify_one();
        // A round that runs already may have passed by what is new; the next has not.
        let looked = rounds.wait_for(|rounds| rounds.ended > begun);
        let _ = tokio::time::timeout(within, looked).await;
    }

    /// Ends the task after the request that is under way, for at most `within`; `false` when that was too short. What was
    /// on its way is then unknown to the next task, and asked about.
    pub async fn stop(&self, within: Duration) -> bool {
        self.mode.send_replace(Mode::Stop);
        self.again.notify_one();
        let mut rounds = self.rounds.clone();
        let ended = async { while rounds.changed().await.is_ok() {} };
        tokio::time::timeout(within, ended).await.is_ok()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    op_id: &'a str,
    cause: Cause,
    recipient: &'a str,
    subject: &'a str,
    amount: u64,
    price_version: &'a str,
    at_ms: i64,
}

#[derive(Deserialize)]
struct Answer {
    state: State,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    coins: Option<i64>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum State {
    Confirmed,
    Declined,
    Void,
}

/// What came of a request.
struct Told {
    fact: PaymentFact,
    reason: String,
    coins: Option<i64>,
    wait: Option<Millis>,
}

impl Told {
    fn unclear() -> Self {
        Told { fact: PaymentFact::Unclear, reason: String::new(), coins: None, wait: None }
    }

    fn not_taken(wait: Option<Millis>) -> Self {
        Told { fact: PaymentFact::NotTaken, wait, ..Told::unclear() }
    }
}

impl Teller {
    /// Starts the task that carries the money intents of `outbox` out on `runtime`. One runs at a time for an outbox:
    /// another waits until it has ended.
    #[must_use]
    pub fn spawn(
        outbox: Outbox,
        config: TellerConfig,
        client: impl Into<Wire>,
        online: bool,
        runtime: &tokio::runtime::Handle,
    ) -> TellerHandle {
        let (mode, hears) = watch::channel(Mode::of(online));
        let (told, rounds) = watch::channel(Rounds::default());
        let again = Arc::new(Notify::new());
        let wire = client.into().for_purpose(OutboundPurpose::Payments);
        tasks::spawn_on(runtime, run(outbox, config, wire, hears, Arc::clone(&again), told));
        TellerHandle { mode: Arc::new(mode), again, rounds }
    }
}

/// What the task is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Online,
    Offline,
    /// To end, after what is under way.
    Stop,
}

impl Mode {
    fn of(online: bool) -> Self {
        if online { Mode::Online } else { Mode::Offline }
    }
}

/// How many rounds over the wallets were begun, and ended.
#[derive(Debug, Clone, Copy, Default)]
struct Rounds {
    begun: u64,
    ended: u64,
}

async fn run(
    outbox: Outbox,
    config: TellerConfig,
    client: Wire,
    mode: watch::Receiver<Mode>,
    again: Arc<Notify>,
    rounds: watch::Sender<Rounds>,
) {
    let mut handle = mode.clone();
    tokio::select! {
        () = serve(outbox, config, client, mode, &again, &rounds) => {}
        () = async { while handle.changed().await.is_ok() {} } => {}
    }
}

async fn serve(
    outbox: Outbox,
    config: TellerConfig,
    client: Wire,
    mut mode: watch::Receiver<Mode>,
    again: &Notify,
    rounds: &watch::Sender<Rounds>,
) {
    let desk = Desk { lease: Arc::new(Arc::clone(&outbox.0.teller).lock_owned().await), outbox };
    let mut money = desk.outbox.0.money.subscribe();
    let mut backoff = Backoff::new(config.backoff_base, config.backoff_cap, config.seed);
    let mut held = BTreeMap::new();
    loop {
        money.mark_unchanged();
        mode.mark_unchanged();
        rounds.send_modify(|rounds| rounds.begun += 1);
        held.retain(|_, until| *until > Instant::now());
        let round = round(&desk, &config, &client, &mode, &mut held).await;
        rounds.send_modify(|rounds| rounds.ended = rounds.begun);
        if *mode.borrow() == Mode::Stop {
            return;
        }
        if let Err(error) = &round {
            tracing::warn!(%error, "the wallet could not be read; it is tried again");
        }
        let (failed, expiry) = round.unwrap_or((true, None));
        let mut wakes: Vec<Instant> = held.values().copied().collect();
        wakes.extend(expiry.map(|wait| Instant::now() + wait));
        if failed {
            wakes.push(Instant::now() + Duration::from_millis(backoff.fail().0));
        } else if held.is_empty() {
            backoff.reset();
        }
        let sleep = async {
            match wakes.into_iter().min() {
                Some(wake) => tokio::time::sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = again.notified() => {}
            changed = money.changed() => if changed.is_err() { return },
            changed = mode.changed() => if changed.is_err() { return },
        }
    }
}

/// The outbox, and the right to be the one who sends from it.
struct Desk {
    outbox: Outbox,
    lease: Arc<OwnedMutexGuard<()>>,
}

impl Desk {
    /// Runs `work` where it may block. The lease outlives a task that is dropped meanwhile: the next one finds the work done.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Outbox) -> Result<T, OutboxError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let (outbox, lease) = (self.outbox.clone(), Arc::clone(&self.lease));
        let done = tasks::spawn_blocking(move || {
            let done = work(&outbox);
            // The file is given back before the right to it.
            drop(outbox);
            drop(lease);
            done
        });
        done.await.unwrap_or(Err(OutboxError::Store(crate::spool::SpoolError::Storage { code: 0 })))
    }
}

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Runs errands until none is left or the network goes; gives whether one told nothing, and when a payment that waits
/// will be too old. A wallet whose server asked for a pause is in `held` until it is over.
async fn round(
    desk: &Desk,
    config: &TellerConfig,
    client: &Wire,
    mode: &watch::Receiver<Mode>,
    held: &mut BTreeMap<String, Instant>,
) -> Result<(bool, Option<Duration>), OutboxError> {
    let mut failed = false;
    let now = wall_ms();
    // Nothing is on its way between rounds: what still says so was left by a task that ended or a write that failed.
    let (expiry, actors) = desk
        .blocking(move |outbox| {
            outbox.write(|tx| {
                wallet::recover(tx)?;
                Ok((wallet::expire(tx, now)?, wallet::actors(tx)?))
            })
        })
        .await?;
    for actor in actors {
        if held.contains_key(&actor) {
            continue;
        }
        // Without its actor a wallet waits, and nobody waits behind it.
        let Some(auth) = (config.tokens)(&actor) else { continue };
        while *mode.borrow() == Mode::Online {
            // A token is had first: what cannot be sent must not be written down as sent.
            let Ok(token) = auth.token().await else {
                failed = true;
                break;
            };
            let (whose, now) = (actor.clone(), wall_ms());
            let next = desk.blocking(move |outbox| outbox.next_errand(&whose, now)).await?;
            let Some(errand) = next else { break };
            let Told { fact, reason, coins, wait } = send(config, client, &errand, &auth, &token).await;
            let op = errand.intent().op.clone();
            desk.blocking(move |outbox| outbox.payment_fact(&op, fact, &reason, coins)).await?;
            if matches!(fact, PaymentFact::Unclear | PaymentFact::NotTaken) {
                failed = true;
                if let Some(wait) = wait {
                    // Longer than a payment may wait is as good as that.
                    let wait = Duration::from_millis(wait.0.min(EXPIRY.0));
                    held.insert(actor, Instant::now() + wait);
                }
                break;
            }
        }
    }
    Ok((failed, expiry.map(|wait| Duration::from_millis(wait.0))))
}

async fn send(config: &TellerConfig, client: &Wire, errand: &Errand, auth: &Auth, token: &str) -> Told {
    let PaymentIntent { op: OpId(op), order, at_ms, .. } = errand.intent();
    let mut url = config.base.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    let asked = client.client().post({
        match errand {
            Errand::Send(_) => url.set_path(&format!("{path}/v1/payments")),
            Errand::Resolve(_) => url.set_path(&format!("{path}/v1/payments/{op}/resolve")),
        }
        url
    });
    let body = Body {
        op_id: op,
        cause: order.cause,
        recipient: &order.recipient,
        subject: &order.subject,
        amount: order.amount,
        price_version: &order.price_version,
        at_ms: *at_ms,
    };
    let request =
        asked.timeout(config.request_timeout).header("idempotency-key", op).bearer_auth(token).json(&body);
    let resolving = matches!(errand, Errand::Resolve(_));
    let mut response = match client.send(request).await {
        Ok(response) => response,
        // Without a connection not a byte has left.
        Err(error) if error.never_left() && !resolving => return Told::not_taken(None),
        Err(_) => return Told::unclear(),
    };
    let status = response.status();
    let wait = crate::telemetry::post::retry_after(response.headers());
    let mut read = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        config.meter.add(chunk.len());
        read.extend_from_slice(&chunk);
        if read.len() > MAX_ANSWER_BYTES {
            return Told::unclear();
        }
    }
    match status {
        StatusCode::UNAUTHORIZED => {
            // Refreshed for the next try; whether that gave one shows then.
            let _ = auth.renew(token).await;
            if resolving { Told { wait, ..Told::unclear() } } else { Told::not_taken(wait) }
        }
        StatusCode::TOO_MANY_REQUESTS if !resolving => Told::not_taken(wait),
        status if status.is_success() || (status.is_client_error() && is_final(status)) => {
            let answer: Option<Answer> = serde_json::from_slice(&read).ok();
            let fact = match answer.as_ref().map(|answer| answer.state) {
                Some(State::Confirmed) if status.is_success() => PaymentFact::Done,
                Some(State::Declined) => PaymentFact::Refused,
                Some(State::Void) if resolving && status.is_success() => PaymentFact::Void,
                // A refusal needs no words of the server's; that it was done does.
                None if status.is_client_error() && !resolving => PaymentFact::Refused,
                _ => PaymentFact::Unclear,
            };
            let (reason, coins) = answer.map_or((None, None), |answer| (answer.reason, answer.coins));
            let reason = match reason.filter(|reason| !reason.is_empty()) {
                None if fact == PaymentFact::Refused => format!("status {}", status.as_u16()),
                reason => reason.unwrap_or_default(),
            };
            // Figures beside an answer that is not understood are not believed either.
            let coins = coins.filter(|_| fact != PaymentFact::Unclear);
            Told { fact, reason, coins, wait }
        }
        _ => Told { wait, ..Told::unclear() },
    }
}

/// Whether a 4xx says that the request will never be carried out. A conflict says that it may be under way.
fn is_final(status: StatusCode) -> bool {
    !matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::CONFLICT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::NOT_FOUND
    )
}
