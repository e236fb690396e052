//! The rules of the books as small cases, and as properties of random histories.

use super::stake::TRANCHES_MAX;
use super::*;
use crate::id::{Cid, Fence, NeedId, Nonce, label};
use alloc::collections::BTreeMap;
use alloc::vec;
use proptest::prelude::*;

const A: AgentId = AgentId([1; 32]);
const B: AgentId = AgentId([2; 32]);
const STRANGER: AgentId = AgentId([9; 32]);

fn key(n: u64) -> OpKey {
    op_key(&crate::id::Thread::System, crate::id::Seq(n), 0)
}

fn need(n: u64) -> NeedId {
    NeedId::of(&A, Nonce(n))
}

fn bond(n: u64) -> Pot {
    Pot::Bond(need(0), label("t"), Fence(n))
}

fn lien(n: u64, verifier: AgentId) -> LienId {
    LienId { need: need(0), commit: Cid::of(&n.to_be_bytes()), verifier }
}

/// Books in which A and B have a thousand credits each, and keys below 10 are used.
fn books() -> Ledger {
    let mut books = Ledger::new(Credits(1_000_000));
    for (n, agent) in [(1, A), (2, B)] {
        books.open_account(agent);
        books.mint(key(n), agent, Credits(1_000)).unwrap();
    }
    books
}

/// `operation` must be refused as `why` and leave no trace.
#[track_caller]
fn refused(books: &mut Ledger, why: Reject, operation: impl FnOnce(&mut Ledger) -> Result<(), Reject>) {
    let before = books.clone();
    assert_eq!(operation(books), Err(why));
    assert_eq!(*books, before, "a refusal changed something");
    books.check_full();
}

#[test]
fn t35_of_a_thousand_racers_for_one_escrow_exactly_one_wins() {
    let mut books = books();
    let pot = Pot::Escrow(need(1));
    books.reserve(key(10), pot.clone(), A, Credits(500)).unwrap();
    let won = (0..1_000)
        .filter(|n| {
            // Half release to the worker, half cancel for the requester.
            let payouts: &[_] = if n % 2 == 0 { &[(B, Credits(200))] } else { &[] };
            let answer = books.pay(key(100 + n), &pot, payouts, A);
            books.check_full();
            assert!(matches!(answer, Ok(()) | Err(Reject::WrongPhase)));
            answer.is_ok()
        })
        .count();
    assert_eq!(won, 1);
    assert_eq!(books.balance(&B).unwrap().available, Credits(1_200));
    refused(&mut books, Reject::Duplicate, |b| b.reserve(key(11), pot.clone(), A, Credits(1)));
    refused(&mut books, Reject::WrongPhase, |b| b.pay_partly(key(12), &pot, &[]));
    refused(&mut books, Reject::NoSuchThing, |b| b.pay(key(13), &bond(1), &[], A));
}

#[test]
fn t36_only_the_authority_mints_and_never_above_the_cap() {
    assert_eq!(only_authority(&[A], &A), Ok(()));
    assert_eq!(only_authority(&[A], &B), Err(Reject::NotTheAuthority));
    assert_eq!(only_authority(&[], &B), Err(Reject::NotTheAuthority));
    let mut books = books();
    refused(&mut books, Reject::OverTheCap, |b| b.mint(key(10), A, Credits(998_001)));
    refused(&mut books, Reject::OverTheCap, |b| b.mint(key(10), A, Credits(u64::MAX)));
    books.mint(key(10), A, Credits(998_000)).unwrap();
    refused(&mut books, Reject::OverTheCap, |b| b.mint(key(11), A, Credits(1)));
    // What is burned may be minted again.
    books.burn(key(12), A, Credits(5)).unwrap();
    books.mint(key(13), A, Credits(5)).unwrap();
    books.check();
    assert_eq!((books.minted(), books.burned()), (Credits(1_000_005), Credits(5)));
}

#[test]
fn t36_nothing_wraps_at_the_ends_of_the_integers() {
    let mut books = books();
    let max = Credits(u64::MAX);
    refused(&mut books, Reject::NotEnough, |b| b.transfer(key(10), A, B, max));
    refused(&mut books, Reject::NotEnough, |b| b.burn(key(10), A, max));
    refused(&mut books, Reject::NotEnough, |b| b.stake(key(10), A, max));
    refused(&mut books, Reject::NotEnough, |b| b.delegate(key(10), A, B, max));
    refused(&mut books, Reject::NotEnough, |b| b.unstake(key(10), A, max));
    refused(&mut books, Reject::NotEnough, |b| b.withdraw(key(10), A, max));
    refused(&mut books, Reject::NotEnough, |b| b.reserve(key(10), bond(1), A, max));
    books.stake(key(11), A, Credits(100)).unwrap();
    refused(&mut books, Reject::Encumbered, |b| b.lien(key(12), lien(1, A), max));
    books.reserve(key(13), bond(1), A, Credits(100)).unwrap();
    // A sum that wraps to something affordable must not pass for it.
    refused(&mut books, Reject::NotEnough, |b| b.pay(key(14), &bond(1), &[(A, max), (B, Credits(51))], A));
    refused(&mut books, Reject::NotEnough, |b| b.pay_partly(key(14), &bond(1), &[(A, Credits(101))]));
}

#[test]
fn t38_stake_escrow_and_unbonding_are_separate() {
    let mut books = books();
    books.stake(key(10), A, Credits(600)).unwrap();
    books.reserve(key(11), bond(1), A, Credits(300)).unwrap();
    // Unstaking frees no bond, and ending the bond touches no stake.
    refused(&mut books, Reject::NotEnough, |b| b.unstake(key(12), A, Credits(601)));
    books.unstake(key(12), A, Credits(600)).unwrap();
    assert_eq!(books.pot(&bond(1)), Some(Credits(300)));
    books.forfeit(key(13), &bond(1)).unwrap();
    let left = Balance { available: Credits(100), unbonding: Credits(600), ..Balance::default() };
    assert_eq!(books.balance(&A), Some(left));
    assert_eq!(books.commons(), Credits(300));
    books.check();
}

#[test]
fn t45_stake_does_not_leave_in_crumbs() {
    let mut books = books();
    books.stake(key(10), A, Credits(100)).unwrap();
    for n in 0..TRANCHES_MAX as u64 {
        books.unstake(key(20 + n), A, Credits(1)).unwrap();
    }
    refused(&mut books, Reject::NoRoom, |b| b.unstake(key(90), A, Credits(1)));
    // What has matured has no stopwatch any more, and makes room before it is withdrawn.
    books.mature(key(91), &A, &key(20)).unwrap();
    books.unstake(key(92), A, Credits(1)).unwrap();
    refused(&mut books, Reject::NoRoom, |b| b.unstake(key(93), A, Credits(1)));
}

#[test]
fn t39_unbond_and_run_waits_for_time_and_for_liens() {
    let mut books = books();
    books.stake(key(10), A, Credits(1_000)).unwrap();
    books.lien(key(11), lien(1, A), Credits(400)).unwrap();
    books.unstake(key(12), A, Credits(700)).unwrap();
    books.unstake(key(13), A, Credits(300)).unwrap();
    refused(&mut books, Reject::WrongPhase, |b| b.withdraw(key(14), A, Credits(1)));
    refused(&mut books, Reject::NoSuchThing, |b| b.mature(key(14), &A, &key(99)));
    books.mature(key(14), &A, &key(12)).unwrap();
    refused(&mut books, Reject::Duplicate, |b| b.mature(key(15), &A, &key(12)));
    refused(&mut books, Reject::WrongPhase, |b| b.withdraw(key(15), A, Credits(701)));
    refused(&mut books, Reject::Encumbered, |b| b.withdraw(key(15), A, Credits(601)));
    books.withdraw(key(15), A, Credits(600)).unwrap();
    books.mature(key(16), &A, &key(13)).unwrap();
    refused(&mut books, Reject::Encumbered, |b| b.withdraw(key(17), A, Credits(1)));
    books.unlien_all(key(17), need(0), lien(1, A).commit).unwrap();
    books.withdraw(key(18), A, Credits(400)).unwrap();
    assert_eq!(books.balance(&A), Some(Balance { available: Credits(1_000), ..Balance::default() }));
    assert!(books.tranches(&A).is_empty());
    books.check();
}

#[test]
fn t40_with_nobody_honest_the_share_goes_to_the_commons() {
    let mut books = books();
    books.reserve(key(10), bond(1), A, Credits(99)).unwrap();
    let shares = split(Credits(99), &[0, 0]);
    let payouts: Vec<_> = [A, B].into_iter().zip(shares).collect();
    books.pay(key(11), &bond(1), &payouts, COMMONS).unwrap();
    assert_eq!(books.commons(), Credits(99));
    books.check();
}

#[test]
fn t41_a_pot_without_credits_ends_like_any_other() {
    let mut books = books();
    books.reserve(key(10), bond(1), A, Credits(0)).unwrap();
    assert_eq!(books.open_pots().count(), 1);
    books.pay(key(11), &bond(1), &[], A).unwrap();
    assert_eq!(books.open_pots().count(), 0);
    refused(&mut books, Reject::WrongPhase, |b| b.forfeit(key(12), &bond(1)));
    let ends = |booking: &Booking| matches!(booking, Booking::Moved(posting) if posting.ends);
    let bookings = books.take_bookings();
    assert!(ends(bookings.last().unwrap()) && bookings.iter().filter(|b| ends(b)).count() == 1);
}

#[test]
fn t42_the_worker_is_paid_from_the_budget_and_the_rest_is_refunded() {
    let mut books = books();
    let pot = Pot::Escrow(need(1));
    books.reserve(key(10), pot.clone(), A, Credits(500)).unwrap();
    books.pay_partly(key(11), &pot, &[(B, Credits(120))]).unwrap();
    assert_eq!(books.pot(&pot), Some(Credits(380)));
    books.pay(key(12), &pot, &[(B, Credits(80))], A).unwrap();
    assert_eq!(books.balance(&A).unwrap().available, Credits(800));
    assert_eq!(books.balance(&B).unwrap().available, Credits(1_200));
    // On failure everything comes back.
    let pot = Pot::Escrow(need(2));
    books.reserve(key(13), pot.clone(), A, Credits(500)).unwrap();
    books.pay(key(14), &pot, &[], A).unwrap();
    assert_eq!(books.balance(&A).unwrap().available, Credits(800));
}

#[test]
fn t43_an_unknown_account_is_refused_and_never_created() {
    let mut books = books();
    let none = Reject::NoSuchAccount;
    refused(&mut books, none, |b| b.transfer(key(10), A, STRANGER, Credits(1)));
    refused(&mut books, none, |b| b.transfer(key(10), STRANGER, A, Credits(1)));
    refused(&mut books, none, |b| b.mint(key(10), STRANGER, Credits(1)));
    refused(&mut books, none, |b| b.delegate(key(10), A, STRANGER, Credits(1)));
    refused(&mut books, none, |b| b.lien(key(10), lien(1, STRANGER), Credits(1)));
    books.reserve(key(10), bond(1), A, Credits(10)).unwrap();
    refused(&mut books, none, |b| b.pay(key(11), &bond(1), &[(STRANGER, Credits(1))], A));
    refused(&mut books, none, |b| b.pay(key(11), &bond(1), &[], STRANGER));
    assert_eq!(books.balance(&STRANGER), None);
}

#[test]
fn t74_one_stake_never_backs_more_liens_than_it_covers() {
    let mut books = books();
    books.stake(key(10), A, Credits(250)).unwrap();
    books.delegate(key(11), B, A, Credits(1_000)).unwrap();
    let seated = (0..100).filter(|n| books.lien(key(100 + n), lien(*n, A), Credits(100)).is_ok()).count();
    assert_eq!(seated, 2, "what others lend backs no seat");
    refused(&mut books, Reject::Duplicate, |b| b.lien(key(300), lien(0, A), Credits(10)));
    assert_eq!(books.could_lien(&lien(9, A), Credits(50)), Ok(Credits(250)));
    assert_eq!(books.could_lien(&lien(9, A), Credits(51)), Err(Reject::Encumbered));
    // Stake on its way out backs nothing new.
    books.unstake(key(12), A, Credits(50)).unwrap();
    refused(&mut books, Reject::Encumbered, |b| b.lien(key(300), lien(9, A), Credits(1)));
    books.unlien(key(301), &lien(0, A)).unwrap();
    books.lien(key(302), lien(9, A), Credits(100)).unwrap();
    refused(&mut books, Reject::NoSuchThing, |b| b.unlien(key(303), &lien(0, A)));
    books.check();
}

fn challenge(n: u64) -> Pot {
    Pot::Challenge(need(0), Cid::of(&n.to_be_bytes()))
}

#[test]
fn t39_a_slash_reaches_stake_then_what_unbonds_and_backers_in_proportion() {
    let mut books = books();
    books.stake(key(10), A, Credits(600)).unwrap();
    books.unstake(key(11), A, Credits(200)).unwrap();
    books.unstake(key(12), A, Credits(300)).unwrap();
    books.mature(key(13), &A, &key(12)).unwrap();
    books.delegate(key(14), B, A, Credits(301)).unwrap();
    books.reserve(key(15), challenge(1), B, Credits(10)).unwrap();
    books.slash(key(16), A, Credits(200), Credits(301), &challenge(1)).unwrap();
    let has = |books: &Ledger, agent| books.balance(&agent).unwrap();
    // A hundred are left as stake, the other hundred come out of what matured first; a third of what was lent is gone, too.
    assert_eq!((has(&books, A).staked, has(&books, A).unbonding), (Credits(0), Credits(400)));
    assert_eq!(books.tranches(&A).iter().map(|t| t.amount.0).collect::<Vec<_>>(), [200, 200]);
    assert_eq!((has(&books, B).delegated, books.pot(&challenge(1))), (Credits(201), Some(Credits(310))));
    books.slash(key(17), A, Credits(400), Credits(301), &challenge(1)).unwrap();
    assert_eq!((has(&books, A).unbonding, has(&books, B).delegated), (Credits(0), Credits(0)));
    assert!(books.tranches(&A).is_empty(), "nothing fled");
    refused(&mut books, Reject::NotEnough, |b| b.slash(key(18), A, Credits(1), Credits(301), &challenge(1)).map(drop));
    books.check_full();
}

/// Whoever has taken most of its own back cannot have a small slash empty those who lent to it.
#[test]
fn t39_lenders_lose_in_proportion_to_what_counts() {
    let mut books = books();
    books.stake(key(10), A, Credits(100)).unwrap();
    books.delegate(key(11), B, A, Credits(900)).unwrap();
    books.reserve(key(13), challenge(1), B, Credits(10)).unwrap();
    assert_eq!(books.slash(key(14), A, Credits(50), Credits(400), &challenge(1)), Ok(Credits(200)));
    let lent: Vec<u64> = books.backers(A).map(|(_, lent)| lent.0).collect();
    assert_eq!((lent, books.pot(&challenge(1))), (vec![700], Some(Credits(260))));
    assert_eq!(books.slash(key(14), A, Credits(50), Credits(400), &challenge(1)), Ok(Credits(0)), "once");
    books.check_full();
}

#[test]
fn t38_a_slash_takes_nothing_that_answers_for_something_else() {
    let mut books = books();
    books.stake(key(10), A, Credits(500)).unwrap();
    books.lien(key(11), lien(1, A), Credits(300)).unwrap();
    refused(&mut books, Reject::NoSuchThing, |b| {
        b.slash(key(12), A, Credits(100), Credits(301), &challenge(1)).map(drop)
    });
    books.reserve(key(12), challenge(1), B, Credits(0)).unwrap();
    refused(&mut books, Reject::Encumbered, |b| {
        b.slash(key(13), A, Credits(201), Credits(301), &challenge(1)).map(drop)
    });
    refused(&mut books, Reject::OutOfBounds, |b| {
        b.slash(key(13), A, Credits(0), Credits(301), &challenge(1)).map(drop)
    });
    refused(&mut books, Reject::NoSuchAccount, |b| {
        b.slash(key(13), STRANGER, Credits(1), Credits(301), &challenge(1)).map(drop)
    });
    let free = books.balance(&A).unwrap().available;
    books.slash(key(13), A, Credits(200), Credits(301), &challenge(1)).unwrap();
    assert_eq!(books.balance(&A).unwrap().available, free, "what is free is not touched");
    books.forfeit(key(14), &challenge(1)).unwrap();
    assert_eq!(books.commons(), Credits(200));
    refused(&mut books, Reject::WrongPhase, |b| b.slash(key(15), A, Credits(1), Credits(301), &challenge(1)).map(drop));
}

#[test]
fn a_key_works_once() {
    let mut books = books();
    books.transfer(key(10), A, B, Credits(7)).unwrap();
    let before = books.clone();
    books.transfer(key(10), A, B, Credits(7)).unwrap();
    books.mint(key(10), A, Credits(7)).unwrap();
    assert_eq!(books, before);
    assert!(books.is_done(&key(10)));
    // A refused operation did not use its key up.
    refused(&mut books, Reject::NotEnough, |b| b.transfer(key(11), A, B, Credits(5_000)));
    books.transfer(key(11), A, B, Credits(5)).unwrap();
}

#[test]
fn nothing_is_no_amount() {
    let mut books = books();
    let (zero, why) = (Credits(0), Reject::OutOfBounds);
    refused(&mut books, why, |b| b.mint(key(10), A, zero));
    refused(&mut books, why, |b| b.burn(key(10), A, zero));
    refused(&mut books, why, |b| b.transfer(key(10), A, B, zero));
    refused(&mut books, why, |b| b.stake(key(10), A, zero));
    refused(&mut books, why, |b| b.delegate(key(10), A, B, zero));
    refused(&mut books, why, |b| b.unstake(key(10), A, zero));
    refused(&mut books, why, |b| b.withdraw(key(10), A, zero));
    refused(&mut books, why, |b| b.lien(key(10), lien(1, A), zero));
    refused(&mut books, Reject::NotEntitled, |b| b.delegate(key(10), A, A, Credits(1)));
}

/// One step of a random history. Small ranges, so that steps meet.
#[derive(Clone, Debug)]
enum Step {
    Mint(u8, u64),
    Burn(u8, u64),
    Transfer(u8, u8, u64),
    Stake(u8, u64),
    Delegate(u8, u8, u64),
    Unstake(u8, u64),
    Mature(u8, u8),
    Withdraw(u8, u64),
    Lien(u8, u8, u64),
    Unlien(u8, u8),
    Slash(u8, u8, u64),
    Reserve(u8, u8, u64),
    PayPartly(u8, u8, u64),
    Pay(u8, u8, u64, u8),
    Forfeit(u8),
    /// The last key again.
    Again,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (agent, pot) = (0..5_u8, 0..6_u8);
    let amount = prop_oneof![9 => 0..300_u64, 1 => any::<u64>()];
    let step = prop_oneof![
        (agent.clone(), amount.clone()).prop_map(|(a, n)| Step::Mint(a, n)),
        (agent.clone(), amount.clone()).prop_map(|(a, n)| Step::Burn(a, n)),
        (agent.clone(), agent.clone(), amount.clone()).prop_map(|(a, b, n)| Step::Transfer(a, b, n)),
        (agent.clone(), amount.clone()).prop_map(|(a, n)| Step::Stake(a, n)),
        (agent.clone(), agent.clone(), amount.clone()).prop_map(|(a, b, n)| Step::Delegate(a, b, n)),
        (agent.clone(), amount.clone()).prop_map(|(a, n)| Step::Unstake(a, n)),
        (agent.clone(), 0..3_u8).prop_map(|(a, i)| Step::Mature(a, i)),
        (agent.clone(), amount.clone()).prop_map(|(a, n)| Step::Withdraw(a, n)),
        (agent.clone(), 0..4_u8, amount.clone()).prop_map(|(a, c, n)| Step::Lien(a, c, n)),
        (agent.clone(), 0..4_u8).prop_map(|(a, c)| Step::Unlien(a, c)),
        (agent.clone(), pot.clone(), amount.clone()).prop_map(|(a, p, n)| Step::Slash(a, p, n)),
        (pot.clone(), agent.clone(), amount.clone()).prop_map(|(p, a, n)| Step::Reserve(p, a, n)),
        (pot.clone(), agent.clone(), amount.clone()).prop_map(|(p, a, n)| Step::PayPartly(p, a, n)),
        (pot.clone(), agent.clone(), amount, agent).prop_map(|(p, a, n, b)| Step::Pay(p, a, n, b)),
        pot.prop_map(Step::Forfeit),
        Just(Step::Again),
    ];
    prop::collection::vec(step, 1..120)
}

/// Agents 0 to 3 have accounts, 4 has none.
fn run(books: &mut Ledger, op: OpKey, step: &Step) -> Result<(), Reject> {
    let agent = |n: &u8| AgentId([n + 1; 32]);
    let pot = |n: &u8| {
        if n.is_multiple_of(2) { Pot::Escrow(need(u64::from(*n))) } else { bond(u64::from(*n)) }
    };
    match step {
        Step::Mint(a, n) => books.mint(op, agent(a), Credits(*n)),
        Step::Burn(a, n) => books.burn(op, agent(a), Credits(*n)),
        Step::Transfer(a, b, n) => books.transfer(op, agent(a), agent(b), Credits(*n)),
        Step::Stake(a, n) => books.stake(op, agent(a), Credits(*n)),
        Step::Delegate(a, b, n) => books.delegate(op, agent(a), agent(b), Credits(*n)),
        Step::Unstake(a, n) => books.unstake(op, agent(a), Credits(*n)),
        Step::Mature(a, i) => {
            let id = books.tranches(&agent(a)).get(usize::from(*i)).map_or(key(0), |t| t.id);
            books.mature(op, &agent(a), &id)
        }
        Step::Withdraw(a, n) => books.withdraw(op, agent(a), Credits(*n)),
        Step::Lien(a, c, n) => books.lien(op, lien(u64::from(*c), agent(a)), Credits(*n)),
        Step::Unlien(a, c) => books.unlien(op, &lien(u64::from(*c), agent(a))),
        Step::Slash(a, p, n) => books.slash(op, agent(a), Credits(*n), Credits(u64::MAX), &pot(p)).map(drop),
        Step::Reserve(p, a, n) => books.reserve(op, pot(p), agent(a), Credits(*n)),
        Step::PayPartly(p, a, n) => books.pay_partly(op, &pot(p), &[(agent(a), Credits(*n))]),
        Step::Pay(p, a, n, b) => books.pay(op, &pot(p), &[(agent(a), Credits(*n))], agent(b)),
        Step::Forfeit(p) => books.forfeit(op, &pot(p)),
        Step::Again => Ok(()),
    }
}

/// The books as someone rebuilds them who saw only the bookings.
#[derive(Default)]
struct Refold {
    accounts: BTreeMap<Account, i128>,
    ended: BTreeMap<Pot, u32>,
    liens: BTreeMap<LienId, Credits>,
}

impl Refold {
    fn take(&mut self, bookings: &[Booking]) {
        for booking in bookings {
            let m = match booking {
                Booking::Moved(posting) => posting,
                Booking::Bound { amount, lien, .. } => {
                    assert_eq!(self.liens.insert(*lien, *amount), None);
                    continue;
                }
                Booking::Freed { lien, .. } => {
                    assert!(self.liens.remove(lien).is_some());
                    continue;
                }
            };
            *self.accounts.entry(m.debit.clone()).or_default() -= i128::from(m.amount.0);
            *self.accounts.entry(m.credit.clone()).or_default() += i128::from(m.amount.0);
            if let (Account::Pot(pot), true) = (&m.debit, m.ends) {
                *self.ended.entry(pot.clone()).or_default() += 1;
            }
        }
    }

    fn at(&self, account: &Account) -> i128 {
        self.accounts.get(account).copied().unwrap_or(0)
    }

    fn agrees_with(&self, books: &Ledger) {
        assert_eq!(self.accounts.values().sum::<i128>(), 0);
        let negative = self.accounts.iter().find(|(a, v)| **v < 0 && **a != Account::Mint);
        assert_eq!(negative, None);
        assert_eq!(-self.at(&Account::Mint), i128::from(books.minted().0));
        assert_eq!(self.at(&Account::Burnt), i128::from(books.burned().0));
        for (agent, has) in books.balances() {
            let places = [
                (Account::Available(agent), has.available),
                (Account::Stake(agent), has.staked),
                (Account::Unbonding(agent), has.unbonding),
            ];
            for (account, amount) in places {
                assert_eq!(self.at(&account), i128::from(amount.0), "{account:?}");
            }
            for (by, amount) in books.backers(agent) {
                assert_eq!(self.at(&Account::Delegated { by, to: agent }), i128::from(amount.0));
            }
        }
        assert!(books.all_liens().map(|(id, amount)| (*id, amount)).eq(self.liens.clone()));
        for (pot, amount) in books.open_pots() {
            assert_eq!(self.at(&Account::Pot(pot.clone())), i128::from(amount.0));
            assert!(!self.ended.contains_key(pot));
        }
        for (pot, times) in &self.ended {
            assert_eq!((self.at(&Account::Pot(pot.clone())), *times), (0, 1), "{pot:?}");
        }
    }
}

proptest! {
    /// T41 and P9: whatever happens in whatever order, the moves alone refold to the books, nothing is made or lost, a
    /// refusal leaves no trace, and every pot that was opened can be ended, once.
    #[test]
    fn t41_random_histories_conserve_and_every_pot_ends_once(history in steps()) {
        let mut books = Ledger::new(Credits(2_000));
        (1..=4).for_each(|n| books.open_account(AgentId([n; 32])));
        let mut refold = Refold::default();
        let mut last = None;
        for (n, step) in history.iter().enumerate() {
            let op = key(n as u64 + 1);
            let before = books.clone();
            let (op, step) = match (step, &last) {
                (Step::Again, Some((op, step))) => (*op, step),
                _ => (op, step),
            };
            let again = matches!(history[n], Step::Again);
            let answer = run(&mut books, op, step);
            prop_assert!(answer.is_ok() || !again);
            if answer.is_err() || again {
                prop_assert_eq!(&books, &before);
            } else {
                last = Some((op, step.clone()));
            }
            books.check();
            refold.take(&books.take_bookings());
            refold.agrees_with(&books);
        }
        let open: Vec<Pot> = books.open_pots().map(|(pot, _)| pot.clone()).collect();
        for (n, pot) in open.iter().enumerate() {
            books.forfeit(key(1_000 + n as u64), pot).unwrap();
            books.check();
        }
        refold.take(&books.take_bookings());
        refold.agrees_with(&books);
        prop_assert_eq!(books.open_pots().count(), 0);
    }
}
