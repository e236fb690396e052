//! A register founded anew on one side of a split while the old one lives on behind it (PROTOCOL 5: Restore; T18): the higher
//! generation wins on every node, what the old side did beyond the base is void and said to be, and attested work of it can be
//! salvaged.

mod swarm;

use std::collections::BTreeMap;
use std::ops::Range;

use swarm::{COORDINATORS, Register, Swarm, engines, local, need};
use swarm_core::audit;
use swarm_core::base::{Base, Piece};
use swarm_core::config::Local;
use swarm_core::id::{AgentId, Digest, NeedId, Nonce, Seq, Thread};
use swarm_core::members::Act as Order;
use swarm_core::node::{Act, Input, Message, Note};
use swarm_core::register::{Chain, Ending};
use swarm_core::reject::Reject;
use swarm_core::slot::{Phase, Record};
use swarm_core::time::Span;
use swarm_core::wire::{Body, Content, NewMember, Verb};

/// Whether somebody has said `verb`.
fn was_said(verb: Verb) -> impl Fn(&Swarm) -> bool {
    move |swarm| swarm.said.iter().any(|(_, message)| message.envelope.verb() == verb)
}

/// What coordinator `n` of the last register takes with it if it is cut off at this moment.
fn survivor(swarm: &Swarm, n: usize) -> (Register, BTreeMap<Thread, Chain>) {
    let (heads, register) = (swarm.hosts[n].node.chains(), swarm.registers.last().expect("there always is one"));
    for (thread, log) in register {
        assert_eq!(heads[thread].seq, Seq(log.len() as u64), "the moment is quiet");
    }
    (register.clone(), heads)
}

/// One need; coordinator 0 is cut off when `cut` is seen, the other two go on until `on` is, and the register is founded anew
/// on what coordinator 0 holds, behind the split. Returns the newcomers.
fn split(cut: impl Fn(&Swarm) -> bool, on: impl Fn(&Swarm) -> bool) -> (Swarm, Range<usize>) {
    split_among(0, local(), cut, on)
}

/// The same at this pace, in a register of so many more threads, which nobody here has anything to do with.
fn split_among(
    others: u64,
    local: Local,
    cut: impl Fn(&Swarm) -> bool,
    on: impl Fn(&Swarm) -> bool,
) -> (Swarm, Range<usize>) {
    let mut swarm = Swarm::at(local);
    swarm.post(need());
    assert!(swarm.run(Span::from_secs(60), cut));
    let (survived, mut heads) = survivor(&swarm, 0);
    let other =
        |n: u64| (Thread::Need(NeedId::of(&AgentId([9; 32]), Nonce(n))), Chain { seq: Seq(7), ..Chain::default() });
    heads.extend((0..others).map(other));
    swarm.off.insert(0);
    assert!(swarm.run(Span::from_secs(60), on), "the old side lives on");
    let new = swarm.refound(survived, heads);
    swarm.muted.extend(new.clone());
    (swarm, new)
}

/// The split heals, and the need comes to its end in the register that was founded anew.
fn heals(swarm: &mut Swarm, new: &Range<usize>) -> NeedId {
    swarm.heal();
    let is_over = |swarm: &Swarm| {
        let over = |n: usize| swarm.hosts[n].node.is_quiet();
        new.clone().all(over)
    };
    let ended = swarm.run(Span::from_secs(600), is_over);
    assert!(ended, "it ends: {:?}", swarm.refused.iter().rev().take(5).collect::<Vec<_>>());
    swarm.run(Span::from_secs(5), |_| false);
    assert_eq!(swarm.diverged, 0);
    let thread = swarm.registers.last().unwrap().keys().find(|thread| matches!(thread, Thread::Need(_)));
    let Some(Thread::Need(need)) = thread else { panic!("the need is in the register") };
    *need
}

fn record(swarm: &mut Swarm, n: usize, need: NeedId) -> Option<Record> {
    swarm.hosts[n].node.needs().into_iter().find(|(id, _)| *id == need).map(|(_, holding)| holding.record)
}

/// Every follower and every newcomer holds the same: the need closed, under the generation that counts.
fn agrees(swarm: &mut Swarm, new: &Range<usize>, need: NeedId, decided_in: u32) {
    let first = record(swarm, new.start, need).expect("a newcomer has it");
    assert_eq!(first.phase, Phase::Over(Ending::Closed));
    assert_eq!(first.epoch.generation(), decided_in);
    let mut views = Vec::new();
    for n in (COORDINATORS..swarm.hosts.len()).filter(|n| !swarm.off.contains(n)).collect::<Vec<_>>() {
        let Some((_, holding)) = swarm.hosts[n].node.needs().into_iter().find(|(id, _)| *id == need) else { continue };
        let held = &holding.record;
        assert_eq!((held.phase, held.epoch), (first.phase, first.epoch), "host {n}");
        for (task, here) in &held.tasks {
            assert_eq!(here.record, first.tasks[task].record, "host {n}");
        }
        views.push((holding.heads, holding.view));
    }
    assert!(views.len() > COORDINATORS + 2 && views.iter().all(|view| *view == views[0]), "{}", views.len());
    for n in new.clone() {
        let system = swarm.hosts[n].node.system().expect("it is seated");
        system.ledger().check();
    }
}

fn retired(swarm: &Swarm) -> usize {
    let old: Vec<_> = swarm.hosts[1..COORDINATORS].iter().map(|host| host.keys.agent()).collect();
    swarm.retired.iter().filter(|agent| old.contains(agent)).count()
}

#[test]
fn t18_a_decision_of_the_old_side_is_void_where_the_base_ends_before_it() {
    let voting = |swarm: &Swarm| was_said(Verb::Propose)(swarm);
    let (mut swarm, new) = split(voting, was_said(Verb::Finalize));
    let need = heals(&mut swarm, &new);
    agrees(&mut swarm, &new, need, 1);
    assert_eq!(retired(&swarm), 2, "the old side learned that it is the old one");
    let found = swarm.reconciled.iter().filter_map(|(_, note)| match note {
        Note::Reconciled { kept, lost, orphaned, salvaged, .. } => Some((kept < lost, orphaned, salvaged.len())),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    assert!(found.len() >= 3 && found.iter().all(|(shorter, ..)| *shorter), "{found:?}");
    assert!(found.iter().any(|(_, orphaned, _)| orphaned.is_some_and(|(epoch, _)| epoch.generation() == 0)));
    assert!(found.iter().any(|(.., salvaged)| *salvaged > 0), "what a committee passed can be salvaged");
}

#[test]
fn t18_what_the_base_holds_stands_and_goes_on() {
    let (mut swarm, new) = split(was_said(Verb::Decide), was_said(Verb::Finalize));
    let need = heals(&mut swarm, &new);
    agrees(&mut swarm, &new, need, 0);
    let orphans =
        swarm.reconciled.iter().filter(|(_, note)| matches!(note, Note::Reconciled { orphaned: Some(_), .. }));
    assert_eq!(orphans.count(), 0, "the decision was kept");
    // Work of the lost generation was granted, and no fence of it is given out again.
    let held = record(&mut swarm, new.start, need).unwrap();
    assert!(
        held.tasks.values().all(|task| task.fence.0 >> 32 == 1),
        "{:?}",
        held.tasks.values().map(|t| t.fence).collect::<Vec<_>>()
    );
}

#[test]
fn t18_nobody_believes_the_old_side_behind_the_base() {
    let (mut swarm, new) = split(was_said(Verb::Propose), was_said(Verb::Decide));
    // The old side goes on for a while after everyone has heard of the new one.
    swarm.heal();
    swarm.run(Span::from_ms(200), |_| false);
    let need = heals(&mut swarm, &new);
    agrees(&mut swarm, &new, need, 1);
    // One who comes late hears both sides from the beginning, in the bus's order.
    let decides = swarm.said.iter().filter(|(_, m)| matches!(m.envelope.body, Body::Decide(_)));
    assert!(decides.count() >= 2, "both sides have decided");
}

/// The first base ends before a decision and the second behind another: what stands in the end was decided in between.
#[test]
fn t18_a_register_is_founded_anew_twice() {
    let (mut swarm, first) = split(was_said(Verb::Propose), was_said(Verb::Finalize));
    let decides = |swarm: &Swarm| swarm.said.iter().filter(|(_, m)| m.envelope.verb() == Verb::Decide).count();
    let of_the_old = decides(&swarm);
    swarm.heal();
    assert!(swarm.run(Span::from_secs(60), |swarm| decides(swarm) > of_the_old), "the second one decides again");
    let (survived, heads) = survivor(&swarm, first.start);
    swarm.off.insert(first.start);
    let finals = |swarm: &Swarm| swarm.said.iter().filter(|(_, m)| m.envelope.verb() == Verb::Finalize).count();
    let before = finals(&swarm);
    assert!(swarm.run(Span::from_secs(60), |swarm| finals(swarm) > before), "the second one lives on");
    let second = swarm.refound(survived, heads);
    swarm.muted.extend(second.clone());
    let need = heals(&mut swarm, &second);
    agrees(&mut swarm, &second, need, 1);
    let held = record(&mut swarm, second.start, need).unwrap();
    assert!(held.tasks.values().all(|task| task.fence.0 >> 32 == 2), "no fence of either is given out again");
    let retired = |n: usize| swarm.retired.contains(&swarm.hosts[n].keys.agent());
    assert!(
        (1..COORDINATORS).chain(first.start + 1..first.end).all(retired),
        "both learned that they are the old ones"
    );
}

#[test]
fn t18_a_run_that_was_founded_anew_replays_from_every_log() {
    let (mut swarm, new) = split(was_said(Verb::Propose), was_said(Verb::Finalize));
    heals(&mut swarm, &new);
    swarm.close();
    for (n, host) in swarm.hosts.iter_mut().enumerate() {
        let replayed = audit::replay(host.log.as_bytes(), engines()).unwrap_or_else(|bad| panic!("host {n}: {bad}"));
        let mut again = replayed.node;
        let here: Vec<_> = host.node.needs().into_iter().map(|(id, h)| (id, h.heads, h.view)).collect();
        let there: Vec<_> = again.needs().into_iter().map(|(id, h)| (id, h.heads, h.view)).collect();
        assert_eq!(here, there);
    }
}

/// The piece of the base that a MEMBER brings.
fn piece(message: &Message) -> Option<&Piece> {
    match &message.envelope.body {
        Body::Member(new) => new.piece.as_ref(),
        _ => None,
    }
}

#[test]
fn t18_a_register_of_a_thousand_threads_is_founded_anew() {
    let (mut swarm, new) = split_among(1_000, local(), was_said(Verb::Propose), was_said(Verb::Finalize));
    let need = heals(&mut swarm, &new);
    agrees(&mut swarm, &new, need, 1);
    let told: Vec<u32> = swarm.said.iter().filter_map(|(_, message)| Some(piece(message)?.at)).collect();
    assert_eq!(told.len(), 16, "each of more than a thousand heads is told once");
    for host in swarm.hosts.iter().enumerate().filter(|(n, _)| !swarm.off.contains(n)).map(|(_, host)| host) {
        assert!(host.node.bases()[0].heads.len() > 1_000);
    }
    // A newcomer's log says what it started from.
    swarm.close();
    assert!(audit::replay(swarm.hosts[new.start].log.as_bytes(), engines()).is_ok());
    let without = swarm.hosts[new.start].log.replace("\"bases\"", "\"basis\"");
    assert!(audit::replay(without.as_bytes(), engines()).is_err());
}

/// One piece comes late. Until then nobody outside the new register decides anything; who lost its seat is silent at once; and
/// where there is no room to wait in, what was missed is heard again.
#[test]
fn t18_who_lacks_a_piece_of_the_base_waits_for_it() {
    for parked_max in [64, 0] {
        let local = Local { parked_max, ..local() };
        let (mut swarm, new) = split_among(300, local, was_said(Verb::Propose), was_said(Verb::Finalize));
        let told = |swarm: &Swarm| swarm.unheard.iter().filter(|(.., message)| piece(message).is_some()).count();
        assert!(swarm.run(Span::from_secs(1), |swarm| told(swarm) == 5), "they tell it on their side");
        let lacks = |message: &Message| piece(message).is_some_and(|piece| piece.at == 2);
        let (late, soon) = std::mem::take(&mut swarm.unheard).into_iter().partition(|(.., message)| lacks(message));
        swarm.unheard = soon;
        swarm.heal();
        swarm.run(Span::from_ms(60), |_| false);
        assert_eq!(retired(&swarm), 2, "its seat is another's, whatever was kept");
        assert!(swarm.reconciled.is_empty());
        assert!(swarm.hosts[..new.start].iter().all(|host| host.node.bases().is_empty()));
        let missed = swarm.refused.iter().filter(|(_, why)| why == Reject::NoRoom.as_str()).count();
        assert_eq!(missed > 0, parked_max == 0);
        swarm.unheard = late;
        let need = heals(&mut swarm, &new);
        agrees(&mut swarm, &new, need, 1);
    }
}

#[test]
fn t18_a_piece_that_is_not_of_the_base_is_refused_by_name() {
    let (mut swarm, new) = split_among(300, local(), was_said(Verb::Propose), was_said(Verb::Finalize));
    heals(&mut swarm, &new);
    let told = swarm.said.iter().find(|(_, message)| piece(message).is_some_and(|piece| piece.at == 2));
    let envelope = &told.expect("it was told").1.envelope;
    let say = |change: &dyn Fn(&mut NewMember)| {
        let mut content = Content::clone(envelope);
        let Body::Member(new) = &mut content.body else { panic!("it is a MEMBER") };
        change(new);
        content.check()
    };
    let lie = |new: &mut NewMember| {
        let heads = &mut new.piece.as_mut().unwrap().heads;
        heads.iter_mut().for_each(|(_, chain)| chain.seq = Seq(1));
    };
    let another = Base { generation: 1, heads: piece(&told.unwrap().1).unwrap().heads.iter().copied().collect() };
    assert_eq!(say(&|_| {}), Ok(()));
    assert_eq!(say(&|new| new.piece = None), Ok(()), "it brings its newcomers and nothing else");
    assert_eq!(say(&lie), Err(Reject::NoEvidence));
    assert_eq!(say(&|new| new.piece.as_mut().unwrap().at = 3), Err(Reject::NoEvidence));
    assert_eq!(say(&|new| new.piece.as_mut().unwrap().at = 5), Err(Reject::OutOfBounds));
    assert_eq!(say(&|new| new.piece = another.pieces().pop()), Err(Reject::NoEvidence), "of another base");
    let order = |new: &mut NewMember, act: Order| std::sync::Arc::make_mut(&mut new.mandate).act = act;
    assert_eq!(say(&|new| order(new, Order::Restore { generation: 1 })), Err(Reject::WrongFields), "it has no base");
    let swollen = |new: &mut NewMember| {
        let head = |n: u64| (Thread::Need(NeedId::of(&AgentId([8; 32]), Nonce(n))), Chain::default());
        new.piece.as_mut().unwrap().heads.extend((0..64).map(head));
    };
    assert_eq!(say(&swollen), Err(Reject::Oversize));
}

#[test]
fn a_new_need_lives_in_the_new_register_alone() {
    let (mut swarm, new) = split(was_said(Verb::Propose), was_said(Verb::Decide));
    heals(&mut swarm, &new);
    swarm.hosts[3].inbox.push_back(Input::Act(Box::new(Act::Post(need()))));
    let needs = |swarm: &Swarm| swarm.registers[1].keys().count();
    let before = needs(&swarm);
    assert!(swarm.run(Span::from_secs(60), |swarm| needs(swarm) > before));
    let quiet = |swarm: &Swarm| new.clone().all(|n| swarm.hosts[n].node.is_quiet());
    swarm.run(Span::from_secs(1), |_| false);
    assert!(swarm.run(Span::from_secs(600), quiet));
    assert_eq!(swarm.ended.len(), 2);
    assert!(swarm.ended.values().all(|ending| *ending == Ending::Closed));
}

#[test]
fn t18_who_founds_on_another_past_than_the_act_names_is_stopped() {
    let mut swarm = Swarm::new();
    swarm.post(need());
    assert!(swarm.run(Span::from_secs(60), was_said(Verb::Decide)));
    let (survived, mut heads) = survivor(&swarm, 0);
    let head = heads.values_mut().max_by_key(|chain| chain.seq).expect("something was applied");
    head.head = Digest::sha256(b"another past");
    swarm.off.extend(0..COORDINATORS);
    swarm.refound(survived, heads);
    swarm.run(Span::from_secs(5), |_| false);
    assert!(swarm.diverged > 0);
}

#[test]
fn t18_what_is_held_under_a_void_grant_is_dropped() {
    let mut swarm = Swarm::new();
    swarm.post(need());
    assert!(swarm.run(Span::from_secs(60), was_said(Verb::Propose)));
    let (survived, heads) = survivor(&swarm, 0);
    swarm.off.insert(0);
    swarm.stalled = true;
    // Whoever is granted a task says that it took it on.
    assert!(swarm.run(Span::from_secs(60), was_said(Verb::UpdatePlan)));
    swarm.refound(survived, heads);
    assert!(
        swarm.run(Span::from_ms(150), |swarm| swarm.retired.len() == 2),
        "all have heard, before the first heartbeat"
    );
    assert!(!swarm.reconciled.is_empty() && !was_said(Verb::Heartbeat)(&swarm));
    swarm.run(Span::from_ms(450), |_| false);
    assert!(!was_said(Verb::Heartbeat)(&swarm), "nobody beats for what it does not hold");
}
