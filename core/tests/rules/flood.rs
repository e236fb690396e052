//! Whole nodes flooded: what anyone can make for nothing must neither stop a node, nor deafen it, nor crowd others out.

use std::sync::Arc;

use crate::host::Host;
use crate::kit::*;
use crate::nodes::{assert_closed, need, refused, said_by};
use swarm_core::id::*;
use swarm_core::lamport::{AHEAD_MAX, LAMPORT_MAX};
use swarm_core::node::PARKED_MAX;
use swarm_core::plan::Fact;
use swarm_core::register::Command;
use swarm_core::reject::Reject;
use swarm_core::wire::*;

/// A MANIFEST of somebody new, said at `lamport`.
fn join(who: &str, lamport: u64) -> Arc<Envelope> {
    let roles = [Role::Worker];
    let body = Body::Manifest(manifest_of(who, roles.to_vec()));
    said_by(who, Cid::default(), Thread::System, body, &roles, |c| {
        (c.lamport, c.nonce) = (Lamport(lamport), Nonce(lamport));
    })
}

/// A remark of worker `w1` on a plan in `thread`.
fn remark(host: &Host, thread: Thread, lamport: u64, nonce: u64) -> Arc<Envelope> {
    let manifest = host.genesis.manifest(&id_of("w1")).unwrap().0.id();
    let facts = vec![Fact::Annotate { key: label("a"), task: label("t"), value: "v".into() }];
    let body = Body::UpdatePlan(UpdatePlan { facts });
    said_by("w1", manifest, thread, body, &[Role::Worker], |c| {
        (c.lamport, c.nonce) = (Lamport(lamport), Nonce(nonce));
    })
}

fn nowhere(nonce: u64) -> Thread {
    Thread::Need(NeedId::of(&id_of("w1"), Nonce(nonce)))
}

#[test]
fn t07_a_long_chain_of_waiting_envelopes_is_taken_in_on_a_small_stack() {
    let flood = || {
        let mut host = Host::new();
        host.run(1);
        for n in 1..=PARKED_MAX as u64 {
            host.tell("v1", &join(&format!("x{}", n / 60), 500 + n * AHEAD_MAX));
        }
        host.tell("v1", &join("y", AHEAD_MAX - 500));
        let id = host.post(need());
        assert!(host.run(48));
        assert_closed(&mut host, id);
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(flood).unwrap().join().unwrap();
}

#[test]
fn t07_a_few_envelopes_that_only_coordinators_hear_deafen_nobody() {
    let mut host = Host::new();
    host.run(1);
    for n in 1..=5 {
        let drift = remark(&host, nowhere(1), n * (AHEAD_MAX - 100), 900 + n);
        host.coordinators().iter().for_each(|name| host.tell(name, &drift));
    }
    let id = host.post(need());
    assert!(host.run(48), "somebody does not hear the others any more");
    assert_closed(&mut host, id);
}

#[test]
fn t07_what_one_liar_has_ordered_carries_no_clock_away() {
    let mut host = Host::new();
    host.run(1);
    host.order(Thread::System, Arc::new(Command::Act(join("x1", LAMPORT_MAX.0))));
    let id = host.post(need());
    assert!(host.run(48));
    assert_closed(&mut host, id);
    assert!(host.said.iter().all(|(_, m)| m.envelope.lamport < Lamport(AHEAD_MAX)), "the clocks stay");
}

#[test]
fn t45_only_a_need_makes_a_thread_and_what_came_before_it_waits() {
    let mut host = Host::new();
    host.run(1);
    let id = NeedId::of(&id_of("r1"), Nonce(1));
    let early = remark(&host, Thread::Need(id), 1, 1_000);
    host.tell("c1", &early);
    let names: Vec<_> = (0..70).map(|n| remark(&host, nowhere(n), 1, 2_000 + n)).collect();
    names.iter().for_each(|name| host.tell("c1", name));
    host.run(1);
    assert!(host.nodes.get_mut("c1").unwrap().needs().is_empty(), "anyone can name a thread");
    let lost = names.iter().filter(|name| refused(&host, name) == [("c1".into(), Reject::NoRoom)].into()).count();
    assert_eq!(lost, 70 + 1 - 64, "nothing vanishes without a name");
    assert_eq!(host.post(need()), id);
    assert!(host.run(48));
    assert_closed(&mut host, id);
    assert!(refused(&host, &early).is_empty());
    let heads = |host: &mut Host, name: &str| host.nodes.get_mut(name).unwrap().needs()[0].1.heads;
    assert_ne!(heads(&mut host, "c1"), heads(&mut host, "c2"), "c1 holds what only it was told");
}

#[test]
fn t45_four_free_keys_leave_room_for_the_proposals_of_a_need() {
    for epoch in [Epoch::FIRST, Epoch(u64::MAX)] {
        let mut host = Host::new();
        host.run(1);
        let id = host.post(need());
        for who in ["x1", "x2", "x3", "x4"] {
            let manifest = join(who, 1);
            host.tell_all(&manifest);
            for n in 0..64 {
                let body = Body::Claim(Claim { cost: Credits(1), eta_ms: 1_000, task: label(&format!("t{n}")) });
                let claim = said_by(who, manifest.id(), Thread::Need(id), body, &[Role::Worker], |c| {
                    (c.epoch, c.nonce) = (Some(epoch), Nonce(10 + n));
                });
                host.tell_all(&claim);
            }
        }
        assert!(host.run(48));
        assert_closed(&mut host, id);
    }
}

#[test]
fn t10_what_cites_a_manifest_that_comes_later_is_not_crowded_out_by_strangers() {
    let mut host = Host::new();
    let id = host.post(need());
    host.run(1);
    let roles = [Role::Worker];
    let facts = |value: &str| {
        let facts = vec![Fact::Annotate { key: label("a"), task: label("cut"), value: value.into() }];
        Body::UpdatePlan(UpdatePlan { facts })
    };
    for n in 0..70 {
        let bogus = Cid::of(&[n]);
        let e = said_by("x1", bogus, Thread::Need(id), facts("x"), &roles, |c| c.nonce = Nonce(n.into()));
        host.tell("c1", &e);
    }
    let manifest = join("x2", 1);
    let update = said_by("x2", manifest.id(), Thread::Need(id), facts("y"), &roles, |c| c.nonce = Nonce(7));
    host.tell_all(&update);
    host.tell_all(&manifest);
    host.run(48);
    assert!(refused(&host, &update).is_empty(), "an honest word that came before its manifest vanished");
    let held = |name: &str, host: &mut Host| host.nodes.get_mut(name).unwrap().needs()[0].1.heads;
    assert_eq!(held("c1", &mut host), held("c2", &mut host));
}
