//! The binary from outside: what it prints, what it leaves on the disk, and one test for each exit code that a scenario can
//! bring about. Codes 1 and 70 are mapped in unit tests: they take a bug.

#[path = "../../../reports/tests/fits/mod.rs"]
mod fits;
#[path = "../../../core/ports/tests/real_text/mod.rs"]
mod real_text;

mod input;
mod policy;
mod replay;
mod run;
mod schema;
mod sweep;
#[cfg(unix)]
mod targets;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One need of one task in a small swarm: all holds.
const HELD: &str = "\
teaches = \"One need of one task.\"
[cluster]
workers = 2
planners = 1
[workload]
needs = 1
recipe = \"single\"
";

/// The same, and it should have failed.
const NO_LIVENESS: &str = "\
teaches = \"A need that should fail and does not.\"
[cluster]
workers = 2
planners = 1
[workload]
needs = 1
recipe = \"single\"
[properties]
ends = [\"failed\"]
";

/// The same, stopped early.
const UNKNOWN: &str = "\
teaches = \"A run stopped by its limit: what it would have come to is unknown.\"
[workload]
needs = 1
recipe = \"single\"
[limits]
max_deliveries = 1_000
";

/// The need is taken back before anybody holds a task of it.
const VACUOUS: &str = "\
teaches = \"A need taken back before anybody holds a task of it: nothing of leases is checked.\"
[workload]
needs = 1
recipe = \"single\"
cancel_bp = 9_999
[protocol]
bids = \"10m\"
[properties]
check = [\"P5\"]
ends = [\"cancelled\"]
";

/// What the binary did.
struct Did {
    code: i32,
    out: String,
    err: String,
}

impl Did {
    /// Ends the test unless it ended with `code` and its error text has all of `words`.
    #[track_caller]
    fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        // What miette breaks over lines is one sentence.
        let said = self.err.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(said.contains(word), "no {word:?} in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swarm-sim"));
    command.env_remove("CARGO").stdin(Stdio::null());
    command
}

fn sim<A: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = A>) -> Did {
    let out = command().args(args).output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Did { code: out.status.code().expect("it was not killed"), out: text(out.stdout), err: text(out.stderr) }
}

/// A folder with scenario files in it.
struct Place(tempfile::TempDir);

impl Place {
    fn with(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            std::fs::write(place.path(name), text).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn names(&self) -> Vec<String> {
        names(self.0.path())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn lint_points_at_the_line_and_says_the_mend() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let did = sim([Path::new("lint"), &shipped]);
    assert_eq!(did.code, 0, "{}", did.out);
    let place = Place::with(&[("good.toml", HELD), ("typo.toml", "teaches = \"x\"\n[workload]\nneedz = 3\n")]);
    let did = sim(["lint", &place.text("good.toml"), &place.text("typo.toml")]);
    assert_eq!(did.code, 65);
    for word in ["unknown-key", "typo.toml:3:1", "needs", "2 files: 1 error"] {
        assert!(did.out.contains(word), "no {word:?} in: {}", did.out);
    }
    sim(["lint", &place.text("none.toml")]).code.eq(&65).then_some(()).expect("a missing file is a finding");
}

#[test]
fn schemas_and_completions() {
    for (of, id) in [
        ("scenario", "urn:can-swarm:scenario:1"),
        ("run", "report:run:1"),
        ("sweep", "report:sweep:1"),
        ("mutants", "report:mutants:2"),
        ("needs", "needs:1"),
    ] {
        let did = sim(["schema", of]);
        let schema: serde_json::Value = serde_json::from_str(&did.out).unwrap();
        assert!(did.code == 0 && schema["$id"].as_str().unwrap().ends_with(id), "{of}");
    }
    assert_eq!(sim(["schema"]).out, sim(["schema", "scenario"]).out);
    for shell in ["bash", "zsh", "fish"] {
        let did = sim(["completions", shell]);
        assert!(did.code == 0 && did.out.contains("check-determinism"), "{shell}");
    }
}

#[test]
fn wrong_usage_is_64_and_help_is_not() {
    let none: [&str; 0] = [];
    assert_eq!(sim(none).code, 64);
    let wrong: &[&[&str]] = &[
        &["frob"],
        &["run"],
        &["run", "a.toml", "--frob"],
        &["run", "a.toml", "--seed", "18446744073709551616"],
        &["run", "a.toml", "--seed", "-1"],
        &["run", "a.toml", "--format", "xml"],
        &["sweep", "a.toml"],
        &["sweep", "a.toml", "--seeds", "5..2"],
        &["sweep", "a.toml", "--seeds", "5..5"],
        &["sweep", "a.toml", "--seeds", "0..99999999999999999999"],
        &["sweep", "a.toml", "--seeds", "0..1", "--jobs", "0"],
        &["sweep", "a.toml", "--seeds", "0..1", "--jobs", "99999"],
        &["sweep", "a.toml", "--seeds", "0..1", "--max-fail", "0"],
        &["mutants", "--seeds", "0"],
        &["mutants", "--only", "no-such-bug"],
        &["mutants", "--only", "cycle-by-arrival"],
        &["mutants", "--list", "--only", "belief-of-one"],
        &["schema", "frob"],
        &["completions", "frob"],
    ];
    for args in wrong {
        sim(*args).fails(64, &["error:"]);
    }
    sim(["run", "a.toml", "--seed", "-1"]).fails(64, &["\"-1\" is no seed"]);
    sim(["mutants", "--only", "cycle-by-arrival"]).fails(64, &["`just mutants-core`"]);
    sim(["sweep", "a.toml", "--seeds", "5..2"]).fails(64, &["the wrong way round: write 2..5"]);
    for args in [&["--help"][..], &["--version"], &["sweep", "--help"], &["help", "run"]] {
        assert_eq!(sim(args).code, 0, "{args:?}");
    }
}
