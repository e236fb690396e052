//! The register half on Raft: one agreed order of commands per thread, kept by a few members who talk to each other directly.
//!
//! A [`Raft`] is a value like a node: time and one input go in, then everything that follows is drained. Behind it stand many
//! groups of the raft crate: one for the system thread and one per bucket of needs, started when first needed by an entry of
//! the system thread, asleep when idle. It must never let a promise leave before the disk holds it (`group`), let a member that
//! forgot vote (`members`), believe what it was not sent by a member, or let a message stop it (`guard`).
//!
//! ```text
//! raft.handle(now, input);
//! while let Some(out) = raft.poll() {}   // Persist first, then Sends: a Send never overtakes what it rests on
//! raft.next_deadline();
//! ```

mod codec;
mod fetch;
mod foundation;
mod group;
mod guard;
mod history;
mod io;
mod packet;
mod receive;
mod seats;
mod store;
mod submit;
#[cfg(test)]
mod tests;
mod wal;

pub use codec::{Codec, PROPOSAL_BYTES_MAX, Plain, Proposal, read};
pub use foundation::foundation;
pub use history::Mark;
pub use io::{GroupId, In, Note, Out, Setup, StartError, WriteId};
pub use packet::{PARTS_MAX, Packet, Part};
pub use wal::{Found, HEADER, Record, Wal, WalError, decode};

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::config::ms;
use crate::id::{AgentId, Seq, Thread};
use crate::members::{MemberId, Members};
use crate::reject::Reject;
use crate::time::Instant;
use group::Group;
use wal::Saved;

/// The register half of one member.
pub struct Raft {
    setup: Setup,
    me: MemberId,
    logger: slog::Logger,
    /// The members as the applied system thread says.
    table: Members,
    /// The members as far as mandates prove, which may be ahead of what is applied. Only to know who speaks.
    book: Members,
    groups: BTreeMap<GroupId, Box<Group>>,
    /// Groups that a disk remembers and the replayed system thread has not started yet.
    saved: BTreeMap<GroupId, Saved>,
    seqs: BTreeMap<Thread, Seq>,
    pending: submit::Waiting,
    early: BTreeMap<AgentId, receive::Early>,
    told: receive::Told,
    held: BTreeMap<WriteId, Vec<(AgentId, Part)>>,
    saving: BTreeMap<WriteId, BTreeSet<GroupId>>,
    write_next: WriteId,
    write_done: WriteId,
    /// Groups that something happened to in this turn.
    dirty: BTreeSet<GroupId>,
    /// Groups that have another leader.
    again: BTreeSet<GroupId>,
    /// Every group shall wake: the members changed.
    rouse: bool,
    retired: bool,
    records: Vec<Record>,
    outbox: BTreeMap<AgentId, Vec<Part>>,
    out: VecDeque<Out>,
    tick_at: Option<Instant>,
    refused: BTreeMap<Reject, u64>,
}

impl Raft {
    /// A member with an empty disk: a founder at the foundation, or a newcomer whose mandate is in the setup.
    ///
    /// # Errors
    /// Why it cannot start.
    pub fn new(setup: Setup) -> Result<Self, StartError> {
        Self::restore(setup, &[])
    }

    /// A member with what its disk holds. It hands over every entry again, from the first.
    ///
    /// # Errors
    /// Why it cannot start.
    pub fn restore(setup: Setup, records: &[Record]) -> Result<Self, StartError> {
        let table = Members::new(&setup.genesis);
        let mut book = table.clone();
        for mandate in &setup.mandates {
            book.mandate(mandate).map_err(StartError::Mandate)?;
        }
        let saved = wal::replay(records).map_err(StartError::Wal)?;
        // One that was replaced while it was away finds out from those who answer it.
        let me = book.seat_of(&setup.me).ok_or(StartError::NoSeat)?.id;
        let fresh = records.is_empty() && setup.mandates.is_empty();
        let mut raft = Self {
            me,
            logger: slog::Logger::root(slog::Discard, slog::o!()),
            book,
            groups: BTreeMap::new(),
            saved,
            seqs: BTreeMap::new(),
            pending: BTreeMap::new(),
            early: BTreeMap::new(),
            told: receive::Told::default(),
            held: BTreeMap::new(),
            saving: BTreeMap::new(),
            write_next: 1,
            write_done: 0,
            dirty: BTreeSet::new(),
            again: BTreeSet::new(),
            rouse: false,
            retired: false,
            records: Vec::new(),
            outbox: BTreeMap::new(),
            out: VecDeque::new(),
            tick_at: None,
            refused: BTreeMap::new(),
            table,
            setup,
        };
        raft.open(GroupId::SYSTEM);
        if fresh && raft.table.is_first(0, me) {
            raft.groups.get_mut(&GroupId::SYSTEM).expect("just opened").campaign();
        }
        raft.settle(None);
        Ok(raft)
    }

    /// Takes one input; drain [`Raft::poll`] afterwards.
    pub fn handle(&mut self, now: Instant, input: In) {
        self.told = receive::Told::default();
        match input {
            In::Submit { op, thread, command } => self.submit(op, thread, command),
            In::Packet { from, packet } => self.packet(from, packet),
            In::Persisted { write } => self.persisted(write),
            In::Wake => {
                if self.tick_at.is_none_or(|at| at <= now) {
                    self.tick_at = None;
                    self.tick();
                }
            }
        }
        self.settle(Some(now));
    }

    /// The next thing that follows.
    pub fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    /// When to wake it; never while every group sleeps.
    pub fn next_deadline(&self) -> Option<Instant> {
        let awake = !self.pending.is_empty() || self.groups.values().any(|group| group.awake);
        // Before the first input it does not know what time it is.
        (awake && !self.retired).then(|| self.tick_at.unwrap_or_default())
    }

    /// The members as the applied system thread says.
    pub fn members(&self) -> &Members {
        &self.table
    }

    /// Parts refused so far, by reason.
    pub fn refused(&self) -> &BTreeMap<Reject, u64> {
        &self.refused
    }

    /// Groups that run here, and whether each is awake.
    pub fn groups(&self) -> impl Iterator<Item = (GroupId, bool)> + '_ {
        self.groups.iter().map(|(id, group)| (*id, group.awake))
    }

    /// Whether this member leads `group`.
    pub fn leads(&self, group: GroupId) -> bool {
        self.groups.get(&group).is_some_and(|group| group.is_leader())
    }

    /// Whether this member lost its seat.
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    fn buckets(&self) -> u16 {
        self.setup.genesis.params.buckets as u16
    }

    /// Starts the group of a bucket, as an entry of the system thread says.
    fn start(&mut self, bucket: u32) {
        let id = GroupId(bucket + 1);
        let fresh = !self.saved.contains_key(&id);
        self.open(id);
        self.note(Note::Started { group: id });
        if fresh && self.table.is_first(bucket, self.me) {
            self.groups.get_mut(&id).expect("just opened").campaign();
        }
        self.again.insert(id);
        for (from, part) in self.early_of(id) {
            self.part(from, part);
        }
    }

    /// Brings a group up from what the disk has of it, or from nothing.
    fn open(&mut self, id: GroupId) {
        let saved = self.saved.remove(&id);
        let settled = saved.as_ref().is_some_and(Saved::is_settled);
        let (mut store, history) = saved.map_or_else(Default::default, |saved| (saved.store, saved.history));
        store.found(self.table.ids());
        let entries = history.from(0).to_vec();
        let mut group = Group::new(id, self.me, store, history, self);
        // Whoever is not done wakes the others.
        group.awake = !settled;
        self.groups.insert(id, Box::new(group));
        self.dirty.insert(id);
        for data in entries {
            self.apply_data(id, &data, None);
        }
    }

    fn persisted(&mut self, write: WriteId) {
        self.write_done = self.write_done.max(write.min(self.write_next - 1));
        let later = self.saving.split_off(&(self.write_done + 1));
        let groups: BTreeSet<GroupId> = core::mem::replace(&mut self.saving, later).into_values().flatten().collect();
        for id in groups {
            if let Some(group) = self.groups.get_mut(&id) {
                group.persisted(self.write_done);
                self.dirty.insert(id);
            }
        }
        let later = self.held.split_off(&(self.write_done + 1));
        for (to, part) in core::mem::replace(&mut self.held, later).into_values().flatten() {
            self.send(to, part);
        }
    }

    fn tick(&mut self) {
        let awake: Vec<GroupId> = self.groups.iter().filter(|(_, group)| group.awake).map(|(id, _)| *id).collect();
        for id in awake {
            self.tick_fetch(id);
            let settled = self.reseat(id);
            let slept = self.tick_idle(id, settled);
            let group = self.groups.get_mut(&id).expect("listed above");
            // A heartbeat behind the good-night would wake them all again.
            if !slept && group.installing.is_none() {
                group.raw.tick();
                group.steady();
                self.dirty.insert(id);
            }
            self.groups.get_mut(&id).expect("listed above").lift_ceiling();
        }
        self.tick_pending();
    }

    /// Follows up on what this input touched until nothing moves, then writes and sends it as one.
    fn settle(&mut self, now: Option<Instant>) {
        loop {
            if let Some(id) = self.dirty.pop_first() {
                self.pump(id);
                self.reseat(id);
            } else if core::mem::take(&mut self.rouse) {
                let all: Vec<GroupId> = self.groups.keys().copied().collect();
                all.into_iter().for_each(|id| self.wake(id));
            } else if let Some(id) = self.again.pop_first() {
                self.propose_again(id);
                self.dirty.insert(id);
            } else {
                break;
            }
        }
        if self.retired {
            self.fall_silent();
        }
        if !self.records.is_empty() {
            let write = self.write_next;
            self.write_next += 1;
            self.out.push_back(Out::Persist { write, records: core::mem::take(&mut self.records) });
        }
        for (to, parts) in core::mem::take(&mut self.outbox) {
            let mut parts = parts.into_iter().peekable();
            while parts.peek().is_some() {
                let parts = parts.by_ref().take(PARTS_MAX).collect();
                self.out.push_back(Out::Send { to, packet: Packet { parts } });
            }
        }
        let awake = !self.pending.is_empty() || self.groups.values().any(|group| group.awake);
        match now {
            Some(now) if awake => self.tick_at = self.tick_at.or(Some(now + ms(self.setup.local.raft_tick_ms))),
            _ => self.tick_at = None,
        }
    }

    fn fall_silent(&mut self) {
        self.groups.clear();
        self.held.clear();
        for (_, pending) in core::mem::take(&mut self.pending) {
            pending.drop_unanswered(self);
        }
    }
}
