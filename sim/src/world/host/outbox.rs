//! What the bus said it keeps, held on to for a while: an acknowledgement is a promise that a bus can break, and then whoever
//! holds the message publishes it again. In a real host this is read from the audit log, so it outlives a crash.

use std::collections::BTreeMap;
use std::rc::Rc;

use swarm_core::id::OpId;

use crate::world::wire::{Place, Post};

/// How many messages a host holds on to.
const HELD_MAX: usize = 512;

/// Operations of the host itself are numbered from here, far above those of any node.
const OPS: u64 = 1 << 60;

/// Acknowledged messages, and those that are on their way again.
#[derive(Default)]
pub(super) struct Outbox {
    acked: BTreeMap<Place, Rc<Post>>,
    again: BTreeMap<OpId, Rc<Post>>,
    ops: u64,
}

impl Outbox {
    /// The bus keeps a message at a place.
    pub fn acked(&mut self, place: Place, post: Rc<Post>) {
        self.acked.insert(place, post);
        if self.acked.len() > HELD_MAX {
            self.acked.pop_first();
        }
    }

    /// The bus keeps a message that was published again.
    pub fn reposted(&mut self, op: OpId, place: Place) {
        if let Some(post) = self.again.remove(&op) {
            self.acked(place, post);
        }
    }

    /// From this era on nothing above `last` of the eras before is there: what is to be published again.
    pub fn lost(&mut self, era: u64, last: u64) -> Vec<OpId> {
        let gone = self.acked.extract_if(.., |place, _| place.era < era && place.seq > last);
        let ops: Vec<_> = gone.zip(self.ops..).map(|((_, post), op)| (OpId(OPS + op), post)).collect();
        self.ops += ops.len() as u64;
        let again = ops.iter().map(|(op, _)| *op).collect();
        self.again.extend(ops);
        again
    }

    /// A message that is on its way again and not acknowledged yet.
    pub fn unkept(&self, op: OpId) -> Option<Rc<Post>> {
        self.again.get(&op).cloned()
    }
}
