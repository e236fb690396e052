//! What a group has applied, in order, bound by a chain of digests: one piece for every entry of the log, empty where the entry
//! is no proposal (a leader's first, a change of members). So the place of a snapshot in the log and the length of its history
//! are one number, and nobody can claim a place without the pieces that lead to it.
//!
//! It is what a snapshot stands for: a snapshot names how long the history is and its digest, and whoever lacks a part of it
//! asks for that part. Nothing is taken into it that the digest does not prove.

use alloc::vec::Vec;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, decimal_u64};

/// A place in a history and the digest of everything before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Entries so far.
    #[serde(serialize_with = "crate::raft::history::text", deserialize_with = "decimal_u64")]
    pub count: u64,
    /// Binds them all, in order.
    pub head: Digest,
}

fn text<S: serde::Serializer>(count: &u64, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(count)
}

impl Mark {
    /// The mark after one more entry.
    pub fn push(&mut self, data: &[u8]) {
        self.head = Digest::of("swarm/history", &[&self.head.0, data]);
        self.count += 1;
    }

    /// The mark after `more`.
    pub fn after<'a>(mut self, more: impl IntoIterator<Item = &'a Bytes>) -> Self {
        more.into_iter().for_each(|data| self.push(data));
        self
    }
}

/// What stood in the entries that a group applied.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    entries: Vec<Bytes>,
    /// The mark of the last fold: the entries before it are no longer in the log.
    base: Mark,
    end: Mark,
}

impl History {
    /// A history that was folded as a whole.
    pub fn folded(entries: Vec<Bytes>, end: Mark) -> Self {
        Self { entries, base: end, end }
    }

    pub fn push(&mut self, data: Bytes) {
        self.end.push(&data);
        self.entries.push(data);
    }

    pub fn base(&self) -> Mark {
        self.base
    }

    pub fn end(&self) -> Mark {
        self.end
    }

    pub fn fold(&mut self) {
        self.base = self.end;
    }

    pub fn from(&self, at: u64) -> &[Bytes] {
        usize::try_from(at).ok().and_then(|at| self.entries.get(at..)).unwrap_or(&[])
    }

    /// Puts `pieces` in the place of what follows the base, and returns what is new of them. The caller has held them against
    /// `mark`, and what was already there against them.
    pub fn install(&mut self, pieces: &[Bytes], mark: Mark) -> Vec<Bytes> {
        let known = (self.end.count - self.base.count) as usize;
        let fresh = pieces[known.min(pieces.len())..].to_vec();
        self.entries.extend(fresh.iter().cloned());
        (self.base, self.end) = (mark, mark);
        fresh
    }

    /// Whether `pieces`, which follow the base, begin with what is already here.
    pub fn is_prefix_of(&self, pieces: &[Bytes]) -> bool {
        let known = self.from(self.base.count);
        pieces.len() >= known.len() && known.iter().zip(pieces).all(|(a, b)| a == b)
    }
}
