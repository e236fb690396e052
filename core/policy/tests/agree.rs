//! The base policy in Rego and the native rules are one policy in two languages.

#[path = "../../tests/common/mod.rs"]
mod common;

use common::{Bytes, content, key};
use std::collections::BTreeSet;
use swarm_core::id::{Credits, Label, label};
use swarm_core::policy::{BaseRules, Evaluator, Gate, PolicyInput, commit, ingress, preflight};
use swarm_core::reject::Reject;
use swarm_core::wire::{Body, Content, Count, Draft, Role, Telemetry, Verb};
use swarm_policy::{Caps, Rego, question};

const ROLES: [Role; 6] = [Role::Requester, Role::Planner, Role::Worker, Role::Verifier, Role::Coordinator, Role::Mint];

/// Numbers at and around where rules begin to hold and end.
const EDGES: [u64; 16] = [
    0,
    1,
    9,
    10,
    11,
    100,
    101,
    1_000,
    1_001,
    1_000_000,
    1_000_001,
    1_000_000_000,
    1_000_000_001,
    1 << 40,
    (1 << 50) + 1,
    u64::MAX,
];

fn made(verb: Verb, seed: u64) -> Content {
    let bytes: Vec<u8> =
        (0..900u64).map(|at| (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 56)) as u8 ^ at as u8).collect();
    content(verb, &mut Bytes::of(&bytes), &key(seed as u8))
}

/// The same content with numbers that rules are about.
fn at_edges(mut content: Content, seed: u64) -> Content {
    let edge = |n: u64| EDGES[(seed / (n + 1) + n) as usize % EDGES.len()];
    match &mut content.body {
        Body::Need(need) => {
            (need.budget, need.fee) = (Credits(edge(0)), Credits(edge(1)));
            need.windows.bids_ms = u32::try_from(edge(2)).unwrap_or(u32::MAX);
            need.windows.verify_ms = u32::try_from(edge(3)).unwrap_or(u32::MAX);
        }
        Body::Claim(claim) => claim.cost = Credits(edge(0)),
        Body::Propose(plan) => plan.cost_caps.values_mut().zip(0..).for_each(|(cap, n)| *cap = Credits(edge(n))),
        Body::Commit(commit) => commit.telemetry = Telemetry { bytes: Count(edge(0)), steps: Count(edge(1)) },
        _ => {}
    }
    content
}

#[test]
fn both_say_the_same_of_every_verb_at_every_gate() {
    let (native, rego) = (BaseRules::default(), Rego::base());
    let (mut allowed, mut denied, mut reasons) = (0, 0, BTreeSet::new());
    for verb in Verb::ALL {
        for seed in 0..120u64 {
            let content = match seed % 3 {
                0 => made(*verb, seed),
                _ => at_edges(made(*verb, seed), seed * 7 + seed / 5),
            };
            let roles: Vec<Role> = match seed % 4 {
                0 => verb.roles().to_vec(),
                1 => ROLES.iter().copied().filter(|role| seed >> (*role as u64 % 5) & 1 == 1).collect(),
                _ => ROLES.to_vec(),
            };
            let draft = Draft::new(content);
            for gate in Gate::ALL {
                let measured = [0, 1, u64::MAX].map(|n| Telemetry { bytes: Count(n), steps: Count(n / 2) });
                let measured = measured.into_iter().map(Some).chain([None]).nth(seed as usize % 4).flatten();
                let input = PolicyInput { measured, ..PolicyInput::drafted(&draft, &roles) };
                let (one, other) = (native.evaluate(gate, &input), rego.evaluate(gate, &input));
                let names = |reasons: &[Label]| reasons.iter().map(Label::to_string).collect::<BTreeSet<_>>();
                let text = String::from_utf8(question(gate, &input)).unwrap();
                assert_eq!(names(&one.reasons), names(&other.reasons), "{text}");
                assert_eq!((one.allow, rego.allows(gate, &input)), (other.allow, other.allow));
                *if one.allow { &mut allowed } else { &mut denied } += 1;
                reasons.extend(names(&one.reasons));
            }
        }
    }
    assert!(allowed > 1_000 && denied > 1_000, "{allowed} and {denied}");
    let all: BTreeSet<_> = BaseRules::rules().map(str::to_owned).collect();
    let never: Vec<_> = all.difference(&reasons).collect();
    assert_eq!(never, ["refs", "size"], "what no envelope of a good form can break was not broken, and all else was");
}

#[test]
fn t47_the_gates_ask_it() {
    let rego = Rego::base();
    let mut content = made(Verb::Commit, 3);
    let Body::Commit(body) = &mut content.body else { panic!("a COMMIT") };
    body.telemetry = Telemetry { bytes: Count(100), steps: Count(1_000) };
    let (draft, evaluation) = preflight(&rego, content, &[Role::Worker]).unwrap();
    assert_eq!((draft.policy.engine, draft.policy.capsule), (rego.engine(), rego.capsule()));
    assert_eq!(draft.policy.digest, evaluation.digest);
    let envelope = draft.sign(&key(3));
    assert!(ingress(&rego, &envelope, &[Role::Worker]).unwrap().allow);
    assert_eq!(ingress(&rego, &envelope, &[Role::Verifier]).unwrap_err().reject, Reject::PolicyDenied);
    assert_eq!(ingress(&BaseRules::default(), &envelope, &[Role::Worker]).unwrap_err().reject, Reject::EngineMismatch);
    let Body::Commit(body) = &envelope.body else { panic!("a COMMIT") };
    let more = Telemetry { steps: Count(body.telemetry.steps.0 + 1), ..body.telemetry };
    let denial = commit(&rego, &envelope, &[Role::Worker], Some(more)).unwrap_err();
    assert_eq!(denial.evaluation.unwrap().reasons, [label("telemetry")]);
    assert!(commit(&rego, &envelope, &[Role::Worker], Some(body.telemetry)).is_ok());
    assert!(commit(&rego, &envelope, &[Role::Worker], None).is_err(), "what was not measured does not hold");
}

/// The dearest question that an envelope can ask is answered within the cap.
#[test]
fn the_longest_plan_is_not_too_dear() {
    let mut content = made(Verb::Propose, 1);
    let Body::Propose(plan) = &mut content.body else { panic!("a PROPOSE") };
    let name = |n: usize| label(&format!("{n:0>64}"));
    plan.cost_caps = (0..swarm_core::wire::bounds::TASKS_MAX).map(|n| (name(n), Credits(1_000_000_000))).collect();
    let draft = Draft::new(content);
    let evaluation = Rego::base().evaluate(Gate::Ingress, &PolicyInput::drafted(&draft, &ROLES));
    assert!(evaluation.reasons.is_empty(), "{:?}", evaluation.reasons);
    assert!(evaluation.gas < u64::from(Caps::default().gas) * 4 / 5, "{}", evaluation.gas);
}
