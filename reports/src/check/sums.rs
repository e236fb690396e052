//! What happened to each need, counted from the history; judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use swarm_core::id::{NeedId, TaskName};

use crate::history::{AlarmKind, Event, NeedEnd, Record};

/// Needs by what became of them. Every need posted is settled, failed, cancelled or unfinished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NeedCounts {
    /// Said by a requester.
    pub posted: u64,
    /// Their escrow was reserved.
    pub opened: u64,
    /// All their tasks are final.
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
    finals: BTreeMap<NeedId, BTreeSet<TaskName>>,
    opened: BTreeSet<NeedId>,
    planned: BTreeMap<NeedId, usize>,
    posted: BTreeSet<NeedId>,
}

impl Sums {
    pub fn see(&mut self, record: &Record) {
        self.records += 1;
        match &record.event {
            Event::NeedPosted { need, .. } => drop(self.posted.insert(*need)),
            Event::NeedOpened { need } => drop(self.opened.insert(*need)),
            Event::Planned { need, tasks, .. } => drop(self.planned.insert(*need, tasks.len())),
            Event::Finalized { need, task, .. } => {
                self.finals.entry(*need).or_default().insert(task.clone());
            }
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
        // A need that closed has no task that is not final, even where nobody told how many there are.
        let all_final = |need: &NeedId| {
            let finals = self.finals.get(need).map_or(0, BTreeSet::len);
            self.ended.get(need) == Some(&NeedEnd::Closed)
                || self.planned.get(need).is_some_and(|tasks| finals >= *tasks)
        };
        NeedCounts {
            posted: known.len() as u64,
            opened: self.opened.len() as u64,
            finalized: known.iter().filter(|need| all_final(need)).count() as u64,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::{good, need};

    #[test]
    fn a_need_is_finalized_when_all_its_tasks_are_final() {
        let mut run = good();
        run.drop_all(|e| matches!(e, Event::NeedEnded { .. }));
        let finalized = |tasks: &[&str]| {
            let mut run = run.clone();
            let tasks = tasks.iter().map(|name| swarm_core::id::label(name)).collect();
            run.tell(0, Event::Planned { need: need(), tasks, wanted: [].into() });
            let mut sums = Sums::default();
            run.records.iter().for_each(|record| sums.see(record));
            sums.needs().finalized
        };
        assert_eq!((finalized(&["t"]), finalized(&["t", "u"])), (1, 0));
    }
}
