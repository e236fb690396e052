//! Where work is done: a few threads that plan needs and run jobs, so that the loop goes on beating meanwhile.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use swarm_core::id::{Cid, OpId, label};
use swarm_core::node::{Outcome, Work};
use swarm_core::wire::Body;
use swarm_ports::jobs::Made;
use swarm_ports::store::embedded::DiskArtifacts;
use swarm_ports::store::{Answer, Artifacts as _};
use swarm_ports::{jobs, recipes};

use crate::founding;

/// Work of node `host`, and its answer's name.
struct Order {
    host: usize,
    op: OpId,
    work: Work,
    /// Sets planners apart.
    variant: u32,
}

/// An answer for a node.
pub struct Finished {
    /// Which node.
    pub host: usize,
    /// What was asked.
    pub op: OpId,
    /// The answer.
    pub outcome: Outcome,
}

/// The threads.
pub struct Office {
    orders: Sender<Order>,
    finished: Receiver<Finished>,
}

impl Office {
    /// Opens with one thread per core, four at most.
    pub fn open(artifacts: Arc<Mutex<DiskArtifacts>>) -> Self {
        let (orders, queue) = channel::<Order>();
        let (out, finished) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..thread::available_parallelism().map_or(1, |n| n.get().min(4)) {
            let (queue, out, artifacts) = (Arc::clone(&queue), out.clone(), Arc::clone(&artifacts));
            thread::spawn(move || {
                loop {
                    let order = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(Order { host, op, work, variant }) = order else { return };
                    let outcome = perform(&artifacts, &work, variant);
                    if out.send(Finished { host, op, outcome }).is_err() {
                        return;
                    }
                }
            });
        }
        Self { orders, finished }
    }

    /// Takes an order.
    pub fn order(&self, host: usize, op: OpId, work: Work, variant: u32) {
        let sent = self.orders.send(Order { host, op, work, variant });
        assert!(sent.is_ok(), "the threads of the office end after it");
    }

    /// The next answer, waiting for it at most `patience`.
    pub fn finished(&self, patience: Duration) -> Option<Finished> {
        match self.finished.recv_timeout(patience) {
            Ok(finished) => Some(finished),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("every thread of the office has died"),
        }
    }
}

fn perform(artifacts: &Mutex<DiskArtifacts>, work: &Work, variant: u32) -> Outcome {
    let could_not = |why| Outcome::CouldNot(label(why));
    match work {
        Work::Load { capsule, engine } => {
            let found = artifacts.lock().unwrap_or_else(PoisonError::into_inner).get(capsule);
            let Ok(Some(bytes)) = found else { return could_not("unavailable") };
            match founding::library().load(&bytes) {
                Ok(rules) if rules.engine() == *engine => Outcome::Loaded(*engine),
                _ => could_not("bad-capsule"),
            }
        }
        Work::Plan { need } => match &need.body {
            Body::Need(body) => match recipes::plan(body.recipe.as_str(), body, variant) {
                Ok(plan) => Outcome::Planned(plan.into_propose(1)),
                Err(_) => could_not("no-plan"),
            },
            _ => could_not("no-plan"),
        },
        Work::Run { verify, .. } => {
            let store = || artifacts.lock().unwrap_or_else(PoisonError::into_inner);
            let read = |cid: &Cid| store().get(cid).ok().flatten();
            let Made { outcome, outputs, begin } =
                jobs::perform(work, read, variant.into(), |written| written, |_| true);
            // Without it whoever rules does all of the work again.
            if let Some((_, state)) = begin {
                let _ = store().put(&state);
            }
            for (cid, bytes) in outputs {
                // Who verifies looks whether it can be fetched, and brings what is missing: it has just made the same bytes.
                let is_there = || read(&cid).is_some();
                let keep = || matches!(store().put(&bytes), Answer::Committed(_));
                let kept = if verify.is_some() { is_there() || (keep() && is_there()) } else { keep() };
                if !kept {
                    return could_not("unavailable");
                }
            }
            outcome
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use swarm_core::id::{AgentId, NeedId, Nonce};
    use swarm_core::node::Look;

    /// Work on nothing, as a worker or as a verifier does it.
    fn synth(verify: bool) -> Work {
        Work::Run {
            forms: BTreeMap::new(),
            inputs: Vec::new(),
            job: label("synth/1"),
            keys: Vec::new(),
            names: Vec::new(),
            need: NeedId::of(&AgentId([0; 32]), Nonce(1)),
            produces: vec![label("result")],
            task: label("only"),
            verify: verify.then(|| Look { outputs: BTreeMap::new(), question: None, states: Vec::new() }.into()),
        }
    }

    fn made(outcome: &Outcome) -> Cid {
        match outcome {
            Outcome::Ran { outputs, .. } => outputs[&label("result")],
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_verifier_vouches_only_for_what_can_be_fetched_and_brings_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = Mutex::new(DiskArtifacts::open(dir.path()).unwrap());
        let cid = made(&perform(&artifacts, &synth(false), 0));
        let path = dir.path().join(cid.to_string());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(made(&perform(&artifacts, &synth(true), 0)), cid);
        assert!(path.exists(), "it passed what nobody can fetch");
        std::fs::write(&path, b"other bytes").unwrap();
        assert_eq!(perform(&artifacts, &synth(true), 0), Outcome::CouldNot(label("unavailable")));
    }
}
