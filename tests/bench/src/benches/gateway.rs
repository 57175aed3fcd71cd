//! The gateway against nginx: whole files over kept connections, from the same disk through the same page cache.
//!
//! nginx hands the file to the kernel (`sendfile`); ours looks up spans, copies, and follows what may still be growing.
//! Where no nginx is to be found the rows have no peer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use unspool_engine::MediaKey;
use unspool_media::{Gateway, GatewayLimits, Media};

use super::Effort;
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::median;

/// Files each client reads in a pass.
const FILES: usize = 4;
/// Bytes a client takes at once.
const PIECE: usize = 256 << 10;
/// Time for nginx to listen.
const START: Duration = Duration::from_secs(5);

/// Rows for a rendition that is held whole and the same bytes in `plain`.
pub(super) fn rows(
    effort: Effort,
    media: &std::sync::Arc<Media>,
    key: &MediaKey,
    plain: &Path,
    handle: &tokio::runtime::Handle,
) -> Result<Vec<Row>, BenchError> {
    let gateway = Gateway::open(media.clone(), GatewayLimits::default(), handle.clone())
        .map_err(BenchError::step("opening the gateway"))?;
    let address = gateway.url(key).map_err(BenchError::step("opening the gateway"))?;
    let rest = address.strip_prefix("http://").and_then(|rest| rest.split_once('/'));
    let (_, path) = rest.ok_or(BenchError::step("opening the gateway")("its address has no path"))?;
    let ours = Server {
        address: gateway.address().map_err(BenchError::step("opening the gateway"))?,
        path: path.to_owned(),
        size: plain.metadata()?.len(),
    };
    let nginx = Nginx::start(plain)?;
    let mut rows = Vec::new();
    for clients in [1, 8] {
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        // The first round warms both up and is not counted.
        for round in 0..=effort.rounds(10, 2) {
            let measured = ours.pass(clients)?;
            let peer = nginx.as_ref().map(|nginx| nginx.server.pass(clients)).transpose()?;
            if round > 0 {
                mine.push(measured);
                theirs.extend(peer);
            }
        }
        let name =
            format!("gateway, {clients} client{} reading a cached file", if clients == 1 { "" } else { "s" });
        let row = Row::new(name, "MiB/s", mine.len(), median(&mine));
        rows.push(match nginx {
            Some(_) => row.against("nginx serving the file", median(&theirs)).aim(">= 0.7x")?,
            None => row,
        });
    }
    handle.block_on(gateway.shutdown(START));
    Ok(rows)
}

/// An HTTP server with a file of known length.
struct Server {
    address: SocketAddr,
    path: String,
    size: u64,
}

impl Server {
    /// MiB per second over `clients` connections that read the file several times each.
    fn pass(&self, clients: usize) -> Result<f64, BenchError> {
        let begin = Barrier::new(clients + 1);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..clients)
                .map(|_| {
                    scope.spawn(|| {
                        let connected = TcpStream::connect(self.address);
                        begin.wait();
                        let mut stream = connected?;
                        (0..FILES).try_for_each(|_| self.read(&mut stream))
                    })
                })
                .collect();
            begin.wait();
            let begun = Instant::now();
            for reader in readers {
                reader.join().map_err(|_| BenchError::step("reading over HTTP")("a client panicked"))??;
            }
            let bytes = (clients * FILES) as f64 * self.size as f64;
            Ok(bytes / f64::from(1 << 20) / begun.elapsed().as_secs_f64())
        })
    }

    /// Asks for the file and takes all of it.
    fn read(&self, stream: &mut TcpStream) -> Result<(), BenchError> {
        let failed = |what: &'static str| BenchError::step("reading over HTTP")(what);
        write!(stream, "GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", self.path, self.address)?;
        let mut buffer = vec![0; PIECE];
        let mut got = 0;
        let head = loop {
            got += match stream.read(&mut buffer[got..])? {
                0 => return Err(failed("no answer")),
                some => some,
            };
            if let Some(end) = buffer[..got].windows(4).position(|part| part == b"\r\n\r\n") {
                break end + 4;
            }
        };
        if !buffer.starts_with(b"HTTP/1.1 200") {
            return Err(failed("it is not served"));
        }
        let mut left = self.size - (got - head) as u64;
        while left > 0 {
            match stream.read(&mut buffer)? {
                0 => return Err(failed("the file ended early")),
                some => left -= some as u64,
            }
        }
        Ok(())
    }
}

/// A running nginx over one folder; ends when dropped.
struct Nginx {
    server: Server,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts it over the folder of `file`; `None` where there is none to start.
    fn start(file: &Path) -> Result<Option<Nginx>, BenchError> {
        let Some(program) = program() else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let root = file.parent().unwrap_or(file).display();
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = folder.path().join("nginx.conf");
        let dir = folder.path().display();
        std::fs::write(
            &config,
            format!(
                "user root;\nworker_processes auto;\ndaemon off;\npid {dir}/pid;\nerror_log {dir}/error.log;\n\
                 events {{ worker_connections 64; }}\n\
                 http {{\n access_log off;\n sendfile on;\n tcp_nopush on;\n keepalive_requests 100000;\n\
                 client_body_temp_path {dir}/a;\n proxy_temp_path {dir}/b;\n fastcgi_temp_path {dir}/c;\n\
                 uwsgi_temp_path {dir}/d;\n scgi_temp_path {dir}/e;\n\
                 server {{ listen {address}; root {root}; }}\n}}\n"
            ),
        )?;
        let process = Command::new(program)
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let path = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let server = Server { address, path, size: file.metadata()?.len() };
        let nginx = Nginx { server, process, _folder: folder };
        let until = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                return Err(BenchError::step("starting nginx")("it does not listen"));
            }
            std::thread::yield_now();
        }
        Ok(Some(nginx))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers when it is told to; killing it would leave them.
        let told = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        if told.is_none_or(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_err()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// `UNSPOOL_NGINX`, or where Debian puts it.
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("UNSPOOL_NGINX").map(PathBuf::from);
    named.into_iter().chain([PathBuf::from("/usr/sbin/nginx")]).find(|program| program.is_file())
}
