//! How events make a record. Total: an event that was believed is never refused.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::bids::Window;
use crate::id::{AgentId, Cid, Credits, Digest, Epoch, Seq, TaskName};
use crate::members::Mandate;
use crate::mutant::{Mutant, planted};
use crate::plan::{Plan, TaskState};
use crate::register::{Ask, Counted, Ending, Event};
use crate::slot::record::Task;
use crate::slot::{Decision, Dispute, HEARINGS_MAX, Lease, Phase, Record, Stopwatch, Unmasking, Waiting, Wrong};
use crate::wire::{Body, Due, ReleaseReason, Verdict};

/// Organisations of winners remembered for the score's heterogeneity term.
const WINNERS_MAX: usize = 4;

impl Record {
    /// Folds one event of the entry at `seq`, which is its `at`-th.
    pub fn fold(&mut self, seq: Seq, at: u32, event: &Event) {
        match event {
            Event::Opening { need } => {
                self.phase = Phase::Opening;
                self.epoch = Epoch::FIRST;
                self.need = Some(Arc::clone(need));
                let body = self.need().expect("Opening carries a NEED");
                (self.budget, self.fees) = (body.budget, body.fees);
            }
            Event::Opened { epoch, k_plan, snapshot, voters } => {
                self.phase = Phase::Open;
                (self.epoch, self.k_plan, self.snapshot) = (*epoch, *k_plan, *snapshot);
                self.voters.clone_from(voters);
            }
            Event::Proposed { proposal, score } => {
                self.proposals.insert(proposal.id(), (Arc::clone(proposal), *score));
            }
            Event::Voting { candidates } => self.candidates.clone_from(candidates),
            Event::EpochPassed { epoch } => {
                self.epoch = *epoch;
                self.owes_epoch = false;
                self.voters.clear();
                self.waits.clear();
            }
            Event::Decided { counted, proposal } => self.decide(proposal, counted),
            Event::Bidding { task } => self.task(task).window = Window::default(),
            Event::Bid { bid, task } => self.task(task).window.keep(bid.clone()),
            Event::Granting { bid, fees, fence, org, task } => {
                self.budget = Credits(self.budget.0 - bid.cost.0);
                self.fees = Credits(self.fees.0 - fees.0);
                let rests_on = self.grants_of_parents(task);
                let task = self.task(task);
                task.state = TaskState::Granting;
                (task.wrong, task.rests_on) = (None, rests_on);
                task.fence = *fence;
                task.lease = Some(Lease { bid: bid.clone(), fees: *fees, org: org.clone(), granted_ms: 0, rest_ms: 0 });
            }
            Event::Leased { task, .. } => {
                let lease_ms = self.need().map_or(0, |need| need.windows.lease_ms);
                let entry = self.task(task);
                entry.state = TaskState::Leased;
                (entry.windows, entry.draws) = (0, 0);
                entry.attempts += 1;
                if let Some(lease) = &mut entry.lease {
                    lease.granted_ms = lease_ms.into();
                }
                let org = entry.lease.as_ref().map(|l| l.org.clone()).unwrap_or_default();
                self.winners.push(org);
                if self.winners.len() > WINNERS_MAX {
                    self.winners.remove(0);
                }
            }
            Event::Renewed { more_ms, task, .. } => {
                if let Some(lease) = &mut self.task(task).lease {
                    lease.granted_ms += u64::from(*more_ms);
                    lease.rest_ms = *more_ms;
                }
            }
            Event::Released { reason, task, .. } => {
                self.waits.remove(&Waiting::Challenge(task.clone()));
                let entry = self.task(task);
                if planted(Mutant::ExpiredStands) && *reason == ReleaseReason::Expired {
                    return;
                }
                let lease = entry.reopen();
                let failed_it =
                    matches!(reason, ReleaseReason::Expired | ReleaseReason::Yielded | ReleaseReason::Unbonded);
                if let Some(lease) = lease.as_ref().filter(|_| failed_it) {
                    entry.barred.insert(lease.bid.agent);
                }
                // A window that somebody won who cannot pay was not dry: those who would ruin a task so run out first.
                if *reason == ReleaseReason::Unbid {
                    entry.windows += 1;
                }
                if let (ReleaseReason::Unbonded, Some(lease)) = (reason, lease) {
                    // Nothing was booked, so nothing was spent.
                    self.budget = Credits(self.budget.0 + lease.bid.cost.0);
                    self.fees = Credits(self.fees.0 + lease.fees.0);
                }
            }
            Event::Accepted { commit, task, .. } => {
                let task = self.task(task);
                task.state = TaskState::Drawing;
                task.commit = Some(Arc::clone(commit));
            }
            Event::Unseated { task } => self.task(task).draws += 1,
            Event::Seated { k_result, seats, snapshot, task, .. } => {
                let task = self.task(task);
                task.state = TaskState::Verifying;
                (task.k_result, task.snapshot) = (*k_result, *snapshot);
                task.seats.clone_from(seats);
            }
            Event::Judged { counted, task, verdict } => {
                let task = self.task(task);
                if *verdict == Verdict::Pass {
                    task.proofs = counted.iter().filter_map(|c| Some((c.verifier, c.proof?))).collect();
                }
                if *verdict == Verdict::Fail {
                    // What most could not look at was not found wrong: whoever looked, and passed it, need not have erred.
                    let looked = counted.iter().filter(|c| c.proof.is_some_and(|proof| proof != Digest::default()));
                    let mut caught: Vec<_> = looked.map(|c| c.verifier).collect();
                    caught.sort_unstable();
                    if caught.len() * 2 > counted.len() {
                        task.found_wrong(caught, Vec::new());
                    }
                    task.barred.extend(task.lease.as_ref().map(|lease| lease.bid.agent));
                }
            }
            Event::Final { record } => {
                let task = self.task(&record.task);
                task.state = TaskState::Final;
                task.record = Some(Arc::clone(record));
            }
            Event::Challenged { bench, challenge, left, task } => {
                let task = self.task(task);
                *task.challengers.entry(challenge.sender).or_default() += 1;
                task.dispute = Some(Dispute {
                    challenge: Arc::clone(challenge),
                    late: task.state == TaskState::Settled,
                    left: *left,
                    draws: 1,
                    bench: *bench,
                    seats: Vec::new(),
                    k_ruling: 0,
                });
            }
            Event::Empanelled { k_ruling, seats, task, .. } => {
                self.waits.remove(&Waiting::Challenge(task.clone()));
                self.waits.remove(&Waiting::Late(task.clone()));
                let task = self.task(task);
                if let Some(dispute) = &mut task.dispute {
                    dispute.k_ruling = *k_ruling;
                    dispute.seats.clone_from(seats);
                    task.challengers.insert(dispute.challenge.sender, HEARINGS_MAX);
                }
            }
            Event::Unruled { bench, task } => {
                if let Some(dispute) = &mut self.task(task).dispute {
                    dispute.draws += 1;
                    dispute.bench = *bench;
                    dispute.seats.clear();
                }
            }
            Event::Ruled { ruling, task, .. } => {
                let task = self.task(task);
                let Some(dispute) = task.dispute.take() else { return };
                match (ruling, dispute.accused(), dispute.evidence()) {
                    (Some(true), Some(accused), _) => drop(task.proofs.remove(&accused)),
                    (Some(true), None, _) => task.felled = dispute.late,
                    (Some(false), _, Some(evidence)) if evidence.is_opinion() => {
                        task.heard.push((evidence.clone(), dispute.bench));
                    }
                    _ => {}
                }
            }
            Event::Invalidated { offenders, task, .. } => {
                let task = self.task(task);
                task.voided += 1;
                task.found_wrong(Vec::new(), offenders.clone());
                if let Some(lease) = task.reopen() {
                    task.barred.insert(lease.bid.agent);
                    // Nothing of it was paid yet.
                    self.budget = Credits(self.budget.0 + lease.bid.cost.0);
                    self.fees = Credits(self.fees.0 + lease.fees.0);
                }
            }
            Event::Unmasking { task, unmask } => {
                if let Some(wrong) = &mut self.task(task).wrong {
                    let unmask = Arc::clone(unmask);
                    wrong.unmasking = Some(Unmasking { unmask, sure: false, passed: BTreeSet::new() });
                }
            }
            Event::Unmasked { decoy: false, task } => self.task(task).wrong = None,
            Event::Unmasked { task, .. } => {
                if let Some(unmasking) = self.unmasking(task) {
                    unmasking.sure = true;
                }
            }
            Event::Passed { task, verifier, .. } => {
                if let Some(unmasking) = self.unmasking(task) {
                    unmasking.passed.insert(*verifier);
                }
            }
            Event::Settled { task, .. } => self.task(task).state = TaskState::Settled,
            Event::Paid { task } => self.task(task).state = TaskState::Paid,
            Event::TaskEnded { ending, task } => {
                self.task(task).state =
                    if *ending == Ending::Cancelled { TaskState::Cancelled } else { TaskState::Failed };
            }
            Event::Over { ending } => {
                self.phase = Phase::Over(*ending);
                self.waits.clear();
            }
            Event::WaitOpened { segment, total, waiting } => {
                if let Waiting::Lease(task) = waiting
                    && let Some(lease) = &mut self.task(task).lease
                {
                    lease.rest_ms = 0;
                }
                self.segment = *segment;
                self.waits.insert(waiting.clone(), Stopwatch::new(*segment, *total));
            }
            Event::Reported { by, elapsed, segment } => {
                let waiting = self.waiting(*segment).cloned();
                if let Some(watch) = waiting.and_then(|waiting| self.waits.get_mut(&waiting)) {
                    watch.report(*by, *elapsed);
                }
            }
            Event::WaitClosed { waiting } => {
                self.waits.remove(waiting);
                if let Waiting::Challenge(task) = waiting {
                    self.task(task).unchallenged = !planted(Mutant::WindowForgotten);
                }
            }
            Event::Asked { ask, number } => {
                self.asked = *number;
                self.ask(seq, at, ask);
            }
            Event::Answered { seq, at, .. } => {
                self.asks.remove(&(*seq, *at));
            }
            Event::Replaced { mandate } => {
                self.seats_pass(mandate);
            }
            // What is decided stays decided, under the epoch that decided it.
            Event::Restored { mandate } => {
                self.seats_pass(mandate);
                self.generation = mandate.generation().expect("a register is restored by a mandate that says so");
                self.owes_epoch = matches!(self.phase, Phase::Opening | Phase::Open);
            }
            // What the system thread does to itself is no part of a need.
            Event::Told { .. }
            | Event::Queued { .. }
            | Event::Governed { .. }
            | Event::Registered { .. }
            | Event::Booked { .. }
            | Event::RoundOpened { .. }
            | Event::Anchored { .. }
            | Event::Revealed { .. }
            | Event::RoundClosed { .. }
            | Event::SnapshotTaken { .. } => {}
        }
    }

    fn seats_pass(&mut self, mandate: &Mandate) {
        for handover in mandate.handovers() {
            self.handovers.push(handover);
            self.waits.values_mut().for_each(|watch| watch.forget(&handover.old));
        }
        self.last_mandate = mandate.id();
    }

    fn unmasking(&mut self, task: &TaskName) -> Option<&mut Unmasking> {
        self.task(task).wrong.as_mut()?.unmasking.as_mut()
    }

    fn task(&mut self, name: &TaskName) -> &mut Task {
        self.tasks.get_mut(name).expect("an event names a task of the decided plan")
    }

    fn decide(&mut self, proposal: &Cid, counted: &[Counted]) {
        let (proposal, _) = self.proposals.get(proposal).cloned().expect("only a kept proposal is decided");
        let need = self.need().expect("a decided need was opened");
        let Body::Propose(propose) = &proposal.body else { panic!("a kept proposal is a PROPOSE") };
        let plan = Arc::new(Plan::of(need, propose).expect("a kept proposal is a valid plan"));
        self.phase = Phase::Decided;
        self.tasks = plan.tasks().keys().map(|name| (name.clone(), Box::new(Task::new()))).collect();
        let digest = plan.digest(&proposal.id());
        self.decision = Some(Decision { proposal, counted: counted.to_vec(), plan, digest });
        let fees: u64 = self.plan_fees().iter().map(|p| p.amount.0).sum();
        self.fees = Credits(self.fees.0.checked_sub(fees).expect("Open checked that the fees cover the plan's votes"));
    }

    /// Keeps the slot's own account of its escrow in step with what it asks of the ledger.
    fn ask(&mut self, seq: Seq, at: u32, ask: &Ask) {
        if ask.is_answered() {
            let task = match ask {
                Ask::Grant { task, .. }
                | Ask::Seats { task, .. }
                | Ask::Contest { task, .. }
                | Ask::Mask { task, .. } => Some(task.clone()),
                _ => None,
            };
            self.asks.insert((seq, at), task);
        }
        if let Ask::Expose { price, .. } = ask {
            self.budget = Credits(self.budget.0 - price.0);
        }
        if let Ask::End { payouts, task, .. } = ask {
            let lease = self.task(task).lease.clone().expect("only an attempt that was granted is ended");
            let paid = |price: bool| -> u64 {
                payouts.iter().filter(|p| (p.due == Due::Price) == price).map(|p| p.amount.0).sum()
            };
            self.budget = Credits(self.budget.0 + lease.bid.cost.0 - paid(true));
            self.fees = Credits(self.fees.0 + lease.fees.0 - paid(false));
        }
    }
}

impl Task {
    /// Takes note of its result as one that is wrong, before the attempt is forgotten.
    fn found_wrong(&mut self, caught: Vec<AgentId>, slashed: Vec<AgentId>) {
        let (Some(commit), Some(lease)) = (&self.commit, &self.lease) else { return };
        let (commit, price, seats) = (Arc::clone(commit), lease.bid.cost, self.seats.clone());
        self.wrong = Some(Wrong { commit, price, seats, caught, slashed, unmasking: None });
    }
}
