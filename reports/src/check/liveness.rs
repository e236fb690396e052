//! Liveness: every need that a correct requester posted, and that could be served, comes to a right end before the settle
//! phase is over; and it comes to one end only.

use std::collections::BTreeMap;

use swarm_core::id::{AgentId, NeedId};

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, NeedEnd, Record};

const NAME: &str = "liveness";

/// The oracle of liveness.
#[derive(Debug, Default)]
pub struct Liveness {
    dishonest: Vec<AgentId>,
    ended: BTreeMap<NeedId, Record>,
    liars: Liars,
    notes: Notes,
    posted: BTreeMap<NeedId, Record>,
}

impl Checker for Liveness {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        match &record.event {
            Event::Genesis { parties, .. } => {
                self.dishonest.extend(parties.iter().filter(|p| !p.honest).map(|p| p.agent));
            }
            Event::NeedPosted { need, requester, .. } if !self.dishonest.contains(requester) => {
                self.posted.entry(*need).or_insert_with(|| record.clone());
            }
            Event::NeedEnded { need, .. } if !self.liars.told(record) => {
                let first = self.ended.entry(*need).or_insert_with(|| record.clone());
                if how(first) != how(record) {
                    self.notes.contradict(NAME, format!("need {need} has two ends"), &[first, record]);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, end: &End) -> Finding {
        let mut notes = self.notes.clone();
        for (need, posted) in self.posted.iter().filter(|(need, _)| !end.expect.excused.contains(need)) {
            notes.checked();
            let right = end.expect.needs.get(need).unwrap_or(&end.expect.ends);
            match self.ended.get(need) {
                Some(ended) if how(ended).is_some_and(|how| right.contains(&how)) => {}
                Some(ended) => {
                    let how = how(ended).map_or("nothing", NeedEnd::as_str);
                    let what = format!("need {need} ended as {how}, which was not asked for");
                    notes.contradict(NAME, what, &[posted, ended])
                }
                None if end.settled => {
                    let what = format!("need {need} came to no end by the end of the settle phase");
                    notes.contradict(NAME, what, &[posted]);
                }
                None => notes.unknown(format!("need {need} has not ended, but the run was cut short")),
            }
        }
        notes.finding
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
    use crate::check::fixture::{caught, good, holds, need, unknown};

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
        run.end.expect.excused.insert(need());
        assert_eq!(run.finding(Liveness::default()).checked, 0);
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
        run.end.expect.needs.insert(need(), [NeedEnd::Cancelled].into());
        holds(Liveness::default(), &run);
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
