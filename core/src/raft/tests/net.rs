//! A network of register halves in virtual time, from one seed: links that lose, double, delay and overtake, partitions,
//! disks that lose what was not synced, crashes, and members that are replaced. An oracle watches what is applied and answered.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::{format, println, string::String};

use super::super::*;
use crate::config::{Local, Params};
use crate::genesis::{Genesis, Member};
use crate::id::{AgentId, Cid, Credits, Digest, NeedId, Nonce, OpId, Thread};
use crate::identity::Keys;
use crate::members::{Act, Mandate, Succession};
use crate::node::Outcome;
use crate::register::{Command, Entry, Says, Word};
use crate::rng::{Stream, fork};
use crate::wire::{Body, Capability, Manifest, Role, testing};

pub const MS: u64 = 1_000_000;

/// A page of a disk, small so that a write takes several.
const PAGE: usize = 64;

const SALT: Digest = Digest([7; 32]);

/// What a run is made of.
#[derive(Clone)]
pub struct Plan {
    pub seed: u64,
    pub members: usize,
    pub buckets: u32,
    pub fold: u32,
    /// Share of packets lost, and of packets doubled, of a thousand.
    pub lost: u64,
    pub doubled: u64,
    /// Longest delay of a packet, ns.
    pub delay: u64,
    /// Longest time until a write is durable, ns.
    pub sync: u64,
}

impl Plan {
    pub fn calm(seed: u64) -> Self {
        Self { seed, members: 5, buckets: 4, fold: 8, lost: 0, doubled: 0, delay: 2 * MS, sync: MS }
    }

    pub fn rough(seed: u64) -> Self {
        Self { lost: 50, doubled: 30, delay: 40 * MS, sync: 2 * MS, ..Self::calm(seed) }
    }
}

enum Event {
    Packet { to: AgentId, from: AgentId, packet: Packet },
    Synced { host: usize, boot: u32 },
    Wake { host: usize, boot: u32 },
}

pub struct Host {
    pub keys: Keys,
    pub raft: Option<Raft>,
    setup: Setup,
    boot: u32,
    booted_at: u64,
    disk: Vec<u8>,
    wal: Wal,
    /// Written and not synced: the write's number and its bytes.
    waiting: Vec<(WriteId, Vec<u8>)>,
    wake_at: Option<u64>,
    /// Entries applied in this boot, per thread.
    pub applied: BTreeMap<Thread, u64>,
}

pub struct Net {
    pub plan: Plan,
    pub now: u64,
    pub hosts: Vec<Host>,
    pub cut: BTreeSet<(usize, usize)>,
    pub quiet_links: bool,
    pub notes: BTreeMap<&'static str, u64>,
    pub packets: u64,
    pub messages: u64,
    pub bytes: u64,
    pub syncs: u64,
    pub events: u64,
    /// Every thread's entries as the first to apply them saw them.
    pub log: BTreeMap<Thread, Vec<Digest>>,
    pub committed: BTreeSet<(Thread, Digest)>,
    pub never: BTreeSet<(Thread, Digest)>,
    shared: BTreeSet<Digest>,
    pub answers: BTreeMap<OpId, Outcome>,
    asked: BTreeMap<OpId, (Thread, Digest)>,
    pub transcript: Digest,
    pub verbose: bool,
    /// A member lies: only that nobody stops is asked.
    pub lenient: bool,
    mandates: Vec<Arc<Mandate>>,
    recovery: Vec<Keys>,
    genesis: Arc<Genesis>,
    queue: BTreeMap<(u64, u64), Event>,
    stream: Stream,
    next: u64,
    agents: u64,
}

fn keys(seed: u64, name: &str) -> Keys {
    Keys::from_seed(&Digest::of("test/keys", &[&seed.to_be_bytes(), name.as_bytes()]))
}

impl Net {
    pub fn new(plan: Plan) -> Self {
        // One set of keys for all seeds: making keys is most of a small run.
        let mut founders: Vec<Keys> = (0..plan.members).map(|n| keys(0, &format!("c{n}"))).collect();
        founders.sort_by_key(Keys::agent);
        let mut recovery: Vec<Keys> = (0..3).map(|n| keys(0, &format!("r{n}"))).collect();
        recovery.sort_by_key(Keys::agent);
        let genesis = Arc::new(Genesis {
            arbiters: Vec::new(),
            capsule: Cid::default(),
            coordinators: founders.iter().map(|k| Member { agent: k.agent(), anchor: Digest::default() }).collect(),
            engine: Digest::default(),
            holdings: BTreeMap::new(),
            manifests: Vec::new(),
            mints: Vec::new(),
            params: Params { buckets: plan.buckets, ..Params::default() },
            policy_keys: Vec::new(),
            recovery: recovery.iter().map(Keys::agent).collect(),
        });
        let stream = Stream::new(&Digest::of("test/net", &[&plan.seed.to_be_bytes()]));
        let mut net = Self {
            plan,
            now: 0,
            hosts: Vec::new(),
            cut: BTreeSet::new(),
            quiet_links: false,
            notes: BTreeMap::new(),
            packets: 0,
            messages: 0,
            bytes: 0,
            syncs: 0,
            events: 0,
            log: BTreeMap::new(),
            committed: BTreeSet::new(),
            never: BTreeSet::new(),
            shared: BTreeSet::new(),
            answers: BTreeMap::new(),
            asked: BTreeMap::new(),
            transcript: Digest::default(),
            verbose: false,
            lenient: false,
            mandates: Vec::new(),
            recovery,
            genesis,
            queue: BTreeMap::new(),
            stream,
            next: 0,
            agents: 0,
        };
        founders.into_iter().for_each(|keys| net.add(keys));
        net
    }

    fn add(&mut self, keys: Keys) {
        let setup = Setup {
            me: keys.agent(),
            genesis: Arc::clone(&self.genesis),
            local: Local { raft_fold_entries: self.plan.fold, ..Local::default() },
            seed: fork(&Digest::of("test/seed", &[&self.plan.seed.to_be_bytes()]), "raft"),
            codec: Arc::new(Plain),
            mandates: self.mandates.clone(),
        };
        let raft = Raft::new(setup.clone()).expect("it has a seat");
        let (wal, disk) = Wal::create(&self.genesis.digest(), &keys.agent(), SALT);
        let host = Host {
            keys,
            raft: Some(raft),
            setup,
            boot: 0,
            booted_at: self.now,
            disk,
            wal,
            waiting: Vec::new(),
            wake_at: None,
            applied: BTreeMap::new(),
        };
        self.hosts.push(host);
        self.drain(self.hosts.len() - 1);
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.stream.below(bound)
    }

    fn push(&mut self, at: u64, event: Event) {
        self.next += 1;
        self.queue.insert((at, self.next), event);
    }

    fn record(&mut self, what: &str) {
        if self.verbose {
            println!("{:>9} {what}", self.now / 1_000);
        }
        self.transcript = Digest::of("test/line", &[&self.transcript.0, &self.now.to_be_bytes(), what.as_bytes()]);
    }

    pub fn handle(&mut self, host: usize, input: In) {
        let h = &mut self.hosts[host];
        let now = Instant(self.now - h.booted_at);
        if let Some(raft) = &mut h.raft {
            raft.handle(now, input);
            self.drain(host);
        }
    }

    fn drain(&mut self, host: usize) {
        while let Some(out) = self.hosts[host].raft.as_mut().and_then(Raft::poll) {
            match out {
                Out::Persist { write, records } => {
                    let boot = self.hosts[host].boot;
                    let idle = self.hosts[host].waiting.is_empty();
                    let bytes = self.hosts[host].wal.frame(&records);
                    self.hosts[host].waiting.push((write, bytes));
                    if idle {
                        let at = self.now + MS / 10 + self.below(self.plan.sync);
                        self.push(at, Event::Synced { host, boot });
                    }
                }
                Out::Send { to, packet } => self.send(host, to, packet),
                Out::Applied(entry) => self.applied(host, &entry),
                Out::Answer { op, outcome } => self.answered(host, op, outcome),
                Out::Note(note) => {
                    let name = name_of(&note);
                    *self.notes.entry(name).or_default() += 1;
                    self.record(&format!("{host} {note:?}"));
                }
            }
        }
        let h = &mut self.hosts[host];
        let wake = h.raft.as_ref().and_then(Raft::next_deadline).map(|at| (h.booted_at + at.0).max(self.now));
        if let Some(at) = wake.filter(|at| h.wake_at != Some(*at)) {
            let boot = h.boot;
            h.wake_at = wake;
            self.push(at, Event::Wake { host, boot });
        }
    }

    fn send(&mut self, host: usize, to: AgentId, packet: Packet) {
        self.packets += 1;
        self.messages += packet.messages() as u64;
        self.bytes += packet.weight() as u64;
        let from = self.hosts[host].keys.agent();
        let kinds: Vec<String> = packet.parts.iter().map(brief).collect();
        let target = self.index(&to);
        self.record(&format!("{host} -> {target:?} {kinds:?}"));
        let Some(target) = target else { return };
        if self.cut.contains(&(host, target)) {
            return;
        }
        let copies = match self.below(1_000) {
            _ if self.quiet_links => 1,
            n if n < self.plan.lost => 0,
            n if n < self.plan.lost + self.plan.doubled => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let at = self.now + MS / 5 + self.below(self.plan.delay);
            self.push(at, Event::Packet { to, from, packet: packet.clone() });
        }
    }

    pub fn index(&self, agent: &AgentId) -> Option<usize> {
        self.hosts.iter().position(|h| h.keys.agent() == *agent)
    }

    fn applied(&mut self, host: usize, entry: &Entry) {
        self.record(&format!("{host} applied {} {}", entry.thread, entry.seq));
        let count = self.hosts[host].applied.entry(entry.thread).or_default();
        *count += 1;
        assert_eq!(entry.seq.0, *count, "a gap at member {host}, seed {}", self.plan.seed);
        let log = self.log.entry(entry.thread).or_default();
        let (at, id) = (*count as usize - 1, entry.command.id());
        match log.get(at) {
            Some(_) if self.lenient => {}
            Some(known) => assert_eq!(
                *known, id,
                "FORK: member {host} applied another entry at {} of {}, seed {}",
                entry.seq, entry.thread, self.plan.seed
            ),
            None => log.push(id),
        }
    }

    fn answered(&mut self, host: usize, op: OpId, outcome: Outcome) {
        self.record(&format!("{host} answered {} {outcome:?}", op.0));
        let asked = self.asked[&op];
        match outcome {
            Outcome::Committed => drop(self.committed.insert(asked)),
            Outcome::NotCommitted if !self.shared.contains(&asked.1) => drop(self.never.insert(asked)),
            _ => {}
        }
        self.answers.insert(op, outcome);
    }

    /// Submits something new to a thread at a member.
    pub fn submit(&mut self, host: usize, thread: Thread) -> OpId {
        self.next += 1;
        let keys = &self.hosts[host].keys;
        let says = Says::Reveal { round: self.next as u32, value: Digest::default() };
        let word = Word { by: keys.agent(), says, thread }.sign(keys.signing());
        self.command(host, thread, Command::Word(word))
    }

    pub fn command(&mut self, host: usize, thread: Thread, command: Command) -> OpId {
        self.next += 1;
        let op = OpId(self.next);
        if !matches!(command, Command::Word(_)) {
            // Another member may have submitted the same: that this submission never left says nothing about it.
            self.shared.insert(command.id());
        }
        self.asked.insert(op, (thread, command.id()));
        self.handle(host, In::Submit { op, thread, command: Arc::new(command) });
        op
    }

    /// A thread of the `n`-th need.
    pub fn thread(n: u64) -> Thread {
        if n == 0 { Thread::System } else { Thread::Need(NeedId::of(&AgentId([7; 32]), Nonce(n))) }
    }

    /// Runs until `until`, or until nothing is left to happen.
    pub fn run(&mut self, until: u64) {
        while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= until) {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.events += 1;
            match event {
                Event::Packet { to, from, packet } => {
                    let Some(host) = self.index(&to) else { continue };
                    if self.verbose {
                        println!(
                            "{:>9} {host} <- {:?}",
                            self.now / 1_000,
                            packet.parts.iter().map(brief).collect::<Vec<_>>()
                        );
                    }
                    self.handle(host, In::Packet { from, packet });
                }
                Event::Synced { host, boot } if self.hosts[host].boot == boot => {
                    self.syncs += 1;
                    let h = &mut self.hosts[host];
                    let write = h.waiting.last().map(|(write, _)| *write).expect("a sync has something to sync");
                    for (_, bytes) in h.waiting.drain(..) {
                        h.disk.extend(bytes);
                    }
                    h.wal.synced();
                    self.handle(host, In::Persisted { write });
                }
                Event::Wake { host, boot } if self.hosts[host].boot == boot => {
                    // A deadline that has moved wakes nobody.
                    if self.hosts[host].wake_at == Some(at) {
                        self.hosts[host].wake_at = None;
                        self.handle(host, In::Wake);
                    }
                }
                Event::Synced { .. } | Event::Wake { .. } => {}
            }
        }
        self.now = until;
    }

    /// A crash loses what was not synced but for a random prefix of its bytes, and some of the pages within.
    pub fn crash(&mut self, host: usize) {
        let mut rest: Vec<u8> = self.hosts[host].waiting.drain(..).flat_map(|(_, bytes)| bytes).collect();
        let kept = self.below(rest.len() as u64 + 1) as usize;
        // Not in every crash, or no later page would ever be whole.
        let holes = self.below(2) == 0;
        for page in rest.chunks_mut(PAGE).filter(|_| holes) {
            if self.below(4) == 0 {
                page.fill(0);
            }
        }
        let h = &mut self.hosts[host];
        h.disk.extend(&rest[..kept]);
        h.raft = None;
        h.boot += 1;
        h.wake_at = None;
        h.applied.clear();
        self.record(&format!("{host} crashed, {kept} of {} bytes kept", rest.len()));
    }

    pub fn restart(&mut self, host: usize) {
        let (now, genesis) = (self.now, self.genesis.digest());
        let h = &mut self.hosts[host];
        let found = decode(&h.disk, &genesis, &h.keys.agent()).expect("what was not synced is no damage");
        h.disk.truncate(found.holds);
        h.wal = found.wal.expect("its header was there before it");
        h.booted_at = now;
        h.raft = Some(Raft::restore(h.setup.clone(), &found.records).expect("what was kept is sound"));
        self.record(&format!("{host} restarted"));
        self.drain(host);
    }

    /// What a member has applied, from its disk.
    pub fn entries(&self, host: usize) -> Vec<Entry> {
        let mut raft = Raft::restore(self.setup(host), &self.records(host)).expect("a sound disk");
        let outs = core::iter::from_fn(|| raft.poll());
        outs.filter_map(|out| if let Out::Applied(entry) = out { Some(entry) } else { None }).collect()
    }

    /// All members start anew on these entries, and nothing else is left.
    pub fn found_anew(&mut self, entries: &[Entry]) {
        let voters: Vec<u64> = (1..=self.plan.members as u64).collect();
        let records = foundation(entries, &voters, self.plan.buckets as u16, &Plain);
        self.queue.clear();
        for host in 0..self.hosts.len() {
            self.crash(host);
            let genesis = self.genesis.digest();
            let h = &mut self.hosts[host];
            (h.wal, h.disk) = Wal::create(&genesis, &h.keys.agent(), SALT);
            h.disk.extend(h.wal.frame(&records));
            self.restart(host);
        }
    }

    /// The disk of a member is gone for good; a newcomer gets its seat.
    pub fn replace(&mut self, host: usize) {
        if self.hosts[host].raft.is_some() {
            self.crash(host);
        }
        self.agents += 1;
        let keys = keys(1, &format!("n{}", self.agents));
        let old = self.hosts[host].keys.agent();
        let mandate = self.mandate(old, &keys);
        self.mandates.push(Arc::clone(&mandate));
        self.record(&format!("{host} replaced by {}", self.hosts.len()));
        self.add(keys);
    }

    pub fn mandate(&self, old: AgentId, keys: &Keys) -> Arc<Mandate> {
        let content = testing::content(1, Body::Manifest(manifest(keys.agent())));
        let content = crate::wire::Content { sender: keys.agent(), ..content };
        let manifest = Arc::new(keys.sign(crate::wire::Draft::new(content)));
        let new = Member { agent: keys.agent(), anchor: Digest::default() };
        let after = self.mandates.last().map(|mandate| mandate.id()).unwrap_or_default();
        Arc::new(Mandate::sign(
            Act::Replace(Succession { manifest, new, old }),
            after,
            &self.genesis.digest(),
            &self.recovery[..2],
        ))
    }

    /// The mandates that `host` has not applied yet, submitted by it.
    pub fn submit_mandates(&mut self, host: usize) {
        let known = self.hosts[host].raft.as_ref().map_or(0, |raft| raft.members().mandates().len());
        for mandate in self.mandates.clone().into_iter().skip(known) {
            self.command(host, Thread::System, Command::Mandate(mandate));
        }
    }

    /// Members that hold a seat by the mandates so far.
    pub fn seated(&self) -> Vec<usize> {
        let gone: Vec<AgentId> =
            self.mandates.iter().flat_map(|m| m.handovers()).map(|handover| handover.old).collect();
        (0..self.hosts.len()).filter(|h| !gone.contains(&self.hosts[*h].keys.agent())).collect()
    }

    pub fn up(&self) -> Vec<usize> {
        self.seated().into_iter().filter(|h| self.hosts[*h].raft.is_some()).collect()
    }

    pub fn is_asleep(&self) -> bool {
        self.up().iter().all(|h| self.hosts[*h].raft.as_ref().unwrap().groups().all(|(_, awake)| !awake))
    }

    /// Whether a member votes in each group, as far as all who are up have applied.
    pub fn votes_everywhere(&self, host: usize) -> bool {
        let Some(me) = self.hosts[host].raft.as_ref().map(|raft| raft.me.0) else { return false };
        let votes = |raft: &Raft| raft.groups.values().all(|group| group.conf().voters.contains(&me));
        self.up().iter().all(|h| self.hosts[*h].raft.as_ref().is_some_and(votes))
    }

    /// Whether something of a member is on its way to the disk.
    pub fn is_writing(&self, host: usize) -> bool {
        !self.hosts[host].waiting.is_empty()
    }

    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.genesis
    }

    pub fn recovery(&self) -> &[Keys] {
        &self.recovery
    }

    pub fn setup(&self, host: usize) -> Setup {
        self.hosts[host].setup.clone()
    }

    /// What the disk of a member holds.
    pub fn records(&self, host: usize) -> Vec<Record> {
        let host = &self.hosts[host];
        decode(&host.disk, &self.genesis.digest(), &host.keys.agent()).expect("a sound disk").records
    }

    pub fn highest_term(&self) -> u64 {
        let terms =
            |host: &Host| host.raft.as_ref().and_then(|raft| raft.groups.values().map(|g| g.raw.raft.term).max());
        self.hosts.iter().filter_map(terms).max().unwrap_or(0)
    }

    /// What each group, or each awake one, looks like, for whoever has to find out why.
    pub fn tell(&self, awake_only: bool) -> Vec<String> {
        let tell = |host: usize, group: &group::Group| {
            let log = &group.raw.raft.raft_log;
            format!(
                "{host} group {:?} {:?} term {} last {} committed {} applied {} queued {} saving {} pending conf {} {:?} {:?}",
                group.id,
                group.raw.raft.state,
                group.raw.raft.term,
                log.last_index(),
                log.committed,
                log.applied,
                group.queued.len(),
                group.is_saving(),
                group.raw.raft.has_pending_conf(),
                group.conf(),
                group
                    .peers()
                    .iter()
                    .map(|id| group.raw.raft.prs().get(*id).map(|p| (p.matched, p.committed_index)))
                    .collect::<Vec<_>>()
            )
        };
        let awake = |host: usize| {
            self.hosts[host].raft.iter().flat_map(move |raft| {
                raft.groups.values().filter(move |g| g.awake || !awake_only).map(move |g| tell(host, g))
            })
        };
        self.up().into_iter().flat_map(awake).collect()
    }

    /// After everything is healed: all agree, all answered `Committed` is there, all said to be impossible is not.
    pub fn check(&self) {
        let seed = self.plan.seed;
        for (thread, id) in &self.committed {
            assert!(self.log.get(thread).is_some_and(|log| log.contains(id)), "LOST: a committed entry, seed {seed}");
        }
        for (thread, id) in &self.never {
            assert!(!self.log.get(thread).is_some_and(|log| log.contains(id)), "RISEN: what never was, seed {seed}");
        }
        for host in self.up() {
            for (thread, log) in &self.log {
                let applied = self.hosts[host].applied.get(thread).copied().unwrap_or(0);
                assert_eq!(applied, log.len() as u64, "BEHIND: member {host} in {thread}, seed {seed}");
            }
        }
    }
}

pub fn manifest(agent: AgentId) -> Manifest {
    let capability = Capability {
        input: String::new(),
        name: crate::id::label("any"),
        output: String::new(),
        tags: Vec::new(),
        version: 1,
    };
    Manifest {
        agent,
        asn: String::new(),
        capabilities: std::vec![capability],
        constraints: Vec::new(),
        org: String::new(),
        price_floor: Credits(0),
        region: String::new(),
        roles: std::vec![Role::Coordinator],
        sealing: Digest::default(),
        stake_account: agent,
        tier: 0,
        zones: Vec::new(),
    }
}

fn name_of(note: &Note) -> &'static str {
    match note {
        Note::Leads { .. } => "leads",
        Note::Slept { .. } => "slept",
        Note::Woke { .. } => "woke",
        Note::Started { .. } => "started",
        Note::Folded { .. } => "folded",
        Note::Installed { .. } => "installed",
        Note::Mismatched { .. } => "mismatched",
        Note::Members { .. } => "members",
        Note::Promoted { .. } => "promoted",
        Note::Replaced { .. } => "replaced",
        Note::Retired => "retired",
        Note::Refused { .. } => "refused",
    }
}

fn brief(part: &Part) -> String {
    match part {
        Part::Raft(group, m) => format!(
            "{}:{:?} t{} i{} lt{} n{} c{} r{}",
            group.0,
            m.get_msg_type(),
            m.term,
            m.index,
            m.log_term,
            m.entries.len(),
            m.commit,
            m.reject
        ),
        Part::Propose(group, _) => format!("{}:propose", group.0),
        Part::Sleep { group, term, commit } => format!("{}:sleep t{term} c{commit}", group.0),
        Part::Nudge(group) => format!("{}:nudge", group.0),
        Part::Fetch { group, at } => format!("{}:fetch {at}", group.0),
        Part::Piece { group, at, entries } => format!("{}:piece {at}+{}", group.0, entries.len()),
        Part::Unknown(n) => format!("unknown {n}"),
        Part::Mandates(m) => format!("mandates {}", m.len()),
    }
}
