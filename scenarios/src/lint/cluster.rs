//! Whether the cluster can reach the quorums that the protocol asks of it (PROTOCOL 5 and 6).

use super::Notes;
use crate::finding::Code;
use crate::scenario::{Cluster, Register, Scenario};
use crate::value::Nanos;
use std::collections::BTreeMap;
use swarm_nemeses::{Role, Shape};

/// The most agents a scenario may have.
const AGENTS_MAX: u64 = 10_000;
/// The most arbiters there may be.
const ARBITERS_MAX: u32 = 15;

/// Whoever waits longer for an entry's company waits for nothing else.
const ENTRY_BATCH_MAX: Nanos = Nanos::secs(10);
/// Least stake of a member of the pool (PROTOCOL 6).
const STAKE_MIN: u64 = 1_000;
/// Most coordinators of a cluster.
pub(super) const COORDINATORS_MAX: u64 = 15;
/// Below so many members a pool is in bootstrap (PROTOCOL 6).
const BOOTSTRAP_ACTIVE: u32 = 10;
/// Credits above this could not be summed over all agents without care.
const CREDITS_MAX: u64 = 1_000_000_000_000;
/// The largest quorums that a need may ask for, on its plan and on a result.
const K_PLAN_MAX: u64 = 32;
const K_RESULT_MAX: u64 = 50;
/// Seats drawn beyond K for a plan's voters and for a result's committee (PROTOCOL 5 and 6).
const PLAN_SPARE: u32 = 5;
pub(super) const RESULT_SPARE: u32 = 2;

pub(super) fn judge(scenario: &Scenario, notes: &mut Notes<'_>) {
    let cluster = &scenario.cluster;
    register(cluster, notes);
    let counts = [
        ("cluster.requesters", cluster.requesters),
        ("cluster.planners", cluster.planners),
        ("cluster.workers", cluster.workers),
        ("cluster.verifiers", cluster.verifiers),
        ("cluster.orgs", cluster.orgs),
        ("cluster.asns", cluster.asns),
        ("cluster.regions", cluster.regions),
    ];
    let mut sound = true;
    for (path, count) in counts {
        sound &= notes.within(path, count.into(), 1, AGENTS_MAX);
    }
    let all = [cluster.coordinators, cluster.requesters, cluster.planners, cluster.workers, cluster.verifiers];
    let all: u64 = all.into_iter().map(u64::from).sum();
    if sound && all > AGENTS_MAX {
        let what = format!("{all} agents in all; a scenario has at most {AGENTS_MAX}");
        notes.error("cluster", Code::OutOfRange, what, "take fewer of some role");
        sound = false;
    }
    notes.within("cluster.arbiters", cluster.arbiters.into(), 0, ARBITERS_MAX.min(cluster.verifiers).into());
    notes.within("cluster.stake", cluster.stake, STAKE_MIN, CREDITS_MAX);
    notes.within("cluster.balance", cluster.balance, 0, CREDITS_MAX);
    if cluster.entry_batch > ENTRY_BATCH_MAX {
        let what = format!("`entry_batch` is {}", cluster.entry_batch);
        let mend = format!("write a duration from 0s to {ENTRY_BATCH_MAX}");
        notes.error("cluster.entry_batch", Code::OutOfRange, what, mend);
    }
    notes.within("cluster.fold_entries", cluster.fold_entries.into(), 1, 1_000_000);
    if notes.says("cluster.fold_entries") && cluster.register != Register::Raft {
        let what = format!("the register `{}` folds nothing", cluster.register.name());
        let mend = "write `register = \"raft\"` in `[cluster]`, or take it out";
        notes.warning("cluster.fold_entries", Code::NoEffect, what, mend);
    }
    let protocol = &scenario.protocol;
    sound &= notes.within("protocol.alpha_bp", protocol.alpha_bp.into(), 1, 10_000);
    sound &= notes.within("protocol.k_plan", protocol.k_plan.into(), 1, K_PLAN_MAX);
    sound &= notes.within("protocol.k_result", protocol.k_result.into(), 1, K_RESULT_MAX);
    if sound {
        pool(scenario, notes);
    }
}

/// The coordinators and the liars among them.
fn register(cluster: &Cluster, notes: &mut Notes<'_>) {
    let n = cluster.coordinators;
    if !notes.within("cluster.coordinators", n.into(), 1, COORDINATORS_MAX) {
        return;
    }
    if n.is_multiple_of(2) {
        let what = format!("{n} coordinators tolerate no more losses than {} do", n - 1);
        let mend = format!("write {} or {}", n - 1, n + 1);
        notes.error("cluster.coordinators", Code::EvenCoordinators, what, mend);
    }
    let f = u64::from(cluster.liars_max);
    let n = u64::from(n);
    let needed = (n + f) / 2 + 1;
    if needed > n.saturating_sub(f) {
        let most = (0..n).rev().find(|f| (n + f) / 2 < n - f).unwrap_or(0);
        let what = format!("an entry is believed with {needed} of {n} signatures, but {f} coordinators may lie");
        let more = bearing(f).map_or_else(String::new, |n| format!("`coordinators = {n}` or more, or "));
        let mend = format!("write {more}`liars_max = {most}`");
        notes.error("cluster.liars_max", Code::ImpossibleQuorum, what, mend);
    }
}

/// As many coordinators as it takes to bear so many that lie, if any number of them does.
pub(super) fn bearing(liars: u64) -> Option<u64> {
    (1..=COORDINATORS_MAX).step_by(2).find(|n| (n + liars) / 2 + 1 + liars <= *n)
}

/// The pool of verifiers: how large its quorums are, and whether they can be seated.
fn pool(scenario: &Scenario, notes: &mut Notes<'_>) {
    let (cluster, protocol) = (&scenario.cluster, &scenario.protocol);
    let active = cluster.verifiers;
    if !cluster.bootstrap && active < BOOTSTRAP_ACTIVE {
        let what = format!("a pool of {active} verifiers is in bootstrap whatever its age");
        let mend = format!("write `bootstrap = true` or at least {BOOTSTRAP_ACTIVE} verifiers");
        notes.error("cluster.bootstrap", Code::StillBootstrap, what, mend);
    }
    let share = share(scenario);
    for (path, key, target) in
        [("protocol.k_plan", "k_plan", protocol.k_plan), ("protocol.k_result", "k_result", protocol.k_result)]
    {
        if target > active {
            let what = format!("`{key}` is {target}, but there are only {active} verifiers");
            let mend = format!("write {active} or less, or add verifiers");
            let at = notes.said(&[path, "cluster.verifiers"]);
            notes.error(at, Code::ImpossibleQuorum, what, mend);
        } else if notes.says(path) && u64::from(target) > share.max(1) {
            // Only said of targets that somebody wrote: the defaults are meant to be clamped.
            let needed = (u64::from(target) * 10_000).div_ceil(protocol.alpha_bp.into());
            let what = format!("`{key}` is clamped to {} by the size of the pool", share.max(1));
            let mend = format!("add verifiers up to {needed}, raise `alpha_bp`, or write less");
            notes.warning(path, Code::ClampedQuorum, what, mend);
        }
    }
    if cluster.bootstrap {
        return; // diversity is relaxed
    }
    let k = |target| u64::from(quorum(scenario, target));
    let everyone: Vec<u32> = verifiers(&scenario.shape()).collect();
    let voters = (k(protocol.k_plan) + u64::from(PLAN_SPARE)).min(everyone.len() as u64);
    if let Some(cap) = unseatable(cluster, &everyone, voters) {
        let what = format!("{voters} plan voters cannot be seated under the cap per {cap}");
        let mend = format!("spread the agents over more of `{cap}s`, or add verifiers");
        let path = format!("cluster.{cap}s");
        let at = notes.said(&[&path, "protocol.k_plan", "cluster.verifiers", "cluster.bootstrap"]);
        notes.error(at, Code::ImpossibleCommittee, what, mend);
    }
    committees(scenario, k(protocol.k_result), notes);
}

/// How many of the pool make the largest quorum it can be asked for (PROTOCOL 6: alpha).
fn share(scenario: &Scenario) -> u64 {
    u64::from(scenario.cluster.verifiers) * u64::from(scenario.protocol.alpha_bp) / 10_000
}

/// K for a target: clamped by the size of the pool.
pub(super) fn quorum(scenario: &Scenario, target: u32) -> u32 {
    target.min(u32::try_from(share(scenario)).unwrap_or(u32::MAX)).max(1)
}

/// Whether committees can be seated once the worker, the planner and their relations stand aside.
fn committees(scenario: &Scenario, k: u64, notes: &mut Notes<'_>) {
    let (cluster, shape) = (&scenario.cluster, scenario.shape());
    let numbers = |role| {
        let (first, count) = shape.span(role);
        // Attributes repeat, so more agents than attributes add no new pair.
        first..first + count.min(cluster.orgs.saturating_mul(cluster.asns)).min(64)
    };
    let (mut pairs, mut short, mut cap) = (0u32, 0u32, "org");
    for worker in numbers(Role::Worker) {
        for planner in numbers(Role::Planner) {
            let eligible: Vec<u32> =
                verifiers(&shape).filter(|v| !related(cluster, *v, worker) && !related(cluster, *v, planner)).collect();
            pairs += 1;
            // Where fewer may sit, fewer do; only if nobody may, or a cap is in the way, none do.
            let there = eligible.len() as u64;
            let seats = (k.min(there) + u64::from(RESULT_SPARE)).min(there).max(1);
            if let Some(at) = unseatable(cluster, &eligible, seats) {
                short += 1;
                cap = at;
            }
        }
    }
    let path = format!("cluster.{cap}s");
    let path = notes.said(&[&path, "protocol.k_result", "cluster.verifiers", "cluster.bootstrap"]);
    let mend = format!("spread the agents over more of `{cap}s`, or add verifiers");
    if short == pairs {
        let what = format!("no committee of {k} and {RESULT_SPARE} spare can be seated under the cap per {cap}");
        notes.error(path, Code::ImpossibleCommittee, what, mend);
    } else if short > 0 {
        let what = format!(
            "for {short} of {pairs} pairs of worker and planner no committee of {k} and {RESULT_SPARE} spare can be \
             seated under the cap per {cap}"
        );
        notes.warning(path, Code::NarrowCommittee, what, mend);
    }
}

fn verifiers(shape: &Shape) -> impl Iterator<Item = u32> + use<> {
    let (first, count) = shape.span(Role::Verifier);
    first..first + count
}

/// Same org or ASN; attributes are dealt to the agents in turn.
fn related(cluster: &Cluster, a: u32, b: u32) -> bool {
    a % cluster.orgs == b % cluster.orgs || a % cluster.asns == b % cluster.asns
}

/// The first cap under which `seats` members of the pool cannot sit together, if there is one.
/// Each cap is judged by itself, so a committee that passes may still be unlucky; one that does
/// not pass cannot exist.
fn unseatable(cluster: &Cluster, pool: &[u32], seats: u64) -> Option<&'static str> {
    let caps = [("org", cluster.orgs, 3_000), ("asn", cluster.asns, 4_000), ("region", cluster.regions, 5_000)];
    caps.into_iter().find_map(|(name, groups, share_bp)| {
        let cap = (seats * share_bp / 10_000).max(1);
        let mut sizes: BTreeMap<u32, u64> = BTreeMap::new();
        for agent in pool {
            *sizes.entry(agent % groups).or_default() += 1;
        }
        let room: u64 = sizes.into_values().map(|size| size.min(cap)).sum();
        (room < seats).then_some(name)
    })
}
