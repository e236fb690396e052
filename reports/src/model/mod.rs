//! The second model: need, quorum and ledger written once more, plainly and slowly, from PROTOCOL 4 to 9, and fed with the
//! same commands and evidence. What it comes to must be what was told: which commands take effect, and everything they do,
//! who may vote, tallies, states, fences, payouts, every balance and every lien.
//!
//! Of the protocol's code only names, message bodies and the words for what happened are used. What it does not keep
//! (how many vouched for a proof) is taken as told; committees are drawn again, voters are held against who could have been drawn, and
//! what was denied against whether it could have been had.

mod accounts;
mod acts;
mod books;
mod decoy;
mod dispute;
mod draws;
mod follow;
mod need;
mod plan;
mod quorum;
mod system;
mod votes;
mod weigh;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{NeedId, Seq, Thread};
use swarm_core::register::{Applied, Command, Event as Did, Outcome};

use crate::check::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, LedgerEvent, NodeNo, Record};
use books::Books;
use need::{Need, Said};
use system::System;

const NAME: &str = "model";

/// The second model, as an oracle.
#[derive(Debug, Default)]
pub struct Model {
    liars: Liars,
    notes: Notes,
    system: Option<System>,
    needs: BTreeMap<NeedId, Tracked>,
    /// The books by what was told of them; how many tellings that is, and how many of them each node has told: all tell the same
    /// in the same order (P9), and whoever is furthest is followed.
    told: Books,
    heard: usize,
    tellers: BTreeMap<NodeNo, usize>,
    /// Threads this model could not follow to the end, and why.
    lost: BTreeMap<Thread, String>,
    pools: BTreeSet<u32>,
}

/// A need, and what it was told to have asked.
#[derive(Debug)]
struct Tracked {
    need: Need,
    asks: BTreeMap<(Seq, u32), Did>,
}

impl Checker for Model {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        if self.liars.told(record) {
            return;
        }
        match &record.event {
            Event::Founded { genesis } => self.system = Some(System::new(Arc::clone(genesis))),
            Event::Ordered { command, entry, thread } if !self.lost.contains_key(thread) => match thread {
                Thread::System => self.system_entry(record, command, entry),
                Thread::Need(need) => self.need_entry(record, need, command, entry),
            },
            Event::SnapshotTaken(taken) => {
                let Some(system) = &self.system else { return };
                if !self.lost.contains_key(&Thread::System) && self.pools.insert(taken.snapshot.number) {
                    self.notes.checked();
                    if let Some(what) = system.pool_differs(taken) {
                        self.differ(Thread::System, format!("snapshot {}: {what}", taken.snapshot.number), record);
                    }
                }
            }
            Event::Applied { thread: Thread::System, seq, .. } => self.compare_books(record, *seq),
            Event::Ledger(LedgerEvent::Books { .. }) => {}
            Event::Ledger(event) => {
                let told = self.tellers.entry(record.node).or_default();
                if *told == self.heard {
                    self.told.follow(event);
                    self.heard += 1;
                }
                *told += 1;
            }
            _ => {}
        }
    }

    fn finish(&mut self, _: &End) -> Finding {
        let mut notes = self.notes.clone();
        for (thread, why) in &self.lost {
            notes.unknown(format!("the model lost {thread}: {why}"));
        }
        notes.finding
    }
}

impl Model {
    /// Here and there something else happened: said once for a thread, which is lost from here on.
    fn differ(&mut self, thread: Thread, what: String, record: &Record) {
        self.notes.contradict(NAME, what.clone(), &[record]);
        self.lost.insert(thread, what);
    }

    fn system_entry(&mut self, record: &Record, command: &Command, entry: &Applied) {
        let Some(system) = &mut self.system else { return };
        if entry.seq != system.seq.next() {
            if entry.seq > system.seq {
                self.lost.insert(Thread::System, format!("entries after {} were not told", system.seq));
            }
            return;
        }
        let told = match &entry.outcome {
            Outcome::Did(events) => Some(events.as_slice()),
            Outcome::Refused(_) => None,
        };
        // What a need asked that could not be followed is taken as it is claimed.
        let (needs, lost) = (&self.needs, &self.lost);
        let asked = |need: &NeedId, seq: Seq, at: u32, claim: &Did| {
            lost.contains_key(&Thread::Need(*need))
                || needs.get(need).and_then(|known| known.asks.get(&(seq, at))) == Some(claim)
        };
        match system.apply(command, told, asked) {
            Err(()) if told.is_none() => {}
            Err(()) => drop(self.lost.insert(Thread::System, format!("entry {} is of a kind unknown here", entry.seq))),
            Ok(None) => self.notes.checked(),
            Ok(Some(what)) => {
                self.notes.checked();
                self.differ(Thread::System, format!("entry {} of the system thread: {what}", entry.seq), record);
            }
        }
        self.compare_books(record, entry.seq);
    }

    /// Holds the books against what was told of them, once one that is furthest has told all up to the entry the model is at.
    fn compare_books(&mut self, record: &Record, seq: Seq) {
        let Some(system) = self.system.as_mut().filter(|system| system.seq == seq) else { return };
        if self.tellers.get(&record.node) == Some(&self.heard)
            && !self.lost.contains_key(&Thread::System)
            && let Some(what) = system.books.differs(&mut self.told)
        {
            self.differ(Thread::System, format!("after entry {seq} of the system thread: {what}"), record);
        }
    }

    fn need_entry(&mut self, record: &Record, id: &NeedId, command: &Command, entry: &Applied) {
        let Some(system) = &self.system else { return };
        let thread = Thread::Need(*id);
        let fresh = || Tracked { need: Need::new(*id), asks: BTreeMap::new() };
        let known = self.needs.entry(*id).or_insert_with(fresh);
        if entry.seq != known.need.seq.next() {
            if entry.seq > known.need.seq {
                self.lost.insert(thread, format!("entries after {} were not told", known.need.seq));
            }
            return;
        }
        let events = entry.outcome.events();
        let asked =
            |(event, at): (&Did, u32)| matches!(event, Did::Asked { .. }).then(|| ((entry.seq, at), event.clone()));
        known.asks.extend(events.iter().zip(0..).filter_map(asked));
        if let (Command::Mandate(_), Outcome::Refused(_)) = (command, &entry.outcome) {
            // Who signed it is not looked at.
            known.need.seq = entry.seq;
            return;
        }
        let what = match (known.need.apply(command, system), &entry.outcome) {
            (Said::CannotTell, Outcome::Refused(_)) => return,
            (Said::CannotTell, Outcome::Did(_)) => {
                self.lost.insert(thread, format!("entry {} rests on what is not kept here", entry.seq));
                return;
            }
            (Said::Refused, Outcome::Refused(_)) => None,
            (Said::Refused, Outcome::Did(_)) => Some("it took effect, and is refused here".to_owned()),
            (Said::Does(_), Outcome::Refused(why)) => Some(format!("it was refused ({why}), and takes effect here")),
            (Said::Does(own), Outcome::Did(told)) => first_difference(&own, told),
        };
        self.notes.checked();
        if let Some(what) = what {
            self.differ(thread, format!("entry {} of {id}: {what}", entry.seq), record);
        }
    }
}

/// The first place in which two tellings of one entry differ.
fn first_difference(own: &[Did], told: &[Did]) -> Option<String> {
    let longer = own.len().max(told.len());
    let at = (0..longer).find(|at| own.get(*at) != told.get(*at))?;
    let word = |event: Option<&Did>| match event {
        None => "nothing".to_owned(),
        Some(event) => serde_json::to_string(event).unwrap_or_default().chars().take(300).collect(),
    };
    Some(format!("{} happens here, {} was told", word(own.get(at)), word(told.get(at))))
}
