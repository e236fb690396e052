//! Conditions of links as plain data. Decides what can be said about a network: which links (a [`Scope`]), what they are like when healthy
//! (a [`Wire`]), and what can go wrong with them (a [`Fault`]).
//!
//! Cuts, isolation and halves are not special: they are one fault on different scopes.

use super::rng::Span;
use super::{NodeId, SimTime};
use std::collections::BTreeSet;

/// A node's class, such as "worker" or "bus"; the numbers are the harness's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u16);

/// Which links a wire or a fault is meant for. Where several match, the later variant of this list wins, then the later imposed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every link.
    All,
    /// Links from or to a node of this class.
    Class(Class),
    /// Links from the first class to the second, one way.
    Between(Class, Class),
    /// Links between these nodes and all others, both ways.
    Across(BTreeSet<NodeId>),
    /// Links from any of the first to any of the second, one way.
    OneWay(BTreeSet<NodeId>, BTreeSet<NodeId>),
    /// Links from or to this node.
    Node(NodeId),
    /// Both links between two nodes.
    Pair(NodeId, NodeId),
    /// The link from the first node to the second, one way.
    Link(NodeId, NodeId),
}

impl Scope {
    /// How particular a scope is: its place in the list of variants.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Scope::All => 0,
            Scope::Class(_) => 1,
            Scope::Between(..) => 2,
            Scope::Across(_) => 3,
            Scope::OneWay(..) => 4,
            Scope::Node(_) => 5,
            Scope::Pair(..) => 6,
            Scope::Link(..) => 7,
        }
    }

    /// Whether the link between two nodes of these classes is meant.
    pub(super) fn covers(&self, from: (NodeId, Class), to: (NodeId, Class)) -> bool {
        let (nodes, classes) = ((from.0, to.0), (from.1, to.1));
        match self {
            Scope::All => true,
            Scope::Class(class) => classes.0 == *class || classes.1 == *class,
            Scope::Between(a, b) => classes == (*a, *b),
            Scope::Across(side) => side.contains(&nodes.0) != side.contains(&nodes.1),
            Scope::OneWay(from, to) => from.contains(&nodes.0) && to.contains(&nodes.1),
            Scope::Node(node) => nodes.0 == *node || nodes.1 == *node,
            Scope::Pair(a, b) => nodes == (*a, *b) || nodes == (*b, *a),
            Scope::Link(a, b) => nodes == (*a, *b),
        }
    }
}

/// What a healthy link is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Time on the way.
    pub delay: Span,
    /// Whether messages arrive in the order sent (see the top of this file).
    pub fifo: bool,
}

impl Default for Wire {
    /// A local network: 0.2 to 1 ms, in order.
    fn default() -> Self {
        Self { delay: Span::new(200_000, 1_000_000), fifo: true }
    }
}

/// What can be wrong with a link. Chances are in parts per million of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing gets through. Messages are dropped when sent; with `in_flight` also those that would arrive while it lasts.
    Cut {
        /// Whether messages on their way are caught.
        in_flight: bool,
    },
    /// Messages of some sorts do not get through, when sent or when they would arrive.
    Filter {
        /// Bit `n` for the messages whose [`super::Fingerprint::sort`] is `n`.
        sorts: u32,
    },
    /// Messages vanish.
    Lose {
        /// How many of a million.
        ppm: u32,
    },
    /// Messages arrive twice, the copy this much after the original and bound to no order.
    Duplicate {
        /// How many of a million.
        ppm: u32,
        /// How much later.
        after: Span,
    },
    /// Messages arrive once more, this much after the original and bound to no order: an echo, where a duplicate is a stutter.
    /// A message that is duplicated has no echo.
    Replay {
        /// How many of a million.
        ppm: u32,
        /// How much later.
        after: Span,
    },
    /// The link stands still: what is sent before `until` arrives then or later, in order. Lifting it lets what follows through, but
    /// on a first-in first-out link only behind what already waits.
    Clog {
        /// When it lets go.
        until: SimTime,
    },
    /// Messages take longer; on a first-in first-out link those behind them wait.
    Delay {
        /// How many of a million.
        ppm: u32,
        /// How much longer.
        extra: Span,
    },
    /// Messages are held back while those behind them pass. Bites when one really is overtaken.
    Reorder {
        /// How many of a million.
        ppm: u32,
        /// How long they are held.
        extra: Span,
    },
}

/// A fault imposed on a network, as a handle for lifting it and for its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub(super) u32);

/// How often each kind of fault really did something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bites {
    /// Messages dropped by a cut, when sent or on their way.
    pub cut: u64,
    /// Messages lost.
    pub lost: u64,
    /// Messages held back by a filter.
    pub filtered: u64,
    /// Messages that arrive twice.
    pub duplicated: u64,
    /// Messages that arrive once more, later.
    pub replayed: u64,
    /// Messages that waited for a link to move again.
    pub clogged: u64,
    /// Messages that took longer.
    pub delayed: u64,
    /// Times that messages held back were overtaken.
    pub reordered: u64,
}
