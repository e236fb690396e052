//! Answers needs with plans. Making a plan is work like any other: the host's executor does it.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::config::ms;
use crate::id::{NeedId, OpId, Thread};
use crate::node::crowd::is_called;
use crate::node::desk::{Desk, Saying};
use crate::node::io::{Outcome, Subject, Work};
use crate::node::threads::Threads;
use crate::node::timer::Timer;
use crate::wire::{Body, Decide, Envelope};

/// The planner's part of a node.
#[derive(Clone, Default)]
pub(super) struct Planner {
    planning: BTreeMap<OpId, NeedId>,
    /// Needs that others were called for and nobody has a plan for yet.
    left: BTreeMap<NeedId, Arc<Envelope>>,
}

impl Planner {
    /// A need was posted; this planner is one of `crowd`.
    pub fn need(&mut self, desk: &mut Desk, crowd: usize, envelope: &Arc<Envelope>) {
        let (Thread::Need(need), Body::Need(body)) = (envelope.thread, &envelope.body) else { return };
        self.left.insert(need, Arc::clone(envelope));
        if is_called(&need.0.0, &desk.me(), crowd, 0) {
            self.plan(desk, need);
        } else {
            let epoch_ms = body.windows.proposals_ms.saturating_add(body.windows.decision_ms);
            desk.wake_in(ms(epoch_ms), Timer::Plan(need));
        }
    }

    /// It is this planner's turn.
    pub fn plan(&mut self, desk: &mut Desk, need: NeedId) {
        if let Some(envelope) = self.left.remove(&need) {
            let op = desk.execute(Work::Plan { need: envelope });
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
        let Thread::Need(need) = thread else { return };
        self.left.remove(&need);
        desk.cancel(&Timer::Plan(need));
        if decide.proposal.sender == desk.me() {
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
