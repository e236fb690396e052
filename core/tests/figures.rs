//! What the rules of money and of seating cost, in nanoseconds. Run with
//! `cargo test --release -p swarm-core --test figures -- --nocapture`; the bounds only catch a change of order.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures real time")]

use std::hint::black_box;
use std::time::Instant;

use swarm_core::committee::{self, Terms};
use swarm_core::config::Params;
use swarm_core::id::{AgentId, Cid, Credits, Digest, NeedId, Nonce, Seq, Thread};
use swarm_core::ledger::{Ledger, LienId, Pot, op_key};
use swarm_core::pool::{Age, Identity, Member, REPUTATION_START, Snapshot};
use swarm_core::reveal;

fn agent(n: u32) -> AgentId {
    AgentId(Digest::sha256(&n.to_be_bytes()).0)
}

fn pool(size: u32) -> Snapshot {
    let members = (0..size).map(|n| Member {
        delegated: Credits(0),
        identity: std::sync::Arc::new(Identity {
            agent: agent(n),
            asn: format!("AS{}", n % 23),
            org: format!("org-{}", n % 40),
            region: format!("region-{}", n % 7),
        }),
        idle_snapshots: n % 30,
        own: Credits(1_000 + u64::from(n * 37 % 9_000)),
        reputation_bp: REPUTATION_START,
        verifier: true,
    });
    let age = Age { bootstrap: false, day_passed: true, finalized_needs: 1_000 };
    Snapshot::make(1, members, age, &Params::default())
}

/// Prints what one of `times` runs of `work` took on average, and returns it.
fn figure(name: &str, times: u32, mut work: impl FnMut(u64)) -> u128 {
    let start = Instant::now();
    (0..u64::from(times)).for_each(&mut work);
    let each = start.elapsed().as_nanos() / u128::from(times);
    println!("{name:<44} {each:>9} ns");
    each
}

#[test]
fn what_a_draw_costs() {
    let params = Params::default();
    for size in [50, 1_000] {
        let snapshot = pool(size);
        let barred = [0, 1].map(|at: usize| snapshot.seats()[at].identity.as_ref().clone());
        let terms = Terms { barred: &barred, snapshot: &snapshot, spare: 2, target: 5 };
        let each = figure(&format!("draw of 7 from {size}"), 2_000, |n| {
            let seed = Digest::sha256(&n.to_be_bytes());
            assert_eq!(black_box(committee::draw(&seed, terms, &params)).unwrap().members.len(), 7);
        });
        assert!(each < 5_000_000);
        figure(&format!("snapshot of {size} with its digest"), 20, |_| drop(black_box(pool(size))));
    }
}

#[test]
fn what_an_operation_on_the_books_costs() {
    let mut books = Ledger::new(Credits(1_000_000_000_000));
    let key = |n: u64| op_key(&Thread::System, Seq(n), 0);
    for n in 0..1_000 {
        books.open_account(agent(n));
        books.mint(key(n.into()), agent(n), Credits(1_000_000)).unwrap();
        books.stake(key(10_000 + u64::from(n)), agent(n), Credits(500_000)).unwrap();
    }
    let agents: Vec<AgentId> = (0..1_000).map(agent).collect();
    let of = |n: u64| agents[(n % 1_000) as usize];
    let need = |n: u64| NeedId::of(&agents[0], Nonce(n));
    let times = 20_000;
    figure("key of an operation", times, |n| _ = black_box(key(n)));
    let each = figure("transfer", times, |n| books.transfer(key(100_000 + n), of(n), of(n + 7), Credits(1)).unwrap());
    assert!(each < 1_000_000);
    let escrow = |n: u64| Pot::Escrow(need(n));
    figure("reserve", times, |n| books.reserve(key(200_000 + n), escrow(n), of(n), Credits(20)).unwrap());
    figure("pay to three, ending the pot", times, |n| {
        let payouts = [(of(n + 1), Credits(5)), (of(n + 2), Credits(5)), (of(n + 3), Credits(5))];
        books.pay(key(300_000 + n), &escrow(n), &payouts, of(n)).unwrap();
    });
    let lien = |n: u64| LienId { need: need(n), commit: Cid(Digest::default()), verifier: of(n) };
    figure("lien", times, |n| books.lien(key(400_000 + n), lien(n), Credits(100)).unwrap());
    figure("unlien", times, |n| books.unlien(key(500_000 + n), &lien(n)).unwrap());
    figure("repeat of a key", times, |n| books.transfer(key(100_000 + n), of(n), of(n + 7), Credits(1)).unwrap());
    assert!(!books.take_bookings().is_empty());
    if !cfg!(debug_assertions) {
        figure("check", times, |_| books.check());
    }
    figure("full check, 1,000 accounts, 20,000 pots", 20, |_| books.check_full());
}

#[test]
fn what_a_hash_chain_costs() {
    let secret = Digest::sha256(b"secret");
    figure("chain of 4,096", 20, |_| drop(black_box(reveal::Chain::new(&secret, reveal::LENGTH))));
    let chain = reveal::Chain::new(&secret, reveal::LENGTH);
    let each = figure("reveal", 4_095, |n| _ = black_box(chain.value(n as u32 + 1)));
    assert!(each < 10_000_000);
}
