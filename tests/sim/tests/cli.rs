//! The command line with a judge's own folders.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_unspool-sim")).args(arguments).output().unwrap()
}

/// Two traces, three videos (one with a curve of its own), twelve views of one person.
fn folders(dir: &Path) -> [String; 3] {
    let (network, catalog, people) = (dir.join("mine"), dir.join("catalog"), dir.join("people.csv"));
    std::fs::create_dir_all(&network).unwrap();
    std::fs::create_dir_all(&catalog).unwrap();
    for (name, rate) in [("0", "3.0"), ("1", "1.5")] {
        std::fs::write(network.join(name), format!("0.0\t1.0\n10.0\t{rate}\n20.0\t2.0\n")).unwrap();
    }
    for (name, seconds) in [("a", 8), ("b", 15), ("c", 30)] {
        let mut text = format!("1000,{seconds}000,500,1500\n");
        for chunk in 0..seconds {
            writeln!(text, "{},{}", 60_000 + chunk, 190_000 + chunk).unwrap();
        }
        std::fs::write(catalog.join(format!("{name}.csv")), text).unwrap();
    }
    std::fs::write(catalog.join("a.retention.csv"), "0,1\n4000,0.5\n7999,0.25\n").unwrap();
    let mut text = String::from("user_id,video_id,time_ms,play_time_ms,duration_ms\n");
    for i in 0..12 {
        writeln!(text, "7,{i},{},{},{}", 1_000 - i, 500 + i * 900, 9_000 + i * 2_000).unwrap();
    }
    std::fs::write(&people, text).unwrap();
    [network, catalog, people].map(|p| p.to_string_lossy().into_owned())
}

#[test]
fn a_judges_own_inputs_replace_all_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let [network, catalog, people] = folders(dir.path());
    let plot = dir.path().join("out.html");
    let run = |more: &[&str]| {
        let mut arguments = vec!["prefetch", "--json", "--network", &network, "--catalog", &catalog];
        arguments.extend(["--people", &people, "--users", "3", "--seed", "7"]);
        arguments.extend(more);
        let output = sim(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let report = run(&["--plot", plot.to_str().unwrap()]);
    assert_eq!(report["classes"].as_array().unwrap().len(), 1);
    assert_eq!(report["classes"][0]["name"], "mine");
    let names: Vec<&str> =
        report["rows"].as_array().unwrap().iter().map(|r| r["policy"].as_str().unwrap()).collect();
    assert!(names.contains(&"unspool") && names.contains(&"pdas") && names.contains(&"hindsight-oracle"));
    for row in report["rows"].as_array().unwrap() {
        let numbers = ["s", "qoe", "stall_s", "stall_ratio", "switches", "mb", "waste_pct", "start_up_ms"];
        for figure in numbers.into_iter().chain(["decisions", "us_per_decision"]) {
            assert!(row[figure].is_number(), "{figure} of {row}");
        }
        assert_eq!(row["refused"], 0, "{row}");
    }
    let page = std::fs::read_to_string(&plot).unwrap();
    assert!(page.matches("<svg").count() >= 5, "bars, distances and three time-lines");
    let outside = page.replace("http://www.w3.org/2000/svg", "").contains("http");
    assert!(!outside && !page.contains("<script"), "the page needs nothing else");
    let real = run(&["--real-people", "--policy", "unspool", "--policy", "no-preload"]);
    assert_eq!(real["rows"].as_array().unwrap().len(), 2);
}

#[test]
fn broken_inputs_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let [network, catalog, people] = folders(dir.path());
    let fails = |arguments: &[&str], words: &str| {
        let output = sim(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{arguments:?}: {said}");
    };
    fails(&["prefetch", "--policy", "nobody"], "there are");
    fails(&["prefetch", "--users", "0"], "users");
    fails(&["prefetch", "--network", "does-not-exist"], "does-not-exist");
    fails(&["prefetch", "--people", &format!("{network}/0")], "no column user_id");
    std::fs::write(Path::new(&network).join("2"), "0.0\t1.0\nx\ty\n").unwrap();
    fails(&["prefetch", "--network", &network], "row 2");
    std::fs::write(Path::new(&catalog).join("d.csv"), "1000,9000,500,1500\n1,2\n").unwrap();
    fails(&["prefetch", "--catalog", &catalog], "chunk sizes");
    std::fs::write(&people, "user_id,time_ms,play_time_ms,duration_ms\n1,2,x,4\n").unwrap();
    fails(&["prefetch", "--people", &people], "row 1");
}
