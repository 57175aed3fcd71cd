//! The program itself.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use unspool_origin::cli::Ready;

use crate::support::{CLIPS, DEADLINE, cache, client};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unspool-origin"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

struct Started {
    child: Child,
    ready: Ready,
}

fn start(arguments: &[&str]) -> Started {
    let mut child = program()
        .arg("--catalogue-cache")
        .arg(cache())
        .args(["--clips", &CLIPS.to_string()])
        .args(arguments)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Started { child, ready: serde_json::from_str(&line).unwrap() }
}

async fn exit_of(mut child: Child) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if began.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("the program did not end");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn it_says_where_it_listens_and_ends_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let started = start(&["--state", folder.path().to_str().unwrap(), "--feed-items", "7"]);
    let health = client().get(format!("{}/healthz", started.ready.listening)).send().await.unwrap();
    assert!(health.text().await.unwrap().contains("\"items\":7"));
    let pid = started.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(exit_of(started.child).await.success());
    assert!(folder.path().join("access.jsonl").metadata().unwrap().len() > 0);
}

#[tokio::test]
async fn it_ends_when_asked_to() {
    let started = start(&["--network", r#"{"rtt_ms":1}"#]);
    let answer = client().post(format!("{}/control/shutdown", started.ready.control)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(exit_of(started.child).await.success());
}

#[tokio::test]
async fn it_ends_with_the_process_it_was_told_of() {
    let mut parent = Command::new("sleep").arg("600").spawn().unwrap();
    let started = start(&["--parent-pid", &parent.id().to_string()]);
    assert_eq!(
        client().get(format!("{}/healthz", started.ready.listening)).send().await.unwrap().status(),
        200
    );
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(exit_of(started.child).await.success());
}

#[tokio::test]
async fn a_setting_that_is_wrong_is_named() {
    let mut child = program().args(["--network", "/nowhere/at/all"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!exit_of(child).await.success());
    assert!(said.contains("cannot read /nowhere/at/all"), "{said}");
}

#[tokio::test]
async fn subcommands_print_and_end() {
    let output = program().arg("openapi").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), unspool_origin::api::openapi_json());
    let output =
        program().args(["catalogue", "--clips", "1", "--catalogue-cache"]).arg(cache()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), cache().to_str().unwrap());
}
