//! What stands in a log entry, and how it is read back. Who decodes is a port: members that share a process may remember the
//! verdict per bytes, because it depends on nothing else.

use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::Thread;
use crate::register::Command;
use crate::reject::Reject;
use crate::wire::canonical;

/// Most bytes of one proposal. A COUNT or a proof carries dozens of envelopes.
pub const PROPOSAL_BYTES_MAX: usize = 1 << 20;

/// A command on its way to its place in a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The command.
    pub command: Arc<Command>,
    /// Where it shall go.
    pub thread: Thread,
}

impl Proposal {
    /// Its canonical bytes.
    pub fn bytes(&self) -> Vec<u8> {
        canonical::to_vec(self)
    }
}

/// Reads and writes proposals. Every implementation must give the verdict that [`read`] gives.
pub trait Codec {
    /// The bytes of a member's own proposal.
    fn encode(&self, proposal: Proposal) -> Bytes {
        proposal.bytes().into()
    }

    /// The proposal that `bytes` are.
    ///
    /// # Errors
    /// What is wrong with them; envelopes inside are verified.
    fn decode(&self, bytes: &Bytes) -> Result<Arc<Proposal>, Reject>;
}

/// Reads and verifies each time anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Codec for Plain {
    fn decode(&self, bytes: &Bytes) -> Result<Arc<Proposal>, Reject> {
        read(bytes).map(Arc::new)
    }
}

/// Reads a proposal: canonical JSON of its shape, envelopes and coordinators' words verified.
///
/// # Errors
/// The first check that fails.
pub fn read(bytes: &[u8]) -> Result<Proposal, Reject> {
    if bytes.len() > PROPOSAL_BYTES_MAX {
        return Err(Reject::Oversize);
    }
    let proposal: Proposal = serde_json::from_slice(bytes).map_err(|_| Reject::Malformed)?;
    if proposal.bytes() != bytes {
        return Err(Reject::NonCanonical);
    }
    // Commands are known by thread and id: what was said elsewhere must not take the place of what is to be said here.
    if let Command::Word(word) = &*proposal.command
        && word.thread != proposal.thread
    {
        return Err(Reject::WrongFields);
    }
    Ok(proposal)
}
