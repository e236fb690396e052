//! What a PROPOSE means: its tasks, who waits for whom, and the score of an offer (PROTOCOL 4, 7).

use std::collections::{BTreeMap, BTreeSet};

use swarm_core::id::{Cid, Digest, Label, TaskName};
use swarm_core::plan::{Fact, TASKS_MAX};
use swarm_core::wire::{Need, Propose, bounds};

/// A task as it was planned.
#[derive(Clone, Debug)]
pub struct Planned {
    pub cap: u64,
    pub job: Label,
    pub produces: Vec<Label>,
    pub requires: Vec<Label>,
    pub parents: BTreeSet<TaskName>,
}

/// The tasks of a proposal, if it holds together.
pub fn read(need: &Need, propose: &Propose) -> Option<BTreeMap<TaskName, Planned>> {
    let mut tasks: BTreeMap<TaskName, Planned> = BTreeMap::new();
    let facts = &propose.patch;
    if facts.len() > bounds::FACTS_MAX || (1..facts.len()).any(|at| facts[..at].contains(&facts[at])) {
        return None;
    }
    for fact in facts {
        if let Fact::AddTask { job, produces, requires, task } = fact {
            let cap = propose.cost_caps.get(task)?.0;
            let (produces, requires) = (produces.clone(), requires.clone());
            let planned = Planned { cap, job: job.clone(), produces, requires, parents: BTreeSet::new() };
            if cap == 0 || tasks.insert(task.clone(), planned).is_some() {
                return None;
            }
        }
    }
    for fact in facts {
        match fact {
            Fact::AddTask { .. } => {}
            Fact::Requires { label, task } => tasks.get_mut(task)?.requires.push(label.clone()),
            Fact::Produces { label, task } => tasks.get_mut(task)?.produces.push(label.clone()),
            Fact::Link { child, parent } => {
                tasks.get(parent)?;
                tasks.get_mut(child)?.parents.insert(parent.clone());
            }
            Fact::Annotate { task, value, .. } if value.len() <= bounds::REMARK_BYTES_MAX => drop(tasks.get(task)?),
            _ => return None,
        }
    }
    let total: u128 = tasks.values().map(|task| u128::from(task.cap)).sum();
    let sized = (1..=TASKS_MAX).contains(&tasks.len()) && propose.cost_caps.len() == tasks.len();
    if !sized || total > u128::from(need.budget.0) {
        return None;
    }
    let mut source: BTreeMap<Label, Option<TaskName>> = need.requires.keys().map(|l| (l.clone(), None)).collect();
    for (name, task) in &tasks {
        for label in &task.produces {
            if source.insert(label.clone(), Some(name.clone())).is_some() {
                return None;
            }
        }
    }
    let made = |label: &Label| matches!(source.get(label), Some(Some(_)));
    if !need.produces.iter().all(made) || tasks.values().any(|task| task.produces.is_empty()) {
        return None;
    }
    for task in tasks.values_mut() {
        if task.requires.iter().collect::<BTreeSet<_>>().len() < task.requires.len() {
            return None;
        }
        for label in &task.requires {
            task.parents.extend(source.get(label)?.clone());
        }
    }
    // Without a cycle, taking away what waits for nothing takes away everything.
    let mut left: BTreeSet<TaskName> = tasks.keys().cloned().collect();
    while let Some(free) = left.iter().find(|name| tasks[*name].parents.is_disjoint(&left)).cloned() {
        left.remove(&free);
    }
    left.is_empty().then_some(tasks)
}

/// The identity of the plan that `proposal` decided (PROTOCOL 8).
pub fn digest(proposal: &Cid, propose: &Propose) -> Digest {
    let facts: BTreeSet<Digest> = propose.patch.iter().map(Fact::id).collect();
    Digest::of_json("swarm/plan", &serde_json::json!({ "facts": facts, "proposal": proposal }))
}

/// What is registered of a bidder.
#[derive(Clone, Copy, Debug)]
pub struct Bidder {
    pub fits: bool,
    pub fresh: bool,
    pub reputation_bp: u32,
}

/// The score of an offer, in basis points; nothing for one that is out of bounds.
pub fn score(cost: u64, cap: u64, eta_ms: u32, deadline_ms: u32, bidder: Bidder) -> Option<u32> {
    if cost == 0 || cost > cap || eta_ms > deadline_ms {
        return None;
    }
    let cheap = 4_000 * u128::from(cap - cost) / u128::from(cap);
    let fast = 3_000 * u128::from(deadline_ms - eta_ms) / u128::from(deadline_ms.max(1));
    let known = 1_500 * u128::from(bidder.reputation_bp.min(10_000)) / 10_000;
    let fit = if bidder.fits { 1_000 } else { 500 };
    let fresh = if bidder.fresh { 500 } else { 0 };
    u32::try_from(cheap + fast + known + fit + fresh).ok()
}
