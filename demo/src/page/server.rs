//! The page's HTTP server: its files, one stream of events for each page, commands and what players tell.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::Stream;
use futures_util::stream::poll_fn;
use http::{StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use unspool::inspector::FILES;

use super::commands::{self, Command};
use super::guard::{self, Guard};
use super::inspect;
use super::native;
use super::phone::Phone;
use super::players::Told;
use super::relay::relay;
use super::report;

/// The inspector's figures are sent this often.
pub const EVERY: Duration = Duration::from_millis(250);
/// The phone's state is sent at most this often; wishes to players never wait for it.
const APART: Duration = Duration::from_millis(40);
/// Events a page may be behind.
const BEHIND: usize = 64;

/// What the handlers share.
#[derive(Clone)]
pub struct Shared {
    /// The phone.
    pub phone: Arc<Phone>,
    /// What the far side said last.
    pub origin: watch::Receiver<Value>,
    /// Asks the core's gateway.
    pub gateway: reqwest::Client,
}

/// Name, type and text of every file of the page but those of the inspector.
const OWN: [(&str, &str, &str); 10] = [
    ("app.js", SCRIPT, include_str!("../../web/app.js")),
    ("link.js", SCRIPT, include_str!("../../web/link.js")),
    ("players.js", SCRIPT, include_str!("../../web/players.js")),
    ("native.js", SCRIPT, include_str!("../../web/native.js")),
    ("phone.js", SCRIPT, include_str!("../../web/phone.js")),
    ("sheets.js", SCRIPT, include_str!("../../web/sheets.js")),
    ("time.js", SCRIPT, include_str!("../../web/time.js")),
    ("beside.js", SCRIPT, include_str!("../../web/beside.js")),
    ("network.js", SCRIPT, include_str!("../../web/network.js")),
    ("style.css", STYLE, include_str!("../../web/style.css")),
];
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PAGE: &str = include_str!("../../web/index.html");

/// Everything below the token.
pub fn router(shared: Shared, guard: Guard) -> Router {
    let mut pages = Router::new()
        .route("/{token}/", get(|| async { file(HTML, PAGE) }))
        .route("/{token}/events", get(events))
        .route("/{token}/do", post(run))
        .route("/{token}/told", post(told))
        .route("/{token}/picture", get(native::picture));
    pages = pages.route("/{token}/report.html", get(report));
    pages = pages.route("/{token}/media/{gateway}/{rendition}/{name}", get(relay));
    let inspector = FILES.map(|file| (file.name, file.kind, file.text));
    for (name, kind, text) in OWN.into_iter().chain(inspector) {
        pages = pages.route(&format!("/{{token}}/{name}"), get(move || async move { file(kind, text) }));
    }
    pages.with_state(shared).layer(axum::middleware::from_fn_with_state(guard, guard::check))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn run(State(shared): State<Shared>, Json(command): Json<Command>) -> Response {
    match commands::run(&shared.phone, command).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (StatusCode::CONFLICT, Json(json!({ "error": error.to_string() }))).into_response(),
    }
}

/// The report so far, to be kept: on this server its scripts would not run.
async fn report(State(shared): State<Shared>) -> Response {
    let told = shared.phone.history.told(&inspect::figures(&shared.phone, &shared.origin.borrow()));
    let kept = (header::CONTENT_DISPOSITION, "attachment; filename=\"unspool-report.html\"");
    ([(header::CONTENT_TYPE, HTML), kept], report::page(&told)).into_response()
}

async fn told(State(shared): State<Shared>, Json(told): Json<Vec<Told>>) -> StatusCode {
    told.into_iter().for_each(|told| shared.phone.hub.tell(told));
    StatusCode::NO_CONTENT
}

async fn events(State(shared): State<Shared>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (send, mut events) = mpsc::channel(BEHIND);
    tokio::spawn(serve(shared, send));
    let stream = poll_fn(move |context| events.poll_recv(context).map(|event| event.map(Ok)));
    Sse::new(stream).keep_alive(KeepAlive::new())
}

/// Sends one page what it needs until it is gone or another one took the phone.
async fn serve(shared: Shared, page: mpsc::Sender<Event>) {
    let Shared { phone, origin, .. } = shared;
    let (number, mut wishes) = phone.hub.attach();
    phone.came();
    let mut changes = phone.changes();
    let mut ticks = tokio::time::interval(EVERY);
    let (mut revision, mut line) = (0, 0);
    let send = async |name: &str, value: &Value| {
        page.send(Event::default().event(name).data(value.to_string())).await
    };
    let mut fine = send("phone", &phone.shown()).await.is_ok();
    while fine {
        let feed = phone.feed().ok();
        let newer = async {
            match &feed {
                // A feed that ended tells nothing new.
                Some(feed) => match feed.snapshot_after(revision).await {
                    Ok(snapshot) => snapshot.revision,
                    Err(_) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        fine = tokio::select! {
            biased;
            wish = wishes.recv() => match wish {
                Some(wish) => send("player", &wish).await.is_ok(),
                None => {
                    let _ = send("taken", &json!({})).await;
                    false
                }
            },
            () = page.closed() => false,
            _ = ticks.tick() => {
                phone.listen();
                let lines = phone.figures.tail().after(line);
                line = lines.last().map_or(line, |last| last.n);
                let mut figures = inspect::figures(&phone, &origin.borrow());
                figures["log"] = json!(lines);
                send("figures", &figures).await.is_ok()
            }
            _ = changes.changed() => {
                // Another feed may have begun, whose revisions start over.
                revision = phone.feed().map_or(0, |feed| feed.snapshot().revision);
                send("phone", &phone.shown()).await.is_ok()
            }
            newest = newer => {
                revision = newest;
                let sent = send("phone", &phone.shown()).await.is_ok();
                tokio::select! {
                    () = tokio::time::sleep(APART) => sent,
                    wish = wishes.recv() => match wish {
                        Some(wish) => sent && send("player", &wish).await.is_ok(),
                        None => false,
                    },
                }
            }
        };
    }
    if phone.hub.detach(number) {
        phone.left();
    }
}
