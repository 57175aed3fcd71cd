//! The bridge as other languages use it: a process, lines in and lines out.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use unspool_sim::policy::{Action, Observation, Policy};
use unspool_sim::roster;
use unspool_sim::session::Session;
use unspool_sim::sim::play;
use unspool_sim::world::{Settings, World};

struct Process {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_unspool-sim"))
            .arg("bridge")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Process { child, to, from }
    }

    fn ask(&mut self, line: &str) -> serde_json::Value {
        writeln!(self.to.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.from.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.to.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Policy for Process {
    fn reset(&mut self, session: &Session) {
        let mut message = serde_json::to_value(session).unwrap();
        message["op"] = "reset".into();
        assert_eq!(self.ask(&message.to_string()), serde_json::json!({}));
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        let mut message = serde_json::to_value(observation).unwrap();
        message["op"] = "step".into();
        let answer = self.ask(&message.to_string());
        match (answer["video"].as_u64(), answer["rendition"].as_u64(), answer["sleep_ms"].as_u64()) {
            (Some(v), Some(r), None) => Action::Download { video: v as u32, rendition: r as u8 },
            (None, None, Some(ms)) => Action::Sleep { ms: ms as u32 },
            _ => panic!("{answer}"),
        }
    }
}

#[test]
fn scores_through_the_bridge_are_those_of_the_process() {
    let settings = Settings { shared: None, users: 2, traces: 1, ..Settings::default() };
    let world = World::build(&settings).unwrap();
    let ours = roster::find("unspool").unwrap();
    let mut process = Process::start();
    for class in &world.classes {
        for case in &class.cases {
            let mut inside = (ours.build)(&case.session, class.truth(case));
            let here = play(&case.session, class.truth(case), inside.as_mut(), false);
            let there = play(&case.session, class.truth(case), &mut process, false);
            assert_eq!(here.score, there.score, "{}", class.name);
            assert_eq!((here.decisions, here.refused), (there.decisions, 0));
        }
    }
}

#[test]
fn hostile_lines_are_answered_and_forgotten() {
    let mut process = Process::start();
    let reset = r#"{"op":"reset","videos":[{"id":7,"duration_ms":2000.0,"chunk_ms":1000,"kbps":[750],"sizes":[[90000,90000]],"retention":[[0,1],[1000,0.5]]}],"rtt_ms":80,"queue":5}"#;
    let step = r#"{"op":"step","delay_ms":0,"rebuffer_ms":0,"bytes":0,"playing":7,"first":true,"queue":[{"video":7,"chunks":[],"played_ms":0,"buffer_ms":0}]}"#;
    assert!(process.ask(step)["error"].is_string(), "a step before any reset");
    assert_eq!(process.ask(reset), serde_json::json!({}));
    let hostile = [
        "nonsense".to_owned(),
        "\u{0}\u{1}".to_owned(),
        "[".repeat(100_000),
        r#"{"op":"reset","videos":[],"queue":5}"#.to_owned(),
        reset.replace("[90000,90000]", "[90000]"),
        reset.replace("\"chunk_ms\":1000", "\"chunk_ms\":0"),
        reset.replace("\"duration_ms\":2000.0", "\"duration_ms\":1e300"),
        reset.replace("[1000,0.5]", "[1000,-1]"),
        reset.replace("\"queue\":5", "\"queue\":-5"),
        step.replace("\"delay_ms\":0", "\"delay_ms\":-1"),
        step.replace("\"delay_ms\":0", "\"delay_ms\":1e999"),
        step.replace("\"playing\":7", "\"playing\":8"),
        step.replace("\"video\":7", "\"video\":8"),
        step.replace("\"chunks\":[]", "\"chunks\":[0,0,0]"),
        step.replace("\"chunks\":[]", "\"chunks\":[9]"),
        step.replace("\"played_ms\":0", "\"played_ms\":1e9"),
        step.replace("\"queue\":[{", "\"queue\":[],\"x\":[{"),
        r#"{"op":"else"}"#.to_owned(),
        " ".repeat(17 << 20) + "x",
    ];
    for line in hostile {
        let answer = process.ask(&line);
        assert!(answer["error"].is_string(), "{} gave {answer}", &line[..line.len().min(200)]);
    }
    assert_eq!(process.ask(step), serde_json::json!({"video": 7, "rendition": 0}), "goes on as before");
    assert_eq!(process.ask(reset), serde_json::json!({}));
    assert_eq!(process.ask(step), serde_json::json!({"video": 7, "rendition": 0}));
}
