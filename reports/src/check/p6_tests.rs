//! Cases of P6: each rule of it, broken once.

use super::*;
use crate::check::fixture::{
    agent, caught, good, holds, outsider, seats as drawn_seats, unknown, voters as drawn_voters,
};
use swarm_core::id::{Credits, Digest, Seq};
use swarm_core::register::{Applied, Bench, Command, Counted as Vote, Event as Did, Outcome};
use swarm_core::wire::{Body, Challenge, Evidence};

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

fn member(pool: &mut PoolSnapshot, agent: AgentId) -> &mut PoolMember {
    pool.members.iter_mut().find(|m| m.agent == agent).expect("it was drawn from this pool")
}

fn voting(edit: impl Fn(&mut Vec<AgentId>)) -> impl Fn(&mut Event) {
    move |event| {
        if let Event::Voters { voters, .. } = event {
            *voters = with(voters, &edit);
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
    broken(approvals(|a| a[0] = outsider()), "not drawn");
    broken(votes(|a| a[0] = outsider()), "not drawn");
}

#[test]
fn not_a_member() {
    broken(seats(|a| a[0] = agent(99)), "not a member");
    broken(pool(|p| p.members.retain(|m| m.agent != drawn_voters()[0])), "not a member");
}

#[test]
fn t45_without_stake() {
    broken(pool(|p| member(p, drawn_voters()[0]).stake = Credits(999)), "a stake of 999");
}

#[test]
fn related_to_worker_or_planner() {
    // The planner is agent 2 of organisation "plan", the worker agent 3 of "work".
    broken(pool(|p| member(p, drawn_seats()[0]).org = "plan".into()), "shares the organisation");
    // Committees only: who votes on a plan may be a relation of its planner.
    let mut run = good();
    run.edit_all(pool(|p| member(p, drawn_voters()[0]).org = "plan".into()));
    assert!(!run.finding(QuorumValidity::default()).contradictions.iter().any(|c| c.what.contains("votes")));
    broken(pool(|p| member(p, drawn_seats()[1]).asn = "AS-work".into()), "shares the network");
    broken(
        |e| {
            if let Event::Accepted { worker, .. } = e {
                *worker = drawn_seats()[2];
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
        pool(|p| {
            let one = member(p, drawn_seats()[0]);
            (one.org, one.asn) = (String::new(), String::new());
        })(e);
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
    let young = |rules: u32| {
        move |e: &mut Event| {
            if let Event::Genesis { rules: told, .. } = e {
                Arc::make_mut(told).bootstrap_needs = rules;
            }
            pool(|p| {
                p.bootstrap = true;
                p.members.iter_mut().for_each(|m| m.region = "one".into());
            })(e);
        }
    };
    let mut run = good();
    run.edit_all(young(100));
    holds(QuorumValidity::default(), &run);
    run.edit_all(approvals(|a| a[1] = a[0]));
    caught(QuorumValidity::default(), &run, "stands there twice");
    // Who is related to those judged sits only where strangers are missing, and here they are not.
    let mut run = good();
    run.edit_all(young(100));
    run.edit_all(pool(|p| member(p, drawn_seats()[0]).org = "plan".into()));
    caught(QuorumValidity::default(), &run, "not among those whom seed and snapshot give");
    // Nor is a pool young because it says so.
    broken(young(0), "has outgrown bootstrap");
    broken(pool(|p| p.active = 9), "too small has left bootstrap");
    let grown = |e: &mut Event| {
        if let Event::Genesis { rules, .. } = e {
            Arc::make_mut(rules).bootstrap_needs = 100;
        }
    };
    broken(grown, "left bootstrap before its time");
    let mut run = good();
    let at = run.records.iter().rposition(|r| matches!(r.event, Event::SnapshotTaken(_))).unwrap();
    let mut second = run.records[at].clone();
    pool(|p| (p.bootstrap, p.snapshot.number) = (true, 2))(&mut second.event);
    run.records.insert(at + 1, second);
    caught(QuorumValidity::default(), &run, "bootstrap returns");
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
fn a_fail_needs_k_as_a_pass_does() {
    let mut run = good();
    run.edit_all(|e| {
        if let Event::Tallied { verdict, .. } = e {
            *verdict = Counted::Fail;
        }
    });
    caught(QuorumValidity::default(), &run, "is final that its committee failed");
    run.drop_all(|e| matches!(e, Event::Finalized { .. }));
    holds(QuorumValidity::default(), &run);
    run.edit_all(votes(|a| a.truncate(4)));
    caught(QuorumValidity::default(), &run, "4 were counted and 5 is stated, but K is 5");
}

/// A run in which `challenger` disputes the result, these sit over it, and these of them uphold.
fn ruled(challenger: u8, bench: Bench, seats: Option<&[AgentId]>, counted: &[AgentId]) -> crate::check::fixture::Run {
    let task = crate::check::fixture::task();
    let evidence = Evidence::OutputMismatch { label: "total".parse().unwrap() };
    let said = Challenge { commit: Cid::of(b"commit"), evidence, task: task.clone() };
    let challenge = crate::check::fixture::said(challenger, Body::Challenge(said), 1, Some(2));
    let of = challenge.id();
    let vote =
        |agent: &AgentId| Vote { attest: Cid::of(&agent.0), engine: Digest::default(), proof: None, verifier: *agent };
    let snapshot = crate::check::fixture::pool().snapshot;
    let left = swarm_core::time::Span(1);
    let mut does = vec![Did::Challenged { bench, challenge, left, task: task.clone() }];
    does.extend(seats.map(|seats| Did::Empanelled {
        k_ruling: 3,
        seats: seats.to_vec(),
        seed: Digest::default(),
        snapshot,
        task: task.clone(),
    }));
    let counted = counted.iter().map(vote).collect();
    does.push(Did::Ruled { challenge: of, counted, ruling: Some(true), task });
    let command = Command::Snapshot { number: 1 };
    let entry = Applied::new(command.id(), Outcome::Did(does), Seq(1)).into();
    let mut run = good();
    let thread = Thread::Need(crate::check::fixture::need());
    run.tell(0, Event::Ordered { command: command.into(), entry, thread });
    run
}

#[test]
fn who_rules_sits_and_has_no_part_in_it() {
    let fit: Vec<AgentId> = (10..30).map(agent).filter(|agent| !drawn_seats()[..5].contains(agent)).take(5).collect();
    let found = |seats: Option<&[AgentId]>, counted: &[AgentId]| ruled(99, Bench::Looks, seats, counted);
    holds(QuorumValidity::default(), &found(Some(&fit), &fit[..3]));
    caught(QuorumValidity::default(), &found(None, &fit[..3]), "nobody sits over it");
    caught(QuorumValidity::default(), &found(Some(&fit), &fit[..2]), "2 were counted, but 3 is stated");
    caught(QuorumValidity::default(), &found(Some(&fit[..2]), &fit[..3]), "was counted but not drawn");
    let passed = &drawn_seats()[..3];
    caught(QuorumValidity::default(), &found(Some(passed), passed), "is the one judged");
    // Arbiters are named, whatever they stake.
    let named = [agent(90), agent(91), agent(92)];
    caught(QuorumValidity::default(), &found(Some(&named), &named), "is not a member");
    holds(QuorumValidity::default(), &ruled(99, Bench::Arbiters, Some(&named), &named));
    caught(QuorumValidity::default(), &ruled(99, Bench::Arbiters, Some(&named), &fit[..3]), "is no arbiter");
}

#[test]
fn a_draw_of_another_size() {
    let all = |a: &mut Vec<AgentId>| *a = (10..30).map(agent).collect();
    broken(voting(all), "20 vote, and 8 should");
    broken(voting(|a| a.truncate(7)), "7 vote, and 8 should");
    broken(seats(all), "20 sit, and 5..=7 should");
    broken(seats(|a| a.truncate(4)), "4 sit");
    // Whoever has no stake left leaves its seat.
    let mut run = good();
    run.edit_all(seats(|a| a.truncate(6)));
    holds(QuorumValidity::default(), &run);
}

#[test]
fn a_draw_of_others_than_the_seed_gives() {
    broken(voting(|a| a[0] = outsider()), "not those whom need, epoch and snapshot give");
    broken(seats(|a| a[6] = outsider()), "not among those whom seed and snapshot give");
}

#[test]
fn t68_a_seed_that_no_round_gave() {
    let other = |e: &mut Event| {
        if let Event::Seated { seed, .. } = e {
            *seed = Digest::default();
        }
    };
    broken(other, "there never was a round that gave this seed");
    // The round answered it, and its reveals make another.
    let mut run = good();
    run.edit_all(|e| {
        if let Event::Ordered { entry, thread: Thread::System, .. } = e {
            let mut events = entry.outcome.events().to_vec();
            for event in &mut events {
                if let Did::Revealed { value, .. } = event {
                    *value = Digest::sha256(b"withheld");
                }
            }
            *entry = Applied::new(entry.command, Outcome::Did(events), entry.seq).into();
        }
    });
    caught(QuorumValidity::default(), &run, "not what this commit and the reveals of its round give");
}

#[test]
fn a_result_that_no_committee_passed() {
    let without = |kinds: fn(&Event) -> bool, what: &str| {
        let mut run = good();
        run.drop_all(kinds);
        caught(QuorumValidity::default(), &run, what);
    };
    without(|e| matches!(e, Event::Seated { .. } | Event::Tallied { .. }), "there never was a count of its verdicts");
    without(|e| matches!(e, Event::Tallied { .. }), "there never was a count of its verdicts");
    without(|e| matches!(e, Event::Seated { .. }), "there never was a draw of its committee");
    broken(votes(|a| a.extend(drawn_seats().get(5))), "names 5 attestations, and 6 were counted");
}

#[test]
fn a_decision_by_an_epoch_that_drew_nobody() {
    let mut run = good();
    run.drop_all(|e| matches!(e, Event::Voters { .. }));
    caught(QuorumValidity::default(), &run, "there never was a draw of voters in its epoch");
    broken(
        |e| {
            if let Event::Decided { epoch, .. } = e {
                *epoch = Epoch(2);
            }
        },
        "there never was a draw of voters in its epoch",
    );
}

#[test]
fn missing_evidence_is_unknown_and_late_evidence_is_not() {
    for kind in [
        (|e| matches!(e, Event::Genesis { .. })) as fn(&Event) -> bool,
        |e| matches!(e, Event::SnapshotTaken(_)),
        |e| matches!(e, Event::NeedPosted { .. }),
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
fn what_comes_late_is_not_missing() {
    for kind in [
        (|e| matches!(e, Event::Voters { .. })) as fn(&Event) -> bool,
        |e| matches!(e, Event::Seated { .. }),
        |e| matches!(e, Event::Tallied { .. }),
        |e| matches!(e, Event::Ordered { .. }),
    ] {
        let mut run = good();
        let kept: Vec<_> = run.records.iter().filter(|r| kind(&r.event)).cloned().collect();
        run.drop_all(kind);
        assert_eq!(run.finding(QuorumValidity::default()).verdict, crate::Verdict::Violated);
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

#[test]
fn a_proof_of_work_is_nobody_else_s() {
    let counted = |proofs: [u8; 2]| {
        let vote = |(n, proof): (u8, u8)| Vote {
            attest: Cid::of(&[n]),
            engine: Digest::default(),
            proof: Some(Digest([proof; 32])),
            verifier: agent(n),
        };
        let counted = [1, 2].into_iter().zip(proofs).map(vote).collect();
        let did = Did::Judged { counted, task: crate::check::fixture::task(), verdict: Counted::Pass };
        let command = Command::Snapshot { number: 1 };
        let entry = Applied::new(command.id(), Outcome::Did(vec![did]), Seq(1)).into();
        let thread = Thread::Need(crate::check::fixture::need());
        let mut run = good();
        run.tell(0, Event::Ordered { command: command.into(), entry, thread });
        run
    };
    holds(QuorumValidity::default(), &counted([1, 2]));
    holds(QuorumValidity::default(), &counted([0, 0]));
    caught(QuorumValidity::default(), &counted([1, 1]), "prove it by one and the same");
    // What a liar says it may have copied.
    let mut copied = counted([1, 1]);
    copied.edit_all(|e| {
        if let Event::Genesis { parties, .. } = e {
            *parties = parties.iter().cloned().map(|p| Party { honest: p.agent != agent(2), ..p }).collect();
        }
    });
    holds(QuorumValidity::default(), &copied);
}
