//! `[[faults]]` as it is written. One flat table for all kinds keeps the place of every mistake;
//! which keys a kind takes is decided once, in [`FaultSection::nemesis`].

use crate::value::{Lasting, Nanos, SignedNanos, range_ns};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use swarm_nemeses::{Between, EtcdWhat, Kind, Nemesis, Pick, Role, Target, What};

/// One nemesis. Besides `kind`, `at`, `for` and `count`, each kind takes keys of its own:
///
/// | kind | needs | may have |
/// |---|---|---|
/// | `delay` | `extra` | `from`, `to` |
/// | `loss`, `duplicate` | `ppm` | `from`, `to` |
/// | `reorder` | `ppm`, `extra` | `from`, `to` |
/// | `partition-halves` | | |
/// | `partition-isolate` | `who` | |
/// | `skew` | `who` | `offset`, `drift_ppm` |
/// | `slow-verifier` | `who` | `factor`, `extra` |
/// | `silent-worker` | `who` | |
/// | `bus-redeliver` | `ppm` | |
/// | `etcd-leader-change`, `etcd-compact` | | |
/// | `etcd-unknown` | `ppm` | |
/// | `etcd-slow`, `etcd-restore` | `extra` | |
///
/// Those of etcd want `register = "etcd"` in `[cluster]`.
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
    /// Time added: to a message or to a verification; or the age of the backup that is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Between<Nanos>>,
    /// How far a clock jumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Between<SignedNanos>>,
    /// How much faster a clock runs, in parts per million.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_ppm: Option<Between<i32>>,
    /// How many times as long a verification takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<Between<u32>>,
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
        let mut missing = Vec::new();
        if self.takes("ppm") && self.ppm.is_none() {
            missing.push("ppm");
        }
        if matches!(self.kind, Kind::Delay | Kind::Reorder | Kind::EtcdSlow | Kind::EtcdRestore) && self.extra.is_none()
        {
            missing.push("extra");
        }
        if self.takes("who") && self.who.is_none() {
            missing.push("who");
        }
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
        let what = match self.kind {
            Kind::Delay => What::Delay { from, to, extra_ns },
            Kind::Loss => What::Loss { from, to, ppm },
            Kind::Duplicate => What::Duplicate { from, to, ppm },
            Kind::Reorder => What::Reorder { from, to, ppm, extra_ns },
            Kind::PartitionHalves => What::PartitionHalves,
            Kind::PartitionIsolate => What::PartitionIsolate { who },
            Kind::Skew => {
                let offset = self.offset.unwrap_or(Between::one(SignedNanos(0)));
                let offset_ns = Between { min: offset.min.0, max: offset.max.0 };
                let drift_ppm = self.drift_ppm.unwrap_or(Between::one(0));
                What::Skew { who, offset_ns, drift_ppm }
            }
            Kind::SlowVerifier => {
                let factor = self.factor.unwrap_or(Between::one(1));
                What::SlowVerifier { who, factor, extra_ns }
            }
            Kind::SilentWorker => What::SilentWorker { who },
            Kind::BusRedeliver => What::BusRedeliver { ppm },
            Kind::EtcdLeaderChange => What::Etcd(EtcdWhat::LeaderChange),
            Kind::EtcdUnknown => What::Etcd(EtcdWhat::Unknown { ppm }),
            Kind::EtcdCompact => What::Etcd(EtcdWhat::Compact),
            Kind::EtcdSlow => What::Etcd(EtcdWhat::Slow { extra_ns }),
            Kind::EtcdRestore => What::Etcd(EtcdWhat::Restore { age_ns: extra_ns }),
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
            ("extra", self.extra.is_some()),
            ("offset", self.offset.is_some()),
            ("drift_ppm", self.drift_ppm.is_some()),
            ("factor", self.factor.is_some()),
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
            Kind::SlowVerifier => Some(Role::Verifier),
            Kind::SilentWorker => Some(Role::Worker),
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

/// The optional keys of each kind.
pub(crate) const fn keys(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Delay => &["extra", "from", "to"],
        Kind::Loss | Kind::Duplicate => &["ppm", "from", "to"],
        Kind::Reorder => &["ppm", "extra", "from", "to"],
        Kind::PartitionHalves | Kind::EtcdLeaderChange | Kind::EtcdCompact => &[],
        Kind::PartitionIsolate | Kind::SilentWorker => &["who"],
        Kind::Skew => &["who", "offset", "drift_ppm"],
        Kind::SlowVerifier => &["who", "factor", "extra"],
        Kind::BusRedeliver | Kind::EtcdUnknown => &["ppm"],
        Kind::EtcdSlow | Kind::EtcdRestore => &["extra"],
    }
}
