//! The bus on its worst day: late, without a leader, without memory, or with a storm of bids in front of its door.
//!
//! Whatever it forgets, it knows that its count of messages is smaller than it was, and says so to every client until each
//! has understood: who holds the acknowledgement of a lost message publishes it again, and a coordinator that heard one whose
//! author does not.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use swarm_core::id::{AgentId, Epoch, Fence};
use swarm_core::node::Subject;
use swarm_core::wire::Body;

use super::Bus;
use crate::kernel::{Cx, LocalTime, NodeId, PPM, Span};
use crate::world::wire::{Place, Post, Wire};

/// How many messages and acknowledgements are remembered for the day they are lost.
const RECENT_MAX: usize = 4_096;
/// Acknowledgements that a new leader does not know.
const SETTLED_MAX: usize = 24;
/// Most old messages published again at once.
const STALE_MAX: usize = 32;

/// What faults make of the bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ills {
    /// Probability of one more delivery after an acknowledgement.
    pub redeliver_ppm: u32,
    /// What of that is no fault.
    pub usual_ppm: u32,
    /// Probability that a delivery comes so much later.
    pub late: Option<(u32, Span)>,
    /// There is no leader: nothing is acknowledged, nothing delivered. And whether one is being elected, or the power is off.
    pub leaderless: bool,
    pub electing: bool,
    /// Probability that a delivery has a bit flipped.
    pub flip_ppm: u32,
    /// Bids are held back and come together.
    pub storm: Option<Storm>,
}

/// A storm of bids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storm {
    /// Whose bids.
    pub bidders: BTreeSet<NodeId>,
    /// How long they gather, nanoseconds.
    pub every: u64,
    /// How often each is delivered.
    pub times: u32,
}

/// How often each of them changed what happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Harm {
    pub redelivered: u64,
    pub late: u64,
    pub refused: u64,
    /// What was refused for want of power alone.
    pub unpowered: u64,
    pub stormed: u64,
    pub flipped: u64,
}

/// What power losses took, for those who have not understood it yet.
#[derive(Debug)]
pub(super) struct Lost {
    /// The present era.
    era: u64,
    /// The last message that is surely there, by client: who has not heard of an earlier loss hears of both as one.
    last: BTreeMap<NodeId, u64>,
    due: LocalTime,
}

impl Lost {
    pub fn due(&self) -> LocalTime {
        self.due
    }
}

impl Bus {
    /// Remembers a message as one that could be lost.
    pub(super) fn remember(&mut self, cx: &mut Cx<'_, Wire>, post: &Rc<Post>) {
        self.recent.push_back((cx.now(), self.place.seq, Rc::clone(post)));
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    pub(super) fn remember_ack(&mut self, group: usize, post: &Rc<Post>) {
        self.settled.push_back((group, Rc::clone(post)));
        if self.settled.len() > SETTLED_MAX {
            self.settled.pop_front();
        }
    }

    /// Until when a delivery is held back, if it is.
    pub(super) fn held_until(&mut self, cx: &mut Cx<'_, Wire>) -> Option<LocalTime> {
        if self.ills.leaderless {
            return Some(cx.now());
        }
        let (ppm, extra) = self.ills.late?;
        if !cx.rng().chance(ppm) {
            return None;
        }
        self.harm.late += 1;
        let extra = cx.rng().within(extra);
        Some(cx.now().plus(extra))
    }

    /// A message as the bus reads it from its disk: with a bit flipped, if that is its day.
    pub(super) fn read_back(&mut self, cx: &mut Cx<'_, Wire>, post: Rc<Post>) -> Rc<Post> {
        if self.ills.flip_ppm == 0 || !cx.rng().chance(self.ills.flip_ppm) {
            return post;
        }
        self.harm.flipped += 1;
        let mut bytes = post.message.envelope.bytes().to_vec();
        let at = cx.rng().below(bytes.len() as u64 * 8);
        bytes[(at / 8) as usize] ^= 1 << (at % 8);
        let Post { subject, message, inboxes, forged, .. } = &*post;
        let (message, inboxes) = (message.clone(), inboxes.clone());
        Rc::new(Post {
            subject: *subject,
            message,
            verified: OnceCell::new(),
            inboxes,
            damaged: Some(bytes),
            forged: forged.clone(),
        })
    }

    /// Some of what is published is kept and nobody is told; everything else falls flat.
    pub(super) fn without_leader(&mut self, cx: &mut Cx<'_, Wire>, msg: Wire) {
        let harm = if self.ills.electing { &mut self.harm.refused } else { &mut self.harm.unpowered };
        *harm += 1;
        if let Wire::Publish { post, .. } = msg
            && cx.rng().chance(PPM / 2)
        {
            let from = cx.me();
            self.keep(cx, from, &post);
        }
    }

    /// There is a leader again; it does not know the newest acknowledgements.
    pub fn elected(&mut self, cx: &mut Cx<'_, Wire>) {
        for (group, post) in std::mem::take(&mut self.settled) {
            self.harm.redelivered += 1;
            self.hand_out(cx, group, post, 1);
        }
        self.wake(cx);
    }

    /// Power is lost: what was kept in the last `window` is gone. Says how many messages are.
    pub fn lose_power(&mut self, cx: &mut Cx<'_, Wire>, window: u64) -> u64 {
        let now = cx.now();
        let first = self.recent.partition_point(|(at, ..)| now.since(*at) > window);
        let gone: Vec<Rc<Post>> = self.recent.drain(first..).map(|(.., post)| post).collect();
        if gone.is_empty() {
            return 0;
        }
        let is_gone = |post: &Rc<Post>| gone.iter().any(|other| Rc::ptr_eq(post, other));
        for post in &gone {
            self.kept.remove(&post.message.envelope.id());
            if let Subject::Thread(need) = post.subject
                && let Some(thread) = self.threads.get_mut(&need)
            {
                thread.retain(|other| !Rc::ptr_eq(post, other));
            }
        }
        self.history.iter_mut().for_each(|all| all.retain(|post| !is_gone(post)));
        self.gathered.retain(|post| !is_gone(post));
        self.settled.retain(|(_, post)| !is_gone(post));
        let due = &mut self.due;
        self.pending.retain(|delivery, pending| {
            let stays = !is_gone(&pending.post);
            if !stays {
                due.remove(&(pending.due, *delivery));
            }
            stays
        });
        self.place = Place { era: self.place.era + 1, seq: self.place.seq - gone.len() as u64 };
        let seq = self.place.seq;
        let earlier = self.lost.take().map(|lost| lost.last).unwrap_or_default();
        let members = self.groups.iter().flat_map(|group| group.members.iter().copied());
        let last = members.map(|id| (id, earlier.get(&id).map_or(seq, |before| seq.min(*before)))).collect();
        self.lost = Some(Lost { era: self.place.era, last, due: now });
        self.wake(cx);
        gone.len() as u64
    }

    /// A client knows of the loss.
    pub(super) fn noted(&mut self, era: u64, by: NodeId) {
        self.lost.take_if(|lost| {
            if lost.era == era {
                lost.last.remove(&by);
            }
            lost.last.is_empty()
        });
    }

    /// A client is gone for good: what was lost is no business of its own.
    pub(super) fn forgive(&mut self, gone: NodeId) {
        if let Some(lost) = &self.lost {
            self.noted(lost.era, gone);
        }
    }

    /// Whether a message is a bid that waits for the storm.
    pub(super) fn gathers(&mut self, cx: &mut Cx<'_, Wire>, from: NodeId, post: &Rc<Post>) -> bool {
        let Some(storm) = &self.ills.storm else { return false };
        let bids = matches!(post.message.envelope.body, Body::Claim(_)) && storm.bidders.contains(&from);
        if bids {
            self.gathered.push(Rc::clone(post));
            let breaks = cx.now().plus(storm.every);
            self.breaks.get_or_insert(breaks);
            self.wake(cx);
        }
        bids
    }

    /// The storm breaks: all bids at once, in any order, again and again.
    pub fn storm(&mut self, cx: &mut Cx<'_, Wire>) {
        self.breaks = None;
        let times = self.ills.storm.as_ref().map_or(1, |storm| storm.times);
        let bids = std::mem::take(&mut self.gathered);
        self.harm.stormed += bids.len() as u64;
        let mut all: Vec<_> = (0..times).flat_map(|_| bids.iter().cloned()).collect();
        for last in (1..all.len()).rev() {
            let other = cx.rng().below(last as u64 + 1);
            all.swap(last, usize::try_from(other).expect("below a vector's length"));
        }
        bids.iter().for_each(|bid| self.file(bid));
        all.iter().for_each(|bid| self.distribute(cx, bid));
        self.wake(cx);
    }

    /// Publishes again what these said under an epoch or fence that has passed since. Says how many messages.
    pub fn repeat_stale(&mut self, cx: &mut Cx<'_, Wire>, by: &BTreeSet<NodeId>) -> u64 {
        let speaks = |group: &&super::Group| group.members.iter().any(|member| by.contains(member));
        let agents: BTreeSet<AgentId> = self.groups.iter().filter(speaks).map(|group| group.topics.agent).collect();
        let mut stale = Vec::new();
        for posts in self.threads.values() {
            let envelopes = || posts.iter().map(|post| &post.message.envelope);
            let epoch = envelopes().filter_map(|e| e.epoch).max().unwrap_or(Epoch::default());
            let fence = envelopes().filter_map(|e| e.fence).max().unwrap_or(Fence::default());
            stale.extend(posts.iter().filter(|post| {
                let envelope = &post.message.envelope;
                let passed = envelope.epoch.is_some_and(|e| e < epoch) || envelope.fence.is_some_and(|f| f < fence);
                passed && agents.contains(&envelope.sender)
            }));
        }
        // The newest are the likeliest to be mistaken for present ones.
        let stale: Vec<_> = stale.into_iter().rev().take(STALE_MAX).cloned().collect();
        for post in &stale {
            self.distribute(cx, post);
        }
        stale.len() as u64
    }

    /// What of all this waits for the present moment.
    pub(super) fn trouble_is_due(&mut self, cx: &mut Cx<'_, Wire>) {
        if self.ills.leaderless {
            return;
        }
        if self.breaks.is_some_and(|breaks| breaks <= cx.now()) {
            self.storm(cx);
        }
        let again = cx.now().plus(self.ack_wait);
        if let Some(lost) = &mut self.lost
            && lost.due <= cx.now()
        {
            lost.due = again;
            let era = lost.era;
            lost.last.iter().for_each(|(member, last)| cx.send(*member, Wire::Lost { era, last: *last }));
        }
    }
}
