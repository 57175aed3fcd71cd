//! The gateway against nginx: whole files and single ranges over kept connections, from the same disk through the same
//! page cache.
//!
//! nginx hands the file to the kernel (`sendfile`); ours looks up spans, copies, and follows what may still be growing.
//! Where no nginx is to be found the rows have no peer, and miss their aim.

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
/// Ranges each client asks for in a pass, and the bytes of one: what a player asks for to look something up.
const RANGES: u64 = 256;
const RANGE: u64 = 64 << 10;
/// Bytes a client takes at once.
const PIECE: usize = 256 << 10;
/// The peer, and what stands in its place where there is none.
const PEER: &str = "nginx serving the file";
const MISSING: &str = "no nginx: apt-get install nginx-light";
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
    if nginx.is_none() {
        eprintln!(
            "unspool-bench: the gateway has no peer; install Debian's package nginx-light, or set UNSPOOL_NGINX to \
             the path of an nginx"
        );
    }
    let mut rows = Vec::new();
    for (asked, name, unit) in [
        (Asked::Files, "reading a cached file", "MiB/s"),
        (Asked::Ranges, "asking for ranges of 64 KiB", "requests/s"),
    ] {
        for clients in [1, 8] {
            let (mut mine, mut theirs) = (Vec::new(), Vec::new());
            // The first round warms both up and is not counted.
            for round in 0..=effort.rounds(10, 2) {
                // Who goes first changes from round to round.
                let first = if round % 2 == 0 { None } else { peer(nginx.as_ref(), clients, asked)? };
                let measured = ours.pass(clients, asked)?;
                let peer = if first.is_some() { first } else { peer(nginx.as_ref(), clients, asked)? };
                if round > 0 {
                    mine.push(measured);
                    theirs.extend(peer);
                }
            }
            let name = format!("gateway, {clients} client{} {name}", if clients == 1 { "" } else { "s" });
            let of = if nginx.is_some() { PEER } else { MISSING };
            let row = Row::new(name, unit, mine.len(), median(&mine));
            rows.push(row.against(of, median(&theirs)).aim(">= 0.7x")?);
        }
    }
    handle.block_on(gateway.shutdown(START));
    Ok(rows)
}

fn peer(nginx: Option<&Nginx>, clients: usize, asked: Asked) -> Result<Option<f64>, BenchError> {
    nginx.map(|nginx| nginx.server.pass(clients, asked)).transpose()
}

/// What the clients of a pass ask for.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Files,
    Ranges,
}

/// An HTTP server with a file of known length.
struct Server {
    address: SocketAddr,
    path: String,
    size: u64,
}

impl Server {
    /// Over `clients` connections: MiB per second of whole files, or ranges per second.
    fn pass(&self, clients: usize, asked: Asked) -> Result<f64, BenchError> {
        let begin = Barrier::new(clients + 1);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..clients)
                .map(|_| {
                    scope.spawn(|| {
                        let connected = TcpStream::connect(self.address);
                        begin.wait();
                        let mut stream = connected?;
                        match asked {
                            Asked::Files => (0..FILES).try_for_each(|_| self.read(&mut stream, None)),
                            Asked::Ranges => (0..RANGES).try_for_each(|n| {
                                // Steps of a prime number of ranges, which come by every place of the file.
                                let place = n * 7_919 % (self.size / RANGE) * RANGE;
                                self.read(&mut stream, Some(place))
                            }),
                        }
                    })
                })
                .collect();
            begin.wait();
            let begun = Instant::now();
            for reader in readers {
                reader.join().map_err(|_| BenchError::step("reading over HTTP")("a client panicked"))??;
            }
            let all = match asked {
                Asked::Files => FILES as f64 * self.size as f64 / f64::from(1 << 20),
                Asked::Ranges => RANGES as f64,
            };
            Ok(clients as f64 * all / begun.elapsed().as_secs_f64())
        })
    }

    /// Asks for the file, or for a range of it, and takes all of it.
    fn read(&self, stream: &mut TcpStream, range: Option<u64>) -> Result<(), BenchError> {
        let failed = |what: &'static str| BenchError::step("reading over HTTP")(what);
        let (wanted, status, bytes) = match range {
            None => (String::new(), "HTTP/1.1 200", self.size),
            Some(at) => (format!("Range: bytes={at}-{}\r\n", at + RANGE - 1), "HTTP/1.1 206", RANGE),
        };
        // In one piece, so that it leaves in one packet.
        let asked = format!("GET /{} HTTP/1.1\r\nHost: {}\r\n{wanted}\r\n", self.path, self.address);
        stream.write_all(asked.as_bytes())?;
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
        if !buffer.starts_with(status.as_bytes()) {
            return Err(failed("it is not served"));
        }
        let mut left = bytes - (got - head) as u64;
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
