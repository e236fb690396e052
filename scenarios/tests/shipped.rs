//! The files that are shipped: each one loads without a word from the lint, and the published
//! schema agrees.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use swarm_nemeses::Kind;
use swarm_scenarios::{Needs, Property, discover, lint_all, load, schema};

fn shipped() -> Vec<PathBuf> {
    discover(&[Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()]).unwrap()
}

fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap();
    let value: toml::Value = toml::from_str(&text).unwrap();
    serde_json::to_value(value).unwrap()
}

#[test]
fn every_shipped_file_is_clean() {
    let files = shipped();
    assert!(files.len() >= 7);
    for report in lint_all(&files) {
        let said: Vec<_> = report.findings().map(ToString::to_string).collect();
        assert!(report.is_clean(), "{said:#?}");
    }
}

#[test]
fn every_shipped_file_teaches_something_and_judges_everything() {
    for path in shipped() {
        let scenario = load(&path).unwrap();
        assert_eq!(scenario.name, path.file_stem().unwrap().to_str().unwrap());
        assert!(scenario.teaches.len() > 20);
        assert_eq!(scenario.properties.check, Property::ALL);
        assert_eq!(scenario.nemeses.len(), scenario.faults.len());
        let needs = scenario.needs.map_or(scenario.workload.needs as usize, |n| n.lines.len());
        assert!((1..=8).contains(&needs));
    }
}

#[test]
fn the_richest_file_has_every_fault() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("everything.toml");
    let scenario = load(&path).unwrap();
    let kinds: BTreeSet<_> = scenario.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, Kind::ALL.into());
    assert_eq!((scenario.shape().coordinators, scenario.shape().agents()), (5, 20));
}

#[test]
fn the_schema_accepts_the_shipped_files_and_refuses_strangers() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for path in shipped() {
        let mut value = json(&path);
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        value["cluster"]["coordinatros"] = 3.into();
        assert!(!validator.is_valid(&value));
    }
    assert!(!validator.is_valid(&serde_json::json!({})), "`teaches` is required");
}

#[test]
fn a_scenario_written_out_reads_back_and_fits_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for path in shipped() {
        let scenario = load(&path).unwrap();
        let text = toml::to_string(&scenario).unwrap();
        let again: swarm_scenarios::Scenario = toml::from_str(&text).unwrap();
        assert_eq!(again.cluster, scenario.cluster);
        assert_eq!(again.workload, scenario.workload);
        assert_eq!(again.faults, scenario.faults);
        assert!(validator.is_valid(&serde_json::to_value(&scenario).unwrap()));
    }
}

#[test]
fn the_schema_has_an_identity_without_a_host() {
    assert_eq!(schema()["$id"], "urn:can-swarm:scenario:1");
}

#[test]
fn the_needs_of_the_real_job_are_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("wordcount.needs.jsonl");
    assert_eq!(Needs::load(&path).unwrap().lines[0].parts, 4);
}
