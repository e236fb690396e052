//! What becomes of a packet: who may speak, what is refused by name, and what is not for this member yet.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use raft::eraftpb::MessageType;

use super::{Note, Packet, Part, Raft, guard};
use crate::id::AgentId;
use crate::members::Mandate;
use crate::reject::Reject;

/// Parts of packets kept for groups that this member has not started yet: the first to hear of a group speaks at once.
const EARLY_MAX: usize = 256;

impl Raft {
    pub(super) fn packet(&mut self, from: AgentId, packet: Packet) {
        if self.retired {
            return;
        }
        for part in packet.parts {
            self.part(from, part);
        }
    }

    pub(super) fn part(&mut self, from: AgentId, part: Part) {
        if let Err(reject) = self.take(from, part) {
            *self.refused.entry(reject).or_default() += 1;
            self.note(Note::Refused { from, reject });
        }
    }

    fn take(&mut self, from: AgentId, part: Part) -> Result<(), Reject> {
        if let Part::Mandates(mandates) = &part {
            return self.learn(mandates);
        }
        if self.book.is_past(&from) {
            // It may not know that it was replaced.
            let mandates = self.book.mandates().to_vec();
            self.send(from, Part::Mandates(mandates));
            return Err(Reject::NotEntitled);
        }
        let Some(member) = self.book.seat_of(&from).map(|seat| seat.id.0) else {
            // Only a mandate that has not come here yet can make it a member.
            if !matches!(part, Part::Unknown(_)) {
                self.send(from, Part::Unknown(self.book.mandates().len() as u32));
            }
            return Err(Reject::NotEntitled);
        };
        if let Part::Unknown(known) = part {
            let lacking = self.book.mandates().get(known as usize..).unwrap_or(&[]).to_vec();
            if !lacking.is_empty() {
                self.send(from, Part::Mandates(lacking));
            }
            return Ok(());
        }
        let Some(id) = part.group() else { return Err(Reject::WrongFields) };
        let Some(group) = self.groups.get_mut(&id) else {
            if id.bucket().is_none_or(|bucket| bucket >= self.setup.genesis.params.buckets) {
                return Err(Reject::NoSuchThing);
            }
            self.early.push_back((from, part));
            if self.early.len() > EARLY_MAX {
                self.early.pop_front();
            }
            return Ok(());
        };
        if group.installing.is_some() {
            // Nothing touches the node while its snapshot is on its way to the disk; whatever this was is said again.
            return Ok(());
        }
        if let Part::Raft(_, message) = &part {
            if message.from != member {
                return Err(Reject::NotTheSender);
            }
            if let Err(reject) = guard::check(message, &group.raw, &self.book) {
                if reject == Reject::NotEntitled {
                    self.send(from, Part::Unknown(self.book.mandates().len() as u32));
                }
                return Err(reject);
            }
        }
        self.dirty.insert(id);
        if !matches!(part, Part::Sleep { .. }) {
            self.wake(id);
        }
        match part {
            Part::Raft(_, message) if message.get_msg_type() == MessageType::MsgSnapshot => {
                self.snapshot_came(from, id, message)
            }
            Part::Raft(_, message) => {
                self.groups.get_mut(&id).expect("looked up above").step(*message);
                Ok(())
            }
            Part::Propose(_, data) => self.proposed(&from, id, &data),
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
        let known: BTreeSet<_> = self.book.mandates().iter().map(|mandate| mandate.id()).collect();
        for mandate in mandates.iter().filter(|mandate| !known.contains(&mandate.id())) {
            self.book.mandate(mandate)?;
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
