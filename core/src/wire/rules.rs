//! Which fields a verb needs, beside its body, and everything else that can be held against an envelope without knowing
//! anything but the envelope (PROTOCOL 2 and 3).
//!
//! The table must never ask for what a receiver would have to look up: that is the slot's, the ledger's and the policy's.

use crate::id::{NeedId, Thread, hex};
use crate::lamport::LAMPORT_MAX;
use crate::reject::Reject;
use crate::wire::content::trace_id;
use crate::wire::{Body, Content, Verb, bounds};

/// What a verb says about an optional field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Must be there.
    Needed,
    /// May be there.
    Free,
    /// Must not be there.
    Barred,
}

/// Where a verb may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadKind {
    /// In a need's thread only.
    Need,
    /// In the system thread only.
    System,
    /// In either.
    Any,
}

impl Field {
    fn fits(self, there: bool) -> bool {
        match self {
            Self::Needed => there,
            Self::Free => true,
            Self::Barred => !there,
        }
    }
}

impl ThreadKind {
    fn fits(self, thread: Thread) -> bool {
        match self {
            Self::Need => matches!(thread, Thread::Need(_)),
            Self::System => thread == Thread::System,
            Self::Any => true,
        }
    }
}

impl Verb {
    /// Where it is said, and what it says of `epoch` and of `fence`.
    pub const fn fields(self) -> (ThreadKind, Field, Field) {
        use Field::{Barred, Free, Needed};
        use ThreadKind::{Any, Need, System};
        match self {
            // Before there is an epoch, or whatever the epoch. A proposal outlives the epoch it was made in.
            Self::Need | Self::Propose | Self::Refuse | Self::Cancel | Self::UpdatePlan => (Need, Barred, Barred),
            // Votes die with their epoch; no task is concerned yet.
            Self::AttestPlan | Self::Decide => (Need, Needed, Barred),
            // A bid may say for which stand of the task it is made: the last fence, where there was one.
            Self::Claim => (Need, Needed, Free),
            // Acts under a lease, and about one: without both tokens a zombie's word would count for its successor's.
            Self::Heartbeat
            | Self::Yield
            | Self::Release
            | Self::Commit
            | Self::Attest
            | Self::Challenge
            | Self::Verdict
            | Self::Unmask
            | Self::Invalidate => (Need, Needed, Needed),
            // The record names epoch and fence itself (and must not contradict the envelope).
            Self::Finalize | Self::Settle => (Need, Free, Free),
            Self::Entry | Self::Deny => (Any, Barred, Barred),
            Self::Manifest
            | Self::Stake
            | Self::Unstake
            | Self::Delegate
            | Self::Transfer
            | Self::Mint
            | Self::Withdraw
            | Self::Mask
            | Self::Snapshot
            | Self::Member
            | Self::Capsule => (System, Barred, Barred),
        }
    }
}

impl Content {
    /// Holds the content against everything that needs no context: the fields its verb asks for, and all bounds. The same
    /// rules for the one who is about to sign and for everyone who receives.
    ///
    /// # Errors
    /// [`Reject::WrongFields`], [`Reject::Oversize`] (a list or text too long), [`Reject::OutOfBounds`] (a number or
    /// character), [`Reject::NonCanonical`] (a list out of order, text beyond ASCII), [`Reject::WrongLink`] (an ENTRY whose
    /// head is not that of its links), [`Reject::LamportAhead`] (beyond the end of the range).
    pub fn check(&self) -> Result<(), Reject> {
        let (thread, epoch, fence) = self.body.verb().fields();
        if !thread.fits(self.thread) || !epoch.fits(self.epoch.is_some()) || !fence.fits(self.fence.is_some()) {
            return Err(Reject::WrongFields);
        }
        if !self.names_agree() || !traceparent(&self.trace, self.thread) {
            return Err(Reject::WrongFields);
        }
        if let Body::Entry(batch) = &self.body
            && batch.chain().is_none_or(|chain| chain.head != batch.head)
        {
            return Err(Reject::WrongLink);
        }
        if self.lamport > LAMPORT_MAX {
            return Err(Reject::LamportAhead);
        }
        // Votes are carried inside a DECIDE, which has room for what they must say and no more.
        if matches!(self.body, Body::AttestPlan(_)) && (!self.refs.is_empty() || self.target.is_some()) {
            return Err(Reject::WrongFields);
        }
        // A vote is evidence from the moment it is counted: one that had expired by then would void the whole count.
        if matches!(self.body, Body::AttestPlan(_) | Body::Attest(_) | Body::Verdict(_)) && self.expires.is_some() {
            return Err(Reject::WrongFields);
        }
        if self.refs.len() > bounds::REFS_MAX {
            return Err(Reject::Oversize);
        }
        self.body.check_bounds()
    }

    /// Whether what is said twice is said alike.
    fn names_agree(&self) -> bool {
        match &self.body {
            // Nobody opens a need under another's name, nor two under one nonce.
            Body::Need(_) => self.thread == Thread::Need(NeedId::of(&self.sender, self.nonce)),
            Body::Finalize(record) => {
                self.thread == Thread::Need(record.need)
                    && self.epoch.is_none_or(|epoch| epoch == record.epoch)
                    && self.fence.is_none_or(|fence| fence == record.fence)
            }
            Body::Manifest(manifest) => manifest.agent == self.sender,
            // Votes and plans of another conversation prove nothing in this one.
            Body::Decide(decide) => {
                let votes = decide.approvals.iter();
                decide.proposal.thread == self.thread
                    && votes.clone().all(|vote| vote.thread == self.thread && vote.epoch == self.epoch)
            }
            _ => true,
        }
    }
}

/// Whether `text` is a W3C traceparent (version 00, sampled) of `thread`: `00-<32 hex>-<16 hex>-01`, lower case, span not
/// zero. Tracing switched on or off gives the same bytes, so there is nothing else to say here.
fn traceparent(text: &str, thread: Thread) -> bool {
    let span = |text: &str| text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let Some(rest) = text.strip_prefix("00-").and_then(|rest| rest.strip_suffix("-01")) else {
        return false;
    };
    match rest.split_once('-') {
        Some((trace, parent)) => trace == hex(&trace_id(thread)) && span(parent) && parent.bytes().any(|b| b != b'0'),
        None => false,
    }
}
