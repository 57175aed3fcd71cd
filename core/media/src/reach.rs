//! Which hosts requests may go to.
//!
//! What concerns a person (pages, records, wishes, words, money) goes to the backend that the configuration names and
//! nowhere else. Bytes of videos come from the hosts that the app lists. A [`Wire`](crate::Wire) compares every request and
//! every step of a redirection with it before a connection is made.

use std::str::FromStr;

use url::{Host, Url};

use crate::outbound::OutboundPurpose;

/// Hosts by scheme, name and port, as `https://cdn.example`, `https://*.cdn.example:8443` or `https://*`.
///
/// A star in front stands for any name below, `a.cdn.example` and `b.a.cdn.example`, but not `cdn.example` itself; a star
/// alone for any host. Without a port the scheme's own is meant, with `:*` any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    https: bool,
    name: Name,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Any,
    Exactly(String),
    Below(String),
    Loopback,
}

/// A text that names no hosts; see [`HostPattern`] for those that do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no hosts: write them as https://cdn.example, https://*.cdn.example:8443 or https://*")]
pub struct PatternError(String);

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = || PatternError(text.chars().take(64).collect());
        let (rest, any_port) = match text.strip_suffix(":*") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let url = Url::parse(rest).map_err(|_| wrong())?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !plain || url.fragment().is_some() || url.path() != "/" || rest.ends_with('/') {
            return Err(wrong());
        }
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        let host = url.host_str().ok_or_else(wrong)?;
        let name = match host.strip_prefix("*.") {
            _ if host == "*" => Name::Any,
            Some(below) => Name::Below(below.to_owned()),
            None => Name::Exactly(host.to_owned()),
        };
        if matches!(&name, Name::Below(name) | Name::Exactly(name) if name.is_empty() || name.contains('*')) {
            return Err(wrong());
        }
        let port = if any_port { None } else { url.port_or_known_default() };
        Ok(HostPattern { https, name, port })
    }
}

impl HostPattern {
    /// Scheme, host and port of an address.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let name = Name::Exactly(url.host_str()?.to_owned());
        Some(HostPattern { https: url.scheme() == "https", name, port: url.port_or_known_default() })
    }

    /// The host of an address and the names below it, at any port; this whole device for an address on it.
    #[must_use]
    pub fn around(url: &Url) -> Vec<Self> {
        if is_loopback(url) {
            return Self::this_device();
        }
        let Some(host) = url.host_str() else { return Vec::new() };
        let names = match url.host() {
            Some(Host::Domain(_)) => vec![Name::Exactly(host.to_owned()), Name::Below(host.to_owned())],
            _ => vec![Name::Exactly(host.to_owned())],
        };
        let https = url.scheme() == "https";
        names.into_iter().map(|name| HostPattern { https, name, port: None }).collect()
    }

    /// Any host over HTTPS, at any port, and this device.
    #[must_use]
    pub fn anywhere() -> Vec<Self> {
        let mut patterns = Self::this_device();
        patterns.push(HostPattern { https: true, name: Name::Any, port: None });
        patterns
    }

    fn this_device() -> Vec<Self> {
        let on = |https| HostPattern { https, name: Name::Loopback, port: None };
        vec![on(true), on(false)]
    }

    /// Whether an address is on one of the hosts.
    #[must_use]
    pub fn covers(&self, url: &Url) -> bool {
        let scheme = if self.https { "https" } else { "http" };
        let host = url.host_str().unwrap_or_default();
        let named = match &self.name {
            Name::Any => !host.is_empty(),
            Name::Exactly(name) => host == name,
            Name::Below(name) => {
                host.strip_suffix(name.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            }
            Name::Loopback => is_loopback(url),
        };
        named
            && url.scheme() == scheme
            && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

/// Where requests may go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Where the backend is; `None` for anywhere.
    pub backend: Option<Vec<HostPattern>>,
    /// Where media may be; `None` for anywhere that media may be fetched from at all.
    pub media: Option<Vec<HostPattern>>,
}

impl Reach {
    /// Whether a request for `purpose` may go to `url`.
    #[must_use]
    pub fn covers(&self, purpose: OutboundPurpose, url: &Url) -> bool {
        let hosts = match purpose {
            OutboundPurpose::Media | OutboundPurpose::Prewarm => &self.media,
            _ => &self.backend,
        };
        hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|host| host.covers(url)))
    }
}

/// Whether an address is on this device.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, url: &str) -> bool {
        pattern.parse::<HostPattern>().unwrap().covers(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_pattern_covers_its_scheme_its_names_and_its_port_and_nothing_else() {
        for (pattern, inside, outside) in [
            (
                "https://cdn.example",
                vec!["https://cdn.example/a?b#c", "https://CDN.example:443/", "https://u:p@cdn.example/"],
                vec![
                    "http://cdn.example/",
                    "https://cdn.example:444/",
                    "https://a.cdn.example/",
                    "https://cdn.example.evil/",
                    "https://cdn.example@evil/",
                    "https://evilcdn.example/",
                ],
            ),
            (
                "https://*.cdn.example:8443",
                vec!["https://a.cdn.example:8443/", "https://b.a.cdn.example:8443/"],
                vec!["https://cdn.example:8443/", "https://evilcdn.example:8443/", "https://a.cdn.example/"],
            ),
            ("https://*", vec!["https://a/", "https://[::1]/"], vec!["http://a/", "https://a:1/"]),
            (
                "http://127.0.0.1:*",
                vec!["http://127.0.0.1/", "http://127.0.0.1:9/"],
                vec!["http://127.0.0.2/"],
            ),
            ("http://[::1]:8", vec!["http://[::1]:8/"], vec!["http://[::1]/", "http://[::2]:8/"]),
            (
                "https://b\u{fc}cher.example",
                vec!["https://xn--bcher-kva.example/"],
                vec!["https://bcher.example/"],
            ),
        ] {
            for url in inside {
                assert!(covers(pattern, url), "{pattern} covers {url}");
            }
            for url in outside {
                assert!(!covers(pattern, url), "{pattern} does not cover {url}");
            }
        }
    }

    #[test]
    fn around_an_address_are_its_host_and_the_names_below_it() {
        let covers = |base: &str, url: &str| {
            let (base, url) = (Url::parse(base).unwrap(), Url::parse(url).unwrap());
            HostPattern::around(&base).iter().any(|pattern| pattern.covers(&url))
        };
        let base = "https://api.example/base";
        assert!(covers(base, "https://api.example:99/a") && covers(base, "https://cdn.api.example/a"));
        for outside in
            ["https://example/", "https://cdn.example/", "http://api.example/", "http://127.0.0.1/"]
        {
            assert!(!covers(base, outside), "{outside}");
        }
        assert!(covers("http://127.0.0.1:1", "http://localhost:2/a"));
        assert!(!covers("http://127.0.0.1:1", "http://127.0.0.1.example/"));
        assert!(
            covers("http://10.0.0.1", "http://10.0.0.1:8/")
                && !covers("http://10.0.0.1", "http://a.10.0.0.1.b/")
        );
        let anywhere =
            |url: &str| HostPattern::anywhere().iter().any(|p| p.covers(&Url::parse(url).unwrap()));
        assert!(anywhere("https://a.b:9/") && anywhere("http://[::1]:9/") && !anywhere("http://a.b/"));
    }

    #[test]
    fn what_names_no_hosts_is_refused() {
        for wrong in [
            "",
            "*",
            "cdn.example",
            "ftp://cdn.example",
            "https://",
            "https://a/b",
            "https://a/",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://a.*",
            "https://*.*.a",
            "https://a*b",
            "https://*a",
            "https://a:x",
        ] {
            assert!(wrong.parse::<HostPattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_concerns_a_person_goes_to_the_backend_alone() {
        let reach = Reach {
            backend: Some(vec!["https://api.example".parse().unwrap()]),
            media: Some(vec!["https://cdn.example".parse().unwrap()]),
        };
        let (api, cdn) =
            (Url::parse("https://api.example/v1").unwrap(), Url::parse("https://cdn.example/a").unwrap());
        for purpose in OutboundPurpose::ALL {
            let media = matches!(purpose, OutboundPurpose::Media | OutboundPurpose::Prewarm);
            assert_eq!(
                (reach.covers(purpose, &api), reach.covers(purpose, &cdn)),
                (!media, media),
                "{purpose:?}"
            );
        }
        assert!(Reach::default().covers(OutboundPurpose::Feed, &cdn));
    }
}
