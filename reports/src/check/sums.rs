//! What is counted as the records go by; judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{AlarmKind, Event, Record};

/// Counts as the records go by.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub alarms: BTreeSet<(AlarmKind, String)>,
    pub marks: BTreeMap<String, u64>,
    pub records: u64,
    pub refused: BTreeMap<String, u64>,
}

impl Sums {
    pub fn see(&mut self, record: &Record) {
        self.records += 1;
        match &record.event {
            Event::Refused { reason } => count(&mut self.refused, reason.as_str()),
            Event::Mark(name) => count(&mut self.marks, name),
            Event::Alarm { kind, what } => drop(self.alarms.insert((*kind, what.clone()))),
            _ => {}
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(n) => *n += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}
