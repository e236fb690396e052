//! What follows in a need: answers, ends of waits, verdicts, ends of attempts, tasks and needs (PROTOCOL 5, 8, 9).

use std::collections::BTreeSet;
use std::sync::Arc;

use swarm_core::config::Params;
use swarm_core::id::{Cid, Credits, Epoch, Fence, TaskName};
use swarm_core::register::{Answer, Ask, BondFate, Counted, Ending, Event as Did};
use swarm_core::slot::Waiting;
use swarm_core::wire::{Body, Due, FinalizeRecord, Payout, ReleaseReason, Verdict};

use super::need::{Elsewhere, Need, Phase, Stage, Task, Winner};

/// Organisations of late winners that do not count as fresh.
const WINNERS_MAX: usize = 4;

/// What whoever holds a task that may cost `cap` must be able to lose: a share of that, and never nothing.
pub(super) fn bond(cap: u64, params: &Params) -> u64 {
    let share = (u128::from(cap) * u128::from(params.bond_bp) / 10_000) as u64;
    share.max(u64::from(params.bond_bp > 0))
}

impl Need {
    pub(super) fn take_task_answer(&mut self, answer: &Answer, name: &TaskName, elsewhere: &impl Elsewhere) {
        let params = elsewhere.params();
        if self.tasks[name].dispute.is_some() {
            return self.take_panel(answer, name, elsewhere);
        }
        let (windows, task) = (self.windows(), self.tasks.get_mut(name).expect("an ask names a task of the plan"));
        let fence = task.fence;
        match answer {
            Answer::Granted => {
                (task.stage, task.dry, task.draws) = (Stage::Leased, 0, 0);
                task.attempts += 1;
                let org = task.winner.as_ref().map(|winner| winner.org.clone()).unwrap_or_default();
                self.winners.push(org);
                if self.winners.len() > WINNERS_MAX {
                    self.winners.remove(0);
                }
                if let Some(winner) = &mut task.winner {
                    winner.granted_ms = windows.lease_ms.into();
                }
                self.did(Did::Leased { fence, task: name.clone() });
                self.wait_for_lease(name, windows.lease_ms);
            }
            Answer::Seated { k_result, seats, seed, snapshot } => {
                (task.stage, task.k, task.snapshot) = (Stage::Verifying, *k_result, *snapshot);
                task.seats.clone_from(seats);
                let (k_result, seats, seed, snapshot) = (*k_result, seats.clone(), *seed, *snapshot);
                self.did(Did::Seated { k_result, seats, seed, snapshot, task: name.clone() });
                self.wait(Waiting::Verdicts(name.clone()), windows.verify_ms);
            }
            Answer::Denied(_) if task.stage == Stage::Granting => {
                // Nothing was booked: what was carved goes back.
                task.stage = Stage::Idle;
                if let Some(Winner { bid, fees, .. }) = task.winner.take() {
                    task.barred.insert(bid.agent);
                    (self.budget, self.fees) = (self.budget + bid.cost.0, self.fees + fees);
                }
                self.did(Did::Released { fence, reason: ReleaseReason::Unbonded, task: name.clone() });
            }
            _ => {
                task.draws += 1;
                let spent = task.draws >= params.draws_max;
                self.did(Did::Unseated { task: name.clone() });
                if self.rests_on_nothing(name) {
                    self.release(name, ReleaseReason::Voided, BondFate::Back, Vec::new());
                } else if spent {
                    self.release(name, ReleaseReason::Unseated, BondFate::Back, Vec::new());
                    self.end_task(name, Ending::Failed);
                } else {
                    self.wait(Waiting::Redraw(name.clone()), windows.verify_ms);
                }
            }
        }
    }

    /// Ends one wait that enough have seen through.
    pub(super) fn end_a_wait(&mut self, elsewhere: &impl Elsewhere) -> bool {
        let enough = elsewhere.through();
        let through = |watch: &super::need::Watch| watch.seen.values().filter(|seen| **seen >= watch.total).count();
        // While somebody asks for a panel nothing that it is to look at is over.
        let asked = |waiting: &Waiting| match waiting {
            Waiting::Challenge(task) | Waiting::Late(task) => self.tasks[task].dispute.is_some(),
            _ => false,
        };
        let mut over = self.waits.iter().filter(|(waiting, watch)| through(watch) >= enough && !asked(waiting));
        let Some(waiting) = over.next().map(|(waiting, _)| waiting.clone()) else {
            return false;
        };
        self.stop(waiting.clone());
        match waiting {
            Waiting::Proposals => {
                let mut offers: Vec<_> =
                    self.proposals.values().map(|(e, score)| (*score, e.lamport, e.id())).collect();
                offers.sort_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
                let candidates: Vec<Cid> = offers.into_iter().map(|(_, _, id)| id).collect();
                if candidates.is_empty() {
                    self.pass_epoch(candidates, elsewhere.params());
                } else {
                    self.candidates.clone_from(&candidates);
                    self.did(Did::Voting { candidates });
                    self.wait(Waiting::Decision, self.windows().decision_ms);
                }
            }
            Waiting::Decision => self.pass_epoch(self.candidates.clone(), elsewhere.params()),
            Waiting::Bids(task) if self.tasks[&task].is_being_unmasked() => {}
            Waiting::Bids(task) => self.grant(&task, elsewhere),
            Waiting::Lease(task) => match self.tasks[&task].winner.as_ref().map_or(0, |winner| winner.rest_ms) {
                0 => self.release(&task, ReleaseReason::Expired, BondFate::Forfeit, Vec::new()),
                rest => self.wait_for_lease(&task, rest),
            },
            Waiting::Verdicts(task) if self.tasks[&task].is_decoy() => self.expose(&task, elsewhere),
            Waiting::Verdicts(task) => self.judge(&task, None, Vec::new()),
            Waiting::Redraw(task) => self.ask_for_seats(&task, elsewhere.params()),
            Waiting::Challenge(task) => {
                if let Some(task) = self.tasks.get_mut(&task) {
                    task.unchallenged = true;
                }
            }
            Waiting::Ruling(task) => self.unruled(&task, elsewhere),
            Waiting::Late(task) => self.pay(&task),
            _ => {}
        }
        true
    }

    /// A restored register begins another epoch where voters were drawn for one of an older generation.
    pub(super) fn rise(&mut self, elsewhere: &impl Elsewhere) -> bool {
        let rises = self.owes_epoch && self.phase == Phase::Open && !self.voters.is_empty();
        if rises {
            self.pass_epoch(self.candidates.clone(), elsewhere.params());
        }
        rises
    }

    pub(super) fn pass_epoch(&mut self, candidates: Vec<Cid>, params: &Params) {
        if !self.owes_epoch && self.epoch.0 & 0xffff_ffff >= u64::from(params.epochs_max) {
            return self.close(Ending::Failed);
        }
        let risen = u64::from(self.generation) << 32 | 1;
        self.epoch = Epoch(risen.max(self.epoch.0 + 1));
        self.owes_epoch = false;
        self.voters.clear();
        self.waits.clear();
        self.candidates.clone_from(&candidates);
        let (epoch, k_plan) = (self.epoch, self.text().map_or(0, |text| text.k_plan));
        self.did(Did::EpochPassed { epoch });
        self.did(Did::Voting { candidates });
        self.ask(Ask::Voters { epoch, k_plan });
    }

    pub(super) fn grant(&mut self, name: &TaskName, elsewhere: &impl Elsewhere) {
        let (params, text) = (elsewhere.params(), self.text().expect("decided").clone());
        let seats = u64::from(self.tasks[name].k_target(text.k_result)) + u64::from(params.seats_spare);
        let fees = text.fee.0 * seats;
        let (budget, left, snapshot) = (self.budget, self.fees, self.snapshot.number);
        let task = self.tasks.get_mut(name).expect("a window is a task's");
        let Some(bid) = task.best.clone().filter(|bid| bid.cost.0 <= budget && fees <= left) else {
            (task.stage, task.winner, task.commit) = (Stage::Idle, None, None);
            task.dry += 1;
            let fence = task.fence;
            return self.did(Did::Released { fence, reason: ReleaseReason::Unbid, task: name.clone() });
        };
        // No fence of a lost generation is given away again.
        let first = if self.founded == 0 { 0 } else { u64::from(self.founded) << 32 | 1 };
        let fence = Fence((task.fence.0 + 1).max(first));
        (task.fence, task.stage, task.wrong) = (fence, Stage::Granting, None);
        (self.budget, self.fees) = (budget - bid.cost.0, left - fees);
        let org = elsewhere.standing(snapshot, &bid.agent).map(|s| s.org.clone()).unwrap_or_default();
        let cap = self.decision.as_ref().expect("decided").plan[name].cap;
        let bond = Credits(bond(cap, params));
        let (carve, worker) = (Credits(bid.cost.0 + fees), bid.agent);
        let winner = Winner { bid: bid.clone(), fees, org: org.clone(), granted_ms: 0, rest_ms: 0 };
        let began_on = self.parents(name).map(|parent| parent.fence).collect();
        let task = self.tasks.get_mut(name).expect("a window is a task's");
        (task.winner, task.began_on) = (Some(winner), began_on);
        self.did(Did::Granting { bid, fees: Credits(fees), fence, org, task: name.clone() });
        self.ask(Ask::Grant { bond, carve, fence, task: name.clone(), worker });
    }

    pub(super) fn ask_for_seats(&mut self, name: &TaskName, params: &Params) {
        let task = &self.tasks[name];
        let k_result = task.k_target(self.text().map_or(0, |text| text.k_result));
        let (Some(winner), Some(commit), Some(decision)) = (&task.winner, &task.commit, &self.decision) else { return };
        let (planner, worker) = (decision.proposal.sender, winner.bid.agent);
        let (commit, fence, task) = (commit.id(), task.fence, name.clone());
        // A part of it is lost by whoever did not do the work: no less than it was paid for that.
        let fee = u128::from(self.text().map_or(0, |text| text.fee.0));
        let lien = match u128::from(params.slash_bp) {
            0 => params.lien,
            part => params.lien.max(Credits((fee * 10_000).div_ceil(part) as u64)),
        };
        self.ask(Ask::Seats { commit, fence, k_result, lien, planner, task, worker });
    }

    pub(super) fn judge(&mut self, name: &TaskName, verdict: Option<Verdict>, counted: Vec<Counted>) {
        self.stop(Waiting::Verdicts(name.clone()));
        let fee = self.text().map_or(Credits(0), |text| text.fee);
        let mut payouts: Vec<Payout> =
            counted.iter().map(|c| Payout { amount: fee, due: Due::Fee, to: c.verifier }).collect();
        // Whoever had nothing to look at has not seen that it is wrong.
        let saw = counted.iter().filter(|vote| vote.proof.is_some_and(|proof| proof.0 != [0; 32]));
        let caught: Vec<_> = saw.map(|c| c.verifier).collect();
        if verdict == Some(Verdict::Fail) && caught.len() > counted.len() / 2 {
            self.tasks.get_mut(name).expect("judged").is_wrong(&caught, &[]);
        }
        if let Some(verdict) = verdict {
            self.did(Did::Judged { counted: counted.clone(), task: name.clone(), verdict });
        }
        if verdict != Some(Verdict::Pass) {
            payouts.sort_unstable();
            let bond = if verdict.is_some() { BondFate::Forfeit } else { BondFate::Back };
            return self.release(name, ReleaseReason::Failed, bond, payouts);
        }
        let (id, epoch) = (self.id, self.epoch);
        let plan = self.decision.as_ref().expect("decided").digest;
        let task = self.tasks.get_mut(name).expect("judged");
        task.proven = counted.iter().filter(|c| c.proof.is_some()).map(|c| c.verifier).collect();
        let (winner, commit) = (task.winner.clone().expect("held"), task.commit.clone().expect("accepted"));
        payouts.push(Payout { amount: winner.bid.cost, due: Due::Price, to: winner.bid.agent });
        payouts.sort_unstable();
        let outputs = match &commit.body {
            Body::Commit(body) => body.outputs.clone(),
            _ => return,
        };
        let record = Arc::new(FinalizeRecord {
            attestations: counted.iter().map(|c| c.attest).collect(),
            commit: commit.id(),
            engines: counted.iter().map(|c| c.engine).collect::<BTreeSet<_>>().into_iter().collect(),
            epoch,
            fence: task.fence,
            need: id,
            outputs,
            payouts,
            plan,
            snapshot: task.snapshot,
            task: name.clone(),
        });
        (task.stage, task.result) = (Stage::Final, Some(Arc::clone(&record)));
        self.did(Did::Final { record });
        self.wait(Waiting::Challenge(name.clone()), self.windows().challenge_ms);
    }

    /// An attempt is over without a result.
    pub(super) fn release(&mut self, name: &TaskName, reason: ReleaseReason, bond: BondFate, payouts: Vec<Payout>) {
        self.waits.remove(&Waiting::Challenge(name.clone()));
        let task = self.tasks.get_mut(name).expect("a task of the plan");
        let (fence, commit) = (task.fence, task.commit.take().map(|commit| commit.id()));
        task.forget();
        if let Some(winner) = task.winner.take() {
            if bond != BondFate::Back {
                task.barred.insert(winner.bid.agent);
            }
            let spent: u64 = payouts.iter().map(|payout| payout.amount.0).sum();
            (self.budget, self.fees) = (self.budget + winner.bid.cost.0, self.fees + winner.fees - spent);
        }
        let counted = payouts.iter().map(|payout| payout.to).collect();
        self.ask(Ask::End { bond, commit, counted, fence, payouts, settled: false, task: name.clone() });
        self.did(Did::Released { fence, reason, task: name.clone() });
    }

    fn pay(&mut self, name: &TaskName) {
        let task = self.tasks.get_mut(name).expect("settled");
        task.stage = Stage::Paid;
        let (record, winner) = (task.result.clone().expect("final"), task.winner.clone().expect("it had a winner"));
        let fees: Vec<_> = record.payouts.iter().filter(|payout| payout.due == Due::Fee).collect();
        self.fees = self.fees + winner.fees - fees.iter().map(|payout| payout.amount.0).sum::<u64>();
        let counted = fees.iter().map(|payout| payout.to).collect();
        let (payouts, task) = (record.payouts.clone(), name.clone());
        let (bond, commit, fence) = (BondFate::Back, Some(record.commit), record.fence);
        self.ask(Ask::End { bond, commit, counted, fence, payouts, settled: true, task });
        self.did(Did::Paid { task: name.clone() });
    }

    pub(super) fn end_task(&mut self, name: &TaskName, ending: Ending) {
        self.stop(Waiting::Bids(name.clone()));
        let stage = if ending == Ending::Cancelled { Stage::Cancelled } else { Stage::Failed };
        self.tasks.get_mut(name).expect("a task of the plan").stage = stage;
        self.did(Did::TaskEnded { ending, task: name.clone() });
    }

    /// How a need ends of which every task has: closed if what it wanted is paid for.
    fn ending(&self) -> Ending {
        let wanted = self.text().map(|text| text.produces.clone()).unwrap_or_default();
        let plan = self.decision.as_ref().map(|decision| &decision.plan);
        let made = |label| {
            let maker = plan.and_then(|plan| plan.iter().find(|(_, planned)| planned.produces.contains(label)));
            maker.is_none_or(|(task, _)| self.tasks[task].stage == Stage::Paid)
        };
        if self.tasks.values().any(Task::is_decoy) {
            Ending::Decoy
        } else if wanted.iter().all(made) {
            Ending::Closed
        } else if self.tasks.values().any(|task| task.stage == Stage::Cancelled) {
            Ending::Cancelled
        } else {
            Ending::Failed
        }
    }

    /// A lease, or a stretch of one; what was to follow it has begun.
    pub(super) fn wait_for_lease(&mut self, name: &TaskName, ms: u32) {
        if let Some(winner) = self.tasks.get_mut(name).and_then(|task| task.winner.as_mut()) {
            winner.rest_ms = 0;
        }
        self.wait(Waiting::Lease(name.clone()), ms);
    }

    pub(super) fn close(&mut self, ending: Ending) {
        let fee = self.text().map_or(Credits(0), |text| text.fee);
        let votes = self.decision.iter().flat_map(|decision| &decision.counted);
        let mut payouts: Vec<_> =
            votes.map(|vote| Payout { amount: fee, due: Due::PlanFee, to: vote.verifier }).collect();
        payouts.sort_unstable();
        let planner = self.decision.as_ref().map(|decision| decision.proposal.sender);
        self.ask(Ask::Close { ending, payouts, planner });
        self.over(ending);
    }

    pub(super) fn over(&mut self, ending: Ending) {
        self.phase = Phase::Over;
        self.waits.clear();
        self.did(Did::Over { ending });
    }

    fn parents(&self, name: &TaskName) -> impl Iterator<Item = &Task> {
        let decided = self.decision.iter().flat_map(|decision| &decision.plan[name].parents);
        decided.map(|parent| &self.tasks[parent])
    }

    /// Whether a result that a task's attempt began on is not there any more.
    pub(super) fn rests_on_nothing(&self, name: &TaskName) -> bool {
        let task = &self.tasks[name];
        let gone = |(at, parent): (usize, &Task)| {
            !parent.stage.has_result() || (task.winner.is_some() && task.began_on.get(at) != Some(&parent.fence))
        };
        self.parents(name).enumerate().any(gone)
    }

    /// Moves one task, in the order of names, that can move by itself.
    pub(super) fn move_a_task(&mut self, elsewhere: &impl Elsewhere) -> bool {
        if self.phase != Phase::Decided {
            return false;
        }
        let (params, windows) = (elsewhere.params(), self.windows());
        let names: Vec<TaskName> = self.tasks.keys().cloned().collect();
        for name in &names {
            let stages: Vec<Stage> = self.parents(name).map(|parent| parent.stage).collect();
            if self.rests_on_nothing(name) && self.void(name) {
                return true;
            }
            let task = &self.tasks[name];
            if task.stage == Stage::Idle && !task.is_being_unmasked() {
                let spent = task.attempts >= params.attempts_max || task.dry >= params.bid_windows_max;
                if spent || stages.iter().any(|stage| matches!(stage, Stage::Failed | Stage::Cancelled)) {
                    self.end_task(name, Ending::Failed);
                    return true;
                }
                let waiting = Waiting::Bids(name.clone());
                if stages.iter().all(|stage| stage.has_result()) && !self.waits.contains_key(&waiting) {
                    let task = self.tasks.get_mut(name).expect("one of its tasks");
                    task.best = None;
                    task.offers.clear();
                    self.did(Did::Bidding { task: name.clone() });
                    self.wait(waiting, windows.bids_ms);
                    return true;
                }
            }
            let settled = |stage: &Stage| matches!(stage, Stage::Settled | Stage::Paid);
            if task.stage == Stage::Final && task.unchallenged && task.dispute.is_none() && stages.iter().all(settled) {
                let payouts = task.result.as_ref().expect("final").payouts.clone();
                self.tasks.get_mut(name).expect("one of its tasks").stage = Stage::Settled;
                self.did(Did::Settled { payouts, task: name.clone() });
                self.wait(Waiting::Late(name.clone()), windows.challenge_ms);
                return true;
            }
        }
        if self.tasks.values().all(|task| task.stage.is_over()) {
            self.close(self.ending());
            return true;
        }
        false
    }
}
