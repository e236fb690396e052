//! What the bus said it keeps, held on to for a while: an acknowledgement is a promise that a bus can break, and then whoever
//! holds the message publishes it again. In a real host this is read from the audit log, so it outlives a crash.
//!
//! An author can lose its disk, and with it what it said. So a coordinator, which hears everything, holds on to what others
//! said too: an envelope is signed, and the bus does not ask who brings it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use swarm_core::id::{Cid, OpId};

use crate::world::wire::{Place, Post};

/// How many messages of its own a host holds on to.
const SAID_MAX: usize = 512;

/// How many of others.
const HEARD_MAX: usize = 1_024;

/// Operations of the host itself are numbered from here, far above those of any node.
const OPS: u64 = 1 << 60;

/// Messages that the bus keeps, and those that are on their way again.
#[derive(Default)]
pub(super) struct Outbox {
    said: BTreeMap<Place, Rc<Post>>,
    /// What others said, in the order in which it was heard.
    heard: VecDeque<(Place, Rc<Post>)>,
    again: BTreeMap<OpId, Rc<Post>>,
    ops: u64,
    /// Every loss heard of: from this era on nothing above that place is there.
    losses: Vec<(u64, u64)>,
}

/// What is to be published again.
pub(super) struct Again {
    /// At once: the host said it.
    pub said: Vec<OpId>,
    /// If its author does not do so.
    pub heard: Vec<OpId>,
}

impl Outbox {
    /// The bus keeps a message at a place; or kept it, if this was said before a loss that is known already: then it is to be
    /// published again.
    #[must_use]
    pub fn acked(&mut self, place: Place, post: Rc<Post>) -> Option<OpId> {
        if self.is_gone(place) {
            return Some(self.once_more(post));
        }
        self.said.insert(place, post);
        if self.said.len() > SAID_MAX {
            self.said.pop_first();
        }
        None
    }

    /// The bus keeps a message that was published again; see [`Self::acked`].
    #[must_use]
    pub fn reposted(&mut self, op: OpId, place: Place) -> Option<OpId> {
        let post = self.again.remove(&op)?;
        self.acked(place, post)
    }

    /// Another's message was delivered from a place. If the bus has it again, nobody needs to bring it.
    #[must_use]
    pub fn heard(&mut self, place: Place, post: Rc<Post>) -> Option<OpId> {
        if self.is_gone(place) {
            return self.is_new(&post).then(|| self.once_more(post));
        }
        self.again.retain(|_, other| id(other) != id(&post));
        self.heard.push_back((place, post));
        if self.heard.len() > HEARD_MAX {
            self.heard.pop_front();
        }
        None
    }

    /// From this era on nothing above `last` of the eras before is there: what is to be published again.
    pub fn lost(&mut self, era: u64, last: u64) -> Again {
        let loss = (era, last);
        self.losses.push(loss);
        let said: Vec<_> = self.said.extract_if(.., |place, _| went(*place, loss)).map(|(_, post)| post).collect();
        let (gone, there): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.heard).into_iter().partition(|(place, _)| went(*place, loss));
        self.heard = there;
        let kept: BTreeSet<Cid> = self.heard.iter().map(|(_, post)| id(post)).collect();
        let said = said.into_iter().map(|post| self.once_more(post)).collect();
        let mut heard = Vec::new();
        for (_, post) in gone {
            // Delivered twice, or delivered once more from where it is now.
            if self.is_new(&post) && !kept.contains(&id(&post)) {
                heard.push(self.once_more(post));
            }
        }
        Again { said, heard }
    }

    /// A message that is on its way again and not acknowledged yet.
    pub fn unkept(&self, op: OpId) -> Option<Rc<Post>> {
        self.again.get(&op).cloned()
    }

    /// All of those.
    pub fn on_their_way(&self) -> Vec<OpId> {
        self.again.keys().copied().collect()
    }

    fn once_more(&mut self, post: Rc<Post>) -> OpId {
        self.ops += 1;
        let op = OpId(OPS + self.ops);
        self.again.insert(op, post);
        op
    }

    fn is_gone(&self, place: Place) -> bool {
        self.losses.iter().any(|loss| went(place, *loss))
    }

    fn is_new(&self, post: &Post) -> bool {
        self.again.values().all(|other| id(other) != id(post))
    }
}

/// Whether what was kept at a place went with a loss.
fn went(place: Place, (era, last): (u64, u64)) -> bool {
    place.era < era && place.seq > last
}

fn id(post: &Post) -> Cid {
    post.message.envelope.id()
}
