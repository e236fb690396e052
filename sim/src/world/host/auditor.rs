//! Honest agents who slip decoys in: requesters whose need is one, and workers who are in on it. What they share nobody else
//! has: which need it is, and what each of them would commit to in it.
//!
//! Their nodes live as any other does. A worker bids as it always does, and if it wins, keeps other outputs than its job gave; the
//! requester waits until the register has found that wrong, and says so itself where a committee has passed it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use swarm_core::id::{AgentId, Cid, Digest, Fence, Label, NeedId, Thread};
use swarm_core::node::{Act, Input, Note, Outcome, Work, proof_key};
use swarm_core::register::{Counted, Event as Did};
use swarm_core::rng::{Seed, fork};
use swarm_core::slot::mask;
use swarm_core::wire::{Body, Verdict};
use swarm_ports::jobs;

use super::Host;
use crate::kernel::Cx;
use crate::world::wire::Wire;

/// A decoy before and while it is one, by what its need starts from: no two needs start from the same.
pub struct Plot {
    requester: AgentId,
    salt: Digest,
    /// What each worker that is in on it keeps in place of what its job gives.
    planted: BTreeMap<AgentId, Arc<[u8]>>,
    /// The need, once its requester's node believes in it.
    need: Option<NeedId>,
    /// The job that was to be done, once somebody did it.
    job: Option<Job>,
    /// The COMMIT in which it was planted, with its fence.
    commit: Option<(Cid, Fence)>,
}

/// What there was to do.
struct Job {
    kind: Label,
    inputs: Vec<Arc<[u8]>>,
    produces: Vec<Label>,
}

/// All decoys of a run.
pub type Plots = Rc<RefCell<BTreeMap<Cid, Plot>>>;

impl Plot {
    /// A decoy of `requester`'s, with everything about it from a seed.
    pub fn new(requester: AgentId, workers: &[AgentId], seed: &Seed) -> Self {
        // It looks like what such a job gives.
        let bytes = |worker: &AgentId| format!("{}\n", fork(seed, &format!("planted/{worker}"))).into_bytes();
        let planted = workers.iter().map(|worker| (*worker, bytes(worker).into())).collect();
        Self { requester, salt: fork(seed, "salt"), planted, need: None, job: None, commit: None }
    }

    /// What it is announced by, for each worker that may win it.
    pub fn masks(&self) -> Vec<Digest> {
        let mask =
            |(worker, bytes): (&AgentId, &Arc<[u8]>)| mask(&self.requester, worker, [&Cid::of(bytes)], &self.salt);
        self.planted.iter().map(mask).collect()
    }

    /// Who of those whose verdicts were counted did not do the work.
    fn idle(&self, counted: &[Counted]) -> Vec<AgentId> {
        let (Some(Job { kind, inputs, produces }), Some((commit, fence))) = (&self.job, &self.commit) else {
            return Vec::new();
        };
        let keys: Vec<Digest> = counted.iter().map(|c| proof_key(&c.verifier, commit, *fence)).collect();
        let Ok(done) = jobs::run(kind.as_str(), inputs, produces, &keys) else { return Vec::new() };
        let idle = counted.iter().zip(done.proofs).filter(|(c, proof)| c.proof != Some(*proof));
        let mut idle: Vec<AgentId> = idle.map(|(c, _)| c.verifier).collect();
        idle.sort_unstable();
        idle
    }
}

impl Host {
    /// A worker that is in on a decoy keeps other outputs than its job gave.
    pub(super) fn plant(
        &self,
        work: &Work,
        inputs: &[Arc<[u8]>],
        outcome: &mut Outcome,
        unkept: &mut BTreeMap<Cid, Arc<[u8]>>,
    ) {
        let (Work::Run { inputs: given, job, need, produces, task, .. }, Outcome::Ran { outputs, .. }) =
            (work, outcome)
        else {
            return;
        };
        let mut plots = self.plots.borrow_mut();
        let plot = given.first().and_then(|input| plots.get_mut(input));
        let Some(plot) = plot.filter(|plot| plot.planted.contains_key(&self.agent())) else { return };
        plot.job = Some(Job { kind: job.clone(), inputs: inputs.to_vec(), produces: produces.clone() });
        let bytes = &plot.planted[&self.agent()];
        let cid = Cid::of(bytes);
        outputs.values_mut().for_each(|output| *output = cid);
        unkept.clear();
        unkept.insert(cid, Arc::clone(bytes));
        let outputs = outputs.values().copied().collect();
        self.recorder.borrow_mut().planted(*need, plot.requester, self.agent(), task.clone(), outputs);
    }

    /// A requester follows its decoys, and opens each as soon as it may.
    pub(super) fn audits(&mut self, cx: &mut Cx<'_, Wire>, note: &Note) {
        let Note::Believed { entry, thread: Thread::Need(need), .. } = note else { return };
        if self.plots.borrow().is_empty() {
            return;
        }
        for event in entry.outcome.events() {
            let act = self.audit_of(*need, event);
            if let Some(act) = act {
                self.input(cx, Input::Act(Box::new(act)));
            }
        }
    }

    fn audit_of(&self, need: NeedId, event: &Did) -> Option<Act> {
        let mut plots = self.plots.borrow_mut();
        if let Did::Opening { need: text } = event
            && let Body::Need(said) = &text.body
            && let Some(plot) = said.requires.values().next().and_then(|input| plots.get_mut(input))
            && plot.requester == text.sender
        {
            plot.need = Some(need);
        }
        let mut own = plots.values_mut().filter(|plot| plot.requester == self.agent());
        let plot = own.find(|plot| plot.need == Some(need))?;
        match event {
            Did::Accepted { commit, fence, .. } => {
                let bytes = plot.planted.get(&commit.sender)?;
                let Body::Commit(said) = &commit.body else { return None };
                let planted = said.outputs.values().all(|output| *output == Cid::of(bytes));
                plot.commit = planted.then(|| (commit.id(), *fence));
                None
            }
            Did::Judged { counted, verdict: Verdict::Fail, .. } if plot.commit.is_some() => {
                Some(Act::Unmask { denied: plot.idle(counted), need, salt: plot.salt })
            }
            Did::Final { record } if plot.commit.is_some_and(|(commit, _)| commit == record.commit) => {
                Some(Act::Challenge { need, task: record.task.clone() })
            }
            Did::Invalidated { commit, .. } if plot.commit.is_some_and(|(own, _)| own == *commit) => {
                Some(Act::Unmask { denied: Vec::new(), need, salt: plot.salt })
            }
            _ => None,
        }
    }
}
