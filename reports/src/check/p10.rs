//! P10, convergence: every correct node has the same link at each position of a thread, without a gap where it applies
//! itself; and at the end of a healed run all correct replicas of a thread have the same heads and the same view.

use std::collections::BTreeMap;

use swarm_core::id::{Seq, Thread};

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, NodeNo, Phase, Record};

const NAME: &str = "P10";

/// The oracle of P10. What it counts as checked are comparisons of replicas after the heal: links alone show that nothing
/// forked, not that anything converged.
#[derive(Debug, Default)]
pub struct Convergence {
    healed: bool,
    liars: Liars,
    notes: Notes,
    threads: BTreeMap<Thread, Chain>,
}

#[derive(Debug, Default)]
struct Chain {
    /// Highest position applied, and believed, by each node.
    applied: BTreeMap<NodeNo, Seq>,
    believed: BTreeMap<NodeNo, Seq>,
    /// The first record of each position.
    links: BTreeMap<Seq, Record>,
    /// The first correct view, then those that differ from it.
    views: Vec<Record>,
    /// Views that were compared with the first.
    compared: u64,
}

impl Checker for Convergence {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        match &record.event {
            Event::Phase(phase) => self.healed |= *phase >= Phase::Heal,
            Event::Applied { thread, seq, link } | Event::Believed { thread, seq, link }
                if !self.liars.told(record) =>
            {
                let chain = self.threads.entry(*thread).or_default();
                match chain.links.get(seq) {
                    None => {
                        chain.links.insert(*seq, record.clone());
                    }
                    Some(first) => {
                        if link_of(first) != Some(link) {
                            self.notes.contradict(
                                NAME,
                                format!("entry {seq} of a thread has two links"),
                                &[first, record],
                            );
                        }
                    }
                }
                let applies = matches!(record.event, Event::Applied { .. });
                let heights = if applies { &mut chain.applied } else { &mut chain.believed };
                let height = heights.entry(record.node).or_default();
                let before = std::mem::replace(height, (*height).max(*seq));
                // What it tells again after a restart was compared with what was told first.
                if applies && seq.0.saturating_sub(before.0) > 1 {
                    self.notes.contradict(
                        NAME,
                        format!("the node applied entry {seq} right after entry {before}"),
                        &[record],
                    );
                }
            }
            Event::View { thread, heads, digest, correct: true } if !self.liars.told(record) => {
                let chain = self.threads.entry(*thread).or_default();
                match chain.views.first() {
                    None => chain.views.push(record.clone()),
                    Some(first) => {
                        chain.compared += 1;
                        let same = matches!(&first.event, Event::View { heads: h, digest: d, .. } if h == heads && d == digest);
                        if !same {
                            chain.views.push(record.clone());
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, end: &End) -> Finding {
        let mut notes = self.notes.clone();
        for (thread, chain) in &self.threads {
            notes.finding.checked += chain.compared;
            let Some((first, others)) = chain.views.split_first() else { continue };
            for other in others {
                if self.healed && end.settled {
                    notes.contradict(NAME, "two correct replicas of a thread differ after the heal", &[first, other]);
                } else {
                    notes.unknown(format!("replicas of {thread} differ, but the run ended before they had to agree"));
                }
            }
        }
        notes.finding
    }
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
                if let Event::View { digest, correct, .. } = e {
                    *digest = Digest::sha256(b"other");
                    *correct = false;
                }
            },
        );
        assert_eq!(verdict(Convergence::default(), &run), Verdict::Holds);
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
        assert_eq!(run.finding(Convergence::default()).checked, 0);
    }
}
