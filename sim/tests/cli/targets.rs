//! Where reports may be written to: files whole, devices and our own output through, everything else refused at once.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::{HELD, Place, sim};

#[test]
fn our_own_output_is_written_to() {
    let place = Place::with(&[("held.toml", HELD)]);
    let sweep = |option: &str, to: &str| sim(["sweep", &place.text("held.toml"), "--seeds", "0..1", option, to]);
    for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let did = sweep("--json", name);
        assert_eq!(did.code, 0, "{}", did.err);
        let report: serde_json::Value = serde_json::from_str(&did.out).expect("a report and nothing else");
        assert!(report["planned_runs"] == 1 && did.err.contains("1 run of 1 scenario"), "{}", did.err);
    }
    let file = place.text("held.toml");
    sim(["sweep", &file, "--seeds", "0..1", "--json", "-", "--junit", "/dev/stdout"]).fails(64, &["help:"]);
    assert!(sweep("--junit", "/dev/stderr").err.contains("<testsuite name=\"held\""));
    assert_eq!(sweep("--json", "/dev/null").code, 0);
    assert_eq!(place.names(), ["held.toml"]);
}

#[test]
fn what_cannot_be_written_to_is_refused_at_once() {
    let place = Place::with(&[("held.toml", HELD)]);
    fs::create_dir(place.path("folder")).unwrap();
    symlink(place.path("nowhere"), place.path("dangling")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    let before = place.names();
    let began = Instant::now();
    for (name, why) in [("folder", "is a folder"), ("dangling", "is a link"), ("pipe", "is a pipe")] {
        for option in ["--json", "--junit", "--markdown"] {
            let to = place.text(name);
            // Ten million runs: that it is refused before the first is seen by the clock.
            let did = sim(["sweep", &place.text("held.toml"), "--seeds", "0..10000000", option, &to]);
            did.fails(64, &[why, "help:"]);
        }
        // An empty folder may be filled.
        if name != "folder" {
            sim(["run", &place.text("held.toml"), "--out", &place.text(name)]).fails(64, &["help:"]);
        }
    }
    sim(["run", &place.text("held.toml"), "--out", "/dev/null"]).fails(64, &["is no folder"]);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert_eq!(place.names(), before, "nothing was replaced, nothing was left");
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_replaced() {
    let place = Place::with(&[("held.toml", HELD), ("report.json", "old")]);
    symlink(place.path("report.json"), place.path("link")).unwrap();
    let did = sim(["sweep", &place.text("held.toml"), "--seeds", "0..1", "--json", &place.text("link")]);
    assert_eq!(did.code, 0, "{}", did.err);
    assert!(fs::symlink_metadata(place.path("link")).unwrap().is_symlink());
    assert!(fs::read_to_string(place.path("report.json")).unwrap().starts_with('{'));
    assert_eq!(place.names(), ["held.toml", "link", "report.json"]);
}
