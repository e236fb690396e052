//! Disputes about final results: who may, what stands still meanwhile, what it costs whom, and what is done again.

use std::sync::Arc;

use crate::kit::*;
use swarm_core::id::{AgentId, Cid, Credits, Digest, Nonce, label};
use swarm_core::plan::TaskState;
use swarm_core::register::Command;
use swarm_core::reject::Reject;
use swarm_core::slot::{HEARINGS_MAX, Phase, Waiting};
use swarm_core::wire::{Amount, AmountTo, Body, Challenge, Class, Count, Evidence, Need};

/// A need whose first task is final.
fn first_final() -> Stage {
    let mut stage = Stage::with(3, |params| params.bond_bp = 5_000, |_| {});
    stage.decide(two_steps());
    stage.finish("w1", "cut");
    assert_eq!(stage.state("cut"), TaskState::Final);
    stage
}

/// Those who have had nothing to do with it.
fn bystanders(stage: &Stage) -> Vec<String> {
    let task = &stage.record.tasks[&label("cut")];
    let has_part = |agent: &AgentId| task.seats.contains(agent);
    let all = stage.people.iter().filter(|(name, keys)| name.starts_with('v') && !has_part(&keys.agent()));
    all.map(|(name, _)| name.clone()).collect()
}

fn bystander(stage: &Stage) -> String {
    bystanders(stage).swap_remove(0)
}

fn stake(stage: &Stage, agent: &AgentId) -> u64 {
    stage.system.ledger().balance(agent).unwrap().staked.0
}

#[test]
fn an_upheld_challenge_voids_slashes_rewards_and_asks_for_more() {
    let mut stage = first_final();
    let who = bystander(&stage);
    let passed = stage.record.tasks[&label("cut")].passed_by();
    let (before, worker) = (stage.available(&who), stage.available("w1"));
    let staked: Vec<u64> = passed.iter().map(|agent| stake(&stage, agent)).collect();
    assert_eq!(stage.act(&who, "challenge cut").unwrap(), "Challenged Asked");
    stage.relay();
    assert_eq!(stage.available(&who), before - 10, "the bond is booked");
    stage.reveal();
    assert_eq!(stage.relay(), "Answered Empanelled WaitOpened");
    let task = &stage.record.tasks[&label("cut")];
    let dispute = task.dispute.clone().unwrap();
    let barred = passed.iter().chain([&id_of(&who), &id_of("w1"), &id_of("p1")]).any(|a| dispute.seats.contains(a));
    assert!(!barred, "nobody rules who has a part in it");
    assert!(!stage.record.waits.contains_key(&Waiting::Challenge(label("cut"))), "the window stands still");
    assert_eq!(stage.rule("uphold cut").unwrap(), "WaitClosed Asked Ruled Invalidated Bidding WaitOpened WaitClosed");
    stage.relay();
    // Each lost half of what stood behind its seat, the worker its bond: a quarter of that is the challenger's.
    for (agent, staked) in passed.iter().zip(staked) {
        assert_eq!(stake(&stage, agent), staked - 50);
    }
    let lost = 50 * passed.len() as u64 + 10;
    assert_eq!(stage.available("w1"), worker, "its bond does not come back, and it is paid nothing");
    assert_eq!(stage.available(&who), before + lost / 4);
    let panel: u64 = dispute.seats.iter().map(|agent| stage.system.ledger().balance(agent).unwrap().available.0).sum();
    assert_eq!(panel, 1_000_000 * dispute.seats.len() as u64 + lost / 4, "as much is for those who ruled");
    assert_eq!(stage.system.ledger().commons(), Credits(lost - 2 * (lost / 4)));
    assert_eq!((stage.open_pots(), stage.system.ledger().all_liens().count()), (1, 0), "only the escrow is left");
    assert_eq!(stage.act("w1", "claim cut 10"), Err(Reject::NotEntitled), "it does not win it again");
    // Two more must pass the next one.
    stage.lease("w2", "cut");
    stage.commit("w2", "cut");
    assert_eq!(stage.record.tasks[&label("cut")].k_target(3), 5);
    stage.judge("pass cut").unwrap();
    assert_eq!(stage.state("cut"), TaskState::Final);
}

#[test]
fn a_dismissed_challenge_pays_those_who_looked_and_the_window_runs_on() {
    let mut stage = first_final();
    let who = bystander(&stage);
    let before = stage.available(&who);
    let total = stage.record.waits[&Waiting::Challenge(label("cut"))].total;
    let third = swarm_core::time::Span(total.0 / 3);
    stage.report("c1", "challenge cut", third).unwrap();
    stage.report("c2", "challenge cut", third).unwrap();
    stage.challenge(&who, "cut");
    assert_eq!(stage.rule("dismiss cut").unwrap(), "WaitClosed Asked Ruled WaitOpened");
    stage.relay();
    assert_eq!(stage.available(&who), before - 10);
    assert_eq!(stage.record.waits[&Waiting::Challenge(label("cut"))].total.0, total.0 - third.0, "what was left of it");
    assert_eq!(stage.system.ledger().burned(), Credits(10 % 3), "what cannot be divided is burned");
    assert_eq!(stage.act(&who, "challenge cut"), Err(Reject::Duplicate), "nobody disputes a result twice");
    stage.finish("w2", "join");
    for wait in ["challenge cut", "challenge join", "late cut", "late join"] {
        stage.elapse(wait).unwrap();
        stage.relay();
    }
    assert_eq!((stage.open_pots(), stage.record.is_over()), (0, true));
}

/// Two results are final, and somebody has disputed the first, which is all that one may have open at once.
fn one_disputed() -> (Stage, String) {
    let mut stage = Stage::with(3, |params| (params.bond_bp, params.disputes_max) = (10_000, 1), |_| {});
    stage.decide(two_steps());
    stage.finish("w1", "cut");
    stage.finish("w2", "join");
    let who = bystander(&stage);
    stage.challenge(&who, "cut");
    (stage, who)
}

#[test]
fn nobody_disputes_everything_at_once() {
    let (mut stage, who) = one_disputed();
    let before = stage.available(&who);
    stage.act(&who, "challenge join").unwrap();
    assert_eq!(stage.relay(), "Answered Ruled", "it comes to nothing");
    assert_eq!((stage.available(&who), stage.state("join")), (before, TaskState::Final), "and costs nothing");
    // Whatever was ruled, there is room again.
    stage.rule("uphold cut").unwrap();
    stage.relay();
    stage.finish("w2", "cut");
    stage.challenge(&who, "cut");
    assert!(!stage.record.tasks[&label("cut")].dispute.as_ref().unwrap().seats.is_empty());
}

/// Whose bond is tied up elsewhere, or who may have no other dispute open, is not heard; that is not all it may say.
#[test]
fn who_was_not_heard_may_ask_again() {
    let (mut stage, who) = one_disputed();
    stage.act(&who, "challenge join").unwrap();
    assert_eq!(stage.relay(), "Answered Ruled");
    stage.rule("dismiss cut").unwrap();
    stage.relay();
    stage.challenge(&who, "join");
    assert!(!stage.record.tasks[&label("join")].dispute.as_ref().unwrap().seats.is_empty());
    stage.rule("dismiss join").unwrap();
    stage.relay();
    assert_eq!(stage.act(&who, "challenge join"), Err(Reject::Duplicate), "it was heard");
}

#[test]
fn t32_challenging_one_s_own_never_profits() {
    // Whoever passed it, and whoever did the work.
    for own in ["passer", "w1"] {
        let mut stage = first_final();
        let who = match own {
            "passer" => stage.who(&stage.record.tasks[&label("cut")].passed_by()[0]),
            name => name.to_owned(),
        };
        let before = stage.available(&who);
        stage.challenge(&who, "cut");
        stage.rule("uphold cut").unwrap();
        stage.relay();
        assert_eq!(stage.available(&who), before, "{own}: the bond back, and nothing else");
    }
}

/// What rests on a void result is paid out of the slash, but not to whoever did that: it could pass its own error on to itself.
#[test]
fn t32_nobody_is_paid_for_what_rested_on_its_own_error() {
    for (worker, paid) in [("w1", 0), ("w2", 10)] {
        let mut stage = first_final();
        stage.finish(worker, "join");
        let (before, bond) = (stage.available(worker), 10);
        let who = bystander(&stage);
        stage.challenge(&who, "cut");
        stage.rule("uphold cut").unwrap();
        stage.relay();
        assert_eq!(stage.available(worker), before + bond + paid, "{worker}");
    }
}

#[test]
fn t76_nobody_ends_a_dispute_by_leaving() {
    let mut stage = first_final();
    let who = bystander(&stage);
    stage.challenge(&who, "cut");
    assert_eq!(stage.act("w1", "yield cut"), Err(Reject::WrongPhase));
    assert_eq!(stage.act("r1", "cancel cut"), Err(Reject::WrongPhase));
    assert_eq!(stage.elapse("challenge cut"), Err(Reject::NoSuchThing), "no window ends meanwhile");
    let other = stage.people.keys().rfind(|name| name.starts_with('r')).unwrap().clone();
    assert_eq!(stage.act(&other, "challenge cut"), Err(Reject::WrongPhase), "one at a time");
    assert!(stage.rule("uphold cut").is_ok());
}

#[test]
fn t77_what_rests_on_a_void_result_is_taken_back_and_honest_work_is_paid() {
    for upto in ["bids", "leased", "verifying", "final"] {
        let mut stage = first_final();
        match upto {
            "leased" => stage.lease("w2", "join"),
            "verifying" => {
                stage.lease("w2", "join");
                stage.commit("w2", "join");
            }
            "final" => stage.finish("w2", "join"),
            _ => {}
        }
        let worker = stage.available("w2");
        let who = bystander(&stage);
        stage.challenge(&who, "cut");
        stage.rule("uphold cut").unwrap();
        stage.relay();
        assert_eq!((stage.state("cut"), stage.state("join")), (TaskState::Idle, TaskState::Idle), "{upto}");
        assert!(!stage.record.waits.contains_key(&Waiting::Bids(label("join"))), "{upto}: nobody bids on what is void");
        let bond = if upto == "bids" { 0 } else { 10 };
        let pay = if upto == "final" { 10 } else { 0 };
        assert_eq!(stage.available("w2"), worker + bond + pay, "{upto}");
        assert_eq!((stage.open_pots(), stage.system.ledger().all_liens().count()), (1, 0), "{upto}");
        // All of it is done again, and the need closes.
        stage.finish("w3", "cut");
        stage.finish("w2", "join");
        for wait in ["challenge cut", "challenge join", "late cut", "late join"] {
            stage.elapse(wait).unwrap();
            stage.relay();
        }
        assert_eq!((stage.open_pots(), stage.record.is_over()), (0, true), "{upto}");
    }
}

/// A result whose dispute outlasts what it was made of does not stand on what has taken its place: on that nobody could say whether it was right.
/// Those who were asked before may still rule, and nobody else is asked.
#[test]
fn t77_a_dispute_does_not_save_what_rests_on_a_void_result() {
    for end in ["dismiss join", "uphold join", "silence"] {
        let mut stage = first_final();
        stage.finish("w2", "join");
        let who = bystander(&stage);
        stage.challenge(&who, "join");
        let passed = stage.record.tasks[&label("join")].passed_by();
        stage.challenge(&who, "cut");
        stage.rule("uphold cut").unwrap();
        stage.relay();
        stage.finish("w3", "cut");
        assert_eq!(stage.state("join"), TaskState::Final, "it is on its way");
        let staked: Vec<u64> = passed.iter().map(|agent| stake(&stage, agent)).collect();
        let (loses, told) = match end {
            "silence" => (0, stage.elapse("ruling join").unwrap()),
            ruling => (if ruling == "uphold join" { 50 } else { 0 }, stage.rule(ruling).unwrap()),
        };
        let is_void = if loses > 0 { "Invalidated" } else { "Released" };
        assert!(told.contains(is_void) && !told.contains("Unruled"), "{end}: {told}");
        stage.relay();
        assert_eq!((stage.state("cut"), stage.state("join")), (TaskState::Final, TaskState::Idle), "{end}");
        for (agent, staked) in passed.iter().zip(staked) {
            assert_eq!(stake(&stage, agent), staked - loses, "{end}");
        }
        // Whoever made what was ruled wrong does not win it again.
        stage.finish("w1", "join");
        for wait in ["challenge cut", "challenge join", "late cut", "late join"] {
            stage.elapse(wait).unwrap();
            stage.relay();
        }
        assert_eq!((stage.open_pots(), stage.record.is_over()), (0, true), "{end}");
    }
}

#[test]
fn t77_nobody_is_asked_about_a_result_of_what_is_void() {
    let mut stage = first_final();
    stage.finish("w2", "join");
    let who = bystander(&stage);
    stage.challenge(&who, "cut");
    // The committee is being drawn when what it is to look at loses what it was made of.
    stage.act(&who, "challenge join").unwrap();
    stage.relay();
    stage.rule("uphold cut").unwrap();
    stage.relay();
    assert_eq!(stage.state("join"), TaskState::Final);
    stage.reveal();
    let told = stage.relay();
    assert!(told.contains("Ruled") && told.contains("Released") && !told.contains("Empanelled"), "{told}");
    assert_eq!((stage.state("join"), stage.open_pots()), (TaskState::Idle, 1));
}

#[test]
fn a_grant_on_its_way_is_taken_back_when_it_comes() {
    let mut stage = first_final();
    let who = bystander(&stage);
    stage.challenge(&who, "cut");
    stage.act("w2", "claim join 10").unwrap();
    stage.elapse("bids join").unwrap();
    assert_eq!(stage.state("join"), TaskState::Granting);
    let told = stage.rule("uphold cut").unwrap();
    assert_eq!(told, "WaitClosed Asked Ruled Invalidated Bidding WaitOpened");
    assert!(stage.relay().contains("Leased WaitOpened WaitClosed Asked Released"), "held for a moment");
    assert_eq!((stage.state("join"), stage.available("w2")), (TaskState::Idle, 1_000_000));
}

#[test]
fn silence_draws_anew_and_then_opens_the_task_unslashed() {
    let mut stage = first_final();
    let who = bystander(&stage);
    let (before, worker) = (stage.available(&who), stage.available("w1"));
    stage.challenge(&who, "cut");
    for draw in 2..=3 {
        let told = stage.elapse("ruling cut").unwrap();
        assert_eq!(told, "Reported WaitClosed Unruled Asked");
        stage.relay();
        stage.reveal();
        assert_eq!(stage.relay(), "Answered Empanelled WaitOpened");
        assert_eq!(stage.record.tasks[&label("cut")].dispute.as_ref().unwrap().draws, draw);
    }
    let told = stage.elapse("ruling cut").unwrap();
    assert_eq!(told, "Reported WaitClosed Asked Ruled Asked Released Bidding WaitOpened WaitClosed");
    stage.relay();
    assert_eq!(
        (stage.available(&who), stage.available("w1")),
        (before - 1, worker + 10),
        "less a fee; the bond is back"
    );
    assert_eq!((stage.open_pots(), stage.system.ledger().all_liens().count()), (1, 0));
}

#[test]
fn t30_a_late_challenge_slashes_and_changes_neither_record_nor_payouts() {
    let mut stage = first_final();
    stage.finish("w2", "join");
    stage.elapse("challenge cut").unwrap();
    assert_eq!(stage.state("cut"), TaskState::Settled);
    let passed = stage.record.tasks[&label("cut")].passed_by();
    let staked: Vec<u64> = passed.iter().map(|agent| stake(&stage, agent)).collect();
    let record = stage.record.tasks[&label("cut")].record.clone();
    let who = bystander(&stage);
    stage.challenge(&who, "cut");
    assert_eq!(stage.elapse("late cut"), Err(Reject::NoSuchThing), "Pay waits");
    assert_eq!(stage.rule("uphold cut").unwrap(), "WaitClosed Asked Ruled WaitOpened");
    stage.relay();
    assert_eq!((stage.state("cut"), &stage.record.tasks[&label("cut")].record), (TaskState::Settled, &record));
    for (agent, staked) in passed.iter().zip(staked) {
        assert_eq!(stake(&stage, agent), staked - 50);
    }
    // Everything was taken that could be: nobody puts the pay off for ever by saying it again.
    let other = bystanders(&stage).pop().unwrap();
    assert_ne!(other, who);
    assert_eq!(stage.act(&other, "challenge cut"), Err(Reject::Duplicate));
    let worker = stage.available("w1");
    for wait in ["late cut", "challenge join", "late join"] {
        stage.elapse(wait).unwrap();
        stage.relay();
    }
    assert_eq!(stage.available("w1"), worker + 10, "the price; its bond is gone");
    assert_eq!((stage.open_pots(), stage.record.phase != Phase::Decided), (0, true));
}

#[test]
fn a_challenger_without_a_bond_stops_nothing() {
    let mut stage = first_final();
    let who = bystander(&stage);
    let all = swarm_core::wire::AmountTo { amount: Credits(stage.available(&who)), to: id_of("r1") };
    let spend = stage.say(&who, Body::Transfer(all));
    stage.submit_system(Command::Act(spend)).unwrap();
    for _ in 0..HEARINGS_MAX {
        assert_eq!(stage.act(&who, "challenge cut").unwrap(), "Challenged Asked");
        assert_eq!(stage.relay(), "Answered Ruled");
    }
    assert_eq!(stage.act(&who, "challenge cut"), Err(Reject::Duplicate), "nobody asks for ever");
    stage.elapse("challenge cut").unwrap();
}

/// What it names has to stand in the COMMIT, and there is no room in it for anything that the challenger brings along.
#[test]
fn t29_a_challenge_names_what_the_commit_says_and_brings_nothing() {
    let mut stage = first_final();
    let who = bystander(&stage);
    let good = stage.parse("challenge cut");
    let Body::Challenge(Challenge { commit, task, .. }) = good.clone() else { panic!("a challenge") };
    let evidence = Evidence::OutputMismatch { label: label("unheard-of") };
    let other = Body::Challenge(Challenge { commit, evidence, task });
    let say = |stage: &mut Stage, body: Body, edit: fn(&mut swarm_core::wire::Content)| {
        let envelope = stage.say_with(&who, body, edit);
        stage.submit(Command::Act(envelope))
    };
    assert_eq!(say(&mut stage, other, |_| {}), Err(Reject::NoEvidence), "an output it does not have");
    assert_eq!(say(&mut stage, good.clone(), |c| c.fence.as_mut().unwrap().0 += 1), Err(Reject::StaleFence));
    assert_eq!(say(&mut stage, good.clone(), |c| c.epoch.as_mut().unwrap().0 += 1), Err(Reject::StaleEpoch));
    assert_eq!(stage.act(&bystander(&stage), "challenge join"), Err(Reject::NoSuchThing), "nothing is committed");
    let Body::Challenge(said) = good.clone() else { panic!("a challenge") };
    let mut told = serde_json::to_value(&said).unwrap();
    assert_eq!(serde_json::from_value::<Challenge>(told.clone()).unwrap(), said);
    told["evidence"]["output-mismatch"]["expected"] = "my own bytes".into();
    assert!(serde_json::from_value::<Challenge>(told).is_err(), "it brings what it should be held against");
    let envelope = stage.say_with("r1", good, |c| c.nonce = Nonce(77));
    assert!(stage.submit(Command::Act(Arc::clone(&envelope))).is_ok());
    assert_eq!(stage.submit(Command::Act(envelope)), Err(Reject::Duplicate));
}

#[test]
fn a_challenge_costs_by_its_class_and_by_how_long_looking_takes() {
    let cases = [(0, 10, 100), (9_999_999, 10, 100), (10_000_000, 20, 200), (u64::MAX, 100, 1_000)];
    for (steps, costs, is_breach) in cases.into_iter().flat_map(|(steps, a, b)| [(steps, a, false), (steps, b, true)]) {
        let mut stage = Stage::new();
        stage.decide(two_steps());
        stage.lease("w1", "cut");
        let Body::Commit(mut commit) = stage.parse("commit cut") else { panic!("a commit") };
        commit.telemetry.steps = Count(steps);
        // Past what the native rules let a worker say, but that is for them.
        let envelope = stage.say("w1", Body::Commit(commit));
        stage.submit(Command::Act(Arc::clone(&envelope))).unwrap();
        stage.relay();
        stage.reveal();
        stage.relay();
        stage.judge("pass cut").unwrap();
        let Body::Challenge(mut said) = stage.parse("challenge cut") else { panic!("a challenge") };
        let who = bystander(&stage);
        if is_breach {
            let breach = |capsule| Evidence::PolicyBreach { capsule, rule: label("telemetry") };
            said.evidence = breach(Cid::of(b"another policy"));
            let other = stage.say(&who, Body::Challenge(said.clone()));
            assert_eq!(stage.submit(Command::Act(other)), Err(Reject::NoEvidence), "it was not said under that");
            said.evidence = breach(envelope.policy.capsule);
        }
        let before = stage.available(&who);
        let challenge = stage.say(&who, Body::Challenge(said));
        stage.submit(Command::Act(challenge)).unwrap();
        stage.relay();
        assert_eq!(before - stage.available(&who), costs, "{steps} steps, {is_breach}");
    }
}

/// T33: a stretch that is disputed is one between two states of the COMMIT, or at an end, and looking at it costs its part of the work.
#[test]
fn t33_a_stretch_is_between_what_was_committed_and_costs_its_part() {
    for (steps, stretch, costs) in [
        (39_999_999, 0, Ok(10)),
        (40_000_000, 3, Ok(20)),
        (0, 4, Err(Reject::NoEvidence)),
        (0, u32::MAX, Err(Reject::NoEvidence)),
    ] {
        let mut stage = Stage::new();
        stage.decide(two_steps());
        stage.lease("w1", "cut");
        let Body::Commit(mut commit) = stage.parse("commit cut") else { panic!("a commit") };
        commit.telemetry.steps = Count(steps);
        commit.states = vec![Digest([1; 32]), Digest([2; 32]), Digest([3; 32])];
        let envelope = stage.say("w1", Body::Commit(commit));
        stage.submit(Command::Act(envelope)).unwrap();
        stage.relay();
        stage.reveal();
        stage.relay();
        stage.judge("pass cut").unwrap();
        let Body::Challenge(mut said) = stage.parse("challenge cut") else { panic!("a challenge") };
        said.evidence = Evidence::StretchMismatch { stretch };
        let who = bystander(&stage);
        let before = stage.available(&who);
        let challenge = stage.say(&who, Body::Challenge(said));
        let did = stage.submit(Command::Act(challenge)).map(|_| {
            stage.relay();
            before - stage.available(&who)
        });
        assert_eq!(did, costs, "{steps} steps, stretch {stretch}");
    }
}

/// Says that the proof in somebody's verdict on "cut" is false.
fn disprove(stage: &mut Stage, who: &str, verifier: AgentId) -> Result<String, Reject> {
    let Body::Challenge(mut said) = stage.parse("challenge cut") else { panic!("a challenge") };
    said.evidence = Evidence::FalseProof { verifier };
    let challenge = stage.say(who, Body::Challenge(said));
    stage.submit(Command::Act(challenge))
}

/// T27: a verdict without the work costs whoever gave it, and nobody else.
#[test]
fn t27_a_false_proof_costs_its_verifier_and_leaves_the_result() {
    let mut stage = first_final();
    let (who, passed) = (bystander(&stage), stage.record.tasks[&label("cut")].passed_by());
    let not_on_it = id_of(&who);
    assert_eq!(disprove(&mut stage, &who, not_on_it), Err(Reject::NoEvidence), "it passed nothing");
    let before = stage.available(&who);
    let staked: Vec<u64> = passed.iter().map(|agent| stake(&stage, agent)).collect();
    let (pots, liens) = (stage.open_pots(), stage.system.ledger().all_liens().count());
    assert_eq!(disprove(&mut stage, &who, passed[0]).unwrap(), "Challenged Asked");
    stage.relay();
    stage.reveal();
    stage.relay();
    assert_eq!(stage.rule("uphold cut").unwrap(), "WaitClosed Asked Ruled WaitOpened");
    stage.relay();
    assert_eq!((stage.state("cut"), stage.open_pots()), (TaskState::Final, pots), "the worker's bond is where it was");
    assert_eq!(stage.system.ledger().all_liens().count(), liens - 1, "and so is what stands behind the others");
    for (at, (agent, staked)) in passed.iter().zip(staked).enumerate() {
        assert_eq!(stake(&stage, agent), staked - if at == 0 { 50 } else { 0 });
    }
    assert_eq!(stage.available(&who), before + 50 / 4);
    let other = stage.who(&passed[1]);
    assert_eq!(disprove(&mut stage, &other, passed[0]), Err(Reject::NoEvidence), "it is known");
    // Of one whose proof is good nobody takes anything.
    disprove(&mut stage, &other, passed[2]).unwrap();
    stage.relay();
    stage.reveal();
    stage.relay();
    stage.rule("dismiss cut").unwrap();
    stage.relay();
    assert_eq!(stage.system.ledger().all_liens().count(), liens - 1);
    stage.finish("w2", "join");
    for wait in ["challenge cut", "challenge join", "late cut", "late join"] {
        stage.elapse(wait).unwrap();
        stage.relay();
    }
    assert_eq!((stage.open_pots(), stage.record.is_over()), (0, true));
    assert_eq!(stage.system.ledger().all_liens().count(), 0);
}

/// Nobody may say for sure that a proof is good, and the result is good all the same.
#[test]
fn t27_a_dispute_about_a_proof_that_nobody_rules_on_changes_nothing() {
    let mut stage = first_final();
    let (who, passed) = (bystander(&stage), stage.record.tasks[&label("cut")].passed_by());
    disprove(&mut stage, &who, passed[0]).unwrap();
    stage.relay();
    stage.reveal();
    stage.relay();
    for _ in 0..swarm_core::config::Params::default().rulings_max {
        stage.elapse("ruling cut").unwrap();
        stage.relay();
        stage.reveal();
        stage.relay();
    }
    let task = &stage.record.tasks[&label("cut")];
    assert_eq!((task.state, task.dispute.is_none(), task.proofs.len()), (TaskState::Final, true, passed.len()));
    assert!(stage.record.waits.contains_key(&Waiting::Challenge(label("cut"))), "its window runs on");
}

/// Who ruled stands in what was counted. Who ruled too late, or sat there and said nothing, has no part in it.
#[test]
fn t31_only_who_was_counted_is_paid_for_ruling() {
    let mut stage = first_final();
    let who = bystander(&stage);
    stage.challenge(&who, "cut");
    let dispute = stage.record.tasks[&label("cut")].dispute.clone().unwrap();
    let k = dispute.k_ruling as usize;
    assert!(dispute.seats.len() > k, "somebody sits there who is not needed");
    let names: Vec<String> = dispute.seats.iter().map(|seat| stage.who(seat)).collect();
    let before: Vec<u64> = names.iter().map(|name| stage.available(name)).collect();
    let body = stage.parse("uphold cut");
    let rulings: Vec<_> = names.iter().map(|name| stage.say(name, body.clone())).collect();
    let again = stage.say(&names[0], body.clone());
    let twice = sorted([&rulings[..k - 1], &[again]].concat());
    assert!(stage.submit(Command::Count(twice)).is_err(), "one of them is counted once");
    stage.submit(Command::Count(sorted(rulings[..k].to_vec()))).unwrap();
    for late in &rulings[k..] {
        assert!(stage.submit(Command::Count(vec![Arc::clone(late)])).is_err());
    }
    stage.relay();
    let gained: Vec<u64> = names.iter().zip(before).map(|(name, before)| stage.available(name) - before).collect();
    assert!(gained[..k].iter().all(|credits| *credits > 0), "{gained:?}");
    assert!(gained[k..].iter().all(|credits| *credits == 0), "{gained:?}");
}

#[test]
fn rulings_of_others_and_of_other_disputes_do_not_count() {
    let mut stage = first_final();
    let who = bystander(&stage);
    let early = stage.parse("uphold cut");
    let envelope = stage.say(&who, early);
    assert_eq!(stage.submit(Command::Count(vec![envelope])), Err(Reject::WrongPhase));
    stage.challenge(&who, "cut");
    let body = stage.parse("uphold cut");
    let votes = sorted([&who, "w1", "p1"].map(|name| stage.say(name, body.clone())).to_vec());
    assert!(stage.submit(Command::Count(votes)).is_err(), "none of them sits");
    let seats = stage.record.tasks[&label("cut")].dispute.clone().unwrap().seats;
    let names: Vec<String> = seats.iter().map(|seat| stage.who(seat)).collect();
    let (yes, no) = (stage.parse("uphold cut"), stage.parse("dismiss cut"));
    let one = sorted(vec![stage.say(&names[0], yes.clone()), stage.say(&names[0], no.clone())]);
    assert!(stage.submit(Command::Count(one)).is_err(), "nobody rules twice");
    let few = sorted(vec![stage.say(&names[0], yes.clone()), stage.say(&names[1], no.clone())]);
    assert_eq!(stage.submit(Command::Count(few)), Err(Reject::NoQuorum));
    // A committee that cannot agree is one that does not rule.
    let split: Vec<_> = names.iter().zip([&yes, &no].into_iter().cycle()).collect();
    let split = sorted(split.into_iter().take(4).map(|(name, body)| stage.say(name, body.clone())).collect());
    let told = stage.submit(Command::Count(split));
    assert!(matches!(told.as_deref(), Ok("WaitClosed Unruled Asked") | Err(&Reject::NoQuorum)), "{told:?}");
}

/// Whoever rules does the work again, and may take as long as whoever judged it: of long work nobody could rule otherwise, and a challenge
/// without ground would undo it.
#[test]
fn a_ruling_is_waited_for_as_long_as_verdicts_are() {
    for (verify_ms, wait_ms) in [(60_000, 3_600_000), (7_200_000, 7_200_000)] {
        let mut stage = Stage::with(3, |_| {}, |need| need.windows.verify_ms = verify_ms);
        stage.decide(two_steps());
        stage.finish("w1", "cut");
        let who = bystander(&stage);
        stage.challenge(&who, "cut");
        assert_eq!(stage.record.waits[&Waiting::Ruling(label("cut"))].total, swarm_core::time::Span::from_ms(wait_ms));
    }
}

/// A verdict that was copied is paid as any other: what a false proof costs is no less than that, however high the fee.
#[test]
fn t27_a_false_proof_costs_what_its_verdict_was_paid() {
    let dear = |need: &mut Need| {
        (need.class, need.fee, need.fees) = (Class::Complex, Credits(100), Credits(3_000));
    };
    let mut stage = Stage::with(3, |_| {}, dear);
    stage.decide(two_steps());
    stage.finish("w1", "cut");
    let (who, accused) = (bystander(&stage), stage.record.tasks[&label("cut")].passed_by()[0]);
    let before = stake(&stage, &accused);
    assert_eq!(stage.system.ledger().balance(&accused).unwrap().liens, Credits(200));
    disprove(&mut stage, &who, accused).unwrap();
    stage.relay();
    stage.reveal();
    stage.relay();
    stage.rule("uphold cut").unwrap();
    stage.relay();
    assert_eq!(stake(&stage, &accused), before - 100);
}

/// What lenders lose goes to the commons: were a part of it the challenger's, an offender's friend would be paid by those who trusted it.
#[test]
fn t39_what_lenders_lose_is_nobodys_reward() {
    let mut stage = first_final();
    let (who, passed) = (bystander(&stage), stage.record.tasks[&label("cut")].passed_by());
    let loan = stage.say("p2", Body::Delegate(AmountTo { amount: Credits(8_000), to: passed[0] }));
    stage.submit_system(Command::Act(loan)).unwrap();
    let before = stage.available(&who);
    stage.challenge(&who, "cut");
    stage.rule("uphold cut").unwrap();
    stage.relay();
    let lost = 50 * passed.len() as u64 + 10;
    assert_eq!(stage.available(&who), before + lost / 4);
    let lent: Vec<u64> = stage.system.ledger().backers(passed[0]).map(|(_, lent)| lent.0).collect();
    assert_eq!(lent, [8_000 - 40], "as much of it as of its own ten thousand");
    assert_eq!(stage.system.ledger().commons(), Credits(lost + 40 - 2 * (lost / 4)));
}

/// While a result waits for a committee what it was made of may fall, and committees may have become rare: the need goes on all the same.
#[test]
fn t77_what_waits_for_a_committee_is_taken_back_too() {
    let mut stage = Stage::with(3, |params| (params.bond_bp, params.draws_max) = (5_000, 1), |_| {});
    stage.decide(two_steps());
    stage.finish("w1", "cut");
    stage.lease("w2", "join");
    let who = bystander(&stage);
    stage.challenge(&who, "cut");
    stage.act("w2", "commit join").unwrap();
    stage.relay();
    assert_eq!(stage.state("join"), TaskState::Drawing);
    stage.rule("uphold cut").unwrap();
    stage.relay();
    for name in (1..=12).map(|n| format!("v{n}")) {
        let balance = stage.system.ledger().balance(&id_of(&name)).unwrap();
        let amount = Credits(balance.staked.0 - balance.liens.0);
        let said = stage.say(&name, Body::Unstake(Amount { amount }));
        stage.submit_system(Command::Act(said)).unwrap();
    }
    stage.reveal();
    let told = stage.relay();
    assert!(told.contains("Unseated") && told.contains("Released") && !told.contains("TaskEnded"), "{told}");
    assert_eq!((stage.state("join"), stage.record.phase), (TaskState::Idle, Phase::Decided));
}

/// Work that rests on what is void is paid if it is known to be good: not while somebody disputes it.
#[test]
fn t77_what_is_disputed_itself_is_not_paid_for() {
    for disputed in [false, true] {
        let mut stage = first_final();
        stage.finish("w2", "join");
        let who = bystander(&stage);
        if disputed {
            stage.challenge(&who, "join");
        }
        stage.challenge(&who, "cut");
        let before = stage.available("w2");
        stage.rule("uphold cut").unwrap();
        stage.relay();
        // Its bond comes back where it is taken back at once.
        assert_eq!(stage.available("w2"), before + if disputed { 0 } else { 10 + 10 });
    }
}
