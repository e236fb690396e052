//! The format of a history: who believed what, when, in the order in which it happened.
//!
//! A history is a list of [`Record`]s by rising global time. Every node tells its own beliefs, so one decision stands in it
//! once per node that believed it: that is what the checkers compare. Three rules keep it judgeable:
//!
//! - a node tells a thread from its first entry, in the register's order, and each belief once: what it repeats to itself
//!   while it replays its log after a restart is not told again; an entry handed to it once more after a restart is told by
//!   its link alone;
//! - evidence precedes what rests on it: a snapshot, the voters, the seats are told before the count that cites them;
//! - [`WORLD`] tells what no node can know: the genesis, the phases, faults that hit nobody in particular.

mod ledger;
mod lines;

pub use ledger::{Account, LedgerEvent, Leg, Move};
pub use lines::{BadLine, read_lines, write_line};

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use swarm_core::config::Params;
use swarm_core::form::{Pointer, Schema};
use swarm_core::genesis::Genesis;
use swarm_core::id::{AgentId, Cid, Credits, Digest, Epoch, Fence, Label, NeedId, Segment, Seq, TaskName, Thread};
use swarm_core::register::{Applied, Command};
use swarm_core::reject::Reject;
use swarm_core::time::Span;
use swarm_core::wire::{Payout, ReleaseReason, SnapshotRef, Telemetry, Verdict};

/// A node of the run, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeNo(pub u32);

/// Who tells what no node can know.
pub const WORLD: NodeNo = NodeNo(u32::MAX);

impl fmt::Display for NodeNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == WORLD { f.write_str("world") } else { write!(f, "node {}", self.0) }
    }
}

/// One thing that one node told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// When, in nanoseconds of the observer's global time since the start of the run.
    #[serde(with = "crate::wide")]
    pub at: u64,
    /// What.
    pub event: Event,
    /// Who told it.
    pub node: NodeNo,
}

impl Record {
    /// `event`, told by `node` at `at`.
    pub fn new(at: u64, node: NodeNo, event: Event) -> Self {
        Self { at, event, node }
    }
}

/// Where a run stands (ARCHITECTURE: The simulator).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Faults strike; only safety is judged.
    Fault,
    /// A quorum core is whole again.
    Heal,
    /// What was begun must come to its end.
    Settle,
}

/// How a need ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NeedEnd {
    /// Every task of it ended and was paid.
    Closed,
    /// It could not be served.
    Failed,
    /// Its requester took it back.
    Cancelled,
    /// It was a decoy.
    Decoy,
}

impl NeedEnd {
    /// The name in scenarios and histories.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Decoy => "decoy",
        }
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskEnd {
    /// Its result was final and the money moved.
    Paid,
    /// Its attempts are used up, or a parent of it failed.
    Failed,
    /// Its requester took it back.
    Cancelled,
    /// Its result was wrong on purpose.
    Decoy,
}

/// Why somebody must be told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmKind {
    /// Something acknowledged is gone.
    DataLoss,
    /// Our own code broke a rule of its own.
    Internal,
}

/// The knobs the checkers recompute from. Ratios in basis points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Share of the active pool that may be asked for.
    pub alpha_bp: u32,
    /// Most of a committee from one network.
    pub asn_cap_bp: u32,
    /// Fewer active members than this is bootstrap.
    pub bootstrap_active_min: u32,
    /// Needs that must have closed before bootstrap may end, unless a day has passed.
    pub bootstrap_needs: u32,
    /// Longest a lease may stand, in global time, after its grant or last renewal; nanoseconds.
    #[serde(with = "crate::wide")]
    pub held_ns_max: u64,
    /// Shortest a lease must stand, in global time, from its grant or last renewal until it may expire; nanoseconds. Zero
    /// where no majority of clocks is good enough to promise anything.
    #[serde(with = "crate::wide")]
    pub held_ns_min: u64,
    /// Longest a task that lost its holder may wait, in global time, for the next one or for its end; nanoseconds.
    #[serde(with = "crate::wide")]
    pub idle_ns_max: u64,
    /// Longest an entry may take, in global time and once the run is healed, to reach every correct member of the register;
    /// nanoseconds.
    #[serde(with = "crate::wide")]
    pub lag_ns_max: u64,
    /// Most that a lease may last in all, as a share of the eta it was won with.
    pub lease_stretch_bp: u32,
    /// Coordinators that may lie.
    pub liars_max: u32,
    /// Most of a committee from one organisation.
    pub org_cap_bp: u32,
    /// Most of a committee from one region.
    pub region_cap_bp: u32,
    /// Seats beyond K.
    pub seats_spare: u32,
    /// Stake a member must have.
    pub stake_min: Credits,
    /// Most credits there may be.
    pub supply_max: Credits,
    /// Plan voters beyond K.
    pub voters_spare: u32,
}

impl Rules {
    /// The rules of a deployment's parameters, with the bounds that follow from its windows, clocks and network.
    pub fn of(params: &Params, held_ns_max: u64, idle_ns_max: u64, lag_ns_max: u64) -> Self {
        Self {
            alpha_bp: params.alpha_bp,
            asn_cap_bp: params.asn_cap_bp,
            bootstrap_active_min: params.bootstrap_active_min,
            bootstrap_needs: params.bootstrap_needs,
            held_ns_max,
            held_ns_min: 0,
            idle_ns_max,
            lag_ns_max,
            lease_stretch_bp: params.lease_stretch_bp,
            liars_max: params.liars_max,
            org_cap_bp: params.org_cap_bp,
            region_cap_bp: params.region_cap_bp,
            seats_spare: params.seats_spare,
            stake_min: params.stake_min,
            supply_max: params.supply_max,
            voters_spare: params.voters_spare,
        }
    }

    /// The same, with a promise that no lease expires sooner than this.
    #[must_use]
    pub fn held_at_least(self, held_ns_min: u64) -> Self {
        Self { held_ns_min, ..self }
    }
}

/// A party of the run. Empty organisation, network or region is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Its key.
    pub agent: AgentId,
    /// Its network.
    pub asn: String,
    /// Whether it is a member of the register.
    pub coordinator: bool,
    /// Whether it follows the protocol; what a dishonest one believes is not judged.
    pub honest: bool,
    /// Its node.
    pub node: NodeNo,
    /// Its organisation.
    pub org: String,
    /// What it is here for, if it can earn anything by it.
    pub part: Option<Part>,
    /// Its region.
    pub region: String,
}

/// Whose agent a party is, and what for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its role, as in `worker`.
    pub role: Arc<str>,
    /// What it does: `honest`, or the name of how it lies.
    pub strategy: Arc<str>,
    /// The first node of whoever it belongs to, which may have several.
    pub owner: NodeNo,
}

/// A member of a pool snapshot. Empty organisation, network or region is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolMember {
    /// Its key.
    pub agent: AgentId,
    /// Its network.
    pub asn: String,
    /// Its organisation.
    pub org: String,
    /// Its region.
    pub region: String,
    /// Its reputation, in basis points.
    pub reputation_bp: u32,
    /// Its own stake.
    pub stake: Credits,
    /// Its weight in a draw.
    #[serde(with = "crate::wide")]
    pub weight: u64,
}

/// A pool snapshot as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSnapshot {
    /// Members counted as active.
    pub active: u32,
    /// Whether the bootstrap rules apply.
    pub bootstrap: bool,
    /// The members.
    pub members: Vec<PoolMember>,
    /// Its number and digest.
    pub snapshot: SnapshotRef,
}

/// What a COMMIT says, or a verdict on it, and a challenge calls untrue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Claim {
    /// That its outputs are what the job gives.
    Whole,
    /// That its output of this place, in the order of their names, is what the job gives.
    Output(u32),
    /// That this stretch of its run leads from what it says of the begin to what it says of the end: all states that it says.
    Stretch {
        /// Which, from 0.
        at: u32,
        /// What it says that the run had come to along the way.
        states: Arc<[Digest]>,
    },
    /// That the job takes at most so much.
    Took(Telemetry),
    /// That it keeps some rule which no COMMIT can break that came so far.
    Lawful,
    /// That what stands at this place of an output looks as its need says.
    Form {
        /// The output's address.
        artifact: Cid,
        /// The place.
        pointer: Pointer,
        /// What the need says.
        schema: Box<Schema>,
    },
    /// That this claim of an output cites something, and nothing but what its task was given.
    Cited {
        /// The output's address.
        artifact: Cid,
        /// The claim.
        pointer: Pointer,
    },
    /// That nothing in it contradicts itself: people differ about that.
    Sense,
    /// That this is what the work gives under the key of one who passed it.
    Proof {
        /// Who.
        by: AgentId,
        /// The key.
        key: Digest,
        /// What it said.
        said: Digest,
    },
}

/// What was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are the protocol's own words; each variant says what it tells")]
pub enum Event {
    /// World: how the run is set up. First of all records.
    Genesis { parties: Arc<[Party]>, rules: Arc<Rules> },
    /// World: a phase begins.
    Phase(Phase),
    /// World: the node that tells it was asked to post a need.
    NeedWanted,
    /// The requester said NEED. Told once, by the requester.
    NeedPosted {
        budget: Credits,
        fee: Credits,
        fees: Credits,
        k_plan: u32,
        k_result: u32,
        need: NeedId,
        requester: AgentId,
    },
    /// Two verifiers judged one thing by one engine and came to different answers: who said which vote.
    Disagreed { engine: Digest, need: NeedId, votes: [(AgentId, Cid); 2] },
    /// The escrow is reserved and the need open.
    NeedOpened { need: NeedId },
    /// A pool snapshot was recorded.
    SnapshotTaken(Arc<PoolSnapshot>),
    /// The plan voters of an epoch were drawn.
    Voters { epoch: Epoch, need: NeedId, snapshot: SnapshotRef, voters: Arc<[AgentId]> },
    /// A proposal was decided: `k` as the node says it, `approvals` the counted voters.
    Decided {
        approvals: Arc<[AgentId]>,
        epoch: Epoch,
        k: u32,
        need: NeedId,
        planner: AgentId,
        proposal: Cid,
        snapshot: SnapshotRef,
    },
    /// The decided plan has these tasks; those `wanted` make what the need asked for.
    Planned { need: NeedId, tasks: Arc<[TaskName]>, wanted: Arc<[TaskName]> },
    /// A decision of an older generation surfaced and was declared void (RECONCILE). Told by whoever found it.
    Voided { epoch: Epoch, need: NeedId, proposal: Cid },
    /// A worker holds a task for `lease_ms`, and has bid to be done in `eta_ms`.
    Granted { epoch: Epoch, eta_ms: u32, fence: Fence, lease_ms: u32, need: NeedId, task: TaskName, worker: AgentId },
    /// The holder's lease was prolonged; `segment` rises with each renewal of a fence.
    Renewed { fence: Fence, more_ms: u32, need: NeedId, segment: Segment, task: TaskName },
    /// The task is open again: the lease ended without a result, or the result fell.
    LeaseEnded { fence: Fence, need: NeedId, reason: ReleaseReason, task: TaskName },
    /// The holder's COMMIT was accepted, which ends the lease.
    Accepted { commit: Cid, fence: Fence, need: NeedId, task: TaskName, worker: AgentId },
    /// The committee of a commit was drawn.
    Seated { commit: Cid, need: NeedId, seats: Arc<[AgentId]>, seed: Digest, snapshot: SnapshotRef, task: TaskName },
    /// The verdicts on a commit were counted: at least K that say the same. Of a committee that is split or silent nothing is counted.
    Tallied { commit: Cid, counted: Arc<[AgentId]>, k: u32, need: NeedId, task: TaskName, verdict: Verdict },
    /// A result is final; `record` is the canonical bytes of the FINALIZE record.
    Finalized {
        fence: Fence,
        need: NeedId,
        #[serde(with = "lines::canonical_bytes")]
        record: Arc<[u8]>,
        task: TaskName,
    },
    /// The node says to all that a result is final; `record` is the canonical bytes of the FINALIZE record that it says. Whoever catches up
    /// may say it when the result has fallen again.
    Announced {
        fence: Fence,
        need: NeedId,
        #[serde(with = "lines::canonical_bytes")]
        record: Arc<[u8]>,
        task: TaskName,
    },
    /// A final result is disputed, and the committee that is to rule on it is being drawn; `claim` is what the result says that
    /// the challenge calls untrue.
    Challenged {
        challenge: Cid,
        challenger: AgentId,
        claim: Claim,
        commit: Cid,
        fence: Fence,
        need: NeedId,
        task: TaskName,
    },
    /// An honest verifier signed a CHALLENGE, for the first time against this result, or failed it because it got another, whether anybody
    /// will hear it or not.
    Objected {
        /// The CHALLENGE, or the ATTEST that fails it.
        challenge: Cid,
        challenger: AgentId,
        claim: Claim,
        commit: Cid,
        fence: Fence,
        need: NeedId,
        task: TaskName,
    },
    /// The dispute is over: upheld, dismissed, or nobody ruled.
    Ruled { challenge: Cid, need: NeedId, panel: Arc<[AgentId]>, ruling: Option<bool>, task: TaskName },
    /// A final result is void; who passed it.
    Invalidated { commit: Cid, fence: Fence, need: NeedId, offenders: Arc<[AgentId]>, task: TaskName },
    /// World: an honest host did a task's job on these inputs, and got this; it took that much.
    Worked {
        inputs: Arc<[Cid]>,
        need: NeedId,
        outputs: Arc<[Cid]>,
        /// Keys, and the proof of work under each.
        proofs: Arc<[(Digest, Digest)]>,
        /// What it had come to along the way.
        states: Arc<[Digest]>,
        task: TaskName,
        took: Telemetry,
    },
    /// World: an honest host read this, an output of a task with inputs of these names; nothing where its bytes are no text.
    Read { artifact: Cid, given: Arc<[Label]>, text: Option<Arc<str>> },
    /// World: an honest host commits, in place of what it got, to outputs that are wrong on purpose.
    Planted { need: NeedId, outputs: Arc<[Cid]>, requester: AgentId, task: TaskName, worker: AgentId },
    /// World: a verifier signed a pass of what was planted.
    Betrayed { commit: Cid, need: NeedId, verifier: AgentId },
    /// World: something took effect in the name of one that is honest and never signed it.
    Forged { envelope: Cid, sender: AgentId },
    /// The mask of a wrong result was opened: it is a decoy, or was not masked in time.
    Unmasked { commit: Cid, decoy: bool, mask: Digest, need: NeedId, task: TaskName },
    /// A decoy is over: who failed it, who passed it and was not slashed for that before, and what it paid to the commons fund.
    Exposed {
        caught: Arc<[AgentId]>,
        need: NeedId,
        passed: Arc<[AgentId]>,
        price: Credits,
        task: TaskName,
        worker: AgentId,
    },
    /// The payouts of a final result are fixed.
    Settled { need: NeedId, payouts: Arc<[Payout]>, task: TaskName },
    /// The money moved.
    Paid { need: NeedId, task: TaskName },
    /// Nothing more happens to a task.
    TaskEnded { how: TaskEnd, need: NeedId, task: TaskName },
    /// Nothing more happens to a need.
    NeedEnded { how: NeedEnd, need: NeedId },
    /// What a need asked of the system thread, in part `at` of its entry `seq`, was carried out.
    Discharged { at: u32, need: NeedId, seq: Seq },
    /// The books moved.
    Ledger(LedgerEvent),
    /// World: the genesis, whole, for those who recompute from it. Told after [`Event::Genesis`].
    Founded { genesis: Arc<Genesis> },
    /// An entry of a thread, whole: the command with its evidence, and what it did. Told once per entry, by the coordinator
    /// that applied it first, after its [`Event::Applied`] and the ledger's moves.
    Ordered { command: Arc<Command>, entry: Arc<Applied>, thread: Thread },
    /// A coordinator's node took an entry in when its own clock, which starts anew with each `boot`, showed this. Told by whoever
    /// runs the node, before anything that follows.
    Took {
        agent: AgentId,
        boot: u32,
        #[serde(with = "crate::wide")]
        mono_ns: u64,
        seq: Seq,
        thread: Thread,
    },
    /// A coordinator's node is about to start anew: the last that its disk holds of boot number `boot` is of when its own clock
    /// showed this. Told by whoever runs the node.
    Kept {
        agent: AgentId,
        boot: u32,
        #[serde(with = "crate::wide")]
        mono_ns: u64,
    },
    /// A coordinator's node submitted, when its own clock showed this, that it has seen `elapsed` of a segment pass. Told by
    /// whoever runs the node.
    Timed {
        agent: AgentId,
        boot: u32,
        elapsed: Span,
        #[serde(with = "crate::wide")]
        mono_ns: u64,
        segment: Segment,
        thread: Thread,
    },
    /// A coordinator applied an entry. After a restart it may tell one again.
    Applied { link: Digest, seq: Seq, thread: Thread },
    /// A node believes an entry, and tells next what it did; entries it believes as one batch may be told by the last.
    Believed { link: Digest, seq: Seq, thread: Thread },
    /// World, at the end of the run: the nodes that are whole and must have caught up, and those of them that are members of
    /// the register and must have all of it. Nobody says so of itself.
    Correct { members: Arc<[NodeNo]>, nodes: Arc<[NodeNo]> },
    /// At the end of the run: a node's replica of a thread.
    View { digest: Digest, heads: Vec<Digest>, thread: Thread },
    /// A node's log was replayed; `first_difference` names where the result was another.
    Replayed { equal: bool, first_difference: Option<String> },
    /// A node refused what somebody sent.
    Refused { reason: Reject },
    /// Something that should happen sometimes did.
    Mark(Cow<'static, str>),
    /// Somebody must be told at once.
    Alarm { kind: AlarmKind, what: String },
}

impl Event {
    /// A mark of this name.
    pub fn mark(name: &'static str) -> Self {
        Self::Mark(Cow::Borrowed(name))
    }
}
