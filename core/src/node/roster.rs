//! Whom this node takes for members of the register, whatever the thread.
//!
//! A mandate convinces by itself, so a node may know of a newcomer before the thread at hand does. It decides nothing that
//! replicas must agree on: only whom the node listens to, and what it believes. What a thread's entries do is judged by that
//! thread's own table.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::base::Base;
use crate::genesis::Genesis;
use crate::id::AgentId;
use crate::members::{Handover, Mandate, Voices};
use crate::node::io::Setup;

/// The members a node knows of.
#[derive(Clone)]
pub(super) struct Roster {
    genesis: Arc<Genesis>,
    /// In the order in which the node heard of them.
    handovers: Vec<Handover>,
    /// Where generations begin that were founded anew.
    bases: Vec<Arc<Base>>,
    /// Seats that must vouch for an entry before it is believed.
    pub believe_at: usize,
}

impl Roster {
    /// The founders, and whom the node's mandates made members.
    pub fn new(setup: &Setup) -> Self {
        let Setup { bases, genesis, mandates, .. } = setup;
        let founding = mandates.iter().filter(|mandate| mandate.base().is_some());
        let base = |mandate: &Arc<Mandate>| {
            Arc::clone(mandate.find_base(bases).expect("whoever sets a node up brings what its mandates name"))
        };
        Self {
            genesis: Arc::clone(genesis),
            handovers: mandates.iter().flat_map(|mandate| mandate.handovers()).collect(),
            bases: founding.map(base).collect(),
            believe_at: genesis.params.believe_at(genesis.coordinators.len()),
        }
    }

    /// Whether a mandate can be taken note of now, with the base that it names as far as it is whole: everyone whom it replaces
    /// is known, or it founds the register anew, and replaces all, known or not.
    pub fn admits(&self, mandate: &Mandate, base: Option<&Arc<Base>>) -> bool {
        let voices = self.voices();
        match mandate.base() {
            Some(_) => base.is_some(),
            None => mandate.handovers().all(|handover| voices.seat(&handover.old).is_some()),
        }
    }

    /// Whether there is nothing to take note of in a mandate: it was known, or gives no seat away.
    pub fn knows(&self, mandate: &Mandate) -> bool {
        mandate.handovers().all(|handover| self.handovers.contains(&handover))
    }

    /// Takes note of a mandate that was vetted, with the base that it names.
    pub fn learn(&mut self, mandate: &Mandate, base: Option<Arc<Base>>) {
        let fresh: Vec<Handover> = mandate.handovers().filter(|handover| !self.handovers.contains(handover)).collect();
        self.handovers.extend(fresh);
        self.bases.extend(base);
    }

    /// Whose word counts for which seat.
    pub fn voices(&self) -> Voices<'_> {
        Voices::new(&self.genesis.coordinators, &self.handovers).on(&self.bases)
    }

    /// Where generations begin that were founded anew, in the order in which the node heard of them.
    pub fn bases(&self) -> &[Arc<Base>] {
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
