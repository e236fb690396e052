//! Whom this node takes for members of the register, whatever the thread.
//!
//! A mandate convinces by itself, so a node may know of a newcomer before the thread at hand does. It decides nothing that
//! replicas must agree on: only whom the node listens to, and what it believes. What a thread's entries do is judged by that
//! thread's own table.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::genesis::Genesis;
use crate::id::AgentId;
use crate::members::{Base, Handover, Mandate, Voices};

/// The members a node knows of.
#[derive(Clone)]
pub(super) struct Roster {
    genesis: Arc<Genesis>,
    /// In the order in which the node heard of them.
    handovers: Vec<Handover>,
    /// Where generations begin that were founded anew.
    bases: Vec<Base>,
    /// Seats that must vouch for an entry before it is believed.
    pub believe_at: usize,
}

impl Roster {
    /// The founders, and whom these mandates made members.
    pub fn new(genesis: &Arc<Genesis>, mandates: &[Arc<Mandate>]) -> Self {
        Self {
            genesis: Arc::clone(genesis),
            handovers: mandates.iter().flat_map(|mandate| mandate.handovers()).collect(),
            bases: mandates.iter().filter_map(|mandate| mandate.base()).collect(),
            believe_at: genesis.params.believe_at(genesis.coordinators.len()),
        }
    }

    /// Whether everyone whom the mandate replaces is known. One that founds the register anew replaces all, known or not.
    pub fn admits(&self, mandate: &Mandate) -> bool {
        let voices = self.voices();
        mandate.base().is_some() || mandate.handovers().all(|handover| voices.seat(&handover.old).is_some())
    }

    /// Takes note of a mandate that was vetted. False if it was known.
    pub fn learn(&mut self, mandate: &Mandate) -> bool {
        let fresh: Vec<Handover> = mandate.handovers().filter(|handover| !self.handovers.contains(handover)).collect();
        if fresh.is_empty() {
            return false;
        }
        self.handovers.extend(fresh);
        self.bases.extend(mandate.base());
        true
    }

    /// Whose word counts for which seat.
    pub fn voices(&self) -> Voices<'_> {
        Voices::new(&self.genesis.coordinators, &self.handovers).on(&self.bases)
    }

    /// Where generations begin that were founded anew, in the order in which the node heard of them.
    pub fn bases(&self) -> &[Base] {
        &self.bases
    }

    /// Whether `agent` holds or held a seat. What a member says is heard also after it was replaced: it may have been said
    /// before, and replicas that hear it at other times must not differ.
    pub fn is_member(&self, agent: &AgentId) -> bool {
        self.voices().seat(agent).is_some()
    }

    /// Who took the seat over that `agent` held.
    pub fn successor(&self, agent: &AgentId) -> Option<AgentId> {
        self.handovers.iter().find(|handover| handover.old == *agent).map(|handover| handover.new)
    }
}
