//! The real program prints the one schema.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::process::Command;

use serde_json::Value;

fn run(arguments: &[&str]) -> (bool, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_unspool-bench")).args(arguments).output().unwrap();
    (out.status.success(), String::from_utf8(out.stdout).unwrap())
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn number_or_null(value: &Value) -> bool {
    value.is_null() || value.is_number()
}

#[test]
fn a_bench_prints_the_schema_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("bench.html");
    let (ended_well, text) = run(&["engine", "--quick", "--json", "--html", page.to_str().unwrap()]);
    assert!(ended_well);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(keys(&report), ["bench", "machine", "rows"]);
    assert_eq!(report["bench"], "engine");

    let machine = &report["machine"];
    assert!(machine["cpus"].as_u64().unwrap() > 0);
    assert!(machine["model"].is_string() && machine["os"].is_string());
    assert!(machine["memory_gb"].is_number());
    assert!(machine["load"].as_array().unwrap().iter().all(Value::is_number));
    let known = ["cpus", "load", "memory_gb", "model", "os", "rustc"];
    assert!(keys(machine).iter().all(|key| known.contains(key)));

    let rows = report["rows"].as_array().unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        let mut names = keys(row);
        names.sort_unstable();
        assert_eq!(names, ["aim", "n", "name", "ours", "pass", "peer", "peer_name", "ratio", "unit"]);
        assert!(row["name"].is_string() && row["unit"].is_string());
        assert!(["ours", "peer", "ratio"].iter().all(|key| number_or_null(&row[*key])), "{row}");
        assert!(row["n"].as_u64().unwrap() > 0);
        assert_eq!(row["aim"].is_null(), row["pass"].is_null(), "a verdict goes with an aim: {row}");
        assert!(row["ours"].as_f64().unwrap() > 0.0, "measured: {row}");
    }
    assert!(rows.iter().any(|row| row["aim"] == "<= 200 µs" && row["pass"].is_boolean()));
    assert!(std::fs::read_to_string(page).unwrap().contains("swipe turn"));
}

#[test]
fn every_bench_is_listed() {
    let (ended_well, text) = run(&["list"]);
    assert!(ended_well);
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["engine", "feed", "media", "player", "telemetry", "ffi"]);
}

#[test]
fn what_is_not_a_bench_is_refused() {
    assert!(!run(&["nothing"]).0);
    assert!(!run(&["engine", "--rounds", "0"]).0);
}
