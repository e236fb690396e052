//! What becomes of a packet: who may speak, what is refused by name, and what is not for this member yet.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use raft::eraftpb::{Entry, MessageType};

use super::codec::PROPOSAL_BYTES_MAX;
use super::{GroupId, Note, PARTS_MAX, Packet, Part, Raft, guard};
use crate::id::AgentId;
use crate::members::Mandate;
use crate::reject::Reject;

/// Parts of one member's packets, and their bytes, that are kept for groups that this member has not started yet: the first to
/// hear of a group speaks at once.
const EARLY_MAX: usize = 256;
const EARLY_BYTES_MAX: usize = 2 * PROPOSAL_BYTES_MAX;

/// What one member said too early, the oldest first.
#[derive(Default)]
pub(super) struct Early {
    parts: VecDeque<Part>,
    bytes: usize,
}

impl Early {
    /// Keeps a part, in the place of the oldest if there is no room.
    fn push(&mut self, part: Part) -> Result<(), Reject> {
        let takes = room(&part);
        if takes > EARLY_BYTES_MAX {
            return Err(Reject::Oversize);
        }
        while self.parts.len() == EARLY_MAX || self.bytes + takes > EARLY_BYTES_MAX {
            let Some(oldest) = self.parts.pop_front() else { break };
            self.bytes -= room(&oldest);
        }
        self.bytes += takes;
        self.parts.push_back(part);
        Ok(())
    }
}

/// Bytes that a part takes here: empty entries are next to nothing on a wire.
fn room(part: &Part) -> usize {
    let entries = match part {
        Part::Raft(_, message) => message.entries.len() * size_of::<Entry>(),
        Part::Piece { entries, .. } => entries.len() * size_of::<Bytes>(),
        _ => 0,
    };
    part.weight() + entries
}

/// What was answered in this turn to those who asked: a few bytes must not bring many, however often they come in one packet.
#[derive(Default)]
pub(super) struct Told {
    /// Bytes of history.
    pub history: usize,
    /// Mandates.
    mandates: bool,
    /// That mandates are lacking here.
    unknown: bool,
}

impl Raft {
    pub(super) fn packet(&mut self, from: AgentId, packet: Packet) {
        if self.retired {
            return;
        }
        if packet.parts.len() > PARTS_MAX {
            self.refuse(from, Reject::Oversize);
            return;
        }
        for part in packet.parts {
            self.part(from, part);
        }
    }

    pub(super) fn part(&mut self, from: AgentId, part: Part) {
        if let Err(reject) = self.take(from, part) {
            self.refuse(from, reject);
        }
    }

    fn refuse(&mut self, from: AgentId, reject: Reject) {
        *self.refused.entry(reject).or_default() += 1;
        self.note(Note::Refused { from, reject });
    }

    /// What came too early for a group that starts now.
    pub(super) fn early_of(&mut self, id: GroupId) -> Vec<(AgentId, Part)> {
        let mut mine = Vec::new();
        for (from, early) in &mut self.early {
            let (ripe, rest): (VecDeque<_>, _) =
                core::mem::take(&mut early.parts).into_iter().partition(|part| part.group() == Some(id));
            early.parts = rest;
            early.bytes = early.parts.iter().map(room).sum();
            mine.extend(ripe.into_iter().map(|part| (*from, part)));
        }
        self.early.retain(|_, early| !early.parts.is_empty());
        mine
    }

    /// Tells whoever lacks mandates those behind the first `known`.
    fn tell_mandates(&mut self, to: AgentId, known: usize) {
        let lacking = self.book.mandates().get(known..).unwrap_or(&[]);
        if !lacking.is_empty() && !core::mem::replace(&mut self.told.mandates, true) {
            let lacking = lacking.to_vec();
            self.send(to, Part::Mandates(lacking));
        }
    }

    /// Asks for mandates that have not come here yet.
    fn ask_mandates(&mut self, of: AgentId) {
        if !core::mem::replace(&mut self.told.unknown, true) {
            self.send(of, Part::Unknown(self.book.mandates().len() as u32));
        }
    }

    fn take(&mut self, from: AgentId, part: Part) -> Result<(), Reject> {
        if let Part::Mandates(mandates) = &part {
            return self.learn(mandates);
        }
        if self.book.is_past(&from) {
            // It may not know that it was replaced.
            self.tell_mandates(from, 0);
            return Err(Reject::NotEntitled);
        }
        let Some(member) = self.book.seat_of(&from).map(|seat| seat.id.0) else {
            // Only a mandate that has not come here yet can make it a member.
            if !matches!(part, Part::Unknown(_)) {
                self.ask_mandates(from);
            }
            return Err(Reject::NotEntitled);
        };
        if let Part::Unknown(known) = part {
            self.tell_mandates(from, known as usize);
            return Ok(());
        }
        let Some(id) = part.group() else { return Err(Reject::WrongFields) };
        let Some(group) = self.groups.get_mut(&id) else {
            if id.bucket().is_none_or(|bucket| bucket >= self.setup.genesis.params.buckets) {
                return Err(Reject::NoSuchThing);
            }
            return self.early.entry(from).or_default().push(part);
        };
        if group.installing.is_some() || group.raw.snap().is_some() {
            // Nothing touches the node while its snapshot is on its way to the disk; whatever this was is said again.
            return Ok(());
        }
        if let Part::Raft(_, message) = &part {
            if message.from != member {
                return Err(Reject::NotTheSender);
            }
            if let Err(reject) = guard::check(message, &group.raw, &self.book) {
                if reject == Reject::NotEntitled {
                    self.ask_mandates(from);
                }
                return Err(reject);
            }
        }
        self.dirty.insert(id);
        let beyond = matches!(&part, Part::Raft(_, message) if group.rises_toward(message.term));
        if !matches!(part, Part::Sleep { .. }) {
            self.wake(id);
        }
        if beyond {
            return Err(Reject::OutOfBounds);
        }
        match part {
            Part::Raft(_, message) if message.get_msg_type() == MessageType::MsgSnapshot => {
                self.snapshot_came(from, id, message)
            }
            Part::Raft(_, message) => {
                self.groups.get_mut(&id).expect("looked up above").step(*message);
                Ok(())
            }
            Part::Propose(_, data) => self.proposed(id, &data),
            Part::Sleep { term, commit, .. } => {
                self.sleep_came(member, id, term, commit);
                Ok(())
            }
            Part::Fetch { at, .. } => self.fetch_came(from, member, id, at),
            Part::Piece { at, entries, .. } => self.piece_came(from, id, at, entries),
            Part::Nudge(_) => Ok(()),
            Part::Unknown(_) | Part::Mandates(_) => unreachable!("both are answered above"),
        }
    }

    /// Takes mandates that prove who the members are.
    fn learn(&mut self, mandates: &[Arc<Mandate>]) -> Result<(), Reject> {
        // These two are what a mandate's id digests; whoever says again what is known shall not have it digested again.
        for mandate in mandates {
            let known = self.book.mandates().iter().any(|own| own.after == mandate.after && own.act == mandate.act);
            if !known {
                self.book.mandate(mandate)?;
            }
        }
        if self.book.is_past(&self.setup.me) {
            self.retire();
        }
        Ok(())
    }

    pub(super) fn retire(&mut self) {
        if !self.retired {
            self.retired = true;
            self.note(Note::Retired);
        }
    }
}
