//! The house keeps its word: what README promises is what CI runs, and what the files at the top say about each other is true.
//! It must never pass on an empty page, so every list it checks is first checked to hold something.

use std::{collections::BTreeSet, fs, path::PathBuf};

use sha2::{Digest, Sha256};
use swarm_core::wire::Verb;

const MAIN_JOB: &str = "cargo run --release -p swarm-sim -- run scenarios/quiet.toml";
const TESTS: &str = "cargo test --workspace";

#[test]
fn readme_shows_the_two_commands_and_ci_runs_the_same() {
    let readme = read("README.md");
    let ci = read(".ci/run");
    for command in [MAIN_JOB, TESTS] {
        assert!(
            readme.lines().any(|line| line.trim() == command),
            "README.md does not show, on a line of its own: {command}"
        );
        let run = ci.lines().any(|line| line.starts_with("step ") && line.ends_with(&format!(" {command}")));
        assert!(run, ".ci/run does not run: {command}");
    }
}

#[test]
fn readme_lists_every_exit_code() {
    let readme = read("README.md");
    let codes: BTreeSet<u8> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|row| row.split(" |").next()?.trim().parse().ok())
        .collect();
    assert_eq!(codes, BTreeSet::from([0, 1, 2, 3, 4, 64, 65, 69, 70, 75, 130]));
}

#[test]
fn every_habit_the_readme_names_is_in_the_justfile() {
    let justfile = read("justfile");
    let habits: BTreeSet<&str> = justfile
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()) && !line.contains(":="))
        .filter_map(|line| line.split([' ', ':']).next())
        .collect();
    let readme = read("README.md");
    let named: BTreeSet<&str> =
        readme.split("`just ").skip(1).filter_map(|rest| rest.split(['`', ' ']).next()).collect();
    assert!(!named.is_empty(), "README.md names no habit");
    let unknown: Vec<_> = named.difference(&habits).collect();
    assert!(unknown.is_empty(), "README.md names habits that the justfile does not have: {unknown:?}");
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut followed = 0;
    for page in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let text = read(page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            assert!(root().join(path).exists(), "{page} links to {path}, which does not exist");
            followed += 1;
        }
    }
    assert!(followed > 0, "no link was followed");
}

/// The digest of the text as its authors publish it: a licence with one word changed is another licence.
#[test]
fn the_licence_is_unmodified() {
    let digest: String = Sha256::digest(read("LICENSE")).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30");
}

#[test]
fn every_package_inherits_the_lints_of_the_workspace() {
    let workspace = read("Cargo.toml");
    let members: Vec<&str> = workspace
        .lines()
        .find_map(|line| line.strip_prefix("members = ["))
        .expect("the workspace lists its members on one line")
        .split('"')
        .skip(1)
        .step_by(2)
        .collect();
    assert!(members.len() >= 7, "only {members:?}");
    for member in members {
        let manifest = read(&format!("{member}/Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member}/Cargo.toml does not inherit the lints");
    }
}

/// Features of serde_json that would give one value several canonical forms are refused by `cargo deny` as well, for those who have it.
#[test]
fn deny_toml_names_what_is_banned() {
    let rules = read("deny.toml");
    for banned in
        ["\"openssl\"", "\"ssi\"", "\"did-key\"", "\"json-canon\"", "\"preserve_order\"", "\"arbitrary_precision\""]
    {
        assert!(rules.contains(banned), "deny.toml does not name {banned}");
    }
    assert!(rules.contains("wildcards = \"deny\""), "deny.toml accepts wildcard versions");
}

/// The fuzzer would never guess a verb that its dictionary lacks, and would stay green.
#[test]
fn the_fuzzer_knows_every_verb() {
    let words = read("core/fuzz/envelope.dict");
    assert!(!Verb::ALL.is_empty(), "there are no verbs");
    for verb in Verb::ALL {
        let entry = format!("\"\\\"{}\\\"\"", verb.as_str());
        assert!(words.lines().any(|line| line == entry), "core/fuzz/envelope.dict lacks the line {entry}");
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
