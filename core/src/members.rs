//! Who the register's members are: a fixed number of seats, each held by one coordinator at a time (PROTOCOL 5: Members).
//!
//! A coordinator that lost its disk never comes back as itself: it has forgotten whom it voted for and what it acknowledged,
//! and would vote twice (T71). A majority of the recovery keys gives its seat to a new agent under a new member id. The table
//! is a fold over the system thread's entries, so that every member has the same one at the same place.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::config::majority;
use crate::genesis::{Genesis, Member};
use crate::id::{AgentId, Digest};
use crate::identity::Keys;
use crate::mutant::{Mutant, planted};
use crate::register::Command;
use crate::reject::Reject;
use crate::wire::{Body, Envelope, Role, Signature, canonical, verify_signature};

/// A member's number in the groups of the register, from 1; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);
crate::id::decimal!(MemberId);

/// A seat of the register and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its holder's number.
    pub id: MemberId,
    /// Its holder, with the end of its hash chain.
    pub member: Member,
}

/// What the recovery keys can order. An act that restores a lost register by generation will stand beside this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// A seat changes hands.
    Replace {
        /// The newcomer's MANIFEST, which says that it is a coordinator.
        manifest: Arc<Envelope>,
        /// The newcomer: an agent that never held a seat.
        new: Member,
        /// Who holds the seat now.
        old: AgentId,
    },
}

/// An act with the signatures that make it one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mandate {
    /// The act.
    pub act: Act,
    /// Signatures of recovery keys over the deployment and the act.
    pub sigs: BTreeMap<AgentId, Signature>,
}

impl Mandate {
    /// `act`, signed by `keys` for the deployment of this genesis digest.
    pub fn sign<'a>(act: Act, genesis: &Digest, keys: impl IntoIterator<Item = &'a Keys>) -> Self {
        use ed25519_dalek::Signer as _;
        let covered = covered(&act, genesis);
        let sigs = keys.into_iter().map(|k| (k.agent(), Signature(k.signing().sign(&covered.0).to_bytes()))).collect();
        Self { act, sigs }
    }

    /// Whether a majority of `recovery` signed it, and nobody else.
    ///
    /// # Errors
    /// [`Reject::NotEntitled`], [`Reject::NoQuorum`], or what is wrong with a signature.
    pub fn check(&self, genesis: &Digest, recovery: &[AgentId]) -> Result<(), Reject> {
        if !self.sigs.keys().all(|key| recovery.contains(key)) {
            return Err(Reject::NotEntitled);
        }
        if self.sigs.len() < majority(recovery.len()) {
            return Err(Reject::NoQuorum);
        }
        let covered = covered(&self.act, genesis);
        self.sigs.iter().try_for_each(|(key, sig)| verify_signature(key, &covered.0, sig))
    }
}

/// What a signature of `act` covers.
fn covered(act: &Act, genesis: &Digest) -> Digest {
    Digest::of("swarm/mandate", &[&genesis.0, &canonical::to_vec(act)])
}

/// What a command did to the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The group of this bucket starts, with the members as they are now.
    Started(u32),
    /// A seat changed hands.
    Replaced {
        /// Who held it.
        old: Seat,
        /// Who holds it.
        new: Seat,
    },
}

/// The table of members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    buckets: u32,
    genesis: Digest,
    /// Every mandate that took effect, in order: what convinces one that knows only the genesis.
    mandates: Vec<Arc<Mandate>>,
    /// Who held a seat once.
    past: BTreeMap<MemberId, AgentId>,
    recovery: Vec<AgentId>,
    /// Seats in founding order.
    seats: Vec<Seat>,
    started: BTreeSet<u32>,
}

impl Members {
    /// The founding members, numbered in the order of their ids.
    pub fn new(genesis: &Genesis) -> Self {
        let seat = |(member, id): (&Member, u64)| Seat { id: MemberId(id), member: member.clone() };
        Self {
            buckets: genesis.params.buckets,
            genesis: genesis.digest(),
            mandates: Vec::new(),
            past: BTreeMap::new(),
            recovery: genesis.recovery.clone(),
            seats: genesis.coordinators.iter().zip(1..).map(seat).collect(),
            started: BTreeSet::new(),
        }
    }

    /// The seats in founding order.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// The seat that `agent` holds.
    pub fn seat_of(&self, agent: &AgentId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.member.agent == *agent)
    }

    /// Whether `agent` once held a seat and does no more.
    pub fn is_past(&self, agent: &AgentId) -> bool {
        self.past.values().any(|past| past == agent) && self.seat_of(agent).is_none()
    }

    /// The agent behind a number, also a past one.
    pub fn agent(&self, id: MemberId) -> Option<AgentId> {
        let seat = self.seats.iter().find(|seat| seat.id == id).map(|seat| seat.member.agent);
        seat.or_else(|| self.past.get(&id).copied())
    }

    /// The numbers of those who hold a seat, rising.
    pub fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.seats.iter().map(|seat| seat.id.0).collect();
        ids.sort_unstable();
        ids
    }

    /// Buckets whose group was started.
    pub fn started(&self) -> &BTreeSet<u32> {
        &self.started
    }

    /// The mandates that took effect, in order.
    pub fn mandates(&self) -> &[Arc<Mandate>] {
        &self.mandates
    }

    /// Whether `holder` is the one that stands for election first in the group of `bucket`: work is spread over the seats.
    pub fn is_first(&self, bucket: u32, holder: MemberId) -> bool {
        self.seats.get(bucket as usize % self.seats.len().max(1)).is_some_and(|seat| seat.id == holder)
    }

    /// Applies an entry of the system thread; a refusal changes nothing.
    ///
    /// # Errors
    /// Why it has no effect. A command that is not about members is [`Reject::WrongFields`].
    pub fn apply(&mut self, command: &Command) -> Result<Change, Reject> {
        match command {
            Command::Start { bucket } => {
                if *bucket >= self.buckets {
                    return Err(Reject::OutOfBounds);
                }
                if !self.started.insert(*bucket) {
                    return Err(Reject::Duplicate);
                }
                Ok(Change::Started(*bucket))
            }
            Command::Mandate(mandate) => self.mandate(mandate),
            _ => Err(Reject::WrongFields),
        }
    }

    /// Applies a mandate.
    ///
    /// # Errors
    /// Why it has no effect.
    pub fn mandate(&mut self, mandate: &Arc<Mandate>) -> Result<Change, Reject> {
        let Act::Replace { manifest, new, old } = &mandate.act;
        if self.is_past(&new.agent) || self.seat_of(&new.agent).is_some() {
            return Err(Reject::Duplicate);
        }
        let at = self.seats.iter().position(|seat| seat.member.agent == *old).ok_or(Reject::NoSuchThing)?;
        let Body::Manifest(says) = &manifest.body else { return Err(Reject::WrongFields) };
        if manifest.sender != new.agent || says.agent != new.agent {
            return Err(Reject::NotTheSender);
        }
        if !says.roles.contains(&Role::Coordinator) {
            return Err(Reject::WrongRole);
        }
        mandate.check(&self.genesis, &self.recovery)?;
        let highest = self.seats.iter().map(|seat| seat.id.0).chain(self.past.keys().map(|id| id.0)).max();
        let fresh = MemberId(highest.unwrap_or(0) + 1);
        let id = if planted(Mutant::WipedKeepsId) { self.seats[at].id } else { fresh };
        let new = Seat { id, member: new.clone() };
        let old = core::mem::replace(&mut self.seats[at], new.clone());
        self.past.insert(old.id, old.member.agent);
        self.mandates.push(Arc::clone(mandate));
        Ok(Change::Replaced { old, new })
    }
}
