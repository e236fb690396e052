//! What adversaries do with what their nodes want said. Each has its own key and what a real one could hear, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::id::{Cid, Label};
use swarm_core::node::{Act, Input, Note, Outcome};
use swarm_core::register::Event as Did;
use swarm_core::wire::{Body, Count, Draft, Telemetry, Verdict};
use swarm_scenarios::Strategy;

use super::Host;
use crate::kernel::Cx;
use crate::world::wire::Wire;

impl Host {
    /// Whether it keeps to itself what its node would say.
    pub(super) fn withholds(&self, draft: &Draft) -> bool {
        self.habits.lies == Some(Strategy::AlwaysPass) && matches!(draft.body, Body::Challenge(_))
    }

    /// What it says in its node's place.
    pub(super) fn lie(&self, draft: &Draft) -> Option<Draft> {
        if self.habits.lies != Some(Strategy::AlwaysPass) {
            return None;
        }
        let mut content = (**draft).clone();
        match &mut content.body {
            Body::Attest(attest) => {
                attest.verdict = Verdict::Pass;
                attest.reasons.clear();
            }
            Body::Verdict(ruling) => ruling.upheld = false,
            _ => return None,
        }
        self.recorder.borrow_mut().mark("adversary-lied");
        Some(Draft::new(content))
    }

    /// A worker that lies keeps other outputs than its job gave, or says that it took less.
    pub(super) fn falsify(&self, outcome: &mut Outcome, unkept: &mut BTreeMap<Cid, Arc<[u8]>>) {
        let Outcome::Ran { outputs, telemetry, .. } = outcome else { return };
        match self.habits.lies {
            Some(Strategy::WrongResult) => {}
            Some(Strategy::FalseClaim) => {
                *telemetry = Telemetry { bytes: telemetry.bytes, steps: Count(telemetry.steps.0 / 2) };
                return self.recorder.borrow_mut().mark("adversary-lied");
            }
            _ => return,
        }
        let false_of = |cid: &mut Cid| {
            let mut bytes = unkept.remove(cid).map(|bytes| bytes.to_vec()).unwrap_or_default();
            bytes.extend_from_slice(b"not so");
            *cid = Cid::of(&bytes);
            unkept.insert(*cid, bytes.into());
        };
        outputs.values_mut().for_each(false_of);
        self.recorder.borrow_mut().mark("adversary-lied");
    }

    /// Whoever disputes everything does so as soon as it is final.
    pub(super) fn disputes(&mut self, cx: &mut Cx<'_, Wire>, note: &Note) {
        let Note::Believed { entry, thread: swarm_core::id::Thread::Need(need), .. } = note else { return };
        if self.habits.lies != Some(Strategy::FalseChallenger) {
            return;
        }
        for event in entry.outcome.events() {
            if let Did::Final { record } = event {
                self.recorder.borrow_mut().mark("adversary-lied");
                self.input(cx, Input::Act(Act::Challenge { need: *need, task: record.task.clone() }));
            }
        }
    }

    /// What an honest host got for its work.
    pub(super) fn tell_truth(&self, need: swarm_core::id::NeedId, inputs: &[Cid], task: &Label, outcome: &Outcome) {
        if let (true, None, Outcome::Ran { outputs, telemetry, .. }) =
            (self.habits.tells_truth, self.habits.lies, outcome)
        {
            let (inputs, outputs) = (inputs.into(), outputs.values().copied().collect());
            self.recorder.borrow_mut().worked(need, inputs, outputs, task.clone(), *telemetry);
        }
    }
}
