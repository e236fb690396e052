//! What a command that passed its checks does to a record. Nothing here can fail.
//!
//! What follows without a command of its own (a window's end grants, the last parent's finality opens its child for bids) is
//! found by `settle_down` after every command.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::bids::Bid;
use crate::config::ms;
use crate::id::{Cid, Credits, Epoch, Fence, Seq, TaskName};
use crate::mutant::{Mutant, planted};
use crate::plan::{Plan, TaskState};
use crate::register::{Answer, Ask, BondFate, Counted, Ending, Event};
use crate::slot::apply::{Move, bond};
use crate::slot::{Phase, Record, Registry, Stopwatch, Waiting};
use crate::time::Span;
use crate::wire::{Due, FinalizeRecord, Need, Payout, ReleaseReason, Verdict};

/// A record being changed by one entry.
pub(super) struct Doing<'a, R> {
    pub(super) record: &'a mut Record,
    pub(super) registry: &'a R,
    seq: Seq,
    events: Vec<Event>,
}

impl<'a, R: Registry> Doing<'a, R> {
    /// About to do what the entry at `seq` asks.
    pub(super) fn on(record: &'a mut Record, registry: &'a R, seq: Seq) -> Self {
        Self { record, registry, seq, events: Vec::new() }
    }

    /// Does `step` and all that follows from it; the events, in order.
    pub(super) fn whole(mut self, step: Move) -> Vec<Event> {
        self.perform(step);
        self.settle_down();
        self.events
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.record.fold(self.seq, self.events.len() as u32, &event);
        self.events.push(event);
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        let number = self.record.asked + 1;
        self.emit(Event::Asked { ask, number });
    }

    pub(super) fn wait(&mut self, waiting: Waiting, total_ms: u32) {
        self.wait_for(waiting, ms(total_ms));
    }

    /// Waits for `total`; what is over at once takes a moment, in which it can be reported.
    pub(super) fn wait_for(&mut self, waiting: Waiting, total: Span) {
        let segment = crate::id::Segment(self.record.segment.0 + 1);
        let guards = matches!(waiting, Waiting::Challenge(_) | Waiting::Late(_));
        let total = if guards && planted(Mutant::WindowHalved) { Span(total.0 / 2) } else { total };
        self.emit(Event::WaitOpened { segment, total: total.max(ms(1)), waiting });
    }

    pub(super) fn stop(&mut self, waiting: Waiting) {
        if self.record.waits.contains_key(&waiting) {
            self.emit(Event::WaitClosed { waiting });
        }
    }

    pub(super) fn need(&self) -> &Need {
        self.record.need().expect("a need that moves was opened")
    }

    fn perform(&mut self, step: Move) {
        match step {
            Move::Open(need) => {
                self.emit(Event::Opening { need });
                let (need, body) = (self.record.need.clone().expect("just opened"), self.need());
                let amount = Credits(body.budget.0 + body.fees.0);
                let k_plan = body.k_plan;
                self.ask(Ask::Escrow { amount, engine: need.policy.engine, k_plan, requester: need.sender });
            }
            Move::Propose(proposal, score) => self.emit(Event::Proposed { proposal, score }),
            Move::Decide { counted, proposal } => {
                if !planted(Mutant::VoteGoesOn) {
                    self.stop(Waiting::Decision);
                }
                self.emit(Event::Decided { counted, proposal });
            }
            Move::Split(candidates) => self.pass_epoch(candidates),
            Move::Bid(task, bid) => self.emit(Event::Bid { bid, task }),
            Move::Renew(task, more_ms) => {
                let fence = self.record.tasks[&task].fence;
                self.emit(Event::Renewed { fence, more_ms, task });
            }
            Move::Yield(task) => {
                self.stop(Waiting::Lease(task.clone()));
                let fate = if planted(Mutant::YieldsFree) { BondFate::Back } else { BondFate::LessFee };
                self.release(task, ReleaseReason::Yielded, fate, Vec::new());
            }
            Move::Cancel(tasks) => {
                for task in tasks {
                    self.end_task(task, Ending::Cancelled);
                }
            }
            Move::CancelAll => self.close(Ending::Cancelled),
            Move::Accept(task, commit) => {
                self.stop(Waiting::Lease(task.clone()));
                let fence = self.record.tasks[&task].fence;
                self.emit(Event::Accepted { commit, fence, task: task.clone() });
                self.ask_for_seats(task);
            }
            Move::Judge { task, verdict, counted } => self.judge(task, verdict, counted),
            Move::Challenge { task, bench, challenge, left } => {
                self.emit(Event::Challenged { bench, challenge, left, task: task.clone() });
                self.ask_for_a_panel(task);
            }
            Move::Rule { task, ruling: Some(upheld), counted } => {
                self.stop(Waiting::Ruling(task.clone()));
                self.conclude(task, Some(upheld), counted);
            }
            Move::Rule { task, .. } => {
                self.stop(Waiting::Ruling(task.clone()));
                self.unruled(task);
            }
            Move::Unmask { task, unmask } => self.ask_for_the_mask(task, unmask),
            Move::Note(event) => self.emit(event),
            Move::Answer { answer, seq, at } => self.take_answer(answer, seq, at),
        }
    }

    fn take_answer(&mut self, answer: Answer, seq: Seq, at: u32) {
        let task = self.record.asks.get(&(seq, at)).cloned().flatten();
        self.emit(Event::Answered { answer: answer.clone(), at, need: self.record.id, seq });
        match (answer, task) {
            (Answer::Escrowed { k_plan, snapshot, voters } | Answer::Voters { k_plan, snapshot, voters }, None) => {
                let epoch = self.record.epoch;
                self.emit(Event::Opened { epoch, k_plan, snapshot, voters });
                let windows = self.need().windows;
                if self.record.candidates.is_empty() {
                    self.wait(Waiting::Proposals, windows.proposals_ms);
                } else {
                    self.wait(Waiting::Decision, windows.decision_ms);
                }
            }
            (Answer::Granted, Some(task)) => {
                let fence = self.record.tasks[&task].fence;
                self.emit(Event::Leased { fence, task: task.clone() });
                let lease_ms = self.need().windows.lease_ms;
                self.wait(Waiting::Lease(task), lease_ms);
            }
            (answer, Some(task)) if self.record.tasks[&task].dispute.is_some() => self.take_panel(answer, task),
            (answer, Some(task)) if self.record.tasks[&task].unmasking().is_some() => self.take_mask(&answer, task),
            (Answer::Seated { k_result, seats, seed, snapshot }, Some(task)) => {
                self.emit(Event::Seated { k_result, seats, seed, snapshot, task: task.clone() });
                let verify_ms = self.need().windows.verify_ms;
                self.wait(Waiting::Verdicts(task), verify_ms);
            }
            (Answer::Denied(_), Some(task)) if self.record.tasks[&task].state == TaskState::Granting => {
                let fence = self.record.tasks[&task].fence;
                self.emit(Event::Released { fence, reason: ReleaseReason::Unbonded, task });
            }
            (Answer::Denied(_), Some(task)) => {
                self.emit(Event::Unseated { task: task.clone() });
                if self.record.is_outdated(&task) {
                    // What it was made of is void: nobody has to sit over it, and the need is not lost with it (T77).
                    self.release(task, ReleaseReason::Voided, BondFate::Back, Vec::new());
                } else if self.record.tasks[&task].draws >= self.registry.params().draws_max {
                    self.release(task.clone(), ReleaseReason::Unseated, BondFate::Back, Vec::new());
                    self.end_task(task, Ending::Failed);
                } else {
                    let verify_ms = self.need().windows.verify_ms;
                    self.wait(Waiting::Redraw(task), verify_ms);
                }
            }
            // The escrow cannot be had, or nobody can vote.
            (Answer::Denied(_), None) => {
                let opened = self.record.phase == Phase::Open;
                if opened {
                    self.close(Ending::Failed);
                } else {
                    self.emit(Event::Over { ending: Ending::Failed });
                }
            }
            (answer, task) => unreachable!("{answer:?} does not answer what was asked about {task:?}"),
        }
    }

    fn pass_epoch(&mut self, candidates: Vec<Cid>) {
        let counter = self.record.epoch.0 & 0xffff_ffff;
        if !self.record.owes_epoch && counter >= u64::from(self.registry.params().epochs_max) {
            return self.close(Ending::Failed);
        }
        let (present, generation) = (self.record.epoch, self.record.generation);
        let epoch = match present.generation() < generation {
            // Higher than every epoch that anyone may have opened in what is lost (T78).
            true if planted(Mutant::RestoreReusesEpoch) => present,
            true => Epoch::first_of(generation),
            false => present.next(),
        };
        self.emit(Event::EpochPassed { epoch });
        self.emit(Event::Voting { candidates });
        let k_plan = self.need().k_plan;
        self.ask(Ask::Voters { epoch, k_plan });
    }

    fn ask_for_seats(&mut self, name: TaskName) {
        let task = &self.record.tasks[&name];
        let (lease, commit) = (task.lease.as_ref().expect("held"), task.commit.as_ref().expect("committed"));
        let decision = self.record.decision.as_ref().expect("decided");
        let ask = Ask::Seats {
            commit: commit.id(),
            fence: task.fence,
            k_result: task.k_target(self.need().k_result),
            lien: self.registry.params().lien_for(self.need().fee),
            planner: decision.proposal.sender,
            worker: lease.bid.agent,
            task: name,
        };
        self.ask(ask);
    }

    fn judge(&mut self, name: TaskName, verdict: Option<Verdict>, counted: Vec<Counted>) {
        self.stop(Waiting::Verdicts(name.clone()));
        let fee = self.need().fee;
        let mut payouts: Vec<_> =
            counted.iter().map(|c| Payout { amount: fee, due: Due::Fee, to: c.verifier }).collect();
        match verdict {
            Some(Verdict::Pass) => {
                self.emit(Event::Judged { counted: counted.clone(), task: name.clone(), verdict: Verdict::Pass });
                let record = self.finalize(name.clone(), payouts, &counted);
                self.emit(Event::Final { record: Arc::new(record) });
                let challenge_ms = self.need().windows.challenge_ms;
                self.wait(Waiting::Challenge(name), challenge_ms);
            }
            Some(Verdict::Fail) => {
                payouts.sort_unstable();
                self.emit(Event::Judged { counted, task: name.clone(), verdict: Verdict::Fail });
                self.release(name, ReleaseReason::Failed, BondFate::Forfeit, payouts);
            }
            // Neither verdict was reached: a failure, but nobody's fault.
            None => self.release(name, ReleaseReason::Failed, BondFate::Back, Vec::new()),
        }
    }

    fn finalize(&self, name: TaskName, mut payouts: Vec<Payout>, counted: &[Counted]) -> FinalizeRecord {
        let task = &self.record.tasks[&name];
        let (lease, commit) = (task.lease.as_ref().expect("held"), task.commit.as_ref().expect("committed"));
        payouts.push(Payout { amount: lease.bid.cost, due: Due::Price, to: lease.bid.agent });
        payouts.sort_unstable();
        let mut engines: Vec<_> = counted.iter().map(|c| c.engine).collect();
        engines.sort_unstable();
        engines.dedup();
        FinalizeRecord {
            attestations: counted.iter().map(|c| c.attest).collect(),
            commit: commit.id(),
            engines,
            epoch: self.record.epoch,
            fence: task.fence,
            need: self.record.id,
            outputs: task.committed().expect("a COMMIT was accepted").outputs.clone(),
            payouts,
            plan: self.record.decision.as_ref().expect("decided").digest,
            snapshot: task.snapshot,
            task: name,
        }
    }

    /// Ends an attempt without a final result. What it costs is asked before the task forgets who held it.
    pub(super) fn release(&mut self, name: TaskName, reason: ReleaseReason, bond: BondFate, payouts: Vec<Payout>) {
        let task = &self.record.tasks[&name];
        let fence = task.fence;
        let commit = task.commit.as_ref().map(|c| c.id());
        let counted = payouts.iter().map(|p| p.to).collect();
        self.ask(Ask::End { bond, commit, counted, fence, payouts, settled: false, task: name.clone() });
        self.emit(Event::Released { fence, reason, task: name });
    }

    pub(super) fn end_task(&mut self, name: TaskName, ending: Ending) {
        self.stop(Waiting::Bids(name.clone()));
        self.emit(Event::TaskEnded { ending, task: name });
    }

    fn close(&mut self, ending: Ending) {
        let payouts = self.record.plan_fees();
        let planner = self.record.decision.as_ref().map(|decision| decision.proposal.sender);
        self.ask(Ask::Close { ending, payouts, planner });
        self.emit(Event::Over { ending });
    }

    /// Does everything that follows by itself, until nothing more does.
    fn settle_down(&mut self) {
        while !self.record.is_over() && (self.rise() || self.end_waits() || self.move_tasks()) {}
    }

    /// After a restore, votes of the epoch before are dead; false if there is nothing to pass. One whose voters are being drawn
    /// waits for them first: the answer would be taken for the next one's.
    fn rise(&mut self) -> bool {
        let rises = self.record.owes_epoch && self.record.phase == Phase::Open && !self.record.voters.is_empty();
        if rises {
            self.pass_epoch(self.record.candidates.clone());
        }
        rises
    }

    /// Ends one wait that enough have seen through; false if there is none.
    fn end_waits(&mut self) -> bool {
        let enough = self.registry.params().end_at(self.registry.genesis().coordinators.len());
        let over =
            |(waiting, watch): &(&Waiting, &Stopwatch)| watch.is_over(enough) && !self.record.is_contested(waiting);
        let Some(waiting) = self.record.waits.iter().find(over).map(|(waiting, _)| waiting.clone()) else {
            return false;
        };
        self.emit(Event::WaitClosed { waiting: waiting.clone() });
        match waiting {
            Waiting::Proposals => {
                let mut candidates: Vec<_> = self.record.proposals.values().collect();
                candidates.sort_by_key(|(e, score)| (core::cmp::Reverse(*score), e.lamport, e.id()));
                let candidates: Vec<_> = candidates.into_iter().map(|(e, _)| e.id()).collect();
                if candidates.is_empty() {
                    self.pass_epoch(candidates);
                } else {
                    self.emit(Event::Voting { candidates });
                    let decision_ms = self.need().windows.decision_ms;
                    self.wait(Waiting::Decision, decision_ms);
                }
            }
            Waiting::Decision => {
                let candidates = self.record.candidates.clone();
                self.pass_epoch(candidates);
            }
            // Its winner waits for what the unmasking comes to.
            Waiting::Bids(task) if self.record.tasks[&task].unmasking().is_some() => {}
            Waiting::Bids(task) => self.grant(task),
            Waiting::Lease(task) => match self.record.tasks[&task].lease.as_ref().map_or(0, |lease| lease.rest_ms) {
                0 => self.release(task, ReleaseReason::Expired, BondFate::Forfeit, Vec::new()),
                rest_ms => self.wait(Waiting::Lease(task), rest_ms),
            },
            Waiting::Verdicts(task) if self.record.tasks[&task].is_decoy() => self.expose(task),
            Waiting::Verdicts(task) => self.judge(task, None, Vec::new()),
            Waiting::Redraw(task) => self.ask_for_seats(task),
            Waiting::Ruling(task) => self.unruled(task),
            // The fold remembers it; `move_tasks` settles once the parents are settled.
            Waiting::Challenge(_) => {}
            Waiting::Late(task) => self.pay(task),
            Waiting::Reveals | Waiting::Bootstrap | Waiting::Unbonding(..) => {
                unreachable!("only the system waits for that")
            }
        }
        true
    }

    pub(super) fn grant(&mut self, name: TaskName) {
        let (need, params) = (self.need(), self.registry.params());
        let task = &self.record.tasks[&name];
        let seats = u64::from(task.k_target(need.k_result)) + u64::from(params.seats_spare);
        let fees = Credits(need.fee.0.saturating_mul(seats));
        let founded = self.record.founded();
        let fence = if planted(Mutant::FenceReused) && task.fence != Fence::NONE {
            task.fence
        } else {
            task.fence.next(founded)
        };
        let affordable = |best: &&Bid| best.cost <= self.record.budget && fees <= self.record.fees;
        let Some(bid) = task.window.kept().filter(affordable).cloned() else {
            let fence = task.fence;
            return self.emit(Event::Released { fence, reason: ReleaseReason::Unbid, task: name });
        };
        let plan = &self.record.decision.as_ref().expect("decided").plan;
        let bond = bond(plan.tasks()[&name].cost_cap, params);
        let org =
            self.registry.standing(self.record.snapshot.number, &bid.agent).map(|s| s.org.clone()).unwrap_or_default();
        let (carve, worker) = (Credits(bid.cost.0 + fees.0), bid.agent);
        self.emit(Event::Granting { bid, fees, fence, org, task: name.clone() });
        self.ask(Ask::Grant { bond, carve, fence, task: name, worker });
    }

    fn pay(&mut self, name: TaskName) {
        let task = &self.record.tasks[&name];
        let record = task.record.clone().expect("a settled task is final");
        let counted = record.payouts.iter().filter(|p| p.due == Due::Fee).map(|p| p.to).collect();
        self.ask(Ask::End {
            bond: BondFate::Back,
            commit: Some(record.commit),
            counted,
            fence: record.fence,
            payouts: record.payouts.clone(),
            settled: true,
            task: name.clone(),
        });
        self.emit(Event::Paid { task: name });
    }

    /// Moves one task that can move by itself; false if none can.
    fn move_tasks(&mut self) -> bool {
        if self.record.phase != Phase::Decided {
            return false;
        }
        let params = self.registry.params();
        let plan = Arc::clone(&self.record.decision.as_ref().expect("decided").plan);
        for (name, planned) in plan.tasks() {
            if self.record.is_outdated(name) && self.void(name) {
                return true;
            }
            let task = &self.record.tasks[name];
            let parents = || planned.parents.iter().map(|p| &self.record.tasks[p]);
            match task.state {
                TaskState::Idle if task.unmasking().is_none() => {
                    let spent = task.attempts >= params.attempts_max || task.windows >= params.bid_windows_max;
                    let orphan = parents().any(|p| matches!(p.state, TaskState::Failed | TaskState::Cancelled));
                    if spent || orphan {
                        self.end_task(name.clone(), Ending::Failed);
                        return true;
                    }
                    let waiting = Waiting::Bids(name.clone());
                    if planted(Mutant::NeverReopened) && task.attempts > 0 {
                        continue;
                    }
                    if parents().all(|task| task.is_final()) && !self.record.waits.contains_key(&waiting) {
                        self.emit(Event::Bidding { task: name.clone() });
                        let bids_ms = self.need().windows.bids_ms;
                        self.wait(waiting, bids_ms);
                        return true;
                    }
                }
                TaskState::Final
                    if task.unchallenged
                        && task.dispute.is_none()
                        && parents().all(|p| matches!(p.state, TaskState::Settled | TaskState::Paid)) =>
                {
                    let payouts = task.record.as_ref().expect("final").payouts.clone();
                    self.emit(Event::Settled { payouts, task: name.clone() });
                    let challenge_ms = self.need().windows.challenge_ms;
                    self.wait(Waiting::Late(name.clone()), challenge_ms);
                    return true;
                }
                _ => {}
            }
        }
        if self.record.tasks.values().all(|task| task.has_ended()) {
            self.close(self.ending(&plan));
            return true;
        }
        false
    }

    /// How a need ends of which every task has: what counts is what it wanted, not what else was done.
    fn ending(&self, plan: &Plan) -> Ending {
        let wanted = self.need().produces.iter().filter_map(|label| plan.producer(label));
        let mut missing = wanted.map(|task| self.record.tasks[task].state).filter(|state| *state != TaskState::Paid);
        let cancelled = self.record.tasks.values().any(|task| task.state == TaskState::Cancelled);
        if self.record.tasks.values().any(|task| task.is_decoy()) {
            return Ending::Decoy;
        }
        match missing.next() {
            None => Ending::Closed,
            Some(_) if cancelled => Ending::Cancelled,
            Some(_) => Ending::Failed,
        }
    }
}
