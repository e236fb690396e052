//! The logical clock, and the waiting room for envelopes too far ahead of it (PROTOCOL 2).
//!
//! What one sender says moves the clock by at most [`AHEAD_MAX`]; what is beyond waits, and the clock stays (T07: one
//! poisoned value must not carry everyone to the end of the range). Applied entries, which a quorum vouches for, move it
//! without bound, so that a node back from a long partition catches up. The clock never goes back.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::id::{AgentId, Cid, Lamport};
use crate::reject::Reject;
use crate::wire::Envelope;

/// How far ahead of the clock an envelope may be.
pub const AHEAD_MAX: u64 = 1_000_000;

/// Senders that may have something parked.
pub const PARKED_SENDERS_MAX: usize = 4_096;

/// What became of an envelope at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Within bounds; the clock has moved up to it.
    Now,
    /// Too far ahead; kept until the clock comes near, and the clock has not moved.
    Parked,
}

/// A node's logical clock.
#[derive(Clone, Debug)]
pub struct Clock {
    now: Lamport,
    parked_max: usize,
    parked: BTreeMap<AgentId, BTreeMap<(Lamport, Cid), Arc<Envelope>>>,
}

impl Clock {
    /// A clock at `now` (the highest value ever used or seen; zero at the first start) that parks up to `parked_max`
    /// envelopes per sender.
    pub fn new(now: Lamport, parked_max: u32) -> Self {
        Self { now, parked_max: parked_max as usize, parked: BTreeMap::new() }
    }

    /// The highest value used or seen.
    pub fn now(&self) -> Lamport {
        self.now
    }

    /// Envelopes that wait for the clock.
    pub fn parked(&self) -> usize {
        self.parked.values().map(BTreeMap::len).sum()
    }

    /// A value for an envelope of one's own, above everything used or seen.
    ///
    /// # Panics
    /// At the end of the range, which no sender can bring about within the age of the universe.
    pub fn tick(&mut self) -> Lamport {
        self.now = Lamport(self.now.0.checked_add(1).expect("the clock moves by at most a million per envelope"));
        self.now
    }

    /// Takes notice of a verified envelope. After [`Seen::Now`] others may have come near: see [`Clock::release`].
    ///
    /// # Errors
    /// [`Reject::LamportAhead`] if it is too far ahead and there is no room to park it.
    pub fn see(&mut self, envelope: &Arc<Envelope>) -> Result<Seen, Reject> {
        if self.near(envelope.lamport) {
            self.now = self.now.max(envelope.lamport);
            return Ok(Seen::Now);
        }
        let key = (envelope.lamport, envelope.id());
        let senders = self.parked.len();
        let room = match self.parked.get(&envelope.sender) {
            Some(parked) => parked.len() < self.parked_max || parked.contains_key(&key),
            None => senders < PARKED_SENDERS_MAX && self.parked_max > 0,
        };
        if !room {
            return Err(Reject::LamportAhead);
        }
        self.parked.entry(envelope.sender).or_default().insert(key, envelope.clone());
        Ok(Seen::Parked)
    }

    /// Moves the clock to at least the value of an applied entry, and releases what is near now.
    pub fn applied(&mut self, lamport: Lamport) -> Vec<Arc<Envelope>> {
        self.now = self.now.max(lamport);
        self.release()
    }

    /// Takes out what has come near, in the order (Lamport, sender, id). Each is to be handled as if it had just arrived.
    pub fn release(&mut self) -> Vec<Arc<Envelope>> {
        let mut near = Vec::new();
        let horizon = self.horizon();
        self.parked.retain(|_, parked| {
            while let Some(first) = parked.first_entry().filter(|first| first.key().0 <= horizon) {
                near.push(first.remove());
            }
            !parked.is_empty()
        });
        near.sort_by_key(|envelope| (envelope.lamport, envelope.sender, envelope.id()));
        near
    }

    fn horizon(&self) -> Lamport {
        Lamport(self.now.0.saturating_add(AHEAD_MAX))
    }

    fn near(&self, lamport: Lamport) -> bool {
        lamport <= self.horizon()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing;

    fn from(sender: u8, lamport: u64) -> Arc<Envelope> {
        Arc::new(testing::stake(sender, |content| content.lamport = Lamport(lamport)))
    }

    #[test]
    fn t07_a_poisoned_value_is_parked_and_the_clock_stays() {
        let mut clock = Clock::new(Lamport(5), 2);
        assert_eq!(clock.see(&from(1, u64::MAX)), Ok(Seen::Parked));
        assert_eq!(clock.see(&from(1, 5 + AHEAD_MAX + 1)), Ok(Seen::Parked));
        assert_eq!((clock.now(), clock.parked()), (Lamport(5), 2));
        assert_eq!(clock.see(&from(1, u64::MAX)), Ok(Seen::Parked), "twice is once");
        assert_eq!(clock.see(&from(1, 9 + AHEAD_MAX)), Err(Reject::LamportAhead), "one sender has two places");
        assert_eq!(clock.see(&from(2, 9 + AHEAD_MAX)), Ok(Seen::Parked), "and another its own");
        assert_eq!(clock.see(&from(3, 5 + AHEAD_MAX)), Ok(Seen::Now), "the bound itself is near");
        assert_eq!(clock.now(), Lamport(5 + AHEAD_MAX));
        let released: Vec<u64> = clock.release().iter().map(|envelope| envelope.lamport.0).collect();
        assert_eq!(released, [6 + AHEAD_MAX, 9 + AHEAD_MAX]);
        assert_eq!(clock.parked(), 1);
    }

    #[test]
    fn t07_back_from_a_long_partition() {
        let mut clock = Clock::new(Lamport(0), 8);
        let far = 70 * AHEAD_MAX;
        for (sender, lamport) in [(3, far + 2), (2, far + 2), (1, far), (1, 3 * far)] {
            assert_eq!(clock.see(&from(sender, lamport)), Ok(Seen::Parked));
        }
        let released = clock.applied(Lamport(far));
        assert_eq!(clock.now(), Lamport(far));
        let order: Vec<_> = released.iter().map(|envelope| envelope.lamport.0).collect();
        assert_eq!(order, [far, far + 2, far + 2]);
        assert!(released[1].sender < released[2].sender);
        assert!(released.iter().all(|envelope| clock.see(envelope) == Ok(Seen::Now)));
        assert!(clock.tick() > Lamport(far + 2));
    }

    #[test]
    fn t08_the_clock_never_goes_back() {
        let mut clock = Clock::new(Lamport(9), 0);
        clock.applied(Lamport(3));
        assert_eq!(clock.see(&from(1, 4)), Ok(Seen::Now));
        assert_eq!((clock.tick(), clock.tick()), (Lamport(10), Lamport(11)));
        assert_eq!(clock.see(&from(1, 50 * AHEAD_MAX)), Err(Reject::LamportAhead), "no places at all");
        clock.applied(Lamport(u64::MAX - 1));
        assert_eq!(clock.see(&from(1, u64::MAX)), Ok(Seen::Now));
        assert_eq!(clock.now(), Lamport(u64::MAX));
    }
}
