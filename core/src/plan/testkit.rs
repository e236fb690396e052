//! Short ways for tests to say facts and patches.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use ed25519_dalek::SigningKey;

use super::Fact;
use crate::id::{AgentId, Cid, Credits, Digest, Epoch, Label, Lamport, NeedId, Nonce, Thread, label};
use crate::time::WallTime;
use crate::wire::{
    Body, CapabilityRef, Class, Content, Draft, Envelope, Need, PolicyRef, Propose, UpdatePlan, Windows, trace_of,
};

fn key(agent: u8) -> SigningKey {
    SigningKey::from_bytes(&[agent + 1; 32])
}

pub fn agent(agent: u8) -> AgentId {
    AgentId(key(agent).verifying_key().to_bytes())
}

pub fn thread() -> Thread {
    Thread::Need(NeedId(Cid::of(b"the need")))
}

pub fn sealed(by: u8, lamport: u64, body: Body) -> Arc<Envelope> {
    let content = Content {
        body,
        capability: CapabilityRef { manifest: Cid::default(), name: label("any") },
        epoch: None,
        expires: None,
        fence: None,
        lamport: Lamport(lamport),
        nonce: Nonce(lamport),
        policy: PolicyRef { capsule: Cid::default(), digest: Digest::default(), engine: Digest::default() },
        refs: Vec::new(),
        sender: agent(by),
        target: None,
        thread: thread(),
        time: WallTime::default(),
        trace: trace_of(thread(), None),
    };
    Arc::new(Draft::new(content).sign(&key(by)))
}

pub fn update(by: u8, lamport: u64, facts: Vec<Fact>) -> Arc<Envelope> {
    sealed(by, lamport, Body::UpdatePlan(UpdatePlan { facts }))
}

pub fn planner(by: u8, patch: Vec<Fact>) -> Arc<Envelope> {
    sealed(by, 1, Body::Propose(propose(patch)))
}

/// A proposal in which every task may cost 10.
pub fn propose(patch: Vec<Fact>) -> Propose {
    let mut cost_caps = BTreeMap::new();
    for fact in &patch {
        if let Fact::AddTask { task, .. } = fact {
            cost_caps.insert(task.clone(), Credits(10));
        }
    }
    Propose { ballot: 1, cost_caps, eta_ms: 1, patch }
}

/// A need that gives `text`, wants `total` and can pay 100.
pub fn need() -> Need {
    let windows = Windows { bids_ms: 1, challenge_ms: 1, decision_ms: 1, lease_ms: 1, proposals_ms: 1, verify_ms: 1 };
    Need {
        budget: Credits(100),
        class: Class::Simple,
        deadline_ms: 1,
        fee: Credits(1),
        fees: Credits(100),
        forms: [].into(),
        k_plan: 1,
        k_result: 1,
        produces: labels("total"),
        recipe: label("wordcount/2"),
        requires: [(label("text"), Cid::of(b"text"))].into(),
        supersedes: None,
        windows,
    }
}

pub fn labels(text: &str) -> Vec<Label> {
    text.split_whitespace().map(label).collect()
}

pub fn add(task: &str, job: &str, requires: &str, produces: &str) -> Fact {
    Fact::AddTask { job: label(job), produces: labels(produces), requires: labels(requires), task: label(task) }
}

pub fn link(parent: &str, child: &str) -> Fact {
    Fact::Link { child: label(child), parent: label(parent) }
}

pub fn note(task: &str, key: &str, value: &str) -> Fact {
    Fact::Annotate { key: label(key), task: label(task), value: value.into() }
}

pub fn attestation(task: &str, of: &[u8]) -> Fact {
    Fact::Attestation { envelope: Cid::of(of), task: label(task) }
}

/// Split in two, count each, merge.
pub fn wordcount() -> Vec<Fact> {
    alloc::vec![
        add("split", "split", "text", "part/1 part/2"),
        add("count/1", "count", "part/1", "sum/1"),
        add("count/2", "count", "part/2", "sum/2"),
        add("merge", "merge", "sum/1 sum/2", "total"),
    ]
}

pub fn epoch(n: u64) -> Epoch {
    Epoch(n)
}
