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

/// Most links beside the decided plan that are considered, first to last: whoever adds more than a plan could need adds nothing,
/// and costs nobody the time to look for cycles in it.
const ADDED_MAX: usize = 1_024;

/// Every link stated. What of them counts is worked out when somebody looks: whatever comes late may turn the answer for all.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    stated: BTreeMap<Rank, (TaskName, TaskName)>,
}

/// The acyclic part that counts, as (parent, child), and what is ignored.
#[derive(Debug, Default)]
pub(super) struct Counted<'a> {
    children: BTreeMap<&'a TaskName, BTreeSet<&'a TaskName>>,
    parents: BTreeMap<&'a TaskName, BTreeSet<&'a TaskName>>,
    ignored: BTreeSet<(&'a TaskName, &'a TaskName)>,
}

impl Links {
    /// Adds links, each (parent, child).
    pub fn extend(&mut self, links: Vec<(Rank, (TaskName, TaskName))>) {
        for (mut rank, link) in links {
            if planted(Mutant::CycleByArrival) {
                (rank.class, rank.lamport) = (Class::Decided, Lamport(self.stated.len() as u64));
            }
            self.stated.insert(rank, link);
        }
    }

    /// Considers each in its turn.
    pub fn counted(&self) -> Counted<'_> {
        let mut counted = Counted::default();
        let mut added = 0;
        for (rank, (parent, child)) in &self.stated {
            added += usize::from(rank.class == Class::Added);
            if added > ADDED_MAX || counted.reaches(child, parent) {
                counted.ignored.insert((parent, child));
            } else {
                counted.children.entry(parent).or_default().insert(child);
                counted.parents.entry(child).or_default().insert(parent);
            }
        }
        counted
    }
}

impl<'a> Counted<'a> {
    fn reaches(&self, from: &TaskName, to: &TaskName) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(task) = open.pop() {
            if task == to {
                return true;
            }
            if seen.insert(task) {
                open.extend(self.children(task));
            }
        }
        false
    }

    /// Tasks that wait for `task`, rising.
    pub fn children(&self, task: &TaskName) -> impl Iterator<Item = &'a TaskName> {
        self.children.get(task).into_iter().flatten().copied()
    }

    /// Tasks that `task` waits for, rising.
    pub fn parents(&self, task: &TaskName) -> impl Iterator<Item = &'a TaskName> {
        self.parents.get(task).into_iter().flatten().copied()
    }

    /// Links that are ignored, each once, rising.
    pub fn ignored(self) -> BTreeSet<(&'a TaskName, &'a TaskName)> {
        self.ignored
    }
}
