//! Hundreds of seeds of everything at once: what is applied is one sequence, what is committed stays, what is healed goes on.

use alloc::vec::Vec;
use std::collections::BTreeMap;
use std::{println, string::ToString as _};

use super::net::{MS, Net, Plan};
use crate::id::Digest;
use crate::node::Outcome;

const SEEDS: u64 = 200;

/// What a seed leaves to be looked at.
pub struct Seen {
    pub transcript: Digest,
    pub notes: BTreeMap<&'static str, u64>,
    pub net: Net,
}

/// First hurt it: loss, partitions, crashes that tear the log, members that lose their disk. Then heal it and demand progress.
pub fn hurt_and_heal(plan: Plan) -> Seen {
    let mut net = Net::new(plan);
    net.verbose = std::env::var("RAFT_SEED").is_ok_and(|seed| seed == net.plan.seed.to_string());
    let members = net.plan.members as u64;
    let threads = 1 + net.plan.buckets as u64;
    for _ in 0..60 {
        let up = net.up();
        let any = up[net.below(up.len() as u64) as usize];
        match net.below(20) {
            0..10 => {
                let thread = net.below(threads);
                for _ in 0..1 + net.below(3) {
                    net.submit(any, Net::thread(thread));
                }
            }
            10 | 11 => {
                // At most a minority is down at any time, or nothing could be expected.
                if up.len() as u64 > members / 2 + 1 {
                    net.crash(any);
                }
            }
            12 | 13 => {
                let down: Vec<usize> = net.seated().into_iter().filter(|h| net.hosts[*h].raft.is_none()).collect();
                if let Some(host) = down.first() {
                    net.restart(*host);
                }
            }
            14 => {
                // A half, one-way or whole.
                let side: Vec<usize> = net.seated().into_iter().filter(|_| net.below(2) == 0).collect();
                let one_way = net.below(3) == 0;
                for a in &side {
                    for b in net.seated().into_iter().filter(|b| !side.contains(b)) {
                        net.cut.insert((*a, b));
                        if !one_way {
                            net.cut.insert((b, *a));
                        }
                    }
                }
            }
            15..17 => net.cut.clear(),
            17 => {
                // One lost disk at a time: the newcomer must have caught up before the next is lost.
                let settled = net.hosts.len() as u64 == members || net.below(4) == 0 && newest_votes(&net);
                if settled && net.hosts.len() < 9 && net.up().len() as u64 == members {
                    net.replace(any);
                }
            }
            _ => {
                if !up.is_empty() {
                    net.submit_mandates(any);
                }
            }
        }
        let pause = net.below(700 * MS);
        let until = net.now + pause;
        net.run(until);
    }
    net.cut.clear();
    net.quiet_links = true;
    for host in net.seated() {
        if net.hosts[host].raft.is_none() {
            net.restart(host);
        }
    }
    for _ in 0..20 {
        let until = net.now + 5_000 * MS;
        net.run(until);
        let up = net.up();
        let lacking = up.iter().copied().find(|h| lacks_mandates(&net, *h));
        let Some(_) = lacking else { break };
        for host in up {
            net.submit_mandates(host);
        }
    }
    let until = net.now + 10_000 * MS;
    net.run(until);
    let ops: Vec<_> = net.up().into_iter().flat_map(|h| (0..threads).map(move |t| (h, t))).collect();
    let ops: Vec<_> = ops.into_iter().map(|(h, t)| net.submit(h, Net::thread(t))).collect();
    let until = net.now + 20_000 * MS;
    net.run(until);
    let seed = net.plan.seed;
    for op in ops {
        assert_eq!(net.answers.get(&op), Some(&Outcome::Committed), "STUCK: no progress after healing, seed {seed}");
    }
    net.check();
    assert!(net.is_asleep(), "AWAKE: something never sleeps, seed {seed}: {:#?}", net.tell(true));
    Seen { transcript: net.transcript, notes: net.notes.clone(), net }
}

fn lacks_mandates(net: &Net, host: usize) -> bool {
    net.hosts[host]
        .raft
        .as_ref()
        .is_some_and(|raft| raft.members().mandates().len() + net.plan.members < net.hosts.len())
}

/// Whether whoever joined last votes in every group.
fn newest_votes(net: &Net) -> bool {
    net.votes_everywhere(net.hosts.len() - 1)
}

/// `RAFT_SEED=7 cargo test -p swarm-core --lib raft::tests::chaos::one_seed_told -- --nocapture` tells a seed.
#[test]
fn one_seed_told() {
    let seed = std::env::var("RAFT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    hurt_and_heal(Plan::rough(seed));
}

#[test]
fn hurt_and_healed_it_agrees_and_goes_on() {
    let mut notes = BTreeMap::new();
    let (mut packets, mut refused) = (0, BTreeMap::new());
    for seed in 0..SEEDS {
        let seen = hurt_and_heal(Plan::rough(seed));
        seen.notes.iter().for_each(|(name, n)| *notes.entry(*name).or_insert(0) += n);
        packets += seen.net.packets;
        for host in &seen.net.hosts {
            for (reject, n) in host.raft.iter().flat_map(|raft| raft.refused()) {
                *refused.entry(*reject).or_insert(0) += n;
            }
        }
    }
    println!("{packets} packets, {notes:?}, refused {refused:?}");
    for name in ["leads", "slept", "woke", "started", "folded", "installed", "members", "promoted", "replaced"] {
        assert!(notes.contains_key(name), "nothing ever {name}: the chaos proved nothing");
    }
}

/// Run it twice in two processes and compare what it prints.
#[test]
fn one_seed_is_one_run() {
    let mut all = Digest::default();
    for seed in 1_000..1_010 {
        let (a, b) = (hurt_and_heal(Plan::rough(seed)), hurt_and_heal(Plan::rough(seed)));
        assert_eq!(a.transcript, b.transcript, "seed {seed} differs from itself");
        all = Digest::of("test/all", &[&all.0, &a.transcript.0]);
    }
    println!("transcripts of ten seeds: {all}");
}

/// Two of three cannot hear each other, and the third, which both need, dies with its vote on the way to a slow disk.
pub fn contended(seed: u64) {
    let mut net = Net::new(Plan { members: 3, delay: 10 * MS, sync: 150 * MS, ..Plan::calm(seed) });
    net.run(3_000 * MS);
    net.cut.extend([(0, 1), (1, 0)]);
    for _ in 0..20 {
        net.crash(2);
        let pause = 2_000 * MS + net.below(1_000 * MS);
        net.run(net.now + pause);
        net.restart(2);
        for _ in 0..200 {
            net.run(net.now + 10 * MS);
            if net.is_writing(2) {
                break;
            }
        }
        let pause = net.below(40 * MS);
        net.run(net.now + pause);
        net.crash(2);
        net.restart(2);
        for _ in 0..4 {
            net.submit(0, Net::thread(0));
            net.submit(1, Net::thread(0));
            net.run(net.now + 250 * MS);
        }
    }
}

#[test]
fn a_vote_outlives_whoever_gave_it() {
    (0..20).for_each(contended);
}

#[test]
#[cfg(swarm_mutants)]
fn planted_bugs_are_caught() {
    use crate::mutant::{Mutant, plant};
    let hunt = |mutant: Mutant, run: fn(u64)| {
        plant(Some(mutant));
        let caught = (0..400).find(|seed| std::panic::catch_unwind(|| run(*seed)).is_err());
        plant(None);
        println!("{}: caught at seed {caught:?}", mutant.name());
        caught
    };
    let vote = hunt(Mutant::VoteNotPersisted, contended);
    let wiped = hunt(Mutant::WipedKeepsId, |seed| drop(hurt_and_heal(Plan::rough(seed))));
    assert!(vote.is_some() && wiped.is_some());
}
