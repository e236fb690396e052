//! Cases of P9: each rule of it, broken once.

use super::*;
use crate::check::fixture::{S, agent, caught, good, holds, need, unknown};

fn leg(from: Account, to: Account, amount: u64) -> Leg {
    Leg { amount: Credits(amount), from, to }
}

fn post(key: &str, op: Move, legs: &[Leg]) -> LedgerEvent {
    LedgerEvent::Posted { key: key.into(), legs: legs.into(), op }
}

fn free(n: u8) -> Account {
    Account::Free(agent(n))
}

fn pot() -> Account {
    Account::Pot("pot".into())
}

fn opened() -> LedgerEvent {
    LedgerEvent::PotOpened { need: need(), pot: "pot".into() }
}

fn ended() -> LedgerEvent {
    LedgerEvent::PotEnded { pot: "pot".into() }
}

fn mint() -> LedgerEvent {
    post("m", Move::Mint, &[leg(Account::Outside, free(1), 100)])
}

fn stake(amount: u64) -> LedgerEvent {
    post("s", Move::Stake, &[leg(free(1), Account::Stake(agent(1)), amount)])
}

fn lien(name: &str, amount: u64) -> LedgerEvent {
    LedgerEvent::LienBooked { agent: agent(1), amount: Credits(amount), lien: name.into(), need: need() }
}

fn books(held: &[(Account, u64)], minted: u64, burned: u64) -> LedgerEvent {
    let balances = held.iter().map(|(a, c)| (a.clone(), Credits(*c))).collect();
    LedgerEvent::Books { balances, burned: Credits(burned), minted: Credits(minted) }
}

/// Ledger events of node 0, after the genesis; then the need ends.
fn told(events: Vec<LedgerEvent>) -> crate::check::fixture::Run {
    let mut run = good();
    let end = run.records.iter().rfind(|r| matches!(r.event, Event::NeedEnded { .. })).unwrap().clone();
    run.records.truncate(1);
    run.records.extend(events.into_iter().zip(1..).map(|(e, i)| Record::new(i * S, NodeNo(0), Event::Ledger(e))));
    run.records.push(end);
    run
}

fn broken(events: Vec<LedgerEvent>, what: &str) {
    caught(Conservation::default(), &told(events), what);
}

#[test]
fn a_good_history_holds() {
    holds(Conservation::default(), &good());
}

#[test]
fn only_mint_makes_and_only_burn_loses() {
    broken(vec![post("x", Move::Transfer, &[leg(Account::Outside, free(1), 5)])], "made by something else");
    broken(vec![mint(), post("x", Move::Pay, &[leg(free(1), Account::Outside, 5)])], "lost by something else");
    holds(
        Conservation::default(),
        &told(vec![
            mint(),
            post("x", Move::Burn, &[leg(free(1), Account::Outside, 5)]),
            books(&[(free(1), 95)], 100, 5),
        ]),
    );
}

#[test]
fn an_overdraft() {
    broken(vec![mint(), post("t", Move::Transfer, &[leg(free(1), free(2), 101)])], "overdrawn by 1");
}

#[test]
fn t36_more_than_the_cap() {
    let much = 2_000_000_000_000;
    broken(vec![post("m", Move::Mint, &[leg(Account::Outside, free(1), much)])], "more than there may be");
}

#[test]
fn an_operation_that_takes_effect_twice() {
    broken(vec![mint(), mint()], "takes effect twice");
}

#[test]
fn t35_pots_end_exactly_once_and_empty() {
    let fill = || post("r", Move::Reserve, &[leg(free(1), pot(), 40)]);
    let empty = |n| post("u", Move::Unreserve, &[leg(pot(), free(1), n)]);
    holds(Conservation::default(), &told(vec![mint(), opened(), fill(), empty(40), ended()]));
    broken(vec![mint(), opened(), fill(), empty(39), ended()], "ends with 1 credits");
    broken(vec![mint(), opened(), ended(), ended()], "ends twice");
    broken(vec![mint(), opened(), opened(), ended()], "opened twice");
    broken(vec![mint(), ended()], "never opened");
    broken(vec![mint(), fill()], "used but was never opened");
    broken(vec![mint(), opened(), ended(), fill()], "used after its end");
}

#[test]
fn t41_a_pot_or_lien_that_outlives_its_need() {
    broken(vec![mint(), opened()], "pot pot outlives");
    broken(vec![mint(), stake(50), lien("l", 10)], "lien l outlives");
    let mut run = told(vec![mint(), opened()]);
    run.end.settled = false;
    unknown(Conservation::default(), &run, "cut short");
}

#[test]
fn t74_one_stake_never_backs_more_liens_than_it_covers() {
    let end = |name: &str| LedgerEvent::LienEnded { lien: name.into() };
    holds(Conservation::default(), &told(vec![mint(), stake(50), lien("a", 25), lien("b", 25), end("a"), end("b")]));
    broken(vec![mint(), stake(50), lien("a", 25), lien("b", 26), end("a"), end("b")], "backs liens of 51");
    let unstake = || post("u", Move::Unstake, &[leg(Account::Stake(agent(1)), Account::Unbonding(agent(1)), 30)]);
    let withdraw = |n| post("w", Move::Withdraw, &[leg(Account::Unbonding(agent(1)), free(1), n)]);
    // What unbonds still answers for what it backed, but for nothing new; and it does not leave.
    holds(Conservation::default(), &told(vec![mint(), stake(50), lien("a", 25), unstake(), withdraw(25), end("a")]));
    broken(vec![mint(), stake(50), lien("a", 25), unstake(), withdraw(26), end("a")], "a stake of 24");
    broken(vec![mint(), stake(50), unstake(), lien("a", 21), end("a")], "a stake of 20");
    let flees = post("t", Move::Transfer, &[leg(Account::Stake(agent(1)), free(2), 30)]);
    broken(vec![mint(), stake(50), lien("a", 25), flees, end("a")], "a stake of 20");
    broken(vec![mint(), stake(50), lien("a", 1), lien("a", 1), end("a")], "booked twice");
    broken(vec![mint(), stake(50), lien("a", 1), end("a"), end("a")], "ends twice");
    broken(vec![mint(), end("a")], "never booked");
}

#[test]
fn books_that_are_not_what_the_operations_come_to() {
    holds(Conservation::default(), &told(vec![mint(), books(&[(free(1), 100)], 100, 0)]));
    broken(vec![mint(), books(&[(free(1), 99)], 100, 0)], "hold 99");
    broken(vec![mint(), books(&[(free(2), 100)], 100, 0)], "not what its operations come to");
    broken(vec![mint(), books(&[(free(1), 100)], 101, 1)], "were minted");
}

#[test]
fn two_coordinators_tell_different_books() {
    let mut run = told(vec![mint(), mint()]);
    run.records[2].node = NodeNo(1);
    holds(Conservation::default(), &run);
    run.records[2].event = Event::Ledger(post("m", Move::Mint, &[leg(Account::Outside, free(1), 101)]));
    caught(Conservation::default(), &run, "another entry 1");
}

#[test]
fn a_laggards_books_are_held_against_books_of_its_position() {
    let mut run =
        told(vec![mint(), books(&[(free(1), 100)], 100, 0), stake(10), mint(), books(&[(free(1), 90)], 90, 0)]);
    run.records[4].node = NodeNo(1);
    run.records[5].node = NodeNo(1);
    caught(Conservation::default(), &run, "other books after the same operations");
}

#[test]
fn an_ask_carried_out_twice() {
    let mut run = good();
    let told = |at| Event::Discharged { at, need: need(), seq: Seq(3) };
    [(0, told(0)), (1, told(0)), (0, told(1))].into_iter().for_each(|(node, event)| run.tell(node, event));
    holds(Conservation::default(), &run);
    run.tell(1, told(0));
    caught(Conservation::default(), &run, "carried out twice");
}

/// Edits every payment out of the escrow of the good history, and the books after it.
fn paid_otherwise(to: fn(&Leg) -> Option<Account>) -> crate::check::fixture::Run {
    let mut run = good();
    run.edit_all(|e| {
        if let Event::Ledger(LedgerEvent::Posted { legs, op: Move::Pay, .. }) = e {
            let mut own = legs.to_vec();
            own.iter_mut().for_each(|leg| leg.to = to(leg).unwrap_or(leg.to.clone()));
            *legs = own.into();
        }
    });
    run.drop_all(|e| matches!(e, Event::Ledger(LedgerEvent::Books { .. })));
    run
}

#[test]
fn an_escrow_that_pays_whom_the_need_owes_nothing() {
    let to_stranger = |leg: &Leg| (leg.to == free(3)).then(|| free(99));
    caught(Conservation::default(), &paid_otherwise(to_stranger), "and its need owes 0");
    // To one who is owed something, but not that much; and not at all to one who is.
    let to_worker = |leg: &Leg| (leg.to == free(1)).then(|| free(3));
    caught(Conservation::default(), &paid_otherwise(to_worker), "pays 110");
    let to_requester = |leg: &Leg| (leg.to == free(3)).then(|| free(1));
    caught(Conservation::default(), &paid_otherwise(to_requester), "pays 0");
    // Before the need is over on any node that tells of it, nobody can know.
    let mut early = paid_otherwise(to_stranger);
    early.drop_all(|e| matches!(e, Event::NeedEnded { .. } | Event::Correct { .. }));
    let found = early.finding(Conservation::default());
    assert!(found.violations == 0 && !found.unknown.is_empty(), "{found:#?}");
}

#[test]
fn an_escrow_that_another_filled() {
    let mut run = good();
    run.edit_all(|e| {
        if let Event::NeedPosted { requester, .. } = e {
            *requester = agent(2);
        }
    });
    caught(Conservation::default(), &run, "not filled by its need's requester");
}

#[test]
fn a_bond_that_goes_to_another() {
    let bond = || post("b", Move::Bond, &[leg(free(1), pot(), 40)]);
    let back = |to| post("u", Move::Unbond, &[leg(pot(), to, 40)]);
    let told_to = |to| told(vec![mint(), opened(), bond(), back(to), ended()]);
    holds(Conservation::default(), &told_to(free(1)));
    holds(Conservation::default(), &told_to(Account::Commons));
    caught(Conservation::default(), &told_to(free(2)), "who did not give it");
}

/// Whoever passed a decoy that nobody caught loses its stake to a pot that no reward was set aside in.
#[test]
fn a_decoy_that_nobody_caught_pays_what_was_lost_on_it() {
    let of = |name: &str| {
        let pot = || Account::Pot(name.into());
        let slash = post("x", Move::Slash, &[leg(Account::Stake(agent(1)), pot(), 50)]);
        let on = post("p", Move::Pay, &[leg(pot(), Account::Commons, 50)]);
        let (opened, ended) =
            (LedgerEvent::PotOpened { need: need(), pot: name.into() }, LedgerEvent::PotEnded { pot: name.into() });
        told(vec![mint(), stake(50), opened, slash, on, ended])
    };
    holds(Conservation::default(), &of("decoy/n"));
    caught(Conservation::default(), &of("escrow/n"), "pays 50 to Commons, and its need owes 0");
}

#[test]
fn a_pot_or_lien_of_no_need() {
    let mut run = told(vec![mint(), stake(50), opened(), lien("l", 10)]);
    run.drop_all(|e| matches!(e, Event::NeedEnded { .. }));
    let found = run.finding(Conservation::default());
    let said: Vec<_> = found.contradictions.iter().map(|c| c.what.as_str()).collect();
    assert_eq!(said, ["pot pot is of no need", "lien l is of no need"]);
    // A need that somebody posted may still go on.
    let posted = good().records.iter().find(|r| matches!(r.event, Event::NeedPosted { .. })).unwrap().clone();
    run.records.push(posted);
    holds(Conservation::default(), &run);
}

#[test]
fn payouts_that_are_not_the_records() {
    let mut run = good();
    run.edit_all(|e| {
        if let Event::Settled { payouts, .. } = e {
            *payouts = [].into();
        }
    });
    caught(Conservation::default(), &run, "other payouts are fixed");
    let mut run = good();
    run.drop_all(|e| matches!(e, Event::Finalized { .. }));
    caught(Conservation::default(), &run, "for what is not final");
    let mut run = good();
    run.drop_all(|e| matches!(e, Event::Settled { .. }));
    caught(Conservation::default(), &run, "never fixed");
}

#[test]
fn a_member_that_tells_only_the_first_entries() {
    let ledger = |e: &Event| matches!(e, Event::Ledger(_));
    for kept in [0, 1, 5] {
        let mut run = good();
        let mut told = 0;
        run.records.retain(|r| {
            let own = r.node == NodeNo(1) && ledger(&r.event);
            told += u32::from(own);
            !own || told <= kept
        });
        run.end.at += crate::check::fixture::rules().lag_ns_max;
        caught(Conservation::default(), &run, &format!("told {kept} entries of the books"));
    }
}

#[test]
fn a_member_that_never_shows_its_books() {
    let mut run = good();
    run.records.retain(|r| r.node != NodeNo(0) || !matches!(r.event, Event::Ledger(LedgerEvent::Books { .. })));
    caught(Conservation::default(), &run, "node 0 is correct and never shows its books");
}

#[test]
fn what_a_liar_asks_for_is_owed_like_anything_else() {
    let mut run = good();
    // The one who told the NEED.
    run.liar(2);
    holds(Conservation::default(), &run);
}
