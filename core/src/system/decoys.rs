//! Masks, and what a decoy costs whom once it is opened (PROTOCOL 8: Forced errors).
//!
//! Nobody gains by opening one, whoever its friends are. What is shared among those who caught it is what its worker won it for,
//! which the need pays into the commons fund just before; a share that somebody may not have stays there. What those lose who
//! passed it is divided as after a ruling, but for the challenger's share, which nobody has. So the fund never pays more than it
//! was given for this very decoy.

use super::*;
use crate::config::COMMONS;
use crate::ledger::split;

/// What a mask costs, to the commons fund: or anybody could fill the thread with them.
const MASK_FEE: Credits = Credits(1);

/// An announced decoy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Masked {
    /// Who announced it. Nothing says whose need it is about.
    by: AgentId,
    /// The entry that did.
    since: Seq,
    /// The need that was unmasked by it.
    of: Option<NeedId>,
}

impl System {
    /// Announces a decoy.
    ///
    /// # Errors
    /// [`Reject::Duplicate`], or that the fee cannot be paid.
    pub(super) fn announce(&mut self, doing: &mut Doing, by: AgentId, mask: Digest) -> Result<(), Reject> {
        if self.masks.contains_key(&mask) {
            return Err(Reject::Duplicate);
        }
        self.ledger.transfer(doing.key(), by, COMMONS, MASK_FEE)?;
        self.masks.insert(mask, Masked { by, since: doing.seq, of: None });
        Ok(())
    }

    /// Whether `mask` was there before `need` was taken up, and opens nothing else. From here on it is this need's.
    ///
    /// # Errors
    /// [`Reject::NoSuchThing`] (nobody announced it), [`Reject::Duplicate`] (it was opened before), [`Reject::WrongPhase`] (it came
    /// when the need was there).
    pub(super) fn unmask(&mut self, need: NeedId, mask: &Digest) -> Result<(), Reject> {
        let (_, taken_up) = *self.requesters.get(&need).ok_or(Reject::NoSuchThing)?;
        let masked = self.masks.get_mut(mask).ok_or(Reject::NoSuchThing)?;
        if masked.of.is_some() {
            return Err(Reject::Duplicate);
        }
        if masked.since >= taken_up {
            return Err(Reject::WrongPhase);
        }
        masked.of = Some(need);
        Ok(())
    }

    /// Carries out an [`Ask::Expose`].
    pub(super) fn expose(&mut self, doing: &mut Doing, need: NeedId, ask: &Ask) {
        let Ask::Expose { bond, caught, denied, mask, passed, price, worker, .. } = ask else { return };
        let (Some((requester, _)), Some(masked)) = (self.requesters.get(&need).copied(), self.masks.get(mask).copied())
        else {
            return;
        };
        let (pot, genesis) = (Pot::Decoy(need), Arc::clone(&self.genesis));
        let params = &genesis.params;
        let paid = [(COMMONS, *price)];
        let paid = self.ledger.pay_partly(doing.key(), &Pot::Escrow(need), &paid);
        paid.expect("a slot asks for no more than its escrow holds");
        self.ledger.reserve(doing.key(), pot.clone(), COMMONS, *price).expect("it was just paid in");
        let mut lent = 0;
        for offender in passed.iter().filter(|_| !planted(Mutant::DecoyPassesFree)) {
            // Its seat's lien has ended with the attempt. What answers for other seats is not taken.
            let free = self.ledger.balance(offender).map_or(0, |b| b.staked.0 + b.unbonding.0 - b.liens.0);
            let loss = params.lien.share(params.slash_bp).min(Credits(free));
            if loss.0 > 0 {
                lent += self.slash(doing, *offender, loss, &pot).0;
            }
            if let Some(agent) = self.agents.get_mut(offender) {
                agent.reputation_bp = pool::disproved(agent.reputation_bp);
            }
        }
        let lost = Credits(self.ledger.pot(&pot).unwrap_or_default().0 - price.0 - lent);
        let jackpot = Credits(price.0 + lost.share(params.reward_bp).0);
        let own = [requester, *worker, masked.by].map(|agent| self.identity(need, &agent));
        let barred = |agent: &AgentId| {
            let of = self.identity(need, agent);
            own.iter().any(|one| one.related(&of)) && !planted(Mutant::JackpotToRelations)
        };
        let shares = caught.iter().copied().zip(split(jackpot, &alloc::vec![1; caught.len()]));
        let shares: Vec<_> = shares.filter(|(agent, _)| !denied.contains(agent) && !barred(agent)).collect();
        self.ledger.pay(doing.key(), &pot, &shares, COMMONS).expect("no more is paid than the pot holds");
        let back = (*bond).min(self.ledger.commons());
        if back.0 > 0 {
            self.ledger.transfer(doing.key(), COMMONS, *worker, back).expect("it was forfeited to there");
        }
        self.dirty = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Nonce;
    use crate::node::genesis_of_nobody;

    #[test]
    fn t26_a_mask_is_there_before_the_need_and_opens_one() {
        let mut system = System::new(Arc::new(genesis_of_nobody()));
        let (by, need) = (AgentId([1; 32]), |n| NeedId::of(&AgentId([2; 32]), Nonce(n)));
        let mask = |n| Digest([n; 32]);
        for (n, since) in [(1, 4), (2, 5), (3, 6)] {
            system.masks.insert(mask(n), Masked { by, since: Seq(since), of: None });
        }
        assert_eq!(system.unmask(need(1), &mask(1)), Err(Reject::NoSuchThing), "it was never taken up");
        system.requesters.extend([1, 2].map(|n| (need(n), (AgentId([2; 32]), Seq(5)))));
        assert_eq!(system.unmask(need(1), &mask(9)), Err(Reject::NoSuchThing));
        assert_eq!(system.unmask(need(1), &mask(2)), Err(Reject::WrongPhase), "in the same entry is not before");
        assert_eq!(system.unmask(need(1), &mask(3)), Err(Reject::WrongPhase));
        assert_eq!(system.unmask(need(1), &mask(1)), Ok(()));
        assert_eq!(system.unmask(need(2), &mask(1)), Err(Reject::Duplicate), "it is another need's");
    }
}
