//! The books in the history's words: a ledger's bookings become operations, pots and liens by name.

use std::sync::Arc;

use swarm_core::id::{Credits, NeedId};
use swarm_core::ledger::{self, Booking, LienId};
use swarm_reports::history::{Account, LedgerEvent, Leg, Move};

/// What `bookings` come to: per operation the pots it opens, its legs, the pots it ends, then its liens.
pub fn told(bookings: &[Booking]) -> Vec<LedgerEvent> {
    let mut events = Vec::new();
    for op in bookings.chunk_by(|a, b| a.op() == b.op()) {
        let moves: Vec<_> = op.iter().filter_map(moved).collect();
        for posting in &moves {
            // What is set aside opens a pot; what a punishment or another pot adds does not.
            if let (ledger::Account::Available(_), ledger::Account::Pot(pot)) = (&posting.debit, &posting.credit) {
                events.push(LedgerEvent::PotOpened { need: need_of(pot), pot: pot_name(pot) });
            }
        }
        let legs: Arc<[Leg]> = (moves.iter())
            .filter(|p| p.amount.0 > 0)
            .map(|p| Leg { amount: p.amount, from: account(&p.debit), to: account(&p.credit) })
            .collect();
        if !legs.is_empty() {
            events.push(LedgerEvent::Posted { key: op[0].op().to_string().into(), legs, op: kind(moves[0]) });
        }
        for posting in moves.iter().filter(|p| p.ends) {
            if let ledger::Account::Pot(pot) = &posting.debit {
                events.push(LedgerEvent::PotEnded { pot: pot_name(pot) });
            }
        }
        events.extend(op.iter().filter_map(|booking| match booking {
            Booking::Moved(_) => None,
            Booking::Bound { amount, lien, .. } => Some(LedgerEvent::LienBooked {
                agent: lien.verifier,
                amount: *amount,
                lien: lien_name(lien),
                need: lien.need,
            }),
            Booking::Freed { lien, .. } => Some(LedgerEvent::LienEnded { lien: lien_name(lien) }),
        }));
    }
    events
}

/// A coordinator's books, whole.
pub fn whole(books: &ledger::Ledger) -> LedgerEvent {
    let mut balances: Vec<(Account, Credits)> = Vec::new();
    for (agent, balance) in books.balances() {
        balances.push((account(&ledger::Account::Available(agent)), balance.available));
        balances.push((Account::Stake(agent), balance.staked));
        balances.push((Account::Unbonding(agent), balance.unbonding));
        let lent: u64 = books.backers(agent).map(|(_, amount)| amount.0).sum();
        balances.push((Account::Delegated(agent), Credits(lent)));
    }
    balances.extend(books.open_pots().map(|(pot, amount)| (Account::Pot(pot_name(pot)), amount)));
    balances.retain(|(_, amount)| amount.0 > 0);
    LedgerEvent::Books { balances: balances.into(), burned: books.burned(), minted: books.minted() }
}

fn moved(booking: &Booking) -> Option<&ledger::Posting> {
    match booking {
        Booking::Moved(posting) => Some(posting),
        _ => None,
    }
}

fn lien_name(lien: &LienId) -> Arc<str> {
    format!("lien/{}/{}/{}", lien.need, lien.commit, lien.verifier).into()
}

fn pot_name(pot: &ledger::Pot) -> Arc<str> {
    match pot {
        ledger::Pot::Escrow(need) => format!("escrow/{need}").into(),
        ledger::Pot::Bond(need, task, fence) => format!("bond/{need}/{task}/{fence}").into(),
        ledger::Pot::Challenge(need, challenge) => format!("challenge/{need}/{challenge}").into(),
        ledger::Pot::Decoy(need) => format!("decoy/{need}").into(),
    }
}

fn need_of(pot: &ledger::Pot) -> NeedId {
    match pot {
        ledger::Pot::Escrow(need)
        | ledger::Pot::Bond(need, ..)
        | ledger::Pot::Challenge(need, _)
        | ledger::Pot::Decoy(need) => *need,
    }
}

fn account(account: &ledger::Account) -> Account {
    match account {
        ledger::Account::Mint | ledger::Account::Burnt => Account::Outside,
        ledger::Account::Available(agent) if *agent == swarm_core::config::COMMONS => Account::Commons,
        ledger::Account::Available(agent) => Account::Free(*agent),
        ledger::Account::Stake(agent) => Account::Stake(*agent),
        ledger::Account::Delegated { to, .. } => Account::Delegated(*to),
        ledger::Account::Unbonding(agent) => Account::Unbonding(*agent),
        ledger::Account::Pot(pot) => Account::Pot(pot_name(pot)),
    }
}

/// The kind of an operation, from where its first move goes.
fn kind(posting: &ledger::Posting) -> Move {
    use ledger::Account as A;
    match (&posting.debit, &posting.credit) {
        (A::Mint, _) => Move::Mint,
        (_, A::Burnt) => Move::Burn,
        (A::Available(_), A::Pot(ledger::Pot::Escrow(_))) => Move::Reserve,
        (A::Available(_), A::Pot(ledger::Pot::Bond(..) | ledger::Pot::Challenge(..) | ledger::Pot::Decoy(_))) => {
            Move::Bond
        }
        (A::Stake(_) | A::Unbonding(_) | A::Delegated { .. }, A::Pot(_)) => Move::Slash,
        (A::Available(_), A::Stake(_)) => Move::Stake,
        (A::Available(_), A::Delegated { .. }) => Move::Delegate,
        (A::Stake(_), A::Unbonding(_)) => Move::Unstake,
        (A::Unbonding(_), _) => Move::Withdraw,
        (A::Pot(ledger::Pot::Bond(..)), _) => Move::Unbond,
        (A::Pot(_), _) => Move::Pay,
        _ => Move::Transfer,
    }
}
