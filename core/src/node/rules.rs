//! Which rules judge what (PROTOCOL 10): those of the policy that a need was opened under, to its end, and of everything else
//! those of the newest policy that this node has at hand.
//!
//! A policy is taken up in three steps: its CAPSULE is heard and vetted, the host loads it and lets it prove itself, and then
//! it judges. What is said under a policy that is announced and not at hand yet waits for it. Must never judge by rules that the
//! policy keys did not announce, nor by what the host has only been handed.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::genesis::Genesis;
use crate::id::{Cid, Digest, NeedId, Thread};
use crate::policy::{Engines, Evaluator, is_same};
use crate::wire::NewPolicy;

/// The policies that a node knows of.
#[derive(Clone)]
pub(super) struct Rules {
    engines: Arc<dyn Engines>,
    /// Rules at hand, by number and engine.
    at_hand: BTreeMap<(u32, Digest), Arc<dyn Evaluator>>,
    /// Announced, and not at hand yet.
    announced: BTreeMap<(u32, Digest), Cid>,
    /// The engine of each need that the register has taken up, by its NEED.
    taken: BTreeMap<NeedId, Digest>,
    /// The engine of each NEED that was only heard: a requester may have said two.
    heard: BTreeMap<NeedId, Digest>,
}

/// NEEDs that were only heard, of which the engine is kept. Anyone can say some: where there are more, what is said of those
/// before them is judged by the newest rules.
const HEARD_MAX: usize = 4_096;

impl Rules {
    /// The rules of a deployment before anything was announced.
    ///
    /// # Panics
    /// If the host has not the rules that the genesis names, without which there is no node.
    pub fn new(genesis: &Genesis, engines: Arc<dyn Engines>) -> Self {
        let founding = engines.find(&genesis.engine).expect("a host has the rules that the genesis names");
        Self {
            engines,
            at_hand: [((0, genesis.engine), founding)].into(),
            announced: BTreeMap::new(),
            taken: BTreeMap::new(),
            heard: BTreeMap::new(),
        }
    }

    /// The newest at hand.
    pub fn newest(&self) -> &Arc<dyn Evaluator> {
        self.at_hand.last_key_value().expect("the founding rules stay").1
    }

    /// Those that judge what is said in `thread`.
    pub fn of(&self, thread: Thread) -> &Arc<dyn Evaluator> {
        let own = match thread {
            Thread::Need(need) => {
                self.taken.get(&need).or_else(|| self.heard.get(&need)).and_then(|engine| self.find(engine))
            }
            Thread::System => None,
        };
        own.unwrap_or_else(|| self.newest())
    }

    /// Whether what is to be said in `thread` has to wait for its rules. Another can have brought its need before the register.
    pub fn are_awaited(&self, thread: Thread) -> bool {
        let Thread::Need(need) = thread else { return false };
        self.taken.get(&need).is_some_and(|engine| self.find(engine).is_none())
    }

    /// The engine of a need that the register has taken up.
    pub fn engine_of(&self, need: &NeedId) -> Option<Digest> {
        self.taken.get(need).copied()
    }

    /// Those of this engine, if they are at hand.
    pub fn find(&self, engine: &Digest) -> Option<&Arc<dyn Evaluator>> {
        self.at_hand.iter().rev().find(|((_, of), _)| is_same(of, engine)).map(|(_, rules)| rules)
    }

    /// The number of the policy of this engine, if it was announced or is the founding one.
    pub fn number(&self, engine: &Digest) -> Option<u32> {
        let known = self.at_hand.keys().chain(self.announced.keys());
        known.filter(|(_, of)| of == engine).map(|(number, _)| *number).max()
    }

    /// A NEED was heard that names this engine.
    pub fn heard(&mut self, need: NeedId, engine: Digest) {
        if self.heard.len() >= HEARD_MAX {
            self.heard.clear();
        }
        self.heard.entry(need).or_insert(engine);
    }

    /// The register has taken up a NEED that names this engine.
    pub fn opening(&mut self, need: NeedId, engine: Digest) {
        self.heard.remove(&need);
        self.taken.insert(need, engine);
    }

    /// The need is over.
    pub fn forget(&mut self, need: &NeedId) {
        self.heard.remove(need);
        self.taken.remove(need);
    }

    /// A policy was announced, by a CAPSULE that was vetted. Whether it has to be loaded.
    pub fn announce(&mut self, new: &NewPolicy) -> bool {
        let key = (new.number, new.engine);
        !self.at_hand.contains_key(&key) && self.announced.insert(key, new.capsule).is_none()
    }

    /// What is announced and not at hand: capsule and engine.
    pub fn wanted(&self) -> impl Iterator<Item = (Cid, Digest)> + '_ {
        self.announced.iter().map(|((_, engine), capsule)| (*capsule, *engine))
    }

    /// The host has loaded the rules of this engine, and they have proved themselves. Whether they were wanted.
    pub fn loaded(&mut self, engine: &Digest) -> bool {
        let wanted: alloc::vec::Vec<_> = self.announced.keys().filter(|(_, of)| of == engine).copied().collect();
        let Some(rules) = self.engines.find(engine).filter(|_| !wanted.is_empty()) else { return false };
        for key in wanted {
            self.announced.remove(&key);
            self.at_hand.insert(key, Arc::clone(&rules));
        }
        true
    }
}
