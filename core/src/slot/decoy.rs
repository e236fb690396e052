//! Forced errors: a need whose result is wrong on purpose, to see who passes it (PROTOCOL 8).
//!
//! Before the need there is a mask, a digest in the system thread that says nothing. The need then lives as any other does: it
//! is planned, won by a worker of its requester's, committed, judged. Only once the register itself has found the result wrong,
//! by its committee's verdict or by a ruling on it, and before anyone else holds the task, may the requester open the mask.
//! Nothing that it says proves that the result is wrong: whoever masks what is right finds no verdict to unmask.
//!
//! What follows costs those who passed it what passing a void result of a low fee costs; every pass that anyone holds counts, and there is
//! time for all to be brought. What the worker had won the task for is shared by those whose verdicts failed it. So an opener
//! that warns its friends only pays them out of its own pocket, and one that never opens has had an ordinary need.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::Params;
use crate::id::{AgentId, Cid, Credits, Digest, TaskName};
use crate::mutant::{Mutant, planted};
use crate::plan::TaskState;
use crate::register::{Answer, Ask, Ending, Event};
use crate::reject::Reject;
use crate::slot::apply::{Move, bond};
use crate::slot::perform::Doing;
use crate::slot::{Record, Registry, Waiting};
use crate::wire::{Attest, Body, Commit, Envelope, Unmask, Verdict};

/// What a decoy is announced by: whose need it will be, who will commit to what, in the order of the outputs' names, and a salt
/// without which nobody can tell.
pub fn mask<'a>(
    requester: &AgentId,
    worker: &AgentId,
    outputs: impl IntoIterator<Item = &'a Cid>,
    salt: &Digest,
) -> Digest {
    let outputs: Vec<&Cid> = outputs.into_iter().collect();
    Digest::of_json("swarm/mask", &(requester, worker, outputs, salt))
}

/// The mask that opens with `salt`, if this COMMIT is a decoy of the requester's.
fn masked(requester: &AgentId, commit: &Envelope, salt: &Digest) -> Option<Digest> {
    let Body::Commit(Commit { outputs, .. }) = &commit.body else { return None };
    Some(mask(requester, &commit.sender, outputs.values(), salt))
}

impl Record {
    /// The requester opens a mask.
    pub(super) fn unmask(&self, envelope: &Arc<Envelope>, said: &Unmask) -> Result<Move, Reject> {
        let need = self.need.as_ref().ok_or(Reject::NoSuchThing)?;
        if need.sender != envelope.sender {
            return Err(Reject::NotEntitled);
        }
        if envelope.epoch != Some(self.epoch) {
            return Err(Reject::StaleEpoch);
        }
        let task = self.tasks.get(&said.task).ok_or(Reject::NoSuchThing)?;
        if envelope.fence != Some(task.fence) {
            return Err(Reject::StaleFence);
        }
        // Nobody's work may rest on a decoy, or be lost with it.
        if self.tasks.len() > 1 {
            return Err(Reject::BadPlan);
        }
        // What people may differ about takes nobody's stake, and is no trap.
        if self.need().is_some_and(|need| need.forms.values().any(|form| form.claims.is_some())) {
            return Err(Reject::BadPlan);
        }
        let wrong = task.wrong.as_ref().filter(|_| task.state == TaskState::Idle).ok_or(Reject::WrongPhase)?;
        if wrong.unmasking.is_some() {
            return Err(Reject::Duplicate);
        }
        if wrong.commit.id() != said.commit {
            return Err(Reject::NoSuchThing);
        }
        if masked(&need.sender, &wrong.commit, &said.salt) != Some(said.mask) {
            return Err(Reject::WrongReveal);
        }
        Ok(Move::Unmask { task: said.task.clone(), unmask: Arc::clone(envelope) })
    }

    /// Somebody passed a decoy: its own signed verdict says so, whether it was counted or not.
    pub(super) fn passed(&self, envelope: &Envelope, said: &Attest) -> Result<Move, Reject> {
        let task = self.tasks.get(&said.task).ok_or(Reject::NoSuchThing)?;
        let wrong = task.wrong.as_ref().filter(|_| task.is_decoy()).ok_or(Reject::WrongPhase)?;
        let unmasking = task.unmasking().ok_or(Reject::WrongPhase)?;
        if !self.is_of_epoch(envelope) {
            return Err(Reject::StaleEpoch);
        }
        if envelope.fence != Some(task.fence) || said.commit != wrong.commit.id() {
            return Err(Reject::StaleFence);
        }
        if said.verdict != Verdict::Pass {
            return Err(Reject::NoEvidence);
        }
        if !wrong.seats.contains(&envelope.sender) {
            return Err(Reject::NotEntitled);
        }
        if unmasking.passed.contains(&envelope.sender) || wrong.slashed.contains(&envelope.sender) {
            return Err(Reject::Duplicate);
        }
        let (task, verifier) = (said.task.clone(), envelope.sender);
        Ok(Move::Note(Event::Passed { attest: envelope.id(), task, verifier }))
    }
}

impl<R: Registry> Doing<'_, R> {
    /// Asks whether there was such a mask before the need.
    pub(super) fn ask_for_the_mask(&mut self, name: TaskName, unmask: Arc<Envelope>) {
        let Body::Unmask(Unmask { mask, .. }) = unmask.body else { unreachable!("an UNMASK was checked") };
        self.emit(Event::Unmasking { task: name.clone(), unmask });
        self.ask(Ask::Mask { mask, task: name });
    }

    /// The answer to that.
    pub(super) fn take_mask(&mut self, answer: &Answer, name: TaskName) {
        let decoy = *answer == Answer::Masked && !planted(Mutant::DecoyGoesOn);
        self.emit(Event::Unmasked { decoy, task: name.clone() });
        let bids = Waiting::Bids(name.clone());
        if decoy {
            self.stop(bids);
            let verify_ms = self.need().windows.verify_ms;
            self.wait(Waiting::Verdicts(name), verify_ms);
        } else if !self.record.waits.contains_key(&bids) {
            // The window ended meanwhile, and its winner waits.
            self.grant(name);
        }
    }

    /// Whoever passed it had its time to be told of.
    pub(super) fn expose(&mut self, name: TaskName) {
        let task = &self.record.tasks[&name];
        let (wrong, unmasking) = (task.wrong.as_ref().expect("a decoy is wrong"), task.unmasking().expect("unmasked"));
        let Body::Unmask(said) = &unmasking.unmask.body else { unreachable!("an UNMASK was checked") };
        let params: &Params = self.registry.params();
        let plan = &self.record.decision.as_ref().expect("decided").plan;
        // After a ruling the worker's bond is shared already, and nobody has caught it.
        let by_verdict = wrong.slashed.is_empty();
        let due = |amount: Credits| if by_verdict { amount } else { Credits(0) };
        // Where one fail is enough, more may have passed it: of what most found good nobody knows that it was wrong.
        let found = if by_verdict { wrong.caught.len() } else { usize::MAX };
        let passed = || unmasking.passed.iter().copied().filter(|_| unmasking.passed.len() <= found);
        let ask = Ask::Expose {
            bond: due(bond(plan.tasks()[&name].cost_cap, params)),
            caught: wrong.caught.clone(),
            denied: said.denied.clone(),
            mask: said.mask,
            passed: passed().collect(),
            price: due(wrong.price),
            task: name.clone(),
            worker: wrong.commit.sender,
        };
        self.ask(ask);
        self.end_task(name, Ending::Decoy);
    }
}
