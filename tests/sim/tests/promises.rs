//! The replay of the promises from the command line: folders of the same shape, what is absent, what is malformed, the gate.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use unspool_engine::ranking::RankingPolicy;

fn promises(arguments: &[&str]) -> Output {
    // The cache of this user is no input of a test.
    Command::new(env!("CARGO_BIN_EXE_unspool-sim"))
        .arg("promises")
        .args(arguments)
        .env_remove("UNSPOOL_ML100K")
        .env("XDG_CACHE_HOME", std::env::temp_dir().join("no such cache"))
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn row<'a>(report: &'a Value, what: &str) -> &'a Value {
    let rows = report["rows"].as_array().unwrap();
    rows.iter()
        .find(|r| r["what"].as_str().unwrap().contains(what))
        .unwrap_or_else(|| panic!("no row {what}"))
}

fn write_to(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// A week of another service in the same shape: 300 clips of twelve topics, thirty people, columns in another order.
fn folder(dir: &Path) -> PathBuf {
    let folder = dir.join("kuairand");
    std::fs::create_dir_all(&folder).unwrap();
    let mut items = String::from("tag,video_id,music_id,author_id,video_duration,anything\n");
    for clip in 0..300 {
        writeln!(
            items,
            "\"{},{}\",{clip},{},{},{}.0,x",
            clip % 12,
            12 + clip % 3,
            clip % 40,
            clip % 90,
            5_000 + clip * 300
        )
        .unwrap();
    }
    write_to(&folder.join("items.csv"), &items);
    let mut histories = String::from("user_id,watch_seq,long_watch_seq\n");
    let mut views =
        String::from("user_id,video_id,time_ms,play_time_ms,duration_ms,long_view,author_id,tag\n");
    for user in 0..30_u32 {
        let clips: Vec<u32> = (0..30).map(|i| (user * 37 + i * 11) % 300).collect();
        let long: Vec<u32> = clips.iter().copied().filter(|c| (c + user) % 3 == 0).collect();
        let list = |all: &[u32]| all.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        writeln!(histories, "{user},{},{}", list(&clips), list(&long)).unwrap();
        for i in 0..12 {
            let clip = (user * 41 + i * 7) % 300;
            let long = u32::from((clip + user) % 3 == 0);
            writeln!(views, "{user},{clip},{},{},20000,{long},1,\"1,2\"", 1_000 - i, 500 + long * 20_000)
                .unwrap();
        }
    }
    write_to(&folder.join("histories.csv"), &histories);
    write_to(&folder.join("interactions.csv"), &views);
    dir.to_owned()
}

#[test]
fn without_data_every_promise_says_so_and_nothing_fails() {
    let dir = tempfile::tempdir().unwrap();
    let output = promises(&["--data", dir.path().to_str().unwrap(), "--json"]);
    let report = json(&output);
    assert!(output.status.success(), "{report}");
    for promise in ["SL-1", "SL-2", "SL-3", "SAFE-1", "SAFE-2", "SAFE-3"] {
        let rows = report["rows"].as_array().unwrap().iter().filter(|r| r["promise"] == promise);
        assert!(rows.clone().count() > 0, "{promise}");
        assert!(rows.clone().any(|r| r["note"].as_str().unwrap().starts_with("NO DATA")), "{promise}");
    }
    // What needs no data is judged all the same.
    assert_eq!(row(&report, "one topic only is called thin")["pass"], true);
}

#[test]
fn a_folder_of_the_same_shape_is_judged() {
    let dir = tempfile::tempdir().unwrap();
    let data = folder(dir.path());
    let run = |more: &[&str]| {
        let mut arguments = vec!["--data", data.to_str().unwrap(), "--json", "--people", "12"];
        arguments.extend(more);
        json(&promises(&arguments))
    };
    let report = run(&[]);
    for what in ["windows of 10 with a topic above 4, For You", "windows of 20 with a topic above 8, For You"]
    {
        assert_eq!(row(&report, what)["figure"], 0.0);
        assert_eq!(row(&report, what)["pass"], true);
    }
    for what in
        ["GAUC less", "watch seconds of the top 3", "cards until a disliked topic", "exposure of creators"]
    {
        let row = row(&report, what);
        assert!(row["figure"].is_number() && row["bound"].is_string() && row["pass"].is_boolean(), "{row}");
        assert!(row["interval"].is_array(), "{row}");
    }
    // Given vectors replace the fitted ones.
    let mut vectors = String::from("a,video_id,b\n");
    for clip in 0..300 {
        writeln!(vectors, "{},{clip},-0.5", f64::from(clip % 7) / 7.0).unwrap();
    }
    write_to(&data.join("kuairand/vectors.csv"), &vectors);
    let given = run(&["--promise", "SL-2"]);
    assert_ne!(row(&given, "GAUC less")["figure"], row(&report, "GAUC less")["figure"]);
    assert_eq!(given["rows"].as_array().unwrap().len(), 2);
}

#[test]
fn malformed_tables_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = folder(dir.path());
    let file = |name: &str| data.join("kuairand").join(name);
    let refused = |what: &str| {
        let output = promises(&["--data", data.to_str().unwrap(), "--promise", "SL-2"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(what), "{what}: {said}");
    };
    let break_it = |name: &str, find: &str, put: &str, what: &str| {
        let good = std::fs::read_to_string(file(name)).unwrap();
        assert!(good.contains(find));
        write_to(&file(name), &good.replacen(find, put, 1));
        refused(what);
        write_to(&file(name), &good);
    };
    break_it("interactions.csv", "long_view", "longish", "no column long_view");
    break_it("interactions.csv", "0,0,1000,", "0,zero,1000,", "row 1, column video_id");
    break_it("interactions.csv", "0,0,1000,", "0,0,1000,7,", "record");
    break_it("histories.csv", "0,0 11 22", "0,0 11 -22", "column watch_seq");
    break_it("items.csv", ",0,0,5000.0", ",0,0,NaN", "column video_duration");
}

#[test]
fn the_gate_refuses_what_makes_safety_worse() {
    let dir = tempfile::tempdir().unwrap();
    let data = folder(dir.path());
    let reference = dir.path().join("reference.json");
    let policy = dir.path().join("policy.json");
    let base = ["--data", data.to_str().unwrap(), "--json", "--people", "6", "--promise", "SAFE-1"];
    let run = |more: &[&str]| {
        let mut arguments = base.to_vec();
        arguments.extend(more);
        promises(&arguments)
    };
    run(&["--write-reference", reference.to_str().unwrap()]);
    let against = ["--against", reference.to_str().unwrap()];
    let same = json(&run(&against));
    assert_eq!(same["worse"].as_array().unwrap().len(), 0, "the same policy is not worse than itself");

    // Half as much of a bound: more watch time perhaps, and more loops for certain.
    let loose = RankingPolicy::shipped_text().replace("\"per_topic\": 4", "\"per_topic\": 8");
    write_to(&policy, &loose);
    let output = run(&["--policy", policy.to_str().unwrap(), against[0], against[1]]);
    let report = json(&output);
    assert!(!output.status.success());
    assert_eq!(report["pass"], false);
    assert_eq!(row(&report, "windows of 10 with a topic above 4, hostile pages")["pass"], false);
    let worse = report["worse"].as_array().unwrap();
    assert!(worse.iter().any(|w| w["what"].as_str().unwrap().contains("hostile pages")), "{worse:?}");

    // A reference of another run proves nothing.
    let other = promises(&["--data", data.to_str().unwrap(), "--people", "7", against[0], against[1]]);
    assert!(!other.status.success() && String::from_utf8_lossy(&other.stderr).contains("another seed"));
    write_to(&policy, "{}");
    assert!(!run(&["--policy", policy.to_str().unwrap()]).status.success());
}

/// Two camps that like each other's opposite: what a prior cannot know and a learner must.
#[test]
fn tastes_that_no_prior_knows_are_learnt() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ml-100k.inter");
    let mut text = String::from("user_id:token\titem_id:token\trating:float\ttimestamp:float\n");
    for person in 0..40_u32 {
        for n in 0..80 {
            let film = (person * 7 + n * 3) % 120;
            let stars = if (film + person) % 2 == 0 { 5 } else { 2 };
            writeln!(text, "{person}\t{film}\t{stars}\t{}", 1_000 + n).unwrap();
        }
    }
    write_to(&file, &text);
    let run = || promises(&["--movielens", dir.path().to_str().unwrap(), "--promise", "SL-1", "--json"]);
    let report = json(&run());
    assert!(row(&report, "after 5 ")["figure"].as_f64().unwrap() > 0.05, "{report:#}");
    assert!(row(&report, "after 50 ")["figure"].as_f64().unwrap() > 0.2, "{report:#}");
    assert!(row(&report, "after 50 ")["note"].as_str().unwrap().starts_with("40 people"));
    write_to(&file, &text.replacen("\t5\t", "\t50\t", 1));
    assert!(String::from_utf8_lossy(&run().stderr).contains("50 stars"));
}

/// The real thing, where somebody put it.
#[test]
fn the_learner_learns_movielens() {
    let Some(folder) = std::env::var_os("UNSPOOL_ML100K") else {
        eprintln!("NO DATA: UNSPOOL_ML100K is not set; scripts/movielens.sh prints what it should be");
        return;
    };
    let output = promises(&["--movielens", folder.to_str().unwrap(), "--promise", "SL-1", "--json"]);
    let report = json(&output);
    assert!(output.status.success(), "{report:#}");
}

/// Some people of the recorded week: rough figures, but the bound is the bound.
#[test]
fn the_recorded_week_keeps_the_bound() {
    let shared = std::env::var_os("UNSPOOL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let data = shared.join("data");
    if !data.join("kuairand").is_dir() {
        eprintln!("NO DATA: no recorded behaviour");
        return;
    }
    let output =
        promises(&["--data", data.to_str().unwrap(), "--json", "--people", "25", "--promise", "SAFE-1"]);
    let report = json(&output);
    assert!(output.status.success(), "{report:#}");
    assert_eq!(row(&report, "windows of 10 with a topic above 4, For You")["figure"], 0.0);
    assert!(
        row(&report, "of the learner alone")["figure"].as_f64().unwrap() > 0.0,
        "there is something to bound"
    );
}
