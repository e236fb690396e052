//! The books, as plainly as can be: a balance per account, an amount per pot and per lien. A move that cannot be made is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::id::AgentId;

use crate::history::{Account, LedgerEvent};

/// Balances by account, and liens by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    pub balances: BTreeMap<Account, u64>,
    pub liens: BTreeMap<Arc<str>, (AgentId, u64)>,
    /// Accounts and liens that changed since they were last compared.
    changed: BTreeSet<Account>,
    moved: BTreeSet<Arc<str>>,
}

impl Books {
    pub fn at(&self, account: &Account) -> u64 {
        self.balances.get(account).copied().unwrap_or(0)
    }

    /// Moves `amount`, if it is there.
    pub fn shift(&mut self, from: &Account, to: &Account, amount: u64) -> bool {
        if *from != Account::Outside {
            if self.at(from) < amount {
                return false;
            }
            self.set(from, self.at(from) - amount);
        }
        if *to != Account::Outside {
            self.set(to, self.at(to).saturating_add(amount));
        }
        true
    }

    fn set(&mut self, account: &Account, amount: u64) {
        self.changed.insert(account.clone());
        if amount == 0 {
            self.balances.remove(account);
        } else {
            self.balances.insert(account.clone(), amount);
        }
    }

    /// Encumbers part of a stake.
    pub fn book(&mut self, lien: Arc<str>, agent: AgentId, amount: u64) {
        self.moved.insert(lien.clone());
        self.liens.insert(lien, (agent, amount));
    }

    /// Frees the liens whose name begins so.
    pub fn free(&mut self, prefix: &str) {
        let names: Vec<_> = self.liens.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        for name in names {
            self.liens.remove(&name);
            self.moved.insert(name);
        }
    }

    /// What of `agent`'s stake answers for seats.
    pub fn encumbered(&self, agent: &AgentId) -> u64 {
        self.liens.values().filter(|(of, _)| of == agent).map(|(_, amount)| amount).sum()
    }

    /// Follows what was told, without judging it.
    pub fn follow(&mut self, event: &LedgerEvent) {
        match event {
            LedgerEvent::Posted { legs, .. } => {
                for leg in legs.iter() {
                    self.shift(&leg.from, &leg.to, leg.amount.0);
                }
            }
            LedgerEvent::LienBooked { agent, amount, lien, .. } => {
                self.book(lien.clone(), *agent, amount.0);
            }
            LedgerEvent::LienEnded { lien } => self.free(lien),
            LedgerEvent::PotOpened { .. } | LedgerEvent::PotEnded { .. } | LedgerEvent::Books { .. } => {}
        }
    }

    /// The first account or lien, of those that changed since the last time, in which the two differ.
    pub fn differs(&mut self, told: &mut Self) -> Option<String> {
        for account in std::mem::take(&mut self.changed).union(&std::mem::take(&mut told.changed)) {
            if self.at(account) != told.at(account) {
                let (own, told) = (self.at(account), told.at(account));
                return Some(format!("{account:?} holds {own} here, {told} were told"));
            }
        }
        for lien in std::mem::take(&mut self.moved).union(&std::mem::take(&mut told.moved)) {
            if self.liens.get(lien) != told.liens.get(lien) {
                let (own, told) = (self.liens.get(lien), told.liens.get(lien));
                return Some(format!("{lien} is {own:?} here, {told:?} was told"));
            }
        }
        None
    }
}
