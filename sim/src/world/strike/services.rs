//! What faults do to the bus, to the artifact store and to etcd.

use swarm_nemeses::{Fault, Kind};

use super::Strikes;
use crate::kernel::{Kernel, Span};
use crate::world::actor::{Actor, BUS, REGISTER, STORE, service};
use crate::world::bus::{self, Storm};
use crate::world::etcd;
use crate::world::store;

impl Strikes {
    /// What a fault does to the bus at once, when it begins and when it ends. Says how often it bit.
    pub(super) fn strike_services(&self, kernel: &mut Kernel<Actor>, fault: &Fault, begins: bool) -> u64 {
        let by = match fault {
            Fault::StaleWriter { nodes } => self.hosts(nodes, kernel),
            _ => Default::default(),
        };
        if let (Fault::RegisterLost, Actor::Register(register)) = (fault, kernel.node_mut(service(REGISTER))) {
            return if begins { register.lose() } else { 0 };
        }
        kernel.with_node(service(BUS), |actor, cx| match (actor, fault) {
            (Actor::Bus(bus), Fault::StaleWriter { .. }) => bus.repeat_stale(cx, &by),
            (Actor::Bus(bus), Fault::BusAckedThenLost { window_ns } | Fault::PowerLoss { window_ns, .. }) if begins => {
                bus.lose_power(cx, *window_ns)
            }
            _ => 0,
        })
    }

    /// Brings bus, store and etcd in line with the faults at work.
    pub(super) fn settle_services(&self, kernel: &mut Kernel<Actor>) {
        let usual_ppm = self.healthy.redeliver_ppm;
        let mut bus = bus::Ills { redeliver_ppm: usual_ppm, usual_ppm, ..bus::Ills::default() };
        let mut store = store::Ills::default();
        let mut etcd = etcd::Ills::default();
        for striking in self.striking.values() {
            match &striking.fault {
                Fault::BusRedeliver { ppm } => bus.redeliver_ppm = bus.redeliver_ppm.max(*ppm),
                Fault::BusLate { ppm, min_ns, max_ns } => bus.late = Some((*ppm, Span::new(*min_ns, *max_ns))),
                Fault::BusLeaderChange => (bus.leaderless, bus.electing) = (true, true),
                Fault::PowerLoss { .. } => bus.leaderless = true,
                Fault::BusBitFlip { ppm } => bus.flip_ppm = bus.flip_ppm.max(*ppm),
                Fault::BidderStorm { nodes, every_ns, times } => {
                    let bidders = self.hosts(nodes, kernel);
                    bus.storm = Some(Storm { bidders, every: *every_ns, times: *times });
                }
                Fault::StoreSlow { min_ns, max_ns } => store.slow = Some(Span::new(*min_ns, *max_ns)),
                Fault::StoreLose { ppm } => store.lose_ppm = store.lose_ppm.max(*ppm),
                Fault::StoreCorrupt { ppm } => store.corrupt_ppm = store.corrupt_ppm.max(*ppm),
                Fault::StoreTwoWinners { ppm } => store.winners_ppm = store.winners_ppm.max(*ppm),
                Fault::Etcd(fault) => etcd.add(fault),
                _ => {}
            }
        }
        kernel.with_node(service(BUS), |actor, cx| {
            let Actor::Bus(at) = actor else { return };
            let before = std::mem::replace(&mut at.ills, bus);
            if before.leaderless && !at.ills.leaderless {
                at.elected(cx);
            }
            if before.storm.is_some() && at.ills.storm.is_none() {
                at.storm(cx);
            }
        });
        kernel.with_node(service(REGISTER), |actor, cx| {
            if let Actor::Etcd(at) = actor {
                at.settle(cx, etcd);
            }
        });
        if let Actor::Store(at) = kernel.node_mut(service(STORE)) {
            at.ills = store;
        }
    }
}

/// What bus, store and etcd have counted so far of faults of this kind.
pub(super) fn harm_of_services(kernel: &Kernel<Actor>, kind: Kind) -> u64 {
    let etcd = match kernel.node(service(REGISTER)) {
        Actor::Etcd(etcd) => etcd.bites.get(&kind).copied().unwrap_or(0),
        _ => 0,
    };
    let (Actor::Bus(bus), Actor::Store(store)) = (kernel.node(service(BUS)), kernel.node(service(STORE))) else {
        return etcd;
    };
    etcd + match kind {
        Kind::BusRedeliver => bus.harm.redelivered,
        Kind::BusLate => bus.harm.late,
        Kind::BusLeaderChange => bus.harm.refused,
        Kind::PowerLoss => bus.harm.unpowered,
        Kind::BidderStorm => bus.harm.stormed,
        Kind::BusBitFlip => bus.harm.flipped,
        Kind::StoreSlow => store.harm.slowed,
        Kind::StoreLose => store.harm.lost,
        Kind::StoreCorrupt => store.harm.corrupted,
        Kind::StoreTwoWinners => store.harm.two_won,
        _ => 0,
    }
}
