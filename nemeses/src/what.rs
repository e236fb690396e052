//! What a nemesis says before anything is drawn, and how one occurrence is drawn from it. What is drawn, and in which
//! order, is part of what a seed means.

use crate::draw::{Between, Drawn, shuffle, up_to};
use crate::etcd::EtcdWhat;
use crate::fault::{Fault, Links};
use crate::kind::{Kind, Traffic};
use crate::target::{Node, Nodes, Shape, Target, TargetError};
use rand_core::Rng;
use std::collections::BTreeSet;

/// The parameters of each kind of fault; ranges are drawn once for each occurrence unless said
/// otherwise. See [`Fault`] for what each kind does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of Fault, each documented there")]
pub enum What {
    /// `extra_ns` is drawn for each message, by the host.
    Delay {
        from: Target,
        to: Target,
        extra_ns: Between<u64>,
    },
    Loss {
        from: Target,
        to: Target,
        ppm: Between<u32>,
    },
    Duplicate {
        from: Target,
        to: Target,
        ppm: Between<u32>,
    },
    Reorder {
        from: Target,
        to: Target,
        ppm: Between<u32>,
        extra_ns: Between<u64>,
    },
    /// `extra_ns` is drawn for each message, by the host.
    LateReplay {
        from: Target,
        to: Target,
        ppm: Between<u32>,
        extra_ns: Between<u64>,
    },
    Clog {
        from: Target,
        to: Target,
    },
    Filter {
        from: Target,
        to: Target,
        traffic: Traffic,
    },
    /// Coordinators are split as evenly as possible, agents too; bus, register and store fall on
    /// either side by chance.
    PartitionHalves,
    /// `who` against everyone else.
    PartitionIsolate {
        who: Target,
    },
    /// Coordinators stand in a drawn circle, everyone else at the place of one of them; each place
    /// hears the places around it that make a majority of coordinators.
    PartitionMajoritiesRing,
    /// Halves as in `PartitionHalves`, and one coordinator that both sides hear.
    PartitionBridge,
    PartitionOneWay {
        from: Target,
        to: Target,
    },
    PartitionLeader,
    Skew {
        who: Target,
        offset_ns: Between<i64>,
        drift_ppm: Between<i32>,
    },
    ClockJump {
        who: Target,
        offset_ns: Between<i64>,
    },
    ClockFreeze {
        who: Target,
    },
    ClockDrift {
        who: Target,
        drift_ppm: Between<i32>,
    },
    Pause {
        who: Target,
    },
    Crash {
        who: Target,
        wait_ns: Between<u64>,
    },
    /// The coordinators' parts in it are drawn.
    QuorumSwap,
    PowerLoss {
        who: Target,
        window_ns: Between<u64>,
    },
    PauseLeader,
    SnapshotDamage {
        who: Target,
        ppm: Between<u32>,
    },
    WipeRejoin {
        who: Target,
    },
    RegisterLost,
    /// The majority is drawn.
    MajorityLost,
    /// The majority is drawn.
    RegisterSplit,
    DiskFull {
        who: Target,
    },
    /// `extra_ns` is drawn for each write, by the host.
    DiskSlow {
        who: Target,
        extra_ns: Between<u64>,
    },
    SlowVerifier {
        who: Target,
        factor: Between<u32>,
        extra_ns: Between<u64>,
    },
    FailedVerifier {
        who: Target,
    },
    SilentWorker {
        who: Target,
    },
    ZombieWorker {
        who: Target,
    },
    StaleWriter {
        who: Target,
    },
    BidderStorm {
        who: Target,
        every_ns: Between<u64>,
        times: Between<u32>,
    },
    BusRedeliver {
        ppm: Between<u32>,
    },
    /// `extra_ns` is drawn for each message, by the host.
    BusLate {
        ppm: Between<u32>,
        extra_ns: Between<u64>,
    },
    BusLeaderChange,
    BusAckedThenLost {
        window_ns: Between<u64>,
    },
    BusBitFlip {
        ppm: Between<u32>,
    },
    /// `extra_ns` is drawn for each answer, by the host.
    StoreSlow {
        extra_ns: Between<u64>,
    },
    StoreLose {
        ppm: Between<u32>,
    },
    StoreCorrupt {
        ppm: Between<u32>,
    },
    StoreTwoWinners {
        ppm: Between<u32>,
    },
    Etcd(EtcdWhat),
}

impl What {
    /// The kind of fault it makes.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Delay { .. } => Kind::Delay,
            Self::Loss { .. } => Kind::Loss,
            Self::Duplicate { .. } => Kind::Duplicate,
            Self::Reorder { .. } => Kind::Reorder,
            Self::LateReplay { .. } => Kind::LateReplay,
            Self::Clog { .. } => Kind::Clog,
            Self::Filter { .. } => Kind::Filter,
            Self::PartitionHalves => Kind::PartitionHalves,
            Self::PartitionIsolate { .. } => Kind::PartitionIsolate,
            Self::PartitionMajoritiesRing => Kind::PartitionMajoritiesRing,
            Self::PartitionBridge => Kind::PartitionBridge,
            Self::PartitionOneWay { .. } => Kind::PartitionOneWay,
            Self::PartitionLeader => Kind::PartitionLeader,
            Self::Skew { .. } => Kind::Skew,
            Self::ClockJump { .. } => Kind::ClockJump,
            Self::ClockFreeze { .. } => Kind::ClockFreeze,
            Self::ClockDrift { .. } => Kind::ClockDrift,
            Self::Pause { .. } => Kind::Pause,
            Self::Crash { .. } => Kind::Crash,
            Self::QuorumSwap => Kind::QuorumSwap,
            Self::PowerLoss { .. } => Kind::PowerLoss,
            Self::PauseLeader => Kind::PauseLeader,
            Self::SnapshotDamage { .. } => Kind::SnapshotDamage,
            Self::WipeRejoin { .. } => Kind::WipeRejoin,
            Self::RegisterLost => Kind::RegisterLost,
            Self::MajorityLost => Kind::MajorityLost,
            Self::RegisterSplit => Kind::RegisterSplit,
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
            Self::Etcd(what) => what.kind(),
        }
    }

    /// One occurrence of the length `lasts_ns`, with everything drawn.
    pub(crate) fn occur(&self, shape: &Shape, lasts_ns: u64, rng: &mut impl Rng) -> Result<Fault, TargetError> {
        let mut drawing = Drawing { shape, rng };
        let d = &mut drawing;
        let kind = self.kind();
        Ok(match *self {
            Self::Delay { from, to, extra_ns: Between { min: min_ns, max: max_ns } } => {
                Fault::Delay { links: d.links(from, to)?, min_ns, max_ns }
            }
            Self::Loss { from, to, ppm } => Fault::Loss { links: d.links(from, to)?, ppm: d.value(ppm) },
            Self::Duplicate { from, to, ppm } => Fault::Duplicate { links: d.links(from, to)?, ppm: d.value(ppm) },
            Self::Reorder { from, to, ppm, extra_ns } => {
                Fault::Reorder { links: d.links(from, to)?, ppm: d.value(ppm), extra_ns: d.value(extra_ns) }
            }
            Self::LateReplay { from, to, ppm, extra_ns: Between { min: min_ns, max: max_ns } } => {
                Fault::LateReplay { links: d.links(from, to)?, ppm: d.value(ppm), min_ns, max_ns }
            }
            Self::Clog { from, to } => Fault::Clog { links: d.links(from, to)?, lasts_ns },
            Self::Filter { from, to, traffic } => Fault::Filter { links: d.links(from, to)?, traffic },
            Self::PartitionHalves => Fault::Partition { kind, side: d.half() },
            Self::PartitionIsolate { who } => Fault::Partition { kind, side: d.side(who)? },
            Self::PartitionMajoritiesRing => Fault::Cuts { kind, links: d.ring() },
            Self::PartitionBridge => Fault::Cuts { kind, links: d.bridge() },
            Self::PartitionOneWay { from, to } => Fault::Cuts { kind, links: vec![d.links(from, to)?] },
            Self::PartitionLeader => {
                let mut with: Vec<Node> = d.coordinators().collect();
                shuffle(d.rng, &mut with);
                Fault::PartitionLeader { with }
            }
            Self::Skew { who, offset_ns, drift_ppm } => {
                let nodes = d.nodes(who)?;
                Fault::Skew { kind, nodes, offset_ns: d.value(offset_ns), drift_ppm: d.value(drift_ppm) }
            }
            Self::ClockJump { who, offset_ns } => {
                Fault::Skew { kind, nodes: d.nodes(who)?, offset_ns: d.value(offset_ns), drift_ppm: 0 }
            }
            Self::ClockDrift { who, drift_ppm } => {
                Fault::Skew { kind, nodes: d.nodes(who)?, offset_ns: 0, drift_ppm: d.value(drift_ppm) }
            }
            Self::ClockFreeze { who } => Fault::ClockFreeze { nodes: d.nodes(who)? },
            Self::Pause { who } => Fault::Pause { nodes: d.nodes(who)? },
            Self::Crash { who, wait_ns } => Fault::Crash { nodes: d.nodes(who)?, wait_ns: d.value(wait_ns) },
            Self::QuorumSwap => d.swap(),
            Self::RegisterLost => Fault::RegisterLost,
            Self::MajorityLost => Fault::MajorityLost { nodes: d.majority() },
            Self::RegisterSplit => Fault::RegisterSplit { nodes: d.majority() },
            Self::PowerLoss { who, window_ns } => {
                Fault::PowerLoss { nodes: d.nodes(who)?, window_ns: d.value(window_ns) }
            }
            Self::PauseLeader => Fault::PauseLeader,
            Self::SnapshotDamage { who, ppm } => Fault::SnapshotDamage { nodes: d.nodes(who)?, ppm: d.value(ppm) },
            Self::WipeRejoin { who } => Fault::WipeRejoin { nodes: d.nodes(who)? },
            Self::DiskFull { who } => Fault::DiskFull { nodes: d.nodes(who)? },
            Self::DiskSlow { who, extra_ns: Between { min: min_ns, max: max_ns } } => {
                Fault::DiskSlow { nodes: d.nodes(who)?, min_ns, max_ns }
            }
            Self::SlowVerifier { who, factor, extra_ns } => {
                Fault::SlowVerifier { nodes: d.nodes(who)?, factor: d.value(factor), extra_ns: d.value(extra_ns) }
            }
            Self::FailedVerifier { who } => Fault::FailedVerifier { nodes: d.nodes(who)? },
            Self::SilentWorker { who } => Fault::SilentWorker { nodes: d.nodes(who)? },
            Self::ZombieWorker { who } => Fault::ZombieWorker { nodes: d.nodes(who)? },
            Self::StaleWriter { who } => Fault::StaleWriter { nodes: d.nodes(who)? },
            Self::BidderStorm { who, every_ns, times } => Fault::BidderStorm {
                nodes: d.nodes(who)?,
                every_ns: d.value(every_ns).max(1),
                times: d.value(times).max(1),
            },
            Self::BusRedeliver { ppm } => Fault::BusRedeliver { ppm: d.value(ppm) },
            Self::BusLate { ppm, extra_ns: Between { min: min_ns, max: max_ns } } => {
                Fault::BusLate { ppm: d.value(ppm), min_ns, max_ns }
            }
            Self::BusLeaderChange => Fault::BusLeaderChange,
            Self::BusAckedThenLost { window_ns } => Fault::BusAckedThenLost { window_ns: d.value(window_ns) },
            Self::BusBitFlip { ppm } => Fault::BusBitFlip { ppm: d.value(ppm) },
            Self::StoreSlow { extra_ns: Between { min: min_ns, max: max_ns } } => Fault::StoreSlow { min_ns, max_ns },
            Self::StoreLose { ppm } => Fault::StoreLose { ppm: d.value(ppm) },
            Self::StoreCorrupt { ppm } => Fault::StoreCorrupt { ppm: d.value(ppm) },
            Self::StoreTwoWinners { ppm } => Fault::StoreTwoWinners { ppm: d.value(ppm) },
            Self::Etcd(ref what) => Fault::Etcd(what.occur(d.rng)),
        })
    }
}

/// A shape and a stream, from which one occurrence takes what it needs in the order written.
struct Drawing<'a, R> {
    shape: &'a Shape,
    rng: &'a mut R,
}

impl<R: Rng> Drawing<'_, R> {
    fn value<T: Drawn>(&mut self, range: Between<T>) -> T {
        range.draw(self.rng)
    }

    fn nodes(&mut self, target: Target) -> Result<Nodes, TargetError> {
        target.resolve(self.shape, self.rng)
    }

    fn links(&mut self, from: Target, to: Target) -> Result<Links, TargetError> {
        Ok(Links { from: self.nodes(from)?, to: self.nodes(to)? })
    }

    /// One side of a cut; `all` against nobody is a side like any other, and cuts off newcomers.
    fn side(&mut self, who: Target) -> Result<BTreeSet<Node>, TargetError> {
        Ok(match self.nodes(who)? {
            Nodes::These(nodes) => nodes,
            Nodes::All => self.everyone().collect(),
        })
    }

    fn half(&mut self) -> BTreeSet<Node> {
        let mut side = BTreeSet::new();
        let groups: [Vec<Node>; 2] = [self.coordinators().collect(), self.agents().collect()];
        for mut group in groups {
            shuffle(self.rng, &mut group);
            // Of an odd number either side may get the larger part: the bus may be with few.
            let odd = group.len() % 2 * usize::from(up_to(self.rng, 1) == 1);
            group.truncate(group.len() / 2 + odd);
            side.extend(group);
        }
        for service in SERVICES {
            if up_to(self.rng, 1) == 1 {
                side.insert(service);
            }
        }
        side
    }

    /// Links of those at each place from all that it does not hear.
    fn ring(&mut self) -> Vec<Links> {
        let mut circle: Vec<BTreeSet<Node>> = Vec::new();
        let mut coordinators: Vec<Node> = self.coordinators().collect();
        shuffle(self.rng, &mut coordinators);
        circle.extend(coordinators.into_iter().map(|node| BTreeSet::from([node])));
        let others: Vec<Node> = self.agents().chain(SERVICES).collect();
        let n = circle.len();
        for node in others {
            let place = up_to(self.rng, n as u64 - 1);
            circle[usize::try_from(place).expect("below a vector's length")].insert(node);
        }
        let majority = n / 2 + 1;
        let cut = |place: usize| {
            let deaf_to = (0..n).filter(|other| (other + n - place + majority / 2) % n >= majority);
            let from: BTreeSet<Node> = deaf_to.flat_map(|other| circle[other].iter().copied()).collect();
            (!from.is_empty()).then(|| Links { from: Nodes::These(from), to: Nodes::These(circle[place].clone()) })
        };
        (0..n).filter_map(cut).collect()
    }

    fn bridge(&mut self) -> Vec<Links> {
        let bridge = Node::Coordinator(Between { min: 0, max: self.shape.coordinators - 1 }.draw(self.rng));
        let mut one = self.half();
        let mut other: BTreeSet<Node> = self.everyone().filter(|node| !one.contains(node)).collect();
        one.remove(&bridge);
        other.remove(&bridge);
        let (one, other) = (Nodes::These(one), Nodes::These(other));
        vec![Links { from: one.clone(), to: other.clone() }, Links { from: other, to: one }]
    }

    /// Just enough coordinators to outvote the rest.
    fn majority(&mut self) -> Nodes {
        let mut coordinators: Vec<Node> = self.coordinators().collect();
        shuffle(self.rng, &mut coordinators);
        coordinators.truncate(coordinators.len() / 2 + 1);
        Nodes::These(coordinators.into_iter().collect())
    }

    /// The parts of a quorum swap; a lone coordinator can only die.
    fn swap(&mut self) -> Fault {
        let mut coordinators: Vec<Node> = self.coordinators().collect();
        shuffle(self.rng, &mut coordinators);
        let minority = coordinators.len().saturating_sub(1) / 2;
        let victim = coordinators.pop().expect("a cluster has a coordinator");
        let second = coordinators.split_off(coordinators.len() - minority);
        coordinators.truncate(minority);
        Fault::QuorumSwap { first: coordinators.into_iter().collect(), victim, second: second.into_iter().collect() }
    }

    fn coordinators(&self) -> impl Iterator<Item = Node> + use<R> {
        (0..self.shape.coordinators).map(Node::Coordinator)
    }

    fn agents(&self) -> impl Iterator<Item = Node> + use<R> {
        (0..self.shape.agents()).map(Node::Agent)
    }

    fn everyone(&self) -> impl Iterator<Item = Node> + use<R> {
        self.coordinators().chain(self.agents()).chain(SERVICES)
    }
}

/// The parties that are neither coordinators nor agents.
const SERVICES: [Node; 3] = [Node::Bus, Node::Register, Node::Store];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    fn shape(coordinators: u32) -> Shape {
        Shape { coordinators, requesters: 1, planners: 2, workers: 4, verifiers: 6 }
    }

    fn occur(what: &What, coordinators: u32, seed: u64) -> Fault {
        what.occur(&shape(coordinators), 1, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
    }

    fn heard(fault: &Fault, n: u32, by: u32) -> BTreeSet<u32> {
        (0..n).filter(|c| !fault.cuts(Node::Coordinator(*c), Node::Coordinator(by))).collect()
    }

    proptest! {
        #[test]
        fn halves_split_coordinators_and_agents_as_evenly_as_they_can(seed: u64) {
            let Fault::Partition { side, .. } = occur(&What::PartitionHalves, 5, seed) else { panic!() };
            let coordinators = side.iter().filter(|n| matches!(n, Node::Coordinator(_))).count();
            let agents = side.iter().filter(|n| matches!(n, Node::Agent(_))).count();
            prop_assert!((2..=3).contains(&coordinators));
            prop_assert!((6..=7).contains(&agents));
        }

        #[test]
        fn on_a_ring_everyone_hears_a_majority_and_no_two_the_same(seed: u64, half in 1_u32..7) {
            let n = 2 * half + 1;
            let fault = occur(&What::PartitionMajoritiesRing, n, seed);
            let heard: BTreeSet<_> = (0..n).map(|by| heard(&fault, n, by)).collect();
            prop_assert_eq!(heard.len(), n as usize);
            prop_assert!(heard.iter().all(|set| set.len() == half as usize + 1));
            for c in 0..n {
                prop_assert!(!fault.cuts(Node::Coordinator(c), Node::Coordinator(c)));
            }
            // The bus too hears a majority.
            let to_bus = (0..n).filter(|c| !fault.cuts(Node::Coordinator(*c), Node::Bus)).count();
            prop_assert_eq!(to_bus, half as usize + 1);
        }

        #[test]
        fn a_bridge_is_the_only_way_between_its_sides(seed: u64) {
            let fault = occur(&What::PartitionBridge, 5, seed);
            let all: Vec<Node> = (0..5).map(Node::Coordinator).chain((0..13).map(Node::Agent)).chain(SERVICES).collect();
            let hears_all: Vec<_> = all.iter().filter(|n| all.iter().all(|m| !fault.cuts(*m, **n) && !fault.cuts(**n, *m))).collect();
            prop_assert_eq!(hears_all.len(), 1);
            prop_assert!(matches!(hears_all[0], Node::Coordinator(_)));
        }

        #[test]
        fn a_swap_leaves_a_majority_awake_in_both_halves_and_its_victim_in_each(seed: u64, half in 0_u32..7) {
            let n = 2 * half + 1;
            let Fault::QuorumSwap { first, victim, second } = occur(&What::QuorumSwap, n, seed) else { panic!() };
            prop_assert_eq!((first.len(), second.len()), (half as usize, half as usize));
            prop_assert!(first.is_disjoint(&second) && !first.contains(&victim) && !second.contains(&victim));
        }
    }
}
