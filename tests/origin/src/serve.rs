//! Starting and stopping the server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::AccessLog;
use crate::api::{self, App};
use crate::catalogue::Catalogue;
use crate::conn::{ConnInfo, ConnListener};
use crate::control::{self, Control};
use crate::error::OriginError;
use crate::faults::Faults;
use crate::feed::{Feeds, MAX_ITEMS};
use crate::gate::{self, Gate};
use crate::moderation::Moderation;
use crate::network::NetworkSettings;
use crate::shaper::Shaper;
use crate::sign::Signer;
use crate::store::Store;
use crate::tls::{self, Credentials, TlsListener};
use crate::tokens::Revoked;
use crate::{folder, maker};

/// How long open exchanges may go on after a stop is asked for.
const GRACE: Duration = Duration::from_millis(1000);

/// Send buffer of a connection, bytes. The system's own grows to megabytes, and what sits in it when a client hangs up is
/// logged as handed over although it was never received; this bounds the difference.
const SEND_BUFFER: u32 = 64 * 1024;
/// Most other servers, as many as clients use.
const MAX_ALTERNATES: usize = 8;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// What to serve.
#[derive(Debug, Clone)]
pub enum Media {
    /// Made clips under an invented feed.
    Catalogue {
        /// Where clips are kept.
        cache: PathBuf,
        /// How many.
        clips: usize,
    },
    /// The videos of a folder, as they are.
    Folder(PathBuf),
}

/// How to serve.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the main listener; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Address of the control listener.
    pub control: SocketAddr,
    /// Address of the TLS listener, which serves the same as the main one; none when absent.
    pub tls: Option<SocketAddr>,
    /// `scheme://authority` of other servers of the same media and the same `signing.key` in their state folders: every
    /// rendition names them as alternates.
    pub alternates: Vec<String>,
    /// Folder for `access.jsonl`, `telemetry.jsonl`, `origin.db`; a temporary one, removed at the end, when absent.
    pub state: Option<PathBuf>,
    /// What to serve.
    pub media: Media,
    /// Items of the invented feed.
    pub feed_items: usize,
    /// How long signed addresses live.
    pub url_ttl: Duration,
    /// Whether telemetry may come in zstd; every answer to it says so then.
    pub zstd: bool,
    /// The network at the start.
    pub network: NetworkSettings,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Config {
            listen: loopback,
            control: loopback,
            tls: None,
            alternates: Vec::new(),
            state: None,
            media: Media::Catalogue { cache: maker::default_cache(), clips: 24 },
            feed_items: 72,
            url_ttl: Duration::from_secs(3600),
            zstd: false,
            network: NetworkSettings::default(),
        }
    }
}

/// A server that runs. Dropping it asks it to stop without waiting.
#[derive(Debug)]
pub struct Running {
    /// Address of the main listener.
    pub address: SocketAddr,
    /// Address of the control listener.
    pub control_address: SocketAddr,
    /// Address of the TLS listener and what its clients need to know, where there is one.
    pub tls: Option<(SocketAddr, Credentials)>,
    /// The state folder.
    pub state: PathBuf,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
    _temporary: Option<TempDir>,
}

impl Running {
    /// `http://host:port` of the main listener.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `https://host:port` of the TLS listener, where there is one.
    #[must_use]
    pub fn tls_url(&self) -> Option<String> {
        self.tls.as_ref().map(|(address, _)| format!("https://{address}"))
    }

    /// `http://host:port` of the control listener.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control_address)
    }

    /// Waits until the server has stopped, because of [`Running::shutdown`] or of `POST /control/shutdown`.
    ///
    /// Dropping the future changes nothing.
    pub async fn stopped(&mut self) {
        if let Some(task) = &mut self.task {
            if let Err(error) = task.await {
                tracing::error!(%error, "the server failed");
            }
            self.task = None;
        }
    }

    /// Stops: no new connections, open exchanges get a second, then connections are cut. A temporary state folder is
    /// removed.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        self.stopped().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Starts a server. Makes missing clips first, which takes a minute or two the first time; dropping the future stops
/// that. Needs a tokio runtime with time and I/O, which must outlive the server.
///
/// # Errors
/// When a setting is out of bounds, clips cannot be made, or a folder or an address cannot be used.
pub async fn serve(config: Config) -> Result<Running, OriginError> {
    let url_ttl_ms = check(&config)?;
    let shaper = Arc::new(Shaper::new(config.network.clone())?);
    let catalogue = load(&config.media).await?;
    let feeds = Feeds::new(&catalogue, config.feed_items);
    let (state, temporary) = state_folder(config.state.as_deref())?;
    let access = AccessLog::open(&state)?;
    let faults = Arc::new(Faults::default());
    let (listener, address) = listen(config.listen)?;
    let (control_listener, control_address) = listen(config.control)?;
    let encrypted = match config.tls {
        Some(address) => {
            let (acceptor, credentials) = tls::acceptor(&state)?;
            let (listener, address) = listen(address)?;
            Some((TlsListener::new(listener, shaper.clone(), acceptor), (address, credentials)))
        }
        None => None,
    };
    let (encrypted, tls) = encrypted.unzip();
    let app = Arc::new(App {
        catalogue,
        feeds,
        store: Store::open(&state)?,
        signer: Signer::of_state(&state)?,
        url_ttl_ms,
        zstd: config.zstd,
        base: format!("http://{address}"),
        alternates: config.alternates,
        revoked: Revoked::default(),
        moderation: Moderation::default(),
    });
    let stop = watch::Sender::new(false);
    let gate = Gate { shaper: shaper.clone(), faults: faults.clone(), access: access.clone() };
    let main = api::router(app.clone()).layer(axum::middleware::from_fn_with_state(gate, gate::gate));
    let control =
        control::router(Control { app, shaper: shaper.clone(), faults, access, stop: stop.clone() });
    let service = main.into_make_service_with_connect_info::<ConnInfo>();
    let encrypted = encrypted.map(|listener| {
        axum::serve(listener, service.clone()).with_graceful_shutdown(asked(stop.subscribe())).into_future()
    });
    let main = axum::serve(ConnListener::new(listener, shaper.clone()), service)
        .with_graceful_shutdown(asked(stop.subscribe()));
    let control = axum::serve(control_listener, control).with_graceful_shutdown(asked(stop.subscribe()));
    let stopping = stop.subscribe();
    let task = tokio::spawn(async move {
        let cut = async {
            asked(stopping).await;
            tokio::time::sleep(GRACE).await;
            shaper.cut_all();
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            _ = async { tokio::join!(main.into_future(), control.into_future(), OptionFuture::from(encrypted)) } => {}
            () = cut => {}
        }
    });
    tracing::info!(%address, %control_address, state = %state.display(), "serving");
    Ok(Running { address, control_address, tls, state, stop, task: Some(task), _temporary: temporary })
}

async fn asked(mut stop: watch::Receiver<bool>) {
    // An error means the sender is gone, and with it everyone who could ask for more.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn check(config: &Config) -> Result<i64, OriginError> {
    let is_base = |base: &String| {
        base.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some()
                && !base.ends_with('/')
                && uri.path_and_query().is_none_or(|path| path == "/")
        })
    };
    if config.alternates.len() > MAX_ALTERNATES || !config.alternates.iter().all(is_base) {
        return Err(OriginError::Setting {
            name: "alternate",
            why: format!("must be http(s)://host:port without a path, at most {MAX_ALTERNATES} of them"),
        });
    }
    if !(1..=MAX_ITEMS).contains(&config.feed_items) {
        return Err(OriginError::Setting {
            name: "feed-items",
            why: format!("must lie within 1..={MAX_ITEMS}"),
        });
    }
    i64::try_from(config.url_ttl.as_millis())
        .map_err(|_| OriginError::Setting { name: "url-ttl-s", why: "is too long".to_owned() })
}

async fn load(media: &Media) -> Result<Catalogue, OriginError> {
    match media {
        Media::Catalogue { cache, clips } => {
            let records = maker::make(cache, *clips).await?;
            let cache = cache.clone();
            tokio::task::spawn_blocking(move || Catalogue::of_clips(&cache, &records)).await?
        }
        Media::Folder(path) => {
            let memory = maker::default_cache();
            // Without a place for hashes they are computed at every start.
            let _ = std::fs::create_dir_all(&memory);
            folder::load(path, &memory).await
        }
    }
}

fn state_folder(wanted: Option<&Path>) -> Result<(PathBuf, Option<TempDir>), OriginError> {
    match wanted {
        Some(path) => {
            std::fs::create_dir_all(path).map_err(OriginError::io("cannot create", path))?;
            Ok((path.to_owned(), None))
        }
        None => {
            let temporary = tempfile::Builder::new()
                .prefix("unspool-origin-")
                .tempdir()
                .map_err(OriginError::io("cannot create a folder in", std::env::temp_dir()))?;
            Ok((temporary.path().to_owned(), Some(temporary)))
        }
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), OriginError> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bind().map_err(|source| OriginError::Listen { address, source })
}
