//! `[[faults]]` as it is written. One flat table for all kinds keeps the place of every mistake;
//! which keys a kind takes is decided once, in [`FaultSection::nemesis`].

use crate::value::{Lasting, Nanos, SignedNanos, range_ns};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use swarm_nemeses::{Between, EtcdWhat, Kind, Nemesis, Pick, Role, Target, Traffic, What};

/// One nemesis. Besides `kind`, `at`, `for` and `count`, each kind takes keys of its own:
///
/// | kind | needs | may have |
/// |---|---|---|
/// | `delay` | `extra` | `from`, `to` |
/// | `loss`, `duplicate` | `ppm` | `from`, `to` |
/// | `reorder`, `late-replay` | `ppm`, `extra` | `from`, `to` |
/// | `clog`, `partition-one-way` | | `from`, `to` |
/// | `filter` | `traffic` | `from`, `to` |
/// | `partition-halves`, `partition-majorities-ring`, `partition-bridge`, `partition-leader` | | |
/// | `partition-isolate` | `who` | |
/// | `skew` | `who` and one of `offset`, `drift_ppm` | the other |
/// | `clock-jump` | `who`, `offset` | |
/// | `clock-drift` | `who`, `drift_ppm` | |
/// | `clock-freeze`, `pause`, `disk-full` | `who` | |
/// | `crash` | `who` | `within` |
/// | `quorum-swap`, `pause-leader` | | |
/// | `power-loss` | `who`, `within` | |
/// | `snapshot-damage` | `who`, `ppm` | |
/// | `wipe-rejoin` | `who` | |
/// | `register-lost` | | |
/// | `disk-slow` | `who`, `extra` | |
/// | `slow-verifier` | `who` and one of `factor`, `extra` | the other |
/// | `failed-verifier`, `silent-worker`, `zombie-worker`, `stale-writer` | `who` | |
/// | `bidder-storm` | `who`, `extra`, `factor` | |
/// | `bus-redeliver`, `bus-bit-flip`, `store-lose`, `store-corrupt`, `store-two-winners` | `ppm` | |
/// | `bus-late` | `ppm`, `extra` | |
/// | `bus-leader-change` | | |
/// | `bus-acked-then-lost` | `within` | |
/// | `store-slow` | `extra` | |
/// | `etcd-leader-change`, `etcd-compact` | | |
/// | `etcd-unknown`, `etcd-watch` | `ppm` | |
/// | `etcd-slow` | `extra` | |
/// | `etcd-restore` | `within` | |
/// | `majority-lost`, `register-split` | | |
///
/// Those of etcd want `register = "etcd"` in `[cluster]`; `snapshot-damage`, `majority-lost` and `register-split` want
/// `register = "raft"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultSection {
    /// What goes wrong.
    pub kind: Kind,
    /// When it begins, from the start of the run.
    #[serde(default = "at_once")]
    pub at: Between<Nanos>,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub lasts: Lasting,
    /// How many times it occurs, each drawn anew.
    #[serde(default = "once")]
    pub count: Between<u32>,
    /// Whom it hits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Target>,
    /// Senders of the links it hits; `all` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Target>,
    /// Receivers of the links it hits; `all` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Target>,
    /// How many messages it hits, in parts per million.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppm: Option<Between<u32>>,
    /// The sort of message it hits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// Time added: to a message, a verification, a write, an answer; of a storm, how long bids gather.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Between<Nanos>>,
    /// How far a clock jumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Between<SignedNanos>>,
    /// How much faster a clock runs, in parts per million.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_ppm: Option<Between<i32>>,
    /// How many times as long a verification takes; of a storm, how often each bid is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<Between<u32>>,
    /// How long a crash waits for a write that is not yet durable, at once unless given; how far back a bus (of its own or
    /// for want of power) or a restored etcd forgets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Between<Nanos>>,
}

const fn at_once() -> Between<Nanos> {
    Between::one(Nanos(0))
}

const fn once() -> Between<u32> {
    Between::one(1)
}

impl FaultSection {
    /// The nemesis it stands for, or the names of the keys that its kind needs and it lacks.
    pub fn nemesis(&self) -> Result<Nemesis, Vec<&'static str>> {
        let mut missing: Vec<&'static str> =
            needs(self.kind).iter().copied().filter(|key| !self.present().any(|there| there == *key)).collect();
        if self.kind == Kind::Skew && self.offset.is_none() && self.drift_ppm.is_none() {
            missing.push("offset");
        }
        if self.kind == Kind::SlowVerifier && self.factor.is_none() && self.extra.is_none() {
            missing.push("factor");
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        // From here the neutral values below stand only for keys that may be left out.
        let (from, to) = (self.from.unwrap_or(Target::All), self.to.unwrap_or(Target::All));
        let ppm = self.ppm.unwrap_or(Between::one(0));
        let extra_ns = range_ns(self.extra.unwrap_or(Between::one(Nanos(0))));
        let who = self.who.unwrap_or(Target::All);
        let offset = self.offset.unwrap_or(Between::one(SignedNanos(0)));
        let offset_ns = Between { min: offset.min.0, max: offset.max.0 };
        let drift_ppm = self.drift_ppm.unwrap_or(Between::one(0));
        let factor = self.factor.unwrap_or(Between::one(1));
        let within_ns = range_ns(self.within.unwrap_or(Between::one(Nanos(0))));
        let traffic = self.traffic.unwrap_or(Traffic::Publish);
        let what = match self.kind {
            Kind::Delay => What::Delay { from, to, extra_ns },
            Kind::Loss => What::Loss { from, to, ppm },
            Kind::Duplicate => What::Duplicate { from, to, ppm },
            Kind::Reorder => What::Reorder { from, to, ppm, extra_ns },
            Kind::LateReplay => What::LateReplay { from, to, ppm, extra_ns },
            Kind::Clog => What::Clog { from, to },
            Kind::Filter => What::Filter { from, to, traffic },
            Kind::PartitionHalves => What::PartitionHalves,
            Kind::PartitionIsolate => What::PartitionIsolate { who },
            Kind::PartitionMajoritiesRing => What::PartitionMajoritiesRing,
            Kind::PartitionBridge => What::PartitionBridge,
            Kind::PartitionOneWay => What::PartitionOneWay { from, to },
            Kind::PartitionLeader => What::PartitionLeader,
            Kind::Skew => What::Skew { who, offset_ns, drift_ppm },
            Kind::ClockJump => What::ClockJump { who, offset_ns },
            Kind::ClockFreeze => What::ClockFreeze { who },
            Kind::ClockDrift => What::ClockDrift { who, drift_ppm },
            Kind::Pause => What::Pause { who },
            Kind::Crash => What::Crash { who, wait_ns: within_ns },
            Kind::QuorumSwap => What::QuorumSwap,
            Kind::PowerLoss => What::PowerLoss { who, window_ns: within_ns },
            Kind::PauseLeader => What::PauseLeader,
            Kind::SnapshotDamage => What::SnapshotDamage { who, ppm },
            Kind::WipeRejoin => What::WipeRejoin { who },
            Kind::RegisterLost => What::RegisterLost,
            Kind::MajorityLost => What::MajorityLost,
            Kind::RegisterSplit => What::RegisterSplit,
            Kind::DiskFull => What::DiskFull { who },
            Kind::DiskSlow => What::DiskSlow { who, extra_ns },
            Kind::SlowVerifier => What::SlowVerifier { who, factor, extra_ns },
            Kind::FailedVerifier => What::FailedVerifier { who },
            Kind::SilentWorker => What::SilentWorker { who },
            Kind::ZombieWorker => What::ZombieWorker { who },
            Kind::StaleWriter => What::StaleWriter { who },
            Kind::BidderStorm => What::BidderStorm { who, every_ns: extra_ns, times: factor },
            Kind::BusRedeliver => What::BusRedeliver { ppm },
            Kind::BusLate => What::BusLate { ppm, extra_ns },
            Kind::BusLeaderChange => What::BusLeaderChange,
            Kind::BusAckedThenLost => What::BusAckedThenLost { window_ns: within_ns },
            Kind::BusBitFlip => What::BusBitFlip { ppm },
            Kind::StoreSlow => What::StoreSlow { extra_ns },
            Kind::StoreLose => What::StoreLose { ppm },
            Kind::StoreCorrupt => What::StoreCorrupt { ppm },
            Kind::StoreTwoWinners => What::StoreTwoWinners { ppm },
            Kind::EtcdLeaderChange => What::Etcd(EtcdWhat::LeaderChange),
            Kind::EtcdUnknown => What::Etcd(EtcdWhat::Unknown { ppm }),
            Kind::EtcdCompact => What::Etcd(EtcdWhat::Compact),
            Kind::EtcdWatch => What::Etcd(EtcdWhat::Watch { ppm }),
            Kind::EtcdSlow => What::Etcd(EtcdWhat::Slow { extra_ns }),
            Kind::EtcdRestore => What::Etcd(EtcdWhat::Restore { age_ns: within_ns }),
        };
        Ok(Nemesis { what, at_ns: range_ns(self.at), lasts: self.lasts.into(), count: self.count })
    }

    /// The optional keys that are present, by name.
    pub(crate) fn present(&self) -> impl Iterator<Item = &'static str> {
        [
            ("who", self.who.is_some()),
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("ppm", self.ppm.is_some()),
            ("traffic", self.traffic.is_some()),
            ("extra", self.extra.is_some()),
            ("offset", self.offset.is_some()),
            ("drift_ppm", self.drift_ppm.is_some()),
            ("factor", self.factor.is_some()),
            ("within", self.within.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, present)| present.then_some(key))
    }

    /// Whether the kind takes the optional key.
    pub(crate) fn takes(&self, key: &str) -> bool {
        keys(self.kind).contains(&key)
    }

    /// The role that the kind must aim at, if it must.
    pub(crate) const fn role(&self) -> Option<Role> {
        match self.kind {
            Kind::SlowVerifier | Kind::FailedVerifier => Some(Role::Verifier),
            Kind::SilentWorker | Kind::ZombieWorker | Kind::BidderStorm => Some(Role::Worker),
            Kind::WipeRejoin => Some(Role::Coordinator),
            _ => None,
        }
    }

    /// How many of a group it may hit at once, given how many there are: all it targets, summed
    /// over its occurrences.
    pub(crate) fn hits_max(&self, group: u32) -> u32 {
        match self.who {
            Some(Target::Of(_, Pick::All)) | Some(Target::All) => group,
            Some(Target::Of(_, Pick::Random)) => self.count.max.min(group),
            Some(_) => 1,
            None => 0,
        }
    }
}

/// The optional keys that each kind cannot do without.
const fn needs(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Delay | Kind::StoreSlow | Kind::EtcdSlow => &["extra"],
        Kind::Loss
        | Kind::Duplicate
        | Kind::BusRedeliver
        | Kind::StoreLose
        | Kind::StoreCorrupt
        | Kind::StoreTwoWinners
        | Kind::BusBitFlip
        | Kind::EtcdUnknown
        | Kind::EtcdWatch => &["ppm"],
        Kind::Reorder | Kind::LateReplay | Kind::BusLate => &["ppm", "extra"],
        Kind::Filter => &["traffic"],
        Kind::ClockJump => &["who", "offset"],
        Kind::ClockDrift => &["who", "drift_ppm"],
        Kind::PartitionIsolate
        | Kind::Skew
        | Kind::ClockFreeze
        | Kind::Pause
        | Kind::Crash
        | Kind::WipeRejoin
        | Kind::DiskFull
        | Kind::SlowVerifier
        | Kind::FailedVerifier
        | Kind::SilentWorker
        | Kind::ZombieWorker
        | Kind::StaleWriter => &["who"],
        Kind::DiskSlow => &["who", "extra"],
        Kind::BidderStorm => &["who", "extra", "factor"],
        Kind::PowerLoss => &["who", "within"],
        Kind::SnapshotDamage => &["who", "ppm"],
        Kind::BusAckedThenLost | Kind::EtcdRestore => &["within"],
        Kind::Clog
        | Kind::PartitionHalves
        | Kind::PartitionMajoritiesRing
        | Kind::PartitionBridge
        | Kind::PartitionOneWay
        | Kind::PartitionLeader
        | Kind::QuorumSwap
        | Kind::RegisterLost
        | Kind::MajorityLost
        | Kind::RegisterSplit
        | Kind::PauseLeader
        | Kind::BusLeaderChange
        | Kind::EtcdLeaderChange
        | Kind::EtcdCompact => &[],
    }
}

/// The optional keys of each kind.
pub(crate) const fn keys(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Delay => &["extra", "from", "to"],
        Kind::Loss | Kind::Duplicate => &["ppm", "from", "to"],
        Kind::Reorder | Kind::LateReplay => &["ppm", "extra", "from", "to"],
        Kind::Clog | Kind::PartitionOneWay => &["from", "to"],
        Kind::Filter => &["traffic", "from", "to"],
        Kind::Skew => &["who", "offset", "drift_ppm"],
        Kind::Crash => &["who", "within"],
        Kind::SlowVerifier => &["who", "factor", "extra"],
        others => needs(others),
    }
}
