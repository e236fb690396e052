//! P10, convergence: every correct node has the same link at each position of a thread, without a gap where it applies
//! itself; once the run is healed, every entry reaches every correct member of the register within a bound, and is believed
//! by all of them if by anyone; and at the end of a healed run all correct replicas of a thread have the same heads and the same view, and none is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{Seq, Thread};

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, NodeNo, Phase, Record, Rules};

const NAME: &str = "P10";

/// The oracle of P10. What it counts as checked are comparisons of replicas after the heal: links alone show that nothing
/// forked, not that anything converged.
#[derive(Debug, Default)]
pub struct Convergence {
    /// Nodes that must have caught up, as the world says.
    correct: BTreeSet<NodeNo>,
    healed_at: Option<u64>,
    liars: Liars,
    /// Those of them that are members of the register.
    members: Arc<[NodeNo]>,
    notes: Notes,
    rules: Option<Arc<Rules>>,
    /// Members that the register was founded with, and that do not lie.
    seats: usize,
    threads: BTreeMap<Thread, Chain>,
}

#[derive(Debug, Default)]
struct Chain {
    /// Highest position applied, by each node.
    applied: BTreeMap<NodeNo, Seq>,
    /// Highest position believed, by each node.
    believed: BTreeMap<NodeNo, Seq>,
    /// When each position was first believed by anyone.
    convincing: BTreeMap<Seq, u64>,
    /// The first record of each position: whoever it is of, the entry was applied by then.
    links: BTreeMap<Seq, Record>,
    /// Each node's replica.
    views: BTreeMap<NodeNo, Record>,
}

impl Checker for Convergence {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        match &record.event {
            Event::Genesis { rules, parties } => {
                self.rules = Some(rules.clone());
                self.seats = parties.iter().filter(|party| party.coordinator && party.honest).count();
            }
            Event::Phase(phase) if *phase >= Phase::Heal => {
                self.healed_at.get_or_insert(record.at);
            }
            Event::Correct { members, nodes } => {
                self.correct = nodes.iter().copied().collect();
                self.members.clone_from(members);
            }
            Event::Applied { thread, seq, link } | Event::Believed { thread, seq, link }
                if !self.liars.told(record) =>
            {
                let chain = self.threads.entry(*thread).or_default();
                let first = chain.links.entry(*seq).or_insert_with(|| record.clone());
                if link_of(first) != Some(link) {
                    self.notes.contradict(NAME, format!("entry {seq} of a thread has two links"), &[first, record]);
                }
                if matches!(record.event, Event::Applied { .. }) {
                    let height = chain.applied.entry(record.node).or_default();
                    let before = std::mem::replace(height, (*height).max(*seq));
                    // What it tells again after a restart was compared with what was told first.
                    if seq.0.saturating_sub(before.0) > 1 {
                        let what = format!("the node applied entry {seq} right after entry {before}");
                        self.notes.contradict(NAME, what, &[record]);
                    }
                } else {
                    // Whoever vouches for an entry and does not lie has applied it: with fewer than a majority of those, belief has no
                    // ground.
                    let ground = chain.applied.values().filter(|height| **height >= *seq).count();
                    if ground <= self.seats / 2 {
                        let what = format!("entry {seq} is believed, and {ground} of {} have applied it", self.seats);
                        self.notes.contradict(NAME, what, &[record]);
                    }
                    let height = chain.believed.entry(record.node).or_default();
                    *height = (*height).max(*seq);
                    chain.convincing.entry(*seq).or_insert(record.at);
                }
            }
            Event::View { thread, heads, .. } if !self.liars.told(record) => {
                if heads.is_empty() {
                    self.notes.contradict(NAME, "a replica has no heads: there is no document", &[record]);
                }
                self.threads.entry(*thread).or_default().views.insert(record.node, record.clone());
            }
            _ => {}
        }
    }

    fn finish(&mut self, end: &End) -> Finding {
        let mut notes = self.notes.clone();
        for (thread, chain) in &self.threads {
            let mut views = chain.views.iter().filter(|(node, _)| self.correct.contains(node)).map(|(_, view)| view);
            let first = views.next();
            for (one, other) in first.into_iter().cycle().zip(views) {
                notes.finding.checked += 1;
                if same_view(one, other) {
                    continue;
                }
                if self.healed_at.is_some() && end.settled {
                    notes.contradict(NAME, "two correct replicas of a thread differ after the heal", &[one, other]);
                } else {
                    notes.unknown(format!("replicas of {thread} differ, but the run ended before they had to agree"));
                }
            }
            let times = chain.links.iter().map(|(seq, record)| (*seq, record.at));
            let Some(due) = self.due(times, end) else { continue };
            let convincing = chain.convincing.iter().map(|(seq, at)| (*seq, *at));
            let believed_by_all = self.due(convincing, end).unwrap_or_default();
            for node in self.members.iter() {
                let height = chain.applied.get(node).copied().unwrap_or_default();
                notes.finding.checked += 1;
                if height < due {
                    let what = format!("{node} has applied {height} entries of {thread}, and {due} had to reach it");
                    notes.contradict(NAME, what, &chain.links.get(&height.next()).into_iter().collect::<Vec<_>>());
                } else if chain.believed.get(node).copied().unwrap_or_default() < believed_by_all {
                    let height = chain.believed.get(node).copied().unwrap_or_default();
                    let what = format!("{node} believes {height} entries of {thread}, and others {believed_by_all}");
                    notes.contradict(NAME, what, &chain.links.get(&height.next()).into_iter().collect::<Vec<_>>());
                } else if *thread != Thread::System && end.settled && !chain.views.contains_key(node) {
                    let what = format!("{node} is correct and shows no replica of {thread}");
                    notes.contradict(NAME, what, &first.into_iter().collect::<Vec<_>>());
                }
            }
        }
        notes.finding
    }
}

impl Convergence {
    /// The last of the places, each with when it was first told of, that must have reached every correct member by the end.
    fn due(&self, times: impl DoubleEndedIterator<Item = (Seq, u64)>, end: &End) -> Option<Seq> {
        let (rules, healed_at) = (self.rules.as_deref()?, self.healed_at?);
        let in_time = |at: u64| at.max(healed_at).saturating_add(rules.lag_ns_max) < end.at;
        times.rev().find(|(_, at)| in_time(*at)).map(|(seq, _)| seq)
    }
}

fn same_view(a: &Record, b: &Record) -> bool {
    let of = |record: &Record| match &record.event {
        Event::View { heads, digest, .. } => Some((heads.clone(), *digest)),
        _ => None,
    };
    of(a) == of(b)
}

fn link_of(record: &Record) -> Option<&swarm_core::id::Digest> {
    match &record.event {
        Event::Applied { link, .. } | Event::Believed { link, .. } => Some(link),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::check::fixture::{caught, good, holds, unknown, verdict};
    use swarm_core::id::Digest;

    #[test]
    fn a_good_history_holds() {
        holds(Convergence::default(), &good());
    }

    #[test]
    fn another_view() {
        let mut run = good();
        run.edit_last(
            |e| matches!(e, Event::View { .. }),
            |e| {
                if let Event::View { digest, .. } = e {
                    *digest = Digest::sha256(b"other");
                }
            },
        );
        caught(Convergence::default(), &run, "replicas of a thread differ");
        run.end.settled = false;
        unknown(Convergence::default(), &run, "had to agree");
    }

    #[test]
    fn other_heads() {
        let mut run = good();
        run.edit_last(
            |e| matches!(e, Event::View { .. }),
            |e| {
                if let Event::View { heads, .. } = e {
                    heads.push(Digest::sha256(b"more"));
                }
            },
        );
        caught(Convergence::default(), &run, "replicas of a thread differ");
    }

    #[test]
    fn a_replica_still_broken_need_not_agree() {
        let mut run = good();
        run.edit_last(
            |e| matches!(e, Event::View { .. }),
            |e| {
                if let Event::View { digest, .. } = e {
                    *digest = Digest::sha256(b"other");
                }
            },
        );
        run.edit_all(|e| {
            if let Event::Correct { nodes, .. } = e {
                *nodes = [NodeNo(0), NodeNo(1)].into();
            }
        });
        assert_eq!(verdict(Convergence::default(), &run), Verdict::Holds);
    }

    /// Long after the last entry.
    fn later(mut run: crate::check::fixture::Run) -> crate::check::fixture::Run {
        run.end.at += crate::check::fixture::rules().lag_ns_max;
        run
    }

    #[test]
    fn a_member_that_fell_silent_has_not_converged() {
        let beyond = |e: &Event, kept: Seq| match e {
            Event::Applied { seq, .. } | Event::Believed { seq, .. } => *seq > kept,
            _ => false,
        };
        for kept in 0..3 {
            let mut run = good();
            run.records.retain(|r| !(r.node == NodeNo(1) && beyond(&r.event, Seq(kept))));
            // One of two is no majority: what the others believe has to rest on more than this one here.
            run.edit_all(|e| {
                if let Event::Genesis { parties, .. } = e {
                    *parties = parties.iter().filter(|party| party.node != NodeNo(1)).cloned().collect();
                }
            });
            // What is on its way need not have arrived.
            assert_eq!(run.finding(Convergence::default()).violations, 0, "{kept}");
            caught(Convergence::default(), &later(run), &format!("node 1 has applied {kept} entries"));
        }
    }

    #[test]
    fn belief_rests_on_a_majority() {
        let mut run = good();
        run.records.retain(|r| !(r.node == NodeNo(1) && matches!(r.event, Event::Applied { .. })));
        caught(Convergence::default(), &run, "have applied it");
    }

    #[test]
    fn a_member_that_stopped_believing_has_not_converged() {
        let mut run = good();
        run.records
            .retain(|r| !(r.node == NodeNo(1) && matches!(r.event, Event::Believed { seq, .. } if seq > Seq(1))));
        assert_eq!(run.finding(Convergence::default()).violations, 0, "what is on its way need not have arrived");
        caught(Convergence::default(), &later(run), "node 1 believes 1 entries");
        // What nobody believes yet, nobody has to.
        let mut run = later(good());
        run.drop_all(|e| matches!(e, Event::Believed { .. }));
        holds(Convergence::default(), &run);
    }

    #[test]
    fn a_member_without_a_replica_has_not_converged() {
        for node in 0..2 {
            let mut run = later(good());
            run.records.retain(|r| !(r.node == NodeNo(node) && matches!(r.event, Event::View { .. })));
            caught(Convergence::default(), &run, "is correct and shows no replica");
        }
        // An agent holds what it follows, and nothing else.
        let mut run = later(good());
        run.records.retain(|r| !(r.node == NodeNo(2) && matches!(r.event, Event::View { .. })));
        holds(Convergence::default(), &run);
        let mut run = good();
        run.edit_all(|e| {
            if let Event::View { heads, .. } = e {
                heads.clear();
            }
        });
        caught(Convergence::default(), &run, "no heads");
    }

    #[test]
    fn another_link() {
        for kind in [|e: &Event| matches!(e, Event::Applied { .. }), |e: &Event| matches!(e, Event::Believed { .. })] {
            let mut run = good();
            run.edit_last(kind, |e| match e {
                Event::Applied { link, .. } | Event::Believed { link, .. } => *link = Digest::sha256(b"fork"),
                _ => {}
            });
            caught(Convergence::default(), &run, "has two links");
        }
    }

    #[test]
    fn a_gap_and_what_is_told_again() {
        let mut run = good();
        run.edit_last(
            |e| matches!(e, Event::Applied { .. }),
            |e| {
                if let Event::Applied { seq, .. } = e {
                    *seq = Seq(seq.0 + 5);
                }
            },
        );
        caught(Convergence::default(), &run, "right after entry");
        let mut run = good();
        // A node that restarted is handed an entry again: the same is no news, another is a fork.
        run.repeat_last(|e| matches!(e, Event::Applied { .. }));
        holds(Convergence::default(), &run);
        run.edit_last(
            |e| matches!(e, Event::Applied { .. }),
            |e| {
                if let Event::Applied { link, .. } = e {
                    *link = Digest::sha256(b"fork");
                }
            },
        );
        caught(Convergence::default(), &run, "has two links");
    }

    #[test]
    fn links_alone_are_vacuous() {
        let mut run = good();
        run.drop_all(|e| matches!(e, Event::View { .. }));
        // A run that ends at once has nothing that was due.
        assert_eq!(run.finding(Convergence::default()).checked, 0);
    }
}
