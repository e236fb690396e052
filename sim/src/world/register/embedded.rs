//! The client of the one sequencer: entries come in one order over all threads, and are sent again until they have come.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use swarm_core::id::{OpId, Thread};
use swarm_core::node::Outcome;
use swarm_core::register::Command;

use super::{Out, Outs, Register};
use crate::kernel::{Cx, LocalTime, NodeId};
use crate::world::actor::{REGISTER, service};
use crate::world::wire::{Placed, Wire};

/// How long it collects entries before it says how far it came, nanoseconds.
const ACK: u64 = 100_000_000;

/// The register half that trusts a sequencer.
#[derive(Debug, Default)]
pub struct Embedded {
    /// How often the register was restored: what came before that is void.
    era: u32,
    /// Place of the next entry of all.
    next: u64,
    /// Entries that came before their turn.
    ahead: BTreeMap<u64, Rc<Placed>>,
    /// When it will say how far it came.
    due: Option<LocalTime>,
}

impl Embedded {
    /// That of a host whose log holds the first `entries` of all, in the present era.
    pub fn after(entries: u64, era: u32) -> Self {
        Self { era, next: entries, ..Self::default() }
    }

    /// How often the register was restored, as far as this half was told.
    pub fn era(&self) -> u32 {
        self.era
    }
}

impl Register for Embedded {
    fn submit(&mut self, _cx: &mut Cx<'_, Wire>, op: OpId, thread: Thread, command: Arc<Command>, outs: &mut Outs) {
        outs.push_back(Out::Send(service(REGISTER), Wire::Submit { op, thread, command }));
    }

    fn on_wire(&mut self, cx: &mut Cx<'_, Wire>, _from: NodeId, msg: Wire, outs: &mut Outs) {
        match msg {
            Wire::Submitted { op } => outs.push_back(Out::Answer(op, Outcome::Committed)),
            Wire::Entry { era, .. } if era != self.era => outs.push_back(Out::Mark("void-entry-refused")),
            Wire::Entry { place, entry, .. } => {
                if place >= self.next {
                    self.ahead.insert(place, entry);
                }
                if place > self.next {
                    outs.push_back(Out::Mark("entry-caught-up"));
                }
                while let Some(entry) = self.ahead.remove(&self.next) {
                    self.next += 1;
                    outs.push_back(Out::Applied(entry.entry.clone()));
                }
                if self.due.is_none() {
                    self.due = Some(cx.now().plus(ACK));
                }
            }
            _ => {}
        }
    }

    fn on_time(&mut self, cx: &mut Cx<'_, Wire>, outs: &mut Outs) {
        if self.due.is_some_and(|due| due <= cx.now()) {
            self.due = None;
            outs.push_back(Out::Send(service(REGISTER), Wire::Applied { era: self.era, next: self.next }));
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.due
    }
}
