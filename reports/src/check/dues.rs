//! What a need owes, and to whom, by what was told of it (PROTOCOL 5, 9): the payouts of every result that was settled and
//! paid, a fee for every verdict that failed one, a fee for each approval of the decided plan. Whatever else lies in its
//! escrow is its requester's. For P9.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{AgentId, Cid, Credits, NeedId, TaskName};
use swarm_core::wire::{FinalizeRecord, Payout, Verdict};

use super::Notes;
use crate::history::{Event, Record};

/// The dues of all needs.
#[derive(Debug, Default)]
pub(super) struct Dues(BTreeMap<NeedId, Need>);

#[derive(Debug, Default)]
struct Need {
    posted: Option<Posted>,
    approvals: Option<Arc<[AgentId]>>,
    /// Verdicts that were counted against a commit.
    failed: BTreeMap<Cid, Arc<[AgentId]>>,
    finals: BTreeMap<TaskName, Record>,
    settled: BTreeMap<TaskName, Arc<[Payout]>>,
    paid: BTreeSet<TaskName>,
    /// What it pays to the commons fund, if it was a decoy.
    toll: Credits,
}

#[derive(Clone, Copy, Debug)]
struct Posted {
    requester: AgentId,
    fee: Credits,
}

impl Dues {
    /// Takes what an honest node told, and judges payouts against the record that they are of.
    pub fn see(&mut self, property: &str, record: &Record, notes: &mut Notes) {
        match &record.event {
            Event::NeedPosted { need, requester, fee, .. } => {
                self.need(need).posted.get_or_insert(Posted { requester: *requester, fee: *fee });
            }
            Event::Decided { need, approvals, .. } => drop(self.need(need).approvals.get_or_insert(approvals.clone())),
            Event::Tallied { need, commit, counted, verdict: Verdict::Fail, .. } => {
                self.need(need).failed.entry(*commit).or_insert_with(|| counted.clone());
            }
            // The last one is what stands, if one before was void.
            Event::Finalized { need, task, fence, .. } => {
                let known = self.need(need).finals.entry(task.clone()).or_insert_with(|| record.clone());
                if matches!(&known.event, Event::Finalized { fence: before, .. } if before < fence) {
                    *known = record.clone();
                }
            }
            Event::Settled { need, task, payouts } => {
                notes.checked();
                let known = self.need(need);
                match known.finals.get(task) {
                    None => notes.contradict(property, "payouts are fixed for what is not final", &[record]),
                    Some(of) if payouts_of(of).as_deref() != Some(&**payouts) => {
                        notes.contradict(
                            property,
                            "other payouts are fixed than the FINALIZE record names",
                            &[of, record],
                        );
                    }
                    Some(_) => {}
                }
                known.settled.entry(task.clone()).or_insert_with(|| payouts.clone());
            }
            Event::Paid { need, task } => {
                let known = self.need(need);
                if !known.settled.contains_key(task) {
                    notes.contradict(property, "a result is paid whose payouts were never fixed", &[record]);
                }
                known.paid.insert(task.clone());
            }
            Event::Exposed { need, price, .. } => self.need(need).toll = *price,
            _ => {}
        }
    }

    /// What the need pays to the commons fund.
    pub fn toll(&self, need: &NeedId) -> i128 {
        self.0.get(need).map_or(0, |need| i128::from(need.toll.0))
    }

    fn need(&mut self, need: &NeedId) -> &mut Need {
        self.0.entry(*need).or_default()
    }

    /// Who said the need, if anybody did.
    pub fn requester(&self, need: &NeedId) -> Option<AgentId> {
        Some(self.0.get(need)?.posted?.requester)
    }

    /// What the need owes to whom.
    pub fn owed(&self, need: &NeedId) -> BTreeMap<AgentId, i128> {
        let mut owed = BTreeMap::new();
        let Some(Need { posted: Some(Posted { fee, .. }), approvals, failed, settled, paid, .. }) = self.0.get(need)
        else {
            return owed;
        };
        let judges = failed.values().chain(approvals).flat_map(|judges| judges.iter());
        let payouts = settled.iter().filter(|(task, _)| paid.contains(*task)).flat_map(|(_, payouts)| payouts.iter());
        let due = judges.map(|judge| (*judge, *fee)).chain(payouts.map(|payout| (payout.to, payout.amount)));
        for (to, amount) in due.filter(|(_, amount)| amount.0 > 0) {
            *owed.entry(to).or_default() += i128::from(amount.0);
        }
        owed
    }
}

/// The payouts that a FINALIZE record names.
fn payouts_of(record: &Record) -> Option<Vec<Payout>> {
    let Event::Finalized { record, .. } = &record.event else { return None };
    serde_json::from_slice::<FinalizeRecord>(record).ok().map(|record| record.payouts)
}
