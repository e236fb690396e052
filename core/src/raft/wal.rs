//! The register half's own log on a disk: what was promised must be found again.
//!
//! Records stand in frames of length and checksum behind a header that names version, deployment and member. A tail that was
//! torn off is cut; damage before the end, another version, another owner and a history that does not match its digest are
//! errors by name, because starting from them would be starting as a liar (T71).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use protobuf::Message as _;
use raft::Storage as _;
use raft::eraftpb::{Entry, EntryType, HardState, Snapshot};

use super::history::{History, Mark};
use super::store::Store;
use super::{Codec, GroupId};
use crate::id::{AgentId, Digest};

/// Something that must survive a crash.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A group's term, vote and commit.
    Hard(GroupId, HardState),
    /// A log entry; it takes the place of whatever stood there or after it.
    Log(GroupId, Entry),
    /// The log up to here is folded into the history.
    Folded(GroupId, Snapshot),
    /// An entry of the history that was fetched, and its place.
    Piece(GroupId, u64, Bytes),
    /// The pieces before this are taken over in the place of the log.
    Installed(GroupId, Snapshot),
}

/// Why a log cannot be started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalError {
    /// It does not begin as such a log does.
    NotAWal,
    /// It was written by another version.
    OtherVersion(u32),
    /// It belongs to another deployment or another member.
    OtherOwner,
    /// The frame at this byte is damaged, and it is not the last.
    Damaged(usize),
    /// The frame at this byte is whole but says what cannot be.
    Nonsense(usize),
    /// The record of this number does not follow from those before it.
    OutOfPlace(usize),
    /// The history does not match the digest of the snapshot in the record of this number.
    WrongDigest(usize),
}

impl fmt::Display for WalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAWal => f.write_str("not a register log"),
            Self::OtherVersion(v) => write!(f, "a register log of version {v}; this is version {VERSION}"),
            Self::OtherOwner => f.write_str("the register log of another deployment or another member"),
            Self::Damaged(at) => write!(f, "the register log is damaged at byte {at}, before its end"),
            Self::Nonsense(at) => write!(f, "the register log says what cannot be at byte {at}"),
            Self::OutOfPlace(n) => write!(f, "record {n} of the register log does not follow from those before it"),
            Self::WrongDigest(n) => {
                write!(f, "the history does not match the snapshot in record {n} of the register log")
            }
        }
    }
}

impl core::error::Error for WalError {}

const MAGIC: &[u8; 8] = b"swarmwal";

/// Version of what is written.
const VERSION: u32 = 1;

/// Bytes of a header: magic, version, and the digest of deployment and member.
pub const HEADER: usize = 8 + 4 + 32;

/// Length and checksum before each frame's body.
const FRAME: usize = 4 + 8;

/// Kinds of records there are.
const KINDS: u8 = 5;

/// What a log of `me` in the deployment of this genesis digest begins with.
pub fn header(genesis: &Digest, me: &AgentId) -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_be_bytes(), &owner(genesis, me).0].concat()
}

fn owner(genesis: &Digest, me: &AgentId) -> Digest {
    Digest::of("swarm/wal", &[&genesis.0, &me.0])
}

/// The records as frames, to be put behind a header or behind other frames.
pub fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        let (kind, group, body) = match record {
            Record::Hard(group, hard) => (0u8, group, message(hard)),
            Record::Log(group, entry) => (1, group, message(entry)),
            Record::Folded(group, snapshot) => (2, group, message(snapshot)),
            Record::Installed(group, snapshot) => (3, group, message(snapshot)),
            Record::Piece(group, at, data) => (4, group, [&at.to_be_bytes()[..], data].concat()),
        };
        let body = [&[kind][..], &group.0.to_be_bytes(), &body].concat();
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(checksum(&body));
        bytes.extend(body);
    }
    bytes
}

fn message(message: &impl protobuf::Message) -> Vec<u8> {
    message.write_to_bytes().expect("a raft value can be written")
}

fn checksum(body: &[u8]) -> [u8; 8] {
    Digest::of("swarm/wal-frame", &[body]).prefix().to_be_bytes()
}

/// Reads a whole log: its records, and how many of its bytes hold. Whoever appends cuts it there first.
///
/// # Errors
/// Why it cannot be started from. A tail that no complete frame follows is not among them.
pub fn decode(bytes: &[u8], genesis: &Digest, me: &AgentId) -> Result<(Vec<Record>, usize), WalError> {
    let expected = header(genesis, me);
    let Some((head, mut rest)) = bytes.split_at_checked(HEADER) else {
        // Its creation was cut off: nothing was ever promised on its strength.
        return if expected.starts_with(bytes) { Ok((Vec::new(), 0)) } else { Err(WalError::NotAWal) };
    };
    if head[..8] != MAGIC[..] {
        return Err(WalError::NotAWal);
    }
    let version = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    if version != VERSION {
        return Err(WalError::OtherVersion(version));
    }
    if head != expected {
        return Err(WalError::OtherOwner);
    }
    let mut records = Vec::new();
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        match frame(rest) {
            Some((body, tail)) => {
                records.push(record(body).ok_or(WalError::Nonsense(at))?);
                rest = tail;
            }
            None if follows(rest) => return Err(WalError::Damaged(at)),
            None => break,
        }
    }
    Ok((records, bytes.len() - rest.len()))
}

/// The first frame, if it is whole.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(FRAME)?;
    let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let (body, rest) = rest.split_at_checked(len)?;
    (checksum(body) == head[4..]).then_some((body, rest))
}

/// Whether a whole frame stands anywhere behind the first byte: then this is no torn tail. A damaged length cannot hide it.
fn follows(bytes: &[u8]) -> bool {
    let plausible = |at: &usize| bytes.get(at + FRAME).is_some_and(|kind| *kind < KINDS);
    (1..bytes.len()).filter(plausible).any(|at| frame(&bytes[at..]).is_some())
}

fn record(body: &[u8]) -> Option<Record> {
    let (kind, rest) = body.split_first()?;
    let (group, rest) = rest.split_first_chunk()?;
    let group = GroupId(u32::from_be_bytes(*group));
    Some(match kind {
        0 => Record::Hard(group, HardState::parse_from_bytes(rest).ok()?),
        1 => Record::Log(group, Entry::parse_from_bytes(rest).ok()?),
        2 => Record::Folded(group, Snapshot::parse_from_bytes(rest).ok()?),
        3 => Record::Installed(group, Snapshot::parse_from_bytes(rest).ok()?),
        4 => {
            let (at, data) = rest.split_first_chunk()?;
            Record::Piece(group, u64::from_be_bytes(*at), Bytes::copy_from_slice(data))
        }
        _ => return None,
    })
}

/// The mark that a snapshot carries.
pub(super) fn mark(snapshot: &Snapshot) -> Option<Mark> {
    serde_json::from_slice(snapshot.get_data()).ok()
}

/// One group as its records leave it.
pub(super) struct Saved {
    pub store: Store,
    pub history: History,
}

/// What each group's records add up to.
pub(super) fn replay(
    records: &[Record],
    codec: &dyn Codec,
    buckets: u16,
) -> Result<BTreeMap<GroupId, Saved>, WalError> {
    #[derive(Default)]
    struct Building {
        hard: HardState,
        snapshot: Snapshot,
        entries: Vec<Entry>,
        folded: Vec<Bytes>,
        mark: Mark,
        pieces: Vec<Bytes>,
    }
    let mut groups: BTreeMap<GroupId, Building> = BTreeMap::new();
    for (n, record) in records.iter().enumerate() {
        let (Record::Hard(group, _)
        | Record::Log(group, _)
        | Record::Folded(group, _)
        | Record::Piece(group, ..)
        | Record::Installed(group, _)) = record;
        let b = groups.entry(*group).or_default();
        let base = b.snapshot.get_metadata().index;
        let out_of_place = Err(WalError::OutOfPlace(n));
        match record {
            Record::Hard(_, hard) => b.hard = hard.clone(),
            Record::Log(_, entry) => match entry.index.checked_sub(base + 1) {
                Some(keep) if keep <= b.entries.len() as u64 => {
                    b.entries.truncate(keep as usize);
                    b.entries.push(entry.clone());
                }
                _ => return out_of_place,
            },
            Record::Folded(_, snapshot) => {
                let Some(gone) = snapshot.get_metadata().index.checked_sub(base) else { return out_of_place };
                if gone > b.entries.len() as u64 {
                    return out_of_place;
                }
                for entry in b.entries.drain(..gone as usize) {
                    if counts(*group, &entry, codec, buckets) {
                        b.mark.push(&entry.data);
                        b.folded.push(entry.data);
                    }
                }
                if mark(snapshot) != Some(b.mark) {
                    return Err(WalError::WrongDigest(n));
                }
                b.snapshot = snapshot.clone();
                b.pieces.clear();
            }
            Record::Piece(_, at, data) => match at.checked_sub(b.mark.count) {
                Some(keep) if keep <= b.pieces.len() as u64 => {
                    b.pieces.truncate(keep as usize);
                    b.pieces.push(data.clone());
                }
                _ => return out_of_place,
            },
            Record::Installed(_, snapshot) => {
                b.mark = b.mark.after(&b.pieces);
                b.folded.append(&mut b.pieces);
                if mark(snapshot) != Some(b.mark) {
                    return Err(WalError::WrongDigest(n));
                }
                b.entries.clear();
                b.snapshot = snapshot.clone();
            }
        }
    }
    let saved = |b: Building| Saved {
        store: Store::restored(b.hard, b.snapshot, b.entries),
        history: History::folded(b.folded, b.mark),
    };
    Ok(groups.into_iter().map(|(group, b)| (group, saved(b))).collect())
}

/// Whether an entry of the log goes into the history: a proposal that can be read and belongs to this group. Nothing else
/// changes anything, and who put it there does not matter.
pub(super) fn counts(group: GroupId, entry: &Entry, codec: &dyn Codec, buckets: u16) -> bool {
    entry.get_entry_type() == EntryType::EntryNormal
        && !entry.data.is_empty()
        && codec.decode(&entry.data).is_ok_and(|proposal| group.holds(&proposal.thread, buckets))
}

impl Saved {
    /// Whether nothing of it waits to be committed: it may go on sleeping.
    pub fn is_settled(&self) -> bool {
        self.store.hard().commit == self.store.last_index().unwrap_or(0)
    }
}
