//! Which LINK facts count, when some of them would close a cycle (T24).
//!
//! Links are considered in one total order, and a link that closes a cycle with those before it is ignored. The outcome is
//! a function of the *set* of links, so it must never matter in which order they arrived.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use crate::id::{AgentId, Digest, Lamport, TaskName};
use crate::mutant::{Mutant, planted};

/// What a fact came with; the derived order is the total order in which facts of one kind are considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// The decided plan goes first: nothing said later may bend it.
    pub class: Class,
    /// Lamport value of its envelope.
    pub lamport: Lamport,
    /// Who says so.
    pub author: AgentId,
    /// Its id.
    pub fact: Digest,
}

/// How much a fact's origin weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Stated by the decided proposal.
    Decided,
    /// Follows from the data flow of the decided proposal.
    Implied,
    /// Added by an entitled agent.
    Added,
}

/// Every link stated, and the acyclic part of them that counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    stated: BTreeMap<Rank, (TaskName, TaskName)>,
    ignored: BTreeSet<Rank>,
    children: BTreeMap<TaskName, BTreeSet<TaskName>>,
    parents: BTreeMap<TaskName, BTreeSet<TaskName>>,
}

impl Links {
    /// Adds links, each (parent, child).
    pub fn extend(&mut self, links: Vec<(Rank, (TaskName, TaskName))>) {
        let last = self.stated.last_key_value().map(|(rank, _)| *rank);
        let mut late = false;
        let mut fresh = Vec::new();
        for (rank, link) in links {
            late |= Some(rank) < last;
            if self.stated.insert(rank, link).is_none() {
                fresh.push(rank);
            }
        }
        if fresh.is_empty() {
            return;
        }
        // A link that sorts before known ones may turn the answer for each of them; start over. Rare and small: plans have
        // few links, and nearly all come with the decided proposal, which sorts first.
        if late && !planted(Mutant::CycleByArrival) {
            self.ignored.clear();
            self.children.clear();
            self.parents.clear();
            fresh = self.stated.keys().copied().collect();
        }
        fresh.sort_unstable();
        for rank in fresh {
            let (parent, child) = self.stated[&rank].clone();
            if self.reaches(&child, &parent) {
                self.ignored.insert(rank);
            } else {
                self.children.entry(parent.clone()).or_default().insert(child.clone());
                self.parents.entry(child).or_default().insert(parent);
            }
        }
    }

    fn reaches(&self, from: &TaskName, to: &TaskName) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(task) = open.pop() {
            if task == to {
                return true;
            }
            if seen.insert(task) {
                open.extend(self.children.get(task).into_iter().flatten());
            }
        }
        false
    }

    /// Tasks that wait for `task`, rising.
    pub fn children(&self, task: &TaskName) -> impl Iterator<Item = &TaskName> {
        self.children.get(task).into_iter().flatten()
    }

    /// Tasks that `task` waits for, rising.
    pub fn parents(&self, task: &TaskName) -> impl Iterator<Item = &TaskName> {
        self.parents.get(task).into_iter().flatten()
    }

    /// Links that are ignored, as (parent, child), each once, rising.
    pub fn ignored(&self) -> BTreeSet<(&TaskName, &TaskName)> {
        self.ignored.iter().map(|rank| &self.stated[rank]).map(|(parent, child)| (parent, child)).collect()
    }
}
