//! How a command becomes events, or a refusal.
//!
//! Two steps, never mixed: [`Record::check`] only looks and names what the command would do, so a coordinator can ask it
//! before it submits; doing it (the module `perform`) cannot fail.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::base::Base;
use crate::bids::{self, Bid};
use crate::config::Params;
use crate::genesis::Genesis;
use crate::id::{AgentId, Cid, Credits, Label, Lamport, Seq, TaskName, Thread};
use crate::lamport::AHEAD_MAX;
use crate::members::Mandate;
use crate::mutant::{Mutant, planted};
use crate::plan::{Plan, TaskState};
use crate::policy::is_same;
use crate::quorum::{self, Tally};
use crate::register::{Answer, Bench, Command, Counted, Event, Proof, Says, Word};
use crate::reject::Reject;
use crate::slot::dispute;
use crate::slot::perform::Doing;
use crate::slot::{Phase, Record, Task, Waiting};
use crate::time::Span;
use crate::wire::{
    AttestPlan, Body, Cancel, Challenge, Claim, Commit, Envelope, Need, Propose, Role, Verb, Verdict, bounds,
};

/// What is registered of an agent in a pool snapshot. Bids are scored from this alone, never from what a bid says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Id of its MANIFEST.
    pub manifest: Cid,
    /// Its organisation; empty is unknown.
    pub org: String,
    /// Basis points.
    pub reputation_bp: u32,
    /// What it is entitled to.
    pub roles: Vec<Role>,
    /// Names of what it can do.
    pub capabilities: Vec<Label>,
    /// What it had at hand.
    pub available: Credits,
}

/// Proposals that a need keeps of one planner: nobody takes all the room.
pub const PROPOSALS_EACH: usize = 2;

/// What a slot looks up of the system thread. Only what some entry of the slot has fixed (a snapshot by number, the genesis),
/// so that every coordinator sees the same.
pub trait Registry {
    /// What the deployment started from.
    fn genesis(&self) -> &Genesis;
    /// The deployment's parameters.
    fn params(&self) -> &Params {
        &self.genesis().params
    }
    /// What is registered of `agent` in snapshot `number`.
    fn standing(&self, number: u32, agent: &AgentId) -> Option<&Standing>;
    /// Whether the system thread, as far as it was read here, took this very mandate: then it was vetted there.
    fn took(&self, mandate: &Mandate) -> bool;
    /// Where generations of the register begin that were founded anew, as far as it is known here.
    fn bases(&self) -> &[Arc<Base>];
}

/// What a command that passed its checks does.
#[derive(Clone, Debug)]
pub(super) enum Move {
    Open(Arc<Envelope>),
    Propose(Arc<Envelope>, u32),
    Decide {
        counted: Vec<Counted>,
        proposal: Cid,
    },
    /// No proposal can be approved any more; the best-approved go on.
    Split(Vec<Cid>),
    Bid(TaskName, Bid),
    /// The lease goes on, by so many milliseconds.
    Renew(TaskName, u32),
    Yield(TaskName),
    Cancel(Vec<TaskName>),
    CancelAll,
    Accept(TaskName, Arc<Envelope>),
    /// The committee's verdict; none if it split.
    Judge {
        task: TaskName,
        verdict: Option<Verdict>,
        counted: Vec<Counted>,
    },
    /// A final result is disputed, with so much of its window left.
    Challenge {
        task: TaskName,
        bench: Bench,
        challenge: Arc<Envelope>,
        left: Span,
    },
    /// A dispute's committee has ruled; nothing if it cannot agree.
    Rule {
        task: TaskName,
        ruling: Option<bool>,
        counted: Vec<Counted>,
    },
    /// A wrong result is said to be a decoy.
    Unmask {
        task: TaskName,
        unmask: Arc<Envelope>,
    },
    /// What the event says, and nothing else.
    Note(Event),
    Answer {
        answer: Answer,
        seq: Seq,
        at: u32,
    },
}

impl Record {
    /// Applies `command` as the entry at `seq`: events, in order, or a refusal that leaves the record as it was.
    ///
    /// # Errors
    /// Why the command has no effect.
    pub fn apply(&mut self, seq: Seq, command: &Command, registry: &impl Registry) -> Result<Vec<Event>, Reject> {
        let step = self.examine(seq, command, registry)?;
        self.remember(command);
        Ok(Doing::on(self, registry, seq).whole(step))
    }

    /// Whether `command` would take effect as the entry at `seq`.
    ///
    /// # Errors
    /// Why it would not.
    pub fn check(&self, seq: Seq, command: &Command, registry: &impl Registry) -> Result<(), Reject> {
        self.examine(seq, command, registry).map(|_| ())
    }

    /// As [`Record::check`], for a coordinator's word that may have no signature yet.
    ///
    /// # Errors
    /// Why it would have no effect.
    pub fn check_word(&self, word: &Word, registry: &impl Registry) -> Result<(), Reject> {
        if self.is_over() {
            return Err(Reject::WrongPhase);
        }
        self.timed(word, registry.genesis()).map(|_| ())
    }

    /// Notes the evidence of a command that takes effect.
    fn remember(&mut self, command: &Command) {
        match command {
            Command::Act(envelope) => {
                self.lamport = self.reached(envelope.lamport);
                self.acts.insert(envelope.id());
            }
            Command::Count(votes) => {
                votes.iter().for_each(|vote| self.lamport = self.reached(vote.lamport));
            }
            _ => {}
        }
    }

    /// How far evidence of this Lamport value brings the thread: one from far ahead would end everything that expires by it.
    fn reached(&self, lamport: Lamport) -> Lamport {
        self.lamport.max(lamport.min(Lamport(self.lamport.0.saturating_add(AHEAD_MAX))))
    }

    fn examine(&self, seq: Seq, command: &Command, registry: &impl Registry) -> Result<Move, Reject> {
        // One HEARTBEAT prolongs a lease once and one CANCEL ends what is idle once, however often they are submitted. First
        // of all, because a copy is no offence, whenever it comes.
        if let Command::Act(envelope) = command
            && self.acts.contains(&envelope.id())
        {
            return Err(Reject::Duplicate);
        }
        if self.is_over() {
            return Err(Reject::WrongPhase);
        }
        match command {
            Command::Act(envelope) => self.act(seq, envelope, registry),
            Command::Count(votes) => match votes.first().map(|v| v.verb()) {
                Some(Verb::AttestPlan) => self.count_plan_votes(seq, votes),
                Some(Verb::Attest) => self.count_verdicts(seq, votes),
                Some(Verb::Verdict) => self.count_rulings(seq, votes),
                _ => Err(Reject::NoEvidence),
            },
            Command::Relay(proof) => self.answered(proof, registry),
            Command::Word(word) => self.timed(word, registry.genesis()).map(Move::Note),
            // Only a need that was taken up has members.
            Command::Mandate(_) if self.phase == Phase::Absent => Err(Reject::WrongPhase),
            Command::Mandate(mandate) => {
                mandate.follows(registry.genesis(), &self.handovers, self.generation, &self.last_mandate)?;
                if !registry.took(mandate) {
                    mandate.vet(registry.genesis())?;
                }
                let mandate = Arc::clone(mandate);
                Ok(Move::Note(match mandate.generation() {
                    None => Event::Replaced { mandate },
                    Some(_) => Event::Restored { mandate },
                }))
            }
            Command::Snapshot { .. } | Command::Start { .. } => Err(Reject::WrongFields),
        }
    }

    /// What a coordinator's word would do, signed or not: here it can only be of its stopwatch.
    fn timed(&self, word: &Word, genesis: &Genesis) -> Result<Event, Reject> {
        let Says::Elapsed { elapsed, segment } = word.says else { return Err(Reject::WrongFields) };
        if word.thread != Thread::Need(self.id) {
            return Err(Reject::WrongFields);
        }
        let waiting = self.waiting(segment).ok_or(Reject::WrongSegment)?;
        if !self.voices(genesis).holds(&word.by) {
            return Err(Reject::NotEntitled);
        }
        if self.waits[waiting].has_heard(&word.by, elapsed) {
            return Err(Reject::Duplicate);
        }
        Ok(Event::Reported { by: word.by, elapsed, segment })
    }

    fn act(&self, seq: Seq, envelope: &Arc<Envelope>, registry: &impl Registry) -> Result<Move, Reject> {
        self.evidence(seq, envelope)?;
        match &envelope.body {
            Body::Need(need) => self.open(envelope, need, registry.params()),
            Body::Propose(propose) => self.propose(envelope, propose, registry),
            Body::Claim(claim) => self.bid(envelope, claim, registry),
            Body::Heartbeat(beat) => {
                self.holder(envelope, &beat.task, TaskState::Leased)?;
                let lease = self.tasks[&beat.task].lease.as_ref().expect("a leased task has a lease");
                let lease_ms = self.need().map_or(1, |n| n.windows.lease_ms);
                // One at a time waits behind the stretch that runs: whoever has them ordered early takes nothing from the holder.
                if lease.rest_ms > 0 {
                    return Err(Reject::NotBetter);
                }
                let most = u64::from(lease.bid.eta_ms) * u64::from(registry.params().lease_stretch_bp) / 10_000;
                // A renewal lasts a whole lease again; the last one only as long as is left of the stretched eta.
                match u32::try_from(most.saturating_sub(lease.granted_ms)).unwrap_or(u32::MAX).min(lease_ms) {
                    0 => Err(Reject::OutOfBounds),
                    more => Ok(Move::Renew(beat.task.clone(), more)),
                }
            }
            Body::Yield(body) => {
                self.holder(envelope, &body.task, TaskState::Leased)?;
                Ok(Move::Yield(body.task.clone()))
            }
            Body::Cancel(cancel) => self.cancel(envelope, cancel),
            Body::Commit(commit) => self.commit(envelope, commit),
            Body::Challenge(challenge) => self.challenge(envelope, challenge, registry),
            Body::Unmask(unmask) => self.unmask(envelope, unmask),
            Body::Attest(attest) => self.passed(envelope, attest),
            _ => Err(Reject::WrongFields),
        }
    }

    /// Whether an envelope may count as evidence in this thread, at this place.
    fn evidence(&self, seq: Seq, envelope: &Envelope) -> Result<(), Reject> {
        // Were a NEED taken up in another thread, its requester's credits would be set aside there and never come back.
        if envelope.thread != Thread::Need(self.id) {
            return Err(Reject::NoEvidence);
        }
        if envelope.expires.is_some_and(|expires| expires.is_over(seq, self.lamport)) {
            return Err(Reject::Expired);
        }
        // A need keeps the policy that it was opened under to its end.
        if self.need.as_ref().is_some_and(|need| !is_same(&need.policy.engine, &envelope.policy.engine)) {
            return Err(Reject::EngineMismatch);
        }
        Ok(())
    }

    fn open(&self, envelope: &Arc<Envelope>, need: &Need, params: &Params) -> Result<Move, Reject> {
        if self.phase != Phase::Absent {
            return Err(Reject::Duplicate);
        }
        terms(need, params)?;
        Ok(Move::Open(Arc::clone(envelope)))
    }

    fn propose(&self, envelope: &Arc<Envelope>, propose: &Propose, registry: &impl Registry) -> Result<Move, Reject> {
        let need = self.need().ok_or(Reject::NoSuchThing)?;
        if !self.waits.contains_key(&Waiting::Proposals) {
            return Err(Reject::WrongPhase);
        }
        let standing = self.entitled(envelope, Role::Planner, registry)?;
        let again = |kept: &Arc<Envelope>| match &kept.body {
            Body::Propose(other) => kept.sender == envelope.sender && other.ballot == propose.ballot,
            _ => false,
        };
        if self.proposals.values().any(|(kept, _)| again(kept)) {
            return Err(Reject::Duplicate);
        }
        let own = self.proposals.values().filter(|(kept, _)| kept.sender == envelope.sender).count();
        if own >= PROPOSALS_EACH || self.proposals.len() >= registry.params().proposals_max as usize {
            return Err(Reject::NoRoom);
        }
        // Keys cost nothing. Each that plans needs as much behind it as one that would hold the whole need as a task.
        if standing.available < bond(need.budget, registry.params()) {
            return Err(Reject::NotEnough);
        }
        // Whoever is asked to approve it must be able to say so: it travels again inside its DECIDE.
        if envelope.bytes().len() > bounds::propose_bytes_max(need.k_plan) {
            return Err(Reject::Oversize);
        }
        Plan::of(need, propose)?;
        let cost = propose.cost_caps.values().map(|c| c.0).sum::<u64>();
        let bounds = bids::Bounds { cost_cap: need.budget, deadline_ms: need.deadline_ms };
        let score = bids::score(Credits(cost), propose.eta_ms, bounds, self.bidder(standing, &need.recipe))?;
        Ok(Move::Propose(Arc::clone(envelope), score))
    }

    /// The sender's standing in the recorded snapshot, if it may act as `role` under the manifest it cites.
    fn entitled<'a>(
        &self,
        envelope: &Envelope,
        role: Role,
        registry: &'a impl Registry,
    ) -> Result<&'a Standing, Reject> {
        let standing = registry.standing(self.snapshot.number, &envelope.sender).ok_or(Reject::NotEntitled)?;
        if standing.manifest != envelope.capability.manifest
            || !standing.capabilities.contains(&envelope.capability.name)
        {
            return Err(Reject::NotInManifest);
        }
        if !standing.roles.contains(&role) {
            return Err(Reject::WrongRole);
        }
        Ok(standing)
    }

    fn bid(&self, envelope: &Arc<Envelope>, claim: &Claim, registry: &impl Registry) -> Result<Move, Reject> {
        let need = self.need().ok_or(Reject::NoSuchThing)?;
        if envelope.epoch != Some(self.epoch) {
            return Err(Reject::StaleEpoch);
        }
        let task = self.tasks.get(&claim.task).ok_or(Reject::NoSuchThing)?;
        // A price asked in an earlier window was asked for another attempt: nobody is bound to it in this one.
        if envelope.fence.unwrap_or_default() != task.fence {
            return Err(Reject::StaleFence);
        }
        if !self.waits.contains_key(&Waiting::Bids(claim.task.clone())) {
            return Err(Reject::WrongPhase);
        }
        let standing = self.entitled(envelope, Role::Worker, registry)?;
        if task.barred.contains(&envelope.sender) {
            return Err(Reject::NotEntitled);
        }
        let decision = self.decision.as_ref().expect("a task comes from a decision");
        let planned = &decision.plan.tasks()[&claim.task];
        if claim.cost > self.budget {
            return Err(Reject::OutOfBounds);
        }
        // Were it kept, it would keep others out for a window, and could not be granted.
        if standing.available < bond(planned.cost_cap, registry.params()) {
            return Err(Reject::NotEnough);
        }
        let bounds = bids::Bounds { cost_cap: planned.cost_cap, deadline_ms: need.deadline_ms };
        let bid = Bid {
            agent: envelope.sender,
            cost: claim.cost,
            eta_ms: claim.eta_ms,
            id: envelope.id(),
            lamport: envelope.lamport,
            score: bids::score(claim.cost, claim.eta_ms, bounds, self.bidder(standing, &planned.job))?,
        };
        task.window.admits(&bid, registry.params())?;
        Ok(Move::Bid(claim.task.clone(), bid))
    }

    /// What the score may know of a bidder.
    fn bidder(&self, standing: &Standing, job: &Label) -> bids::Standing {
        bids::Standing {
            fit_bp: if standing.capabilities.contains(job) { 10_000 } else { 5_000 },
            fresh_org: bids::fresh_org(&standing.org, &self.winners),
            reputation_bp: standing.reputation_bp,
        }
    }

    /// Checks that the sender holds `task` under exactly the epoch and fence it names, and that the task is in `state`.
    fn holder(&self, envelope: &Envelope, task: &TaskName, state: TaskState) -> Result<&Task, Reject> {
        if envelope.epoch != Some(self.epoch) {
            return Err(Reject::StaleEpoch);
        }
        let task = self.tasks.get(task).ok_or(Reject::NoSuchThing)?;
        if planted(Mutant::FenceUnchecked) && task.state == state {
            return Ok(task);
        }
        if envelope.fence != Some(task.fence) {
            return Err(Reject::StaleFence);
        }
        if task.state != state {
            return Err(Reject::WrongPhase);
        }
        if task.lease.as_ref().is_none_or(|l| l.bid.agent != envelope.sender) {
            return Err(Reject::NotEntitled);
        }
        Ok(task)
    }

    fn cancel(&self, envelope: &Envelope, cancel: &Cancel) -> Result<Move, Reject> {
        let need = self.need.as_ref().ok_or(Reject::NoSuchThing)?;
        if need.sender != envelope.sender {
            return Err(Reject::NotEntitled);
        }
        // What is being unmasked is not cancelled: those who passed it would go free.
        let idle = |task: &TaskName| {
            self.tasks.get(task).is_some_and(|t| t.state == TaskState::Idle && t.unmasking().is_none())
        };
        match &cancel.task {
            Some(task) if idle(task) => Ok(Move::Cancel(alloc::vec![task.clone()])),
            Some(_) => Err(Reject::WrongPhase),
            None if self.phase == Phase::Open => Ok(Move::CancelAll),
            None => {
                let all: Vec<_> = self.tasks.keys().filter(|t| idle(t)).cloned().collect();
                if all.is_empty() { Err(Reject::WrongPhase) } else { Ok(Move::Cancel(all)) }
            }
        }
    }

    fn commit(&self, envelope: &Arc<Envelope>, commit: &Commit) -> Result<Move, Reject> {
        self.holder(envelope, &commit.task, TaskState::Leased)?;
        let plan = &self.decision.as_ref().expect("a held task comes from a decision").plan;
        let produces = &plan.tasks()[&commit.task].produces;
        if commit.outputs.len() != produces.len() || produces.iter().any(|label| !commit.outputs.contains_key(label)) {
            return Err(Reject::BadPlan);
        }
        Ok(Move::Accept(commit.task.clone(), Arc::clone(envelope)))
    }

    /// Whoever had the bond when the need was opened may dispute a final result while its window runs, or while it is settled and not paid:
    /// one at a time, and nobody again once a committee has heard it.
    fn challenge(
        &self,
        envelope: &Arc<Envelope>,
        challenge: &Challenge,
        registry: &impl Registry,
    ) -> Result<Move, Reject> {
        if envelope.epoch != Some(self.epoch) {
            return Err(Reject::StaleEpoch);
        }
        let task = self.tasks.get(&challenge.task).ok_or(Reject::NoSuchThing)?;
        if envelope.fence != Some(task.fence) {
            return Err(Reject::StaleFence);
        }
        if task.commit.as_ref().is_none_or(|commit| commit.id() != challenge.commit) {
            return Err(Reject::NoSuchThing);
        }
        let need = self.need().ok_or(Reject::NoSuchThing)?;
        if !task.commit.as_deref().is_some_and(|commit| challenge.evidence.is_about(commit, need)) {
            return Err(Reject::NoEvidence);
        }
        if challenge.evidence.accused().is_some_and(|accused| !task.proofs.contains_key(&accused)) {
            return Err(Reject::NoEvidence);
        }
        if !task.may_hear(&envelope.sender) || !task.may_fell(&challenge.evidence) {
            return Err(Reject::Duplicate);
        }
        let arbiters = !registry.genesis().arbiters.is_empty();
        let bench = task.bench_for(&challenge.evidence, arbiters).ok_or(Reject::Duplicate)?;
        let name = || challenge.task.clone();
        let window = match task.state {
            TaskState::Final => Waiting::Challenge(name()),
            // What is settled is paid, and an opinion takes nothing else.
            TaskState::Settled if !challenge.evidence.is_opinion() => Waiting::Late(name()),
            _ => return Err(Reject::WrongPhase),
        };
        // One at a time.
        let watch = self.waits.get(&window).filter(|_| task.dispute.is_none()).ok_or(Reject::WrongPhase)?;
        // One dispute keeps all others waiting until the books are asked: whoever could not pay for that keeps nobody.
        let commit = task.committed().ok_or(Reject::NoSuchThing)?;
        let able = registry.standing(self.snapshot.number, &envelope.sender).map_or(Credits(0), |s| s.available);
        if able < dispute::bond(registry.params(), envelope, commit) {
            return Err(Reject::NotEnough);
        }
        let left =
            watch.total.saturating_sub(watch.agreed(registry.params().end_at(registry.genesis().coordinators.len())));
        Ok(Move::Challenge { task: name(), bench, challenge: Arc::clone(envelope), left })
    }

    fn count_rulings(&self, seq: Seq, votes: &[Arc<Envelope>]) -> Result<Move, Reject> {
        let Some(Body::Verdict(first)) = votes.first().map(|v| &v.body) else { return Err(Reject::NoEvidence) };
        let task = self.tasks.get(&first.task).ok_or(Reject::NoSuchThing)?;
        let dispute = task.dispute.as_ref().filter(|dispute| !dispute.seats.is_empty()).ok_or(Reject::WrongPhase)?;
        let mut tally = Tally::new(dispute.k_ruling, dispute.seats.iter().copied());
        for vote in self.of_this_epoch(seq, votes)? {
            let Body::Verdict(ruling) = &vote.body else { return Err(Reject::NoEvidence) };
            let present = ruling.challenge == dispute.challenge.id() && vote.fence == Some(task.fence);
            if ruling.task != first.task || !present {
                return Err(Reject::StaleFence);
            }
            tally.count(&vote.sender, ruling.upheld)?;
        }
        let ruling = match tally.outcome() {
            quorum::Outcome::Reached(upheld) => Some(upheld || planted(Mutant::AccuserBelieved)),
            quorum::Outcome::Impossible => None,
            quorum::Outcome::Undecided => return Err(Reject::NoQuorum),
        };
        let agrees = |vote: &&Arc<Envelope>| matches!(&vote.body, Body::Verdict(said) if Some(said.upheld) == ruling);
        let counted = votes.iter().filter(agrees).map(|v| counted(v)).collect();
        Ok(Move::Rule { task: first.task.clone(), ruling, counted })
    }

    fn count_plan_votes(&self, seq: Seq, votes: &[Arc<Envelope>]) -> Result<Move, Reject> {
        let open = self.phase == Phase::Open || planted(Mutant::DecidesAgain);
        if !open || self.candidates.is_empty() || self.voters.is_empty() {
            return Err(Reject::WrongPhase);
        }
        let mut tally = Tally::new(self.k_plan, self.voters.iter().copied());
        for vote in self.of_this_epoch(seq, votes)? {
            let Body::AttestPlan(AttestPlan { proposal, .. }) = &vote.body else { return Err(Reject::NoEvidence) };
            if proposal.is_some_and(|p| !self.candidates.contains(&p)) {
                return Err(Reject::NoSuchThing);
            }
            tally.count(&vote.sender, *proposal)?;
        }
        match tally.outcome() {
            quorum::Outcome::Reached(Some(proposal)) => {
                let approves = |vote: &&Arc<Envelope>| matches!(&vote.body, Body::AttestPlan(attest) if attest.proposal == Some(proposal));
                Ok(Move::Decide { counted: votes.iter().filter(approves).map(|v| counted(v)).collect(), proposal })
            }
            quorum::Outcome::Undecided => Err(Reject::NoQuorum),
            // Whoever was approved most goes on; if nobody was, new proposals are called for.
            quorum::Outcome::Reached(None) | quorum::Outcome::Impossible => {
                Ok(Move::Split(tally.standing().into_iter().filter_map(|(proposal, _)| proposal).take(2).collect()))
            }
        }
    }

    fn count_verdicts(&self, seq: Seq, votes: &[Arc<Envelope>]) -> Result<Move, Reject> {
        let Some(Body::Attest(first)) = votes.first().map(|v| &v.body) else { return Err(Reject::NoEvidence) };
        let task = self.tasks.get(&first.task).ok_or(Reject::NoSuchThing)?;
        if task.state != TaskState::Verifying {
            return Err(Reject::WrongPhase);
        }
        let mut tally = Tally::new(task.k_result, task.seats.iter().copied());
        for vote in self.of_this_epoch(seq, votes)? {
            let Body::Attest(attest) = &vote.body else { return Err(Reject::NoEvidence) };
            if attest.task != first.task || !task.is_judged_by(attest.commit, vote.fence) {
                return Err(Reject::StaleFence);
            }
            tally.count(&vote.sender, attest.verdict)?;
        }
        let verdict = match tally.outcome() {
            quorum::Outcome::Reached(verdict) => Some(verdict),
            quorum::Outcome::Impossible => None,
            quorum::Outcome::Undecided => return Err(Reject::NoQuorum),
        };
        let agrees =
            |vote: &&Arc<Envelope>| matches!(&vote.body, Body::Attest(attest) if Some(attest.verdict) == verdict);
        let counted = votes.iter().filter(agrees).map(|v| counted(v)).collect();
        Ok(Move::Judge { task: first.task.clone(), verdict, counted })
    }

    /// The votes, once it is sure that they stand by rising id, in this thread, under the present epoch.
    fn of_this_epoch<'a>(&self, seq: Seq, votes: &'a [Arc<Envelope>]) -> Result<&'a [Arc<Envelope>], Reject> {
        if !votes.windows(2).all(|pair| pair[0].id() < pair[1].id()) {
            return Err(Reject::NonCanonical);
        }
        for vote in votes {
            self.evidence(seq, vote)?;
            if !self.is_of_epoch(vote) {
                return Err(Reject::StaleEpoch);
            }
        }
        Ok(votes)
    }

    /// Whether the answer that `proof` speaks of is waited for.
    ///
    /// # Errors
    /// `Duplicate` if it was taken, `NoEvidence` if it answers somebody else, `WrongPhase` if the need has ended.
    pub fn awaits(&self, proof: &Proof) -> Result<(), Reject> {
        if self.is_over() {
            return Err(Reject::WrongPhase);
        }
        match (proof.thread, proof.claim()) {
            (Thread::System, Some(Event::Answered { at, need, seq, .. })) if *need == self.id => {
                if self.asks.contains_key(&(*seq, *at)) { Ok(()) } else { Err(Reject::Duplicate) }
            }
            _ => Err(Reject::NoEvidence),
        }
    }

    /// Whether a mandate that was vetted before has yet to take effect here.
    ///
    /// # Errors
    /// Why it would have none.
    pub fn lacks(&self, mandate: &Mandate, genesis: &Genesis) -> Result<(), Reject> {
        if self.is_over() || self.phase == Phase::Absent {
            return Err(Reject::WrongPhase);
        }
        mandate.follows(genesis, &self.handovers, self.generation, &self.last_mandate)
    }

    fn answered(&self, proof: &Proof, registry: &impl Registry) -> Result<Move, Reject> {
        self.awaits(proof)?;
        let voices = self.voices(registry.genesis()).on(registry.bases());
        match proof.check(voices, registry.params().believe_at(voices.seats()))? {
            Event::Answered { answer, at, seq, .. } => Ok(Move::Answer { answer: answer.clone(), seq: *seq, at: *at }),
            _ => Err(Reject::NoEvidence),
        }
    }
}

/// Whether a need can be taken up at all: what nobody needs the register to see, so that one which never will be opened binds
/// nobody.
///
/// # Errors
/// `OutOfBounds`.
pub fn terms(need: &Need, params: &Params) -> Result<(), Reject> {
    // A seat that costs nothing would bind a verifier's stake for nothing.
    if need.fee.0 == 0 || need.fee > need.class.fee_max() || need.k_plan == 0 || need.k_result == 0 {
        return Err(Reject::OutOfBounds);
    }
    let waits = &need.windows;
    let floors = [
        (waits.challenge_ms, params.challenge_min_ms),
        (waits.decision_ms, params.decision_min_ms),
        (waits.lease_ms, params.lease_min_ms),
        (waits.verify_ms, params.verify_min_ms),
    ];
    if floors.iter().any(|(asked, least)| asked < least) {
        return Err(Reject::OutOfBounds);
    }
    let votes = u64::from(need.k_plan) + u64::from(need.k_result) + u64::from(params.seats_spare);
    let least = need.fee.0.checked_mul(votes).ok_or(Reject::OutOfBounds)?;
    let total = need.budget.0.checked_add(need.fees.0).ok_or(Reject::OutOfBounds)?;
    if need.fees.0 < least || need.budget.0 == 0 || total > params.supply_max.0 {
        return Err(Reject::OutOfBounds);
    }
    Ok(())
}

/// What it costs to hold a task that may cost `cap`, for whoever lets it down: where it costs a bond at all, it costs one. A
/// share of the price asked would be nothing to one that asks for nothing, and wins by it.
pub(super) fn bond(cap: Credits, params: &Params) -> Credits {
    cap.share(params.bond_bp).max(Credits(u64::from(params.bond_bp > 0)))
}

fn counted(vote: &Envelope) -> Counted {
    let proof = match &vote.body {
        Body::Attest(attest) => Some(attest.proof),
        _ => None,
    };
    Counted { attest: vote.id(), engine: vote.policy.engine, proof, verifier: vote.sender }
}

/// How long a holder may rely on a lease that it learned of at `now`: a margin below what the coordinators count.
pub fn lease_margin(lease: Span) -> Span {
    lease.scale(8, 10)
}

/// When its holder may ask for another stretch: a margin behind the half, from which on coordinators hear of it.
pub fn renewable(lease: Span) -> Span {
    lease.scale(55, 100)
}
