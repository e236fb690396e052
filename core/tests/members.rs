//! A coordinator that lost its disk, in a swarm of whole nodes: a newcomer takes its seat and the protocol goes on (T71).

mod swarm;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm::{COORDINATORS, Swarm, engines, keys, local, need};
use swarm_core::audit;
use swarm_core::id::{AgentId, Digest, NeedId, Segment, Thread};
use swarm_core::members::Mandate;
use swarm_core::node::{Act, Effect, Input, Message, Node, Note, Setup};
use swarm_core::register::{Command, Ending, Outcome as Came, Says, Word};
use swarm_core::reject::Reject;
use swarm_core::slot::{Phase, Record};
use swarm_core::time::Span;
use swarm_core::wire::{Body, Verb};

/// A swarm in the middle of its first need: a plan is decided, nothing is final.
fn midway() -> Swarm {
    let mut swarm = Swarm::new();
    swarm.post(need());
    let decided = |s: &Swarm| s.said.iter().any(|(_, m)| matches!(m.envelope.body, Body::Decide(_)));
    assert!(swarm.run(Span::from_secs(60), decided));
    assert!(swarm.ended.is_empty());
    swarm
}

fn finish(swarm: &mut Swarm, needs: usize) {
    assert!(swarm.run(Span::from_secs(600), |s| s.ended.len() >= needs), "it ends: {:?}", swarm.refused);
    swarm.run(Span::from_secs(5), |_| false);
    assert!(swarm.ended.values().all(|ending| *ending == Ending::Closed));
    assert_eq!(swarm.diverged, 0);
}

/// The records of a need at those coordinators that are up.
fn records(swarm: &mut Swarm, need: NeedId) -> Vec<Record> {
    let up = (0..COORDINATORS).filter(|n| !swarm.off.contains(n)).collect::<Vec<_>>();
    let held = |n: usize| swarm.hosts[n].node.needs().into_iter().find(|(id, _)| *id == need).map(|(_, h)| h.record);
    up.into_iter().map(held).map(|record| record.expect("every coordinator has it")).collect()
}

/// Verbs that an agent has said.
fn said_by(swarm: &Swarm, agent: AgentId) -> BTreeSet<Verb> {
    swarm.said.iter().filter(|(_, m)| m.envelope.sender == agent).map(|(_, m)| m.envelope.verb()).collect()
}

fn replays(swarm: &mut Swarm) {
    swarm.close();
    for (n, host) in swarm.hosts.iter_mut().enumerate() {
        let replayed = audit::replay(host.log.as_bytes(), engines()).unwrap_or_else(|bad| panic!("host {n}: {bad}"));
        assert!(replayed.closed);
        let mut again = replayed.node;
        let (again, here) = (again.needs(), host.node.needs());
        assert_eq!(again.len(), here.len());
        for ((id, a), (other, b)) in again.into_iter().zip(here) {
            assert_eq!((id, a.heads, a.view), (other, b.heads, b.view));
            assert_eq!(format!("{:?}", a.record), format!("{:?}", b.record));
        }
    }
}

#[test]
fn t71_a_need_is_carried_to_its_end_by_the_one_that_took_the_seat() {
    let mut swarm = midway();
    let gone = swarm.replace(0).keys.agent();
    let new = swarm.hosts[0].keys.agent();
    swarm.run(Span::from_ms(100), |_| false);
    // Now the newcomer is needed: with another one off, two of three seats are just enough.
    swarm.off.insert(1);
    finish(&mut swarm, 1);
    let need = *swarm.ended.keys().next().unwrap();
    let all = records(&mut swarm, need);
    assert_eq!(all.len(), 2);
    for record in all {
        assert_eq!(record.phase, Phase::Over(Ending::Closed));
        assert_eq!(record.handovers.iter().map(|h| (h.old, h.new)).collect::<Vec<_>>(), [(gone, new)]);
    }
    let thread = Thread::Need(need);
    let vouched = swarm
        .said
        .iter()
        .any(|(_, m)| m.envelope.sender == new && m.envelope.thread == thread && m.envelope.verb() == Verb::Entry);
    assert!(vouched, "it says {:?}", said_by(&swarm, new));
    replays(&mut swarm);
}

#[test]
fn t71_all_seats_change_hands_one_after_the_other_and_another_need_closes() {
    let mut swarm = midway();
    for n in 0..COORDINATORS {
        swarm.replace(n);
        swarm.run(Span::from_ms(150), |_| false);
    }
    finish(&mut swarm, 1);
    // And once more, a seat that changed hands already; then a need that no founder has anything to do with.
    swarm.replace(2);
    swarm.run(Span::from_ms(150), |_| false);
    swarm.post(need());
    finish(&mut swarm, 2);
    let ids: Vec<NeedId> = swarm.ended.keys().copied().collect();
    for need in ids {
        let all = records(&mut swarm, need);
        assert!(all.iter().all(|r| format!("{r:?}") == format!("{:?}", all[0])), "all hold the same");
    }
    replays(&mut swarm);
}

/// The id of a mandate does not cover its signatures: a liar has it ordered without any before the true one is.
#[test]
fn t73_a_mandate_without_signatures_takes_the_place_of_none() {
    let mut swarm = midway();
    let mut seen = BTreeSet::new();
    swarm.forger = Some(Box::new(move |thread, command| match command {
        Command::Mandate(mandate) if *thread != Thread::System && seen.insert(*thread) => {
            let forged = Mandate { sigs: BTreeMap::new(), ..Mandate::clone(mandate) };
            assert_eq!(forged.id(), mandate.id());
            Some(Command::Mandate(Arc::new(forged)))
        }
        _ => None,
    }));
    swarm.replace(1);
    finish(&mut swarm, 1);
    let need = *swarm.ended.keys().next().unwrap();
    assert!(records(&mut swarm, need).iter().all(|record| record.handovers.len() == 1), "the need knows the newcomer");
    replays(&mut swarm);
}

#[test]
fn t71_one_that_was_replaced_and_lives_falls_silent_and_its_key_is_good_for_nothing() {
    let mut swarm = midway();
    let old = swarm.replace(1);
    let gone = old.keys.agent();
    // It was not wiped at all; it only could not be reached.
    swarm.hosts.push(old);
    let last = swarm.hosts.len() - 1;
    swarm.run(Span::from_ms(200), |_| false);
    assert_eq!(swarm.retired, [gone]);
    assert!(swarm.hosts[last].node.system().is_none());
    let said = swarm.said.iter().filter(|(_, m)| m.envelope.sender == gone).count();
    let did = |(by, came): &&(AgentId, Came)| *by == gone && matches!(came, Came::Did(_));
    let counted = swarm.words.iter().filter(did).count();
    // Whoever has its key reports and reveals: no thread takes it.
    let stolen = keys().swap_remove(1);
    let word = |thread, says| Command::Word(Word { by: gone, says, thread }.sign(stolen.signing())).into();
    let thread = *swarm.registers[0].keys().find(|thread| matches!(thread, Thread::Need(_))).unwrap();
    let before = swarm.hosts[0].node.system().unwrap().ledger().digest();
    // In `system` one wait runs all the time: for the first day to pass.
    for (thread, segments) in [(thread, 1..40), (Thread::System, 1..2)] {
        for segment in segments {
            let says = Says::Elapsed { elapsed: Span::from_secs(24 * 3_600), segment: Segment(segment) };
            swarm.order(thread, word(thread, says));
        }
    }
    let value = swarm_core::id::Digest::default();
    swarm.order(Thread::System, word(Thread::System, Says::Reveal { round: 1, value }));
    swarm.run(Span::from_ms(1), |_| false);
    assert_eq!(swarm.hosts[0].node.system().unwrap().ledger().digest(), before);
    assert!(swarm.ended.is_empty(), "its clock ends no wait");
    let of_it = |reject| swarm.words.contains(&(gone, Came::Refused(reject)));
    assert!(of_it(Reject::NotEntitled), "it reports of the wait that runs: {:?}", swarm.words);
    assert_eq!(swarm.words.iter().filter(did).count(), counted, "nothing that it says counts now");
    finish(&mut swarm, 1);
    let after = swarm.said.iter().filter(|(_, m)| m.envelope.sender == gone).count();
    assert_eq!(after, said, "it is silent");
    let need = *swarm.ended.keys().next().unwrap();
    let told = records(&mut swarm, need);
    assert!(told.iter().all(|r| format!("{r:?}") == format!("{:?}", told[0])));
    replays(&mut swarm);
}

#[test]
fn a_forged_mandate_is_refused_at_the_operators_desk() {
    let mut swarm = midway();
    swarm.off.insert(0);
    let _gone = swarm.replace(0);
    let good = swarm.mandates.pop().unwrap();
    let mut forged = (*good).clone();
    forged.sigs.pop_first();
    swarm.hosts[1].inbox.clear();
    swarm.off.insert(0);
    let me = swarm.hosts[1].keys.agent();
    swarm.hosts[1].inbox.push_back(Input::Act(Box::new(Act::Mandate(forged.into()))));
    swarm.hosts[7].inbox.push_back(Input::Act(Box::new(Act::Mandate(good))));
    swarm.run(Span::from_ms(1), |_| false);
    assert!(swarm.refused.contains(&(me, "no-quorum".into())), "{:?}", swarm.refused);
    assert!(swarm.refused.contains(&(swarm.hosts[7].keys.agent(), "wrong-role".into())), "a worker is no coordinator");
    let mandated = swarm.registers[0].values().flatten().any(|command| matches!(&**command, Command::Mandate(_)));
    assert!(!mandated, "nothing came before the register");
    finish(&mut swarm, 1);
}

/// The bus may bring a mandate before the one that it comes after. What a newcomer says meanwhile waits for both: were it refused,
/// nobody would say it again.
#[test]
fn t71_a_newcomer_is_heard_by_those_who_missed_the_one_before() {
    let mut swarm = midway();
    swarm.replace(0);
    swarm.run(Span::from_secs(1), |_| false);
    let first = swarm.hosts[0].keys.agent();
    swarm.replace(0);
    let second = swarm.hosts[0].keys.agent();
    swarm.run(Span::from_ms(100), |_| false);
    // Two of three seats are just enough, so that its word is needed.
    swarm.off.insert(1);
    finish(&mut swarm, 1);
    let brings = |agent: AgentId| {
        move |message: &&Message| match &message.envelope.body {
            Body::Member(new) => new.mandate.handovers().any(|handover| handover.new == agent),
            _ => false,
        }
    };
    let said = || swarm.said.iter().map(|(_, message)| message);
    let of_it = |message: &&Message| message.envelope.sender == second;
    let late = || said().filter(brings(second)).chain(said().filter(of_it)).chain(said().filter(brings(first)));
    assert!(said().any(|m| brings(first)(&m)), "the first is made known");
    assert!(said().any(|m| brings(second)(&m)), "the second is made known");
    assert!(said().any(|m| of_it(&m)), "the second speaks");
    // The requester follows its need from the start, and hears all that, in this order, before everything else.
    let mut node = Node::new(Setup {
        me: swarm.hosts[3].keys.agent(),
        genesis: Arc::clone(&swarm.genesis),
        local: local(),
        bases: Vec::new(),
        mandates: Vec::new(),
        stream: Digest::sha256(b"stream"),
        engines: engines(),
    });
    let mut refused = Vec::new();
    let mut hears = |node: &mut Node, input: Input| {
        node.handle(swarm.now, input);
        while let Some(effect) = node.poll_effect() {
            if let Effect::Emit(Note::Refused { envelope, reject }) = effect {
                refused.push((envelope, reject));
            }
        }
    };
    hears(&mut node, Input::Boot);
    late().chain(said()).cloned().for_each(|message| hears(&mut node, Input::Message(message)));
    let by_it: Vec<_> = late().map(|message| message.envelope.id()).collect();
    refused.retain(|(envelope, _)| by_it.contains(envelope));
    assert_eq!(refused, []);
}
