//! What the hunt for planted bugs came to, as data: version 2 of the published format.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MutantsReport {
    /// The version of this format.
    pub version: u32,
    /// Most seeds tried for each, from each start.
    pub seeds: u64,
    /// Starts: the first tries the seeds from 0 on, the next those behind them, and so on.
    pub starts: u32,
    /// Every bug was caught by its property from most starts, and the unmodified protocol never accused.
    pub held: bool,
    /// The planted bugs.
    pub bugs: Vec<PlantedBug>,
    /// Checkers that could be left out, and every bug here would still be caught.
    pub unneeded: Vec<String>,
    /// The protocol as it is, over the same scenarios and seeds.
    pub unmodified: Vec<Unmodified>,
}

/// One planted bug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlantedBug {
    /// Its name.
    pub bug: String,
    /// What it breaks, in a sentence.
    pub breaks: String,
    /// The scenario it is hunted in.
    pub scenario: String,
    /// The property that must fall.
    pub expected: String,
    /// Seeds that it took from each start, the last of which is where the property fell; nothing where it did not.
    pub took: Vec<Option<u64>>,
    /// The middle of those, the higher of two; nothing if it is one where the property did not fall.
    pub median: Option<u64>,
    /// The first seed in which it fell.
    pub caught: Option<Catch>,
    /// The first seed in which only something else fell.
    pub otherwise: Option<Catch>,
    /// Real time the hunt took, milliseconds.
    pub real_ms: u64,
}

/// The middle of what each start took, the higher of two; nothing if it is one that caught nothing.
pub fn median(took: &[Option<u64>]) -> Option<u64> {
    let mut sorted: Vec<u64> = took.iter().map(|took| took.unwrap_or(u64::MAX)).collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().filter(|seeds| *seeds < u64::MAX)
}

/// Those of `checkers` that no bug is caught by alone.
pub fn unneeded(checkers: &BTreeSet<String>, bugs: &[PlantedBug]) -> Vec<String> {
    let alone = |bug: &PlantedBug| {
        let fell = &bug.caught.as_ref()?.fell;
        fell.keys().next().filter(|_| fell.len() == 1).cloned()
    };
    let needed: BTreeSet<String> = bugs.iter().filter_map(alone).collect();
    checkers.difference(&needed).cloned().collect()
}

/// A run that accused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Catch {
    /// Its seed.
    pub seed: u64,
    /// What fell (a property, `internal` or `data-loss`), with the first words of each.
    pub fell: BTreeMap<String, String>,
}

/// The protocol as it is, over one scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unmodified {
    /// The scenario.
    pub scenario: String,
    /// Runs made.
    pub runs: u64,
    /// The first run that accused somebody: a false alarm.
    pub accused: Option<Catch>,
    /// Real time they took, milliseconds.
    pub real_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_counts_what_was_not_caught_as_latest() {
        assert_eq!(median(&[Some(3)]), Some(3));
        assert_eq!(median(&[Some(9), None, Some(1)]), Some(9));
        assert_eq!(median(&[Some(1), None]), None, "the higher of two");
        assert_eq!(median(&[Some(4), Some(1), Some(2), None]), Some(4));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_checker_is_needed_for_what_no_other_sees() {
        let bug = |fell: &[&str]| PlantedBug {
            bug: "b".to_owned(),
            breaks: String::new(),
            scenario: "quiet".to_owned(),
            expected: fell[0].to_owned(),
            took: vec![Some(1)],
            median: Some(1),
            caught: Some(Catch {
                seed: 0,
                fell: fell.iter().map(|name| ((*name).to_owned(), String::new())).collect(),
            }),
            otherwise: None,
            real_ms: 0,
        };
        let checkers = ["P1", "P2", "P3"].map(str::to_owned).into();
        assert_eq!(unneeded(&checkers, &[bug(&["P1"]), bug(&["P2", "P3"])]), ["P2", "P3"]);
    }
}
