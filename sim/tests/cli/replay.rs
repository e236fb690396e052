//! `replay`: a folder, one log, and every way to tamper with one.

use std::fs;
use std::path::Path;

use crate::{HELD, Place, sim};

#[test]
fn logs_replay_alike_and_no_tampering_goes_unseen() {
    let place = Place::with(&[("held.toml", HELD)]);
    assert_eq!(sim(["run", &place.text("held.toml"), "--out", &place.text("out")]).code, 0);
    let did = sim(["replay", &place.text("out")]);
    assert_eq!(did.code, 0, "{}{}", did.out, did.err);
    assert!(did.out.contains("coordinator-0.jsonl: ") && did.out.contains("1 FINALIZE records"), "{}", did.out);

    let one = place.path("out/audit/planner-0.jsonl");
    let log = fs::read_to_string(&one).unwrap();
    let did = sim([Path::new("replay"), &one]);
    assert_eq!(did.code, 0, "{}{}", did.out, did.err);

    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    let (at, last) = (lines.len() / 2, lines.len() - 1);
    let timed = at + lines[at..].iter().position(|line| line.contains("\"mono\":\"")).unwrap();
    let without = |n: usize| [&lines[..n], &lines[n + 1..]].concat().concat();
    let changed = |n: usize, from: &str, to: &str| {
        let line = lines[n].replacen(from, to, 1);
        assert_ne!(line, lines[n], "nothing to change in line {n}: {}", lines[n]);
        [&lines[..n], &[line.as_str()], &lines[n + 1..]].concat().concat()
    };
    let doubled = [&lines[..=at], &lines[at..]].concat().concat();
    let moved = [&lines[..at], &[lines[at + 1], lines[at]], &lines[at + 2..]].concat().concat();
    let number = |n: usize| format!("line {}: ", n + 1);
    let tampered = [
        (without(0), number(0), "opening"),
        (without(at), number(at), "missing, doubled or moved"),
        (doubled, number(at + 1), "missing, doubled or moved"),
        (moved, number(at), "missing, doubled or moved"),
        (changed(timed, "\"mono\":\"", "\"mono\":\"1"), number(timed), "changed"),
        (changed(0, "\"format\":1", "\"format\":2"), number(0), "format 2"),
        (changed(0, "\"bootstrap_needs\":", "\"bootstrap_needs\":1"), number(0), "changed"),
        (log[..log.len() - 5].to_owned(), number(last), "cut inside"),
        (String::new(), number(0), "opening"),
        ("no log\n".to_owned(), number(0), "opening"),
    ];
    for (text, line, why) in tampered {
        fs::write(&one, text).unwrap();
        let did = sim([Path::new("replay"), &one]);
        assert_eq!(did.code, 65, "{line}{why}: {}{}", did.out, did.err);
        assert!(did.out.contains(&format!("planner-0.jsonl, {line}")) && did.out.contains(why), "{why}: {}", did.out);
    }

    // The last line alone: nothing in the log tells, but the run had ended.
    fs::write(&one, without(last)).unwrap();
    let did = sim([Path::new("replay"), &one]);
    assert!(did.code == 2 && did.out.contains("not closed"), "{}", did.out);
    let did = sim(["replay", &place.text("out")]);
    assert_eq!(did.code, 65, "{}", did.out);
    assert!(did.out.contains(&format!("planner-0.jsonl, line {}: missing", last + 1)), "{}", did.out);
}

#[test]
fn nothing_to_replay() {
    let place = Place::with(&[("held.toml", HELD)]);
    let none = sim(["replay", &place.text("none")]);
    none.fails(65, &["none: cannot be read", "help:"]);
    assert_eq!(none.err.matches("No such file").count(), 1, "said once: {}", none.err);
    let wrong = sim(["replay", &place.text("held.toml")]);
    assert!(wrong.code == 65 && wrong.out.contains("name the folder of a run"), "{}", wrong.out);
    sim(["replay", &place.0.path().display().to_string()]).fails(65, &["no audit log"]);
}
