//! What a need's slot holds.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::bids::{Bid, Window};
use crate::genesis::Genesis;
use crate::id::{AgentId, Cid, Credits, Digest, Epoch, Fence, Lamport, NeedId, Segment, Seq, TaskName};
use crate::members::{Handover, Voices};
use crate::mutant::{Mutant, planted};
use crate::plan::{Plan, TaskState};
use crate::register::{Bench, Counted, Ending};
use crate::slot::{Stopwatch, Waiting};
use crate::time::Span;
use crate::wire::bounds::K_MAX;
use crate::wire::{Body, Commit, Due, Envelope, Evidence, FinalizeRecord, Need, Payout, Propose, SnapshotRef};

/// Where a need stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing was taken up yet.
    #[default]
    Absent,
    /// Its escrow is being reserved.
    Opening,
    /// Proposals and votes.
    Open,
    /// A plan is being carried out.
    Decided,
    /// It has ended.
    Over(Ending),
}

/// The one decision of a need.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The PROPOSE that was picked.
    pub proposal: Arc<Envelope>,
    /// The approvals that counted, by rising id.
    pub counted: Vec<Counted>,
    /// What the proposal means.
    pub plan: Arc<Plan>,
    /// Digest of the decided plan.
    pub digest: Digest,
}

/// A task's holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The winning bid.
    pub bid: Bid,
    /// What of the need's fees is carved for its verdicts.
    pub fees: Credits,
    /// The holder's registered organisation.
    pub org: String,
    /// How long it may last in all, renewals included; milliseconds.
    pub granted_ms: u64,
    /// What of that follows when the running segment is over; milliseconds.
    pub rest_ms: u32,
}

/// What is disputed of a final result, and how far that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// The CHALLENGE.
    pub challenge: Arc<Envelope>,
    /// The result was settled before: it stands with its payouts, and only stake can be lost.
    pub late: bool,
    /// What is left of the window, which stands still.
    pub left: Span,
    /// Committees asked for so far.
    pub draws: u32,
    /// Which kind is asked for now.
    pub bench: Bench,
    /// The committee that rules, rising; empty while it is being drawn.
    pub seats: Vec<AgentId>,
    /// Equal rulings it takes.
    pub k_ruling: u32,
}

impl Dispute {
    /// What is said to be wrong.
    pub fn evidence(&self) -> Option<&Evidence> {
        match &self.challenge.body {
            Body::Challenge(challenge) => Some(&challenge.evidence),
            _ => None,
        }
    }

    /// The verifier whose proof is disputed; nothing if the result is.
    pub fn accused(&self) -> Option<AgentId> {
        self.evidence()?.accused()
    }
}

/// A result that was found wrong, by its committee or by one that ruled on it. It may have been wrong on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The COMMIT.
    pub commit: Arc<Envelope>,
    /// What its worker won the task for.
    pub price: Credits,
    /// Its committee, rising.
    pub seats: Vec<AgentId>,
    /// Whose verdicts failed it, rising; nobody where a ruling had to.
    pub caught: Vec<AgentId>,
    /// Whose passes had made it final, rising: each is slashed for that.
    pub slashed: Vec<AgentId>,
    /// What its requester said of it, if it said so.
    pub unmasking: Option<Unmasking>,
}

/// What a requester says of a wrong result of its need's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmasking {
    /// The UNMASK.
    pub unmask: Arc<Envelope>,
    /// It is a decoy for sure: it was masked in time.
    pub sure: bool,
    /// Who is known to have passed it, besides those who are slashed.
    pub passed: BTreeSet<AgentId>,
}

/// Where a task stands.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its state.
    pub state: TaskState,
    /// The fence of the last grant; zero before the first.
    pub fence: Fence,
    /// Grants so far.
    pub attempts: u32,
    /// Bid windows that closed without a winner since the last grant.
    pub windows: u32,
    /// Draws of the present attempt that could not be seated.
    pub draws: u32,
    /// The open bid window.
    pub window: Window,
    /// Workers that let a lease of this task expire or gave it back, had no bond to give, or whose result a committee refused:
    /// none of them wins it twice.
    pub barred: BTreeSet<AgentId>,
    /// The holder, from Granting to the attempt's end.
    pub lease: Option<Lease>,
    /// The grants of its parents' results, as they were then: what the attempt rests on.
    pub rests_on: Vec<Fence>,
    /// The accepted result.
    pub commit: Option<Arc<Envelope>>,
    /// The committee.
    pub seats: Vec<AgentId>,
    /// Equal verdicts it needs.
    pub k_result: u32,
    /// The pool it was drawn from.
    pub snapshot: SnapshotRef,
    /// The final result.
    pub record: Option<Arc<FinalizeRecord>>,
    /// The proofs of work in the passes that made it final, but for those that were ruled false.
    pub proofs: BTreeMap<AgentId, Digest>,
    /// The challenge window is over.
    pub unchallenged: bool,
    /// The dispute about it, while there is one.
    pub dispute: Option<Dispute>,
    /// Who has disputed it, and how often nobody was found to look; [`HEARINGS_MAX`] for who was heard.
    pub challengers: BTreeMap<AgentId, u32>,
    /// A dispute found it wrong when it was settled: who is at fault has paid for it, and nothing more can be had.
    pub felled: bool,
    /// What was said against it that is a matter of opinion and was not so in the opinion of this bench: whoever says it again appeals
    /// to the next.
    pub heard: Vec<(Evidence, Bench)>,
    /// How many of its results were void.
    pub voided: u32,
    /// Its last result, if that was found wrong, until the task is granted again.
    pub wrong: Option<Wrong>,
}

/// How often one agent may ask to be heard about one result: its bond may be tied up elsewhere at first, or nobody be free to look.
pub const HEARINGS_MAX: u32 = 4;

impl Task {
    pub(crate) fn new() -> Self {
        Self {
            state: TaskState::Idle,
            fence: Fence::NONE,
            attempts: 0,
            windows: 0,
            draws: 0,
            window: Window::default(),
            barred: BTreeSet::new(),
            lease: None,
            rests_on: Vec::new(),
            commit: None,
            seats: Vec::new(),
            k_result: 0,
            snapshot: SnapshotRef::default(),
            record: None,
            proofs: BTreeMap::new(),
            unchallenged: false,
            dispute: None,
            challengers: BTreeMap::new(),
            felled: false,
            heard: Vec::new(),
            voided: 0,
            wrong: None,
        }
    }

    /// What its requester said of its wrong result, if it did.
    pub fn unmasking(&self) -> Option<&Unmasking> {
        self.wrong.as_ref()?.unmasking.as_ref()
    }

    /// Whether it turned out to be a decoy.
    pub fn is_decoy(&self) -> bool {
        self.unmasking().is_some_and(|unmasking| unmasking.sure)
    }

    /// The attempt is over without a result, and everything that was known of one is gone.
    pub(super) fn reopen(&mut self) -> Option<Lease> {
        self.state = TaskState::Idle;
        (self.commit, self.record, self.dispute) = (None, None, None);
        self.unchallenged = false;
        self.proofs.clear();
        self.seats.clear();
        self.challengers.clear();
        self.felled = false;
        self.heard.clear();
        self.lease.take()
    }

    /// Passes that its next result is asked for, of a need that asks for `k_result`: two more for each one that was void.
    pub fn k_target(&self, k_result: u32) -> u32 {
        k_result.saturating_add(self.voided.saturating_mul(2)).min(K_MAX)
    }

    /// Whose passes made its result final, rising.
    pub fn passed_by(&self) -> Vec<AgentId> {
        let payouts = self.record.iter().flat_map(|record| &record.payouts);
        let mut all: Vec<_> = payouts.filter(|payout| payout.due == Due::Fee).map(|payout| payout.to).collect();
        all.sort_unstable();
        all
    }

    /// Who is to rule on such a challenge; nobody any more if those who have the last word have said that it is not so.
    pub fn bench_for(&self, evidence: &Evidence, arbiters: bool) -> Option<Bench> {
        match self.heard.iter().rev().find(|(heard, _)| heard == evidence) {
            None => Some(Bench::first(evidence)),
            Some((_, bench)) => bench.next(arbiters),
        }
    }

    /// Whether `agent` may be heard against its result: nobody is heard twice, nor asks again and again.
    pub fn may_hear(&self, agent: &AgentId) -> bool {
        self.challengers.get(agent).is_none_or(|times| *times < HEARINGS_MAX)
    }

    /// Whether there is something to be had by this: of a result that has fallen after it was settled only false proofs are left.
    pub fn may_fell(&self, evidence: &Evidence) -> bool {
        !self.felled || evidence.accused().is_some()
    }

    /// What the accepted COMMIT says.
    pub fn committed(&self) -> Option<&Commit> {
        match &self.commit.as_ref()?.body {
            Body::Commit(commit) => Some(commit),
            _ => None,
        }
    }

    /// Whether a verdict on `commit`, given under `fence`, is on the present attempt.
    pub fn is_judged_by(&self, commit: Cid, fence: Option<Fence>) -> bool {
        let present = self.commit.as_ref().is_some_and(|own| own.id() == commit) && fence == Some(self.fence);
        present || planted(Mutant::OldVerdictCounts)
    }

    /// Whether the task has ended for good.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, TaskState::Paid | TaskState::Failed | TaskState::Cancelled)
    }

    /// Whether its result stands, so that children may start.
    pub fn is_final(&self) -> bool {
        matches!(self.state, TaskState::Final | TaskState::Settled | TaskState::Paid)
    }
}

/// One need.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its name. What was said in another thread means nothing here.
    pub id: NeedId,
    /// Where it stands.
    pub phase: Phase,
    /// The NEED, once taken up.
    pub need: Option<Arc<Envelope>>,
    /// The present epoch.
    pub epoch: Epoch,
    /// The pool recorded for this epoch.
    pub snapshot: SnapshotRef,
    /// Approvals that decide.
    pub k_plan: u32,
    /// Who may approve, rising; empty while they are being drawn.
    pub voters: Vec<AgentId>,
    /// Valid proposals with their scores.
    pub proposals: BTreeMap<Cid, (Arc<Envelope>, u32)>,
    /// What may be voted for, best first; empty until proposals are in.
    pub candidates: Vec<Cid>,
    /// The decision, once there is one.
    pub decision: Option<Decision>,
    /// Seats of the register that changed hands in this thread, in order.
    pub handovers: Vec<Handover>,
    /// The last mandate that took effect here; zero if none did.
    pub last_mandate: Digest,
    /// How often the register was restored, as far as this thread was told.
    pub generation: u32,
    /// A restore wants another epoch, as soon as the present one has its voters.
    pub owes_epoch: bool,
    /// Its tasks, once decided.
    pub tasks: BTreeMap<TaskName, Box<Task>>,
    /// Running waits.
    pub waits: BTreeMap<Waiting, Stopwatch>,
    /// The last segment opened.
    pub segment: Segment,
    /// Asks so far.
    pub asked: u32,
    /// Asks without an answer yet, with the task they are about.
    pub asks: BTreeMap<(Seq, u32), Option<TaskName>>,
    /// What is left of the budget.
    pub budget: Credits,
    /// What is left of the fees.
    pub fees: Credits,
    /// The highest Lamport value among the evidence applied; coordinators only.
    pub lamport: Lamport,
    /// Envelopes that took effect: a second time they have none. Coordinators only.
    pub acts: BTreeSet<Cid>,
    /// Organisations of the latest winners.
    pub winners: Vec<String>,
}

impl Record {
    /// The record of need `id`, before anything happened to it.
    pub fn new(id: NeedId) -> Self {
        Self {
            id,
            phase: Phase::Absent,
            need: None,
            epoch: Epoch::default(),
            snapshot: SnapshotRef::default(),
            k_plan: 0,
            voters: Vec::new(),
            proposals: BTreeMap::new(),
            candidates: Vec::new(),
            decision: None,
            handovers: Vec::new(),
            last_mandate: Digest::default(),
            generation: 0,
            owes_epoch: false,
            tasks: BTreeMap::new(),
            waits: BTreeMap::new(),
            segment: Segment::default(),
            asked: 0,
            asks: BTreeMap::new(),
            budget: Credits::default(),
            fees: Credits::default(),
            lamport: Lamport::default(),
            acts: BTreeSet::new(),
            winners: Vec::new(),
        }
    }

    /// The NEED's body.
    pub fn need(&self) -> Option<&Need> {
        match &self.need.as_ref()?.body {
            Body::Need(need) => Some(need),
            _ => None,
        }
    }

    /// The decided PROPOSE's body.
    pub fn proposal(&self) -> Option<&Propose> {
        match &self.decision.as_ref()?.proposal.body {
            Body::Propose(propose) => Some(propose),
            _ => None,
        }
    }

    /// Whose word counts for which seat of the register in this thread.
    pub fn voices<'a>(&'a self, genesis: &'a Genesis) -> Voices<'a> {
        Voices::new(&genesis.coordinators, &self.handovers)
    }

    /// The last generation of the register that was founded anew, as far as this thread was told.
    pub fn founded(&self) -> u32 {
        self.handovers.iter().filter_map(|handover| handover.founding).max().unwrap_or(0)
    }

    /// Whether `vote` was cast in the present epoch.
    pub fn is_of_epoch(&self, vote: &Envelope) -> bool {
        vote.epoch == Some(self.epoch) || planted(Mutant::OldEpochVoteCounts)
    }

    /// Whether nothing can happen to it any more.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// Whether it ended before it was opened.
    pub fn was_denied(&self) -> bool {
        self.is_over() && self.k_plan == 0
    }

    /// Which grants the results of a task's parents are of.
    pub(super) fn grants_of_parents(&self, name: &TaskName) -> Vec<Fence> {
        let plan = self.decision.as_ref().and_then(|decision| decision.plan.tasks().get(name));
        plan.into_iter().flat_map(|task| &task.parents).map(|parent| self.tasks[parent].fence).collect()
    }

    /// Whether what a task's work was begun on is void by now, also where another result has taken its place: then its work is, too.
    pub fn is_outdated(&self, name: &TaskName) -> bool {
        let plan = self.decision.as_ref().and_then(|decision| decision.plan.tasks().get(name));
        let is_void = |parent: &TaskName| !self.tasks[parent].is_final();
        let is_begun = self.tasks.get(name).is_some_and(|task| task.lease.is_some());
        plan.is_some_and(|task| task.parents.iter().any(is_void))
            || (is_begun && self.tasks[name].rests_on != self.grants_of_parents(name))
    }

    /// Whether this is the window of a result that is disputed: it cannot end meanwhile.
    pub fn is_contested(&self, waiting: &Waiting) -> bool {
        let (Waiting::Challenge(task) | Waiting::Late(task)) = waiting else { return false };
        self.tasks.get(task).is_some_and(|task| task.dispute.is_some())
    }

    /// The wait that `segment` belongs to, if it is running.
    pub fn waiting(&self, segment: Segment) -> Option<&Waiting> {
        let own = self.waits.iter().find(|(_, watch)| watch.segment == segment);
        let own = own.or_else(|| self.waits.first_key_value().filter(|_| planted(Mutant::SegmentUnchecked)));
        own.map(|(waiting, _)| waiting)
    }

    /// What every counted vote on the decided plan earns, rising.
    pub fn plan_fees(&self) -> Vec<Payout> {
        let fee = self.need().map_or(Credits(0), |n| n.fee);
        let counted = self.decision.iter().flat_map(|d| &d.counted);
        let mut due: Vec<_> = counted.map(|c| Payout { amount: fee, due: Due::PlanFee, to: c.verifier }).collect();
        due.sort_unstable();
        due
    }
}
