//! Cases of P5: each rule of it, broken once.

use super::*;
use crate::check::fixture::{S, agent, caught, good, holds, need, task, unknown};
use crate::history::TaskEnd;

fn granted(fence: u64, worker: u8) -> Event {
    Event::Granted {
        epoch: swarm_core::id::Epoch::FIRST,
        eta_ms: 120_000,
        fence: Fence(fence),
        lease_ms: 60_000,
        need: need(),
        task: task(),
        worker: agent(worker),
    }
}

fn ended(fence: u64, reason: ReleaseReason) -> Event {
    Event::LeaseEnded { fence: Fence(fence), need: need(), reason, task: task() }
}

fn accepted(fence: u64, worker: u8) -> Event {
    let commit = swarm_core::id::Cid::of(b"commit");
    Event::Accepted { commit, fence: Fence(fence), need: need(), task: task(), worker: agent(worker) }
}

fn renewed(fence: u64, segment: u64) -> Event {
    Event::Renewed { fence: Fence(fence), more_ms: 60_000, need: need(), segment: Segment(segment), task: task() }
}

fn over() -> Event {
    Event::TaskEnded { how: TaskEnd::Paid, need: need(), task: task() }
}

use ReleaseReason::{Expired, Failed, Unbid, Unbonded, Unseated, Yielded};

/// Plays events told by node 0, one each second, after the genesis and the given phase.
fn told(phase: Phase, events: Vec<Event>) -> crate::check::fixture::Run {
    let mut run = good();
    let genesis = run.records[0].clone();
    run.records = vec![genesis, Record::new(0, crate::WORLD, Event::Phase(phase))];
    run.records.extend(events.into_iter().zip(1..).map(|(event, i)| Record::new(i * S, NodeNo(0), event)));
    run
}

fn broken(events: Vec<Event>, what: &str) {
    caught(LeaseLifetime::default(), &told(Phase::Heal, events), what);
}

#[test]
fn a_good_history_holds() {
    holds(LeaseLifetime::default(), &good());
}

#[test]
fn every_way_through_holds() {
    for events in [
        vec![granted(1, 1), ended(1, Yielded), granted(2, 2), accepted(2, 2), over()],
        vec![granted(1, 1), renewed(1, 1), renewed(1, 2), ended(1, Expired), ended(1, Unbid), granted(2, 2), over()],
        vec![
            granted(1, 1),
            accepted(1, 1),
            ended(1, Failed),
            granted(2, 2),
            accepted(2, 2),
            ended(2, Unseated),
            over(),
        ],
        vec![granted(1, 1), ended(1, Unbonded), ended(2, Unbonded), granted(3, 1), accepted(3, 1), over()],
    ] {
        holds(LeaseLifetime::default(), &told(Phase::Heal, events));
    }
}

#[test]
fn two_holders() {
    broken(vec![granted(1, 1), granted(2, 2), over()], "while it is held");
    broken(vec![granted(1, 1), accepted(1, 1), granted(2, 2), over()], "while its result is judged");
    broken(vec![granted(1, 1), over(), granted(2, 2)], "after its end");
}

#[test]
fn two_nodes_name_two_holders_of_one_fence() {
    let mut run = told(Phase::Heal, vec![granted(1, 1), granted(1, 2), over()]);
    run.records[3].node = NodeNo(1);
    caught(LeaseLifetime::default(), &run, "to two workers");
}

#[test]
fn a_fence_that_does_not_rise() {
    broken(vec![granted(2, 1), ended(2, Expired), granted(2, 1), over()], "does not rise");
    broken(vec![granted(2, 1), ended(2, Expired), granted(1, 3), over()], "does not rise");
}

#[test]
fn t19_a_zombie_commits_after_another_was_granted() {
    broken(vec![granted(1, 1), ended(1, Expired), granted(2, 2), accepted(1, 1), over()], "does not hold");
    broken(vec![granted(1, 1), ended(1, Expired), accepted(1, 1), over()], "nobody holds");
    broken(vec![granted(1, 1), accepted(1, 2), over()], "does not hold");
}

#[test]
fn ends_and_renewals_of_leases_that_do_not_stand() {
    broken(vec![ended(1, Expired), over()], "does not stand");
    broken(vec![granted(1, 1), ended(2, Yielded), over()], "does not stand");
    broken(vec![granted(1, 1), ended(1, Failed), over()], "not for this reason");
    broken(vec![granted(1, 1), accepted(1, 1), ended(1, Expired), over()], "not for this reason");
    broken(vec![granted(1, 1), ended(1, Unbid), over()], "not for this reason");
    broken(vec![granted(1, 1), ended(1, Expired), renewed(1, 1), over()], "renewed");
    broken(vec![granted(1, 1), over(), over()], "ends twice");
}

/// The fixture's bounds are 60 s for a lease and 100 s for the next grant.
#[test]
fn a_silent_holder_that_is_never_released() {
    let mut run = told(Phase::Heal, vec![granted(1, 1)]);
    run.end.at = 62 * S;
    caught(LeaseLifetime::default(), &run, "lease did not end");
    run.end.at = 61 * S;
    unknown(LeaseLifetime::default(), &run, "before its bound");
    run.end.expect.excused.insert(need());
    assert_eq!(run.finding(LeaseLifetime::default()).verdict, crate::Verdict::Holds);
}

#[test]
fn a_holder_released_too_late() {
    let mut run = told(Phase::Heal, vec![granted(1, 1), ended(1, Expired), over()]);
    run.records[3].at = 62 * S;
    run.records[4].at = 63 * S;
    caught(LeaseLifetime::default(), &run, "lease did not end");
    run.records.insert(3, Record::new(30 * S, NodeNo(0), renewed(1, 1)));
    holds(LeaseLifetime::default(), &run);
}

#[test]
fn a_laggard_neither_prolongs_nor_delays() {
    let mut run = told(Phase::Heal, vec![granted(1, 1), ended(1, Expired)]);
    let late = |at, event| Record::new(at * S, NodeNo(1), event);
    run.records.extend([late(50, granted(1, 1)), late(60, ended(1, Expired))]);
    run.end.at = 103 * S;
    caught(LeaseLifetime::default(), &run, "neither granted nor ended");
}

#[test]
fn what_was_due_before_the_heal_is_judged_from_the_heal_on() {
    let mut run = told(Phase::Fault, vec![granted(1, 1)]);
    run.end.at = 1_000 * S;
    unknown(LeaseLifetime::default(), &run, "before its bound");
    run.records.push(Record::new(950 * S, crate::WORLD, Event::Phase(Phase::Heal)));
    unknown(LeaseLifetime::default(), &run, "before its bound");
    run.end.at = 1_011 * S;
    caught(LeaseLifetime::default(), &run, "lease did not end");
    run.records.push(Record::new(1_010 * S, NodeNo(0), accepted(1, 1)));
    holds(LeaseLifetime::default(), &run);
}

/// Entries 1 and 2 of a need, applied `held` apart, grant a lease and end it; belief comes whenever it comes.
fn held_for(held: u64, least: u64, reason: ReleaseReason) -> crate::check::fixture::Run {
    let mut run = told(Phase::Fault, Vec::new());
    run.edit_all(|e| {
        if let Event::Genesis { rules, .. } = e {
            *rules = Rules::clone(rules).held_at_least(least).into();
        }
    });
    let thread = Thread::Need(need());
    let link = swarm_core::id::Digest::sha256(b"link");
    for (applied, seq, event) in [(S, Seq(1), granted(1, 1)), (S + held, Seq(2), ended(1, reason))] {
        let mut tell = |at, node, event| run.records.push(Record::new(at, NodeNo(node), event));
        tell(applied, 1, Event::Applied { link, seq, thread });
        tell(applied + 7, 2, Event::Applied { link, seq, thread });
        tell(900 * S, 0, Event::Believed { link, seq, thread });
        tell(900 * S, 0, event);
    }
    run.end.settled = false;
    run
}

#[test]
fn a_lease_that_expires_before_its_time() {
    caught(LeaseLifetime::default(), &held_for(9 * S, 10 * S, Expired), "before any majority");
    for (held, least, reason) in [(10 * S, 10 * S, Expired), (9 * S, 0, Expired), (S, 10 * S, Yielded)] {
        let found = held_for(held, least, reason).finding(LeaseLifetime::default());
        assert_eq!(found.violations, 0, "{found:#?}");
    }
}

#[test]
fn a_renewal_comes_behind_what_runs() {
    let with = |held, more_ms| {
        let mut run = held_for(held, 10 * S, Expired);
        let at = run.records.iter().position(|r| matches!(r.event, Event::LeaseEnded { .. })).unwrap();
        let more = Event::Renewed { fence: Fence(1), more_ms, need: need(), segment: Segment(1), task: task() };
        run.records.insert(at, Record::new(900 * S, NodeNo(0), more));
        run.finding(LeaseLifetime::default())
    };
    // A lease is 60 s, of which a majority may see 10 pass: of half a lease more 5.
    assert_eq!([with(15 * S, 30_000), with(20 * S, 60_000)].map(|found| found.violations), [0, 0]);
    assert_eq!([with(14 * S, 30_000), with(19 * S, 60_000)].map(|found| found.violations), [1, 1]);
}

#[test]
fn a_lease_begins_when_its_entry_is_taken_in_however_slow_the_disk() {
    // All disks are slow when the lease begins, and none when it ends.
    let mut run = held_for(9 * S, 10 * S, Expired);
    let took = |at, seq| {
        let (agent, thread) = (agent(1), Thread::Need(need()));
        Record::new(at, NodeNo(1), Event::Took { agent, boot: 1, mono_ns: at, seq: Seq(seq), thread })
    };
    let first = run.records.iter().position(|r| matches!(r.event, Event::Applied { .. })).unwrap();
    run.records.insert(first, took(0, 1));
    assert_eq!(run.finding(LeaseLifetime::default()).violations, 0);
    run.records[first].at = 1;
    caught(LeaseLifetime::default(), &run, "before any majority");
}

#[test]
fn who_leaves_entries_out_cannot_say_when_a_lease_began() {
    let mut run = held_for(9 * S, 10 * S, Expired);
    run.records.retain(|r| !matches!(r.event, Event::Believed { seq: Seq(1), .. }));
    assert_eq!(run.finding(LeaseLifetime::default()).violations, 0);
}

#[test]
fn a_restart_that_tells_an_entry_again_hides_nothing() {
    let mut run = held_for(9 * S, 10 * S, Expired);
    let first = |r: &&Record| matches!(r.event, Event::Believed { seq: Seq(1), .. });
    let again = run.records.iter().find(first).unwrap().clone();
    let at = run.records.iter().position(|r| matches!(r.event, Event::Believed { seq: Seq(2), .. })).unwrap();
    run.records.insert(at, again);
    caught(LeaseLifetime::default(), &run, "before any majority");
}

#[test]
fn a_lease_that_is_prolonged_for_ever() {
    // A lease of 60 s, won with an eta of 120 s: with all its renewals it may last 180 s.
    let renewals = |n: u64| [granted(1, 1)].into_iter().chain((1..=n).map(|nth| renewed(1, nth))).chain([over()]);
    holds(LeaseLifetime::default(), &told(Phase::Heal, renewals(2).collect()));
    broken(renewals(3).collect(), "prolonged to 240000 ms, and 180000 is the most");
    // Another grant counts anew.
    let second = [granted(1, 1), renewed(1, 1), renewed(1, 2), ended(1, Expired), granted(2, 2)];
    let again = second.into_iter().chain([renewed(2, 3), renewed(2, 4), over()]);
    holds(LeaseLifetime::default(), &told(Phase::Heal, again.collect()));
}

#[test]
fn whoever_let_a_lease_expire_is_not_granted_the_task_again() {
    let twice = |reason| vec![granted(1, 1), ended(1, reason), granted(2, 2), ended(2, Yielded), granted(3, 1), over()];
    broken(twice(Expired), "granted again to one who let it expire");
    // One that gave it back in time may.
    holds(LeaseLifetime::default(), &told(Phase::Heal, twice(Yielded)));
}
