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
        (changed(0, "\"format\":2", "\"format\":1"), number(0), "format 1"),
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

/// Every file of `from` at its place in `to`.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

#[test]
fn a_runs_folder_is_whole_or_refused_by_name() {
    let place = Place::with(&[("held.toml", HELD)]);
    let run = |seed: &str, out: &str| sim(["run", &place.text("held.toml"), "--seed", seed, "--out", &place.text(out)]);
    assert_eq!((run("1", "left").code, run("2", "another").code), (0, 0));
    let need = crate::names(&place.path("left/out")).remove(0);
    let output = format!("out/{need}/result");

    let refused = |named: &str, why: &str, tamper: &dyn Fn(&Path)| {
        let folder = place.path("tampered");
        copy(&place.path("left"), &folder);
        tamper(&folder);
        let did = sim([Path::new("replay"), &folder]);
        assert_eq!(did.code, 65, "{named} {why}: {}{}", did.out, did.err);
        // What miette breaks over lines is one sentence.
        let err: Vec<&str> = did.err.split_whitespace().filter(|word| *word != "│").collect();
        let all = format!("{}{}", did.out, err.join(" "));
        let told = all.lines().any(|line| line.contains(named) && line.contains(why));
        assert!(told, "no {named:?} with {why:?} in: {all}");
        fs::remove_dir_all(&folder).unwrap();
    };
    let log = |folder: &Path, node: &str| folder.join("audit").join(node).with_extension("jsonl");
    let append = |path: &Path, text: &str| fs::write(path, fs::read_to_string(path).unwrap() + text).unwrap();

    refused("audit/worker-0.jsonl", "missing", &|folder| fs::remove_file(log(folder, "worker-0")).unwrap());
    refused("worker-0.jsonl, line ", "missing", &|folder| {
        let text = fs::read_to_string(log(folder, "worker-0")).unwrap();
        let whole: Vec<&str> = text.split_inclusive('\n').collect();
        // At the last seal before the end, or before the closing one.
        let seal = |line: &&str| line.contains("{\"body\":{\"seal\"");
        let cut = whole[..whole.len() - 1].iter().rposition(seal).map_or(whole.len() - 1, |at| at + 1);
        fs::write(log(folder, "worker-0"), whole[..cut].concat()).unwrap();
    });
    for node in ["coordinator-0", "worker-1"] {
        refused(&format!("audit/{node}.jsonl"), "and the manifest names", &|folder| {
            fs::copy(log(&place.path("another"), node), log(folder, node)).unwrap();
        });
    }
    refused("audit/worker-1.jsonl", "and the manifest names", &|folder| {
        fs::copy(log(folder, "worker-0"), log(folder, "worker-1")).unwrap();
    });
    refused("audit/again.jsonl", "not of this run", &|folder| {
        fs::copy(log(folder, "worker-0"), log(folder, "again")).unwrap();
    });
    for name in [output.as_str(), "history.jsonl", "run.json"] {
        refused(name, "changed after the run", &|folder| append(&folder.join(name), "\n"));
        refused(name, "missing", &|folder| fs::remove_file(folder.join(name)).unwrap());
    }
    refused("out/more", "not of this run", &|folder| fs::write(folder.join("out/more"), "").unwrap());
    refused("manifest.json", "it is missing", &|folder| fs::remove_file(folder.join("manifest.json")).unwrap());
    refused("manifest.json", "no manifest of a run", &|folder| append(&folder.join("manifest.json"), "x"));
    // Whoever rewrites the manifest as well still cannot pass off another output: its address is in the logs.
    refused(&output, "not the output that the FINALIZE record names", &|folder| {
        append(&folder.join(&output), "\n");
        let path = folder.join("manifest.json");
        let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let bytes = fs::read(folder.join(&output)).unwrap();
        manifest["files"][&output] = swarm_core::id::Digest::sha256(&bytes).to_string().into();
        fs::write(&path, manifest.to_string()).unwrap();
    });
}

#[test]
fn what_nobody_signed_is_told() {
    let place = Place::with(&[("held.toml", HELD)]);
    assert_eq!(sim(["run", &place.text("held.toml"), "--out", &place.text("out")]).code, 0);
    let one = place.path("out/audit/coordinator-0.jsonl");
    let text = fs::read_to_string(&one).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // Without its closing seal, the lines after the one before it are nobody's word.
    fs::write(&one, lines[..lines.len() - 1].concat()).unwrap();
    let did = sim([Path::new("replay"), &one]);
    assert_eq!(did.code, 2, "{}{}", did.out, did.err);
    let sealed = lines[..lines.len() - 1].iter().rposition(|line| line.starts_with("{\"body\":{\"seal\"")).unwrap() + 1;
    let told = format!("unsealed: lines {} to {} are chained, and signed by nobody", sealed + 1, lines.len() - 1);
    assert!(did.out.contains("not closed") && did.out.contains(&told), "no {told:?} in {}", did.out);
}

/// Puts a pipe that nobody writes to at `path`.
#[cfg(unix)]
fn pipe(path: &Path) {
    let _none = fs::remove_file(path);
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn a_pipe_where_a_file_should_be_is_refused_and_not_waited_for() {
    let place = Place::with(&[("held.toml", HELD)]);
    pipe(&place.path("pipe.toml"));
    for command in ["lint", "run", "sweep"] {
        let path = place.text("pipe.toml");
        let seeds: &[&str] = if command == "sweep" { &["--seeds", "0..1"] } else { &[] };
        let did = sim([&[command, &path], seeds].concat());
        assert_eq!(did.code, 65, "{command}: {}{}", did.out, did.err);
        assert!(format!("{}{}", did.out, did.err).contains("only files are read"), "{command}: {}{}", did.out, did.err);
    }
    assert_eq!(sim(["run", &place.text("held.toml"), "--out", &place.text("left")]).code, 0);
    for name in ["audit/worker-0.jsonl", "run.json", "manifest.json"] {
        let folder = place.path("tampered");
        copy(&place.path("left"), &folder);
        pipe(&folder.join(name));
        sim([Path::new("replay"), &folder]).fails(65, &["only files are read"]);
        fs::remove_dir_all(&folder).unwrap();
    }
    sim(["replay", &place.text("pipe.toml")]).fails(65, &["only files are read"]);
}

/// A log that says nothing in ever so many lines must not cost more room than a bad line does.
#[cfg(target_os = "linux")]
#[test]
fn a_log_of_bare_newlines_is_refused_in_little_room() {
    let place = Place::with(&[("held.toml", HELD)]);
    assert_eq!(sim(["run", &place.text("held.toml"), "--out", &place.text("out")]).code, 0);
    let one = place.path("out/audit/worker-0.jsonl");
    let text = fs::read_to_string(&one).unwrap();
    let opening = text.split_inclusive('\n').next().unwrap();
    fs::write(&one, opening.to_owned() + &"\n".repeat(20 << 20)).unwrap();
    // Of addresses, in KiB: enough for the file and the program.
    let limited = format!("ulimit -v 400000; exec {} replay {}", env!("CARGO_BIN_EXE_swarm-sim"), one.display());
    let out = std::process::Command::new("sh").args(["-c", &limited]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(65), "{said}{}", String::from_utf8_lossy(&out.stderr));
    let told = "line 2: not a line of an audit log: EOF while parsing a value\n  the log is not as its node wrote it";
    assert!(said.contains(told), "{said}");
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

/// Results that a challenge made void and that were made again, and a register that was founded anew while the lost one lived on.
#[test]
fn a_run_that_held_replays() {
    for (scenario, seed) in [("liars", "1"), ("colluders-k", "1"), ("pass-and-run", "1"), ("register-split", "1")] {
        let place = Place::with(&[]);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenarios/{scenario}.toml"));
        let did = sim(["run", &file.display().to_string(), "--seed", seed, "--out", &place.text("out")]);
        assert_eq!(did.code, 0, "{scenario}: {}{}", did.out, did.err);
        let did = sim(["replay", &place.text("out")]);
        assert_eq!(did.code, 0, "{scenario}: {}{}", did.out, did.err);
    }
}
