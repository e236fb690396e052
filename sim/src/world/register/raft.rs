//! A member's register half on Raft: the groups of `swarm_core::raft`, a disk of its own under them, and the lines to the
//! other members.
//!
//! The disk takes every record at once and keeps it for good after a sync; a crash keeps what was synced and of the rest those
//! pages that had left the cache, which need not be the first. Members share what they read in the log, because a verdict depends on the bytes alone.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use swarm_core::id::{AgentId, Digest, OpId, Thread};
use swarm_core::raft::{self, Codec, In, Note, Part, Proposal, Raft, Setup, StartError, WriteId};
use swarm_core::register::Command;
use swarm_core::reject::Reject;
use swarm_core::time::Instant;

use super::{Out, Outs, Register};
use crate::kernel::{Cx, LocalTime, NodeId, Span, Stream};
use crate::world::wire::Wire;

/// What of a disk is lost or kept as one: a sector.
const PAGE: usize = 512;

/// How often a crash loses pages before the last one kept, and each of those then.
const PAGES_LOST_PPM: u32 = 500_000;
const PAGE_LOST_PPM: u32 = 250_000;

/// Where the members are.
pub type Peers = Rc<RefCell<BTreeMap<AgentId, NodeId>>>;

/// A verdict on the bytes of a proposal.
type Verdict = Result<Arc<Proposal>, Reject>;

/// What the members of one run have written or read so far, by the digest of the bytes. What one member sends another shares
/// its bytes: held here, they are known by where they lie.
#[derive(Default)]
pub struct Shared {
    read: RefCell<BTreeMap<Digest, Verdict>>,
    /// Only asked, never gone through: where bytes lie decides nothing.
    lying: RefCell<HashMap<(usize, usize), (Bytes, Verdict)>>,
}

impl Codec for Shared {
    fn encode(&self, proposal: Proposal) -> Bytes {
        let bytes = proposal.bytes();
        // What is too long nobody reads; its member keeps it to itself.
        if bytes.len() <= raft::PROPOSAL_BYTES_MAX {
            debug_assert_eq!(raft::read(&bytes).as_ref(), Ok(&proposal), "what is written is read");
            self.read.borrow_mut().insert(Digest::sha256(&bytes), Ok(Arc::new(proposal)));
        }
        bytes.into()
    }

    fn decode(&self, bytes: &Bytes) -> Verdict {
        let place = (bytes.as_ptr() as usize, bytes.len());
        let mut lying = self.lying.borrow_mut();
        let (_, verdict) = lying.entry(place).or_insert_with(|| {
            let mut known = self.read.borrow_mut();
            let verdict = known.entry(Digest::sha256(bytes)).or_insert_with(|| raft::read(bytes).map(Arc::new));
            (bytes.clone(), verdict.clone())
        });
        verdict.clone()
    }
}

/// A disk under a member: records in the order written.
#[derive(Default)]
struct Disk {
    /// What survives for certain.
    durable: Vec<raft::Record>,
    /// What does not, yet.
    cached: VecDeque<(WriteId, Vec<raft::Record>)>,
    /// When what is cached will be durable.
    due: Option<LocalTime>,
}

/// What a crash did to a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Records that were written and are gone.
    pub lost: usize,
    /// The last record that was kept is torn.
    pub torn: bool,
}

/// The register half on Raft.
pub struct RaftHalf {
    raft: Raft,
    setup: Setup,
    peers: Peers,
    disk: Disk,
    /// How long a sync takes; none: no time at all.
    sync: Option<Span>,
    /// Messages of the raft protocol sent.
    messages: u64,
}

impl RaftHalf {
    /// A member whose disk holds `records`: none, or what its register was founded on.
    ///
    /// # Errors
    /// It cannot start.
    pub fn new(setup: Setup, peers: Peers, sync: Option<Span>, records: Vec<raft::Record>) -> Result<Self, StartError> {
        let raft = Raft::restore(setup.clone(), &records)?;
        let disk = Disk { durable: records, ..Disk::default() };
        Ok(Self { raft, setup, peers, disk, sync, messages: 0 })
    }

    /// The process dies and starts again on what its disk kept. The log goes through its written form: what was not durable is
    /// cut at any byte, and any page before that may be missing.
    ///
    /// # Errors
    /// It cannot start from that, which no crash may bring about.
    pub fn crash(&mut self, rng: &mut Stream) -> Result<Cut, StartError> {
        let genesis = self.setup.genesis.digest();
        let (mut wal, mut bytes) = raft::Wal::create(&genesis, &self.setup.me, Digest::default());
        bytes.extend(wal.frame(&self.disk.durable));
        wal.synced();
        let (mut rest, mut written) = (Vec::new(), self.disk.durable.len());
        for (_, records) in self.disk.cached.drain(..) {
            rest.extend(wal.frame(&records));
            written += records.len();
        }
        rest.truncate(rng.below(rest.len() as u64 + 1) as usize);
        // Most crashes lose an end only, or no later page would ever be whole.
        if rng.chance(PAGES_LOST_PPM) {
            rest.chunks_mut(PAGE).filter(|_| rng.chance(PAGE_LOST_PPM)).for_each(|page| page.fill(0));
        }
        bytes.extend(rest);
        let found = raft::decode(&bytes, &genesis, &self.setup.me).map_err(StartError::Wal)?;
        let cut = Cut { lost: written - found.records.len(), torn: found.holds < bytes.len() };
        self.raft = Raft::restore(self.setup.clone(), &found.records)?;
        self.disk = Disk { durable: found.records, ..Disk::default() };
        Ok(cut)
    }

    /// Whether something is written that a crash may take.
    pub fn has_unsynced(&self) -> bool {
        !self.disk.cached.is_empty()
    }

    fn happen(&mut self, cx: &mut Cx<'_, Wire>, input: In, outs: &mut Outs) {
        let now = Instant(cx.now().ns());
        self.raft.handle(now, input);
        self.drain(cx, outs);
    }

    fn drain(&mut self, cx: &mut Cx<'_, Wire>, outs: &mut Outs) {
        loop {
            while let Some(out) = self.raft.poll() {
                match out {
                    raft::Out::Persist { write, records } => self.write(cx, write, records),
                    raft::Out::Send { to, packet } => {
                        self.messages += packet.messages() as u64;
                        if let Some(to) = self.peers.borrow().get(&to) {
                            outs.push_back(Out::Send(*to, Wire::Raft(Rc::new(packet))));
                        }
                    }
                    raft::Out::Applied(entry) => outs.push_back(Out::Applied(entry)),
                    raft::Out::Answer { op, outcome } => outs.push_back(Out::Answer(op, outcome)),
                    raft::Out::Note(note) => outs.extend(mark(&note).map(Out::Mark)),
                }
            }
            if self.sync.is_some() || self.disk.cached.is_empty() {
                return;
            }
            self.synced(Instant(cx.now().ns()));
        }
    }

    fn write(&mut self, cx: &mut Cx<'_, Wire>, write: WriteId, records: Vec<raft::Record>) {
        self.disk.cached.push_back((write, records));
        if let (Some(sync), None) = (self.sync, self.disk.due) {
            let takes = cx.rng().within(sync);
            self.disk.due = Some(cx.now().plus(takes));
        }
    }

    /// Everything written so far is durable.
    fn synced(&mut self, now: Instant) {
        self.disk.due = None;
        let Some((write, _)) = self.disk.cached.back() else { return };
        let write = *write;
        self.disk.durable.extend(self.disk.cached.drain(..).flat_map(|(_, records)| records));
        self.raft.handle(now, In::Persisted { write });
    }
}

impl Register for RaftHalf {
    fn start(&mut self, cx: &mut Cx<'_, Wire>, outs: &mut Outs) {
        // A fresh value has things to write and to say before anything happened to it.
        self.drain(cx, outs);
    }

    fn submit(&mut self, cx: &mut Cx<'_, Wire>, op: OpId, thread: Thread, command: Arc<Command>, outs: &mut Outs) {
        self.happen(cx, In::Submit { op, thread, command }, outs);
    }

    fn on_wire(&mut self, cx: &mut Cx<'_, Wire>, from: NodeId, msg: Wire, outs: &mut Outs) {
        let Wire::Raft(packet) = msg else { return };
        // The line is authenticated: whose it is, nobody can pretend.
        let from = self.peers.borrow().iter().find(|(_, id)| **id == from).map(|(agent, _)| *agent);
        if let Some(from) = from {
            let packet = Rc::try_unwrap(packet).unwrap_or_else(|shared| raft::Packet::clone(&shared));
            self.happen(cx, In::Packet { from, packet }, outs);
        }
    }

    fn on_time(&mut self, cx: &mut Cx<'_, Wire>, outs: &mut Outs) {
        let now = cx.now();
        if self.disk.due.is_some_and(|due| due <= now) {
            self.synced(Instant(now.ns()));
            self.drain(cx, outs);
        }
        if self.raft.next_deadline().is_some_and(|due| due.0 <= now.ns()) {
            self.happen(cx, In::Wake, outs);
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        let raft = self.raft.next_deadline().map(|at| LocalTime::from_ns(at.0));
        raft.into_iter().chain(self.disk.due).min()
    }

    fn raft_messages(&self) -> u64 {
        self.messages
    }

    fn leads(&self) -> bool {
        self.raft.leads(raft::GroupId::SYSTEM)
    }
}

/// What of it must sometimes happen.
fn mark(note: &Note) -> Option<&'static str> {
    Some(match note {
        Note::Leads { term, .. } if *term > 1 => "leader-changed",
        Note::Slept { .. } => "group-slept",
        Note::Folded { .. } => "log-folded",
        Note::Installed { .. } => "snapshot-installed",
        Note::Mismatched { .. } => "damaged-history-refused",
        _ => return None,
    })
}

/// A packet in one word, for the trace: what decides, not how it is encoded.
pub fn word(packet: &raft::Packet) -> u64 {
    let part = |part: &Part| match part {
        Part::Raft(group, message) => {
            let kind = message.get_msg_type() as u64;
            let place = message.index.rotate_left(17) ^ message.term.rotate_left(34) ^ message.commit.rotate_left(7);
            kind ^ place
                ^ u64::from(group.0) << 48
                ^ (message.entries.len() as u64) << 40
                ^ u64::from(message.reject) << 63
        }
        Part::Propose(group, data) => 101 ^ u64::from(group.0) << 48 ^ (data.len() as u64) << 8,
        Part::Sleep { group, term, commit } => 102 ^ u64::from(group.0) << 48 ^ term.rotate_left(34) ^ commit << 8,
        Part::Nudge(group) => 103 ^ u64::from(group.0) << 48,
        Part::Fetch { group, at } => 104 ^ u64::from(group.0) << 48 ^ at << 8,
        Part::Piece { group, at, entries } => {
            105 ^ u64::from(group.0) << 48 ^ at << 8 ^ (entries.len() as u64).rotate_left(30)
        }
        Part::Unknown(known) => 106 ^ u64::from(*known) << 8,
        Part::Mandates(mandates) => 107 ^ (mandates.len() as u64) << 8,
    };
    packet.parts.iter().fold(0, |word, p| word.rotate_left(13).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part(p))
}
