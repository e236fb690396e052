//! What everyone earned in a run, folded from the books as they were told; judges nothing.
//!
//! An actor is whoever decides, with all its keys. What it began with is what was minted for it. What is bound (stake, also what
//! unbonds) is still its own, and so is what lies in a pot that it filled and that has not ended. What it lent to the weight of
//! another is not: nothing brings that back. A requester buys: every result that it could read and that is not void is worth its
//! price and its verdicts' fees to it, paid for or not, or whoever asked for least would seem to do best.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{AgentId, Credits, Fence, NeedId, TaskName};
use swarm_core::wire::FinalizeRecord;

use crate::history::{Account, Event, LedgerEvent, Leg, NodeNo, Part, Record};

/// What one actor earned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earned {
    /// The actor's part.
    pub part: Part,
    /// What it has at the end less what it began with, in credits, with what it bought.
    pub credits: i128,
}

/// The fold.
#[derive(Debug, Default)]
pub(crate) struct Earnings {
    parts: BTreeMap<AgentId, Part>,
    /// What each agent gained.
    gained: BTreeMap<AgentId, i128>,
    /// Who filled each open pot, and what is in it.
    pots: BTreeMap<Arc<str>, (Option<AgentId>, i128)>,
    requesters: BTreeMap<NeedId, AgentId>,
    /// What each final result cost, and those that are void.
    bought: BTreeMap<(NeedId, TaskName, Fence), i128>,
    void: BTreeSet<(NeedId, TaskName, Fence)>,
    /// How far each node has told the books, and how far they are folded: they are one list.
    told: BTreeMap<NodeNo, usize>,
    folded: usize,
}

impl Earnings {
    pub fn see(&mut self, record: &Record) {
        match &record.event {
            Event::Genesis { parties, .. } => {
                let parts = parties.iter().filter_map(|party| Some((party.agent, party.part.clone()?)));
                self.parts.extend(parts);
            }
            Event::NeedPosted { need, requester, .. } => drop(self.requesters.insert(*need, *requester)),
            Event::Finalized { need, task, fence, record } => {
                self.bought.entry((*need, task.clone(), *fence)).or_insert_with(|| price(record));
            }
            Event::Invalidated { need, task, fence, .. } => drop(self.void.insert((*need, task.clone(), *fence))),
            Event::Ledger(LedgerEvent::Books { .. }) => {}
            Event::Ledger(told) => {
                let at = self.told.entry(record.node).or_default();
                *at += 1;
                if *at > self.folded {
                    self.folded = *at;
                    self.fold(told);
                }
            }
            _ => {}
        }
    }

    fn fold(&mut self, told: &LedgerEvent) {
        match told {
            LedgerEvent::PotOpened { pot, .. } => drop(self.pots.entry(pot.clone()).or_default()),
            LedgerEvent::PotEnded { pot } => drop(self.pots.remove(pot)),
            LedgerEvent::Posted { legs, .. } => legs.iter().for_each(|leg| self.moved(leg)),
            _ => {}
        }
    }

    fn moved(&mut self, Leg { amount: Credits(amount), from, to }: &Leg) {
        // What is made for somebody is what it begins with.
        if *from == Account::Outside {
            return;
        }
        let amount = i128::from(*amount);
        for (account, amount) in [(from, -amount), (to, amount)] {
            match account {
                Account::Free(agent) | Account::Stake(agent) | Account::Unbonding(agent) => {
                    *self.gained.entry(*agent).or_default() += amount;
                }
                Account::Pot(pot) => {
                    let (by, held) = self.pots.entry(pot.clone()).or_default();
                    if let (None, Account::Free(agent)) = (&by, from) {
                        *by = Some(*agent);
                    }
                    *held += amount;
                }
                Account::Outside | Account::Delegated(_) | Account::Commons => {}
            }
        }
    }

    /// What every actor earned, by part.
    pub fn finish(&self) -> Vec<Earned> {
        let mut actors: BTreeMap<&Part, i128> = self.parts.values().map(|part| (part, 0)).collect();
        let pots = self.pots.values().filter_map(|(by, held)| Some((by.as_ref()?, held)));
        let bought = self.bought.iter().filter(|(result, _)| !self.void.contains(result));
        let bought = bought.filter_map(|((need, ..), price)| Some((self.requesters.get(need)?, price)));
        for (agent, gained) in self.gained.iter().chain(pots).chain(bought) {
            if let Some(sum) = self.parts.get(agent).and_then(|part| actors.get_mut(part)) {
                *sum += gained;
            }
        }
        actors.into_iter().map(|(part, credits)| Earned { part: part.clone(), credits }).collect()
    }
}

/// What a FINALIZE record says is due.
fn price(record: &[u8]) -> i128 {
    let said = serde_json::from_slice::<FinalizeRecord>(record);
    said.map_or(0, |said| said.payouts.iter().map(|payout| i128::from(payout.amount.0)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::{Run, agent, good, need};
    use crate::history::Move;

    /// The good run, with these agents' parts told; two of one owner are one actor.
    fn earned(run: &Run, parts: &[(u8, u32)]) -> Vec<i128> {
        let mut run = run.clone();
        let part = |owner| Part { owner: NodeNo(owner), role: "worker".into(), strategy: "honest".into() };
        run.edit_all(|e| {
            if let Event::Genesis { parties, .. } = e {
                let one = parties[0].clone();
                let all = parts.iter().map(|(n, owner)| {
                    let mut party = one.clone();
                    (party.agent, party.part) = (agent(*n), Some(part(*owner)));
                    party
                });
                *parties = all.collect();
            }
        });
        let mut earnings = Earnings::default();
        run.records.iter().for_each(|record| earnings.see(record));
        earnings.finish().into_iter().map(|earned| earned.credits).collect()
    }

    #[test]
    fn what_was_minted_is_no_gain_and_three_nodes_tell_one_list() {
        assert_eq!(earned(&good(), &[(1, 1), (3, 3)])[1], 90);
        assert_eq!(
            earned(&good(), &[(10, 1), (3, 1)])[0] - earned(&good(), &[(10, 1)])[0],
            90,
            "two keys of one actor"
        );
        assert_eq!(earned(&good(), &[(99, 1)]), [0]);
    }

    #[test]
    fn what_a_requester_bought_is_worth_its_price_unless_it_is_void() {
        // It pays 130, of which 15 are for the plan.
        assert_eq!(earned(&good(), &[(1, 1)]), [-15]);
        let mut void = good();
        let (task, fence, offenders) = (crate::check::fixture::task(), Fence(2), [].into());
        void.tell(0, Event::Invalidated { commit: Default::default(), fence, need: need(), offenders, task });
        assert_eq!(earned(&void, &[(1, 1)]), [-130]);
        let mut free = good();
        free.drop_all(|e| matches!(e, Event::Ledger(LedgerEvent::Posted { op: Move::Reserve | Move::Pay, .. })));
        assert_eq!(earned(&free, &[(1, 1)]), [115], "read, and not paid");
    }

    #[test]
    fn what_lies_in_an_open_pot_is_still_of_whoever_filled_it() {
        let mut run = good();
        let pot: Arc<str> = "bond".into();
        run.tell(0, Event::Ledger(LedgerEvent::PotOpened { need: need(), pot: pot.clone() }));
        let post = |from: Account, to: Account| {
            let leg = Leg { amount: Credits(30), from, to };
            Event::Ledger(LedgerEvent::Posted { key: "bond".into(), legs: [leg].into(), op: Move::Bond })
        };
        run.tell(0, post(Account::Free(agent(3)), Account::Pot(pot.clone())));
        assert_eq!(earned(&run, &[(3, 3)]), [90]);
        run.tell(0, post(Account::Pot(pot), Account::Commons));
        assert_eq!(earned(&run, &[(3, 3)]), [60]);
    }
}
