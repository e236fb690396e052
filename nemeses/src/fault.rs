//! The faults themselves, fully decided: no ranges and no random picks are left in a [`Fault`].
//! What a fault means is written here once, so that the simulator and a live host do the same.

use crate::etcd::EtcdFault;
use crate::target::{Node, Nodes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Parts per million that make a whole.
pub const PPM: u32 = 1_000_000;

/// The kinds of fault, by the names that scenarios and reports use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Messages take longer.
    Delay,
    /// Messages are lost.
    Loss,
    /// Messages arrive twice.
    Duplicate,
    /// Messages are overtaken by later ones.
    Reorder,
    /// The cluster falls into two halves that do not hear each other.
    PartitionHalves,
    /// Some nodes are cut off from all others.
    PartitionIsolate,
    /// Clocks jump and run fast or slow.
    Skew,
    /// Verifiers take their time.
    SlowVerifier,
    /// Workers stop talking.
    SilentWorker,
    /// The bus delivers again what was acknowledged.
    BusRedeliver,
    /// etcd has no leader for a while.
    EtcdLeaderChange,
    /// etcd's answers to writes are lost, before or after they take effect.
    EtcdUnknown,
    /// etcd forgets history that a watch still wants.
    EtcdCompact,
    /// etcd takes its time.
    EtcdSlow,
    /// etcd is put back to an old backup.
    EtcdRestore,
}

impl Kind {
    /// All kinds, in the order reports list them.
    pub const ALL: [Self; 15] = [
        Self::Delay,
        Self::Loss,
        Self::Duplicate,
        Self::Reorder,
        Self::PartitionHalves,
        Self::PartitionIsolate,
        Self::Skew,
        Self::SlowVerifier,
        Self::SilentWorker,
        Self::BusRedeliver,
        Self::EtcdLeaderChange,
        Self::EtcdUnknown,
        Self::EtcdCompact,
        Self::EtcdSlow,
        Self::EtcdRestore,
    ];

    /// The stable name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::PartitionHalves => "partition-halves",
            Self::PartitionIsolate => "partition-isolate",
            Self::Skew => "skew",
            Self::SlowVerifier => "slow-verifier",
            Self::SilentWorker => "silent-worker",
            Self::BusRedeliver => "bus-redeliver",
            Self::EtcdLeaderChange => "etcd-leader-change",
            Self::EtcdUnknown => "etcd-unknown",
            Self::EtcdCompact => "etcd-compact",
            Self::EtcdSlow => "etcd-slow",
            Self::EtcdRestore => "etcd-restore",
        }
    }

    /// Whether it strikes etcd, and so nothing unless etcd keeps the register.
    pub const fn is_of_etcd(self) -> bool {
        matches!(
            self,
            Self::EtcdLeaderChange | Self::EtcdUnknown | Self::EtcdCompact | Self::EtcdSlow | Self::EtcdRestore
        )
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The links that a fault hits: every message sent by one of `from` to one of `to`. One way only;
/// a fault both ways is two faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Senders.
    pub from: Nodes,
    /// Receivers.
    pub to: Nodes,
}

impl Links {
    /// Whether a message from one node to another travels over such a link.
    pub fn matches(&self, from: Node, to: Node) -> bool {
        self.from.contains(from) && self.to.contains(to)
    }
}

/// One thing that is wrong for a while. It *bites* whenever it changes what would have happened:
/// a message lost, a clock moved, a job slowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Each message on the links takes that much longer; the host draws per message from the
    /// closed range, in nanoseconds.
    Delay {
        /// The links hit.
        links: Links,
        /// Least added time.
        min_ns: u64,
        /// Greatest added time.
        max_ns: u64,
    },
    /// Each message on the links is lost with this probability.
    Loss {
        /// The links hit.
        links: Links,
        /// Probability in parts per million.
        ppm: u32,
    },
    /// Each message on the links arrives a second time with this probability, after a delay of
    /// its own.
    Duplicate {
        /// The links hit.
        links: Links,
        /// Probability in parts per million.
        ppm: u32,
    },
    /// Each message on the links is held back with this probability, so that later ones overtake
    /// it. This is the only fault that may break a link's order.
    Reorder {
        /// The links hit.
        links: Links,
        /// Probability in parts per million.
        ppm: u32,
        /// How long it is held back at most, in nanoseconds; drawn per message from 1.
        extra_ns: u64,
    },
    /// Nothing passes between `side` and everyone else, either way. What is under way when the
    /// partition begins is lost too.
    Partition {
        /// [`Kind::PartitionHalves`] or [`Kind::PartitionIsolate`]: how the side was chosen.
        kind: Kind,
        /// One of the two sides; who joins later is on the other.
        side: BTreeSet<Node>,
    },
    /// The nodes' clocks run wrong. Stopping the fault restores the rate; time already jumped
    /// over stays jumped over, as after a suspended machine.
    Skew {
        /// The nodes hit.
        nodes: Nodes,
        /// The jump at the start, in nanoseconds. Ahead, both clocks jump; behind, only the wall
        /// clock does, for a monotonic clock never goes back.
        offset_ns: i64,
        /// How much faster (or slower) both clocks run, in parts per million.
        drift_ppm: i32,
    },
    /// Jobs that the nodes execute to verify take `factor` times as long, plus `extra_ns`.
    SlowVerifier {
        /// The verifiers hit.
        nodes: Nodes,
        /// Multiplies the job's time; 1 leaves it alone.
        factor: u32,
        /// Added to the job's time, in nanoseconds.
        extra_ns: u64,
    },
    /// The nodes hear and compute, but nothing they publish or send leaves them: no heartbeat, no
    /// commit.
    SilentWorker {
        /// The workers hit.
        nodes: Nodes,
    },
    /// The bus delivers an acknowledged message once more with this probability, after its
    /// acknowledgement wait.
    BusRedeliver {
        /// Probability in parts per million.
        ppm: u32,
    },
    /// Something is wrong with etcd.
    Etcd(EtcdFault),
}

impl Fault {
    /// Its kind, whose name reports count it under.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Delay { .. } => Kind::Delay,
            Self::Loss { .. } => Kind::Loss,
            Self::Duplicate { .. } => Kind::Duplicate,
            Self::Reorder { .. } => Kind::Reorder,
            Self::Partition { kind, .. } => *kind,
            Self::Skew { .. } => Kind::Skew,
            Self::SlowVerifier { .. } => Kind::SlowVerifier,
            Self::SilentWorker { .. } => Kind::SilentWorker,
            Self::BusRedeliver { .. } => Kind::BusRedeliver,
            Self::Etcd(fault) => fault.kind(),
        }
    }

    /// Whether a message from one node to another is cut off by this fault, for certain.
    pub fn cuts(&self, from: Node, to: Node) -> bool {
        match self {
            Self::Partition { side, .. } => side.contains(&from) != side.contains(&to),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_read_back() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|k| k.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::from_name("gremlin"), None);
    }

    #[test]
    fn a_partition_cuts_both_ways_and_only_across() {
        let cut = Fault::Partition { kind: Kind::PartitionIsolate, side: BTreeSet::from([Node::Agent(1), Node::Bus]) };
        assert!(cut.cuts(Node::Agent(1), Node::Agent(2)));
        assert!(cut.cuts(Node::Agent(2), Node::Bus));
        assert!(!cut.cuts(Node::Agent(1), Node::Bus));
        assert!(!cut.cuts(Node::Agent(2), Node::Register));
    }

    #[test]
    fn links_have_a_direction() {
        let links = Links { from: Nodes::All, to: Nodes::These(BTreeSet::from([Node::Bus])) };
        assert!(links.matches(Node::Agent(0), Node::Bus));
        assert!(!links.matches(Node::Bus, Node::Agent(0)));
    }
}
