//! What every node of a deployment starts from: parameters, coordinators, who has what, and the engine that judges.
//!
//! Two nodes with different genesis digests are two deployments. They must not share keys: mandates and policies name their deployment,
//! envelopes and words do not.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::config::{OutOfBounds, Params};
use crate::id::{AgentId, Cid, Credits, Digest, Label, Lamport, Nonce, Thread};
use crate::identity::Keys;
use crate::pool::Identity;
use crate::time::WallTime;
use crate::wire::bounds::MANDATE_SIGS_MAX;
use crate::wire::{Body, Capability, CapabilityRef, Content, Draft, Envelope, Manifest, PolicyRef, Role, trace_of};

/// The most arbiters there may be.
pub const ARBITERS_MAX: usize = 15;

/// A founding member of the register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The coordinator.
    pub agent: AgentId,
    /// The end of its hash chain: round r reveals the value that hashes to this in r steps.
    pub anchor: Digest,
}

/// What a founding account holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holding {
    /// Free credits.
    pub balance: Credits,
    /// Staked credits.
    pub stake: Credits,
}

/// The bootstrap configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Who has the last word on what committees are of two minds about, rising; nobody if there are none. Verifiers who are
    /// nobody's relations among each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arbiters: Vec<AgentId>,
    /// The capsule that every envelope is judged under.
    pub capsule: Cid,
    /// The register's members, by rising agent id.
    pub coordinators: Vec<Member>,
    /// Its engine hash.
    pub engine: Digest,
    /// Founding accounts.
    pub holdings: BTreeMap<AgentId, Holding>,
    /// Founding MANIFEST envelopes.
    pub manifests: Vec<Arc<Envelope>>,
    /// Who may mint.
    pub mints: Vec<AgentId>,
    /// The parameters.
    pub params: Params,
    /// Keys a majority of which may change the policy, rising; nobody may if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_keys: Vec<AgentId>,
    /// Keys a majority of which may give a lost seat away or restore a lost register, rising. Kept off the coordinators'
    /// disks (PROTOCOL 5: Restore).
    pub recovery: Vec<AgentId>,
}

/// What an agent says of itself that wants `roles` and can do `can`: everything else as plain as it may be.
pub fn manifest(keys: &Keys, roles: Vec<Role>, can: Vec<Label>, [org, asn, region]: [String; 3]) -> Manifest {
    let capability =
        |name| Capability { input: String::new(), name, output: String::new(), tags: Vec::new(), version: 1 };
    Manifest {
        agent: keys.agent(),
        asn,
        capabilities: can.into_iter().map(capability).collect(),
        constraints: Vec::new(),
        org,
        price_floor: Credits(1),
        region,
        roles,
        sealing: Digest(keys.sealing()),
        stake_account: keys.agent(),
        tier: 0,
        zones: Vec::new(),
    }
}

/// A MANIFEST that a genesis or a mandate can carry: said before there was anything to refer to, in the name of the agent's
/// first capability.
///
/// # Panics
/// If it names no capability, or is not about the keys' agent.
pub fn sign(keys: &Keys, manifest: Manifest) -> Arc<Envelope> {
    let name = manifest.capabilities.first().expect("an agent can do something").name.clone();
    let content = Content {
        body: Body::Manifest(manifest),
        capability: CapabilityRef { manifest: Cid::default(), name },
        epoch: None,
        expires: None,
        fence: None,
        lamport: Lamport(0),
        nonce: Nonce(0),
        policy: PolicyRef::default(),
        refs: Vec::new(),
        sender: keys.agent(),
        target: None,
        thread: Thread::System,
        time: WallTime(0),
        trace: trace_of(Thread::System, None),
    };
    Arc::new(keys.sign(Draft::new(content)))
}

impl Genesis {
    /// Names the deployment.
    pub fn digest(&self) -> Digest {
        Digest::of_json("swarm/genesis", self)
    }

    /// The register's members.
    pub fn coordinators(&self) -> Vec<AgentId> {
        self.coordinators.iter().map(|m| m.agent).collect()
    }

    /// Whether `agent` is a member of the register. A manifest alone makes nobody one.
    pub fn is_coordinator(&self, agent: &AgentId) -> bool {
        self.coordinators.iter().any(|m| m.agent == *agent)
    }

    /// The founding manifest of `agent`.
    pub fn manifest(&self, agent: &AgentId) -> Option<(&Arc<Envelope>, &Manifest)> {
        self.manifests.iter().find_map(|envelope| match &envelope.body {
            Body::Manifest(manifest) if manifest.agent == *agent => Some((envelope, manifest)),
            _ => None,
        })
    }

    /// Holds the genesis against its own rules.
    ///
    /// # Errors
    /// What is out of bounds, by name.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        self.params.check()?;
        let n = self.coordinators.len();
        let bad = |what: &str| Err(OutOfBounds(what.into()));
        if n == 0 || n.is_multiple_of(2) {
            return bad("the number of coordinators is not odd");
        }
        if !self.coordinators.windows(2).all(|pair| pair[0].agent < pair[1].agent) {
            return bad("the coordinators are not distinct and rising");
        }
        if self.params.believe_at(n) > n - (self.params.liars_max as usize).min(n) {
            return bad("liars_max leaves too few honest coordinators to believe an entry");
        }
        if self.recovery.len() > MANDATE_SIGS_MAX {
            return bad("there are more recovery keys than a mandate can carry signatures");
        }
        if self.recovery.is_empty() || !self.recovery.windows(2).all(|pair| pair[0] < pair[1]) {
            return bad("the recovery keys are not distinct and rising, or there is none");
        }
        if self.recovery.iter().any(|key| self.is_coordinator(key)) {
            return bad("a recovery key is a coordinator's: what is lost with a disk cannot recover it");
        }
        if !self.policy_keys.windows(2).all(|pair| pair[0] < pair[1]) || self.policy_keys.len() > MANDATE_SIGS_MAX {
            return bad("the policy keys are not distinct and rising, or more than a CAPSULE can carry signatures");
        }
        let mut known = BTreeSet::new();
        for envelope in &self.manifests {
            if !matches!(&envelope.body, Body::Manifest(_)) || envelope.check().is_err() {
                return bad("a founding manifest is no MANIFEST of its sender");
            }
            if envelope.capability.manifest != Cid::default() {
                return bad("a founding manifest cites another, and there is none before it");
            }
            if !known.insert(envelope.sender) {
                return bad("an agent has two founding manifests");
            }
        }
        let speaks = |m: &Member| self.manifest(&m.agent).is_some_and(|(_, m)| m.roles.contains(&Role::Coordinator));
        if !self.coordinators.iter().all(speaks) {
            return bad("a coordinator has no founding manifest that says so");
        }
        if !self.arbiters.windows(2).all(|pair| pair[0] < pair[1]) || self.arbiters.len() > ARBITERS_MAX {
            return bad("the arbiters are not distinct and rising, or there are more than may be");
        }
        let judges = |agent: &AgentId| self.manifest(agent).is_some_and(|(_, m)| m.roles.contains(&Role::Verifier));
        if !self.arbiters.iter().all(judges) {
            return bad("an arbiter has no founding manifest that makes it a verifier");
        }
        let known: Vec<Identity> =
            self.arbiters.iter().filter_map(|agent| self.manifest(agent)).map(|(_, m)| Identity::of(m)).collect();
        if known.iter().enumerate().any(|(at, one)| known[..at].iter().any(|other| one.related(other))) {
            return bad("two arbiters are related: they would be one voice with two votes");
        }
        let total =
            self.holdings.values().try_fold(0u64, |sum, h| sum.checked_add(h.balance.0)?.checked_add(h.stake.0));
        if total.is_none_or(|t| t > self.params.supply_max.0) {
            return bad("the founding accounts hold more than supply_max");
        }
        Ok(())
    }
}
