//! The artifact store: content addresses to bytes, written once.
//!
//! Must be able to do what a real one does on its worst day: take its time, forget what it acknowledged, and give back other
//! bytes than it was given. Who reads checks what it got.

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::id::Cid;

use crate::kernel::{Cx, LocalTime, NodeId, Span};
use crate::world::wire::Wire;

/// What faults make of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ills {
    /// Answers take this much longer.
    pub slow: Option<Span>,
    /// Writes acknowledged and forgotten, in parts per million.
    pub lose_ppm: u32,
    /// Reads answered with a flipped bit, in parts per million.
    pub corrupt_ppm: u32,
    /// Writes beside which another one to the same address succeeds, in parts per million.
    pub winners_ppm: u32,
}

/// How often each of them changed what happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Harm {
    pub slowed: u64,
    pub lost: u64,
    pub corrupted: u64,
    pub two_won: u64,
}

/// The store.
pub struct Store {
    /// How long an answer takes.
    delay: Span,
    /// What is wrong with it, and how often that bit.
    pub ills: Ills,
    pub harm: Harm,
    kept: BTreeMap<Cid, Arc<[u8]>>,
    answers: BTreeMap<(LocalTime, u64), (NodeId, Wire)>,
    next: u64,
}

impl Store {
    pub fn new(delay: Span) -> Self {
        Self {
            delay,
            ills: Ills::default(),
            harm: Harm::default(),
            kept: BTreeMap::new(),
            answers: BTreeMap::new(),
            next: 0,
        }
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
                let is_new = !self.kept.contains_key(&cid);
                if self.ills.lose_ppm > 0 && is_new && cx.rng().chance(self.ills.lose_ppm) {
                    self.harm.lost += 1;
                } else if self.ills.winners_ppm > 0 && is_new && cx.rng().chance(self.ills.winners_ppm) {
                    // Some other writer was told the same, and it is that one's bytes that stay.
                    self.harm.two_won += 1;
                    self.kept.insert(cid, bytes[..bytes.len() / 2].into());
                } else {
                    // Whoever finds other bytes there than the address says writes over them: the right ones cannot be wrong.
                    self.kept.insert(cid, bytes);
                }
                Wire::Kept { job, cid }
            }
            Wire::Get { job, cid } => {
                let mut bytes = self.kept.get(&cid).cloned();
                if self.ills.corrupt_ppm > 0 && cx.rng().chance(self.ills.corrupt_ppm) {
                    bytes = bytes.and_then(|bytes| self.flip(cx, &bytes));
                }
                Wire::Got { job, cid, bytes }
            }
            _ => return,
        };
        self.next += 1;
        let mut delay = cx.rng().within(self.delay);
        if let Some(more) = self.ills.slow {
            delay += cx.rng().within(more);
            self.harm.slowed += 1;
        }
        self.answers.insert((cx.now().plus(delay), self.next), (from, answer));
        self.wake(cx);
    }

    /// The bytes with one bit flipped; nothing if there is no bit.
    fn flip(&mut self, cx: &mut Cx<'_, Wire>, bytes: &[u8]) -> Option<Arc<[u8]>> {
        let mut bytes = bytes.to_vec();
        let at = cx.rng().below(bytes.len() as u64 * 8);
        *bytes.get_mut(usize::try_from(at / 8).ok()?)? ^= 1 << (at % 8);
        self.harm.corrupted += 1;
        Some(bytes.into())
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
