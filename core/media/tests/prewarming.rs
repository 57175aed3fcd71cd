//! Connections before they are needed: how many come about, and that the first request then needs none.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use axum::http::Method;
use common::fixture::mp4_of;
use common::{Fault, Wire, World};
use unspool_engine::{Container, Span};
use unspool_media::Prewarm;
use unspool_testkit::pattern;

over_each_wire!(
    the_first_request_after_a_knock_needs_no_new_connection,
    nobody_knocks_at_a_warm_door_or_at_one_that_is_being_knocked_at,
    a_knock_ends_when_it_is_cancelled_or_the_layer_goes_offline_or_away,
    a_page_of_many_hosts_is_bounded_and_what_may_not_be_fetched_is_not_knocked_at,
);

fn the_first_request_after_a_knock_needs_no_new_connection(wire: Wire) {
    for knock in [false, true] {
        let world = World::over(wire);
        world.server.put("a", mp4_of(&pattern(10_000), 4000, false), "\"1\"");
        let media = world.open();
        let key = world.register(&media, "a", Container::Mp4);
        let url = format!("{}?signature=secret", world.server.url("a"));
        if knock {
            assert_eq!(world.run(media.prewarm([url.as_str()]).wait()), 1);
        }
        let before = world.server.connections();
        assert_eq!(before, usize::from(knock));
        world.fetch(&media, &key, Span::new(0, 1_000));
        assert_eq!(world.server.connections() - before, usize::from(!knock), "knocked: {knock}");
        let knocks: Vec<_> =
            world.server.log().into_iter().filter(|line| line.method == Method::HEAD).collect();
        assert_eq!(knocks.len(), usize::from(knock));
        assert!(knocks.iter().all(|line| line.path == "/" && line.query.is_none()), "{knocks:?}");
        assert_eq!(media.counts().network, 1_000, "a knock brings no bytes");
        world.close(media);
    }
}

fn nobody_knocks_at_a_warm_door_or_at_one_that_is_being_knocked_at(wire: Wire) {
    let world = World::over(wire);
    world.server.put("a", mp4_of(&pattern(10_000), 4000, false), "\"1\"");
    world.server.put("", vec![], "");
    world.server.always("", Some(Fault::Gate));
    let media = world.open();
    let url = world.server.url("a");
    let first = media.prewarm([url.as_str(), url.as_str()]);
    let second = media.prewarm([url.as_str()]);
    world.server.wait_log("the knock", |log| log.len() == 1);
    world.server.open_gate();
    assert_eq!(world.run(async { (first.wait().await, second.wait().await) }), (1, 0));
    assert_eq!(world.run(media.prewarm([url.as_str()]).wait()), 0);
    assert_eq!(world.server.connections(), 1);

    // A request warms as well.
    let media =
        world.open_with(unspool_media::MediaConfig { dir: world.dir.path().join("b"), ..world.config() });
    let key = world.register(&media, "a", Container::Mp4);
    world.fetch(&media, &key, Span::new(0, 100));
    assert_eq!(world.run(media.prewarm([url.as_str()]).wait()), 0);
}

fn a_knock_ends_when_it_is_cancelled_or_the_layer_goes_offline_or_away(wire: Wire) {
    let world = World::over(wire);
    world.server.put("", vec![], "");
    world.server.always("", Some(Fault::Gate));
    let media = world.open();
    let url = world.server.url("a");
    let mut knocks = 0;
    let mut knock = || {
        let prewarm = media.prewarm([url.as_str()]);
        knocks += 1;
        world.server.wait_log("a knock", |log| log.len() == knocks);
        prewarm
    };
    let cancelled = knock();
    cancelled.cancel();
    assert_eq!(world.run(cancelled.wait()), 0);
    let offline = knock();
    media.set_offline(true);
    assert_eq!(world.run(offline.wait()), 0);
    assert_eq!(world.run(media.prewarm([url.as_str()]).wait()), 0, "nothing leaves");
    media.set_offline(false);
    // A door that nobody opens is left after the patience with a silent server.
    assert_eq!(world.run(knock().wait()), 0);
    let gone = knock();
    world.run(media.shutdown(std::time::Duration::from_secs(1))).unwrap();
    assert_eq!(world.run(gone.wait()), 0);
    assert_eq!(world.run(media.prewarm([url.as_str()]).wait()), 0);
}

fn a_page_of_many_hosts_is_bounded_and_what_may_not_be_fetched_is_not_knocked_at(wire: Wire) {
    let world = World::over(wire);
    let others: Vec<_> = (0..Prewarm::HOSTS + 3).map(|_| world.another()).collect();
    let media = world.open();
    let urls: Vec<String> = others.iter().map(|server| server.url("a")).collect();
    let wrong = ["http://cdn.example/a", "file:///etc/passwd", "no address", ""];
    let all = wrong.iter().copied().chain(urls.iter().map(String::as_str));
    assert_eq!(world.run(media.prewarm(all).wait()), Prewarm::HOSTS);
    assert_eq!(others.iter().map(|server| server.connections()).sum::<usize>(), Prewarm::HOSTS);
}
