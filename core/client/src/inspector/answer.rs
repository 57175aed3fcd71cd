//! What is answered: the files of the page, one stream of events for each page, and changes where they are taken.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use unspool_media::tasks;

use super::act::{self, Act};
use super::figures::Figures;
use super::guard::{self, Guard};
use crate::session::Faint;

/// Bytes of a change. The largest names a topic, of 100 characters at most.
const ASKED: usize = 4 * 1024;
/// Time for the body of a change to arrive: one packet over loopback.
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// Messages a page may be behind; then it is waited for, and told the newest.
const BEHIND: usize = 2;

/// A file of the page.
#[derive(Debug, Clone, Copy)]
pub struct PageFile {
    /// Its name, as the page asks for it.
    pub name: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// All of it.
    pub text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const fn file(name: &'static str, kind: &'static str, text: &'static str) -> PageFile {
    PageFile { name, kind, text }
}

/// The files of the page, for whoever shows the inspector beside something of their own. The first is the page itself.
pub const FILES: [PageFile; 8] = [
    file("page.html", HTML, include_str!("../../inspector/page.html")),
    file("page.js", SCRIPT, include_str!("../../inspector/page.js")),
    file("dom.js", SCRIPT, include_str!("../../inspector/dom.js")),
    file("inspector.js", SCRIPT, include_str!("../../inspector/inspector.js")),
    file("learner.js", SCRIPT, include_str!("../../inspector/learner.js")),
    file("inspector.css", STYLE, include_str!("../../inspector/inspector.css")),
    file("uPlot.css", STYLE, include_str!("../../inspector/vendor/uPlot.min.css")),
    file("uPlot.js", SCRIPT, include_str!("../../inspector/vendor/uPlot.iife.min.js")),
];

/// What the connections of one inspector share.
pub(super) struct Shared {
    pub(super) figures: Arc<Figures>,
    pub(super) session: Faint,
    /// The figures of the last turn, once there are any; made while somebody listens.
    pub(super) now: watch::Sender<Option<Arc<Value>>>,
    pub(super) guard: Guard,
}

/// The body of an answer: a text, or messages until nobody sends any more.
pub(super) enum Told {
    Text(Option<Bytes>),
    Stream(mpsc::Receiver<Bytes>),
}

impl Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            Told::Text(text) => Poll::Ready(text.take()),
            Told::Stream(messages) => messages.poll_recv(cx),
        };
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Told::Text(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Told::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Told::Stream(_) => SizeHint::default(),
        }
    }
}

/// Answers one request.
pub(super) async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Told> {
    let path = request.uri().path().to_owned();
    let mut response = match shared.guard.refusal(request.method(), &path, request.headers()) {
        Some(status) => plain(status),
        None => {
            let name = path.splitn(3, '/').nth(2);
            match (request.method(), name) {
                (&Method::GET, Some("")) => text(FILES[0].kind, FILES[0].text),
                (&Method::GET, Some("events")) => stream(shared),
                (&Method::POST, Some("act")) => change(shared, request.into_body()).await,
                (&Method::GET, Some(name)) => match FILES[1..].iter().find(|file| file.name == name) {
                    Some(file) => text(file.kind, file.text),
                    None => plain(StatusCode::NOT_FOUND),
                },
                _ => plain(StatusCode::NOT_FOUND),
            }
        }
    };
    guard::protect(response.headers_mut());
    response
}

fn plain(status: StatusCode) -> Response<Told> {
    let mut response = Response::new(Told::Text(None));
    *response.status_mut() = status;
    response
}

fn text(kind: &'static str, text: impl Into<Bytes>) -> Response<Told> {
    let mut response = Response::new(Told::Text(Some(text.into())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn said(status: StatusCode, value: &Value) -> Response<Told> {
    let mut response = text("application/json", value.to_string());
    *response.status_mut() = status;
    response
}

/// The figures and the newest lines of the log, again and again, until the page is gone.
fn stream(shared: &Arc<Shared>) -> Response<Told> {
    let (page, messages) = mpsc::channel(BEHIND);
    let (mut now, tail) = (shared.now.subscribe(), shared.figures.tail().clone());
    let writable = shared.guard.writable;
    tasks::spawn(async move {
        let mut line = 0;
        now.mark_changed();
        loop {
            // Ends with the page, with the connection, and with the inspector.
            tokio::select! {
                () = page.closed() => return,
                changed = now.changed() => if changed.is_err() { return },
            }
            let Some(figures) = now.borrow_and_update().clone() else { continue };
            let lines = tail.after(line);
            line = lines.last().map_or(line, |last| last.n);
            let mut figures = (*figures).clone();
            figures["log"] = json!(lines);
            figures["writable"] = writable.into();
            let message = format!("event: figures\ndata: {figures}\n\n");
            if page.send(message.into()).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(Told::Stream(messages));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// Takes a change of what was learnt.
async fn change(shared: &Shared, body: Incoming) -> Response<Told> {
    let refused = |status, why: &str| said(status, &json!({ "error": why }));
    let asked = match tokio::time::timeout(BODY_WITHIN, collect(body)).await {
        Ok(Ok(asked)) => asked,
        Ok(Err(status)) => return plain(status),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT),
    };
    let act: Act = match serde_json::from_slice(&asked) {
        Ok(act) => act,
        Err(_) => return refused(StatusCode::BAD_REQUEST, "no such change"),
    };
    let Some(session) = shared.session.upgrade() else {
        return refused(StatusCode::CONFLICT, "the session has ended");
    };
    match act::run(&session, act).await {
        Ok(answer) => said(StatusCode::OK, &answer),
        Err(error) => refused(StatusCode::CONFLICT, &error.to_string()),
    }
}

/// A body of bounded length.
async fn collect(body: Incoming) -> Result<Vec<u8>, StatusCode> {
    let mut body = pin!(body);
    let declared = body.size_hint().lower();
    let mut all = Vec::new();
    if declared > ASKED as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        if all.len() + data.len() > ASKED {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        all.extend_from_slice(&data);
    }
    Ok(all)
}
