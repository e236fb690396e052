//! The weight of a member: the square root of its stake, its reputation, how lately it served, and the cap on what any
//! one entity may weigh (PROTOCOL 6). All in integers.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Member, Seat, Weight};
use crate::config::Params;
use crate::id::{AgentId, Credits};
use crate::ledger::split;

/// What a newcomer's reputation is, in basis points.
pub const REPUTATION_START: u32 = 5_000;

/// A whole, in basis points.
const WHOLE: u32 = 10_000;

/// Reputation after a settled success: a twentieth of the way to the top.
pub fn succeeded(reputation_bp: u32) -> u32 {
    reputation_bp + WHOLE.saturating_sub(reputation_bp) / 20
}

/// Reputation after an expired lease: 5 % less.
pub fn lease_expired(reputation_bp: u32) -> u32 {
    (u64::from(reputation_bp) * 95 / 100) as u32
}

/// Reputation after a challenge that was upheld against its work or its verdict: half.
pub fn disproved(reputation_bp: u32) -> u32 {
    reputation_bp / 2
}

/// What is left of a weight after `idle_snapshots` without a counted verdict: 1 % less each, never below a quarter.
pub fn recency_bp(idle_snapshots: u32) -> u32 {
    WHOLE.saturating_sub(idle_snapshots.saturating_mul(100)).max(2_500)
}

/// How much of what `backers` lend counts for a member with `own` stake: the largest loans, at most `delegators_max` of
/// them, together at most `delegated_times_max` times its own. The largest, because if the first counted, ten loans of
/// one credit would shut out all others.
pub fn counted(own: Credits, backers: impl IntoIterator<Item = (AgentId, Credits)>, params: &Params) -> Credits {
    let mut loans: Vec<u64> = backers.into_iter().map(|(_, amount)| amount.0).collect();
    loans.sort_unstable_by(|a, b| b.cmp(a));
    let sum = loans.iter().take(params.delegators_max as usize).fold(0_u64, |sum, loan| sum.saturating_add(*loan));
    Credits(sum.min(own.0.saturating_mul(u64::from(params.delegated_times_max))))
}

/// The weight of `member` before the cap per entity: isqrt(own + counted delegated stake) x reputation x recency, in
/// steps of a ten-thousandth.
pub fn weight(member: &Member, params: &Params) -> Weight {
    let lent = member.delegated.0.min(member.own.0.saturating_mul(u64::from(params.delegated_times_max)));
    let root = member.own.0.saturating_add(lent).isqrt();
    let reputation = u64::from(member.reputation_bp.min(WHOLE));
    Weight(root * reputation * u64::from(recency_bp(member.idle_snapshots)) / u64::from(WHOLE))
}

/// Lowers weights so that no entity has more than `cap_bp` of the total that remains. An entity is a known organisation,
/// or an agent that names none.
///
/// The heaviest k entities are lowered to one level L = cap x (k L + rest), for the least k at which L is not below the
/// heaviest of the rest; that is the only level at which the cap holds of the total *after* capping. With so few entities
/// that even equal shares exceed the cap, equal shares are the best there is: all are lowered to the least.
/// Within an entity its level is shared in proportion.
pub(super) fn cap_entities(seats: &mut [Seat], cap_bp: u32) {
    let mut entities: BTreeMap<(&str, AgentId), Vec<usize>> = BTreeMap::new();
    for (at, seat) in seats.iter().enumerate().filter(|(_, s)| s.weight.0 > 0) {
        let org = seat.identity.org.as_str();
        let agent = if org.is_empty() { seat.identity.agent } else { AgentId::default() };
        entities.entry((org, agent)).or_default().push(at);
    }
    let entities: Vec<(u128, Vec<usize>)> =
        entities.into_values().map(|at| (at.iter().map(|i| u128::from(seats[*i].weight.0)).sum(), at)).collect();
    let Some(level) = level(entities.iter().map(|(sum, _)| *sum).collect(), cap_bp) else {
        return;
    };
    for (_, members) in entities.iter().filter(|(sum, _)| *sum > level) {
        let weights: Vec<u64> = members.iter().map(|i| seats[*i].weight.0).collect();
        // A level below a sum of weights that someone has in full fits 64 bits: the lowest uncapped one does.
        let level = Credits(u64::try_from(level).expect("a level is a fraction of weights that fit"));
        for (at, part) in members.iter().zip(split(level, &weights)) {
            seats[*at].weight = Weight(part.0);
        }
    }
}

/// The level to which entities of these weights are lowered; `None` if there are none.
fn level(mut sums: Vec<u128>, cap_bp: u32) -> Option<u128> {
    sums.sort_unstable_by(|a, b| b.cmp(a));
    let (count, whole) = (sums.len() as u128, u128::from(WHOLE));
    let cap = u128::from(cap_bp).max(whole.div_ceil(count.max(1)));
    let mut rest: u128 = sums.iter().sum();
    for (lowered, heaviest) in (0_u128..).zip(&sums) {
        let level = cap * rest / (whole - cap * lowered);
        if *heaviest <= level {
            return Some(level);
        }
        rest -= heaviest;
    }
    assert!(sums.is_empty(), "the last entity is never above what the cap leaves it");
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{agent, make, member};
    use super::*;
    use alloc::format;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn reputation_and_recency_move_as_written() {
        assert_eq!(succeeded(5_000), 5_250);
        assert_eq!(succeeded(10_000), 10_000);
        assert_eq!(lease_expired(5_000), 4_750);
        assert_eq!(lease_expired(0), 0);
        let rose = (0..200).fold(REPUTATION_START, |r, _| succeeded(r));
        assert!((9_900..=10_000).contains(&rose));
        assert_eq!([0, 1, 74, 75, 76, u32::MAX].map(recency_bp), [10_000, 9_900, 2_600, 2_500, 2_500, 2_500]);
    }

    #[test]
    fn lent_stake_counts_up_to_its_bounds() {
        let params = Params::default();
        let loans = |amounts: &[u64]| -> Vec<(AgentId, Credits)> {
            amounts.iter().zip(0..).map(|(a, n)| (agent(n), Credits(*a))).collect()
        };
        let check = |own, amounts: &[u64], expect| {
            assert_eq!(counted(Credits(own), loans(amounts), &params), Credits(expect), "{own} {amounts:?}");
        };
        check(1_000, &[], 0);
        check(1_000, &[500, 700], 1_200);
        check(1_000, &[9_000], 4_000); // Four times its own.
        check(1_000, &[1; 12], 10); // Ten lenders.
        check(1_000, &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 900], 909); // The largest, not the first.
        check(u64::MAX, &[u64::MAX, u64::MAX], u64::MAX);
        check(0, &[1_000], 0);
    }

    #[test]
    fn t44_ten_times_the_stake_gives_less_than_four_times_the_weight() {
        let params = Params::default();
        for own in [1_000, 1_023, 1_024, 5_000, 99_999, 1_000_000_000_000] {
            let [one, ten] = [own, own * 10].map(|own| weight(&member(0, own), &params).0);
            assert!(ten < 4 * one, "{own}: {one} and {ten}");
        }
        // Lent stake is under the same root.
        let backed = Member { delegated: Credits(1_000_000), ..member(0, 1_000) };
        assert!(weight(&backed, &params).0 < 3 * weight(&member(0, 1_000), &params).0);
    }

    #[test]
    fn t44_no_entity_weighs_more_than_its_cap() {
        let org = |n, own, org: &str| {
            let mut member = member(n, own);
            alloc::sync::Arc::make_mut(&mut member.identity).org = org.into();
            member
        };
        // One whale among a hundred; one organisation of thirty keys; and both.
        let small = || (0..100).map(|n| member(n, 1_000));
        let whale = || member(500, 1_000_000_000);
        let clan = || (600..630).map(|n| org(n, 1_000 + u64::from(n), "clan"));
        for pool in [
            small().chain([whale()]).collect(),
            small().chain(clan()).collect(),
            small().chain([whale()]).chain(clan()).collect::<Vec<_>>(),
        ] {
            let snapshot = make(pool);
            let total: u64 = snapshot.seats().iter().map(|s| s.weight.0).sum();
            let of = |pick: &dyn Fn(&Seat) -> bool| -> u64 {
                snapshot.seats().iter().filter(|s| pick(s)).map(|s| s.weight.0).sum()
            };
            for share in [of(&|s| s.identity.agent == agent(500)), of(&|s| s.identity.org == "clan")] {
                assert!(share == 0 || (share * 10 <= total && share * 101 / 10 >= total), "{share} of {total}");
            }
            assert_eq!(snapshot.seat(&agent(3)).unwrap().weight, weight(&member(3, 1_000), &Params::default()));
        }
    }

    #[test]
    fn t44_what_splitting_gains_is_its_square_root() {
        let params = Params::default();
        let whole = weight(&member(0, 16_000), &params).0;
        let split = 16 * weight(&member(0, 1_000), &params).0;
        assert!(split > 3 * whole && split <= 4 * whole);
        // And no further: below the least stake there is no seat.
        assert_eq!(make((0..17).map(|n| member(n, 16_000 / 17))).active(), 0);
    }

    #[test]
    fn too_few_for_the_cap_weigh_the_same() {
        let weights = |pool: Vec<Member>| make(pool).seats().iter().map(|s| s.weight.0).collect::<Vec<_>>();
        let least = weight(&member(0, 1_000), &Params::default()).0;
        assert_eq!(weights(vec![member(0, 1_000)]), [least]);
        assert_eq!(weights(vec![member(0, 1_000), member(1, 1_000_000)]), [least, least]);
        assert_eq!(weights(vec![]), [0_u64; 0]);
    }

    proptest! {
        /// The cap holds of what remains, nobody rises, and nobody light is touched.
        #[test]
        fn t44_the_cap_holds_for_any_pool(
            stakes in prop::collection::vec((1_000..1_000_000_000_u64, 0..10_001_u32, 0..90_u32, 0..20_u32), 0..60),
            cap_bp in 1..10_001_u32,
        ) {
            let params = Params { entity_cap_bp: cap_bp, ..Params::default() };
            let pool: Vec<Member> = (0..).zip(&stakes).map(|(n, (own, reputation, idle, org))| {
                let mut member = Member { reputation_bp: *reputation, idle_snapshots: *idle, ..member(n, *own) };
                alloc::sync::Arc::make_mut(&mut member.identity).org = if *org < 10 { alloc::string::String::new() } else { format!("o{org}") };
                member
            }).collect();
            let snapshot = super::super::Snapshot::make(1, pool.clone(), super::super::tests::GROWN, &params);
            let total: u128 = snapshot.seats().iter().map(|s| u128::from(s.weight.0)).sum();
            let mut entities: BTreeMap<alloc::string::String, u128> = BTreeMap::new();
            let mut wished: BTreeMap<alloc::string::String, u128> = BTreeMap::new();
            for m in pool.iter().filter(|m| weight(m, &params).0 > 0) {
                let id = &m.identity;
                let name = if id.org.is_empty() { format!("{}", id.agent) } else { id.org.clone() };
                let (had, has) = (weight(m, &params), snapshot.seat(&id.agent).map_or(Weight(0), |s| s.weight));
                prop_assert!(has <= had);
                *entities.entry(name.clone()).or_default() += u128::from(has.0);
                *wished.entry(name).or_default() += u128::from(had.0);
            }
            let count = entities.len() as u128;
            let cap = u128::from(cap_bp).max(10_000_u128.div_ceil(count.max(1)));
            for share in entities.values() {
                prop_assert!(share * 10_000 <= cap * total, "{} of {}", share, total);
            }
            // Whoever was lowered stands at the cap, give or take rounding.
            for (name, had) in &wished {
                let has = entities[name];
                prop_assert!(has == *had || (has + 1) * 10_000 + count * 10_000 >= cap * total, "{} lowered to {} of {}", had, has, total);
            }
        }
    }
}
