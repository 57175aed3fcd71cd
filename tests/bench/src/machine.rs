//! What the figures were measured on.

use serde::Serialize;

/// The machine, as far as it says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Machine {
    /// Processors this program may use.
    pub(crate) cpus: usize,
    /// Their model.
    pub(crate) model: String,
    /// Gigabytes (2^30 bytes) of memory.
    pub(crate) memory_gb: f64,
    /// Operating system and kernel.
    pub(crate) os: String,
    /// Load of the last minute when the bench began; empty where the system does not tell.
    pub(crate) load: Vec<f64>,
    /// The compiler on the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rustc: Option<String>,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let model = field(&read("/proc/cpuinfo"), "model name", ':')
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let kilobytes: f64 = field(&read("/proc/meminfo"), "MemTotal", ':')
            .and_then(|text| text.split_whitespace().next()?.parse().ok())
            .unwrap_or(0.0);
        let system = field(&read("/etc/os-release"), "PRETTY_NAME", '=')
            .unwrap_or_else(|| std::env::consts::OS.to_owned());
        let kernel = read("/proc/sys/kernel/osrelease");
        let load = read("/proc/loadavg");
        let rustc = std::process::Command::new("rustc")
            .arg("--version")
            .output()
            .ok()
            .filter(|out| out.status.success())
            .map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
        Machine {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            model,
            memory_gb: (kilobytes / 1024.0 / 1024.0 * 10.0).round() / 10.0,
            os: format!("{system} {}", kernel.trim()).trim().to_owned(),
            load: load.split_whitespace().next().and_then(|text| text.parse().ok()).into_iter().collect(),
            rustc,
        }
    }

    /// The machine on one line.
    pub(crate) fn line(&self) -> String {
        let load = self.load.first().map(|load| format!(" · load {load:.1}")).unwrap_or_default();
        let rustc = self.rustc.as_ref().map(|rustc| format!(" · {rustc}")).unwrap_or_default();
        format!("{} × {} · {} GB · {}{load}{rustc}", self.cpus, self.model, self.memory_gb, self.os)
    }
}

/// The first `key` of lines that say `key<separator>value`.
fn field(text: &str, key: &str, separator: char) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(separator)?;
        (name.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
    })
}
