//! What the client knows of one thread: how far it applied, what guards the next write, what waits to be written.

use std::collections::{BTreeMap, VecDeque};

use swarm_core::id::{Digest, Seq};
use swarm_core::time::Instant;

use super::api::{Nonce, RequestId};
use super::output::Ticket;

/// A command that waits for its index.
#[derive(Debug)]
pub(super) struct Wanted<C> {
    pub id: Digest,
    pub command: C,
    /// Who wants to know.
    pub tickets: Vec<Ticket>,
    /// Writes that did not come to a known success.
    pub tries: u32,
    /// One of them may have taken effect.
    pub unsure: bool,
}

/// An entry that came before its turn.
#[derive(Debug)]
pub(super) struct Early<C> {
    pub id: Digest,
    pub nonce: Nonce,
    pub command: C,
}

/// One thread.
#[derive(Debug)]
pub(super) struct Lane<C> {
    /// Everything up to here was handed over.
    pub applied: Seq,
    /// Nonce of the entry there: another one in its place is a loss.
    pub last: Nonce,
    /// The last entry handed over in an earlier life, and its command's id.
    pub kept: Option<(Seq, Digest)>,
    /// The furthest head seen: its index, and the revision that wrote it. 0 of 0 once it is known that there is none.
    pub head: Option<(Seq, u64)>,
    /// Where each known command stands.
    pub known: BTreeMap<Digest, Seq>,
    pub early: BTreeMap<Seq, Early<C>>,
    pub queue: VecDeque<Wanted<C>>,
    /// The request under way; there is one at a time.
    pub asked: Option<RequestId>,
    /// The last write ended unknown: its nonce, to be looked for.
    pub unsure: Option<Nonce>,
    /// A read is wanted whatever else is known.
    pub doubtful: bool,
    /// Errors and lost races in a row.
    pub misses: u32,
    /// Nothing is asked before.
    pub rests_until: Option<Instant>,
}

impl<C> Default for Lane<C> {
    fn default() -> Self {
        Self {
            applied: Seq(0),
            last: Nonce(0),
            kept: None,
            head: None,
            known: BTreeMap::new(),
            early: BTreeMap::new(),
            queue: VecDeque::new(),
            asked: None,
            unsure: None,
            doubtful: false,
            misses: 0,
            rests_until: None,
        }
    }
}

impl<C> Lane<C> {
    /// A head was seen. Answers overtake each other, so only a later one counts.
    pub fn see_head(&mut self, seq: Seq, modified: u64) {
        if self.head.is_none_or(|(_, at)| at < modified) {
            self.head = Some((seq, modified));
        }
    }

    /// Takes an entry that is there; what can be handed over now goes to `apply`, in order.
    ///
    /// # Errors
    /// Where another stands than was handed over there before.
    pub fn take(&mut self, seq: Seq, entry: Early<C>, apply: &mut impl FnMut(Seq, C)) -> Result<(), Seq> {
        if seq > self.applied {
            self.early.entry(seq).or_insert(entry);
        }
        while let Some(entry) = self.early.remove(&self.applied.next()) {
            let next = self.applied.next();
            if self.kept.is_some_and(|(kept, id)| kept == next && id != entry.id) {
                return Err(next);
            }
            self.applied = next;
            self.last = entry.nonce;
            self.known.insert(entry.id, self.applied);
            apply(self.applied, entry.command);
        }
        Ok(())
    }

    /// What guards the next write, if everything before it was applied: the head's revision.
    pub fn guard(&self) -> Option<u64> {
        self.head.filter(|(seq, _)| *seq == self.applied).map(|(_, at)| at)
    }

    /// Whether there are entries it has not.
    pub fn lags(&self) -> bool {
        self.head.is_some_and(|(seq, _)| seq > self.applied) || !self.early.is_empty()
    }
}
