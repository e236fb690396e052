//! What the swarm is asked to do: needs made up from a recipe, or those of a real job; and who
//! comes, goes and changes their mind meanwhile.

use crate::value::Nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use swarm_nemeses::{Between, Target};

/// `[workload]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Workload {
    /// How many needs are opened, requesters taking turns. Not with `needs_file`.
    pub needs: u32,
    /// How the tasks of a need depend on each other. Not with `needs_file`.
    pub recipe: Recipe,
    /// Tasks of each need, 1 to 64; `single` and `brief` always have one. Not with `needs_file`.
    pub tasks: u32,
    /// Time from one need to the next, drawn for each.
    pub every: Between<Nanos>,
    /// Class of the needs; bounds the fee.
    pub class: Class,
    /// Credits for the work of one need, all tasks together; fees come on top.
    pub budget: u64,
    /// Credits for each counted verdict.
    pub fee: u64,
    /// In how many of all documents an honest verifier sees no contradiction where there is one, in basis points: that is a matter of
    /// opinion.
    pub dissent_bp: u32,
    /// Simulated time that a task takes to execute, drawn for each execution.
    pub work: Between<Nanos>,
    /// Bytes of input made for each need. With `needs_file`: bytes of seeded text that stand in
    /// when no `--input` is given.
    pub input_bytes: u64,
    /// Share of needs that are decoys, in basis points: every other honest worker is in on it, and commits to a wrong result if
    /// it wins one. Only where a need is one task.
    pub decoys_bp: u32,
    /// Share of needs that their requester cancels midway, in basis points.
    pub cancel_bp: u32,
    /// Share of leases that the worker yields early, in basis points.
    pub yield_bp: u32,
    /// Share of needs that a worker refuses, in basis points.
    pub refuse_bp: u32,
    /// Real needs, JSON Lines, relative to the scenario file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_file: Option<PathBuf>,
    /// `[[workload.joiner]]`: agents that join mid-run.
    #[serde(rename = "joiner", skip_serializing_if = "Vec::is_empty")]
    pub joiners: Vec<Joiner>,
    /// `[[workload.leaver]]`: agents that leave mid-run.
    #[serde(rename = "leaver", skip_serializing_if = "Vec::is_empty")]
    pub leavers: Vec<Leaver>,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            needs: 3,
            recipe: Recipe::Chain,
            tasks: 3,
            every: Between::one(Nanos::secs(10)),
            class: Class::Complex,
            budget: 3_000,
            fee: 5,
            dissent_bp: 0,
            work: Between { min: Nanos::secs(1), max: Nanos::secs(20) },
            input_bytes: 4_096,
            decoys_bp: 0,
            cancel_bp: 0,
            yield_bp: 0,
            refuse_bp: 0,
            needs_file: None,
            joiners: Vec::new(),
            leavers: Vec::new(),
        }
    }
}

impl Workload {
    /// Tasks of one synthetic need, `single` and `brief` having one whatever `tasks` says.
    pub const fn tasks_of_need(&self) -> u32 {
        match self.recipe {
            Recipe::Single | Recipe::Brief => 1,
            _ => self.tasks,
        }
    }
}

/// How the tasks of a synthetic need depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// One task.
    Single,
    /// Each task needs the one before it.
    Chain,
    /// The first task feeds all others.
    Fan,
    /// The first task feeds all but the last, which needs them all.
    Diamond,
    /// One task of which many results are right: a brief that makes claims about its input.
    Brief,
}

impl Recipe {
    /// The fewest tasks that a plan of it has, however few are asked for: a fan has two ends.
    pub const fn tasks_min(self) -> u32 {
        match self {
            Self::Single | Self::Chain | Self::Brief => 1,
            Self::Fan | Self::Diamond => 3,
        }
    }

    /// The parents of task `task` (from 0) among `tasks`, ascending.
    pub fn parents(self, task: u32, tasks: u32) -> Vec<u32> {
        match self {
            Self::Single | Self::Brief => Vec::new(),
            _ if task == 0 => Vec::new(),
            Self::Chain => vec![task - 1],
            Self::Diamond if task + 1 == tasks && tasks > 2 => (1..task).collect(),
            Self::Fan | Self::Diamond => vec![0],
        }
    }

    /// How many tasks follow one another on the longest path.
    pub fn depth(self, tasks: u32) -> u32 {
        match self {
            Self::Single | Self::Brief => 1,
            Self::Chain => tasks,
            Self::Fan => tasks.min(2),
            Self::Diamond => tasks.min(3),
        }
    }
}

/// Class of a need; caps the fee per verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Fee at most 10.
    Simple,
    /// Fee at most 100.
    Complex,
    /// Fee at most 1,000.
    Critical,
}

impl Class {
    /// The greatest fee per verdict, in credits.
    pub const fn fee_max(self) -> u64 {
        match self {
            Self::Simple => 10,
            Self::Complex => 100,
            Self::Critical => 1_000,
        }
    }

    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Complex => "complex",
            Self::Critical => "critical",
        }
    }
}

/// An agent that joins mid-run: it publishes its manifest, is given credits and stakes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Joiner {
    /// What it comes to do.
    pub role: JoinerRole,
    /// When, drawn for each.
    pub at: Between<Nanos>,
    /// How many such agents.
    #[serde(default = "one")]
    pub count: u32,
}

/// What an agent may join as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JoinerRole {
    /// It bids for tasks.
    Worker,
    /// It verifies results.
    Verifier,
}

/// An agent that leaves mid-run: it unstakes, and withdraws what it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leaver {
    /// Who leaves: workers or verifiers.
    pub who: Target,
    /// When.
    pub at: Between<Nanos>,
}

const fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_as_pictures() {
        let picture =
            |recipe: Recipe, tasks| -> Vec<Vec<u32>> { (0..tasks).map(|task| recipe.parents(task, tasks)).collect() };
        assert_eq!(picture(Recipe::Chain, 3), [vec![], vec![0], vec![1]]);
        assert_eq!(picture(Recipe::Fan, 4), [vec![], vec![0], vec![0], vec![0]]);
        assert_eq!(picture(Recipe::Diamond, 4), [vec![], vec![0], vec![0], vec![1, 2]]);
        assert_eq!(picture(Recipe::Diamond, 2), [vec![], vec![0]]);
    }

    #[test]
    fn depth_is_the_longest_path() {
        for recipe in [Recipe::Chain, Recipe::Fan, Recipe::Diamond] {
            for tasks in 1..6 {
                let mut longest = Vec::new();
                for task in 0..tasks {
                    let above = recipe.parents(task, tasks).iter().map(|p| longest[*p as usize]).max();
                    longest.push(above.unwrap_or(0) + 1);
                }
                assert_eq!(recipe.depth(tasks), longest.into_iter().max().unwrap(), "{recipe:?} {tasks}");
            }
        }
    }
}
