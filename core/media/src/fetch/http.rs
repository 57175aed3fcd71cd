//! The HTTP client: one per media layer, with the rules about where a request may go.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};
use reqwest::redirect::{Attempt, Policy};
use unspool_engine::Span;
use url::{Host, Url};

use super::cmcd::Data;
use super::{Cmcd, FetchError, Limits};
use crate::media::MediaError;
use crate::outbound::{Answer, Outbound, OutboundPurpose, Wire};
use crate::tls::{TlsConfig, distrust};

/// Idle connections live this long: longer than the pause between two swipes, shorter than servers keep them (60 s).
pub(super) const IDLE: Duration = Duration::from_secs(45);

/// The part of the patience with a silent server that a connection may take to come about; less than all of it, so
/// that a host that does not answer is told apart from one that is slow.
const CONNECT_SHARE: f64 = 0.75;

/// A client that follows the rules.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    wire: Wire,
    allow_plain: bool,
    trust: Arc<TlsConfig>,
    stall: Duration,
}

impl Http {
    /// Builds the client: HTTP/2 where a server offers it over TLS, HTTP/1.1 otherwise.
    pub(crate) fn new(
        user_agent: &str,
        allow_plain: bool,
        trust: TlsConfig,
        limits: &Limits,
        log: Outbound,
    ) -> Result<Self, MediaError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Another crate of the app may have been first; its provider is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let max = limits.max_redirects;
        let trust = Arc::new(trust);
        let (pinned, hops) = (trust.clone(), log.clone());
        let client = reqwest::Client::builder()
            .user_agent(user_agent)
            .connect_timeout(limits.stall_timeout.mul_f64(CONNECT_SHARE))
            .pool_idle_timeout(IDLE)
            .no_proxy()
            .redirect(Policy::custom(move |attempt| follow(attempt, max, allow_plain, &pinned, &hops)))
            .tls_backend_preconfigured(trust.client_config()?)
            .build()
            .map_err(|error| MediaError::Client(error.to_string()))?;
        let wire = Wire::new(client, log, OutboundPurpose::Media);
        Ok(Http { wire, allow_plain, trust, stall: limits.stall_timeout })
    }

    /// A URL that may be fetched.
    pub(crate) fn check(&self, text: &str) -> Result<Url, FetchError> {
        let url = Url::parse(text).map_err(|_| FetchError::Refused("not an absolute URL"))?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_pinned(&self.trust, &url) => Err(FetchError::Refused("plain HTTP to a pinned host")),
            "http" if self.allow_plain || is_loopback(&url) => Ok(url),
            "http" => Err(FetchError::Refused("plain HTTP to another machine")),
            _ => Err(FetchError::Refused("neither HTTP nor HTTPS")),
        }
    }

    /// Asks for `span` and waits for the response head.
    pub(crate) async fn get(
        &self,
        mut url: Url,
        span: Span,
        if_range: Option<&str>,
        said: Option<(Cmcd, Data)>,
    ) -> Result<Answer, FetchError> {
        let mut headers = HeaderMap::new();
        match said {
            Some((Cmcd::Headers, data)) => headers.extend(data.headers()),
            Some((Cmcd::Query, data)) => data.put_into(&mut url),
            None => {}
        }
        let last = span.end.saturating_sub(1).max(span.start);
        let mut request = self
            .wire
            .client()
            .get(url)
            .headers(headers)
            .header(RANGE, format!("bytes={}-{last}", span.start))
            .header(ACCEPT_ENCODING, "identity");
        if let Some(validator) = if_range {
            request = request.header(IF_RANGE, validator);
        }
        match tokio::time::timeout(self.stall, self.wire.send(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(classify(&error)),
            Err(_) => Err(FetchError::Stalled),
        }
    }

    /// Brings a connection to the host of `base` about by asking it for nothing: the answer's head is all that is read.
    pub(super) async fn knock(&self, base: Url, within: Duration) -> Result<(), FetchError> {
        let wire = self.wire.for_purpose(OutboundPurpose::Prewarm);
        match tokio::time::timeout(within, wire.send(wire.client().head(base))).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(classify(&error)),
            Err(_) => Err(FetchError::Stalled),
        }
    }

    /// The next piece of a body; `None` at its end.
    pub(crate) async fn piece(&self, response: &mut Answer) -> Result<Option<bytes::Bytes>, FetchError> {
        match tokio::time::timeout(self.stall, response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(_)) => Err(FetchError::Broken),
            Err(_) => Err(FetchError::Stalled),
        }
    }
}

fn follow(
    attempt: Attempt<'_>,
    max: usize,
    allow_plain: bool,
    trust: &TlsConfig,
    log: &Outbound,
) -> reqwest::redirect::Action {
    let came_from_here = attempt.previous().iter().all(is_loopback);
    let allowed = match attempt.url().scheme() {
        "https" => true,
        "http" if is_pinned(trust, attempt.url()) => false,
        // A server elsewhere must not send the client to services of this device.
        "http" => allow_plain || (is_loopback(attempt.url()) && came_from_here),
        _ => false,
    };
    if allowed && attempt.previous().len() <= max {
        log.redirected(attempt.url(), OutboundPurpose::Media);
        attempt.follow()
    } else {
        attempt.error("redirect refused")
    }
}

fn is_pinned(trust: &TlsConfig, url: &Url) -> bool {
    url.host_str().is_some_and(|host| trust.is_pinned(host.trim_matches(['[', ']'])))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn classify(error: &reqwest::Error) -> FetchError {
    if error.is_redirect() {
        FetchError::Redirect
    } else if error.is_builder() {
        FetchError::Refused("not a usable URL")
    } else if let Some(distrust) = distrust(error) {
        distrust
    } else if error.is_connect() {
        FetchError::Unreachable
    } else if error.is_timeout() {
        FetchError::Stalled
    } else {
        FetchError::Broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{HostPins, Pin};

    #[test]
    fn plain_http_stays_on_this_machine() {
        let http =
            Http::new("test", false, TlsConfig::default(), &Limits::default(), Outbound::default()).unwrap();
        for good in ["https://cdn.example/a", "http://127.0.0.1:80/a", "http://[::1]/a", "http://localhost/a"]
        {
            assert!(http.check(good).is_ok(), "{good}");
        }
        for bad in ["http://cdn.example/a", "ftp://cdn.example/a", "file:///etc/passwd", "a/b", ""] {
            assert!(matches!(http.check(bad), Err(FetchError::Refused(_))), "{bad}");
        }
        let keys = vec![Pin::of_key(b"")];
        let pins = vec![HostPins { host: "pinned.example".into(), subdomains: false, keys }];
        let tls = TlsConfig { pins, ..TlsConfig::default() };
        let open = Http::new("test", true, tls, &Limits::default(), Outbound::default()).unwrap();
        assert!(open.check("http://cdn.example/a").is_ok());
        assert!(matches!(open.check("http://pinned.example/a"), Err(FetchError::Refused(_))));
    }
}
