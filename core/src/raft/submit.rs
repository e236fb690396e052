//! From a command that the protocol half submits to its place in a thread.
//!
//! A proposal goes to the leader and is said again until it is applied or the wait is over. What is said twice may be applied
//! twice: commands are idempotent by their id. `Committed` means applied here; `NotCommitted` that it never left; everything
//! else is `Unknown` (T20).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

use super::codec::{PROPOSAL_BYTES_MAX, Proposal};
use super::group::Group;
use super::{GroupId, Note, Out, Part, Raft};
use crate::id::{Digest, OpId, Seq, Thread};
use crate::members::{Change, MemberId};
use crate::node::Outcome;
use crate::register::{Command, Entry};
use crate::reject::Reject;

/// What a proposal is known by: its thread and its command's id.
pub(super) type Key = (Thread, Digest);

/// Ticks after which a proposal that was not applied is said again.
const AGAIN_TICKS: u32 = 5;

/// A proposal of this member that is not applied yet.
pub(super) struct Pending {
    data: Bytes,
    group: GroupId,
    /// Who waits for the answer; nobody for what the register itself wants.
    ops: Vec<OpId>,
    /// Whether it ever left, or entered this member's own log.
    said: bool,
    ticks: u32,
}

impl Pending {
    /// Nobody will ever say it again.
    pub(super) fn drop_unanswered(self, raft: &mut Raft) {
        let outcome = if self.said { Outcome::Unknown } else { Outcome::NotCommitted };
        self.ops.into_iter().for_each(|op| raft.answer(op, outcome.clone()));
    }
}

impl Raft {
    pub(super) fn submit(&mut self, op: OpId, thread: Thread, command: Arc<Command>) {
        if self.retired {
            return self.answer(op, Outcome::NotCommitted);
        }
        let group = GroupId::of(&thread, self.buckets());
        let key = (thread, command.id());
        match self.pending.get_mut(&key) {
            Some(pending) => {
                pending.ops.push(op);
                pending.ticks = 0;
            }
            None => self.want(key, group, command, Some(op)),
        }
        self.propose(&key);
    }

    fn want(&mut self, key: Key, group: GroupId, command: Arc<Command>, op: Option<OpId>) {
        let data = self.setup.codec.encode(Proposal { command, thread: key.0 });
        // Every other member would refuse it, and everything behind it in the log.
        if data.len() > PROPOSAL_BYTES_MAX {
            self.note(Note::Refused { from: self.setup.me, reject: Reject::Oversize });
            op.into_iter().for_each(|op| self.answer(op, Outcome::NotCommitted));
            return;
        }
        let pending = Pending { data, group, ops: op.into_iter().collect(), said: false, ticks: 0 };
        self.pending.insert(key, pending);
    }

    pub(super) fn answer(&mut self, op: OpId, outcome: Outcome) {
        self.out.push_back(Out::Answer { op, outcome });
    }

    /// Brings a proposal to whoever leads its group; if the group does not run yet, asks for it.
    fn propose(&mut self, key: &Key) {
        let Some(pending) = self.pending.get(key) else { return };
        let (id, data) = (pending.group, pending.data.clone());
        if !self.groups.contains_key(&id) {
            let Some(bucket) = id.bucket() else { return };
            let start = Arc::new(Command::Start { bucket });
            let start_key = (Thread::System, start.id());
            if !self.pending.contains_key(&start_key) {
                self.want(start_key, GroupId::SYSTEM, start, None);
                self.propose(&start_key);
            }
            return;
        }
        self.wake(id);
        let group = self.groups.get_mut(&id).expect("looked up above");
        let said = if group.is_leader() {
            offer(group, *key, &data)
        } else {
            match self.book.agent(MemberId(group.raw.raft.leader_id)) {
                Some(leader) if group.raw.raft.leader_id != 0 => {
                    self.send(leader, Part::Propose(id, data));
                    true
                }
                _ => false,
            }
        };
        self.pending.get_mut(key).expect("looked up above").said |= said;
    }

    /// A member's proposal has come to this one.
    pub(super) fn proposed(&mut self, id: GroupId, data: &Bytes) -> Result<(), Reject> {
        let proposal = self.setup.codec.decode(data)?;
        if !id.holds(&proposal.thread, self.buckets()) {
            return Err(Reject::WrongFields);
        }
        let group = self.groups.get_mut(&id).ok_or(Reject::NoSuchThing)?;
        // Whoever leads now will hear of it: its member says it again.
        if group.is_leader() {
            offer(group, (proposal.thread, proposal.command.id()), data);
        }
        Ok(())
    }

    /// Says every waiting proposal of these groups again: they have a leader, or another one.
    pub(super) fn propose_again(&mut self, id: GroupId) {
        let keys: Vec<Key> = self.pending.iter().filter(|(_, p)| p.group == id).map(|(key, _)| *key).collect();
        keys.iter().for_each(|key| self.propose(key));
    }

    /// A tick has passed for everything that waits.
    pub(super) fn tick_pending(&mut self) {
        let answer_ticks = self.setup.local.answer_ms.div_ceil(self.setup.local.raft_tick_ms);
        let (mut over, mut again) = (Vec::new(), Vec::new());
        for (key, pending) in &mut self.pending {
            pending.ticks += 1;
            if pending.ticks >= answer_ticks {
                over.push(*key);
            } else if pending.ticks.is_multiple_of(AGAIN_TICKS) {
                again.push((*key, pending.group));
            }
        }
        for key in over {
            let pending = self.pending.remove(&key).expect("just seen");
            pending.drop_unanswered(self);
        }
        for (key, id) in again {
            self.propose(&key);
            // The leader may be gone while the others sleep.
            self.nudge(id);
        }
    }

    /// Whether something of this member waits for `group`.
    pub(super) fn awaits(&self, id: GroupId) -> bool {
        self.pending.values().any(|pending| pending.group == id)
    }

    /// Applies what stands in a committed entry, if it means anything. Whether it does depends on nothing but the bytes and
    /// the group.
    pub(super) fn apply_data(&mut self, id: GroupId, data: &Bytes, group: Option<&mut Group>) {
        if data.is_empty() {
            return;
        }
        let Ok(proposal) = self.setup.codec.decode(data) else { return };
        if !id.holds(&proposal.thread, self.buckets()) {
            return;
        }
        let (thread, command) = (proposal.thread, Arc::clone(&proposal.command));
        let key = (thread, command.id());
        if let Some(group) = group {
            group.queued.remove(&key);
        }
        let last = self.seqs.entry(thread).or_default();
        *last = Seq(last.0 + 1);
        let seq = *last;
        if id == GroupId::SYSTEM {
            self.regulate(&command);
        }
        self.out.push_back(Out::Applied(Entry { command, seq, thread }));
        if let Some(pending) = self.pending.remove(&key) {
            pending.ops.into_iter().for_each(|op| self.answer(op, Outcome::Committed));
        }
    }

    /// What an entry of the system thread means for the register itself.
    fn regulate(&mut self, command: &Command) {
        match self.table.apply(command) {
            Ok(Change::Started(bucket)) => self.start(bucket),
            Ok(Change::Replaced { old, new }) => {
                // What is committed counts, whatever was heard. Only recovery keys that sign two mandates in one place make
                // the two differ.
                if !self.book.goes_on_from(&self.table) {
                    self.book = self.table.clone();
                }
                if old.member.agent == self.setup.me {
                    self.retire();
                }
                self.note(Note::Replaced { new: new.id, old: old.id });
                self.rouse = true;
            }
            // What was restored is in the groups already, and what was founded anew was founded by those whom it seats.
            Ok(Change::Restored(_) | Change::Refounded) => {}
            // It is refused by the protocol half in the same way, or is none of the register's business.
            Err(_) => {}
        }
    }
}

/// Puts a proposal into the log of a group that this member leads, unless it is in there already.
fn offer(group: &mut Group, key: Key, data: &[u8]) -> bool {
    if !group.queued.insert(key) {
        return true;
    }
    let taken = group.raw.propose(Vec::new(), data.to_vec()).is_ok();
    group.steady();
    if !taken {
        group.queued.remove(&key);
    }
    taken
}

/// All that waits.
pub(super) type Waiting = BTreeMap<Key, Pending>;
