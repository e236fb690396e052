//! P1, single DECIDE: per need at most one proposal is ever decided, anywhere, in any epoch, and nothing is opened anew
//! or granted under another epoch once it is.
//!
//! A restored register counts epochs in a higher generation (the upper half of an epoch). Each generation is judged by
//! itself; the highest that a node has told wins on that node: what it tells of an older one after that has taken effect
//! although it is void. Where generations decided differently, the older decision must have been reported as void.

use std::collections::{BTreeMap, BTreeSet};

use swarm_core::id::{Cid, Epoch, NeedId};

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, NodeNo, Record};

const NAME: &str = "P1";

/// The oracle of P1.
#[derive(Debug, Default)]
pub struct SingleDecide {
    liars: Liars,
    needs: BTreeMap<NeedId, Need>,
    notes: Notes,
}

#[derive(Debug, Default)]
struct Need {
    /// The first decision told anywhere, by generation.
    first: BTreeMap<u64, Record>,
    /// Whatever was first told of the newest generation: voters were drawn in it, or a task was granted.
    newest: Option<(u64, Record)>,
    /// What each node holds for decided, in the highest generation it told of.
    by_node: BTreeMap<NodeNo, Held>,
    /// Decisions reported as void.
    voided: BTreeSet<(u64, Cid)>,
}

#[derive(Debug, Default)]
struct Held {
    generation: u64,
    decided: Option<Record>,
}

impl Checker for SingleDecide {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        if self.liars.told(record) {
            return;
        }
        match &record.event {
            Event::Decided { need, epoch, .. } => {
                self.notes.checked();
                let known = self.needs.entry(*need).or_default();
                let first = known.first.entry(generation(*epoch)).or_insert_with(|| record.clone());
                let (then, now) = (decision(first), decision(record));
                if then.1 != now.1 {
                    self.notes.contradict(NAME, "two proposals are decided for one need", &[first, record]);
                } else if then.0 != now.0 {
                    self.notes.contradict(NAME, "one need is decided in two epochs", &[first, record]);
                }
                let held = known.enters(record, *epoch, &mut self.notes);
                if let Some(own) = held.decided.replace(record.clone()) {
                    self.notes.contradict(NAME, "one node applied two decisions of one need", &[&own, record]);
                }
            }
            Event::Voters { need, epoch, .. } => {
                let held = self.needs.entry(*need).or_default().enters(record, *epoch, &mut self.notes);
                if let Some(own) = held.decided.as_ref().filter(|own| decision(own).0 != Some(*epoch)) {
                    self.notes.contradict(NAME, "another epoch begins after the decision", &[own, record]);
                }
            }
            Event::Granted { need, epoch, .. } => {
                let held = self.needs.entry(*need).or_default().enters(record, *epoch, &mut self.notes);
                match &held.decided {
                    None => self.notes.contradict(NAME, "a task is granted before any decision", &[record]),
                    Some(own) if decision(own).0 != Some(*epoch) => {
                        let what = "a task is granted under an epoch that was not decided";
                        self.notes.contradict(NAME, what, &[own, record]);
                    }
                    Some(_) => {}
                }
            }
            Event::Voided { need, epoch, proposal } => {
                let known = self.needs.entry(*need).or_default();
                known.voided.insert((generation(*epoch), *proposal));
            }
            _ => {}
        }
    }

    fn finish(&mut self, end: &End) -> Finding {
        let mut notes = self.notes.clone();
        for known in self.needs.values() {
            // A generation in which the need is not decided is newer as well: what an older one decided is void in it.
            let Some((newest, told)) = &known.newest else { continue };
            let counts = known.first.get(newest).unwrap_or(told);
            for (generation, old) in known.first.range(..newest) {
                let Some(proposal) = decision(old).1.filter(|old| Some(*old) != decision(counts).1) else { continue };
                notes.checked();
                if known.voided.contains(&(*generation, proposal)) {
                    continue;
                }
                if end.settled {
                    let what = format!("generation {newest} did not decide so, and nobody reported that this is void");
                    notes.contradict(NAME, what, &[old, counts]);
                } else {
                    notes.unknown("a void decision was not reported, but the run was cut short");
                }
            }
        }
        notes.finding
    }
}

impl Need {
    /// What the teller of `record` holds, now that it tells of `epoch`: a higher generation voids what it held.
    fn enters(&mut self, record: &Record, epoch: Epoch, notes: &mut Notes) -> &mut Held {
        let generation = generation(epoch);
        if self.newest.as_ref().is_none_or(|(newest, _)| generation > *newest) {
            self.newest = Some((generation, record.clone()));
        }
        let held = self.by_node.entry(record.node).or_default();
        if generation > held.generation {
            *held = Held { generation, decided: None };
        } else if generation < held.generation {
            let what =
                format!("generation {generation} takes effect on a node that knows generation {}", held.generation);
            notes.contradict(NAME, what, &held.decided.iter().chain([record]).collect::<Vec<_>>());
        }
        held
    }
}

/// How often the register had been restored (PROTOCOL 5: Restore).
fn generation(epoch: Epoch) -> u64 {
    epoch.0 >> 32
}

fn decision(record: &Record) -> (Option<Epoch>, Option<Cid>) {
    match &record.event {
        Event::Decided { epoch, proposal, .. } => (Some(*epoch), Some(*proposal)),
        _ => (None, None),
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
        run.edit_last(
            |e| matches!(e, Event::Decided { .. }),
            |e| {
                if let Event::Decided { proposal, .. } = e {
                    *proposal = Cid::of(b"other");
                }
            },
        );
        caught(SingleDecide::default(), &run, "two proposals are decided");
    }

    #[test]
    fn two_epochs() {
        let mut run = good();
        run.edit_last(
            |e| matches!(e, Event::Decided { .. }),
            |e| {
                if let Event::Decided { epoch, .. } = e {
                    *epoch = Epoch(2);
                }
            },
        );
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
        run.edit_last(
            |e| matches!(e, Event::Voters { .. }),
            |e| {
                if let Event::Voters { epoch, .. } = e {
                    *epoch = Epoch(2);
                }
            },
        );
        run.move_last_to_end(|e| matches!(e, Event::Voters { .. }));
        caught(SingleDecide::default(), &run, "another epoch begins");
    }

    #[test]
    fn a_grant_under_another_epoch() {
        let mut run = good();
        run.edit_last(
            |e| matches!(e, Event::Granted { .. }),
            |e| {
                if let Event::Granted { epoch, .. } = e {
                    *epoch = Epoch(9);
                }
            },
        );
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
        run.edit_last(
            |e| matches!(e, Event::Decided { .. }),
            |e| {
                if let Event::Decided { proposal, .. } = e {
                    *proposal = Cid::of(b"other");
                }
            },
        );
        assert_eq!(
            run.records.iter().rev().find(|r| matches!(r.event, Event::Decided { .. })).unwrap().node,
            NodeNo(2)
        );
        holds(SingleDecide::default(), &run);
    }

    /// The good history, then what nodes 0 and 1 tell of a later generation.
    fn restored(proposal: &[u8]) -> crate::check::fixture::Run {
        let mut run = good();
        let told = run.records.iter().rfind(|r| matches!(r.event, Event::Decided { .. })).unwrap().event.clone();
        for node in 0..2 {
            let mut event = told.clone();
            if let Event::Decided { epoch, proposal: decided, .. } = &mut event {
                (*epoch, *decided) = (Epoch(1 << 32 | 1), Cid::of(proposal));
            }
            run.tell(node, event);
        }
        run
    }

    #[test]
    fn t18_a_restored_register_decides_the_same_again() {
        holds(SingleDecide::default(), &restored(b"plan"));
    }

    #[test]
    fn t18_what_a_higher_generation_voids_is_reported() {
        let mut run = restored(b"other");
        caught(SingleDecide::default(), &run, "nobody reported");
        run.end.settled = false;
        crate::check::fixture::unknown(SingleDecide::default(), &run, "cut short");
        run.end.settled = true;
        let (need, epoch) = (crate::check::fixture::need(), Epoch(1));
        run.tell(2, Event::Voided { need, epoch, proposal: Cid::of(b"third") });
        caught(SingleDecide::default(), &run, "nobody reported");
        run.tell(2, Event::Voided { need, epoch, proposal: Cid::of(b"plan") });
        holds(SingleDecide::default(), &run);
    }

    #[test]
    fn t18_a_newer_generation_that_decides_nothing_voids_as_well() {
        let mut run = good();
        let mut event = run.records.iter().find(|r| matches!(r.event, Event::Voters { .. })).unwrap().event.clone();
        if let Event::Voters { epoch, .. } = &mut event {
            *epoch = Epoch(1 << 32 | 1);
        }
        run.tell(0, event);
        caught(SingleDecide::default(), &run, "generation 1 did not decide so, and nobody reported");
        run.tell(0, Event::Voided { need: crate::check::fixture::need(), epoch: Epoch(1), proposal: Cid::of(b"plan") });
        holds(SingleDecide::default(), &run);
    }

    #[test]
    fn t18_an_older_generation_that_resurfaces_has_no_effect() {
        for old in [
            |e: &Event| matches!(e, Event::Decided { .. }),
            |e: &Event| matches!(e, Event::Granted { .. }),
            |e: &Event| matches!(e, Event::Voters { .. }),
        ] {
            let mut run = restored(b"plan");
            let mut event = run.records.iter().find(|r| old(&r.event)).unwrap().event.clone();
            if let Event::Decided { epoch, .. } = &mut event {
                *epoch = Epoch(1);
            }
            run.tell(2, event.clone());
            let had = run.finding(SingleDecide::default()).contradictions;
            assert!(had.iter().all(|c| !c.what.contains("knows generation")), "node 2 was not told of the restore");
            run.tell(1, event);
            caught(SingleDecide::default(), &run, "generation 0 takes effect on a node that knows generation 1");
        }
    }

    #[test]
    fn two_proposals_in_one_later_generation() {
        let mut run = restored(b"plan");
        run.edit_last(
            |e| matches!(e, Event::Decided { .. }),
            |e| {
                if let Event::Decided { proposal, .. } = e {
                    *proposal = Cid::of(b"other");
                }
            },
        );
        caught(SingleDecide::default(), &run, "two proposals are decided");
    }

    #[test]
    fn a_grant_of_a_generation_that_decided_nothing() {
        let mut run = good();
        let mut event = run.records.iter().find(|r| matches!(r.event, Event::Granted { .. })).unwrap().event.clone();
        if let Event::Granted { epoch, .. } = &mut event {
            *epoch = Epoch(1 << 32 | 1);
        }
        run.tell(0, event);
        caught(SingleDecide::default(), &run, "before any decision");
    }
}
