//! The live inspector: a page on the loopback interface that shows what a session does, for debug builds of an app.
//!
//! Any program of the device, and any website in a browser on it, can reach a loopback port. So nothing is reachable by
//! address alone: the path begins with 128 random bits, compared in constant time; `Host` must be a name of this device,
//! which a website that rebinds its own cannot say; there are no CORS headers, and what a page of it may do is in its
//! content security policy. It answers questions only, unless it was asked to be writable: then the person's weights can be
//! changed, by a page of its own origin.
//!
//! Connections are bounded in number and time, requests in bytes, the page in what it is told: it sees what the session itself
//! shows, no token and no address of media. It ends with the session, and holds none open.

mod act;
mod answer;
mod figures;
mod guard;
mod listen;
mod person;
mod story;
mod tail;
mod words;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::Error;
use crate::session::Unspool;
use guard::Guard;

pub(crate) use figures::Watched;

pub use answer::{FILES, PageFile};
pub use figures::Figures;
pub use person::{resting, time};
pub use tail::{LogLine, Tail};
pub use words::stage;

/// Inspectors of one session at once. One for each of a few people; every one keeps a list of what happened.
const MOST: usize = 4;

/// How to serve the inspector.
#[derive(Debug, Clone, Default)]
pub struct InspectorOptions {
    /// Port on 127.0.0.1; 0, the default, lets the system choose a free one.
    pub port: u16,
    /// Whether the person's weights and what was learnt may be changed from the page; default: they may only be looked at.
    pub writable: bool,
    /// The log the page shows, beside what the feeds tell. Whoever writes a log may write it here, too.
    pub log: Tail,
}

/// A running inspector. It ends when this is dropped, by [`stop`](Inspector::stop), and with the session.
#[derive(Debug)]
pub struct Inspector {
    address: SocketAddr,
    url: String,
    stop: CancellationToken,
    ended: watch::Receiver<()>,
}

impl Inspector {
    /// The address to open in a browser on this device. Whoever knows it may look, so it belongs in no log of a release build.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens; always on 127.0.0.1.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it: when this returns the port is closed, and every page that was open with it. Idempotent; dropped, the end comes
    /// all the same. Any executor.
    pub async fn stop(&self) {
        self.stop.cancel();
        let mut ended = self.ended.clone();
        // Nothing is ever sent: the task's end closes it.
        while ended.changed().await.is_ok() {}
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Unspool {
    /// Serves the live inspector on 127.0.0.1 until the answer is dropped or the session ends. Returns at once; everything runs on
    /// the session's own threads, and nobody who only looks keeps the session open. At most 4 at once.
    ///
    /// For debug builds: compile the feature `inspector` into them alone.
    ///
    /// # Errors
    /// [`Error::Config`] for a port that is taken and for a fifth inspector, [`Error::Internal`] when the device gives no port or
    /// no random bytes, [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown).
    pub fn inspect(&self, options: InspectorOptions) -> Result<Inspector, Error> {
        self.check()?;
        let room = &self.core().inspectors;
        if room.tasks.len() >= MOST {
            return Err(Error::Config { reason: format!("more than {MOST} inspectors at once") });
        }
        let InspectorOptions { port, writable, log } = options;
        let no_port = |e: std::io::Error| match port {
            0 => Error::Internal { reason: format!("no loopback port: {e}") },
            port => Error::Config { reason: format!("port {port}: {e}") },
        };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(no_port)?;
        listener.set_nonblocking(true).map_err(no_port)?;
        let address = listener.local_addr().map_err(no_port)?;
        let listener = {
            let _entered = self.handle().enter();
            tokio::net::TcpListener::from_std(listener).map_err(no_port)?
        };
        let token = guard::token()?;
        let url = format!("http://{address}/{token}/");
        let stop = room.stop.child_token();
        let shared = answer::Shared {
            figures: Arc::new(Figures::of(self, log)),
            session: self.faint(),
            now: watch::Sender::new(None),
            guard: Guard { token, writable },
        };
        let (running, ended) = watch::channel(());
        let serving = listen::serve(listener, Arc::new(shared), stop.clone());
        room.tasks.spawn_on(
            async move {
                serving.await;
                drop(running);
            },
            self.handle(),
        );
        // A session that began to end meanwhile has not seen it.
        if let Err(error) = self.check() {
            stop.cancel();
            return Err(error);
        }
        Ok(Inspector { address, url, stop, ended })
    }
}

/// The inspectors of a session.
#[derive(Debug, Default)]
pub(crate) struct Inspectors {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Inspectors {
    /// Ends them all; their tasks wait for nothing.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
