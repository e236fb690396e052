//! Faults composed at random: so many of a list of kinds, each seed others. Must never take more coordinators out of work
//! at once than the scenario tolerates, or a run that makes no progress would prove nothing.

use crate::draw::{Between, up_to};
use crate::etcd::EtcdWhat;
use crate::fault::Fault;
use crate::kind::{Kind, Traffic};
use crate::nemesis::{Lasts, Nemesis, Occurrence};
use crate::target::{Pick, Role, Shape, Target, TargetError};
use crate::what::What;
use rand_core::Rng;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// How often a fault that would be too much is drawn anew before it is given up.
const TRIES: u32 = 16;

/// What a scenario says of its random faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chaos {
    /// How many faults a run gets.
    pub budget: Between<u32>,
    /// The kinds to draw from, all equally likely.
    pub kinds: Vec<Kind>,
    /// The most coordinators out of work at once ([`crate::Fault::downs`]), those taken by other nemeses included.
    pub down_max: u32,
    /// All faults begin and end before this, nanoseconds from the start.
    pub phase_ns: u64,
    /// The length of a lease, which some faults must outlast, nanoseconds.
    pub lease_ns: u64,
}

impl Chaos {
    /// Adds the faults of one seed.
    pub(crate) fn compose<R: Rng>(
        &self,
        occurrences: &mut Vec<Occurrence>,
        shape: &Shape,
        stream: &mut impl FnMut(&str) -> R,
    ) -> Result<(), TargetError> {
        let budget = self.budget.draw(&mut stream("chaos/budget"));
        if self.kinds.is_empty() {
            return Ok(());
        }
        for nth in 0..budget {
            let mut rng = stream(&format!("chaos/{nth}"));
            for _ in 0..TRIES {
                let pick = up_to(&mut rng, self.kinds.len() as u64 - 1);
                let kind = self.kinds[usize::try_from(pick).expect("below a vector's length")];
                let found = self.usual(kind).occur(shape, &mut rng)?;
                if self.bears(&found, occurrences, shape) {
                    occurrences.push(found);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether a fault may come on top of others: counted as if all that overlap it came at one moment.
    fn bears(&self, new: &Occurrence, others: &[Occurrence], shape: &Shape) -> bool {
        let end = |o: &Occurrence| o.lasts_ns.map_or(u64::MAX, |lasts| o.at_ns.saturating_add(lasts));
        let own = new.fault.downs(shape.coordinators);
        // What a majority of disks remembers is never lost; more disks than a minority are not, in one run. And a register is
        // restored from every disk that ever was.
        let (mut wipes, mut restores) = (0, 0);
        for other in others.iter().chain([new]) {
            wipes += u32::from(matches!(other.fault, Fault::WipeRejoin { .. }));
            restores += u32::from(matches!(other.fault, Fault::RegisterLost));
        }
        if new.fault.kind().founds_anew() || wipes > self.down_max || restores > 1 || (wipes > 0 && restores > 0) {
            return false;
        }
        let overlaps = |o: &&Occurrence| o.at_ns <= end(new) && new.at_ns <= end(o);
        let down: u32 = others.iter().filter(overlaps).map(|o| o.fault.downs(shape.coordinators)).sum();
        own == 0 || own.saturating_add(down) <= self.down_max
    }

    /// A nemesis of this kind as chaos has it, somewhere in the phase.
    fn usual(&self, kind: Kind) -> Nemesis {
        let (what, min, max) = self.what(kind);
        // A fault that must outlast a lease may need most of the phase; none may leave it.
        let max = max.min(self.phase_ns.saturating_sub(1).max(1));
        let lasts = Between { min: min.min(max), max };
        let at_ns = Between { min: 0, max: self.phase_ns.saturating_sub(max) };
        Nemesis { what, at_ns, lasts: Lasts::For(lasts), count: Between::one(1) }
    }

    /// What it is, and the least and greatest time it lasts.
    fn what(&self, kind: Kind) -> (What, u64, u64) {
        let of = |role| Target::Of(role, Pick::Random);
        let (all, coordinator, worker, verifier) =
            (Target::All, of(Role::Coordinator), of(Role::Worker), of(Role::Verifier));
        let span = |min: u64, max: u64| Between { min, max };
        let ppm = |min: u32, max: u32| Between { min, max };
        let secs = |min: u64, max: u64| (min * SECOND, max * SECOND);
        let (from, to) = (all, all);
        let (what, (min, max)) = match kind {
            Kind::Delay => (What::Delay { from, to, extra_ns: span(20 * MS, 3 * SECOND) }, secs(10, 60)),
            Kind::Loss => (What::Loss { from, to, ppm: ppm(20_000, 400_000) }, secs(10, 60)),
            Kind::Duplicate => (What::Duplicate { from, to, ppm: ppm(50_000, 300_000) }, secs(20, 90)),
            Kind::Reorder => (
                What::Reorder { from, to, ppm: ppm(50_000, 300_000), extra_ns: span(10 * MS, 2 * SECOND) },
                secs(20, 90),
            ),
            Kind::LateReplay => {
                let extra_ns = span(30 * SECOND, 600 * SECOND);
                (What::LateReplay { from, to, ppm: ppm(10_000, 100_000), extra_ns }, secs(20, 90))
            }
            Kind::Clog => (What::Clog { from: coordinator, to }, secs(5, 40)),
            Kind::Filter => (What::Filter { from, to, traffic: Traffic::Ack }, secs(5, 30)),
            Kind::PartitionHalves => (What::PartitionHalves, secs(10, 60)),
            Kind::PartitionIsolate => (What::PartitionIsolate { who: coordinator }, secs(10, 60)),
            Kind::PartitionMajoritiesRing => (What::PartitionMajoritiesRing, secs(10, 60)),
            Kind::PartitionBridge => (What::PartitionBridge, secs(10, 60)),
            Kind::PartitionOneWay => (What::PartitionOneWay { from: coordinator, to }, secs(10, 60)),
            Kind::PartitionLeader => (What::PartitionLeader, secs(10, 60)),
            Kind::Skew => {
                let offset_ns = Between { min: -600_000_000_000, max: 600_000_000_000 };
                let drift_ppm = Between { min: -200_000, max: 200_000 };
                (What::Skew { who: coordinator, offset_ns, drift_ppm }, secs(30, 180))
            }
            Kind::ClockJump => {
                let offset_ns = Between { min: -3_600_000_000_000, max: 3_600_000_000_000 };
                (What::ClockJump { who: coordinator, offset_ns }, secs(1, 10))
            }
            Kind::ClockFreeze => (What::ClockFreeze { who: coordinator }, secs(10, 90)),
            Kind::ClockDrift => (
                What::ClockDrift { who: coordinator, drift_ppm: Between { min: -300_000, max: 300_000 } },
                secs(30, 180),
            ),
            Kind::Pause => (What::Pause { who: coordinator }, secs(5, 90)),
            Kind::Crash => {
                let who = if self.down_max == 0 { worker } else { coordinator };
                (What::Crash { who, wait_ns: span(0, 10 * SECOND) }, secs(1, 40))
            }
            Kind::QuorumSwap => (What::QuorumSwap, secs(10, 60)),
            Kind::RegisterLost => (What::RegisterLost, secs(1, 30)),
            Kind::MajorityLost => (What::MajorityLost, secs(1, 30)),
            Kind::RegisterSplit => (What::RegisterSplit, secs(20, 90)),
            Kind::PowerLoss => {
                let who = if self.down_max == 0 { worker } else { coordinator };
                (What::PowerLoss { who, window_ns: span(SECOND, 20 * SECOND) }, secs(1, 40))
            }
            Kind::PauseLeader => (What::PauseLeader, secs(5, 90)),
            Kind::SnapshotDamage => {
                let who = Target::Of(Role::Coordinator, Pick::All);
                (What::SnapshotDamage { who, ppm: ppm(100_000, 600_000) }, secs(60, 240))
            }
            Kind::WipeRejoin => (What::WipeRejoin { who: coordinator }, secs(1, 40)),
            Kind::DiskFull => (What::DiskFull { who: coordinator }, secs(5, 40)),
            Kind::DiskSlow => (What::DiskSlow { who: coordinator, extra_ns: span(5 * MS, 400 * MS) }, secs(10, 60)),
            Kind::SlowVerifier => {
                let (factor, extra_ns) = (Between { min: 2, max: 10 }, span(0, 60 * SECOND));
                (What::SlowVerifier { who: verifier, factor, extra_ns }, secs(30, 180))
            }
            Kind::FailedVerifier => (What::FailedVerifier { who: verifier }, secs(60, 240)),
            Kind::SilentWorker => (What::SilentWorker { who: worker }, secs(30, 180)),
            Kind::ZombieWorker => {
                let lasts = (self.lease_ns + 10 * SECOND, self.lease_ns + 60 * SECOND);
                (What::ZombieWorker { who: Target::Of(Role::Worker, Pick::All) }, lasts)
            }
            Kind::StaleWriter => (What::StaleWriter { who: Target::Of(Role::Agent, Pick::All) }, secs(60, 200)),
            Kind::BidderStorm => {
                let who = Target::Of(Role::Worker, Pick::All);
                let (every_ns, times) = (span(SECOND, 20 * SECOND), Between { min: 2, max: 5 });
                (What::BidderStorm { who, every_ns, times }, secs(30, 120))
            }
            Kind::BusRedeliver => (What::BusRedeliver { ppm: ppm(10_000, 200_000) }, secs(20, 90)),
            Kind::BusLate => {
                (What::BusLate { ppm: ppm(10_000, 200_000), extra_ns: span(SECOND, 90 * SECOND) }, secs(20, 90))
            }
            Kind::BusLeaderChange => (What::BusLeaderChange, secs(2, 20)),
            Kind::BusAckedThenLost => (What::BusAckedThenLost { window_ns: span(SECOND, 20 * SECOND) }, secs(1, 5)),
            Kind::StoreSlow => (What::StoreSlow { extra_ns: span(100 * MS, 8 * SECOND) }, secs(20, 90)),
            Kind::StoreLose => (What::StoreLose { ppm: ppm(50_000, 500_000) }, secs(10, 60)),
            Kind::StoreCorrupt => (What::StoreCorrupt { ppm: ppm(50_000, 500_000) }, secs(10, 60)),
            Kind::BusBitFlip => (What::BusBitFlip { ppm: ppm(10_000, 200_000) }, secs(20, 90)),
            Kind::StoreTwoWinners => (What::StoreTwoWinners { ppm: ppm(50_000, 500_000) }, secs(10, 60)),
            Kind::EtcdLeaderChange => (What::Etcd(EtcdWhat::LeaderChange), (100 * MS, 10 * SECOND)),
            Kind::EtcdUnknown => (What::Etcd(EtcdWhat::Unknown { ppm: ppm(50_000, 400_000) }), secs(10, 60)),
            Kind::EtcdCompact => (What::Etcd(EtcdWhat::Compact), secs(5, 60)),
            Kind::EtcdWatch => (What::Etcd(EtcdWhat::Watch { ppm: ppm(50_000, 400_000) }), secs(10, 60)),
            Kind::EtcdSlow => (What::Etcd(EtcdWhat::Slow { extra_ns: span(5 * MS, 2 * SECOND) }), secs(10, 60)),
            Kind::EtcdRestore => (What::Etcd(EtcdWhat::Restore { age_ns: span(5 * SECOND, 60 * SECOND) }), secs(1, 10)),
        };
        (what, min, max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, schedule};
    use proptest::prelude::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    use std::collections::{BTreeMap, BTreeSet};

    const SHAPE: Shape = Shape { coordinators: 5, requesters: 1, planners: 2, workers: 4, verifiers: 6 };
    const PHASE: u64 = 600 * SECOND;

    fn chaos(budget: u32, kinds: &[Kind]) -> Chaos {
        let (budget, kinds) = (Between::one(budget), kinds.to_vec());
        Chaos { budget, kinds, down_max: 2, phase_ns: PHASE, lease_ns: 60 * SECOND }
    }

    fn fork(seed: u64) -> impl FnMut(&str) -> ChaCha8Rng {
        move |name| {
            let mixed = name.bytes().fold(seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
            ChaCha8Rng::seed_from_u64(mixed)
        }
    }

    proptest! {
        #[test]
        fn never_more_coordinators_are_out_of_work_than_the_scenario_bears(seed: u64, crashes in 0_u32..3) {
            let fixed = Nemesis {
                what: What::Crash { who: Target::Of(Role::Coordinator, Pick::Random), wait_ns: Between::one(0) },
                at_ns: Between { min: 0, max: PHASE / 2 },
                lasts: Lasts::For(Between { min: 1, max: PHASE / 2 }),
                count: Between::one(crashes),
            };
            let steps = schedule(&[fixed], Some(&chaos(40, Kind::ALL)), &SHAPE, fork(seed)).unwrap();
            let mut live = BTreeMap::new();
            for step in steps {
                match step.change {
                    Change::Start(fault) => drop(live.insert(step.id, fault.downs(SHAPE.coordinators))),
                    Change::Stop => drop(live.remove(&step.id)),
                    Change::Turn => {}
                }
                prop_assert!(live.values().sum::<u32>() <= 2, "{live:?}");
                prop_assert!(step.at_ns <= PHASE);
            }
        }
    }

    #[test]
    fn every_kind_can_be_drawn_and_comes_alone_as_itself() {
        let all = || Kind::ALL.iter().copied().filter(|kind| !kind.founds_anew());
        for kind in &all().collect::<Vec<_>>() {
            let steps = schedule(&[], Some(&chaos(1, &[*kind])), &SHAPE, fork(1)).unwrap();
            let Change::Start(fault) = &steps[0].change else { panic!() };
            assert_eq!(fault.kind(), *kind);
        }
        let kinds: BTreeSet<_> = (0..200)
            .flat_map(|seed| schedule(&[], Some(&chaos(12, Kind::ALL)), &SHAPE, fork(seed)).unwrap())
            .filter_map(|step| match step.change {
                Change::Start(fault) => Some(fault.kind()),
                _ => None,
            })
            .collect();
        assert_eq!(kinds, all().collect());
    }

    #[test]
    fn where_nobody_may_be_missing_nobody_is_taken() {
        let calm = Chaos { down_max: 0, ..chaos(20, &[Kind::Pause, Kind::Loss]) };
        let steps = schedule(&[], Some(&calm), &SHAPE, fork(3)).unwrap();
        assert_eq!(steps.len(), 40, "a loss is drawn instead");
    }
}
