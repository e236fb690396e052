//! A discrete-event kernel for nodes of any type. Decides what happens next, from one seed and nothing else.
//!
//! It knows nodes, messages, deadlines, clocks and links, and it must never know what the messages mean. There are no ticks: idle time is jumped.
//! Events are in a total order by (time, sequence number), so the same seed and the same calls give the same run, in any process, in debug and in
//! release, which [`Kernel::trace_hash`] shows. The harness drives a run by alternating [`Kernel::run_until`] with changes to the world:
//!
//! ```
//! use swarm_sim::kernel::{Cx, Kernel, Node, NodeId, SimTime};
//!
//! struct Echo { heard: u64 }
//! impl Node for Echo {
//!     type Msg = u64;
//!     fn on_message(&mut self, cx: &mut Cx<'_, u64>, from: NodeId, msg: u64) {
//!         self.heard += 1;
//!         cx.send(from, msg + 1);
//!     }
//! }
//!
//! let mut kernel = Kernel::new(7);
//! let [a, b] = [(); 2].map(|()| kernel.add(Echo { heard: 0 }));
//! kernel.with_node(a, |_, cx| cx.send(b, 0));
//! kernel.run_until(SimTime::from_ns(1_000_000_000));
//! let heard = kernel.node(b).heard;
//! kernel.net_mut().isolate(a);
//! kernel.run_until(SimTime::from_ns(2_000_000_000));
//! assert!(kernel.node(b).heard <= heard + 1);
//! assert_eq!(kernel.net().bites().cut, 1);
//! ```
//!
//! Reading order: this file, `world`, `fault`, `network`, `queue`, `clock`, `trace`, `rng`. Deliberately absent: threads, real time, I/O, any kind of protocol.

mod clock;
mod fault;
mod network;
mod queue;
mod rng;
#[cfg(test)]
mod tests;
mod trace;
mod world;

pub use clock::{ClockChange, ClockSpec, DRIFT_PPM_MAX, DRIFT_PPM_MIN, LocalTime, SimTime, WALL_START_NS, WallTime};
pub use fault::{Bites, Class, Fault, FaultId, Scope, Wire};
pub use network::Network;
pub use rng::{Fork, PPM, Span, Stream};
pub use trace::{Difference, Fingerprint, Kind, Line, Trace, first_difference};
pub use world::{Counters, Cx, Place};

use core::fmt;
use queue::{Entry, Slot, What};
use world::{Life, World};

/// Most nodes in one kernel; ids have 28 bits so that a trace line's kind and both its nodes are one word.
pub const NODES_MAX: usize = 1 << 28;

/// A node of one kernel, numbered from 0 in the order added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The node that is, or will be, at this place in the order added. Panics from [`NODES_MAX`] on.
    pub const fn from_index(index: usize) -> Self {
        assert!(index < NODES_MAX, "too many nodes");
        Self(index as u32)
    }

    /// The node's place in the order added.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// What a node does. A world of several kinds of node is an enum that implements this.
///
/// To stay reproducible a node takes time, randomness and everything else from [`Cx`] alone.
pub trait Node {
    /// What nodes say to each other. Cloned only when the network duplicates it; wrap what is large in `Arc`.
    type Msg: Clone + Fingerprint;

    /// Called once per boot, before anything else.
    fn on_start(&mut self, _cx: &mut Cx<'_, Self::Msg>) {}

    /// A message has arrived.
    fn on_message(&mut self, cx: &mut Cx<'_, Self::Msg>, from: NodeId, msg: Self::Msg);

    /// The deadline has come ([`Cx::wake_at`]). There is one per node; it is spent now.
    fn on_timer(&mut self, _cx: &mut Cx<'_, Self::Msg>) {}
}

/// A world of nodes.
pub struct Kernel<N: Node> {
    nodes: Vec<N>,
    world: World<N::Msg>,
}

impl<N: Node> Kernel<N> {
    /// An empty world at time 0.
    pub fn new(seed: u64) -> Self {
        Self { nodes: Vec::new(), world: World::new(seed) }
    }

    /// Adds a node with a true clock and of class 0; it starts at the present time.
    pub fn add(&mut self, node: N) -> NodeId {
        self.add_at(node, Place::default())
    }

    /// Adds a node with a class and clocks of its own.
    pub fn add_at(&mut self, node: N, place: Place) -> NodeId {
        let id = NodeId::from_index(self.nodes.len());
        self.nodes.push(node);
        self.world.add(id, place);
        id
    }

    /// Runs every event up to and including `until`, then stands at `until`. A time that has passed changes nothing.
    pub fn run_until(&mut self, until: SimTime) {
        while self.step(until) {}
        self.world.now = self.world.now.max(until);
    }

    /// Runs the next event unless it lies after `until`; false if there is none. An event may turn out to be stale and call no node.
    #[inline]
    pub fn step(&mut self, until: SimTime) -> bool {
        let Some(entry) = self.world.queue.pop(until) else { return false };
        self.world.now = entry.at;
        let id = entry.to;
        match entry.what() {
            What::Message(slot) => self.deliver(entry, slot),
            What::Wake => {
                if self.world.wake(id, entry.seq) {
                    self.with_node(id, |node, cx| node.on_timer(cx));
                }
            }
            What::Start => self.start(entry),
        }
        true
    }

    #[inline]
    fn deliver(&mut self, entry: Entry, slot: Slot) {
        let world = &mut self.world;
        let seat = &mut world.seats[entry.to.index()];
        if seat.life == Life::Paused {
            world.counters.held += 1;
            seat.held.push(entry);
            return;
        }
        let running = seat.life == Life::Up;
        let (from, msg) = world.queue.take(slot);
        if !running {
            return world.drop_message(Kind::Unheard, from, entry.to, &msg);
        }
        if world.net.catches(from, entry.to, &msg) {
            return world.drop_message(Kind::CutInFlight, from, entry.to, &msg);
        }
        world.counters.deliveries += 1;
        world.trace.note(Kind::Deliver, world.now, from, entry.to, msg.fingerprint());
        self.with_node(entry.to, |node, cx| node.on_message(cx, from, msg));
    }

    fn start(&mut self, entry: Entry) {
        let seat = &mut self.world.seats[entry.to.index()];
        match seat.life {
            Life::Paused => seat.held.push(entry),
            Life::Up if !seat.started => {
                seat.started = true;
                self.world.mark(Kind::Start, entry.to, 0);
                self.with_node(entry.to, |node, cx| node.on_start(cx));
            }
            // Replaced twice at one moment, or stopped since.
            Life::Up | Life::Stopped => {}
        }
    }

    /// Calls a node from outside, such as to hand it work; what it does is as if done in a handler.
    #[inline]
    pub fn with_node<R>(&mut self, id: NodeId, call: impl FnOnce(&mut N, &mut Cx<'_, N::Msg>) -> R) -> R {
        call(&mut self.nodes[id.index()], &mut Cx { world: &mut self.world, me: id })
    }

    /// Freezes a node: messages and deadlines wait, its clock goes on. Without effect unless it is running.
    pub fn pause(&mut self, id: NodeId) {
        self.world.pause(id);
    }

    /// Lets a paused node go on: what waited comes now, in the order it came. Says how many events did, its deadline included.
    pub fn resume(&mut self, id: NodeId) -> u64 {
        self.world.resume(id)
    }

    /// Kills a node: its deadline is gone and messages to it are dropped until [`Self::replace`]. The value stays readable.
    pub fn stop(&mut self, id: NodeId) {
        self.world.stop(id);
    }

    /// Boots a new value in a node's place, whatever state it was in, and gives back the old one. Its deadline is dropped, its monotonic clock
    /// starts at 0, its randomness is new. Messages on their way reach the new value: a network does not know that its peer died.
    pub fn replace(&mut self, id: NodeId, node: N) -> N {
        self.world.reboot(id);
        core::mem::replace(&mut self.nodes[id.index()], node)
    }

    /// Boots the value that is in a node's place once more, as [`Self::replace`] does; for a harness that has changed it to what its disk held.
    pub fn reboot(&mut self, id: NodeId) {
        self.world.reboot(id);
    }

    /// Changes a node's clocks; its deadline moves with them.
    pub fn set_clock(&mut self, id: NodeId, change: ClockChange) {
        self.world.set_clock(id, change);
    }

    /// Whether a node is neither paused nor stopped.
    pub fn is_up(&self, id: NodeId) -> bool {
        self.world.seats[id.index()].life == Life::Up
    }

    /// A node's own monotonic clock, for a harness that judges it. Not part of the trace.
    pub fn local_time(&self, id: NodeId) -> LocalTime {
        self.world.seats[id.index()].clock.local(self.world.now)
    }

    /// True time.
    pub fn now(&self) -> SimTime {
        self.world.now
    }

    /// When the next event is due, stale ones included; nothing if nothing will ever happen again by itself.
    pub fn next_at(&self) -> Option<SimTime> {
        self.world.queue.next_at()
    }

    /// All nodes, in order of id.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (NodeId, &N)> {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeId::from_index(index), node))
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> &N {
        &self.nodes[id.index()]
    }

    /// One node, to change it without the world noticing.
    pub fn node_mut(&mut self, id: NodeId) -> &mut N {
        &mut self.nodes[id.index()]
    }

    /// The network, to read its bites.
    pub fn net(&self) -> &Network {
        &self.world.net
    }

    /// The network, to impose and lift faults.
    pub fn net_mut(&mut self) -> &mut Network {
        &mut self.world.net
    }

    /// What happened so far, in numbers.
    pub fn counters(&self) -> Counters {
        self.world.counters
    }

    /// The hash of everything that happened so far.
    pub fn trace_hash(&self) -> u128 {
        self.world.trace.hash()
    }

    /// Keeps every trace line from now on, for [`first_difference`].
    pub fn record_trace(&mut self) {
        self.world.trace.record();
    }

    /// The trace.
    pub fn trace(&self) -> &Trace {
        &self.world.trace
    }
}
