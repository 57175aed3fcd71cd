//! The paths to each CDN host: one estimate of the throughput each, and one of them all for a host not met yet.

use std::collections::BTreeMap;

use crate::throughput::{Memory, NetworkClass, Remembered, Throughput};
use crate::time::Millis;

/// Hosts told apart; a feed uses a handful of CDNs.
const MAX_HOSTS: usize = 16;

/// What is known of every path.
#[derive(Debug, Clone)]
pub struct Links {
    class: NetworkClass,
    memory: Memory,
    all: Throughput,
    hosts: BTreeMap<String, Throughput>,
}

impl Default for Links {
    fn default() -> Self {
        Links::new(NetworkClass::Unknown, Memory::default())
    }
}

impl Links {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(class: NetworkClass, memory: Memory) -> Self {
        Links { class, memory, all: Throughput::cold(class, memory), hosts: BTreeMap::new() }
    }

    /// The device says what kind of network it is on. If that is another one than before, what was measured says nothing
    /// of it and is forgotten; answers whether it was.
    pub fn handle_class(&mut self, class: NetworkClass) -> bool {
        let changed = self.class != class;
        if changed {
            *self = Links::new(class, self.memory);
        }
        changed
    }

    /// Takes up what an earlier session measured, by host; the empty name is all of them.
    pub fn restore(&mut self, past: &BTreeMap<String, Remembered>, unix_ms: i64) {
        for (host, record) in past.iter().take(MAX_HOSTS + 1) {
            let estimate = Throughput::remembered(self.class, self.memory, record, unix_ms);
            if host.is_empty() {
                self.all = estimate;
            } else {
                self.hosts.insert(host.clone(), estimate);
            }
        }
    }

    /// What the next session should know, by host; the empty name is all of them.
    #[must_use]
    pub fn remember(&self, unix_ms: i64) -> BTreeMap<String, Remembered> {
        let hosts = self.hosts.iter().map(|(h, t)| (h.as_str(), t)).chain([("", &self.all)]);
        hosts.filter_map(|(h, t)| Some((h.to_owned(), t.remember(unix_ms)?))).collect()
    }

    /// Takes one finished transfer from a host.
    pub fn sample(&mut self, host: &str, bytes: u64, first_byte: Millis, transfer: Millis) {
        let cold = self.all.clone();
        self.all.sample(bytes, first_byte, transfer);
        if !host.is_empty() && (self.hosts.contains_key(host) || self.hosts.len() < MAX_HOSTS) {
            self.hosts.entry(host.to_owned()).or_insert(cold).sample(bytes, first_byte, transfer);
        }
    }

    /// Takes in that a transfer under way has brought only so much.
    pub fn at_most(&mut self, host: &str, bytes: u64, elapsed: Millis) {
        self.all.at_most(bytes, elapsed);
        if let Some(path) = self.hosts.get_mut(host) {
            path.at_most(bytes, elapsed);
        }
    }

    /// The estimate for a host.
    #[must_use]
    pub fn to(&self, host: &str) -> &Throughput {
        self.hosts.get(host).unwrap_or(&self.all)
    }

    /// The estimate over all hosts.
    #[must_use]
    pub fn all(&self) -> &Throughput {
        &self.all
    }
}

/// The host of an address, with its port; empty where there is none.
#[must_use]
pub fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_its_own_estimate_and_a_new_one_that_of_all() {
        let mut links = Links::default();
        for _ in 0..20 {
            links.sample("fast", 1_000_000, Millis(20), Millis(400));
            links.sample("slow", 100_000, Millis(200), Millis(800));
        }
        assert!(links.to("fast").mean_mbps() > 15.0 && links.to("slow").mean_mbps() < 1.1);
        let other = links.to("other").mean_mbps();
        assert!((1.0..20.0).contains(&other), "{other}");
        let past = links.remember(5);
        let mut again = Links::default();
        again.restore(&past, 5);
        assert!(again.to("slow").mean_mbps() < 1.3, "{}", again.to("slow").mean_mbps());
        again.handle_class(NetworkClass::Cellular5g);
        assert!(again.to("slow").mean_mbps() > 10.0, "another network is another matter");
    }

    #[test]
    fn hosts_are_read_off_addresses() {
        assert_eq!(host("https://cdn.example:8443/a/b?c"), "cdn.example:8443");
        assert_eq!(host("http://u:p@h#x"), "h");
        assert_eq!(host("nonsense"), "");
    }
}
