//! The three policy gates under the native rules: what is fine passes all of them, each rule alone stops what it is about.

mod common;

use common::{Bytes, content, key};
use std::collections::BTreeSet;
use swarm_core::id::{Cid, Credits, Digest, label};
use swarm_core::policy::{
    BaseRules, Denial, Evaluation, Evaluator, Gate, Limits, PolicyInput, admits, commit, ingress, preflight,
};
use swarm_core::reject::Reject;
use swarm_core::wire::{Body, Content, Count, Draft, Envelope, Role, Telemetry, Verb};

/// Limits that a generated content of any verb keeps.
fn wide() -> Limits {
    let max = Credits(u64::MAX);
    Limits {
        budget_complex_max: max,
        budget_critical_max: max,
        budget_simple_max: max,
        cost_max: max,
        telemetry_bytes_max: Count(u64::MAX),
        telemetry_steps_max: Count(u64::MAX),
        ..Limits::default()
    }
}

fn made(verb: Verb, seed: u8) -> Content {
    content(verb, &mut Bytes::of(&[seed; 900]), &key(seed))
}

fn claimed(content: &Content) -> Option<Telemetry> {
    match &content.body {
        Body::Commit(commit) => Some(commit.telemetry),
        _ => None,
    }
}

fn reasons(evaluation: &Evaluation) -> Vec<&str> {
    assert_eq!(evaluation.allow, evaluation.reasons.is_empty());
    evaluation.reasons.iter().map(|reason| reason.as_str()).collect()
}

fn denied(denial: Denial) -> Evaluation {
    assert_eq!(denial.reject, Reject::PolicyDenied);
    *denial.evaluation.expect("the policy was asked")
}

#[test]
fn t47_every_verb_passes_the_gates() {
    let rules = BaseRules::new(wide());
    for verb in Verb::ALL {
        for seed in 1..20 {
            let content = made(*verb, seed);
            let (draft, evaluation) = preflight(&rules, content, verb.roles()).unwrap();
            assert_eq!(draft.policy.digest, evaluation.digest);
            assert_eq!((draft.policy.engine, draft.policy.capsule), (rules.engine(), rules.capsule()));
            let envelope = Envelope::verify(draft.sign(&key(seed)).bytes()).unwrap();
            assert!(ingress(&rules, &envelope, verb.roles()).unwrap().allow);
            assert_eq!(admits(&rules, &envelope, verb.roles()), Ok(()));
            assert_eq!(admits(&rules, &envelope, &[]).is_ok(), verb.roles().is_empty(), "{verb:?}");
            if *verb == Verb::Commit {
                assert!(commit(&rules, &envelope, verb.roles(), claimed(&envelope)).unwrap().allow);
            }
        }
    }
}

/// T47: a bad envelope per rule, with nothing else wrong; and no rule without one.
#[test]
fn t47_each_rule_alone_stops_what_it_is_about() {
    fn need(content: &mut Content) -> &mut swarm_core::wire::Need {
        let Body::Need(need) = &mut content.body else { unreachable!() };
        need
    }
    type Case = (&'static str, Gate, Verb, fn(&mut Content, &mut Limits));
    let cases: &[Case] = &[
        // Said by someone without roles (see below).
        ("role", Gate::Ingress, Verb::Heartbeat, |_, _| ()),
        ("size", Gate::Ingress, Verb::Heartbeat, |_, limits| limits.bytes_max = 500),
        ("refs", Gate::Preflight, Verb::Heartbeat, |content, limits| {
            content.refs = vec![Cid::of(b"one")];
            limits.refs_max = 0;
        }),
        ("budget", Gate::Ingress, Verb::Need, |content, _| need(content).budget = Credits(0)),
        ("budget", Gate::Preflight, Verb::Need, |content, limits| {
            need(content).class = swarm_core::wire::Class::Critical;
            (need(content).budget, limits.budget_critical_max) = (Credits(101), Credits(100));
        }),
        ("fee", Gate::Ingress, Verb::Need, |content, _| need(content).fee = Credits(1_001)),
        ("window", Gate::Ingress, Verb::Need, |content, _| need(content).windows.lease_ms = 9),
        ("window", Gate::Ingress, Verb::Need, |content, limits| {
            need(content).windows.verify_ms = 60_001;
            limits.window_max_ms = 60_000;
        }),
        ("cost", Gate::Ingress, Verb::Claim, |content, _| {
            let Body::Claim(claim) = &mut content.body else { unreachable!() };
            claim.cost = Credits(0);
        }),
        ("cost", Gate::Preflight, Verb::Propose, |content, limits| {
            let Body::Propose(propose) = &mut content.body else { unreachable!() };
            propose.cost_caps = [(label("a"), Credits(5)), (label("b"), Credits(11))].into();
            limits.cost_max = Credits(10);
        }),
        ("telemetry", Gate::Ingress, Verb::Commit, |content, limits| {
            let Body::Commit(commit) = &mut content.body else { unreachable!() };
            (commit.telemetry.steps, limits.telemetry_steps_max) = (Count(2), Count(1));
        }),
    ];
    for (rule, gate, verb, spoil) in cases {
        let (mut content, mut limits) = (made(*verb, 2), wide());
        spoil(&mut content, &mut limits);
        let rules = BaseRules::new(limits);
        let draft = Draft::new(content);
        let roles = if *rule == "role" { &[] } else { verb.roles() };
        let evaluation = rules.evaluate(*gate, &PolicyInput::drafted(&draft, roles));
        assert_eq!(reasons(&evaluation), [*rule]);
        assert!(
            !rules.allows(*gate, &PolicyInput::drafted(&draft, roles)),
            "whoever asks for the answer alone has the same"
        );
    }
    let tried: BTreeSet<&str> = cases.iter().map(|case| case.0).collect();
    assert_eq!(tried, BaseRules::rules().collect(), "a rule nobody has seen deny is no rule");
}

/// T48: a verifier measures; what was not claimed was not allowed.
#[test]
fn t48_a_missing_claim_is_a_budget_of_nothing() {
    let rules = BaseRules::new(wide());
    let say = |verb: Verb, claim: [u64; 2], measured: Option<[u64; 2]>| {
        let mut content = made(verb, 3);
        if let Body::Commit(commit) = &mut content.body {
            commit.telemetry = Telemetry { bytes: Count(claim[0]), steps: Count(claim[1]) };
        }
        let (draft, _) = preflight(&rules, content, verb.roles()).unwrap();
        let envelope = draft.sign(&key(3));
        let measured = measured.map(|[bytes, steps]| Telemetry { bytes: Count(bytes), steps: Count(steps) });
        commit(&rules, &envelope, verb.roles(), measured).map_err(|denial| {
            assert_eq!(reasons(&denied(denial)), ["telemetry"]);
        })
    };
    assert!(say(Verb::Commit, [10, 20], Some([10, 20])).is_ok());
    assert!(say(Verb::Commit, [10, 20], Some([10, 21])).is_err(), "more steps than claimed");
    assert!(say(Verb::Commit, [10, 20], Some([11, 20])).is_err(), "more bytes than claimed");
    assert!(say(Verb::Commit, [10, 20], None).is_err(), "not measured");
    assert!(say(Verb::Commit, [0, 0], Some([0, 1])).is_err(), "claimed nothing");
    assert!(say(Verb::Heartbeat, [0, 0], Some([0, 1])).is_err(), "a verb that cannot claim");
}

/// T49: without a role nothing is allowed that asks for one; what the policy cannot know, it denies.
#[test]
fn t49_nothing_is_allowed_by_default() {
    let rules = BaseRules::new(wide());
    for verb in Verb::ALL {
        let evaluation = rules.evaluate(Gate::Ingress, &PolicyInput::drafted(&Draft::new(made(*verb, 1)), &[]));
        assert_eq!(evaluation.allow, verb.roles().is_empty(), "{verb:?}");
        for role in [Role::Requester, Role::Planner, Role::Worker, Role::Verifier, Role::Coordinator, Role::Mint] {
            let draft = Draft::new(made(*verb, 1));
            let evaluation = rules.evaluate(Gate::Ingress, &PolicyInput::drafted(&draft, &[role]));
            assert_eq!(evaluation.allow, verb.roles().is_empty() || verb.roles().contains(&role), "{verb:?} {role:?}");
        }
    }
}

/// T46: another engine or capsule than ours is refused before it is asked.
#[test]
fn t46_another_engine_is_refused() {
    let (ours, theirs) = (BaseRules::new(wide()), BaseRules::new(Limits { refs_max: 63, ..wide() }));
    assert_ne!(ours.engine(), theirs.engine(), "a number changed is an engine changed");
    assert_eq!(ours.capsule(), Cid::of(ours.text().as_bytes()));
    let (draft, _) = preflight(&theirs, made(Verb::Heartbeat, 1), Verb::Heartbeat.roles()).unwrap();
    let envelope = draft.sign(&key(1));
    let denial = ingress(&ours, &envelope, Verb::Heartbeat.roles()).unwrap_err();
    assert_eq!(denial, Denial { reject: Reject::EngineMismatch, evaluation: None });
    assert_eq!(admits(&ours, &envelope, Verb::Heartbeat.roles()), Err(Reject::EngineMismatch));
    assert!(ingress(&theirs, &envelope, Verb::Heartbeat.roles()).is_ok());
}

/// A sender learns before signing what every receiver would say.
#[test]
fn t47_preflight_refuses_what_receivers_would() {
    let rules = BaseRules::new(wide());
    let mut content = made(Verb::Heartbeat, 1);
    content.fence = None;
    assert_eq!(preflight(&rules, content, Verb::Heartbeat.roles()).unwrap_err().reject, Reject::WrongFields);
    let denial = preflight(&rules, made(Verb::Heartbeat, 1), &[Role::Mint]).unwrap_err();
    assert_eq!(reasons(&denied(denial)), ["role"]);
}

/// The digest covers the gate, everything said, the roles, the measurement, the decision; gas is fixed by the input.
#[test]
fn an_evaluation_digest_covers_everything() {
    let rules = BaseRules::new(wide());
    let draft = Draft::new(made(Verb::Commit, 1));
    let roles = [Role::Worker];
    let input = PolicyInput::drafted(&draft, &roles);
    let say = |gate, input: &PolicyInput<'_>| rules.evaluate(gate, input);
    let base = say(Gate::Ingress, &input);
    assert_eq!(say(Gate::Ingress, &input), base);
    let zero = Telemetry::default();
    let other = Draft::new(made(Verb::Commit, 2));
    let digests: BTreeSet<Digest> = [
        base.digest,
        say(Gate::Preflight, &input).digest,
        say(Gate::Commit, &input).digest,
        say(Gate::Commit, &PolicyInput { measured: Some(zero), ..input }).digest,
        say(Gate::Ingress, &PolicyInput { bytes: input.bytes + 1, ..input }).digest,
        say(Gate::Ingress, &PolicyInput { roles: &[], ..input }).digest,
        say(Gate::Ingress, &PolicyInput { envelope: other.id(), ..input }).digest,
        Evaluation::new(input.digest(Gate::Ingress), base.reasons.clone(), base.gas + 1).digest,
        Evaluation::new(input.digest(Gate::Ingress), vec![label("role")], base.gas).digest,
    ]
    .into();
    assert_eq!(digests.len(), 9);
    let json = serde_json::to_string(&base).unwrap();
    assert_eq!(serde_json::from_str::<Evaluation>(&json).unwrap(), base);
}
