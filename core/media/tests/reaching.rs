//! Where requests may go: nothing is asked of a host that is not listed, whoever names it, and the list says so.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[macro_use]
mod common;

use std::sync::Arc;

use common::{Fault, Server, Wire, World};
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{
    FetchError, HostPattern, Media, MediaConfig, Origin, Outbound, OutboundPurpose, OutboundRequest,
    Priority, ProbeError, Purpose, Reach,
};

over_each_wire!(
    an_unlisted_host_is_asked_for_nothing,
    a_redirection_leads_to_listed_hosts_only,
    an_alternate_that_is_listed_serves,
);

/// A layer that may go to `server` alone, and its list.
fn within(world: &World, server: &Server) -> (Arc<Media>, Outbound) {
    let own = HostPattern::of(&server.url("").parse().unwrap()).unwrap();
    let outbound = Outbound::within(Reach { backend: None, media: Some(vec![own]) });
    let config = MediaConfig { outbound: outbound.clone(), ..world.config() };
    (world.open_with(config), outbound)
}

fn host(server: &Server) -> String {
    let url: url::Url = server.url("").parse().unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

fn refused(log: &Outbound) -> Vec<OutboundRequest> {
    log.after(0).requests.into_iter().filter(|request| request.refused).collect()
}

fn fetch(world: &World, media: &Media, key: &MediaKey) -> Result<(), FetchError> {
    world.run(media.fetch(key, &[Span::new(0, 5_000)], Priority::Next, Purpose::Prefetch).wait()).map(drop)
}

fn an_unlisted_host_is_asked_for_nothing(wire: Wire) {
    let world = World::over(wire);
    let stranger = world.another();
    stranger.put("a", vec![7; 10_000], "\"1\"");
    let (media, log) = within(&world, &world.server);
    assert_eq!(world.run(media.prewarm([stranger.url("a").as_str()]).wait()), 0);
    let key = MediaKey::new("a", "r");
    media.register(&key, Origin::new(stranger.url("a"), Container::Mp4));
    let error = FetchError::HostRefused { host: host(&stranger) };
    assert_eq!(fetch(&world, &media, &key), Err(error.clone()));
    assert_eq!(world.run(media.probe(&key, Priority::Next)).unwrap_err(), ProbeError::Fetch(error));
    assert_eq!(stranger.connections(), 0);
    let listed = log.after(0).requests;
    assert!(
        !listed.is_empty() && listed.iter().all(|r| r.refused && r.host == host(&stranger)),
        "{listed:?}"
    );
    assert!(listed.iter().any(|request| request.purpose == OutboundPurpose::Prewarm));
}

fn a_redirection_leads_to_listed_hosts_only(wire: Wire) {
    let world = World::over(wire);
    let stranger = world.another();
    world.server.put("a", vec![7; 10_000], "\"1\"");
    world.server.put("b", vec![7; 10_000], "\"1\"");
    world.server.always("a", Some(Fault::Redirect(stranger.url("a"))));
    world.server.always("b", Some(Fault::Redirect(world.server.url("a"))));
    let (media, log) = within(&world, &world.server);
    for path in ["a", "b"] {
        let key = world.register(&media, path, Container::Mp4);
        assert_eq!(fetch(&world, &media, &key), Err(FetchError::HostRefused { host: host(&stranger) }));
    }
    assert_eq!(stranger.connections(), 0);
    let steps: Vec<(bool, bool, u16)> =
        log.after(0).requests.iter().map(|r| (r.redirected, r.refused, r.status)).collect();
    // Every step is on the list, with the answer it had.
    assert_eq!(
        steps,
        [(false, false, 302), (true, true, 0), (false, false, 302), (true, false, 302), (true, true, 0)]
    );
}

fn an_alternate_that_is_listed_serves(wire: Wire) {
    let world = World::over(wire);
    let stranger = world.another();
    world.server.put("a", vec![7; 10_000], "\"1\"");
    let (media, log) = within(&world, &world.server);
    let key = MediaKey::new("a", "r");
    let alternates = vec![world.server.url("a")];
    media.register(&key, Origin { alternates, ..Origin::new(stranger.url("a"), Container::Mp4) });
    assert_eq!(fetch(&world, &media, &key), Ok(()));
    assert_eq!(media.held(&key), vec![Span::new(0, 5_000)]);
    assert_eq!((stranger.connections(), refused(&log).len()), (0, 1));
}
