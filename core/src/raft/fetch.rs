//! How a member that lacks folded entries comes by them.
//!
//! A snapshot names the length and digest of the history; the follower asks the leader for what it lacks, piece by piece, holds
//! it against the digest, and only then hands the snapshot to its node.
//!
//! The digest proves the history as a whole, so until its last piece the follower trusts the leader for how long it is. One that
//! errs runs out of pieces, and the fetch ends; one that lies can make it as long as it likes, which gains it nothing: a leader
//! can have as much ordered, and everyone keeps that.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use raft::eraftpb::Message;
use raft::{ProgressState, SnapshotStatus};

use super::codec::PROPOSAL_BYTES_MAX;
use super::group::Group;
use super::history::Mark;
use super::{GroupId, Note, Part, Raft, wal};
use crate::id::AgentId;
use crate::reject::Reject;

/// Bytes of history told in one turn, unless the first entry alone is larger.
const PIECE_BYTES: usize = 256 << 10;

/// Ticks without an answer after which a piece is asked for again.
const AGAIN_TICKS: u32 = 5;

/// Ticks without a word from a follower after which its snapshot counts as lost; a follower that fetches speaks more often.
const STALLED_TICKS: u32 = 20;

/// A snapshot that waits for its history.
pub(super) struct Fetching {
    from: AgentId,
    message: Box<Message>,
    mark: Mark,
    /// Where the history was folded when this began.
    base: Mark,
    /// Entries so far, from there on.
    got: Vec<Bytes>,
    ticks: u32,
}

impl Fetching {
    /// Place of the next entry wanted, from 0.
    fn next(&self) -> u64 {
        self.base.count + self.got.len() as u64
    }

    /// Whether the log has come there in the ordinary way.
    fn is_overtaken(&self, group: &Group) -> bool {
        let index = self.message.get_snapshot().get_metadata().index;
        self.base != group.history.base() || index <= group.raw.raft.raft_log.committed
    }
}

impl Raft {
    /// A snapshot has come: what of its history is lacking is fetched first.
    pub(super) fn snapshot_came(&mut self, from: AgentId, id: GroupId, message: Box<Message>) -> Result<(), Reject> {
        let group = self.groups.get_mut(&id).ok_or(Reject::NoSuchThing)?;
        let snapshot = message.get_snapshot();
        let mark = wal::mark(snapshot).ok_or(Reject::Malformed)?;
        let base = group.history.base();
        let old = snapshot.get_metadata().index <= group.raw.raft.raft_log.committed;
        if old || message.term < group.raw.raft.term {
            // The node says how far it is.
            group.step(*message);
            return Ok(());
        }
        // Else it would claim a place in the log that no history leads to, and what comes before that place would be lost here.
        if mark.count != snapshot.get_metadata().index {
            return Err(Reject::OutOfBounds);
        }
        // Only a leader sends snapshots; of the present term there is one.
        let leader = group.raw.raft.leader_id;
        if message.term == group.raw.raft.term && leader != 0 && leader != message.from {
            return Err(Reject::NotEntitled);
        }
        // What a lost election or a newer snapshot interrupted goes on where it was.
        let before = group.fetching.take().filter(|f| f.from == from && f.base == base);
        let got = before.map_or_else(Vec::new, |f| f.got);
        group.fetching = Some(Fetching { from, message, mark, base, got, ticks: 0 });
        self.fetch(id)
    }

    /// Asks for the next piece, or takes the snapshot if there is none lacking.
    fn fetch(&mut self, id: GroupId) -> Result<(), Reject> {
        let Some(group) = self.groups.get_mut(&id) else { return Ok(()) };
        let Some(mut fetching) = group.fetching.take() else { return Ok(()) };
        if fetching.is_overtaken(group) {
            return Ok(());
        }
        if fetching.next() < fetching.mark.count {
            let (to, at) = (fetching.from, fetching.next());
            fetching.ticks = 0;
            group.fetching = Some(fetching);
            self.send(to, Part::Fetch { group: id, at });
            return Ok(());
        }
        fetching.got.truncate((fetching.mark.count - fetching.base.count) as usize);
        if fetching.base.after(&fetching.got) != fetching.mark || !group.history.is_prefix_of(&fetching.got) {
            self.note(Note::Mismatched { group: id });
            return Err(Reject::WrongLink);
        }
        let snapshot = fetching.message.get_snapshot().clone();
        group.step(*fetching.message);
        // The node may have known better in the meantime.
        if group.raw.snap() == Some(&snapshot) {
            group.pieces = Some((fetching.mark, fetching.got));
        }
        Ok(())
    }

    /// Answers a request for history.
    pub(super) fn fetch_came(&mut self, from: AgentId, member: u64, id: GroupId, at: u64) -> Result<(), Reject> {
        let group = self.groups.get_mut(&id).ok_or(Reject::NoSuchThing)?;
        group.stalled.remove(&member);
        let lacking = group.history.from(at);
        if lacking.is_empty() {
            return Err(Reject::OutOfBounds);
        }
        let told = &mut self.told.history;
        let fits = |entry: &&Bytes| {
            let (first, with) = (*told == 0, *told + entry.len() + 4);
            let fits = first || with <= PIECE_BYTES;
            *told = if fits { with } else { *told };
            fits
        };
        let entries: Vec<_> = lacking.iter().take_while(fits).cloned().collect();
        // Whoever asked for more than one turn gives asks again.
        if !entries.is_empty() {
            self.send(from, Part::Piece { group: id, at, entries });
        }
        Ok(())
    }

    /// Takes a piece of history that was asked for.
    pub(super) fn piece_came(
        &mut self,
        from: AgentId,
        id: GroupId,
        at: u64,
        entries: Vec<Bytes>,
    ) -> Result<(), Reject> {
        let group = self.groups.get_mut(&id).ok_or(Reject::NoSuchThing)?;
        let Some(fetching) = group.fetching.as_mut().filter(|f| f.from == from && f.next() == at) else {
            return Err(Reject::Duplicate);
        };
        if entries.is_empty() || entries.iter().any(|entry| entry.len() > PROPOSAL_BYTES_MAX) {
            return Err(Reject::Oversize);
        }
        fetching.got.extend(entries);
        self.fetch(id)
    }

    /// A tick of a group that fetches, or whose followers do.
    pub(super) fn tick_fetch(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        report_lost(group);
        let Some(mut fetching) = group.fetching.take() else { return };
        fetching.ticks += 1;
        if fetching.ticks >= STALLED_TICKS || fetching.is_overtaken(group) {
            return;
        }
        let (to, at, again) = (fetching.from, fetching.next(), fetching.ticks.is_multiple_of(AGAIN_TICKS));
        group.fetching = Some(fetching);
        if again {
            self.send(to, Part::Fetch { group: id, at });
        }
    }
}

/// The crate sends a snapshot once and waits to hear that it was lost. So it is if the follower has it already: its answer came
/// before the snapshot left, and nothing new will come.
fn report_lost(group: &mut Group) {
    let waits = |id: &u64| group.raw.raft.prs().get(*id).is_some_and(|p| p.state == ProgressState::Snapshot);
    let waiting: Vec<u64> = group.peers().iter().copied().filter(waits).collect();
    group.stalled.retain(|id, _| waiting.contains(id));
    for id in waiting {
        let ticks = group.stalled.entry(id).or_default();
        *ticks += 1;
        let has_it = group.raw.raft.prs().get(id).is_some_and(|p| p.matched >= p.pending_snapshot);
        if has_it || *ticks >= STALLED_TICKS {
            *ticks = 0;
            group.raw.report_snapshot(id, SnapshotStatus::Failure);
        }
    }
    group.steady();
}
