//! What the handles promise, seen from Rust: the arguments of the other side, cancelled waits, dropped handles.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use unspool_ffi::{
    CancelToken, Conditions, FeedKind, HostBackend, HostError, HostPage, HostPins, LabelUpdate, Location,
    LoopChoice, PageRequest, SessionConfig, Topic, Unspool, UnspoolError,
};

/// A wait that lasts longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A host without pages, of which some never answer.
struct Host {
    answers: bool,
}

#[async_trait::async_trait]
impl HostBackend for Host {
    async fn page(&self, _: PageRequest) -> Result<HostPage, HostError> {
        if !self.answers {
            std::future::pending::<()>().await;
        }
        Ok(HostPage { items: Vec::new(), next_cursor: None })
    }

    async fn topics(&self) -> Result<Vec<Topic>, HostError> {
        if !self.answers {
            std::future::pending::<()>().await;
        }
        Ok(vec![Topic { id: "science".into(), title: "Science".into() }])
    }

    async fn labels(&self, _: Vec<String>) -> Result<Vec<LabelUpdate>, HostError> {
        Ok(Vec::new())
    }

    async fn rules(&self, _: u64) -> Result<Option<String>, HostError> {
        Ok(None)
    }

    async fn locate(&self, _: String, _: String) -> Result<Location, HostError> {
        Err(HostError::Refused { reason: "no media".into() })
    }
}

/// SHA-256 of nothing, as pins are written.
const KEY: &str = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

fn pinned(host: &str, key: &str) -> HostPins {
    HostPins { host: host.into(), keys: vec![key.into()], subdomains: false }
}

fn config(dir: &tempfile::TempDir) -> SessionConfig {
    SessionConfig {
        data_dir: dir.path().join("core").to_string_lossy().into_owned(),
        account: "ada".into(),
        backend: None,
        token: Some("ada".into()),
        cache_bytes: None,
        keep_max_height: None,
        keep_on_metered: false,
        conditions: None,
        window: None,
        surfaces: false,
        player_memory: None,
        player_files: false,
        captions: Vec::new(),
        sound: false,
        players: 3,
        reduced_motion: false,
        utc_offset_min: None,
        loop_playback: true,
        describe_first_frame: false,
        send_every: None,
        request_timeout: None,
        extra_roots: None,
        pins: Vec::new(),
        media_hosts: Vec::new(),
        cmcd: None,
        consent: None,
        safety_keys: Vec::new(),
        ranking_policy: None,
    }
}

fn saving(data_saver: bool) -> Conditions {
    Conditions {
        online: true,
        metered: false,
        data_saver,
        foreground: true,
        low_storage: false,
        battery_saver: false,
        hot: false,
        network: None,
        leaving: false,
    }
}

/// Opens a session, also where one that was given up still holds the directory for a moment.
async fn hosted(dir: &tempfile::TempDir, answers: bool) -> Arc<Unspool> {
    loop {
        match Unspool::open(config(dir), None, Some(Arc::new(Host { answers })), None, None).await {
            Ok(session) => return session,
            Err(UnspoolError::InUse) => tokio::task::yield_now().await,
            Err(e) => panic!("{e}"),
        }
    }
}

#[tokio::test]
async fn arguments_that_cannot_work_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let host = || Some(Arc::new(Host { answers: true }) as Arc<dyn HostBackend>);
    let in_plain = SessionConfig {
        backend: Some("http://127.0.0.1:9".into()),
        pins: vec![pinned("127.0.0.1", KEY)],
        ..config(&dir)
    };
    let cases: [(&str, SessionConfig, bool); 15] = [
        ("no backend", config(&dir), false),
        ("no credentials", SessionConfig { token: None, ..config(&dir) }, true),
        ("no token at all", SessionConfig { token: Some(String::new()), ..config(&dir) }, true),
        ("a line break in a token", SessionConfig { token: Some("a\nb".into()), ..config(&dir) }, true),
        ("no account", SessionConfig { account: String::new(), ..config(&dir) }, true),
        ("a file as backend", SessionConfig { backend: Some("file:///etc".into()), ..config(&dir) }, false),
        ("roots that are none", SessionConfig { extra_roots: Some("x".into()), ..config(&dir) }, true),
        (
            "a pin that is none",
            SessionConfig { pins: vec![pinned("cdn.example", "sha256/x")], ..config(&dir) },
            true,
        ),
        ("a pinned host without a name", SessionConfig { pins: vec![pinned("", KEY)], ..config(&dir) }, true),
        ("a pinned host in plain text", in_plain, false),
        ("a key that is none", SessionConfig { safety_keys: vec!["é".repeat(32)], ..config(&dir) }, true),
        ("a policy that is none", SessionConfig { ranking_policy: Some("{}".into()), ..config(&dir) }, true),
        ("a short key", SessionConfig { safety_keys: vec!["7".repeat(63)], ..config(&dir) }, true),
        ("nine keys", SessionConfig { safety_keys: vec!["07".repeat(32); 9], ..config(&dir) }, true),
        ("no players", SessionConfig { players: 0, ..config(&dir) }, true),
    ];
    for (what, config, hosted) in cases {
        let opened = Unspool::open(config, None, if hosted { host() } else { None }, None, None).await;
        assert!(matches!(opened, Err(UnspoolError::Config { .. })), "{what}: {opened:?}");
    }
    assert!(!dir.path().join("core").exists(), "nothing was made for a configuration that cannot work");
}

#[tokio::test]
async fn a_token_ends_a_wait_before_and_during_it_and_the_answer_is_still_to_be_had() {
    let dir = tempfile::tempdir().unwrap();
    let told = CancelToken::new();
    told.cancel();
    assert!(told.is_cancelled());
    let opened =
        Unspool::open(config(&dir), None, Some(Arc::new(Host { answers: true })), None, Some(told.clone()));
    assert_eq!(opened.await.err(), Some(UnspoolError::Cancelled));

    let session = hosted(&dir, false).await;
    assert_eq!(session.topics(Some(told)).await, Err(UnspoolError::Cancelled));
    let feed = session.feed(FeedKind::ForYou, None).unwrap();
    let token = CancelToken::new();
    let waiting = tokio::spawn({
        let (feed, token) = (feed.clone(), token.clone());
        async move { feed.next(Some(token)).await }
    });
    token.cancel();
    assert_eq!(waiting.await.unwrap(), Err(UnspoolError::Cancelled));
    session.set_conditions(Conditions {
        online: false,
        metered: false,
        data_saver: false,
        foreground: true,
        low_storage: true,
        battery_saver: false,
        hot: false,
        network: None,
        leaving: false,
    });
    let mut seen = feed.snapshot();
    while seen.online {
        let newer = feed.snapshot_after(seen.revision, Some(CancelToken::new()));
        seen = tokio::time::timeout(PATIENCE, newer).await.unwrap().unwrap();
    }
    assert!(session.shutdown(Some(PATIENCE)).await.clean);
}

#[test]
fn settings_are_read_and_changed_from_many_threads_without_waiting_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = runtime.block_on(hosted(&dir, true));
    let (done, ends) = std::sync::mpsc::channel();
    for number in 0..4_u32 {
        let (session, done) = (Arc::clone(&session), done.clone());
        // Not joined: one that waits for ever must not take the test with it.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            for turn in 0..200 {
                match (turn + number) % 4 {
                    0 => session.set_conditions(saving(turn % 8 < 4)),
                    1 if turn % 40 == 1 => session.set_captions(vec!["en".into()]).unwrap(),
                    _ => drop(runtime.block_on(session.settings(None)).unwrap()),
                }
            }
            done.send(()).unwrap();
        });
    }
    for _ in 0..4 {
        ends.recv_timeout(PATIENCE).unwrap();
    }
    assert!(runtime.block_on(session.shutdown(Some(PATIENCE))).clean);
}

#[tokio::test]
async fn after_the_end_every_call_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let session = hosted(&dir, true).await;
    assert_eq!(session.topics(None).await.unwrap()[0].id, "science");
    let feed = session.feed(FeedKind::Topic { topic: "science".into() }, None).unwrap();
    assert_eq!(feed.kind(), FeedKind::Topic { topic: "science".into() });
    assert_eq!(feed.next(None).await, Err(UnspoolError::EndOfFeed));
    let report = session.shutdown(Some(PATIENCE)).await;
    assert_eq!(session.shutdown(None).await, report);
    let end = UnspoolError::ShutDown;
    assert_eq!(session.feed(FeedKind::ForYou, None).err(), Some(end.clone()));
    assert_eq!(session.topics(None).await, Err(end.clone()));
    assert_eq!(session.interests(None).await, Err(end.clone()));
    assert_eq!(session.set_interests(vec!["science".into()], None).await, Err(end.clone()));
    assert_eq!(session.set_liked("i".into(), true, None).await, Err(end.clone()));
    assert_eq!(session.liked("i".into(), None).await, Err(end.clone()));
    assert_eq!(session.set_safety(session.safety(), None).await, Err(end.clone()));
    assert_eq!(session.set_blocked("ada".into(), true, None).await, Err(end.clone()));
    assert_eq!(session.set_rules("{}".into(), None).await, Err(end.clone()));
    assert_eq!(session.rules_version(), 0);
    assert_eq!(session.set_learner_weight("tea".into(), 0.5, None).await, Err(end.clone()));
    assert_eq!(session.forget_learned_topic("tea".into(), None).await, Err(end.clone()));
    assert_eq!(session.reset_learner(None).await, Err(end.clone()));
    assert_eq!(session.export_learner(None).await, Err(end.clone()));
    assert_eq!(session.erase_learner(None).await, Err(end.clone()));
    assert_eq!((session.learner_card().viewings, session.learner_lost()), (0, None));
    assert_eq!(session.flush(None, None).await, Err(end.clone()));
    assert_eq!(session.suspend(None).await, Err(end.clone()));
    assert_eq!(session.resume(None).await, Err(end.clone()));
    assert_eq!(feed.next(None).await, Err(end.clone()));
    assert_eq!(feed.previous(None).await, Err(end.clone()));
    assert_eq!(feed.peek(3, None).await, Err(end.clone()));
    assert_eq!(feed.reveal(0, None).await, Err(end.clone()));
    assert_eq!(feed.refresh_labels(), Err(end.clone()));
    assert_eq!(feed.why(0, None).await, Err(end.clone()));
    assert_eq!(feed.not_interested(0, None).await, Err(end.clone()));
    assert_eq!(feed.refresh(), Err(end.clone()));
    assert_eq!(feed.answer_loop(LoopChoice::KeepGoing), Err(end.clone()));
    assert_eq!(feed.set_paused(true), Err(end.clone()));
    assert_eq!(feed.seek(1), Err(end.clone()));
    assert_eq!(feed.set_muted(true), Err(end.clone()));
    assert_eq!(feed.retry(), Err(end.clone()));
    assert_eq!(feed.snapshot_after(u64::MAX, None).await, Err(end.clone()));
    assert_eq!(feed.events_after(u64::MAX, None).await, Err(end));
    assert_eq!(session.status().outgoing, report.outgoing, "counters stay readable");
}

#[test]
fn handles_are_dropped_on_any_thread_and_on_none_of_the_runtimes() {
    let dir = tempfile::tempdir().unwrap();
    let opened = futures_util::FutureExt::now_or_never(hosted(&dir, true));
    assert!(opened.is_none(), "opening waits for its own thread, not on the caller's");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let session = runtime.block_on(hosted(&dir, true));
    drop(runtime);
    let feed = session.feed(FeedKind::ForYou, None).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let (session, feed) = (session.clone(), feed.clone());
            std::thread::spawn(move || if n % 2 == 0 { drop((session, feed)) } else { drop((feed, session)) })
        })
        .collect();
    drop((session, feed));
    for thread in threads {
        thread.join().unwrap();
    }
}
