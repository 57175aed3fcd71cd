//! Sends money intents, one of a wallet at a time, and asks what became of those whose answer did not come.
//!
//! `POST <base>/v1/payments` with `{"op_id","cause","recipient","subject","amount","price_version","at_ms"}` and the
//! `Idempotency-Key`; `POST <base>/v1/payments/<op>/resolve` with an empty object closes the key. Both answer
//! `{"state":"confirmed"|"declined"|"void","reason","coins"}`, `void` only to the second. Any other answer says nothing
//! about what was done, and is asked about again.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, StatusCode, Url};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use unspool_engine::payment::PaymentFact;
use unspool_engine::{Backoff, Millis};

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
    online: Arc<watch::Sender<bool>>,
    again: Arc<Notify>,
}

impl TellerHandle {
    /// Says whether there is a network. Coming online ends a back-off.
    pub fn set_online(&self, online: bool) {
        self.online.send_replace(online);
        self.again.notify_one();
    }

    /// Somebody signed in, or something was confirmed: look again now.
    pub fn nudge(&self) {
        self.again.notify_one();
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
}

impl Teller {
    /// Starts the task that carries the money intents of `outbox` out on `runtime`.
    #[must_use]
    pub fn spawn(
        outbox: Outbox,
        config: TellerConfig,
        client: Client,
        online: bool,
        runtime: &tokio::runtime::Handle,
    ) -> TellerHandle {
        let (online, hears) = watch::channel(online);
        let again = Arc::new(Notify::new());
        runtime.spawn(run(outbox, config, client, hears, Arc::clone(&again)));
        TellerHandle { online: Arc::new(online), again }
    }
}

async fn run(
    outbox: Outbox,
    config: TellerConfig,
    client: Client,
    mut online: watch::Receiver<bool>,
    again: Arc<Notify>,
) {
    let mut money = outbox.0.money.subscribe();
    let mut backoff = Backoff::new(config.backoff_base, config.backoff_cap, config.seed);
    loop {
        money.mark_unchanged();
        let mut until = None;
        if *online.borrow_and_update() {
            match round(&outbox, &config, &client).await {
                Ok(None) => backoff.reset(),
                Ok(Some(wait)) => until = Some(wait.max(backoff.fail())),
                Err(error) => {
                    tracing::warn!(%error, "the wallet could not be read; it is tried again");
                    until = Some(backoff.fail());
                }
            }
        }
        let sleep = async {
            match until {
                Some(wait) => tokio::time::sleep_until(Instant::now() + Duration::from_millis(wait.0)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = again.notified() => {}
            changed = money.changed() => if changed.is_err() { return },
            changed = online.changed() => if changed.is_err() { return },
        }
    }
}

/// Runs errands until none is left; gives the wait after one that told nothing.
async fn round(
    outbox: &Outbox,
    config: &TellerConfig,
    client: &Client,
) -> Result<Option<Millis>, OutboxError> {
    let mut wait: Option<Millis> = None;
    let reading = outbox.clone();
    for actor in blocking(move || reading.write(wallet::actors)).await? {
        // Without its actor a wallet waits, and nobody waits behind it.
        let Some(auth) = (config.tokens)(&actor) else { continue };
        loop {
            // A token is had first: what cannot be sent must not be written down as sent.
            let Ok(token) = auth.token().await else {
                wait = Some(wait.unwrap_or(Millis(0)));
                break;
            };
            let (asking, whose) = (outbox.clone(), actor.clone());
            let wall_ms =
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
            let Some(errand) = blocking(move || asking.next_errand(&whose, wall_ms)).await? else { break };
            let told = send(config, client, &errand, &auth, &token).await;
            let (writing, op) = (outbox.clone(), errand.intent().op.clone());
            let Told { fact, reason, coins, wait: asked } = told;
            blocking(move || writing.payment_fact(&op, fact, &reason, coins)).await?;
            if matches!(fact, PaymentFact::Unclear | PaymentFact::NotTaken) {
                wait = Some(asked.unwrap_or(Millis(0)).max(wait.unwrap_or(Millis(0))));
                break;
            }
        }
    }
    Ok(wait)
}

async fn send(config: &TellerConfig, client: &Client, errand: &Errand, auth: &Auth, token: &str) -> Told {
    let PaymentIntent { op: OpId(op), order, at_ms, .. } = errand.intent();
    let mut url = config.base.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    let asked = client.post({
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
    let Ok(mut response) = request.send().await else { return Told::unclear() };
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
    let resolving = matches!(errand, Errand::Resolve(_));
    match status {
        StatusCode::UNAUTHORIZED => {
            // Refreshed for the next try; whether that gave one shows then.
            let _ = auth.renew(token).await;
            Told {
                fact: if resolving { PaymentFact::Unclear } else { PaymentFact::NotTaken },
                wait,
                ..Told::unclear()
            }
        }
        StatusCode::TOO_MANY_REQUESTS if !resolving => {
            Told { fact: PaymentFact::NotTaken, wait, ..Told::unclear() }
        }
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
            Told {
                fact,
                reason: reason.unwrap_or_else(|| format!("status {}", status.as_u16())),
                coins,
                wait,
            }
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

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OutboxError> + Send + 'static,
) -> Result<T, OutboxError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(OutboxError::Store(crate::spool::SpoolError::Storage { code: 0 })),
    }
}
