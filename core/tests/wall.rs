//! The wall around the core, as far as a test can see it: what the source says, what `lib.rs` forbids, what `clippy.toml` names and
//! which features the workspace turned on. That clippy really refuses each of these is shown by `just wall`, which plants them.
//! It must never pass because it looked at nothing: every scan is first shown something it has to refuse.

use std::{collections::BTreeSet, fs, path::Path};

/// Words that no line of the core may hold, each with the reason that a failure prints.
const FORBIDDEN_WORDS: [(&str, &str); 12] = [
    ("f32", "floats round differently; ratios are integers in basis points"),
    ("f64", "floats round differently; ratios are integers in basis points"),
    ("HashMap", "its order differs from process to process; use BTreeMap"),
    ("HashSet", "its order differs from process to process; use BTreeSet"),
    ("RandomState", "keyed by the operating system"),
    ("SystemTime", "wall time is an input"),
    ("OsRng", "randomness is forked from the node's seed"),
    ("SysRng", "randomness is forked from the node's seed"),
    ("thread_rng", "randomness is forked from the node's seed"),
    ("ThreadRng", "randomness is forked from the node's seed"),
    ("thread_local", "a node's whole state is in the node"),
    ("unsafe", "the core forbids unsafe code"),
];

/// The only part of the core that may open the wall, and only for `disallowed_methods`: plan documents are built by constructors that
/// draw a random actor, which is replaced at once.
const DOOR: &str = "plan";

#[test]
fn the_source_of_the_core_stays_inside_the_wall() {
    let files = rust_files(&core_dir().join("src"));
    assert!(!files.is_empty(), "no source was found, so nothing was checked");
    let breaches: Vec<String> = files
        .iter()
        .flat_map(|(name, text)| breaches(text, name).into_iter().map(move |breach| format!("{name}:{breach}")))
        .collect();
    assert!(breaches.is_empty(), "the wall is breached:\n{}", breaches.join("\n"));
}

#[test]
fn the_scan_refuses_what_it_must() {
    let bad = [
        "extern crate std;",
        "use std::collections::BTreeMap;",
        "let t = ::std::time::Instant::now();",
        "fn ratio(a: f64) {}",
        "let third = 0.33;",
        "let m: HashMap<u8, u8>;",
        "unsafe { *p }",
        "#[allow(clippy::disallowed_methods, reason = \"x\")]",
    ];
    for line in bad {
        assert!(!breaches(line, "slot/record.rs").is_empty(), "accepted: {line}");
    }
    assert!(!breaches("#[expect(clippy::disallowed_types)]", "plan/view.rs").is_empty());
    assert!(!breaches("#[cfg(test)]\nmod tests {\n    use std::fs;\n}\nuse std::fs;", "a.rs").is_empty());
}

#[test]
fn the_scan_accepts_what_is_harmless() {
    let good = [
        "extern crate alloc;",
        "use core::time::Duration; // std::time is on the other side",
        "let version = \"1.0\";",
        "let inner = pair.0.1;",
        "for i in 0..10 {}",
        "#![forbid(unsafe_code)]",
        "#[cfg(test)]\nextern crate std;",
        "#[cfg(test)]\nmod tests {\n    use std::collections::HashMap;\n}",
    ];
    for text in good {
        assert_eq!(breaches(text, "slot/record.rs"), Vec::<String>::new(), "refused: {text}");
    }
    assert!(breaches("#[expect(clippy::disallowed_methods, reason = \"x\")]", "plan/document.rs").is_empty());
}

#[test]
fn lib_rs_raises_the_lints() {
    let lib: String = read("src/lib.rs").chars().filter(|c| !c.is_whitespace()).collect();
    assert!(lib.contains("#![no_std]"), "lib.rs does not say #![no_std]");
    assert!(lib.contains("#![forbid(unsafe_code)]"), "lib.rs does not forbid unsafe code");
    let denied: BTreeSet<&str> = lib
        .split("#![deny(")
        .skip(1)
        .filter_map(|rest| rest.split_once(")]"))
        .flat_map(|(list, _)| list.split(','))
        .collect();
    for lint in [
        "missing_docs",
        "clippy::float_arithmetic",
        "clippy::disallowed_types",
        "clippy::disallowed_methods",
        "clippy::allow_attributes_without_reason",
    ] {
        assert!(denied.contains(lint), "lib.rs does not deny {lint}");
    }
}

#[test]
fn clippy_toml_names_each_dangerous_call() {
    let named = named_in_clippy_toml();
    for dangerous in [
        "std::collections::HashMap",
        "std::collections::HashSet",
        "std::time::Instant",
        "std::time::SystemTime",
        "f32",
        "f64",
        "automerge::ActorId::random",
        "automerge::AutoCommit::new",
        "automerge::Automerge::hydrate",
        "ed25519_dalek::Verifier::verify",
        "rand::rng",
        "getrandom::fill",
        "raft::Raft::reset_randomized_election_timeout",
        "raft::ProgressTracker::iter",
    ] {
        assert!(named.contains(dangerous), "core/clippy.toml does not name {dangerous}");
    }
}

#[test]
fn every_entry_of_clippy_toml_has_its_plant() {
    let plants: BTreeSet<String> = read("tests/wall/planted.rs")
        .lines()
        .filter_map(|line| line.split_once("//~ disallowed "))
        .filter_map(|(_, words)| words.split('`').nth(1).map(str::to_owned))
        .collect();
    assert_eq!(named_in_clippy_toml(), plants, "left: named in clippy.toml, right: planted");
}

/// With `preserve_order` an object keeps the order in which it was built, and canonical bytes would depend on history.
#[test]
fn serde_json_sorts_its_objects() {
    let object: serde_json::Value = serde_json::from_str(r#"{"b":1,"a":2}"#).expect("valid JSON");
    assert_eq!(object.to_string(), r#"{"a":2,"b":1}"#, "some crate turned on serde_json/preserve_order");
}

/// With `arbitrary_precision` a number keeps its spelling, so that one value has many canonical forms.
#[test]
fn serde_json_forgets_how_a_number_was_spelt() {
    let number: serde_json::Value = serde_json::from_str("1.00").expect("valid JSON");
    assert_eq!(number.to_string(), "1.0", "some crate turned on serde_json/arbitrary_precision");
}

/// What is wrong with `text`, as `line: reason`. It reads lines, not syntax, and relies on `cargo fmt` for one thing: an item under
/// `#[cfg(test)]` at the left margin ends with `;` on its first line or with a brace at the left margin.
fn breaches(text: &str, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if line == "#[cfg(test)]" {
            let item = lines.by_ref().map(|(_, l)| l).find(|l| !l.starts_with("#["));
            if item.is_some_and(|l| l.ends_with('{')) {
                lines.by_ref().find(|(_, l)| *l == "}");
            }
            continue;
        }
        let code = code_of(line);
        let words: Vec<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let mut refuse = |reason: &str| found.push(format!("{}: {reason}: {}", index + 1, line.trim()));
        for (word, reason) in FORBIDDEN_WORDS {
            if words.contains(&word) {
                refuse(reason);
            }
        }
        if code.contains("extern crate") && code.trim() != "extern crate alloc;" {
            refuse("only alloc may be declared");
        }
        if code.match_indices("std::").any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')) {
            refuse("the core is no_std");
        }
        if has_float_literal(&code) {
            refuse("a float literal");
        }
        if code.contains("clippy::disallowed_") && (code.contains("allow(") || code.contains("expect(")) {
            let at_the_door = name.split(['/', '.']).next() == Some(DOOR);
            if !at_the_door || code.contains("disallowed_types") {
                refuse("the wall may be opened only in the plan, and only for methods");
            }
        }
    }
    found
}

/// The line without its comment and without what stands between quotes.
fn code_of(line: &str) -> String {
    let line = line.replace("\\\"", "").replace("'\"'", "");
    let unquoted: String = line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    unquoted.split("//").next().unwrap_or_default().to_owned()
}

/// A digit, a point, a digit; but not `pair.0.1`, and not the `0..9` of a range.
fn has_float_literal(code: &str) -> bool {
    let bytes = code.as_bytes();
    bytes.windows(3).enumerate().any(|(at, w)| {
        let number_starts = bytes[..=at].iter().rposition(|b| !b.is_ascii_digit() && *b != b'_').map_or(0, |p| p + 1);
        let field =
            number_starts > 0 && (bytes[number_starts - 1] == b'.' || bytes[number_starts - 1].is_ascii_alphabetic());
        w[0].is_ascii_digit() && w[1] == b'.' && w[2].is_ascii_digit() && !field
    })
}

/// The paths that clippy.toml names; its entries stand one per line.
fn named_in_clippy_toml() -> BTreeSet<String> {
    let named: BTreeSet<String> = read("clippy.toml")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ path = \""))
        .filter_map(|rest| rest.split_once('"'))
        .map(|(path, _)| path.to_owned())
        .collect();
    assert!(!named.is_empty(), "core/clippy.toml names nothing");
    named
}

fn core_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(core_dir().join(path)).unwrap_or_else(|error| panic!("core/{path}: {error}"))
}

/// Every source file below `dir` as (path below it, text), except the files that hold nothing but tests.
fn rust_files(dir: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            let stem = path.file_stem().unwrap_or_default();
            if stem == "tests" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(dir).expect("below the folder").display().to_string();
                files.push((name, fs::read_to_string(&path).expect("readable source")));
            }
        }
    }
    files.sort();
    files
}
