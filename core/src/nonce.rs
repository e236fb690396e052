//! Which nonces a sender has used: a (sender, nonce) pair is accepted once per thread, in any order (PROTOCOL 2).
//!
//! A window of accepted nonces lies above a floor. When it is full, the floor rises to just above the lowest kept. Must never
//! demand a rising order: two replicas that saw HEARTBEAT 7 before COMMIT 6 would differ for ever. Must never accept one
//! twice, also after a restart: the state is part of what a node stores.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Nonce, Thread};
use crate::reject::Reject;
use crate::wire::Verb;

/// Accepted nonces a window keeps.
pub const WINDOW: u64 = 4_096;

/// Threads one sender may have a window in. A thread that has ended gives its windows back ([`Nonces::forget`]).
pub const THREADS_MAX: usize = 65_536;

/// Senders with a window.
pub const SENDERS_MAX: usize = 65_536;

/// As many of them may be strangers: keys cost nothing, and must not use up the room of those who have something to lose.
pub const STRANGERS_MAX: usize = SENDERS_MAX / 2;

/// Whether envelopes of `verb` need no nonce to be idempotent: entries are by index, proposals and plan facts by content id.
/// What catch-up fetches is exempt too, by not being asked about.
pub const fn exempt(verb: Verb) -> bool {
    matches!(verb, Verb::Entry | Verb::Propose | Verb::UpdatePlan)
}

/// The nonces of one sender in one thread, as runs: a sender that counts takes one run however much it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    /// Everything below counts as used.
    floor: Nonce,
    /// First and last of each run of accepted nonces, rising, never touching.
    runs: Vec<(Nonce, Nonce)>,
    /// Accepted nonces in all runs.
    kept: u32,
}

impl Window {
    fn accept(&mut self, nonce: Nonce) -> Result<(), Reject> {
        if nonce < self.floor {
            return Err(Reject::Replay);
        }
        let at = self.runs.partition_point(|(first, _)| *first <= nonce);
        let before = at.checked_sub(1).map(|before| self.runs[before].1);
        if before.is_some_and(|last| nonce <= last) {
            return Err(Reject::Replay);
        }
        let follows = before.is_some_and(|last| last.0 + 1 == nonce.0);
        let leads = self.runs.get(at).is_some_and(|(first, _)| nonce.0 + 1 == first.0);
        match (follows, leads) {
            (true, true) => {
                self.runs[at - 1].1 = self.runs[at].1;
                self.runs.remove(at);
            }
            (true, false) => self.runs[at - 1].1 = nonce,
            (false, true) => self.runs[at].0 = nonce,
            (false, false) => self.runs.insert(at, (nonce, nonce)),
        }
        self.kept += 1;
        if u64::from(self.kept) > WINDOW {
            self.raise();
        }
        Ok(())
    }

    /// Gives up the lowest kept nonce: it, and all below it, count as used from now on.
    fn raise(&mut self) {
        let (first, last) = self.runs[0];
        // A window that is more than full keeps one above the lowest, hence this does not overflow.
        self.floor = Nonce(first.0 + 1);
        self.kept -= 1;
        if first == last {
            self.runs.remove(0);
        } else {
            self.runs[0].0 = self.floor;
        }
    }
}

/// The windows of all senders in all threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonces(BTreeMap<AgentId, BTreeMap<Thread, Window>>);

impl Nonces {
    /// Uses `nonce` up. Asks whether the sender is a `stranger` only where that matters.
    ///
    /// # Errors
    /// [`Reject::Replay`] if it was accepted before or lies below the floor; [`Reject::NoRoom`] if there is no room for one
    /// more sender, or thread of this sender.
    pub fn accept(
        &mut self,
        sender: AgentId,
        thread: Thread,
        nonce: Nonce,
        stranger: impl FnOnce() -> bool,
    ) -> Result<(), Reject> {
        let senders = self.0.len();
        let threads = match self.0.get_mut(&sender) {
            Some(threads) => threads,
            None if senders < STRANGERS_MAX || (senders < SENDERS_MAX && !stranger()) => {
                self.0.entry(sender).or_default()
            }
            None => return Err(Reject::NoRoom),
        };
        if threads.len() >= THREADS_MAX && !threads.contains_key(&thread) {
            return Err(Reject::NoRoom);
        }
        threads.entry(thread).or_default().accept(nonce)
    }

    /// Whether `nonce` would be refused as a replay.
    pub fn used(&self, sender: &AgentId, thread: &Thread, nonce: Nonce) -> bool {
        let window = self.0.get(sender).and_then(|threads| threads.get(thread));
        window.is_some_and(|window| window.clone().accept(nonce).is_err())
    }

    /// Drops the windows of a thread that has ended for good, in which every envelope is refused anyway.
    pub fn forget(&mut self, thread: Thread) {
        self.0.retain(|_, threads| {
            threads.remove(&thread);
            !threads.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn me() -> AgentId {
        AgentId([1; 32])
    }

    fn accepts(nonces: &mut Nonces, list: impl IntoIterator<Item = u64>) -> Vec<bool> {
        list.into_iter().map(|nonce| nonces.accept(me(), Thread::System, Nonce(nonce), || false).is_ok()).collect()
    }

    #[test]
    fn t02_a_nonce_counts_once_also_after_a_restart() {
        let mut nonces = Nonces::default();
        assert_eq!(accepts(&mut nonces, [0, 7, 6, 7, 6, 0, 8]), [true, true, true, false, false, false, true]);
        let stored = serde_json::to_string(&nonces).unwrap();
        let mut restarted: Nonces = serde_json::from_str(&stored).unwrap();
        assert_eq!(restarted, nonces);
        assert_eq!(accepts(&mut restarted, [0, 6, 7, 8, 5]), [false, false, false, false, true]);
    }

    #[test]
    fn t02_what_fell_out_of_the_window_stays_used() {
        let mut nonces = Nonces::default();
        assert!(accepts(&mut nonces, 10..=10 + WINDOW).iter().all(|fresh| *fresh));
        assert_eq!(accepts(&mut nonces, [10, 11, 9, 0, 10 + WINDOW + 1]), [false, false, false, false, true]);
        assert_eq!(accepts(&mut nonces, [u64::MAX, u64::MAX, u64::MAX - 1]), [true, false, true]);
    }

    #[test]
    fn t02_the_top_of_the_range_does_not_wrap() {
        let mut nonces = Nonces::default();
        let top = u64::MAX - WINDOW;
        assert!(accepts(&mut nonces, top..=u64::MAX).iter().all(|fresh| *fresh));
        assert!(accepts(&mut nonces, (top..=u64::MAX).chain([0])).iter().all(|fresh| !fresh));
    }

    /// T75: whatever the order, the same nonces are accepted and the same state is reached.
    #[test]
    fn t75_any_order_gives_the_same_window() {
        proptest!(|(list in proptest::collection::btree_set(0..10_000u64, 0..200), seed in any::<u64>())| {
            let mut shuffled: Vec<u64> = list.iter().copied().collect();
            shuffled.sort_by_key(|nonce| (nonce ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let (mut one, mut other) = (Nonces::default(), Nonces::default());
            prop_assert!(accepts(&mut one, list).iter().all(|fresh| *fresh));
            prop_assert!(accepts(&mut other, shuffled).iter().all(|fresh| *fresh));
            prop_assert_eq!(one, other);
        });
    }

    /// The runs say the same as a plain set would, also around a full window.
    #[test]
    fn runs_are_a_set() {
        proptest!(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() },
            |(list in proptest::collection::vec(0..9_000u64, 0..20_000))| {
            let (mut set, mut floor) = (BTreeSet::new(), 0);
            let mut nonces = Nonces::default();
            for nonce in list {
                let fresh = nonce >= floor && set.insert(nonce);
                if set.len() as u64 > WINDOW {
                    floor = set.pop_first().unwrap() + 1;
                }
                prop_assert_eq!(nonces.used(&me(), &Thread::System, Nonce(nonce)), !fresh);
                prop_assert_eq!(accepts(&mut nonces, [nonce]), [fresh]);
            }
        });
    }

    #[test]
    fn threads_and_senders_are_apart_and_bounded() {
        let mut nonces = Nonces::default();
        let other = Thread::Need(crate::id::NeedId::of(&me(), Nonce(1)));
        assert_eq!(nonces.accept(me(), Thread::System, Nonce(1), || true), Ok(()));
        assert_eq!(nonces.accept(me(), other, Nonce(1), || true), Ok(()));
        assert_eq!(nonces.accept(AgentId([2; 32]), other, Nonce(1), || true), Ok(()));
        nonces.forget(other);
        assert!(nonces.used(&me(), &Thread::System, Nonce(1)) && !nonces.used(&me(), &other, Nonce(1)));

        let agent = |at: usize| AgentId(crate::id::Digest::sha256(&at.to_be_bytes()).0);
        let mut accept = |at: usize, stranger| nonces.accept(agent(at), Thread::System, Nonce(at as u64), || stranger);
        assert!((1..STRANGERS_MAX).all(|at| accept(at, true).is_ok()));
        assert_eq!(accept(0, true), Err(Reject::NoRoom), "not a replay: it was never heard");
        assert!((STRANGERS_MAX..SENDERS_MAX).all(|at| accept(at, false).is_ok()), "T45: others keep their room");
        assert_eq!(accept(0, false), Err(Reject::NoRoom));
        let known = nonces.accept(me(), Thread::System, Nonce(2), || true);
        assert_eq!(known, Ok(()), "who was heard once is heard");
    }

    #[test]
    fn a_sender_that_counts_takes_no_room() {
        let mut nonces = Nonces::default();
        accepts(&mut nonces, 0..100_000);
        assert_eq!(nonces.0[&me()][&Thread::System].runs.len(), 1);
    }
}
