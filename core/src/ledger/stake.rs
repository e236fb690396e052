//! Stake: what an agent puts behind its verdicts, the liens on it, and the slow way out.
//!
//! A lien is no pot: it says that part of the stake already answers for a seat. New liens need stake that answers for
//! nothing yet; stake under a lien may start to unbond, but whatever leaves, the rest must still cover every lien (T39, T74).

use alloc::vec::Vec;

use super::{Account, Booking, Ledger, LienId, OpKey, Pot, Tranche, positive};
use crate::id::{AgentId, Cid, Credits, NeedId};
use crate::mutant::{Mutant, planted};
use crate::reject::Reject;

/// Tranches one agent may have unbonding that have not matured: each has a stopwatch at every coordinator for days, so an
/// agent must not be able to cut its stake into crumbs.
pub const TRANCHES_MAX: usize = 8;

impl Ledger {
    /// STAKE: `agent` binds `amount` of what it has available.
    ///
    /// # Errors
    /// [`Reject::NotEnough`], [`Reject::NoSuchAccount`], [`Reject::OutOfBounds`].
    pub fn stake(&mut self, key: OpKey, agent: AgentId, amount: Credits) -> Result<(), Reject> {
        self.once(key, |books| {
            positive(amount)?;
            books.affords(&agent, amount)?;
            books.post(key, Account::Available(agent), Account::Stake(agent), amount);
            Ok(())
        })
    }

    /// DELEGATE: `by` lends `amount` to the weight of `to`. How much of it counts is the pool's affair
    /// ([`crate::pool::counted`]).
    ///
    /// # Errors
    /// [`Reject::NotEnough`], [`Reject::NoSuchAccount`], [`Reject::NotEntitled`] (to itself: that is stake),
    /// [`Reject::OutOfBounds`].
    pub fn delegate(&mut self, key: OpKey, by: AgentId, to: AgentId, amount: Credits) -> Result<(), Reject> {
        self.once(key, |books| {
            positive(amount)?;
            if by == to {
                return Err(Reject::NotEntitled);
            }
            books.known(&to)?;
            books.affords(&by, amount)?;
            books.post(key, Account::Available(by), Account::Delegated { by, to }, amount);
            Ok(())
        })
    }

    /// UNSTAKE: `amount` of own stake begins to unbond, as a tranche named by this operation's key. It stays within reach
    /// of a slash until it is withdrawn.
    ///
    /// # Errors
    /// [`Reject::NotEnough`], [`Reject::NoRoom`] (too many tranches run), [`Reject::NoSuchAccount`], [`Reject::OutOfBounds`].
    pub fn unstake(&mut self, key: OpKey, agent: AgentId, amount: Credits) -> Result<(), Reject> {
        self.once(key, |books| {
            positive(amount)?;
            if books.known(&agent)?.stake < amount {
                return Err(Reject::NotEnough);
            }
            if books.tranches(&agent).iter().filter(|tranche| !tranche.matured).count() >= TRANCHES_MAX {
                return Err(Reject::NoRoom);
            }
            books.post(key, Account::Stake(agent), Account::Unbonding(agent), amount);
            Ok(())
        })
    }

    /// The unbonding time of `agent`'s tranche is over, as the stopwatches agreed.
    ///
    /// # Errors
    /// [`Reject::NoSuchThing`], [`Reject::NoSuchAccount`], [`Reject::Duplicate`] (it had matured).
    pub fn mature(&mut self, key: OpKey, agent: &AgentId, tranche: &OpKey) -> Result<(), Reject> {
        self.once(key, |books| {
            let holding = books.holdings.get_mut(agent).ok_or(Reject::NoSuchAccount)?;
            let found = holding.unbonding.iter_mut().find(|t| t.id == *tranche).ok_or(Reject::NoSuchThing)?;
            if found.matured {
                return Err(Reject::Duplicate);
            }
            found.matured = true;
            Ok(())
        })
    }

    /// WITHDRAW: `amount` of matured tranches, oldest first, is available again. What stays behind must cover every lien.
    ///
    /// # Errors
    /// [`Reject::NotEnough`] (not so much is unbonding), [`Reject::WrongPhase`] (not so much has matured),
    /// [`Reject::Encumbered`] (it waits for liens), [`Reject::NoSuchAccount`], [`Reject::OutOfBounds`].
    pub fn withdraw(&mut self, key: OpKey, agent: AgentId, amount: Credits) -> Result<(), Reject> {
        self.once(key, |books| {
            positive(amount)?;
            let flees = planted(Mutant::StakeFlees);
            if let (true, Some(holding)) = (flees, books.holdings.get_mut(&agent)) {
                holding.unbonding.iter_mut().for_each(|tranche| tranche.matured = true);
            }
            let holding = books.known(&agent)?;
            let unbonding = holding.unbonding();
            let matured: u64 = holding.unbonding.iter().filter(|t| t.matured).map(|t| t.amount.0).sum();
            if unbonding < amount {
                return Err(Reject::NotEnough);
            }
            if matured < amount.0 {
                return Err(Reject::WrongPhase);
            }
            if holding.stake.0 + unbonding.0 - amount.0 < holding.liens.0 && !flees {
                return Err(Reject::Encumbered);
            }
            books.post(key, Account::Unbonding(agent), Account::Available(agent), amount);
            Ok(())
        })
    }

    /// SLASH: `agent` loses `amount` of what it has bound, stake before what unbonds, and what was lent to its weight loses the
    /// same part, as far as it `counts` ([`crate::pool::counted`]): each lender in proportion, rounded down. All of it goes into
    /// `pot`, which is open. What it answers for with the rest stays covered: liens for what it is punished for have ended before.
    /// Returns what the lenders lose. If all that was lent lost that part, whoever takes back its own stake first could have a
    /// small slash take everything from others.
    ///
    /// # Errors
    /// [`Reject::NotEnough`] (not so much is bound), [`Reject::Encumbered`] (the rest would not cover its liens),
    /// [`Reject::NoSuchThing`] (the pot never opened), [`Reject::WrongPhase`] (it has ended), [`Reject::NoSuchAccount`],
    /// [`Reject::OutOfBounds`].
    pub fn slash(
        &mut self,
        key: OpKey,
        agent: AgentId,
        amount: Credits,
        counts: Credits,
        pot: &Pot,
    ) -> Result<Credits, Reject> {
        let before = self.pot(pot).unwrap_or_default();
        self.once(key, |books| {
            positive(amount)?;
            books.pots.get(pot).ok_or(Reject::NoSuchThing)?.ok_or(Reject::WrongPhase)?;
            let holding = books.known(&agent)?;
            let (stake, unbonding) = (holding.stake.0, holding.unbonding().0);
            let bound = stake.checked_add(unbonding).expect("no more credits than the cap");
            let left = bound.checked_sub(amount.0).ok_or(Reject::NotEnough)?;
            if left < holding.liens.0 {
                return Err(Reject::Encumbered);
            }
            let all = books.backers(agent).map(|(_, lent)| u128::from(lent.0)).sum::<u128>().max(1);
            let counts = all.min(counts.0.into());
            let part = |lent: Credits| u128::from(lent.0) * counts / all * u128::from(amount.0) / u128::from(bound);
            let backers: Vec<(AgentId, u128)> = books.backers(agent).map(|(by, lent)| (by, part(lent))).collect();
            let own = amount.0.min(stake);
            let from = [(Account::Stake(agent), own), (Account::Unbonding(agent), amount.0 - own)];
            let lent = backers.into_iter().map(|(by, part)| {
                let part = u64::try_from(part).expect("no more than was lent");
                (Account::Delegated { by, to: agent }, part)
            });
            for (account, part) in from.into_iter().chain(lent).filter(|(_, part)| *part > 0) {
                books.post(key, account, Account::Pot(pot.clone()), Credits(part));
            }
            Ok(())
        })?;
        let taken = self.pot(pot).unwrap_or_default().0 - before.0;
        // Nothing, if it was done before.
        Ok(Credits(taken.saturating_sub(amount.0)))
    }

    /// LIEN: `amount` of the verifier's own stake answers for a seat.
    ///
    /// # Errors
    /// [`Reject::Encumbered`] (the stake already answers for other seats, or there is too little), [`Reject::Duplicate`]
    /// (this seat has its lien), [`Reject::NoSuchAccount`], [`Reject::OutOfBounds`].
    pub fn lien(&mut self, key: OpKey, id: LienId, amount: Credits) -> Result<(), Reject> {
        self.once(key, |books| {
            let liens = books.could_lien(&id, amount)?;
            books.holdings.get_mut(&id.verifier).expect("it was just looked at").liens = liens;
            books.liens.insert(id, amount);
            books.bookings.push(Booking::Bound { amount, lien: id, op: key });
            Ok(())
        })
    }

    /// What the liens on the verifier's stake would come to with this one.
    ///
    /// # Errors
    /// As [`Ledger::lien`].
    pub fn could_lien(&self, id: &LienId, amount: Credits) -> Result<Credits, Reject> {
        positive(amount)?;
        if self.liens.contains_key(id) {
            return Err(Reject::Duplicate);
        }
        let holding = self.known(&id.verifier)?;
        // Only stake that still stands counts: what unbonds may be gone before the seat's window closes.
        match holding.liens.0.checked_add(amount.0) {
            Some(liens) if liens <= holding.stake.0 => Ok(Credits(liens)),
            _ => Err(Reject::Encumbered),
        }
    }

    /// Ends one lien.
    ///
    /// # Errors
    /// [`Reject::NoSuchThing`].
    pub fn unlien(&mut self, key: OpKey, id: &LienId) -> Result<(), Reject> {
        self.once(key, |books| books.release(key, id))
    }

    /// Ends all liens for the seats of one commit, as Pay does; there may be none.
    ///
    /// # Errors
    /// None today; the shape is that of all operations.
    pub fn unlien_all(&mut self, key: OpKey, need: NeedId, commit: Cid) -> Result<(), Reject> {
        self.once(key, |books| {
            if planted(Mutant::LienKept) {
                return Ok(());
            }
            let ids: Vec<LienId> = books.liens(need, commit).map(|(id, _)| *id).collect();
            ids.iter().try_for_each(|id| books.release(key, id))
        })
    }

    fn release(&mut self, op: OpKey, id: &LienId) -> Result<(), Reject> {
        let amount = self.liens.remove(id).ok_or(Reject::NoSuchThing)?;
        let holding = self.holdings.get_mut(&id.verifier).expect("a lien lies on an account");
        holding.liens.0 -= amount.0;
        self.bookings.push(Booking::Freed { lien: *id, op });
        Ok(())
    }

    /// The liens for the seats of one commit.
    pub fn liens(&self, need: NeedId, commit: Cid) -> impl Iterator<Item = (&LienId, Credits)> {
        let seat = |verifier| LienId { need, commit, verifier };
        self.liens.range(seat(AgentId([0; 32]))..=seat(AgentId([255; 32]))).map(|(id, amount)| (id, *amount))
    }

    /// Every lien there is.
    pub fn all_liens(&self) -> impl Iterator<Item = (&LienId, Credits)> {
        self.liens.iter().map(|(id, amount)| (id, *amount))
    }

    /// Who lends how much to the weight of `to`.
    pub fn backers(&self, to: AgentId) -> impl Iterator<Item = (AgentId, Credits)> {
        let pair = |by| (to, AgentId(by));
        self.delegations.range(pair([0; 32])..=pair([255; 32])).map(|((_, by), amount)| (*by, *amount))
    }

    /// What `agent` has unbonding, oldest first.
    pub fn tranches(&self, agent: &AgentId) -> &[Tranche] {
        self.holdings.get(agent).map_or(&[], |h| &h.unbonding)
    }
}

/// Takes `amount` from tranches, matured ones first and older before newer, and drops those that are empty. Whoever withdraws has
/// looked that enough has matured.
pub(super) fn take(tranches: &mut Vec<Tranche>, amount: Credits) {
    let mut left = amount.0;
    for matured in [true, false] {
        for tranche in tranches.iter_mut().filter(|t| t.matured == matured) {
            let part = tranche.amount.0.min(left);
            tranche.amount.0 -= part;
            left -= part;
        }
    }
    assert!(left == 0, "an operation checks what it moves before it moves it");
    tranches.retain(|t| t.amount.0 > 0);
}
