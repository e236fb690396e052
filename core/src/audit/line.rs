//! What a line of an audit log can be.
//!
//! Fields in alphabetical order: a line is written as canonical JSON, and read back only if it is spelled the same way.

use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::config::Local;
use crate::genesis::Genesis;
use crate::id::{AgentId, Cid, Digest, Epoch, NeedId, OpId, Seq, Thread};
use crate::members::Mandate;
use crate::node::{Effect, Input, Note, Setup, Subject, Work};
use crate::register::{Applied, Event};
use crate::reject::Reject;
use crate::rng::Seed;
use crate::time::Now;
use crate::wire::{Envelope, FinalizeRecord, Signature};

/// The format written and read here.
pub const FORMAT: u32 = 2;

/// A line's number, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);
crate::id::decimal!(Number);

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What it says.
    pub body: LineBody,
    /// Its number.
    pub number: Number,
    /// SHA-256 of the bytes of the line before, without its line end; zero in the first.
    pub prev: Digest,
    /// The conversation it is about. A thread's lines alone are a view, never a replay (T82).
    pub thread: Thread,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LineBody {
    /// Something went into the node.
    Input {
        /// What.
        input: Input,
        /// What the host knew of time.
        now: Now,
    },
    /// The first line.
    Open(Opening),
    /// Something came out of it, because of the input before.
    Record(Record),
    /// The node's key vouches for the log so far.
    Seal(Seal),
}

/// All that a node is made of, but for the evaluator, which the genesis names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The bases that its mandates name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<Arc<Base>>,
    /// The format of the log: [`FORMAT`].
    pub format: u32,
    /// What all nodes of the deployment start from.
    pub genesis: Arc<Genesis>,
    /// The node's own pace.
    pub local: Local,
    /// The mandates it started with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mandates: Vec<Arc<Mandate>>,
    /// Its public key.
    pub me: AgentId,
    /// Seed of its random stream. Not a secret: it only spreads retries and bids.
    pub stream: Seed,
}

impl Opening {
    /// The opening of a log of the node that `setup` makes.
    pub fn of(setup: &Setup) -> Self {
        Self {
            bases: setup.bases.clone(),
            format: FORMAT,
            genesis: Arc::clone(&setup.genesis),
            local: setup.local.clone(),
            mandates: setup.mandates.clone(),
            me: setup.me,
            stream: setup.stream,
        }
    }
}

/// The node's signature on how far its log has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// Whether the node was stopped on purpose here. A log that goes on was started again.
    pub closing: bool,
    /// By the node's key, over [`Seal::covers`].
    pub sig: Signature,
}

impl Seal {
    /// What is signed: whose log, how many lines, and the digest of the last of them.
    pub fn covers(me: &AgentId, number: Number, prev: &Digest, closing: bool) -> Digest {
        Digest::of("swarm/audit-seal", &[&me.0, &number.0.to_be_bytes(), &prev.0, &[u8::from(closing)]])
    }
}

/// Something that came out of a node. Secrets and signatures that a replay cannot make do not count when two are compared:
/// of a publish it is the envelope's id, which covers every byte but the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Record {
    /// It applied an entry (coordinators).
    Applied {
        /// The results that became final in it, whole.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        finals: Vec<Arc<FinalizeRecord>>,
        /// The entry's link.
        link: Digest,
        /// The entry's place.
        seq: Seq,
    },
    /// It believes an entry.
    Believed {
        /// The results that became final in it, whole.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        finals: Vec<Arc<FinalizeRecord>>,
        /// The entry's link.
        link: Digest,
        /// The entry's place.
        seq: Seq,
    },
    /// What it believes contradicts what it applied.
    Diverged {
        /// The believed entry's link.
        link: Digest,
        /// Its place.
        seq: Seq,
    },
    /// It wants work done.
    Execute {
        /// Names the answer.
        op: OpId,
        /// Digest of the work.
        work: Digest,
    },
    /// It follows a need.
    Follow(NeedId),
    /// It published an envelope.
    Publish {
        /// The envelope, signed.
        envelope: Arc<Envelope>,
        /// Whose inboxes it went to besides.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        inboxes: Vec<AgentId>,
        /// Names the answer.
        op: OpId,
        /// Where to.
        subject: Subject,
    },
    /// It refused an envelope.
    Refused {
        /// The envelope.
        envelope: Cid,
        /// Why.
        reject: Reject,
    },
    /// It asked its host for a new hash chain.
    Anchor {
        /// Names the answer.
        op: OpId,
        /// The round that it counts from.
        since: u32,
    },
    /// It asked its host for a hash-chain value.
    Reveal {
        /// Names the answer.
        op: OpId,
        /// The round.
        round: u32,
        /// The chain, by the round that it counts from.
        since: u32,
    },
    /// It submitted a command.
    Submit {
        /// The command's id.
        command: Digest,
        /// Names the answer.
        op: OpId,
    },
    /// Two verifiers judged one thing by one engine and came to different answers.
    Disagreed {
        /// The engine that both name.
        engine: Digest,
        /// Who said which vote, the one heard first before the other.
        votes: [(AgentId, Cid); 2],
    },
    /// It follows a need no longer.
    Unfollow(NeedId),
    /// What it had believed of the thread beyond what was kept of a lost register is void.
    Reconciled {
        /// The last entry that stands.
        kept: Seq,
        /// The last entry that was believed.
        lost: Seq,
        /// The void decision and its epoch.
        orphaned: Option<(Epoch, Cid)>,
        /// What can be salvaged of it.
        salvaged: Vec<Cid>,
    },
}

fn finals(entry: &Applied) -> Vec<Arc<FinalizeRecord>> {
    let of = |event: &Event| match event {
        Event::Final { record } => Some(Arc::clone(record)),
        _ => None,
    };
    entry.outcome.events().iter().filter_map(of).collect()
}

/// The thread that work is for.
fn thread_of(work: &Work) -> Thread {
    match work {
        Work::Load { .. } => Thread::System,
        Work::Plan { need } => need.thread,
        Work::Run { need, .. } => Thread::Need(*need),
    }
}

impl Record {
    /// What is recorded of `effect`, and under which thread. Marks, postings and pool snapshots are not: they follow from
    /// the entries. `signed` is the envelope made from a publish's draft.
    ///
    /// # Panics
    /// If a publish comes without its own envelope: a host signs before it records.
    pub fn of(effect: &Effect, signed: Option<&Arc<Envelope>>) -> Option<(Thread, Self)> {
        Some(match effect {
            Effect::Publish { op, subject, inboxes, draft, .. } => {
                let envelope =
                    signed.filter(|e| e.id() == draft.id()).expect("a host signs a draft before it records it");
                let (envelope, inboxes) = (Arc::clone(envelope), inboxes.clone());
                (draft.thread, Self::Publish { envelope, inboxes, op: *op, subject: *subject })
            }
            Effect::Submit { op, thread, wish } => (*thread, Self::Submit { command: wish.id(), op: *op }),
            Effect::Execute { op, work } => {
                (thread_of(work), Self::Execute { op: *op, work: Digest::of_json("swarm/work", work) })
            }
            Effect::Anchor { op, since } => (Thread::System, Self::Anchor { op: *op, since: *since }),
            Effect::Reveal { op, since, round } => {
                (Thread::System, Self::Reveal { op: *op, round: *round, since: *since })
            }
            Effect::Follow(need) => (Thread::Need(*need), Self::Follow(*need)),
            Effect::Unfollow(need) => (Thread::Need(*need), Self::Unfollow(*need)),
            Effect::Emit(note) => match note {
                Note::Believed { entry, link, thread } => {
                    (*thread, Self::Believed { finals: finals(entry), link: *link, seq: entry.seq })
                }
                Note::Applied { link, entry, thread, .. } => {
                    (*thread, Self::Applied { finals: finals(entry), link: *link, seq: entry.seq })
                }
                Note::Refused { envelope, reject } => {
                    (Thread::System, Self::Refused { envelope: *envelope, reject: *reject })
                }
                Note::NeedRefused { need, reject, .. } => {
                    (Thread::Need(*need), Self::Refused { envelope: Cid::default(), reject: *reject })
                }
                Note::Diverged { thread, entry } => {
                    (*thread, Self::Diverged { link: entry.link(*thread), seq: entry.seq })
                }
                Note::Reconciled { kept, lost, need, orphaned, salvaged } => {
                    let (orphaned, salvaged) = (*orphaned, salvaged.clone());
                    (Thread::Need(*need), Self::Reconciled { kept: *kept, lost: *lost, orphaned, salvaged })
                }
                Note::Disagreed { engine, need, votes } => {
                    (Thread::Need(*need), Self::Disagreed { engine: *engine, votes: *votes })
                }
                Note::Booked { .. } | Note::Pool(_) | Note::Retired { .. } | Note::Mark(_) => return None,
            },
        })
    }

    /// The operation it asks an answer for.
    pub(super) fn op(&self) -> Option<OpId> {
        match self {
            Self::Anchor { op, .. }
            | Self::Execute { op, .. }
            | Self::Publish { op, .. }
            | Self::Reveal { op, .. }
            | Self::Submit { op, .. } => Some(*op),
            _ => None,
        }
    }
}
