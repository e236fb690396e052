//! Whether there is something to do, and credits to pay for it.

use super::Notes;
use super::cluster::RESULT_SPARE;
use crate::finding::Code;
use crate::scenario::{NeedEnd, Scenario};
use crate::value::Nanos;
use crate::workload::Recipe;
use swarm_nemeses::{Role, Target};

/// The most tasks of a synthetic need; its plan is one small document.
const TASKS_MAX: u64 = 64;
/// The most bytes of input made for a need.
const INPUT_BYTES_MAX: u64 = 64 << 20;
/// The capped supply of credits (PROTOCOL 9: MINT).
const SUPPLY_MAX: u64 = 1_000_000_000_000;
/// The most agents that may join.
const JOINERS_MAX: u32 = 100;

pub(super) fn judge(scenario: &Scenario, notes: &mut Notes<'_>) {
    let workload = &scenario.workload;
    amount(scenario, notes);
    for (path, share) in [
        ("workload.decoys_bp", workload.decoys_bp),
        ("workload.cancel_bp", workload.cancel_bp),
        ("workload.yield_bp", workload.yield_bp),
        ("workload.refuse_bp", workload.refuse_bp),
        ("workload.dissent_bp", workload.dissent_bp),
    ] {
        notes.within(path, share.into(), 0, 10_000);
    }
    for (path, is_there, what) in [
        ("workload.dissent_bp", workload.dissent_bp > 0, "no verifier has an opinion"),
        ("cluster.arbiters", scenario.cluster.arbiters > 0, "nothing comes before the arbiters"),
    ] {
        if is_there && (workload.recipe != Recipe::Brief || workload.needs_file.is_some()) {
            let what = format!("where nobody writes a brief {what}");
            notes.warning(path, Code::NoEffect, what, "write `recipe = \"brief\"` in `[workload]`, or take it out");
        }
    }
    if workload.cancel_bp == 10_000 {
        let what = "every need would be cancelled, none would be finished";
        notes.error("workload.cancel_bp", Code::Vacuous, what, "write less than 10000");
    }
    let may_cancel = scenario.properties.ends.contains(&NeedEnd::Cancelled);
    if (1..10_000).contains(&workload.cancel_bp) && !may_cancel {
        let what = "needs are cancelled, but that is not among the ends that are right";
        let mend = "write `ends = [\"closed\", \"cancelled\"]` in `[properties]`";
        notes.error("workload.cancel_bp", Code::ConflictingKeys, what, mend);
    }
    if workload.decoys_bp > 0 && (workload.needs_file.is_some() || workload.recipe != Recipe::Single) {
        let what = "only a need of one task can be a decoy";
        let at = notes.said(&["workload.decoys_bp", "workload.recipe", "workload.needs_file"]);
        notes.error(at, Code::ConflictingKeys, what, "write `recipe = \"single\"`, or take `decoys_bp` out");
    }
    notes.within("workload.input_bytes", workload.input_bytes, 1, INPUT_BYTES_MAX);
    if workload.work.max > Nanos::hours(1) {
        let what = format!("a task of {}", workload.work.max);
        notes.error("workload.work", Code::OutOfRange, what, "write at most \"1h\"");
    }
    if workload.fee > workload.class.fee_max() {
        let class = workload.class.name();
        let what = format!("a fee of {} in class `{class}`", workload.fee);
        let mend = format!("write at most {} or raise the class", workload.class.fee_max());
        let at = notes.said(&["workload.fee", "workload.class"]);
        notes.error(at, Code::FeeAboveCap, what, mend);
    }
    credits(scenario, notes);
    comings(scenario, notes);
}

/// How many needs and tasks there are.
fn amount(scenario: &Scenario, notes: &mut Notes<'_>) {
    let workload = &scenario.workload;
    let most = u64::from(scenario.limits.max_needs);
    if workload.needs_file.is_some() {
        for key in ["needs", "recipe", "tasks"] {
            let path = format!("workload.{key}");
            if notes.says(&path) {
                let what = format!("`{key}` makes needs up, `needs_file` brings real ones");
                notes.error(&path, Code::ConflictingKeys, what, "take one of the two out");
            }
        }
        let count = scenario.needs.as_ref().map_or(0, |needs| needs.lines.len() as u64);
        if count > most {
            let what = format!("the file holds {count} needs, `max_needs` is {most}");
            notes.error("workload.needs_file", Code::OutOfRange, what, "raise `max_needs`");
        }
        return;
    }
    if workload.needs == 0 {
        let what = "without a need nothing is checked";
        notes.error("workload.needs", Code::Vacuous, what, "write at least 1");
    } else {
        notes.within("workload.needs", workload.needs.into(), 1, most);
    }
    notes.within("workload.tasks", workload.tasks.into(), 1, TASKS_MAX);
}

/// Whether budgets reach, and whether the requesters hold them.
fn credits(scenario: &Scenario, notes: &mut Notes<'_>) {
    let (workload, cluster) = (&scenario.workload, &scenario.cluster);
    let seats = u64::from(scenario.protocol.k_result.min(cluster.verifiers)) + u64::from(RESULT_SPARE);
    // What each need reserves: its budget, and a fee for each seat of each task.
    let reserves = |budget: u64, fee: u64, tasks: u32| {
        budget.saturating_add(fee.saturating_mul(seats).saturating_mul(tasks.into()))
    };
    let mut prices = Vec::new();
    match &scenario.needs {
        Some(needs) => {
            for line in &needs.lines {
                let budget = line.budget.map_or(workload.budget, |budget| budget.0);
                let fee = line.fee.map_or(workload.fee, |fee| fee.0);
                let tasks = line.recipe.tasks(line.parts);
                prices.push((budget, tasks, reserves(budget, fee, tasks)));
            }
        }
        None => {
            let tasks = workload.tasks_of_need();
            let price = reserves(workload.budget, workload.fee, tasks);
            let needs = usize::try_from(workload.needs.min(scenario.limits.max_needs));
            prices.resize(
                needs.unwrap_or(usize::MAX).min(100_000),
                (workload.budget, tasks.max(workload.recipe.tasks_min()), price),
            );
        }
    }
    if let Some((budget, tasks, _)) = prices.iter().find(|(b, tasks, _)| *b < u64::from(*tasks)) {
        let what = format!("a budget of {budget} for {tasks} tasks");
        let mend = format!("each task costs at least one credit: write {tasks} or more");
        let at = notes.said(&["workload.budget", "workload.tasks", "workload.needs_file"]);
        notes.error(at, Code::BudgetTooSmall, what, mend);
    }
    let agents = u64::from(scenario.shape().agents()) + u64::from(cluster.coordinators);
    let all = agents.saturating_mul(cluster.stake.saturating_add(cluster.balance));
    if all > SUPPLY_MAX {
        let what = format!("{agents} agents hold {all} credits, the supply is {SUPPLY_MAX}");
        let at = notes.said(&["cluster.balance", "cluster.stake"]);
        notes.error(at, Code::OutOfRange, what, "write smaller balances or stakes");
    }
    // Requesters take turns, so the first has the most needs to pay for.
    let turns = usize::try_from(cluster.requesters).unwrap_or(usize::MAX).max(1);
    let worst = (0..turns.min(prices.len()))
        .map(|first| {
            let own = prices.iter().skip(first).step_by(turns);
            own.fold(0u64, |sum, (_, _, price)| sum.saturating_add(*price))
        })
        .max()
        .unwrap_or(0);
    if worst > cluster.balance {
        let what = format!("a requester reserves up to {worst} credits, it holds {}", cluster.balance);
        let mend = match worst <= SUPPLY_MAX {
            true => format!("write `balance = {worst}` in `[cluster]`, or smaller budgets"),
            false => "write smaller budgets, or fewer needs: there are not so many credits".to_owned(),
        };
        let at =
            notes.said(&["cluster.balance", "workload.budget", "workload.fee", "workload.needs", "workload.tasks"]);
        notes.error(at, Code::BalanceTooSmall, what, mend);
    }
}

/// Who joins and who leaves.
fn comings(scenario: &Scenario, notes: &mut Notes<'_>) {
    let shape = scenario.shape();
    let end = scenario.phases.fault.0 + scenario.phases.heal.0 + scenario.phases.settle.0;
    for (index, joiner) in scenario.workload.joiners.iter().enumerate() {
        let path = format!("workload.joiner.{index}");
        notes.within(&format!("{path}.count"), joiner.count.into(), 1, JOINERS_MAX.into());
        before_the_end(notes, &format!("{path}.at"), joiner.at.max.0, end);
    }
    let mut left = [(Role::Worker, shape.workers, "worker"), (Role::Verifier, shape.verifiers, "verifier")];
    for (index, leaver) in scenario.workload.leavers.iter().enumerate() {
        let path = format!("workload.leaver.{index}");
        before_the_end(notes, &format!("{path}.at"), leaver.at.max.0, end);
        let path = format!("{path}.who");
        match leaver.who {
            Target::Of(role @ (Role::Worker | Role::Verifier), pick) => {
                if let Err(error) = leaver.who.check(&shape) {
                    notes.error(&path, Code::NoSuchTarget, error.to_string(), "count from 0");
                    continue;
                }
                let staying = left.iter_mut().find(|(r, ..)| *r == role).expect("both roles are listed");
                let leaving = if pick == swarm_nemeses::Pick::All { staying.1 } else { 1 };
                staying.1 = staying.1.saturating_sub(leaving);
                if staying.1 == 0 {
                    let what = format!("with this the last {} leaves", staying.2);
                    notes.error(&path, Code::NobodyLeft, what, "let somebody stay");
                }
            }
            other => {
                let what = format!("`{other}` cannot leave");
                let mend = "only workers and verifiers can: `worker:0`, `verifier:random`";
                notes.error(&path, Code::BadTarget, what, mend);
            }
        }
    }
}

fn before_the_end(notes: &mut Notes<'_>, path: &str, at: u64, end: u64) {
    if at >= end {
        let what = format!("{} is after the end of the run, {}", Nanos(at), Nanos(end));
        notes.error(path, Code::NoEffect, what, "name an earlier time");
    }
}
