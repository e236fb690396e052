//! The register's members against their operators and each other, over a plain network without loss: mandates that are heard
//! in another order than they were signed, a command too long for anyone to read, history from one who does not lead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::config::{Local, Params};
use swarm_core::genesis::{self, Genesis, Member};
use swarm_core::id::{AgentId, Cid, Digest, OpId, Thread, label};
use swarm_core::identity::Keys;
use swarm_core::members::{Act, Mandate, Succession};
use swarm_core::node::Outcome;
use swarm_core::raft::{GroupId, In, Note, Out, Packet, Part, Plain, Raft, Setup};
use swarm_core::register::{Command, Says, Word};
use swarm_core::reject::Reject;
use swarm_core::time::Instant;
use swarm_core::wire::{Envelope, Role};

const MS: u64 = 1_000_000;

type Name = &'static str;

fn keys(name: &str) -> Keys {
    Keys::from_seed(&Digest::sha256(name.as_bytes()))
}

fn founding(keys: &Keys) -> Arc<Envelope> {
    let nowhere = [String::new(), String::new(), String::new()];
    genesis::sign(keys, genesis::manifest(keys, vec![Role::Coordinator], vec![label("coordinate")], nowhere))
}

/// Members, and what is on its way between them.
struct Net {
    genesis: Arc<Genesis>,
    recovery: Vec<Keys>,
    keys: BTreeMap<Name, Keys>,
    rafts: BTreeMap<Name, Raft>,
    down: BTreeSet<Name>,
    /// Pairs that cannot hear each other.
    cut: BTreeSet<(Name, Name)>,
    queue: BTreeMap<(u64, u64), (Name, AgentId, Packet)>,
    now: u64,
    count: u64,
    /// What each applied in the system thread.
    applied: BTreeMap<Name, BTreeMap<u64, Digest>>,
    answers: BTreeMap<u64, Outcome>,
    refused: Vec<(Name, Reject)>,
}

impl Net {
    fn new(names: &[Name]) -> Self {
        let mut founders: Vec<Keys> = names.iter().map(|name| keys(name)).collect();
        founders.sort_by_key(Keys::agent);
        let mut recovery: Vec<Keys> = ["r0", "r1", "r2"].map(keys).into();
        recovery.sort_by_key(Keys::agent);
        let genesis = Arc::new(Genesis {
            arbiters: Vec::new(),
            capsule: Cid::default(),
            coordinators: founders.iter().map(|k| Member { agent: k.agent(), anchor: Digest::default() }).collect(),
            engine: Digest::default(),
            holdings: BTreeMap::new(),
            manifests: founders.iter().map(founding).collect(),
            mints: Vec::new(),
            params: Params { buckets: 4, ..Params::default() },
            policy_keys: Vec::new(),
            recovery: recovery.iter().map(Keys::agent).collect(),
        });
        genesis.check().unwrap();
        let mut net = Self {
            genesis,
            recovery,
            keys: BTreeMap::new(),
            rafts: BTreeMap::new(),
            down: BTreeSet::new(),
            cut: BTreeSet::new(),
            queue: BTreeMap::new(),
            now: 0,
            count: 0,
            applied: BTreeMap::new(),
            answers: BTreeMap::new(),
            refused: Vec::new(),
        };
        for (name, keys) in names.iter().zip(founders) {
            net.add(name, keys, &[]);
        }
        net.run(3_000);
        net
    }

    fn add(&mut self, name: Name, keys: Keys, mandates: &[&Arc<Mandate>]) {
        let setup = Setup {
            me: keys.agent(),
            genesis: Arc::clone(&self.genesis),
            local: Local::default(),
            seed: Digest::sha256(b"seed"),
            codec: Arc::new(Plain),
            mandates: mandates.iter().map(|mandate| Arc::clone(mandate)).collect(),
        };
        self.rafts.insert(name, Raft::new(setup).unwrap());
        self.keys.insert(name, keys);
        self.drain(name);
    }

    /// The seat of `old` to `new`, behind `after`, signed by two of the three recovery keys.
    fn mandate(&self, old: Name, new: &Keys, after: Option<&Mandate>, signers: [usize; 2]) -> Arc<Mandate> {
        let new_member = Member { agent: new.agent(), anchor: Digest::default() };
        let act = Act::Replace(Succession { manifest: founding(new), new: new_member, old: self.keys[old].agent() });
        let after = after.map(Mandate::id).unwrap_or_default();
        Arc::new(Mandate::sign(act, after, &self.genesis.digest(), signers.map(|at| &self.recovery[at])))
    }

    fn drain(&mut self, name: Name) {
        while let Some(out) = self.rafts.get_mut(name).unwrap().poll() {
            match out {
                Out::Persist { write, .. } => self.input(name, In::Persisted { write }),
                Out::Send { to, packet } => {
                    self.count += 1;
                    self.queue.insert((self.now + MS, self.count), (name, to, packet));
                }
                Out::Applied(entry) if entry.thread == Thread::System => {
                    self.applied.entry(name).or_default().insert(entry.seq.0, entry.command.id());
                }
                Out::Answer { op, outcome } => drop(self.answers.insert(op.0, outcome)),
                Out::Note(Note::Refused { reject, .. }) => self.refused.push((name, reject)),
                Out::Applied(_) | Out::Note(_) => {}
            }
        }
    }

    fn input(&mut self, name: Name, input: In) {
        self.rafts.get_mut(name).unwrap().handle(Instant(self.now), input);
        self.drain(name);
    }

    fn hears(&self, from: Name, to: Name) -> bool {
        let apart = self.cut.contains(&(from, to)) || self.cut.contains(&(to, from));
        !apart && !self.down.contains(from) && !self.down.contains(to)
    }

    fn run(&mut self, ms: u64) {
        let end = self.now + ms * MS;
        let names: Vec<Name> = self.rafts.keys().copied().collect();
        while self.now < end {
            self.now += MS;
            while let Some(first) = self.queue.first_entry().filter(|first| first.key().0 <= self.now) {
                let (from, to, packet) = first.remove();
                let to = self.keys.iter().find(|(_, keys)| keys.agent() == to).map(|(name, _)| *name);
                if let Some(to) = to.filter(|to| self.hears(from, to)) {
                    let from = self.keys[from].agent();
                    self.input(to, In::Packet { from, packet });
                }
            }
            for name in names.iter().filter(|name| !self.down.contains(**name)).copied().collect::<Vec<_>>() {
                if self.rafts[name].next_deadline().is_some_and(|at| at.0 <= self.now) {
                    self.input(name, In::Wake);
                }
            }
        }
    }

    fn say(&mut self, name: Name, command: Command) -> u64 {
        self.count += 1;
        let op = self.count;
        self.input(name, In::Submit { op: OpId(op), thread: Thread::System, command: Arc::new(command) });
        op
    }

    /// A command of one's own, whatever it means.
    fn word(&mut self, name: Name) -> u64 {
        let says = Says::Reveal { round: self.count as u32, value: Digest::default() };
        let keys = &self.keys[name];
        let word = Word { by: keys.agent(), says, thread: Thread::System }.sign(keys.signing());
        self.say(name, Command::Word(word))
    }

    fn is_committed(&self, op: u64) -> bool {
        self.answers.get(&op) == Some(&Outcome::Committed)
    }

    fn leader(&self) -> Name {
        let leads = |(_, raft): &(&Name, &Raft)| raft.leads(GroupId::SYSTEM);
        self.rafts.iter().find(leads).map(|(name, _)| *name).expect("somebody leads")
    }

    /// Nobody applied another command than somebody else in one place.
    fn is_one_register(&self) -> bool {
        let mut all: BTreeMap<u64, Digest> = BTreeMap::new();
        let places = self.applied.values().flatten();
        places.into_iter().all(|(seq, command)| all.entry(*seq).or_insert(*command) == command)
    }
}

/// A seat is given to one, who is then thought dead, and to another behind it. Each is heard by some first.
#[test]
fn t71_a_seat_given_twice_has_one_holder_everywhere() {
    let mut net = Net::new(&["a", "b", "c"]);
    net.word("b");
    net.run(3_000);
    net.down.insert("a");
    let (x, y) = (keys("x"), keys("y"));
    let first = net.mandate("a", &x, None, [0, 1]);
    net.keys.insert("x", keys("x"));
    let second = net.mandate("x", &y, Some(&first), [1, 2]);
    net.cut.extend([("x", "c"), ("y", "b"), ("x", "y")]);
    net.add("x", x, &[&first]);
    net.add("y", y, &[&first, &second]);
    net.word("x");
    net.word("y");
    net.run(2_000);
    net.say("b", Command::Mandate(Arc::clone(&first)));
    net.run(5_000);
    net.cut.clear();
    net.say("b", Command::Mandate(second));
    net.run(60_000);
    assert!(net.rafts["x"].is_retired(), "its seat went on");
    for side in [["b", "y"], ["c", "x"]] {
        net.cut = [("b", "c"), ("b", "x"), ("y", "c"), ("y", "x")].into();
        for name in side {
            net.word(name);
        }
        net.run(20_000);
    }
    assert!(net.is_one_register());
    net.cut.clear();
    net.run(10_000);
    let said = net.word("y");
    net.run(10_000);
    assert!(net.is_committed(said), "the last holder of the seat is a member");
}

/// Two seats are given away at once; the mandates reach the members in different orders, and the second says that it is.
#[test]
fn t71_mandates_count_in_the_order_they_were_signed_in() {
    let mut net = Net::new(&["a", "b", "c", "d", "e"]);
    net.word("c");
    net.run(3_000);
    net.down.extend(["a", "b"]);
    let (x, y) = (keys("x"), keys("y"));
    let first = net.mandate("a", &x, None, [0, 1]);
    let second = net.mandate("b", &y, Some(&first), [0, 1]);
    net.cut.extend([("x", "d"), ("x", "e"), ("y", "c"), ("x", "y")]);
    net.add("x", x, &[&first]);
    net.add("y", y, &[&first, &second]);
    net.word("x");
    net.word("y");
    net.run(2_000);
    for mandate in [first, second] {
        net.say("c", Command::Mandate(mandate));
        net.run(3_000);
    }
    net.cut.clear();
    net.run(60_000);
    net.down.insert("c");
    for name in ["d", "e", "x", "y"] {
        let said = net.word(name);
        net.run(20_000);
        assert!(net.is_committed(said), "{name} speaks, and four of five are up");
    }
    assert!(net.is_one_register());
}

/// The same act signed by other keys is the same mandate: it does not hide what stands behind it.
#[test]
fn t71_one_act_is_one_mandate_whoever_signed_it() {
    let mut net = Net::new(&["a", "b", "c", "d", "e"]);
    let (x, y) = (keys("x"), keys("y"));
    let (first, again) = (net.mandate("a", &x, None, [0, 1]), net.mandate("a", &x, None, [1, 2]));
    let second = net.mandate("b", &y, Some(&first), [0, 1]);
    assert_eq!(Command::Mandate(Arc::clone(&first)).id(), Command::Mandate(Arc::clone(&again)).id());
    let (b, c) = (net.keys["b"].agent(), net.keys["c"].agent());
    for mandates in [vec![first], vec![again, second]] {
        net.input("d", In::Packet { from: c, packet: Packet { parts: vec![Part::Mandates(mandates)] } });
    }
    assert_eq!(net.refused, []);
    net.input("d", In::Packet { from: b, packet: Packet { parts: vec![Part::Nudge(GroupId::SYSTEM)] } });
    assert_eq!(net.refused, [("d", Reject::NotEntitled)], "the seat of b is gone");
}

/// What nobody else could read never enters a log: it would stop everything behind it.
#[test]
fn a_command_too_long_for_the_others_is_refused_to_its_author() {
    let mut net = Net::new(&["a", "b", "c"]);
    let leader = net.leader();
    let long = (0..1_500).map(|n| founding(&keys(&n.to_string()))).collect();
    let long = net.say(leader, Command::Count(long));
    assert_eq!(net.answers.get(&long), Some(&Outcome::NotCommitted));
    assert_eq!(net.refused, [(leader, Reject::Oversize)]);
    let next = net.word("b");
    net.run(5_000);
    assert!(net.is_committed(next));
}

/// History is asked only of who leads, and only if it is as long as the log that it stands for.
#[test]
fn history_is_not_taken_from_one_who_does_not_lead() {
    use raft::eraftpb::{Message, MessageType, Snapshot};
    let mut net = Net::new(&["a", "b", "c"]);
    net.word("a");
    net.run(2_000);
    let leader = net.leader();
    let rest: Vec<Name> = ["a", "b", "c"].into_iter().filter(|name| *name != leader).collect();
    let place = |net: &Net, name: Name| {
        let agent = net.keys[name].agent();
        1 + net.genesis.coordinators.iter().position(|member| member.agent == agent).unwrap() as u64
    };
    for (from, count, reject) in [
        (rest[0], 1u64 << 40, Reject::NotEntitled),
        (leader, 1 << 20, Reject::OutOfBounds),
        (leader, 1 << 60, Reject::OutOfBounds),
    ] {
        let to = rest[1];
        let mut snapshot = Snapshot::default();
        let meta = snapshot.mut_metadata();
        (meta.index, meta.term) = (1 << 40, 1);
        meta.mut_conf_state().set_voters(vec![1, 2, 3]);
        let head = serde_json::to_string(&Digest::default()).unwrap();
        snapshot.data = format!("{{\"count\":\"{count}\",\"head\":{head}}}").into_bytes().into();
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgSnapshot);
        (message.from, message.to, message.term) = (place(&net, from), place(&net, to), 1);
        message.set_snapshot(snapshot);
        let parts = vec![Part::Raft(GroupId::SYSTEM, Box::new(message))];
        let sender = net.keys[from].agent();
        net.refused.clear();
        net.input(to, In::Packet { from: sender, packet: Packet { parts } });
        assert_eq!(net.refused, [(to, reject)]);
    }
}
