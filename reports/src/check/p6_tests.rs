//! Cases of P6: each rule of it, broken once.

use super::*;
use crate::check::fixture::{agent, caught, good, holds, unknown};
use swarm_core::id::{Credits, Digest};

/// Applies `edit` to every event, so that all nodes tell the same wrong thing.
fn broken(edit: impl FnMut(&mut Event), what: &str) {
    let mut run = good();
    run.edit_all(edit);
    caught(QuorumValidity::default(), &run, what);
}

fn pool(edit: impl Fn(&mut PoolSnapshot)) -> impl Fn(&mut Event) {
    move |event| {
        if let Event::SnapshotTaken(taken) = event {
            edit(Arc::make_mut(taken));
        }
    }
}

fn with(list: &[AgentId], edit: impl Fn(&mut Vec<AgentId>)) -> Arc<[AgentId]> {
    let mut list = list.to_vec();
    edit(&mut list);
    list.into()
}

fn approvals(edit: impl Fn(&mut Vec<AgentId>)) -> impl Fn(&mut Event) {
    move |event| {
        if let Event::Decided { approvals, .. } = event {
            *approvals = with(approvals, &edit);
        }
    }
}

fn votes(edit: impl Fn(&mut Vec<AgentId>)) -> impl Fn(&mut Event) {
    move |event| {
        if let Event::Tallied { counted, .. } = event {
            *counted = with(counted, &edit);
        }
    }
}

fn seats(edit: impl Fn(&mut Vec<AgentId>)) -> impl Fn(&mut Event) {
    move |event| {
        if let Event::Seated { seats, .. } = event {
            *seats = with(seats, &edit);
        }
    }
}

#[test]
fn a_good_history_holds() {
    holds(QuorumValidity::default(), &good());
}

#[test]
fn own_k_is_the_protocols() {
    let rules = crate::check::fixture::rules();
    for (target, active, k) in
        [(3, 20, 3), (5, 20, 5), (5, 16, 4), (3, 3, 1), (3, 0, 1), (0, 20, 1), (u32::MAX, u32::MAX, 1_288_490_188)]
    {
        assert_eq!(own_k(&rules, target, active), k, "target {target} of {active} active");
    }
}

#[test]
fn t16_too_few_whatever_is_stated() {
    broken(approvals(|a| a.truncate(2)), "2 were counted and 3 is stated, but K is 3");
    broken(votes(|a| a.truncate(4)), "4 were counted and 5 is stated, but K is 5");
    broken(
        |e| {
            approvals(|a| a.truncate(2))(e);
            if let Event::Decided { k, .. } = e {
                *k = 2;
            }
        },
        "2 is stated, but K is 3",
    );
    broken(
        |e| {
            if let Event::Decided { k, .. } = e {
                *k = 4;
            }
        },
        "but 4 is stated",
    );
}

#[test]
fn t25_the_same_verifier_twice() {
    broken(approvals(|a| a[1] = a[0]), "stands there twice");
    broken(votes(|a| a[1] = a[0]), "stands there twice");
    broken(seats(|a| a[6] = a[0]), "stands there twice");
}

#[test]
fn counted_but_not_drawn() {
    // Agent 29 is in the pool, but neither a voter nor seated.
    broken(approvals(|a| a[0] = agent(29)), "not drawn");
    broken(votes(|a| a[0] = agent(29)), "not drawn");
}

#[test]
fn not_a_member() {
    broken(seats(|a| a[0] = agent(99)), "not a member");
    broken(pool(|p| p.members.retain(|m| m.agent != agent(10))), "not a member");
}

#[test]
fn t45_without_stake() {
    broken(pool(|p| p.members[0].stake = Credits(999)), "a stake of 999");
}

#[test]
fn related_to_worker_or_planner() {
    // The planner is agent 2 of organisation "plan", the worker agent 3 of "work".
    broken(pool(|p| p.members[6].org = "plan".into()), "shares the organisation");
    // Committees only: who votes on a plan may be a relation of its planner.
    let mut run = good();
    run.edit_all(pool(|p| p.members[0].org = "plan".into()));
    holds(QuorumValidity::default(), &run);
    broken(pool(|p| p.members[6].asn = "AS-work".into()), "shares the network");
    broken(
        |e| {
            if let Event::Accepted { worker, .. } = e {
                *worker = agent(18);
            }
        },
        "is the one judged",
    );
}

#[test]
fn unknown_attributes_relate_nobody() {
    let mut run = good();
    run.edit_all(|e| {
        if let Event::Genesis { parties, .. } = e {
            let mut list = parties.to_vec();
            list.iter_mut().for_each(|p| (p.org, p.asn) = (String::new(), String::new()));
            *parties = list.into();
        }
        pool(|p| (p.members[0].org, p.members[0].asn) = (String::new(), String::new()))(e);
    });
    holds(QuorumValidity::default(), &run);
}

#[test]
fn caps() {
    let same = |p: &mut PoolSnapshot, of: fn(&mut PoolMember) -> &mut String| {
        p.members.iter_mut().for_each(|m| *of(m) = "one".into());
    };
    broken(pool(|p| same(p, |m| &mut m.org)), "organisation \"one\", the cap is 2");
    broken(pool(|p| same(p, |m| &mut m.asn)), "network \"one\", the cap is 2");
    broken(pool(|p| same(p, |m| &mut m.region)), "region \"one\", the cap is 3");
    // Unknown counts as one of the same.
    broken(pool(|p| p.members.iter_mut().for_each(|m| m.org.clear())), "organisation \"\"");
}

#[test]
fn bootstrap_relaxes_diversity_only() {
    let mut run = good();
    run.edit_all(pool(|p| {
        p.bootstrap = true;
        p.members.iter_mut().for_each(|m| m.org = "plan".into());
    }));
    holds(QuorumValidity::default(), &run);
    run.edit_all(approvals(|a| a[1] = a[0]));
    caught(QuorumValidity::default(), &run, "stands there twice");
    broken(pool(|p| p.active = 9), "too small has left bootstrap");
}

#[test]
fn snapshots_that_cannot_be() {
    broken(pool(|p| p.active = 999), "more active members");
    broken(pool(|p| p.members.push(p.members[0].clone())), "a member twice");
    let mut run = good();
    run.edit_last(|e| matches!(e, Event::SnapshotTaken(_)), pool(|p| p.members[0].weight += 1));
    caught(QuorumValidity::default(), &run, "two snapshots have one number");
}

#[test]
fn a_decision_under_another_snapshot() {
    broken(
        |e| {
            if let Event::Decided { snapshot, .. } = e {
                snapshot.number += 1;
            }
        },
        "another snapshot",
    );
}

#[test]
fn t26_nodes_that_draw_or_count_differently() {
    for (kind, what) in [
        ((|e| matches!(e, Event::Voters { .. })) as fn(&Event) -> bool, "other voters"),
        (|e| matches!(e, Event::Decided { .. }), "other approvals"),
        (|e| matches!(e, Event::Seated { .. }), "another committee"),
        (|e| matches!(e, Event::Tallied { .. }), "counted in two ways"),
    ] {
        let mut run = good();
        run.edit_last(kind, |e| match e {
            Event::Voters { voters: list, .. }
            | Event::Decided { approvals: list, .. }
            | Event::Seated { seats: list, .. }
            | Event::Tallied { counted: list, .. } => *list = with(list, |l| l.reverse()),
            _ => {}
        });
        caught(QuorumValidity::default(), &run, what);
    }
}

#[test]
fn a_split_needs_no_k() {
    let mut run = good();
    run.edit_all(|e| {
        votes(|a| a.truncate(2))(e);
        if let Event::Tallied { verdict, .. } = e {
            *verdict = Counted::Fail;
        }
    });
    holds(QuorumValidity::default(), &run);
}

#[test]
fn missing_evidence_is_unknown_and_late_evidence_is_not() {
    for kind in [
        (|e| matches!(e, Event::Genesis { .. })) as fn(&Event) -> bool,
        |e| matches!(e, Event::SnapshotTaken(_)),
        |e| matches!(e, Event::NeedPosted { .. }),
        |e| matches!(e, Event::Voters { .. }),
        |e| matches!(e, Event::Seated { .. }),
        |e| matches!(e, Event::Accepted { .. }),
    ] {
        let mut run = good();
        let kept: Vec<_> = run.records.iter().filter(|r| kind(&r.event)).cloned().collect();
        run.drop_all(kind);
        unknown(QuorumValidity::default(), &run, "not in the history");
        run.records.extend(kept);
        holds(QuorumValidity::default(), &run);
    }
}

#[test]
fn a_snapshot_of_another_digest_is_no_evidence() {
    let mut run = good();
    run.edit_all(pool(|p| p.snapshot.digest = Digest::sha256(b"other")));
    unknown(QuorumValidity::default(), &run, "of this digest");
}
