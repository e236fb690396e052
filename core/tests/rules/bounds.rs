//! What one party may take: of a lease, of the room for proposals, of a task's attempts, of an envelope.

use std::sync::Arc;

use crate::host::Host;
use crate::kit::*;
use crate::nodes::{refused, said_by};
use swarm_core::id::*;
use swarm_core::ledger::Booking;
use swarm_core::node::Note;
use swarm_core::plan::{Fact, TaskState};
use swarm_core::register::{Applied, Command, Ending, Event, Says};
use swarm_core::reject::Reject;
use swarm_core::slot::Phase;
use swarm_core::wire::bounds::{ATTEST_PLAN_BYTES_MAX, K_PLAN_MAX, propose_bytes_max};
use swarm_core::wire::*;

/// Holds `cut` for a bid of `cost` and `eta_ms`.
fn leased(cost: u64, eta_ms: u32) -> Stage {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    lease(&mut stage, "w1", cost, eta_ms);
    stage
}

fn lease(stage: &mut Stage, who: &str, cost: u64, eta_ms: u32) {
    let claim = stage.say(who, Body::Claim(Claim { cost: Credits(cost), eta_ms, task: label("cut") }));
    stage.submit(Command::Act(claim)).unwrap();
    stage.elapse("bids cut").unwrap();
    stage.relay();
    assert_eq!(stage.state("cut"), TaskState::Leased);
}

/// However late each heartbeat comes, a lease of 60 s for an eta ends after 1.5 x the eta; and none cuts off what was granted.
#[test]
fn t19_a_lease_is_stretched_to_one_and_a_half_eta_and_no_further() {
    for (eta_s, most_s) in [(1, 60), (40, 60), (41, 61), (60, 90), (80, 120), (100, 150), (200, 300)] {
        let mut stage = leased(10, eta_s * 1_000);
        let mut held_ms = 0;
        while stage.state("cut") == TaskState::Leased {
            held_ms += stage.record.waits[&Stage::waiting("lease cut")].total.as_ms();
            match stage.act("w1", "heartbeat cut") {
                Ok(told) => {
                    assert_eq!(told, "Renewed", "it waits behind the stretch that runs");
                    assert_eq!(stage.act("w1", "heartbeat cut"), Err(Reject::NotBetter), "one at a time");
                }
                Err(reject) => assert_eq!(reject, Reject::OutOfBounds),
            }
            stage.elapse("lease cut").unwrap();
        }
        assert_eq!(held_ms / 1_000, most_s, "for an eta of {eta_s} s");
    }
}

#[test]
fn t21_no_planner_takes_all_the_room_for_proposals() {
    let mut stage = Stage::new();
    stage.open();
    for ballot in 1..=16 {
        let told = stage.act("p1", &format!("propose {ballot}"));
        assert_eq!(told.err(), (ballot > 2).then_some(Reject::NoRoom));
    }
    assert_eq!(stage.act("p2", "propose 1").unwrap(), "Proposed");
}

#[test]
fn who_yields_pays_at_least_a_credit_and_is_not_granted_the_task_again() {
    let mut stage = leased(1, 1_000);
    assert_eq!(stage.available("w1"), 1_000_000 - 2, "a tenth of the task's cap");
    stage.act("w1", "yield cut").unwrap();
    stage.relay();
    assert_eq!(stage.available("w1"), 1_000_000 - 1);
    assert_eq!(stage.act("w1", "claim cut 1"), Err(Reject::NotEntitled));
    lease(&mut stage, "w2", 1, 1_000);
}

#[test]
fn waits_in_which_nobody_could_do_their_part_are_not_opened() {
    type Set = (u32, fn(&mut Windows, u32));
    let floors: [Set; 4] = [
        (60_000, |waits, ms| waits.challenge_ms = ms),
        (10_000, |waits, ms| waits.decision_ms = ms),
        (60_000, |waits, ms| waits.lease_ms = ms),
        // In 10 ms no committee passes anything, and the requester would have the work for nothing.
        (30_000, |waits, ms| waits.verify_ms = ms),
    ];
    for (least, set) in floors {
        for (ms, told) in [(least - 1, Err(Reject::OutOfBounds)), (least, Ok("Opening Asked".to_owned()))] {
            let mut stage = Stage::with(3, |_| {}, |need| set(&mut need.windows, ms));
            assert_eq!(stage.act("r1", "need"), told);
        }
    }
}

/// A PROPOSE of one task with so many bytes of remarks.
fn wordy(bytes: usize) -> Vec<Fact> {
    let mut plan = vec![task("cut", "text", "total")];
    for n in 0..bytes / 1_000 {
        let key = label(&format!("k{n}"));
        plan.push(Fact::Annotate { key, task: label("cut"), value: "x".repeat(1_000) });
    }
    plan
}

#[test]
fn t11_what_is_proposed_fits_into_its_decide_with_every_approval() {
    for k_plan in [1, 3] {
        let mut longest = 0;
        for bytes in (40_000..64_000).step_by(1_000) {
            let mut stage = Stage::with(3, |_| {}, |need| need.k_plan = k_plan);
            stage.open();
            let proposal = stage.say("p1", Body::Propose(propose(wordy(bytes), 1)));
            let length = proposal.bytes().len();
            let told = stage.submit(Command::Act(Arc::clone(&proposal)));
            if length > propose_bytes_max(k_plan) {
                assert_eq!(told, Err(Reject::Oversize));
                continue;
            }
            assert!(told.is_ok());
            longest = longest.max(length);
            stage.elapse("proposals").unwrap();
            let k = stage.record.k_plan as usize;
            let approvals = stage.approvals(&(0..k).collect::<Vec<_>>(), Some(proposal.id()));
            let body = Decide { approvals, k_plan: k as u32, proposal, snapshot: stage.record.snapshot };
            let decide = stage.say("c1", Body::Decide(body));
            assert!(Envelope::verify(decide.bytes()).is_ok(), "it can be said: {} bytes", decide.bytes().len());
        }
        assert!(longest > 50_000, "there is room for a plan");
    }
    assert!(propose_bytes_max(K_PLAN_MAX) > 20_000, "the most approvals leave room for a plan too");
}

/// The longest vote there can be, all its fields at their ends.
#[test]
fn t11_no_vote_is_longer_than_its_room_in_a_decide() {
    let mut stage = Stage::new();
    stage.open();
    let body = Body::AttestPlan(AttestPlan { policy: Digest([0xff; 32]), proposal: Some(Cid(Digest([0xff; 32]))) });
    let mut vote = |edit: fn(&mut Content)| {
        stage.say_with("v1", body.clone(), |c| {
            c.capability.name = label(&"x".repeat(64));
            c.epoch = Some(Epoch(u64::MAX));
            c.lamport = swarm_core::lamport::LAMPORT_MAX;
            c.nonce = Nonce(u64::MAX);
            c.time = swarm_core::time::WallTime(u64::MAX);
            edit(c);
        })
    };
    let longest = vote(|_| ());
    assert!(Envelope::verify(longest.bytes()).is_ok());
    assert!(longest.bytes().len() <= ATTEST_PLAN_BYTES_MAX, "{}", longest.bytes().len());
    let padded = [
        vote(|c| c.refs = vec![Cid::default()]),
        vote(|c| c.target = Some(c.sender)),
        vote(|c| c.expires = Some(Expires::Register(Seq(u64::MAX)))),
    ];
    for vote in padded {
        assert_eq!(Envelope::verify(vote.bytes()).err(), Some(Reject::WrongFields));
    }
}

#[test]
fn t79_a_need_ends_closed_only_if_what_it_wants_is_paid() {
    // The last step is never bid for; the first is done and paid.
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.finish("w1", "cut");
    for _ in 0..3 {
        stage.elapse("bids join").unwrap();
    }
    stage.elapse("challenge cut").unwrap();
    stage.elapse("late cut").unwrap();
    stage.relay();
    assert_eq!(stage.record.phase, Phase::Over(Ending::Failed));
    assert!(!stage.system.pool().snapshot.bootstrap() || stage.open_pots() == 0);
    // What nobody wants may fail.
    let mut stage = Stage::new();
    stage.decide(side_by_side(2));
    stage.finish("w1", "t0");
    for _ in 0..3 {
        stage.elapse("bids t1").unwrap();
    }
    stage.elapse("challenge t0").unwrap();
    stage.elapse("late t0").unwrap();
    assert_eq!(stage.record.phase, Phase::Over(Ending::Closed));
    // What it wants was taken back.
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.act("r1", "cancel").unwrap();
    assert_eq!(stage.record.phase, Phase::Over(Ending::Cancelled));
}

/// Were a bond booked after the need had closed its escrow, nobody would ever end it.
#[test]
fn t73_a_need_that_is_cancelled_while_granting_books_no_bond_behind_its_end() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.act("w1", "claim cut 10").unwrap();
    stage.elapse("bids cut").unwrap();
    assert_eq!(stage.state("cut"), TaskState::Granting);
    assert_eq!(stage.act("r1", "cancel cut"), Err(Reject::WrongPhase));
    stage.act("r1", "cancel").unwrap();
    assert_eq!(stage.record.phase, Phase::Decided, "it waits for the answer");
    stage.relay();
    assert_eq!(stage.state("cut"), TaskState::Leased);
    stage.act("w1", "yield cut").unwrap();
    stage.act("r1", "cancel").unwrap();
    assert_eq!(stage.record.phase, Phase::Over(Ending::Cancelled));
    stage.relay();
    assert_eq!(stage.open_pots(), 0);
}

#[test]
fn t74_stake_under_a_lien_may_unbond_but_not_leave() {
    let mut stage = Stage::with(3, |params| params.unbonding_s = 1, |_| {});
    stage.decide(two_steps());
    stage.lease("w1", "cut");
    stage.commit("w1", "cut");
    let seat = stage.record.tasks[&label("cut")].seats[0];
    let who = stage.who(&seat);
    let say = |stage: &mut Stage, body| {
        let envelope = stage.say(&who, body);
        stage.submit_system(Command::Act(envelope))
    };
    assert_eq!(say(&mut stage, Body::Unstake(Amount { amount: Credits(10_000) })).unwrap(), "Booked");
    let watch = stage.system.waits().values().next_back().unwrap().clone();
    for by in ["c1", "c2"] {
        let report = timed(by, Thread::System, watch.total, watch.segment);
        stage.submit_system(report).unwrap();
    }
    let balance = |stage: &Stage| stage.system.ledger().balance(&seat).unwrap();
    let held = balance(&stage);
    assert!((held.staked, held.unbonding) == (Credits(0), Credits(10_000)) && held.liens.0 > 0);
    let withdraw = |amount| Body::Withdraw(Amount { amount: Credits(amount) });
    assert_eq!(say(&mut stage, withdraw(10_000)), Err(Reject::Encumbered));
    assert!(say(&mut stage, withdraw(10_000 - held.liens.0)).is_ok(), "what covers no lien may go");
    assert_eq!(say(&mut stage, withdraw(1)), Err(Reject::Encumbered));
    stage.elapse("verdicts cut").unwrap();
    stage.relay();
    assert_eq!(balance(&stage).liens, Credits(0));
    assert!(say(&mut stage, withdraw(held.liens.0)).is_ok(), "the lien has ended");
}

#[test]
fn a_need_that_the_policy_keeps_back_is_told_of() {
    let mut host = Host::new();
    let mut need = Stage::new().body;
    need.budget = Credits(u64::MAX / 8);
    let id = host.post(need);
    host.run(1);
    let told = host
        .notes
        .iter()
        .any(|(who, note)| who == "r1" && matches!(note, Note::NeedRefused { need, .. } if *need == id));
    assert!(told && host.said.is_empty(), "it vanished without a word");
}

#[test]
fn t11_a_need_that_the_register_would_refuse_binds_nobody() {
    let mut host = Host::new();
    let (least, most) = (host.genesis.params.lease_min_ms, host.genesis.params.supply_max);
    let sound = Stage::new().body;
    let bad: [fn(&mut Need, u32, Credits); 4] = [
        // Seats that nobody pays for would bind stake.
        |need, _, _| need.fee = Credits(0),
        |need, least, _| need.windows.lease_ms = least - 1,
        |need, _, _| need.fees = Credits(1),
        |need, _, most| need.fees = most,
    ];
    for (spoil, nonce) in bad.into_iter().zip(1..) {
        let mut need = sound.clone();
        spoil(&mut need, least, most);
        let id = host.post(need.clone());
        host.run(1);
        let told = |note: &Note| matches!(note, Note::NeedRefused { need, .. } if *need == id);
        assert!(host.notes.iter().any(|(who, note)| who == "r1" && told(note)), "it vanished without a word");
        // A node that does not care says it all the same.
        let manifest = manifest_envelope("r1", vec![Role::Requester]).id();
        let thread = Thread::Need(NeedId::of(&id_of("r1"), Nonce(900 + nonce)));
        let said =
            said_by("r1", manifest, thread, Body::Need(need), &[Role::Requester], |c| c.nonce = Nonce(900 + nonce));
        host.tell_all(&said);
        host.run(1);
        let all: std::collections::BTreeSet<_> =
            host.nodes.keys().map(|name| (name.clone(), Reject::OutOfBounds)).collect();
        assert_eq!(refused(&host, &said), all);
    }
    assert!(host.nodes.values_mut().all(|node| node.needs().is_empty() && node.is_quiet()), "somebody holds it");
    let id = host.post(sound);
    assert!(host.run(48));
    crate::nodes::assert_closed(&mut host, id);
}

#[test]
fn t68_chains_of_reveals_follow_one_another_without_end() {
    let mut host = Host::with(|params| params.reveals = 4);
    for n in 1..=12 {
        let id = host.post(Stage::new().body);
        assert!(host.run(48), "need {n} is stuck: no more reveals");
        crate::nodes::assert_closed(&mut host, id);
    }
    let anchors = host.notes.iter().filter(|(who, note)| {
        let anchored = |event: &Event| matches!(event, Event::Anchored { by, .. } if *by == id_of("c1"));
        who == "c1" && matches!(note, Note::Applied { .. }) && note.events().iter().any(anchored)
    });
    assert!(anchors.count() >= 4, "several chains were used up");
    let omitted = host
        .notes
        .iter()
        .flat_map(|(_, note)| note.events())
        .any(|event| matches!(event, Event::RoundClosed { omitted, .. } if !omitted.is_empty()));
    assert!(!omitted, "nobody fell silent between two chains");
}

#[test]
fn t68_a_chain_is_promised_before_what_it_will_judge() {
    let mut stage = Stage::with(3, |params| params.reveals = LINKS, |_| {});
    stage.decide(two_steps());
    let mut chains = chains("c1 anew", &stage.genesis.params);
    let mut promise = |stage: &mut Stage, by: &str, since: u32| {
        stage.submit_system(word(by, Thread::System, Says::Anchor { anchor: chains.anchor(since), since }))
    };
    assert_eq!(promise(&mut stage, "c1", 0), Err(Reject::Expired), "the next round serves what may be known");
    assert_eq!(promise(&mut stage, "w1", 1), Err(Reject::NotEntitled));
    assert_eq!(promise(&mut stage, "c1", 1).unwrap(), "Anchored");
    assert_eq!(promise(&mut stage, "c1", 2), Err(Reject::Duplicate), "one at a time");
    stage.lease("w1", "cut");
    stage.commit("w1", "cut");
    stage.elapse("verdicts cut").unwrap();
    stage.relay();
    stage.lease("w2", "cut");
    stage.act("w2", "commit cut").unwrap();
    stage.relay();
    let round = stage.system.open_round().unwrap();
    assert_eq!(round, 2);
    let old = word("c1", Thread::System, Says::Reveal { round, value: value("c1", round) });
    assert_eq!(stage.submit_system(old), Err(Reject::WrongReveal), "the old chain has ended");
    let new = chains_value(&stage, round);
    stage.submit_system(word("c1", Thread::System, Says::Reveal { round, value: new })).unwrap();
}

/// What the new chain reveals.
fn chains_value(stage: &Stage, round: u32) -> Digest {
    chains("c1 anew", &stage.genesis.params).value(1, round).expect("a value that is due")
}

/// One round of reveals serves so many results and no more: all its answers stand in one entry. The rest come next, in order.
#[test]
fn t68_a_round_serves_a_bounded_number_of_results() {
    const MOST: usize = 32;
    let mut stage = Stage::with(3, |_| {}, |need| (need.budget, need.fees) = (Credits(1_000), Credits(1_000)));
    let tasks: Vec<String> = (0..MOST + 3).map(|n| format!("t{n}")).collect();
    stage.decide(side_by_side(tasks.len()));
    for task in &tasks {
        stage.lease("w1", task);
    }
    let serve = |stage: &mut Stage| {
        let before = stage.log.len();
        stage.reveal();
        stage.relay();
        let seated =
            stage.log[before..].iter().filter(|event| matches!(event, Event::Seated { .. } | Event::Unseated { .. }));
        seated.count()
    };
    // The first opens a round of its own; all others gather behind it.
    for task in &tasks {
        stage.act("w1", &format!("commit {task}")).unwrap();
        stage.relay();
    }
    assert_eq!([serve(&mut stage), serve(&mut stage), serve(&mut stage), serve(&mut stage)], [1, MOST, 2, 0]);
    let undrawn = stage.record.tasks.values().filter(|task| task.state == TaskState::Drawing && task.draws == 0);
    assert_eq!(undrawn.count(), 0, "somebody was forgotten");
}

/// What was bound for a committee that does not sit would be bound again for the next one of the same result.
#[test]
fn a_committee_that_cannot_sit_binds_nobody() {
    let mut stage = Stage::with(
        3,
        |params| params.lien = Credits(4_000),
        |need| (need.budget, need.fees) = (Credits(1_000), Credits(1_000)),
    );
    let tasks: Vec<String> = (0..30).map(|n| format!("t{n}")).collect();
    stage.decide(side_by_side(tasks.len()));
    for task in &tasks {
        stage.lease("w1", task);
        stage.act("w1", &format!("commit {task}")).unwrap();
        stage.relay();
    }
    stage.system.take_bookings();
    let before = stage.log.len();
    for _ in 0..3 {
        stage.reveal();
        stage.relay();
    }
    let seats: usize = (stage.log[before..].iter())
        .map(|event| if let Event::Seated { seats, .. } = event { seats.len() } else { 0 })
        .sum();
    let unseated = stage.log[before..].iter().filter(|event| matches!(event, Event::Unseated { .. })).count();
    assert!(unseated > 0, "there was stake for everybody");
    let bound = stage.system.take_bookings().iter().filter(|b| matches!(b, Booking::Bound { .. })).count();
    assert_eq!(bound, seats);
}

/// What an entry takes is known where it is made, so that a batch of them never outgrows the bus.
#[test]
fn an_entry_knows_its_size() {
    let entry = Applied::new(Digest::default(), swarm_core::register::Outcome::Refused(Reject::Duplicate), Seq(1));
    assert_eq!(entry.size(), canonical::to_vec(&entry).len());
}
