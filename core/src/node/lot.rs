//! Where envelopes wait for what they rest on: the manifest they cite, the need they speak of, the rules that judge them, a clock
//! near enough.
//!
//! Anyone can make envelopes that wait for ever, so the room is bounded, for each sender and in all. Who has something to
//! lose here is never crowded out by who has not, and among equals the one that takes most makes room (T45). Whatever
//! loses its place is handed back to be refused by name; nothing vanishes.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::id::{AgentId, Cid, Digest, Lamport, NeedId};
use crate::node::io::Message;

/// Envelopes that wait at one node.
pub const PARKED_MAX: usize = 1_024;

/// What an envelope waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
    /// The clock has to come near this.
    Clock(Lamport),
    /// This MANIFEST.
    Manifest(Cid),
    /// The NEED of this thread.
    Need(NeedId),
    /// The rules of this engine; at a coordinator also that the register goes by them.
    Engine(Digest),
}

/// The waiting room.
#[derive(Clone, Default)]
pub(super) struct Lot {
    waiting: BTreeMap<(Awaited, AgentId, Cid), (bool, Message)>,
    /// How many of each sender.
    of: BTreeMap<AgentId, usize>,
}

impl Lot {
    /// Keeps `message` until `awaited` comes, at most `each` of one sender; `favoured` if the sender is no stranger. Returns
    /// the envelope that found no place, or lost it.
    pub fn park(&mut self, awaited: Awaited, message: Message, each: usize, favoured: bool) -> Option<Message> {
        let sender = message.envelope.sender;
        let key = (awaited, sender, message.envelope.id());
        if self.waiting.contains_key(&key) {
            return None;
        }
        let own = self.of.get(&sender).copied().unwrap_or(0);
        if own >= each {
            return Some(message);
        }
        let mut evicted = None;
        if self.waiting.len() >= PARKED_MAX {
            let (stranger, most, last) = self.worst();
            let yields = if stranger == favoured { stranger } else { most > own + 1 };
            if !yields {
                return Some(message);
            }
            evicted = self.take(&last);
        }
        self.waiting.insert(key, (favoured, message));
        *self.of.entry(sender).or_default() += 1;
        evicted
    }

    /// The last envelope of the stranger that has most, or of anyone if nobody here is a stranger: whether it is one's, how many
    /// that one has, and which. There is one: the room is full.
    fn worst(&self) -> (bool, usize, (Awaited, AgentId, Cid)) {
        let all = self.waiting.iter().map(|(key, (favoured, _))| (!favoured, self.of[&key.1], *key));
        all.max().expect("a full room is not empty")
    }

    fn take(&mut self, key: &(Awaited, AgentId, Cid)) -> Option<Message> {
        let (_, message) = self.waiting.remove(key)?;
        if let Some(count) = self.of.get_mut(&key.1) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(&key.1);
            }
        }
        Some(message)
    }

    /// Takes out what waited for anything from `first` to `last`, in the order (what for, sender, id).
    fn between(&mut self, first: Awaited, last: Awaited) -> Vec<Message> {
        let (low, high) = (AgentId([0; 32]), AgentId([0xff; 32]));
        let keys = self.waiting.range((first, low, lowest())..=(last, high, highest()));
        let keys: Vec<_> = keys.map(|(key, _)| *key).collect();
        keys.iter().filter_map(|key| self.take(key)).collect()
    }

    /// What waited for exactly this.
    pub fn release(&mut self, awaited: Awaited) -> Vec<Message> {
        self.between(awaited, awaited)
    }

    /// What is near now, in the order (Lamport, sender, id).
    pub fn near(&mut self, horizon: Lamport) -> Vec<Message> {
        self.between(Awaited::Clock(Lamport(0)), Awaited::Clock(horizon))
    }
}

fn lowest() -> Cid {
    Cid(crate::id::Digest([0; 32]))
}

fn highest() -> Cid {
    Cid(crate::id::Digest([0xff; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Nonce;
    use crate::wire::testing;
    use alloc::sync::Arc;

    fn from(sender: u8, nonce: u64) -> Message {
        let envelope = testing::stake(sender, |content| content.nonce = Nonce(nonce));
        Message { entries: [].into(), envelope: Arc::new(envelope) }
    }

    const AT: Awaited = Awaited::Clock(Lamport(7));

    #[test]
    fn t45_strangers_cannot_crowd_out_those_who_have_something_to_lose() {
        let mut lot = Lot::default();
        for nonce in 0..PARKED_MAX as u64 {
            assert_eq!(lot.park(AT, from(1, nonce), PARKED_MAX, false), None);
        }
        assert_eq!(lot.park(AT, from(1, 0), PARKED_MAX, false), None, "twice is once");
        assert!(lot.park(AT, from(2, 1), 64, false).is_some_and(|lost| lost.envelope.sender == testing::agent(1)));
        assert!(lot.park(AT, from(3, 1), 64, true).is_some_and(|lost| lost.envelope.sender == testing::agent(1)));
        assert_eq!(lot.release(AT).len(), PARKED_MAX);
        assert!(lot.waiting.is_empty() && lot.of.is_empty());
    }

    /// Sixteen keys with a credit each do not keep everyone else out.
    #[test]
    fn t45_among_those_who_have_something_to_lose_the_one_that_takes_most_makes_room() {
        let mut lot = Lot::default();
        for nonce in 0..PARKED_MAX as u64 / 16 {
            assert!((1..=16).all(|sender| lot.park(AT, from(sender, nonce), 64, true).is_none()));
        }
        let stranger = from(18, 1);
        assert_eq!(lot.park(AT, stranger.clone(), 64, false), Some(stranger), "strangers take nothing from them");
        let late = |nonce| lot.park(AT, from(17, nonce), 64, true).expect("full is full, and said so").envelope.sender;
        let late = (0..64).map(late).collect::<Vec<_>>();
        assert_eq!(late.iter().filter(|lost| **lost != testing::agent(17)).count(), 60, "a seventeenth of the room");
    }

    #[test]
    fn one_sender_has_its_own_room_only() {
        let mut lot = Lot::default();
        assert_eq!(lot.park(AT, from(1, 1), 1, true), None);
        assert!(lot.park(AT, from(1, 2), 1, true).is_some());
        assert!(lot.park(AT, from(2, 2), 0, true).is_some(), "no places at all");
    }

    #[test]
    fn what_is_near_comes_in_the_order_of_the_clock() {
        let mut lot = Lot::default();
        for (sender, at) in [(1, 9), (3, 5), (2, 5), (1, 4)] {
            lot.park(Awaited::Clock(Lamport(at)), from(sender, at), 8, false);
        }
        lot.park(Awaited::Need(NeedId::of(&testing::agent(1), Nonce(1))), from(4, 1), 8, false);
        let near: Vec<_> = lot.near(Lamport(5)).iter().map(|m| m.envelope.sender).collect();
        let mut fives = [testing::agent(2), testing::agent(3)];
        fives.sort_unstable();
        assert_eq!(near, [testing::agent(1), fives[0], fives[1]]);
        assert_eq!((lot.near(Lamport(8)).len(), lot.near(Lamport(9)).len()), (0, 1));
    }
}
