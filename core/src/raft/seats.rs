//! From the table of members to the voters of each group, one change at a time, and when a group may sleep.
//!
//! A newcomer joins as a learner, the one it replaces goes, and it votes when it has caught up. Never do two voters change at
//! once: two majorities that need not overlap would be possible in between.

use raft::eraftpb::{ConfChange, ConfChangeType};

use super::group::Group;
use super::wal::Record;
use super::{GroupId, Note, Part, Raft};
use crate::members::{MemberId, Members};

/// Entries that a learner may lack and still become a voter: it has them within one round trip.
const BEHIND_MAX: u64 = 16;

impl Raft {
    /// Lets the group of a leader take its next step toward the table. Whether there is none left.
    pub(super) fn reseat(&mut self, id: GroupId) -> bool {
        let Some(group) = self.groups.get_mut(&id) else { return true };
        if !group.is_leader() || group.raw.raft.has_pending_conf() {
            return !group.is_leader();
        }
        let Some((kind, member)) = next_change(group, &self.table) else { return true };
        if let Some((kind, member)) = kind.map(|kind| (kind, member)) {
            let mut change = ConfChange::default();
            change.set_change_type(kind);
            change.node_id = member;
            let _ = group.raw.propose_conf_change(alloc::vec::Vec::new(), change);
            group.steady();
            self.dirty.insert(id);
            if kind == ConfChangeType::AddNode {
                self.note(Note::Promoted { group: id, member: MemberId(member) });
            }
        }
        false
    }

    /// A tick of an awake leader: sends the group to sleep after enough of them in which nothing happened; says whether.
    pub(super) fn tick_idle(&mut self, id: GroupId, settled: bool) -> bool {
        let waited_for = self.awaits(id);
        let Some(group) = self.groups.get_mut(&id) else { return false };
        if !settled || waited_for || !is_quiet(group) {
            group.idle = 0;
            return false;
        }
        group.idle += 1;
        if group.idle < self.setup.local.raft_sleep_ticks {
            return false;
        }
        let (term, commit) = (group.raw.raft.term, group.raw.raft.raft_log.committed);
        for peer in group.peers().to_vec() {
            if let Some(to) = self.book.agent(MemberId(peer)) {
                self.send(to, Part::Sleep { group: id, term, commit });
            }
        }
        self.sleep(id);
        true
    }

    /// The leader says that all is done. Whoever sees it otherwise stays awake, and wakes the others when it stands for
    /// election.
    pub(super) fn sleep_came(&mut self, member: u64, id: GroupId, term: u64, commit: u64) {
        let waited_for = self.awaits(id);
        let Some(group) = self.groups.get_mut(&id) else { return };
        let raft = &group.raw.raft;
        let log = &raft.raft_log;
        let agreed = raft.term == term && raft.leader_id == member && !group.is_leader();
        let done = [log.committed, log.applied, log.last_index()] == [commit; 3] && !group.is_saving();
        if agreed && done && !waited_for && group.fetching.is_none() {
            self.sleep(id);
        }
    }

    fn sleep(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id).filter(|group| group.awake) else { return };
        group.awake = false;
        group.idle = 0;
        group.raw.raft.election_elapsed = 0;
        // So that a restart finds nothing undone and sleeps on.
        let hard = group.raw.raft.hard_state();
        if group.commit_saved != hard.commit {
            group.commit_saved = hard.commit;
            self.records.push(Record::Hard(id, hard));
        }
        self.note(Note::Slept { group: id });
    }

    /// Wakes this member's part of a group.
    pub(super) fn wake(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.idle = 0;
        if !group.awake {
            group.awake = true;
            self.note(Note::Woke { group: id });
        }
    }

    /// Wakes everyone's.
    pub(super) fn nudge(&mut self, id: GroupId) {
        let Some(group) = self.groups.get(&id).filter(|group| !group.is_leader()) else { return };
        for peer in group.peers().to_vec() {
            if let Some(to) = self.book.agent(MemberId(peer)) {
                self.send(to, Part::Nudge(id));
            }
        }
    }
}

/// The next change on the way to the table; a kind of `None` waits for a learner to catch up.
fn next_change(group: &Group, table: &Members) -> Option<(Option<ConfChangeType>, u64)> {
    let (seated, conf) = (table.ids(), group.conf());
    let stranger = |ids: &[u64]| ids.iter().find(|id| !seated.contains(id)).copied();
    if let Some(id) = stranger(&conf.learners) {
        return Some((Some(ConfChangeType::RemoveNode), id));
    }
    let absent = |id: &&u64| !conf.voters.contains(id) && !conf.learners.contains(id);
    if let Some(id) = seated.iter().find(absent) {
        return Some((Some(ConfChangeType::AddLearnerNode), *id));
    }
    if let Some(id) = stranger(&conf.voters) {
        return Some((Some(ConfChangeType::RemoveNode), id));
    }
    let last = group.raw.raft.raft_log.last_index();
    let caught_up = |id: &&u64| {
        let progress = group.raw.raft.prs().get(**id);
        progress.is_some_and(|p| p.recent_active && p.matched > 0 && p.matched + BEHIND_MAX >= last)
    };
    let ready = conf.learners.iter().find(caught_up).map(|id| (Some(ConfChangeType::AddNode), *id));
    ready.or_else(|| conf.learners.first().map(|id| (None, *id)))
}

/// Whether a leader's group has nothing to do, and everyone in it knows.
fn is_quiet(group: &Group) -> bool {
    let raft = &group.raw.raft;
    let log = &raft.raft_log;
    let last = log.last_index();
    let knows = |id: u64| raft.prs().get(id).is_some_and(|p| p.matched == last && p.committed_index == last);
    group.is_leader()
        && [log.committed, log.applied] == [last; 2]
        && group.queued.is_empty()
        && !group.is_saving()
        && group.peers().iter().copied().all(knows)
}
