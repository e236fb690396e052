//! Liveness: every need that a correct requester posted, and that could be served, comes to a right end before the settle
//! phase is over, and its requester hears of it; it comes to one end only; and one that closed got what it wanted. A requester
//! that is whole in the end has posted every need that it was asked to post. And the register comes to rest: nothing is ordered
//! again and again in vain. Whoever must rule on a dispute and can does (`panels`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{AgentId, Digest, NeedId, TaskName, Thread};
use swarm_core::register::Outcome;

use super::panels::Panels;
use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, NeedEnd, NodeNo, Record, TaskEnd};

const NAME: &str = "liveness";

/// So often nothing is ordered in vain: coordinators submit again what is long in coming, but each some dozen times at most.
const VAIN_MAX: u32 = 256;

/// The oracle of liveness.
#[derive(Debug, Default)]
pub struct Liveness {
    /// Nodes that must have heard of what ended.
    correct: BTreeSet<NodeNo>,
    dishonest: Vec<AgentId>,
    /// The first telling of each need's end, and who told it.
    ended: BTreeMap<NeedId, (Record, BTreeSet<NodeNo>)>,
    liars: Liars,
    notes: Notes,
    panels: Panels,
    /// Tasks that were done and paid for.
    paid: BTreeSet<(NeedId, TaskName)>,
    posted: BTreeMap<NeedId, Record>,
    /// When each node was asked to post a need.
    asked: BTreeMap<NodeNo, Vec<Record>>,
    /// The tasks that make what a need wants.
    wanted: BTreeMap<NeedId, Arc<[TaskName]>>,
    /// How often each command was ordered and refused.
    vain: BTreeMap<(Thread, Digest), u32>,
}

impl Checker for Liveness {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        self.panels.see(record);
        match &record.event {
            Event::Genesis { parties, .. } => {
                self.dishonest.extend(parties.iter().filter(|p| !p.honest).map(|p| p.agent));
            }
            Event::NeedPosted { need, requester, .. } if !self.dishonest.contains(requester) => {
                self.posted.entry(*need).or_insert_with(|| record.clone());
            }
            Event::NeedWanted if !self.liars.told(record) => {
                self.asked.entry(record.node).or_default().push(record.clone());
            }
            Event::NeedEnded { need, .. } if !self.liars.told(record) => {
                let (first, tellers) = self.ended.entry(*need).or_insert_with(|| (record.clone(), BTreeSet::new()));
                tellers.insert(record.node);
                if how(first) != how(record) {
                    self.notes.contradict(NAME, format!("need {need} has two ends"), &[first, record]);
                }
            }
            Event::Correct { nodes, .. } => self.correct = nodes.iter().copied().collect(),
            Event::Planned { need, wanted, .. } if !self.liars.told(record) => {
                self.wanted.entry(*need).or_insert_with(|| wanted.clone());
            }
            Event::TaskEnded { need, task, how: TaskEnd::Paid } if !self.liars.told(record) => {
                self.paid.insert((*need, task.clone()));
            }
            Event::Ordered { entry, thread, .. } if matches!(entry.outcome, Outcome::Refused(_)) => {
                let times = self.vain.entry((*thread, entry.command)).or_default();
                *times += 1;
                if *times == VAIN_MAX {
                    let what = format!("command {} was ordered {times} times in vain", entry.command);
                    self.notes.contradict(NAME, what, &[record]);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, end: &End) -> Finding {
        let mut notes = self.notes.clone();
        // Needs that it would have posted later are told by nobody.
        if !end.settled {
            notes.unknown("the run was cut short: what would have come of it is not known".to_owned());
        }
        self.lost(end, &mut notes);
        if !end.expect.data_loss {
            self.panels.finish(NAME, &self.correct, &mut notes);
        }
        for (need, posted) in self.posted.iter().filter(|(need, _)| !end.expect.excused.contains(need)) {
            notes.checked();
            let right = &end.expect.ends;
            let Some((ended, tellers)) = self.ended.get(need) else {
                if end.settled {
                    let what = format!("need {need} came to no end by the end of the settle phase");
                    notes.contradict(NAME, what, &[posted]);
                } else {
                    notes.unknown(format!("need {need} has not ended, but the run was cut short"));
                }
                continue;
            };
            if !how(ended).is_some_and(|how| right.contains(&how)) {
                let how = how(ended).map_or("nothing", NeedEnd::as_str);
                let what = format!("need {need} ended as {how}, which was not asked for");
                notes.contradict(NAME, what, &[posted, ended]);
            }
            if end.settled && self.correct.contains(&posted.node) && !tellers.contains(&posted.node) {
                let what = format!("need {need} ended, and its requester has not heard of it");
                notes.contradict(NAME, what, &[posted, ended]);
            }
        }
        for (need, (ended, _)) in self.ended.iter().filter(|(_, (ended, _))| how(ended) == Some(NeedEnd::Closed)) {
            notes.checked();
            let undone = |task: &&TaskName| !self.paid.contains(&(*need, TaskName::clone(task)));
            match self.wanted.get(need).map(|wanted| wanted.iter().find(undone)) {
                Some(None) => {}
                Some(Some(task)) => {
                    let what = format!("need {need} closed, and task {task}, which makes what it wants, was not done");
                    notes.contradict(NAME, what, &[ended]);
                }
                None => notes.contradict(NAME, format!("need {need} closed without a plan"), &[ended]),
            }
        }
        notes.finding
    }
}

impl Liveness {
    /// A need that nobody ever said comes to no end, and is missed by nobody else. Where the register loses what it acknowledged
    /// nothing is promised to anyone.
    fn lost(&self, end: &End, notes: &mut Notes) {
        for (node, asked) in self.asked.iter().filter(|_| !end.expect.data_loss) {
            let said = self.posted.values().filter(|posted| posted.node == *node).count();
            let Some(first) = asked.get(said) else { continue };
            notes.checked();
            let what = format!("{node} was asked for {} needs, and posted {said}", asked.len());
            if !end.settled {
                notes.unknown(format!("{what}, but the run was cut short"));
            } else if self.correct.contains(node) {
                notes.contradict(NAME, what, &[first]);
            }
        }
    }
}

fn how(record: &Record) -> Option<NeedEnd> {
    match &record.event {
        Event::NeedEnded { how, .. } => Some(*how),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::{caught, good, holds, need, nonsense, unknown};

    #[test]
    fn a_good_history_holds() {
        holds(Liveness::default(), &good());
    }

    #[test]
    fn a_need_without_end() {
        let mut run = good();
        run.drop_all(|e| matches!(e, Event::NeedEnded { .. }));
        caught(Liveness::default(), &run, "came to no end");
        run.end.settled = false;
        unknown(Liveness::default(), &run, "cut short");
        let mut ended = good();
        ended.end.settled = false;
        unknown(Liveness::default(), &ended, "would have come of it");
        run.end.expect.excused.insert(need());
        assert_eq!(run.finding(Liveness::default()).checked, 0);
    }

    #[test]
    fn a_need_that_closed_without_what_it_wanted() {
        let mut run = good();
        run.edit_all(|e| {
            if let Event::TaskEnded { how, .. } = e {
                *how = TaskEnd::Failed;
            }
        });
        caught(Liveness::default(), &run, "was not done");
        // One that nobody wanted for itself may fail.
        run.edit_all(|e| {
            if let Event::Planned { wanted, .. } = e {
                *wanted = [].into();
            }
        });
        holds(Liveness::default(), &run);
        run.drop_all(|e| matches!(e, Event::Planned { .. }));
        caught(Liveness::default(), &run, "without a plan");
    }

    #[test]
    fn a_requester_that_does_not_hear_of_the_end() {
        let mut run = good();
        let requester = |r: &Record| matches!(r.event, Event::NeedPosted { .. }).then_some(r.node);
        let node = run.records.iter().find_map(requester).unwrap();
        run.records.retain(|r| !(r.node == node && matches!(r.event, Event::NeedEnded { .. })));
        caught(Liveness::default(), &run, "has not heard of it");
        // One that is broken for good is waited for by nobody.
        run.drop_all(|e| matches!(e, Event::Correct { .. }));
        holds(Liveness::default(), &run);
    }

    #[test]
    fn another_end_is_right_only_if_it_was_asked_for() {
        let mut run = good();
        run.edit_all(|e| {
            if let Event::NeedEnded { how, .. } = e {
                *how = NeedEnd::Cancelled;
            }
        });
        caught(Liveness::default(), &run, "not asked for");
        run.end.expect.ends = [NeedEnd::Cancelled].into();
        holds(Liveness::default(), &run);
    }

    #[test]
    fn a_need_that_was_never_posted() {
        let mut run = good();
        let node = run.records.iter().find(|r| matches!(r.event, Event::NeedPosted { .. })).unwrap().node;
        let at = run.records.iter().position(|r| matches!(r.event, Event::NeedPosted { .. })).unwrap();
        run.records.insert(at, Record::new(0, node, Event::NeedWanted));
        holds(Liveness::default(), &run);
        run.records.insert(at, Record::new(0, node, Event::NeedWanted));
        caught(Liveness::default(), &run, "was asked for 2 needs, and posted 1");
        run.end.settled = false;
        unknown(Liveness::default(), &run, "posted 1, but the run was cut short");
        run.end.settled = true;
        // One whose host is broken for good is waited for by nobody, nor is anyone where the register loses its data.
        let broken = |e: &Event| matches!(e, Event::Correct { .. });
        let mut dead = run.clone();
        dead.drop_all(broken);
        holds(Liveness::default(), &dead);
        run.end.expect.data_loss = true;
        holds(Liveness::default(), &run);
    }

    #[test]
    fn what_is_ordered_again_and_again_in_vain() {
        let mut run = good();
        // One is in it.
        let nonsense = || Record::new(0, NodeNo(0), nonsense());
        run.records.extend((2..VAIN_MAX).map(|_| nonsense()));
        holds(Liveness::default(), &run);
        run.records.push(nonsense());
        caught(Liveness::default(), &run, "ordered 256 times in vain");
    }

    #[test]
    fn two_ends() {
        let mut run = good();
        run.edit_last(
            |e| matches!(e, Event::NeedEnded { .. }),
            |e| {
                if let Event::NeedEnded { how, .. } = e {
                    *how = NeedEnd::Failed;
                }
            },
        );
        caught(Liveness::default(), &run, "two ends");
    }
}
