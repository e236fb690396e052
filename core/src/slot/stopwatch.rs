//! Waits that a majority of coordinators measure, each on its own clock (PROTOCOL 5: stopwatches).
//!
//! What is agreed on is a duration, never a timestamp. Where some may lie, so many more have to agree (`Params::end_at`): with a
//! bare majority one that reports early would leave it to fewer than a majority of honest clocks. A wait is cut into segments, each opened by an applied entry; a
//! coordinator counts from its own apply of that entry and reports what has passed. A report for another segment never
//! counts, so two coordinators that slept through different pauses cannot add their naps up.

use alloc::collections::BTreeMap;
use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Digest, Segment, TaskName};
use crate::time::Span;

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// Proposals for a need.
    Proposals,
    /// Votes on them.
    Decision,
    /// Bids for a task.
    Bids(TaskName),
    /// A lease.
    Lease(TaskName),
    /// Verdicts of a committee.
    Verdicts(TaskName),
    /// A new draw, after one that could not be seated.
    Redraw(TaskName),
    /// The challenge window.
    Challenge(TaskName),
    /// The verdict on a challenge.
    Ruling(TaskName),
    /// The late window, before Pay.
    Late(TaskName),
    /// The first day (system thread only).
    Bootstrap,
    /// An unstaked tranche of an agent (system thread only).
    Unbonding(AgentId, Digest),
    /// Reveals of a draw (system thread only).
    Reveals,
}

impl Waiting {
    /// Whether a late bid prolongs it.
    pub fn extends(&self) -> bool {
        matches!(self, Self::Proposals | Self::Bids(_))
    }
}

/// One running wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopwatch {
    /// What each coordinator has reported in this segment.
    pub reports: BTreeMap<AgentId, Span>,
    /// The stretch being measured.
    pub segment: Segment,
    /// How long it takes.
    pub total: Span,
}

impl Stopwatch {
    /// A fresh segment of `total`.
    pub fn new(segment: Segment, total: Span) -> Self {
        Self { reports: BTreeMap::new(), segment, total }
    }

    /// Notes that `member` has seen `elapsed` pass. What a member said before is never taken back.
    pub fn report(&mut self, member: AgentId, elapsed: Span) {
        let said = self.reports.entry(member).or_default();
        *said = (*said).max(elapsed.min(self.total));
    }

    /// Forgets what `member` said: it is no coordinator any more. The wait gets longer at worst.
    pub fn forget(&mut self, member: &AgentId) {
        self.reports.remove(member);
    }

    /// Whether a report of `elapsed` by `member` would add nothing to what it said before.
    pub fn has_heard(&self, member: &AgentId, elapsed: Span) -> bool {
        self.reports.get(member).is_some_and(|said| *said >= elapsed.min(self.total))
    }

    /// What `enough` coordinators agree has passed.
    pub fn agreed(&self, enough: usize) -> Span {
        let mut spans: alloc::vec::Vec<Span> = self.reports.values().copied().collect();
        spans.sort_unstable_by(|a, b| b.cmp(a));
        spans.get(enough.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Whether `enough` coordinators have seen it through.
    pub fn is_over(&self, enough: usize) -> bool {
        self.agreed(enough) >= self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(reports: &[(u8, u64)]) -> Stopwatch {
        let mut watch = Stopwatch::new(Segment(1), Span::from_secs(30));
        for (member, secs) in reports {
            watch.report(AgentId([*member; 32]), Span::from_secs(*secs));
        }
        watch
    }

    #[test]
    fn a_minority_of_fast_clocks_ends_nothing() {
        assert!(!watch(&[(1, 30), (2, 99)]).is_over(3));
        assert!(watch(&[(1, 30), (2, 99), (3, 30)]).is_over(3));
    }

    #[test]
    fn agreed_is_what_a_majority_has_reached() {
        assert_eq!(watch(&[(1, 30), (2, 20), (3, 10)]).agreed(3), Span::from_secs(10));
        assert_eq!(watch(&[(1, 30), (2, 20)]).agreed(3), Span::ZERO);
    }

    #[test]
    fn a_report_is_never_taken_back_and_counts_once() {
        let mut watch = watch(&[(1, 30), (1, 5)]);
        assert_eq!(watch.reports.len(), 1);
        watch.report(AgentId([1; 32]), Span::from_secs(1));
        assert_eq!(watch.reports[&AgentId([1; 32])], Span::from_secs(30));
    }
}
