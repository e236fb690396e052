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
    /// Every loss heard of: from this era on nothing above that place is there.
    losses: Vec<(u64, u64)>,
}

impl Outbox {
    /// The bus keeps a message at a place; or kept it, if this was said before a loss that is known already: then it is to be
    /// published again.
    #[must_use]
    pub fn acked(&mut self, place: Place, post: Rc<Post>) -> Option<OpId> {
        if self.losses.iter().any(|loss| is_gone(place, *loss)) {
            self.ops += 1;
            self.again.insert(OpId(OPS + self.ops), post);
            return Some(OpId(OPS + self.ops));
        }
        self.acked.insert(place, post);
        if self.acked.len() > HELD_MAX {
            self.acked.pop_first();
        }
        None
    }

    /// The bus keeps a message that was published again; see [`Self::acked`].
    #[must_use]
    pub fn reposted(&mut self, op: OpId, place: Place) -> Option<OpId> {
        let post = self.again.remove(&op)?;
        self.acked(place, post)
    }

    /// From this era on nothing above `last` of the eras before is there: what is to be published again.
    pub fn lost(&mut self, era: u64, last: u64) -> Vec<OpId> {
        self.losses.push((era, last));
        let gone = self.acked.extract_if(.., |place, _| is_gone(*place, (era, last)));
        let ops: Vec<_> = gone.zip(self.ops + 1..).map(|((_, post), op)| (OpId(OPS + op), post)).collect();
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

/// Whether what was kept at a place went with a loss.
fn is_gone(place: Place, (era, last): (u64, u64)) -> bool {
    place.era < era && place.seq > last
}
