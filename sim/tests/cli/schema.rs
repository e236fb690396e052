//! `schema`: what it prints describes what the commands write.

use serde_json::Value;

use crate::fits::fits;
use crate::{HELD, NO_LIVENESS, Place, UNKNOWN, VACUOUS, sim};

/// Ends the test unless `written` is what `schema NAME` describes.
#[track_caller]
fn covers(name: &str, written: &str) {
    let schema: Value = serde_json::from_str(&sim(["schema", name]).out).unwrap();
    let written: Value = serde_json::from_str(written).unwrap();
    fits(&schema, &schema, &written).unwrap();
}

#[test]
fn of_runs_of_every_kind() {
    for text in [HELD, NO_LIVENESS, UNKNOWN, VACUOUS] {
        let place = Place::with(&[("one.toml", text)]);
        covers("run", &sim(["run", &place.text("one.toml"), "--format", "json"]).out);
    }
}

#[test]
fn of_a_sweep_with_failures() {
    let place = Place::with(&[("held.toml", HELD), ("stuck.toml", NO_LIVENESS)]);
    let files = [place.text("held.toml"), place.text("stuck.toml"), place.text("report.json")];
    let did = sim(["sweep", &files[0], &files[1], "--seeds", "0..2", "--json", &files[2]]);
    assert_eq!(did.code, 3, "{}{}", did.out, did.err);
    let written = std::fs::read_to_string(&files[2]).unwrap();
    assert!(written.contains("\"contradictions\""), "a failure is described too: {written}");
    covers("sweep", &written);
}
