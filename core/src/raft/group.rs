//! One group: the raft crate's node, its log and its history, and what of it waits for the disk.
//!
//! The order is the crate's own: what a member promises leaves only after the record of it is durable; what is committed is
//! applied in order; nothing else touches the node while a snapshot is on its way to the disk.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use protobuf::Message as _;
use raft::eraftpb::{ConfChange, ConfState, Entry, EntryType, Message, MessageType, Snapshot};
use raft::{Config, NO_LIMIT, RawNode, StateRole};

use super::fetch::Fetching;
use super::guard::TERMS_PER_TICK;
use super::history::{History, Mark};
use super::store::Store;
use super::submit::Key;
use super::wal::{self, Record};
use super::{GroupId, Note, Out, Part, Raft, WriteId};
use crate::id::{AgentId, Digest};
use crate::members::MemberId;
use crate::mutant::{Mutant, planted};
use crate::rng::Stream;

/// Bytes of entries in one message.
const MESSAGE_BYTES: u64 = 256 << 10;

/// Messages of entries on their way to one peer.
const INFLIGHT: usize = 64;

pub(super) struct Group {
    pub id: GroupId,
    pub raw: RawNode<Store>,
    pub history: History,
    pub awake: bool,
    /// Ticks in which nothing happened.
    pub idle: u32,
    /// What this leader put into the log and has not applied.
    pub queued: BTreeSet<Key>,
    /// A snapshot whose history is being fetched.
    pub fetching: Option<Fetching>,
    /// The history of a snapshot that the node is about to take.
    pub pieces: Option<(Mark, Vec<Bytes>)>,
    /// The write that makes a taken snapshot durable, and the snapshot's index.
    pub installing: Option<(WriteId, u64)>,
    /// Ticks since a peer that was sent a snapshot was heard of.
    pub stalled: BTreeMap<u64, u32>,
    /// Turns of the node whose records are not durable yet.
    unsaved: VecDeque<(WriteId, u64)>,
    /// The last write of a term or a vote.
    promised: WriteId,
    /// The commit that the disk knows.
    pub commit_saved: u64,
    /// The leader as it was last seen.
    pub leader: u64,
    /// Who the members are now, and who the others are: asked for at every turn.
    conf: ConfState,
    peers: Vec<u64>,
    /// The highest term that a message may bring before the next tick.
    ceiling: u64,
    /// The election timeout of a term.
    timeout: (u64, usize),
    seed: Digest,
}

impl Group {
    /// A group over `store`.
    pub fn new(id: GroupId, me: MemberId, store: Store, history: History, raft: &Raft) -> Self {
        let local = &raft.setup.local;
        let (election, heartbeat) = (local.raft_election_ticks as usize, local.raft_heartbeat_ticks as usize);
        let config = Config {
            id: me.0,
            applied: store.base(),
            // The crate adds entries to the first message that waits for a peer, also if that one is empty and others stand
            // behind it: the follower is sent a log with a gap. Messages of one turn share a packet anyway.
            batch_append: false,
            check_quorum: true,
            election_tick: election,
            heartbeat_tick: heartbeat,
            max_committed_size_per_ready: NO_LIMIT,
            max_inflight_msgs: INFLIGHT,
            max_size_per_msg: MESSAGE_BYTES,
            pre_vote: true,
            ..Config::default()
        };
        let commit_saved = store.hard().commit;
        let raw = RawNode::new(&config, store, &raft.logger).expect("the knobs are within their bounds");
        let seed = Digest::of("swarm/election", &[&raft.setup.seed.0, &id.0.to_be_bytes(), &me.0.to_be_bytes()]);
        let mut group = Self {
            id,
            raw,
            history,
            awake: true,
            idle: 0,
            queued: BTreeSet::new(),
            fetching: None,
            pieces: None,
            installing: None,
            stalled: BTreeMap::new(),
            unsaved: VecDeque::new(),
            promised: 0,
            commit_saved,
            leader: 0,
            conf: ConfState::default(),
            peers: Vec::new(),
            ceiling: 0,
            timeout: (u64::MAX, 0),
            seed,
        };
        group.look_at_members();
        group.lift_ceiling();
        group.steady();
        group
    }

    /// The crate draws each election timeout from the operating system. After every call into it the draw is replaced by one
    /// that seed, group, member and term decide.
    pub fn steady(&mut self) {
        let term = self.raw.raft.term;
        if self.timeout.0 != term {
            let election = self.raw.raft.election_timeout();
            let spread = Stream::new(&Digest::of("swarm/timeout", &[&self.seed.0, &term.to_be_bytes()]));
            self.timeout = (term, election + { spread }.below(election as u64) as usize);
        }
        self.raw.raft.set_randomized_election_timeout(self.timeout.1);
    }

    /// A tick has passed: terms may rise again.
    pub fn lift_ceiling(&mut self) {
        self.ceiling = self.raw.raft.term + TERMS_PER_TICK;
    }

    /// Whether a message of this term comes from further ahead than can be believed at once. A liar may have raised whoever
    /// sent it, where nobody else heard, and a term never falls: so this member rises as far as it may, and they meet in time.
    pub fn rises_toward(&mut self, term: u64) -> bool {
        let beyond = term > self.ceiling;
        if beyond && self.raw.raft.term < self.ceiling {
            self.raw.raft.become_follower(self.ceiling, raft::INVALID_ID);
            self.steady();
        }
        beyond
    }

    pub fn is_leader(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    /// Hands a message to the node. Errors are answers to what is no longer asked.
    pub fn step(&mut self, message: Message) {
        let brings_members = message.get_msg_type() == MessageType::MsgSnapshot;
        let _ = self.raw.step(message);
        if brings_members {
            self.look_at_members();
        }
        self.steady();
    }

    /// Stands for election, if it may.
    pub fn campaign(&mut self) {
        if self.raw.raft.promotable() {
            let _ = self.raw.campaign();
            self.steady();
        }
    }

    /// The node has other members, or may have: an applied change and a snapshot bring them, nothing else.
    fn look_at_members(&mut self) {
        self.conf = conf_of(&self.raw);
        let all = self.conf.voters.iter().chain(&self.conf.learners).copied();
        self.peers = all.filter(|id| *id != self.raw.raft.id).collect();
        self.peers.sort_unstable();
    }

    /// Who the members are now, sorted.
    pub fn conf(&self) -> &ConfState {
        &self.conf
    }

    /// All other members, rising.
    pub fn peers(&self) -> &[u64] {
        &self.peers
    }

    /// Whether a record of it is still on its way to the disk.
    pub fn is_saving(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// The writes up to `write` are durable.
    pub fn persisted(&mut self, write: WriteId) {
        let mut done = None;
        while let Some((_, number)) = self.unsaved.pop_front_if(|(at, _)| *at <= write) {
            done = Some(number);
        }
        if let Some(number) = done {
            self.raw.on_persist_ready(number);
        }
        if let Some((_, index)) = self.installing.take_if(|(at, _)| *at <= write) {
            self.raw.advance_apply_to(index);
        }
        self.steady();
    }

    /// The snapshot of everything applied.
    fn fold(&mut self, index: u64) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let term = self.raw.raft.raft_log.term(index).expect("what was just applied is in the log");
        let conf = self.conf.clone();
        let meta = snapshot.mut_metadata();
        (meta.index, meta.term) = (index, term);
        meta.set_conf_state(conf);
        snapshot.data = crate::wire::canonical::to_vec(&self.history.end()).into();
        self.history.fold();
        self.raw.mut_store().fold(snapshot.clone());
        snapshot
    }
}

/// Who a node's members are, sorted: the crate keeps them in sets without order.
fn conf_of(raw: &RawNode<Store>) -> ConfState {
    let mut conf = raw.raft.prs().conf().to_conf_state();
    conf.voters.sort_unstable();
    conf.learners.sort_unstable();
    conf
}

impl Raft {
    /// Carries out everything that a group's node has ready.
    pub(super) fn pump(&mut self, id: GroupId) {
        let Some(mut group) = self.groups.remove(&id) else { return };
        while group.raw.has_ready() {
            self.turn(&mut group);
            group.steady();
        }
        debug_assert_eq!(group.conf, conf_of(&group.raw), "the members are those of the node");
        self.groups.insert(id, group);
    }

    fn turn(&mut self, group: &mut Group) {
        let mut ready = group.raw.ready();
        let number = ready.number();
        let records_before = self.records.len();
        if let Some(hard) = ready.hs() {
            // A commit alone is not worth a write: whoever forgets it learns it again.
            if ready.must_sync() {
                // Before the entries: a term that outlives its entries is harmless, entries of a term that is forgotten are not.
                // A commit that outlives them is not either: it would make others out of what stood there before.
                let mut hard = hard.clone();
                hard.commit = match ready.entries().first() {
                    _ if !ready.snapshot().is_empty() => group.commit_saved,
                    Some(first) => hard.commit.min(first.index - 1),
                    None => hard.commit,
                };
                group.commit_saved = hard.commit;
                self.records.push(Record::Hard(group.id, hard));
                group.promised = self.write_next;
            }
        }
        let (mut applied, mut reseated) = (None, false);
        if !ready.snapshot().is_empty() {
            self.install(group, ready.snapshot().clone());
        }
        let entries = ready.take_entries();
        if !entries.is_empty() {
            group.raw.mut_store().append(&entries);
            self.records.extend(entries.into_iter().map(|entry| Record::Log(group.id, entry)));
        }
        if self.records.len() > records_before {
            group.unsaved.push_back((self.write_next, number));
            self.saving.entry(self.write_next).or_default().insert(group.id);
        }
        let promised = (group.promised > self.write_done).then_some(group.promised);
        self.route(group.id, ready.take_messages(), promised);
        self.route(group.id, ready.take_persisted_messages(), group.unsaved.back().map(|(write, _)| *write));
        for entry in ready.take_committed_entries() {
            applied = Some(entry.index);
            reseated |= self.apply(group, entry);
        }
        group.raw.advance_append_async(ready);
        // A turn without records behind one with records is over when that one is.
        if group.unsaved.is_empty() {
            group.raw.on_persist_ready(number);
        }
        if let Some(index) = applied {
            group.raw.advance_apply_to(index);
            // A newcomer cannot take a snapshot of a time when it was no member.
            let many = index - group.raw.store().base() >= u64::from(self.setup.local.raft_fold_entries);
            if many || reseated {
                let snapshot = group.fold(index);
                self.note(Note::Folded { group: group.id, count: group.history.end().count, index });
                self.records.push(Record::Folded(group.id, snapshot));
            }
        }
        self.look_at_leader(group);
    }

    /// Sends messages, at once or when the write they speak of is durable.
    fn route(&mut self, id: GroupId, messages: Vec<Message>, wait: Option<WriteId>) {
        for message in messages {
            // A number that the table does not know yet: the crate will say it again.
            let Some(to) = self.book.agent(MemberId(message.to)) else { continue };
            let early =
                planted(Mutant::VoteNotPersisted) && message.get_msg_type() == MessageType::MsgRequestVoteResponse;
            let wait = wait.filter(|_| !early);
            let part = Part::Raft(id, message.into());
            match wait {
                Some(write) => self.held.entry(write).or_default().push((to, part)),
                None => self.send(to, part),
            }
        }
    }

    pub(super) fn send(&mut self, to: AgentId, part: Part) {
        self.outbox.entry(to).or_default().push(part);
    }

    /// Applies a committed entry; says whether the group has other members now.
    fn apply(&mut self, group: &mut Group, entry: Entry) -> bool {
        group.history.push(wal::piece(&entry));
        match entry.get_entry_type() {
            EntryType::EntryNormal => self.apply_data(group.id, &entry.data, Some(group)),
            EntryType::EntryConfChange => {
                let Ok(change) = ConfChange::parse_from_bytes(&entry.data) else { return false };
                // What the crate refuses, it refuses everywhere.
                if group.raw.apply_conf_change(&change).is_err() {
                    return false;
                }
                group.look_at_members();
                let me = group.raw.raft.id;
                if change.node_id == me && group.is_leader() && !group.raw.raft.promotable() {
                    let term = group.raw.raft.term;
                    group.raw.raft.become_follower(term, 0);
                }
                let conf = group.conf.clone();
                self.note(Note::Members { group: group.id, voters: conf.voters, learners: conf.learners });
                return true;
            }
            EntryType::EntryConfChangeV2 => {}
        }
        false
    }

    /// Takes the verified history of a snapshot in the place of the log.
    fn install(&mut self, group: &mut Group, snapshot: Snapshot) {
        let (mark, pieces) = group.pieces.take().expect("a snapshot is handed over with its history");
        let index = snapshot.get_metadata().index;
        let base = group.history.base().count;
        let places = (base..).zip(&pieces);
        self.records.extend(places.map(|(at, data)| Record::Piece(group.id, at, data.clone())));
        self.records.push(Record::Installed(group.id, snapshot.clone()));
        group.installing = Some((self.write_next, index));
        group.raw.mut_store().install(snapshot);
        for data in group.history.install(&pieces, mark) {
            self.apply_data(group.id, &data, None);
        }
        group.queued.clear();
        self.note(Note::Installed { group: group.id, count: mark.count, index });
    }

    fn look_at_leader(&mut self, group: &mut Group) {
        let leader = group.raw.raft.leader_id;
        if leader == group.leader {
            return;
        }
        group.leader = leader;
        group.queued.clear();
        group.stalled.clear();
        if group.is_leader() {
            self.note(Note::Leads { group: group.id, term: group.raw.raft.term });
        }
        if leader != 0 {
            self.again.insert(group.id);
        }
    }

    pub(super) fn note(&mut self, note: Note) {
        self.out.push_back(Out::Note(note));
    }
}
