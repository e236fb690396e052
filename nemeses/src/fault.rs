//! The faults themselves, fully decided: no ranges and no random picks are left in a [`Fault`].
//! What a fault means is written here once, so that the simulator and a live host do the same.

use crate::etcd::EtcdFault;
use crate::kind::{Kind, Traffic};
use crate::target::{Node, Nodes};
use std::collections::BTreeSet;

/// Parts per million that make a whole.
pub const PPM: u32 = 1_000_000;

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
    /// Each message on the links arrives once more with this probability, that much later and in no
    /// order with the rest.
    LateReplay {
        /// The links hit.
        links: Links,
        /// Probability in parts per million.
        ppm: u32,
        /// Least time between the original and its echo.
        min_ns: u64,
        /// Greatest time between them.
        max_ns: u64,
    },
    /// The links stand still: what is sent while the fault lasts arrives when it ends, in order.
    Clog {
        /// The links hit.
        links: Links,
        /// For how long; the same as the fault's own length.
        lasts_ns: u64,
    },
    /// One sort of message is lost on the links, what is on its way included.
    Filter {
        /// The links hit.
        links: Links,
        /// The sort.
        traffic: Traffic,
    },
    /// Nothing passes between `side` and everyone else, either way. What is under way when the
    /// partition begins is lost too.
    Partition {
        /// [`Kind::PartitionHalves`] or [`Kind::PartitionIsolate`]: how the side was chosen.
        kind: Kind,
        /// One of the two sides; who joins later is on the other.
        side: BTreeSet<Node>,
    },
    /// Nothing passes over any of these links, what is under way included.
    Cuts {
        /// [`Kind::PartitionMajoritiesRing`], [`Kind::PartitionBridge`] or [`Kind::PartitionOneWay`].
        kind: Kind,
        /// The links cut, each one way.
        links: Vec<Links>,
    },
    /// As a partition, between the leader of the register with some others, and the rest. Who leads
    /// is asked when it strikes; where one sequencer orders everything, that is the leader.
    PartitionLeader {
        /// Coordinators in a drawn order: as many of the first stay with the leader as make the
        /// largest minority with it.
        with: Vec<Node>,
    },
    /// The nodes' clocks run wrong. Stopping the fault restores the rate; time already jumped
    /// over stays jumped over, as after a suspended machine.
    Skew {
        /// [`Kind::Skew`], [`Kind::ClockJump`] or [`Kind::ClockDrift`].
        kind: Kind,
        /// The nodes hit.
        nodes: Nodes,
        /// The jump at the start, in nanoseconds. Ahead, both clocks jump; behind, only the wall
        /// clock does, for a monotonic clock never goes back.
        offset_ns: i64,
        /// How much faster (or slower) both clocks run, in parts per million.
        drift_ppm: i32,
    },
    /// The nodes' clocks stand still; the nodes hear and answer, and none of their waits ends.
    ClockFreeze {
        /// The nodes hit.
        nodes: Nodes,
    },
    /// The nodes stand still while their clocks go on; then they go on with what has piled up.
    Pause {
        /// The nodes hit.
        nodes: Nodes,
    },
    /// The nodes die and lose what was not yet durable; when the fault ends they start again from
    /// their disks.
    Crash {
        /// The nodes hit.
        nodes: Nodes,
        /// How long to wait, at most, for a moment at which the node has a write that is not yet
        /// durable; 0 strikes at once.
        wait_ns: u64,
    },
    /// In the first half `first` pauses and the disk of `victim` is slow; at half time `victim` dies
    /// and starts again at once, `first` goes on and `second` pauses, until the end. The quorum of
    /// the second half is made of those who slept and of one who lost what it had not written.
    QuorumSwap {
        /// Who pauses first; a minority.
        first: BTreeSet<Node>,
        /// Who dies in between.
        victim: Node,
        /// Who pauses then; a minority.
        second: BTreeSet<Node>,
    },
    /// The power goes: the nodes die at one moment and lose what was not yet durable, and the bus loses what it accepted in
    /// the last `window_ns`, acknowledged or not. When the fault ends, all of them start again.
    PowerLoss {
        /// The nodes hit, besides the bus.
        nodes: Nodes,
        /// How far back the bus forgets, nanoseconds.
        window_ns: u64,
    },
    /// Whoever leads the register when it strikes stands still while its clocks go on; where one sequencer orders everything,
    /// that is the leader.
    PauseLeader,
    /// What the nodes hand on of the register's history has a bit flipped with this probability, for each piece.
    SnapshotDamage {
        /// The nodes hit.
        nodes: Nodes,
        /// Probability in parts per million.
        ppm: u32,
    },
    /// The coordinators die at once and their disks are gone for good. When the fault ends, those who hold the recovery keys
    /// give each seat to a new agent with new keys, on a new host and an empty disk.
    WipeRejoin {
        /// The coordinators hit.
        nodes: Nodes,
    },
    /// The embedded register's data are gone, and nothing is ordered. When the fault ends, those who hold the recovery keys
    /// restore it from the logs of all coordinators, and raise the generation.
    RegisterLost,
    /// A majority of coordinators dies at once and its disks are gone for good. When the fault ends, those who hold the recovery
    /// keys found the register anew on the logs of the others, with new agents on new hosts in all seats.
    MajorityLost {
        /// The majority.
        nodes: Nodes,
    },
    /// A majority of coordinators is out of the operators' reach and lives on. Those who hold the recovery keys found the
    /// register anew on the logs of the others, with new agents on new hosts, whom nobody else hears until the fault ends.
    RegisterSplit {
        /// The majority.
        nodes: Nodes,
    },
    /// The nodes' disks are full: nothing can be written down, so nothing is taken in and nothing
    /// leaves.
    DiskFull {
        /// The nodes hit.
        nodes: Nodes,
    },
    /// Every write takes longer to be durable; the host draws for each from the closed range.
    DiskSlow {
        /// The nodes hit.
        nodes: Nodes,
        /// Least added time, nanoseconds.
        min_ns: u64,
        /// Greatest added time, nanoseconds.
        max_ns: u64,
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
    /// Jobs that the nodes execute to verify fail.
    FailedVerifier {
        /// The verifiers hit.
        nodes: Nodes,
    },
    /// The nodes hear and compute, but nothing they publish or send leaves them: no heartbeat, no
    /// commit.
    SilentWorker {
        /// The workers hit.
        nodes: Nodes,
    },
    /// The first of the nodes found at work is suspended as a virtual machine is: it and its clock
    /// stand still until the fault ends. Then it goes on with its work, and hears of nothing that
    /// happened until it has spoken.
    ZombieWorker {
        /// The workers among whom it looks.
        nodes: Nodes,
    },
    /// What the nodes published under an epoch or fence that has passed since is published again, at
    /// the start and at the end.
    StaleWriter {
        /// Whose old words.
        nodes: Nodes,
    },
    /// The nodes' bids are held back and delivered together, each several times over.
    BidderStorm {
        /// The bidders.
        nodes: Nodes,
        /// How long bids gather before they break loose, nanoseconds.
        every_ns: u64,
        /// How often each is delivered.
        times: u32,
    },
    /// The bus delivers an acknowledged message once more with this probability, after its
    /// acknowledgement wait.
    BusRedeliver {
        /// Probability in parts per million.
        ppm: u32,
    },
    /// The bus delivers a message with this probability only after a while.
    BusLate {
        /// Probability in parts per million.
        ppm: u32,
        /// Least added time, nanoseconds.
        min_ns: u64,
        /// Greatest added time, nanoseconds.
        max_ns: u64,
    },
    /// The bus has no leader: of what is published some is kept and none is acknowledged. The next
    /// leader does not know the newest acknowledgements of deliveries.
    BusLeaderChange,
    /// The bus loses power: what it accepted in the last `window_ns` is gone, acknowledged or not, and
    /// its count of messages is smaller than it was.
    BusAckedThenLost {
        /// How far back it forgets, nanoseconds.
        window_ns: u64,
    },
    /// The bus delivers a message with a flipped bit, with this probability at each attempt.
    BusBitFlip {
        /// Probability in parts per million.
        ppm: u32,
    },
    /// The artifact store takes longer for each answer.
    StoreSlow {
        /// Least added time, nanoseconds.
        min_ns: u64,
        /// Greatest added time, nanoseconds.
        max_ns: u64,
    },
    /// The artifact store acknowledges what it is given and forgets it, with this probability.
    StoreLose {
        /// Probability in parts per million.
        ppm: u32,
    },
    /// The artifact store answers with a flipped bit, with this probability.
    StoreCorrupt {
        /// Probability in parts per million.
        ppm: u32,
    },
    /// With this probability another write to the same address succeeds beside an artifact's first, and its bytes stay.
    StoreTwoWinners {
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
            Self::LateReplay { .. } => Kind::LateReplay,
            Self::Clog { .. } => Kind::Clog,
            Self::Filter { .. } => Kind::Filter,
            Self::Partition { kind, .. } | Self::Cuts { kind, .. } | Self::Skew { kind, .. } => *kind,
            Self::PartitionLeader { .. } => Kind::PartitionLeader,
            Self::ClockFreeze { .. } => Kind::ClockFreeze,
            Self::Pause { .. } => Kind::Pause,
            Self::Crash { .. } => Kind::Crash,
            Self::QuorumSwap { .. } => Kind::QuorumSwap,
            Self::PowerLoss { .. } => Kind::PowerLoss,
            Self::PauseLeader => Kind::PauseLeader,
            Self::SnapshotDamage { .. } => Kind::SnapshotDamage,
            Self::WipeRejoin { .. } => Kind::WipeRejoin,
            Self::RegisterLost => Kind::RegisterLost,
            Self::MajorityLost { .. } => Kind::MajorityLost,
            Self::RegisterSplit { .. } => Kind::RegisterSplit,
            Self::DiskFull { .. } => Kind::DiskFull,
            Self::DiskSlow { .. } => Kind::DiskSlow,
            Self::SlowVerifier { .. } => Kind::SlowVerifier,
            Self::FailedVerifier { .. } => Kind::FailedVerifier,
            Self::SilentWorker { .. } => Kind::SilentWorker,
            Self::ZombieWorker { .. } => Kind::ZombieWorker,
            Self::StaleWriter { .. } => Kind::StaleWriter,
            Self::BidderStorm { .. } => Kind::BidderStorm,
            Self::BusRedeliver { .. } => Kind::BusRedeliver,
            Self::BusLate { .. } => Kind::BusLate,
            Self::BusLeaderChange => Kind::BusLeaderChange,
            Self::BusAckedThenLost { .. } => Kind::BusAckedThenLost,
            Self::BusBitFlip { .. } => Kind::BusBitFlip,
            Self::StoreSlow { .. } => Kind::StoreSlow,
            Self::StoreLose { .. } => Kind::StoreLose,
            Self::StoreCorrupt { .. } => Kind::StoreCorrupt,
            Self::StoreTwoWinners { .. } => Kind::StoreTwoWinners,
            Self::Etcd(fault) => fault.kind(),
        }
    }

    /// Whether a message from one node to another is cut off by this fault, for certain and whatever
    /// it says. Who leads is not known here, so nothing is said of `partition-leader`.
    pub fn cuts(&self, from: Node, to: Node) -> bool {
        match self {
            Self::Partition { side, .. } => side.contains(&from) != side.contains(&to),
            Self::Cuts { links, .. } => links.iter().any(|links| links.matches(from, to)),
            _ => false,
        }
    }

    /// How many coordinators this fault takes out of work at once, in a cluster of `coordinators`. A partition that
    /// leaves everyone some majority counts none, and a slow or confused coordinator is at work.
    pub fn downs(&self, coordinators: u32) -> u32 {
        let among = |nodes: &Nodes| match nodes {
            Nodes::All => coordinators,
            Nodes::These(nodes) => count(nodes),
        };
        match self {
            Self::Partition { kind: Kind::PartitionIsolate, side } => {
                let side = count(side);
                side.min(coordinators.saturating_sub(side))
            }
            Self::PauseLeader => 1,
            Self::PartitionLeader { .. } => coordinators.saturating_sub(1) / 2,
            Self::Pause { nodes }
            | Self::Crash { nodes, .. }
            | Self::PowerLoss { nodes, .. }
            | Self::WipeRejoin { nodes }
            | Self::DiskFull { nodes }
            | Self::ClockFreeze { nodes } => among(nodes),
            Self::QuorumSwap { first, second, .. } => count(first).max(count(second)),
            _ => 0,
        }
    }
}

fn count(nodes: &BTreeSet<Node>) -> u32 {
    let coordinators = nodes.iter().filter(|node| matches!(node, Node::Coordinator(_)));
    u32::try_from(coordinators.count()).expect("a shape counts in 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_takes_coordinators_out_of_work_says_how_many() {
        let these = |nodes: &[Node]| nodes.iter().copied().collect::<BTreeSet<_>>();
        let two = these(&[Node::Coordinator(0), Node::Coordinator(3), Node::Agent(3)]);
        assert_eq!(Fault::Pause { nodes: Nodes::These(two.clone()) }.downs(5), 2);
        assert_eq!(Fault::Crash { nodes: Nodes::All, wait_ns: 0 }.downs(5), 5);
        assert_eq!(Fault::Partition { kind: Kind::PartitionIsolate, side: two.clone() }.downs(5), 2);
        assert_eq!(Fault::Partition { kind: Kind::PartitionHalves, side: two }.downs(5), 0);
        assert_eq!(Fault::PartitionLeader { with: Vec::new() }.downs(5), 2);
        assert_eq!(Fault::StoreLose { ppm: 1 }.downs(5), 0);
    }
}
