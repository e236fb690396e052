//! P9, conservation: the books of every node are the same list of operations, and folding it gives books in which nothing
//! is negative, everything sums to what was minted less what was burned, stake covers its liens, every pot ends exactly
//! once and empty, and no pot or lien outlives a need that ended, or is of none; and what a need asks for is carried out
//! once. What leaves a need's escrow goes to those whom the need owes it, to the credit, and the rest to who filled it; a
//! bond goes back or to the commons.
//!
//! The list is folded once, by whoever is furthest; every other node's telling is compared with it line by line, and whoever
//! must have caught up must have told all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::{AgentId, Credits, NeedId, Seq};

use super::dues::Dues;
use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Account, Event, LedgerEvent, Leg, Move, NodeNo, Phase, Record, Rules};

const NAME: &str = "P9";

/// The oracle of P9.
#[derive(Debug, Default)]
pub struct Conservation {
    balances: BTreeMap<Account, i128>,
    burned: i128,
    /// Members of the register that must have caught up, as the world says.
    members: Arc<[NodeNo]>,
    dues: Dues,
    healed_at: Option<u64>,
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
    /// Who showed its books at the end.
    shown: BTreeSet<NodeNo>,
    /// The first who showed something in them when nobody had told an operation.
    bare: Option<Record>,
    rules: Option<Arc<Rules>>,
}

#[derive(Debug)]
struct Pot {
    ended: Option<usize>,
    need: NeedId,
    opened: usize,
    /// What it was first filled with, and from where.
    filled: Option<(Move, Account)>,
    /// What was paid out of it, by receiver.
    paid: BTreeMap<Account, i128>,
}

#[derive(Debug)]
struct Lien {
    agent: AgentId,
    amount: Credits,
    booked: usize,
    ended: Option<usize>,
    need: NeedId,
}

impl Checker for Conservation {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        if !self.liars.told(record) {
            self.dues.see(NAME, record, &mut self.notes);
        }
        match &record.event {
            Event::Genesis { rules, .. } => self.rules = Some(rules.clone()),
            Event::Phase(phase) if *phase >= Phase::Heal => {
                self.healed_at.get_or_insert(record.at);
            }
            Event::Correct { members, .. } => self.members.clone_from(members),
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
                self.shown.insert(record.node);
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
        if let Some(shown) = self.bare.as_ref().filter(|_| end.settled) {
            notes.contradict(NAME, "books are shown that nobody has told an operation of", &[shown]);
        }
        if self.balances.values().sum::<i128>() != self.minted - self.burned {
            notes.contradict(NAME, "the accounts do not sum to what was minted less what was burned", &[]);
        }
        let pots = self.pots.iter().filter(|(_, p)| p.ended.is_none()).map(|(name, p)| ("pot", name, p.need, p.opened));
        let liens =
            self.liens.iter().filter(|(_, l)| l.ended.is_none()).map(|(name, l)| ("lien", name, l.need, l.booked));
        for (what, name, need, opened) in pots.chain(liens) {
            let Some(ended) = self.ended_needs.get(&need) else {
                if self.dues.requester(&need).is_none() {
                    notes.contradict(NAME, format!("{what} {name} is of no need"), &[&self.list[opened]]);
                }
                continue;
            };
            if end.settled {
                notes.contradict(NAME, format!("{what} {name} outlives its need"), &[&self.list[opened], ended]);
            } else {
                notes.unknown(format!("{what} {name} is open and its need is over, but the run was cut short"));
            }
        }
        for (name, pot) in self.pots.iter().filter(|(_, pot)| !end.expect.excused.contains(&pot.need)) {
            self.judge_payees(name, pot, end, &mut notes);
        }
        for node in self.members.iter() {
            self.judge_teller(*node, end, &mut notes);
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
                if self.rules.as_ref().is_some_and(|rules| supply > i128::from(rules.supply_max.0)) {
                    self.notes.contradict(NAME, format!("{supply} credits are more than there may be"), &[record]);
                }
            }
            LedgerEvent::PotOpened { need, pot } => match self.pots.get(pot) {
                Some(before) => {
                    let what = format!("pot {pot} is opened twice");
                    self.notes.contradict(NAME, what, &[&self.list[before.opened], record]);
                }
                None => {
                    let new = Pot { ended: None, need: *need, opened: at, filled: None, paid: BTreeMap::new() };
                    self.pots.insert(pot.clone(), new);
                }
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
        for (account, other, into) in [(&leg.from, &leg.to, false), (&leg.to, &leg.from, true)] {
            if let Account::Pot(pot) = account {
                match self.pots.get_mut(pot) {
                    None => self.notes.contradict(NAME, format!("pot {pot} is used but was never opened"), &[record]),
                    Some(Pot { ended: Some(before), .. }) => {
                        self.notes.contradict(
                            NAME,
                            format!("pot {pot} is used after its end"),
                            &[&self.list[*before], record],
                        );
                    }
                    Some(open) if into => drop(open.filled.get_or_insert_with(|| (op, other.clone()))),
                    Some(open) => *open.paid.entry(other.clone()).or_default() += amount,
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

    /// Whether what left a pot went to whom it should. What a node believes of a need comes later than what it books: where
    /// the need is not over, or the run was cut short, too much cannot be told from too early.
    fn judge_payees(&self, name: &str, pot: &Pot, end: &End, notes: &mut Notes) {
        let (opened, ended) = (&self.list[pot.opened], self.ended_needs.get(&pot.need));
        let Some((op, filler)) = &pot.filled else { return };
        // A decoy that nobody caught has no reward to set aside: its pot holds what those lose who passed it.
        if *op == Move::Bond || *op == Move::Slash && name.starts_with("decoy/") {
            notes.checked();
            let is_challenge = |pot: &str| pot.starts_with("challenge/") || pot.starts_with("decoy/");
            // Whom a challenge's pot pays, and a decoy's, follows from who was right: the model says so.
            let strays = |to: &&Account| match to {
                Account::Commons => false,
                Account::Pot(pot) => !is_challenge(pot),
                _ => **to != *filler && !is_challenge(name),
            };
            if let Some(other) = pot.paid.keys().find(strays) {
                let what = format!("bond {name} goes to {other:?}, who did not give it");
                notes.contradict(NAME, what, &[opened]);
            }
            return;
        }
        if self.dues.requester(&pot.need).is_some_and(|requester| *filler != Account::Free(requester)) {
            notes.contradict(NAME, format!("pot {name} was not filled by its need's requester"), &[opened]);
        }
        let mut owed: BTreeMap<Account, i128> =
            self.dues.owed(&pot.need).into_iter().map(|(agent, amount)| (Account::Free(agent), amount)).collect();
        let toll = self.dues.toll(&pot.need);
        if toll > 0 {
            owed.insert(Account::Commons, toll);
        }
        // The rest is the requester's, and who is owed something besides is paid it in the same coin.
        owed.remove(filler);
        let all: BTreeSet<&Account> = pot.paid.keys().chain(owed.keys()).filter(|account| *account != filler).collect();
        for account in all {
            let of = |amounts: &BTreeMap<Account, i128>| amounts.get(account).copied().unwrap_or(0);
            let (paid, owed) = (of(&pot.paid), of(&owed));
            match ended {
                _ if paid == owed => notes.checked(),
                Some(ended) if end.settled && pot.ended.is_some() => {
                    let what = format!("pot {name} pays {paid} to {account:?}, and its need owes {owed}");
                    notes.contradict(NAME, what, &[opened, ended]);
                }
                _ if paid > owed => notes.unknown(format!("pot {name} has paid what its need is not known to owe yet")),
                _ => {}
            }
        }
    }

    /// Whether one who must have caught up has told the whole list, and shown its books.
    fn judge_teller(&self, node: NodeNo, end: &End, notes: &mut Notes) {
        let (Some(rules), Some(healed_at)) = (&self.rules, self.healed_at) else { return };
        let in_time = |record: &Record| record.at.max(healed_at).saturating_add(rules.lag_ns_max) < end.at;
        // One that told another list was contradicted where it did.
        let Some(at) = self.position.get(&node).copied().unwrap_or(Some(0)) else { return };
        if let Some(missing) = self.list.get(at).filter(|record| in_time(record)) {
            let what = format!("{node} told {at} entries of the books, and there are {}", self.list.len());
            notes.contradict(NAME, what, &[missing]);
        }
        if end.settled && !self.list.is_empty() && !self.shown.contains(&node) {
            notes.contradict(NAME, format!("{node} is correct and never shows its books"), &[]);
        }
    }

    /// Holds a node's own books against the fold, or, for one that lags, against another's books of the same position.
    fn compare_books(&mut self, record: &Record, told: &[(Account, Credits)], burned: Credits, minted: Credits) {
        let Some(at) = *self.position.entry(record.node).or_insert(Some(0)) else { return };
        if self.list.is_empty() {
            // Whoever is stopped before it has begun holds what the genesis gave, and has told nothing of it.
            let holds = told.iter().any(|(_, credits)| credits.0 != 0);
            self.bare = self.bare.take().or_else(|| holds.then(|| record.clone()));
        } else if at == self.list.len() {
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
