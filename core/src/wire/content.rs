//! What an envelope says, before it has an id or a signature.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Cid, Digest, Epoch, Fence, Label, Lamport, Nonce, Seq, Thread, hex};
use crate::time::WallTime;
use crate::wire::Body;

/// The manifest entry acted under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityRef {
    /// Id of the MANIFEST envelope. A MANIFEST itself, which cannot cite its own id, cites the zero address.
    pub manifest: Cid,
    /// Name of the capability in it.
    pub name: Label,
}

/// When an envelope stops counting, in terms every replica shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Expires {
    /// Above this Lamport value of the entries it is judged by.
    Lamport(Lamport),
    /// After this entry of its thread.
    Register(Seq),
}

impl Expires {
    /// Whether an envelope that expires so is void as evidence for the entry at `seq`, where `lamport` is the highest value
    /// among the evidence applied before in that thread.
    pub fn is_over(self, seq: Seq, lamport: Lamport) -> bool {
        match self {
            Self::Register(last) => seq > last,
            Self::Lamport(last) => lamport > last,
        }
    }
}

/// The policy evaluation that let an envelope out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    /// Address of the capsule.
    pub capsule: Cid,
    /// Digest of the preflight evaluation.
    pub digest: Digest,
    /// Engine hash.
    pub engine: Digest,
}

/// Everything an envelope says, without its id and signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The verb's payload.
    pub body: Body,
    /// The manifest entry acted under.
    pub capability: CapabilityRef,
    /// Epoch acted in, where the verb needs one.
    pub epoch: Option<Epoch>,
    /// When it stops counting.
    pub expires: Option<Expires>,
    /// Fencing token acted under, where the verb needs one.
    pub fence: Option<Fence>,
    /// The sender's logical clock.
    pub lamport: Lamport,
    /// Used once by this sender.
    pub nonce: Nonce,
    /// The evaluation that let it out.
    pub policy: PolicyRef,
    /// Artifacts it refers to.
    pub refs: Vec<Cid>,
    /// Who says it.
    pub sender: AgentId,
    /// Whom it is for, if one.
    pub target: Option<AgentId>,
    /// The conversation.
    pub thread: Thread,
    /// The sender's wall clock; advisory.
    pub time: WallTime,
    /// W3C trace context, a function of thread and cause.
    pub trace: String,
}

/// The trace that all envelopes of `thread` belong to.
pub(super) fn trace_id(thread: Thread) -> [u8; 16] {
    let digest = match thread {
        Thread::Need(need) => need.0.0,
        Thread::System => return *b"swarm/system/trc",
    };
    core::array::from_fn(|at| digest.0[at])
}

/// The trace context of what `cause` brought about in `thread`.
pub fn trace_of(thread: Thread, cause: Option<&Cid>) -> String {
    let trace = trace_id(thread);
    let span: [u8; 8] = match cause {
        Some(cid) => core::array::from_fn(|at| cid.0.0[16 + at]),
        None => core::array::from_fn(|at| trace[8 + at]),
    };
    format!("00-{}-{}-01", hex(&trace), hex(&span))
}
