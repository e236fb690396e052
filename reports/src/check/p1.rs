//! P1, single DECIDE: per need at most one proposal is ever decided, anywhere, in any epoch, and nothing is opened anew
//! or granted under another epoch once it is.

use std::collections::BTreeMap;

use swarm_core::id::NeedId;

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, NodeNo, Record};

const NAME: &str = "P1";

/// The oracle of P1.
#[derive(Debug, Default)]
pub struct SingleDecide {
    liars: Liars,
    needs: BTreeMap<NeedId, Decision>,
    notes: Notes,
}

#[derive(Debug, Default)]
struct Decision {
    /// The first decision told anywhere.
    first: Option<Record>,
    /// What each node decided, by the order of its own beliefs.
    by_node: BTreeMap<NodeNo, Record>,
}

impl Checker for SingleDecide {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        match &record.event {
            Event::Decided { need, proposal, epoch, .. } if !self.liars.told(record) => {
                self.notes.checked();
                let decision = self.needs.entry(*need).or_default();
                let first = decision.first.get_or_insert_with(|| record.clone());
                if let Event::Decided { proposal: other, epoch: then, .. } = &first.event {
                    if other != proposal {
                        self.notes.contradict(NAME, "two proposals are decided for one need", &[first, record]);
                    } else if then != epoch {
                        self.notes.contradict(NAME, "one need is decided in two epochs", &[first, record]);
                    }
                }
                if let Some(own) = decision.by_node.insert(record.node, record.clone()) {
                    self.notes.contradict(NAME, "one node applied two decisions of one need", &[&own, record]);
                }
            }
            Event::Voters { need, epoch, .. } if !self.liars.told(record) => {
                let own = self.needs.get(need).and_then(|d| d.by_node.get(&record.node));
                if let Some(own) = own.filter(|own| decided_epoch(own) != Some(*epoch)) {
                    self.notes.contradict(NAME, "another epoch begins after the decision", &[own, record]);
                }
            }
            Event::Granted { need, epoch, .. } if !self.liars.told(record) => {
                match self.needs.get(need).and_then(|d| d.by_node.get(&record.node)) {
                    None => self.notes.contradict(NAME, "a task is granted before any decision", &[record]),
                    Some(own) if decided_epoch(own) != Some(*epoch) => {
                        self.notes.contradict(NAME, "a task is granted under an epoch that was not decided", &[own, record]);
                    }
                    Some(_) => {}
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, _: &End) -> Finding {
        self.notes.finding.clone()
    }
}

fn decided_epoch(record: &Record) -> Option<swarm_core::id::Epoch> {
    match &record.event {
        Event::Decided { epoch, .. } => Some(*epoch),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::{caught, good, holds};
    use swarm_core::id::{Cid, Epoch};

    #[test]
    fn a_good_history_holds() {
        holds(SingleDecide::default(), &good());
    }

    #[test]
    fn two_proposals() {
        let mut run = good();
        run.edit_last(|e| matches!(e, Event::Decided { .. }), |e| {
            if let Event::Decided { proposal, .. } = e {
                *proposal = Cid::of(b"other");
            }
        });
        caught(SingleDecide::default(), &run, "two proposals are decided");
    }

    #[test]
    fn two_epochs() {
        let mut run = good();
        run.edit_last(|e| matches!(e, Event::Decided { .. }), |e| {
            if let Event::Decided { epoch, .. } = e {
                *epoch = Epoch(2);
            }
        });
        caught(SingleDecide::default(), &run, "decided in two epochs");
    }

    #[test]
    fn twice_on_one_node() {
        let mut run = good();
        run.repeat_last(|e| matches!(e, Event::Decided { .. }));
        caught(SingleDecide::default(), &run, "two decisions");
    }

    #[test]
    fn an_epoch_after_the_decision() {
        let mut run = good();
        run.repeat_last(|e| matches!(e, Event::Voters { .. }));
        run.edit_last(|e| matches!(e, Event::Voters { .. }), |e| {
            if let Event::Voters { epoch, .. } = e {
                *epoch = Epoch(2);
            }
        });
        run.move_last_to_end(|e| matches!(e, Event::Voters { .. }));
        caught(SingleDecide::default(), &run, "another epoch begins");
    }

    #[test]
    fn a_grant_under_another_epoch() {
        let mut run = good();
        run.edit_last(|e| matches!(e, Event::Granted { .. }), |e| {
            if let Event::Granted { epoch, .. } = e {
                *epoch = Epoch(9);
            }
        });
        caught(SingleDecide::default(), &run, "not decided");
    }

    #[test]
    fn a_grant_without_decision() {
        let mut run = good();
        run.drop_all(|e| matches!(e, Event::Decided { .. }));
        caught(SingleDecide::default(), &run, "before any decision");
    }

    #[test]
    fn what_a_liar_tells_is_not_judged() {
        let mut run = good();
        run.liar(2);
        run.edit_last(|e| matches!(e, Event::Decided { .. }), |e| {
            if let Event::Decided { proposal, .. } = e {
                *proposal = Cid::of(b"other");
            }
        });
        assert_eq!(run.records.iter().rev().find(|r| matches!(r.event, Event::Decided { .. })).unwrap().node, NodeNo(2));
        holds(SingleDecide::default(), &run);
    }
}
