//! `sweep`.

use serde_json::Value;

use crate::{HELD, NO_LIVENESS, Place, VACUOUS, command, sim};

fn read(place: &Place, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(place.path(name)).unwrap()).unwrap()
}

/// The report without real time, which no two sweeps share.
fn timeless(mut report: Value) -> String {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("real_ns");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut report);
    serde_json::to_string(&report).unwrap()
}

#[test]
fn the_result_does_not_depend_on_jobs_and_failures_stop_nothing() {
    let place = Place::with(&[("held.toml", HELD), ("stuck.toml", NO_LIVENESS)]);
    let sweep = |jobs: &str, json: &str| {
        let files = [place.text("held.toml"), place.text("stuck.toml")];
        let reports = ["--json", json, "--junit", &place.text("report.xml"), "--markdown", &place.text("report.md")];
        sim(["sweep", &files[0], &files[1], "--seeds", "3..6", "--jobs", jobs].into_iter().chain(reports))
    };
    let one = sweep("1", &place.text("one.json"));
    assert_eq!(one.code, 3, "{}{}", one.out, one.err);
    assert_eq!(sweep("2", &place.text("two.json")).code, 3);
    let report = read(&place, "one.json");
    assert_eq!(timeless(report.clone()), timeless(read(&place, "two.json")));
    assert_eq!((&report["runs"], &report["scenarios"]["stuck"]["runs"]), (&6.into(), &3.into()));
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(failures.iter().map(|f| f["seed"].as_str().unwrap()).collect::<Vec<_>>(), ["3", "4", "5"]);
    let again = failures[0]["reproduce"].as_str().unwrap();
    assert!(again.ends_with(&format!(" run {} --seed 3", place.text("stuck.toml"))), "{again}");
    assert!(one.out.contains(again), "the command is shown: {}", one.out);
    let junit = std::fs::read_to_string(place.path("report.xml")).unwrap();
    assert!(junit.contains("<testsuite name=\"stuck\"") && junit.contains(again), "{junit}");
    let page = std::fs::read_to_string(place.path("report.md")).unwrap();
    assert!(page.contains("| stuck    | 3    | 3 4 5 "), "{page}");
    assert_eq!(place.names(), ["held.toml", "one.json", "report.md", "report.xml", "stuck.toml", "two.json"]);
}

#[test]
fn max_fail_ends_it_early() {
    let place = Place::with(&[("stuck.toml", NO_LIVENESS)]);
    let json = place.text("report.json");
    let did = sim(["sweep", &place.text("stuck.toml"), "--seeds", "0..9", "--max-fail", "1", "--json", &json]);
    assert_eq!(did.code, 3, "{}{}", did.out, did.err);
    assert!(did.out.contains("ended at --max-fail"), "{}", did.out);
    assert!(did.out.starts_with("1 of 9 runs of 1 scenario: "), "{}", did.out);
    let report = read(&place, "report.json");
    assert_eq!(
        (&report["runs"], &report["planned_runs"], &report["interrupted"]),
        (&1.into(), &9.into(), &false.into())
    );
}

#[test]
fn a_sweep_takes_no_input() {
    let place = Place::with(&[("held.toml", HELD)]);
    sim(["sweep", &place.text("held.toml"), "--seeds", "0..1", "--input", "x"])
        .fails(64, &["made-up text", "run --input"]);
}

#[test]
fn code_4_over_a_whole_sweep() {
    let place = Place::with(&[("held.toml", HELD), ("vacuous.toml", VACUOUS)]);
    let did = sim(["sweep", &place.text("vacuous.toml"), &place.text("held.toml"), "--seeds", "0..2"]);
    assert_eq!(did.code, 4, "{}{}", did.out, did.err);
    assert!(did.out.contains("vacuous: properties never checked: P5"), "{}", did.out);
}

#[test]
fn twice_is_the_same() {
    let place = Place::with(&[("held.toml", HELD)]);
    let did = sim(["sweep", &place.text("held.toml"), "--seeds", "0..3", "--check-determinism"]);
    assert_eq!(did.code, 0, "{}{}", did.out, did.err);
    assert!(did.out.contains("every one of 3 runs was done twice"), "{}", did.out);
}

#[test]
fn what_cannot_be_summed_or_written_is_refused_before_anything_runs() {
    let named = |name: &str| HELD.replace("teaches", &format!("name = \"{name}\"\nteaches"));
    let place = Place::with(&[("a.toml", &named("same")), ("b.toml", &named("same")), ("text.md", "")]);
    std::fs::create_dir(place.path("empty")).unwrap();
    sim(["sweep", &place.text("a.toml"), &place.text("b.toml"), "--seeds", "0..1"]).fails(65, &["duplicate-name"]);
    sim(["sweep", &place.text("empty"), "--seeds", "0..1"]).fails(65, &["no scenario file"]);
    sim(["sweep", &place.text("none.toml"), "--seeds", "0..1"]).fails(65, &["unreadable"]);
    let to = |json: &str| sim(["sweep", &place.text("a.toml"), "--seeds", "0..9999", "--json", &place.text(json)]);
    to("no/where.json").fails(69, &["cannot be written"]);
    to("empty").fails(64, &["is a folder"]);
    assert_eq!(place.names(), ["a.toml", "b.toml", "empty", "text.md"], "nothing half-written");
}

#[test]
fn two_reports_take_two_files() {
    let place = Place::with(&[("held.toml", HELD)]);
    let both = place.text("report");
    for (one, other) in [("--json", "--junit"), ("--junit", "--markdown"), ("--markdown", "--json")] {
        sim(["sweep", &place.text("held.toml"), "--seeds", "0..1", one, &both, other, &both])
            .fails(64, &["one file cannot hold two reports", "name a file for each"]);
    }
}

#[test]
#[cfg(unix)]
fn code_130_interrupted_with_the_report_so_far() {
    ["-INT", "-TERM"].into_iter().for_each(interrupted_by);
}

#[cfg(unix)]
fn interrupted_by(signal: &str) {
    use std::io::{BufRead as _, BufReader};
    let place = Place::with(&[("held.toml", HELD)]);
    let mut sweep = command();
    sweep.args(["sweep", &place.text("held.toml"), "--seeds", "0..1000000", "--json", &place.text("report.json")]);
    let mut running = sweep.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
    // The first line of progress: it listens by now.
    let line = lines.next().unwrap().unwrap();
    assert!(line.starts_with("sweep: "), "{line}");
    let id = running.id().to_string();
    assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    let said: Vec<String> = lines.map_while(Result::ok).collect();
    let out = running.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(130), "{said:?}");
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains(" of 1,000,000 runs of 1 scenario, interrupted: unknown"), "{text}");
    let report = read(&place, "report.json");
    assert_eq!((&report["verdict"], &report["interrupted"]), (&"unknown".into(), &true.into()));
    assert_eq!(report["planned_runs"], 1_000_000);
    assert!(read(&place, "report.json")["failures"].as_array().unwrap().is_empty(), "no run cut short is a failure");
}
