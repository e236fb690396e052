//! The logical clock (PROTOCOL 2).
//!
//! What one envelope says moves the clock by at most [`AHEAD_MAX`]; what is beyond waits, and the clock stays (T07: one
//! poisoned value must not carry everyone to the end of the range). Members of the register move it without bound, as far
//! as enough of them say that they have come: so a node back from a long partition, and a newcomer to an old swarm, catch
//! up with whatever they hear of the members first, and a minority that lies moves nothing. The clock never goes back.
//!
//! Beyond where those members have come nobody carries it further than [`CARRIED_MAX`], however often it is tried: a clock that
//! one had moved out of the reach of all others would make whatever its node says wait there for ever.

use alloc::vec;
use alloc::vec::Vec;

use crate::id::Lamport;

/// How far ahead of the clock an envelope may be.
pub const AHEAD_MAX: u64 = 1_000_000;

/// How far ahead of where enough members have come anybody's word may carry a clock: half of what another still takes in, so that
/// there is room for what its node says from there, and for members that the other has not heard yet.
pub const CARRIED_MAX: u64 = AHEAD_MAX / 2;

/// The highest value an envelope may carry. At a million per envelope it takes centuries to come near, and above it there is
/// still room for every tick of an honest clock.
pub const LAMPORT_MAX: Lamport = Lamport(1 << 62);

/// A node's logical clock.
#[derive(Clone, Debug)]
pub struct Clock {
    now: Lamport,
    /// How far the holders of each seat of the register have said that they have come.
    seats: Vec<Lamport>,
    /// As many seats as it takes to believe an entry.
    believe_at: usize,
    /// How far as many of them have come.
    vouched: Lamport,
}

impl Clock {
    /// A clock at `now` (the highest value ever used or seen; zero at the first start) that follows the members
    /// of the register, `seats` in number, as far as `believe_at` of them have come.
    pub fn new(now: Lamport, seats: usize, believe_at: usize) -> Self {
        Self { now, seats: vec![Lamport(0); seats], believe_at, vouched: Lamport(0) }
    }

    /// The highest value used or seen.
    pub fn now(&self) -> Lamport {
        self.now
    }

    /// A value for an envelope of one's own, above everything used or seen.
    ///
    /// # Panics
    /// At the end of the range: nothing that is let in comes near it.
    pub fn tick(&mut self) -> Lamport {
        self.now = Lamport(self.now.0.checked_add(1).expect("values beyond LAMPORT_MAX are refused"));
        self.now
    }

    /// Takes notice of a verified envelope of someone with this `seat`, if it has one. False if it has to wait
    /// ([`Clock::horizon`]): it is too far ahead, and of no member.
    pub fn see(&mut self, seat: Option<usize>, lamport: Lamport) -> bool {
        let near = lamport <= self.horizon();
        if let Some(said) = seat.and_then(|seat| self.seats.get_mut(seat)) {
            *said = lamport.max(*said);
            let mut all = self.seats.clone();
            all.sort_unstable_by(|a, b| b.cmp(a));
            self.vouched = all.get(self.believe_at.saturating_sub(1)).copied().unwrap_or_default();
            self.now = self.now.max(self.vouched);
        }
        if near {
            let reach = Lamport(self.vouched.0.saturating_add(CARRIED_MAX));
            self.now = self.now.max(lamport.min(reach));
        }
        // A member is heard wherever its clock stands: what it says takes effect only with the others.
        near || seat.is_some()
    }

    /// Moves up to the `lamport` of what took effect, if that is near.
    pub fn take(&mut self, lamport: Lamport) -> bool {
        let near = lamport <= self.horizon();
        if near {
            self.now = self.now.max(lamport);
        }
        near
    }

    /// What is above this waits.
    pub fn horizon(&self) -> Lamport {
        Lamport(self.now.0.saturating_add(AHEAD_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: u64 = 70 * AHEAD_MAX;

    /// A clock at `now` with three members, of whom two are believed.
    fn clock(now: u64) -> Clock {
        Clock::new(Lamport(now), 3, 2)
    }

    #[test]
    fn t07_a_poisoned_value_waits_and_the_clock_stays() {
        let mut clock = clock(5);
        for far in [u64::MAX, LAMPORT_MAX.0, 6 + AHEAD_MAX] {
            assert!(!clock.see(None, Lamport(far)));
        }
        assert_eq!(clock.now(), Lamport(5));
        assert!(clock.see(None, Lamport(5 + AHEAD_MAX)), "the bound itself is near");
        assert_eq!(clock.now(), Lamport(CARRIED_MAX));
    }

    #[test]
    fn t07_nobody_is_carried_out_of_the_reach_of_all_others() {
        let (mut victim, other) = (clock(5), clock(5));
        for step in 1..100 {
            victim.see(None, Lamport(step * (AHEAD_MAX - 10)));
            victim.see(Some(2), Lamport(step * (AHEAD_MAX - 10)));
        }
        assert!((1..1_000).all(|_| victim.tick() <= other.horizon()), "what it says is heard");
        victim.see(Some(0), Lamport(FAR));
        victim.see(Some(1), Lamport(FAR));
        assert!(victim.see(None, Lamport(FAR + 9)));
        assert_eq!(victim.now(), Lamport(FAR + 9), "where the members are it goes as ever");
    }

    #[test]
    fn t07_members_carry_whoever_was_away_but_no_minority_of_them() {
        let mut clock = clock(0);
        for _ in 0..3 {
            assert!(clock.see(Some(0), LAMPORT_MAX), "a member is heard");
            assert_eq!(clock.now(), Lamport(0), "but alone it moves nothing, however often it speaks");
        }
        clock.see(Some(1), Lamport(FAR));
        assert_eq!(clock.now(), Lamport(FAR), "as far as two of them have come");
        clock.see(Some(2), Lamport(FAR + 7));
        assert_eq!(clock.now(), Lamport(FAR + 7));
        assert!(clock.tick() > Lamport(FAR + 7));
    }

    #[test]
    fn t08_the_clock_never_goes_back() {
        let mut clock = clock(9);
        assert!(clock.take(Lamport(3)) && clock.see(Some(0), Lamport(4)) && clock.see(Some(1), Lamport(4)));
        assert_eq!((clock.tick(), clock.tick()), (Lamport(10), Lamport(11)));
        assert!(!clock.take(Lamport(FAR)));
        assert_eq!(clock.now(), Lamport(11));
        for seat in 0..3 {
            clock.see(Some(seat), LAMPORT_MAX);
        }
        assert!(clock.tick() > LAMPORT_MAX, "there is room above the highest value");
    }
}
