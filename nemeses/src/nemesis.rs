//! From nemeses to a timetable of faults. A plan must be a pure function of what is handed in, and
//! one nemesis may not disturb another: each draws from a stream of its own.

use crate::draw::{Between, Drawn, shuffle, up_to};
use crate::etcd::EtcdWhat;
use crate::fault::{Fault, Kind, Links};
use crate::target::{Node, Nodes, Shape, Target, TargetError};
use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// One line of a scenario's faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nemesis {
    /// What goes wrong.
    pub what: What,
    /// When it begins, in nanoseconds from the start of the run; drawn for each occurrence.
    pub at_ns: Between<u64>,
    /// For how long.
    pub lasts: Lasts,
    /// How many occurrences.
    pub count: Between<u32>,
}

/// How long an occurrence lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Nanoseconds, drawn for each occurrence; 0 counts as 1.
    For(Between<u64>),
    /// It is never taken back, not even by the heal phase.
    Forever,
}

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
    /// Coordinators are split as evenly as possible, agents too; bus, register and store fall on
    /// either side by chance.
    PartitionHalves,
    /// `who` against everyone else.
    PartitionIsolate {
        who: Target,
    },
    Skew {
        who: Target,
        offset_ns: Between<i64>,
        drift_ppm: Between<i32>,
    },
    SlowVerifier {
        who: Target,
        factor: Between<u32>,
        extra_ns: Between<u64>,
    },
    SilentWorker {
        who: Target,
    },
    BusRedeliver {
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
            Self::PartitionHalves => Kind::PartitionHalves,
            Self::PartitionIsolate { .. } => Kind::PartitionIsolate,
            Self::Skew { .. } => Kind::Skew,
            Self::SlowVerifier { .. } => Kind::SlowVerifier,
            Self::SilentWorker { .. } => Kind::SilentWorker,
            Self::BusRedeliver { .. } => Kind::BusRedeliver,
            Self::Etcd(what) => what.kind(),
        }
    }

    /// One occurrence, with everything drawn.
    fn occur(&self, shape: &Shape, rng: &mut impl Rng) -> Result<Fault, TargetError> {
        let mut drawing = Drawing { shape, rng };
        let d = &mut drawing;
        Ok(match *self {
            Self::Etcd(ref what) => Fault::Etcd(what.occur(d.rng)),
            Self::Delay { from, to, extra_ns } => {
                let Between { min: min_ns, max: max_ns } = extra_ns;
                Fault::Delay { links: d.links(from, to)?, min_ns, max_ns }
            }
            Self::Loss { from, to, ppm } => Fault::Loss { links: d.links(from, to)?, ppm: d.value(ppm) },
            Self::Duplicate { from, to, ppm } => Fault::Duplicate { links: d.links(from, to)?, ppm: d.value(ppm) },
            Self::Reorder { from, to, ppm, extra_ns } => {
                Fault::Reorder { links: d.links(from, to)?, ppm: d.value(ppm), extra_ns: d.value(extra_ns) }
            }
            Self::PartitionHalves => Fault::Partition { kind: self.kind(), side: d.half() },
            Self::PartitionIsolate { who } => Fault::Partition { kind: self.kind(), side: d.side(who)? },
            Self::Skew { who, offset_ns, drift_ppm } => {
                Fault::Skew { nodes: d.nodes(who)?, offset_ns: d.value(offset_ns), drift_ppm: d.value(drift_ppm) }
            }
            Self::SlowVerifier { who, factor, extra_ns } => {
                Fault::SlowVerifier { nodes: d.nodes(who)?, factor: d.value(factor), extra_ns: d.value(extra_ns) }
            }
            Self::SilentWorker { who } => Fault::SilentWorker { nodes: d.nodes(who)? },
            Self::BusRedeliver { ppm } => Fault::BusRedeliver { ppm: d.value(ppm) },
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
            Nodes::All => self.coordinators().chain(self.agents()).chain(SERVICES).collect(),
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

    fn coordinators(&self) -> impl Iterator<Item = Node> + use<R> {
        (0..self.shape.coordinators).map(Node::Coordinator)
    }

    fn agents(&self) -> impl Iterator<Item = Node> + use<R> {
        (0..self.shape.agents()).map(Node::Agent)
    }
}

/// The start or the end of one fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// When, in nanoseconds from the start of the run.
    pub at_ns: u64,
    /// Which fault: the same number at its start and its end, distinct otherwise.
    pub id: u32,
    /// Whether it begins or ends.
    pub change: Change,
}

/// What happens to a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It begins.
    Start(Fault),
    /// It ends.
    Stop,
}

/// The timetable, sorted by time, then by fault number.
///
/// `stream` is called once per nemesis with the name of its random stream, `nemesis/<kind>/<n>`
/// with `n` counting the nemeses of that kind from 0: adding a loss does not reshuffle the delays.
/// A target that the cluster does not have is an error; no part of a plan is made then.
pub fn schedule<R: Rng>(
    nemeses: &[Nemesis],
    shape: &Shape,
    mut stream: impl FnMut(&str) -> R,
) -> Result<Vec<Timed>, TargetError> {
    let mut steps = Vec::new();
    let mut of_kind: BTreeMap<Kind, u32> = BTreeMap::new();
    let mut id = 0;
    for nemesis in nemeses {
        let kind = nemesis.what.kind();
        let nth = of_kind.entry(kind).or_default();
        let mut rng = stream(&format!("nemesis/{kind}/{nth}"));
        *nth += 1;
        for _ in 0..nemesis.count.draw(&mut rng) {
            let at_ns = nemesis.at_ns.draw(&mut rng);
            let lasts_ns = match nemesis.lasts {
                Lasts::For(range) => Some(range.draw(&mut rng).max(1)),
                Lasts::Forever => None,
            };
            let fault = nemesis.what.occur(shape, &mut rng)?;
            steps.push(Timed { at_ns, id, change: Change::Start(fault) });
            if let Some(lasts_ns) = lasts_ns {
                let at_ns = at_ns.saturating_add(lasts_ns);
                steps.push(Timed { at_ns, id, change: Change::Stop });
            }
            id += 1;
        }
    }
    // Stable: a start pushed before its own stop stays before it.
    steps.sort_by_key(|step| (step.at_ns, step.id));
    Ok(steps)
}

/// The parties that are neither coordinators nor agents.
const SERVICES: [Node; 3] = [Node::Bus, Node::Register, Node::Store];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Pick, Role};
    use proptest::prelude::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    const SHAPE: Shape = Shape { coordinators: 5, requesters: 1, planners: 2, workers: 4, verifiers: 6 };

    /// A stand-in for the simulator's forked streams: the seed is mixed with the name.
    fn fork(seed: u64) -> impl FnMut(&str) -> ChaCha8Rng {
        move |name| {
            let mixed = name.bytes().fold(seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
            ChaCha8Rng::seed_from_u64(mixed)
        }
    }

    fn nemesis(what: What) -> Nemesis {
        Nemesis {
            what,
            at_ns: Between { min: 0, max: 1_000 },
            lasts: Lasts::For(Between { min: 0, max: 500 }),
            count: Between { min: 1, max: 4 },
        }
    }

    fn each_kind() -> Vec<Nemesis> {
        let worker = Target::Of(Role::Worker, Pick::Random);
        let verifier = Target::Of(Role::Verifier, Pick::Random);
        let (all, ppm, ns) = (Target::All, Between { min: 1, max: 9 }, Between { min: 3, max: 8 });
        [
            What::Delay { from: all, to: Target::Bus, extra_ns: ns },
            What::Loss { from: worker, to: all, ppm },
            What::Duplicate { from: all, to: all, ppm },
            What::Reorder { from: all, to: all, ppm, extra_ns: ns },
            What::PartitionHalves,
            What::PartitionIsolate { who: worker },
            What::Skew { who: all, offset_ns: Between { min: -5, max: 5 }, drift_ppm: Between::one(-7) },
            What::SlowVerifier { who: verifier, factor: Between::one(3), extra_ns: ns },
            What::SilentWorker { who: worker },
            What::BusRedeliver { ppm },
        ]
        .map(nemesis)
        .into()
    }

    #[test]
    fn a_plan_makes_every_kind_and_its_own_names_agree() {
        let nemeses = each_kind();
        let steps = schedule(&nemeses, &SHAPE, fork(1)).unwrap();
        let made: BTreeSet<_> = steps
            .iter()
            .filter_map(|s| match &s.change {
                Change::Start(fault) => Some(fault.kind()),
                Change::Stop => None,
            })
            .collect();
        assert_eq!(made, Kind::ALL.into());
    }

    proptest! {
        #[test]
        fn a_plan_is_a_pure_sorted_function_of_its_inputs(seed: u64) {
            let steps = schedule(&each_kind(), &SHAPE, fork(seed)).unwrap();
            prop_assert_eq!(&steps, &schedule(&each_kind(), &SHAPE, fork(seed)).unwrap());
            prop_assert!(steps.windows(2).all(|w| w[0].at_ns <= w[1].at_ns));
            let mut live = BTreeSet::new();
            for step in &steps {
                match step.change {
                    Change::Start(_) => prop_assert!(live.insert(step.id)),
                    Change::Stop => prop_assert!(live.remove(&step.id)),
                }
            }
            prop_assert!(live.is_empty());
        }

        #[test]
        fn another_nemesis_does_not_reshuffle_the_rest(seed: u64) {
            let faults = |nemeses: &[Nemesis], kind: Kind| -> Vec<(u64, Fault)> {
                let steps = schedule(nemeses, &SHAPE, fork(seed)).unwrap();
                steps.into_iter().filter_map(|s| match s.change {
                    Change::Start(f) if f.kind() == kind => Some((s.at_ns, f)),
                    _ => None,
                }).collect()
            };
            let alone = [nemesis(What::PartitionHalves)];
            prop_assert_eq!(
                faults(&alone, Kind::PartitionHalves),
                faults(&each_kind(), Kind::PartitionHalves)
            );
        }

        #[test]
        fn halves_split_coordinators_and_agents_as_evenly_as_they_can(seed: u64) {
            let steps = schedule(&[nemesis(What::PartitionHalves)], &SHAPE, fork(seed)).unwrap();
            let Change::Start(Fault::Partition { side, .. }) = &steps[0].change else { panic!() };
            let coordinators = side.iter().filter(|n| matches!(n, Node::Coordinator(_))).count();
            let agents = side.iter().filter(|n| matches!(n, Node::Agent(_))).count();
            prop_assert!((2..=3).contains(&coordinators));
            prop_assert!((6..=7).contains(&agents));
        }
    }

    #[test]
    fn different_seeds_give_different_plans() {
        assert_ne!(schedule(&each_kind(), &SHAPE, fork(1)), schedule(&each_kind(), &SHAPE, fork(2)));
    }

    #[test]
    fn forever_has_no_stop_and_a_missing_target_makes_no_plan() {
        let silent =
            |who| Nemesis { lasts: Lasts::Forever, count: Between::one(1), ..nemesis(What::SilentWorker { who }) };
        let ok = schedule(&[silent(Target::Of(Role::Worker, Pick::Index(3)))], &SHAPE, fork(1)).unwrap();
        assert_eq!(ok.len(), 1);
        assert!(schedule(&[silent(Target::Of(Role::Worker, Pick::Index(4)))], &SHAPE, fork(1)).is_err());
    }
}
