//! The peer: Debian's nginx as it comes, serving one folder.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Cpu, Server};
use crate::error::BenchError;

/// Time for nginx to listen.
const START: Duration = Duration::from_secs(5);

/// A running nginx over one folder; ends when dropped.
pub(super) struct Nginx {
    pub(super) server: Server,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts it over the folder of `file`; `None` where there is none to start.
    pub(super) fn start(file: &Path) -> Result<Option<Nginx>, BenchError> {
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
        // From here on a failure ends it.
        let path = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let server =
            Server { address, path, size: file.metadata()?.len(), cpu: Cpu::ChildrenOf(process.id()) };
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
