//! The work a node asks for: inputs from the store, the job itself, outputs back to the store before anyone hears of them.
//!
//! Who verifies looks whether the outputs can be fetched, and brings what the store lacks: it has just made the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::id::{Cid, Digest, OpId, label};
use swarm_core::node::{Act, Input, Outcome, Work};
use swarm_core::wire::{Body, Envelope};
use swarm_ports::jobs::Made;
use swarm_ports::{jobs, recipes};

use super::{ANSWER, Host, Waits};
use crate::kernel::Cx;
use crate::policies;
use crate::world::actor::STORE;
use crate::world::wire::Wire;

/// Times the store is asked for one artifact.
const FETCHES: u32 = 6;

/// A job in progress.
#[derive(Debug)]
pub(super) struct Job {
    op: OpId,
    work: Work,
    inputs: BTreeMap<Cid, Option<Arc<[u8]>>>,
    /// Outputs that the store does not have yet, as far as is known.
    unkept: BTreeMap<Cid, Arc<[u8]>>,
    outcome: Option<Outcome>,
    /// The time it takes has passed.
    ready: bool,
    asks: u32,
}

impl Job {
    fn verifies(&self) -> bool {
        matches!(self.work, Work::Run { verify: Some(_), .. })
    }
}

impl Host {
    /// Whether its agent is at a job of its own right now, not at a verification.
    pub fn is_at_work(&self) -> bool {
        let working =
            |job: &Job| job.outcome.is_some() && !job.ready && matches!(job.work, Work::Run { verify: None, .. });
        self.jobs.values().any(working)
    }

    /// The store keeps an output, it says. Who verifies asks for it again: a store can forget, and its word is no evidence.
    pub(super) fn kept(&mut self, cx: &mut Cx<'_, Wire>, job: u64, cid: Cid) {
        if let Some(at) = self.jobs.get_mut(&job).filter(|at| !at.verifies()) {
            at.unkept.remove(&cid);
            self.finish_if_kept(cx, job);
        }
    }

    /// The store gives an artifact, or what it takes for it: an address is what its bytes hash to, whatever the store says.
    pub(super) fn got(&mut self, cx: &mut Cx<'_, Wire>, job: u64, cid: Cid, bytes: Option<Arc<[u8]>>) {
        let Some(at) = self.jobs.get_mut(&job) else { return };
        let found = bytes.filter(|bytes| {
            let is_right = Cid::of(bytes) == cid;
            if !is_right {
                self.recorder.borrow_mut().mark("corrupt-read-refused");
            }
            is_right
        });
        match found {
            Some(bytes) if at.outcome.is_none() => {
                at.inputs.insert(cid, Some(bytes));
                self.work(cx, job);
            }
            Some(_) if at.verifies() => {
                at.unkept.remove(&cid);
                self.finish_if_kept(cx, job);
            }
            None if at.verifies() => {
                if let Some(bytes) = at.unkept.get(&cid).cloned() {
                    self.send(cx, STORE, Wire::Put { job, cid, bytes });
                }
            }
            _ => {}
        }
    }

    pub(super) fn begin(&mut self, cx: &mut Cx<'_, Wire>, op: OpId, work: Work) {
        self.counter += 1;
        let job = self.counter;
        let inputs = jobs::wanted(&work).chain(jobs::begin(&work)).map(|cid| (cid, None)).collect();
        self.jobs.insert(job, Job { op, work, inputs, unkept: BTreeMap::new(), outcome: None, ready: false, asks: 0 });
        self.work(cx, job);
        if self.jobs.get(&job).is_some_and(|at| at.outcome.is_none()) {
            self.ask_store(cx, job);
        }
    }

    /// Asks the store for what a job still lacks, or to keep what is not kept yet (or for it, to verify that it is); gives up
    /// after a while.
    pub(super) fn ask_store(&mut self, cx: &mut Cx<'_, Wire>, job: u64) {
        let Some(at) = self.jobs.get_mut(&job) else { return };
        if at.outcome.is_some() && !at.ready {
            // At work: nothing is wanted of the store until it is done.
            return;
        }
        at.asks += 1;
        if at.asks > FETCHES
            && let Some(begin) = jobs::begin(&at.work)
            && at.inputs.get(&begin).is_some_and(Option::is_none)
        {
            // What the run had come to cannot be had: all of it is done again.
            at.inputs.remove(&begin);
            at.asks = 1;
            self.work(cx, job);
            if self.jobs.get(&job).is_none_or(|at| at.outcome.is_some()) {
                return;
            }
        }
        let Some(at) = self.jobs.get_mut(&job) else { return };
        if at.asks > FETCHES {
            return self.end(cx, job, Outcome::CouldNot(label("unavailable")));
        }
        let lacking: Vec<Cid> = at.inputs.iter().filter(|(_, bytes)| bytes.is_none()).map(|(cid, _)| *cid).collect();
        let verifies = at.verifies();
        let unkept: Vec<_> = at.unkept.iter().map(|(cid, bytes)| (*cid, Arc::clone(bytes))).collect();
        for cid in lacking {
            self.send(cx, STORE, Wire::Get { job, cid });
        }
        for (cid, bytes) in unkept {
            self.send(cx, STORE, if verifies { Wire::Get { job, cid } } else { Wire::Put { job, cid, bytes } });
        }
        self.wait(cx, ANSWER, Waits::Store(job));
        self.arm(cx);
    }

    /// Does the work, once all inputs are here; its result is ready after the time the work takes.
    fn work(&mut self, cx: &mut Cx<'_, Wire>, job: u64) {
        let at = &self.jobs[&job];
        if at.outcome.is_some() || at.inputs.values().any(Option::is_none) {
            return;
        }
        let mut takes = cx.rng().within(self.habits.work);
        let (outcome, unkept) = match &at.work {
            Work::Load { capsule, engine } => (load(at.inputs.get(capsule), engine), BTreeMap::new()),
            Work::Plan { need } => {
                takes /= 8;
                (self.plan(need), BTreeMap::new())
            }
            Work::Run { inputs: given, keys, need, task, verify, .. } => {
                if let (Some(_), Some((factor, extra))) = (verify, self.ills.slow) {
                    takes = takes.saturating_mul(u64::from(factor)).saturating_add(extra);
                    self.harm.slowed += 1;
                }
                if verify.is_some() && self.ills.failing {
                    self.harm.failed += 1;
                    (Outcome::CouldNot(label("job-failed")), BTreeMap::new())
                } else {
                    let (mut outcome, mut unkept) = self.run(at);
                    if jobs::disputed(&at.work).is_none() {
                        self.tell_truth(*need, given, task, keys, &outcome);
                    }
                    if verify.is_none() {
                        self.falsify(&at.work, &mut outcome, &mut unkept);
                        let inputs: Vec<_> =
                            given.iter().filter_map(|cid| at.inputs.get(cid).cloned().flatten()).collect();
                        self.strays(&at.work, &inputs, &mut outcome, &mut unkept);
                        self.plant(&at.work, &inputs, &mut outcome, &mut unkept);
                    }
                    (outcome, unkept)
                }
            }
        };
        let at = self.jobs.get_mut(&job).expect("looked up above");
        at.outcome = Some(outcome);
        at.unkept = unkept;
        self.wait(cx, takes, Waits::Job(job));
        self.arm(cx);
    }

    fn plan(&self, need: &Envelope) -> Outcome {
        let Body::Need(body) = &need.body else { return Outcome::CouldNot(label("no-need")) };
        match recipes::plan(body.recipe.as_str(), body, self.habits.variant) {
            Ok(plan) => Outcome::Planned(plan.into_propose(self.habits.variant)),
            Err(_) => Outcome::CouldNot(label("no-plan")),
        }
    }

    /// The work is done; its outputs must be kept before anyone is told of them.
    pub(super) fn finish(&mut self, cx: &mut Cx<'_, Wire>, job: u64) {
        let Some(at) = self.jobs.get_mut(&job) else { return };
        (at.asks, at.ready) = (0, true);
        if at.unkept.is_empty() {
            self.finish_if_kept(cx, job);
        } else {
            self.ask_store(cx, job);
        }
    }

    fn finish_if_kept(&mut self, cx: &mut Cx<'_, Wire>, job: u64) {
        if self.jobs.get(&job).is_some_and(|at| at.ready && at.unkept.is_empty())
            && let Some(outcome) = self.jobs.get_mut(&job).and_then(|at| at.outcome.take())
        {
            self.end(cx, job, outcome);
        }
    }

    fn end(&mut self, cx: &mut Cx<'_, Wire>, job: u64, outcome: Outcome) {
        let Some(at) = self.jobs.remove(&job) else { return };
        let is_own_work = matches!(at.work, Work::Run { verify: None, .. });
        // An agent may change its mind about work it holds.
        if is_own_work && self.habits.yield_bp > 0 && cx.rng().below(10_000) < u64::from(self.habits.yield_bp) {
            self.input(cx, Input::Act(Box::new(Act::YieldAll)));
        }
        self.input(cx, Input::Done { op: at.op, outcome });
    }

    /// Runs a job for real, or looks at what somebody else's run gave; and what the store has to have before the node is told.
    fn run(&self, at: &Job) -> (Outcome, BTreeMap<Cid, Arc<[u8]>>) {
        let fetched = |cid: &Cid| at.inputs.get(cid).cloned().flatten();
        let whim = Digest::of("sim/whim", &[&self.agent().0]).prefix();
        let Made { outcome, outputs, begin } =
            jobs::perform(&at.work, fetched, whim, |written| self.misquotes(written), |document| self.minds(document));
        if let (Work::Run { forms, names, .. }, Outcome::Ran { .. }) = (&at.work, &outcome) {
            let documents = jobs::documents(&at.work).filter_map(|(name, cid)| Some((name, fetched(cid)?)));
            self.tell_text(forms, documents, names);
        }
        (outcome, outputs.into_iter().chain(begin).map(|(cid, bytes)| (cid, bytes.into())).collect())
    }

    /// Whether its agent would call what contradicts itself in this document by that name: people differ.
    fn minds(&self, document: &[u8]) -> bool {
        let lot = Digest::of("sim/mind", &[&self.agent().0, document]).prefix() % 10_000;
        lot >= u64::from(self.habits.dissent_bp)
    }
}

/// Has a capsule prove that it is this engine.
fn load(capsule: Option<&Option<Arc<[u8]>>>, engine: &Digest) -> Outcome {
    match capsule.and_then(Option::as_deref).map(|artifact| policies::library().load(artifact)) {
        Some(Ok(rules)) if rules.engine() == *engine => Outcome::Loaded(*engine),
        _ => Outcome::CouldNot(label("bad-capsule")),
    }
}
