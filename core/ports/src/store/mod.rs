//! The three subsystems under the protocol, as contracts: what an artifact store, a register and a bus must do, whoever
//! they are (a model in the simulator, files on disk, a real engine).
//!
//! Payloads are bytes here; what they mean is the protocol's business. Every change ends in an [`Answer`], and `Unknown`
//! is a real one: it must never be turned into a failure, because what it is about may have happened. [`conformance`]
//! holds any implementation against these contracts; [`memory`] is the reference, [`embedded`] keeps it on disk.

pub mod conformance;
#[allow(clippy::disallowed_methods, reason = "files are what it is made of; clocks and hash order stay out by type")]
pub mod embedded;
pub mod memory;
mod subject;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use swarm_core::id::{Cid, Seq, Thread};

pub use subject::{BadSubject, Filter, Subject};

/// Bytes that are shared, not copied.
pub type Bytes = Arc<[u8]>;

/// The largest artifact.
pub const ARTIFACT_BYTES_MAX: u64 = 256 << 20;
/// The largest command, and the largest payload of a message.
pub const PAYLOAD_BYTES_MAX: u64 = 1 << 20;
/// Messages a consumer group may hold without having acknowledged them; further ones wait.
pub const IN_FLIGHT_MAX: usize = 4_096;

/// How a change ended.
#[must_use]
#[derive(Debug)]
pub enum Answer<T> {
    /// It took effect and survives a crash.
    Committed(T),
    /// It took no effect and never will.
    NotCommitted(StoreError),
    /// It may have taken effect, or may yet. Ask again: every change here can be repeated without harm, except a publish,
    /// which can arrive twice.
    Unknown(StoreError),
}

impl<T> Answer<T> {
    /// What was committed, if it was.
    pub fn committed(self) -> Option<T> {
        match self {
            Self::Committed(value) => Some(value),
            Self::NotCommitted(_) | Self::Unknown(_) => None,
        }
    }

    /// The same answer about another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Committed(value) => Answer::Committed(f(value)),
            Self::NotCommitted(error) => Answer::NotCommitted(error),
            Self::Unknown(error) => Answer::Unknown(error),
        }
    }
}

/// What a store can say against a call.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder cannot be created or written.
    #[error("{}: cannot be written: {why}; choose a folder that this user may write to", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// A file cannot be read.
    #[error("{}: cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// Another process has it open.
    #[error("{}: another process holds it; end that one first, or choose another folder", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is of another format or version.
    #[error("{}: begins with {found:?} where this version writes {wanted:?}; open it with the version that wrote it, or choose another folder", path.display())]
    WrongVersion {
        /// The file.
        path: PathBuf,
        /// Its first line, shortened.
        found: String,
        /// The first line wanted.
        wanted: String,
    },
    /// The file is damaged before its end: what follows was acknowledged, so it is not cut away.
    #[error("{}: damaged at byte {at}: {why}; restore the file from a copy", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What is wrong there.
        why: &'static str,
    },
    /// An artifact's bytes are not those of its address.
    #[error("artifact {cid}: the stored bytes are those of {found}; restore it from a copy")]
    CorruptArtifact {
        /// The address asked for.
        cid: Cid,
        /// The address of what is stored there.
        found: Cid,
    },
    /// Larger than the contract allows.
    #[error("{size} bytes; at most {max} are accepted")]
    Oversize {
        /// Its size.
        size: u64,
        /// The bound.
        max: u64,
    },
    /// An earlier write ended unknown; nothing more is written until the file is opened anew.
    #[error("{}: an earlier write ended unknown; open it again to learn what is in it", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// No consumer group has this name.
    #[error("no consumer group is called {group:?}: subscribe first")]
    NoGroup {
        /// The name.
        group: String,
    },
    /// The group exists and filters otherwise.
    #[error("consumer group {group:?} filters by {has}, not by {wanted}: use another name")]
    OtherFilter {
        /// The name.
        group: String,
        /// Its filter.
        has: Filter,
        /// The filter asked for.
        wanted: Filter,
    },
}

/// Content-addressed, immutable bytes.
///
/// - The address is that of the content, so two puts of the same bytes are one, and nothing is ever overwritten.
/// - Once `Committed`, every later `get` gives exactly these bytes or an error that says why not.
/// - Bytes are held against their address on every read. A store that cannot vouch for them gives
///   [`StoreError::CorruptArtifact`], never other bytes, and a put under a damaged address mends nothing silently.
pub trait Artifacts {
    /// Stores `bytes`, at most [`ARTIFACT_BYTES_MAX`].
    fn put(&mut self, bytes: &[u8]) -> Answer<Cid>;

    /// The bytes at `cid`; `None` if there are none.
    ///
    /// # Errors
    /// [`StoreError::CorruptArtifact`], or why it could not be read.
    fn get(&self, cid: &Cid) -> Result<Option<Bytes>, StoreError>;
}

/// One ordered log of commands per thread.
///
/// - Total order per thread, from 1, without gaps; threads are independent.
/// - A command is known by its digest within its thread: submitted again it gives its first position and adds nothing. So
///   whoever was told `Unknown` submits again.
/// - Once `Committed`, every later read gives it at its position.
/// - It orders bytes and judges nothing: what a command does is decided where entries are applied.
pub trait Register {
    /// Orders all `commands`, or none; each at most [`PAYLOAD_BYTES_MAX`]. Gives each one's position.
    fn submit_all(&mut self, commands: &[(Thread, &[u8])]) -> Answer<Vec<Seq>>;

    /// Orders one command.
    fn submit(&mut self, thread: Thread, command: &[u8]) -> Answer<Seq> {
        self.submit_all(&[(thread, command)]).map(|seqs| seqs[0])
    }

    /// At most `max` entries of `thread`, in order, the first at `from` (0 and 1 mean the beginning).
    ///
    /// # Errors
    /// Why it could not be read.
    fn read(&self, thread: &Thread, from: Seq, max: usize) -> Result<Vec<(Seq, Bytes)>, StoreError>;

    /// The last position of `thread`; 0 if it has none.
    ///
    /// # Errors
    /// Why it could not be read.
    fn last(&self, thread: &Thread) -> Result<Seq, StoreError>;

    /// Every thread that has an entry, in order.
    ///
    /// # Errors
    /// Why it could not be read.
    fn threads(&self) -> Result<Vec<Thread>, StoreError>;
}

/// Position of a message on its bus, from 1; rises with every publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// A message handed to a member of a consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it stands on the bus; what an acknowledgement names.
    pub position: Position,
    /// What it was published under.
    pub subject: Subject,
    /// What was published.
    pub payload: Bytes,
    /// How often this group was handed it since the bus was opened, this time included.
    pub attempt: u32,
}

/// Durable publish and subscribe.
///
/// - A `Committed` message reaches every group whose filter matches, also one that subscribes later, at least once.
/// - Within a group each message is with one member at a time. It stays there until it is acknowledged or given back;
///   the bus has no clock, so the host decides when a silent member's messages are given back. A bus that is opened again
///   takes everything unacknowledged as given back.
/// - First deliveries come in publish order. Redeliveries come before new messages, hence out of order: order inside.
/// - An acknowledgement is no fence: it proves nothing about who acted, may be lost in a crash (the message then comes
///   again), and for a message that is not in flight it changes nothing.
pub trait Bus {
    /// Publishes all `messages`, or none; each payload at most [`PAYLOAD_BYTES_MAX`]. Gives each one's position.
    fn publish_all(&mut self, messages: &[(Subject, &[u8])]) -> Answer<Vec<Position>>;

    /// Publishes one message.
    fn publish(&mut self, subject: &Subject, payload: &[u8]) -> Answer<Position> {
        self.publish_all(&[(subject.clone(), payload)]).map(|positions| positions[0])
    }

    /// Makes `group` a durable consumer of what `filter` matches, from the first message there ever was. Repeats do nothing.
    ///
    /// # Errors
    /// [`StoreError::OtherFilter`] if the group exists with another one; or why it could not be made durable.
    fn subscribe(&mut self, group: &str, filter: &Filter) -> Result<(), StoreError>;

    /// Hands at most `max` messages to `member` of `group`. Nothing while the group has [`IN_FLIGHT_MAX`] unacknowledged.
    ///
    /// # Errors
    /// [`StoreError::NoGroup`]; or why it could not be read.
    fn fetch(&mut self, group: &str, member: &str, max: usize) -> Result<Vec<Delivery>, StoreError>;

    /// Ends the delivery at `position` for `group`. To be called when the message's effect is durable, not before.
    ///
    /// # Errors
    /// [`StoreError::NoGroup`]; or why it could not be noted.
    fn ack(&mut self, group: &str, position: Position) -> Result<(), StoreError>;

    /// Takes back all that `member` of `group` holds, to be delivered again, to anyone; says how many.
    ///
    /// # Errors
    /// [`StoreError::NoGroup`].
    fn give_back(&mut self, group: &str, member: &str) -> Result<usize, StoreError>;
}

/// Refuses what is larger than `max`.
fn bounded(bytes: &[u8], max: u64) -> Result<(), StoreError> {
    let size = bytes.len() as u64;
    if size > max { Err(StoreError::Oversize { size, max }) } else { Ok(()) }
}
