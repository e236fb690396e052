//! Which bid wins a task (PROTOCOL 7).
//!
//! The score rests on registered data only, never on what a bid says of its bidder, and the order of bids is total, so
//! that every replica keeps the same one (T21). Windows and their ends belong to the need's slot.

use alloc::string::String;
use core::cmp::Reverse;

use crate::config::Params;
use crate::id::{Cid, Credits, Lamport};
use crate::reject::Reject;

/// What each part of a score weighs, in basis points; together a whole.
const PRICE_BP: u64 = 4_000;
const SPEED_BP: u64 = 3_000;
const REPUTATION_BP: u64 = 1_500;
const FIT_BP: u64 = 1_000;
const HETEROGENEITY_BP: u64 = 500;

/// A whole, in basis points.
const WHOLE: u64 = 10_000;

/// What a bid (or a proposal, for the whole plan) is scored by: what it asks, what it may ask, and what is registered of
/// who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The price asked.
    pub cost: Credits,
    /// The highest that may be asked.
    pub cap: Credits,
    /// The time asked, in milliseconds.
    pub eta_ms: u32,
    /// The longest that may be asked.
    pub deadline_ms: u32,
    /// Registered reputation, in basis points.
    pub reputation_bp: u32,
    /// How well the registered capabilities fit, in basis points.
    pub fit_bp: u32,
    /// By [`fresh_org`].
    pub fresh_org: bool,
}

/// Whether the registered `org` is known and none of the need's recent `winners`. Unknown is not new each time: else
/// hiding would pay.
pub fn fresh_org<'a>(org: &str, winners: impl IntoIterator<Item = &'a String>) -> bool {
    !org.is_empty() && !winners.into_iter().any(|w| w == org)
}

/// The score in basis points, each part rounded down.
///
/// # Errors
/// [`Reject::OutOfBounds`]: a cost below 1 or above the cap, an eta above the deadline.
pub fn score(terms: &Terms) -> Result<u32, Reject> {
    let Terms {
        cost,
        cap,
        eta_ms,
        deadline_ms,
        reputation_bp,
        fit_bp,
        fresh_org,
    } = *terms;
    if cost.0 == 0 || cost > cap || eta_ms > deadline_ms {
        return Err(Reject::OutOfBounds);
    }
    let saved = |part_bp: u64, used: u64, most: u64| {
        let left = u128::from(part_bp) * u128::from(most - used);
        u64::try_from(left / u128::from(most.max(1))).expect("a part of a part fits")
    };
    let share = |part_bp: u64, bp: u32| part_bp * u64::from(bp).min(WHOLE) / WHOLE;
    let sum = saved(PRICE_BP, cost.0, cap.0)
        + saved(SPEED_BP, eta_ms.into(), deadline_ms.into())
        + share(REPUTATION_BP, reputation_bp)
        + share(FIT_BP, fit_bp)
        + if fresh_org { HETEROGENEITY_BP } else { 0 };
    Ok(u32::try_from(sum).expect("a score is at most a whole"))
}

/// What orders bids: score, Lamport value and id of the CLAIM.
pub type Rank = (u32, Lamport, Cid);

/// Whether `a` wins over `b`: the higher score, then the lower Lamport value, then the lower id (PROTOCOL 5: tie-breaks).
pub fn better(a: Rank, b: Rank) -> bool {
    let key = |(score, lamport, id): Rank| (Reverse(score), lamport, id);
    key(a) < key(b)
}

/// Whether a worker that placed `rounds` bids in this window, the last at `last`, may place one more at `cost`. It must
/// undercut its own last price by the least improvement, or two workers could outbid each other by a credit for as long
/// as the rounds last.
///
/// # Errors
/// [`Reject::Duplicate`] (no rounds left), [`Reject::NotBetter`].
pub fn another_round(
    rounds: u32,
    last: Credits,
    cost: Credits,
    params: &Params,
) -> Result<(), Reject> {
    if rounds >= params.bid_rounds_max {
        return Err(Reject::Duplicate);
    }
    let kept_bp = WHOLE - u64::from(params.bid_improvement_bp).min(WHOLE);
    let improves =
        u128::from(cost.0) * u128::from(WHOLE) <= u128::from(last.0) * u128::from(kept_bp);
    if improves {
        Ok(())
    } else {
        Err(Reject::NotBetter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Asks all it may and has nothing to show.
    const WORST: Terms = Terms {
        cost: Credits(100),
        cap: Credits(100),
        eta_ms: 1_000,
        deadline_ms: 1_000,
        reputation_bp: 0,
        fit_bp: 0,
        fresh_org: false,
    };

    #[test]
    fn a_score_is_the_sum_of_its_parts() {
        let check = |terms: Terms, expect| assert_eq!(score(&terms), Ok(expect), "{terms:?}");
        check(WORST, 0);
        check(
            Terms {
                cost: Credits(50),
                ..WORST
            },
            2_000,
        );
        check(
            Terms {
                cost: Credits(1),
                ..WORST
            },
            3_960,
        );
        check(
            Terms {
                eta_ms: 500,
                ..WORST
            },
            1_500,
        );
        check(Terms { eta_ms: 0, ..WORST }, 3_000);
        check(
            Terms {
                reputation_bp: 10_000,
                ..WORST
            },
            1_500,
        );
        check(
            Terms {
                reputation_bp: 5_000,
                ..WORST
            },
            750,
        );
        check(
            Terms {
                fit_bp: 10_000,
                ..WORST
            },
            1_000,
        );
        check(
            Terms {
                fresh_org: true,
                ..WORST
            },
            500,
        );
        check(
            Terms {
                cost: Credits(67),
                eta_ms: 333,
                fit_bp: 3_333,
                ..WORST
            },
            1_320 + 2_001 + 333,
        );
        // The ends of the integers, and a need without time.
        check(
            Terms {
                cost: Credits(1),
                cap: Credits(u64::MAX),
                eta_ms: 0,
                deadline_ms: 0,
                ..WORST
            },
            3_999,
        );
    }

    #[test]
    fn t21_a_cost_below_one_or_above_the_cap_is_refused() {
        let check = |cost, eta_ms, ok: bool| {
            let answer = score(&Terms {
                cost: Credits(cost),
                eta_ms,
                ..WORST
            });
            assert_eq!(
                answer.err(),
                (!ok).then_some(Reject::OutOfBounds),
                "{cost} {eta_ms}"
            );
        };
        check(0, 10, false);
        check(1, 10, true);
        check(100, 1_000, true);
        check(101, 10, false);
        check(u64::MAX, 10, false);
        check(10, 1_001, false);
    }

    #[test]
    fn t21_only_a_known_and_new_organisation_is_fresh() {
        let winners = [String::from("x")];
        assert!(fresh_org("y", &winners));
        assert!(!fresh_org("x", &winners));
        assert!(!fresh_org("", &winners) && !fresh_org("", &[]));
    }

    #[test]
    fn t21_rounds_are_few_and_each_improves() {
        let check = |rounds, last, cost, expect| {
            let answer = another_round(rounds, Credits(last), Credits(cost), &Params::default());
            assert_eq!(answer.err(), expect, "{rounds} {last} {cost}");
        };
        check(1, 100, 98, None);
        check(2, 100, 1, None);
        check(1, 100, 99, Some(Reject::NotBetter));
        check(1, 10, 10, Some(Reject::NotBetter));
        check(1, 1, 1, Some(Reject::NotBetter));
        check(3, 100, 1, Some(Reject::Duplicate));
        check(1, u64::MAX, u64::MAX, Some(Reject::NotBetter));
    }

    #[test]
    fn ties_go_to_the_earlier_and_then_to_the_lower_id() {
        let (low, high) = (
            Cid(crate::id::Digest([1; 32])),
            Cid(crate::id::Digest([2; 32])),
        );
        assert!(better((2, Lamport(9), high), (1, Lamport(1), low)));
        assert!(better((1, Lamport(1), high), (1, Lamport(2), low)));
        assert!(better((1, Lamport(1), low), (1, Lamport(1), high)));
        assert!(!better((1, Lamport(1), low), (1, Lamport(1), low)));
    }

    proptest! {
        #[test]
        fn better_is_a_total_order(ranks in prop::collection::vec((0..4_u32, 0..3_u64, 0..4_u8), 3)) {
            let ranks: Vec<Rank> = ranks.into_iter().map(|(s, l, id)| (s, Lamport(l), Cid::of(&[id]))).collect();
            for a in &ranks {
                for b in &ranks {
                    prop_assert_eq!(u8::from(better(*a, *b)) + u8::from(better(*b, *a)), u8::from(a != b));
                    for c in &ranks {
                        prop_assert!(!(better(*a, *b) && better(*b, *c)) || better(*a, *c));
                    }
                }
            }
        }

        #[test]
        fn a_score_never_exceeds_a_whole(cost: u64, cap: u64, eta_ms: u32, deadline_ms: u32, bp: u32) {
            let (cost, cap) = (Credits(cost.min(cap)), Credits(cap));
            let terms = Terms { cost, cap, eta_ms, deadline_ms, reputation_bp: bp, fit_bp: bp, fresh_org: true };
            prop_assert!(score(&terms).unwrap_or(0) <= 10_000);
        }
    }
}
