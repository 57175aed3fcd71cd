//! What a request may ask for: decided from its head alone, before anything of this session is touched.

use http::{HeaderMap, Method, Request, StatusCode, Version, header};
use http_body::Body;

use super::Room;
use super::token::Token;
use unspool_engine::MediaKey;

/// Last part of an address of a file.
pub(super) const FILE: &str = "video.mp4";
/// Last part of an address of a playlist; the file it cuts is its neighbour [`FILE`].
pub(super) const PLAYLIST: &str = "index.m3u8";

/// Last part of the addresses of two playlists that play together; [`PLAYLIST`] names both.
pub(super) const LISTS: [&str; 2] = ["picture.m3u8", "sound.m3u8"];
/// Endings of the addresses of files of a rendition that has several; before it stands the file's number.
pub(super) const ENDINGS: [&str; 3] = ["ts", "m4s", "mp4"];

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub key: MediaKey,
    pub name: Name,
}

/// Which file of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    File,
    Playlist,
    /// One of [`LISTS`].
    List(u8),
    /// One of several files.
    Part(u32),
}

/// What a last part of an address names.
fn name_of(text: &str) -> Option<Name> {
    match text {
        FILE => return Some(Name::File),
        PLAYLIST => return Some(Name::Playlist),
        _ => {}
    }
    if let Some(list) = LISTS.iter().position(|list| *list == text) {
        return u8::try_from(list).ok().map(Name::List);
    }
    let (number, ending) = text.split_once('.')?;
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| plain && ENDINGS.contains(&ending)).map(Name::Part)
}

/// Who listens: what `Host` and the path must say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub port: u16,
    pub token: Token,
}

/// Reads a request, or says with which status it is refused.
///
/// The order matters: a page that rebinds its name learns nothing from the `Host` check, an app without the token
/// learns nothing from the rest.
pub(super) fn target<B: Body>(
    room: &Room,
    identity: &Identity,
    request: &Request<B>,
) -> Result<Target, Refused> {
    host(request, identity.port)?;
    let mut parts = request.uri().path().split('/');
    let (root, token) = (parts.next(), parts.next());
    if root != Some("") || !token.is_some_and(|token| identity.token.is(token)) {
        return Err(Refused::stranger(StatusCode::NOT_FOUND));
    }
    let (id, name, rest) = (parts.next(), parts.next(), parts.next());
    let name = name.and_then(name_of).ok_or(Refused::known(StatusCode::NOT_FOUND))?;
    let key = id.and_then(Token::parse).filter(|_| rest.is_none()).and_then(|id| room.key_of(&id));
    let key = key.ok_or(Refused::known(StatusCode::NOT_FOUND))?;
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(Refused::known(StatusCode::METHOD_NOT_ALLOWED));
    }
    if !request.body().is_end_stream() {
        return Err(Refused::known(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok(Target { key, name })
}

/// A refusal, and whether the request at least had the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub status: StatusCode,
    pub known: bool,
}

impl Refused {
    fn stranger(status: StatusCode) -> Self {
        Refused { status, known: false }
    }

    fn known(status: StatusCode) -> Self {
        Refused { status, known: true }
    }
}

/// Checks that the request means this server: `Host`, or the authority of an absolute address, which overrides it
/// (RFC 9112, 3.2.2). Only HTTP/1.0 may leave it out; browsers never do.
fn host<B>(request: &Request<B>, port: u16) -> Result<(), Refused> {
    let uri = request.uri();
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() || (first.is_none() && request.version() != Version::HTTP_10) {
        return Err(Refused::stranger(StatusCode::BAD_REQUEST));
    }
    let ours = match (uri.authority(), first) {
        (Some(authority), _) => uri.scheme_str() == Some("http") && is_ours(authority.as_str(), port),
        (None, Some(host)) => host.to_str().is_ok_and(|host| is_ours(host, port)),
        (None, None) => true,
    };
    if ours { Ok(()) } else { Err(Refused::stranger(StatusCode::MISDIRECTED_REQUEST)) }
}

fn is_ours(host: &str, port: u16) -> bool {
    let Some((name, digits)) = host.rsplit_once(':') else { return false };
    digits == port.to_string() && (name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost"))
}

/// The one value of a header, where there is exactly one and it is text.
pub(super) fn single(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few() {
        assert_eq!(name_of("12.m4s"), Some(Name::Part(12)));
        assert_eq!(name_of("sound.m3u8"), Some(Name::List(1)));
        for other in ["", ".ts", "+1.ts", "-1.ts", "1", "1.", "1.m3u8", "1.ts.ts", "1.ts/", "99999999999.ts"]
        {
            assert_eq!(name_of(other), None, "{other}");
        }
    }

    #[test]
    fn only_this_gateway_is_ours() {
        for ours in ["127.0.0.1:80", "localhost:80", "LocalHost:80"] {
            assert!(is_ours(ours, 80), "{ours}");
        }
        for other in [
            "",
            ":",
            ":80",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:81",
            "127.0.0.1:080",
            "127.0.0.1:+80",
            "evil.example:80",
            "127.0.0.1.evil.example:80",
            "user@127.0.0.1:80",
            "localhost.:80",
            "[::1]:80",
        ] {
            assert!(!is_ours(other, 80), "{other}");
        }
    }
}
