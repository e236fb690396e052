//! The policy changes while needs run (PROTOCOL 10): who may change it, from when it counts, and for what.

mod swarm;

use std::sync::Arc;

use swarm::{COORDINATORS, Swarm, engines, need, policy_keys, stricter};
use swarm_core::audit::{self, BadLog, Why};
use swarm_core::id::{Cid, Credits, Digest, NeedId};
use swarm_core::node::{Act, Input};
use swarm_core::policy::{Evaluation, Evaluator, Gate, Only, PolicyInput};
use swarm_core::register::Ending;
use swarm_core::time::Span;
use swarm_core::wire::{Body, Need, NewPolicy};

const REQUESTER: usize = 3;

fn new_policy(swarm: &Swarm, number: u32, rules: &dyn Evaluator) -> NewPolicy {
    NewPolicy::sign((rules.capsule(), rules.engine()), number, &swarm.genesis.digest(), &policy_keys()[1..])
}

fn announce(swarm: &mut Swarm, by: usize, new: NewPolicy) {
    swarm.hosts[by].inbox.push_back(Input::Act(Box::new(Act::Adopt(new))));
}

fn policy(swarm: &Swarm, n: usize) -> (u32, Digest) {
    let policy = swarm.hosts[n].node.system().expect("a coordinator").policy();
    (policy.number, policy.engine)
}

/// The engines of the needs that were said, in order.
fn engines_of(swarm: &Swarm) -> Vec<Digest> {
    let needs = swarm.said.iter().filter(|(_, message)| matches!(message.envelope.body, Body::Need(_)));
    needs.map(|(_, message)| message.envelope.policy.engine).collect()
}

fn ends(swarm: &mut Swarm, needs: usize) {
    assert!(swarm.run(Span::from_secs(120), |s| s.ended.len() == needs), "{needs} end: {:?}", swarm.ended);
    swarm.run(Span::from_ms(500), |_| false);
}

fn dear() -> Need {
    Need { budget: Credits(2_001), ..need() }
}

#[test]
fn a_need_keeps_its_policy_and_those_opened_later_have_the_next() {
    let mut swarm = Swarm::governed();
    let (first, next) = (swarm.genesis.engine, stricter());
    swarm.post(dear());
    swarm.run(Span::from_ms(150), |_| false);
    let new = new_policy(&swarm, 1, &*next);
    announce(&mut swarm, REQUESTER, new);
    swarm.run(Span::from_ms(100), |_| false);
    assert!((0..COORDINATORS).all(|n| policy(&swarm, n) == (1, next.engine())));
    assert!(swarm.ended.is_empty(), "the first need runs");
    swarm.post(need());
    // The next policy forbids it: it is not even said.
    swarm.post(dear());
    ends(&mut swarm, 2);
    assert!(swarm.ended.values().all(|ending| *ending == Ending::Closed), "{:?}", swarm.ended);
    assert_eq!(engines_of(&swarm), [first, next.engine()]);
    for (_, message) in &swarm.said {
        if let swarm_core::id::Thread::Need(of) = message.envelope.thread {
            let own = NeedId::of(&swarm.hosts[REQUESTER].keys.agent(), swarm_core::id::Nonce(1));
            let expected = if of == own { first } else { next.engine() };
            assert_eq!(message.envelope.policy.engine, expected, "{}", message.envelope.verb().as_str());
        }
    }
    swarm.close();
    for (n, host) in swarm.hosts.iter().enumerate() {
        audit::replay(host.log.as_bytes(), engines()).unwrap_or_else(|bad| panic!("host {n}: {bad}"));
    }
    // Whoever replays a log without the rules that its node came to judge by is told which.
    let only = Arc::new(Only(engines().find(&first).expect("the founding rules")));
    let why = audit::replay(swarm.hosts[0].log.as_bytes(), only).map(|_| ()).unwrap_err().why;
    assert_eq!(why, Why::NoSuchEngine { engine: next.engine() });
}

#[test]
fn a_need_said_under_a_policy_that_was_replaced_is_refused_by_the_register() {
    let mut swarm = Swarm::governed();
    let new = new_policy(&swarm, 1, &*stricter());
    // The requester cannot load what it hears of, and speaks under what it has.
    swarm.without_store.insert(REQUESTER);
    announce(&mut swarm, 0, new);
    swarm.run(Span::from_ms(100), |_| false);
    swarm.post(need());
    ends(&mut swarm, 1);
    assert!(swarm.ended.values().all(|ending| *ending == Ending::Failed), "{:?}", swarm.ended);
    assert_eq!(engines_of(&swarm), [swarm.genesis.engine]);
    // Once it can, it is as good as everyone else's.
    swarm.without_store.clear();
    swarm.run(Span::from_secs(60), |_| false);
    swarm.post(need());
    ends(&mut swarm, 2);
    assert_eq!(swarm.ended.values().filter(|ending| **ending == Ending::Closed).count(), 1);
}

#[test]
fn whoever_cannot_load_a_policy_yet_waits_and_then_speaks() {
    let mut swarm = Swarm::governed();
    let new = new_policy(&swarm, 1, &*stricter());
    swarm.without_store.insert(1);
    announce(&mut swarm, 0, new);
    swarm.run(Span::from_ms(100), |_| false);
    assert_eq!(policy(&swarm, 1), (1, stricter().engine()), "the register does not wait for it");
    swarm.post(need());
    swarm.run(Span::from_ms(300), |_| false);
    let me = swarm.hosts[1].keys.agent();
    let said = |s: &Swarm| {
        let needs = s.said.iter().filter(|(_, m)| matches!(m.envelope.thread, swarm_core::id::Thread::Need(_)));
        // That an entry was applied is so under any rules.
        needs.filter(|(_, m)| m.envelope.sender == me && m.envelope.verb() != swarm_core::wire::Verb::Entry).count()
    };
    assert_eq!(said(&swarm), 0, "it says nothing of what it cannot judge");
    swarm.without_store.clear();
    ends(&mut swarm, 1);
    swarm.run(Span::from_secs(60), |_| false);
    assert!(said(&swarm) > 0, "then it does");
    assert!(swarm.ended.values().all(|ending| *ending == Ending::Closed));
    assert_eq!(swarm.diverged, 0);
}

#[test]
fn a_policy_is_announced_by_the_policy_keys_in_order_and_never_twice() {
    let mut swarm = Swarm::governed();
    let next = stricter();
    let good = new_policy(&swarm, 1, &*next);
    let mut forged = good.clone();
    forged.sigs.pop_first();
    announce(&mut swarm, 0, forged);
    let early = new_policy(&swarm, 2, &*next);
    announce(&mut swarm, 1, early);
    // Another capsule than the one that was signed for, and one that nobody has.
    let missing = NewPolicy::sign((Cid::of(b"x"), Digest([9; 32])), 1, &swarm.genesis.digest(), &policy_keys());
    announce(&mut swarm, 2, missing);
    swarm.run(Span::from_ms(200), |_| false);
    assert_eq!(policy(&swarm, 0).0, 0, "none of them counts");
    let refused = |s: &Swarm, why: &str| s.refused.iter().any(|(_, reason)| reason == why);
    assert!(refused(&swarm, "no-quorum") && refused(&swarm, "bad-capsule"), "{:?}", swarm.refused);
    announce(&mut swarm, 0, good.clone());
    swarm.run(Span::from_ms(200), |_| false);
    assert_eq!(policy(&swarm, 0), (2, next.engine()), "the one that came early has its turn after it");
    announce(&mut swarm, 0, good);
    swarm.run(Span::from_ms(200), |_| false);
    assert_eq!(policy(&swarm, 0).0, 2, "what was replaced does not come back");
    let governed = |n: usize| policy(&swarm, n);
    assert!((1..COORDINATORS).all(|n| governed(n) == governed(0)));
}

#[test]
fn a_deployment_without_policy_keys_keeps_its_policy() {
    let mut swarm = Swarm::new();
    let new = new_policy(&swarm, 1, &*stricter());
    announce(&mut swarm, 0, new);
    swarm.run(Span::from_ms(200), |_| false);
    assert_eq!(policy(&swarm, 0), (0, swarm.genesis.engine));
    assert!(swarm.refused.iter().any(|(_, why)| why == "not-the-authority"), "{:?}", swarm.refused);
}

/// The founding rules, which take one unit more for an answer than they should.
struct Askew(Arc<dyn Evaluator>);

impl Evaluator for Askew {
    fn engine(&self) -> Digest {
        self.0.engine()
    }

    fn capsule(&self) -> Cid {
        self.0.capsule()
    }

    fn evaluate(&self, gate: Gate, input: &PolicyInput<'_>) -> Evaluation {
        let own = self.0.evaluate(gate, input);
        Evaluation::new(input.digest(gate), own.reasons, own.gas + 1)
    }
}

#[test]
fn a_replay_names_the_first_envelope_whose_decision_differs() {
    let swarm = Swarm::finished();
    let host = &swarm.hosts[REQUESTER];
    let said = swarm.said.iter().find(|(_, m)| m.envelope.sender == host.keys.agent()).expect("it said a need");
    let askew = Only(Arc::new(Askew(engines().find(&swarm.genesis.engine).expect("the founding rules"))));
    let bad = audit::replay(host.log.as_bytes(), Arc::new(askew)).map(|_| ()).unwrap_err();
    let BadLog { why: Why::OtherDecision { envelope, engine }, .. } = bad else { panic!("{bad}") };
    assert_eq!((envelope, engine), (said.1.envelope.id(), swarm.genesis.engine));
}
