//! Addresses that run out of time or lead nowhere: who is asked for fresh ones, how often, and what is kept of them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::fixture::{fragmented, mp4_of};
use common::{Wire, World, playlist};
use futures_util::future::BoxFuture;
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{
    FetchError, Location, Media, MediaConfig, Origin, Priority, Purpose, ResolveError, UrlResolver,
};
use unspool_testkit::pattern;

const LONG: Duration = Duration::from_secs(15);

/// Gives its addresses one after the other, the last one again and again.
struct Addresses {
    urls: Vec<String>,
    expires_at_ms: Option<i64>,
    calls: AtomicUsize,
}

impl Addresses {
    fn of(urls: impl IntoIterator<Item = String>) -> Arc<Self> {
        Arc::new(Addresses {
            urls: urls.into_iter().collect(),
            expires_at_ms: None,
            calls: AtomicUsize::new(0),
        })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl UrlResolver for Addresses {
    fn resolve(&self, _key: &MediaKey) -> BoxFuture<'_, Result<Location, ResolveError>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst).min(self.urls.len() - 1);
        let location = Location { expires_at_ms: self.expires_at_ms, ..Location::new(&self.urls[call]) };
        Box::pin(async { Ok(location) })
    }
}

/// A clip of two fragments behind `v/list.m3u8`, whose reference to `v/media.mp4` is signed.
struct Clip {
    file: Vec<u8>,
    headers: usize,
    cuts: [usize; 2],
}

impl Clip {
    fn new(first: usize) -> Clip {
        let noise = pattern(600_000);
        let (file, headers) = fragmented(&[&noise[..first], &noise[first..]], false);
        let first = (file.len() - headers - noise.len()) / 2 + first;
        let cuts = [first, file.len() - headers - first];
        Clip { file, headers, cuts }
    }

    /// Serves the clip so that only signature `sig` opens it, and `list` names it with that one.
    fn serve(&self, world: &World, list: &str, sig: u32) {
        world.server.put("v/media.mp4", self.file.clone(), "\"1\"");
        world.server.require("v/media.mp4", &format!("sig={sig}"));
        world.server.put(list, self.list(sig).into_bytes(), "");
    }

    fn list(&self, sig: u32) -> String {
        playlist(&format!("media.mp4?sig={sig}"), self.headers, &self.cuts)
    }

    fn len(&self) -> u64 {
        self.file.len() as u64
    }
}

fn resolved(world: &World, resolver: &Arc<Addresses>) -> Arc<Media> {
    world.open_with(MediaConfig { resolver: Some(resolver.clone()), ..world.config() })
}

fn outcome(world: &World, media: &Media, key: &MediaKey, span: Span) -> Result<(), FetchError> {
    world.run(media.fetch(key, &[span], Priority::Next, Purpose::Prefetch).wait()).map(|_| ())
}

fn all_of(media: &Media, key: &MediaKey) -> Vec<u8> {
    let source = media.source(key).unwrap();
    let mut out = vec![0; source.size() as usize];
    let mut got = 0;
    while got < out.len() {
        got += source.read_at(got as u64, &mut out[got..], LONG).unwrap();
    }
    out
}

/// An address on a port that nobody listens on.
fn nowhere(path: &str) -> String {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{closed}/{path}")
}

fn register(media: &Media, url: String, container: Container) -> MediaKey {
    let key = MediaKey::new("a", "r");
    media.register(&key, Origin::new(url, container));
    key
}

over_each_wire!(
    an_expired_reference_is_read_again_once_and_kept,
    after_a_restart_an_expired_playlist_address_is_resolved_first,
    a_playlist_that_still_names_the_refused_file_leads_to_the_resolver,
    a_playlist_with_another_layout_is_another_version,
    a_dead_host_is_looked_up_once_and_left_for_the_new_one,
    a_dead_host_without_a_new_one_is_asked_about_seldom_and_never_offline,
    a_dead_host_of_a_playlist_or_of_its_file_is_left,
    an_address_that_ran_out_on_the_way_may_be_replaced_again,
);

fn an_expired_reference_is_read_again_once_and_kept(wire: Wire) {
    let world = World::over(wire);
    let clip = Clip::new(200_000);
    clip.serve(&world, "v/list.m3u8", 1);
    let media = world.open();
    let key = world.register(&media, "v/list.m3u8", Container::Hls);
    let info = world.run(media.probe(&key, Priority::Next)).unwrap();
    world.fetch(&media, &key, Span::new(0, 100_000));
    clip.serve(&world, "v/list.m3u8", 2);
    let parts = [Span::new(100_000, 200_000), Span::new(400_000, 420_000)];
    let both = parts.map(|span| media.fetch(&key, &[span], Priority::Next, Purpose::Prefetch));
    for ticket in both {
        world.run(ticket.wait()).unwrap();
    }
    assert_eq!(world.server.asked("v/list.m3u8"), 2, "one more reading for two refusals");
    assert_eq!(media.info(&key).as_ref(), Some(&info), "it is the same version");
    let media_bytes = media.held(&key).iter().map(|span| span.len()).sum::<u64>();
    let lists = 2 * clip.list(1).len() as u64;
    assert_eq!(media.counts().network, media_bytes + lists, "both readings are in the books");
    world.close(media);

    let media = world.open();
    let key = world.register(&media, "v/list.m3u8", Container::Hls);
    assert_eq!(world.run(media.probe(&key, Priority::Playback)).unwrap(), info);
    assert!(all_of(&media, &key) == clip.file);
    assert_eq!(world.server.asked("v/list.m3u8"), 2, "the renewed reference outlives a restart");
    world.server.assert_no_byte_twice("v/media.mp4");
}

fn after_a_restart_an_expired_playlist_address_is_resolved_first(wire: Wire) {
    let world = World::over(wire);
    let clip = Clip::new(200_000);
    clip.serve(&world, "v/list.m3u8", 1);
    let media = world.open();
    let key = world.register(&media, "v/list.m3u8", Container::Hls);
    let info = world.run(media.probe(&key, Priority::Next)).unwrap();
    world.close(media);

    clip.serve(&world, "v/fresh.m3u8", 2);
    world.server.require("v/list.m3u8", "fresh");
    let resolver = Addresses::of([world.server.url("v/fresh.m3u8")]);
    let media = resolved(&world, &resolver);
    let key = world.register(&media, "v/list.m3u8", Container::Hls);
    assert_eq!(world.run(media.probe(&key, Priority::Playback)).unwrap(), info);
    assert!(all_of(&media, &key) == clip.file);
    assert_eq!((resolver.calls(), world.server.asked("v/fresh.m3u8")), (1, 1));
}

fn a_playlist_that_still_names_the_refused_file_leads_to_the_resolver(wire: Wire) {
    let world = World::over(wire);
    let clip = Clip::new(200_000);
    clip.serve(&world, "v/list.m3u8", 1);
    let resolver = Addresses::of([world.server.url("v/fresh.m3u8")]);
    let media = resolved(&world, &resolver);
    let key = world.register(&media, "v/list.m3u8", Container::Hls);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    clip.serve(&world, "v/fresh.m3u8", 2);
    assert!(all_of(&media, &key) == clip.file);
    assert_eq!((resolver.calls(), world.server.asked("v/list.m3u8")), (1, 2));
    // What is refused after all that is refused for good, and the questions are counted.
    media.evict(&[(key.clone(), Span::new(300_000, clip.len()))]).unwrap();
    world.server.require("v/media.mp4", "nothing opens it");
    let (lists, files) = (world.server.asked("v/fresh.m3u8"), world.server.asked("v/media.mp4"));
    let span = Span::new(400_000, 400_010);
    assert_eq!(outcome(&world, &media, &key, span), Err(FetchError::Denied { status: 403 }));
    assert_eq!(resolver.calls(), 2);
    assert_eq!(world.server.asked("v/fresh.m3u8") - lists, 2);
    assert_eq!(world.server.asked("v/media.mp4") - files, 2);
}

fn a_playlist_with_another_layout_is_another_version(wire: Wire) {
    let world = World::over(wire);
    let (old, new) = (Clip::new(200_000), Clip::new(300_000));
    old.serve(&world, "v/list.m3u8", 1);
    let media = world.open();
    let key = world.register(&media, "v/list.m3u8", Container::Hls);
    let before = world.run(media.probe(&key, Priority::Next)).unwrap();
    world.fetch(&media, &key, Span::new(0, 100_000));
    new.serve(&world, "v/list.m3u8", 2);
    // Same length and validator: only the playlist tells.
    assert_eq!(old.len(), new.len());
    outcome(&world, &media, &key, Span::new(400_000, 420_000)).unwrap();
    assert_eq!(media.held(&key), vec![Span::new(400_000, 420_000)], "nothing of the old version stays");
    assert!(media.info(&key).is_none());
    let after = world.run(media.probe(&key, Priority::Next)).unwrap();
    assert_ne!(before.index, after.index);
    assert!(all_of(&media, &key) == new.file);
}

fn a_dead_host_is_looked_up_once_and_left_for_the_new_one(wire: Wire) {
    let world = World::over(wire);
    let file = mp4_of(&pattern(300_000), 4000, false);
    world.server.put("new", file.clone(), "\"1\"");
    let resolver = Addresses::of([world.server.url("new")]);
    let media = resolved(&world, &resolver);
    let key = register(&media, nowhere("old"), Container::Mp4);
    let parts = [Span::new(0, 100_000), Span::new(200_000, 300_000)];
    let both = parts.map(|span| media.fetch(&key, &[span], Priority::Next, Purpose::Prefetch));
    for ticket in both {
        world.run(ticket.wait()).unwrap();
    }
    assert_eq!(resolver.calls(), 1);
    world.server.assert_no_byte_twice("new");
}

fn a_dead_host_without_a_new_one_is_asked_about_seldom_and_never_offline(wire: Wire) {
    let world = World::over(wire);
    let url = nowhere("old");
    let resolver = Addresses::of([url.clone()]);
    let media = resolved(&world, &resolver);
    let key = register(&media, url, Container::Mp4);
    let span = Span::new(0, 10);
    media.set_offline(true);
    assert_eq!(outcome(&world, &media, &key, span), Err(FetchError::Offline));
    assert_eq!(resolver.calls(), 0);
    media.set_offline(false);
    for _ in 0..2 {
        assert_eq!(outcome(&world, &media, &key, span), Err(FetchError::Unreachable));
    }
    assert_eq!(resolver.calls(), 1, "once for all tries of both");
}

fn a_dead_host_of_a_playlist_or_of_its_file_is_left(wire: Wire) {
    let world = World::over(wire);
    let clip = Clip::new(200_000);
    clip.serve(&world, "v/list.m3u8", 1);
    let list = world.server.url("v/list.m3u8");
    let resolver = Addresses::of([list.clone()]);
    let media = resolved(&world, &resolver);
    let key = register(&media, nowhere("v/list.m3u8"), Container::Hls);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    assert_eq!(resolver.calls(), 1);
    world.close(media);

    // The playlist is where it was; the file it named absolutely is not.
    let gone = playlist(&nowhere("v/media.mp4"), clip.headers, &clip.cuts);
    world.server.put("w/list.m3u8", gone.into_bytes(), "");
    let media = resolved(&world, &resolver);
    let key = MediaKey::new("b", "r");
    media.register(&key, world.origin("w/list.m3u8", Container::Hls));
    world.run(media.probe(&key, Priority::Next)).unwrap();
    assert!(all_of(&media, &key) == clip.file);
    assert_eq!(resolver.calls(), 2);
}

fn an_address_that_ran_out_on_the_way_may_be_replaced_again(wire: Wire) {
    let world = World::over(wire);
    world.server.put("good", mp4_of(&pattern(10_000), 4000, false), "\"1\"");
    // Each address is over when it is given, so it is replaced before use too: two questions per request.
    let outlived = |refused: usize| {
        let urls = (0..refused).map(|n| world.server.url(&format!("over{n}")));
        let resolver = Addresses {
            urls: urls.chain([world.server.url("good")]).collect(),
            expires_at_ms: Some(1_000),
            calls: AtomicUsize::new(0),
        };
        let media = world.open_with(MediaConfig { resolver: Some(Arc::new(resolver)), ..world.config() });
        let key = MediaKey::new(&format!("c{refused}"), "r");
        media.register(&key, world.origin("over", Container::Mp4));
        let outcome = outcome(&world, &media, &key, Span::new(0, 10));
        world.close(media);
        outcome
    };
    assert_eq!(outlived(5), Ok(()), "the third fresh address is good");
    assert_eq!(outlived(7), Err(FetchError::Denied { status: 404 }), "but there is an end to it");
}
