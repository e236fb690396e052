//! Seats of the register that change hands: who may order it, what the newcomer may do in which thread, and what becomes of
//! the word of the one that goes (PROTOCOL 5: Members).

use std::sync::Arc;

use crate::kit::*;
use swarm_core::id::*;
use swarm_core::members::{Act, Mandate, Succession};
use swarm_core::register::{Command, Event, Says};
use swarm_core::reject::Reject;
use swarm_core::slot::{Registry, Waiting};
use swarm_core::wire::*;

impl Stage {
    fn mandate(&self, old: &str, new: &str) -> Command {
        Command::Mandate(mandate(&self.genesis, old, new, self.last()))
    }

    /// What the next mandate comes after.
    fn last(&self) -> Digest {
        self.system.members().last_mandate()
    }

    /// `new` takes the seat of `old`, in the system thread and in the need.
    fn replace(&mut self, old: &str, new: &str) {
        let mandate = self.mandate(old, new);
        assert_eq!(self.submit_system(mandate.clone()).unwrap(), "Replaced");
        assert_eq!(self.submit(mandate).unwrap(), "Replaced");
    }
}

fn open() -> Stage {
    let mut stage = Stage::new();
    stage.open();
    stage
}

#[test]
fn only_a_majority_of_the_recovery_keys_of_this_deployment_gives_a_seat_away() {
    let genesis = Stage::new().genesis;
    let (here, all) = (genesis.digest(), recovery());
    let signed = |act, keys: &[swarm_core::identity::Keys]| Mandate::sign(act, Digest::default(), &here, keys);
    let with = |edit: fn(&mut Arc<Envelope>, &mut swarm_core::genesis::Member)| {
        let Act::Replace(Succession { mut manifest, mut new, old }) = replace("c1", "c4") else { unreachable!() };
        edit(&mut manifest, &mut new);
        signed(Act::Replace(Succession { manifest, new, old }), &all)
    };
    let mut swapped = signed(replace("c1", "c4"), &all);
    swapped.act = replace("c2", "c4");
    let mut strangers = signed(replace("c1", "c4"), &all);
    strangers.sigs.extend(signed(replace("c1", "c4"), &[keys("c2")]).sigs);
    let cases = [
        ("one key of three", signed(replace("c1", "c4"), &all[..1]), Reject::NoQuorum),
        ("nobody", signed(replace("c1", "c4"), &[]), Reject::NoQuorum),
        ("coordinators", signed(replace("c1", "c4"), &[keys("c2"), keys("c3")]), Reject::NotEntitled),
        ("a stranger besides", strangers, Reject::NotEntitled),
        (
            "another deployment",
            Mandate::sign(replace("c1", "c4"), Digest::default(), &Digest::default(), &all),
            Reject::BadSignature,
        ),
        ("signatures of another act", swapped, Reject::BadSignature),
        ("the seat of nobody", signed(replace("c9", "c4"), &all), Reject::NoSuchThing),
        ("for a member", signed(replace("c1", "c2"), &all), Reject::Duplicate),
        ("for itself", signed(replace("c1", "c1"), &all), Reject::Duplicate),
        (
            "another's manifest",
            with(|m, _| *m = manifest_envelope("c5", vec![Role::Coordinator])),
            Reject::NotTheSender,
        ),
        ("no coordinator", with(|m, _| *m = manifest_envelope("c4", vec![Role::Worker])), Reject::WrongRole),
    ];
    for (what, mandate, reject) in cases {
        let mut stage = open();
        let command = Command::Mandate(Arc::new(mandate));
        assert_eq!(stage.submit_system(command.clone()), Err(reject), "{what}");
        assert_eq!(stage.submit(command), Err(reject), "{what}");
    }
    let mut stage = open();
    stage.replace("c1", "c4");
    let again = stage.mandate("c1", "c4");
    assert_eq!(stage.submit_system(again.clone()), Err(Reject::Duplicate), "twice");
    assert_eq!(stage.submit(again), Err(Reject::Duplicate), "twice");
    let other = stage.mandate("c1", "c5");
    assert_eq!(stage.submit_system(other.clone()), Err(Reject::NoSuchThing), "a seat that was given away");
    assert_eq!(stage.submit(other), Err(Reject::NoSuchThing), "a seat that was given away");
    let back = stage.mandate("c4", "c1");
    assert_eq!(stage.submit_system(back), Err(Reject::Duplicate), "T71: nobody comes back under its old id");
}

#[test]
fn a_need_knows_newcomers_only_while_it_is_open() {
    let mut stage = Stage::new();
    let mandate = stage.mandate("c1", "c4");
    assert_eq!(stage.submit(mandate.clone()), Err(Reject::WrongPhase), "not taken up");
    stage.open();
    stage.act("r1", "cancel").unwrap();
    assert!(stage.record.is_over());
    assert_eq!(stage.submit(mandate), Err(Reject::WrongPhase), "over");
}

#[test]
fn two_replacements_in_a_row_take_effect_in_their_order() {
    let mut stage = open();
    let first = mandate(&stage.genesis, "c1", "c4", Digest::default());
    let second = mandate(&stage.genesis, "c4", "c5", first.id());
    let (first, second) = (Command::Mandate(first), Command::Mandate(second));
    assert_eq!(stage.submit(second.clone()), Err(Reject::NoSuchThing));
    for command in [first, second] {
        stage.submit_system(command.clone()).unwrap();
        stage.submit(command).unwrap();
    }
    let voices = stage.record.voices(&stage.genesis);
    let seats = ["c1", "c4", "c5"].map(|name| voices.seat(&id_of(name)));
    assert!(seats[0].is_some() && seats.iter().all(|seat| *seat == seats[0]));
    assert_eq!(["c1", "c4", "c5", "c2"].map(|name| voices.holds(&id_of(name))), [false, false, true, true]);
    let members = stage.system.members();
    assert_eq!(members.handovers(), stage.record.handovers);
    assert_eq!(
        members.voices().holders().collect::<Vec<_>>(),
        members.seats().iter().map(|s| s.member.agent).collect::<Vec<_>>()
    );
    let ids = members.ids();
    assert!(ids.contains(&5) && !ids.contains(&4), "no number is given twice: {ids:?}");
}

/// Two keepers of the recovery keys who do not know of each other, or one who changed its mind.
#[test]
fn t71_of_two_mandates_signed_for_one_place_only_one_counts() {
    let mut stage = open();
    let (first, other) = (stage.mandate("c1", "c4"), stage.mandate("c2", "c5"));
    for command in [first, other.clone()] {
        let taken = stage.submit_system(command.clone());
        let expected = if command == other { Err(Reject::WrongLink) } else { Ok("Replaced".to_owned()) };
        assert_eq!(taken, expected);
        assert_eq!(stage.submit(command), expected);
    }
    let anew = stage.mandate("c2", "c5");
    assert_eq!(stage.submit_system(anew).unwrap(), "Replaced", "signed anew, behind the first");
}

#[test]
fn t72_what_the_one_that_went_measured_ends_no_wait() {
    let mut stage = open();
    let total = stage.record.waits[&Waiting::Proposals].total;
    assert_eq!(stage.report("c1", "proposals", total).unwrap(), "Reported");
    assert_eq!(stage.report("c4", "proposals", total), Err(Reject::NotEntitled), "not yet");
    stage.replace("c1", "c4");
    assert!(stage.record.waits[&Waiting::Proposals].reports.is_empty());
    assert_eq!(stage.report("c1", "proposals", total), Err(Reject::NotEntitled), "no more");
    assert_eq!(stage.report("c2", "proposals", total).unwrap(), "Reported", "one clock of three is left");
    let ended = stage.report("c4", "proposals", total).unwrap();
    assert!(ended.starts_with("Reported WaitClosed"), "{ended}");
}

#[test]
fn t71_old_and_new_are_one_voice_in_a_proof() {
    let mut stage = Stage::new();
    stage.act("r1", "need").unwrap();
    let (thread, asked) = stage.mail.pop_front().unwrap();
    let at = asked.outcome.events().iter().position(|e| matches!(e, Event::Asked { .. })).unwrap();
    let mut proof = stage.proof(thread, &asked, at);
    let by = |names: &[&str]| vouchers(&names.iter().map(ToString::to_string).collect::<Vec<_>>(), thread, &asked);
    proof.vouchers = by(&["c1", "c4"]);
    assert_eq!(stage.submit_system(Command::Relay(proof.clone())), Err(Reject::NoEvidence), "c4 is nobody");
    let mandate = stage.mandate("c1", "c4");
    stage.submit_system(mandate).unwrap();
    assert_eq!(stage.submit_system(Command::Relay(proof.clone())), Err(Reject::NoEvidence), "a seat, twice");
    proof.vouchers = by(&["c2", "c4"]);
    assert!(stage.submit_system(Command::Relay(proof)).unwrap().contains("Answered"));
}

#[test]
fn t71_a_thread_believes_newcomers_by_its_own_table_only() {
    let mut stage = Stage::new();
    stage.act("r1", "need").unwrap();
    let letters = stage.letters();
    letters.into_iter().for_each(|(_, command)| drop(stage.submit_system(command).unwrap()));
    let mandate = stage.mandate("c1", "c4");
    stage.submit_system(mandate.clone()).unwrap();
    let (thread, told) = stage.mail.pop_front().unwrap();
    let at = told.outcome.events().iter().position(|e| matches!(e, Event::Answered { .. })).unwrap();
    let mut proof = stage.proof(thread, &told, at);
    proof.vouchers = vouchers(&["c2".into(), "c4".into()], thread, &told);
    let relay = Command::Relay(proof);
    assert_eq!(stage.submit(relay.clone()), Err(Reject::NoEvidence), "this thread has not heard of c4");
    stage.submit(mandate).unwrap();
    assert!(stage.submit(relay).unwrap().contains("Opened"));
}

#[test]
fn t68_a_newcomers_chain_is_for_results_that_nobody_has_committed_yet() {
    let mut stage = Stage::new();
    stage.decide(side_by_side(3));
    let reveal = |stage: &mut Stage, by: &str, index, round| {
        stage.submit_system(word(by, Thread::System, Says::Reveal { round, value: value(by, index) }))
    };
    for (worker, task) in [("w1", "t0"), ("w2", "t1"), ("w3", "t2")] {
        stage.lease(worker, task);
    }
    stage.act("w1", "commit t0").unwrap();
    stage.relay();
    // c1 has revealed and goes. c4's chain may have been made by someone who saw that, and the next result too.
    assert!(reveal(&mut stage, "c1", 1, 1).is_ok());
    stage.replace("c1", "c4");
    stage.act("w2", "commit t1").unwrap();
    stage.relay();
    assert_eq!(reveal(&mut stage, "c4", 1, 1), Err(Reject::WrongReveal));
    assert_eq!(reveal(&mut stage, "c2", 1, 1).unwrap(), "Revealed");
    let closed = reveal(&mut stage, "c3", 1, 1).unwrap();
    assert!(closed.contains("RoundClosed"), "nobody owes it anything more: {closed}");
    assert_eq!((stage.system.open_round(), stage.system.chain_of(&id_of("c4"), 2)), (Some(2), None));
    assert_eq!(reveal(&mut stage, "c1", 2, 2), Err(Reject::NotEntitled));
    assert_eq!(reveal(&mut stage, "c4", 1, 2), Err(Reject::WrongReveal));
    stage.act("w3", "commit t2").unwrap();
    stage.relay();
    assert!(reveal(&mut stage, "c2", 2, 2).is_ok());
    assert!(reveal(&mut stage, "c3", 2, 2).unwrap().contains("RoundClosed Answered RoundOpened"));
    assert_eq!(stage.system.chain_of(&id_of("c4"), 3), Some((0, 1)), "the first value of its first chain");
    assert!(reveal(&mut stage, "c2", 3, 3).is_ok());
    assert!(reveal(&mut stage, "c3", 3, 3).is_ok());
    assert!(reveal(&mut stage, "c4", 1, 3).unwrap().contains("RoundClosed Answered"));
}

#[test]
fn t68_a_round_that_waits_only_for_the_one_that_goes_closes_and_names_nobody() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.lease("w1", "cut");
    stage.act("w1", "commit cut").unwrap();
    stage.relay();
    for by in ["c2", "c3"] {
        let command = word(by, Thread::System, Says::Reveal { round: 1, value: value(by, 1) });
        assert_eq!(stage.submit_system(command).unwrap(), "Revealed");
    }
    let mandate = stage.mandate("c1", "c4");
    assert_eq!(stage.submit_system(mandate).unwrap(), "Replaced RoundClosed Answered");
    let (_, entry) = stage.mail.back().unwrap();
    let omitted = entry.outcome.events().iter().find_map(|event| match event {
        Event::RoundClosed { omitted, .. } => Some(omitted.clone()),
        _ => None,
    });
    assert_eq!(omitted, Some(vec![]), "the newcomer owed nothing");
}

#[test]
fn t68_when_all_were_seated_lately_rounds_pass_until_they_owe() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.lease("w1", "cut");
    stage.act("w1", "commit cut").unwrap();
    stage.relay();
    stage.replace("c1", "c4");
    stage.replace("c2", "c5");
    let mandate = stage.mandate("c3", "c6");
    assert_eq!(stage.submit_system(mandate).unwrap(), "Replaced RoundOpened RoundOpened");
    assert_eq!(stage.system.open_round(), Some(3));
    for by in ["c4", "c5", "c6"] {
        stage.submit_system(word(by, Thread::System, Says::Reveal { round: 3, value: value(by, 1) })).unwrap();
    }
    let last = stage.mail.back().unwrap().1.outcome.events().iter().map(name).collect::<Vec<_>>();
    assert_eq!(last, ["Revealed", "RoundClosed", "Answered"]);
}

#[test]
fn a_newcomer_is_registered_with_an_account() {
    let mut stage = open();
    stage.replace("c1", "c4");
    assert_eq!(stage.available("c4"), 0);
    assert!(stage.system.is_dirty());
    let number = stage.system.number() + 1;
    stage.submit_system(Command::Snapshot { number }).unwrap();
    let standing = stage.system.standing(number, &id_of("c4")).unwrap();
    assert_eq!(standing.roles, [Role::Coordinator]);
}

impl Stage {
    fn restore(&self, generation: u32) -> Command {
        let mandate = Mandate::sign(Act::Restore { generation }, self.last(), &self.genesis.digest(), &recovery()[1..]);
        Command::Mandate(Arc::new(mandate))
    }
}

#[test]
fn t78_a_restore_begins_an_epoch_that_nobody_can_have_opened() {
    let mut stage = open();
    let proposal = stage.say("p1", Body::Propose(propose(two_steps(), 1)));
    stage.submit(Command::Act(Arc::clone(&proposal))).unwrap();
    stage.elapse("proposals").unwrap();
    let k = stage.record.k_plan as usize;
    let stale = stage.approvals(&(0..k).collect::<Vec<_>>(), Some(proposal.id()));
    let restore = stage.restore(2);
    assert_eq!(stage.submit_system(restore.clone()).unwrap(), "Restored");
    assert_eq!(stage.submit(restore.clone()).unwrap(), "Restored EpochPassed Voting Asked");
    assert_eq!(stage.record.epoch, Epoch::first_of(2));
    assert!(stage.record.epoch > Epoch(u64::from(u32::MAX)), "whatever the generation before may have counted to");
    assert_eq!(stage.submit(Command::Count(stale.clone())), Err(Reject::WrongPhase), "voters are being drawn");
    stage.relay();
    assert_eq!(stage.submit(Command::Count(stale)), Err(Reject::StaleEpoch), "what was voted before is dead");
    for generation in [0, 1, 2] {
        let again = stage.restore(generation);
        assert_eq!(stage.submit_system(again.clone()), Err(Reject::StaleEpoch), "{generation} is no higher");
        assert_eq!(stage.submit(again), Err(Reject::StaleEpoch), "{generation} is no higher");
    }
    let votes = stage.approvals(&(0..k).collect::<Vec<_>>(), Some(proposal.id()));
    assert_eq!(stage.submit(Command::Count(votes)).unwrap().split(' ').nth(1), Some("Decided"));
}

#[test]
fn t78_a_restore_waits_for_the_voters_that_are_being_drawn() {
    let mut stage = Stage::new();
    let restore = stage.restore(1);
    assert_eq!(stage.submit(restore.clone()), Err(Reject::WrongPhase), "not taken up");
    stage.act("r1", "need").unwrap();
    assert_eq!(stage.submit(restore).unwrap(), "Restored");
    assert_eq!(stage.record.epoch, Epoch::FIRST);
    let told = stage.relay();
    assert!(told.contains("Opened WaitOpened EpochPassed Voting Asked"), "{told}");
    assert_eq!((stage.record.epoch, stage.record.owes_epoch), (Epoch::first_of(1), false));
    assert!(!stage.record.voters.is_empty());
}

#[test]
fn t78_what_is_decided_stays_decided_after_a_restore() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    let epoch = stage.record.epoch;
    stage.lease("w1", "cut");
    let restore = stage.restore(1);
    assert_eq!(stage.submit(restore).unwrap(), "Restored");
    assert_eq!(stage.record.epoch, epoch);
    assert!(stage.act("w1", "commit cut").is_ok(), "its lease stands");
}

#[test]
fn t78_only_a_majority_of_the_recovery_keys_restores() {
    let (here, all) = (Stage::new().genesis.digest(), recovery());
    let act = || Act::Restore { generation: 1 };
    let cases = [
        (Mandate::sign(act(), Digest::default(), &here, &all[..1]), Reject::NoQuorum),
        (Mandate::sign(act(), Digest::default(), &here, &[keys("c2"), keys("c3")]), Reject::NotEntitled),
        (Mandate::sign(act(), Digest::default(), &Digest::default(), &all), Reject::BadSignature),
    ];
    for (mandate, reject) in cases {
        let mut stage = open();
        let command = Command::Mandate(Arc::new(mandate));
        assert_eq!(stage.submit_system(command.clone()), Err(reject));
        assert_eq!(stage.submit(command), Err(reject));
    }
}

/// A snapshot holds the whole pool. Of those that there were, only those stay that somebody goes by.
#[test]
fn a_snapshot_that_no_need_goes_by_is_let_go() {
    let mut stage = Stage::new();
    let number = |stage: &Stage| stage.system.number();
    let pass = |stage: &mut Stage| {
        let gift = AmountTo { amount: Credits(1), to: id_of("w1") };
        let gift = stage.say("r1", Body::Transfer(gift));
        stage.submit_system(Command::Act(gift)).unwrap();
        let number = stage.system.number() + 1;
        stage.submit_system(Command::Snapshot { number }).unwrap();
    };
    (0..5).for_each(|_| pass(&mut stage));
    assert_eq!((stage.system.snapshots(), number(&stage)), (1, 6));
    stage.open();
    (0..5).for_each(|_| pass(&mut stage));
    assert_eq!((stage.system.snapshots(), number(&stage)), (2, 11), "the need's, and the newest");
    assert!(stage.system.standing(6, &id_of("p1")).is_some() && stage.system.standing(7, &id_of("p1")).is_none());
    stage.act("p1", "propose").unwrap();
    stage.system.cites(&stage.need, None);
    pass(&mut stage);
    assert_eq!(stage.system.snapshots(), 1);
}

/// Whole coordinators let go of what their own slots no longer ask for.
#[test]
fn coordinators_keep_the_snapshots_of_open_needs_only() {
    let mut host = crate::host::Host::with(|params| params.snapshot_ms = 1_000);
    for _ in 0..3 {
        let need = host.post(crate::nodes::need());
        assert!(host.run(100));
        crate::nodes::assert_closed(&mut host, need);
    }
    for name in host.coordinators() {
        let system = host.nodes[&name].system().unwrap();
        assert!(system.number() > 4 && system.snapshots() <= 2, "{} of {}", system.snapshots(), system.number());
    }
}
