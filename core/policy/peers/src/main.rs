//! The base policy, asked the same questions here, of regorus (Rego interpreted in Rust) and of OPA itself (`opa bench`), beside the
//! native rules' answers that its capsule holds.
//!
//! `cargo run --release [-- OPA]`: one question of each verb that the policy allows, 2,000 times each; times in microseconds. With the path of an
//! `opa` it is asked the same by `opa bench`, which tells its own mean.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Instant;

use regorus::{Engine, Value};
use swarm_policy::BASE;
use swarm_policy::capsule::{Capsule, Case};

const SOURCE: &str = include_str!("../../policies/base.rego");
const TIMES: usize = 2_000;

/// The middle and the 95th percentile of how long `ask` takes, in microseconds.
fn times(mut ask: impl FnMut()) -> (f64, f64) {
    (0..TIMES / 10).for_each(|_| ask());
    let mut all: Vec<f64> = (0..TIMES)
        .map(|_| {
            let begin = Instant::now();
            ask();
            begin.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    all.sort_by(f64::total_cmp);
    (all[TIMES / 2], all[TIMES * 95 / 100])
}

/// What `opa bench` says that a question takes, in microseconds.
fn of_opa(opa: &str, rule: &str, input: &serde_json::Value) -> Result<f64, Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("swarm-policy-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (policy, question) = (folder.join("base.rego"), folder.join("input.json"));
    std::fs::write(&policy, SOURCE)?;
    std::fs::write(&question, input.to_string())?;
    let mut bench = Command::new(opa);
    bench
        .args(["bench", "--format", "json", "--count", "1", "--data"])
        .arg(&policy)
        .arg("--input")
        .arg(&question)
        .arg(rule);
    let output = bench.output()?;
    std::fs::remove_dir_all(&folder)?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let of = |name: &str| said[name].as_f64().ok_or_else(|| format!("no {name} in {said}"));
    Ok(of("T")? / of("N")? / 1e3)
}

/// The policy as regorus takes it: what OPA takes as a fact (`f("x")`) says there that it is true.
fn spelled_out() -> String {
    let is_fact = |line: &str| {
        line.starts_with(|c: char| c.is_ascii_lowercase())
            && line.ends_with(')')
            && !line.contains(" if ")
            && !line.contains('=')
    };
    SOURCE.lines().map(|line| if is_fact(line) { format!("{line} := true\n") } else { format!("{line}\n") }).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let opa = std::env::args().nth(1);
    let capsule = Capsule::parse(BASE)?;
    let policy = capsule.prove()?;
    let mut engine = Engine::new();
    engine.add_policy("base.rego".into(), spelled_out())?;
    let mut questions: BTreeMap<&str, &Case> = BTreeMap::new();
    for case in capsule.header().conformance.iter().filter(|case| case.allow) {
        questions.entry(case.input["verb"].as_str().unwrap_or("none")).or_insert(case);
    }
    println!(
        "{:<14} {:>18} {:>18} {:>7} {:>14}",
        "verb", "here p50, p95", "regorus p50, p95", "ratio", "opa bench mean"
    );
    for (verb, case) in questions {
        let rule = format!("data.{}", capsule.header().entries[&case.entry].replace('/', "."));
        let text = serde_json::to_vec(&case.input)?;
        let verdict = policy.decide(&case.entry, &text);
        let input = Value::from_json_str(&case.input.to_string())?;
        engine.set_input(input.clone());
        let said = engine.eval_rule(rule.clone())?;
        assert!(verdict.allow && said["allow"] == Value::from(true), "{verb}: all say the same");
        let here = times(|| assert!(policy.decide(&case.entry, &text).allow));
        let regorus = times(|| {
            engine.set_input(input.clone());
            assert!(engine.eval_rule(rule.clone()).is_ok());
        });
        let opa = match &opa {
            Some(opa) => format!("{:.1}", of_opa(opa, &rule, &case.input)?),
            None => "-".to_owned(),
        };
        println!(
            "{verb:<14} {:>8.1}, {:>8.1} {:>8.1}, {:>8.1} {:>7.2} {opa:>14}",
            here.0,
            here.1,
            regorus.0,
            regorus.1,
            here.0 / regorus.0
        );
    }
    Ok(())
}
