//! The register half's own log on a disk: what was promised must be found again.
//!
//! Behind a header stand frames: one for each write, so that a write is there whole or not at all. Each has a number and says how
//! many before it were durable when it was written. From a crash any pages may be missing of what was not durable, in the middle
//! too: the log holds up to the first frame that is not whole, and what stands behind it was promised to nobody. Only where a
//! later frame knows the broken one as durable something was lost that was promised: that is an error by name, as are another
//! version, another owner and a history that does not match its digest, because starting from them would be starting as a liar
//! (T71). (The last frame, rotten after it was durable, looks like one that was being written: no later one tells.)
//!
//! Other members have a say in what is written. So that nobody can have a frame written inside a frame, what checks a frame is
//! keyed by a salt that the host draws when it creates the log and that never leaves the disk.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use protobuf::Message as _;
use raft::Storage as _;
use raft::eraftpb::{Entry, EntryType, HardState, Snapshot};

use super::GroupId;
use super::history::{History, Mark};
use super::store::Store;
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
    /// The frame at this byte is damaged, and was durable.
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
            Self::Damaged(at) => write!(f, "the register log is damaged at byte {at}, where it was durable"),
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
const VERSION: u32 = 3;

/// Bytes of a header: magic, version, the digest of deployment and member, and the salt.
pub const HEADER: usize = 8 + 4 + 32 + 32;

/// Bytes before each frame's body: its number, the frames that were durable when it was written, the length of its body, the
/// check of these three, and that of the body.
const HEAD: usize = 5 * 8;

/// A log as whoever appends to it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wal {
    salt: Digest,
    /// Number of the next frame, from 0.
    next: u64,
    /// Frames that are durable.
    durable: u64,
}

impl Wal {
    /// A new log of `me` in the deployment of this genesis digest, and its first bytes. Nobody else may be able to guess `salt`.
    pub fn create(genesis: &Digest, me: &AgentId, salt: Digest) -> (Self, Vec<u8>) {
        let header = [&opening(genesis, me)[..], &salt.0].concat();
        (Self { salt, next: 0, durable: 0 }, header)
    }

    /// The bytes to append for one write.
    pub fn frame(&mut self, records: &[Record]) -> Vec<u8> {
        let mut body = Vec::new();
        for record in records {
            let (kind, group, bytes) = match record {
                Record::Hard(group, hard) => (0u8, group, message(hard)),
                Record::Log(group, entry) => (1, group, message(entry)),
                Record::Folded(group, snapshot) => (2, group, message(snapshot)),
                Record::Installed(group, snapshot) => (3, group, message(snapshot)),
                Record::Piece(group, at, data) => (4, group, [&at.to_be_bytes()[..], data].concat()),
            };
            body.push(kind);
            body.extend(group.0.to_be_bytes());
            body.extend((bytes.len() as u64).to_be_bytes());
            body.extend(bytes);
        }
        let head = Head { number: self.next, durable: self.durable, len: body.len() as u64 };
        self.next += 1;
        [&head.bytes(&self.salt)[..], &check(&self.salt, "swarm/wal-body", &body), &body].concat()
    }

    /// Everything appended so far is durable.
    pub fn synced(&mut self) {
        self.durable = self.next;
    }
}

/// What a frame says of itself.
#[derive(Clone, Copy)]
struct Head {
    number: u64,
    durable: u64,
    len: u64,
}

impl Head {
    fn bytes(self, salt: &Digest) -> [u8; 4 * 8] {
        let mut bytes = [0; 4 * 8];
        for (at, n) in [self.number, self.durable, self.len].into_iter().enumerate() {
            bytes[8 * at..8 * (at + 1)].copy_from_slice(&n.to_be_bytes());
        }
        let check = check(salt, "swarm/wal-head", &bytes[..3 * 8]);
        bytes[3 * 8..].copy_from_slice(&check);
        bytes
    }

    /// The head that `bytes` begin with, if it is one and `plausible`: only then it is worth a digest.
    fn read(bytes: &[u8], salt: &Digest, plausible: impl Fn(&Self) -> bool) -> Option<Self> {
        let (found, _) = bytes.split_first_chunk::<{ 4 * 8 }>()?;
        let number = |at: usize| found[8 * at..].first_chunk().copied().map_or(0, u64::from_be_bytes);
        let head = Self { number: number(0), durable: number(1), len: number(2) };
        (plausible(&head) && head.bytes(salt) == *found).then_some(head)
    }
}

/// What every log of `me` in this deployment begins with.
fn opening(genesis: &Digest, me: &AgentId) -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_be_bytes(), &Digest::of("swarm/wal", &[&genesis.0, &me.0]).0].concat()
}

fn message(message: &impl protobuf::Message) -> Vec<u8> {
    message.write_to_bytes().expect("a raft value can be written")
}

fn check(salt: &Digest, what: &str, bytes: &[u8]) -> [u8; 8] {
    Digest::of(what, &[&salt.0, bytes]).prefix().to_be_bytes()
}

/// What was found in a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its records, in order.
    pub records: Vec<Record>,
    /// How many of its bytes hold. Whoever goes on cuts it there and makes that durable, before it acts on a record.
    pub holds: usize,
    /// For whoever appends; none if not even its header was written: then it is to be created anew.
    pub wal: Option<Wal>,
}

/// Reads a whole log.
///
/// # Errors
/// Why it cannot be started from. What a crash leaves of writes that were not durable is not among them.
pub fn decode(bytes: &[u8], genesis: &Digest, me: &AgentId) -> Result<Found, WalError> {
    let opening = opening(genesis, me);
    let Some((head, mut rest)) = bytes.split_first_chunk::<HEADER>() else {
        // Its creation was cut off: nothing was ever promised on its strength.
        let common = bytes.len().min(opening.len());
        let begun = bytes[..common] == opening[..common];
        return if begun { Ok(Found { records: Vec::new(), holds: 0, wal: None }) } else { Err(WalError::NotAWal) };
    };
    let (head, salt) = head.split_at(opening.len());
    if head[..8] != MAGIC[..] {
        return Err(WalError::NotAWal);
    }
    let version = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    if version != VERSION {
        return Err(WalError::OtherVersion(version));
    }
    if head != opening {
        return Err(WalError::OtherOwner);
    }
    let salt = Digest(salt.try_into().expect("the rest of a header is its salt"));
    let (mut records, mut next) = (Vec::new(), 0);
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        match frame(rest, &salt, next) {
            Some((body, tail)) => {
                read(body, &mut records).ok_or(WalError::Nonsense(at))?;
                (rest, next) = (tail, next + 1);
            }
            None if was_durable(rest, &salt, next) => return Err(WalError::Damaged(at)),
            None => break,
        }
    }
    let wal = Some(Wal { salt, next, durable: next });
    Ok(Found { records, holds: bytes.len() - rest.len(), wal })
}

/// The body of the first frame, and what follows, if it is whole and has this number.
fn frame<'a>(bytes: &'a [u8], salt: &Digest, number: u64) -> Option<(&'a [u8], &'a [u8])> {
    let head = Head::read(bytes, salt, |head| head.number == number)?;
    let (check_of_body, rest) = bytes.get(4 * 8..)?.split_first_chunk::<8>()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(head.len).ok()?)?;
    (check(salt, "swarm/wal-body", body) == *check_of_body).then_some((body, rest))
}

/// Whether a later frame, wherever it begins, knows the frame of this number as durable.
fn was_durable(bytes: &[u8], salt: &Digest, number: u64) -> bool {
    let later = number + 1..=number + (bytes.len() / HEAD) as u64;
    let knows = |head: &Head| later.contains(&head.number) && (number + 1..=head.number).contains(&head.durable);
    (1..bytes.len()).any(|at| Head::read(&bytes[at..], salt, knows).is_some())
}

/// The records of one frame.
fn read(mut body: &[u8], records: &mut Vec<Record>) -> Option<()> {
    while let Some((kind, rest)) = body.split_first() {
        let (group, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (bytes, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*len)).ok()?)?;
        let group = GroupId(u32::from_be_bytes(*group));
        records.push(match kind {
            0 => Record::Hard(group, HardState::parse_from_bytes(bytes).ok()?),
            1 => Record::Log(group, Entry::parse_from_bytes(bytes).ok()?),
            2 => Record::Folded(group, Snapshot::parse_from_bytes(bytes).ok()?),
            3 => Record::Installed(group, Snapshot::parse_from_bytes(bytes).ok()?),
            4 => {
                let (at, data) = bytes.split_first_chunk()?;
                Record::Piece(group, u64::from_be_bytes(*at), Bytes::copy_from_slice(data))
            }
            _ => return None,
        });
        body = rest;
    }
    Some(())
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
pub(super) fn replay(records: &[Record]) -> Result<BTreeMap<GroupId, Saved>, WalError> {
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
                    let piece = piece(&entry);
                    b.mark.push(&piece);
                    b.folded.push(piece);
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

/// What of an entry of the log goes into the history. Nothing but proposals changes anything there, and who put one into the log
/// does not matter; whether it can be read is for whoever applies it.
pub(super) fn piece(entry: &Entry) -> Bytes {
    match entry.get_entry_type() {
        EntryType::EntryNormal => entry.data.clone(),
        EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => Bytes::new(),
    }
}

impl Saved {
    /// Whether nothing of it waits to be committed: it may go on sleeping.
    pub fn is_settled(&self) -> bool {
        self.store.hard().commit == self.store.last_index().unwrap_or(0)
    }
}
