//! Policy: what an agent may say though it could, judged at three gates (PROTOCOL 10).
//!
//! An evaluation is a pure function of its input: the same decision, reasons and gas on every node. Default deny: what no
//! rule allows is denied, and so is what a rule would need to know and does not. Must never depend on a clock, on the
//! receiver's state, or on how often it was asked.

mod adopt;
mod base;
mod gate;

pub use base::{BaseRules, Limits};
pub use gate::{Denial, admits, commit, ingress, is_same, preflight};

use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{Cid, Digest, Label};
use crate::wire::{Content, Draft, Envelope, Role, Telemetry};

/// Where a policy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Before signing.
    Preflight,
    /// At every receiver.
    Ingress,
    /// At a verifier, with what it measured itself.
    Commit,
}

impl Gate {
    /// All gates, in the order an envelope meets them.
    pub const ALL: [Self; 3] = [Self::Preflight, Self::Ingress, Self::Commit];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Ingress => "ingress",
            Self::Commit => "commit",
        }
    }
}

/// What a policy may know. Borrowed: nothing is copied or written out to be judged.
#[derive(Clone, Copy, Debug)]
pub struct PolicyInput<'a> {
    /// What is said.
    pub content: &'a Content,
    /// Id of the envelope that says it. At preflight: the id it would have without a policy digest, which is not known yet.
    pub envelope: Cid,
    /// Length of the signed envelope, in bytes.
    pub bytes: usize,
    /// Roles of the manifest it cites; empty where that is unknown.
    pub roles: &'a [Role],
    /// At the commit gate: what doing the work took, measured here.
    pub measured: Option<Telemetry>,
}

impl<'a> PolicyInput<'a> {
    /// What a receiver knows of `envelope`.
    pub fn received(envelope: &'a Envelope, roles: &'a [Role]) -> Self {
        Self { content: envelope, envelope: envelope.id(), bytes: envelope.bytes().len(), roles, measured: None }
    }

    /// What a sender knows of a draft without a policy digest.
    pub fn drafted(draft: &'a Draft, roles: &'a [Role]) -> Self {
        Self { content: draft, envelope: draft.id(), bytes: draft.signed_len(), roles, measured: None }
    }

    /// The input in one digest. The envelope's id stands for all it says.
    pub fn digest(&self, gate: Gate) -> Digest {
        // Two words for each thing that may be missing, so that missing is not zero.
        let measured = self.measured.map_or([0; 3], |measured| [1, measured.bytes.0, measured.steps.0]);
        let numbers = measured.map(u64::to_be_bytes);
        let roles = self.roles.iter().fold(0u16, |set, role| set | 1 << *role as u16).to_be_bytes();
        let bytes = (self.bytes as u64).to_be_bytes();
        let gate = gate.as_str().as_bytes();
        Digest::of("swarm/policy-input", &[gate, &self.envelope.0.0, &bytes, &roles, numbers.as_flattened()])
    }
}

/// A policy's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Whether it may pass.
    pub allow: bool,
    /// Digest of input, decision, reasons and gas: two honest nodes never differ in it.
    pub digest: Digest,
    /// What it cost, in the engine's own units.
    #[serde(with = "gas")]
    pub gas: u64,
    /// Why not, in the order of the rules; empty if it may.
    pub reasons: Vec<Label>,
}

impl Evaluation {
    /// The answer to the input of digest `input`. Any reason is a denial.
    pub fn new(input: Digest, reasons: Vec<Label>, gas: u64) -> Self {
        let allow = reasons.is_empty();
        let mut parts: Vec<&[u8]> = Vec::with_capacity(3 + reasons.len());
        let cost = gas.to_be_bytes();
        parts.extend([&input.0[..], if allow { b"allow" } else { b"deny" }, &cost]);
        parts.extend(reasons.iter().map(|reason| reason.as_str().as_bytes()));
        Self { allow, digest: Digest::of("swarm/evaluation", &parts), gas, reasons }
    }
}

/// Gas as a decimal string, as everything wider than 32 bits is.
mod gas {
    pub(super) fn serialize<S: serde::Serializer>(gas: &u64, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(gas)
    }
    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        crate::id::decimal_u64(d)
    }
}

/// Rules that evaluate: the native ones here, capsules in `swarm-policy`.
pub trait Evaluator: Send + Sync {
    /// Engine hash: of everything that could change an answer, the metering of gas included.
    fn engine(&self) -> Digest;

    /// Address of the rules.
    fn capsule(&self) -> Cid;

    /// Judges `input` at `gate`. Pure and total.
    fn evaluate(&self, gate: Gate, input: &PolicyInput<'_>) -> Evaluation;

    /// Whether [`Evaluator::evaluate`] would let it pass, for those who need no evidence of the answer. Most answers are of
    /// this sort: every receiver asks, and nobody asks the receiver.
    fn allows(&self, gate: Gate, input: &PolicyInput<'_>) -> bool {
        self.evaluate(gate, input).allow
    }
}

/// Where a node's rules are found by their engine hash. What it found once it finds for ever, and it is the same rules.
pub trait Engines: Send + Sync {
    /// The rules of this engine, if they are at hand.
    fn find(&self, engine: &Digest) -> Option<Arc<dyn Evaluator>>;
}

/// The rules themselves, where there are no others.
#[derive(Clone)]
pub struct Only(
    /// The rules.
    pub Arc<dyn Evaluator>,
);

impl Engines for Only {
    fn find(&self, engine: &Digest) -> Option<Arc<dyn Evaluator>> {
        (self.0.engine() == *engine).then(|| Arc::clone(&self.0))
    }
}
