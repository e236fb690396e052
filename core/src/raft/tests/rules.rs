//! Rules of the register half, one small case each.

use alloc::sync::Arc;
use alloc::vec::Vec;
use proptest::prelude::*;
use raft::eraftpb::{Entry as LogEntry, EntryType, Message, MessageType};
use std::string::{String, ToString as _};
use std::{println, vec};

use super::net::{MS, Net, Plan};
use crate::id::{Digest, OpId, Thread};
use crate::identity::Keys;
use crate::members::{Act, Mandate, Members, Succession};
use crate::node::Outcome;
use crate::raft::group::Group;
use crate::raft::*;
use crate::register::{Command, Says, Word};
use crate::reject::Reject;
use crate::time::Instant;

const DAY: u64 = 24 * 3_600 * 1_000 * MS;

pub fn settled(plan: Plan) -> Net {
    let mut net = Net::new(plan);
    net.run(1_000 * MS);
    for host in 0..net.hosts.len() {
        for thread in 0..3 {
            net.submit(host, Net::thread(thread));
        }
    }
    net.run(5_000 * MS);
    assert!(net.is_asleep(), "{:#?}", net.tell(true));
    net
}

#[test]
fn a_sleeping_register_costs_nothing() {
    let mut net = settled(Plan::calm(2));
    let (packets, events, syncs) = (net.packets, net.events, net.syncs);
    net.run(DAY);
    assert_eq!((net.packets, net.events, net.syncs), (packets, events, syncs));
    let op = net.submit(3, Net::thread(1));
    net.run(DAY + 1_000 * MS);
    assert_eq!(net.answers[&op], Outcome::Committed, "and wakes within a second");
}

#[test]
fn a_dead_leader_of_a_sleeping_group_is_found() {
    let mut net = settled(Plan::calm(3));
    let leader = (0..5).find(|h| net.hosts[*h].raft.as_ref().unwrap().leads(GroupId::SYSTEM)).unwrap();
    net.crash(leader);
    let (op, asked_at) = (net.submit((leader + 1) % 5, Thread::System), net.now);
    while !net.answers.contains_key(&op) && net.now < asked_at + 60_000 * MS {
        let next = net.now + 50 * MS;
        net.run(next);
    }
    assert_eq!(net.answers.get(&op), Some(&Outcome::Committed));
    println!("a dead leader of a sleeping group: committed {} ms after it was asked", (net.now - asked_at) / MS);
    assert!(net.now - asked_at < 5_000 * MS, "before the protocol half gives up");
}

#[test]
fn t20_without_a_majority_nobody_knows() {
    let mut net = settled(Plan::calm(4));
    for host in 0..3 {
        net.crash(host);
    }
    let op = net.submit(4, Net::thread(1));
    net.run(net.now + 20_000 * MS);
    assert_ne!(net.answers.get(&op), Some(&Outcome::Committed));
    for host in 0..3 {
        net.restart(host);
    }
    net.run(net.now + 10_000 * MS);
    net.check();
}

/// Whoever leads can put anything into the log. What another one never said is nothing there, on any member.
#[test]
fn a_leader_puts_no_word_in_another_ones_mouth() {
    let mut net = settled(Plan::calm(5));
    let leader = (0..5).find(|h| net.hosts[*h].raft.as_ref().unwrap().leads(GroupId::SYSTEM)).unwrap();
    let other_host = (leader + 1) % 5;
    let (liar, other) = (&net.hosts[leader].keys, net.hosts[other_host].keys.agent());
    let by = liar.agent();
    let says = Says::Reveal { round: 9, value: Digest::default() };
    let own = Word { by, says, thread: Thread::System }.sign(liar.signing());
    let proposal = Proposal { command: Arc::new(Command::Word(own)), thread: Thread::System };
    let text = String::from_utf8(proposal.bytes()).unwrap();
    let forged = text.replace(&by.to_string(), &other.to_string());
    assert_ne!(forged, text);
    assert_eq!(read(text.as_bytes()), Ok(proposal));
    assert_eq!(read(forged.as_bytes()), Err(Reject::Malformed), "its signature is another one's");

    let before: Vec<_> = (0..5).map(|host| net.entries(host)).collect();
    let packet = Packet { parts: vec![Part::Propose(GroupId::SYSTEM, forged.clone().into())] };
    net.handle(leader, In::Packet { from: by, packet });
    assert_eq!(net.hosts[leader].raft.as_ref().unwrap().refused()[&Reject::Malformed], 1, "an honest one refuses it");
    let raft = net.hosts[leader].raft.as_mut().unwrap();
    raft.wake(GroupId::SYSTEM);
    let group = raft.groups.get_mut(&GroupId::SYSTEM).unwrap();
    let index = |group: &Group| group.raw.raft.raft_log.last_index();
    let last = index(group);
    group.raw.propose(Vec::new(), forged.into_bytes()).expect("it leads");
    assert_eq!(index(group), last + 1);
    net.run(net.now + 10_000 * MS);
    let committed = net.hosts[other_host].raft.as_ref().unwrap().groups[&GroupId::SYSTEM].raw.raft.raft_log.committed;
    assert!(committed > last, "it came to the others");
    let after: Vec<_> = (0..5).map(|host| net.entries(host)).collect();
    assert_eq!(before, after, "what is committed and no command is no entry");
}

#[test]
fn t71_a_member_that_lost_its_disk_comes_back_as_another() {
    let mut net = settled(Plan::calm(6));
    net.replace(2);
    net.submit_mandates(0);
    net.run(net.now + 20_000 * MS);
    let members = net.hosts[0].raft.as_ref().unwrap().members();
    assert_eq!(members.ids(), [1, 2, 4, 5, 6], "a new number, in the old seat");
    assert_eq!(members.seats()[2].id.0, 6);
    assert!(net.votes_everywhere(5), "it votes when it has caught up: {:#?}", net.tell(false));
    assert!(net.is_asleep(), "{:#?}", net.tell(true));
    net.check();
    // The old agent, found again with its disk, is told and falls silent.
    net.restart(2);
    net.submit(2, Thread::System);
    net.run(net.now + 10_000 * MS);
    assert!(net.hosts[2].raft.as_ref().unwrap().is_retired());
    assert!(net.is_asleep());
}

#[test]
fn a_mandate_needs_a_majority_of_the_recovery_keys() {
    let net = Net::new(Plan::calm(7));
    let genesis = net.genesis();
    let keys = Keys::from_seed(&Digest::sha256(b"newcomer"));
    let old = net.hosts[0].keys.agent();
    let good = net.mandate(old, &keys);
    let mut table = Members::new(genesis);
    let stranger = Keys::from_seed(&Digest::sha256(b"stranger"));
    let signed =
        |keys: &[&Keys]| Arc::new(Mandate::sign(good.act.clone(), good.after, &genesis.digest(), keys.iter().copied()));
    let recovery: Vec<&Keys> = net.recovery().iter().collect();
    assert_eq!(table.mandate(&signed(&recovery[..1])), Err(Reject::NoQuorum));
    assert_eq!(table.mandate(&signed(&[recovery[0], &stranger])), Err(Reject::NotEntitled));
    let elsewhere = Mandate::sign(good.act.clone(), good.after, &Digest::default(), recovery.iter().copied());
    assert_eq!(table.mandate(&Arc::new(elsewhere)), Err(Reject::BadSignature));
    let again = net.mandate(net.hosts[1].keys.agent(), &net.hosts[2].keys);
    assert_eq!(table.mandate(&again), Err(Reject::Duplicate), "who sits sits once");
    let before = table.clone();
    assert!(table.mandate(&good).is_ok() && table != before);
    assert_eq!(table.mandate(&good), Err(Reject::Duplicate));
    let Act::Replace(Succession { manifest, new, .. }) = &good.act else { unreachable!("it gives a seat away") };
    let gone = Act::Replace(Succession { manifest: manifest.clone(), new: new.clone(), old });
    let back = Arc::new(Mandate::sign(gone, good.id(), &genesis.digest(), recovery.iter().copied()));
    assert!(table.mandate(&back).is_err());
    assert_eq!(table.apply(&Command::Start { bucket: 4 }), Err(Reject::OutOfBounds));
    assert!(table.apply(&Command::Start { bucket: 3 }).is_ok());
    assert_eq!(table.apply(&Command::Start { bucket: 3 }), Err(Reject::Duplicate));
}

/// A leader of a new term takes back what an old one had not committed, and says in one message that what it puts there is.
/// Of that write a crash may keep any part.
#[test]
fn t71_what_was_taken_back_is_never_taken_for_committed() {
    let setup = Net::new(Plan::calm(9)).setup(1);
    let agent = |seat: usize| setup.genesis.coordinators[seat].agent;
    let entry = |index: u64, term: u64| {
        let command = Arc::new(Command::Start { bucket: (10 * term + index) as u32 });
        let proposal = Proposal { command, thread: Thread::System };
        LogEntry { index, term, data: setup.codec.encode(proposal), ..LogEntry::default() }
    };
    let append = |from: usize, term: u64, entries: Vec<LogEntry>, commit: u64| {
        let mut message = Message { term, commit, to: 2, from: from as u64 + 1, ..Message::default() };
        message.set_msg_type(MessageType::MsgAppend);
        message.set_entries(entries.into());
        let packet = Packet { parts: vec![Part::Raft(GroupId::SYSTEM, message.into())] };
        In::Packet { from: agent(from), packet }
    };
    let mut raft = Raft::new(setup.clone()).unwrap();
    let (mut disk, mut writes) = (Vec::new(), Vec::new());
    let said = [
        append(0, 1, (1..=5).map(|index| entry(index, 1)).collect(), 0),
        append(2, 2, (1..=5).map(|index| entry(index, 2)).collect(), 5),
    ];
    for input in said {
        raft.handle(Instant(0), input);
        while let Some(out) = raft.poll() {
            if let Out::Persist { write, records } = out {
                disk.extend(records);
                writes.push(disk.len());
                raft.handle(Instant(0), In::Persisted { write });
            }
        }
    }
    assert!(disk.len() > writes[0] + 5, "the second write has entries behind its term: {disk:?}");
    for kept in 0..=disk.len() {
        let mut again = Raft::restore(setup.clone(), &disk[..kept]).unwrap();
        let applied = core::iter::from_fn(|| again.poll()).filter_map(|out| match out {
            Out::Applied(entry) => Some(entry.command),
            _ => None,
        });
        for (command, index) in applied.zip(1..) {
            assert_eq!(*command, Command::Start { bucket: 20 + index }, "{kept} of {} records", disk.len());
        }
    }
}

#[test]
fn a_snapshot_that_does_not_match_its_digest_is_named() {
    let mut net = settled(Plan { fold: 4, ..Plan::calm(8) });
    net.crash(0);
    let mut records = net.records(0);
    let folded = records.iter().position(|r| matches!(r, Record::Folded(..))).expect("four entries were folded");
    let Record::Folded(_, snapshot) = &mut records[folded] else { unreachable!() };
    snapshot.data = br#"{"count":"9","head":"0000000000000000000000000000000000000000000000000000000000000000"}"#[..]
        .to_vec()
        .into();
    let refused = Raft::restore(net.setup(0), &records).err();
    assert_eq!(refused, Some(StartError::Wal(WalError::WrongDigest(folded))));
    records.remove(folded);
    assert!(matches!(
        Raft::restore(net.setup(0), &records).err(),
        None | Some(StartError::Wal(WalError::OutOfPlace(_)))
    ));
}

/// What a register is founded anew on is one history like any other: who joins later fetches it.
#[test]
fn a_newcomer_joins_a_register_that_was_founded_anew() {
    let mut net = settled(Plan { fold: 4, ..Plan::calm(10) });
    let entries: Vec<_> = net.entries(0);
    assert!(entries.len() > 10, "there is something to found it on");
    net.found_anew(&entries);
    net.run(net.now + 5_000 * MS);
    net.replace(2);
    net.submit_mandates(0);
    net.run(net.now + 20_000 * MS);
    assert!(net.votes_everywhere(5), "{:#?}", net.tell(false));
    net.check();
}

fn message() -> impl Strategy<Value = Message> {
    let number = prop_oneof![Just(0u64), 1..6u64, 1..60u64, Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()];
    let kind = prop::sample::select(vec![
        MessageType::MsgHup,
        MessageType::MsgBeat,
        MessageType::MsgPropose,
        MessageType::MsgAppend,
        MessageType::MsgAppend,
        MessageType::MsgAppendResponse,
        MessageType::MsgRequestVote,
        MessageType::MsgRequestVoteResponse,
        MessageType::MsgSnapshot,
        MessageType::MsgHeartbeat,
        MessageType::MsgHeartbeatResponse,
        MessageType::MsgUnreachable,
        MessageType::MsgSnapStatus,
        MessageType::MsgCheckQuorum,
        MessageType::MsgTransferLeader,
        MessageType::MsgTimeoutNow,
        MessageType::MsgReadIndex,
        MessageType::MsgReadIndexResp,
        MessageType::MsgRequestPreVote,
        MessageType::MsgRequestPreVoteResponse,
    ]);
    let entry = (number.clone(), number.clone(), prop::bool::ANY, prop::collection::vec(any::<u8>(), 0..8));
    let numbers = prop::array::uniform8(number.clone());
    let voters = prop::collection::vec(0..8u64, 0..4);
    (kind, numbers, prop::collection::vec(entry, 0..4), any::<bool>(), voters, 0..8u64).prop_map(
        |(
            kind,
            [term, log_term, index, commit, commit_term, hint, snap_index, snap_term],
            entries,
            reject,
            voters,
            odd,
        )| {
            let mut m = Message::default();
            m.set_msg_type(kind);
            (m.term, m.log_term, m.index, m.commit, m.commit_term) = (term, log_term, index, commit, commit_term);
            (m.reject, m.reject_hint) = (reject, hint);
            let entries: Vec<LogEntry> = (entries.into_iter().enumerate())
                .map(|(n, (i, t, straight, data))| {
                    let next = index.wrapping_add(1 + n as u64);
                    let mut entry = LogEntry::default();
                    entry.set_entry_type(if odd == 1 { EntryType::EntryConfChange } else { EntryType::EntryNormal });
                    (entry.index, entry.term) = if straight { (next, term) } else { (i, t) };
                    entry.data = data.into();
                    entry
                })
                .collect();
            m.set_entries(entries.into());
            if kind == MessageType::MsgSnapshot || odd == 2 {
                let meta = m.mut_snapshot().mut_metadata();
                (meta.index, meta.term) = (snap_index, snap_term);
                meta.mut_conf_state().set_voters(voters);
                let head = Digest::default();
                let mark = crate::wire::canonical::to_vec(&Mark { count: snap_index, head });
                m.mut_snapshot().data = mark.into();
            }
            m
        },
    )
}

fn part() -> impl Strategy<Value = Part> {
    let group = prop_oneof![Just(GroupId(0)), (0..7u32).prop_map(GroupId), Just(GroupId(u32::MAX))];
    let data = prop::collection::vec(any::<u8>(), 0..40).prop_map(bytes::Bytes::from);
    prop_oneof![
        8 => (group.clone(), message()).prop_map(|(group, m)| Part::Raft(group, m.into())),
        1 => (group.clone(), data.clone()).prop_map(|(group, data)| Part::Propose(group, data)),
        1 => (group.clone(), 0..5u64, 0..40u64).prop_map(|(group, term, commit)| Part::Sleep { group, term, commit }),
        1 => group.clone().prop_map(Part::Nudge),
        1 => (group.clone(), any::<u64>()).prop_map(|(group, at)| Part::Fetch { group, at }),
        1 => (group, 0..20u64, prop::collection::vec(data, 0..4))
            .prop_map(|(group, at, entries)| Part::Piece { group, at, entries }),
        1 => any::<u32>().prop_map(Part::Unknown),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A member that says anything at all stops nobody and poisons no term.
    #[test]
    fn a_hostile_packet_is_refused_or_harmless(
        packets in prop::collection::vec((0..5usize, 0..5usize, prop::collection::vec(part(), 1..4)), 1..20),
        seed in 0..4u64,
    ) {
        let mut net = settled(Plan::calm(seed));
        net.lenient = true;
        for (from, to, mut parts) in packets {
            for part in &mut parts {
                if let Part::Raft(_, m) = part {
                    (m.from, m.to) = (from as u64 + 1, to as u64 + 1);
                }
            }
            let from = net.hosts[from].keys.agent();
            net.handle(to, In::Packet { from, packet: Packet { parts } });
            net.run(net.now + 200 * MS);
        }
        net.run(net.now + 10_000 * MS);
        let terms = net.highest_term();
        prop_assert!(terms < 1 << 30, "a term was poisoned: {terms}");
    }

    #[test]
    fn a_packet_is_read_back(parts in prop::collection::vec(part(), 0..6)) {
        let packet = Packet { parts };
        prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }

    #[test]
    fn junk_is_no_packet_and_no_log(junk in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Packet::decode(&junk);
        let _ = decode(&junk, &Digest::default(), &crate::id::AgentId::default());
    }
}

/// `cargo test --release -p swarm-core --lib raft::tests::rules::figures -- --nocapture`
#[test]
fn figures() {
    let mut net = settled(Plan { fold: 1_024, ..Plan::calm(9) });
    let start = (net.packets, net.messages, net.syncs, net.bytes);
    for n in 0..100u64 {
        net.submit((n % 5) as usize, Net::thread(1));
        net.run(net.now + 10_000 * MS);
    }
    let per = |a: u64, b: u64| (a - b) as u32 / 100;
    println!(
        "one command at a time, asleep in between: {} packets, {} raft messages, {} syncs, {} bytes per command",
        per(net.packets, start.0),
        per(net.messages, start.1),
        per(net.syncs, start.2),
        per(net.bytes, start.3)
    );
    let start = (net.packets, net.messages, net.syncs, net.bytes);
    for _ in 0..20u64 {
        for n in 0..5 {
            net.submit(n, Net::thread(1));
        }
        net.run(net.now + 20 * MS);
    }
    net.run(net.now + 10_000 * MS);
    println!(
        "five at a time, busy: {} packets, {} raft messages, {} syncs, {} bytes per command",
        per(net.packets, start.0),
        per(net.messages, start.1),
        per(net.syncs, start.2),
        per(net.bytes, start.3)
    );
    let clock = std::time::Instant::now();
    let before = net.log.values().map(Vec::len).sum::<usize>();
    for _ in 0..200 {
        for n in 0..50 {
            net.submit(n % 5, Net::thread(1));
        }
        net.run(net.now + 20 * MS);
    }
    net.run(net.now + 10_000 * MS);
    let done = net.log.values().map(Vec::len).sum::<usize>() - before;
    println!("{done} commands of one group of five in {:?}, the network and the oracle included", clock.elapsed());

    let clock = std::time::Instant::now();
    let mut net = Net::new(Plan { buckets: 256, fold: 1_024, ..Plan::calm(10) });
    net.run(1_000 * MS);
    for n in 1..2_000 {
        net.submit(n as usize % 5, Net::thread(n));
    }
    net.run(net.now + 20_000 * MS);
    let groups = net.hosts[0].raft.as_ref().unwrap().groups().count();
    println!("{groups} groups of five started, 2,000 commands, all asleep {}: {:?}", net.is_asleep(), clock.elapsed());
    assert!(net.is_asleep() && net.answers.values().all(|a| *a == Outcome::Committed));
    net.check();
    let op = OpId(u64::MAX);
    assert!(!net.answers.contains_key(&op));
}
