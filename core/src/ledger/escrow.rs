//! Pots: credits set aside for a need or a lease. A pot opens once, ends once, and nothing is left in it.

use super::{Account, Booking, Ledger, OpKey, Pot};
use crate::config::COMMONS;
use crate::id::{AgentId, Credits};
use crate::mutant::{Mutant, planted};
use crate::reject::Reject;

impl Ledger {
    /// RESERVE: opens `pot` with `amount` of what `from` has available. The amount may be zero (a need without fees, a
    /// deployment without bonds): the pot opens and must end all the same.
    ///
    /// # Errors
    /// [`Reject::Duplicate`] (the pot was opened before, ended or not), [`Reject::NotEnough`], [`Reject::NoSuchAccount`].
    pub fn reserve(&mut self, key: OpKey, pot: Pot, from: AgentId, amount: Credits) -> Result<(), Reject> {
        self.once(key, |books| {
            if books.pots.contains_key(&pot) {
                return Err(Reject::Duplicate);
            }
            books.affords(&from, amount)?;
            books.post(key, Account::Available(from), Account::Pot(pot), amount);
            Ok(())
        })
    }

    /// Pays `payouts` out of `pot`, gives the remainder to `rest_to`, and ends the pot. Of any number of keys that try,
    /// exactly one does (T35).
    ///
    /// # Errors
    /// [`Reject::WrongPhase`] (the pot has ended), [`Reject::NoSuchThing`] (it never opened), [`Reject::NotEnough`] (the
    /// payouts exceed it), [`Reject::NoSuchAccount`].
    pub fn pay(
        &mut self,
        key: OpKey,
        pot: &Pot,
        payouts: &[(AgentId, Credits)],
        rest_to: AgentId,
    ) -> Result<(), Reject> {
        self.once(key, |books| {
            books.known(&rest_to)?;
            let rest = books.left_after(pot, payouts)?;
            books.pay_out(key, pot, payouts);
            let rest = if planted(Mutant::RestForgotten) { Credits(0) } else { rest };
            // Booked even if nothing is left, so that whoever reads the moves alone sees the pot end.
            books.post(key, Account::Pot(pot.clone()), Account::Available(rest_to), rest);
            if let Some(Booking::Moved(last)) = books.bookings.last_mut() {
                last.ends = true;
            }
            if planted(Mutant::PotEndsTwice) {
                let again = books.bookings.last().cloned();
                books.bookings.extend(again);
            }
            books.pots.insert(pot.clone(), None);
            Ok(())
        })
    }

    /// Pays `payouts` out of `pot` and leaves it open: the tasks of one need settle at different times, and nobody waits
    /// for the slowest to be paid.
    ///
    /// # Errors
    /// As [`Ledger::pay`].
    pub fn pay_partly(&mut self, key: OpKey, pot: &Pot, payouts: &[(AgentId, Credits)]) -> Result<(), Reject> {
        self.once(key, |books| {
            books.left_after(pot, payouts)?;
            books.pay_out(key, pot, payouts);
            Ok(())
        })
    }

    /// Ends `from` in favour of `into`, which is open.
    ///
    /// # Errors
    /// [`Reject::WrongPhase`] (one of them has ended), [`Reject::NoSuchThing`] (one of them never opened).
    pub fn pour(&mut self, key: OpKey, from: &Pot, into: &Pot) -> Result<(), Reject> {
        self.once(key, |books| {
            let amount = books.left_after(from, &[])?;
            books.left_after(into, &[])?;
            books.post(key, Account::Pot(from.clone()), Account::Pot(into.clone()), amount);
            if let Some(Booking::Moved(last)) = books.bookings.last_mut() {
                last.ends = true;
            }
            books.pots.insert(from.clone(), None);
            Ok(())
        })
    }

    /// Ends `pot` in favour of the commons fund.
    ///
    /// # Errors
    /// As [`Ledger::pay`].
    pub fn forfeit(&mut self, key: OpKey, pot: &Pot) -> Result<(), Reject> {
        self.pay(key, pot, &[], COMMONS)
    }

    /// What lies in `pot`; `None` if it has ended or never opened.
    pub fn pot(&self, pot: &Pot) -> Option<Credits> {
        self.pots.get(pot).copied().flatten()
    }

    /// The pots that have not ended.
    pub fn open_pots(&self) -> impl Iterator<Item = (&Pot, Credits)> {
        self.pots.iter().filter_map(|(pot, amount)| Some((pot, (*amount)?)))
    }

    /// What is left in `pot` after `payouts`, if it can pay them.
    fn left_after(&self, pot: &Pot, payouts: &[(AgentId, Credits)]) -> Result<Credits, Reject> {
        let amount = self.pots.get(pot).ok_or(Reject::NoSuchThing)?.ok_or(Reject::WrongPhase)?;
        for (to, _) in payouts {
            self.known(to)?;
        }
        let due = payouts.iter().try_fold(0_u64, |sum, (_, part)| sum.checked_add(part.0));
        due.and_then(|due| amount.0.checked_sub(due)).map(Credits).ok_or(Reject::NotEnough)
    }

    fn pay_out(&mut self, key: OpKey, pot: &Pot, payouts: &[(AgentId, Credits)]) {
        for (to, part) in payouts.iter().filter(|(_, part)| part.0 > 0) {
            self.post(key, Account::Pot(pot.clone()), Account::Available(*to), *part);
        }
    }
}
