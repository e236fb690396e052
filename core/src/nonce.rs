//! Which nonces a sender has used: a (sender, nonce) pair is accepted once per thread, in any order (PROTOCOL 2).
//!
//! A window of accepted nonces lies above a floor. When it is full, the floor rises to just above the lowest kept. Must never
//! demand a rising order: two replicas that saw HEARTBEAT 7 before COMMIT 6 would differ for ever. Must never accept one
//! twice, also after a restart: the state is part of what a node stores.
//!
//! Keys cost nothing, so the room is bounded, and nobody is kept out of it: when it is full, the oldest windows of those who
//! have nothing to lose make room. What such a one said once may then be heard twice, which costs nobody anything; whoever has
//! something to lose keeps its windows.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Nonce, Thread};
use crate::reject::Reject;
use crate::wire::Verb;

/// Accepted nonces a window keeps.
pub const WINDOW: u64 = 4_096;

/// Threads one sender may have a window in. A thread that has ended gives its windows back ([`Nonces::forget`]).
pub const THREADS_MAX: usize = 65_536;

/// Runs of accepted nonces in all windows together, before strangers' windows make room.
pub const RUNS_MAX: usize = 262_144;

/// Windows looked at for each envelope while there is no room. So one in so many may be of those who have something to lose
/// before strangers take more than their part.
const LOOKS_MAX: usize = 8;

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
#[serde(deny_unknown_fields)]
pub struct Nonces {
    windows: BTreeMap<AgentId, BTreeMap<Thread, Window>>,
    /// Every window, in the order in which they were opened or last looked at for room.
    order: VecDeque<(AgentId, Thread)>,
    /// Runs in all of them.
    runs: usize,
}

impl Nonces {
    /// Uses `nonce` up. Asks who is a `stranger` only where there is no room.
    ///
    /// # Errors
    /// [`Reject::Replay`] if it was accepted before or lies below the floor; [`Reject::NoRoom`] if there is no room for one
    /// more thread of this sender.
    pub fn accept(
        &mut self,
        sender: AgentId,
        thread: Thread,
        nonce: Nonce,
        stranger: impl Fn(&AgentId) -> bool,
    ) -> Result<(), Reject> {
        let threads = self.windows.entry(sender).or_default();
        if threads.len() >= THREADS_MAX && !threads.contains_key(&thread) {
            return Err(Reject::NoRoom);
        }
        let window = match threads.entry(thread) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.order.push_back((sender, thread));
                entry.insert(Window::default())
            }
        };
        let before = window.runs.len();
        let accepted = window.accept(nonce);
        self.runs = self.runs + window.runs.len() - before;
        self.make_room(stranger);
        accepted
    }

    /// While there are too many runs, the oldest windows of strangers go.
    fn make_room(&mut self, stranger: impl Fn(&AgentId) -> bool) {
        for _ in 0..LOOKS_MAX {
            if self.runs <= RUNS_MAX {
                return;
            }
            let Some((sender, thread)) = self.order.pop_front() else { return };
            if stranger(&sender) {
                self.remove(&sender, &thread);
            } else {
                self.order.push_back((sender, thread));
            }
        }
    }

    fn remove(&mut self, sender: &AgentId, thread: &Thread) {
        let Some(threads) = self.windows.get_mut(sender) else { return };
        self.runs -= threads.remove(thread).map_or(0, |window| window.runs.len());
        if threads.is_empty() {
            self.windows.remove(sender);
        }
    }

    /// Whether `nonce` would be refused as a replay.
    pub fn used(&self, sender: &AgentId, thread: &Thread, nonce: Nonce) -> bool {
        let window = self.windows.get(sender).and_then(|threads| threads.get(thread));
        window.is_some_and(|window| window.clone().accept(nonce).is_err())
    }

    /// Drops the windows of a thread that has ended for good, in which every envelope is refused anyway.
    pub fn forget(&mut self, thread: Thread) {
        let senders: Vec<AgentId> = self.order.iter().filter(|(_, of)| *of == thread).map(|(by, _)| *by).collect();
        senders.iter().for_each(|sender| self.remove(sender, &thread));
        self.order.retain(|(_, of)| *of != thread);
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
        list.into_iter().map(|nonce| nonces.accept(me(), Thread::System, Nonce(nonce), |_| false).is_ok()).collect()
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
    fn threads_and_senders_are_apart() {
        let mut nonces = Nonces::default();
        let other = Thread::Need(crate::id::NeedId::of(&me(), Nonce(1)));
        assert_eq!(nonces.accept(me(), Thread::System, Nonce(1), |_| true), Ok(()));
        assert_eq!(nonces.accept(me(), other, Nonce(1), |_| true), Ok(()));
        assert_eq!(nonces.accept(AgentId([2; 32]), other, Nonce(1), |_| true), Ok(()));
        nonces.forget(other);
        assert!(nonces.used(&me(), &Thread::System, Nonce(1)) && !nonces.used(&me(), &other, Nonce(1)));
        assert_eq!((nonces.runs, nonces.order.len(), nonces.windows.len()), (1, 1, 1));
    }

    /// T45: however many keys somebody makes, one that comes new is heard, what those said who have something to lose is not
    /// taken twice, and the room is bounded.
    #[test]
    fn t45_strangers_make_room_for_each_other_and_nobody_is_locked_out() {
        let mut nonces = Nonces::default();
        let known = |agent: &AgentId| agent.0[0] == 0;
        let agent = |at: usize, first: u8| {
            let mut id = crate::id::Digest::sha256(&at.to_be_bytes()).0;
            id[0] = first;
            AgentId(id)
        };
        let mut accept = |at: usize, first: u8, nonce: u64| {
            let accepted = nonces.accept(agent(at, first), Thread::System, Nonce(nonce), |agent| !known(agent));
            // A look at each of those who keep theirs costs one look.
            assert!(nonces.runs.max(nonces.order.len()) <= RUNS_MAX + 1_000);
            accepted
        };
        assert!((0..1_000).all(|at| accept(at, 0, 7).is_ok()));
        // One that scatters its nonces takes as much room as many that do not.
        assert!((0..WINDOW).all(|at| accept(0, 9, at * 2).is_ok()));
        assert!((0..RUNS_MAX + 1_000).all(|at| accept(at, 1, 7).is_ok()), "every newcomer is heard");
        assert!(
            (0..1_000).all(|at| accept(at, 0, 7) == Err(Reject::Replay)),
            "whoever has something to lose keeps its word"
        );
        assert_eq!(accept(RUNS_MAX + 999, 1, 7), Err(Reject::Replay), "and of strangers the latest are known");
        assert_eq!(nonces.windows.values().map(|threads| threads.len()).sum::<usize>(), nonces.order.len());
        assert!(!nonces.windows.contains_key(&agent(0, 9)), "the one that took most went with its first");
    }

    #[test]
    fn a_sender_that_counts_takes_no_room() {
        let mut nonces = Nonces::default();
        accepts(&mut nonces, 0..100_000);
        assert_eq!(nonces.windows[&me()][&Thread::System].runs.len(), 1);
    }
}
