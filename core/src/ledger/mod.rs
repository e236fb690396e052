//! The books: double-entry, integer, checked, append-only (PROTOCOL 9).
//!
//! Decides where every credit lies. It must never make or lose one except by MINT and BURN, never let a balance wrap or
//! go negative, never end a pot twice, and never change anything in an operation that it refuses.
//!
//! Each operation carries a key ([`OpKey`]); a key that was applied before is answered `Ok` and changes nothing. Who may
//! ask for an operation is the caller's to judge (the system slot holds the signed envelopes), the books only know
//! amounts.

mod account;
mod escrow;
mod split;
mod stake;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Serialize, Serializer};

pub use account::{Account, Balance, Booking, LienId, OpKey, Posting, Pot, Tranche, op_key};
pub use split::split;

use crate::config::COMMONS;
use crate::id::{AgentId, Credits, Digest};
use crate::reject::Reject;

/// Refuses whoever is not among the agents that may mint (T36).
///
/// # Errors
/// [`Reject::NotTheAuthority`].
pub fn only_authority(authorities: &[AgentId], sender: &AgentId) -> Result<(), Reject> {
    if authorities.contains(sender) { Ok(()) } else { Err(Reject::NotTheAuthority) }
}

/// One agent's account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Holding {
    available: Credits,
    /// Sum of what it lends, kept beside the delegations so that a balance is one look-up.
    delegated: Credits,
    /// Sum of its liens, likewise.
    liens: Credits,
    stake: Credits,
    /// In the order of unstaking, which is the order of withdrawal.
    unbonding: Vec<Tranche>,
}

impl Holding {
    fn unbonding(&self) -> Credits {
        Credits(self.unbonding.iter().map(|t| t.amount.0).sum())
    }
}

/// Sums over all accounts, by kind, kept with every move. They are what [`Ledger::check`] looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Totals {
    available: u64,
    bound: u64,
    burned: u64,
    minted: u64,
    potted: u64,
}

/// All accounts, pots and liens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// What happened and was not yet taken: an output, no part of the state.
    #[serde(skip)]
    bookings: Vec<Booking>,
    /// By (to, by), so that what backs one member lies together.
    #[serde(serialize_with = "pairs")]
    delegations: BTreeMap<(AgentId, AgentId), Credits>,
    done: BTreeSet<OpKey>,
    holdings: BTreeMap<AgentId, Holding>,
    #[serde(serialize_with = "pairs")]
    liens: BTreeMap<LienId, Credits>,
    /// A pot that has ended stays, as `None`, so that it can neither end nor open again.
    #[serde(serialize_with = "pairs")]
    pots: BTreeMap<Pot, Option<Credits>>,
    supply_max: Credits,
    totals: Totals,
}

/// A map whose keys are not all texts, as a list of pairs in key order.
fn pairs<K: Serialize, V: Serialize, S: Serializer>(map: &BTreeMap<K, V>, s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(map)
}

impl Ledger {
    /// Empty books with one account, the commons fund. There are never more than `supply_max` credits.
    pub fn new(supply_max: Credits) -> Self {
        Self {
            bookings: Vec::new(),
            delegations: BTreeMap::new(),
            done: BTreeSet::new(),
            holdings: BTreeMap::from([(COMMONS, Holding::default())]),
            liens: BTreeMap::new(),
            pots: BTreeMap::new(),
            supply_max,
            totals: Totals::default(),
        }
    }

    /// Opens an account for `agent`; it may have one already.
    pub fn open_account(&mut self, agent: AgentId) {
        self.holdings.entry(agent).or_default();
    }

    /// MINT: makes `amount` credits for `to`. The caller has asked [`only_authority`].
    ///
    /// # Errors
    /// [`Reject::OverTheCap`], [`Reject::NoSuchAccount`], [`Reject::OutOfBounds`] (nothing to make).
    pub fn mint(&mut self, key: OpKey, to: AgentId, amount: Credits) -> Result<(), Reject> {
        self.once(key, |books| {
            positive(amount)?;
            books.known(&to)?;
            let supply = books.totals.minted - books.totals.burned;
            if supply.checked_add(amount.0).is_none_or(|s| s > books.supply_max.0) {
                return Err(Reject::OverTheCap);
            }
            // Minted and burned only grow; at a credit per nanosecond they last for centuries, yet the books say so.
            books.totals.minted.checked_add(amount.0).ok_or(Reject::OverTheCap)?;
            books.post(key, Account::Mint, Account::Available(to), amount);
            Ok(())
        })
    }

    /// BURN: `from` loses `amount` of its available credits, and so does the world.
    ///
    /// # Errors
    /// [`Reject::NotEnough`], [`Reject::NoSuchAccount`], [`Reject::OutOfBounds`].
    pub fn burn(&mut self, key: OpKey, from: AgentId, amount: Credits) -> Result<(), Reject> {
        self.once(key, |books| {
            positive(amount)?;
            books.affords(&from, amount)?;
            books.post(key, Account::Available(from), Account::Burnt, amount);
            Ok(())
        })
    }

    /// TRANSFER between two accounts that exist: a misspelt receiver is refused, never created (T43).
    ///
    /// # Errors
    /// [`Reject::NoSuchAccount`], [`Reject::NotEnough`], [`Reject::OutOfBounds`].
    pub fn transfer(&mut self, key: OpKey, from: AgentId, to: AgentId, amount: Credits) -> Result<(), Reject> {
        self.once(key, |books| {
            positive(amount)?;
            books.known(&to)?;
            books.affords(&from, amount)?;
            books.post(key, Account::Available(from), Account::Available(to), amount);
            Ok(())
        })
    }

    /// Whether the operation `key` was applied.
    pub fn is_done(&self, key: &OpKey) -> bool {
        self.done.contains(key)
    }

    /// What `agent` has, if it has an account.
    pub fn balance(&self, agent: &AgentId) -> Option<Balance> {
        self.holdings.get(agent).map(|h| Balance {
            available: h.available,
            delegated: h.delegated,
            liens: h.liens,
            staked: h.stake,
            unbonding: h.unbonding(),
        })
    }

    /// Every agent with an account, with what it has.
    pub fn balances(&self) -> impl Iterator<Item = (AgentId, Balance)> {
        self.holdings.keys().map(|a| (*a, self.balance(a).expect("it is one of the keys")))
    }

    /// The commons fund.
    pub fn commons(&self) -> Credits {
        self.holdings[&COMMONS].available
    }

    /// All that was ever minted.
    pub fn minted(&self) -> Credits {
        Credits(self.totals.minted)
    }

    /// All that was ever burned.
    pub fn burned(&self) -> Credits {
        Credits(self.totals.burned)
    }

    /// Hands over what was booked since the last call, in order.
    pub fn take_bookings(&mut self) -> Vec<Booking> {
        core::mem::take(&mut self.bookings)
    }

    /// Digest of the books. Bookings not yet taken are no part of it.
    pub fn digest(&self) -> Digest {
        Digest::of_json("swarm/ledger", self)
    }

    /// Asserts that the running totals add up. Cheap; for after every operation. A debug build recounts everything.
    ///
    /// # Panics
    /// If a credit was made or lost, which is a mistake in this module.
    pub fn check(&self) {
        let Totals { available, bound, burned, minted, potted } = self.totals;
        let held = u128::from(available) + u128::from(bound) + u128::from(potted);
        assert!(held + u128::from(burned) == u128::from(minted), "credits were made or lost: {:?}", self.totals);
        assert!(minted - burned <= self.supply_max.0, "more credits than the cap");
        if cfg!(debug_assertions) {
            self.check_full();
        }
    }

    /// Recounts every account against the running totals, and every lien against the stake behind it.
    ///
    /// # Panics
    /// If they differ, which is a mistake in this module.
    pub fn check_full(&self) {
        let (mut available, mut bound) = (0, 0);
        for (agent, holding) in &self.holdings {
            available += holding.available.0;
            let own = holding.stake.0 + holding.unbonding().0;
            bound += own + holding.delegated.0;
            assert!(holding.liens.0 <= own, "{agent} has more liens than stake");
        }
        let potted: u64 = self.pots.values().flatten().map(|c| c.0).sum();
        let counted = Totals { available, bound, potted, ..self.totals };
        assert!(counted == self.totals, "the totals drifted: {counted:?} counted, {:?} kept", self.totals);

        let mut delegated: BTreeMap<&AgentId, u64> = BTreeMap::new();
        for ((_, by), amount) in &self.delegations {
            *delegated.entry(by).or_default() += amount.0;
        }
        let mut liens: BTreeMap<&AgentId, u64> = BTreeMap::new();
        for (lien, amount) in &self.liens {
            *liens.entry(&lien.verifier).or_default() += amount.0;
        }
        for (agent, holding) in &self.holdings {
            assert!(holding.delegated.0 == delegated.get(agent).copied().unwrap_or(0), "{agent}'s delegations drifted");
            assert!(holding.liens.0 == liens.get(agent).copied().unwrap_or(0), "{agent}'s liens drifted");
        }
    }

    /// Runs `operation` unless `key` was applied before, and remembers the key if it took effect. An operation refuses
    /// before its first move, so that a refusal leaves no trace.
    fn once(&mut self, key: OpKey, operation: impl FnOnce(&mut Self) -> Result<(), Reject>) -> Result<(), Reject> {
        if self.done.contains(&key) {
            return Ok(());
        }
        operation(self)?;
        self.done.insert(key);
        Ok(())
    }

    fn known(&self, agent: &AgentId) -> Result<&Holding, Reject> {
        self.holdings.get(agent).ok_or(Reject::NoSuchAccount)
    }

    /// Whether `agent` has `amount` at hand.
    ///
    /// # Errors
    /// [`Reject::NotEnough`], [`Reject::NoSuchAccount`].
    pub fn affords(&self, agent: &AgentId, amount: Credits) -> Result<(), Reject> {
        if self.known(agent)?.available < amount { Err(Reject::NotEnough) } else { Ok(()) }
    }

    /// Moves `amount` and books the move. The one place where balances change.
    fn post(&mut self, op: OpKey, debit: Account, credit: Account, amount: Credits) {
        self.shift(&debit, amount, op, false);
        self.shift(&credit, amount, op, true);
        self.bookings.push(Booking::Moved(Posting { amount, credit, debit, ends: false, op }));
    }

    /// Adds to (`into`) or takes from one account. What lacks credits or overflows was not checked before: our mistake.
    fn shift(&mut self, account: &Account, amount: Credits, op: OpKey, into: bool) {
        let apply = |value: &mut u64| {
            let new = if into { value.checked_add(amount.0) } else { value.checked_sub(amount.0) };
            *value = new.expect("an operation checks what it moves before it moves it");
        };
        let holding = |holdings, agent| -> &mut Holding {
            let holdings: &mut BTreeMap<AgentId, Holding> = holdings;
            holdings.get_mut(agent).expect("an operation checks that accounts exist")
        };
        match account {
            Account::Mint => {
                assert!(!into, "nothing goes back to the mint");
                self.totals.minted += amount.0;
            }
            Account::Burnt => {
                assert!(into, "nothing comes back from the fire");
                apply(&mut self.totals.burned);
            }
            Account::Available(agent) => {
                apply(&mut holding(&mut self.holdings, agent).available.0);
                apply(&mut self.totals.available);
            }
            Account::Stake(agent) => {
                apply(&mut holding(&mut self.holdings, agent).stake.0);
                apply(&mut self.totals.bound);
            }
            Account::Delegated { by, to } => {
                apply(&mut self.delegations.entry((*to, *by)).or_default().0);
                apply(&mut holding(&mut self.holdings, by).delegated.0);
                apply(&mut self.totals.bound);
            }
            Account::Unbonding(agent) => {
                let tranches = &mut holding(&mut self.holdings, agent).unbonding;
                if into {
                    tranches.push(Tranche { amount, id: op, matured: false });
                } else {
                    stake::take(tranches, amount);
                }
                apply(&mut self.totals.bound);
            }
            Account::Pot(pot) => {
                let open = self.pots.entry(pot.clone()).or_insert(Some(Credits(0)));
                apply(&mut open.as_mut().expect("an ended pot is refused before anything moves").0);
                apply(&mut self.totals.potted);
            }
        }
    }
}

/// An operation on nothing is refused: it would fill the log for free.
fn positive(amount: Credits) -> Result<(), Reject> {
    if amount.0 == 0 { Err(Reject::OutOfBounds) } else { Ok(()) }
}
