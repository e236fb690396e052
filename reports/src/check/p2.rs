//! P2, deterministic replay: the FINALIZE record of a task is the same bytes wherever it is told, says what it is told for,
//! is one for each task, and every log that was replayed gave what it gave before.
//!
//! What one node alone tells is compared with nothing, and does not count as checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{Fence, NeedId, TaskName};
use swarm_core::wire::FinalizeRecord;

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, NodeNo, Record};

const NAME: &str = "P2";

/// The oracle of P2.
#[derive(Debug, Default)]
pub struct SameFinalize {
    liars: Liars,
    first: BTreeMap<NeedId, BTreeMap<TaskName, BTreeMap<Fence, Record>>>,
    /// Grants whose result fell after it was final.
    fallen: BTreeSet<(NeedId, TaskName, Fence)>,
    notes: Notes,
    /// Nodes that told of a result.
    tellers: BTreeSet<NodeNo>,
}

impl Checker for SameFinalize {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        match &record.event {
            Event::Finalized { need, task, fence, record: bytes }
            | Event::Announced { need, task, fence, record: bytes }
                if !self.liars.told(record) =>
            {
                self.tellers.insert(record.node);
                let grants = self.first.entry(*need).or_default().entry(task.clone()).or_default();
                let Some(first) = grants.get(fence) else {
                    if !says(bytes, need, task, *fence) {
                        self.notes.contradict(NAME, "the record is not of the task it is told for", &[record]);
                    }
                    let fell = |before: &Fence| self.fallen.contains(&(*need, task.clone(), *before));
                    if let Some((before, first)) = grants.iter().find(|(before, _)| !fell(before)) {
                        let what = format!("one task is final twice, under fence {before} and under {fence}");
                        self.notes.contradict(NAME, what, &[first, record]);
                    }
                    grants.insert(*fence, record.clone());
                    return;
                };
                if first.node != record.node {
                    self.notes.checked();
                }
                let (Event::Finalized { record: other, .. } | Event::Announced { record: other, .. }) = &first.event
                else {
                    unreachable!("kept by kind")
                };
                if !Arc::ptr_eq(other, bytes)
                    && let Some(at) = difference(other, bytes)
                {
                    let what = format!("two FINALIZE records of one grant differ from byte {at} on");
                    self.notes.contradict(NAME, what, &[first, record]);
                }
            }
            // Whoever judges that it had to fall is P3's and the model's affair: told by anyone, it may be done again.
            Event::LeaseEnded { need, task, fence, .. } => {
                self.fallen.insert((*need, task.clone(), *fence));
            }
            Event::Replayed { equal, first_difference } if !self.liars.told(record) => {
                // A life in which nothing became final shows nothing of the promise.
                if self.tellers.contains(&record.node) {
                    self.notes.checked();
                }
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
        run.edit_last(
            |e| matches!(e, Event::Finalized { .. }),
            |e| {
                if let Event::Finalized { record, .. } = e {
                    let mut bytes = record.to_vec();
                    *bytes.last_mut().unwrap() = b' ';
                    *record = bytes.into();
                }
            },
        );
        caught(SameFinalize::default(), &run, "differ from byte");
        run.edit_last(
            |e| matches!(e, Event::Finalized { .. }),
            |e| {
                let Event::Finalized { fence, need, record, task } = e.clone() else {
                    unreachable!("it was asked for")
                };
                *e = Event::Announced { fence, need, record, task };
            },
        );
        caught(SameFinalize::default(), &run, "differ from byte");
    }

    /// The FINALIZE records told, each by its nodes.
    fn refence(run: &mut crate::check::fixture::Run, fence: Fence) {
        run.edit_last(
            |e| matches!(e, Event::Finalized { .. }),
            |e| {
                if let Event::Finalized { fence: of, .. } = e {
                    *of = fence;
                }
            },
        );
    }

    #[test]
    fn a_record_of_another_grant() {
        let mut run = good();
        let last = run.records.iter().rfind(|r| matches!(r.event, Event::Finalized { .. })).unwrap().clone();
        run.drop_all(|e| matches!(e, Event::Finalized { .. }));
        run.records.push(last);
        refence(&mut run, Fence(7));
        caught(SameFinalize::default(), &run, "not of the task");
    }

    #[test]
    fn two_results_under_two_fences() {
        let mut run = good();
        refence(&mut run, Fence(3));
        caught(SameFinalize::default(), &run, "final twice, under fence 2 and under 3");
    }

    #[test]
    fn what_one_node_alone_tells_is_not_checked() {
        let mut run = good();
        run.drop_all(|e| matches!(e, Event::Replayed { .. }));
        assert_eq!(run.finding(SameFinalize::default()).checked, 2);
        let first = run.records.iter().position(|r| matches!(r.event, Event::Finalized { .. })).unwrap();
        let (one, node) = (run.records[first].clone(), run.records[first].node);
        run.drop_all(|e| matches!(e, Event::Finalized { .. }));
        run.records.extend([one.clone(), Record { node, ..one }]);
        assert_eq!(run.finding(SameFinalize::default()).checked, 0);
    }

    #[test]
    fn a_replay_that_differs() {
        let mut run = good();
        run.edit_last(
            |e| matches!(e, Event::Replayed { .. }),
            |e| {
                *e = Event::Replayed { equal: false, first_difference: Some("line 7".into()) };
            },
        );
        caught(SameFinalize::default(), &run, "differs at line 7");
    }
}
