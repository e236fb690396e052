//! What goes into a register half and what comes out.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::{Codec, Packet, Record, WalError};
use crate::config::Local;
use crate::genesis::Genesis;
use crate::id::{AgentId, OpId, Thread};
use crate::members::{Mandate, MemberId};
use crate::node::Outcome;
use crate::register::{Command, Entry};
use crate::reject::Reject;
use crate::rng::Seed;

/// What a member's register half is made of.
#[derive(Clone)]
pub struct Setup {
    /// This member.
    pub me: AgentId,
    /// What all start from.
    pub genesis: Arc<Genesis>,
    /// Its pace; only the `raft_` knobs and `answer_ms` matter here.
    pub local: Local,
    /// Seed of its election timeouts. Not a secret.
    pub seed: Seed,
    /// Reads what stands in the log.
    pub codec: Arc<dyn Codec>,
    /// Every mandate there was before this member started, in order; a newcomer's own is the last. Empty for a founder.
    pub mandates: Vec<Arc<Mandate>>,
}

/// Why a register half cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The agent holds no seat.
    NoSeat,
    /// A mandate does not hold.
    Mandate(Reject),
    /// Its log cannot be started from.
    Wal(WalError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSeat => f.write_str("this agent holds no seat of the register"),
            Self::Mandate(reject) => write!(f, "a mandate does not hold: {reject}"),
            Self::Wal(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StartError {}

/// A group: the system thread's, or that of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The group of the system thread.
    pub const SYSTEM: Self = Self(0);

    /// The group of a thread.
    pub fn of(thread: &Thread, buckets: u16) -> Self {
        match thread {
            Thread::System => Self::SYSTEM,
            Thread::Need(need) => Self(u32::from(need.bucket(buckets)) + 1),
        }
    }

    /// Its bucket; none for the system thread's.
    pub fn bucket(self) -> Option<u32> {
        self.0.checked_sub(1)
    }

    pub(super) fn holds(self, thread: &Thread, buckets: u16) -> bool {
        self == Self::of(thread, buckets)
    }
}

/// Names a write; they rise.
pub type WriteId = u64;

/// What goes in.
#[derive(Clone, Debug)]
pub enum In {
    /// The protocol half wants a command in a thread. Answered.
    Submit {
        /// Names the answer.
        op: OpId,
        /// The thread.
        thread: Thread,
        /// The command.
        command: Arc<Command>,
    },
    /// A packet came; the transport vouches for the sender.
    Packet {
        /// The sender.
        from: AgentId,
        /// What it says.
        packet: Packet,
    },
    /// Every write up to this one is durable.
    Persisted {
        /// The write.
        write: WriteId,
    },
    /// The deadline passed.
    Wake,
}

/// What comes out, in order.
#[derive(Clone, Debug)]
pub enum Out {
    /// Append these records to the log, in the order of the writes. Say `Persisted` when they are durable.
    Persist {
        /// Names the write.
        write: WriteId,
        /// What to append.
        records: Vec<Record>,
    },
    /// Send a packet; it may be lost, doubled or overtaken.
    Send {
        /// To whom.
        to: AgentId,
        /// What.
        packet: Packet,
    },
    /// A command has its place. After a restart they come again from the beginning.
    Applied(Entry),
    /// How a submission went.
    Answer {
        /// Which.
        op: OpId,
        /// `Committed`, `NotCommitted` or `Unknown`.
        outcome: Outcome,
    },
    /// Something worth counting.
    Note(Note),
}

/// What a register half tells whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields are named after what they are, and documented where they come from")]
pub enum Note {
    /// This member leads a group.
    Leads { group: GroupId, term: u64 },
    /// This member's part of a group sleeps.
    Slept { group: GroupId },
    /// It woke.
    Woke { group: GroupId },
    /// A group started.
    Started { group: GroupId },
    /// A group's log was folded into its history.
    Folded { group: GroupId, index: u64, count: u64 },
    /// A snapshot was taken in the place of a log.
    Installed { group: GroupId, index: u64, count: u64 },
    /// History that was fetched does not match its snapshot; it is fetched anew.
    Mismatched { group: GroupId },
    /// A group has other members.
    Members { group: GroupId, voters: Vec<u64>, learners: Vec<u64> },
    /// This leader asks to make a learner a voter.
    Promoted { group: GroupId, member: MemberId },
    /// A seat changed hands.
    Replaced { old: MemberId, new: MemberId },
    /// This member lost its seat and is silent from now on.
    Retired,
    /// A part of a packet was refused.
    Refused { from: AgentId, reject: Reject },
}
