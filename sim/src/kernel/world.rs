//! Everything around the nodes: time, queue, network, clocks, trace. Decides what a node may see of it, which is what [`Cx`] offers and nothing else.
//!
//! A node must never learn true time, another node's clock, or a random number that is not its own.

use super::NodeId;
use super::clock::{Clock, ClockChange, ClockSpec, LocalTime, SimTime, WallTime};
use super::fault::Class;
use super::network::{Network, Route};
use super::queue::{Entry, Queue, What};
use super::rng::{Fork, Stream};
use super::trace::{Fingerprint, Kind, Trace};

/// Where and how a node is put into the world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Its class, for wires and faults that are meant for a class.
    pub class: Class,
    /// Its clocks.
    pub clock: ClockSpec,
}

/// What happened so far, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages sent; a duplicate is not sent.
    pub sent: u64,
    /// Messages that reached a running node, duplicates included.
    pub deliveries: u64,
    /// Deadlines that came.
    pub wakes: u64,
    /// Messages that reached nobody: cut, lost, or their node was stopped.
    pub drops: u64,
    /// Messages that had to wait for a paused node.
    pub held: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Up,
    Paused,
    Stopped,
}

/// What the world knows of one node.
pub(super) struct Seat {
    pub clock: Clock,
    pub rng: Stream,
    pub life: Life,
    pub started: bool,
    pub boots: u32,
    /// Messages that wait for the end of a pause.
    pub held: Vec<Entry>,
    deadline: Option<LocalTime>,
    armed: Option<Armed>,
}

/// The one wake event in the queue that counts. It may come before the deadline and then moves on: a node that pushes its deadline away at every
/// message leaves no trail of dead events behind, and does not even pay for turning its deadline into true time.
#[derive(Clone, Copy)]
struct Armed {
    /// Its number in the queue.
    seq: u64,
    /// The deadline it was made for, by the clock as it still is.
    local: LocalTime,
}

pub(super) struct World<M> {
    pub now: SimTime,
    pub queue: Queue<M>,
    pub net: Network,
    pub seats: Vec<Seat>,
    pub trace: Trace,
    pub counters: Counters,
    nodes: Fork,
}

impl<M: Clone + Fingerprint> World<M> {
    pub(super) fn new(seed: u64) -> Self {
        let fork = Fork::new(seed).fork("kernel");
        Self {
            now: SimTime::default(),
            queue: Queue::new(),
            net: Network::new(fork.fork("network")),
            seats: Vec::new(),
            trace: Trace::new(),
            counters: Counters::default(),
            nodes: fork.fork("nodes"),
        }
    }

    pub(super) fn add(&mut self, id: NodeId, place: Place) {
        self.net.add(place.class);
        let (clock, rng) = (Clock::new(self.now, place.clock), self.node_stream(id, 0));
        self.seats.push(Seat {
            clock,
            rng,
            life: Life::Up,
            started: false,
            boots: 0,
            held: Vec::new(),
            deadline: None,
            armed: None,
        });
        self.queue.push_start(self.now, id);
    }

    /// A new life for a seat: deadline gone, stopwatch at 0, randomness of its own.
    pub(super) fn reboot(&mut self, id: NodeId) {
        self.drop_held(id);
        let boots = self.seats[id.index()].boots + 1;
        let rng = self.node_stream(id, boots);
        let seat = &mut self.seats[id.index()];
        seat.clock.reboot(self.now);
        (seat.life, seat.started, seat.boots, seat.rng) = (Life::Up, false, boots, rng);
        (seat.deadline, seat.armed) = (None, None);
        self.queue.push_start(self.now, id);
    }

    pub(super) fn stop(&mut self, id: NodeId) {
        self.drop_held(id);
        let seat = &mut self.seats[id.index()];
        (seat.life, seat.deadline, seat.armed) = (Life::Stopped, None, None);
        self.mark(Kind::Stop, id, 0);
    }

    pub(super) fn pause(&mut self, id: NodeId) {
        let seat = &mut self.seats[id.index()];
        if seat.life == Life::Up {
            seat.life = Life::Paused;
            self.mark(Kind::Pause, id, 0);
        }
    }

    pub(super) fn resume(&mut self, id: NodeId) -> u64 {
        let seat = &mut self.seats[id.index()];
        if seat.life != Life::Paused {
            return 0;
        }
        seat.life = Life::Up;
        let slept_through = seat.deadline.is_some_and(|deadline| seat.clock.local(self.now) >= deadline);
        let waited = seat.held.len() as u64 + u64::from(slept_through);
        for entry in core::mem::take(&mut seat.held) {
            self.queue.put_back(entry, self.now);
        }
        seat.armed = None;
        self.arm(id);
        self.mark(Kind::Resume, id, 0);
        waited
    }

    pub(super) fn set_clock(&mut self, id: NodeId, change: ClockChange) {
        let seat = &mut self.seats[id.index()];
        seat.clock.change(self.now, change);
        seat.armed = None;
        self.arm(id);
    }

    /// Whether the node's deadline has come, given that the wake event numbered `seq` has; if so it is spent.
    pub(super) fn wake(&mut self, id: NodeId, seq: u64) -> bool {
        let seat = &mut self.seats[id.index()];
        let Some(armed) = seat.armed.take_if(|armed| armed.seq == seq) else { return false };
        // Were this ever wrong, the deadline would be armed again at the same moment, for ever.
        assert!(seat.clock.local(self.now) >= armed.local, "a wake-up came before the clock showed its deadline");
        if seat.life != Life::Up {
            return false;
        }
        let now = self.now;
        let Some(deadline) = seat.deadline.take_if(|deadline| seat.clock.local(now) >= *deadline) else {
            self.arm(id);
            return false;
        };
        self.counters.wakes += 1;
        self.mark(Kind::Wake, id, deadline.ns());
        true
    }

    /// A message that reaches nobody.
    pub(super) fn drop_message(&mut self, kind: Kind, from: NodeId, to: NodeId, msg: &M) {
        self.counters.drops += 1;
        self.trace.note(kind, self.now, from, to, msg.fingerprint());
    }

    pub(super) fn mark(&mut self, kind: Kind, id: NodeId, what: u64) {
        self.trace.note(kind, self.now, id, id, what);
    }

    /// Sees to it that an event comes no later than the deadline.
    fn arm(&mut self, id: NodeId) {
        let seat = &mut self.seats[id.index()];
        let Some(deadline) = seat.deadline else { return };
        if seat.armed.is_some_and(|armed| armed.local <= deadline) {
            return;
        }
        if let Some(due) = seat.clock.when(deadline) {
            let seq = self.queue.push_wake(due.max(self.now), id);
            seat.armed = Some(Armed { seq, local: deadline });
        }
    }

    fn drop_held(&mut self, id: NodeId) {
        for entry in core::mem::take(&mut self.seats[id.index()].held) {
            if let What::Message(slot) = entry.what() {
                let (from, msg) = self.queue.take(slot);
                self.drop_message(Kind::Unheard, from, id, &msg);
            }
        }
    }

    fn node_stream(&self, id: NodeId, boots: u32) -> Stream {
        self.nodes.fork(&id.0.to_string()).stream(&boots.to_string())
    }
}

/// What a node may do and see while it is called.
pub struct Cx<'a, M> {
    pub(super) world: &'a mut World<M>,
    pub(super) me: NodeId,
}

impl<M: Clone + Fingerprint> Cx<'_, M> {
    /// This node's id.
    #[inline]
    pub fn me(&self) -> NodeId {
        self.me
    }

    /// This node's monotonic clock, its own offset and drift applied. The reading is part of the trace.
    #[inline]
    pub fn now(&mut self) -> LocalTime {
        let at = self.world.now;
        let now = self.seat().clock.local(at);
        self.world.mark(Kind::Now, self.me, now.ns());
        now
    }

    /// This node's wall clock: advisory, may be wrong, may jump. The reading is part of the trace.
    #[inline]
    pub fn wall(&mut self) -> WallTime {
        let at = self.world.now;
        let wall = self.seat().clock.wall(at);
        self.world.mark(Kind::Wall, self.me, wall.ns());
        wall
    }

    /// Sends a message; the network decides what becomes of it. Panics if `to` was never added.
    #[inline]
    pub fn send(&mut self, to: NodeId, msg: M) {
        let (from, world) = (self.me, &mut *self.world);
        world.counters.sent += 1;
        match world.net.route(world.now, from, to, &msg) {
            Route::Arrives(at) => world.queue.push_message(at, from, to, msg),
            Route::Twice(at, again) => {
                world.queue.push_message(at, from, to, msg.clone());
                world.queue.push_message(again, from, to, msg);
            }
            Route::Lost => world.drop_message(Kind::Lose, from, to, &msg),
            Route::Cut => world.drop_message(Kind::Cut, from, to, &msg),
        }
    }

    /// Asks to be woken once this node's clock shows `deadline`, never before it; at once if it has passed. Replaces any earlier deadline.
    #[inline]
    pub fn wake_at(&mut self, deadline: LocalTime) {
        self.seat().deadline = Some(deadline);
        self.world.arm(self.me);
    }

    /// As [`Self::wake_at`], this many nanoseconds of this node's clock from now. Reads the clock.
    #[inline]
    pub fn wake_after(&mut self, ns: u64) {
        let now = self.now();
        self.wake_at(now.plus(ns));
    }

    /// Forgets the deadline.
    #[inline]
    pub fn clear_wake(&mut self) {
        self.seat().deadline = None;
    }

    /// This node's own random stream; a restarted node gets a new one.
    #[inline]
    pub fn rng(&mut self) -> &mut Stream {
        &mut self.seat().rng
    }

    /// Makes a fact part of the trace, such as an effect that is not a message. Bytes go in as `cx.digest(bytes.fingerprint())`.
    #[inline]
    pub fn digest(&mut self, fact: u64) {
        self.world.mark(Kind::Digest, self.me, fact);
    }

    #[inline]
    fn seat(&mut self) -> &mut Seat {
        &mut self.world.seats[self.me.index()]
    }
}
