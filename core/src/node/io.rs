//! What goes into a node and what comes out: the whole interface to its host.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::config::Local;
use crate::form::Form;
use crate::genesis::Genesis;
use crate::id::{AgentId, Cid, Credits, Digest, Epoch, Label, NeedId, OpId, Seq, TaskName, Thread};
use crate::ledger::Booking;
use crate::members::{self, Mandate};
use crate::policy::Engines;
use crate::pool::Snapshot;
use crate::register::{Applied, Command, Entry, Event, Submission};
use crate::reject::Reject;
use crate::rng::Seed;
use crate::wire::{AmountTo, Draft, Envelope, Evidence, Manifest, Need, NewPolicy, Propose, Telemetry, Verb};

/// What a node is made of.
#[derive(Clone)]
pub struct Setup {
    /// Its key's public half.
    pub me: AgentId,
    /// What all nodes of the deployment start from.
    pub genesis: Arc<Genesis>,
    /// Its own pace.
    pub local: Local,
    /// The bases that those of the mandates name that found the register anew.
    pub bases: Vec<Arc<Base>>,
    /// The mandates there were before it started, in order; a newcomer to the register brings its own as the last. Others
    /// need none.
    pub mandates: Vec<Arc<Mandate>>,
    /// Seed of its own random stream. Not a secret: it only spreads retries and bids.
    pub stream: Seed,
    /// Where it finds the rules that judge; those of the genesis' engine are there.
    pub engines: Arc<dyn Engines>,
}

impl Setup {
    /// The MANIFEST it acts under from the start.
    pub fn manifest(&self) -> Option<(&Arc<Envelope>, &Manifest)> {
        members::manifest_of(&self.genesis, &self.mandates, &self.me)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Input {
    /// The process started, anew or again: durations count from here, nothing asked before has an answer.
    Boot,
    /// The agent behind the node wants something.
    Act(Box<Act>),
    /// A verified envelope arrived.
    Message(Message),
    /// The register put an entry in its place (coordinators only; in order per thread).
    Applied(Entry),
    /// An effect has its answer.
    Done {
        /// Which effect.
        op: OpId,
        /// The answer.
        outcome: Outcome,
    },
    /// The deadline passed.
    Wake,
}

/// An envelope, with whatever travels beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The entries an ENTRY vouches for; empty for every other verb.
    #[serde(default, skip_serializing_if = "nothing")]
    pub entries: Arc<[Arc<Applied>]>,
    /// The envelope.
    pub envelope: Arc<Envelope>,
}

fn nothing(entries: &Arc<[Arc<Applied>]>) -> bool {
    entries.is_empty()
}

/// What an agent can want of its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// Open a need.
    Post(Need),
    /// Cancel what is idle of a need.
    Cancel(NeedId),
    /// Publish a manifest (a newcomer's first act).
    Join(Manifest),
    /// Create credits for someone (mint authorities).
    Mint(AmountTo),
    /// Turn credits into stake.
    Stake(Credits),
    /// Begin to unbond stake.
    Unstake(Credits),
    /// Take unbonded credits back.
    Withdraw(Credits),
    /// Send credits.
    Transfer(AmountTo),
    /// Back another's stake.
    Delegate(AmountTo),
    /// Give back every lease held.
    YieldAll,
    /// Decline a need.
    Refuse(NeedId),
    /// Dispute a final result of a need that it follows (verifiers).
    Challenge {
        /// The need.
        need: NeedId,
        /// The task.
        task: TaskName,
    },
    /// Announce a decoy, by a mask that says nothing ([`crate::slot::mask`]).
    Mask(Digest),
    /// Open the mask of a need of its own, whose result was found wrong (requesters).
    Unmask {
        /// Verifiers that failed it without doing the work, rising.
        denied: Vec<AgentId>,
        /// The need.
        need: NeedId,
        /// What makes the mask of it.
        salt: Digest,
    },
    /// Bring an act of the recovery keys before the register (coordinators).
    Mandate(Arc<Mandate>),
    /// Announce a policy that the policy keys signed.
    Adopt(NewPolicy),
}

/// How an effect went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// It took effect.
    Committed,
    /// It did not and never will.
    NotCommitted,
    /// Nobody can say; it may still take effect.
    Unknown,
    /// A job ran.
    Ran {
        /// What is said against what was looked at: the first stretch that leads elsewhere; as far as there is a form to hold the
        /// outputs against, what is wrong with them, and what contradicts itself in the host's opinion.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        against: Vec<Evidence>,
        /// Addresses of its outputs.
        outputs: BTreeMap<Label, Cid>,
        /// Keyed digests over its fine-grained states, one for each key.
        proofs: Vec<Digest>,
        /// Public state digests.
        states: Vec<Digest>,
        /// What it cost.
        telemetry: Telemetry,
    },
    /// A job could not run; a short code says why (`unavailable`, `job-failed`).
    CouldNot(Label),
    /// A plan for a need.
    Planned(Propose),
    /// Where a hash chain ends.
    Anchored(Digest),
    /// A hash-chain value.
    Revealed(Digest),
    /// The rules of this engine are at hand: the capsule was the one asked for, and proved itself.
    Loaded(Digest),
}

/// Work for the host's executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Work {
    /// Fetch a capsule, let it prove itself, and have its rules at hand.
    Load {
        /// Its address.
        capsule: Cid,
        /// The engine that it must be.
        engine: Digest,
    },
    /// Make a plan for a need.
    Plan {
        /// The need.
        need: Arc<Envelope>,
    },
    /// Run a task's job on artifacts; store the outputs.
    Run {
        /// What is asked of outputs besides their names.
        forms: BTreeMap<Label, Form>,
        /// Addresses of the inputs, in order.
        inputs: Vec<Cid>,
        /// The job's kind.
        job: Label,
        /// Keys of the proofs of work that are wanted (PROTOCOL 8); none for a worker's own run.
        keys: Vec<Digest>,
        /// Names of the inputs, in the same order.
        names: Vec<Label>,
        /// The need, for logs.
        need: NeedId,
        /// Names of the outputs.
        produces: Vec<Label>,
        /// The task, for logs.
        task: TaskName,
        /// What a verifier looks at; nothing if this is a worker's own run. A verifier's outputs are those that it gets itself where a
        /// job gives one result, and those that it read where many are right.
        verify: Option<Box<Look>>,
    },
}

/// A result that is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// Its outputs, as committed.
    pub outputs: BTreeMap<Label, Cid>,
    /// What is said against it, if that is ruled on: the answer holds the very same if it is so.
    pub question: Option<Evidence>,
    /// What it says that the run had come to along the way.
    pub states: Vec<Digest>,
}

/// Where an envelope travels (PROTOCOL 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// NEEDs, for all.
    MarketNeed,
    /// Tasks open for bids, for all.
    MarketTask,
    /// FINALIZE, for all.
    MarketFinal,
    /// One need's conversation: its followers and the coordinators.
    Thread(NeedId),
    /// Manifests, stake, snapshots: for all.
    System,
    /// The system thread's ENTRY feed and everything else that only coordinators need.
    Coordinators,
    /// One agent's inbox.
    Inbox(AgentId),
}

impl Subject {
    /// The subject as a bus names it.
    pub fn name(&self, verb: Verb, buckets: u16) -> String {
        let verb = verb.as_str().to_ascii_lowercase();
        match self {
            Self::MarketNeed => "market.need".into(),
            Self::MarketTask => "market.task".into(),
            Self::MarketFinal => "market.final".into(),
            Self::Thread(need) => alloc::format!("thread.{}.{need}.{verb}", need.bucket(buckets)),
            Self::System => alloc::format!("system.{verb}"),
            Self::Coordinators => alloc::format!("coordinators.{verb}"),
            Self::Inbox(agent) => alloc::format!("agent.{}.{verb}", crate::id::hex(&agent.0)),
        }
    }
}

/// What a node wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Sign and publish. Answered.
    Publish {
        /// Names the answer.
        op: OpId,
        /// Where to.
        subject: Subject,
        /// Agents that must see it although they do not follow the subject yet.
        inboxes: Vec<AgentId>,
        /// What to sign.
        draft: Arc<Draft>,
        /// What travels beside it.
        entries: Arc<[Arc<Applied>]>,
    },
    /// Submit to a thread of the register, signed if it is the node's own word. Answered; that it was applied is learned by
    /// `Input::Applied`.
    Submit {
        /// Names the answer.
        op: OpId,
        /// The thread.
        thread: Thread,
        /// What to have ordered.
        wish: Submission,
    },
    /// Do work. Answered.
    Execute {
        /// Names the answer.
        op: OpId,
        /// The work.
        work: Work,
    },
    /// Grow this node's hash chain that counts from round `since`, and say where it ends. Answered.
    Anchor {
        /// Names the answer.
        op: OpId,
        /// The round.
        since: u32,
    },
    /// Reveal this node's hash-chain value for a round. Answered.
    Reveal {
        /// Names the answer.
        op: OpId,
        /// The chain, by the round that it counts from.
        since: u32,
        /// The round. To the first chain of a newcomer to the register the round it is seated in is round 0.
        round: u32,
    },
    /// Receive a need's conversation from its beginning.
    Follow(NeedId),
    /// Receive it no longer.
    Unfollow(NeedId),
    /// Something worth recording.
    Emit(Note),
}

/// What a node tells its audit log and whoever watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Note {
    /// It believes that this happened.
    Believed {
        /// The entry's events as told.
        entry: Arc<Applied>,
        /// Its link.
        link: Digest,
        /// Its thread.
        thread: Thread,
    },
    /// Its own register half applied this (coordinators).
    Applied {
        /// What was applied.
        command: Arc<Command>,
        /// The entry.
        entry: Arc<Applied>,
        /// The link it computed.
        link: Digest,
        /// Its thread.
        thread: Thread,
    },
    /// It refused an envelope.
    Refused {
        /// The envelope.
        envelope: Cid,
        /// Why.
        reject: Reject,
    },
    /// A need of its own agent was refused here, before anyone heard of it.
    NeedRefused {
        /// What was asked for.
        asked: Arc<Need>,
        /// The name it would have had.
        need: NeedId,
        /// Why.
        reject: Reject,
        /// Whose need.
        requester: AgentId,
    },
    /// What it believes contradicts what it applied: it must be stopped and looked at.
    Diverged {
        /// Where.
        thread: Thread,
        /// The believed entry.
        entry: Arc<Applied>,
    },
    /// The books changed by the entry at `seq` of the system thread; by the genesis, at zero.
    Booked {
        /// What was booked, in order.
        bookings: Vec<Booking>,
        /// The entry.
        seq: Seq,
    },
    /// A pool snapshot, whole.
    Pool(Pool),
    /// The register was founded anew, and what this node believed of a need beyond the base is void. From here on it tells
    /// what the register says now (PROTOCOL 3: RECONCILE).
    Reconciled {
        /// The last entry that stands.
        kept: Seq,
        /// The last entry that was believed.
        lost: Seq,
        /// The need.
        need: NeedId,
        /// The decision that is void, with its epoch, if one is.
        orphaned: Option<(Epoch, Cid)>,
        /// Artifacts that a committee passed under what is void: good as alternates, once they are judged anew.
        salvaged: Vec<Cid>,
    },
    /// It was a coordinator, and another holds its seat now: it is silent from here on.
    Retired {
        /// Who took its place.
        new: AgentId,
    },
    /// Two verifiers judged one thing by one engine and came to different answers: one of them lies, or its engine is not what it
    /// says (PROTOCOL 10).
    Disagreed {
        /// The engine that both name.
        engine: Digest,
        /// The need.
        need: NeedId,
        /// Who said which vote, the one heard first before the other.
        votes: [(AgentId, Cid); 2],
    },
    /// Something that must sometimes happen did.
    Mark(Mark),
}

/// A pool snapshot with what its weights were made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The snapshot.
    pub snapshot: Arc<Snapshot>,
    /// Own stake and reputation (basis points) of each of its seats, in their order.
    pub standing: Vec<(Credits, u32)>,
}

/// Names of things that must happen somewhere in a sweep, or the chaos proved nothing.
pub type Mark = alloc::borrow::Cow<'static, str>;

impl Note {
    /// The events of a believed or applied entry.
    pub fn events(&self) -> &[Event] {
        match self {
            Self::Believed { entry, .. } | Self::Applied { entry, .. } => entry.outcome.events(),
            _ => &[],
        }
    }
}
