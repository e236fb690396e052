//! The client of the one sequencer: entries come in one order over all threads, and are asked for until they have come.

use std::sync::Arc;

use swarm_core::id::{OpId, Thread};
use swarm_core::node::Outcome;
use swarm_core::register::Command;

use super::{Out, Outs, Register};
use crate::kernel::{Cx, NodeId};
use crate::world::actor::{REGISTER, service};
use crate::world::wire::Wire;

/// The register half that trusts a sequencer.
#[derive(Debug, Default)]
pub struct Embedded {
    /// Place of the next entry of all.
    next: u64,
}

impl Register for Embedded {
    fn submit(&mut self, _cx: &mut Cx<'_, Wire>, op: OpId, thread: Thread, command: Arc<Command>, outs: &mut Outs) {
        outs.push_back(Out::Send(service(REGISTER), Wire::Submit { op, thread, command }));
    }

    fn on_wire(&mut self, _cx: &mut Cx<'_, Wire>, _from: NodeId, msg: Wire, outs: &mut Outs) {
        match msg {
            Wire::Submitted { op } => outs.push_back(Out::Answer(op, Outcome::Committed)),
            Wire::Entry { place, entry } => {
                if place == self.next {
                    self.next += 1;
                    outs.push_back(Out::Applied(entry.entry.clone()));
                } else if place > self.next {
                    outs.push_back(Out::Mark("entry-caught-up"));
                }
                outs.push_back(Out::Send(service(REGISTER), Wire::Applied { next: self.next }));
            }
            _ => {}
        }
    }
}
