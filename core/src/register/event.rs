//! What applied commands do: the only facts the exclusive state is made of.
//!
//! A need's record is a fold over its events; whoever believes the events has the record. Asks and answers are events too:
//! what one thread needs of another is asked by an applied entry, relayed with proof, and answered exactly once
//! (PROTOCOL 5: an applied entry obliges, any coordinator discharges, repeats are no-ops).

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::bids::Bid;
use crate::id::{AgentId, Cid, Credits, Digest, Epoch, Fence, NeedId, Segment, Seq, TaskName};
use crate::members::Mandate;
use crate::reject::Reject;
use crate::slot::Waiting;
use crate::system::Adopted;
use crate::time::Span;
use crate::wire::{Envelope, Evidence, FinalizeRecord, Payout, ReleaseReason, SnapshotRef, Verdict};

/// A counted verdict.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// The ATTEST, ATTEST_PLAN or VERDICT.
    pub attest: Cid,
    /// The engine it was made under.
    pub engine: Digest,
    /// The proof of work in it, if it is an ATTEST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Digest>,
    /// Who gave it.
    pub verifier: AgentId,
}

/// How a need or a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Everything that it wants is final and paid.
    Closed,
    /// It, or something that it wants, could not be done within its bounds.
    Failed,
    /// The requester ended it, or something that it wants.
    Cancelled,
    /// It was a decoy.
    Decoy,
}

/// What becomes of a worker's bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BondFate {
    /// All of it goes back.
    Back,
    /// It goes back less the yield fee.
    LessFee,
    /// It goes to the commons.
    Forfeit,
}

/// Who rules on a challenge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bench {
    /// A committee that looks again at what can be seen: as many equal rulings as a result takes passes.
    #[default]
    Looks,
    /// A committee that judges: two thirds of all of it must be of one mind.
    Judges,
    /// Another that judges, of about twice the size.
    Larger,
    /// The arbiters of the genesis that have no part in it: more than half of them.
    Arbiters,
}

impl Bench {
    /// Who rules on it first.
    pub fn first(evidence: &Evidence) -> Self {
        if evidence.is_opinion() { Self::Judges } else { Self::Looks }
    }

    /// Who rules if this one is not of one mind, or if it is said again what this one has not found so: nobody after the last, which
    /// are the `arbiters` if there are any. Of what can be seen one sees as well as another.
    pub const fn next(self, arbiters: bool) -> Option<Self> {
        match self {
            Self::Looks => Some(Self::Looks),
            Self::Judges => Some(Self::Larger),
            Self::Larger if arbiters => Some(Self::Arbiters),
            Self::Larger | Self::Arbiters => None,
        }
    }

    /// Whether it judges: what it says takes nobody's stake.
    pub const fn is_of_opinion(self) -> bool {
        !matches!(self, Self::Looks)
    }

    /// Equal rulings that it takes of `seats`, where a result would take `k`.
    pub const fn k(self, k: u32, seats: u32) -> u32 {
        match self {
            Self::Looks => k,
            Self::Judges | Self::Larger => (seats * 2).div_ceil(3),
            Self::Arbiters => seats / 2 + 1,
        }
    }

    /// Whether it is the usual one.
    fn is_usual(&self) -> bool {
        *self == Self::Looks
    }
}

/// What a need asks of the system thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// Set `amount` of the requester's credits aside, and draw the first voters.
    Escrow {
        /// How much: budget and fees.
        amount: Credits,
        /// The engine that the NEED was judged by.
        engine: Digest,
        /// Approvals wanted.
        k_plan: u32,
        /// Who pays.
        requester: AgentId,
    },
    /// Draw new voters for a new epoch.
    Voters {
        /// The epoch.
        epoch: Epoch,
        /// Approvals wanted.
        k_plan: u32,
    },
    /// Book the worker's bond and carve price and fees from the escrow.
    Grant {
        /// The worker's bond.
        bond: Credits,
        /// Price and fees of this attempt.
        carve: Credits,
        /// The fence to be granted.
        fence: Fence,
        /// The task.
        task: TaskName,
        /// The winner.
        worker: AgentId,
    },
    /// Draw and lien a committee for an accepted result.
    Seats {
        /// The COMMIT.
        commit: Cid,
        /// Its fence.
        fence: Fence,
        /// Passes wanted.
        k_result: u32,
        /// What each of them answers with ([`crate::config::Params::lien_for`]).
        lien: Credits,
        /// Planner of the decided proposal; neither it nor its relations sit.
        planner: AgentId,
        /// The task.
        task: TaskName,
        /// The worker; neither it nor its relations sit.
        worker: AgentId,
    },
    /// An attempt is over: pay what is due, return the rest to the escrow, end bond and liens. Told, not answered.
    End {
        /// What becomes of the bond.
        bond: BondFate,
        /// The COMMIT whose liens end, if there was one.
        commit: Option<Cid>,
        /// Verifiers whose verdicts counted.
        counted: Vec<AgentId>,
        /// The attempt's fence.
        fence: Fence,
        /// What is due.
        payouts: Vec<Payout>,
        /// Whether this was the paid end of a settled result.
        settled: bool,
        /// The task.
        task: TaskName,
    },
    /// Book a challenger's bond, if this is its first draw, and draw a committee that rules on its challenge.
    Contest {
        /// Whose passes made the result final; neither they nor their relations sit.
        attesters: Vec<AgentId>,
        /// Who is to rule.
        #[serde(default, skip_serializing_if = "Bench::is_usual")]
        bench: Bench,
        /// The challenger's bond.
        bond: Credits,
        /// The CHALLENGE.
        challenge: Cid,
        /// The challenger; neither it nor its relations sit.
        challenger: AgentId,
        /// Which draw it is, from 1.
        draw: u32,
        /// Equal rulings wanted, of one that looks.
        k_ruling: u32,
        /// Planner of the decided proposal; neither it nor its relations sit.
        planner: AgentId,
        /// The task.
        task: TaskName,
        /// The worker; neither it nor its relations sit.
        worker: AgentId,
    },
    /// A challenge is over: divide its bond, and if it was right what the offenders lose. Told, not answered.
    Rule {
        /// Who ruled, or should have.
        #[serde(default, skip_serializing_if = "Bench::is_usual")]
        bench: Bench,
        /// The CHALLENGE.
        challenge: Cid,
        /// The challenger.
        challenger: AgentId,
        /// The COMMIT it was about.
        commit: Cid,
        /// That attempt's fence.
        fence: Fence,
        /// What is due to workers whose work is void through no fault of theirs, rising.
        honest: Vec<Payout>,
        /// Whose passes made final what is void, rising, or whose proof was false; nobody where neither is so. It costs them
        /// reputation, and stake where it was seen and not judged.
        offenders: Vec<AgentId>,
        /// Members of the committee whose rulings counted, rising.
        panel: Vec<AgentId>,
        /// What was ruled; nothing if nobody did in time.
        ruling: Option<bool>,
        /// The task.
        task: TaskName,
        /// The worker, if the COMMIT was disputed and not a verdict on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<AgentId>,
    },
    /// A requester says that a result was wrong on purpose: look whether that was masked before the need was taken up.
    Mask {
        /// The mask.
        mask: Digest,
        /// The task.
        task: TaskName,
    },
    /// A decoy is over: slash who passed it, and share its price among those who caught it. Told, not answered.
    Expose {
        /// What its worker forfeited, and has back.
        bond: Credits,
        /// Whose verdicts failed it, rising; nobody where a ruling had to.
        caught: Vec<AgentId>,
        /// Who of those did not do the work, as the requester says; rising.
        denied: Vec<AgentId>,
        /// What it was masked by.
        mask: Digest,
        /// Who passed it, and has not lost anything for that yet; rising.
        passed: Vec<AgentId>,
        /// What its worker won it for: what catching it is worth.
        price: Credits,
        /// The task.
        task: TaskName,
        /// Its worker.
        worker: AgentId,
    },
    /// The need is over: pay what is due from the escrow and give the rest back. Told, not answered.
    Close {
        /// How it ended.
        ending: Ending,
        /// What is due.
        payouts: Vec<Payout>,
        /// Whose plan it was carried out by, if one was decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        planner: Option<AgentId>,
    },
}

impl Ask {
    /// Whether the need waits for an answer.
    pub fn is_answered(&self) -> bool {
        !matches!(self, Self::End { .. } | Self::Close { .. } | Self::Rule { .. } | Self::Expose { .. })
    }
}

/// What the system thread answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// The escrow stands; these may vote.
    Escrowed {
        /// Approvals needed.
        k_plan: u32,
        /// The pool they were drawn from.
        snapshot: SnapshotRef,
        /// The voters, rising.
        voters: Vec<AgentId>,
    },
    /// These may vote in the new epoch.
    Voters {
        /// Approvals needed.
        k_plan: u32,
        /// The pool they were drawn from.
        snapshot: SnapshotRef,
        /// The voters, rising.
        voters: Vec<AgentId>,
    },
    /// Bond and carve are booked.
    Granted,
    /// The committee sits and its liens are booked.
    Seated {
        /// Equal verdicts needed.
        k_result: u32,
        /// The members, rising.
        seats: Vec<AgentId>,
        /// The seed it was drawn from.
        seed: Digest,
        /// The pool it was drawn from.
        snapshot: SnapshotRef,
    },
    /// It was masked in time, and is a decoy.
    Masked,
    /// It cannot be had.
    Denied(Reject),
}

/// Something that happened to a need, or in the system thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "fields are named after the concepts of PROTOCOL 5 and documented on the record they fold into"
)]
pub enum Event {
    /// A NEED was taken up.
    Opening { need: Arc<Envelope> },
    /// It has voters for `epoch`.
    Opened { epoch: Epoch, k_plan: u32, snapshot: SnapshotRef, voters: Vec<AgentId> },
    /// A valid proposal is kept.
    Proposed { proposal: Arc<Envelope>, score: u32 },
    /// Proposals are in; these may be voted for, best first.
    Voting { candidates: Vec<Cid> },
    /// The epoch passed without a decision.
    EpochPassed { epoch: Epoch },
    /// One proposal is decided.
    Decided { counted: Vec<Counted>, proposal: Cid },
    /// A task takes bids.
    Bidding { task: TaskName },
    /// A better bid.
    Bid { bid: Bid, task: TaskName },
    /// A bid won and its bond is being booked.
    Granting { bid: Bid, fees: Credits, fence: Fence, org: String, task: TaskName },
    /// The worker holds the task.
    Leased { fence: Fence, task: TaskName },
    /// The lease is prolonged by so much, which follows when what is running of it ends.
    Renewed { fence: Fence, more_ms: u32, task: TaskName },
    /// The attempt ended without a final result; the task is idle.
    Released { fence: Fence, reason: ReleaseReason, task: TaskName },
    /// A result is accepted.
    Accepted { commit: Arc<Envelope>, fence: Fence, task: TaskName },
    /// No committee could be seated; the draw will be asked for again.
    Unseated { task: TaskName },
    /// Its committee sits.
    Seated { k_result: u32, seats: Vec<AgentId>, seed: Digest, snapshot: SnapshotRef, task: TaskName },
    /// The committee's verdict.
    Judged { counted: Vec<Counted>, task: TaskName, verdict: Verdict },
    /// A result is final; the challenge window opens.
    Final { record: Arc<FinalizeRecord> },
    /// A final result is disputed, when so much of its window was left: that much is waited for once a committee has ruled.
    Challenged {
        #[serde(default, skip_serializing_if = "Bench::is_usual")]
        bench: Bench,
        challenge: Arc<Envelope>,
        left: Span,
        task: TaskName,
    },
    /// The committee that rules on it sits.
    Empanelled { k_ruling: u32, seats: Vec<AgentId>, seed: Digest, snapshot: SnapshotRef, task: TaskName },
    /// Those asked did not rule in time, or could not agree: these are asked next.
    Unruled {
        #[serde(default, skip_serializing_if = "Bench::is_usual")]
        bench: Bench,
        task: TaskName,
    },
    /// The dispute is over: the challenge was right, or wrong, or nobody said.
    Ruled { challenge: Cid, counted: Vec<Counted>, ruling: Option<bool>, task: TaskName },
    /// A result is void; the task is idle, and asks for so many passes from here on.
    Invalidated { challenge: Cid, commit: Cid, k_result: u32, offenders: Vec<AgentId>, task: TaskName },
    /// The requester says that a result which was found wrong was so on purpose. Nobody is granted the task meanwhile.
    Unmasking { task: TaskName, unmask: Arc<Envelope> },
    /// It was masked in time, or was not and nothing was said.
    Unmasked { decoy: bool, task: TaskName },
    /// One more is known to have passed the decoy.
    Passed { attest: Cid, task: TaskName, verifier: AgentId },
    /// The window closed; the payouts are fixed.
    Settled { payouts: Vec<Payout>, task: TaskName },
    /// Paid; the task has ended.
    Paid { task: TaskName },
    /// The task has ended without a result.
    TaskEnded { ending: Ending, task: TaskName },
    /// The need has ended.
    Over { ending: Ending },
    /// A wait began, or began anew.
    WaitOpened { segment: Segment, total: Span, waiting: Waiting },
    /// A coordinator reported.
    Reported { by: AgentId, elapsed: Span, segment: Segment },
    /// A wait is over, or no longer of interest.
    WaitClosed { waiting: Waiting },
    /// Something is asked of the system thread: the need's `number`-th ask, from 1. They are carried out in this order.
    Asked { ask: Ask, number: u32 },

    /// A seat of the register changed hands, as far as this thread is concerned (any thread).
    Replaced { mandate: Arc<Mandate> },

    /// The register was restored, as far as this thread is concerned (any thread): from here on a higher generation counts.
    /// A register that was founded anew says so in its first entry behind the base: every seat changed hands.
    Restored { mandate: Arc<Mandate> },

    /// System: the answer to a need's ask.
    Answered { answer: Answer, at: u32, need: NeedId, seq: Seq },
    /// System: an ask that wants no answer was carried out.
    Told { at: u32, need: NeedId, seq: Seq },
    /// System: an ask waits for its round of reveals.
    Queued { at: u32, need: NeedId, seq: Seq },
    /// System: needs are opened under this policy from here on, and acts are judged by it.
    Governed { policy: Adopted },
    /// System: a manifest was registered.
    Registered { manifest: Arc<Envelope> },
    /// System: a ledger operation of an agent's own.
    Booked { envelope: Cid },
    /// System: a round of reveals began.
    RoundOpened { round: u32 },
    /// System: a coordinator promised its next hash chain.
    Anchored { anchor: Digest, by: AgentId, since: u32 },
    /// System: a coordinator revealed.
    Revealed { by: AgentId, round: u32, value: Digest },
    /// System: the round ended without these.
    RoundClosed { omitted: Vec<AgentId>, round: u32 },
    /// System: the pool changed.
    SnapshotTaken { snapshot: SnapshotRef },
}
