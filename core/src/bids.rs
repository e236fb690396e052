//! Which bid wins a task (PROTOCOL 7).
//!
//! The score rests on registered data only, never on what a bid says of its bidder; the order of bids is total, so that
//! every replica keeps the same one; and a late bid can move the end of a window only so often (T21).

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::cmp::Reverse;
use serde::{Deserialize, Serialize};

use crate::config::Params;
use crate::id::{AgentId, Cid, Credits, Lamport};
use crate::mutant::{Mutant, planted};
use crate::reject::Reject;

/// What each part of a score weighs, in basis points; together a whole.
const PRICE_BP: u64 = 4_000;
const SPEED_BP: u64 = 3_000;
const REPUTATION_BP: u64 = 1_500;
const FIT_BP: u64 = 1_000;
const HETEROGENEITY_BP: u64 = 500;

/// A whole, in basis points.
const WHOLE: u64 = 10_000;

/// What the task admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The highest cost.
    pub cost_cap: Credits,
    /// The longest eta, in milliseconds.
    pub deadline_ms: u32,
}

/// What the register knows of a bidder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How well its registered capabilities fit the task, in basis points.
    pub fit_bp: u32,
    /// Its organisation is known and not among the need's recent winners ([`fresh_org`]).
    pub fresh_org: bool,
    /// Its reputation, in basis points.
    pub reputation_bp: u32,
}

/// One of whom nothing speaks.
const NOBODY: Standing = Standing { fit_bp: 0, fresh_org: false, reputation_bp: 0 };

/// Whether `org` is known and none of `winners`. Whoever names none is not thereby new each time.
pub fn fresh_org(org: &str, winners: &[String]) -> bool {
    !org.is_empty() && !winners.iter().any(|w| w == org)
}

/// The score of a bid of `cost` and `eta_ms`, in basis points, each part rounded down.
///
/// # Errors
/// [`Reject::OutOfBounds`]: a cost below 1 or above the cap, an eta above the deadline.
pub fn score(cost: Credits, eta_ms: u32, bounds: Bounds, standing: Standing) -> Result<u32, Reject> {
    let Bounds { cost_cap, deadline_ms } = bounds;
    if cost.0 == 0 || cost > cost_cap || eta_ms > deadline_ms {
        return Err(Reject::OutOfBounds);
    }
    let saved = |part_bp: u64, used: u64, most: u64| {
        let left = u128::from(part_bp) * u128::from(most - used);
        u64::try_from(left / u128::from(most.max(1))).expect("a part of a part fits")
    };
    let share = |part_bp: u64, bp: u32| part_bp * u64::from(bp).min(WHOLE) / WHOLE;
    let sum = saved(PRICE_BP, cost.0, cost_cap.0)
        + saved(SPEED_BP, eta_ms.into(), deadline_ms.into())
        + share(REPUTATION_BP, standing.reputation_bp)
        + share(FIT_BP, standing.fit_bp)
        + if standing.fresh_org { HETEROGENEITY_BP } else { 0 };
    Ok(u32::try_from(sum).expect("a score is at most a whole"))
}

/// What of a kept bid's score neither its price nor its speed gave: what the register thinks of the bidder.
pub fn given(bid: &Bid, bounds: Bounds) -> u32 {
    bid.score.saturating_sub(score(bid.cost, bid.eta_ms, bounds, NOBODY).unwrap_or_default())
}

/// The score that a bid of `cost` and `eta_ms` would have, if the bidder is given so much ([`given`]).
///
/// # Errors
/// As [`score`].
pub fn expected(cost: Credits, eta_ms: u32, bounds: Bounds, given: u32) -> Result<u32, Reject> {
    Ok(score(cost, eta_ms, bounds, NOBODY)? + given)
}

/// A bid with the score it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bid {
    /// Who bids.
    pub agent: AgentId,
    /// The price asked.
    pub cost: Credits,
    /// The time asked, in milliseconds.
    pub eta_ms: u32,
    /// The CLAIM's id.
    pub id: Cid,
    /// The CLAIM's Lamport value.
    pub lamport: Lamport,
    /// By [`score`].
    pub score: u32,
}

/// Whether `a` wins over `b`: the higher score, then the lower Lamport value, then the lower id (PROTOCOL 5: tie-breaks).
pub fn better(a: &Bid, b: &Bid) -> bool {
    let rank = |bid: &Bid| (Reverse(bid.score), bid.lamport, bid.id);
    if planted(Mutant::WorseBidWins) { rank(a) > rank(b) } else { rank(a) < rank(b) }
}

/// One task's bid window: the best bid, and how often each worker has placed one. How long the window is, and how often a
/// late bid prolongs it, is the stopwatches' affair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Window {
    kept: Option<Bid>,
    rounds: BTreeMap<AgentId, u32>,
}

impl Window {
    /// Whether `bid` would be kept.
    ///
    /// A worker's first bid only has to be better. Each further one must also undercut the kept price by the least
    /// improvement, or two workers could outbid each other by a credit for as long as they like.
    ///
    /// # Errors
    /// [`Reject::Duplicate`] (no rounds left), [`Reject::NotBetter`].
    pub fn admits(&self, bid: &Bid, params: &Params) -> Result<(), Reject> {
        let rounds = self.rounds.get(&bid.agent).copied().unwrap_or(0);
        if rounds >= params.bid_rounds_max {
            return Err(Reject::Duplicate);
        }
        if let Some(kept) = &self.kept {
            let most = u128::from(kept.cost.0) * u128::from(WHOLE - u64::from(params.bid_improvement_bp).min(WHOLE));
            let improves = u128::from(bid.cost.0) * u128::from(WHOLE) <= most;
            if !better(bid, kept) || (rounds > 0 && !improves) {
                return Err(Reject::NotBetter);
            }
        }
        Ok(())
    }

    /// Keeps a bid that was admitted.
    pub fn keep(&mut self, bid: Bid) {
        *self.rounds.entry(bid.agent).or_default() += 1;
        self.kept = Some(bid);
    }

    /// The best bid so far: the only one that may be granted.
    pub fn kept(&self) -> Option<&Bid> {
        self.kept.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { cost_cap: Credits(100), deadline_ms: 1_000 };
    const STAR: Standing = Standing { fit_bp: 10_000, fresh_org: true, reputation_bp: 10_000 };

    proptest! {
        /// A bidder that knows one score of its own knows them all.
        #[test]
        fn what_is_given_once_is_given_again(
            costs: [u8; 2], etas: [u16; 2], fit_bp in 0_u32..=10_000, fresh_org: bool,
            reputation_bp in 0_u32..=10_000,
        ) {
            let standing = Standing { fit_bp, fresh_org, reputation_bp };
            let costs = costs.map(|cost| u64::from(cost) % 100 + 1);
            let etas = etas.map(|eta| u32::from(eta) % 1_001);
            let scores = [0, 1].map(|at| score(Credits(costs[at]), etas[at], BOUNDS, standing).unwrap());
            let kept = Bid {
                agent: AgentId([1; 32]),
                cost: Credits(costs[0]),
                eta_ms: etas[0],
                id: Cid::of(b""),
                lamport: Lamport(1),
                score: scores[0],
            };
            prop_assert_eq!(expected(Credits(costs[1]), etas[1], BOUNDS, given(&kept, BOUNDS)), Ok(scores[1]));
        }
    }

    #[test]
    fn a_score_is_the_sum_of_its_parts() {
        let check = |cost, eta, standing, expect| assert_eq!(score(Credits(cost), eta, BOUNDS, standing), Ok(expect));
        check(100, 1_000, NOBODY, 0);
        check(50, 1_000, NOBODY, 2_000);
        check(100, 500, NOBODY, 1_500);
        check(1, 0, NOBODY, 3_960 + 3_000);
        check(100, 1_000, STAR, 1_500 + 1_000 + 500);
        check(100, 1_000, Standing { reputation_bp: 5_000, ..NOBODY }, 750);
        check(67, 333, Standing { fit_bp: 3_333, ..NOBODY }, 1_320 + 2_001 + 333);
        let free = Bounds { cost_cap: Credits(u64::MAX), deadline_ms: 0 };
        assert_eq!(score(Credits(1), 0, free, STAR), Ok(3_999 + 3_000));
    }

    #[test]
    fn t21_a_cost_below_one_or_above_the_cap_is_refused() {
        let check = |cost, eta, ok: bool| {
            let expect = if ok { None } else { Some(Reject::OutOfBounds) };
            assert_eq!(score(Credits(cost), eta, BOUNDS, STAR).err(), expect, "{cost} {eta}");
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

    fn bid(agent: u8, cost: u64, score: u32) -> Bid {
        Bid {
            agent: AgentId([agent; 32]),
            cost: Credits(cost),
            eta_ms: 0,
            id: Cid::of(&[agent]),
            lamport: Lamport(u64::from(agent)),
            score,
        }
    }

    fn place(window: &mut Window, bid: Bid) -> Result<(), Reject> {
        window.admits(&bid, &Params::default()).map(|()| window.keep(bid))
    }

    #[test]
    fn t21_rounds_are_few_and_each_improves() {
        let mut window = Window::default();
        let mut check = |bid, expect: Result<(), Reject>| {
            let before = window.clone();
            assert_eq!(place(&mut window, bid), expect);
            assert!(expect.is_ok() || window == before);
        };
        check(bid(1, 100, 500), Ok(()));
        check(bid(2, 100, 499), Err(Reject::NotBetter));
        check(bid(2, 150, 600), Ok(())); // A first bid may be dearer if it is better.
        check(bid(1, 148, 700), Err(Reject::NotBetter)); // A second one must undercut by 2 %,
        check(bid(1, 147, 590), Err(Reject::NotBetter)); // and be better,
        check(bid(1, 147, 700), Ok(())); // and do both.
        check(bid(1, 100, 800), Ok(()));
        check(bid(1, 50, 900), Err(Reject::Duplicate)); // Three rounds are used up.
        check(bid(3, 120, 900), Ok(()));
    }

    proptest! {
        #[test]
        fn better_is_a_total_order(bids in prop::collection::vec((0..4_u32, 0..3_u64, 0..4_u8), 3)) {
            let bids: alloc::vec::Vec<Bid> = bids.into_iter()
                .map(|(score, lamport, id)| Bid { lamport: Lamport(lamport), id: Cid::of(&[id]), ..bid(id, 1, score) })
                .collect();
            for a in &bids {
                for b in &bids {
                    prop_assert_eq!(u8::from(better(a, b)) + u8::from(better(b, a)), u8::from(a != b));
                    for c in &bids {
                        prop_assert!(!(better(a, b) && better(b, c)) || better(a, c));
                    }
                }
            }
        }

        /// Whatever the order of first bids, the same one is kept: being quicker to the register wins nothing.
        #[test]
        fn the_order_of_first_bids_does_not_matter(scores in prop::collection::vec(0..5_u32, 1..8), turn in 0..8_usize) {
            let bids: alloc::vec::Vec<Bid> = (0..).zip(&scores).map(|(n, s)| bid(n, 1, *s)).collect();
            let keep = |order: &mut dyn Iterator<Item = &Bid>| {
                let mut window = Window::default();
                order.for_each(|b| {
                    let _kept_or_not = place(&mut window, b.clone());
                });
                window.kept
            };
            let turn = turn % bids.len();
            prop_assert_eq!(keep(&mut bids.iter()), keep(&mut bids[turn..].iter().chain(&bids[..turn])));
        }

        #[test]
        fn a_score_never_exceeds_a_whole(cost: u64, cap: u64, eta: u32, deadline: u32, bp: u32) {
            let bounds = Bounds { cost_cap: Credits(cap), deadline_ms: deadline };
            let standing = Standing { fit_bp: bp, fresh_org: true, reputation_bp: bp };
            prop_assert!(score(Credits(cost), eta, bounds, standing).unwrap_or(0) <= 10_000);
        }
    }
}
