//! Judges plans and results: votes for the best valid proposal, and does accepted work again.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::id::{AgentId, Cid, Digest, Epoch, Fence, Label, NeedId, OpId, TaskName, Thread, label};
use crate::node::desk::{Desk, Saying};
use crate::node::io::{Message, Outcome, Subject, Work};
use crate::node::threads::Threads;
use crate::plan::{Source, TaskState};
use crate::policy;
use crate::register::Event;
use crate::slot::{Phase, Record};
use crate::wire::{Attest, AttestPlan, Body, Envelope, Role, Verdict};

/// Times a result whose artifacts cannot be had is tried before it is failed as unavailable.
const TRIES: u32 = 5;

/// A result being checked.
#[derive(Clone)]
struct Check {
    need: NeedId,
    task: TaskName,
    epoch: Epoch,
    fence: Fence,
    commit: Arc<Envelope>,
    tries: u32,
}

/// The verifier's part of a node.
#[derive(Clone, Default)]
pub(super) struct Verifier {
    voted: BTreeSet<(NeedId, Epoch)>,
    checking: BTreeMap<OpId, Check>,
}

/// Key of a verifier's proof of work for one commit: its id and a salt that only this slot has (PROTOCOL 8).
pub fn proof_key(verifier: &AgentId, commit: &Cid, seed_fence: Fence) -> Digest {
    Digest::of("swarm/proof", &[&verifier.0, &commit.0.0, &seed_fence.0.to_be_bytes()])
}

/// The work that redoes (or does) a task: its job on its inputs.
pub(super) fn work(record: &Record, need: NeedId, task: &TaskName, key: Digest, verify: bool) -> Option<Work> {
    let plan = &record.decision.as_ref()?.plan;
    let planned = plan.tasks().get(task)?;
    let input = |source: &Source| match source {
        Source::Given(cid) => Some(*cid),
        Source::Output { label, task } => record.tasks.get(task)?.record.as_ref()?.outputs.get(label).copied(),
    };
    Some(Work::Run {
        inputs: planned.sources.iter().map(input).collect::<Option<Vec<_>>>()?,
        job: planned.job.clone(),
        key,
        need,
        produces: planned.produces.clone(),
        task: task.clone(),
        verify,
    })
}

impl Verifier {
    /// An ENTRY in the inbox: if it calls this verifier to a thread, follow it. One coordinator's word is enough to look.
    pub fn called(&mut self, desk: &mut Desk, threads: &mut Threads, message: &Message) {
        let me = desk.me();
        let calls = |event: &Event| match event {
            Event::Opened { voters, .. } => voters.contains(&me),
            Event::Seated { seats, .. } => seats.contains(&me),
            _ => false,
        };
        if let Thread::Need(need) = message.envelope.thread
            && message.entries.iter().flat_map(|e| e.outcome.events()).any(calls)
        {
            threads.follow(desk, need);
        }
    }

    /// Votes once per epoch, when proposals are in and this verifier was drawn.
    pub fn vote(&mut self, desk: &mut Desk, need: NeedId, record: &Record) {
        let drawn = record.phase == Phase::Open && record.voters.contains(&desk.me());
        let Some(best) = record.candidates.first().filter(|_| drawn) else { return };
        if !self.voted.insert((need, record.epoch)) {
            return;
        }
        let Some((proposal, _)) = record.proposals.get(best) else { return };
        let (allowed, policy) = match policy::ingress(&*desk.setup.evaluator, proposal, &[Role::Planner]) {
            Ok(evaluation) => (true, evaluation.digest),
            Err(denial) => (false, denial.evaluation.map_or_else(Digest::default, |e| e.digest)),
        };
        let body = AttestPlan { policy, proposal: allowed.then_some(*best) };
        let saying = Saying::new(Subject::Thread(need), Thread::Need(need), Body::AttestPlan(body));
        desk.say(saying.epoch(record.epoch));
    }

    /// A committee sits: if this verifier is on it, it does the work.
    pub fn seated(&mut self, desk: &mut Desk, need: NeedId, record: &Record, name: &TaskName) {
        let task = &record.tasks[name];
        if task.state != TaskState::Verifying || !task.seats.contains(&desk.me()) {
            return;
        }
        let Some(commit) = &task.commit else { return };
        let check = Check {
            need,
            task: name.clone(),
            epoch: record.epoch,
            fence: task.fence,
            commit: Arc::clone(commit),
            tries: 0,
        };
        let key = proof_key(&desk.me(), &check.commit.id(), check.fence);
        if let Some(work) = work(record, need, name, key, true) {
            let op = desk.execute(work);
            self.checking.insert(op, check);
        }
    }

    /// The work was done again: say what came of it.
    pub fn done(&mut self, desk: &mut Desk, threads: &Threads, op: OpId, outcome: &Outcome) {
        let Some(mut check) = self.checking.remove(&op) else { return };
        let record = threads.record(&check.need);
        match outcome {
            Outcome::Ran { outputs, proof, telemetry, .. } => {
                let same = matches!(&check.commit.body, Body::Commit(commit) if commit.outputs == *outputs);
                // The commit gate compares what the worker says it took with what it took here.
                let gate = policy::commit(&*desk.setup.evaluator, &check.commit, &[Role::Worker], Some(*telemetry));
                let mut reasons = Vec::new();
                if !same {
                    reasons.push(label("output-mismatch"));
                }
                let policy = match gate {
                    Ok(evaluation) => evaluation.digest,
                    Err(denial) => {
                        reasons.push(label("policy-denied"));
                        denial.evaluation.map_or_else(Digest::default, |e| e.digest)
                    }
                };
                self.attest(desk, &check, reasons, *proof, policy);
            }
            _ if check.tries + 1 < TRIES => {
                check.tries += 1;
                let key = proof_key(&desk.me(), &check.commit.id(), check.fence);
                if let Some(work) = record.and_then(|r| work(r, check.need, &check.task, key, true)) {
                    let op = desk.execute(work);
                    self.checking.insert(op, check);
                }
            }
            Outcome::CouldNot(reason) => {
                let reasons = alloc::vec![reason.clone()];
                self.attest(desk, &check, reasons, Digest::default(), Digest::default());
            }
            _ => {}
        }
    }

    /// Passes what no reason speaks against.
    fn attest(&mut self, desk: &mut Desk, check: &Check, reasons: Vec<Label>, proof: Digest, policy: Digest) {
        let verdict = if reasons.is_empty() { Verdict::Pass } else { Verdict::Fail };
        let body = Attest { commit: check.commit.id(), policy, proof, reasons, task: check.task.clone(), verdict };
        let saying = Saying::new(Subject::Thread(check.need), Thread::Need(check.need), Body::Attest(body));
        desk.say(saying.epoch(check.epoch).fence(check.fence));
        desk.mark(if verdict == Verdict::Pass { "verdict-pass" } else { "verdict-fail" });
    }

    /// Work asked for before a boot is asked for again.
    pub fn again(&mut self, desk: &mut Desk, op: OpId, work: &Work) {
        if let Some(check) = self.checking.remove(&op) {
            let op = desk.execute(work.clone());
            self.checking.insert(op, check);
        }
    }
}
