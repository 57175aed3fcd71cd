//! Noticing that the process that started this one is gone, however it went.

use std::path::PathBuf;
use std::time::Duration;

/// How long the server may outlive its parent.
const POLL: Duration = Duration::from_millis(250);

/// Waits until process `pid` is gone. When it is this process's parent, a change of parent tells (also where there is no
/// `/proc`); otherwise `/proc` does, and where that is missing the future never resolves.
pub async fn gone(pid: u32) {
    #[cfg(unix)]
    if std::os::unix::process::parent_id() == pid {
        while std::os::unix::process::parent_id() == pid {
            tokio::time::sleep(POLL).await;
        }
        return;
    }
    if !PathBuf::from("/proc/self/stat").exists() {
        tracing::warn!(pid, "not the parent and no /proc: its end will not be noticed");
        return std::future::pending().await;
    }
    let born = birth(pid);
    while born.is_some() && birth(pid) == born {
        tokio::time::sleep(POLL).await;
    }
}

/// When a living process began, in clock ticks since boot, so that a reused number is not taken for it; `None` for one
/// that is gone or a zombie.
fn birth(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything; fields are counted after the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_living_have_a_birth_and_the_dead_have_none() {
        assert_eq!(birth(std::process::id()), birth(std::process::id()));
        assert!(birth(std::process::id()).is_some());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(birth(pid), None);
    }
}
