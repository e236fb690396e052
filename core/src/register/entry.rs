//! Applied entries and the hash chain they form, one per thread.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;
use serde::{Deserialize, Serialize, Serializer};

use crate::id::{Digest, Seq, Thread};
use crate::register::{Command, Event};
use crate::reject::Reject;
use crate::wire::canonical;

/// A command at its place in a thread, as the register hands it to a coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The command.
    pub command: Arc<Command>,
    /// Its place, gap-free from 1.
    pub seq: Seq,
    /// Its thread.
    pub thread: Thread,
}

/// What applying a command did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// It took effect: these events, in order.
    Did(Vec<Event>),
    /// It changed nothing.
    Refused(Reject),
}

impl Outcome {
    /// The events; none if it was refused.
    pub fn events(&self) -> &[Event] {
        match self {
            Self::Did(events) => events,
            Self::Refused(_) => &[],
        }
    }
}

impl From<Result<Vec<Event>, Reject>> for Outcome {
    fn from(result: Result<Vec<Event>, Reject>) -> Self {
        match result {
            Ok(events) => Self::Did(events),
            Err(reject) => Self::Refused(reject),
        }
    }
}

/// An applied entry as it is told to those who did not apply it: what the command was, by id, and what it did.
///
/// It is read-only, so that its digest is computed where it is made or parsed and not by everyone who looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Told")]
pub struct Applied {
    told: Told,
    digest: Digest,
    /// Bytes of its canonical JSON.
    size: usize,
}

/// What an [`Applied`] says. In alphabetical order: it is hashed as canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Id of the command.
    pub command: Digest,
    /// What it did.
    pub outcome: Outcome,
    /// Its place.
    pub seq: Seq,
}

impl From<Told> for Applied {
    fn from(told: Told) -> Self {
        let bytes = canonical::to_vec(&told);
        Self { told, digest: Digest::of("swarm/applied", &[&bytes]), size: bytes.len() }
    }
}

impl Deref for Applied {
    type Target = Told;

    fn deref(&self) -> &Told {
        &self.told
    }
}

impl Serialize for Applied {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.told.serialize(to)
    }
}

impl Applied {
    /// The command of this id at this place did this.
    pub fn new(command: Digest, outcome: Outcome, seq: Seq) -> Self {
        Told { command, outcome, seq }.into()
    }

    /// How many bytes it takes to tell.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The entry's link: binds thread, place, command and outcome.
    pub fn link(&self, thread: Thread) -> Digest {
        let need = match &thread {
            Thread::System => &[][..],
            Thread::Need(need) => &need.0.0.0[..],
        };
        Digest::of("swarm/link", &[need, &self.digest.0])
    }
}

/// How far a thread's chain has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Binds every link so far.
    pub head: Digest,
    /// Place of the last.
    pub seq: Seq,
}

impl Chain {
    /// Appends a link.
    pub fn push(&mut self, link: &Digest) {
        self.head = Digest::of("swarm/chain", &[&self.head.0, &link.0]);
        self.seq = self.seq.next();
    }
}
