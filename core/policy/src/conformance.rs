//! Every builtin and every feature of the language that a policy may use, against what the pinned OPA answers.
//!
//! `tests/cases` holds policies, one rule a case, their inputs, and OPA's answers; `tests/regenerate.py` asks OPA again.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{fs, println};
use swarm_core::id::label;
use swarm_core::identity::Keys;
use swarm_core::policy::Gate;

use crate::base_keys;
use crate::builtins;
use crate::capsule::{Draft, Wanted};
use crate::value::Value;
use crate::{Caps, Program};

const TOPICS: [&str; 7] = ["collections", "encoding", "language", "matching", "numbers", "strings", "text"];

#[derive(Deserialize)]
struct Expected<'a> {
    #[serde(borrow)]
    input: &'a RawValue,
    undefined: Vec<String>,
    #[serde(borrow)]
    values: &'a RawValue,
}

fn file(path: &str) -> Vec<u8> {
    let path = format!("{}/tests/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn caps() -> Caps {
    Caps { gas: 100_000_000, memory_pages: 64 }
}

fn fields(text: &str) -> BTreeMap<String, Value> {
    let Some(Value::Object(fields)) = Value::parse(text.as_bytes()) else { panic!("an object: {text}") };
    let named = |(key, value)| match key {
        Value::String(name) => (name, value),
        other => panic!("a name: {other}"),
    };
    fields.into_iter().map(named).collect()
}

/// What differs, the cases there were, and the gas of each input.
fn differences(load: fn(&[u8], Caps) -> Result<Program, crate::LoadError>) -> (Vec<String>, usize, Vec<String>) {
    let (mut wrong, mut cases, mut gas) = (Vec::new(), 0, Vec::new());
    for topic in TOPICS {
        let program = load(&file(&format!("modules/{topic}.wasm")), caps()).expect(topic);
        let entry = program.entry(topic).expect(topic);
        let expected = file(&format!("cases/{topic}.expected.json"));
        let expected: Vec<Expected<'_>> = serde_json::from_slice(&expected).expect(topic);
        let mut instance = program.instance();
        for (at, case) in expected.iter().enumerate() {
            let run = instance.evaluate(entry, case.input.get().as_bytes());
            gas.push(format!("{topic} {at} {}", run.gas));
            let found = match run.value {
                Ok(value) => fields(&value),
                Err(failure) => {
                    wrong.push(format!("{topic} {at}: {failure}"));
                    continue;
                }
            };
            let wanted = fields(case.values.get());
            cases += wanted.len() + case.undefined.len();
            for name in wanted.keys().chain(found.keys()).chain(&case.undefined).collect::<BTreeSet<_>>() {
                let (wanted, found) = (wanted.get(name), found.get(name));
                if wanted != found {
                    let show = |value: Option<&Value>| value.map_or("undefined".into(), |value| format!("{value}"));
                    wrong.push(format!("{topic} {at} {name}: OPA {}, here {}", show(wanted), show(found)));
                }
            }
        }
    }
    (wrong, cases, gas)
}

#[test]
fn every_answer_is_that_of_opa() {
    let (wrong, cases, _) = differences(Program::load);
    assert!(wrong.is_empty(), "{} of {cases} differ:\n{}", wrong.len(), wrong.join("\n"));
    println!("{cases} cases");
    assert!(cases >= 600, "{cases}");
}

#[test]
fn the_older_calls_answer_the_same() {
    let (wrong, ..) = differences(Program::load_stepwise);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Holds `found` against a file; `SWARM_BLESS=1` writes the file instead.
fn golden(path: &str, found: &str) {
    if std::env::var_os("SWARM_BLESS").is_some() {
        fs::write(format!("{}/tests/{path}", env!("CARGO_MANIFEST_DIR")), format!("{found}\n")).expect("writable");
    }
    assert_eq!(found, String::from_utf8(file(path)).expect("text").trim_end());
}

/// Where OPA's own module and `opa eval` disagree: in the end the module's answer counts, and it never changes.
#[test]
fn where_the_module_of_opa_differs_it_always_does_so_alike() {
    let program = Program::load(&file("modules/quirks.wasm"), Caps { gas: 5_000_000, ..caps() }).expect("quirks");
    let expected = file("cases/quirks.expected.json");
    let expected: Vec<Expected<'_>> = serde_json::from_slice(&expected).expect("quirks");
    let mut instance = program.instance();
    let mut lines = Vec::new();
    for case in &expected {
        let wanted = fields(case.values.get());
        for path in program.entries() {
            let name = path.strip_prefix("quirks/").expect("a rule of the topic");
            let run = instance.evaluate(program.entry(path).expect("listed"), case.input.get().as_bytes());
            let opa = wanted.get(name).map_or("undefined".into(), Value::to_json);
            let here = run.value.unwrap_or_else(|failure| failure.as_str().into());
            assert_ne!(opa, here, "{name} is no quirk");
            lines.push(format!("{name}: OPA {opa}, its module {here}"));
        }
    }
    golden("cases/quirks.golden", &lines.join("\n"));
}

#[derive(Deserialize)]
struct Decided {
    decision: serde_json::Value,
    input: serde_json::Value,
}

/// The base policy decides as OPA does, for good envelopes and for each with one thing missing or other; and its capsule proves
/// itself with these very cases.
#[test]
fn the_base_policy_decides_as_opa_does() {
    let module = file("../policies/base.wasm");
    let cases: Vec<Decided> = serde_json::from_slice(&file("cases/base.cases.json")).expect("cases");
    let caps = Caps::default();
    let program = Program::load(&module, caps).expect("base");
    assert_eq!(program.builtins().count(), 0, "it needs nothing of its host");
    let entry = program.entry("swarm/base/decision").expect("base");
    let mut instance = program.instance();
    let (mut wanted, mut gas) = (Vec::new(), Vec::new());
    for Decided { decision, input } in cases {
        let run = instance.evaluate(entry, input.to_string().as_bytes());
        assert_eq!(run.value.as_deref(), Ok(decision.to_string().as_str()), "{input}");
        gas.push(run.gas);
        let reasons = decision["reasons"].as_array().expect("reasons").iter().map(|r| label(r.as_str().expect("text")));
        let Some(gate) = Gate::ALL.iter().map(|gate| gate.as_str()).find(|gate| input["gate"] == **gate) else {
            continue;
        };
        wanted.push(Wanted {
            entry: label(gate),
            allow: decision["allow"].as_bool().expect("a decision"),
            reasons: reasons.collect(),
            input,
        });
    }
    assert!(wanted.len() > 150 && wanted.iter().filter(|case| case.allow).count() > 20);
    gas.sort_unstable();
    golden("cases/base.golden", &format!("{gas:?}"));
    assert!(gas[gas.len() - 1] < 250_000, "{gas:?}");
    wanted.truncate(crate::capsule::CASES_MAX);
    sealed("base", &module, caps, wanted);
}

/// Holds the capsule beside a policy against what is made of its module and these cases; `SWARM_BLESS=1` writes it instead.
fn sealed(name: &str, module: &[u8], caps: Caps, cases: Vec<Wanted>) {
    let entries = Gate::ALL.map(|gate| (label(gate.as_str()), format!("swarm/{name}/decision"))).into();
    let draft = Draft { name: label(&format!("swarm-{name}")), caps, entries, cases };
    let bytes = draft.seal(module, &[&Keys::from_seed(&base_keys())]).expect("it keeps what it promises");
    let path = format!("{}/policies/{name}.capsule", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SWARM_BLESS").is_some() {
        fs::write(&path, &bytes).expect("writable");
    }
    assert!(fs::read(path).expect("it is there") == bytes, "the capsule beside the policy is another one");
}

/// Whatever goes wrong while a policy judges is a denial with a name of its own, at a bounded price, and the next question gets
/// its answer as if nothing had been (T49). The capsule of the scenario `trials` proves itself with these very cases.
#[test]
fn t49_a_policy_on_trial_fails_by_name_and_goes_on() {
    let module = file("../policies/trials.wasm");
    // Little memory, so that it runs out before the gas does.
    let caps = Caps { gas: 20_000_000, memory_pages: 8 };
    let program = Program::load(&module, caps).expect("trials");
    let entry = program.entry("swarm/trials/decision").expect("trials");
    let mut instance = program.instance();
    let mut wanted = Vec::new();
    let trials =
        [("1", "out-of-gas"), ("2", "over-memory"), ("3", "policy-abort"), ("4", "undefined"), ("5", "not-an-object")];
    // At the commit gate only a COMMIT may pass.
    for gate in [Gate::Preflight, Gate::Ingress] {
        let need = |fee: &str| {
            serde_json::json!({
                "body": {
                    "budget": "500", "class": "simple", "fee": fee,
                    "windows": {
                        "bids_ms": 1000, "challenge_ms": 60000, "decision_ms": 10000, "lease_ms": 60000,
                        "proposals_ms": 1000, "verify_ms": 30000,
                    },
                },
                "bytes": 900, "gate": gate.as_str(), "refs": 0, "roles": ["requester"], "verb": "NEED",
            })
        };
        for (fee, reason) in trials {
            for (fee, reason) in [(fee, Some(reason)), ("10", None)] {
                let verdict = instance.decide(entry, need(fee).to_string().as_bytes());
                let reasons: Vec<_> = reason.into_iter().map(label).collect();
                assert_eq!((verdict.allow, &verdict.reasons), (reason.is_none(), &reasons), "fee {fee}");
                assert!(verdict.gas <= u64::from(caps.gas), "fee {fee}: {}", verdict.gas);
                if reason.is_some() {
                    wanted.push(Wanted { entry: label(gate.as_str()), allow: false, reasons, input: need(fee) });
                }
            }
        }
        wanted.push(Wanted { entry: label(gate.as_str()), allow: true, reasons: Vec::new(), input: need("10") });
    }
    let mut input = wanted[0].input.clone();
    input["gate"] = "commit".into();
    wanted.push(Wanted { entry: label("commit"), allow: false, reasons: [label("out-of-gas")].into(), input });
    sealed("trials", &module, caps, wanted);
}

/// The same on debug and release builds, on every machine, on every run. A change here is a change of engine: raise
/// [`crate::schedule::VERSION`].
#[test]
fn gas_is_what_it_was() {
    let (.., gas) = differences(Program::load);
    golden("cases/gas.golden", &gas.join("\n"));
}

/// A builtin of OPA is native to its modules, provided, or refused by name; and what is provided is tried above.
#[test]
fn every_builtin_of_opa_is_accounted_for() {
    let names = String::from_utf8(file("cases/builtins.txt")).expect("text");
    let names: BTreeSet<&str> = names.lines().collect();
    let unknown = names.iter().filter(|name| builtins::refusal(name) == Some(builtins::Refusal::Unknown));
    let native: Vec<&str> = unknown.copied().collect();
    assert_eq!(native, NATIVE);
    for name in builtins::provided() {
        assert!(names.contains(name), "OPA has no {name}");
        let used = TOPICS.iter().any(|topic| {
            let source = String::from_utf8(file(&format!("cases/{topic}.rego"))).expect("text");
            source.contains(&format!("{name}("))
        });
        assert!(used, "no case calls {name}");
    }
}

/// What OPA's modules do themselves, and never ask a host for.
const NATIVE: &[&str] = &[
    "abs",
    "all",
    "and",
    "any",
    "array.concat",
    "array.flatten",
    "array.reverse",
    "array.slice",
    "assign",
    "base64.decode",
    "base64.encode",
    "base64.is_valid",
    "base64url.decode",
    "base64url.encode",
    "bits.and",
    "bits.lsh",
    "bits.negate",
    "bits.or",
    "bits.rsh",
    "bits.xor",
    "ceil",
    "concat",
    "contains",
    "count",
    "div",
    "endswith",
    "eq",
    "equal",
    "floor",
    "format_int",
    "glob.match",
    "graph.reachable",
    "gt",
    "gte",
    "indexof",
    "internal.member_2",
    "internal.member_3",
    "internal.template_string",
    "intersection",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "json.filter",
    "json.is_valid",
    "json.marshal",
    "json.remove",
    "json.unmarshal",
    "lower",
    "lt",
    "lte",
    "max",
    "min",
    "minus",
    "mul",
    "neq",
    "numbers.range",
    "object.filter",
    "object.get",
    "object.keys",
    "object.remove",
    "object.union",
    "object.union_n",
    "or",
    "plus",
    "product",
    "re_match",
    "regex.find_all_string_submatch_n",
    "regex.is_valid",
    "regex.match",
    "rem",
    "replace",
    "round",
    "sort",
    "split",
    "startswith",
    "strings.replace_n",
    "strings.reverse",
    "substring",
    "sum",
    "to_number",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "union",
    "upper",
    "walk",
];
