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

/// Fewer runs with liars and honest ones side by side than this tell nothing.
pub const PAIRS_TELLING: u64 = 10;

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
    /// What they earned more than the honest of their role beside them.
    pub more: More,
}

/// How much more than the honest of the same role in the same run those of one strategy earned: a sample of runs, not of actors,
/// for what one actor of a run takes the others of that run do not get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct More {
    /// Runs that had both.
    pub runs: u64,
    /// The differences of the two means of each run, added up, in basis points of a credit.
    #[serde(with = "crate::wide::any")]
    #[schemars(schema_with = "crate::wide::any::schema")]
    pub sum_bp: i128,
    /// Their squares, added up.
    #[serde(with = "crate::wide::any")]
    #[schemars(schema_with = "crate::wide::any::schema")]
    pub squares_bp2: u128,
    /// Their mean, in basis points of a credit, rounded down.
    #[serde(with = "crate::wide::any")]
    #[schemars(schema_with = "crate::wide::any::schema")]
    pub mean_bp: i128,
    /// The standard error of that mean, in basis points of a credit, rounded down.
    #[serde(with = "crate::wide::any")]
    #[schemars(schema_with = "crate::wide::any::schema")]
    pub error_bp: u128,
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
        self.more.merge(&other.more);
    }

    fn conclude(&mut self) {
        let n = i128::from(self.actors.max(1));
        self.mean_bp = self.sum.saturating_mul(BP).div_euclid(n);
        let square = BP.unsigned_abs() * BP.unsigned_abs();
        self.deviation_bp = variance(self.actors, self.sum, self.squares, square).isqrt();
    }
}

impl More {
    fn one(liars: &Profit, honest: &Profit) -> Self {
        let sum_bp = liars.mean_bp.saturating_sub(honest.mean_bp);
        let magnitude = sum_bp.unsigned_abs();
        Self { runs: 1, sum_bp, squares_bp2: magnitude.saturating_mul(magnitude), mean_bp: sum_bp, error_bp: 0 }
    }

    fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.sum_bp = self.sum_bp.saturating_add(other.sum_bp);
        self.squares_bp2 = self.squares_bp2.saturating_add(other.squares_bp2);
        let n = self.runs.max(1);
        self.mean_bp = self.sum_bp.div_euclid(i128::from(n));
        self.error_bp = (variance(self.runs, self.sum_bp, self.squares_bp2, 1) / u128::from(n)).isqrt();
    }

    /// Whether it is more than nothing by more than noise: there are runs enough to tell, and so much more is as unlikely as three
    /// standard errors are where there are many runs (Student's quantile for 0.9987, as Cornish and Fisher expand it).
    pub fn is_no_luck(&self) -> bool {
        if self.runs < PAIRS_TELLING || self.mean_bp <= 0 {
            return false;
        }
        let free = u128::from(self.runs - 1);
        let thousandths = 3_000 + 7_500 / free + 17_250 / (free * free);
        self.mean_bp.unsigned_abs().saturating_mul(1_000) > thousandths.saturating_mul(self.error_bp)
    }
}

/// The variance of one of `n` whose values and squares add up to these, in squares of a unit of which a value's has `square`.
fn variance(n: u64, sum: i128, squares: u128, square: u128) -> u128 {
    let n = u128::from(n);
    if n < 2 {
        return 0;
    }
    let magnitude = sum.unsigned_abs();
    // n times the squares less the square of the sum, over n (n - 1).
    let spread = squares.saturating_mul(n).saturating_sub(magnitude.saturating_mul(magnitude));
    match spread.checked_mul(square) {
        Some(scaled) => scaled / (n * (n - 1)),
        None => (spread / (n * (n - 1))).saturating_mul(square),
    }
}

/// What the actors of one run earned. Whoever follows a strategy of `rings` lives off its friends: in a run with one of those all
/// who lie count once more as a single actor of the role [`RING`], beside what the honest earned, shared out among all of their roles.
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
        // What the honest share among themselves all would, if all were.
        let of_role = profits.get(&*liar.part.role)?;
        let all: u64 = of_role.values().map(|profit| profit.actors).sum();
        Some(of_role.get(HONEST)?.sum.div_euclid(i128::from(all)))
    };
    if let Some(ring) = rings.iter().find(|ring| liars().any(|liar| *liar.part.strategy == **ring))
        && let Some(honest) = liars().map(in_its_place).sum::<Option<i128>>()
    {
        let together = liars().map(|liar| liar.credits).sum();
        let one = |credits| Profit { runs: 1, ..Profit::one(credits) };
        let of_ring = BTreeMap::from([(HONEST.to_owned(), one(honest)), (ring.clone(), one(together))]);
        profits.insert(RING.to_owned(), of_ring);
    }
    for strategies in profits.values_mut() {
        if let Some(honest) = strategies.get(HONEST).copied() {
            let lies = strategies.iter_mut().filter(|(strategy, _)| *strategy != HONEST);
            lies.for_each(|(_, profit)| profit.more = More::one(profit, &honest));
        }
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
    weighed(profits).filter(|(_, more)| more.is_no_luck()).map(|(name, _)| name)
}

/// Every strategy that too seldom had honest ones beside it to tell whether it pays, with its role.
pub(super) fn unweighed(profits: &Profits) -> impl Iterator<Item = (&String, &String)> {
    weighed(profits).filter(|(_, more)| more.runs < PAIRS_TELLING).map(|(name, _)| name)
}

/// Every way to lie that is weighed, by role and strategy.
fn weighed(profits: &Profits) -> impl Iterator<Item = ((&String, &String), &More)> {
    let of_ring = |strategy: &str| profits.get(RING).is_some_and(|of_ring| of_ring.contains_key(strategy));
    profits.iter().flat_map(move |(role, strategies)| {
        let lies =
            strategies.iter().filter(move |(strategy, _)| *strategy != HONEST && (role == RING || !of_ring(strategy)));
        lies.map(move |(strategy, profit)| ((role, strategy), &profit.more))
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
        assert_eq!((some.mean_bp, variance(3, some.sum, some.squares, 1)), (20_000, 31));
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
        assert_eq!(told(&run(60, &[])), pair("verifier"));
        let ring = run(60, &["front-runner"]);
        assert_eq!(told(&ring), [], "the worker lost more than its friend gained");
        let Profit { actors, runs, sum, .. } = ring[RING]["front-runner"];
        assert_eq!((actors, runs, sum, ring[RING][HONEST].sum), (40, 40, 40 * 45, 40 * 53));
        assert_eq!(told(&run(69, &["front-runner"])), pair(RING));
        assert_eq!(told(&run(60, &["absent"])), pair("verifier"), "nobody of that ring is there");
    }

    #[test]
    fn more_than_the_noise_and_runs_enough() {
        let runs = |differences: &[i128]| {
            let mut more = More::default();
            differences.iter().for_each(|by| more.merge(&More::one(&Profit::one(*by), &Profit::one(0))));
            more
        };
        // The spread is a little over 3, so the standard error of 121 runs is some 0.29.
        let around = |mean: i128, n: i128| runs(&(0..n).map(|at| mean + at % 11 - 5).collect::<Vec<_>>());
        let one = around(1, 121);
        assert_eq!((one.runs, one.mean_bp, one.error_bp), (121, 10_000, 2_886));
        assert!(one.is_no_luck(), "3.5 standard errors");
        assert!(!around(0, 121).is_no_luck() && !around(-2, 121).is_no_luck(), "as much, or less, is no profit");
        // Ten runs have to be off by four standard errors, of 0.86 each.
        let ten = |mean: i128| runs(&[-5, -3, -2, -1, 0, 1, 2, 2, 3, 3].map(|by| mean + by));
        assert_eq!((ten(3).mean_bp, ten(3).error_bp), (30_000, 8_563));
        assert!(!ten(3).is_no_luck() && ten(4).is_no_luck(), "3.5 and 4.7");
        assert!(runs(&[1; 10]).is_no_luck() && !runs(&[0; 10]).is_no_luck());
        assert!(!runs(&[99; 9]).is_no_luck(), "too few to tell");
    }

    /// Ten runs that an honest or a lying side wins as a whole are ten throws of a coin, however many sit on each side.
    #[test]
    fn many_actors_of_one_run_are_one_throw() {
        let run = |liars: i128, honest: i128| {
            let one = |strategy: &str, credits| {
                let part = Part { role: "verifier".into(), strategy: strategy.into(), owner: NodeNo(1) };
                Earned { part, credits }
            };
            let side = |strategy: &'static str, credits: i128| (0..20).map(move |_| one(strategy, credits));
            of(&side("thief", liars).chain(side(HONEST, honest)).collect::<Vec<_>>(), &BTreeSet::new())
        };
        let mut sum = Profits::new();
        for by in [1, 1, 1, 1, 1, 1, 1, -1, -1, -1] {
            merge(&mut sum, &run(50 * by, -50 * by));
        }
        let thief = sum["verifier"]["thief"];
        assert_eq!((thief.actors, thief.more.runs, thief.more.mean_bp), (200, 10, 400_000));
        assert_eq!(paying(&sum).count(), 0);
        assert_eq!(sum["verifier"][HONEST].more, More::default());
    }
}
