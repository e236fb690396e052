//! P2, deterministic replay: the FINALIZE record of a (need, task, fence) is the same bytes wherever it is told, says what
//! it is told for, and every log that was replayed gave what it gave before.

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::id::{Fence, NeedId, TaskName};
use swarm_core::wire::FinalizeRecord;

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, Record};

const NAME: &str = "P2";

/// The oracle of P2.
#[derive(Debug, Default)]
pub struct SameFinalize {
    liars: Liars,
    first: BTreeMap<NeedId, BTreeMap<TaskName, BTreeMap<Fence, Record>>>,
    notes: Notes,
}

impl Checker for SameFinalize {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        match &record.event {
            Event::Finalized { need, task, fence, record: bytes } if !self.liars.told(record) => {
                self.notes.checked();
                let tasks = self.first.entry(*need).or_default();
                match tasks.get(task).and_then(|fences| fences.get(fence)) {
                    None => {
                        if !says(bytes, need, task, *fence) {
                            self.notes.contradict(NAME, "the record is not of the task it is told for", &[record]);
                        }
                        tasks.entry(task.clone()).or_default().insert(*fence, record.clone());
                    }
                    Some(first) => {
                        if let Event::Finalized { record: other, .. } = &first.event
                            && !Arc::ptr_eq(other, bytes)
                            && let Some(at) = difference(other, bytes)
                        {
                            let what = format!("two FINALIZE records of one grant differ from byte {at} on");
                            self.notes.contradict(NAME, what, &[first, record]);
                        }
                    }
                }
            }
            Event::Replayed { equal, first_difference } if !self.liars.told(record) => {
                self.notes.checked();
                if !equal {
                    let at = first_difference.as_deref().unwrap_or("an unnamed place");
                    self.notes.contradict(NAME, format!("a replay of this node's log differs at {at}"), &[record]);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, _: &End) -> Finding {
        self.notes.finding.clone()
    }
}

/// Whether `bytes` are the record of this grant.
fn says(bytes: &[u8], need: &NeedId, task: &TaskName, fence: Fence) -> bool {
    let record: Result<FinalizeRecord, _> = serde_json::from_slice(bytes);
    record.is_ok_and(|r| r.need == *need && r.task == *task && r.fence == fence)
}

/// The first byte in which `a` and `b` differ.
fn difference(a: &[u8], b: &[u8]) -> Option<usize> {
    if a == b {
        return None;
    }
    Some(a.iter().zip(b).take_while(|(x, y)| x == y).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::{caught, good, holds};

    #[test]
    fn a_good_history_holds() {
        holds(SameFinalize::default(), &good());
    }

    #[test]
    fn one_byte_differs() {
        let mut run = good();
        run.edit_last(|e| matches!(e, Event::Finalized { .. }), |e| {
            if let Event::Finalized { record, .. } = e {
                let mut bytes = record.to_vec();
                *bytes.last_mut().unwrap() = b' ';
                *record = bytes.into();
            }
        });
        caught(SameFinalize::default(), &run, "differ from byte");
    }

    #[test]
    fn a_record_of_another_grant() {
        let mut run = good();
        run.edit_last(|e| matches!(e, Event::Finalized { .. }), |e| {
            if let Event::Finalized { fence, .. } = e {
                *fence = Fence(7);
            }
        });
        caught(SameFinalize::default(), &run, "not of the task");
    }

    #[test]
    fn a_replay_that_differs() {
        let mut run = good();
        run.edit_last(|e| matches!(e, Event::Replayed { .. }), |e| {
            *e = Event::Replayed { equal: false, first_difference: Some("line 7".into()) };
        });
        caught(SameFinalize::default(), &run, "differs at line 7");
    }
}
