//! What members send each other. The transport says for certain who sent a packet; everything in it is held against its
//! bounds before it is used (see `guard`).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use protobuf::Message as _;
use raft::eraftpb::Message;

use super::GroupId;
use crate::members::Mandate;
use crate::reject::Reject;

/// Most parts of one packet. Whoever has more to say sends several.
pub const PARTS_MAX: usize = 4_096;

/// Everything that one turn has to say to one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Its parts, in order.
    pub parts: Vec<Part>,
}

/// One thing said.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A message of the raft protocol.
    Raft(GroupId, Box<Message>),
    /// To the leader: put this proposal into the log.
    Propose(GroupId, Bytes),
    /// From the leader: everything is matched and nothing happens; sleep.
    Sleep {
        /// Which group.
        group: GroupId,
        /// The leader's term.
        term: u64,
        /// Index of its last entry, which is committed.
        commit: u64,
    },
    /// Wake: someone has work and hears nothing from the leader.
    Nudge(GroupId),
    /// Send the history from this place on.
    Fetch {
        /// Which group.
        group: GroupId,
        /// The first entry wanted, from 0.
        at: u64,
    },
    /// A piece of the history.
    Piece {
        /// Which group.
        group: GroupId,
        /// Place of its first entry.
        at: u64,
        /// The entries.
        entries: Vec<Bytes>,
    },
    /// You are not known as a member; so many mandates are.
    Unknown(u32),
    /// Mandates that the receiver lacks: they prove who is a member now, and who no more.
    Mandates(Vec<Arc<Mandate>>),
}

impl Part {
    /// Its group, if it is about one.
    pub fn group(&self) -> Option<GroupId> {
        match self {
            Self::Raft(group, _) | Self::Propose(group, _) | Self::Nudge(group) => Some(*group),
            Self::Sleep { group, .. } | Self::Fetch { group, .. } | Self::Piece { group, .. } => Some(*group),
            Self::Unknown(_) | Self::Mandates(_) => None,
        }
    }

    /// Roughly how many bytes it takes on a wire.
    pub fn weight(&self) -> usize {
        8 + match self {
            Self::Raft(_, message) => message.compute_size() as usize,
            Self::Propose(_, data) => data.len(),
            Self::Piece { entries, .. } => entries.iter().map(|e| e.len() + 4).sum(),
            Self::Mandates(mandates) => mandates.len() * 2_048,
            _ => 16,
        }
    }
}

impl Packet {
    /// Roughly how many bytes it takes on a wire.
    pub fn weight(&self) -> usize {
        self.parts.iter().map(Part::weight).sum()
    }

    /// Messages of the raft protocol in it.
    pub fn messages(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part, Part::Raft(..))).count()
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in &self.parts {
            let (kind, group, body) = match part {
                Part::Raft(group, message) => (0, *group, message.write_to_bytes().expect("a message can be written")),
                Part::Propose(group, data) => (1, *group, data.to_vec()),
                Part::Sleep { group, term, commit } => (2, *group, numbers(&[*term, *commit])),
                Part::Nudge(group) => (3, *group, Vec::new()),
                Part::Fetch { group, at } => (4, *group, numbers(&[*at])),
                Part::Piece { group, at, entries } => {
                    let mut body = numbers(&[*at]);
                    entries.iter().for_each(|entry| put(&mut body, entry));
                    (5, *group, body)
                }
                Part::Unknown(known) => (6, GroupId(*known), Vec::new()),
                Part::Mandates(mandates) => (7, GroupId(0), crate::wire::canonical::to_vec(mandates)),
            };
            bytes.push(kind);
            bytes.extend(group.0.to_be_bytes());
            put(&mut bytes, &body);
        }
        bytes
    }

    /// Reads a packet.
    ///
    /// # Errors
    /// [`Reject::Malformed`] if it is none, [`Reject::Oversize`] if it has more than [`PARTS_MAX`] parts.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, Reject> {
        let mut parts = Vec::new();
        while !bytes.is_empty() {
            if parts.len() == PARTS_MAX {
                return Err(Reject::Oversize);
            }
            let kind = take::<1>(&mut bytes)?[0];
            let group = GroupId(u32::from_be_bytes(take(&mut bytes)?));
            let mut body = get(&mut bytes)?;
            let part = match kind {
                0 => Part::Raft(group, Box::new(Message::parse_from_bytes(body).map_err(|_| Reject::Malformed)?)),
                1 => Part::Propose(group, Bytes::copy_from_slice(body)),
                2 => Part::Sleep { group, term: number(&mut body)?, commit: number(&mut body)? },
                3 => Part::Nudge(group),
                4 => Part::Fetch { group, at: number(&mut body)? },
                5 => {
                    let at = number(&mut body)?;
                    let mut entries = Vec::new();
                    while !body.is_empty() {
                        entries.push(Bytes::copy_from_slice(get(&mut body)?));
                    }
                    Part::Piece { group, at, entries }
                }
                6 => Part::Unknown(group.0),
                7 => Part::Mandates(serde_json::from_slice(body).map_err(|_| Reject::Malformed)?),
                _ => return Err(Reject::Malformed),
            };
            parts.push(part);
        }
        Ok(Self { parts })
    }
}

fn numbers(all: &[u64]) -> Vec<u8> {
    all.iter().flat_map(|n| n.to_be_bytes()).collect()
}

fn put(bytes: &mut Vec<u8>, body: &[u8]) {
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend_from_slice(body);
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Reject> {
    let (head, tail) = bytes.split_first_chunk().ok_or(Reject::Malformed)?;
    *bytes = tail;
    Ok(*head)
}

fn number(bytes: &mut &[u8]) -> Result<u64, Reject> {
    take(bytes).map(u64::from_be_bytes)
}

fn get<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Reject> {
    let len = u32::from_be_bytes(take(bytes)?) as usize;
    let (body, tail) = bytes.split_at_checked(len).ok_or(Reject::Malformed)?;
    *bytes = tail;
    Ok(body)
}
