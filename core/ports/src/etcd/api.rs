//! What is said between the client half and etcd: the part of etcd's API that a register needs, no more.

use swarm_core::id::{Digest, Seq, Thread};

/// A key; keys are ordered by their bytes.
pub type Key = String;

/// Names one write attempt: drawn anew for each, and written into all it puts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub u128);

/// Names one request of one client, and the watch that a request began. 0 is never used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What the register keeps in etcd. `C` is a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<C> {
    /// A thread's head record.
    Head {
        /// Who wrote it.
        nonce: Nonce,
        /// Index of the thread's last entry.
        seq: Seq,
        /// The thread.
        thread: Thread,
    },
    /// One entry.
    Entry {
        /// The command.
        command: C,
        /// By which it is known within its thread: of the command, worked out anew by whoever reads it from bytes.
        id: Digest,
        /// Who wrote it.
        nonce: Nonce,
        /// Its index, from 1 without gaps.
        seq: Seq,
        /// Its thread.
        thread: Thread,
    },
}

impl<C> Value<C> {
    /// Where all heads are.
    pub const HEADS: &'static str = "head/";

    /// The key of a thread's head.
    pub fn head_key(thread: Thread) -> Key {
        format!("head/{thread}")
    }

    /// The key of an entry: its index in so many digits that the order of keys is that of indices.
    pub fn entry_key(thread: Thread, seq: Seq) -> Key {
        format!("log/{thread}/{:020}", seq.0)
    }

    /// Its thread.
    pub const fn thread(&self) -> Thread {
        match self {
            Self::Head { thread, .. } | Self::Entry { thread, .. } => *thread,
        }
    }
}

/// A condition of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// There is no such key (`create_revision == 0`).
    Absent(Key),
    /// The key was last written at this revision (`mod_revision`).
    At(Key, u64),
}

/// Keys from `from` to before `to`, at most `limit` of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub from: Key,
    /// The first no more.
    pub to: Key,
    /// At most so many.
    pub limit: usize,
}

impl Range {
    /// One key.
    pub fn one(key: Key) -> Self {
        let to = format!("{key}\0");
        Self { from: key, to, limit: 1 }
    }
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op<V> {
    /// Write.
    Put(Key, V),
    /// Read.
    Get(Range),
}

/// If all guards hold, `then`, else `otherwise`; at one revision, linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn<V> {
    /// The conditions; none hold always.
    pub guards: Vec<Guard>,
    /// If they all hold.
    pub then: Vec<Op<V>>,
    /// If one does not.
    pub otherwise: Vec<Op<V>>,
}

/// A question to etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<V> {
    /// A transaction; without guards and puts, a linearizable read.
    Txn(Txn<V>),
    /// Tell of every change from this revision on, under the request's id.
    Watch {
        /// The first revision told.
        from: u64,
    },
    /// No longer.
    Unwatch,
}

/// What every answer begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The cluster's id.
    pub cluster: u64,
    /// The store's revision when it answered.
    pub revision: u64,
}

/// A key with what is stored there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kv<V> {
    /// Revision of the last write.
    pub modified: u64,
    /// What it wrote.
    pub value: V,
}

/// Something that a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<V> {
    /// It has begun.
    Began,
    /// These writes, in order.
    Wrote(Vec<Kv<V>>),
    /// It has ended: because what it wanted was compacted away, or for a reason of the server's.
    Ended {
        /// The first revision that is still there, if that was the reason.
        compacted: Option<u64>,
    },
}

/// What etcd says to a request, or later to a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response<V> {
    /// A transaction ran.
    Txn {
        /// The header.
        header: Header,
        /// Whether `then` was taken.
        held: bool,
        /// What each step read, in order; nothing for a put.
        read: Vec<Vec<Kv<V>>>,
    },
    /// A watch tells something.
    Watch {
        /// The header.
        header: Header,
        /// What.
        event: Event<V>,
    },
    /// An error that says nothing about what took effect (unavailable, cancelled, leader changed).
    Unavailable,
}
