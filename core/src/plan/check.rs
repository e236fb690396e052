//! What a proposed patch means as a plan, and whether it holds together.
//!
//! A [`Plan`] is a function of the NEED and the PROPOSE alone, so every replica, voter and replay reads the same one. It
//! must never depend on the order of facts in the patch, on a node's current view (T69), or panic on hostile facts.
//!
//! Data flow implies order: whoever requires a label is a child of the task that produces it, with or without a LINK.
//! An explicit LINK adds order where no data flows.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::Serialize;

use super::patch::FACTS_MAX;
use super::{ANNOTATION_BYTES_MAX, Fact};
use crate::id::{Cid, Credits, Digest, Label, TaskName};
use crate::reject::Reject;
use crate::wire::{Need, Propose};

/// The most tasks in one plan.
pub const TASKS_MAX: usize = 64;

/// Where a task's input comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Given by the NEED.
    Given(Cid),
    /// Made by another task.
    Output {
        /// Under this name.
        label: Label,
        /// By this task.
        task: TaskName,
    },
}

/// One task of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedTask {
    /// Tasks that wait for this one.
    pub children: BTreeSet<TaskName>,
    /// The most it may cost, at least 1.
    pub cost_cap: Credits,
    /// What kind of job it is.
    pub job: Label,
    /// Tasks it waits for: those linked, and those whose outputs it requires.
    pub parents: BTreeSet<TaskName>,
    /// Names of its outputs: ADD_TASK's in its order, then those of PRODUCES facts by name.
    pub produces: Vec<Label>,
    /// Names of its inputs: ADD_TASK's in its order, then those of REQUIRES facts by name.
    pub requires: Vec<Label>,
    /// Where each input comes from, in the same order.
    pub sources: Vec<Source>,
}

/// A plan that holds together. Only [`Plan::of`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    facts: Vec<Digest>,
    outputs: BTreeMap<Label, TaskName>,
    tasks: BTreeMap<TaskName, PlannedTask>,
}

impl Plan {
    /// Reads `propose` as a plan for `need`.
    ///
    /// # Errors
    /// [`Reject::BadPlan`] unless all of this holds: 1 to [`TASKS_MAX`] tasks, each added once and producing something; no
    /// fact twice, none of a type that a proposal may not have, none about a task that is not added; every label has one
    /// source (the NEED or one task); every required label has a source; every label that the NEED wants is produced; no
    /// cycle; every task, and nothing else, has a cost cap of at least 1, together within the budget.
    pub fn of(need: &Need, propose: &Propose) -> Result<Self, Reject> {
        Self::read(need, propose).ok_or(Reject::BadPlan)
    }

    fn read(need: &Need, propose: &Propose) -> Option<Self> {
        // Sorted, so that the patch's order has no say: ADD_TASK sorts before what refers to it.
        let mut facts: Vec<&Fact> = propose.patch.iter().collect();
        facts.sort_unstable();
        if facts.len() > FACTS_MAX || facts.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        let mut tasks = BTreeMap::new();
        let mut links = BTreeSet::new();
        for fact in &facts {
            match *fact {
                Fact::AddTask { job, produces, requires, task } => {
                    let cost_cap = *propose.cost_caps.get(task).filter(|cap| cap.0 >= 1)?;
                    let planned = PlannedTask {
                        children: BTreeSet::new(),
                        cost_cap,
                        job: job.clone(),
                        parents: BTreeSet::new(),
                        produces: produces.clone(),
                        requires: requires.clone(),
                        sources: Vec::new(),
                    };
                    match tasks.entry(task.clone()) {
                        Entry::Vacant(entry) => entry.insert(planned),
                        Entry::Occupied(_) => return None,
                    };
                }
                Fact::Requires { label, task } => tasks.get_mut(task)?.requires.push(label.clone()),
                Fact::Produces { label, task } => tasks.get_mut(task)?.produces.push(label.clone()),
                Fact::Link { child, parent } => {
                    links.insert((parent.clone(), child.clone()));
                }
                Fact::Annotate { task, value, .. } => {
                    tasks.get(task).filter(|_| value.len() <= ANNOTATION_BYTES_MAX)?;
                }
                Fact::Proposal { .. } | Fact::Claim { .. } | Fact::Attestation { .. } | Fact::State { .. } => return None,
            }
        }
        if tasks.is_empty() || tasks.len() > TASKS_MAX || propose.cost_caps.len() != tasks.len() {
            return None;
        }
        let total = propose.cost_caps.values().try_fold(0u64, |sum, cap| sum.checked_add(cap.0))?;
        if total > need.budget.0 {
            return None;
        }

        let mut outputs = BTreeMap::new();
        for (name, task) in &tasks {
            if task.produces.is_empty() {
                return None;
            }
            for label in &task.produces {
                let taken = need.requires.contains_key(label) || outputs.insert(label.clone(), name.clone()).is_some();
                if taken {
                    return None;
                }
            }
        }
        if !need.produces.iter().all(|label| outputs.contains_key(label)) {
            return None;
        }
        for (name, task) in &mut tasks {
            if task.requires.iter().collect::<BTreeSet<_>>().len() != task.requires.len() {
                return None;
            }
            for label in &task.requires {
                task.sources.push(match (need.requires.get(label), outputs.get(label)) {
                    (Some(cid), _) => Source::Given(*cid),
                    (None, Some(parent)) => {
                        links.insert((parent.clone(), name.clone()));
                        Source::Output { label: label.clone(), task: parent.clone() }
                    }
                    (None, None) => return None,
                });
            }
        }
        for (parent, child) in links {
            tasks.get_mut(&parent)?.children.insert(child.clone());
            tasks.get_mut(&child)?.parents.insert(parent);
        }
        let mut ids: Vec<Digest> = facts.iter().map(|fact| fact.id()).collect();
        ids.sort_unstable();
        let plan = Self { facts: ids, outputs, tasks };
        (plan.order().len() == plan.tasks.len()).then_some(plan)
    }

    /// Its tasks, by name.
    pub fn tasks(&self) -> &BTreeMap<TaskName, PlannedTask> {
        &self.tasks
    }

    /// One of its tasks.
    pub fn task(&self, task: &TaskName) -> Option<&PlannedTask> {
        self.tasks.get(task)
    }

    /// The task that produces `label`.
    pub fn producer(&self, label: &Label) -> Option<&TaskName> {
        self.outputs.get(label)
    }

    /// Where each input of `task` comes from, in the order the job takes them; nothing for a task not in the plan.
    pub fn input_sources(&self, task: &TaskName) -> impl Iterator<Item = (&Label, &Source)> {
        self.tasks.get(task).into_iter().flat_map(|task| task.requires.iter().zip(&task.sources))
    }

    /// Identity of this plan as the patch of `proposal` (PROTOCOL 8): what a FINALIZE record cites. Covers the facts that
    /// the Decide entry named, in no particular order, and never a node's current view.
    pub fn digest(&self, proposal: &Cid) -> Digest {
        #[derive(Serialize)]
        struct Named<'a> {
            facts: &'a [Digest],
            proposal: &'a Cid,
        }
        Digest::of_json("swarm/plan", &Named { facts: &self.facts, proposal })
    }

    /// The tasks, parents before children, ties by name. Shorter than [`Plan::tasks`] only before a cycle is refused.
    pub fn order(&self) -> Vec<&TaskName> {
        let mut waiting: BTreeMap<&TaskName, usize> = self.tasks.iter().map(|(name, task)| (name, task.parents.len())).collect();
        let mut ready: BTreeSet<&TaskName> = waiting.iter().filter(|(_, open)| **open == 0).map(|(name, _)| *name).collect();
        let mut order = Vec::with_capacity(self.tasks.len());
        while let Some(name) = ready.pop_first() {
            order.push(name);
            for child in &self.tasks[name].children {
                let open = waiting.get_mut(child).expect("children are tasks of the plan");
                *open -= 1;
                if *open == 0 {
                    ready.insert(child);
                }
            }
        }
        order
    }
}
