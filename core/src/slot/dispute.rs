//! What becomes of a final result that somebody disputes (PROTOCOL 8).
//!
//! Its window stands still while a committee is seated over it, and then runs on for what was left of it when it was disputed. Until one
//! is, it is measured on, and cannot end: where the bond is not to be had nobody sits, and nothing was stopped. Whoever yields, cancels or
//! falls silent meanwhile ends nothing of that (T76).

use alloc::vec::Vec;

use crate::config::Params;
use crate::id::{AgentId, Credits, TaskName};
use crate::mutant::{Mutant, planted};
use crate::plan::TaskState;
use crate::register::{Answer, Ask, Bench, BondFate, Counted, Event};
use crate::slot::perform::Doing;
use crate::slot::{Registry, Waiting};
use crate::wire::{Body, Challenge, Commit, Due, Envelope, Evidence, Payout, ReleaseReason};

/// What a challenge costs to make: the base of its class, times how long looking takes if the COMMIT says so truly. Of what is disputed
/// in one stretch only that is looked at.
pub(super) fn bond(params: &Params, challenge: &Envelope, commit: &Commit) -> Credits {
    let Body::Challenge(Challenge { evidence, .. }) = &challenge.body else { return params.challenge_bond };
    let base = match evidence {
        Evidence::OutputMismatch { .. } | Evidence::StretchMismatch { .. } | Evidence::FalseProof { .. } => {
            params.challenge_bond
        }
        Evidence::PolicyBreach { .. } => params.breach_bond,
        Evidence::SchemaViolation { .. } => params.schema_bond,
        Evidence::MissingCitation { .. } => params.citation_bond,
        Evidence::SemanticContradiction { .. } => params.contradiction_bond,
    };
    let stretches = match evidence {
        Evidence::StretchMismatch { .. } => commit.states.len() as u64 + 1,
        _ => 1,
    };
    let more = (commit.telemetry.steps.0 / stretches / u64::from(params.gas_step)).min(9);
    Credits(base.0 * (1 + more))
}

impl<R: Registry> Doing<'_, R> {
    /// Asks for a committee that rules on the open dispute, of others than those who have a part in it.
    pub(super) fn ask_for_a_panel(&mut self, name: TaskName) {
        let task = &self.record.tasks[&name];
        let dispute = task.dispute.as_ref().expect("it is disputed");
        let ask = Ask::Contest {
            attesters: task.passed_by(),
            bench: dispute.bench,
            bond: bond(self.registry.params(), &dispute.challenge, task.committed().expect("it is final")),
            challenge: dispute.challenge.id(),
            challenger: dispute.challenge.sender,
            draw: dispute.draws,
            k_ruling: self.need().k_result,
            planner: self.record.decision.as_ref().expect("decided").proposal.sender,
            worker: task.lease.as_ref().expect("a final result has its worker").bid.agent,
            task: name,
        };
        self.ask(ask);
    }

    /// The answer to that.
    pub(super) fn take_panel(&mut self, answer: Answer, name: TaskName) {
        match answer {
            // Nobody can look at it on what it was made of.
            Answer::Seated { .. } if self.record.is_outdated(&name) => self.conclude(name, None, Vec::new()),
            Answer::Seated { k_result: k_ruling, seats, seed, snapshot } => {
                self.emit(Event::Empanelled { k_ruling, seats, seed, snapshot, task: name.clone() });
                // Whoever rules does the work again, as whoever judged it did.
                let ruling_ms = self.registry.params().ruling_ms.max(self.need().windows.verify_ms);
                self.wait(Waiting::Ruling(name), ruling_ms);
            }
            // At first nothing is booked: it is as if nobody had said anything.
            _ if self.record.tasks[&name].dispute.as_ref().is_some_and(|dispute| dispute.draws == 1) => {
                self.dismiss(name, None, Vec::new());
            }
            _ => self.unruled(name),
        }
    }

    /// A committee did not rule: another may, or a larger one and then the arbiters where it is a matter of opinion, and if none
    /// does the challenge comes to nothing.
    pub(super) fn unruled(&mut self, name: TaskName) {
        let dispute = self.record.tasks[&name].dispute.as_ref().expect("it is disputed");
        let enough = dispute.bench == Bench::Looks && dispute.draws >= self.registry.params().rulings_max;
        let enough = enough || self.record.is_outdated(&name);
        let next = dispute.bench.next(!self.registry.genesis().arbiters.is_empty());
        let Some(bench) = next.filter(|_| !enough) else { return self.conclude(name, None, Vec::new()) };
        self.emit(Event::Unruled { bench, task: name.clone() });
        self.ask_for_a_panel(name);
    }

    /// The dispute is over.
    pub(super) fn conclude(&mut self, name: TaskName, ruling: Option<bool>, counted: Vec<Counted>) {
        let task = &self.record.tasks[&name];
        let dispute = task.dispute.as_ref().expect("it is disputed");
        let (bench, challenge, late) = (dispute.bench, dispute.challenge.id(), dispute.late);
        let (commit, fence) = (task.commit.as_ref().expect("final").id(), task.fence);
        let (upheld, accused) = (ruling == Some(true), dispute.accused());
        let mut panel: Vec<AgentId> = counted.iter().map(|c| c.verifier).collect();
        panel.sort_unstable();
        let at_fault = || accused.map_or_else(|| task.passed_by(), |accused| Vec::from([accused]));
        let offenders = if upheld { at_fault() } else { Vec::new() };
        let worker = task.lease.as_ref().expect("a final result has its worker").bid.agent;
        let ask = Ask::Rule {
            bench,
            challenge,
            challenger: dispute.challenge.sender,
            commit,
            fence,
            honest: if upheld && !late && accused.is_none() { self.in_vain(&name) } else { Vec::new() },
            offenders: offenders.clone(),
            panel,
            ruling,
            task: name.clone(),
            worker: accused.is_none().then_some(worker),
        };
        self.ask(ask);
        match ruling {
            // Whatever its verdict was worth, nobody says that the result is wrong.
            _ if accused.is_some() => self.dismiss(name, ruling, counted),
            Some(true) if !late && !planted(Mutant::WrongStands) => {
                self.emit(Event::Ruled { challenge, counted, ruling, task: name.clone() });
                let task = &self.record.tasks[&name];
                let k_result = task.k_target(self.need().k_result.saturating_add(2));
                // Whoever is named there is slashed.
                let offenders = if bench.is_of_opinion() { Vec::new() } else { offenders };
                self.emit(Event::Invalidated { challenge, commit, k_result, offenders, task: name });
            }
            // Nobody is known to be at fault: the work is done again. Not so for what nobody could see anyway: it would be done again
            // as often as arbiters are silent.
            None if !late && !bench.is_of_opinion() => {
                self.emit(Event::Ruled { challenge, counted, ruling, task: name.clone() });
                self.release(name, ReleaseReason::Unruled, BondFate::Back, Vec::new());
            }
            _ => self.dismiss(name, ruling, counted),
        }
    }

    /// The result stands, and its window runs on.
    fn dismiss(&mut self, name: TaskName, ruling: Option<bool>, counted: Vec<Counted>) {
        let dispute = self.record.tasks[&name].dispute.as_ref().expect("it is disputed");
        let (challenge, late, left) = (dispute.challenge.id(), dispute.late, dispute.left);
        self.emit(Event::Ruled { challenge, counted, ruling, task: name.clone() });
        let window = if late { Waiting::Late(name) } else { Waiting::Challenge(name) };
        if !self.record.waits.contains_key(&window) {
            self.wait_for(window, left);
        }
    }

    /// What workers are owed whose results rest on a task's, and were found good: what they are void of is no fault of theirs. What is
    /// disputed itself is not known to be good, and what is void already was paid for then.
    fn in_vain(&self, void: &TaskName) -> Vec<Payout> {
        let plan = &self.record.decision.as_ref().expect("decided").plan;
        let is_good = |name: &TaskName| {
            let task = &self.record.tasks[name];
            task.state == TaskState::Final && task.dispute.is_none() && !self.record.is_outdated(name)
        };
        let mut below: Vec<&TaskName> = Vec::from([void]);
        let mut at = 0;
        while let Some(parent) = below.get(at).copied() {
            let children = plan.tasks().iter().filter(|(_, task)| task.parents.contains(parent)).map(|(name, _)| name);
            let children: Vec<_> = children.filter(|name| !below.contains(name) && is_good(name)).collect();
            below.extend(children);
            at += 1;
        }
        let work = below.into_iter().skip(1).filter_map(|name| {
            let lease = self.record.tasks[name].lease.as_ref()?;
            Some(Payout { amount: lease.bid.cost, due: Due::Price, to: lease.bid.agent })
        });
        let mut work: Vec<Payout> = work.collect();
        work.sort_unstable();
        work
    }

    /// Takes back what was begun on a result that is void (T77); false if there is nothing, or it is on its way and will be. What is disputed
    /// is ruled on first by whoever looks at it on what it was made of.
    pub(super) fn void(&mut self, name: &TaskName) -> bool {
        let task = &self.record.tasks[name];
        let wait = match task.state {
            TaskState::Idle => Waiting::Bids(name.clone()),
            TaskState::Leased => Waiting::Lease(name.clone()),
            TaskState::Verifying => Waiting::Verdicts(name.clone()),
            TaskState::Final if task.dispute.is_none() => Waiting::Challenge(name.clone()),
            _ => return false,
        };
        let idle = task.state == TaskState::Idle;
        if idle && !self.record.waits.contains_key(&wait) {
            return false;
        }
        self.stop(wait);
        if !idle {
            self.release(name.clone(), ReleaseReason::Voided, BondFate::Back, Vec::new());
        }
        true
    }
}
