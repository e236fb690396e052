//! What coordinators submit to a thread of the register. Every command carries its evidence and is refused without it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Cid, Digest, Segment};
use crate::members::Mandate;
use crate::register::Proof;
use crate::time::Span;
use crate::wire::Envelope;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// One agent's signed envelope asks for what its verb means here: NEED opens, PROPOSE proposes, CLAIM bids, HEARTBEAT
    /// renews, YIELD and CANCEL end, COMMIT is accepted; in the system thread MANIFEST, MINT, STAKE and their like.
    Act(Arc<Envelope>),
    /// Votes, by rising id, that decide a plan or a result, or prove that they cannot be decided.
    Count(Vec<Arc<Envelope>>),
    /// Another thread's ask or answer, proved.
    Relay(Proof),
    /// A coordinator has seen `elapsed` of a segment pass. The register refuses one whose `by` is not its submitter.
    Elapsed {
        /// The coordinator.
        by: AgentId,
        /// How much has passed since it applied the entry that opened the segment.
        elapsed: Span,
        /// The segment.
        segment: Segment,
    },
    /// A coordinator promises its next hash chain (system thread). The register refuses one whose `by` is not its submitter.
    Anchor {
        /// The chain's end.
        anchor: Digest,
        /// The coordinator.
        by: AgentId,
        /// Its first value is for the round after this one.
        since: u32,
    },
    /// A coordinator's next hash-chain value for a round of draws (system thread).
    Reveal {
        /// The coordinator.
        by: AgentId,
        /// The round.
        round: u32,
        /// The value.
        value: Digest,
    },
    /// Take pool snapshot `number` (system thread).
    Snapshot {
        /// The number after the current one.
        number: u32,
    },
    /// Start the register group of a bucket, with the members of this very place (system thread).
    Start {
        /// The bucket.
        bucket: u32,
    },
    /// An act of the recovery keys: it changes who the members are, in this thread.
    Mandate(Arc<Mandate>),
}

impl Command {
    /// The command's id: equal for commands that mean the same, whoever collected the evidence.
    pub fn id(&self) -> Digest {
        fn ids(envelopes: &[Arc<Envelope>]) -> Vec<Cid> {
            envelopes.iter().map(|e| e.id()).collect()
        }
        match self {
            Self::Act(envelope) => Digest::of("swarm/act", &[&envelope.id().0.0]),
            Self::Count(votes) => Digest::of_json("swarm/count", &ids(votes)),
            Self::Relay(proof) => {
                Digest::of_json("swarm/relay", &(proof.thread, proof.entry.seq, proof.at, &proof.entry.command))
            }
            Self::Elapsed { by, elapsed, segment } => {
                Digest::of("swarm/elapsed", &[&by.0, &elapsed.0.to_be_bytes(), &segment.0.to_be_bytes()])
            }
            Self::Anchor { anchor, by, since } => Digest::of("swarm/anchor", &[&anchor.0, &by.0, &since.to_be_bytes()]),
            Self::Reveal { by, round, value } => Digest::of("swarm/reveal", &[&by.0, &round.to_be_bytes(), &value.0]),
            Self::Snapshot { number } => Digest::of("swarm/take-snapshot", &[&number.to_be_bytes()]),
            Self::Start { bucket } => Digest::of("swarm/start", &[&bucket.to_be_bytes()]),
            Self::Mandate(mandate) => mandate.id(),
        }
    }

    /// The coordinator in whose name alone this may be submitted, if it is one's own word.
    pub fn author(&self) -> Option<AgentId> {
        match self {
            Self::Anchor { by, .. } | Self::Elapsed { by, .. } | Self::Reveal { by, .. } => Some(*by),
            _ => None,
        }
    }
}
