//! What happened to each need, counted from the history; judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use swarm_core::id::NeedId;

use crate::history::{AlarmKind, Event, NeedEnd, Record};

/// Needs by what became of them. Every need posted is settled, failed, cancelled or unfinished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NeedCounts {
    /// Said by a requester.
    pub posted: u64,
    /// Their escrow was reserved.
    pub opened: u64,
    /// At least one result of them became final.
    pub finalized: u64,
    /// Closed: every task ended and was paid.
    pub settled: u64,
    /// Taken back by their requester.
    pub cancelled: u64,
    /// Ended because they could not be served.
    pub failed: u64,
    /// Came to no end.
    pub unfinished: u64,
}

/// Counts as the records go by.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub alarms: BTreeSet<(AlarmKind, String)>,
    pub marks: BTreeMap<String, u64>,
    pub records: u64,
    pub refused: BTreeMap<String, u64>,
    ended: BTreeMap<NeedId, NeedEnd>,
    finalized: BTreeSet<NeedId>,
    opened: BTreeSet<NeedId>,
    posted: BTreeSet<NeedId>,
}

impl Sums {
    pub fn see(&mut self, record: &Record) {
        self.records += 1;
        match &record.event {
            Event::NeedPosted { need, .. } => drop(self.posted.insert(*need)),
            Event::NeedOpened { need } => drop(self.opened.insert(*need)),
            Event::Finalized { need, .. } => drop(self.finalized.insert(*need)),
            Event::NeedEnded { need, how } => drop(self.ended.entry(*need).or_insert(*how)),
            Event::Refused { reason } => count(&mut self.refused, reason.as_str()),
            Event::Mark(name) => count(&mut self.marks, name),
            Event::Alarm { kind, what } => drop(self.alarms.insert((*kind, what.clone()))),
            _ => {}
        }
    }

    pub fn needs(&self) -> NeedCounts {
        let ended = |how| self.ended.values().filter(|e| **e == how).count() as u64;
        let known: BTreeSet<_> = self.posted.iter().chain(&self.opened).chain(self.ended.keys()).collect();
        NeedCounts {
            posted: known.len() as u64,
            opened: self.opened.len() as u64,
            finalized: self.finalized.len() as u64,
            settled: ended(NeedEnd::Closed),
            cancelled: ended(NeedEnd::Cancelled),
            failed: ended(NeedEnd::Failed),
            unfinished: (known.len() - self.ended.len()) as u64,
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(n) => *n += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}
