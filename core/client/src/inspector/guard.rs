//! Who is answered: whoever has the address that was given out, from this device, and from the inspector's own page where
//! something is to be changed.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use crate::error::Error;

/// Names of this device on its loopback interface. Not the port: a forwarded one (`adb forward`) is another.
const OURS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Scripts, styles and data are the inspector's own; it loads nothing else, and nobody puts it into a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a request must show.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) token: String,
    pub(super) writable: bool,
}

/// 128 random bits, as 32 hexadecimal digits.
pub(super) fn token() -> Result<String, Error> {
    let mut bytes = [0; 16];
    let random = SystemRandom::new().fill(&mut bytes);
    random.map_err(|_| Error::Internal { reason: "no random bytes".into() })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Guard {
    /// Whether the first part of a path is the token; the time it takes depends on the length of the path alone.
    pub(super) fn knows(&self, path: &str) -> bool {
        let token = path.split('/').nth(1).unwrap_or("");
        token.as_bytes().ct_eq(self.token.as_bytes()).into()
    }

    /// Why a request is not answered, if it is not.
    pub(super) fn refusal(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<StatusCode> {
        let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or(""));
        let host = text(header::HOST).unwrap_or("");
        let several = headers.get_all(header::HOST).iter().count() != 1;
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        if several || !OURS.contains(&name) {
            return Some(StatusCode::MISDIRECTED_REQUEST);
        }
        if !self.knows(path) {
            return Some(StatusCode::FORBIDDEN);
        }
        let same = text(header::ORIGIN).map(|origin| origin.strip_prefix("http://") == Some(host));
        match (method, same) {
            (_, Some(false)) => Some(StatusCode::FORBIDDEN),
            (&Method::GET, _) => None,
            (&Method::POST, Some(true)) if self.writable => None,
            // Browsers name the origin of everything that is not a plain look-up.
            (&Method::POST, None) if self.writable => Some(StatusCode::FORBIDDEN),
            _ => Some(StatusCode::METHOD_NOT_ALLOWED),
        }
    }
}

/// Says to browsers what pages of this server may do.
pub(super) fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The path holds the token.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use header::{HOST, ORIGIN};

    fn refusal(
        writable: bool,
        method: &Method,
        path: &str,
        rows: &[(header::HeaderName, &str)],
    ) -> Option<StatusCode> {
        let guard = Guard { token: "secret".into(), writable };
        let mut headers = HeaderMap::new();
        for (name, value) in rows {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        guard.refusal(method, path, &headers)
    }

    #[test]
    fn a_rebound_name_and_a_missing_token_are_refused() {
        let get = |path: &str, host: &str| refusal(false, &Method::GET, path, &[(HOST, host)]);
        for host in ["127.0.0.1:8000", "localhost:9000", "localhost", "[::1]:1"] {
            assert_eq!(get("/secret/", host), None, "{host}");
        }
        let wrong = [
            "evil.example:8000",
            "127.0.0.1.evil.example",
            "localhost:80:80x",
            "",
            "127.0.0.1@evil.example",
            "0.0.0.0:8000",
        ];
        for host in wrong {
            assert_eq!(get("/secret/", host), Some(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
        let twice = [(HOST, "127.0.0.1"), (HOST, "evil.example")];
        assert_eq!(refusal(false, &Method::GET, "/secret/", &twice), Some(StatusCode::MISDIRECTED_REQUEST));
        for path in ["/", "", "/secre/", "/secrets/", "//secret/", "/other/secret/"] {
            assert_eq!(get(path, "127.0.0.1:8000"), Some(StatusCode::FORBIDDEN), "{path}");
        }
        assert!(Guard { token: token().unwrap(), writable: false }.token.len() == 32);
        assert_ne!(token().unwrap(), token().unwrap());
    }

    #[test]
    fn changes_come_from_its_own_page_and_where_it_was_asked_to_take_them() {
        let here = (HOST, "localhost:8000");
        let post = |writable, origin: Option<&str>| {
            let rows: Vec<_> =
                [here.clone()].into_iter().chain(origin.map(|origin| (ORIGIN, origin))).collect();
            refusal(writable, &Method::POST, "/secret/act", &rows)
        };
        assert_eq!(post(true, Some("http://localhost:8000")), None);
        for other in ["http://evil.example", "null", "https://localhost:8000", "http://localhost:8001"] {
            assert_eq!(post(true, Some(other)), Some(StatusCode::FORBIDDEN), "{other}");
        }
        assert_eq!(post(true, None), Some(StatusCode::FORBIDDEN));
        assert_eq!(post(false, Some("http://localhost:8000")), Some(StatusCode::METHOD_NOT_ALLOWED));
        for method in [Method::PUT, Method::DELETE, Method::OPTIONS, Method::CONNECT] {
            assert_eq!(
                refusal(true, &method, "/secret/", std::slice::from_ref(&here)),
                Some(StatusCode::METHOD_NOT_ALLOWED)
            );
        }
    }
}
