//! The embedded register: one sequencer to which any number of coordinators submit.
//!
//! It gives each command its place in its thread and hands all entries to all coordinators, in one order, again and again
//! until each has said how far it came. It looks at nothing.

use std::collections::BTreeMap;
use std::rc::Rc;

use swarm_core::id::{Seq, Thread};
use swarm_core::register::Entry;

use crate::kernel::{Cx, LocalTime, NodeId};
use crate::world::wire::{Placed, Wire};

/// How long the sequencer waits for a coordinator to say how far it came before it sends again, nanoseconds.
const RESEND: u64 = 2_000_000_000;

/// Entries sent to one coordinator that have not been applied yet.
const WINDOW: u64 = 256;

/// Entries sent again at a time: what comes before its turn is kept, so most of a window usually is there.
const AGAIN: u64 = 8;

struct Member {
    id: NodeId,
    /// Everything before was applied.
    applied: u64,
    /// Everything before was sent.
    sent: u64,
    /// Everything before was sent again since it last fell behind.
    again: u64,
    /// When to send again what was not applied.
    due: LocalTime,
}

/// The sequencer.
pub struct Sequencer {
    log: Vec<Rc<Placed>>,
    last: BTreeMap<Thread, Seq>,
    members: Vec<Member>,
    /// How often it was restored: what was said before means nothing any more.
    era: u32,
    /// Its data are gone, and it with them.
    lost: bool,
    /// Entries that had to be sent again.
    pub resent: u64,
}

impl Sequencer {
    pub fn new(members: Vec<NodeId>) -> Self {
        let member = |id| Member { id, applied: 0, sent: 0, again: 0, due: LocalTime::default() };
        Self {
            log: Vec::new(),
            last: BTreeMap::new(),
            members: members.into_iter().map(member).collect(),
            era: 0,
            lost: false,
            resent: 0,
        }
    }

    /// A seat changed hands: who lost it is sent nothing more, its successor everything from the start.
    pub fn admit(&mut self, cx: &mut Cx<'_, Wire>, old: NodeId, id: NodeId) {
        self.members.retain(|member| member.id != old);
        self.members.push(Member { id, applied: 0, sent: 0, again: 0, due: cx.now().plus(RESEND) });
        self.send(cx, self.members.len() - 1);
        self.wake(cx);
    }

    /// Its data are gone. Says how many entries they were.
    pub fn lose(&mut self) -> u64 {
        self.last.clear();
        self.lost = true;
        std::mem::take(&mut self.log).len() as u64
    }

    /// It begins anew with what its members remember, and counts from there.
    pub fn restore(&mut self, cx: &mut Cx<'_, Wire>, entries: Vec<Entry>) {
        self.era += 1;
        self.lost = false;
        self.last = entries.iter().map(|entry| (entry.thread, entry.seq)).collect();
        let placed = |entry: Entry| Rc::new(Placed { id: entry.command.id(), entry });
        self.log = entries.into_iter().map(placed).collect();
        for at in 0..self.members.len() {
            let member = &mut self.members[at];
            (member.applied, member.sent, member.again) = (0, 0, 0);
            self.send(cx, at);
        }
        self.wake(cx);
    }

    /// How often it was restored.
    pub fn era(&self) -> u32 {
        self.era
    }

    pub fn on_message(&mut self, cx: &mut Cx<'_, Wire>, from: NodeId, msg: Wire) {
        if self.lost {
            return;
        }
        let Some(at) = self.members.iter().position(|m| m.id == from) else { return };
        match msg {
            Wire::Submit { op, thread, command } => {
                let last = self.last.entry(thread).or_default();
                *last = last.next();
                let id = command.id();
                self.log.push(Rc::new(Placed { entry: Entry { command, seq: *last, thread }, id }));
                cx.send(from, Wire::Submitted { op });
                for member in 0..self.members.len() {
                    self.send(cx, member);
                }
            }
            Wire::Applied { era, .. } if era != self.era => {}
            Wire::Applied { next, .. } => {
                let member = &mut self.members[at];
                if next > member.applied {
                    member.applied = next;
                    // Of what was restored it may hold more than it was sent.
                    member.sent = member.sent.max(next);
                    member.due = cx.now().plus(RESEND);
                    if member.applied < member.again {
                        self.repeat(cx, at);
                    }
                }
                self.send(cx, at);
            }
            _ => {}
        }
        self.wake(cx);
    }

    fn send(&mut self, cx: &mut Cx<'_, Wire>, at: usize) {
        let member = &mut self.members[at];
        if member.sent == member.applied {
            member.due = cx.now().plus(RESEND);
        }
        while member.sent < self.log.len() as u64 && member.sent - member.applied < WINDOW {
            let entry = Rc::clone(&self.log[member.sent as usize]);
            cx.send(member.id, Wire::Entry { era: self.era, place: member.sent, entry });
            member.sent += 1;
        }
    }

    /// Sends the first entries that were not applied again.
    fn repeat(&mut self, cx: &mut Cx<'_, Wire>, at: usize) {
        let member = &mut self.members[at];
        let upto = member.sent.min(member.applied + AGAIN);
        for place in member.applied..upto {
            cx.send(member.id, Wire::Entry { era: self.era, place, entry: Rc::clone(&self.log[place as usize]) });
        }
        self.resent += upto - member.applied;
        member.again = upto;
        member.due = cx.now().plus(RESEND);
    }

    fn wake(&self, cx: &mut Cx<'_, Wire>) {
        match self.members.iter().filter(|m| m.applied < m.sent).map(|m| m.due).min() {
            Some(due) => cx.wake_at(due),
            None => cx.clear_wake(),
        }
    }

    pub fn on_timer(&mut self, cx: &mut Cx<'_, Wire>) {
        if self.lost {
            return;
        }
        for at in 0..self.members.len() {
            let member = &mut self.members[at];
            if member.applied < member.sent && member.due <= cx.now() {
                self.repeat(cx, at);
            }
        }
        self.wake(cx);
    }
}
