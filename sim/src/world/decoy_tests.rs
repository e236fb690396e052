//! Whether anybody who is not in on a decoy could tell it from another need before its requester speaks: everything that came to
//! any other node is looked at, down to the words.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use swarm_core::id::NeedId;
use swarm_reports::history::Event;

use super::{RunOptions, run};

/// What a value looks like: its words stay, and of whatever is made anew for each need (names, amounts, signatures) its kind does.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| {
                // Names of agents and needs are keys, too.
                let key = if key.len() > 40 { "name" } else { key };
                format!("{key}:{}", shape(value))
            });
            format!("{{{}}}", fields.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(","))
        }
        Value::Array(all) => {
            format!(
                "[{}]",
                all.iter()
                    .map(|one| plain(shape(one)))
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect::<Vec<_>>()
                    .join(",")
            )
        }
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => "number".to_owned(),
        Value::String(text) if text.len() > 40 => format!("{} of {}", &text[..2.min(text.len())], text.len()),
        Value::String(text) => text.clone(),
        Value::Number(_) => "number".to_owned(),
        other => other.to_string(),
    }
}

/// The words and kinds of a name, whose first letters differ.
fn plain(shape: String) -> String {
    // Digests and signatures begin with anything.
    let mut words: Vec<&str> = shape.split(' ').collect();
    for at in 0..words.len() {
        if words[at] == "of" && at > 0 {
            let cut = words[at - 1].len().saturating_sub(2);
            words[at - 1] = &words[at - 1][..cut];
        }
    }
    words.join(" ")
}

/// Whether it gives a decoy away, as it may from then on.
fn speaks(message: &Value) -> bool {
    let verb = message["envelope"]["verb"].as_str().unwrap_or_default();
    let did = |word: &str| {
        let entries = message["entries"].as_array().into_iter().flatten();
        entries
            .flat_map(|entry| entry["outcome"]["did"].as_array().into_iter().flatten())
            .any(|event| event.get(word).is_some())
    };
    // What follows a challenge is heard by some who never heard of that.
    matches!(verb, "UNMASK" | "CHALLENGE" | "INVALIDATE") || did("unmasking") || did("challenged") || did("invalidated")
}

/// What one message looks like; of an ENTRY each thing that was done.
fn looks(message: &Value) -> Vec<String> {
    let envelope = &message["envelope"];
    let verb = envelope["verb"].as_str().unwrap_or_default();
    if verb != "ENTRY" {
        return vec![plain(shape(envelope))];
    }
    let entries = message["entries"].as_array().into_iter().flatten();
    entries
        .flat_map(|entry| entry["outcome"]["did"].as_array().into_iter().flatten())
        .map(|event| plain(shape(event)))
        .collect()
}

#[test]
fn t28_nobody_can_tell_a_decoy_before_its_requester_speaks() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/forced-errors.toml");
    let text = std::fs::read_to_string(file).expect("it is shipped");
    // Some results of other needs are wrong, too, and some decoys are all that there is to see.
    let text = text.replace("[workload]", "[[adversaries]]\nstrategy = \"wrong-result\"\ncount = 1\n\n[workload]");
    let scenario = swarm_scenarios::load_text(Path::new("decoys.toml"), &text).expect("it is a scenario");
    let (mut of_decoys, mut of_others) = (BTreeMap::new(), BTreeSet::new());
    let mut opened = 0;
    for seed in 0..4 {
        let options = RunOptions { keep_history: true, keep_audit: true, ..RunOptions::default() };
        let done = run(&scenario, seed, options).unwrap_or_else(|_| panic!("it takes no input"));
        let planted = |event: &Event| match event {
            Event::Planted { need, .. } => Some(*need),
            _ => None,
        };
        let decoys: BTreeSet<String> =
            done.history.iter().filter_map(|r| planted(&r.event)).map(|need: NeedId| need.to_string()).collect();
        opened += decoys.len();
        for (name, log) in &done.audit {
            // Those who are in on it know; a requester hears of nothing but its own.
            if name.starts_with("requester") || matches!(name.as_str(), "worker-0" | "worker-2") {
                continue;
            }
            let mut over = BTreeSet::new();
            for line in log.lines() {
                let line: Value = serde_json::from_str(line).expect("a log is JSON lines");
                let message = &line["body"]["input"]["input"]["message"];
                let envelope = &message["envelope"];
                let verb = envelope["verb"].as_str().unwrap_or_default();
                // The two that copy verdicts listen to whatever is said, also among coordinators.
                let listens = name.starts_with("coordinator") || matches!(name.as_str(), "verifier-1" | "verifier-2");
                assert!(verb != "MASK" || listens, "{name} hears of a mask");
                let Some(need) = envelope["thread"].as_str().filter(|thread| *thread != "system") else { continue };
                if speaks(message) {
                    over.insert(need.to_owned());
                }
                if over.contains(need) {
                    continue;
                }
                for seen in looks(message) {
                    if decoys.contains(need) {
                        of_decoys.entry(seen).or_insert_with(|| (seed, name.clone(), need.to_owned()));
                    } else {
                        of_others.insert(seen);
                    }
                }
            }
        }
    }
    assert!(opened > 3 && of_decoys.len() > 30, "{opened} decoys, {} kinds of things", of_decoys.len());
    let told: Vec<_> = of_decoys.iter().filter(|(seen, _)| !of_others.contains(*seen)).take(3).collect();
    assert!(told.is_empty(), "this is said of decoys alone: {told:#?}");
}
