//! The command line, for this crate's own program and for any other that embeds it as a subcommand.
//!
//! Without a subcommand it serves until SIGTERM, ctrl-c, `POST /control/shutdown` or the end of `--parent-pid`, and says
//! where on standard output: one line of JSON, `{"listening":"http://…","control":"http://…"}`, with `--tls` also `tls`,
//! `ca` and `pin`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use crate::error::OriginError;
use crate::network::NetworkSettings;
use crate::serve::{Config, Media, serve};
use crate::{api, maker, parent};

/// The reference server of Unspool.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct OriginArgs {
    /// Something else than serving.
    #[command(subcommand)]
    pub command: Option<OriginCommand>,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Something else than serving.
#[derive(Debug, Clone, Subcommand)]
pub enum OriginCommand {
    /// Print the OpenAPI document of the native contract
    Openapi,
    /// Make the clips of the catalogue, print their folder and exit
    Catalogue(CatalogueArgs),
}

/// Which clips, and where they are kept.
#[derive(Debug, Clone, Args)]
pub struct CatalogueArgs {
    /// Folder of made clips [default: $XDG_CACHE_HOME or ~/.cache, then unspool/catalogue]
    #[arg(long, value_name = "DIR")]
    pub catalogue_cache: Option<PathBuf>,
    /// Make and use only the first N clips
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub clips: usize,
}

impl CatalogueArgs {
    fn cache(&self) -> PathBuf {
        self.catalogue_cache.clone().unwrap_or_else(maker::default_cache)
    }
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address of the main listener; port 0 lets the system choose
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Address of the control listener, which asks for no credentials
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    pub control: SocketAddr,
    /// Serve over TLS too, at this address; the authority's certificate is written to ca.pem in the state folder
    #[arg(long, value_name = "HOST:PORT")]
    pub tls: Option<SocketAddr>,
    /// Another server of the same media and signing.key, http(s)://host:port, to be named in every rendition; repeatable
    #[arg(long = "alternate", value_name = "BASE")]
    pub alternates: Vec<String>,
    /// Folder for access.jsonl, telemetry.jsonl and origin.db [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Serve the videos of this folder instead of the catalogue
    #[arg(long, value_name = "DIR")]
    pub media: Option<PathBuf>,
    /// Which clips to serve.
    #[command(flatten)]
    pub catalogue: CatalogueArgs,
    /// Items of the feed
    #[arg(long, value_name = "N", default_value_t = 72)]
    pub feed_items: usize,
    /// Seconds a signed address lives
    #[arg(long, value_name = "N", default_value_t = 3600)]
    pub url_ttl_s: u64,
    /// Read telemetry in zstd too, and say so with every answer to it
    #[arg(long)]
    pub zstd: bool,
    /// The network at the start: JSON as for PUT /control/network, a file of it, or a two-column trace file
    #[arg(long, value_name = "JSON_OR_FILE")]
    pub network: Option<String>,
    /// Exit when this process is gone
    #[arg(long, value_name = "PID")]
    pub parent_pid: Option<u32>,
}

impl ServeArgs {
    fn config(&self) -> Result<Config, OriginError> {
        Ok(Config {
            listen: self.listen,
            control: self.control,
            tls: self.tls,
            alternates: self.alternates.clone(),
            state: self.state.clone(),
            media: match &self.media {
                Some(folder) => Media::Folder(folder.clone()),
                None => Media::Catalogue { cache: self.catalogue.cache(), clips: self.catalogue.clips },
            },
            feed_items: self.feed_items,
            url_ttl: Duration::from_secs(self.url_ttl_s),
            zstd: self.zstd,
            network: self
                .network
                .as_deref()
                .map(NetworkSettings::from_argument)
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

/// The line that says where the server listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// `http://host:port` of the main listener.
    pub listening: String,
    /// `http://host:port` of the control listener.
    pub control: String,
    /// `https://host:port` of the TLS listener, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// File with the certificate (PEM) of the TLS listener's authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The TLS listener's key as clients pin it, `sha256/<base64>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

/// Does what the command line says; returns when it is done or when the server was asked to stop.
///
/// # Errors
/// As [`serve`]; also when standard output cannot be written.
pub async fn run(args: OriginArgs) -> Result<(), OriginError> {
    match args.command {
        Some(OriginCommand::Openapi) => say(&api::openapi_json()),
        Some(OriginCommand::Catalogue(args)) => {
            let cache = args.cache();
            tokio::select! {
                made = maker::make(&cache, args.clips) => made.map(drop)?,
                () = stop_signal() => return Ok(()),
            }
            say(&format!("{}\n", cache.display()))
        }
        None => run_server(&args.serve).await,
    }
}

async fn run_server(args: &ServeArgs) -> Result<(), OriginError> {
    let config = args.config()?;
    let leave = async {
        match args.parent_pid {
            Some(pid) => tokio::select! {
                () = parent::gone(pid) => tracing::info!(pid, "the parent is gone"),
                () = stop_signal() => {}
            },
            None => stop_signal().await,
        }
    };
    tokio::pin!(leave);
    let mut running = tokio::select! {
        running = serve(config) => running?,
        () = &mut leave => return Ok(()),
    };
    let credentials = running.tls.as_ref().map(|(_, credentials)| credentials);
    let ready = Ready {
        listening: running.url(),
        control: running.control_url(),
        tls: running.tls_url(),
        ca: credentials.map(|credentials| credentials.ca.clone()),
        pin: credentials.map(|credentials| credentials.pin.clone()),
    };
    say(&format!("{}\n", serde_json::to_string(&ready).unwrap_or_default()))?;
    tokio::select! {
        () = running.stopped() => {}
        () = &mut leave => running.shutdown().await,
    }
    Ok(())
}

fn say(text: &str) -> Result<(), OriginError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(OriginError::io("cannot write", "standard output"))
}

/// Resolves at SIGTERM or ctrl-c.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
