//! The artifact store: content addresses to bytes, written once.

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::id::Cid;

use crate::kernel::{Cx, LocalTime, NodeId, Span};
use crate::world::wire::Wire;

/// The store.
pub struct Store {
    /// How long an answer takes.
    delay: Span,
    kept: BTreeMap<Cid, Arc<[u8]>>,
    answers: BTreeMap<(LocalTime, u64), (NodeId, Wire)>,
    next: u64,
}

impl Store {
    pub fn new(delay: Span) -> Self {
        Self { delay, kept: BTreeMap::new(), answers: BTreeMap::new(), next: 0 }
    }

    /// Keeps bytes that were there before the run began.
    pub fn keep(&mut self, bytes: Arc<[u8]>) -> Cid {
        let cid = Cid::of(&bytes);
        self.kept.insert(cid, bytes);
        cid
    }

    /// What lies at an address.
    pub fn get(&self, cid: &Cid) -> Option<&Arc<[u8]>> {
        self.kept.get(cid)
    }

    pub fn on_message(&mut self, cx: &mut Cx<'_, Wire>, from: NodeId, msg: Wire) {
        let answer = match msg {
            Wire::Put { job, cid, bytes } => {
                // An address is what its bytes hash to, whoever writes them.
                if Cid::of(&bytes) != cid {
                    return;
                }
                self.kept.entry(cid).or_insert(bytes);
                Wire::Kept { job, cid }
            }
            Wire::Get { job, cid } => Wire::Got { job, cid, bytes: self.kept.get(&cid).cloned() },
            _ => return,
        };
        self.next += 1;
        let delay = cx.rng().within(self.delay);
        self.answers.insert((cx.now().plus(delay), self.next), (from, answer));
        self.wake(cx);
    }

    fn wake(&self, cx: &mut Cx<'_, Wire>) {
        match self.answers.first_key_value() {
            Some(((due, _), _)) => cx.wake_at(*due),
            None => cx.clear_wake(),
        }
    }

    pub fn on_timer(&mut self, cx: &mut Cx<'_, Wire>) {
        while let Some(entry) = self.answers.first_entry().filter(|e| e.key().0 <= cx.now()) {
            let (to, answer) = entry.remove();
            cx.send(to, answer);
        }
        self.wake(cx);
    }
}
