//! Whether what must happen fits into the time it is given.

use super::Notes;
use crate::finding::Code;
use crate::scenario::Scenario;
use crate::value::Nanos;

/// What a deployment asks of these at least: in less nobody could do the work, judge it or object (PROTOCOL 7).
const MINS: [(&str, Nanos); 4] = [
    ("protocol.challenge", Nanos::secs(60)),
    ("protocol.decision", Nanos::secs(10)),
    ("protocol.lease", Nanos::secs(60)),
    ("protocol.verify", Nanos::secs(30)),
];
/// No other window may be shorter.
const WINDOW_MIN: Nanos = Nanos::millis(10);
/// No window may be longer.
const WINDOW_MAX: Nanos = Nanos::hours(24 * 30);
/// Clocks further off than this in rate are not clocks.
const DRIFT_PPM_MAX: i32 = 100_000;

pub(super) fn judge(scenario: &Scenario, notes: &mut Notes<'_>) {
    windows(scenario, notes);
    rates(scenario, notes);
    let phases = &scenario.phases;
    let total = Nanos(phases.fault.0 + phases.heal.0 + phases.settle.0);
    if total > scenario.limits.duration {
        let what = format!("the phases take {total}, but the run is stopped after {}", scenario.limits.duration);
        let mend = format!("write `duration = \"{}\"` in `[limits]` or shorten a phase", total.up_to_ms());
        let at = notes.said(&["limits.duration", "phases.settle", "phases.fault", "phases.heal"]);
        notes.error(at, Code::PastLimit, what, mend);
    }
    let longest = longest_need(scenario);
    let last = last_arrival(scenario);
    // Under faults a need may make no progress at all, so its clock starts when they end.
    let start = last.max(phases.fault.0);
    let needed = Nanos(start.saturating_add(longest).saturating_sub(phases.fault.0 + phases.heal.0));
    if needed > phases.settle {
        let what = format!(
            "after the faults the last need takes at least {}, `settle` is {}",
            needed.up_to_ms(),
            phases.settle
        );
        let mend = "lengthen `settle`, or shorten `challenge` in `[protocol]` (it runs twice)";
        let at =
            notes.said(&["phases.settle", "protocol.challenge", "workload.tasks", "workload.every", "phases.fault"]);
        notes.error(at, Code::SettleTooShort, what, mend);
    }
    // A need's deadline is two leases; nobody offers a plan that takes longer.
    let deadline = Nanos(scenario.protocol.lease.0.saturating_mul(2));
    if scenario.workload.work.max > deadline && scenario.workload.work.max <= Nanos::hours(1) {
        let what = format!("a task of {} in a need that has to be done in {deadline}", scenario.workload.work.max);
        let mend = "shorten `work`, or lengthen `lease` in `[protocol]` (a need has twice that)";
        notes.error(notes.said(&["workload.work", "protocol.lease"]), Code::OutOfRange, what, mend);
    }
    if !(scenario.faults.is_empty() && scenario.chaos.budget.max == 0) && last >= phases.fault.0 && last > 0 {
        let what = format!("the last need may arrive after {}, when the faults are over", Nanos(last));
        let mend = "shorten `every` or lengthen the fault phase, so that every need is hurt";
        let at = notes.said(&["workload.every", "workload.needs", "phases.fault"]);
        notes.warning(at, Code::NoEffect, what, mend);
    }
}

fn windows(scenario: &Scenario, notes: &mut Notes<'_>) {
    let protocol = &scenario.protocol;
    let windows = [
        ("protocol.proposals", protocol.proposals),
        ("protocol.bids", protocol.bids),
        ("protocol.lease", protocol.lease),
        ("protocol.heartbeat", protocol.heartbeat),
        ("protocol.decision", protocol.decision),
        ("protocol.reveal", protocol.reveal),
        ("protocol.verify", protocol.verify),
        ("protocol.challenge", protocol.challenge),
    ];
    for (path, window) in windows {
        let min = MINS.iter().find(|(of, _)| *of == path).map_or(WINDOW_MIN, |(_, min)| *min);
        if window < min || window > WINDOW_MAX {
            let what = format!("a window of {window}");
            let mend = format!("write a duration from {min} to {WINDOW_MAX}");
            notes.error(path, Code::OutOfRange, what, mend);
        } else if !window.0.is_multiple_of(Nanos::millis(1).0) {
            let what = format!("a window of {window}");
            notes.error(path, Code::OutOfRange, what, "windows count whole milliseconds");
        }
    }
    // Of a lease so short that no heartbeat fits into it, it is the lease that was told of.
    if protocol.heartbeat.0 > protocol.lease.0 / 3 && protocol.lease.0 / 3 >= WINDOW_MIN.0 {
        let what = format!(
            "a heartbeat every {} cannot renew a lease of {} each third of it",
            protocol.heartbeat, protocol.lease
        );
        let mend = format!("write \"{}\" or less", Nanos(protocol.lease.0 / 3).down_to_ms());
        let at = notes.said(&["protocol.heartbeat", "protocol.lease"]);
        notes.error(at, Code::HeartbeatTooSlow, what, mend);
    }
}

fn rates(scenario: &Scenario, notes: &mut Notes<'_>) {
    let million = 1_000_000;
    let network = &scenario.network;
    let ppm = [
        ("network.loss_ppm", network.loss_ppm),
        ("network.duplicate_ppm", network.duplicate_ppm),
        ("network.reorder_ppm", network.reorder_ppm),
        ("bus.redeliver_ppm", scenario.bus.redeliver_ppm),
    ];
    for (path, ppm) in ppm {
        // Weather lasts through the settle phase: where everything is lost, nothing ever settles.
        notes.within(path, ppm.into(), 0, million / 2);
    }
    let delays = [
        ("network.delay", network.delay.max),
        ("network.reorder_extra", network.reorder_extra),
        ("store.delay", scenario.store.delay.max),
        ("bus.ack_wait", scenario.bus.ack_wait),
        ("disk.sync", scenario.disk.sync.max),
    ];
    for (path, delay) in delays {
        if delay > Nanos::secs(60) {
            let what = format!("a delay of {delay}, all the time");
            notes.error(path, Code::OutOfRange, what, "write at most \"1m\"");
        }
    }
    let ack_wait = scenario.bus.ack_wait;
    if ack_wait < Nanos(network.delay.max.0.saturating_mul(2)) || ack_wait < Nanos(1_000_000) {
        let what = format!("the bus delivers again after {ack_wait}, before an acknowledgement can be back");
        let mend = format!("write at least \"{}\"", Nanos(network.delay.max.0.saturating_mul(4).max(1)).up_to_ms());
        let at = notes.said(&["bus.ack_wait", "network.delay"]);
        notes.error(at, Code::OutOfRange, what, mend);
    }
    let drift = scenario.clocks.drift_ppm;
    if drift.min < -DRIFT_PPM_MAX || drift.max > DRIFT_PPM_MAX {
        let mend = format!("write numbers from -{DRIFT_PPM_MAX} to {DRIFT_PPM_MAX}");
        notes.error("clocks.drift_ppm", Code::OutOfRange, "such a clock is broken", mend);
    }
}

/// The latest time at which the last need may be opened.
fn last_arrival(scenario: &Scenario) -> u64 {
    let needs = match &scenario.needs {
        Some(needs) => needs.lines.len() as u64,
        None => scenario.workload.needs.into(),
    };
    needs.saturating_sub(1).saturating_mul(scenario.workload.every.max.0)
}

/// The least time that the longest need takes when nothing goes wrong: one bid window for the
/// plan, then for each task of its longest path bids, work and the same work again to verify it,
/// and two challenge windows at the end.
fn longest_need(scenario: &Scenario) -> u64 {
    let (workload, protocol) = (&scenario.workload, &scenario.protocol);
    let depth = match &scenario.needs {
        Some(needs) => needs.lines.iter().map(|line| line.recipe.depth()).max().unwrap_or(1),
        None => workload.recipe.depth(workload.tasks_of_need()),
    };
    let task = protocol.bids.0.saturating_add(workload.work.max.0.saturating_mul(2));
    task.saturating_mul(depth.into())
        .saturating_add(protocol.proposals.0)
        .saturating_add(protocol.challenge.0.saturating_mul(2))
}
