//! What is asked for: the needs of a file and the text they are about, as the bodies of NEEDs.
//!
//! Everything that can be refused is refused here, before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{Cid, Credits, Digest, Label, label};
use swarm_core::policy::{Evaluator, Limits};
use swarm_core::wire::{Class, Need, Windows, bounds};
use swarm_ports::{jobs, recipes};
use swarm_scenarios::{Class as ClassName, NeedLine, NeedRecipe, Needs, Policy};

use crate::cli::Up;
use crate::error::LiveError;
use crate::founding;

/// What a task may cost unless the need says so.
const TASK_BUDGET: u64 = 100;
/// What a verdict earns unless the need says so.
const FEE: u64 = 5;
/// Approvals of a plan, and passes of a result, before the pool's size has its say.
const K: u32 = 3;

/// The waits of a swarm whose parties are all in one process: short, but long beside a disk's flush.
pub const WINDOWS: Windows = Windows {
    bids_ms: 250,
    challenge_ms: 300,
    decision_ms: 5_000,
    lease_ms: 30_000,
    proposals_ms: 300,
    verify_ms: 60_000,
};

/// The job of one data folder.
#[derive(Clone)]
pub struct Job {
    /// The needs, in the file's order.
    pub needs: Vec<Need>,
    /// Names of all work they call for.
    pub kinds: BTreeSet<Label>,
    /// Tasks of all needs together.
    pub tasks: u64,
    /// The text.
    pub text: Vec<u8>,
    /// Its address.
    pub input: Cid,
    /// The rules that all nodes judge by.
    pub rules: Arc<dyn Evaluator>,
    /// The artifact that holds them.
    pub policy: Vec<u8>,
}

impl Job {
    /// Reads needs and input.
    ///
    /// # Errors
    /// The first thing that no swarm could do, by name.
    pub fn load(options: &Up) -> Result<Self, LiveError> {
        let (policy, rules) = founding::policy(&options.policy)?;
        let is_base = [&Policy::Native, &Policy::Rego].contains(&&options.policy);
        let lines = Needs::load(&options.needs)?.lines;
        let text = jobs::gather(&options.input)?;
        let input = Cid::of(&text);
        let needs: Vec<Need> = lines.iter().map(|line| need(line, input)).collect();
        let mut kinds = BTreeSet::new();
        let mut tasks = 0;
        for (need, line) in needs.iter().zip(1..) {
            allowed(need, line, is_base)?;
            let plan = recipes::plan(need.recipe.as_str(), need, 0).map_err(|why| LiveError::Plan { line, why })?;
            tasks += plan.cost_caps.len() as u64;
            kinds.extend(plan.patch.iter().filter_map(|fact| match fact {
                swarm_core::plan::Fact::AddTask { job, .. } => Some(job.clone()),
                _ => None,
            }));
        }
        if kinds.len() > bounds::CAPABILITIES_MAX {
            return Err(LiveError::TooManyKinds { kinds: kinds.len(), max: bounds::CAPABILITIES_MAX });
        }
        Ok(Self { needs, kinds, tasks, text, input, rules, policy })
    }

    /// Names the needs: two jobs with the same name ask for the same.
    pub fn digest(&self) -> Digest {
        Digest::of_json("swarm/live-job", &self.needs)
    }

    /// What the requester must have.
    pub fn cost(&self) -> u64 {
        self.needs.iter().map(|need| need.budget.0.saturating_add(need.fees.0)).fold(0, u64::saturating_add)
    }
}

fn need(line: &NeedLine, input: Cid) -> Need {
    let NeedRecipe::Wordcount = line.recipe;
    let tasks = u64::from(line.recipe.tasks(line.parts));
    let class = match line.class {
        None | Some(ClassName::Simple) => Class::Simple,
        Some(ClassName::Complex) => Class::Complex,
        Some(ClassName::Critical) => Class::Critical,
    };
    let fee = line.fee.map_or(FEE, |fee| fee.0);
    // Every attempt's committee is paid in advance, spares included; this lasts for three attempts at every task.
    let fees = fee.saturating_mul(10).saturating_mul(tasks.saturating_mul(3) + 3);
    Need {
        budget: Credits(line.budget.map_or(TASK_BUDGET * tasks, |budget| budget.0)),
        class,
        deadline_ms: WINDOWS.lease_ms,
        fee: Credits(fee),
        fees: Credits(fees),
        forms: [].into(),
        k_plan: K,
        k_result: K,
        produces: vec![label("words")],
        recipe: label(&format!("wordcount/{}", line.parts)),
        requires: BTreeMap::from([(label("text"), input)]),
        supersedes: None,
        windows: WINDOWS,
    }
}

/// What the rules would refuse later, refused now; of the policy's only the base policy's are known here.
fn allowed(need: &Need, line: usize, is_base: bool) -> Result<(), LiveError> {
    let limits = Limits::default();
    let most = match need.class {
        Class::Simple => limits.budget_simple_max,
        Class::Complex => limits.budget_complex_max,
        Class::Critical => limits.budget_critical_max,
    };
    let class = format!("{:?}", need.class).to_lowercase();
    if is_base && need.budget > most {
        return Err(LiveError::Refused {
            line,
            what: format!("a budget of {}; class {class} has at most {most}", need.budget),
        });
    }
    if need.fee > need.class.fee_max() {
        let most = need.class.fee_max();
        return Err(LiveError::Refused {
            line,
            what: format!("a fee of {}; class {class} has at most {most}", need.fee),
        });
    }
    Ok(())
}
