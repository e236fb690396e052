//! What a message must be before the raft crate sees it. The crate trusts its peers: a commit beyond the log, a gap between
//! entries or a term near the end of its type stops the process or poisons it for good. One hostile packet must do neither.

use raft::eraftpb::{EntryType, Message, MessageType as T};
use raft::{RawNode, Storage as _};

use super::codec::PROPOSAL_BYTES_MAX;
use super::store::Store;
use crate::members::Members;
use crate::reject::Reject;

/// How far messages may raise a term between two ticks. Elections cost terms, and before one is stood for a majority has agreed
/// that it is time: this many take weeks.
pub(super) const TERMS_PER_TICK: u64 = 1 << 20;

/// Beyond any index or term that a register reaches, at however many ticks a term was raised by lies, and far from where
/// arithmetic ends.
const NUMBER_MAX: u64 = 1 << 62;

/// Entries in one message.
const ENTRIES_MAX: usize = 4_096;

/// Holds a message against its bounds.
///
/// # Errors
/// The first that it breaks.
pub(super) fn check(message: &Message, raw: &RawNode<Store>, members: &Members) -> Result<(), Reject> {
    let (raft, m) = (&raw.raft, message);
    let numbers = [m.term, m.log_term, m.index, m.commit, m.commit_term, m.reject_hint];
    if m.to != raft.id || m.from == raft.id || members.agent(crate::members::MemberId(m.from)).is_none() {
        return Err(Reject::NotTheSender);
    }
    if m.term == 0 || numbers.iter().any(|n| *n > NUMBER_MAX) {
        return Err(Reject::OutOfBounds);
    }
    // Nothing here asks for snapshots, reads by index, prefers a member or hands leadership over.
    if m.request_snapshot != 0 || m.priority != 0 || m.deprecated_priority != 0 || !m.context.is_empty() {
        return Err(Reject::WrongFields);
    }
    let kind = m.get_msg_type();
    if (kind != T::MsgAppend && !m.entries.is_empty()) || (kind != T::MsgSnapshot && m.has_snapshot()) {
        return Err(Reject::WrongFields);
    }
    let last = raft.raft_log.last_index();
    let current = m.term == raft.term;
    match kind {
        T::MsgAppend => entries(m, raw),
        T::MsgHeartbeat if m.commit > last => Err(Reject::OutOfBounds),
        // An answer to what was said in this term speaks about this log.
        T::MsgAppendResponse if current && (m.reject_hint > last || (!m.reject && m.index > last)) => {
            Err(Reject::OutOfBounds)
        }
        T::MsgSnapshot => snapshot(m, raw, members),
        T::MsgHeartbeat
        | T::MsgHeartbeatResponse
        | T::MsgAppendResponse
        | T::MsgRequestVote
        | T::MsgRequestVoteResponse
        | T::MsgRequestPreVote
        | T::MsgRequestPreVoteResponse => Ok(()),
        _ => Err(Reject::WrongFields),
    }
}

fn entries(m: &Message, raw: &RawNode<Store>) -> Result<(), Reject> {
    let log = &raw.raft.raft_log;
    if (m.index == 0) != (m.log_term == 0) || m.log_term > m.term {
        return Err(Reject::OutOfBounds);
    }
    if m.entries.len() > ENTRIES_MAX {
        return Err(Reject::Oversize);
    }
    let mut before = m.log_term.max(1);
    for (entry, index) in m.entries.iter().zip(m.index + 1..) {
        if entry.index != index || entry.term < before || entry.term > m.term {
            return Err(Reject::OutOfBounds);
        }
        before = entry.term;
        if entry.data.len() > PROPOSAL_BYTES_MAX || !entry.context.is_empty() {
            return Err(Reject::Oversize);
        }
        if entry.get_entry_type() == EntryType::EntryConfChangeV2 {
            return Err(Reject::WrongFields);
        }
        // What is committed here is committed everywhere: another entry in its place is a lie, or a member that forgot.
        if index <= log.committed && index > log.store.base() && log.term(index).is_ok_and(|t| t != entry.term) {
            return Err(Reject::WrongLink);
        }
    }
    Ok(())
}

fn snapshot(m: &Message, raw: &RawNode<Store>, members: &Members) -> Result<(), Reject> {
    let meta = m.get_snapshot().get_metadata();
    if meta.index == 0 || meta.index > NUMBER_MAX || meta.term == 0 || meta.term > m.term {
        return Err(Reject::OutOfBounds);
    }
    let conf = meta.get_conf_state();
    let rising = |ids: &[u64]| ids.windows(2).all(|pair| pair[0] < pair[1]);
    let known = |id: &u64| *id != 0 && members.agent(crate::members::MemberId(*id)).is_some();
    let joint = !conf.voters_outgoing.is_empty() || !conf.learners_next.is_empty() || conf.auto_leave;
    let sound = !conf.voters.is_empty()
        && rising(&conf.voters)
        && rising(&conf.learners)
        && !conf.learners.iter().any(|id| conf.voters.contains(id));
    // The node itself takes no snapshot of a time when it was no member.
    let mine = conf.voters.contains(&raw.raft.id) || conf.learners.contains(&raw.raft.id);
    if joint || !sound || !mine {
        return Err(Reject::WrongFields);
    }
    // Perhaps a mandate has not come here yet: it is asked for.
    if !conf.voters.iter().chain(&conf.learners).all(known) {
        return Err(Reject::NotEntitled);
    }
    let log = &raw.raft.raft_log;
    if meta.index <= log.store.last_index().unwrap_or(0)
        && meta.index <= log.committed
        && log.term(meta.index).is_ok_and(|t| t != 0 && t != meta.term)
    {
        return Err(Reject::WrongLink);
    }
    Ok(())
}
