//! From nemeses to a timetable of faults. A plan must be a pure function of what is handed in, and
//! one nemesis may not disturb another: each draws from a stream of its own.

use crate::chaos::Chaos;
use crate::draw::Between;
use crate::fault::Fault;
use crate::kind::Kind;
use crate::target::{Shape, TargetError};
use crate::what::What;
use rand_core::Rng;
use std::collections::BTreeMap;

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

/// The start, the turn or the end of one fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// When, in nanoseconds from the start of the run.
    pub at_ns: u64,
    /// Which fault: the same number at its start, its turn and its end, distinct otherwise.
    pub id: u32,
    /// Whether it begins, turns or ends.
    pub change: Change,
}

/// What happens to a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It begins.
    Start(Fault),
    /// Half of its time is over; only [`Kind::QuorumSwap`] turns.
    Turn,
    /// It ends.
    Stop,
}

/// One fault with its time, before it is put into a timetable.
#[derive(Clone, Debug)]
pub(crate) struct Occurrence {
    pub at_ns: u64,
    /// Nothing if it lasts for ever.
    pub lasts_ns: Option<u64>,
    pub fault: Fault,
}

impl Nemesis {
    /// The next occurrence, drawn in the order: when, how long, what.
    pub(crate) fn occur(&self, shape: &Shape, rng: &mut impl Rng) -> Result<Occurrence, TargetError> {
        let at_ns = self.at_ns.draw(rng);
        let lasts_ns = match self.lasts {
            Lasts::For(range) => Some(range.draw(rng).max(1)),
            Lasts::Forever => None,
        };
        let fault = self.what.occur(shape, lasts_ns.unwrap_or(u64::MAX), rng)?;
        Ok(Occurrence { at_ns, lasts_ns, fault })
    }
}

/// The timetable, sorted by time, then by fault number.
///
/// `stream` is called once per nemesis with the name of its random stream, `nemesis/<kind>/<n>`
/// with `n` counting the nemeses of that kind from 0: adding a loss does not reshuffle the delays.
/// What `chaos` composes comes on top, the `n`-th fault from the stream `chaos/<n>`.
/// A target that the cluster does not have is an error; no part of a plan is made then.
pub fn schedule<R: Rng>(
    nemeses: &[Nemesis],
    chaos: Option<&Chaos>,
    shape: &Shape,
    mut stream: impl FnMut(&str) -> R,
) -> Result<Vec<Timed>, TargetError> {
    let mut occurrences = Vec::new();
    let mut of_kind: BTreeMap<Kind, u32> = BTreeMap::new();
    for nemesis in nemeses {
        let kind = nemesis.what.kind();
        let nth = of_kind.entry(kind).or_default();
        let mut rng = stream(&format!("nemesis/{kind}/{nth}"));
        *nth += 1;
        for _ in 0..nemesis.count.draw(&mut rng) {
            occurrences.push(nemesis.occur(shape, &mut rng)?);
        }
    }
    if let Some(chaos) = chaos {
        chaos.compose(&mut occurrences, shape, &mut stream)?;
    }
    let mut steps = Vec::new();
    for (id, Occurrence { at_ns, lasts_ns, fault }) in (0..).zip(occurrences) {
        let turns = matches!(fault, Fault::QuorumSwap { .. });
        steps.push(Timed { at_ns, id, change: Change::Start(fault) });
        if let Some(lasts_ns) = lasts_ns {
            if turns {
                steps.push(Timed { at_ns: at_ns.saturating_add(lasts_ns / 2), id, change: Change::Turn });
            }
            steps.push(Timed { at_ns: at_ns.saturating_add(lasts_ns), id, change: Change::Stop });
        }
    }
    // Stable: a start pushed before its own stop stays before it.
    steps.sort_by_key(|step| (step.at_ns, step.id));
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::EtcdWhat;
    use crate::kind::Traffic;
    use crate::target::{Pick, Role, Target};
    use proptest::prelude::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    use std::collections::BTreeSet;

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
        let coordinator = Target::Of(Role::Coordinator, Pick::Random);
        let (all, ppm, ns) = (Target::All, Between { min: 1, max: 9 }, Between { min: 3, max: 8 });
        let (offset_ns, drift_ppm) = (Between { min: -5, max: 5 }, Between::one(-7));
        [
            What::Delay { from: all, to: Target::Bus, extra_ns: ns },
            What::Loss { from: worker, to: all, ppm },
            What::Duplicate { from: all, to: all, ppm },
            What::Reorder { from: all, to: all, ppm, extra_ns: ns },
            What::LateReplay { from: all, to: all, ppm, extra_ns: ns },
            What::Clog { from: all, to: Target::Bus },
            What::Filter { from: all, to: all, traffic: Traffic::Ack },
            What::PartitionHalves,
            What::PartitionIsolate { who: worker },
            What::PartitionMajoritiesRing,
            What::PartitionBridge,
            What::PartitionOneWay { from: coordinator, to: all },
            What::PartitionLeader,
            What::Skew { who: all, offset_ns, drift_ppm },
            What::ClockJump { who: coordinator, offset_ns },
            What::ClockFreeze { who: worker },
            What::ClockDrift { who: worker, drift_ppm },
            What::Pause { who: coordinator },
            What::Crash { who: coordinator, wait_ns: ns },
            What::QuorumSwap,
            What::PowerLoss { who: all, window_ns: ns },
            What::PauseLeader,
            What::SnapshotDamage { who: coordinator, ppm },
            What::BusBitFlip { ppm },
            What::StoreTwoWinners { ppm },
            What::Etcd(EtcdWhat::Watch { ppm }),
            What::WipeRejoin { who: coordinator },
            What::RegisterLost,
            What::MajorityLost,
            What::RegisterSplit,
            What::DiskFull { who: coordinator },
            What::DiskSlow { who: coordinator, extra_ns: ns },
            What::SlowVerifier { who: verifier, factor: Between::one(3), extra_ns: ns },
            What::FailedVerifier { who: verifier },
            What::SilentWorker { who: worker },
            What::ZombieWorker { who: worker },
            What::StaleWriter { who: worker },
            What::BidderStorm { who: worker, every_ns: ns, times: Between::one(3) },
            What::BusRedeliver { ppm },
            What::BusLate { ppm, extra_ns: ns },
            What::BusLeaderChange,
            What::BusAckedThenLost { window_ns: ns },
            What::StoreSlow { extra_ns: ns },
            What::StoreLose { ppm },
            What::StoreCorrupt { ppm },
            What::Etcd(EtcdWhat::LeaderChange),
            What::Etcd(EtcdWhat::Unknown { ppm }),
            What::Etcd(EtcdWhat::Compact),
            What::Etcd(EtcdWhat::Slow { extra_ns: ns }),
            What::Etcd(EtcdWhat::Restore { age_ns: ns }),
        ]
        .map(nemesis)
        .into()
    }

    #[test]
    fn a_plan_makes_every_kind_and_its_own_names_agree() {
        let nemeses = each_kind();
        let steps = schedule(&nemeses, None, &SHAPE, fork(1)).unwrap();
        let made: BTreeSet<_> = steps
            .iter()
            .filter_map(|s| match &s.change {
                Change::Start(fault) => Some(fault.kind()),
                Change::Turn | Change::Stop => None,
            })
            .collect();
        assert_eq!(made, Kind::ALL.iter().copied().collect());
    }

    proptest! {
        #[test]
        fn a_plan_is_a_pure_sorted_function_of_its_inputs(seed: u64) {
            let steps = schedule(&each_kind(), None, &SHAPE, fork(seed)).unwrap();
            prop_assert_eq!(&steps, &schedule(&each_kind(), None, &SHAPE, fork(seed)).unwrap());
            prop_assert!(steps.windows(2).all(|w| w[0].at_ns <= w[1].at_ns));
            let mut live = BTreeSet::new();
            for step in &steps {
                match step.change {
                    Change::Start(_) => prop_assert!(live.insert(step.id)),
                    Change::Turn => prop_assert!(live.contains(&step.id)),
                    Change::Stop => prop_assert!(live.remove(&step.id)),
                }
            }
            prop_assert!(live.is_empty());
        }

        #[test]
        fn another_nemesis_does_not_reshuffle_the_rest(seed: u64) {
            let faults = |nemeses: &[Nemesis], kind: Kind| -> Vec<(u64, Fault)> {
                let steps = schedule(nemeses, None, &SHAPE, fork(seed)).unwrap();
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
    }

    #[test]
    fn different_seeds_give_different_plans() {
        assert_ne!(schedule(&each_kind(), None, &SHAPE, fork(1)), schedule(&each_kind(), None, &SHAPE, fork(2)));
    }

    #[test]
    fn forever_has_no_stop_and_a_missing_target_makes_no_plan() {
        let silent =
            |who| Nemesis { lasts: Lasts::Forever, count: Between::one(1), ..nemesis(What::SilentWorker { who }) };
        let ok = schedule(&[silent(Target::Of(Role::Worker, Pick::Index(3)))], None, &SHAPE, fork(1)).unwrap();
        assert_eq!(ok.len(), 1);
        assert!(schedule(&[silent(Target::Of(Role::Worker, Pick::Index(4)))], None, &SHAPE, fork(1)).is_err());
    }
}
