//! Register halves in a small world of their own.

mod chaos;
mod disk;
mod lies;
mod net;
mod rules;

use std::println;

use net::{MS, Net, Plan};

#[test]
fn five_members_agree_and_fall_asleep() {
    let mut net = Net::new(Plan::calm(1));
    net.run(500 * MS);
    let ops: std::vec::Vec<_> = (0..20).map(|n| net.submit(n % 5, Net::thread(n as u64 % 3))).collect();
    net.run(5_000 * MS);
    assert!(ops.iter().all(|op| net.answers.get(op) == Some(&crate::node::Outcome::Committed)), "{:?}", net.answers);
    net.check();
    assert!(net.is_asleep());
    println!("{} packets, {} messages, {:?}", net.packets, net.messages, net.notes);
}
