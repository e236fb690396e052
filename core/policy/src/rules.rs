//! A proved policy behind the protocol's port: what it is asked about an envelope, and how its answer is put.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use serde::Serialize;
use serde_json::{Value, json};
use spin::Mutex;
use swarm_core::id::{Cid, Digest, Label, label};
use swarm_core::policy::{Evaluation, Evaluator, Gate, PolicyInput};
use swarm_core::wire::{Body, Role, Telemetry, canonical};

use crate::capsule::{Capsule, CapsuleError, Policy};
use crate::failure::Verdict;

/// Answers that are remembered. Most envelopes of one verb look alike to a policy, and every receiver asks.
const KNOWN_MAX: usize = 16_384;

/// What a policy sees of an envelope: [`crate::capsule::SCHEMA`] is its version. In alphabetical order: it is canonical JSON.
#[derive(Serialize)]
struct Question<'a> {
    body: Value,
    bytes: usize,
    gate: Gate,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Telemetry>,
    refs: usize,
    roles: &'a [Role],
    verb: &'a str,
}

/// What `input` looks like at `gate`.
///
/// Of a body it has what rules can be about: sums, names and numbers, in the spelling of the wire. The rest is there as a
/// count, or not at all: whatever a policy reads it pays for, byte by byte, and an envelope must not be denied for its length
/// where it is not too long. A policy cannot tell whose envelope it is.
pub fn question(gate: Gate, input: &PolicyInput<'_>) -> Vec<u8> {
    let verb = input.content.body.verb().as_str();
    let (bytes, refs) = (input.bytes, input.content.refs.len());
    let body = view(&input.content.body);
    canonical::to_vec(&Question { body, bytes, gate, measured: input.measured, refs, roles: input.roles, verb })
}

fn view(body: &Body) -> Value {
    match body {
        Body::Need(need) => json!({
            "budget": need.budget, "class": need.class, "deadline_ms": need.deadline_ms, "fee": need.fee, "fees": need.fees,
            "k_plan": need.k_plan, "k_result": need.k_result, "produces": need.produces.len(), "recipe": need.recipe,
            "requires": need.requires.len(), "windows": need.windows,
        }),
        Body::Propose(plan) => json!({
            "ballot": plan.ballot, "cost_caps": plan.cost_caps, "eta_ms": plan.eta_ms, "facts": plan.patch.len(),
        }),
        Body::Commit(commit) => json!({
            "outputs": commit.outputs.len(), "states": commit.states.len(), "task": commit.task,
            "telemetry": commit.telemetry,
        }),
        Body::Claim(claim) => json!(claim),
        Body::Heartbeat(beat) => json!(beat),
        Body::Yield(given) => json!({ "task": given.task }),
        Body::Refuse(refuse) | Body::Cancel(refuse) => json!({ "task": refuse.task }),
        Body::Release(release) => json!(release),
        Body::Attest(attest) => json!({ "reasons": attest.reasons, "task": attest.task, "verdict": attest.verdict }),
        _ => json!({}),
    }
}

/// A capsule as the rules of a node. All nodes of a process may share one: an answer depends on nothing but the question.
pub struct Rego {
    capsule: Cid,
    gates: [Label; Gate::ALL.len()],
    known: Mutex<Known>,
    policy: Policy,
}

#[derive(Default)]
struct Known {
    counts: Counts,
    verdicts: BTreeMap<Vec<u8>, Verdict>,
}

/// How much rules were asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Questions.
    pub asked: u64,
    /// Those for which the module ran; the other answers were remembered.
    pub evaluated: u64,
}

impl Rego {
    /// Reads a capsule and lets it prove itself.
    ///
    /// # Errors
    /// What is wrong with it; a gate that it has no entry point for is.
    pub fn new(capsule: &[u8]) -> Result<Self, CapsuleError> {
        let policy = Capsule::parse(capsule)?.prove()?;
        let gates = Gate::ALL.map(|gate| label(gate.as_str()));
        match gates.iter().find(|gate| !policy.serves(gate)) {
            Some(gate) => Err(CapsuleError::BadEntry { name: gate.clone() }),
            None => Ok(Self { capsule: Cid::of(capsule), gates, known: Mutex::default(), policy }),
        }
    }

    /// The base policy that comes with the protocol.
    ///
    /// # Panics
    /// If this build carries a capsule that does not hold, which its tests exclude.
    pub fn base() -> Self {
        Self::new(BASE).expect("the base policy proves itself")
    }

    /// What it says to [`question`]'s text at `gate`.
    pub fn decide(&self, gate: Gate, question: Vec<u8>) -> Verdict {
        let mut known = self.known.lock();
        known.counts.asked += 1;
        if let Some(verdict) = known.verdicts.get(&question) {
            return verdict.clone();
        }
        drop(known);
        let verdict = self.policy.decide(&self.gates[gate as usize], &question);
        let mut known = self.known.lock();
        known.counts.evaluated += 1;
        if known.verdicts.len() >= KNOWN_MAX {
            known.verdicts.clear();
        }
        known.verdicts.insert(question, verdict.clone());
        verdict
    }

    /// How much it was asked so far, by all who share it.
    pub fn counts(&self) -> Counts {
        self.known.lock().counts
    }
}

/// The base policy's capsule. Its one signature is by a key that everyone has ([`base_keys`]): it shows the form.
pub const BASE: &[u8] = include_bytes!("../policies/base.capsule");

/// The seed of the key that the base policy is signed with, for whoever builds it again.
pub fn base_keys() -> Digest {
    Digest::sha256(b"swarm/base-policy")
}

impl fmt::Debug for Rego {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rego").field("capsule", &self.capsule).finish_non_exhaustive()
    }
}

impl Evaluator for Rego {
    fn engine(&self) -> Digest {
        self.policy.engine()
    }

    fn capsule(&self) -> Cid {
        self.capsule
    }

    fn evaluate(&self, gate: Gate, input: &PolicyInput<'_>) -> Evaluation {
        let Verdict { reasons, gas, .. } = self.decide(gate, question(gate, input));
        Evaluation::new(input.digest(gate), reasons, gas)
    }

    fn allows(&self, gate: Gate, input: &PolicyInput<'_>) -> bool {
        self.decide(gate, question(gate, input)).allow
    }
}
