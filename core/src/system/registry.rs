//! The pool as it changes, and what slots look up of it.

use super::*;
use crate::members::Mandate;
use crate::node::Pool;

impl System {
    /// Fixes the pool as it is now under the next number.
    pub(super) fn take_snapshot(&mut self) -> Arc<Snapshot> {
        let before = self.taken.last_key_value().map(|(_, taken)| taken);
        let last = before.map(|taken| Arc::clone(&taken.snapshot));
        let number = last.as_ref().map_or(1, |s| s.number() + 1);
        let age = Age {
            bootstrap: last.is_none_or(|s| s.bootstrap()),
            day_passed: self.day_passed,
            finalized_needs: self.finalized_needs,
        };
        let params = &self.genesis.params;
        let members = self.agents.iter().map(|(agent, known)| {
            let own = self.ledger.balance(agent).map_or(Credits(0), |b| b.staked);
            let backing: Vec<_> = self.ledger.backers(*agent).collect();
            pool::Member {
                delegated: pool::counted(own, backing, params),
                identity: Arc::clone(&known.identity),
                idle_snapshots: if planted(Mutant::IdleForgotten) { 0 } else { number.saturating_sub(known.served_at) },
                own,
                reputation_bp: known.reputation_bp,
                verifier: known.manifest().roles.contains(&crate::wire::Role::Verifier),
            }
        });
        let snapshot = Arc::new(Snapshot::make(number, members.collect::<Vec<_>>(), age, params));
        let standing = |agent: &AgentId, known: &Agent| Standing {
            available: self.ledger.balance(agent).map_or(Credits(0), |b| b.available),
            manifest: known.manifest.id(),
            org: known.manifest().org.clone(),
            reputation_bp: known.reputation_bp,
            roles: known.manifest().roles.clone(),
            capabilities: known.manifest().capabilities.iter().map(|c| c.name.clone()).collect(),
        };
        // Most stand where they stood.
        let shared = |agent: &AgentId, known: &Agent| {
            let now = standing(agent, known);
            let same = before.and_then(|taken| taken.standings.get(agent)).filter(|then| ***then == now);
            same.map_or_else(|| Arc::new(now), Arc::clone)
        };
        let standings = self.agents.iter().map(|(agent, known)| (*agent, shared(agent, known))).collect();
        let cited: BTreeSet<u32> = self.cited.values().flatten().copied().collect();
        let drawn_from = self.round.as_ref().map(|round| round.snapshot.number());
        self.taken.retain(|number, _| cited.contains(number) || drawn_from == Some(*number));
        self.taken.insert(number, Taken { snapshot: Arc::clone(&snapshot), standings });
        self.dirty = false;
        snapshot
    }

    /// The current snapshot with what its weights were made from.
    pub fn pool(&self) -> Pool {
        let snapshot = Arc::clone(self.snapshot());
        let standing = |seat: &pool::Seat| {
            let agent = seat.identity.agent;
            let stake = self.ledger.balance(&agent).map_or(Credits(0), |b| b.staked);
            (stake, self.agents.get(&agent).map_or(0, |a| a.reputation_bp))
        };
        let standing = snapshot.seats().iter().map(standing).collect();
        Pool { snapshot, standing }
    }

    /// Where an agent stood when `need` was opened, by its own word; or when it came, if that was later. Who has a part in a need must not
    /// choose afterwards whose relation it is: neither who judges it, nor who is paid.
    pub(super) fn identity(&self, need: NeedId, agent: &AgentId) -> pool::Identity {
        let Some(known) = self.agents.get(agent) else {
            return pool::Identity { agent: *agent, ..Default::default() };
        };
        let opened = self.requesters.get(&need).map(|(_, opened)| *opened);
        let then = opened.and_then(|opened| known.before.iter().find(|(until, _)| *until > opened));
        then.map_or(&known.identity, |(_, then)| then).as_ref().clone()
    }
}

impl Registry for System {
    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn standing(&self, number: u32, agent: &AgentId) -> Option<&Standing> {
        self.taken.get(&number)?.standings.get(agent).map(Arc::as_ref)
    }

    fn took(&self, mandate: &Mandate) -> bool {
        self.members.mandates().iter().any(|taken| **taken == *mandate)
    }

    fn bases(&self) -> &[Arc<Base>] {
        &self.bases
    }
}
