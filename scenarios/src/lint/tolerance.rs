//! Whether the faults leave a majority of coordinators at work, and what is drawn at random makes sense.

use super::Notes;
use crate::fault::FaultSection;
use crate::finding::Code;
use crate::scenario::{Register, Scenario};
use crate::value::{Lasting, Nanos};
use swarm_nemeses::{Kind, PPM, Pick, Role, Target};

/// The most random faults of a run.
const BUDGET_MAX: u64 = 100;

pub(super) fn judge(scenario: &Scenario, notes: &mut Notes<'_>) {
    let cluster = &scenario.cluster;
    fixed(scenario, notes, "coordinators", cluster.coordinators, cluster.coordinators - cluster.minority(), |fault| {
        coordinators_down(fault, scenario)
    });
    // Whoever is drawn and cannot judge is silent; with fewer than a quorum left no draw helps.
    let quorum = super::cluster::quorum(scenario, scenario.protocol.k_result);
    fixed(scenario, notes, "verifiers", cluster.verifiers, quorum, |fault| verifiers_down(fault, scenario));
    drawn(scenario, notes);
}

/// Coordinators that a fault may have out of work at once, all its occurrences together. A loss of power is meant to take
/// everyone and gives everyone back: nobody expects progress meanwhile.
pub(super) fn coordinators_down(fault: &FaultSection, scenario: &Scenario) -> u32 {
    let coordinators = scenario.cluster.coordinators;
    let hit = match (fault.kind, fault.who) {
        (Kind::PauseLeader, _) => fault.count.max,
        (Kind::QuorumSwap | Kind::PartitionLeader, _) => fault.count.max.saturating_mul(scenario.cluster.minority()),
        (
            Kind::Pause | Kind::Crash | Kind::WipeRejoin | Kind::DiskFull | Kind::ClockFreeze | Kind::PartitionIsolate,
            Some(Target::All | Target::Of(Role::Coordinator, _)),
        ) => fault.hits_max(coordinators),
        _ => cut_off(fault, scenario),
    };
    hit.min(coordinators)
}

/// All coordinators, where the network may keep them from what they cannot work without, in one direction at least: from the bus,
/// from the register where it is a service, from each other where they are the register. A link of one alone is borne: it still
/// hears or is heard.
fn cut_off(fault: &FaultSection, scenario: &Scenario) -> u32 {
    let coordinators = scenario.cluster.coordinators;
    let raft = scenario.cluster.register == Register::Raft;
    let vital = |target| match target {
        Target::All | Target::Bus => true,
        Target::Register => !raft,
        Target::Of(Role::Coordinator, Pick::All) => raft,
        _ => false,
    };
    let everyone = |target| matches!(target, Target::All | Target::Of(Role::Coordinator, Pick::All));
    let all_is_lost = match fault.kind {
        Kind::PartitionOneWay | Kind::Clog => true,
        Kind::Loss => fault.ppm.is_some_and(|ppm| ppm.max == PPM),
        Kind::PartitionIsolate => return if fault.who.is_some_and(vital) { coordinators } else { 0 },
        _ => false,
    };
    if !all_is_lost {
        return 0;
    }
    let (from, to) = (fault.from.unwrap_or(Target::All), fault.to.unwrap_or(Target::All));
    let cut = everyone(from) && vital(to) || vital(from) && everyone(to);
    if cut { coordinators } else { 0 }
}

/// Verifiers that a fault may keep from judging at once, all its occurrences together.
fn verifiers_down(fault: &FaultSection, scenario: &Scenario) -> u32 {
    let stops = matches!(
        fault.kind,
        Kind::FailedVerifier | Kind::Pause | Kind::Crash | Kind::DiskFull | Kind::PartitionIsolate
    );
    match fault.who {
        Some(Target::All | Target::Of(Role::Verifier | Role::Agent, _)) if stops => {
            fault.hits_max(scenario.cluster.verifiers)
        }
        _ => 0,
    }
}

/// At the worst moment: the begin of some fault, which all others reach that may.
fn fixed(
    scenario: &Scenario,
    notes: &mut Notes<'_>,
    whom: &str,
    all: u32,
    needed: u32,
    downs: impl Fn(&FaultSection) -> u32,
) {
    let end = |fault: &FaultSection| match fault.lasts {
        Lasting::For(range) => fault.at.max.0.saturating_add(range.max.0),
        Lasting::Forever => u64::MAX,
    };
    let bears = all.saturating_sub(needed);
    for (index, fault) in scenario.faults.iter().enumerate() {
        let own = downs(fault);
        if own == 0 {
            continue;
        }
        // Every other that may still last when this one may begin, and may have begun when this one may end.
        let meets = |other: &&FaultSection| other.at.min.0 <= end(fault) && fault.at.min.0 <= end(other);
        let before = scenario.faults[..index].iter().filter(meets).map(&downs).sum::<u32>();
        if own + before > bears {
            let down = (own + before).min(all);
            let quorum = if whom == "verifiers" { "quorum" } else { "majority" };
            let what = format!("up to {down} of {all} {whom} may be out of work at once, a {quorum} needs {needed}");
            let mend = format!("progress cannot be expected meanwhile: hit fewer, at other times, or add {whom}");
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
        && let Some((at, wanted)) =
            chaos.kinds.iter().enumerate().find_map(|(at, kind)| Some((at, scenario.wants_register(*kind)?)))
    {
        let what = format!("`{}` cannot bite: the register is `{}`", chaos.kinds[at], scenario.cluster.register.name());
        let mend = format!("write `register = \"{}\"` in `[cluster]`, or take it out", wanted.name());
        notes.error(&format!("chaos.kinds.{at}"), Code::NoEffect, what, mend);
    }
    if notes.says("chaos.kinds")
        && let Some((at, kind)) = chaos.kinds.iter().enumerate().find(|(_, kind)| kind.founds_anew())
    {
        let what = format!(
            "`{kind}` cannot bite by chance: a register is founded anew once in a run, where a scenario says so"
        );
        notes.error(&format!("chaos.kinds.{at}"), Code::NoEffect, what, "write it as a fault of its own");
    }
    if notes.says("chaos.kinds")
        && let Some(at) = chaos.kinds.iter().position(|kind| *kind == Kind::EtcdRestore)
        && !scenario.properties.data_loss
    {
        let what = "`etcd-restore` is drawn only where the alarm that it ends in is wanted";
        let mend = "write `data_loss = true` in `[properties]`, or take it out";
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
