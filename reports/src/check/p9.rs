//! P9, conservation: the books of every node are the same list of operations, and folding it gives books in which nothing
//! is negative, everything sums to what was minted less what was burned, stake covers its liens, every pot ends exactly
//! once and empty, and no pot or lien outlives a need that ended; and what a need asks for is carried out once.
//!
//! The list is folded once, by whoever is furthest; every other node's telling is compared with it line by line.

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::id::{AgentId, Credits, NeedId, Seq};

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Account, Event, LedgerEvent, Leg, Move, NodeNo, Record};

const NAME: &str = "P9";

/// The oracle of P9.
#[derive(Debug, Default)]
pub struct Conservation {
    balances: BTreeMap<Account, i128>,
    burned: i128,
    /// Who told first that an ask was carried out, by need, entry and part, per node.
    discharged: BTreeMap<(NodeNo, NeedId, Seq, u32), Record>,
    ended_needs: BTreeMap<NeedId, Record>,
    /// Keys of operations already folded.
    keys: BTreeMap<Arc<str>, usize>,
    liars: Liars,
    liens: BTreeMap<Arc<str>, Lien>,
    /// What is encumbered, by agent.
    encumbered: BTreeMap<AgentId, i128>,
    /// The list as it was told first.
    list: Vec<Record>,
    minted: i128,
    notes: Notes,
    pots: BTreeMap<Arc<str>, Pot>,
    /// How far each node has told the list; nothing once it told another.
    position: BTreeMap<NodeNo, Option<usize>>,
    /// The first books told at each position.
    books: BTreeMap<usize, Record>,
    supply_max: Option<Credits>,
}

#[derive(Debug)]
struct Pot {
    ended: Option<usize>,
    need: Option<NeedId>,
    opened: usize,
}

#[derive(Debug)]
struct Lien {
    agent: AgentId,
    amount: Credits,
    booked: usize,
    ended: Option<usize>,
    need: Option<NeedId>,
}

impl Checker for Conservation {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        match &record.event {
            Event::Genesis { rules, .. } => self.supply_max = Some(rules.supply_max),
            Event::NeedEnded { need, .. } if !self.liars.told(record) => {
                self.ended_needs.entry(*need).or_insert_with(|| record.clone());
            }
            Event::Discharged { need, seq, at } if !self.liars.told(record) => {
                self.notes.checked();
                if let Some(before) = self.discharged.insert((record.node, *need, *seq, *at), record.clone()) {
                    let what = format!("what entry {seq} asks for is carried out twice");
                    self.notes.contradict(NAME, what, &[&before, record]);
                }
            }
            Event::Ledger(LedgerEvent::Books { balances, burned, minted }) if !self.liars.told(record) => {
                self.compare_books(record, balances, *burned, *minted);
            }
            Event::Ledger(_) if !self.liars.told(record) => {
                let position = self.position.entry(record.node).or_insert(Some(0));
                let Some(at) = *position else { return };
                self.notes.checked();
                match self.list.get(at) {
                    Some(first) if first.event == record.event => *position = Some(at + 1),
                    Some(first) => {
                        *position = None;
                        let what = format!("two nodes tell another entry {} of the books", at + 1);
                        self.notes.contradict(NAME, what, &[first, record]);
                    }
                    None => {
                        *position = Some(at + 1);
                        self.list.push(record.clone());
                        self.fold(at, record);
                    }
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, end: &End) -> Finding {
        let mut notes = self.notes.clone();
        if self.balances.values().sum::<i128>() != self.minted - self.burned {
            notes.contradict(NAME, "the accounts do not sum to what was minted less what was burned", &[]);
        }
        let pots = self.pots.iter().filter(|(_, p)| p.ended.is_none()).map(|(name, p)| ("pot", name, p.need, p.opened));
        let liens =
            self.liens.iter().filter(|(_, l)| l.ended.is_none()).map(|(name, l)| ("lien", name, l.need, l.booked));
        for (what, name, need, opened) in pots.chain(liens) {
            let Some(ended) = need.and_then(|need| self.ended_needs.get(&need)) else { continue };
            if end.settled {
                notes.contradict(NAME, format!("{what} {name} outlives its need"), &[&self.list[opened], ended]);
            } else {
                notes.unknown(format!("{what} {name} is open and its need is over, but the run was cut short"));
            }
        }
        notes.finding
    }
}

impl Conservation {
    /// Folds entry `at` of the list.
    fn fold(&mut self, at: usize, record: &Record) {
        let Event::Ledger(event) = &record.event else { return };
        match event {
            LedgerEvent::Posted { key, legs, op } => {
                if let Some(before) = self.keys.insert(key.clone(), at) {
                    self.notes.contradict(
                        NAME,
                        format!("operation {key} takes effect twice"),
                        &[&self.list[before], record],
                    );
                }
                for leg in legs.iter() {
                    self.leg(*op, leg, record);
                }
                let supply = self.minted - self.burned;
                if self.supply_max.is_some_and(|max| supply > i128::from(max.0)) {
                    self.notes.contradict(NAME, format!("{supply} credits are more than there may be"), &[record]);
                }
            }
            LedgerEvent::PotOpened { need, pot } => match self.pots.get(pot) {
                Some(before) => {
                    let what = format!("pot {pot} is opened twice");
                    self.notes.contradict(NAME, what, &[&self.list[before.opened], record]);
                }
                None => drop(self.pots.insert(pot.clone(), Pot { ended: None, need: *need, opened: at })),
            },
            LedgerEvent::PotEnded { pot } => match self.pots.get_mut(pot) {
                None => self.notes.contradict(NAME, format!("pot {pot} ends but was never opened"), &[record]),
                Some(Pot { ended: Some(before), .. }) => {
                    self.notes.contradict(NAME, format!("pot {pot} ends twice"), &[&self.list[*before], record]);
                }
                Some(open) => {
                    open.ended = Some(at);
                    let left = self.balances.get(&Account::Pot(pot.clone())).copied().unwrap_or(0);
                    if left != 0 {
                        let what = format!("pot {pot} ends with {left} credits in it");
                        self.notes.contradict(NAME, what, &[&self.list[open.opened], record]);
                    }
                }
            },
            LedgerEvent::LienBooked { agent, amount, lien, need } => {
                if let Some(before) = self.liens.get(lien) {
                    let what = format!("lien {lien} is booked twice");
                    return self.notes.contradict(NAME, what, &[&self.list[before.booked], record]);
                }
                self.liens.insert(
                    lien.clone(),
                    Lien { agent: *agent, amount: *amount, booked: at, ended: None, need: *need },
                );
                *self.encumbered.entry(*agent).or_default() += i128::from(amount.0);
                self.covered(agent, &[Account::Stake(*agent)], record);
            }
            LedgerEvent::LienEnded { lien } => match self.liens.get_mut(lien) {
                None => self.notes.contradict(NAME, format!("lien {lien} ends but was never booked"), &[record]),
                Some(Lien { ended: Some(before), .. }) => {
                    self.notes.contradict(NAME, format!("lien {lien} ends twice"), &[&self.list[*before], record]);
                }
                Some(open) => {
                    open.ended = Some(at);
                    *self.encumbered.entry(open.agent).or_default() -= i128::from(open.amount.0);
                }
            },
            LedgerEvent::Books { .. } => {}
        }
    }

    /// Moves one leg and judges what it leaves.
    fn leg(&mut self, op: Move, leg: &Leg, record: &Record) {
        let amount = i128::from(leg.amount.0);
        if leg.from == Account::Outside && !op.may_create() {
            self.notes.contradict(NAME, "credits are made by something else than MINT", &[record]);
        }
        if leg.to == Account::Outside && !op.may_destroy() {
            self.notes.contradict(NAME, "credits are lost by something else than BURN", &[record]);
        }
        for account in [&leg.from, &leg.to] {
            if let Account::Pot(pot) = account {
                match self.pots.get(pot) {
                    None => self.notes.contradict(NAME, format!("pot {pot} is used but was never opened"), &[record]),
                    Some(Pot { ended: Some(before), .. }) => {
                        self.notes.contradict(
                            NAME,
                            format!("pot {pot} is used after its end"),
                            &[&self.list[*before], record],
                        );
                    }
                    Some(_) => {}
                }
            }
        }
        match &leg.from {
            Account::Outside => self.minted += amount,
            account => {
                let left = self.balances.entry(account.clone()).or_default();
                *left -= amount;
                if *left < 0 {
                    let what = format!("an account is overdrawn by {}", -*left);
                    self.notes.contradict(NAME, what, &[record]);
                }
                if let Account::Stake(agent) | Account::Unbonding(agent) = account
                    && op != Move::Slash
                    && leg.to != Account::Unbonding(*agent)
                {
                    // What unbonds can still be slashed; what has left cannot.
                    self.covered(agent, &[Account::Stake(*agent), Account::Unbonding(*agent)], record);
                }
            }
        }
        match &leg.to {
            Account::Outside => self.burned += amount,
            account => *self.balances.entry(account.clone()).or_default() += amount,
        }
    }

    /// T74: one stake never backs more liens than it covers.
    fn covered(&mut self, agent: &AgentId, backing: &[Account], record: &Record) {
        let stake: i128 = backing.iter().filter_map(|account| self.balances.get(account)).sum();
        let liens = self.encumbered.get(agent).copied().unwrap_or(0);
        if liens > stake {
            self.notes.contradict(NAME, format!("a stake of {stake} backs liens of {liens}"), &[record]);
        }
    }

    /// Holds a node's own books against the fold, or, for one that lags, against another's books of the same position.
    fn compare_books(&mut self, record: &Record, told: &[(Account, Credits)], burned: Credits, minted: Credits) {
        let Some(at) = *self.position.entry(record.node).or_insert(Some(0)) else { return };
        if at == self.list.len() {
            self.notes.checked();
            let told: BTreeMap<&Account, i128> =
                told.iter().map(|(a, c)| (a, i128::from(c.0))).filter(|(_, c)| *c != 0).collect();
            let own: BTreeMap<&Account, i128> =
                self.balances.iter().map(|(a, c)| (a, *c)).filter(|(_, c)| *c != 0).collect();
            let total: i128 = told.values().sum();
            let supply = i128::from(minted.0) - i128::from(burned.0);
            let what = if total != supply {
                Some(format!("the node's accounts hold {total}, but {supply} were minted and not burned"))
            } else if told != own {
                let account = told
                    .iter()
                    .find(|(a, c)| own.get(*a) != Some(c))
                    .or_else(|| own.iter().find(|(a, c)| told.get(*a) != Some(c)));
                Some(format!("the node's books are not what its operations come to: {account:?}"))
            } else if (i128::from(minted.0), i128::from(burned.0)) != (self.minted, self.burned) {
                Some(format!("{} were minted and {} burned by the operations told", self.minted, self.burned))
            } else {
                None
            };
            if let Some(what) = what {
                self.notes.contradict(NAME, what, &[record]);
            }
            self.books.entry(at).or_insert_with(|| record.clone());
        } else if let Some(first) = self.books.get(&at) {
            self.notes.checked();
            if first.event != record.event {
                self.notes.contradict(NAME, "two nodes have other books after the same operations", &[first, record]);
            }
        }
    }
}

#[cfg(test)]
#[path = "p9_tests.rs"]
mod tests;
