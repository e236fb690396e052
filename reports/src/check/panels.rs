//! Panels: one that has as many honest seats as a ruling takes rules, if it has a while left in which nothing fails any more.
//!
//! Where it does not the work is done again, which costs nobody a stake: no other oracle would ask why.

use std::collections::{BTreeMap, BTreeSet};

use swarm_core::id::{AgentId, NeedId, TaskName, Thread};
use swarm_core::register::{Bench, Event as Did};

use super::Notes;
use crate::history::{Event, NodeNo, Phase, Record};

/// In so much time without faults whoever is whole hears that it is asked, looks, and is heard; nanoseconds.
const A_WHILE: u64 = 600_000_000_000;

/// A panel and the record of who sits on it.
#[derive(Debug)]
struct Panel {
    /// So many rulings of one mind are enough.
    enough: usize,
    record: Record,
    seats: Vec<AgentId>,
}

/// Who sits, and who did not rule.
#[derive(Debug, Default)]
pub struct Panels {
    /// Since when nothing fails any more.
    settling: Option<u64>,
    honest: BTreeMap<AgentId, NodeNo>,
    /// Disputes about what is a matter of opinion: people differ about that.
    of_opinion: BTreeSet<(NeedId, TaskName)>,
    sitting: BTreeMap<(NeedId, TaskName), Panel>,
    /// How many ruled.
    ruled: u64,
    silent: Vec<(NeedId, TaskName, Panel, Record)>,
}

impl Panels {
    pub fn see(&mut self, record: &Record) {
        match &record.event {
            Event::Genesis { parties, .. } => {
                self.honest.extend(parties.iter().filter(|p| p.honest).map(|p| (p.agent, p.node)));
            }
            Event::Phase(Phase::Settle) => self.settling = Some(record.at),
            Event::Ordered { entry, thread: Thread::Need(need), .. } => {
                entry.outcome.events().iter().for_each(|did| self.did(*need, did, record));
            }
            _ => {}
        }
    }

    fn did(&mut self, need: NeedId, did: &Did, record: &Record) {
        match did {
            Did::Challenged { bench, task, .. } => self.judges(need, task, *bench),
            Did::Empanelled { k_ruling, seats, task, .. } if !self.of_opinion.contains(&(need, task.clone())) => {
                let panel = Panel { enough: *k_ruling as usize, record: record.clone(), seats: seats.clone() };
                self.sitting.insert((need, task.clone()), panel);
            }
            Did::Unruled { bench, task } => {
                self.rose(need, task, record);
                self.judges(need, task, *bench);
            }
            Did::Ruled { ruling: None, task, .. } => self.rose(need, task, record),
            Did::Ruled { task, .. } => {
                self.ruled += u64::from(self.sitting.remove(&(need, task.clone())).is_some());
            }
            // Nobody rules on what has lost its inputs, nor on what is gone.
            Did::Invalidated { .. } => self.sitting.retain(|(of, _), _| *of != need),
            Did::Released { task, .. } | Did::Unmasked { task, .. } => {
                self.sitting.remove(&(need, task.clone()));
            }
            _ => {}
        }
    }

    fn judges(&mut self, need: NeedId, task: &TaskName, bench: Bench) {
        if bench.is_of_opinion() {
            self.of_opinion.insert((need, task.clone()));
        } else {
            self.of_opinion.remove(&(need, task.clone()));
        }
    }

    /// It did not rule.
    fn rose(&mut self, need: NeedId, task: &TaskName, record: &Record) {
        let Some(panel) = self.sitting.remove(&(need, task.clone())) else { return };
        if self.settling.is_some_and(|since| record.at.saturating_sub(since) >= A_WHILE) {
            self.silent.push((need, task.clone(), panel, record.clone()));
        }
    }

    /// What is wrong with it, where these nodes are whole in the end.
    pub fn finish(&self, name: &'static str, correct: &BTreeSet<NodeNo>, notes: &mut Notes) {
        (0..self.ruled).for_each(|_| notes.checked());
        for (need, task, panel, end) in &self.silent {
            notes.checked();
            let whole = |seat: &&AgentId| self.honest.get(*seat).is_some_and(|node| correct.contains(node));
            let honest = panel.seats.iter().filter(whole).count();
            if honest >= panel.enough {
                let what = format!(
                    "nobody ruled on task {task} of need {need}, and {honest} of those asked are honest and whole, where {} are enough",
                    panel.enough
                );
                notes.contradict(name, what, &[&panel.record, end]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::{Run, agent, caught, good, holds, need, pool, task};
    use crate::check::liveness::Liveness;
    use crate::history::WORLD;
    use swarm_core::id::{Cid, Digest, Seq};
    use swarm_core::register::{Applied, Command, Outcome};

    /// When nothing fails any more.
    const SETTLED: u64 = 1_000;

    /// A good run in which these do something, at such a time.
    fn with(does: Vec<(u64, Did)>) -> Run {
        let mut run = good();
        let entry = |(at, did): (u64, Did)| {
            let command = Command::Snapshot { number: 1 };
            let entry = Applied::new(command.id(), Outcome::Did(vec![did]), Seq(1));
            let thread = Thread::Need(need());
            Record::new(at, NodeNo(0), Event::Ordered { command: command.into(), entry: entry.into(), thread })
        };
        let at = run.records.iter().position(|r| matches!(r.event, Event::Correct { .. })).expect("some are whole");
        let settles = Record::new(SETTLED, WORLD, Event::Phase(Phase::Settle));
        run.records.splice(at..at, [settles].into_iter().chain(does.into_iter().map(entry)));
        run
    }

    fn sits(seats: &[u8]) -> Did {
        let seats = seats.iter().map(|n| agent(*n)).collect();
        Did::Empanelled { k_ruling: 2, seats, seed: Digest::default(), snapshot: pool().snapshot, task: task() }
    }

    fn ends(ruling: Option<bool>) -> Did {
        Did::Ruled { challenge: Cid::of(b"challenge"), counted: Vec::new(), ruling, task: task() }
    }

    #[test]
    fn honest_members_who_are_whole_rule() {
        let late = SETTLED + A_WHILE;
        let run = |seats: &[u8], at, end| with(vec![(0, sits(seats)), (at, end)]);
        caught(Liveness::default(), &run(&[1, 2], late, ends(None)), "nobody ruled");
        let again = Did::Unruled { bench: Bench::Looks, task: task() };
        caught(Liveness::default(), &run(&[1, 2], late, again), "nobody ruled");
        for fine in [
            run(&[1, 2], late, ends(Some(true))),
            run(&[1, 2], late - 1, ends(None)),
            run(&[1, 9], late, ends(None)),
            with(vec![(late, ends(None))]),
        ] {
            holds(Liveness::default(), &fine);
        }
        let mut broken = run(&[1, 2], late, ends(None));
        broken.edit_all(|e| {
            if let Event::Correct { nodes, .. } = e {
                *nodes = nodes.iter().copied().filter(|node| *node != NodeNo(0)).collect();
            }
        });
        let said = format!("{:?}", broken.finding(Liveness::default()));
        assert!(!said.contains("nobody ruled"), "one of them is not whole: {said}");
    }

    #[test]
    fn nobody_must_be_of_one_mind_or_rule_on_what_rests_on_nothing() {
        let late = SETTLED + A_WHILE;
        let opinion = Did::Unruled { bench: Bench::Larger, task: task() };
        holds(Liveness::default(), &with(vec![(0, opinion), (0, sits(&[1, 2])), (late, ends(None))]));
        let gone = |task| Did::Unmasked { decoy: true, task };
        let asked = |gone| with(vec![(0, sits(&[1, 2])), (0, gone), (late, ends(None))]);
        holds(Liveness::default(), &asked(gone(task())));
        caught(Liveness::default(), &asked(gone("another".parse().unwrap())), "nobody ruled");
    }
}
