//! `run`.

use serde_json::Value;

use crate::{Did, HELD, NO_LIVENESS, Place, UNKNOWN, VACUOUS, names, sim};

#[test]
fn code_0_all_held() {
    let place = Place::with(&[("held.toml", HELD)]);
    let did = sim(["run", &place.text("held.toml"), "--seed", "7"]);
    assert_eq!(did.code, 0, "{}{}", did.out, did.err);
    for word in ["held, seed 7: held", "closed", "liveness", "trace hash: "] {
        assert!(did.out.contains(word), "no {word:?} in: {}", did.out);
    }
    assert!(!did.out.contains('\u{1b}') && !did.err.contains('\u{1b}'), "no colour where there is no terminal");
}

#[test]
fn json_has_all_that_was_promised() {
    let place = Place::with(&[("held.toml", HELD)]);
    let did = sim(["run", &place.text("held.toml"), "--format", "json"]);
    let report: Value = serde_json::from_str(&did.out).unwrap();
    let names =
        "version scenario seed verdict trace_hash properties faults sometimes needs deliveries simulated_ns real_ns";
    for name in names.split(' ') {
        assert!(!report[name].is_null(), "no {name}");
    }
    assert_eq!((&report["version"], &report["seed"], &report["verdict"]), (&1.into(), &"1".into(), &"held".into()));
    assert_eq!(report["properties"]["P1"]["verdict"], "holds");
    assert_eq!((&report["needs"]["opened"], &report["needs"]["settled"]), (&1.into(), &1.into()));
    let schema: Value = serde_json::from_str(&sim(["schema", "run"]).out).unwrap();
    for name in report.as_object().unwrap().keys() {
        assert!(schema["properties"].get(name).is_some(), "{name} is not in the schema");
    }
}

/// What was drawn and found in the run is told, and until when it lasted: to its own end, or for ever.
#[test]
fn a_report_says_when_each_fault_struck_and_whom() {
    let faults = "\
[phases]
fault = \"2m\"
[[faults]]
kind = \"pause\"
who = \"coordinator:1\"
at = \"3s\"
for = \"5s\"
[[faults]]
kind = \"partition-isolate\"
who = \"worker:random\"
at = \"35s\"
for = \"20s\"
[[faults]]
kind = \"pause-leader\"
at = \"2s\"
for = \"1s\"
[[faults]]
kind = \"silent-worker\"
who = \"worker:0\"
at = \"30s\"
for = \"forever\"
";
    let place = Place::with(&[("struck.toml", &format!("{HELD}{faults}"))]);
    let run = |format| sim(["run", &place.text("struck.toml"), "--format", format]);
    let report: Value = serde_json::from_str(&run("json").out).unwrap();
    let of = |at: usize, name: &str| report["struck"][at][name].as_str().unwrap_or_else(|| panic!("{report}"));
    let told = |at| (of(at, "kind"), of(at, "at_ns"), of(at, "until_ns"), of(at, "whom"));
    assert_eq!(told(0), ("pause-leader", "2000000000", "3000000000", "register, the leader"));
    assert_eq!(told(1), ("pause", "3000000000", "8000000000", "coordinator-1"));
    let end = report["simulated_ns"].as_str().unwrap();
    assert_eq!(told(2), ("silent-worker", "30000000000", end, "worker-0"));
    assert_eq!((of(3, "kind"), of(3, "until_ns")), ("partition-isolate", "55000000000"));
    assert!(["worker-0 from the rest", "worker-1 from the rest"].contains(&of(3, "whom")), "{report}");
    assert!(report["struck"].get(4).is_none());
    let shown = run("human").out;
    assert!(shown.lines().any(|line| line.starts_with("pause  ") && line.ends_with("coordinator-1")), "{shown}");
}

/// Whom a zombie fault takes is known only once some worker sleeps through its lease; the report names that one.
#[test]
fn a_report_names_the_worker_that_became_a_zombie() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/pause.toml");
    let report: Value = serde_json::from_str(&sim(["run", shipped, "--seed", "1", "--format", "json"]).out).unwrap();
    let zombies = report["struck"].as_array().unwrap().iter().filter(|struck| struck["kind"] == "zombie-worker");
    let whom: Vec<&str> = zombies.map(|struck| struck["whom"].as_str().unwrap()).collect();
    assert!(
        matches!(whom[..], [one] if one.strip_prefix("worker-").is_some_and(|no| no.parse::<u32>().is_ok())),
        "{whom:?}"
    );
}

#[test]
fn code_2_unknown() {
    let place = Place::with(&[("cut.toml", UNKNOWN)]);
    let did = sim(["run", &place.text("cut.toml")]);
    assert_eq!(did.code, 2, "{}{}", did.out, did.err);
    assert!(did.out.contains("the run was cut short"), "{}", did.out);
}

#[test]
fn code_3_no_liveness_with_a_command_that_does_it_again() {
    let place = Place::with(&[("a stuck one.toml", &NO_LIVENESS.replace("teaches", "name = \"stuck\"\nteaches"))]);
    let did = sim(["run", &place.text("a stuck one.toml"), "--seed", "18446744073709551615"]);
    assert_eq!(did.code, 3, "{}{}", did.out, did.err);
    let found = did.out.split_once("\nliveness: ").expect("the property, and what contradicts it").1;
    assert!(found.contains(" s: need ended: how closed, need "), "a witness: {found}");
    let again = did.out.lines().last().unwrap().strip_prefix("again: ").unwrap();
    let shell = std::process::Command::new("sh").args(["-c", again]).output().unwrap();
    assert_eq!(shell.status.code(), Some(3), "{again}");
    let hash = |text: &str| text.lines().find(|line| line.starts_with("trace hash")).unwrap().to_owned();
    assert_eq!(hash(&String::from_utf8(shell.stdout).unwrap()), hash(&did.out));
}

/// Whoever tries a shipped scenario by itself sees it hold: it has a seed that shows what it is about.
#[test]
fn every_shipped_scenario_holds_when_run_alone() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let scenarios: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|is| is == "toml") && !path.ends_with("Cargo.toml")).collect();
    assert!(scenarios.len() > 50);
    for path in scenarios {
        let did = sim(["run", path.to_str().unwrap()]);
        assert_eq!(did.code, 0, "{}: {}{}", path.display(), did.out, did.err);
    }
}

/// Where a scenario says that a promise ends a run that comes to it is no failure, and says so.
#[test]
fn code_0_an_expected_violation() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/colluders-k.toml");
    let run = |seed: u32| (seed, sim(["run", shipped, "--seed", &seed.to_string()]));
    let comes = |(seed, did): &(u32, Did)| did.out.contains(&format!("colluders-k, seed {seed}: expected violation"));
    let (seed, did) = (0..60).map(run).find(comes).expect("some run comes to that");
    assert_eq!(did.code, 0, "{}{}", did.out, did.err);
    assert!(did.out.contains("P3: what is wrong stands, because liars alone ruled so"), "{}", did.out);
    let did = sim(["sweep", shipped, "--seeds", &format!("{seed}..{}", seed + 1)]);
    assert_eq!(did.code, 0, "{}{}", did.out, did.err);
    assert!(did.out.contains("the promise of P3 ends in 1 of 1 run"), "{}", did.out);
}

#[test]
fn code_4_nothing_was_checked() {
    let place = Place::with(&[("vacuous.toml", VACUOUS)]);
    let did = sim(["run", &place.text("vacuous.toml")]);
    assert_eq!(did.code, 4, "{}{}", did.out, did.err);
    assert!(did.out.contains("never checked: P5"), "{}", did.out);
}

/// T50: what was acknowledged and is gone is an alarm with a code of its own, above all others; where it is what the scenario
/// wants to show, its absence would be.
#[test]
fn t50_code_75_data_loss() {
    let lost = HELD.replace("[workload]", "register = \"etcd\"\n[workload]")
        + "[[faults]]\nkind = \"etcd-restore\"\nat = \"40s\"\nfor = \"2s\"\nwithin = \"30s\"\n";
    let place = Place::with(&[("lost.toml", &lost), ("wanted.toml", &format!("{lost}{WANTED}"))]);
    let did = sim(["run", &place.text("lost.toml")]);
    assert_eq!(did.code, 75, "{}{}", did.out, did.err);
    assert!(did.out.contains("data loss") || did.out.contains("data-loss"), "{}", did.out);
    let did = sim(["run", &place.text("wanted.toml")]);
    assert_eq!(did.code, 0, "{}{}", did.out, did.err);
}

/// The loss is what is to be seen; nobody is owed progress after it.
const WANTED: &str = "[properties]\ncheck = [\"P1\", \"P9\"]\ndata_loss = true\n";

#[test]
fn code_65_scenarios_that_cannot_be_used() {
    let place = Place::with(&[
        ("syntax.toml", "teaches = \n"),
        ("late.toml", &format!("{HELD}[[faults]]\nkind = \"loss\"\nat = \"9h\"\nfor = \"1s\"\nppm = 5\n")),
        ("huge.toml", &HELD.replace("needs = 1", "needs = 99999999999999999999")),
        ("quorum.toml", &format!("{HELD}[protocol]\nk_result = 40\n")),
        ("register.toml", &HELD.replace("[workload]", "register = \"zookeeper\"\n[workload]")),
    ]);
    let run = |name: &str| sim(["run", &place.text(name)]);
    run("none.toml").fails(65, &["none.toml", "unreadable"]);
    run("syntax.toml").fails(65, &["syntax.toml:1", "syntax"]);
    run("late.toml").fails(65, &["fault-after-end", "help:"]);
    run("huge.toml").fails(65, &["huge.toml:6"]);
    run("quorum.toml").fails(65, &["k_result", "help:"]);
    run("register.toml").fails(65, &["register.toml:5", "`zookeeper` is not known", "help:"]);
    sim(["run", &place.0.path().display().to_string()]).fails(65, &["unreadable"]);
}

#[test]
fn code_65_input_that_cannot_be_used() {
    let place = Place::with(&[("held.toml", HELD)]);
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/wordcount.toml");
    sim(["run", shipped, "--input", &place.text("none")]).fails(65, &["--input", "none: no such file or folder"]);
    sim(["run", &place.text("held.toml"), "--input", &place.text("held.toml")]).fails(64, &["needs_file", "help:"]);
    std::fs::create_dir(place.path("empty")).unwrap();
    sim(["run", shipped, "--input", &place.text("empty"), "--out", &place.text("out")]).fails(65, &["no file"]);
    assert_eq!(place.names(), ["empty", "held.toml"], "nothing half-written");
}

#[test]
fn a_run_reports_the_same_with_and_without_a_folder() {
    let place = Place::with(&[("held.toml", HELD)]);
    let report = |more: &[&str]| {
        let did = sim([&["run", &place.text("held.toml"), "--format", "json"][..], more].concat());
        let mut report: Value = serde_json::from_str(&did.out).unwrap();
        report["real_ns"].take();
        report
    };
    assert_eq!(report(&["--out", &place.text("out")]), report(&[]));
}

#[test]
fn out_holds_everything_or_is_not_there() {
    let place = Place::with(&[("held.toml", HELD)]);
    let run = |out: &str| sim(["run", &place.text("held.toml"), "--format", "json", "--out", &place.text(out)]);
    let did = run("out");
    assert_eq!(did.code, 0, "{}", did.err);
    let kept = ["audit", "held.toml", "history.jsonl", "manifest.json", "out", "policies", "run.json"];
    assert_eq!(names(&place.path("out")), kept);
    assert_eq!(std::fs::read_to_string(place.path("out/held.toml")).unwrap(), HELD);
    assert_eq!(std::fs::read_to_string(place.path("out/run.json")).unwrap(), did.out);
    let report: serde_json::Value = serde_json::from_str(&did.out).unwrap();
    for mark in report["sometimes"].as_object().unwrap().keys() {
        assert!(
            swarm_scenarios::MARKS.iter().any(|known| known.name == mark),
            "{mark} is told and the lint refuses it"
        );
    }
    let audit = names(&place.path("out/audit"));
    assert!(audit.len() > 10 && audit[0] == "coordinator-0.jsonl", "{audit:?}");
    let need = &names(&place.path("out/out"))[0];
    assert_eq!(names(&place.path("out/out").join(need)), ["result"]);
    run("out").fails(64, &["the folder is not empty", "help:"]);
    run("held.toml").fails(64, &["is no folder"]);
    run("no/where").fails(69, &["cannot be written", "help:"]);
    run("held.toml/x").fails(69, &["cannot be written"]);
    assert_eq!(place.names(), ["held.toml", "out"], "nothing half-written");
}

#[test]
#[cfg(unix)]
fn code_69_a_read_only_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::with(&[("held.toml", HELD)]);
    let closed = place.path("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
    // Who may do anything may write here too.
    if std::fs::write(closed.join("probe"), "").is_err() {
        sim(["run", &place.text("held.toml"), "--out", &place.text("closed/run")]).fails(69, &["cannot be written"]);
        let json = place.text("closed/report.json");
        let did = sim(["sweep", &place.text("held.toml"), "--seeds", "0..1", "--json", &json]);
        did.fails(69, &["cannot be written"]);
    }
}

/// The first need is over long before the second is posted, and the run is cut in between.
#[test]
fn a_run_that_is_cut_short_is_unknown_and_what_it_did_not_come_to_was_not_injected() {
    let text = "\
teaches = \"Cut between two needs: nobody knows what would have come of the second.\"
[workload]
needs = 2
recipe = \"single\"
every = \"4h\"
[protocol]
challenge = \"1m\"
[phases]
fault = \"6h\"
[limits]
max_deliveries = 1_600
[[faults]]
kind = \"skew\"
who = \"all\"
drift_ppm = 100_000
at = \"5h\"
for = \"10m\"
[[faults]]
kind = \"crash\"
who = \"worker:0\"
within = \"1s\"
at = \"5h\"
for = \"10m\"
";
    let place = Place::with(&[("cut.toml", text)]);
    let did = sim(["run", &place.text("cut.toml"), "--format", "json"]);
    assert_eq!(did.code, 2, "{}{}", did.out, did.err);
    let report: Value = serde_json::from_str(&did.out).unwrap();
    assert_eq!((&report["needs"]["posted"], &report["needs"]["unfinished"]), (&1.into(), &0.into()), "{}", did.out);
    assert_eq!((&report["limited"], &report["interrupted"]), (&true.into(), &false.into()), "nobody stopped it");
    for fault in ["skew", "crash"] {
        assert_eq!(report["faults"][fault]["injected"], 0, "{fault}");
        assert_eq!(report["faults"][fault]["bites"], 0, "{fault}");
    }
}

#[test]
fn nobody_reads_the_clock_of_the_dead() {
    let text = "\
teaches = \"A clock jumps while its host is dead: that is no fault that bit.\"
[workload]
needs = 1
recipe = \"single\"
[protocol]
challenge = \"1m\"
[[faults]]
kind = \"crash\"
who = \"coordinator:1\"
within = \"1ms\"
at = \"5s\"
for = \"3m\"
[[faults]]
kind = \"skew\"
who = \"coordinator:1\"
offset = \"1h\"
at = \"20s\"
for = \"1m\"
";
    let place = Place::with(&[("dead.toml", text)]);
    let did = sim(["run", &place.text("dead.toml"), "--format", "json"]);
    let report: Value = serde_json::from_str(&did.out).unwrap();
    assert_eq!((&report["faults"]["skew"]["injected"], &report["faults"]["skew"]["bites"]), (&1.into(), &0.into()));
    assert!(report["sometimes"].get("clock-jumped").is_none_or(|hits| *hits == 0), "{}", report["sometimes"]);
}
