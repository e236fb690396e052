//! Who of many speaks first. When a thousand idle workers hear of one task, a thousand bids would cost more than the task.
//!
//! Everyone draws for itself from what all know, so nobody has to be asked: about [`FIRST`] speak at once, eight times as
//! many if nothing came of it, everyone after that. Nothing enforces it and nothing rests on it: a hint, so that a market's
//! cost grows with its needs and not with its needs times its agents. Invented members can only make the first turns quieter.

use crate::id::{AgentId, Digest};

/// How many speak in the first turn, on average; fewer than that in all: everyone.
pub(super) const FIRST: usize = 8;

/// Turns in which only some speak.
const TURNS: u32 = 2;

/// Whether `me`, one of `of`, speaks on this `occasion` in this turn, counted from 0.
pub(super) fn is_called(occasion: &Digest, me: &AgentId, of: usize, turn: u32) -> bool {
    let wanted = FIRST << (3 * turn.min(TURNS));
    let drawn = Digest::of("swarm/crowd", &[&occasion.0, &me.0]).prefix();
    turn >= TURNS || of <= wanted || u128::from(drawn) * (of as u128) < (wanted as u128) << 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(of: u16, turn: u32, occasion: &str) -> Vec<bool> {
        let occasion = Digest::of(occasion, &[]);
        let agent = |n: u16| AgentId(Digest::of("agent", &[&n.to_be_bytes()]).0);
        (0..of).map(|n| is_called(&occasion, &agent(n), of.into(), turn)).collect()
    }

    use alloc::vec::Vec;

    #[test]
    fn a_few_of_many_are_called_then_more_then_all() {
        let many = |turn| called(1_000, turn, "a").iter().filter(|called| **called).count();
        assert!((1..=20).contains(&many(0)), "{}", many(0));
        assert!((40..=90).contains(&many(1)), "{}", many(1));
        assert_eq!(many(2), 1_000);
        assert_ne!(called(1_000, 0, "a"), called(1_000, 0, "b"), "each occasion calls others");
    }

    #[test]
    fn all_of_a_few_are_called() {
        assert!(called(FIRST as u16, 0, "a").iter().all(|called| *called));
    }

    #[test]
    fn hardly_any_occasion_calls_nobody() {
        let silent = (0..200).filter(|n| !called(100, 0, &alloc::format!("{n}")).contains(&true)).count();
        assert!(silent <= 2, "{silent}");
    }
}
