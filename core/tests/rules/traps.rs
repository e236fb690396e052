//! The traps that these rules touch, each by its number.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::kit::*;
use swarm_core::committee;
use swarm_core::id::*;
use swarm_core::plan::TaskState;
use swarm_core::quorum::{Outcome, Tally};
use swarm_core::register::{Answer, Applied, Command, Ending, Event, Proof, Says};
use swarm_core::reject::Reject;
use swarm_core::slot::Phase;
use swarm_core::time::Span;
use swarm_core::wire::*;

/// A need whose proposal is up for votes.
fn voting() -> (Stage, Cid) {
    let mut stage = Stage::new();
    stage.open();
    stage.act("p1", "propose").unwrap();
    stage.elapse("proposals").unwrap();
    let proposal = stage.record.candidates[0];
    (stage, proposal)
}

fn decided() -> Stage {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage
}

fn committed() -> Stage {
    let mut stage = decided();
    stage.lease("w1", "cut");
    stage.commit("w1", "cut");
    stage
}

#[test]
fn t11_only_k_approvals_of_drawn_voters_decide() {
    let (mut stage, proposal) = voting();
    let good = stage.approvals(&[0, 1, 2], Some(proposal));
    let approval = Body::AttestPlan(AttestPlan { policy: Digest::default(), proposal: Some(proposal) });
    let drawn: Vec<String> = stage.record.voters.clone().iter().map(|v| stage.who(v)).collect();
    let undrawn = (1..=12).map(|n| format!("v{n}")).find(|v| !drawn.contains(v)).unwrap();
    let mut with = |who: &str, edit: &dyn Fn(&mut Content)| {
        let vote = stage.say_with(who, approval.clone(), edit);
        let count = Command::Count(sorted(vec![good[0].clone(), good[1].clone(), vote]));
        stage.submit(count)
    };
    assert_eq!(with(&undrawn, &|_| ()), Err(Reject::NotEntitled), "a verifier that was not drawn");
    assert_eq!(with("w1", &|_| ()), Err(Reject::NotEntitled), "no verifier at all");
    assert_eq!(with("nobody", &|_| ()), Err(Reject::NotEntitled), "somebody from nowhere");
    let twice = if good[0].sender == id_of(&drawn[0]) { drawn[0].clone() } else { drawn[1].clone() };
    assert_eq!(with(&twice, &|_| ()), Err(Reject::Duplicate), "a second vote of a voter");
    assert_eq!(with(&drawn[3], &|c| c.epoch = Some(Epoch(2))), Err(Reject::StaleEpoch));
    assert_eq!(with(&drawn[3], &|c| c.epoch = Some(Epoch(0))), Err(Reject::StaleEpoch));
    let elsewhere = Thread::Need(NeedId::of(&AgentId([7; 32]), Nonce(1)));
    let there = |c: &mut Content| (c.thread, c.trace) = (elsewhere, trace_of(elsewhere, None));
    assert_eq!(with(&drawn[3], &there), Err(Reject::NoEvidence), "said about another need");
    assert_eq!(stage.submit(Command::Count(good[..2].to_vec())), Err(Reject::NoQuorum));
    let mut shuffled = good.clone();
    shuffled.swap(0, 2);
    assert_eq!(stage.submit(Command::Count(shuffled)), Err(Reject::NonCanonical));
    assert_eq!(stage.submit(Command::Count(vec![])), Err(Reject::NoEvidence));
    let unknown = stage.approvals(&[0, 1, 2], Some(Cid::of(b"nothing")));
    assert_eq!(stage.submit(Command::Count(unknown)), Err(Reject::NoSuchThing));
    assert!(stage.submit(Command::Count(good)).is_ok());
}

#[test]
fn t11_a_decide_is_rechecked_from_its_body_and_the_recorded_snapshot() {
    let (mut stage, proposal) = voting();
    let votes = stage.approvals(&[0, 1, 2], Some(proposal));
    stage.submit(Command::Count(votes.clone())).unwrap();
    let record = stage.record.clone();
    let decide = Decide {
        approvals: votes,
        // A quorum number in a message means nothing.
        k_plan: 1,
        proposal: record.decision.unwrap().proposal,
        snapshot: record.snapshot,
    };
    let rechecks = |decide: &Decide| {
        let snapshot = stage.system.snapshot();
        assert_eq!(decide.snapshot, snapshot.reference());
        let params = &stage.genesis.params;
        let drawn = committee::voters(&stage.need, record.epoch, snapshot, stage.body.k_plan, params).unwrap();
        let mut tally = Tally::new(drawn.k, drawn.members);
        for vote in &decide.approvals {
            let Body::AttestPlan(attest) = &vote.body else { return false };
            if vote.epoch != Some(record.epoch) || tally.count(&vote.sender, attest.proposal).is_err() {
                return false;
            }
        }
        tally.outcome() == Outcome::Reached(Some(decide.proposal.id()))
    };
    assert!(rechecks(&decide));
    assert!(!rechecks(&Decide { approvals: decide.approvals[1..].to_vec(), ..decide.clone() }));
    let doubled = [&decide.approvals[..2], &decide.approvals[..1]].concat();
    assert!(!rechecks(&Decide { approvals: doubled, ..decide.clone() }));
}

#[test]
fn t12_only_the_live_lease_may_commit() {
    let mut stage = Stage::new();
    assert_eq!(stage.act("w1", "commit cut"), Err(Reject::NoSuchThing), "nothing was opened");
    stage.decide(two_steps());
    let with = |stage: &mut Stage, who: &str, edit: &dyn Fn(&mut Content)| {
        let body = stage.parse("commit cut");
        let commit = stage.say_with(who, body, edit);
        stage.submit(Command::Act(commit))
    };
    assert_eq!(with(&mut stage, "w1", &|_| ()), Err(Reject::WrongPhase), "nobody holds it");
    stage.act("w1", "claim cut 10").unwrap();
    stage.elapse("bids cut").unwrap();
    assert_eq!(with(&mut stage, "w1", &|_| ()), Err(Reject::WrongPhase), "its bond is not booked");
    stage.relay();
    assert_eq!(with(&mut stage, "w2", &|_| ()), Err(Reject::NotEntitled), "another holds it");
    assert_eq!(with(&mut stage, "w1", &|c| c.epoch = Some(Epoch(2))), Err(Reject::StaleEpoch));
    assert_eq!(with(&mut stage, "w1", &|c| c.epoch = Some(Epoch(u64::MAX))), Err(Reject::StaleEpoch));
    for fence in [0, 2, u64::MAX] {
        assert_eq!(with(&mut stage, "w1", &|c| c.fence = Some(Fence(fence))), Err(Reject::StaleFence));
    }
    let nothing =
        Commit { outputs: Default::default(), states: vec![], task: label("cut"), telemetry: Default::default() };
    let empty = stage.say("w1", Body::Commit(nothing));
    assert_eq!(stage.submit(Command::Act(empty)), Err(Reject::BadPlan), "it must bring what the plan says");
    assert_eq!(stage.act("w1", "commit nowhere"), Err(Reject::NoSuchThing));
    assert_eq!(with(&mut stage, "w1", &|_| ()).unwrap(), "WaitClosed Accepted Asked");
    assert_eq!(with(&mut stage, "w1", &|_| ()), Err(Reject::WrongPhase), "one result per lease");
}

#[test]
fn t13_a_minority_of_clocks_closes_no_window() {
    for (n, majority) in [(3, 2), (5, 3)] {
        let mut stage = Stage::with(n, |_| {}, |_| {});
        stage.decide(two_steps());
        stage.finish("w1", "cut");
        // The fastest clocks there can be.
        for by in 1..majority {
            assert_eq!(stage.report(&format!("c{by}"), "challenge cut", Span(u64::MAX)).unwrap(), "Reported");
            assert_eq!(stage.report(&format!("c{by}"), "challenge cut", Span(u64::MAX)), Err(Reject::Duplicate));
        }
        // The others have a nanosecond to go.
        for by in majority..=n {
            stage.report(&format!("c{by}"), "challenge cut", Span(secs(100).0 - 1)).unwrap();
        }
        assert_eq!(stage.state("cut"), TaskState::Final);
        let told = stage.report(&format!("c{majority}"), "challenge cut", secs(100)).unwrap();
        assert_eq!((told.as_str(), stage.state("cut")), ("Reported WaitClosed Settled WaitOpened", TaskState::Settled));
    }
}

#[test]
fn t13_final_carries_the_verdicts_that_were_counted() {
    let mut stage = committed();
    let votes = stage.verdicts("pass cut", &[0, 1, 2]);
    stage.submit(Command::Count(votes.clone())).unwrap();
    let record = stage.record.tasks[&label("cut")].record.clone().unwrap();
    assert_eq!(record.attestations, votes.iter().map(|v| v.id()).collect::<Vec<_>>());
    assert_eq!(record.payouts.iter().filter(|p| p.due == Due::Fee).count(), 3);
    assert!(record.payouts.is_sorted());
}

#[test]
fn t14_nothing_moves_backwards_under_one_fence() {
    let mut stage = decided();
    stage.lease("w1", "cut");
    assert_eq!(stage.act("w2", "yield cut"), Err(Reject::NotEntitled), "only the holder yields");
    stage.commit("w1", "cut");
    let mut no = |who: &str, words: &str| assert_eq!(stage.act(who, words), Err(Reject::WrongPhase), "{words}");
    no("w1", "yield cut");
    no("w1", "heartbeat cut");
    no("w1", "commit cut");
    no("r1", "cancel cut");
    no("w2", "claim cut 1");
    stage.judge("pass cut").unwrap();
    assert!(stage.judge("fail cut").is_err(), "final is final");
    stage.elapse("challenge cut").unwrap();
    assert!(stage.judge("fail cut").is_err(), "settled is settled");
    assert_eq!(stage.act("w1", "yield cut"), Err(Reject::WrongPhase));
    assert_eq!(stage.state("cut"), TaskState::Settled);
}

#[test]
fn t15_an_epoch_rises_only_with_a_cause() {
    let (mut stage, proposal) = voting();
    for epoch in [2, 3, 1 << 32, u64::MAX] {
        let mut votes = Vec::new();
        for at in 0..3 {
            let name = stage.who(&stage.record.voters[at].clone());
            let body = Body::AttestPlan(AttestPlan { policy: Digest::default(), proposal: Some(proposal) });
            votes.push(stage.say_with(&name, body, |c| c.epoch = Some(Epoch(epoch))));
        }
        assert_eq!(stage.submit(Command::Count(sorted(votes))), Err(Reject::StaleEpoch));
    }
    assert_eq!(stage.record.epoch, Epoch::FIRST);
    // The decision timeout is one.
    stage.elapse("decision").unwrap();
    assert_eq!(stage.record.epoch, Epoch(2));
    let said = stage.log.iter().filter(|e| matches!(e, Event::EpochPassed { .. })).count();
    assert_eq!(said, 1);
}

#[test]
fn t16_k_is_that_of_the_recorded_snapshot() {
    let mut stage = Stage::with(3, |_| {}, |need| (need.k_plan, need.fees) = (32, Credits(200)));
    stage.open();
    let (k, snapshot) = (stage.record.k_plan, stage.record.snapshot);
    // Three tenths of twelve, whatever was wished for.
    assert_eq!(k, 3);
    // The pool changes; this epoch's K and voters do not.
    for n in 1..=11 {
        let body = Body::Unstake(Amount { amount: Credits(10_000) });
        let leave = stage.say(&format!("v{n}"), body);
        stage.submit_system(Command::Act(leave)).unwrap();
    }
    let number = stage.system.number() + 1;
    stage.submit_system(Command::Snapshot { number }).unwrap();
    assert_eq!(stage.submit_system(Command::Snapshot { number }), Err(Reject::WrongPhase), "once");
    assert_eq!(stage.submit_system(Command::Snapshot { number: number + 5 }), Err(Reject::WrongPhase));
    assert_eq!((stage.record.k_plan, stage.record.snapshot), (3, snapshot));
    stage.act("p1", "propose").unwrap();
    stage.elapse("proposals").unwrap();
    stage.elapse("decision").unwrap();
    stage.relay();
    assert_eq!((stage.record.k_plan, stage.record.snapshot.number), (1, number), "the next epoch sees the new pool");
}

#[test]
fn t17_one_bucket_function() {
    let need = |n| NeedId::of(&AgentId([7; 32]), Nonce(n));
    let golden = [(1, 256), (2, 256), (u64::MAX, 256), (1, 1), (1, 4_096), (1, 65_535)];
    let found: Vec<u16> = golden.iter().map(|(n, buckets)| need(*n).bucket(*buckets)).collect();
    assert_eq!(found, T17_GOLDEN);
    assert_eq!(need(1).bucket(0), 0, "no buckets are one");
    let used: BTreeSet<u16> = (0..4_000).map(|n| need(n).bucket(256)).collect();
    assert_eq!(used.len(), 256, "needs are spread over all");
}

/// A change of any of these is a change of where every need lives.
const T17_GOLDEN: [u16; 6] = [220, 237, 158, 0, 4_060, 1_975];

#[test]
fn t19_a_zombie_commits_nothing_after_its_lease() {
    let mut stage = decided();
    stage.lease("w1", "cut");
    let body = stage.parse("commit cut");
    let late = stage.say("w1", body.clone());
    let (beat, give_back) = (stage.parse("heartbeat cut"), stage.parse("yield cut"));
    let (beat, give_back) = (stage.say("w1", beat), stage.say("w1", give_back));
    stage.elapse("lease cut").unwrap();
    stage.relay();
    // Nobody holds it: the fence is the same, the lease is not.
    assert_eq!(stage.submit(Command::Act(Arc::clone(&late))), Err(Reject::WrongPhase));
    stage.lease("w2", "cut");
    for zombie in [&late, &beat, &give_back] {
        assert_eq!(stage.submit(Command::Act(Arc::clone(zombie))), Err(Reject::StaleFence));
    }
    // Even under the successor's fence it is not the holder.
    let guess = stage.say("w1", body);
    assert_eq!(stage.submit(Command::Act(guess)), Err(Reject::NotEntitled));
    stage.commit("w2", "cut");
    let tasks = &stage.record.tasks[&label("cut")];
    assert_eq!(tasks.commit.as_ref().unwrap().sender, id_of("w2"));
    assert_eq!(stage.submit(Command::Act(late)), Err(Reject::StaleFence));
}

#[test]
fn t19_a_price_asked_for_one_attempt_is_not_asked_for_another() {
    let mut stage = decided();
    let body = stage.parse("claim cut 20");
    let loser = stage.say("w2", body);
    stage.lease("w1", "cut");
    stage.elapse("lease cut").unwrap();
    stage.relay();
    assert_eq!(stage.submit(Command::Act(loser)), Err(Reject::StaleFence));
    assert_eq!(stage.act("w2", "claim cut 20").unwrap(), "Bid");
}

#[test]
fn t20_whatever_is_submitted_again_has_no_second_effect() {
    let mut stage = Stage::new();
    let mut said: Vec<Command> = Vec::new();
    let step = |stage: &mut Stage, said: &mut Vec<Command>, command: Command| {
        let told = stage.submit(command.clone());
        assert!(told.is_ok(), "{told:?}");
        said.push(command);
        for again in said.iter() {
            let told = stage.submit(again.clone());
            assert!(told.is_err(), "{again:?} had a second effect: {told:?}");
        }
    };
    let act = |stage: &mut Stage, said: &mut Vec<Command>, who: &str, words: &str| {
        let body = stage.parse(words);
        let envelope = stage.say(who, body);
        step(stage, said, Command::Act(envelope));
    };
    let carry = |stage: &mut Stage, said: &mut Vec<Command>| {
        loop {
            let letters = stage.letters();
            if letters.is_empty() {
                return;
            }
            for (to, command) in letters {
                if to == Thread::System {
                    stage.submit_system(command.clone()).unwrap();
                    let again = stage.submit_system(command);
                    assert!(again.is_err(), "{again:?}");
                } else if stage.record.check(stage.seq.next(), &command, &stage.system).is_ok() {
                    step(stage, said, command);
                }
            }
            stage.reveal();
        }
    };
    let wait = |stage: &mut Stage, said: &mut Vec<Command>, words: &str| {
        let watch = stage.record.waits[&Stage::waiting(words)].clone();
        for by in ["c1", "c2"] {
            let report = timed(by, stage.thread(), watch.total, watch.segment);
            step(stage, said, report);
        }
    };
    let s = &mut stage;
    act(s, &mut said, "r1", "need");
    carry(s, &mut said);
    act(s, &mut said, "p1", "propose");
    wait(s, &mut said, "proposals");
    let proposal = s.record.candidates[0];
    let votes = s.approvals(&[0, 1, 2], Some(proposal));
    step(s, &mut said, Command::Count(votes));
    act(s, &mut said, "w1", "claim cut 10");
    wait(s, &mut said, "bids cut");
    carry(s, &mut said);
    act(s, &mut said, "w1", "heartbeat cut");
    act(s, &mut said, "r1", "cancel join");
    act(s, &mut said, "w1", "commit cut");
    carry(s, &mut said);
    let votes = s.verdicts("pass cut", &[0, 1, 2]);
    step(s, &mut said, Command::Count(votes));
    wait(s, &mut said, "challenge cut");
    wait(s, &mut said, "late cut");
    carry(s, &mut said);
    assert_eq!((s.record.phase, s.open_pots()), (Phase::Over(Ending::Cancelled), 0));
}

#[test]
fn t20_one_heartbeat_prolongs_once_and_one_cancel_ends_once() {
    let mut stage = decided();
    stage.lease("w1", "cut");
    let body = stage.parse("cancel");
    let cancel = stage.say("r1", body);
    // Only the child is idle.
    assert_eq!(stage.submit(Command::Act(cancel.clone())).unwrap(), "TaskEnded");
    let body = stage.parse("heartbeat cut");
    let beat = stage.say("w1", body);
    assert_eq!(stage.submit(Command::Act(beat.clone())).unwrap(), "Renewed");
    assert_eq!(stage.submit(Command::Act(beat)), Err(Reject::Duplicate));
    stage.act("w1", "yield cut").unwrap();
    stage.relay();
    assert_eq!(stage.submit(Command::Act(cancel)), Err(Reject::Duplicate), "the parent, idle again, was not meant");
}

#[test]
fn t42_the_worker_is_paid_from_the_budget_and_the_rest_goes_back() {
    let mut stage = decided();
    stage.finish("w1", "cut");
    // The child fails; the parent's work is paid all the same.
    for _ in 0..3 {
        stage.elapse("bids join").unwrap();
    }
    stage.elapse("challenge cut").unwrap();
    assert_eq!(stage.available("w1"), 1_000_000 - 2, "its bond is still held");
    stage.elapse("late cut").unwrap();
    stage.relay();
    assert_eq!((stage.record.phase, stage.available("w1")), (Phase::Over(Ending::Failed), 1_000_010));
    assert_eq!((stage.available("r1"), stage.open_pots()), (1_000_000 - 10 - 12, 0));
}

#[test]
fn t45_newcomers_have_no_standing_in_what_was_opened_before() {
    let mut stage = Stage::new();
    stage.open();
    let manifest = Body::Manifest(manifest_of("w9", vec![Role::Worker, Role::Planner]));
    let join = stage.say("w9", manifest);
    assert_eq!(stage.submit_system(Command::Act(Arc::clone(&join))).unwrap(), "Registered");
    stage.submit_system(Command::Snapshot { number: 2 }).unwrap();
    let propose = stage.parse("propose");
    let propose = stage.say_with("w9", propose, |c| c.capability.manifest = join.id());
    assert_eq!(stage.submit(Command::Act(propose)), Err(Reject::NotEntitled));
    // Who changes its manifest acts under the one that was recorded.
    let changed = stage.say("p1", Body::Manifest(Manifest { tier: 3, ..manifest_of("p1", vec![Role::Planner]) }));
    stage.submit_system(Command::Act(Arc::clone(&changed))).unwrap();
    stage.submit_system(Command::Snapshot { number: 3 }).unwrap();
    let body = stage.parse("propose");
    let under_new = stage.say_with("p1", body.clone(), |c| c.capability.manifest = changed.id());
    assert_eq!(stage.submit(Command::Act(under_new)), Err(Reject::NotInManifest));
    let other_name = stage.say_with("p1", body, |c| c.capability.name = label("other"));
    assert_eq!(stage.submit(Command::Act(other_name)), Err(Reject::NotInManifest));
    assert_eq!(stage.act("w1", "propose"), Err(Reject::WrongRole));
    assert_eq!(stage.act("p1", "propose").unwrap(), "Proposed");
}

#[test]
fn t68_a_reveal_is_its_makers_due_and_true() {
    let mut stage = decided();
    stage.lease("w1", "cut");
    stage.act("w1", "commit cut").unwrap();
    stage.relay();
    let round = stage.system.open_round().unwrap();
    let mut reveal = |by: &str, of: &str, index, round| {
        let value = crate::kit::value(of, index);
        stage.submit_system(word(by, Thread::System, Says::Reveal { round, value }))
    };
    assert_eq!(reveal("c1", "c1", 2, round), Err(Reject::WrongReveal), "another round's value");
    assert_eq!(reveal("c1", "c2", 1, round), Err(Reject::WrongReveal), "another's value");
    assert_eq!(reveal("s1", "s1", 1, round), Err(Reject::NotEntitled));
    for far in [round + 1, round + 5_000, u32::MAX] {
        assert_eq!(reveal("c1", "c1", 1, far), Err(Reject::WrongPhase), "a round that is not open");
    }
    assert_eq!(reveal("c1", "c1", 1, 0), Err(Reject::Expired));
    assert!(reveal("c1", "c1", 1, round).is_ok());
    assert_eq!(reveal("c1", "c1", 1, round), Err(Reject::Duplicate));
    assert!(reveal("c2", "c2", 1, round).is_ok());
    assert!(reveal("c3", "c3", 1, round).unwrap().contains("RoundClosed Answered"));
    // What comes late is void for good, so that nobody carries it for ever.
    assert_eq!(reveal("c3", "c3", 1, round), Err(Reject::Expired));
}

/// Whoever reveals last knows what comes of any pool, and of any word on who is related to whom: neither changes what a round draws
/// once that is open.
#[test]
fn t68_whom_a_round_draws_is_fixed_when_it_opens() {
    let drawn = |meddle: &dyn Fn(&mut Stage)| {
        let mut stage = decided();
        stage.lease("w1", "cut");
        stage.act("w1", "commit cut").unwrap();
        stage.relay();
        let pool = stage.system.snapshot().reference();
        meddle(&mut stage);
        stage.reveal();
        stage.relay();
        let task = &stage.record.tasks[&label("cut")];
        assert!(!task.seats.is_empty() && task.snapshot == pool);
        task.seats.clone()
    };
    let as_it_was = drawn(&|_| {});
    let takes_a_snapshot = |stage: &mut Stage, word: Arc<Envelope>| {
        stage.submit_system(Command::Act(word)).unwrap();
        let number = stage.system.number() + 1;
        stage.submit_system(Command::Snapshot { number }).unwrap();
    };
    for amount in [40, 41, 42, 43] {
        let staked = drawn(&|stage| {
            let more = stage.say("v1", Body::Stake(Amount { amount: Credits(amount) }));
            takes_a_snapshot(stage, more);
        });
        assert_eq!(staked, as_it_was, "{amount} more at stake");
    }
    for seated in &as_it_was {
        let befriended = drawn(&|stage| {
            let org = format!("org-{}", stage.who(seated));
            let manifest = Manifest { org, ..manifest_of("w1", vec![Role::Worker]) };
            let word = stage.say("w1", Body::Manifest(manifest));
            takes_a_snapshot(stage, word);
        });
        assert_eq!(befriended, as_it_was, "the worker says late that it belongs to one who would judge it");
    }
}

#[test]
fn t68_a_silent_coordinator_is_omitted_by_stopwatch_and_may_skip_on() {
    let mut stage = decided();
    stage.lease("w1", "cut");
    stage.act("w1", "commit cut").unwrap();
    stage.relay();
    let silence = |stage: &mut Stage| {
        let (_, watch) = stage.system.waits().iter().next_back().unwrap();
        let (segment, elapsed) = (watch.segment, watch.total);
        let first = stage.submit_system(timed("c1", Thread::System, elapsed, segment));
        assert_eq!(first.unwrap(), "Reported");
        stage.submit_system(timed("c2", Thread::System, elapsed, segment)).unwrap()
    };
    // With nobody's value there is no seed: the wait goes on.
    assert_eq!(silence(&mut stage), "Reported WaitClosed");
    let value = value("c1", 1);
    stage.submit_system(word("c1", Thread::System, Says::Reveal { round: 1, value })).unwrap();
    assert_eq!(silence(&mut stage), "Reported WaitClosed RoundClosed Answered");
    stage.relay();
    assert_eq!(stage.state("cut"), TaskState::Verifying);
    // The silent ones' next values are two steps from their anchors.
    stage.elapse("verdicts cut").unwrap();
    stage.relay();
    stage.lease("w2", "cut");
    stage.commit("w2", "cut");
}

#[test]
fn t70_a_verdict_after_the_quorum_changes_nothing() {
    let mut stage = committed();
    let votes = stage.verdicts("pass cut", &[0, 1, 2]);
    let late = stage.verdicts("fail cut", &[3, 4]);
    let mut more = votes.clone();
    more.extend(stage.verdicts("pass cut", &[3]));
    assert_eq!(stage.submit(Command::Count(sorted(more))), Err(Reject::WrongPhase), "more than decides is refused");
    stage.submit(Command::Count(votes.clone())).unwrap();
    let record = stage.record.tasks[&label("cut")].record.clone();
    let mut others = late;
    others.extend(stage.verdicts("pass cut", &[3, 4]));
    for extra in others {
        assert!(stage.submit(Command::Count(vec![extra])).is_err());
    }
    assert!(stage.submit(Command::Count(votes)).is_err());
    assert_eq!(stage.record.tasks[&label("cut")].record, record);
}

#[test]
fn t70_verdicts_count_for_one_commit_one_attempt_one_seat() {
    let mut stage = committed();
    let good = stage.verdicts("pass cut", &[0, 1, 2]);
    let Body::Attest(body) = good[0].body.clone() else { panic!("an ATTEST") };
    let member = stage.who(&stage.record.tasks[&label("cut")].seats[3].clone());
    let mixed = stage.approvals(&[0], None);
    let votes = sorted([&good[..2], &mixed[..]].concat());
    assert!(stage.submit(Command::Count(votes)).is_err(), "a vote on plans is no verdict");
    let mut with = |who: &str, body: &Attest, edit: &dyn Fn(&mut Content)| {
        let vote = stage.say_with(who, Body::Attest(body.clone()), edit);
        let votes = sorted(vec![good[0].clone(), good[1].clone(), vote]);
        stage.submit(Command::Count(votes))
    };
    assert_eq!(with(&member, &Attest { commit: Cid::of(b"x"), ..body.clone() }, &|_| ()), Err(Reject::StaleFence));
    assert!(with(&member, &Attest { task: label("join"), ..body.clone() }, &|_| ()).is_err());
    assert_eq!(with(&member, &body, &|c| c.fence = Some(Fence(9))), Err(Reject::StaleFence));
    assert_eq!(with("w1", &body, &|_| ()), Err(Reject::NotEntitled), "the worker does not judge itself");
    assert_eq!(with("p1", &body, &|_| ()), Err(Reject::NotEntitled), "nor does the planner");
    assert!(with(&member, &body, &|_| ()).is_ok());
}

#[test]
fn t72_segments_never_add_up() {
    let mut stage = decided();
    stage.lease("w1", "cut");
    let old = stage.record.waits[&Stage::waiting("lease cut")].segment;
    stage.report("c1", "lease cut", secs(59)).unwrap();
    stage.report("c2", "lease cut", secs(59)).unwrap();
    stage.act("w1", "heartbeat cut").unwrap();
    stage.elapse("lease cut").unwrap();
    let report =
        |stage: &mut Stage, by: &str, segment, elapsed| stage.submit(timed(by, stage.thread(), elapsed, segment));
    for by in ["c1", "c2", "c3"] {
        assert_eq!(report(&mut stage, by, old, secs(60)), Err(Reject::WrongSegment));
    }
    let new = stage.record.waits[&Stage::waiting("lease cut")].segment;
    assert!(new > old);
    report(&mut stage, "c1", new, secs(60)).unwrap();
    report(&mut stage, "c2", new, secs(1)).unwrap();
    assert_eq!(stage.state("cut"), TaskState::Leased, "59 of one segment and 1 of another are not 60");
    assert_eq!(report(&mut stage, "s1", new, secs(60)), Err(Reject::NotEntitled));
    for segment in [0, new.0 + 1, u64::MAX] {
        assert_eq!(report(&mut stage, "c2", Segment(segment), secs(60)), Err(Reject::WrongSegment));
    }
    report(&mut stage, "c2", new, secs(60)).unwrap();
    assert_eq!(stage.state("cut"), TaskState::Idle);
}

/// Two of seven may lie. With a bare majority they and two of the others would end a wait that three of those have not seen.
#[test]
fn t72_stopwatches_that_lie_leave_a_wait_to_a_majority_of_the_others() {
    let mut stage = Stage::with(7, |params| params.liars_max = 2, |_| {});
    stage.decide(two_steps());
    stage.lease("w1", "cut");
    for by in ["c1", "c2", "c3", "c4"] {
        stage.report(by, "lease cut", secs(60)).unwrap();
        assert_eq!(stage.state("cut"), TaskState::Leased, "{by}");
    }
    stage.report("c5", "lease cut", secs(60)).unwrap();
    assert_eq!(stage.state("cut"), TaskState::Idle);
}

/// What is left of a window that is disputed is what as many have not seen as it takes to end it.
#[test]
fn t72_stopwatches_that_lie_shorten_no_window_that_stands_still() {
    let params = swarm_core::config::Params { liars_max: 2, ..Default::default() };
    assert_eq!((params.end_at(7), swarm_core::config::Params::default().end_at(7)), (5, 4));
    let mut watch = swarm_core::slot::Stopwatch::new(Segment(1), secs(60));
    for (by, said) in [("c1", 60), ("c2", 60), ("c3", 20), ("c4", 20), ("c5", 10)] {
        watch.report(id_of(by), secs(said));
    }
    assert_eq!((watch.agreed(params.end_at(7)), watch.is_over(params.end_at(7))), (secs(10), false));
}

#[test]
fn t73_a_crash_between_two_threads_loses_nothing() {
    let mut stage = Stage::new();
    stage.act("r1", "need").unwrap();
    let [(_, ask)] = stage.letters().try_into().unwrap();
    stage.submit_system(ask.clone()).unwrap();
    assert_eq!(stage.open_pots(), 1);
    // Whoever carried it is gone before the answer was; another carries both again.
    assert_eq!(stage.submit_system(ask), Err(Reject::Duplicate));
    let [(_, answer)] = stage.letters().try_into().unwrap();
    assert_eq!((stage.open_pots(), stage.record.phase), (1, Phase::Opening));
    stage.submit(answer.clone()).unwrap();
    assert_eq!(stage.submit(answer), Err(Reject::Duplicate));
    assert_eq!(stage.record.phase, Phase::Open);
    stage.act("r1", "cancel").unwrap();
    stage.relay();
    assert_eq!((stage.open_pots(), stage.available("r1")), (0, 1_000_000));
}

#[test]
fn t73_asks_are_carried_out_in_order() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.lease("w1", "cut");
    stage.act("w1", "yield cut").unwrap();
    let [first] = stage.letters().try_into().unwrap();
    stage.act("r1", "cancel").unwrap();
    let [second] = stage.letters().try_into().unwrap();
    // The end of the need before the end of its last attempt would leave the bond's return unpaid.
    assert_eq!(stage.submit_system(second.1.clone()), Err(Reject::WrongPhase));
    stage.submit_system(first.1).unwrap();
    stage.submit_system(second.1).unwrap();
    assert_eq!(stage.open_pots(), 0);
}

#[test]
fn t73_a_need_is_taken_up_in_its_own_thread_only() {
    let mut stage = Stage::new();
    let body = stage.body.clone();
    let other = stage.say_with("r1", Body::Need(body), |c| {
        c.nonce = Nonce(2);
        c.thread = Thread::Need(NeedId::of(&c.sender, c.nonce));
        c.trace = trace_of(c.thread, None);
    });
    // Were it taken up here, its escrow would be set aside under this thread's name and nobody could ever end it.
    assert_eq!(stage.submit(Command::Act(other)), Err(Reject::NoEvidence));
    assert_eq!(stage.record.phase, Phase::Absent);
}

#[test]
fn t75_what_one_sender_says_counts_in_any_order() {
    let bodies = |stage: &mut Stage| -> Vec<Arc<Envelope>> {
        let plans = [two_steps(), side_by_side(3)];
        let say = |stage: &mut Stage, n: usize| {
            let body = Body::Propose(propose(plans[n % 2].clone(), n as u32));
            let who = if n < 2 { "p1" } else { "p2" };
            stage.say_with(who, body, |c| (c.nonce, c.lamport) = (Nonce(50 + n as u64), Lamport(50 + n as u64)))
        };
        (0..4).map(|n| say(stage, n)).collect()
    };
    let run = |order: [usize; 4]| {
        let mut stage = Stage::new();
        stage.open();
        let said = bodies(&mut stage);
        for at in order {
            stage.submit(Command::Act(Arc::clone(&said[at]))).unwrap();
        }
        stage.elapse("proposals").unwrap();
        (stage.record.candidates.clone(), stage.record.proposals.len())
    };
    let there = run([0, 1, 2, 3]);
    assert_eq!(run([3, 2, 1, 0]), there);
    assert_eq!(run([2, 0, 3, 1]), there);
}

#[test]
fn t79_every_state_has_an_exit_that_ends_its_pots() {
    // In every state a need can be in, the world falls silent: nobody speaks, clocks run on and asks are answered.
    type Drive = fn(&mut Stage);
    let states: [(&str, Drive); 15] = [
        ("opening", |s| drop(s.act("r1", "need"))),
        ("open", |s| s.open()),
        ("voting", |s| {
            s.open();
            s.act("p1", "propose").unwrap();
            s.elapse("proposals").unwrap();
        }),
        ("between epochs", |s| {
            s.open();
            s.elapse("proposals").unwrap();
        }),
        ("decided", |s| s.decide(two_steps())),
        ("a bid", |s| {
            s.decide(two_steps());
            s.act("w1", "claim cut 10").unwrap();
        }),
        ("granting", |s| {
            s.decide(two_steps());
            s.act("w1", "claim cut 10").unwrap();
            s.elapse("bids cut").unwrap();
        }),
        ("leased", |s| {
            s.decide(two_steps());
            s.lease("w1", "cut");
        }),
        ("renewed", |s| {
            s.decide(two_steps());
            s.lease("w1", "cut");
            s.act("w1", "heartbeat cut").unwrap();
        }),
        ("drawing", |s| {
            s.decide(two_steps());
            s.lease("w1", "cut");
            s.act("w1", "commit cut").unwrap();
        }),
        ("verifying", |s| {
            s.decide(two_steps());
            s.lease("w1", "cut");
            s.commit("w1", "cut");
        }),
        ("final", |s| {
            s.decide(two_steps());
            s.finish("w1", "cut");
        }),
        ("settled", |s| {
            s.decide(two_steps());
            s.finish("w1", "cut");
            s.elapse("challenge cut").unwrap();
        }),
        ("all paid", |s| {
            s.decide(two_steps());
            for (who, task) in [("w1", "cut"), ("w2", "join")] {
                s.finish(who, task);
                for window in ["challenge", "late"] {
                    s.elapse(&format!("{window} {task}")).unwrap();
                }
            }
        }),
        ("cancelled in part", |s| {
            s.decide(two_steps());
            s.lease("w1", "cut");
            s.act("r1", "cancel").unwrap();
        }),
    ];
    let (mut seen, mut phases) = (BTreeSet::new(), BTreeSet::new());
    for (what, drive) in states {
        for unseatable in [false, true] {
            let mut stage = Stage::new();
            drive(&mut stage);
            seen.extend(stage.task_states());
            phases.insert(format!("{:?}", stage.record.phase));
            if unseatable {
                // Nobody can sit any more either.
                for n in 1..=12 {
                    let body = Body::Unstake(Amount { amount: Credits(10_000) });
                    let leave = stage.say(&format!("v{n}"), body);
                    stage.submit_system(Command::Act(leave)).unwrap();
                }
                stage.submit_system(Command::Snapshot { number: 2 }).unwrap();
            }
            fall_silent(&mut stage, what);
            seen.extend(stage.task_states());
            phases.insert(format!("{:?}", stage.record.phase));
            assert!(stage.record.is_over(), "{what}: {:?}", stage.record.phase);
            let ledger = stage.system.ledger();
            assert_eq!((stage.open_pots(), ledger.all_liens().count()), (0, 0), "{what}");
            let all: u64 = ledger.balances().map(|(_, b)| b.available.0 + b.staked.0 + b.unbonding.0).sum();
            assert_eq!(all, ledger.minted().0, "{what}: everything lies in somebody's account");
        }
    }
    use TaskState::*;
    let all = [Idle, Granting, Leased, Drawing, Verifying, Final, Settled, Paid, Failed, Cancelled];
    assert!(all.iter().all(|state| seen.contains(state)), "a state was not driven: {seen:?}");
    let all = ["Decided", "Open", "Opening", "Over(Cancelled)", "Over(Closed)", "Over(Failed)"];
    assert_eq!(phases.iter().map(String::as_str).collect::<Vec<_>>(), all, "a phase was not driven");
}

/// Nobody speaks any more; coordinators carry, reveal and measure until nothing is left to wait for.
fn fall_silent(stage: &mut Stage, what: &str) {
    for _ in 0..200 {
        stage.relay();
        stage.reveal();
        stage.relay();
        if stage.record.is_over() {
            return;
        }
        let Some((_, watch)) = stage.record.waits.iter().next() else {
            panic!("{what}: stuck in {:?} with nothing to wait for", stage.record.phase);
        };
        let (segment, elapsed) = (watch.segment, watch.total);
        for by in ["c1", "c2"] {
            stage.submit(timed(by, stage.thread(), elapsed, segment)).unwrap();
        }
    }
    panic!("{what}: no end");
}

#[test]
fn an_expired_envelope_is_no_evidence() {
    let mut stage = Stage::new();
    let body = stage.parse("need");
    let next = stage.seq.next();
    let gone = stage.say_with("r1", body.clone(), |c| c.expires = Some(Expires::Register(Seq(next.0 - 1))));
    assert_eq!(stage.submit(Command::Act(gone)), Err(Reject::Expired));
    stage.open();
    stage.act("p1", "propose").unwrap();
    stage.elapse("proposals").unwrap();
    let proposal = stage.record.candidates[0];
    let mut votes = stage.approvals(&[0, 1], Some(proposal));
    let name = stage.who(&stage.record.voters[2].clone());
    let body = Body::AttestPlan(AttestPlan { policy: Digest::default(), proposal: Some(proposal) });
    for expires in [Expires::Register(Seq(1)), Expires::Lamport(Lamport(1))] {
        let stale = stage.say_with(&name, body.clone(), |c| c.expires = Some(expires));
        let count = Command::Count(sorted([&votes[..], &[stale]].concat()));
        assert_eq!(stage.submit(count), Err(Reject::Expired));
    }
    votes.push(stage.say_with(&name, body, |c| c.expires = Some(Expires::Register(Seq(9_999)))));
    stage.submit(Command::Count(sorted(votes))).unwrap();
    // Acts of the system thread count its own entries.
    let amount = AmountTo { amount: Credits(5), to: id_of("w2") };
    let late = stage.say_with("w1", Body::Transfer(amount.clone()), |c| c.expires = Some(Expires::Register(Seq(1))));
    assert_eq!(stage.submit_system(Command::Act(late)), Err(Reject::Expired));
    let timely = stage.say("w1", Body::Transfer(amount));
    assert!(stage.submit_system(Command::Act(Arc::clone(&timely))).is_ok());
    assert_eq!(stage.submit_system(Command::Act(timely)), Err(Reject::Duplicate));
}

#[test]
fn a_need_with_hostile_numbers_is_refused() {
    let max = Credits(u64::MAX);
    type Edit = (&'static str, fn(&mut Need));
    let edits: [Edit; 8] = [
        ("budget", |n| n.budget = Credits(u64::MAX)),
        ("fees", |n| n.fees = Credits(u64::MAX)),
        ("both", |n| (n.budget, n.fees) = (Credits(u64::MAX), Credits(u64::MAX))),
        ("fee", |n| n.fee = Credits(u64::MAX)),
        ("fee above its class", |n| n.fee = Credits(11)),
        ("fees too small for one result", |n| n.fees = Credits(15)),
        ("no plan quorum", |n| n.k_plan = 0),
        ("no result quorum", |n| n.k_result = 0),
    ];
    for (what, edit) in edits {
        let mut stage = Stage::with(3, |_| {}, edit);
        assert_eq!(stage.act("r1", "need"), Err(Reject::OutOfBounds), "{what}");
    }
    // As much as there may ever be: the sums still fit.
    let most = Credits(u64::MAX / 4);
    let mut stage = Stage::with(
        3,
        |p| (p.supply_max, p.bond_bp) = (most, 10_000),
        |n| (n.budget, n.fees) = (Credits(u64::MAX / 4 - 1_000), Credits(1_000)),
    );
    stage.act("r1", "need").unwrap();
    assert_eq!(stage.relay(), "Answered Over", "nobody has so much");
    assert_eq!(max.share(10_000), max);
    assert_eq!(Credits(19_999).share(5_000), Credits(9_999));
}

#[test]
fn answers_to_others_and_forged_answers_are_refused() {
    let mut stage = Stage::new();
    stage.act("r1", "need").unwrap();
    let [(_, ask)] = stage.letters().try_into().unwrap();
    stage.submit_system(ask).unwrap();
    let (_, entry) = stage.mail.back().cloned().unwrap();
    let at = entry.outcome.events().iter().position(|e| matches!(e, Event::Answered { .. })).unwrap();
    let proof = stage.proof(Thread::System, &entry, at);
    let mut no = |proof: Proof, why| assert_eq!(stage.submit(Command::Relay(proof)), Err(Reject::NoEvidence), "{why}");
    no(Proof { vouchers: proof.vouchers[..1].to_vec(), ..proof.clone() }, "one voucher is no majority");
    no(Proof { vouchers: vec![], ..proof.clone() }, "none is none");
    no(Proof { at: 7, ..proof.clone() }, "no such event");
    no(Proof { thread: Thread::Need(NeedId::of(&AgentId([7; 32]), Nonce(1))), ..proof.clone() }, "of another thread");
    let mut events = entry.outcome.events().to_vec();
    if let Event::Answered { answer: Answer::Escrowed { voters, .. }, .. } = &mut events[at] {
        voters.truncate(1);
    }
    let forged = Applied::new(entry.command, swarm_core::register::Outcome::Did(events), entry.seq);
    no(Proof { entry: forged, ..proof.clone() }, "changed on the way");
    let mut other = Stage::with(3, |_| {}, |_| {});
    other.need = NeedId::of(&id_of("r1"), Nonce(9));
    other.record = swarm_core::slot::Record::new(other.need);
    other.follower = other.record.clone();
    assert_eq!(other.submit(Command::Relay(proof.clone())), Err(Reject::NoEvidence), "of another need");
    assert!(stage.submit(Command::Relay(proof)).is_ok());
    let (segment, watch) =
        stage.record.waits.values().map(|watch| (watch.segment, watch)).next().expect("one is running");
    let (elapsed, thread) = (watch.total, stage.thread());
    for wrong in [
        Command::Snapshot { number: 2 },
        word("c1", thread, Says::Reveal { round: 1, value: Digest::default() }),
        timed("c1", Thread::System, elapsed, segment),
    ] {
        assert_eq!(stage.submit(wrong), Err(Reject::WrongFields));
    }
    assert_eq!(stage.submit(timed("c1", thread, elapsed, segment)).unwrap(), "Reported", "said where it was meant");
    let own = Says::Elapsed { elapsed: secs(24 * 3_600), segment: Segment(1) };
    assert_eq!(
        stage.submit_system(word("c1", thread, own.clone())),
        Err(Reject::WrongFields),
        "said of another thread"
    );
    assert_eq!(stage.submit_system(word("c1", Thread::System, own)).unwrap(), "Reported");
}

#[test]
fn t74_one_stake_backs_no_more_seats_than_it_covers() {
    // Stake for one seat each: a second committee at the same time finds too few.
    let mut stage = Stage::with(
        3,
        |p| (p.lien, p.stake_min) = (Credits(10_000), Credits(1_000)),
        |n| {
            (n.fees, n.produces) = (Credits(200), vec![label("total")]);
        },
    );
    stage.decide(side_by_side(4));
    for (who, task) in [("w1", "t0"), ("w2", "t1"), ("w3", "t2"), ("w1", "t3")] {
        stage.lease(who, task);
    }
    for (who, task) in [("w1", "t0"), ("w2", "t1"), ("w3", "t2"), ("w1", "t3")] {
        stage.act(who, &format!("commit {task}")).unwrap();
        stage.relay();
        stage.reveal();
        stage.relay();
    }
    let (mut seats, mut seated) = (Vec::new(), 0);
    for task in stage.record.tasks.values() {
        seats.extend(task.seats.clone());
        seated += usize::from(task.state == TaskState::Verifying);
    }
    let distinct: BTreeSet<_> = seats.iter().collect();
    assert_eq!(distinct.len(), seats.len(), "no verifier sits twice on one stake");
    assert!((2..4).contains(&seated), "{seated} committees were seated, the others wait for stake");
    assert_eq!(stage.system.ledger().all_liens().count(), seats.len());
    fall_silent(&mut stage, "the rest");
    assert_eq!((stage.open_pots(), stage.system.ledger().all_liens().count()), (0, 0));
}
