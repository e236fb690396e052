//! Who may judge, and with what weight (PROTOCOL 6).
//!
//! A [`Snapshot`] is the pool at one moment of the system slot; every K and every draw cites one by number and digest. It
//! must never let stake buy seats in proportion (the square root and the caps), never give a seat to who has no stake of
//! its own (T45), and never differ between two replicas that list the same members.
//!
//! What the square root does not stop: stake split into m keys that nobody can link weighs sqrt(m) times as much. Each key
//! needs the least stake of its own, which bounds m, and keys without known attributes share the caps of a committee as
//! one organisation, one network and one region, which bounds what they win (see [`crate::committee`]).

mod weigh;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Deserializer, Serialize};

pub use weigh::{REPUTATION_START, counted, disproved, lease_expired, recency_bp, succeeded, weight};

use crate::config::Params;
use crate::id::{AgentId, Credits, Digest};
use crate::mutant::{Mutant, planted};
use crate::wire::{Manifest, SnapshotRef};

/// A share of the luck of a draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(pub u64);
crate::id::decimal!(Weight);

/// An agent and what is known of where it stands. Empty is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Who.
    pub agent: AgentId,
    /// The network it runs in.
    pub asn: String,
    /// The organisation behind it.
    pub org: String,
    /// Where it runs.
    pub region: String,
}

impl Identity {
    /// What `manifest` states.
    pub fn of(manifest: &Manifest) -> Self {
        let Manifest { agent, asn, org, region, .. } = manifest;
        Self { agent: *agent, asn: asn.clone(), org: org.clone(), region: region.clone() }
    }

    /// Whether it is the same agent as `other`, or of the same known organisation or network. That two do not tell where
    /// they stand relates nobody.
    pub fn related(&self, other: &Self) -> bool {
        let same = |a: &str, b: &str| !a.is_empty() && a == b;
        self.agent == other.agent || same(&self.org, &other.org) || same(&self.asn, &other.asn)
    }
}

/// A registered agent, as the system slot knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Delegated stake that counts, by [`counted`].
    pub delegated: Credits,
    /// Who and where.
    pub identity: Arc<Identity>,
    /// Snapshots since its last counted verdict.
    pub idle_snapshots: u32,
    /// Own stake.
    pub own: Credits,
    /// How well it has served, in basis points.
    pub reputation_bp: u32,
    /// Its manifest has the verifier role.
    pub verifier: bool,
}

/// A member that can be drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// Who and where. Snapshots share it.
    pub identity: Arc<Identity>,
    /// Its share, after the cap per entity.
    pub weight: Weight,
}

/// How far a deployment has come, for the end of bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// The snapshot before was in bootstrap; true if there was none. Bootstrap never returns: else whoever drives members
    /// away could bring its lax rules back.
    pub bootstrap: bool,
    /// 24 hours since genesis, as the stopwatches agreed.
    pub day_passed: bool,
    /// Needs finalized so far.
    pub finalized_needs: u32,
}

/// The pool at one moment. One that is parsed is held against the same rules as one that is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    active: u32,
    bootstrap: bool,
    members: Vec<Seat>,
    number: u32,
    /// Computed, not told.
    #[serde(skip)]
    digest: Digest,
}

impl Snapshot {
    /// The `number`-th snapshot, from 1, of all registered `members` in any order: those verifiers that have the least
    /// stake of their own, weighed, with no entity above its cap.
    ///
    /// # Panics
    /// If an agent is listed twice, which is the caller's map gone wrong.
    pub fn make(number: u32, members: impl IntoIterator<Item = Member>, age: Age, params: &Params) -> Self {
        let mut seats: Vec<Seat> = members
            .into_iter()
            .filter(|m| m.verifier && m.own >= params.stake_min)
            .map(|m| Seat { weight: weight(&m, params), identity: m.identity })
            .collect();
        seats.sort_by_key(|s| s.identity.agent);
        assert!(seats.is_sorted_by(|a, b| a.identity.agent < b.identity.agent), "an agent is listed twice");
        if !planted(Mutant::WhaleUncapped) {
            weigh::cap_entities(&mut seats, params.entity_cap_bp);
        }
        seats.retain(|s| s.weight.0 > 0);
        let active = u32::try_from(seats.len()).expect("a pool is far smaller than 2^32");
        let ripe = age.finalized_needs >= params.bootstrap_needs || age.day_passed;
        let bootstrap = age.bootstrap && !(ripe && active >= params.bootstrap_active_min);
        Self::seal(active, bootstrap, seats, number)
    }

    fn seal(active: u32, bootstrap: bool, members: Vec<Seat>, number: u32) -> Self {
        let mut snapshot = Self { active, bootstrap, members, number, digest: Digest::default() };
        snapshot.digest = Digest::of_json("swarm/snapshot", &snapshot);
        snapshot
    }

    /// How many can be drawn: what K is a share of.
    pub fn active(&self) -> u32 {
        self.active
    }

    /// The pool is young: agents may judge their own work, and committees need not be diverse.
    pub fn bootstrap(&self) -> bool {
        self.bootstrap
    }

    /// Who can be drawn, by agent.
    pub fn seats(&self) -> &[Seat] {
        &self.members
    }

    /// Its number, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The seat of `agent`.
    pub fn seat(&self, agent: &AgentId) -> Option<&Seat> {
        self.members.binary_search_by_key(agent, |s| s.identity.agent).ok().map(|at| &self.members[at])
    }

    /// Number and digest, by which others cite it.
    pub fn reference(&self) -> SnapshotRef {
        SnapshotRef { digest: self.digest, number: self.number }
    }
}

impl<'de> Deserialize<'de> for Snapshot {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Told {
            active: u32,
            bootstrap: bool,
            members: Vec<Seat>,
            number: u32,
        }
        let Told { active, bootstrap, members, number } = Told::deserialize(d)?;
        let ordered = members.is_sorted_by(|a, b| a.identity.agent < b.identity.agent);
        let total = members.iter().try_fold(0_u64, |sum, s| sum.checked_add(s.weight.0));
        let weighed = total.is_some() && members.iter().all(|s| s.weight.0 > 0);
        if !ordered || !weighed || u32::try_from(members.len()) != Ok(active) {
            return Err(serde::de::Error::custom("not a pool: its members are not ordered, weighed and counted"));
        }
        Ok(Self::seal(active, bootstrap, members, number))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::format;

    pub(crate) const YOUNG: Age = Age { bootstrap: true, day_passed: false, finalized_needs: 0 };
    pub(crate) const GROWN: Age = Age { bootstrap: false, day_passed: true, finalized_needs: 1_000 };

    pub(crate) fn agent(n: u32) -> AgentId {
        let mut id = [7; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        AgentId(id)
    }

    /// A fresh verifier with `own` stake and no known attributes.
    pub(crate) fn member(n: u32, own: u64) -> Member {
        Member {
            delegated: Credits(0),
            identity: Arc::new(Identity { agent: agent(n), ..Identity::default() }),
            idle_snapshots: 0,
            own: Credits(own),
            reputation_bp: REPUTATION_START,
            verifier: true,
        }
    }

    pub(crate) fn make(members: impl IntoIterator<Item = Member>) -> Snapshot {
        Snapshot::make(1, members, GROWN, &Params::default())
    }

    #[test]
    fn t45_without_stake_there_is_no_seat() {
        let crowd = (0..1_000).map(|n| member(n, 999)).chain([member(5_000, 1_000)]);
        let snapshot = make(crowd);
        assert_eq!((snapshot.active(), snapshot.seats()[0].identity.agent), (1, agent(5_000)));
        // Others' stake does not make a member, however much they lend.
        let backed = Member { delegated: Credits(1_000_000), ..member(1, 999) };
        assert_eq!(make([backed]).active(), 0);
        assert_eq!(make([Member { verifier: false, ..member(1, 5_000) }]).active(), 0);
    }

    #[test]
    fn a_pool_is_the_same_in_any_order_and_cited_by_what_it_says() {
        let there: Vec<Member> = (0..50).map(|n| member(n, 1_000 + u64::from(n * 97))).collect();
        let snapshot = make(there.clone());
        assert_eq!(snapshot, make(there.iter().cloned().rev()));
        let other = make(there.iter().skip(1).cloned());
        assert_ne!(snapshot.reference().digest, other.reference().digest);
        // It survives being written down, with its digest.
        let text = crate::wire::canonical::to_vec(&snapshot);
        let read: Snapshot = serde_json::from_slice(&text).unwrap();
        assert_eq!(read, snapshot);
        assert_eq!(snapshot.seat(&agent(7)).unwrap().identity.agent, agent(7));
        assert_eq!(snapshot.seat(&agent(99)), None);
    }

    #[test]
    fn a_pool_that_does_not_hold_together_is_not_read() {
        let seat = |n, weight| Seat { identity: member(n, 0).identity, weight: Weight(weight) };
        let refused = |active, members| {
            let text = crate::wire::canonical::to_vec(&Snapshot::seal(active, false, members, 1));
            assert!(serde_json::from_slice::<Snapshot>(&text).is_err());
        };
        refused(2, alloc::vec![seat(2, 1), seat(1, 1)]);
        refused(2, alloc::vec![seat(1, 1), seat(1, 1)]);
        refused(1, alloc::vec![seat(1, 0)]);
        refused(3, alloc::vec![seat(1, 1), seat(2, 1)]);
        refused(2, alloc::vec![seat(1, u64::MAX), seat(2, 1)]);
    }

    #[test]
    fn bootstrap_ends_once_when_enough_are_there_and_it_is_ripe() {
        let check = |active, age, expect| {
            let pool = (0..active).map(|n| member(n, 1_000));
            assert_eq!(Snapshot::make(1, pool, age, &Params::default()).bootstrap(), expect, "{active} {age:?}");
        };
        check(10, YOUNG, true);
        check(10, Age { finalized_needs: 99, ..YOUNG }, true);
        check(10, Age { finalized_needs: 100, ..YOUNG }, false);
        check(10, Age { day_passed: true, ..YOUNG }, false);
        check(9, Age { day_passed: true, finalized_needs: 100, ..YOUNG }, true);
        check(3, GROWN, false); // It never returns.
    }

    #[test]
    fn relations_need_knowledge() {
        let id = |n: u32, org: &str, asn: &str| Identity {
            agent: agent(n),
            asn: asn.into(),
            org: org.into(),
            region: format!("r{}", n % 2),
        };
        let check = |a: &Identity, b: &Identity, expect| {
            assert_eq!((a.related(b), b.related(a)), (expect, expect), "{a:?} {b:?}");
        };
        check(&id(1, "", ""), &id(1, "x", "y"), true); // The same agent.
        check(&id(1, "x", ""), &id(2, "x", ""), true);
        check(&id(1, "x", "1"), &id(2, "y", "1"), true);
        check(&id(1, "x", "1"), &id(2, "y", "2"), false);
        check(&id(1, "", ""), &id(2, "", ""), false); // Two unknowns are not related.
        check(&id(1, "x", "1"), &id(3, "", ""), false); // Nor by region alone.
    }
}
