//! Answers needs with plans. Making a plan is work like any other: the host's executor does it.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::id::{NeedId, OpId, Thread};
use crate::node::desk::{Desk, Saying};
use crate::node::io::{Outcome, Subject, Work};
use crate::node::threads::Threads;
use crate::wire::{Body, Decide, Envelope};

/// The planner's part of a node.
#[derive(Clone, Default)]
pub(super) struct Planner {
    planning: BTreeMap<OpId, NeedId>,
}

impl Planner {
    pub fn need(&mut self, desk: &mut Desk, envelope: &Arc<Envelope>) {
        if let Thread::Need(need) = envelope.thread {
            let op = desk.execute(Work::Plan { need: Arc::clone(envelope) });
            self.planning.insert(op, need);
        }
    }

    /// A plan is ready, or cannot be made (then another planner may know better).
    pub fn done(&mut self, desk: &mut Desk, op: OpId, outcome: &Outcome) {
        let Some(need) = self.planning.remove(&op) else { return };
        if let Outcome::Planned(propose) = outcome {
            desk.say(Saying::new(Subject::Thread(need), Thread::Need(need), Body::Propose(propose.clone())));
        }
    }

    /// A decision for this planner's own proposal makes it a party of the thread.
    pub fn decided(&mut self, desk: &mut Desk, threads: &mut Threads, thread: Thread, decide: &Decide) {
        if let Thread::Need(need) = thread
            && decide.proposal.sender == desk.me()
        {
            threads.follow(desk, need);
        }
    }

    /// Work asked for before a boot is asked for again.
    pub fn again(&mut self, desk: &mut Desk, op: OpId, work: &Work) {
        if let Some(need) = self.planning.remove(&op) {
            let op = desk.execute(work.clone());
            self.planning.insert(op, need);
        }
    }
}
