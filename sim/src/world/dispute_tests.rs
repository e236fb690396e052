//! What a dispute takes that is about one stretch of a run, and who is heard while another is open.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use swarm_ports::jobs::STRETCHES_MAX;
use swarm_ports::recipes::SYNTH_ROUNDS;
use swarm_reports::check::Outcome;

use super::{RunOptions, run};

/// What was said in a run of `wrong-turns`, with these words more: the evidence of challenges, and what each verdict took that upholds one.
fn disputed(seed: u64, more: &str) -> (Vec<Value>, Vec<u64>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/wrong-turns.toml");
    let text = std::fs::read_to_string(file).expect("it is shipped");
    let scenario = swarm_scenarios::load_text(Path::new("turns.toml"), text + more).expect("it is a scenario");
    let done = run(&scenario, seed, RunOptions { keep_audit: true, ..RunOptions::default() });
    let audit = done.unwrap_or_else(|_| panic!("it takes no input")).audit;
    let (mut challenges, mut verdicts) = (Vec::new(), BTreeMap::new());
    for line in audit.iter().flat_map(|(_, log)| log.lines()) {
        let line: Value = serde_json::from_str(line).expect("a log is JSON lines");
        let envelope = &line["body"]["input"]["input"]["message"]["envelope"];
        let (verb, body) = (envelope["verb"].as_str().unwrap_or_default(), &envelope["body"]);
        let word = |name: &str| body[name].as_str().expect("it has that").to_owned();
        if verb == "CHALLENGE" {
            challenges.push(body["evidence"].clone());
        } else if verb == "VERDICT" {
            let gas: u64 = word("gas").parse().expect("a number");
            let sender = envelope["sender"].as_str().expect("somebody").to_owned();
            if body["upheld"] == true {
                verdicts.insert((sender, word("challenge")), gas);
            }
        }
    }
    (challenges, verdicts.into_values().collect())
}

/// While friends of a lying worker dispute what is right about its result, nobody else is heard. Whoever is honest says again what is wrong
/// as soon as that is over, and nothing wrong stands.
#[test]
fn who_was_not_heard_says_it_again_once_a_sham_dispute_is_over() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/sham-disputes.toml");
    let text = std::fs::read_to_string(file).expect("it is shipped");
    let scenario = swarm_scenarios::load_text(Path::new("sham.toml"), text).expect("it is a scenario");
    let mut repeated = 0;
    for seed in 0..4 {
        let done = run(&scenario, seed, RunOptions::default());
        let judged = done.unwrap_or_else(|_| panic!("it takes no input")).judgement;
        assert_eq!(judged.outcome, Outcome::Held, "seed {seed}: {:?}", judged.properties);
        repeated += judged.sometimes["objection-repeated"];
    }
    assert!(repeated > 0, "nobody said anything again");
}

/// T33: honest verifiers name the stretch, and those who rule do that alone again.
#[test]
fn t33_who_rules_does_one_stretch() {
    let (challenges, upheld) = disputed(3, "");
    let stretches = (u64::from(SYNTH_ROUNDS) / 16).min(STRETCHES_MAX);
    assert!(challenges.iter().all(|evidence| evidence["stretch-mismatch"]["stretch"].is_u64()), "{challenges:?}");
    assert!(upheld.len() > 9, "{upheld:?}");
    assert_eq!(upheld.iter().max(), Some(&(u64::from(SYNTH_ROUNDS) / stretches)), "{upheld:?}");
}

/// Where what a stretch begins with cannot be had, those who rule do all of the work before it as well, and rule the same.
#[test]
fn t33_without_its_begin_all_of_it_is_done() {
    let corrupt = "[[faults]]\nkind = \"store-corrupt\"\nat = \"10s\"\nfor = \"280s\"\nppm = 850_000\n";
    let upheld: Vec<u64> = (0..12).flat_map(|seed| disputed(seed, corrupt).1).collect();
    assert!(upheld.iter().any(|gas| *gas > 16) && upheld.contains(&16), "{upheld:?}");
}
