//! The typed facts a plan is made of: what can be said about a plan at all.
//!
//! A fact says the same thing wherever it stands: its id covers its content only, never its author, its neighbours or its
//! place in a patch.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{Cid, Digest, Epoch, Fence, Label, TaskName};

/// The longest remark, in bytes.
pub const ANNOTATION_BYTES_MAX: usize = 1024;

/// One statement about a plan. Its id is the digest of its canonical JSON; its author is the signer of the envelope that
/// carries it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum Fact {
    /// A task exists.
    AddTask {
        /// What kind of job it is, as registered with the executor (for example `count`).
        job: Label,
        /// Names of its outputs.
        produces: Vec<Label>,
        /// Names of its inputs, in order: given by the NEED or produced by a parent.
        requires: Vec<Label>,
        /// The task.
        task: TaskName,
    },
    /// A task needs one more input.
    Requires {
        /// Name of the input.
        label: Label,
        /// The task.
        task: TaskName,
    },
    /// A task gives one more output.
    Produces {
        /// Name of the output.
        label: Label,
        /// The task.
        task: TaskName,
    },
    /// A child can start when its parent is FINAL.
    Link {
        /// The later task.
        child: TaskName,
        /// The earlier task.
        parent: TaskName,
    },
    /// A remark; the latest by (Lamport, author, fact id) wins.
    Annotate {
        /// What about.
        key: Label,
        /// The task.
        task: TaskName,
        /// The remark, at most [`ANNOTATION_BYTES_MAX`] long.
        value: String,
    },
    /// Refers to a PROPOSE by envelope id.
    Proposal {
        /// The envelope.
        envelope: Cid,
    },
    /// Refers to a CLAIM by envelope id.
    Claim {
        /// The envelope.
        envelope: Cid,
        /// The task.
        task: TaskName,
    },
    /// Refers to an ATTEST by envelope id.
    Attestation {
        /// The envelope.
        envelope: Cid,
        /// The task.
        task: TaskName,
    },
    /// Restates what an applied entry made of a task.
    State {
        /// Epoch of the entry.
        epoch: Epoch,
        /// Fence of the entry.
        fence: Fence,
        /// The task's state.
        state: TaskState,
        /// The task.
        task: TaskName,
    },
}

/// Where a task stands, in the order in which it moves under one fence (PROTOCOL 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    /// Waits for its parents, or for bids.
    Idle,
    /// A winner is chosen; its bond is being booked.
    Granting,
    /// Held by a worker.
    Leased,
    /// A result is accepted; its committee is being drawn.
    Drawing,
    /// The committee judges.
    Verifying,
    /// Passed; the challenge window is open.
    Final,
    /// The window is closed and the payouts are fixed.
    Settled,
    /// Paid: nothing changes any more.
    Paid,
    /// Ended without a result.
    Failed,
    /// Ended by the requester before it was held.
    Cancelled,
}

impl TaskState {
    /// Whether the task has a result that passed: what its children wait for.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Final | Self::Settled | Self::Paid)
    }
}

impl Fact {
    /// Whether a PROPOSE may contain it: a plan says what is to be done, not who did what.
    pub const fn is_plan(&self) -> bool {
        match self {
            Self::AddTask { .. }
            | Self::Requires { .. }
            | Self::Produces { .. }
            | Self::Link { .. }
            | Self::Annotate { .. } => true,
            Self::Proposal { .. } | Self::Claim { .. } | Self::Attestation { .. } | Self::State { .. } => false,
        }
    }

    /// The fact's id.
    pub fn id(&self) -> Digest {
        Digest::of_json("swarm/fact", self)
    }
}
