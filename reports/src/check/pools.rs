//! Recorded snapshots, and what any list of people taken from one must keep to, whoever drew or counted them. For P6.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::AgentId;

use super::draw;
use crate::history::{PoolMember, PoolSnapshot, Record, Rules};

/// A snapshot as it was first told, with its members by name.
#[derive(Debug)]
pub(super) struct Pool {
    by_agent: BTreeMap<AgentId, usize>,
    pub record: Record,
    pub taken: Arc<PoolSnapshot>,
}

impl Pool {
    pub fn new(taken: &Arc<PoolSnapshot>, record: &Record) -> Self {
        let by_agent = taken.members.iter().enumerate().map(|(i, m)| (m.agent, i)).collect();
        Self { by_agent, record: record.clone(), taken: taken.clone() }
    }

    /// Distinct members.
    pub fn len(&self) -> usize {
        self.by_agent.len()
    }

    pub fn member(&self, agent: &AgentId) -> Option<&PoolMember> {
        self.by_agent.get(agent).map(|i| &self.taken.members[*i])
    }
}

/// What is wrong with a draw or a count, in words.
pub(super) type Faults = Vec<String>;

/// Everyone in `list` once, in the pool, with enough stake.
fn members(rules: &Rules, pool: &Pool, list: &[AgentId]) -> Faults {
    let mut faults = Faults::new();
    let mut once = BTreeSet::new();
    for agent in list {
        if !once.insert(agent) {
            faults.push(format!("{agent} stands there twice"));
        }
        match pool.member(agent) {
            None => faults.push(format!("{agent} is not a member of the recorded snapshot")),
            Some(member) if member.stake < rules.stake_min => {
                faults.push(format!("{agent} has a stake of {}, less than {}", member.stake, rules.stake_min));
            }
            Some(_) => {}
        }
    }
    faults
}

/// Members, within the caps of a draw of `size` unless in bootstrap. A draw that keeps its own rules keeps these: they are
/// looked at because they say better what is wrong.
pub(super) fn within(rules: &Rules, pool: &Pool, list: &[AgentId], size: u32) -> Faults {
    let mut faults = members(rules, pool, list);
    let caps = draw::caps(size.max(list.len() as u32), rules);
    for (what, of, cap) in caps.into_iter().filter(|_| !pool.taken.bootstrap) {
        let mut groups = BTreeMap::<&str, u64>::new();
        for member in list.iter().filter_map(|agent| pool.member(agent)) {
            *groups.entry(of(member)).or_default() += 1;
        }
        for (group, seats) in groups.into_iter().filter(|(_, seats)| *seats > cap) {
            faults.push(format!("{seats} seats are of {what} {group:?}, the cap is {cap}"));
        }
    }
    faults
}

/// A count: members, all of them drawn.
pub(super) fn counted(rules: &Rules, pool: &Pool, list: &[AgentId], drawn: &[AgentId]) -> Faults {
    let mut faults = members(rules, pool, list);
    faults.extend(list.iter().filter(|a| !drawn.contains(a)).map(|a| format!("{a} was counted but not drawn")));
    faults
}

/// At least K distinct, by our own K, and by the stated one.
pub(super) fn enough(list: &[AgentId], own: u32, stated: u32) -> Option<String> {
    let distinct = list.iter().collect::<BTreeSet<_>>().len();
    if distinct < own as usize {
        Some(format!("{distinct} were counted and {stated} is stated, but K is {own}"))
    } else if distinct < stated as usize {
        Some(format!("{distinct} were counted, but {stated} is stated"))
    } else {
        None
    }
}
