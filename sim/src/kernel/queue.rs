//! The queue of what is to come. Decides the order of events: by time, and at one time by sequence number, a total order without ties.
//!
//! It is a radix heap: because nothing is ever scheduled in the past, an event can wait in the bucket of the highest bit in which its time differs
//! from the present, and each bucket is taken apart only when the present reaches it. Measured against `BinaryHeap` in the same kernel: 1.1 to 1.2
//! times the deliveries per second with 5 nodes as with 500, and the same trace hashes. Messages wait in a slab and do not move with their events.

use super::{NodeId, SimTime};

/// What an event is, apart from its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Start,
    Wake,
    Message(Slot),
}

/// Where a message waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

// The last slots are never used for messages: an event then fits in 24 bytes.
const START: u32 = u32::MAX;
const WAKE: u32 = u32::MAX - 1;
const SLOTS_MAX: u32 = u32::MAX - 1;
/// The end of the list of free cells.
const NONE: u32 = u32::MAX;

/// One event to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub at: SimTime,
    /// Unique, and in order of scheduling.
    pub seq: u64,
    pub to: NodeId,
    slot: u32,
}

impl Entry {
    #[inline]
    pub(super) fn what(&self) -> What {
        match self.slot {
            START => What::Start,
            WAKE => What::Wake,
            slot => What::Message(Slot(slot)),
        }
    }
}

enum Cell<M> {
    Full {
        from: NodeId,
        msg: M,
    },
    /// A link of the list of free cells.
    Free {
        next: u32,
    },
}

/// Events to come, earliest first, and the messages they carry.
pub(super) struct Queue<M> {
    /// Bucket 0 holds what is due at `present`, bucket `b` what first differs from it in bit `b - 1`. Within a bucket, events of one time are in
    /// order of their numbers, because taking apart keeps the order and later events are appended.
    buckets: [Vec<Entry>; BUCKETS],
    /// Bit `b` is set when bucket `b` is not empty.
    occupied: u128,
    /// How many of bucket 0 are already gone.
    gone: usize,
    /// The time of the event popped last.
    present: u64,
    /// An empty vector whose memory is used again.
    spare: Vec<Entry>,
    cells: Vec<Cell<M>>,
    free: u32,
    seq: u64,
}

/// One for "now" and one for each bit of a time.
const BUCKETS: usize = 65;

impl<M> Queue<M> {
    pub(super) fn new() -> Self {
        Self {
            buckets: [const { Vec::new() }; BUCKETS],
            occupied: 0,
            gone: 0,
            present: 0,
            spare: Vec::new(),
            cells: Vec::new(),
            free: NONE,
            seq: 0,
        }
    }

    /// Schedules the start of a node.
    pub(super) fn push_start(&mut self, at: SimTime, to: NodeId) {
        self.push(at, to, START);
    }

    /// Schedules a wake-up and says its sequence number.
    pub(super) fn push_wake(&mut self, at: SimTime, to: NodeId) -> u64 {
        self.push(at, to, WAKE)
    }

    /// Schedules a delivery.
    #[inline]
    pub(super) fn push_message(&mut self, at: SimTime, from: NodeId, to: NodeId, msg: M) {
        let full = Cell::Full { from, msg };
        let slot = self.free;
        if slot == NONE {
            assert!(self.cells.len() < SLOTS_MAX as usize, "too many messages in flight");
            self.cells.push(full);
            self.push(at, to, self.cells.len() as u32 - 1);
        } else if let Cell::Free { next } = core::mem::replace(&mut self.cells[slot as usize], full) {
            self.free = next;
            self.push(at, to, slot);
        } else {
            unreachable!("the list of free cells led to a full one");
        }
    }

    /// Puts back an event that was popped and held, due at `at`; it keeps its number, hence its place before all that was scheduled after it.
    pub(super) fn put_back(&mut self, entry: Entry, at: SimTime) {
        let bucket = self.bucket(at);
        let gone = if bucket == 0 { self.gone } else { 0 };
        let waiting = &self.buckets[bucket][gone..];
        let place = waiting.iter().position(|other| other.at == at && other.seq > entry.seq).unwrap_or(waiting.len());
        self.buckets[bucket].insert(gone + place, Entry { at, ..entry });
        self.occupied |= 1 << bucket;
    }

    /// The next event, unless it lies after `until`.
    #[inline]
    pub(super) fn pop(&mut self, until: SimTime) -> Option<Entry> {
        if self.occupied & 1 == 0 {
            return self.advance(until);
        }
        (self.present <= until.ns()).then(|| self.pop_present())
    }

    /// When the next event is due.
    pub(super) fn next_at(&self) -> Option<SimTime> {
        let first = self.occupied.trailing_zeros() as usize;
        self.buckets.get(first)?.iter().map(|entry| entry.at).min()
    }

    /// Takes a message out; its slot is free for another.
    #[inline]
    pub(super) fn take(&mut self, slot: Slot) -> (NodeId, M) {
        match core::mem::replace(&mut self.cells[slot.0 as usize], Cell::Free { next: self.free }) {
            Cell::Full { from, msg } => {
                self.free = slot.0;
                (from, msg)
            }
            Cell::Free { .. } => unreachable!("a message was taken twice"),
        }
    }

    #[inline]
    fn push(&mut self, at: SimTime, to: NodeId, slot: u32) -> u64 {
        self.seq += 1;
        self.insert(Entry { at, seq: self.seq, to, slot });
        self.seq
    }

    #[inline]
    fn insert(&mut self, entry: Entry) {
        let bucket = self.bucket(entry.at);
        self.buckets[bucket].push(entry);
        self.occupied |= 1 << bucket;
    }

    #[inline]
    fn bucket(&self, at: SimTime) -> usize {
        debug_assert!(at.ns() >= self.present, "nothing is scheduled in the past");
        (u64::BITS - (at.ns() ^ self.present).leading_zeros()) as usize
    }

    #[inline]
    fn pop_present(&mut self) -> Entry {
        let entry = self.buckets[0][self.gone];
        self.gone += 1;
        if self.gone == self.buckets[0].len() {
            self.buckets[0].clear();
            self.gone = 0;
            self.occupied &= !1;
        }
        entry
    }

    /// Moves the present to the next event and pops it. Stays where it is if that lies after `until`, because something may yet be scheduled
    /// before it.
    #[inline]
    fn advance(&mut self, until: SimTime) -> Option<Entry> {
        let first = self.next_at().filter(|at| *at <= until)?;
        let bucket = self.occupied.trailing_zeros() as usize;
        self.present = first.ns();
        self.occupied &= !(1 << bucket);
        if let [only] = self.buckets[bucket][..] {
            self.buckets[bucket].clear();
            return Some(only);
        }
        let mut moving = core::mem::replace(&mut self.buckets[bucket], core::mem::take(&mut self.spare));
        for entry in moving.drain(..) {
            self.insert(entry);
        }
        self.spare = moving;
        Some(self.pop_present())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pop<M>(queue: &mut Queue<M>, until: u64) -> Option<(u64, M)> {
        let entry = queue.pop(SimTime::from_ns(until))?;
        let What::Message(slot) = entry.what() else { panic!("only messages are scheduled here") };
        Some((entry.at.ns(), queue.take(slot).1))
    }

    fn push<M>(queue: &mut Queue<M>, at: u64, msg: M) {
        queue.push_message(SimTime::from_ns(at), NodeId(0), NodeId(1), msg);
    }

    proptest! {
        /// Against the plainest possible queue: a list, sorted by time and number. Some rounds stop early, so that the present stays behind.
        #[test]
        fn order_is_by_time_then_by_number(rounds in proptest::collection::vec((proptest::collection::vec(0_u64..1 << 12, 0..8), 0_u64..1 << 12), 1..40), coarse in 0_u32..12) {
            let (mut queue, mut list, mut number, mut now) = (Queue::new(), Vec::new(), 0, 0);
            for (delays, run) in rounds {
                for delay in delays {
                    let at = now + (delay >> coarse);
                    push(&mut queue, at, number);
                    list.push((at, number));
                    number += 1;
                }
                list.sort();
                prop_assert_eq!(queue.next_at().map(SimTime::ns), list.first().map(|first| first.0));
                now += run >> coarse;
                while let Some(popped) = pop(&mut queue, now) {
                    prop_assert_eq!(popped, list.remove(0));
                }
                prop_assert!(list.first().is_none_or(|next| next.0 > now));
            }
        }

        #[test]
        fn what_is_put_back_keeps_its_number(held in 0_usize..6, early in 0_u64..2) {
            let mut queue = Queue::new();
            (0..6).for_each(|msg| push(&mut queue, 10, msg));
            let entries: Vec<Entry> = (0..=held).map(|_| queue.pop(SimTime::from_ns(10)).unwrap()).collect();
            push(&mut queue, 10 + early, 6);
            for entry in entries.into_iter().rev() {
                queue.put_back(entry, SimTime::from_ns(10));
            }
            let order: Vec<i32> = core::iter::from_fn(|| pop(&mut queue, 20)).map(|popped| popped.1).collect();
            prop_assert_eq!(order, vec![0, 1, 2, 3, 4, 5, 6]);
        }
    }

    #[test]
    fn cells_are_used_again() {
        let mut queue = Queue::new();
        for round in 0..100 {
            (0..3).for_each(|msg| push(&mut queue, round, msg));
            for msg in 0..3 {
                assert_eq!(pop(&mut queue, round), Some((round, msg)));
            }
        }
        assert_eq!(queue.cells.len(), 3);
        assert_eq!((pop(&mut queue, 100), queue.next_at()), (None, None));
    }
}
