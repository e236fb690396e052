//! What agents do with their own accounts: manifests, mints, transfers, stake and its slow way out (PROTOCOL 9).

use std::sync::Arc;

use swarm_core::id::{AgentId, Digest};
use swarm_core::register::Event as Did;
use swarm_core::slot::Waiting;
use swarm_core::system::Adopted;
use swarm_core::time::Span;
use swarm_core::wire::{Body, Envelope};

use super::need::Elsewhere;
use super::system::{System, free};
use crate::history::Account;

impl System {
    pub(super) fn act(&mut self, envelope: &Arc<Envelope>) -> bool {
        let sender = envelope.sender;
        if self.acts.contains(&envelope.id()) {
            return false;
        }
        if let Body::Capsule(new) = &envelope.body {
            let follows = new.number == self.policy.0 + 1;
            if follows {
                self.policy = (new.number, new.engine);
                let policy = Adopted { capsule: new.capsule, engine: new.engine, number: new.number };
                self.out.push(Did::Governed { policy });
                self.acts.insert(envelope.id());
            }
            return follows;
        }
        if envelope.policy.engine != self.policy.1 {
            return false;
        }
        let known = self.accounts.contains(&sender);
        let (purse, stake) = (free(&sender), Account::Stake(sender));
        let done = match &envelope.body {
            // Of two that one agent said, the one it said last.
            Body::Manifest(_)
                if self.agents.get(&sender).is_some_and(|known| {
                    known.manifest.lamport.cmp(&envelope.lamport).then(known.manifest.id().cmp(&envelope.id())).is_ge()
                }) =>
            {
                false
            }
            Body::Manifest(_) => {
                self.register(envelope);
                self.out.push(Did::Registered { manifest: Arc::clone(envelope) });
                true
            }
            Body::Mint(body) => {
                let may = self.genesis.mints.contains(&sender) && self.accounts.contains(&body.to) && body.amount.0 > 0;
                let fits =
                    u128::from(self.minted) + u128::from(body.amount.0) <= u128::from(self.params().supply_max.0);
                if may && fits {
                    self.minted += body.amount.0;
                    self.books.shift(&Account::Outside, &free(&body.to), body.amount.0);
                }
                may && fits
            }
            Body::Transfer(body) => {
                let may = body.amount.0 > 0 && known && self.accounts.contains(&body.to);
                may && self.books.shift(&purse, &free(&body.to), body.amount.0)
            }
            Body::Stake(body) => {
                let enough = self.books.at(&stake).saturating_add(body.amount.0) >= self.params().stake_min.0;
                known && enough && body.amount.0 > 0 && self.books.shift(&purse, &stake, body.amount.0)
            }
            Body::Delegate(body) => {
                let may = body.amount.0 > 0 && known && self.accounts.contains(&body.to) && body.to != sender;
                let done = may && self.books.shift(&purse, &Account::Delegated(body.to), body.amount.0);
                if done {
                    *self.lent.entry((body.to, sender)).or_default() += body.amount.0;
                }
                done
            }
            Body::Unstake(body) => {
                let whole = self.books.at(&stake) == body.amount.0;
                let enough = body.amount.0 > 0 && (whole || body.amount.0 >= self.params().stake_min.0);
                // Eight may be on their way at a time.
                let running = self.tranches.get(&sender).map_or(0, |all| all.iter().filter(|(.., over)| !over).count());
                let done = enough
                    && running < 8
                    && known
                    && self.books.shift(&stake, &Account::Unbonding(sender), body.amount.0);
                if done {
                    let name = Digest::of("swarm/op", &[&[], &self.seq.0.to_be_bytes(), &1_u32.to_be_bytes()]);
                    self.tranches.entry(sender).or_default().push((name, body.amount.0, false));
                    let total = Span::from_secs(u64::from(self.params().unbonding_s));
                    self.wait(Waiting::Unbonding(sender, name), total);
                }
                done
            }
            Body::Withdraw(body) => body.amount.0 > 0 && self.withdraw(sender, body.amount.0),
            Body::Mask(body) => self.announce(sender, body.mask),
            _ => false,
        };
        self.acts.insert(envelope.id());
        if done {
            if !matches!(envelope.body, Body::Manifest(_)) {
                self.out.push(Did::Booked { envelope: envelope.id() });
            }
            self.dirty = true;
        }
        done
    }

    fn withdraw(&mut self, agent: AgentId, amount: u64) -> bool {
        let backing = self.books.at(&Account::Stake(agent)) + self.books.at(&Account::Unbonding(agent));
        let encumbered = self.books.encumbered(&agent);
        let tranches = self.tranches.entry(agent).or_default();
        let matured: u64 = tranches.iter().filter(|(.., over)| *over).map(|(_, amount, _)| amount).sum();
        if matured < amount || backing.saturating_sub(amount) < encumbered {
            return false;
        }
        let mut left = amount;
        for (_, held, _) in tranches.iter_mut().filter(|(.., over)| *over) {
            let part = left.min(*held);
            (*held, left) = (*held - part, left - part);
        }
        self.books.shift(&Account::Unbonding(agent), &free(&agent), amount)
    }
}
