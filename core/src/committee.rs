//! Who sits: weighted draws without replacement from a pool snapshot (PROTOCOL 6).
//!
//! A draw is a function of its seed, its snapshot and its terms, so anyone repeats it and gets the same people (T26). It
//! must never seat the same agent twice, nor somebody related to the work, nor loosen a cap: where the caps cannot be met
//! there is no committee, and the answer says which cap it was (T25). Only a pool in bootstrap is excused from the caps,
//! and may fill seats that would stay empty with those related to the work.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::config::Params;
use crate::id::{AgentId, Cid, Digest, Epoch, NeedId};
use crate::mutant::{Mutant, planted};
use crate::pool::{Identity, Snapshot};
use crate::quorum;
use crate::rng::{Seed, Stream};

/// Times a draw starts over when the caps leave it no candidate. Drawing seat by seat can paint itself into a corner that
/// another order avoids; a pool that fails so often has hardly a committee to give.
const ATTEMPTS: u32 = 16;

/// Why nobody can be seated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unseatable {
    /// The pool has nobody who is not related to the work.
    Nobody,
    /// Too few organisations, those that are not known counting as one.
    Org,
    /// Too few networks, likewise.
    Asn,
    /// Too few regions, likewise.
    Region,
}

impl fmt::Display for Unseatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody in the pool may judge this",
            Self::Org => "too few organisations for the cap on one",
            Self::Asn => "too few networks for the cap on one",
            Self::Region => "too few regions for the cap on one",
        })
    }
}

impl core::error::Error for Unseatable {}

/// What is asked of a draw.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Those who have a part in what is judged: worker and planner; of a dispute also who disputes it, and whose passes it is about. Whoever is
    /// related to one of them does not sit.
    pub barred: &'a [Identity],
    /// The pool.
    pub snapshot: &'a Snapshot,
    /// Seats beyond K.
    pub spare: u32,
    /// K before the clamp.
    pub target: u32,
}

/// Who was drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committee {
    /// Equal votes that decide.
    pub k: u32,
    /// Rising.
    pub members: Vec<AgentId>,
}

/// The seed of a result's committee: nobody knows it before the commit is accepted and the reveals are made, and a
/// withheld reveal changes it once, in sight of all.
pub fn seed(commit: &Cid, reveals: &BTreeMap<AgentId, Digest>) -> Seed {
    let mut parts: Vec<&[u8]> = vec![&commit.0.0];
    for (agent, reveal) in reveals {
        parts.extend([&agent.0[..], &reveal.0[..]]);
    }
    Digest::of("swarm/committee", &parts)
}

/// Draws K + spare seats, fewer only where the pool has fewer who may sit.
///
/// # Errors
/// [`Unseatable`], naming the cap that keeps most of the others out.
pub fn draw(seed: &Seed, terms: Terms<'_>, params: &Params) -> Result<Committee, Unseatable> {
    let snapshot = terms.snapshot;
    let barred = if planted(Mutant::KinSeated) { &[] } else { terms.barred };
    let kin: Vec<bool> = snapshot.seats().iter().map(|s| barred.iter().any(|b| b.related(&s.identity))).collect();
    let strangers = kin.iter().filter(|k| !**k).count() as u32;
    let eligible = if snapshot.bootstrap() { snapshot.active() } else { strangers };
    if eligible == 0 {
        return Err(Unseatable::Nobody);
    }
    let k = quorum::k(terms.target, snapshot.active(), eligible, params);
    let size = k.saturating_add(terms.spare).min(eligible);
    let mut stream = Stream::new(seed);
    let mut why = Unseatable::Nobody;
    for _ in 0..ATTEMPTS {
        let mut benches = Benches::new(snapshot, size, params);
        benches.admit(|at| !kin[at]);
        let mut missing = benches.fill(size, &mut stream);
        if missing > 0 && snapshot.bootstrap() {
            benches.admit(|at| kin[at]);
            missing = benches.fill(missing, &mut stream);
        }
        if missing == 0 {
            let mut members: Vec<_> = benches.seated.iter().map(|at| snapshot.seats()[*at].identity.agent).collect();
            members.sort_unstable();
            return Ok(Committee { k, members });
        }
        why = benches.fullest(|at| !kin[at]);
    }
    Err(why)
}

/// Draws those who vote on the plans of a need in one epoch: K_plan, before the clamp, and a few more, under the same caps.
/// The seed is fixed by the need, the epoch and the pool.
///
/// # Errors
/// As [`draw`].
pub fn voters(
    need: &NeedId,
    epoch: Epoch,
    snapshot: &Snapshot,
    k_plan: u32,
    params: &Params,
) -> Result<Committee, Unseatable> {
    let pool = snapshot.reference().digest;
    let seed = Digest::of("swarm/voters", &[&need.0.0.0, &epoch.0.to_be_bytes(), &pool.0]);
    draw(&seed, Terms { barred: &[], snapshot, spare: params.voters_spare, target: k_plan }, params)
}

/// Whether `claimed` is what the draw gives: for anyone who was told of a committee, or of there being none.
pub fn recheck(seed: &Seed, terms: Terms<'_>, params: &Params, claimed: &Result<Committee, Unseatable>) -> bool {
    draw(seed, terms, params) == *claimed
}

/// Seats that one organisation, network or region may have of `size`: its share rounded down, never below one.
pub fn seats_max(size: u32, cap_bp: u32) -> u32 {
    u32::try_from(u64::from(size) * u64::from(cap_bp) / 10_000).expect("a share of 32 bits fits 32 bits").max(1)
}

type Attribute = fn(&Identity) -> &str;

/// The attributes that are capped, in the order in which they are named when several are to blame.
const CAPPED: [(Unseatable, Attribute); 3] =
    [(Unseatable::Org, |id| &id.org), (Unseatable::Asn, |id| &id.asn), (Unseatable::Region, |id| &id.region)];

/// A draw in progress: the weights that are still in it, and who sits.
struct Benches<'a> {
    caps: [u32; 3],
    seated: Vec<usize>,
    snapshot: &'a Snapshot,
    total: u64,
    weights: Vec<u64>,
}

impl<'a> Benches<'a> {
    fn new(snapshot: &'a Snapshot, size: u32, params: &Params) -> Self {
        let shares = [params.org_cap_bp, params.asn_cap_bp, params.region_cap_bp];
        // A young pool is excused.
        let excused = snapshot.bootstrap() || planted(Mutant::CapsIgnored);
        let caps = shares.map(|bp| if excused { u32::MAX } else { seats_max(size, bp) });
        Self { caps, seated: Vec::new(), snapshot, total: 0, weights: vec![0; snapshot.seats().len()] }
    }

    /// Puts the weights of those picked into the draw.
    fn admit(&mut self, pick: impl Fn(usize) -> bool) {
        for (at, seat) in self.snapshot.seats().iter().enumerate().filter(|(at, _)| pick(*at)) {
            self.weights[at] = seat.weight.0;
            self.total += seat.weight.0;
        }
    }

    /// Seats up to `count` by weight; how many could not be seated.
    fn fill(&mut self, count: u32, stream: &mut Stream) -> u32 {
        for seated in 0..count {
            if self.total == 0 {
                return count - seated;
            }
            let mut ticket = stream.below(self.total);
            let drawn = self.weights.iter().position(|weight| match ticket.checked_sub(*weight) {
                Some(left) => {
                    ticket = left;
                    false
                }
                None => true,
            });
            self.seat(drawn.expect("a ticket is below the total"));
        }
        0
    }

    fn seat(&mut self, drawn: usize) {
        self.seated.push(drawn);
        if !planted(Mutant::DrawnTwice) {
            self.leave(drawn);
        }
        for dimension in 0..CAPPED.len() {
            if self.is_full(dimension, drawn) {
                let group = self.attribute(dimension, drawn);
                for at in 0..self.weights.len() {
                    if self.weights[at] > 0 && self.attribute(dimension, at) == group {
                        self.leave(at);
                    }
                }
            }
        }
    }

    fn leave(&mut self, at: usize) {
        self.total -= core::mem::take(&mut self.weights[at]);
    }

    fn attribute(&self, dimension: usize, at: usize) -> &'a str {
        CAPPED[dimension].1(&self.snapshot.seats()[at].identity)
    }

    /// Whether the group of `at` has all the seats it may have.
    fn is_full(&self, dimension: usize, at: usize) -> bool {
        let group = self.attribute(dimension, at);
        let taken = self.seated.iter().filter(|s| self.attribute(dimension, **s) == group).count();
        taken as u64 >= u64::from(self.caps[dimension])
    }

    /// The cap that keeps the most of those who may sit from sitting; the first of equals.
    fn fullest(&self, may_sit: impl Fn(usize) -> bool) -> Unseatable {
        let standing = || (0..self.weights.len()).filter(|at| may_sit(*at) && !self.seated.contains(at));
        let kept_out = |dimension| standing().filter(|at| self.is_full(dimension, *at)).count();
        let worst = (0..CAPPED.len()).rev().max_by_key(|dimension| kept_out(*dimension)).expect("there are caps");
        CAPPED[worst].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Nonce;
    use crate::pool::tests::{GROWN, YOUNG, agent, make, member};
    use crate::pool::{Age, Member};
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::string::String;
    use proptest::prelude::*;

    /// A verifier with known attributes; 0 is unknown.
    fn known(n: u32, org: u32, asn: u32, region: u32) -> Member {
        let name = |what: char, n: u32| {
            if n == 0 { String::new() } else { format!("{what}{n}") }
        };
        let mut member = member(n, 1_000 + u64::from(n % 7) * 1_000);
        let id = alloc::sync::Arc::make_mut(&mut member.identity);
        (id.org, id.asn, id.region) = (name('o', org), name('a', asn), name('r', region));
        member
    }

    /// `n` members spread over ten organisations, six networks and four regions.
    fn spread(n: u32) -> Vec<Member> {
        (0..n).map(|n| known(n, n % 10 + 1, n % 6 + 1, n % 4 + 1)).collect()
    }

    fn pool_in(age: Age, members: Vec<Member>) -> Snapshot {
        Snapshot::make(1, members, age, &Params::default())
    }

    fn nth(n: u64) -> Seed {
        Digest::sha256(&n.to_be_bytes())
    }

    fn terms<'a>(snapshot: &'a Snapshot, barred: &'a [Identity]) -> Terms<'a> {
        Terms { barred, snapshot, spare: 2, target: 5 }
    }

    fn draw_of(n: u64, snapshot: &Snapshot) -> Result<Committee, Unseatable> {
        draw(&nth(n), terms(snapshot, &[]), &Params::default())
    }

    /// The rules, said again in other words.
    fn holds(committee: &Committee, snapshot: &Snapshot, barred: &[Identity], params: &Params) {
        let sitting: Vec<&Identity> =
            committee.members.iter().map(|a| &*snapshot.seat(a).expect("is of the pool").identity).collect();
        let distinct: BTreeSet<_> = committee.members.iter().collect();
        assert_eq!(distinct.len(), sitting.len(), "somebody sits twice");
        assert!(!sitting.iter().any(|s| barred.iter().any(|b| b.related(s))), "a relation sits");
        for (cap, of) in [(params.org_cap_bp, 0), (params.asn_cap_bp, 1), (params.region_cap_bp, 2)] {
            let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
            for id in &sitting {
                *groups.entry([&id.org, &id.asn, &id.region][of]).or_default() += 1;
            }
            for (group, seats) in groups {
                let bound = (sitting.len() * cap as usize / 10_000).max(1);
                assert!(seats <= bound, "{group:?} has {seats} of {}", sitting.len());
            }
        }
    }

    #[test]
    fn t26_a_draw_repeats_and_anyone_can_recheck_it() {
        let snapshot = make(spread(100));
        let params = Params::default();
        let claimed = draw_of(1, &snapshot);
        assert_eq!(claimed.as_ref().map(|c| (c.k, c.members.len())), Ok((5, 7)));
        assert!(recheck(&nth(1), terms(&snapshot, &[]), &params, &claimed));
        // Another seed, another order, another pool, another claim.
        assert!(!recheck(&nth(2), terms(&snapshot, &[]), &params, &claimed));
        let mut forged = claimed.clone().unwrap();
        forged.members.swap(0, 1);
        assert!(!recheck(&nth(1), terms(&snapshot, &[]), &params, &Ok(forged)));
        assert!(!recheck(&nth(1), terms(&make(spread(99)), &[]), &params, &claimed));
        assert!(!recheck(&nth(1), terms(&snapshot, &[]), &params, &Err(Unseatable::Org)));
    }

    #[test]
    fn t68_every_commit_and_every_reveal_counts_for_the_seed() {
        let reveals =
            |n: &[u32]| -> BTreeMap<AgentId, Digest> { n.iter().map(|n| (agent(*n), nth(u64::from(*n)))).collect() };
        let (a, b) = (Cid::of(b"a"), Cid::of(b"b"));
        let seeds = [
            seed(&a, &reveals(&[1, 2])),
            seed(&a, &reveals(&[1])),
            seed(&a, &reveals(&[])),
            seed(&b, &reveals(&[1, 2])),
        ];
        assert_eq!(seeds.iter().collect::<BTreeSet<_>>().len(), 4);
    }

    #[test]
    fn t25_caps_that_cannot_be_met_are_named() {
        let check = |members: Vec<Member>, expect| {
            let snapshot = make(members);
            for n in 0..20 {
                assert_eq!(draw_of(n, &snapshot).map(|_| ()), expect);
            }
        };
        check(spread(100), Ok(()));
        check((0..100).map(|n| known(n, n % 3 + 1, n % 9 + 1, n % 5 + 1)).collect(), Err(Unseatable::Org));
        check((0..100).map(|n| known(n, n % 9 + 1, n % 3 + 1, n % 5 + 1)).collect(), Err(Unseatable::Asn));
        check((0..100).map(|n| known(n, n % 9 + 1, n % 7 + 1, n % 2 + 1)).collect(), Err(Unseatable::Region));
        // Those who tell nothing count as one organisation.
        check((0..100).map(|n| known(n, 0, n % 7 + 1, n % 5 + 1)).collect(), Err(Unseatable::Org));
        check((0..100).map(|n| known(n, 0, 0, 0)).collect(), Err(Unseatable::Org));
        check(vec![], Err(Unseatable::Nobody));
        // One seat is never refused for diversity.
        check(vec![known(1, 0, 0, 0)], Ok(()));
    }

    #[test]
    fn t25_bootstrap_relaxes_diversity_and_prefers_strangers() {
        let params = Params::default();
        let alike: Vec<Member> = (0..4).map(|n| known(n, 0, 0, 0)).collect();
        let young = pool_in(YOUNG, alike.clone());
        let worker = [young.seats()[0].identity.as_ref().clone()];
        for n in 0..50 {
            let committee = draw(&nth(n), terms(&young, &worker), &params).unwrap();
            // K is 1 of 4; the three seats hold the three strangers.
            assert_eq!((committee.k, committee.members.len()), (1, 3));
            assert!(!committee.members.contains(&worker[0].agent));
        }
        let alone = pool_in(YOUNG, alike[..1].to_vec());
        assert_eq!(draw(&nth(1), terms(&alone, &worker), &params).unwrap().members, [worker[0].agent]);
        let grown = pool_in(GROWN, alike[..1].to_vec());
        assert_eq!(draw(&nth(1), terms(&grown, &worker), &params), Err(Unseatable::Nobody));
    }

    #[test]
    fn relations_of_worker_and_planner_do_not_sit() {
        let snapshot = make(spread(200));
        let outsider = Identity { agent: agent(9_999), org: "o3".into(), ..Identity::default() };
        let barred = [snapshot.seats()[0].identity.as_ref().clone(), outsider];
        for n in 0..200 {
            let committee = draw(&nth(n), terms(&snapshot, &barred), &Params::default()).unwrap();
            assert_eq!(committee.members.len(), 7);
            holds(&committee, &snapshot, &barred, &Params::default());
        }
    }

    #[test]
    fn t44_ten_times_the_stake_gets_less_than_four_times_the_seats() {
        let mut members: Vec<Member> =
            (0..100).map(|n| Member { own: crate::id::Credits(1_000), ..known(n, n + 1, n + 1, n + 1) }).collect();
        members[0].own = crate::id::Credits(10_000);
        let snapshot = make(members);
        let mut seats = [0_u32; 2];
        for n in 0..4_000 {
            let committee = draw_of(n, &snapshot).unwrap();
            seats[0] += u32::from(committee.members.contains(&agent(0)));
            // The mean of the others is less noisy than one of them.
            seats[1] += committee.members.iter().filter(|m| **m != agent(0)).count() as u32;
        }
        let (rich, other) = (seats[0] * 99, seats[1]);
        assert!(rich > 2 * other && rich < 4 * other, "{rich} against {other}");
    }

    #[test]
    fn t44_keys_that_nobody_can_link_share_one_cap() {
        // Half the pool is one owner's keys, which tell nothing of themselves.
        let members =
            (0..100).map(|n| if n % 2 == 0 { known(n, 0, 0, 0) } else { known(n, n % 20 + 1, n % 14 + 1, n % 8 + 1) });
        let snapshot = make(members);
        for n in 0..500 {
            let Ok(committee) = draw_of(n, &snapshot) else { panic!("there are enough others") };
            let keys = committee.members.iter().filter(|m| snapshot.seat(m).unwrap().identity.org.is_empty()).count();
            assert!(keys <= 2, "{keys} of 7");
        }
    }

    #[test]
    fn voters_are_fixed_by_need_epoch_and_pool() {
        let snapshot = make(spread(100));
        let params = Params::default();
        let drawn = |n, epoch, snapshot: &Snapshot| {
            let need = NeedId::of(&agent(0), Nonce(n));
            voters(&need, Epoch(epoch), snapshot, 3, &params).unwrap()
        };
        let there = drawn(1, 1, &snapshot);
        assert_eq!((there.k, there.members.len()), (3, 8));
        holds(&there, &snapshot, &[], &params);
        assert_eq!(there, drawn(1, 1, &snapshot));
        assert_ne!(there, drawn(2, 1, &snapshot));
        assert_ne!(there, drawn(1, 2, &snapshot));
        assert_ne!(there, drawn(1, 1, &make(spread(101))));
    }

    proptest! {
        /// T25 for any pool.
        #[test]
        fn t25_every_committee_keeps_every_rule(
            places in prop::collection::vec((0..12_u32, 0..8_u32, 0..6_u32), 1..60),
            target in 1..9_u32, spare in 0..4_u32, seeded: u64, young: bool, worker in 0..60_u32,
        ) {
            let params = Params::default();
            let members: Vec<Member> = (0..).zip(&places).map(|(n, (o, a, r))| known(n, *o, *a, *r)).collect();
            let snapshot = pool_in(if young { YOUNG } else { GROWN }, members);
            let barred: Vec<Identity> = snapshot.seat(&agent(worker)).map(|s| s.identity.as_ref().clone()).into_iter().collect();
            let terms = Terms { barred: &barred, snapshot: &snapshot, spare, target };
            match draw(&nth(seeded), terms, &params) {
                Ok(committee) => {
                    let lax = Params { org_cap_bp: 10_000, asn_cap_bp: 10_000, region_cap_bp: 10_000, ..Params::default() };
                    let strangers = snapshot.seats().iter().filter(|s| !barred.iter().any(|b| b.related(&s.identity))).count();
                    let size = committee.members.len();
                    prop_assert!(committee.k as usize <= size && size <= (committee.k + spare) as usize);
                    if young && size > strangers {
                        holds(&committee, &snapshot, &[], &lax);
                    } else {
                        holds(&committee, &snapshot, &barred, if young { &lax } else { &params });
                    }
                }
                Err(why) => {
                    prop_assert!(!young, "a young pool is excused from the caps");
                    prop_assert!(why != Unseatable::Nobody || snapshot.seats().iter().all(|s| s.identity.related(&barred[0])));
                }
            }
        }
    }
}
