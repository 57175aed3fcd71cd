//! The gateway against nginx: whole files and single ranges over kept connections, from the same disk through the same
//! page cache.
//!
//! nginx hands the file to the kernel (`sendfile`); ours looks up spans, copies, and follows what may still be growing.
//! Where no nginx is to be found the rows have no peer, and miss their aim.
//!
//! A pass takes some ten milliseconds, and one in which the machine did something else says nothing. So there are many, ours
//! and the peer's in turn, each is compared with the one next to it, and the middle of those ratios is the row's. Beside
//! the time on the clock stands the processor time of the serving side, which other work on the machine hardly moves.

mod cpu;
mod nginx;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use unspool_engine::MediaKey;
use unspool_media::{Gateway, GatewayLimits, Media};

use super::Effort;
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::median;
use cpu::Cpu;
use nginx::Nginx;

/// Files read in a pass, whoever of the clients reads them.
const FILES: usize = 8;
/// Ranges asked for in a pass, and the bytes of one: what a player asks for to look something up.
const RANGES: usize = 1024;
const RANGE: u64 = 64 << 10;
/// Bytes a client takes at once.
const PIECE: usize = 256 << 10;
/// The peer, and what stands in its place where there is none.
const PEER: &str = "nginx serving the file";
const MISSING: &str = "no nginx: apt-get install nginx-light";
/// Time for the gateway to end.
const END: Duration = Duration::from_secs(5);

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
        cpu: Cpu::Ours,
    };
    let nginx = Nginx::start(plain)?;
    if nginx.is_none() {
        eprintln!(
            "unspool-bench: the gateway has no peer; install Debian's package nginx-light, or set UNSPOOL_NGINX to \
             the path of an nginx"
        );
    }
    let mut rows = Vec::new();
    for (asked, name, unit, one) in [
        (Asked::Files, "reading a cached file", "MiB/s", "µs/MiB"),
        (Asked::Ranges, "asking for ranges of 64 KiB", "requests/s", "µs/request"),
    ] {
        for clients in [1, 8] {
            let mut rounds = Rounds::default();
            // The first round warms both up and is not counted.
            for round in 0..=effort.rounds(40, 2) {
                // Who goes first changes from round to round.
                let first = if round % 2 == 0 { None } else { peer(nginx.as_ref(), clients, asked)? };
                let measured = ours.pass(clients, asked)?;
                let peer = if first.is_some() { first } else { peer(nginx.as_ref(), clients, asked)? };
                if round > 0 {
                    rounds.push(measured, peer);
                }
            }
            let name = format!("gateway, {clients} client{} {name}", if clients == 1 { "" } else { "s" });
            let of = if nginx.is_some() { PEER } else { MISSING };
            rows.push(rounds.speed.row(name.clone(), unit, of).aim(">= 0.7x")?);
            rows.push(rounds.cpu.row(format!("{name}, processor time"), one, of));
        }
    }
    handle.block_on(gateway.shutdown(END));
    Ok(rows)
}

fn peer(nginx: Option<&Nginx>, clients: usize, asked: Asked) -> Result<Option<Pass>, BenchError> {
    nginx.map(|nginx| nginx.server.pass(clients, asked)).transpose()
}

/// What a pass gave.
#[derive(Debug, Clone, Copy)]
struct Pass {
    /// MiB or ranges per second.
    speed: f64,
    /// Microseconds of processor time for one of them, on the serving side; `None` where the system does not say.
    cpu: Option<f64>,
}

/// Passes, each of ours next to one of the peer's.
#[derive(Debug, Default)]
struct Rounds {
    speed: Pairs,
    cpu: Pairs,
}

impl Rounds {
    fn push(&mut self, ours: Pass, theirs: Option<Pass>) {
        self.speed.push(Some(ours.speed), theirs.map(|pass| pass.speed));
        self.cpu.push(ours.cpu, theirs.and_then(|pass| pass.cpu));
    }
}

/// One figure of the rounds.
#[derive(Debug, Default)]
struct Pairs {
    ours: Vec<f64>,
    theirs: Vec<f64>,
    ratios: Vec<f64>,
}

impl Pairs {
    fn push(&mut self, ours: Option<f64>, theirs: Option<f64>) {
        self.ours.extend(ours);
        self.theirs.extend(theirs);
        self.ratios.extend(ours.zip(theirs).map(|(ours, theirs)| ours / theirs));
    }

    fn row(&self, name: String, unit: &'static str, peer: &str) -> Row {
        Row::new(name, unit, self.ours.len(), median(&self.ours))
            .against(peer, median(&self.theirs))
            .paired(median(&self.ratios))
    }
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
    cpu: Cpu,
}

impl Server {
    /// One pass over `clients` connections, which share the work.
    fn pass(&self, clients: usize, asked: Asked) -> Result<Pass, BenchError> {
        let begin = Barrier::new(clients + 1);
        let (files, ranges) = (FILES / clients, RANGES / clients);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..clients)
                .map(|_| {
                    scope.spawn(|| {
                        let connected = TcpStream::connect(self.address);
                        begin.wait();
                        let used = cpu::of_this_thread();
                        let mut stream = connected?;
                        let mut buffer = vec![0; PIECE];
                        match asked {
                            Asked::Files => {
                                (0..files).try_for_each(|_| self.read(&mut stream, &mut buffer, None))
                            }
                            Asked::Ranges => (0..ranges as u64).try_for_each(|n| {
                                // Steps of a prime number of ranges, which come by every place of the file.
                                let place = n * 7_919 % (self.size / RANGE) * RANGE;
                                self.read(&mut stream, &mut buffer, Some(place))
                            }),
                        }?;
                        Ok::<_, BenchError>(cpu::of_this_thread() - used)
                    })
                })
                .collect();
            let used = self.cpu.used();
            begin.wait();
            let begun = Instant::now();
            let mut reading = 0.0;
            for reader in readers {
                reading += reader
                    .join()
                    .map_err(|_| BenchError::step("reading over HTTP")("a client panicked"))??;
            }
            let took = begun.elapsed().as_secs_f64();
            let used = self.cpu.used().zip(used).map(|(now, before)| now - before);
            let done = clients as f64
                * match asked {
                    Asked::Files => files as f64 * self.size as f64 / f64::from(1 << 20),
                    Asked::Ranges => ranges as f64,
                };
            let cpu = used.map(|used| (used - self.cpu.shared(reading)) / done);
            Ok(Pass { speed: done / took, cpu })
        })
    }

    /// Asks for the file, or for a range of it, and takes all of it.
    fn read(&self, stream: &mut TcpStream, buffer: &mut [u8], range: Option<u64>) -> Result<(), BenchError> {
        let failed = |what: &'static str| BenchError::step("reading over HTTP")(what);
        let (wanted, status, bytes) = match range {
            None => (String::new(), "HTTP/1.1 200", self.size),
            Some(at) => (format!("Range: bytes={at}-{}\r\n", at + RANGE - 1), "HTTP/1.1 206", RANGE),
        };
        // In one piece, so that it leaves in one packet.
        let asked = format!("GET /{} HTTP/1.1\r\nHost: {}\r\n{wanted}\r\n", self.path, self.address);
        stream.write_all(asked.as_bytes())?;
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
            match stream.read(buffer)? {
                0 => return Err(failed("the file ended early")),
                some => left -= some as u64,
            }
        }
        Ok(())
    }
}
