//! Planning: from a NEED's recipe to the facts of a PROPOSE.
//!
//! | recipe | plan |
//! |---|---|
//! | `single` | one task |
//! | `chain/N` | N tasks, each on the one before |
//! | `fan/N` | one task, N on it, one on those |
//! | `diamond` | `fan/2` |
//! | `brief/N` | one task, on all inputs: N claims about them |
//! | `wordcount/N` | `split/N`, N times `count` then `sort`, `merge`: the words of a text, counted |
//!
//! All but the last two simulate work (`synth`). The first of the need's inputs by name goes into the first task; the last
//! task produces exactly the first name in `produces`. A recipe is a pure function of the need and the planner's variant:
//! whoever doubts a plan can plan again.

use std::collections::{BTreeMap, BTreeSet};

use swarm_core::id::{Credits, Label, TaskName, label};
use swarm_core::plan::Fact;
use swarm_core::wire::{Need, Propose};

use crate::jobs::CLAIMS_MAX;

/// The most tasks side by side: counting the words of so many parts takes a split, two tasks for each, and a merge, and no
/// plan has more tasks than a need may have.
pub const WIDTH_MAX: u32 = (swarm_core::plan::TASKS_MAX as u32 - 2) / 2;
/// The longest chain.
pub const CHAIN_MAX: u32 = 64;
/// Rounds of hashing in each simulated task.
pub const SYNTH_ROUNDS: u32 = 64;
/// How long one level of a plan is expected to take, in milliseconds, before the variant's surcharge.
pub const LEVEL_MS: u32 = 1_000;

/// What a planner offers: the body of a PROPOSE but for its ballot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The most each task may cost; together at most the need's budget, each at least 1.
    pub cost_caps: BTreeMap<TaskName, Credits>,
    /// How long the whole plan is expected to take, in milliseconds; from 1 to the need's deadline.
    pub eta_ms: u32,
    /// ADD_TASK of every task, parents first, then the LINKs.
    pub patch: Vec<Fact>,
}

impl Plan {
    /// The body of the PROPOSE that offers this plan under `ballot`.
    pub fn into_propose(self, ballot: u32) -> Propose {
        Propose { ballot, cost_caps: self.cost_caps, eta_ms: self.eta_ms, patch: self.patch }
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No recipe has this name.
    #[error("no recipe is called {recipe:?}; there are single, chain/N, fan/N, diamond, brief/N and wordcount/N")]
    Unknown {
        /// The name.
        recipe: String,
    },
    /// The number behind the slash is missing, malformed or out of bounds.
    #[error("{recipe:?}: the number behind the slash is 1 to {max}, without leading zeros")]
    Parameter {
        /// The name.
        recipe: String,
        /// The largest one accepted.
        max: u32,
    },
    /// The recipe works on an input and the need gives none.
    #[error("{recipe:?} works on an input, and the need's `requires` names none")]
    NoInput {
        /// The name.
        recipe: String,
    },
    /// The need asks for nothing.
    #[error("the need's `produces` names no output")]
    NoOutput,
    /// A name of the need is one that the recipe gives to a task's output, or names both an input and the output.
    #[error("the name {label} stands for two things in this plan: rename the need's input or output")]
    NameClash {
        /// The name.
        label: Label,
    },
    /// Not even one credit per task.
    #[error("a budget of {budget} does not pay {tasks} tasks with at least 1 each")]
    Budget {
        /// The need's budget.
        budget: Credits,
        /// Tasks of the plan.
        tasks: u32,
    },
}

/// A task on its way into a plan.
struct Task {
    name: TaskName,
    job: Label,
    requires: Vec<Label>,
    produces: Vec<Label>,
    parents: Vec<TaskName>,
}

impl Task {
    /// A task whose one output bears its own name.
    fn new(name: &str, job: &str, requires: &[Label], parents: &[&str]) -> Self {
        Self {
            name: label(name),
            job: label(job),
            requires: requires.to_vec(),
            produces: vec![label(name)],
            parents: parents.iter().map(|p| label(p)).collect(),
        }
    }
}

/// A recipe's tasks, parents first, and how many levels they take one after the other.
type Shape = (Vec<Task>, u32);

/// Plans `recipe` for `need`.
///
/// Planners of different `variant` (counted modulo 8) offer the same tasks on different terms: each step caps the cost
/// 5 % of the budget lower and expects to take 10 % longer. Equal arguments give equal plans.
///
/// # Errors
/// [`PlanError`].
pub fn plan(recipe: &str, need: &Need, variant: u32) -> Result<Plan, PlanError> {
    let number = |text: &str, max| {
        let good = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        let number = if good { text.parse().ok().filter(|n| *n <= max) } else { None };
        number.ok_or_else(|| PlanError::Parameter { recipe: recipe.to_owned(), max })
    };
    let input: Vec<Label> = need.requires.keys().take(1).cloned().collect();
    let (mut tasks, levels) = match recipe.split_once('/') {
        None if recipe == "single" => chain(1, &input),
        None if recipe == "diamond" => fan(2, &input),
        Some(("chain", n)) => chain(number(n, CHAIN_MAX)?, &input),
        Some(("fan", n)) => fan(number(n, WIDTH_MAX)?, &input),
        Some(("brief", n)) => {
            let inputs: Vec<Label> = need.requires.keys().cloned().collect();
            (vec![Task::new("brief", &format!("brief/{}", number(n, CLAIMS_MAX)?), &inputs, &[])], 1)
        }
        Some(("wordcount", n)) => {
            let parts = number(n, WIDTH_MAX)?;
            if input.is_empty() {
                return Err(PlanError::NoInput { recipe: recipe.to_owned() });
            }
            wordcount(parts, &input)
        }
        _ => return Err(PlanError::Unknown { recipe: recipe.to_owned() }),
    };
    let output = need.produces.first().ok_or(PlanError::NoOutput)?;
    tasks.last_mut().expect("a recipe has a last task").produces = vec![output.clone()];
    distinct(need, &tasks)?;
    let variant = variant % 8;
    Ok(Plan {
        cost_caps: caps(need.budget, &tasks, variant)?,
        eta_ms: (levels * LEVEL_MS / 10 * (10 + variant)).min(need.deadline_ms).max(1),
        patch: facts(tasks),
    })
}

fn synth() -> String {
    format!("synth/{SYNTH_ROUNDS}")
}

fn chain(n: u32, input: &[Label]) -> Shape {
    let mut tasks = vec![Task::new("step-1", &synth(), input, &[])];
    for i in 2..=n {
        let parent = format!("step-{}", i - 1);
        tasks.push(Task::new(&format!("step-{i}"), &synth(), &[label(&parent)], &[&parent]));
    }
    (tasks, n)
}

fn fan(n: u32, input: &[Label]) -> Shape {
    let sides: Vec<String> = (1..=n).map(|i| format!("side-{i}")).collect();
    let mut tasks = vec![Task::new("open", &synth(), input, &[])];
    tasks.extend(sides.iter().map(|side| Task::new(side, &synth(), &[label("open")], &["open"])));
    tasks.push(join("close", &synth(), &sides));
    (tasks, 3)
}

fn wordcount(n: u32, input: &[Label]) -> Shape {
    let names = |kind: &str| (1..=n).map(|i| format!("{kind}-{i}")).collect::<Vec<_>>();
    let (parts, counts, sorts) = (names("part"), names("count"), names("sort"));
    let mut tasks = vec![Task::new("split", &format!("split/{n}"), input, &[])];
    tasks[0].produces = parts.iter().map(|p| label(p)).collect();
    tasks.extend(counts.iter().zip(&parts).map(|(count, part)| Task::new(count, "count", &[label(part)], &["split"])));
    tasks.extend(sorts.iter().zip(&counts).map(|(sort, count)| Task::new(sort, "sort", &[label(count)], &[count])));
    tasks.push(join("merge", "merge", &sorts));
    (tasks, 4)
}

/// A task on the outputs of all `parents`.
fn join(name: &str, job: &str, parents: &[String]) -> Task {
    let requires: Vec<Label> = parents.iter().map(|p| label(p)).collect();
    Task::new(name, job, &requires, &parents.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Refuses a plan in which one name stands for two things.
fn distinct(need: &Need, tasks: &[Task]) -> Result<(), PlanError> {
    let mut seen: BTreeSet<&Label> = need.requires.keys().collect();
    match tasks.iter().flat_map(|t| &t.produces).find(|label| !seen.insert(label)) {
        Some(label) => Err(PlanError::NameClash { label: label.clone() }),
        None => Ok(()),
    }
}

/// Equal caps that sum to the variant's share of the budget; what does not divide goes to the first tasks, one each.
fn caps(budget: Credits, tasks: &[Task], variant: u32) -> Result<BTreeMap<TaskName, Credits>, PlanError> {
    let n = tasks.len() as u64;
    if budget.0 < n {
        return Err(PlanError::Budget { budget, tasks: n as u32 });
    }
    let share = u128::from(budget.0) * u128::from(100 - 5 * variant) / 100;
    // A small budget leaves no room for a lower offer: one credit per task is the floor.
    let share = (share as u64).max(n);
    let cap = |i: usize| Credits(share / n + u64::from((i as u64) < share % n));
    Ok(tasks.iter().enumerate().map(|(i, task)| (task.name.clone(), cap(i))).collect())
}

fn facts(tasks: Vec<Task>) -> Vec<Fact> {
    let (mut facts, mut links) = (Vec::new(), Vec::new());
    for Task { name, job, requires, produces, parents } in tasks {
        links.extend(parents.into_iter().map(|parent| Fact::Link { child: name.clone(), parent }));
        facts.push(Fact::AddTask { job, produces, requires, task: name });
    }
    facts.extend(links);
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs;
    use proptest::prelude::*;
    use swarm_core::config::WINDOWS;
    use swarm_core::id::Cid;
    use swarm_core::wire::{Class, canonical};

    fn need(budget: u64) -> Need {
        Need {
            budget: Credits(budget),
            class: Class::Simple,
            deadline_ms: 60_000,
            fee: Credits(1),
            fees: Credits(100),
            forms: [].into(),
            k_plan: 3,
            k_result: 5,
            produces: vec![label("words")],
            recipe: label("single"),
            requires: BTreeMap::from([(label("text"), Cid::of(b"text")), (label("zz-spare"), Cid::of(b"z"))]),
            supersedes: None,
            windows: WINDOWS,
        }
    }

    /// Runs a plan's tasks in patch order, holding each against what a worker is given: inputs of the need, or outputs of
    /// parents it is linked to. Gives the last task's output.
    fn execute(plan: &Plan, text: &[u8]) -> Vec<u8> {
        let mut have = BTreeMap::from([(label("text"), (None, text.to_vec()))]);
        let links: BTreeSet<_> = plan
            .patch
            .iter()
            .filter_map(|f| match f {
                Fact::Link { child, parent } => Some((child.clone(), parent.clone())),
                _ => None,
            })
            .collect();
        let (mut last, mut used) = (None, BTreeSet::new());
        for fact in &plan.patch {
            let Fact::AddTask { job, produces, requires, task } = fact else { continue };
            let inputs: Vec<_> = requires
                .iter()
                .map(|label| {
                    let (maker, bytes): &(Option<TaskName>, Vec<u8>) = &have[label];
                    if let Some(maker) = maker {
                        assert!(links.contains(&(task.clone(), maker.clone())), "{task} uses {label} without a link");
                        used.insert((task.clone(), maker.clone()));
                    }
                    bytes.clone()
                })
                .collect();
            let done = jobs::run(job.as_str(), &inputs, produces, &[]).unwrap();
            for (label, bytes) in done.outputs {
                last = Some((label.clone(), bytes.clone()));
                assert!(have.insert(label, (Some(task.clone()), bytes)).is_none());
            }
        }
        assert_eq!(used, links, "a link without a use");
        let (label, bytes) = last.unwrap();
        assert_eq!(label.as_str(), "words");
        bytes
    }

    #[test]
    fn wordcount_counts_words() {
        let text = b"the cat\nsaw the dog,\nthe end\n";
        for n in [1, 2, 7] {
            let plan = plan(&format!("wordcount/{n}"), &need(1_000), 0).unwrap();
            assert_eq!(plan.cost_caps.len(), 2 * n + 2);
            assert_eq!(execute(&plan, text), b"1\tcat\n1\tdog\n1\tend\n1\tsaw\n3\tthe\n", "{n} parts");
        }
    }

    #[test]
    fn shapes() {
        let tasks = |recipe: &str| plan(recipe, &need(1_000), 0).map(|p| (p.cost_caps.len(), p.patch.len(), p.eta_ms));
        assert_eq!(tasks("single"), Ok((1, 1, 1_000)));
        assert_eq!(tasks("chain/3"), Ok((3, 5, 3_000)));
        assert_eq!(tasks("fan/3"), Ok((5, 11, 3_000)));
        assert_eq!(tasks("diamond"), Ok((4, 8, 3_000)));
        assert_eq!(tasks("wordcount/2"), Ok((6, 12, 4_000)));
    }

    #[test]
    fn what_cannot_be_planned_is_named() {
        let refused = |recipe: &str, need: &Need| plan(recipe, need, 0).unwrap_err();
        for bad in ["", "double", "single/1", "diamond/2", "wordcount"] {
            assert!(matches!(refused(bad, &need(9)), PlanError::Unknown { .. }), "{bad}");
        }
        for bad in ["chain/0", "chain/65", "fan/", "fan/03", "wordcount/1000000000000", "fan/-1"] {
            assert!(matches!(refused(bad, &need(9)), PlanError::Parameter { .. }), "{bad}");
        }
        assert_eq!(refused("chain/10", &need(9)), PlanError::Budget { budget: Credits(9), tasks: 10 });
        let blind = Need { requires: BTreeMap::new(), ..need(9) };
        assert!(matches!(refused("wordcount/1", &blind), PlanError::NoInput { .. }));
        assert!(plan("single", &blind, 0).is_ok(), "simulated work needs no input");
        assert_eq!(refused("single", &Need { produces: vec![], ..need(9) }), PlanError::NoOutput);
        for name in ["text", "part-1", "split", "sort-2"] {
            let need = Need { produces: vec![label(name)], ..need(9) };
            let refused = plan("wordcount/2", &need, 0);
            // A task's name is no output's name when the task names its outputs otherwise.
            assert_eq!(refused.is_err(), name != "split", "{name}");
        }
    }

    #[test]
    fn variants_differ_and_repeat_after_eight() {
        let go = |variant| plan("fan/4", &need(10_000), variant).unwrap();
        let all: BTreeSet<_> = (0..8).map(|v| (go(v).eta_ms, go(v).cost_caps)).collect();
        assert_eq!(all.len(), 8);
        assert_eq!(go(3), go(11));
        assert!((0..8).all(|v| go(v).patch == go(0).patch));
    }

    #[test]
    fn the_largest_plan_leaves_room_in_its_envelope() {
        for recipe in ["wordcount/64", "fan/64", "chain/64"] {
            let propose = plan(recipe, &need(u64::MAX), 0).unwrap().into_propose(1);
            let size = canonical::to_vec(&propose).len();
            assert!(size < 48 << 10, "{recipe}: {size} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_plan_runs_and_stays_in_its_budget(
            recipe in "(single|diamond|(chain|fan|wordcount)/[1-9])", budget in 1u64.., variant: u32, deadline_ms: u32,
        ) {
            let need = Need { deadline_ms, ..need(budget) };
            match plan(&recipe, &need, variant) {
                Ok(plan) => {
                    let sum: u128 = plan.cost_caps.values().map(|c| u128::from(c.0)).sum();
                    prop_assert!(sum <= u128::from(budget) && plan.cost_caps.values().all(|c| c.0 >= 1));
                    prop_assert!(plan.eta_ms >= 1 && plan.eta_ms <= deadline_ms.max(1));
                    execute(&plan, b"some text\nof lines\n");
                }
                Err(error) => prop_assert!(matches!(error, PlanError::Budget { .. }), "{}", error),
            }
        }
    }
}
