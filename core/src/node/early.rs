//! Where a need's envelopes wait at a coordinator until its register is ready for them.
//!
//! Keys cost nothing, so the room is bounded for each sender and in all. Who has something to lose never makes room for who
//! has not; among equals the one that takes most does. Proposals have a room of their own: whatever a need's workers say
//! before their time, its planners still find a place, and they say a proposal only once.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use crate::id::AgentId;
use crate::slot::PROPOSALS_EACH;
use crate::wire::{Envelope, Verb};

/// Envelopes that wait in one of the two rooms.
const ROOM_MAX: usize = 256;

/// As many of them, other than proposals, may be of one sender.
const EACH_MAX: usize = 32;

/// The two waiting rooms of one need.
#[derive(Clone, Default)]
pub(super) struct Early {
    proposals: Room,
    others: Room,
}

impl Early {
    /// Keeps `envelope`; `favoured` if its sender has something to lose. Returns the envelope that found no place, or lost it.
    pub fn keep(&mut self, envelope: &Arc<Envelope>, favoured: bool) -> Option<Arc<Envelope>> {
        match envelope.verb() {
            Verb::Propose => self.proposals.keep(envelope, PROPOSALS_EACH, favoured),
            _ => self.others.keep(envelope, EACH_MAX, favoured),
        }
    }

    /// Takes out all, proposals first, each room in the order of coming.
    pub fn take(&mut self) -> impl Iterator<Item = Arc<Envelope>> + use<> {
        let Self { proposals, others } = core::mem::take(self);
        proposals.0.into_iter().chain(others.0).map(|(_, envelope)| envelope)
    }
}

/// Envelopes, and whether their sender has something to lose, in the order of coming.
#[derive(Clone, Default)]
struct Room(VecDeque<(bool, Arc<Envelope>)>);

impl Room {
    fn keep(&mut self, envelope: &Arc<Envelope>, each: usize, favoured: bool) -> Option<Arc<Envelope>> {
        if self.0.iter().any(|(_, kept)| kept.id() == envelope.id()) {
            return None;
        }
        let own = self.of(envelope);
        if own >= each {
            return Some(Arc::clone(envelope));
        }
        let mut lost = None;
        if self.0.len() >= ROOM_MAX {
            let mut of: BTreeMap<AgentId, usize> = BTreeMap::new();
            self.0.iter().for_each(|(_, kept)| *of.entry(kept.sender).or_default() += 1);
            let worst = self.0.iter().enumerate().map(|(at, (favoured, kept))| (!favoured, of[&kept.sender], at)).max();
            let (stranger, most, at) = worst.expect("a full room is not empty");
            let yields = if stranger == favoured { stranger } else { most > own + 1 };
            if !yields {
                return Some(Arc::clone(envelope));
            }
            lost = self.0.remove(at).map(|(_, lost)| lost);
        }
        self.0.push_back((favoured, Arc::clone(envelope)));
        lost
    }

    /// How many are of the same sender.
    fn of(&self, envelope: &Envelope) -> usize {
        self.0.iter().filter(|(_, kept)| kept.sender == envelope.sender).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Nonce;
    use crate::wire::testing;

    fn from(sender: u8, nonce: u64) -> Arc<Envelope> {
        Arc::new(testing::stake(sender, |content| content.nonce = Nonce(nonce)))
    }

    /// Full of what `senders` strangers said.
    fn crowded(senders: u8) -> Room {
        let mut room = Room::default();
        for nonce in 0..(ROOM_MAX / usize::from(senders)) as u64 {
            assert!((1..=senders).all(|sender| room.keep(&from(sender, nonce), ROOM_MAX, false).is_none()));
        }
        room
    }

    #[test]
    fn t45_one_sender_has_its_part_and_no_more() {
        let mut early = Early::default();
        assert!((0..EACH_MAX as u64).all(|nonce| early.keep(&from(1, nonce), true).is_none()));
        let more = from(1, 1_000);
        assert_eq!(early.keep(&more, true), Some(more));
        assert_eq!(early.keep(&from(1, 0), true), None, "a copy takes no place and loses none");
        assert_eq!(early.keep(&from(2, 0), false), None);
        assert_eq!(early.take().count(), EACH_MAX + 1);
    }

    #[test]
    fn t45_strangers_make_room_for_those_who_have_something_to_lose() {
        let mut room = crowded(4);
        for nonce in 0..ROOM_MAX as u64 {
            assert!(room.keep(&from(9, nonce), ROOM_MAX, true).is_some_and(|lost| lost.sender != from(9, 0).sender));
        }
        let stranger = from(7, 0);
        assert_eq!(room.keep(&stranger, ROOM_MAX, false), Some(stranger), "not the other way round");
    }

    #[test]
    fn t45_among_equals_the_one_that_takes_most_makes_room() {
        let mut room = crowded(4);
        let shares = |room: &Room| (1..=5).map(|sender| room.of(&from(sender, 0))).collect::<alloc::vec::Vec<_>>();
        assert!((0..100).filter_map(|nonce| room.keep(&from(5, nonce), ROOM_MAX, false)).count() == 100);
        assert!(shares(&room).iter().all(|share| (50..=53).contains(share)), "{:?}", shares(&room));
        assert_eq!(room.0.len(), ROOM_MAX);
    }
}
