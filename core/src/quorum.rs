//! How many equal votes decide, and the count of them (PROTOCOL 6).
//!
//! A vote counts if its sender is seated, once, and only until the quorum is reached: what comes later changes no record
//! and pays nobody (T70). Nothing that a message claims about a quorum is ever looked at.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::Serialize;

use crate::config::Params;
use crate::id::AgentId;
use crate::mutant::{Mutant, planted};
use crate::reject::Reject;

/// K: `target`, but no more than the share alpha of the `active` pool, nor more than are `eligible`, and never below one.
/// Caps on diversity never lower it: what cannot be seated under them is not seated (T25).
pub fn k(target: u32, active: u32, eligible: u32, params: &Params) -> u32 {
    let target = if planted(Mutant::QuorumOfOne) { 1 } else { target };
    let share = u64::from(active) * u64::from(params.alpha_bp) / 10_000;
    target.min(u32::try_from(share).unwrap_or(u32::MAX)).min(eligible).max(1)
}

/// The votes that so many voters have: one each.
pub fn votes_of(voters: usize) -> usize {
    if planted(Mutant::CountsOneTwice) && voters > 0 { voters + 1 } else { voters }
}

/// Where a count stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome<V> {
    /// No choice has K votes yet, and one still can get them.
    Undecided,
    /// This choice has K votes.
    Reached(V),
    /// No choice can get K votes any more.
    Impossible,
}

/// The count of one committee's votes. `V` is what is voted: a verdict on a result, a proposal or none for a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tally<V> {
    k: u32,
    reached: Option<V>,
    silent: BTreeSet<AgentId>,
    votes: BTreeMap<AgentId, V>,
}

impl<V: Copy + Ord> Tally<V> {
    /// A count in which those `seated` have one vote each and `k` equal votes decide.
    ///
    /// # Panics
    /// If `k` is zero: [`k`] never is.
    pub fn new(k: u32, seated: impl IntoIterator<Item = AgentId>) -> Self {
        assert!(k > 0, "nothing is decided by nobody");
        Self { k, reached: None, silent: seated.into_iter().collect(), votes: BTreeMap::new() }
    }

    /// Counts the vote of `voter`.
    ///
    /// # Errors
    /// [`Reject::NotEntitled`] (not seated), [`Reject::Duplicate`] (has voted), [`Reject::WrongPhase`] (a quorum was
    /// counted before).
    pub fn count(&mut self, voter: &AgentId, vote: V) -> Result<(), Reject> {
        if self.votes.contains_key(voter) {
            return Err(Reject::Duplicate);
        }
        if !self.silent.contains(voter) {
            return Err(Reject::NotEntitled);
        }
        if self.reached.is_some() {
            return Err(Reject::WrongPhase);
        }
        self.silent.remove(voter);
        self.votes.insert(*voter, vote);
        if votes_of(self.votes.values().filter(|v| **v == vote).count()) >= self.k as usize {
            self.reached = Some(vote);
        }
        Ok(())
    }

    /// Where the count stands.
    pub fn outcome(&self) -> Outcome<V> {
        let most = self.standing().first().map_or(0, |(_, n)| *n);
        match self.reached {
            Some(vote) => Outcome::Reached(vote),
            None if (most + self.silent.len() as u32) < self.k => Outcome::Impossible,
            None => Outcome::Undecided,
        }
    }

    /// Each choice with its votes: most votes first, then the lower choice.
    pub fn standing(&self) -> Vec<(V, u32)> {
        let mut counts: BTreeMap<V, u32> = BTreeMap::new();
        for vote in self.votes.values() {
            *counts.entry(*vote).or_default() += 1;
        }
        let mut standing: Vec<_> = counts.into_iter().collect();
        standing.sort_by_key(|(vote, votes)| (core::cmp::Reverse(*votes), *vote));
        standing
    }

    /// Votes it takes.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// The counted votes, by agent. Each earns the same fee, whatever it says (PROTOCOL 8).
    pub fn counted(&self) -> impl Iterator<Item = (&AgentId, V)> {
        self.votes.iter().map(|(agent, vote)| (agent, *vote))
    }

    /// Who is seated and has not voted.
    pub fn silent(&self) -> impl Iterator<Item = &AgentId> {
        self.silent.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Verdict::{self, Fail, Pass};
    use proptest::prelude::*;

    /// `active eligible target -> k`
    #[test]
    fn k_follows_the_pool() {
        let params = Params::default();
        let check = |active, eligible, target, expect| {
            assert_eq!(k(target, active, eligible, &params), expect, "{target} of {active}, {eligible} eligible");
        };
        check(100, 100, 5, 5); // The target, in a large pool.
        check(10, 10, 5, 3); // Alpha of a small one.
        check(9, 9, 5, 2); // Rounded down.
        check(3, 3, 5, 1); // Never below one.
        check(0, 0, 5, 1); // Not even of nobody: the draw then says that nobody can sit.
        check(100, 4, 5, 4); // Clamped by who is eligible.
        check(u32::MAX, u32::MAX, u32::MAX, 1_288_490_188);
    }

    fn agent(n: u8) -> AgentId {
        AgentId([n; 32])
    }

    fn tally(k: u32, seats: u8, votes: &[(u8, Verdict)]) -> Tally<Verdict> {
        let mut tally = Tally::new(k, (0..seats).map(agent));
        for (voter, vote) in votes {
            tally.count(&agent(*voter), *vote).unwrap();
        }
        tally
    }

    #[test]
    fn k_equal_votes_decide() {
        let check = |votes: &[_], expect| assert_eq!(tally(2, 3, votes).outcome(), expect);
        check(&[], Outcome::Undecided);
        check(&[(0, Pass)], Outcome::Undecided);
        check(&[(0, Pass), (1, Fail)], Outcome::Undecided);
        check(&[(0, Pass), (1, Fail), (2, Fail)], Outcome::Reached(Fail));
        check(&[(0, Pass), (2, Pass)], Outcome::Reached(Pass));
        // A split that nobody can mend any more.
        assert_eq!(tally(3, 4, &[(0, Pass), (1, Fail), (2, Pass), (3, Fail)]).outcome(), Outcome::Impossible);
        assert_eq!(tally(3, 2, &[]).outcome(), Outcome::Impossible, "fewer seats than votes needed");
    }

    #[test]
    fn t25_the_same_verifier_never_counts_twice_and_a_stranger_never() {
        let mut count = tally(2, 3, &[(0, Pass)]);
        assert_eq!(count.count(&agent(0), Pass), Err(Reject::Duplicate));
        assert_eq!(count.count(&agent(0), Fail), Err(Reject::Duplicate));
        assert_eq!(count.count(&agent(7), Pass), Err(Reject::NotEntitled));
        assert_eq!(count.outcome(), Outcome::Undecided);
        let twice: Tally<Verdict> = Tally::new(2, [agent(1), agent(1)]);
        assert_eq!(twice.outcome(), Outcome::Impossible, "one agent in two seats has one vote");
    }

    #[test]
    fn t70_what_comes_after_the_quorum_changes_nothing() {
        let mut count = tally(2, 4, &[(0, Pass), (1, Pass)]);
        let before = count.clone();
        assert_eq!(count.count(&agent(2), Fail), Err(Reject::WrongPhase));
        assert_eq!(count, before);
        assert_eq!(count.counted().count(), 2);
        assert_eq!(count.silent().count(), 2);
    }

    #[test]
    fn standing_is_a_total_order() {
        let mut votes = Tally::new(9, (0..9).map(agent));
        for (voter, vote) in [(0, Some(3)), (1, Some(2)), (2, None), (3, Some(3)), (4, Some(2)), (5, Some(1))] {
            votes.count(&agent(voter), vote).unwrap();
        }
        assert_eq!(votes.standing(), [(Some(2), 2), (Some(3), 2), (None, 1), (Some(1), 1)]);
    }

    proptest! {
        #[test]
        fn an_outcome_is_what_a_recount_says(k in 1..6_u32, seats in 0..9_u8, cast in prop::collection::vec((0..10_u8, any::<bool>()), 0..20)) {
            let mut count: Tally<bool> = Tally::new(k, (0..seats).map(agent));
            let mut kept: BTreeMap<u8, bool> = BTreeMap::new();
            let votes = |kept: &BTreeMap<u8, bool>, which| kept.values().filter(|v| **v == which).count() as u32;
            for (voter, vote) in cast {
                let open = votes(&kept, true) < k && votes(&kept, false) < k;
                let fresh = voter < seats && !kept.contains_key(&voter) && open;
                prop_assert_eq!(count.count(&agent(voter), vote).is_ok(), fresh);
                if fresh {
                    kept.insert(voter, vote);
                }
            }
            let left = u32::from(seats) - kept.len() as u32;
            let expect = match (votes(&kept, true), votes(&kept, false)) {
                (yes, _) if yes >= k => Outcome::Reached(true),
                (_, no) if no >= k => Outcome::Reached(false),
                (yes, no) if yes.max(no) + left < k => Outcome::Impossible,
                _ => Outcome::Undecided,
            };
            prop_assert_eq!(count.outcome(), expect);
        }
    }
}
