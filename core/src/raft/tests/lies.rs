//! What one member can do to another by lying to it: it may cost time, never what cannot be given back.

use alloc::vec::Vec;
use bytes::Bytes;
use raft::eraftpb::{Message, MessageType};
use std::vec;

use super::net::{MS, Net, Plan};
use super::rules::settled;
use crate::id::AgentId;
use crate::node::Outcome;
use crate::raft::*;
use crate::reject::Reject;

const SYSTEM: GroupId = GroupId::SYSTEM;

fn raft(net: &Net, host: usize) -> &Raft {
    net.hosts[host].raft.as_ref().unwrap()
}

fn leader(net: &Net) -> usize {
    (0..net.hosts.len()).find(|host| raft(net, *host).leads(SYSTEM)).unwrap()
}

fn message(net: &Net, from: usize, to: usize, kind: MessageType, term: u64) -> Message {
    let mut m = Message::default();
    m.set_msg_type(kind);
    (m.from, m.to, m.term) = (raft(net, from).me.0, raft(net, to).me.0, term);
    m
}

fn hear(net: &mut Net, from: usize, to: usize, parts: Vec<Part>) {
    let from = net.hosts[from].keys.agent();
    net.handle(to, In::Packet { from, packet: Packet { parts } });
}

/// What a member says to another at once, its own word for word.
fn answers(net: &mut Net, from: AgentId, to: usize, parts: Vec<Part>) -> Vec<Part> {
    let now = Instant(net.now);
    let raft = net.hosts[to].raft.as_mut().unwrap();
    raft.handle(now, In::Packet { from, packet: Packet { parts } });
    let mut said = Vec::new();
    while let Some(out) = raft.poll() {
        if let Out::Send { to, packet } = out
            && to == from
        {
            said.extend(packet.parts);
        }
    }
    said
}

fn all_go_on(net: &mut Net) {
    let ops: Vec<_> = (0..net.hosts.len()).map(|host| net.submit(host, Net::thread(0))).collect();
    net.run(net.now + 20_000 * MS);
    for op in ops {
        assert_eq!(net.answers.get(&op), Some(&Outcome::Committed), "{:#?}", net.tell(false));
    }
}

#[test]
fn a_packet_raises_a_term_no_further_than_one_message_may() {
    let mut net = settled(Plan::calm(11));
    let liar = leader(&net);
    let (victim, term) = ((liar + 1) % 5, net.highest_term());
    let beat =
        |n: u64| Part::Raft(SYSTEM, message(&net, liar, victim, MessageType::MsgHeartbeat, term + (n << 20)).into());
    let parts = (1..=64).map(beat).collect();
    hear(&mut net, liar, victim, parts);
    assert!(net.highest_term() <= term + (1 << 20), "it rose by {}", net.highest_term() - term);
}

#[test]
fn a_member_whose_term_was_raised_where_nobody_saw_it_comes_back() {
    let mut net = settled(Plan::calm(12));
    let liar = leader(&net);
    let (victim, term) = ((liar + 1) % 5, net.highest_term());
    for other in (0..5).filter(|other| *other != victim) {
        net.cut.extend([(other, victim), (victim, other)]);
    }
    for n in 1..=20 {
        let beat = message(&net, liar, victim, MessageType::MsgHeartbeat, term + (n << 20));
        hear(&mut net, liar, victim, vec![Part::Raft(SYSTEM, beat.into())]);
        net.run(net.now + 200 * MS);
    }
    assert!(net.highest_term() > term + (8 << 20), "nothing was raised: {}", net.highest_term() - term);
    net.cut.clear();
    net.submit(victim, Net::thread(0));
    net.run(net.now + 120_000 * MS);
    all_go_on(&mut net);
    net.check();
}

/// A snapshot from the leader that claims `index` and the mark after `more`, with the pieces behind it.
fn snapshot(net: &Net, victim: usize, index: u64, more: &[Bytes], voters: Vec<u64>) -> Vec<Part> {
    let group = &raft(net, victim).groups[&SYSTEM];
    let base = group.history.base();
    assert_eq!(base, group.history.end(), "everything is folded");
    let term = group.raw.raft.term;
    let mut m = message(net, leader(net), victim, MessageType::MsgSnapshot, term);
    m.mut_snapshot().data = crate::wire::canonical::to_vec(&base.after(more)).into();
    let meta = m.mut_snapshot().mut_metadata();
    (meta.index, meta.term) = (index, term);
    meta.mut_conf_state().set_voters(voters);
    let snapshot = Part::Raft(SYSTEM, m.into());
    if more.is_empty() {
        return vec![snapshot];
    }
    vec![snapshot, Part::Piece { group: SYSTEM, at: base.count, entries: more.to_vec() }]
}

#[test]
fn a_snapshot_of_an_absurd_index_is_refused() {
    let mut net = settled(Plan { fold: 1, ..Plan::calm(13) });
    let liar = leader(&net);
    let victim = (liar + 1) % 5;
    let parts = snapshot(&net, victim, 1 << 40, &[], vec![1, 2, 3, 4, 5]);
    hear(&mut net, liar, victim, parts);
    assert_eq!(raft(&net, victim).refused().get(&Reject::OutOfBounds), Some(&1));
    all_go_on(&mut net);
    net.check();
}

#[test]
fn two_snapshots_in_one_packet_are_not_mixed() {
    let mut net = settled(Plan { fold: 1, ..Plan::calm(14) });
    net.lenient = true;
    let liar = leader(&net);
    let victim = (liar + 1) % 5;
    let all = vec![1, 2, 3, 4, 5];
    let others: Vec<u64> = all.iter().copied().filter(|id| *id != raft(&net, victim).me.0).collect();
    let last = raft(&net, victim).groups[&SYSTEM].raw.raft.raft_log.last_index();
    let piece = |text: &'static str| Bytes::from_static(text.as_bytes());
    let mut parts = snapshot(&net, victim, last + 2, &[piece("a"), piece("b")], all);
    parts.extend(snapshot(&net, victim, last + 3, &[piece("x"), piece("y"), piece("z")], others));
    hear(&mut net, liar, victim, parts);
    net.run(net.now + 1_000 * MS);
    assert!(net.notes.contains_key("installed"), "the first was taken");
    net.crash(victim);
    let again = Raft::restore(net.setup(victim), &net.records(victim));
    assert_eq!(again.err(), None, "it starts again");
}

#[test]
fn a_few_bytes_do_not_bring_many() {
    let mut net = settled(Plan::calm(15));
    net.replace(4);
    net.submit_mandates(0);
    net.run(net.now + 20_000 * MS);
    let (peer, past) = (net.hosts[1].keys.agent(), net.hosts[4].keys.agent());
    let said = answers(&mut net, peer, 0, vec![Part::Fetch { group: SYSTEM, at: 0 }; 4_000]);
    let weight = Packet { parts: said }.weight();
    assert!(weight < 600 << 10, "requests of 68 kB were answered with {} kB", weight >> 10);
    for (from, part) in [(peer, Part::Unknown(0)), (past, Part::Nudge(SYSTEM))] {
        let said = answers(&mut net, from, 0, vec![part; 1_000]);
        let mandates = said.iter().filter(|part| matches!(part, Part::Mandates(_))).count();
        assert_eq!(mandates, 1, "the mandates were sent {mandates} times");
    }
}

#[test]
fn a_packet_of_too_many_parts_is_refused_as_a_whole() {
    let mut net = settled(Plan::calm(16));
    let peer = net.hosts[1].keys.agent();
    answers(&mut net, peer, 0, vec![Part::Propose(SYSTEM, Bytes::new()); 10_000]);
    assert_eq!(raft(&net, 0).refused().values().sum::<u64>(), 1);
}

#[test]
fn who_speaks_too_early_takes_nobody_elses_room() {
    let mut net = Net::new(Plan::calm(17));
    let (liar, peer) = (net.hosts[1].keys.agent(), net.hosts[2].keys.agent());
    let later = GroupId(4);
    answers(&mut net, peer, 0, vec![Part::Nudge(later)]);
    let huge = Part::Propose(later, vec![0; 3 << 20].into());
    answers(&mut net, liar, 0, vec![huge]);
    assert_eq!(raft(&net, 0).refused().get(&Reject::Oversize), Some(&1));
    let large = Part::Propose(later, vec![0; 500 << 10].into());
    answers(&mut net, liar, 0, [vec![large; 20], vec![Part::Nudge(later); 600]].concat());
    let kept = net.hosts[0].raft.as_mut().unwrap().early_of(later);
    assert_eq!(kept.iter().filter(|(from, _)| *from == peer).count(), 1);
    let of_liar: Vec<_> = kept.iter().filter(|(from, _)| *from == liar).map(|(_, part)| part.weight()).collect();
    assert!(of_liar.len() == 256 && of_liar.iter().sum::<usize>() < 3 << 20, "{}", of_liar.len());
}
