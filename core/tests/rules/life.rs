//! A need's whole life, and each way it can end.

use crate::kit::*;
use swarm_core::id::{Credits, Lamport, label};
use swarm_core::plan::TaskState;
use swarm_core::register::{Answer, Command, Ending, Event};
use swarm_core::reject::Reject;
use swarm_core::slot::{Phase, Registry};
use swarm_core::wire::{Body, Manifest, Role};

#[test]
fn from_need_to_closed() {
    let mut stage = Stage::new();
    let before = stage.available("r1");
    assert_eq!(stage.act("r1", "need").unwrap(), "Opening Asked");
    assert_eq!(stage.relay(), "Answered Opened WaitOpened");
    assert_eq!(stage.available("r1"), before - 160, "budget and fees are set aside");
    assert_eq!(stage.act("p1", "propose").unwrap(), "Proposed");
    let proposal = *stage.record.proposals.keys().next().unwrap();
    assert_eq!(stage.elapse("proposals").unwrap(), "Reported WaitClosed Voting WaitOpened");
    let votes = stage.approvals(&[0, 1, 2], Some(proposal));
    // The first task takes bids at once; its child waits for it.
    assert_eq!(stage.submit(Command::Count(votes)).unwrap(), "WaitClosed Decided Bidding WaitOpened");
    for (who, task) in [("w1", "cut"), ("w2", "join")] {
        assert_eq!(stage.act(who, &format!("claim {task} 10")).unwrap(), "Bid");
        assert_eq!(stage.elapse(&format!("bids {task}")).unwrap(), "Reported WaitClosed Granting Asked");
        assert_eq!(stage.relay(), "Answered Leased WaitOpened");
        assert_eq!(stage.act(who, &format!("commit {task}")).unwrap(), "WaitClosed Accepted Asked");
        stage.relay();
        stage.reveal();
        assert_eq!(stage.relay(), "Answered Seated WaitOpened");
        let told = stage.judge(&format!("pass {task}")).unwrap();
        assert!(told.starts_with("WaitClosed Judged Final WaitOpened"), "{told}");
    }
    // A child settles only after its parent.
    assert_eq!(stage.elapse("challenge join").unwrap(), "Reported WaitClosed");
    assert_eq!(stage.elapse("challenge cut").unwrap(), "Reported WaitClosed Settled WaitOpened Settled WaitOpened");
    assert_eq!(stage.elapse("late join").unwrap(), "Reported WaitClosed Asked Paid");
    assert_eq!(stage.elapse("late cut").unwrap(), "Reported WaitClosed Asked Paid Asked Over");
    stage.relay();
    assert_eq!(stage.record.phase, Phase::Over(Ending::Closed));
    assert_eq!((stage.open_pots(), stage.system.ledger().all_liens().count()), (0, 0));
    // Two prices of 10; two credits for each of 3 plan votes and 6 verdicts.
    assert_eq!(stage.available("r1"), before - 20 - 18);
    assert_eq!(stage.available("w1"), 1_000_010);
}

#[test]
fn nobody_proposes_and_the_need_fails_and_is_refunded() {
    let mut stage = Stage::new();
    stage.open();
    for _ in 1..5 {
        assert_eq!(stage.elapse("proposals").unwrap(), "Reported WaitClosed EpochPassed Voting Asked");
        assert_eq!(stage.relay(), "Answered Opened WaitOpened");
    }
    assert_eq!(stage.elapse("proposals").unwrap(), "Reported WaitClosed Asked Over");
    stage.relay();
    assert_eq!(stage.record.phase, Phase::Over(Ending::Failed));
    assert_eq!((stage.open_pots(), stage.available("r1")), (0, 1_000_000 - 10_000 + 10_000));
}

#[test]
fn a_requester_that_cannot_pay_opens_nothing() {
    let mut stage = Stage::with(3, |_| {}, |need| need.budget.0 = 2_000_000);
    stage.act("r1", "need").unwrap();
    assert_eq!(stage.relay(), "Answered Over");
    assert_eq!((stage.record.phase, stage.open_pots()), (Phase::Over(Ending::Failed), 0));
}

#[test]
fn a_split_vote_passes_the_epoch_and_its_votes_die() {
    let mut stage = Stage::new();
    stage.open();
    for (who, ballot) in [("p1", 1), ("p2", 1), ("p1", 2)] {
        stage.act(who, &format!("propose {ballot}")).unwrap();
    }
    stage.elapse("proposals").unwrap();
    let of = stage.record.candidates.clone();
    let mut votes = Vec::new();
    for at in 0..8 {
        votes.extend(stage.approvals(&[at], Some(of[if at < 2 { 0 } else { at % 3 }])));
    }
    let old = sorted(votes);
    // Eight votes over three proposals: one of them has three.
    assert!(stage.submit(Command::Count(old.clone())).is_err(), "a quorum is there, and more votes than it takes");
    let mut votes: Vec<_> = Vec::new();
    for at in 0..6 {
        votes.extend(stage.approvals(&[at], Some(of[at % 3])));
    }
    assert_eq!(stage.submit(Command::Count(sorted(votes.clone()))), Err(Reject::NoQuorum));
    votes.extend(stage.approvals(&[6], None));
    votes.extend(stage.approvals(&[7], None));
    let told = stage.submit(Command::Count(sorted(votes))).unwrap();
    assert_eq!(told, "EpochPassed Voting Asked");
    assert_eq!(stage.record.candidates.len(), 2, "the two most approved go on");
    assert_eq!(stage.submit(Command::Count(old[..3].to_vec())), Err(Reject::WrongPhase), "voters are being drawn");
    stage.relay();
    assert_eq!(stage.submit(Command::Count(old[..3].to_vec())), Err(Reject::StaleEpoch));
}

#[test]
fn a_task_that_nobody_wants_fails_with_its_children() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    for _ in 0..2 {
        assert_eq!(stage.elapse("bids cut").unwrap(), "Reported WaitClosed Released Bidding WaitOpened");
    }
    let told = stage.elapse("bids cut").unwrap();
    assert_eq!(told, "Reported WaitClosed Released TaskEnded TaskEnded Asked Over");
    stage.relay();
    assert_eq!((stage.state("join"), stage.open_pots()), (TaskState::Failed, 0));
}

#[test]
fn a_worker_without_a_bond_is_not_granted_and_the_budget_is_whole_again() {
    let mut stage = Stage::with(3, |params| params.bond_bp = 10_000, |_| {});
    stage.decide(two_steps());
    let (budget, fees) = (stage.record.budget, stage.record.fees);
    // The worker spends all it has before the grant reaches the system thread.
    stage.act("w1", "claim cut 10").unwrap();
    stage.elapse("bids cut").unwrap();
    let all = swarm_core::wire::AmountTo { amount: Credits(1_000_000), to: id_of("r1") };
    let spend = stage.say("w1", swarm_core::wire::Body::Transfer(all));
    stage.submit_system(Command::Act(spend)).unwrap();
    assert_eq!(stage.relay(), "Answered Released Bidding WaitOpened");
    assert_eq!((stage.record.budget, stage.record.fees), (budget, fees));
    assert_eq!(stage.record.tasks[&label("cut")].fence.0, 1, "the fence stays used");
    assert_eq!(stage.act("w1", "claim cut 10"), Err(Reject::NotEntitled), "it wins this task once and no more");
    assert_eq!(stage.record.tasks[&label("cut")].windows, 0, "and has not dried it up");
    stage.lease("w2", "cut");
}

/// Whoever plans has something, and is known by what becomes of its plans.
#[test]
fn a_planner_has_means_and_a_name_to_lose() {
    let reputation = |stage: &mut Stage| {
        let number = stage.system.number() + 1;
        stage.submit_system(Command::Snapshot { number }).unwrap();
        // The snapshot that nobody goes by any more is still the newest.
        stage.system.standing(number, &id_of("p1")).unwrap().reputation_bp
    };
    let mut stage = Stage::new();
    stage.decide(two_steps());
    ["cut", "join"].iter().for_each(|task| stage.finish("w1", task));
    ["cut", "join"].iter().for_each(|task| drop(stage.elapse(&format!("challenge {task}")).unwrap()));
    ["cut", "join"].iter().for_each(|task| drop(stage.elapse(&format!("late {task}")).unwrap()));
    stage.relay();
    assert_eq!((stage.record.phase, reputation(&mut stage)), (Phase::Over(Ending::Closed), 5_250));

    let mut stage = Stage::new();
    stage.decide(two_steps());
    (0..3).for_each(|_| drop(stage.elapse("bids cut").unwrap()));
    stage.relay();
    assert_eq!((stage.record.phase, reputation(&mut stage)), (Phase::Over(Ending::Failed), 4_750));

    // A tenth of the need's budget of 100 is what it takes.
    let mut stage = Stage::new();
    let most = swarm_core::wire::AmountTo { amount: Credits(1_000_000 - 9), to: id_of("r1") };
    let spend = stage.say("p1", Body::Transfer(most));
    stage.submit_system(Command::Act(spend)).unwrap();
    stage.submit_system(Command::Snapshot { number: 2 }).unwrap();
    stage.open();
    assert_eq!(stage.act("p1", "propose"), Err(Reject::NotEnough));
    assert_eq!(stage.act("p2", "propose").unwrap(), "Proposed");
}

/// Anyone can say NEEDs that nobody pays for: no voter is drawn for them.
#[test]
fn a_need_that_cannot_be_paid_draws_nobody() {
    // Nobody can be drawn here, which would be the answer if it were looked at first.
    let mut stage =
        Stage::with(3, |params| params.stake_min = Credits(10_001), |need| need.budget = Credits(1_000_000));
    stage.act("r1", "need").unwrap();
    assert_eq!(stage.relay(), "Answered Over");
    let denied = |event: &Event| matches!(event, Event::Answered { answer: Answer::Denied(Reject::NotEnough), .. });
    assert!(stage.log.iter().any(denied), "{:?}", stage.log);
    assert!(stage.record.was_denied());
    assert_eq!(stage.act("r1", "need"), Err(Reject::Duplicate), "it does not rise again");
}

/// Whoever asks for next to nothing wins; what it answers with is a share of what the task may cost.
#[test]
fn a_lowball_bid_answers_with_no_less_than_any_other() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.act("w1", "claim cut 1").unwrap();
    stage.elapse("bids cut").unwrap();
    stage.relay();
    assert_eq!(stage.available("w1"), 1_000_000 - 2, "a tenth of the task's cap of 20");
    stage.elapse("lease cut").unwrap();
    stage.relay();
    assert_eq!(stage.system.ledger().commons().0, 2);
}

/// One that has not even the bond is refused at once: kept, it would cost the task a window and then not be granted.
#[test]
fn a_bid_that_its_bidder_could_not_answer_for_is_not_kept() {
    let mut stage = Stage::with(3, |params| params.bond_bp = 10_000, |_| {});
    let most = swarm_core::wire::AmountTo { amount: Credits(1_000_000 - 19), to: id_of("r1") };
    let spend = stage.say("w1", Body::Transfer(most));
    stage.submit_system(Command::Act(spend)).unwrap();
    stage.submit_system(Command::Snapshot { number: 2 }).unwrap();
    stage.decide(two_steps());
    assert_eq!(stage.act("w1", "claim cut 1"), Err(Reject::NotEnough), "it has 19 of 20");
    assert!(stage.record.tasks[&label("cut")].window.kept().is_none());
    stage.lease("w2", "cut");
    let one = swarm_core::wire::AmountTo { amount: Credits(1), to: id_of("w1") };
    let lend = stage.say("r1", Body::Transfer(one));
    stage.submit_system(Command::Act(lend)).unwrap();
    stage.elapse("lease cut").unwrap();
    stage.relay();
    assert_eq!(
        stage.act("w1", "claim cut 1"),
        Err(Reject::NotEnough),
        "what is judged is what the need's snapshot says"
    );
}

#[test]
fn a_failed_result_forfeits_the_bond_and_pays_the_verdicts() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.lease("w1", "cut");
    stage.commit("w1", "cut");
    let told = stage.judge("fail cut").unwrap();
    assert_eq!(told, "WaitClosed Judged Asked Released Bidding WaitOpened");
    stage.relay();
    assert_eq!(stage.system.ledger().commons().0, 2);
    assert_eq!((stage.open_pots(), stage.system.ledger().all_liens().count()), (1, 0));
    assert_eq!(stage.record.fees.0, 60 - 6 - 6, "three plan votes and three verdicts");
    assert_eq!(stage.act("w1", "claim cut 10"), Err(Reject::NotEntitled), "the cheapest liar does not win it again");
    stage.lease("w2", "cut");
}

#[test]
fn an_old_manifest_brought_up_again_changes_nothing() {
    let mut stage = Stage::new();
    let founding = manifest_envelope("w1", vec![Role::Worker]);
    let said = |stage: &mut Stage, lamport| {
        let manifest = Manifest { tier: 3, ..manifest_of("w1", vec![Role::Worker]) };
        stage.say_with("w1", Body::Manifest(manifest), |content| content.lamport = Lamport(lamport))
    };
    let [older, newer] = [50, 51].map(|lamport| said(&mut stage, lamport));
    assert!(stage.submit_system(Command::Act(newer.clone())).is_ok());
    for old in [founding, older] {
        assert_eq!(stage.submit_system(Command::Act(old)), Err(Reject::NotBetter));
    }
    assert_eq!(stage.submit_system(Command::Act(newer)), Err(Reject::Duplicate));
}

#[test]
fn yielding_costs_a_fee_and_expiry_the_bond_and_the_right_to_try_again() {
    let mut stage = Stage::with(3, |p| p.bond_bp = 10_000, |_| {});
    stage.decide(two_steps());
    stage.lease("w1", "cut");
    stage.act("w1", "yield cut").unwrap();
    stage.relay();
    assert_eq!(stage.available("w1"), 999_998);
    assert_eq!(stage.act("w1", "claim cut 10"), Err(Reject::NotEntitled));
    stage.lease("w2", "cut");
    stage.elapse("lease cut").unwrap();
    stage.relay();
    assert_eq!(stage.available("w2"), 999_980, "all that the task may cost, whatever it asked for");
    assert_eq!(stage.act("w2", "claim cut 10"), Err(Reject::NotEntitled));
    stage.lease("w3", "cut");
}

#[test]
fn attempts_are_bounded() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    for attempt in 1..=5 {
        stage.lease("w1", "cut");
        stage.commit("w1", "cut");
        let told = stage.elapse("verdicts cut").unwrap();
        assert_eq!(told.contains("TaskEnded"), attempt == 5, "{told}");
        stage.relay();
    }
    assert_eq!((stage.record.phase, stage.open_pots()), (Phase::Over(Ending::Failed), 0));
}
