//! The pool at one moment, weighed once more from PROTOCOL 6: who may be drawn, and with what weight. From the books, the
//! manifests and what verdicts were counted; nothing of a snapshot that was told is believed.

use std::collections::BTreeMap;

use serde::Serialize;
use swarm_core::config::Params;
use swarm_core::id::{AgentId, Credits, Digest};
use swarm_core::wire::{Role, SnapshotRef};

use super::need::Elsewhere;
use super::system::{Agent, System, manifest};
use crate::history::{Account, PoolMember, PoolSnapshot};

/// A whole, in basis points.
const WHOLE: u128 = 10_000;

/// A snapshot's members as its digest covers them: fields in the order of their names, a weight as text.
#[derive(Serialize)]
struct Sealed<'a> {
    active: u32,
    bootstrap: bool,
    members: Vec<Seat<'a>>,
    number: u32,
}

#[derive(Serialize)]
struct Seat<'a> {
    identity: Identity<'a>,
    weight: String,
}

#[derive(Serialize)]
struct Identity<'a> {
    agent: AgentId,
    asn: &'a str,
    org: &'a str,
    region: &'a str,
}

impl<'a> Seat<'a> {
    fn of(PoolMember { agent, asn, org, region, weight, .. }: &'a PoolMember) -> Self {
        Self { identity: Identity { agent: *agent, asn, org, region }, weight: weight.to_string() }
    }
}

impl System {
    /// The pool as it is now, under the next number.
    pub(super) fn weighed(&self) -> PoolSnapshot {
        let number = self.pools.len() as u32 + 1;
        let params = self.params();
        let mut members: Vec<PoolMember> =
            self.agents.iter().filter_map(|(agent, known)| self.member(*agent, known, number)).collect();
        cap(&mut members, params.entity_cap_bp);
        members.retain(|member| member.weight > 0);
        let ripe = self.day_passed || self.finalized >= params.bootstrap_needs;
        let grown = ripe && members.len() >= params.bootstrap_active_min as usize;
        let bootstrap = self.pools.last().is_none_or(|pool| pool.taken.bootstrap) && !grown;
        let active = members.len() as u32;
        let sealed = Sealed { active, bootstrap, members: members.iter().map(Seat::of).collect(), number };
        let digest = Digest::of_json("swarm/snapshot", &sealed);
        PoolSnapshot { active, bootstrap, members, snapshot: SnapshotRef { digest, number } }
    }

    /// One that may be drawn, before the cap: a verifier with stake enough of its own.
    fn member(&self, agent: AgentId, known: &Agent, number: u32) -> Option<PoolMember> {
        let (stated, params) = (manifest(&known.manifest)?, self.params());
        let own = self.books.at(&Account::Stake(agent));
        if !stated.roles.contains(&Role::Verifier) || own < params.stake_min.0 {
            return None;
        }
        let lent: Vec<u64> = self.lent.iter().filter(|((to, _), _)| *to == agent).map(|(_, lent)| *lent).collect();
        let root = own.saturating_add(counted(own, lent, params)).isqrt();
        let idle = u64::from(number.saturating_sub(known.served_at));
        let recency = 10_000_u64.saturating_sub(idle.saturating_mul(100)).max(2_500);
        let weight = root * u64::from(known.reputation_bp.min(10_000)) * recency / 10_000;
        Some(PoolMember {
            agent,
            asn: stated.asn.clone(),
            org: stated.org.clone(),
            region: stated.region.clone(),
            reputation_bp: known.reputation_bp,
            stake: Credits(own),
            weight,
        })
    }
}

/// What counts of what is lent to one with `own` stake: the largest loans, so many, and so many times its own.
pub(super) fn counted(own: u64, mut lent: Vec<u64>, params: &Params) -> u64 {
    lent.sort_unstable_by_key(|lent| std::cmp::Reverse(*lent));
    let sum = lent.iter().take(params.delegators_max as usize).fold(0_u64, |sum, lent| sum.saturating_add(*lent));
    sum.min(own.saturating_mul(u64::from(params.delegated_times_max)))
}

/// Lowers the heaviest entities to the one level at which none has more than its share of what remains; where so few are
/// there that equal shares are more, to equal ones. An entity is an organisation, or one who names none.
fn cap(members: &mut [PoolMember], cap_bp: u32) {
    let mut entities: BTreeMap<(String, AgentId), Vec<usize>> = BTreeMap::new();
    for (at, member) in members.iter().enumerate().filter(|(_, member)| member.weight > 0) {
        let alone = if member.org.is_empty() { member.agent } else { AgentId::default() };
        entities.entry((member.org.clone(), alone)).or_default().push(at);
    }
    let sum = |of: &[usize]| of.iter().map(|at| u128::from(members[*at].weight)).sum::<u128>();
    let mut heavy: Vec<(u128, Vec<usize>)> = entities.into_values().map(|of| (sum(&of), of)).collect();
    heavy.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let share = u128::from(cap_bp).max(WHOLE.div_ceil((heavy.len() as u128).max(1)));
    // The fewest that have to be lowered for none of the others to be above the level.
    let level = |lowered: usize| {
        let rest: u128 = heavy[lowered..].iter().map(|(weight, _)| *weight).sum();
        Some(share * rest / WHOLE.checked_sub(share * lowered as u128).filter(|left| *left > 0)?)
    };
    let fits = |lowered: &usize| level(*lowered).is_some_and(|level| heavy[*lowered].0 <= level);
    let Some(lowered) = (0..heavy.len()).find(fits) else { return };
    let Some(level) = level(lowered) else { return };
    for (weight, of) in heavy.iter().take(lowered) {
        let parts: Vec<u64> = of.iter().map(|at| (level * u128::from(members[*at].weight) / weight) as u64).collect();
        // What does not divide goes to the first, one each.
        let left = level as u64 - parts.iter().sum::<u64>();
        for ((at, part), nth) in of.iter().zip(parts).zip(0..) {
            members[*at].weight = part + u64::from(nth < left);
        }
    }
}
