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

use super::Fact;
use crate::id::{Cid, Credits, Digest, Label, TaskName};
use crate::reject::Reject;
pub use crate::wire::bounds::TASKS_MAX;
use crate::wire::bounds::{FACTS_MAX, OUTPUTS_MAX, REMARK_BYTES_MAX};
use crate::wire::{Need, Propose};

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
                    tasks.get(task).filter(|_| value.len() <= REMARK_BYTES_MAX)?;
                }
                Fact::Proposal { .. } | Fact::Claim { .. } | Fact::Attestation { .. } | Fact::State { .. } => {
                    return None;
                }
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
            // No COMMIT has room for more.
            if task.produces.is_empty() || task.produces.len() > OUTPUTS_MAX {
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
        let mut waiting: BTreeMap<&TaskName, usize> =
            self.tasks.iter().map(|(name, task)| (name, task.parents.len())).collect();
        let mut ready: BTreeSet<&TaskName> =
            waiting.iter().filter(|(_, open)| **open == 0).map(|(name, _)| *name).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::label;
    use crate::plan::testkit::{add, labels, link, need, note, propose, wordcount};
    use alloc::vec;
    use proptest::prelude::*;

    fn check(patch: Vec<Fact>) -> Result<Plan, Reject> {
        Plan::of(&need(), &propose(patch))
    }

    #[test]
    fn data_flow_makes_parents_and_sources() {
        let plan = check(wordcount()).unwrap();
        let merge = plan.task(&label("merge")).unwrap();
        assert_eq!(merge.parents, labels("count/1 count/2").into_iter().collect());
        assert_eq!(plan.task(&label("split")).unwrap().children, merge.parents);
        let (_, split) = plan.input_sources(&label("split")).next().unwrap();
        assert_eq!(*split, Source::Given(Cid::of(b"text")));
        let (input, count) = plan.input_sources(&label("count/2")).next().unwrap();
        assert_eq!(*input, label("part/2"));
        assert_eq!(*count, Source::Output { label: label("part/2"), task: label("split") });
        assert_eq!(plan.producer(&label("total")), Some(&label("merge")));
        assert_eq!(plan.input_sources(&label("nobody")).count(), 0);
        let order: Vec<_> = plan.order().into_iter().map(Label::as_str).collect();
        assert_eq!(order, ["split", "count/1", "count/2", "merge"]);
    }

    #[test]
    fn later_facts_add_inputs_outputs_and_order() {
        let mut patch = wordcount();
        patch.push(Fact::Produces { label: label("log"), task: label("count/1") });
        patch.push(Fact::Requires { label: label("log"), task: label("count/2") });
        let plan = check(patch).unwrap();
        assert_eq!(plan.task(&label("count/2")).unwrap().requires, labels("part/2 log"));
        assert_eq!(plan.task(&label("count/2")).unwrap().parents, labels("count/1 split").into_iter().collect());
        let mut patch = wordcount();
        patch.push(link("count/2", "count/1"));
        let order: Vec<_> = check(patch).unwrap().order().into_iter().cloned().collect();
        assert_eq!(order, labels("split count/2 count/1 merge"));
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let with = |more: Fact| check([wordcount(), vec![more]].concat());
        let without = |n: usize| {
            let mut patch = wordcount();
            patch.remove(n);
            check(patch)
        };
        let cases = [
            ("no task", check(vec![])),
            ("an input that nobody makes", without(0)),
            ("a wanted output that nobody makes", without(3)),
            ("the same fact twice", with(wordcount()[0].clone())),
            ("a name twice", with(add("merge", "other", "", "x"))),
            ("an output twice", with(add("again", "merge", "", "total"))),
            ("an output that the need gives", with(add("again", "copy", "", "text"))),
            ("a task that makes nothing", with(add("idle", "sleep", "", ""))),
            ("an input twice", with(add("again", "copy", "text text", "x"))),
            ("a task that feeds itself", with(add("again", "copy", "x", "x"))),
            ("a cycle of links", with(link("merge", "split"))),
            ("a link to itself", with(link("merge", "merge"))),
            ("a link to nowhere", with(link("merge", "nowhere"))),
            ("a link from nowhere", with(link("nowhere", "merge"))),
            ("a remark about nothing", with(note("nowhere", "k", "v"))),
            ("a remark too long", with(note("merge", "k", &"x".repeat(1025)))),
            ("a claim", with(Fact::Claim { envelope: Cid::default(), task: label("merge") })),
        ];
        for (what, outcome) in cases {
            assert_eq!(outcome.map(drop), Err(Reject::BadPlan), "{what}");
        }
    }

    #[test]
    fn every_task_has_its_cap_within_the_budget() {
        let capped = |edit: &dyn Fn(&mut Propose)| {
            let mut propose = propose(wordcount());
            edit(&mut propose);
            Plan::of(&need(), &propose).map(drop)
        };
        let set = |task: &str, cap: u64| (label(task), Credits(cap));
        assert_eq!(capped(&|_| ()), Ok(()));
        assert_eq!(capped(&|p| p.cost_caps.extend([set("merge", 70)])), Ok(()), "exactly the budget");
        assert_eq!(capped(&|p| p.cost_caps.extend([set("merge", 71)])), Err(Reject::BadPlan));
        assert_eq!(capped(&|p| p.cost_caps.extend([set("merge", u64::MAX)])), Err(Reject::BadPlan));
        assert_eq!(capped(&|p| p.cost_caps.extend([set("merge", 0)])), Err(Reject::BadPlan));
        assert_eq!(capped(&|p| p.cost_caps.extend([set("nowhere", 1)])), Err(Reject::BadPlan));
        assert_eq!(capped(&|p| p.cost_caps.retain(|task, _| task.as_str() != "merge")), Err(Reject::BadPlan));
    }

    #[test]
    fn a_plan_has_at_most_64_tasks() {
        let tasks = |count: usize| -> Result<Plan, Reject> {
            let mut patch = vec![add("last", "copy", "text", "total")];
            patch.extend((1..count).map(|n| add(&alloc::format!("t{n}"), "copy", "text", &alloc::format!("o{n}"))));
            Plan::of(&Need { budget: Credits(10_000), ..need() }, &propose(patch))
        };
        assert_eq!(tasks(TASKS_MAX).map(|plan| plan.tasks().len()), Ok(TASKS_MAX));
        assert_eq!(tasks(TASKS_MAX + 1), Err(Reject::BadPlan));
    }

    #[test]
    fn a_task_has_no_more_outputs_than_a_commit_can_name() {
        let outputs = |count: usize| {
            let labels: Vec<_> = (1..count).map(|n| alloc::format!("o{n}")).collect();
            let all = alloc::format!("total {}", labels.join(" "));
            Plan::of(&need(), &propose(vec![add("t", "copy", "text", &all)])).map(|plan| plan.tasks().len())
        };
        assert_eq!([outputs(OUTPUTS_MAX), outputs(OUTPUTS_MAX + 1)], [Ok(1), Err(Reject::BadPlan)]);
    }

    fn any_fact() -> impl Strategy<Value = Fact> {
        let name = prop::sample::select(vec!["a", "b", "c", "split", "merge", "text", "total", "part/1"]);
        let names = prop::collection::vec(name.clone(), 0..4).prop_map(|names| names.join(" "));
        prop_oneof![
            (name.clone(), names.clone(), names).prop_map(|(t, r, p)| add(t, "job", &r, &p)),
            (name.clone(), name.clone()).prop_map(|(p, c)| link(p, c)),
            (name.clone(), name.clone()).prop_map(|(l, t)| Fact::Requires { label: label(l), task: label(t) }),
            (name.clone(), name.clone()).prop_map(|(l, t)| Fact::Produces { label: label(l), task: label(t) }),
            (name.clone(), name).prop_map(|(t, k)| note(t, k, "v")),
        ]
    }

    /// The word count with two more outputs and inputs, so that their order could matter.
    fn with_later_facts() -> Vec<Fact> {
        let mut patch = wordcount();
        for name in ["log", "errors"] {
            patch.push(Fact::Produces { label: label(name), task: label("split") });
            patch.push(Fact::Requires { label: label(name), task: label("merge") });
        }
        patch
    }

    proptest! {
        #[test]
        fn t69_a_plan_is_a_function_of_the_set_of_its_facts(patch in Just(with_later_facts()).prop_shuffle()) {
            let [plan, sorted] = [check(patch).unwrap(), check(with_later_facts()).unwrap()];
            prop_assert_eq!(plan.digest(&Cid::default()), sorted.digest(&Cid::default()));
            prop_assert_ne!(plan.digest(&Cid::default()), plan.digest(&Cid::of(b"another proposal")));
            prop_assert_eq!(plan, sorted);
        }

        #[test]
        fn hostile_facts_never_panic_and_accepted_plans_hold_together(more in prop::collection::vec(any_fact(), 0..6)) {
            if let Ok(plan) = check([wordcount(), more].concat()) {
                prop_assert_eq!(plan.order().len(), plan.tasks().len());
                for (name, task) in plan.tasks() {
                    prop_assert_eq!(task.requires.len(), task.sources.len());
                    prop_assert!(task.parents.iter().all(|parent| plan.tasks()[parent].children.contains(name)));
                }
            }
        }

        #[test]
        fn noise_never_panics(patch in prop::collection::vec(any_fact(), 0..12)) {
            let _ = check(patch);
        }
    }
}
