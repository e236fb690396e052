//! What coordinators' own clocks showed, told by whoever runs them: whether one that reports the end of a wait can have waited
//! that long. For P4.
//!
//! A clock that leaps lets its owner report early, and is right to: what holds against that is a majority. A coordinator whose
//! clock was never told of is not judged.

use std::collections::{BTreeMap, BTreeSet};

use swarm_core::id::{AgentId, NeedId, Segment, Seq, Thread};
use swarm_core::time::Span;

use crate::history::{Event, Record};

/// The clocks of all coordinators, and what they showed when a need's entries were taken in and its waits reported.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    dishonest: BTreeSet<AgentId>,
    clocks: BTreeMap<AgentId, Clock>,
    needs: BTreeMap<NeedId, Shown>,
}

/// A clock over all boots of its owner, each of which starts it anew. What passed between the last word of one boot and the
/// next boot is left out: no stopwatch goes on through that either.
#[derive(Debug, Default)]
struct Clock {
    boot: u32,
    before: u64,
    last: u64,
}

#[derive(Debug, Default)]
struct Shown {
    took: BTreeMap<(AgentId, Seq), u64>,
    reported: BTreeMap<(AgentId, Segment, Span), u64>,
}

impl Clocks {
    /// Takes the next record.
    pub fn see(&mut self, record: &Record) {
        match &record.event {
            Event::Genesis { parties, .. } => {
                self.dishonest.extend(parties.iter().filter(|p| !p.honest).map(|p| p.agent));
            }
            Event::Took { agent, boot, mono_ns, seq, thread } => {
                let at = self.clocks.entry(*agent).or_default().lived(*boot, *mono_ns);
                if let Thread::Need(need) = thread {
                    self.needs.entry(*need).or_default().took.entry((*agent, *seq)).or_insert(at);
                }
            }
            Event::Kept { agent, boot, mono_ns } => {
                let at = self.clocks.entry(*agent).or_default().lived(*boot, *mono_ns);
                // What its disk did not keep it takes in again, and waits for from then on.
                let kept = |(by, _): &(AgentId, Seq), took: &mut u64| by != agent || *took <= at;
                self.needs.values_mut().for_each(|shown| {
                    shown.took.retain(kept);
                    // What it does not know that it said it says anew.
                    shown.reported.retain(|(by, ..), said| by != agent || *said <= at);
                });
            }
            Event::Timed { agent, boot, elapsed, mono_ns, segment, thread } => {
                let at = self.clocks.entry(*agent).or_default().lived(*boot, *mono_ns);
                if let Thread::Need(need) = thread {
                    let shown = self.needs.entry(*need).or_default();
                    // Said again it is no later.
                    shown.reported.entry((*agent, *segment, *elapsed)).or_insert(at);
                }
            }
            _ => {}
        }
    }

    /// What the clock of `by` had shown to pass since it took entry `opened` in, which opened the segment, when it reported
    /// `elapsed` of it, if that is less.
    pub fn short(&self, need: &NeedId, by: &AgentId, opened: Seq, segment: Segment, elapsed: Span) -> Option<Span> {
        let shown = self.needs.get(need).filter(|_| !self.dishonest.contains(by))?;
        let since = shown.took.get(&(*by, opened))?;
        let until = shown.reported.get(&(*by, segment, elapsed)).unwrap_or(since);
        Some(Span(until.saturating_sub(*since))).filter(|passed| *passed < elapsed)
    }

    /// Nothing more is waited for in `need`.
    pub fn forget(&mut self, need: &NeedId) {
        self.needs.remove(need);
    }
}

impl Clock {
    /// What it has shown in all, now that it shows `mono_ns` in its owner's `boot`.
    fn lived(&mut self, boot: u32, mono_ns: u64) -> u64 {
        if boot != self.boot {
            (self.before, self.boot) = (self.before.saturating_add(self.last), boot);
        }
        self.last = mono_ns;
        self.before.saturating_add(mono_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{NodeNo, Record};
    use swarm_core::id::Nonce;

    /// What a disk kept of a boot counts, and what it did not keep does not.
    #[test]
    fn a_wait_goes_on_through_a_reboot_as_far_as_the_disk_knows() {
        let agent = AgentId([1; 32]);
        let need = NeedId::of(&agent, Nonce(1));
        let (thread, segment, elapsed) = (Thread::Need(need), Segment(1), Span(15));
        let took = Event::Took { agent, boot: 1, mono_ns: 100, seq: Seq(1), thread };
        let timed = Event::Timed { agent, boot: 2, elapsed, mono_ns: 1, segment, thread };
        let short = |kept: &[(u32, u64)]| {
            let kept = kept.iter().map(|(boot, mono_ns)| Event::Kept { agent, boot: *boot, mono_ns: *mono_ns });
            let mut clocks = Clocks::default();
            let told = core::iter::once(took.clone()).chain(kept).chain([timed.clone()]);
            told.for_each(|event| clocks.see(&Record::new(0, NodeNo(0), event)));
            clocks.short(&need, &agent, Seq(1), segment, elapsed)
        };
        assert_eq!(short(&[]), Some(Span(1)));
        assert_eq!(short(&[(1, 113)]), Some(Span(14)));
        assert_eq!(short(&[(1, 114)]), None);
    }

    /// A report that was early and is said again when it is due was early.
    #[test]
    fn what_is_said_again_is_no_later() {
        let agent = AgentId([1; 32]);
        let need = NeedId::of(&agent, Nonce(1));
        let (thread, segment, elapsed) = (Thread::Need(need), Segment(1), Span(20));
        let says = |boot, mono_ns| Event::Timed { agent, boot, elapsed, mono_ns, segment, thread };
        let short = |told: &[Event]| {
            let mut clocks = Clocks::default();
            let took = Event::Took { agent, boot: 1, mono_ns: 100, seq: Seq(1), thread };
            let told = core::iter::once(took).chain(told.iter().cloned());
            told.for_each(|event| clocks.see(&Record::new(0, NodeNo(0), event)));
            clocks.short(&need, &agent, Seq(1), segment, elapsed)
        };
        assert_eq!(short(&[says(1, 105), says(1, 120)]), Some(Span(5)));
        // One that its disk did not keep it has never said.
        let kept = Event::Kept { agent, boot: 1, mono_ns: 104 };
        assert_eq!(short(&[says(1, 105), kept, says(2, 20)]), None);
    }

    /// A wait that its coordinator learned of and forgot again begins when it learns of it anew.
    #[test]
    fn what_the_disk_did_not_keep_is_taken_in_again() {
        let agent = AgentId([1; 32]);
        let need = NeedId::of(&agent, Nonce(1));
        let (thread, segment) = (Thread::Need(need), Segment(1));
        let took = |boot, mono_ns| Event::Took { agent, boot, mono_ns, seq: Seq(1), thread };
        let short = |elapsed| {
            let timed = Event::Timed { agent, boot: 2, elapsed, mono_ns: 25, segment, thread };
            let told = [took(1, 100), Event::Kept { agent, boot: 1, mono_ns: 90 }, took(2, 5), timed];
            let mut clocks = Clocks::default();
            told.into_iter().for_each(|event| clocks.see(&Record::new(0, NodeNo(0), event)));
            clocks.short(&need, &agent, Seq(1), segment, elapsed)
        };
        assert_eq!((short(Span(20)), short(Span(21))), (None, Some(Span(20))));
    }
}
