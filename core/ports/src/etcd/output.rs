//! What the client says to whoever holds it.

use swarm_core::id::{Seq, Thread};

use super::api::{Request, RequestId, Value};

/// Names a submission; chosen by who submits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// How a submission ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It stands there, whoever wrote it.
    Committed(Seq),
    /// It lost every race it was tried in: nothing of it is, or will be, in the register by this submission.
    NotCommitted,
    /// It may be there, or may come.
    Unknown,
}

/// Something acknowledged is gone: the cluster is not the one that acknowledged it, or it was restored from a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The cluster has another id.
    OtherCluster {
        /// The id before.
        was: u64,
        /// The id now.
        is: u64,
    },
    /// A linearizable answer is older than an earlier one.
    WentBack {
        /// The revision seen before.
        was: u64,
        /// The revision now.
        is: u64,
    },
    /// A thread ends before an applied entry, or another entry stands in its place.
    Forgotten {
        /// The thread.
        thread: Thread,
        /// The applied entry.
        seq: Seq,
    },
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OtherCluster { was, is } => {
                write!(f, "etcd answers as cluster {is:x}, not {was:x}: it was restored from a backup, or replaced")
            }
            Self::WentBack { was, is } => write!(f, "etcd's revision went back from {was} to {is}"),
            Self::Forgotten { thread, seq } => write!(f, "etcd has lost applied entry {seq} of thread {thread}"),
        }
    }
}

/// What the client wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<C> {
    /// Ask etcd.
    Ask(RequestId, Request<Value<C>>),
    /// The next entry of a thread.
    Applied(Thread, Seq, C),
    /// A submission has ended.
    Answer(Ticket, Answer),
    /// A write whose answer was lost was found to have taken effect.
    FoundOwn,
    /// Entries that the watch did not tell were read.
    CaughtUp,
    /// Something acknowledged is gone; the client has stopped.
    Lost(Loss),
}
