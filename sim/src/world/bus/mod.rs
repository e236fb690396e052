//! A durable bus after JetStream: what it acknowledged it keeps, in order, and delivers at least once.
//!
//! A consumer group gets each message of what it follows once per acknowledgement; which of its members gets it goes round,
//! and a message that is not acknowledged in time goes to the next member. Must be able to do what the real one does:
//! deliver again what was acknowledged, deliver late, and in another order than published when it has to repeat; and what it
//! does on its worst day, which is in `trouble`.

mod late;
mod trouble;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use swarm_core::id::{AgentId, Cid, NeedId};
use swarm_core::node::Subject;
use swarm_core::wire::Verb;

use crate::kernel::{Cx, LocalTime, NodeId, PPM};
use crate::world::wire::{Place, Post, Wire};

pub use trouble::{Harm, Ills, Storm};

use trouble::Lost;

/// Consumers that act for one key.
#[derive(Debug)]
struct Group {
    members: Vec<NodeId>,
    turn: usize,
    topics: Topics,
    follows: BTreeSet<NeedId>,
}

/// What a consumer group gets without asking.
#[derive(Clone, Copy, Debug)]
pub struct Topics {
    /// Whose inbox it is.
    pub agent: AgentId,
    /// It coordinates: it gets every thread, and what only coordinators get.
    pub coordinator: bool,
    /// It does work or plans it: it gets needs and open tasks.
    pub market: bool,
    /// It does work: it gets FINALIZE.
    pub finals: bool,
    /// It listens to what it has no part in.
    pub all: bool,
}

/// A delivery without an acknowledgement.
#[derive(Debug)]
struct Pending {
    group: usize,
    post: Rc<Post>,
    due: LocalTime,
    attempts: u32,
    /// It was sent before.
    sent: bool,
}

/// The bus.
#[derive(Debug)]
pub struct Bus {
    ack_wait: u64,
    /// What is wrong with it, and how often that bit.
    pub ills: Ills,
    pub harm: Harm,
    /// Deliveries repeated for want of an acknowledgement.
    pub repeated: u64,
    /// Messages kept, and how often that number went back.
    place: Place,
    /// The newest messages kept, when and where.
    recent: VecDeque<(LocalTime, u64, Rc<Post>)>,
    /// The newest deliveries acknowledged.
    settled: VecDeque<(usize, Rc<Post>)>,
    /// Bids that wait for the storm to break.
    gathered: Vec<Rc<Post>>,
    breaks: Option<LocalTime>,
    /// What was lost last, and who has not understood it yet.
    lost: Option<Lost>,
    groups: Vec<Group>,
    /// Everything kept, in order, if somebody may join late who has to read it all.
    history: Option<Vec<Rc<Post>>>,
    /// What is kept, and where.
    kept: BTreeMap<Cid, u64>,
    threads: BTreeMap<NeedId, Vec<Rc<Post>>>,
    pending: BTreeMap<u64, Pending>,
    due: BTreeSet<(LocalTime, u64)>,
    next: u64,
}

impl Bus {
    /// A bus that repeats a delivery after `ack_wait` nanoseconds.
    pub fn new(ack_wait: u64) -> Self {
        Self {
            ack_wait,
            ills: Ills::default(),
            harm: Harm::default(),
            repeated: 0,
            place: Place::default(),
            recent: VecDeque::new(),
            settled: VecDeque::new(),
            gathered: Vec::new(),
            breaks: None,
            lost: None,
            groups: Vec::new(),
            history: None,
            kept: BTreeMap::new(),
            threads: BTreeMap::new(),
            pending: BTreeMap::new(),
            due: BTreeSet::new(),
            next: 0,
        }
    }

    /// Adds a consumer group.
    pub fn join(&mut self, members: Vec<NodeId>, topics: Topics) {
        self.groups.push(Group { members, turn: 0, topics, follows: BTreeSet::new() });
    }

    pub fn on_message(&mut self, cx: &mut Cx<'_, Wire>, from: NodeId, msg: Wire) {
        if self.ills.leaderless {
            return self.without_leader(cx, msg);
        }
        match msg {
            Wire::Publish { op, post } => {
                let place = self.keep(cx, from, &post);
                cx.send(from, Wire::Published { op, place });
            }
            Wire::Noted { era } => self.noted(era, from),
            Wire::Follow(need) => {
                let Some(group) = self.groups.iter().position(|g| g.members.contains(&from)) else { return };
                cx.send(from, Wire::Following { need, on: true });
                if self.groups[group].follows.insert(need) && !self.groups[group].topics.coordinator {
                    let kept: Vec<_> =
                        self.threads.get(&need).into_iter().flatten().filter(|p| is_for_parties(p)).cloned().collect();
                    kept.into_iter().for_each(|post| self.deliver(cx, group, post));
                }
            }
            Wire::Unfollow(need) => {
                if let Some(group) = self.groups.iter_mut().find(|g| g.members.contains(&from)) {
                    group.follows.remove(&need);
                }
                cx.send(from, Wire::Following { need, on: false });
            }
            Wire::Ack { delivery } => {
                let Some(pending) = self.pending.remove(&delivery) else { return };
                self.due.remove(&(pending.due, delivery));
                self.remember_ack(pending.group, &pending.post);
                let drawn = if self.ills.redeliver_ppm > 0 { cx.rng().below(u64::from(PPM)) } else { u64::MAX };
                if drawn < u64::from(self.ills.redeliver_ppm) {
                    self.harm.redelivered += u64::from(drawn >= u64::from(self.ills.usual_ppm));
                    let due = self.patience(cx, 1);
                    self.schedule(pending.group, pending.post, 1, due, true);
                }
                self.wake(cx);
            }
            _ => {}
        }
    }

    /// Keeps a message and delivers it to all who want it. The same envelope twice is the same message (the server's
    /// de-duplication by id).
    fn keep(&mut self, cx: &mut Cx<'_, Wire>, from: NodeId, post: &Rc<Post>) -> Place {
        let id = post.message.envelope.id();
        if let Some(seq) = self.kept.get(&id) {
            return self.still(*seq);
        }
        self.place.seq += 1;
        let place = self.place;
        self.kept.insert(id, place.seq);
        self.remember(cx, post);
        if !self.gathers(cx, from, post) {
            self.spread(cx, post);
        }
        place
    }

    /// Where a message is that is kept as the `seq`-th. That it is there is said now: after every loss so far, whether or not
    /// it was before.
    fn still(&self, seq: u64) -> Place {
        Place { seq, ..self.place }
    }

    fn spread(&mut self, cx: &mut Cx<'_, Wire>, post: &Rc<Post>) {
        self.file(post);
        self.distribute(cx, post);
    }

    /// Puts a message where those find it who will follow its thread.
    fn file(&mut self, post: &Rc<Post>) {
        self.history.iter_mut().for_each(|all| all.push(Rc::clone(post)));
        if let Subject::Thread(need) = post.subject {
            self.threads.entry(need).or_default().push(Rc::clone(post));
        }
    }

    fn distribute(&mut self, cx: &mut Cx<'_, Wire>, post: &Rc<Post>) {
        for group in 0..self.groups.len() {
            if self.wants(group, post) {
                self.deliver(cx, group, Rc::clone(post));
            }
        }
    }

    fn wants(&self, group: usize, post: &Post) -> bool {
        let Group { members, topics, follows, .. } = &self.groups[group];
        if members.is_empty() {
            return false;
        }
        let followed = match post.subject {
            Subject::MarketNeed | Subject::MarketTask => topics.coordinator || topics.market,
            Subject::MarketFinal => topics.coordinator || topics.finals,
            Subject::Thread(need) => topics.coordinator || (follows.contains(&need) && is_for_parties(post)),
            Subject::System => true,
            Subject::Coordinators => topics.coordinator,
            Subject::Inbox(agent) => topics.agent == agent,
        };
        followed || topics.all || post.inboxes.contains(&topics.agent)
    }

    fn deliver(&mut self, cx: &mut Cx<'_, Wire>, group: usize, post: Rc<Post>) {
        self.hand_out(cx, group, post, 0);
    }

    /// Delivers what was tried so often before.
    fn hand_out(&mut self, cx: &mut Cx<'_, Wire>, group: usize, post: Rc<Post>, attempts: u32) {
        if let Some(due) = self.held_until(cx) {
            self.schedule(group, post, attempts, due, false);
        } else {
            let due = self.patience(cx, 0);
            let delivery = self.schedule(group, Rc::clone(&post), attempts, due, true);
            self.send(cx, group, delivery, post, attempts > 0);
        }
        self.wake(cx);
    }

    /// When to look after a delivery again; each further attempt waits longer, as a bounded back-off does.
    fn patience(&self, cx: &mut Cx<'_, Wire>, attempts: u32) -> LocalTime {
        cx.now().plus(self.ack_wait << attempts.min(3))
    }

    fn schedule(&mut self, group: usize, post: Rc<Post>, attempts: u32, due: LocalTime, sent: bool) -> u64 {
        self.next += 1;
        self.pending.insert(self.next, Pending { group, post, due, attempts, sent });
        self.due.insert((due, self.next));
        self.next
    }

    fn send(&mut self, cx: &mut Cx<'_, Wire>, group: usize, delivery: u64, post: Rc<Post>, again: bool) {
        let place = self.still(*self.kept.get(&post.message.envelope.id()).expect("what is delivered is kept"));
        let post = self.read_back(cx, post);
        let group = &mut self.groups[group];
        let member = group.members[group.turn % group.members.len()];
        group.turn += 1;
        cx.send(member, Wire::Deliver { again, delivery, place, post });
    }

    fn wake(&self, cx: &mut Cx<'_, Wire>) {
        let delivery = self.due.first().map(|(due, _)| *due);
        let telling = self.lost.as_ref().map(Lost::due);
        match delivery.into_iter().chain(self.breaks).chain(telling).min() {
            Some(due) if !self.ills.leaderless => cx.wake_at(due),
            _ => cx.clear_wake(),
        }
    }

    pub fn on_timer(&mut self, cx: &mut Cx<'_, Wire>) {
        self.trouble_is_due(cx);
        while let Some((due, delivery)) = self.due.first().copied().filter(|(due, _)| *due <= cx.now()) {
            self.due.remove(&(due, delivery));
            let Some(pending) = self.pending.remove(&delivery) else { continue };
            self.repeated += u64::from(pending.sent);
            let attempts = pending.attempts + u32::from(pending.sent);
            let due = self.patience(cx, attempts);
            let again = self.schedule(pending.group, Rc::clone(&pending.post), attempts, due, true);
            self.send(cx, pending.group, again, pending.post, attempts > 0);
        }
        self.wake(cx);
    }
}

/// What of a thread concerns its parties; bids, votes and heartbeats concern the coordinators alone.
fn is_for_parties(post: &Post) -> bool {
    let verb = post.message.envelope.verb();
    matches!(verb, Verb::Entry | Verb::Propose | Verb::UpdatePlan | Verb::Settle)
}
