//! Who may talk to the page's server: whoever has the address that was printed, from this machine, and from this page.
//!
//! Any program, and any website in the same browser, can reach a loopback port. The path begins with 128 random bits; `Host`
//! must be this server, which a website that rebinds its name cannot say; what changes something must come from this page.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use subtle::ConstantTimeEq;

/// What a request must show.
#[derive(Debug, Clone)]
pub struct Guard {
    port: u16,
    token: String,
}

/// Scripts and styles are this server's own files; videos come from the core's gateway, another loopback port.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      media-src http://127.0.0.1:*; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Guard {
    /// A guard of the server at `port`, with a new token.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Guard { port, token: format!("{:032x}", rand::random::<u128>()) }
    }

    /// The address to open.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.token)
    }

    fn refusal(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<StatusCode> {
        let ours = |name: &str| {
            name == format!("127.0.0.1:{}", self.port) || name == format!("localhost:{}", self.port)
        };
        let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
        if !text(header::HOST).is_some_and(ours) {
            return Some(StatusCode::MISDIRECTED_REQUEST);
        }
        let token = path.split('/').nth(1).unwrap_or("");
        if !bool::from(token.as_bytes().ct_eq(self.token.as_bytes())) {
            return Some(StatusCode::NOT_FOUND);
        }
        let origin = text(header::ORIGIN);
        let same = origin.map(|origin| origin.strip_prefix("http://").is_some_and(ours));
        match same {
            Some(false) => Some(StatusCode::FORBIDDEN),
            // Browsers name the origin of everything that is not a plain look-up.
            None if *method != Method::GET && *method != Method::HEAD => Some(StatusCode::FORBIDDEN),
            _ => None,
        }
    }
}

/// Refuses what the guard refuses, and says to browsers what pages of this server may do.
pub async fn check(State(guard): State<Guard>, request: Request<Body>, next: Next) -> Response {
    let refusal = guard.refusal(request.method(), request.uri().path(), request.headers());
    let mut response = match refusal {
        Some(status) => status.into_response(),
        None => next.run(request).await,
    };
    let head = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        head.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(method: &Method, path: &str, rows: &[(header::HeaderName, &str)]) -> Option<StatusCode> {
        let guard = Guard { port: 8_000, token: "secret".into() };
        let mut headers = HeaderMap::new();
        for (name, value) in rows {
            headers.insert(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        guard.refusal(method, path, &headers)
    }

    #[test]
    fn a_rebound_name_a_missing_token_and_another_page_are_refused() {
        use header::{HOST, ORIGIN};
        let (get, post) = (Method::GET, Method::POST);
        assert_eq!(refusal(&get, "/secret/", &[(HOST, "127.0.0.1:8000")]), None);
        assert_eq!(
            refusal(&get, "/secret/", &[(HOST, "evil.example:8000")]),
            Some(StatusCode::MISDIRECTED_REQUEST)
        );
        assert_eq!(refusal(&get, "/secret/", &[]), Some(StatusCode::MISDIRECTED_REQUEST));
        for path in ["/", "/secre/", "/secrets/", "//secret/"] {
            assert_eq!(
                refusal(&get, path, &[(HOST, "127.0.0.1:8000")]),
                Some(StatusCode::NOT_FOUND),
                "{path}"
            );
        }
        let from = |origin| refusal(&post, "/secret/do", &[(HOST, "localhost:8000"), (ORIGIN, origin)]);
        assert_eq!(from("http://localhost:8000"), None);
        for other in ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:8001"] {
            assert_eq!(from(other), Some(StatusCode::FORBIDDEN), "{other}");
        }
        assert_eq!(refusal(&post, "/secret/do", &[(HOST, "127.0.0.1:8000")]), Some(StatusCode::FORBIDDEN));
    }
}
