//! The live inspector, turned on as an app in another language turns it on.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use unspool_ffi::{LogLevel, SessionConfig, Unspool, UnspoolError, set_log_level};

/// A wait that lasts longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_debug_build_serves_it_with_the_log_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    assert!(set_log_level(Some(LogLevel::Info)));
    let config = SessionConfig {
        data_dir: dir.path().to_string_lossy().into_owned(),
        account: "ada".into(),
        // Port 9 discards: nothing is asked of it.
        backend: Some("http://127.0.0.1:9".into()),
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
    };
    let session = Unspool::open(config, None, None, None, None).await.unwrap();
    let inspector = session.inspect(0, false).unwrap();
    assert!(inspector.url().starts_with(&format!("http://127.0.0.1:{}/", inspector.port())));
    let taken = session.inspect(inspector.port(), false);
    assert!(matches!(taken.err(), Some(UnspoolError::Config { .. })));

    let path = inspector.url().split_off(format!("http://127.0.0.1:{}", inspector.port()).len());
    let mut page = TcpStream::connect(("127.0.0.1", inspector.port())).unwrap();
    page.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(page, "GET {path}events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let (mut told, mut buffer, deadline) = (String::new(), [0; 8 * 1024], Instant::now() + PATIENCE);
    // Written before the inspector was there.
    while !told.contains("unspool::core: a session is open") {
        assert!(Instant::now() < deadline, "{told}");
        let read = page.read(&mut buffer).unwrap();
        told.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    inspector.stop().await;
    assert!(TcpStream::connect(("127.0.0.1", inspector.port())).is_err());
    session.shutdown(None).await;
}
