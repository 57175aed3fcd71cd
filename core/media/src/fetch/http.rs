//! The HTTP client: one per media layer, with the rules about where a request may go.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, IF_RANGE, LOCATION, RANGE};
use http::{HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use unspool_engine::Span;
use url::Url;

use super::cmcd::Data;
use super::{Cmcd, FetchError, Limits};
use crate::media::MediaError;
use crate::outbound::{Answer, Outbound, OutboundPurpose, Wire, WireError};
use crate::reach::is_loopback;
use crate::tls::{TlsConfig, distrust};

/// Idle connections live this long: longer than the pause between two swipes, shorter than servers keep them (60 s).
pub(super) const IDLE: Duration = Duration::from_secs(45);

/// The part of the patience with a silent server that a connection may take to come about; less than all of it, so
/// that a host that does not answer is told apart from one that is slow.
const CONNECT_SHARE: f64 = 0.75;

/// Most that is read of the body of a redirection: the page that a common server sends is below 1 KiB.
const REDIRECT_BYTES: usize = 16 * 1024;

/// A client that follows the rules.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    wire: Wire,
    allow_plain: bool,
    trust: Arc<TlsConfig>,
    stall: Duration,
    max_redirects: usize,
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
        let trust = Arc::new(trust);
        let client = reqwest::Client::builder()
            .user_agent(user_agent)
            .connect_timeout(limits.stall_timeout.mul_f64(CONNECT_SHARE))
            .pool_idle_timeout(IDLE)
            .no_proxy()
            // Followed here, so that each step passes the wire and tells no server where it was sent from.
            .redirect(Policy::none())
            .tls_backend_preconfigured(trust.client_config()?)
            .build()
            .map_err(|error| MediaError::Client(error.to_string()))?;
        let wire = Wire::new(client, log, OutboundPurpose::Media);
        Ok(Http {
            wire,
            allow_plain,
            trust,
            stall: limits.stall_timeout,
            max_redirects: limits.max_redirects,
        })
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
        headers.insert(RANGE, value(&format!("bytes={}-{last}", span.start))?);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(validator) = if_range {
            headers.insert(IF_RANGE, value(validator)?);
        }
        match tokio::time::timeout(self.stall, self.follow(url, &headers)).await {
            Ok(answer) => answer,
            Err(_) => Err(FetchError::Stalled),
        }
    }

    /// Asks for `url`, and wherever its server sends the request on to.
    async fn follow(&self, mut url: Url, headers: &HeaderMap) -> Result<Answer, FetchError> {
        let mut came_from_here = true;
        for step in 0..=self.max_redirects {
            let request = self.wire.client().get(url.clone()).headers(headers.clone());
            let mut answer = self.wire.send_on(request, step > 0).await.map_err(|e| classify(&e))?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let Some(location) = answer.headers().get(LOCATION) else { return Ok(answer) };
            let next = location.to_str().ok().and_then(|location| url.join(location).ok());
            let next = next.ok_or(FetchError::Redirect)?;
            came_from_here &= is_loopback(&url);
            let allowed = match next.scheme() {
                "https" => true,
                "http" if is_pinned(&self.trust, &next) => false,
                // A server elsewhere must not send the client to services of this device.
                "http" => self.allow_plain || (is_loopback(&next) && came_from_here),
                _ => false,
            };
            if !allowed {
                return Err(FetchError::Redirect);
            }
            url = next;
            // A body read to its end leaves the connection to the next request.
            let mut left = REDIRECT_BYTES;
            while left > 0
                && let Ok(Some(piece)) = answer.chunk().await
            {
                left = left.saturating_sub(piece.len());
            }
        }
        Err(FetchError::Redirect)
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

fn is_pinned(trust: &TlsConfig, url: &Url) -> bool {
    url.host_str().is_some_and(|host| trust.is_pinned(host.trim_matches(['[', ']'])))
}

fn value(text: &str) -> Result<HeaderValue, FetchError> {
    HeaderValue::from_str(text).map_err(|_| FetchError::Refused("not a usable header"))
}

fn classify(error: &WireError) -> FetchError {
    let error = match error {
        WireError::HostRefused { host } => return FetchError::HostRefused { host: host.clone() },
        WireError::Client(error) => error,
    };
    if error.is_builder() {
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
