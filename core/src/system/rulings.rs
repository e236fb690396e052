//! What a ruling on a challenge costs whom, and who gets it (PROTOCOL 8: Bond, Slash).
//!
//! Whatever offenders lose goes into the pot of the challenge and out of it again in one step: a quarter to the challenger, a
//! quarter to those who worked and judged well, the rest to the commons fund. Nobody gains by challenging its own (T32), and
//! no share of nobody's makes or loses a credit (T40).

use super::*;
use crate::config::COMMONS;
use crate::ledger::split;

/// What is known of one that challenges. There is no clock here to count challenges an hour by; how many are open at once
/// bounds them as well, since each is over within the time its committees have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Accuser {
    open: u32,
    ruled: u32,
    upheld: u32,
}

impl Accuser {
    /// How many of its challenges may be open at once, `most` or one: whoever was right in less than a fifth of at least five.
    fn room(&self, most: u32) -> u32 {
        if self.ruled >= 5 && u64::from(self.upheld) * 5 < u64::from(self.ruled) { 1 } else { most }
    }
}

impl System {
    /// Books the bond of a new challenge.
    ///
    /// # Errors
    /// [`Reject::NoRoom`] if too many of the challenger's are open, [`Reject::NotEnough`] without the credits.
    pub(super) fn accuse(
        &mut self,
        doing: &mut Doing,
        need: NeedId,
        challenge: Cid,
        challenger: AgentId,
        bond: Credits,
    ) -> Result<(), Reject> {
        let known = self.accusers.get(&challenger).copied().unwrap_or_default();
        if known.open >= known.room(self.params().disputes_max) {
            return Err(Reject::NoRoom);
        }
        let pot = Pot::Challenge(need, challenge);
        self.ledger.reserve(doing.key(), pot, challenger, bond).map_err(|_| Reject::NotEnough)?;
        self.accusers.insert(challenger, Accuser { open: known.open + 1, ..known });
        Ok(())
    }

    /// One of an agent's challenges is over.
    pub(super) fn accused(&mut self, challenger: &AgentId, ruling: Option<bool>) {
        let known = self.accusers.entry(*challenger).or_default();
        known.open = known.open.saturating_sub(1);
        known.ruled = known.ruled.saturating_add(u32::from(ruling.is_some()));
        known.upheld = known.upheld.saturating_add(u32::from(ruling == Some(true)));
        if known.open == 0 && known.ruled == 0 {
            self.accusers.remove(challenger);
        }
    }

    /// Carries out an [`Ask::Rule`].
    pub(super) fn rule(&mut self, doing: &mut Doing, need: NeedId, ask: &Ask) {
        let Ask::Rule { challenge, challenger, panel, ruling, .. } = ask else { return };
        let pot = Pot::Challenge(need, *challenge);
        let Some(bond) = self.ledger.pot(&pot) else { return };
        self.accused(challenger, *ruling);
        let params = self.params();
        let payouts = match ruling {
            Some(true) => self.punish(doing, need, ask, bond),
            // What was said without ground pays for having been looked at.
            Some(false) => {
                let each = Credits(bond.0 / (panel.len() as u64).max(1));
                panel.iter().map(|member| (*member, each)).collect()
            }
            None => {
                let fee = bond.share(params.yield_fee_bp).max(Credits(1)).min(bond);
                Vec::from([(*challenger, Credits(bond.0 - fee.0))])
            }
        };
        let held = self.ledger.pot(&pot).unwrap_or_default();
        let rest = held.0 - payouts.iter().map(|(_, part)| part.0).sum::<u64>();
        self.ledger.pay(doing.key(), &pot, &payouts, COMMONS).expect("no more is paid than the pot holds");
        if *ruling == Some(false) && rest > 0 {
            self.ledger.burn(doing.key(), COMMONS, Credits(rest)).expect("it was just paid in");
        }
        let number = self.number();
        for member in panel {
            if let Some(agent) = self.agents.get_mut(member) {
                agent.served_at = number;
            }
        }
        self.dirty = true;
    }

    /// Takes so much of what `offender` has bound, and of what is lent to it as much in proportion as counts beside that; returns what the
    /// lenders lose.
    pub(super) fn slash(&mut self, doing: &mut Doing, offender: AgentId, loss: Credits, pot: &Pot) -> Credits {
        let bound = self.ledger.balance(&offender).map_or(0, |b| b.staked.0 + b.unbonding.0);
        let backers: Vec<_> = self.ledger.backers(offender).collect();
        let counts = pool::counted(Credits(bound), backers, self.params());
        self.ledger
            .slash(doing.key(), offender, loss, counts, pot)
            .expect("so much is bound, and answers for nothing else")
    }

    /// Takes from the offenders what they answer with, and divides it. Returns what is paid out of the pot.
    fn punish(&mut self, doing: &mut Doing, need: NeedId, ask: &Ask, bond: Credits) -> Vec<(AgentId, Credits)> {
        let Ask::Rule { bench, challenge, challenger, commit, fence, honest, offenders, panel, task, worker, .. } = ask
        else {
            return Vec::new();
        };
        let (pot, genesis) = (Pot::Challenge(need, *challenge), Arc::clone(&self.genesis));
        let params = &genesis.params;
        let liens = self.ledger.liens(need, *commit).filter(|(id, _)| offenders.contains(&id.verifier));
        let losses: Vec<_> = liens.map(|(id, lien)| (id.verifier, lien.share(params.slash_bp))).collect();
        // Those of the others outlast a dispute that leaves the result as it is.
        if worker.is_some() {
            self.ledger.unlien_all(doing.key(), need, *commit).expect("liens end once, with their attempt");
        } else {
            for (verifier, _) in &losses {
                let lien = LienId { need, commit: *commit, verifier: *verifier };
                self.ledger.unlien(doing.key(), &lien).expect("it was just looked at");
            }
        }
        let answers = !bench.is_of_opinion() || planted(Mutant::OpinionSlashes);
        let pays = |loss: &Credits| loss.0 > 0 && answers && !planted(Mutant::SlashForgotten);
        let mut lent = 0;
        for (offender, loss) in losses.into_iter().filter(|(_, loss)| pays(loss)) {
            lent += self.slash(doing, offender, loss, &pot).0;
        }
        let held = (need, task.clone(), *fence);
        if worker.is_some() && self.bonds.remove(&held).is_some() {
            let of_worker = Pot::Bond(need, task.clone(), *fence);
            self.ledger.pour(doing.key(), &of_worker, &pot).expect("a bond ends once, with its attempt");
        }
        for offender in offenders.iter().chain(worker) {
            if let Some(agent) = self.agents.get_mut(offender) {
                agent.reputation_bp = pool::disproved(agent.reputation_bp);
            }
        }
        // Of what others lent to the offenders nobody is rewarded: an offender's friend would be paid by them.
        let lost = Credits(self.ledger.pot(&pot).unwrap_or_default().0 - bond.0 - lent);
        let share = lost.share(params.reward_bp);
        // Nobody gains by what its own relations did wrong.
        let at_fault: Vec<_> = offenders.iter().chain(worker).map(|agent| self.identity(need, agent)).collect();
        let is_own = |agent: &AgentId| at_fault.iter().any(|one| one.related(&self.identity(need, agent)));
        let reward = if is_own(challenger) { Credits(0) } else { share };
        let mut payouts = Vec::from([(*challenger, Credits(bond.0 + reward.0))]);
        let mut left = share;
        for work in honest.iter().filter(|work| !is_own(&work.to)) {
            let part = work.amount.min(left);
            left = Credits(left.0 - part.0);
            payouts.push((work.to, part));
        }
        payouts.extend(panel.iter().copied().zip(split(left, &alloc::vec![1; panel.len()])));
        payouts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_seldom_right_waits_for_each_to_end() {
        let room = |ruled, upheld| Accuser { open: 0, ruled, upheld }.room(10);
        assert_eq!([room(0, 0), room(4, 0), room(5, 0), room(5, 1), room(11, 2), room(10, 2)], [10, 10, 1, 10, 1, 10]);
    }
}
