//! The kinds of fault, by name. A name is published: it stands in scenarios and in reports, and may never come to mean
//! another thing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! kinds {
    ($($(#[doc = $says:literal])+ $variant:ident = $name:literal,)+) => {
        /// The kinds of fault, by the names that scenarios and reports use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind { $($(#[doc = $says])+ $variant,)+ }

        impl Kind {
            /// All kinds, in the order reports list them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name in scenarios and reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

kinds! {
    /// Messages take longer.
    Delay = "delay",
    /// Messages are lost.
    Loss = "loss",
    /// Messages arrive twice.
    Duplicate = "duplicate",
    /// Messages are overtaken by later ones.
    Reorder = "reorder",
    /// Messages arrive once more, much later.
    LateReplay = "late-replay",
    /// Links stand still, then let everything through in order.
    Clog = "clog",
    /// One sort of message does not get through.
    Filter = "filter",
    /// The cluster falls into two halves that do not hear each other.
    PartitionHalves = "partition-halves",
    /// Some nodes are cut off from all others.
    PartitionIsolate = "partition-isolate",
    /// Everyone hears a majority of coordinators, no two of them the same.
    PartitionMajoritiesRing = "partition-majorities-ring",
    /// Two halves that hear each other only through one coordinator.
    PartitionBridge = "partition-bridge",
    /// Messages get lost one way and not the other.
    PartitionOneWay = "partition-one-way",
    /// Whoever leads the register is cut off with a minority.
    PartitionLeader = "partition-leader",
    /// Clocks jump and run fast or slow.
    Skew = "skew",
    /// Clocks jump.
    ClockJump = "clock-jump",
    /// Clocks stand still.
    ClockFreeze = "clock-freeze",
    /// Clocks run fast or slow.
    ClockDrift = "clock-drift",
    /// Processes stand still, and go on as if nothing had been.
    Pause = "pause",
    /// Processes die, lose what was not yet on disk, and start again.
    Crash = "crash",
    /// A minority pauses, writes build up, one of the rest dies, and the sides change places.
    QuorumSwap = "quorum-swap",
    /// The power goes: processes die at one moment, and the bus forgets what it had acknowledged.
    PowerLoss = "power-loss",
    /// Whoever leads the register stands still, and goes on as if it still led.
    PauseLeader = "pause-leader",
    /// Members of the register hand on damaged pieces of its history.
    SnapshotDamage = "snapshot-damage",
    /// A coordinator loses its disk whole; the operators give its seat to a new agent on a new host.
    WipeRejoin = "wipe-rejoin",
    /// The register's own data are gone; the operators restore it from what its members remember.
    RegisterLost = "register-lost",
    /// A majority of coordinators loses its disks; the operators found the register anew on what the others hold.
    MajorityLost = "majority-lost",
    /// A majority of coordinators lives on out of the operators' reach, who found the register anew on what the others hold.
    RegisterSplit = "register-split",
    /// Disks have no room left.
    DiskFull = "disk-full",
    /// Disks take their time to make a write durable.
    DiskSlow = "disk-slow",
    /// Verifiers take their time.
    SlowVerifier = "slow-verifier",
    /// Verifiers cannot do their work.
    FailedVerifier = "failed-verifier",
    /// Workers stop talking.
    SilentWorker = "silent-worker",
    /// A worker sleeps through its lease and wakes believing that it still holds it.
    ZombieWorker = "zombie-worker",
    /// Old envelopes are published again after their epoch or fence has passed.
    StaleWriter = "stale-writer",
    /// Workers bid at one instant, each several times over.
    BidderStorm = "bidder-storm",
    /// The bus delivers again what was acknowledged.
    BusRedeliver = "bus-redeliver",
    /// The bus delivers long after it accepted.
    BusLate = "bus-late",
    /// The bus has no leader for a while, and the next one has forgotten acknowledgements.
    BusLeaderChange = "bus-leader-change",
    /// The bus loses what it had acknowledged.
    BusAckedThenLost = "bus-acked-then-lost",
    /// The bus gives back messages with a bit flipped.
    BusBitFlip = "bus-bit-flip",
    /// The artifact store takes its time.
    StoreSlow = "store-slow",
    /// The artifact store loses what it said it keeps.
    StoreLose = "store-lose",
    /// The artifact store gives back other bytes than it was given.
    StoreCorrupt = "store-corrupt",
    /// Of two writes to one address of the artifact store both succeed, and the wrong one stays.
    StoreTwoWinners = "store-two-winners",
    /// etcd has no leader for a while.
    EtcdLeaderChange = "etcd-leader-change",
    /// etcd's answers to writes are lost, before or after they take effect.
    EtcdUnknown = "etcd-unknown",
    /// etcd forgets history that a watch still wants.
    EtcdCompact = "etcd-compact",
    /// A watch of etcd's leaves out events, or goes back in time.
    EtcdWatch = "etcd-watch",
    /// etcd takes its time.
    EtcdSlow = "etcd-slow",
    /// etcd is put back to an old backup.
    EtcdRestore = "etcd-restore",
}

impl Kind {
    /// Whether it strikes etcd, and so nothing unless etcd keeps the register.
    pub const fn is_of_etcd(self) -> bool {
        matches!(
            self,
            Self::EtcdLeaderChange
                | Self::EtcdUnknown
                | Self::EtcdCompact
                | Self::EtcdWatch
                | Self::EtcdSlow
                | Self::EtcdRestore
        )
    }

    /// Whether it strikes the members of Raft groups, and so nothing unless they keep the register.
    pub const fn is_of_raft(self) -> bool {
        matches!(self, Self::SnapshotDamage | Self::MajorityLost | Self::RegisterSplit)
    }

    /// Whether the register is founded anew by it: once in a run, and never drawn by chaos.
    pub const fn founds_anew(self) -> bool {
        matches!(self, Self::MajorityLost | Self::RegisterSplit)
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The sorts of message that a `filter` can hold back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// Agents to the bus: publishing, following.
    Publish,
    /// The bus to agents: deliveries.
    Deliver,
    /// Acknowledgements of deliveries.
    Ack,
    /// Commands on their way to the register, and its answers.
    Submit,
    /// Entries that the register hands over, and word of how far they were applied.
    Entry,
    /// What members of a replicated register say to each other.
    Raft,
    /// Requests to the artifact store, and its answers.
    Store,
}

impl Traffic {
    /// All sorts.
    pub const ALL: [Self; 7] =
        [Self::Publish, Self::Deliver, Self::Ack, Self::Submit, Self::Entry, Self::Raft, Self::Store];

    /// The stable name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Deliver => "deliver",
            Self::Ack => "ack",
            Self::Submit => "submit",
            Self::Entry => "entry",
            Self::Raft => "raft",
            Self::Store => "store",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_and_read_back() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|k| k.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(*kind));
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{}\"", kind.name()));
        }
        assert_eq!(Kind::from_name("gremlin"), None);
        for traffic in Traffic::ALL {
            assert_eq!(serde_json::to_string(&traffic).unwrap(), format!("\"{}\"", traffic.name()));
        }
    }
}
