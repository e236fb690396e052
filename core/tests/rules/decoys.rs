//! Forced errors: what is announced, when it may be opened and by whom, what that costs whom, and that nobody gains by it who
//! should not.

use std::sync::Arc;

use crate::kit::*;
use swarm_core::form::Form;
use swarm_core::id::{AgentId, Cid, Credits, Digest, label};
use swarm_core::plan::TaskState;
use swarm_core::register::{Command, Ending, Event};
use swarm_core::reject::Reject;
use swarm_core::slot::{Phase, Waiting, mask};
use swarm_core::wire::{Attest, Body, Envelope, Mask, Need, Unmask, Verdict};

const SALT: Digest = Digest([7; 32]);

/// What the worker of a decoy commits to: the stage's workers put the name of an output into it.
fn planted_mask(salt: Digest) -> Digest {
    mask(&id_of("r1"), &id_of("w1"), [&Cid::of(b"total")], &salt)
}

/// Announces that decoy, in the name of `who`.
fn announce(stage: &mut Stage, who: &str) {
    announce_by(stage, who, SALT);
}

fn announce_by(stage: &mut Stage, who: &str, salt: Digest) {
    let envelope = stage.say(who, Body::Mask(Mask { mask: planted_mask(salt) }));
    assert_eq!(stage.submit_system(Command::Act(envelope)).unwrap(), "Booked");
}

/// A need of one task whose committee sits over what `w1` committed; the decoy was announced before by `who`, if by anybody.
fn committed(who: Option<&str>) -> Stage {
    let mut stage = Stage::with(3, |params| params.bond_bp = 5_000, |_| {});
    // Somebody announces something anyway.
    let salt = if who.is_some() { SALT } else { Digest([9; 32]) };
    announce_by(&mut stage, who.unwrap_or("p2"), salt);
    stage.decide(side_by_side(1));
    stage.lease("w1", "t0");
    stage.commit("w1", "t0");
    assert_eq!(stage.record.tasks[&label("t0")].k_result, 3);
    stage
}

/// The same, and three of the five have failed it; the other two say that they pass it, and come too late to count.
fn failed(who: Option<&str>) -> (Stage, Vec<String>, Vec<Arc<Envelope>>) {
    let mut stage = committed(who);
    let seats = stage.record.tasks[&label("t0")].seats.clone();
    assert_eq!(seats.len(), 5);
    let passes = stage.verdicts("pass t0", &[3, 4]);
    stage.judge("fail t0").unwrap();
    stage.relay();
    let names = seats.iter().map(|seat| stage.who(seat)).collect();
    (stage, names, passes)
}

fn unmask_of(stage: &Stage, salt: Digest) -> Unmask {
    let commit = stage.record.tasks[&label("t0")].wrong.as_ref().map(|wrong| wrong.commit.id()).unwrap_or_default();
    Unmask { commit, denied: Vec::new(), mask: planted_mask(salt), salt, task: label("t0") }
}

fn open_it(stage: &mut Stage) -> String {
    let said = unmask_of(stage, SALT);
    let envelope = stage.say("r1", Body::Unmask(said));
    assert_eq!(stage.submit(Command::Act(envelope)).unwrap(), "Unmasking Asked");
    stage.relay()
}

fn staked(stage: &Stage, who: &str) -> u64 {
    stage.system.ledger().balance(&id_of(who)).unwrap().staked.0
}

#[test]
fn t28_passing_a_decoy_is_slashed_and_catching_it_earns_the_jackpot() {
    let (mut stage, seats, passes) = failed(Some("p2"));
    assert_eq!(stage.available("w1"), 1_000_000 - 10, "its bond is forfeited, as it would be of anyone");
    assert_eq!(open_it(&mut stage), "Answered Unmasked WaitClosed WaitOpened");
    for pass in passes {
        assert_eq!(stage.submit(Command::Act(pass)).unwrap(), "Passed");
    }
    assert_eq!(stage.act("r1", "cancel t0"), Err(Reject::WrongPhase), "nobody gets away by that");
    assert_eq!(stage.elapse("verdicts t0").unwrap(), "Reported WaitClosed Asked TaskEnded Asked Over");
    stage.relay();
    assert_eq!(stage.record.phase, Phase::Over(Ending::Decoy));
    // Who passed it loses half of what stood behind the seat; who failed it shares what the worker had won it for, and a quarter
    // of that.
    for (name, at) in seats.iter().zip(0..) {
        assert_eq!(staked(&stage, name), 10_000 - if at < 3 { 0 } else { 50 }, "{name}");
    }
    let caught: u64 = seats[..3].iter().map(|name| stage.available(name)).sum();
    let plan_fees: u64 =
        stage.record.plan_fees().iter().filter(|p| seats[..3].contains(&stage.who(&p.to))).map(|p| p.amount.0).sum();
    assert_eq!(caught, 3 * 1_000_000 + 3 * 2 + 10 + 25 + plan_fees);
    assert_eq!(stage.available("w1"), 1_000_000, "its worker loses nothing and earns nothing");
    assert_eq!(stage.available("r1"), 1_000_000 - 10 - 3 * 2 - 3 * 2, "the need costs what it would have cost");
    assert_eq!(stage.system.ledger().commons(), Credits(1 + 75), "what nobody else has");
    assert_eq!((stage.open_pots(), stage.system.ledger().all_liens().count()), (0, 0));
}

#[test]
fn t26_what_was_not_announced_before_is_no_decoy() {
    // Nobody announced it; or somebody did when the need was there.
    for late in [false, true] {
        let mut stage = Stage::with(3, |params| params.bond_bp = 5_000, |_| {});
        stage.open();
        if late {
            announce(&mut stage, "p2");
        }
        let proposal = stage.say("p1", Body::Propose(propose(side_by_side(1), 1)));
        stage.submit(Command::Act(Arc::clone(&proposal))).unwrap();
        stage.elapse("proposals").unwrap();
        let votes = stage.approvals(&[0, 1, 2], Some(proposal.id()));
        stage.submit(Command::Count(votes)).unwrap();
        stage.lease("w1", "t0");
        stage.commit("w1", "t0");
        stage.judge("fail t0").unwrap();
        stage.relay();
        let before = stage.system.ledger().digest();
        assert_eq!(open_it(&mut stage), "Answered Unmasked");
        assert_eq!(stage.system.ledger().digest(), before, "nothing moves");
        assert!(stage.log.iter().any(|event| matches!(event, Event::Unmasked { decoy: false, .. })));
        // The need goes on as if nobody had said anything.
        stage.finish("w2", "t0");
        assert_eq!(stage.state("t0"), TaskState::Final);
    }
}

#[test]
fn t26_a_mask_is_opened_by_its_requester_once_and_after_the_verdict() {
    let mut stage = committed(Some("p2"));
    let said =
        Unmask { commit: stage.record.tasks[&label("t0")].commit.as_ref().unwrap().id(), ..unmask_of(&stage, SALT) };
    let try_it = |stage: &mut Stage, who: &str, said: &Unmask| {
        let envelope = stage.say(who, Body::Unmask(said.clone()));
        stage.submit(Command::Act(envelope))
    };
    assert_eq!(try_it(&mut stage, "r1", &said), Err(Reject::WrongPhase), "before the verdict");
    stage.judge("fail t0").unwrap();
    stage.relay();
    for stranger in ["w1", "p2", "v1"] {
        assert_eq!(try_it(&mut stage, stranger, &said), Err(Reject::NotEntitled));
    }
    let other = Unmask { salt: Digest([8; 32]), ..said.clone() };
    assert_eq!(try_it(&mut stage, "r1", &other), Err(Reject::WrongReveal), "this is not what makes the mask");
    let other = Unmask { mask: planted_mask(Digest([8; 32])), ..said.clone() };
    assert_eq!(try_it(&mut stage, "r1", &other), Err(Reject::WrongReveal));
    let other = Unmask { commit: Cid::of(b"another"), ..said.clone() };
    assert_eq!(try_it(&mut stage, "r1", &other), Err(Reject::NoSuchThing));
    let other = Unmask { task: label("t9"), ..said.clone() };
    assert_eq!(try_it(&mut stage, "r1", &other), Err(Reject::NoSuchThing));
    assert_eq!(try_it(&mut stage, "r1", &said).unwrap(), "Unmasking Asked");
    assert_eq!(try_it(&mut stage, "r1", &said), Err(Reject::Duplicate), "while it is being looked at");
    stage.relay();
    assert_eq!(try_it(&mut stage, "r1", &said), Err(Reject::Duplicate), "and after that");
}

/// People differ about claims, and an opinion takes nobody's stake: such a need is no trap.
#[test]
fn t28_what_is_a_matter_of_opinion_is_no_decoy() {
    let claims = |need: &mut Need| {
        need.forms = [(label("total"), Form { claims: "/claims".parse().ok(), ..Form::default() })].into();
    };
    let mut stage = Stage::under(&[], 3, |params| params.bond_bp = 5_000, claims);
    announce(&mut stage, "p2");
    stage.decide(vec![task("t0", "text", "total")]);
    stage.lease("w1", "t0");
    stage.commit("w1", "t0");
    stage.judge("fail t0").unwrap();
    stage.relay();
    let said = unmask_of(&stage, SALT);
    let envelope = stage.say("r1", Body::Unmask(said));
    assert_eq!(stage.submit(Command::Act(envelope)), Err(Reject::BadPlan));
}

#[test]
fn an_unmask_names_no_more_verifiers_than_can_have_been_counted_and_each_once() {
    let named = |denied: Vec<AgentId>| {
        let said = Unmask { commit: Cid::default(), denied, mask: SALT, salt: SALT, task: label("t0") };
        Body::Unmask(said).check_bounds()
    };
    let many = |n: u8| (0..n).map(|n| AgentId([n; 32])).collect::<Vec<_>>();
    assert_eq!((named(many(128)), named(many(129))), (Ok(()), Err(Reject::Oversize)));
    assert_eq!(named(vec![AgentId([1; 32]); 2]), Err(Reject::NonCanonical));
}

#[test]
fn nobody_works_in_vain_for_a_decoy() {
    // Once another holds the task it is too late.
    let (mut stage, ..) = failed(Some("p2"));
    let said = unmask_of(&stage, SALT);
    stage.lease("w2", "t0");
    let envelope = stage.say("r1", Body::Unmask(said));
    assert_eq!(stage.submit(Command::Act(envelope)), Err(Reject::WrongPhase));
    // Whoever wins it while the mask is being looked up waits, and has it if there was none.
    for (who, state) in [(None, TaskState::Granting), (Some("p2"), TaskState::Idle)] {
        let (mut stage, ..) = failed(who);
        stage.act("w2", "claim t0 10").unwrap();
        let said = unmask_of(&stage, SALT);
        let envelope = stage.say("r1", Body::Unmask(said));
        stage.submit(Command::Act(envelope)).unwrap();
        assert_eq!(stage.elapse("bids t0").unwrap(), "Reported WaitClosed");
        assert_eq!(stage.state("t0"), TaskState::Idle);
        for (to, command) in stage.letters() {
            assert_eq!(to, swarm_core::id::Thread::System);
            stage.submit_system(command).unwrap();
        }
        let letters = stage.letters();
        assert_eq!(letters.len(), 1);
        for (_, command) in letters {
            stage.submit(command).unwrap();
        }
        assert_eq!(stage.state("t0"), state);
    }
    // Nor is there one in a need of several tasks.
    let mut stage = Stage::with(3, |params| params.bond_bp = 5_000, |_| {});
    announce(&mut stage, "p2");
    stage.decide(side_by_side(2));
    stage.lease("w1", "t0");
    stage.commit("w1", "t0");
    stage.judge("fail t0").unwrap();
    let envelope = stage.say("r1", Body::Unmask(unmask_of(&stage, SALT)));
    assert_eq!(stage.submit(Command::Act(envelope)), Err(Reject::BadPlan));
}

#[test]
fn t28_a_decoy_that_was_passed_is_opened_once_a_ruling_has_found_it_wrong() {
    let mut stage = committed(Some("p2"));
    let seats: Vec<String> = stage.record.tasks[&label("t0")].seats.clone().iter().map(|a| stage.who(a)).collect();
    let more = stage.verdicts("pass t0", &[3, 4]);
    stage.judge("pass t0").unwrap();
    stage.relay();
    let envelope = stage.say(
        "r1",
        Body::Unmask(Unmask {
            commit: stage.record.tasks[&label("t0")].commit.as_ref().unwrap().id(),
            ..unmask_of(&stage, SALT)
        }),
    );
    assert_eq!(stage.submit(Command::Act(envelope)), Err(Reject::WrongPhase), "its word alone makes nothing wrong");
    stage.challenge("r1", "t0");
    stage.rule("uphold t0").unwrap();
    stage.relay();
    let before = (stage.available("r1"), stage.available("w1"));
    open_it(&mut stage);
    let again = stage.record.tasks[&label("t0")].wrong.clone().unwrap().slashed;
    assert_eq!(again.len(), 3);
    for vote in &more {
        stage.submit(Command::Act(Arc::clone(vote))).unwrap();
    }
    stage.elapse("verdicts t0").unwrap();
    stage.relay();
    assert!(seats.iter().all(|name| staked(&stage, name) == 10_000 - 50), "each of the five, and once");
    assert_eq!(stage.record.phase, Phase::Over(Ending::Decoy));
    let plan_fees = 6;
    assert_eq!(stage.available("r1") - before.0, 160 - plan_fees, "nobody caught it, so nothing is shared");
    assert_eq!(stage.available("w1"), before.1, "what it had pledged went with the ruling");
    assert_eq!(stage.open_pots(), 0);
}

#[test]
fn only_a_seated_verifier_s_own_pass_of_it_costs_stake() {
    let (mut stage, seats, passes) = failed(Some("p2"));
    assert_eq!(stage.submit(Command::Act(Arc::clone(&passes[0]))), Err(Reject::WrongPhase), "it is no decoy yet");
    open_it(&mut stage);
    let commit = stage.record.tasks[&label("t0")].wrong.as_ref().unwrap().commit.id();
    let attest = |commit, verdict| {
        Body::Attest(Attest {
            commit,
            policy: Digest::default(),
            proof: Digest::default(),
            reasons: vec![],
            task: label("t0"),
            verdict,
        })
    };
    let stranger = stage.people.keys().find(|name| name.starts_with('v') && !seats.contains(name)).cloned().unwrap();
    for (who, body, why) in [
        (&stranger, attest(commit, Verdict::Pass), Reject::NotEntitled),
        (&seats[4], attest(commit, Verdict::Fail), Reject::NoEvidence),
        (&seats[4], attest(Cid::of(b"another"), Verdict::Pass), Reject::StaleFence),
    ] {
        let envelope = stage.say(who, body);
        assert_eq!(stage.submit(Command::Act(envelope)), Err(why));
    }
    stage.submit(Command::Act(Arc::clone(&passes[0]))).unwrap();
    assert_eq!(stage.submit(Command::Act(Arc::clone(&passes[0]))), Err(Reject::Duplicate));
    let who = stage.who(&passes[0].sender);
    let again = stage.say(&who, attest(commit, Verdict::Pass));
    assert_eq!(stage.submit(Command::Act(again)), Err(Reject::Duplicate), "nobody is slashed twice for one seat");
}

/// Whoever announced it knows that it is one, as do those whom the requester names as not having worked.
#[test]
fn t32_an_opener_s_relations_and_those_who_did_not_work_have_no_part_in_the_jackpot() {
    for barred in ["opener", "denied", "nobody"] {
        // Who sits is drawn whoever announces it: the mask is no part of any seed.
        let seats = failed(Some("p2")).1;
        let who = if barred == "opener" { seats[0].as_str() } else { "p2" };
        let (mut stage, seats, _) = {
            let mut stage = committed(Some(who));
            let seats: Vec<String> =
                stage.record.tasks[&label("t0")].seats.clone().iter().map(|a| stage.who(a)).collect();
            stage.judge("fail t0").unwrap();
            stage.relay();
            (stage, seats, ())
        };
        let before: Vec<u64> = seats.iter().map(|name| stage.available(name)).collect();
        let denied = if barred == "denied" { vec![id_of(&seats[0])] } else { Vec::new() };
        let said = Unmask { denied, ..unmask_of(&stage, SALT) };
        let envelope = stage.say("r1", Body::Unmask(said));
        stage.submit(Command::Act(envelope)).unwrap();
        stage.relay();
        let commons = stage.system.ledger().commons().0;
        stage.elapse("verdicts t0").unwrap();
        stage.relay();
        let fees = |name: &String| {
            let due = stage.record.plan_fees();
            due.iter().filter(|p| p.to == id_of(name)).map(|p| p.amount.0).sum::<u64>()
        };
        let got: Vec<u64> = seats[..3].iter().zip(&before).map(|(n, b)| stage.available(n) - b - fees(n)).collect();
        let first = if barred == "nobody" { 4 } else { 0 };
        assert_eq!(got, [first, 3, 3], "{barred}: nobody else has its share");
        // The bond goes back to the worker from there, and what nobody may have stays.
        assert_eq!(stage.system.ledger().commons().0 + 10, commons + 4 - first, "{barred}");
    }
}

#[test]
fn an_opener_that_is_silent_has_had_an_ordinary_need() {
    let (mut announced, ..) = failed(Some("p2"));
    let (mut ordinary, ..) = failed(None);
    for stage in [&mut announced, &mut ordinary] {
        stage.finish("w2", "t0");
        for wait in ["challenge t0", "late t0"] {
            stage.elapse(wait).unwrap();
            stage.relay();
        }
        assert_eq!((stage.record.phase, stage.open_pots()), (Phase::Over(Ending::Closed), 0));
        assert!(!stage.record.waits.contains_key(&Waiting::Verdicts(label("t0"))));
    }
    let same = announced.log == ordinary.log && announced.system.ledger().digest() == ordinary.system.ledger().digest();
    assert!(same, "until it is opened nothing in a decoy's thread differs from any other, down to the byte");
}

/// A mask costs a credit, so nobody fills the thread with them for nothing, and is announced once.
#[test]
fn a_mask_is_not_free() {
    let mut stage = Stage::new();
    announce(&mut stage, "p2");
    assert_eq!((stage.available("p2"), stage.system.ledger().commons()), (999_999, Credits(1)));
    let again = stage.say("p1", Body::Mask(Mask { mask: planted_mask(SALT) }));
    assert_eq!(stage.submit_system(Command::Act(again)), Err(Reject::Duplicate));
    let poor = keys("poor");
    let content = content_of(&poor, swarm_core::id::Thread::System, Body::Mask(Mask { mask: SALT }), Cid::default());
    let poor = Arc::new(poor.sign(swarm_core::wire::Draft::new(content)));
    assert_eq!(stage.submit_system(Command::Act(poor)), Err(Reject::NoSuchAccount));
}

/// Whoever drains its stake before is slashed of what is left of it; nothing is taken that answers for another seat.
#[test]
fn stake_that_unbonds_answers_for_a_decoy_too() {
    let (mut stage, _, passes) = failed(Some("p2"));
    let who = stage.who(&passes[0].sender);
    let unstake = stage.say(&who, Body::Unstake(swarm_core::wire::Amount { amount: Credits(10_000) }));
    stage.submit_system(Command::Act(unstake)).unwrap();
    open_it(&mut stage);
    stage.submit(Command::Act(Arc::clone(&passes[0]))).unwrap();
    stage.elapse("verdicts t0").unwrap();
    stage.relay();
    let balance = stage.system.ledger().balance(&id_of(&who)).unwrap();
    assert_eq!((balance.staked, balance.unbonding), (Credits(0), Credits(10_000 - 50)));
}

/// Where one fail is enough, one liar among three could have the other two slashed for what its friend the requester calls wrong.
#[test]
fn t28_who_passes_with_the_most_is_not_slashed() {
    let mut stage = Stage::with(3, |params| params.bond_bp = 5_000, |need| need.k_result = 1);
    announce(&mut stage, "p2");
    stage.decide(side_by_side(1));
    stage.lease("w1", "t0");
    stage.commit("w1", "t0");
    let seats: Vec<String> = stage.record.tasks[&label("t0")].seats.iter().map(|seat| stage.who(seat)).collect();
    assert_eq!(seats.len(), 3);
    let passes = stage.verdicts("pass t0", &[1, 2]);
    stage.judge("fail t0").unwrap();
    stage.relay();
    open_it(&mut stage);
    for pass in passes {
        assert_eq!(stage.submit(Command::Act(pass)).unwrap(), "Passed");
    }
    stage.elapse("verdicts t0").unwrap();
    stage.relay();
    assert_eq!(stage.record.phase, Phase::Over(Ending::Decoy));
    assert!(seats.iter().all(|name| staked(&stage, name) == 10_000), "nobody knows who erred");
}
