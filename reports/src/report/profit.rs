//! What lying earns beside honesty: the profits of all actors of one part, and whether one way of acting pays better than being
//! honest in the same role. All in integers, so that a sweep says the same in whatever order its runs are added.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::Earned;

/// The strategy of everyone who follows the protocol.
pub const HONEST: &str = "honest";

/// The role of all who lie in a run, taken together. What one of a ring gains another may have paid for.
pub const RING: &str = "ring";

/// Fewer actors than this on either side tell nothing.
pub const ACTORS_TELLING: u64 = 30;

/// A profit is no luck any more if it exceeds the honest mean by more than so many standard errors of the difference.
pub const ERRORS_TELLING: u128 = 3;

/// Basis points of a whole.
const BP: i128 = 10_000;

/// What the actors of one role that act in one way earned. An actor counts once per run, with all its keys; its profit is what it
/// has at the end less what it began with, stake, bonds and open pots included; what a requester bought counts at its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Profit {
    /// How many, in all runs together.
    pub actors: u64,
    /// Runs that had any.
    pub runs: u64,
    /// All their profits, in credits.
    #[serde(with = "crate::wide::any")]
    #[schemars(schema_with = "crate::wide::any::schema")]
    pub sum: i128,
    /// The squares of their profits, added up.
    #[serde(with = "crate::wide::any")]
    #[schemars(schema_with = "crate::wide::any::schema")]
    pub squares: u128,
    /// The least profit, in credits.
    #[serde(with = "crate::wide::any")]
    #[schemars(schema_with = "crate::wide::any::schema")]
    pub worst: i128,
    /// The greatest, in credits.
    #[serde(with = "crate::wide::any")]
    #[schemars(schema_with = "crate::wide::any::schema")]
    pub best: i128,
    /// The mean, in basis points of a credit, rounded down.
    #[serde(with = "crate::wide::any")]
    #[schemars(schema_with = "crate::wide::any::schema")]
    pub mean_bp: i128,
    /// The standard deviation of one actor's profit, in basis points of a credit, rounded down.
    #[serde(with = "crate::wide::any")]
    #[schemars(schema_with = "crate::wide::any::schema")]
    pub deviation_bp: u128,
}

/// Profits by role, and by strategy within it.
pub type Profits = BTreeMap<String, BTreeMap<String, Profit>>;

impl Profit {
    fn one(credits: i128) -> Self {
        let magnitude = credits.unsigned_abs();
        let squares = magnitude.saturating_mul(magnitude);
        let mut one = Self { actors: 1, sum: credits, squares, worst: credits, best: credits, ..Self::default() };
        one.conclude();
        one
    }

    /// Adds others; whether they are of other runs is the caller's to say.
    fn merge(&mut self, other: &Self) {
        (self.worst, self.best) = match (self.actors, other.actors) {
            (_, 0) => (self.worst, self.best),
            (0, _) => (other.worst, other.best),
            _ => (self.worst.min(other.worst), self.best.max(other.best)),
        };
        self.actors += other.actors;
        self.runs += other.runs;
        self.sum = self.sum.saturating_add(other.sum);
        self.squares = self.squares.saturating_add(other.squares);
        self.conclude();
    }

    fn conclude(&mut self) {
        let n = i128::from(self.actors.max(1));
        self.mean_bp = self.sum.saturating_mul(BP).div_euclid(n);
        self.deviation_bp = self.variance_bp2().isqrt();
    }

    /// The variance of one actor's profit, in squares of a basis point of a credit.
    fn variance_bp2(&self) -> u128 {
        let n = u128::from(self.actors);
        if n < 2 {
            return 0;
        }
        let magnitude = self.sum.unsigned_abs();
        // n times the squares less the square of the sum, over n (n - 1).
        let spread = self.squares.saturating_mul(n).saturating_sub(magnitude.saturating_mul(magnitude));
        let square = BP.unsigned_abs() * BP.unsigned_abs();
        match spread.checked_mul(square) {
            Some(scaled) => scaled / (n * (n - 1)),
            None => (spread / (n * (n - 1))).saturating_mul(square),
        }
    }

    /// Whether it is more than `honest` by more than noise: by more than [`ERRORS_TELLING`] standard errors of the difference of
    /// the two means, and there are actors enough to tell.
    pub fn exceeds(&self, honest: &Self) -> bool {
        if self.actors < ACTORS_TELLING || honest.actors < ACTORS_TELLING || self.mean_bp <= honest.mean_bp {
            return false;
        }
        let more = (self.mean_bp - honest.mean_bp).unsigned_abs();
        let error = |of: &Self| of.variance_bp2() / u128::from(of.actors);
        let errors = error(self).saturating_add(error(honest));
        more.saturating_mul(more) > (ERRORS_TELLING * ERRORS_TELLING).saturating_mul(errors)
    }
}

/// What the actors of one run earned. Whoever follows a strategy of `rings` lives off its friends: in a run with one of those all
/// who lie count once more as a single actor of the role [`RING`], beside what honest actors earned in their places.
pub(super) fn of(earned: &[Earned], rings: &BTreeSet<String>) -> Profits {
    let mut profits = Profits::new();
    for Earned { part, credits } in earned {
        let of_role = profits.entry(part.role.to_string()).or_default();
        let profit = of_role.entry(part.strategy.to_string()).or_default();
        profit.merge(&Profit::one(*credits));
        profit.runs = 1;
    }
    let liars = || earned.iter().filter(|earned| &*earned.part.strategy != HONEST);
    let in_its_place = |liar: &Earned| {
        let honest = profits.get(&*liar.part.role)?.get(HONEST)?;
        Some(honest.sum.div_euclid(i128::from(honest.actors)))
    };
    if let Some(ring) = rings.iter().find(|ring| liars().any(|liar| *liar.part.strategy == **ring))
        && let Some(honest) = liars().map(in_its_place).sum::<Option<i128>>()
    {
        let together = liars().map(|liar| liar.credits).sum();
        let one = |credits| Profit { runs: 1, ..Profit::one(credits) };
        let of_ring = BTreeMap::from([(HONEST.to_owned(), one(honest)), (ring.clone(), one(together))]);
        profits.insert(RING.to_owned(), of_ring);
    }
    profits
}

/// Adds the profits of other runs.
pub(super) fn merge(own: &mut Profits, other: &Profits) {
    for (role, strategies) in other {
        let of_role = own.entry(role.clone()).or_default();
        for (strategy, profit) in strategies {
            of_role.entry(strategy.clone()).or_default().merge(profit);
        }
    }
}

/// The same actors, and nothing of what they earned.
pub(super) fn uncounted(profits: &Profits) -> Profits {
    let none = |strategies: &BTreeMap<String, Profit>| {
        strategies.keys().map(|strategy| (strategy.clone(), Profit::default())).collect()
    };
    profits.iter().map(|(role, strategies)| (role.clone(), none(strategies))).collect()
}

/// Every strategy that pays better than honesty in the same role, with its role. One that lives off its friends pays if the ring
/// as a whole gains.
pub(super) fn paying(profits: &Profits) -> impl Iterator<Item = (&String, &String)> {
    weighed(profits).filter(|(_, profit, honest)| profit.exceeds(honest)).map(|(name, ..)| name)
}

/// Every strategy of which too few acted, or too few honest ones beside them, to tell whether it pays, with its role.
pub(super) fn unweighed(profits: &Profits) -> impl Iterator<Item = (&String, &String)> {
    let few = |profit: &Profit| profit.actors < ACTORS_TELLING;
    weighed(profits).filter(move |(_, profit, honest)| few(profit) || few(honest)).map(|(name, ..)| name)
}

/// What is weighed against what: every way to lie by role and strategy, and the honest in that role.
fn weighed(profits: &Profits) -> impl Iterator<Item = ((&String, &String), &Profit, Profit)> {
    let of_ring = |strategy: &str| profits.get(RING).is_some_and(|of_ring| of_ring.contains_key(strategy));
    profits.iter().flat_map(move |(role, strategies)| {
        let honest = strategies.get(HONEST).copied().unwrap_or_default();
        let lies =
            strategies.iter().filter(move |(strategy, _)| *strategy != HONEST && (role == RING || !of_ring(strategy)));
        lies.map(move |(strategy, profit)| ((role, strategy), profit, honest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{NodeNo, Part};

    fn profit(all: &[i128]) -> Profit {
        let mut profit = Profit::default();
        all.iter().for_each(|credits| profit.merge(&Profit::one(*credits)));
        profit
    }

    #[test]
    fn mean_spread_and_ends() {
        let some = profit(&[-3, 1, 8]);
        assert_eq!((some.actors, some.worst, some.best, some.sum), (3, -3, 8, 6));
        // The deviations are 5, 1 and 6: 62 / 2.
        assert_eq!((some.mean_bp, some.variance_bp2()), (20_000, 31 * 100_000_000));
        assert_eq!(some.deviation_bp, 55_677);
        assert_eq!(profit(&[-1, 0, 0]).mean_bp, -3_334, "rounded down, not to zero");
        assert_eq!((profit(&[7]).deviation_bp, profit(&[]).mean_bp), (0, 0));
        assert_eq!(profit(&[i128::from(u64::MAX); 3]).deviation_bp, 0);
    }

    /// One that disputes its friends' errors takes what they lose, less what others get of it.
    #[test]
    fn what_one_of_a_ring_gains_another_pays_for() {
        let run = |gain: i128, rings: &[&str]| {
            let one = |role: &str, strategy: &str, credits| {
                let part = Part { role: role.into(), strategy: strategy.into(), owner: NodeNo(1) };
                Earned { part, credits }
            };
            let earned = [
                one("verifier", HONEST, 4),
                one("verifier", HONEST, 6),
                one("verifier", "front-runner", 5 + gain),
                one("worker", HONEST, 100),
                one("worker", "thief", -20),
            ];
            let mut sum = Profits::new();
            let rings = rings.iter().map(|ring| (*ring).to_owned()).collect();
            (0..40).for_each(|_| merge(&mut sum, &of(&earned, &rings)));
            sum
        };
        let told = |profits: &Profits| paying(profits).map(|(role, by)| (role.clone(), by.clone())).collect::<Vec<_>>();
        let pair = |role: &str| vec![(role.to_owned(), "front-runner".to_owned())];
        assert_eq!(told(&run(100, &[])), pair("verifier"));
        let ring = run(100, &["front-runner"]);
        assert_eq!(told(&ring), [], "the worker lost more than its friend gained");
        let Profit { actors, runs, sum, .. } = ring[RING]["front-runner"];
        assert_eq!((actors, runs, sum, ring[RING][HONEST].sum), (40, 40, 40 * 85, 40 * 105));
        assert_eq!(told(&run(121, &["front-runner"])), pair(RING));
        assert_eq!(told(&run(100, &["absent"])), pair("verifier"), "nobody of that ring is there");
    }

    #[test]
    fn more_than_the_noise_and_actors_enough() {
        let around = |mean: i128, n: i128| profit(&(0..n).map(|at| mean + at % 11 - 5).collect::<Vec<_>>());
        // The spread is a little over 3, so the standard error of the difference of 121 and 121 is some 0.41.
        assert!(around(12, 121).exceeds(&around(10, 121)));
        assert!(!around(11, 121).exceeds(&around(10, 121)), "2.4 standard errors");
        assert!(!around(10, 121).exceeds(&around(12, 121)), "less is no profit");
        assert!(!around(99, 29).exceeds(&around(10, 121)), "too few to tell");
        assert!(!around(99, 121).exceeds(&around(10, 29)));
        assert!(profit(&[5; 30]).exceeds(&profit(&[4; 30])));
        assert!(!profit(&[4; 30]).exceeds(&profit(&[4; 30])));
    }
}
