//! Everything a node waits for, in one place.

use crate::id::{Cid, Digest, Fence, NeedId, Segment, TaskName, Thread};

/// Why a node wants to be woken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// An unanswered or failed publish is due again.
    Publish(Cid),
    /// A duty is due.
    Duty(Digest),
    /// The rules of this engine could not be had, and are asked for again.
    Load(Digest),
    /// Entries collected for this thread are due to be vouched for.
    Batch(Thread),
    /// A segment's end (or tenth) is due to be reported.
    Watch(Thread, Segment),
    /// A verifier whose disputes are over may find room for what else it knows.
    Object,
    /// The pool may be snapshotted again.
    Snapshot,
    /// No plan was decided in the first epoch, and a planner that was not called may try.
    Plan(NeedId),
    /// A worker's pause before a bid is over.
    Bid(NeedId, TaskName),
    /// A holder's next heartbeat.
    Heartbeat(NeedId, TaskName),
    /// A holder's own, cautious end of its lease.
    LeaseEnd(NeedId, TaskName, Fence),
}
