//! What can go wrong with an etcd that keeps the register. None of these bites any other register.

use crate::draw::{Between, Drawn};
use crate::kind::Kind;
use rand_core::Rng;

/// A fault of etcd, before anything is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of EtcdFault, each documented there")]
pub enum EtcdWhat {
    LeaderChange,
    Unknown {
        ppm: Between<u32>,
    },
    Compact,
    Watch {
        ppm: Between<u32>,
    },
    /// `extra_ns` is drawn for each message, by the host.
    Slow {
        extra_ns: Between<u64>,
    },
    Restore {
        age_ns: Between<u64>,
    },
}

/// A fault of etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtcdFault {
    /// There is no leader while it lasts. What was under way took effect or did not, and its caller does not learn which;
    /// leases begin anew, watches may end.
    LeaderChange,
    /// With this probability a write's answer is lost, or says only that it is unavailable: it took effect, or did not, or
    /// will when everybody has given it up.
    Unknown {
        /// Probability in parts per million.
        ppm: u32,
    },
    /// History is compacted again and again, and watches that are behind end for it.
    Compact,
    /// With this probability a watch is not told of a write, or is told of it once more after later ones.
    Watch {
        /// Probability in parts per million.
        ppm: u32,
    },
    /// Each request, answer and watch event takes that much longer; watch events keep their order.
    Slow {
        /// Least added time.
        min_ns: u64,
        /// Greatest added time.
        max_ns: u64,
    },
    /// It is put back to a backup of that age, as a new cluster, and is down while the fault lasts. What was acknowledged
    /// since is gone for good.
    Restore {
        /// Age of the backup.
        age_ns: u64,
    },
}

impl EtcdWhat {
    /// The kind of fault it makes.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::LeaderChange => Kind::EtcdLeaderChange,
            Self::Unknown { .. } => Kind::EtcdUnknown,
            Self::Compact => Kind::EtcdCompact,
            Self::Watch { .. } => Kind::EtcdWatch,
            Self::Slow { .. } => Kind::EtcdSlow,
            Self::Restore { .. } => Kind::EtcdRestore,
        }
    }

    /// One occurrence, with everything drawn.
    pub(crate) fn occur(&self, rng: &mut impl Rng) -> EtcdFault {
        match *self {
            Self::LeaderChange => EtcdFault::LeaderChange,
            Self::Unknown { ppm } => EtcdFault::Unknown { ppm: draw(ppm, rng) },
            Self::Compact => EtcdFault::Compact,
            Self::Watch { ppm } => EtcdFault::Watch { ppm: draw(ppm, rng) },
            Self::Slow { extra_ns: Between { min: min_ns, max: max_ns } } => EtcdFault::Slow { min_ns, max_ns },
            Self::Restore { age_ns } => EtcdFault::Restore { age_ns: draw(age_ns, rng) },
        }
    }
}

fn draw<T: Drawn>(range: Between<T>, rng: &mut impl Rng) -> T {
    range.draw(rng)
}

impl EtcdFault {
    /// Its kind, whose name reports count it under.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::LeaderChange => Kind::EtcdLeaderChange,
            Self::Unknown { .. } => Kind::EtcdUnknown,
            Self::Compact => Kind::EtcdCompact,
            Self::Watch { .. } => Kind::EtcdWatch,
            Self::Slow { .. } => Kind::EtcdSlow,
            Self::Restore { .. } => Kind::EtcdRestore,
        }
    }
}
