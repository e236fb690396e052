//! What the hunt for planted bugs came to, as data: version 1 of the published format.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MutantsReport {
    /// The version of this format.
    pub version: u32,
    /// Most seeds tried for each.
    pub seeds: u64,
    /// Every bug was caught by its property, and the unmodified protocol never accused.
    pub held: bool,
    /// The planted bugs.
    pub bugs: Vec<PlantedBug>,
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
    /// The first seed in which it fell.
    pub caught: Option<Catch>,
    /// The first seed in which only something else fell.
    pub otherwise: Option<Catch>,
    /// Real time the hunt took, milliseconds.
    pub real_ms: u64,
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
