//! What coordinators submit to a thread of the register. Every command carries its evidence and is refused without it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::id::{Cid, Digest};
use crate::members::Mandate;
use crate::register::{Given, Proof, Word};
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
    /// A coordinator's own word: its stopwatch, its hash chains.
    Word(Given),
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
            Self::Word(given) => given.id(),
            Self::Snapshot { number } => Digest::of("swarm/take-snapshot", &[&number.to_be_bytes()]),
            Self::Start { bucket } => Digest::of("swarm/start", &[&bucket.to_be_bytes()]),
            Self::Mandate(mandate) => mandate.id(),
        }
    }
}

/// What a node wants ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// A command as it is.
    Ready(Arc<Command>),
    /// Its own word, to which its host has to put its signature.
    Own(Word),
}

impl Submission {
    /// The id that the command has, or will have.
    pub fn id(&self) -> Digest {
        match self {
            Self::Ready(command) => command.id(),
            Self::Own(word) => word.id(),
        }
    }

    /// The command, signed by `key` if that is what it lacks.
    ///
    /// # Panics
    /// As [`Word::sign`].
    pub fn sign(self, key: &SigningKey) -> Arc<Command> {
        match self {
            Self::Ready(command) => command,
            Self::Own(word) => Arc::new(Command::Word(word.sign(key))),
        }
    }
}

impl From<Command> for Submission {
    fn from(command: Command) -> Self {
        Self::Ready(Arc::new(command))
    }
}
