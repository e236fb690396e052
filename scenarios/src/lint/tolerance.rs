//! Whether the faults leave a majority of coordinators at work, and what is drawn at random makes sense.

use super::Notes;
use crate::fault::FaultSection;
use crate::finding::Code;
use crate::scenario::{Register, Scenario};
use crate::value::{Lasting, Nanos};
use swarm_nemeses::{Kind, Role, Target};

/// The most random faults of a run.
const BUDGET_MAX: u64 = 100;

pub(super) fn judge(scenario: &Scenario, notes: &mut Notes<'_>) {
    fixed(scenario, notes);
    drawn(scenario, notes);
}

/// Coordinators that a fault may have out of work at once, all its occurrences together.
fn downs(fault: &FaultSection, scenario: &Scenario) -> u32 {
    let coordinators = scenario.cluster.coordinators;
    let hit = match (fault.kind, fault.who) {
        (Kind::QuorumSwap | Kind::PartitionLeader, _) => fault.count.max.saturating_mul(scenario.cluster.minority()),
        (
            Kind::Pause | Kind::Crash | Kind::WipeRejoin | Kind::DiskFull | Kind::ClockFreeze | Kind::PartitionIsolate,
            Some(Target::All | Target::Of(Role::Coordinator, _)),
        ) => fault.hits_max(coordinators),
        _ => 0,
    };
    hit.min(coordinators)
}

/// At the worst moment: the begin of some fault, which all others reach that may.
fn fixed(scenario: &Scenario, notes: &mut Notes<'_>) {
    let end = |fault: &FaultSection| match fault.lasts {
        Lasting::For(range) => fault.at.max.0.saturating_add(range.max.0),
        Lasting::Forever => u64::MAX,
    };
    let bears = scenario.cluster.minority();
    for (index, fault) in scenario.faults.iter().enumerate() {
        let own = downs(fault, scenario);
        if own == 0 {
            continue;
        }
        // Every other that may still last when this one may begin, and may have begun when this one may end.
        let meets = |other: &&FaultSection| other.at.min.0 <= end(fault) && fault.at.min.0 <= end(other);
        let before = scenario.faults[..index].iter().filter(meets).map(|other| downs(other, scenario)).sum::<u32>();
        if own + before > bears {
            let what = format!(
                "up to {} of {} coordinators may be out of work at once, a majority needs {}",
                (own + before).min(scenario.cluster.coordinators),
                scenario.cluster.coordinators,
                scenario.cluster.coordinators - bears
            );
            let mend = "progress cannot be expected meanwhile: hit fewer, at other times, or add coordinators";
            notes.warning(&format!("faults.{index}.kind"), Code::TooManyDown, what, mend);
            return;
        }
    }
}

fn drawn(scenario: &Scenario, notes: &mut Notes<'_>) {
    let chaos = &scenario.chaos;
    notes.within("chaos.budget", chaos.budget.max.into(), 0, BUDGET_MAX);
    super::repeated(notes, "chaos.kinds", chaos.kinds.iter().map(|kind| kind.name()));
    if chaos.budget.max == 0 {
        if notes.says("chaos.kinds") || notes.says("chaos.down_max") {
            notes.warning("chaos", Code::NoEffect, "without a budget nothing is drawn", "write `budget = 10`");
        }
        return;
    }
    if notes.says("chaos.kinds")
        && scenario.cluster.register != Register::Etcd
        && let Some(at) = chaos.kinds.iter().position(|kind| kind.is_of_etcd())
    {
        let what = format!("`{}` cannot bite: the register is `{}`", chaos.kinds[at], scenario.cluster.register.name());
        let mend = "write `register = \"etcd\"` in `[cluster]`, or take it out";
        notes.error(&format!("chaos.kinds.{at}"), Code::NoEffect, what, mend);
    }
    if chaos.kinds.is_empty() {
        let mend = "name some kinds, or leave the key out to draw from all";
        notes.error("chaos.kinds", Code::Vacuous, "there is nothing to draw from", mend);
    }
    let (bears, n) = (scenario.cluster.minority(), scenario.cluster.coordinators);
    if let Some(most) = chaos.down_max.filter(|most| *most > bears) {
        let what = format!("{most} of {n} coordinators may be out of work at once, a majority needs {}", n - bears);
        let mend = format!("progress cannot be expected meanwhile: write {bears} or less, or add coordinators");
        notes.warning("chaos.down_max", Code::TooManyDown, what, mend);
    }
    let lease = scenario.protocol.lease;
    let zombies = chaos.kinds.contains(&Kind::ZombieWorker);
    if zombies && scenario.phases.fault.0 <= lease.0.saturating_add(Nanos::secs(10).0) {
        let what =
            format!("no worker can sleep through a lease of {lease} in a fault phase of {}", scenario.phases.fault);
        let mend = "lengthen the phase, shorten `lease`, or take `zombie-worker` out of `kinds`";
        notes.warning("chaos.kinds", Code::NoEffect, what, mend);
    }
}
