//! Who is believed over HTTPS, who is refused and how that is said.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use axum::http::Version;
use common::fixture::mp4_of;
use common::tls::{Authority, Identity, Says};
use common::{Server, World};
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{
    CertificateFault, FetchError, HostPins, MediaConfig, MediaError, Origin, Pin, Priority, Purpose,
    TlsConfig,
};
use unspool_testkit::pattern;

const LEN: u64 = 100_000;

/// A server with this identity and one clip.
fn server(world: &World, identity: &Identity, h2: bool) -> Server {
    let server = Server::speaking(world.runtime.handle(), Some(identity), h2);
    server.put("a", mp4_of(&pattern(LEN as usize), 4000, false), "\"1\"");
    server
}

fn trusting(authority: &Authority, pins: &[Pin]) -> TlsConfig {
    let pinned = HostPins { host: "127.0.0.1".into(), subdomains: false, keys: pins.to_vec() };
    let pins = if pins.is_empty() { vec![] } else { vec![pinned] };
    TlsConfig { extra_roots: Some(authority.pem()), pins }
}

/// Fetches the clip from `url` under `tls`.
fn outcome(world: &World, tls: TlsConfig, url: String) -> Result<(), FetchError> {
    let dir = tempfile::tempdir().unwrap();
    let media = world.open_with(MediaConfig { tls, dir: dir.path().into(), ..world.config() });
    let key = MediaKey::new("a", "r");
    media.register(&key, Origin::new(url, Container::Mp4));
    let fetched =
        world.run(media.fetch(&key, &[Span::new(0, LEN)], Priority::Next, Purpose::Prefetch).wait());
    world.close(media);
    fetched.map(|_| ())
}

#[test]
fn an_authority_of_the_app_is_trusted_over_http_2_and_http_1() {
    let world = World::new();
    let authority = Authority::new();
    for (h2, version) in [(true, Version::HTTP_2), (false, Version::HTTP_11)] {
        let server = server(&world, &authority.identity(Says::Good), h2);
        for url in [server.url("a"), server.url("a").replace("127.0.0.1", "localhost")] {
            assert_eq!(outcome(&world, trusting(&authority, &[]), url), Ok(()));
        }
        assert!(!server.log().is_empty());
        assert!(server.log().iter().all(|line| line.version == version), "{:?}", server.log());
    }
}

#[test]
fn who_is_not_trusted_is_refused_before_anything_is_asked_and_is_told_apart_from_nobody() {
    let world = World::new();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let cases = [
        (stranger.identity(Says::Good), CertificateFault::UnknownIssuer),
        (authority.identity(Says::OtherHost), CertificateFault::WrongName),
        (authority.identity(Says::Expired), CertificateFault::Expired),
        // Without the authority in the middle nobody can see who vouches for it.
        (authority.below().identity(Says::Good), CertificateFault::UnknownIssuer),
    ];
    for (identity, fault) in cases {
        let server = server(&world, &identity, true);
        let refused = outcome(&world, trusting(&authority, &[]), server.url("a"));
        assert_eq!(refused, Err(FetchError::Certificate(fault)));
        assert!(refused.unwrap_err().retryable(), "a portal or a clock may be the cause");
        assert_eq!((server.requests(), server.connections()), (0, 1), "one try, and nothing was asked");
    }
    let server = server(&world, &authority.identity(Says::Good), true);
    let platform_only = outcome(&world, TlsConfig::default(), server.url("a"));
    assert_eq!(platform_only, Err(FetchError::Certificate(CertificateFault::UnknownIssuer)));
}

#[test]
fn a_pinned_host_needs_a_pinned_key_of_its_own_or_of_who_signed_for_it() {
    let world = World::new();
    let authority = Authority::new();
    let middle = authority.below();
    let plain = authority.identity(Says::Good);
    let through = middle.identity(Says::Good).with(&middle);
    let other = authority.below();
    let decorated = authority.identity(Says::Good).with(&other);
    let wrong = Pin::of_key(b"another key");
    let accepted = [
        ("its own key", &plain, vec![plain.pin()]),
        ("a spare one besides", &plain, vec![wrong, plain.pin()]),
        ("the authority in the middle", &through, vec![middle.pin()]),
    ];
    for (what, identity, pins) in accepted {
        let server = server(&world, identity, true);
        assert_eq!(outcome(&world, trusting(&authority, &pins), server.url("a")), Ok(()), "{what}");
    }
    let refused = [
        ("another key", &plain, vec![wrong]),
        ("an authority that it shows and that did not sign", &decorated, vec![other.pin()]),
        ("an authority that it does not show", &plain, vec![middle.pin()]),
    ];
    for (what, identity, pins) in refused {
        let server = server(&world, identity, true);
        let refusal = outcome(&world, trusting(&authority, &pins), server.url("a"));
        assert_eq!(refusal, Err(FetchError::Pinned), "{what}");
        assert_eq!((server.requests(), server.connections()), (0, 1), "{what}: not tried again");
    }
    assert!(!FetchError::Pinned.retryable());
}

#[test]
fn a_pin_does_not_replace_trust() {
    let world = World::new();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let identity = stranger.identity(Says::Good);
    let server = server(&world, &identity, true);
    assert_eq!(
        outcome(&world, trusting(&authority, &[identity.pin()]), server.url("a")),
        Err(FetchError::Certificate(CertificateFault::UnknownIssuer))
    );
}

#[test]
fn a_pinned_host_is_not_spoken_to_in_plain_text_even_when_sent_there() {
    let world = World::new();
    world.server.put("a", mp4_of(&pattern(10_000), 4000, false), "\"1\"");
    let authority = Authority::new();
    let identity = authority.identity(Says::Good);
    let tls = trusting(&authority, &[identity.pin()]);
    let refused = outcome(&world, tls.clone(), world.server.url("a"));
    assert_eq!(refused, Err(FetchError::Refused("plain HTTP to a pinned host")));
    let server = server(&world, &identity, true);
    server.always("a", Some(common::Fault::Redirect(world.server.url("a"))));
    assert_eq!(outcome(&world, tls, server.url("a")), Err(FetchError::Redirect));
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn rules_that_cannot_be_kept_are_refused_when_the_layer_is_opened() {
    let world = World::new();
    let open = |tls: TlsConfig| {
        let config = MediaConfig { tls, ..world.config() };
        unspool_media::Media::open(config, world.runtime.handle().clone()).map(drop)
    };
    let roots = TlsConfig { extra_roots: Some("nothing".into()), ..TlsConfig::default() };
    assert!(matches!(open(roots), Err(MediaError::Tls(_))));
    assert!(open(TlsConfig::default()).is_ok(), "the directory is free again");
}
