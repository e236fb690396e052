//! What travels between actors.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use swarm_core::id::{Cid, Digest, NeedId, OpId, Thread};
use swarm_core::node::{Message, Subject};
use swarm_core::raft::{Packet, Part};
use swarm_core::register::{Command, Entry};
use swarm_core::reject::Reject;
use swarm_core::wire::{Envelope, Ring};
use swarm_nemeses::Traffic;
use swarm_ports::etcd::{Event, Op, Request, RequestId, Response, Value};

use crate::kernel::{Fingerprint, Stream};

/// A message on the bus: a signed envelope with what travels beside it, and whom it must reach besides the subject's
/// followers.
#[derive(Debug)]
pub struct Post {
    pub subject: Subject,
    pub message: Message,
    /// What its bytes were found to be, by whoever received it first: signed once, verified once, delivered often.
    pub verified: OnceCell<Result<Arc<Envelope>, Reject>>,
    pub inboxes: Vec<swarm_core::id::AgentId>,
    /// Its bytes as the bus gives them back, where it gives back others than it was given.
    pub damaged: Option<Vec<u8>>,
    /// What a forger gave the bus to keep in the message's place: all that its receivers see of it.
    pub forged: Option<Vec<u8>>,
}

impl Post {
    /// Whether the bytes are those whose digest travels beside them.
    pub fn is_whole(&self) -> bool {
        let digest = Digest::sha256;
        self.damaged.as_ref().is_none_or(|bytes| digest(bytes) == digest(self.message.envelope.bytes()))
    }

    /// The message as a receiver takes it: parsed and verified from its bytes, with the keys that `ring` remembers.
    ///
    /// # Errors
    /// Why the bytes are refused.
    pub fn receive(&self, ring: &RefCell<Ring>) -> Result<Message, Reject> {
        let bytes = self.forged.as_deref().unwrap_or(self.message.envelope.bytes());
        let verified = self.verified.get_or_init(|| Envelope::verify_with(bytes, ring).map(Arc::new));
        let envelope = verified.clone()?;
        Ok(Message { entries: self.message.entries.clone(), envelope })
    }
}

/// Where the bus keeps a message: its number, as of the era in which the bus says so. An era ends when numbers are given out anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub era: u64,
    pub seq: u64,
}

/// An entry in its place, with its command's id.
#[derive(Debug)]
pub struct Placed {
    pub entry: Entry,
    pub id: swarm_core::id::Digest,
}

/// What the register keeps in the modelled etcd.
pub type Stored = Value<Arc<Command>>;

/// One message between two actors.
#[derive(Clone, Debug)]
pub enum Wire {
    /// To the bus: keep and deliver this.
    Publish { op: OpId, post: Rc<Post> },
    /// From the bus: it is kept, at this place.
    Published { op: OpId, place: Place },
    /// From the bus: from this era on, nothing after `last` of the eras before is there.
    Lost { era: u64, last: u64 },
    /// To the bus: that was understood.
    Noted { era: u64 },
    /// To the bus: deliver this need's conversation from its beginning.
    Follow(NeedId),
    /// To the bus: no longer.
    Unfollow(NeedId),
    /// From the bus: what is followed has changed so.
    Following { need: NeedId, on: bool },
    /// From the bus: a delivery of what it keeps at this place, to be acknowledged; and whether it was delivered before.
    Deliver { again: bool, delivery: u64, place: Place, post: Rc<Post> },
    /// To the bus: the delivery has taken effect.
    Ack { delivery: u64 },
    /// To the register: order this command.
    Submit { op: OpId, thread: Thread, command: Arc<Command> },
    /// From the register: it has its place.
    Submitted { op: OpId },
    /// From the register: the `place`-th entry of all.
    Entry { era: u32, place: u64, entry: Rc<Placed> },
    /// To the register: everything before `next` was applied.
    Applied { era: u32, next: u64 },
    /// Between two members of Raft groups.
    Raft(Rc<Packet>),
    /// To etcd: do this.
    EtcdAsk { id: RequestId, request: Rc<Request<Stored>> },
    /// From etcd: this came of it, or a watch tells this.
    EtcdSay { id: RequestId, response: Rc<Response<Stored>> },
    /// To the store: keep these bytes.
    Put { job: u64, cid: Cid, bytes: Arc<[u8]> },
    /// From the store: they are kept.
    Kept { job: u64, cid: Cid },
    /// To the store: what lies at this address?
    Get { job: u64, cid: Cid },
    /// From the store: this, or nothing.
    Got { job: u64, cid: Cid, bytes: Option<Arc<[u8]>> },
}

impl Wire {
    /// Flips a bit in pieces of the register's history, each with this probability. Says in how many.
    pub fn damage_pieces(&mut self, rng: &mut Stream, ppm: u32) -> u64 {
        let Self::Raft(packet) = self else { return 0 };
        if !packet.parts.iter().any(|part| matches!(part, Part::Piece { .. })) {
            return 0;
        }
        let mut damaged = 0;
        for part in &mut Rc::make_mut(packet).parts {
            let Part::Piece { entries, .. } = part else { continue };
            let said = entries.iter_mut().find(|entry| !entry.is_empty());
            let Some(entry) = said.filter(|_| rng.chance(ppm)) else { continue };
            let mut bytes = entry.to_vec();
            let at = rng.below(bytes.len() as u64 * 8);
            bytes[(at / 8) as usize] ^= 1 << (at % 8);
            *entry = bytes.into();
            damaged += 1;
        }
        damaged
    }
}

impl Fingerprint for Wire {
    fn fingerprint(&self) -> u64 {
        let (kind, word) = match self {
            Self::Publish { post, .. } => (1, post.message.envelope.id().0.prefix()),
            Self::Published { op, place } => (2, op.0 ^ place.seq.rotate_left(32)),
            Self::Lost { era, last } => (16, era ^ last.rotate_left(32)),
            Self::Noted { era } => (17, *era),
            Self::Follow(need) => (3, need.0.0.prefix()),
            Self::Unfollow(need) => (4, need.0.0.prefix()),
            Self::Following { need, on } => (15, need.0.0.prefix() ^ u64::from(*on)),
            Self::Deliver { delivery, post, .. } => (5, delivery ^ post.message.envelope.id().0.prefix()),
            Self::Ack { delivery } => (6, *delivery),
            // What is submitted follows from what the submitter heard, and shows in every entry that is applied.
            Self::Submit { op, .. } => (7, op.0),
            Self::Submitted { op } => (8, op.0),
            Self::Entry { era, place, entry } => (9, place ^ entry.id.prefix() ^ u64::from(*era) << 40),
            Self::Applied { era, next } => (10, *next ^ u64::from(*era) << 40),
            Self::Raft(packet) => (18, crate::world::register::packet_word(packet)),
            Self::EtcdAsk { id, request } => (19, id.0 ^ asks(request)),
            Self::EtcdSay { id, response } => (20, id.0 ^ says(response)),
            Self::Put { cid, .. } => (11, cid.0.prefix()),
            Self::Kept { cid, .. } => (12, cid.0.prefix()),
            Self::Get { cid, .. } => (13, cid.0.prefix()),
            Self::Got { cid, bytes, .. } => (14, cid.0.prefix() ^ u64::from(bytes.is_some())),
        };
        word.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ kind
    }

    fn sort(&self) -> u8 {
        let traffic = match self {
            Self::Publish { .. }
            | Self::Published { .. }
            | Self::Lost { .. }
            | Self::Noted { .. }
            | Self::Follow(_)
            | Self::Unfollow(_)
            | Self::Following { .. } => Traffic::Publish,
            Self::Deliver { .. } => Traffic::Deliver,
            Self::Ack { .. } => Traffic::Ack,
            Self::Submit { .. } | Self::Submitted { .. } | Self::EtcdAsk { .. } => Traffic::Submit,
            Self::EtcdSay { response, .. } if !matches!(**response, Response::Watch { .. }) => Traffic::Submit,
            Self::Entry { .. } | Self::Applied { .. } | Self::EtcdSay { .. } => Traffic::Entry,
            Self::Raft(_) => Traffic::Raft,
            Self::Put { .. } | Self::Kept { .. } | Self::Get { .. } | Self::Got { .. } => Traffic::Store,
        };
        sort_of(traffic)
    }
}

/// The kernel's number of a sort of message.
pub const fn sort_of(traffic: Traffic) -> u8 {
    traffic as u8
}

/// A question to etcd in one word.
fn asks(request: &Request<Stored>) -> u64 {
    match request {
        Request::Txn(txn) => txn.then.iter().fold(1, |word, op| {
            word ^ match op {
                Op::Put(_, value) => stored(value),
                Op::Get(range) => range.from.fingerprint(),
            }
        }),
        Request::Watch { from } => from << 8 | 2,
        Request::Unwatch => 3,
    }
}

/// An answer of etcd's in one word.
fn says(response: &Response<Stored>) -> u64 {
    match response {
        Response::Txn { header, held, read } => {
            let all = read.iter().flatten().fold(0, |word, kv| word ^ stored(&kv.value));
            all ^ header.revision << 8 ^ u64::from(*held)
        }
        Response::Watch { header, event } => {
            let word = match event {
                Event::Began => 4,
                Event::Wrote(all) => all.iter().fold(5, |word, kv| word ^ stored(&kv.value)),
                Event::Ended { compacted } => compacted.map_or(6, |first| first << 8 | 7),
            };
            word ^ header.revision << 8
        }
        Response::Unavailable => 8,
    }
}

fn stored(value: &Stored) -> u64 {
    match value {
        Value::Head { nonce, seq, .. } => nonce.0 as u64 ^ seq.0,
        Value::Entry { id, nonce, seq, .. } => id.prefix() ^ (nonce.0 as u64).rotate_left(7) ^ seq.0,
    }
}
