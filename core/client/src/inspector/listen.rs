//! The listening socket, its connections, and the turn in which figures are gathered for those who look.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use unspool_media::Impatient;

use super::answer::{Shared, answer};

/// Connections at once. 12: a browser opens six to one server, and two people may look.
const CONNECTIONS: usize = 12;
/// Time for the head of a request, also the longest idle time between two: a head is one packet over loopback.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Time in which a page must take something of what it is told. A debugger may hold a tab for a while; it connects anew.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of a head, and header fields: browsers send about 1 KiB and 15 fields.
const HEAD: usize = 8 * 1024;
const FIELDS: usize = 48;
/// Figures are gathered this often while somebody looks: a person follows four pictures a second.
const EVERY: Duration = Duration::from_millis(250);
/// And what the feed tells in any case this often: it remembers more than a minute of the fastest swiping.
const ANYWAY: u32 = 4;
/// Pause after a failed accept: descriptors may be short, and trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is stopped; every connection ends with it.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let mut tasks = JoinSet::new();
    let mut open: BTreeMap<u64, (Arc<AtomicBool>, AbortHandle)> = BTreeMap::new();
    let mut next = 0_u64;
    tasks.spawn(gather(Arc::clone(&shared)));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                open.retain(|_, (_, task)| !task.is_finished());
                if open.len() >= CONNECTIONS && !make_room(&mut open) {
                    // Everyone here has the token and is being served; the newcomer has to try again.
                    drop(stream);
                    continue;
                }
                next += 1;
                let known = Arc::new(AtomicBool::new(false));
                let task = tasks.spawn(connection(stream, Arc::clone(&shared), Arc::clone(&known)));
                open.insert(next, (known, task));
            }
            Err(error) => {
                tracing::debug!(%error, "the inspector could not accept a connection");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    drop(listener);
    tasks.shutdown().await;
}

/// Ends the oldest connection that never showed the token; whether there was one.
fn make_room(open: &mut BTreeMap<u64, (Arc<AtomicBool>, AbortHandle)>) -> bool {
    let stranger = open.iter().find(|(_, (known, _))| !known.load(Ordering::Relaxed)).map(|(n, _)| *n);
    let Some((_, task)) = stranger.and_then(|number| open.remove(&number)) else { return false };
    task.abort();
    true
}

/// Gathers what the feeds tell, and makes the figures while somebody looks.
async fn gather(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0_u32;
    loop {
        ticks.tick().await;
        if shared.now.receiver_count() > 0 {
            shared.figures.gather().await;
            let figures = shared.figures.json();
            // Without a session there is nothing new, and soon no inspector.
            if !figures.is_null() {
                shared.now.send_replace(Some(Arc::new(figures)));
            }
        } else if turn.is_multiple_of(ANYWAY) {
            shared.figures.listen();
        }
        turn = turn.wrapping_add(1);
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, known: Arc<AtomicBool>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, known) = (Arc::clone(&shared), Arc::clone(&known));
        async move {
            if shared.guard.knows(request.uri().path()) {
                known.store(true, Ordering::Relaxed);
            }
            Ok::<_, Infallible>(answer(&shared, request).await)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD)
        .max_headers(FIELDS)
        .serve_connection(TokioIo::new(Impatient::new(stream, TAKEN_WITHIN)), service)
        .await;
    if let Err(error) = served {
        // An idle one ends so, too: at `Debug` this would be most of what the page shows.
        tracing::trace!(%error, "a connection of the inspector ended early");
    }
}
