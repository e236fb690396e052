//! What faults do to hosts: to their processes, their clocks and the work they do.

use std::collections::{BTreeMap, BTreeSet};

use swarm_nemeses::{Fault, Kind, Nodes};

use super::{Strikes, Striking, is_zombie};
use crate::kernel::{self, ClockChange, FaultId, Kernel, NodeId, Scope, SimTime, Span};
use crate::world::actor::{Actor, BUS, service};
use crate::world::host::{Harm, Ills};

/// How long a zombie may take to speak before it hears again, nanoseconds.
const DEAF: u64 = 90_000_000_000;

/// How much longer a write takes to be durable where a quorum is about to be swapped.
const SWAP_SYNC: Span = Span::new(20_000_000, 300_000_000);

/// By how much a clock must be wrong for anyone to notice: waits are whole milliseconds.
const FELT: u64 = 1_000_000;

/// How a node's clocks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    /// So many parts per million too fast.
    Drift(i32),
    Frozen,
}

/// A zombie that was let go and has not spoken.
pub(super) struct Waking {
    node: NodeId,
    /// Keeps it from hearing what happened.
    deaf: FaultId,
    pub until: SimTime,
    before: Harm,
}

impl Strikes {
    /// How many clocks a fault that begins now sets wrong at once: of a dead host nobody reads the clock, a wall clock decides
    /// nothing, and no wait is measured more finely than by [`FELT`].
    pub fn moves_clocks(&self, kernel: &Kernel<Actor>, fault: &Fault) -> u64 {
        match fault {
            Fault::Skew { nodes, offset_ns, .. } if u64::try_from(*offset_ns).is_ok_and(|ns| ns >= FELT) => {
                self.up(kernel, nodes)
            }
            Fault::ClockFreeze { nodes } => self.up(kernel, nodes),
            _ => 0,
        }
    }

    fn up(&self, kernel: &Kernel<Actor>, nodes: &Nodes) -> u64 {
        self.hosts(nodes, kernel).into_iter().filter(|id| kernel.is_up(*id)).count() as u64
    }

    /// Clocks that jump do so once, at the start. Says how many clocks were set wrong.
    pub(super) fn jump_clocks(&self, kernel: &mut Kernel<Actor>, fault: &Fault) -> u64 {
        let moved = self.moves_clocks(kernel, fault);
        if let Fault::Skew { nodes, offset_ns, .. } = fault {
            for node in &self.hosts(nodes, kernel) {
                match u64::try_from(*offset_ns) {
                    Ok(ns) => kernel.set_clock(*node, ClockChange::Leap { ns }),
                    Err(_) => kernel.set_clock(*node, ClockChange::Wall { ns: *offset_ns }),
                }
            }
        }
        moved
    }

    /// How many clocks a fault that ends now had run wrong for so long that it can be felt, if it did not set them wrong at once.
    pub(super) fn drifted(&self, kernel: &Kernel<Actor>, Striking { fault, since, .. }: &Striking) -> u64 {
        match fault {
            Fault::Skew { nodes, drift_ppm, .. } if self.moves_clocks(kernel, fault) == 0 => {
                let ran = u128::from(kernel.now().since(*since));
                let off = ran * u128::from(drift_ppm.unsigned_abs()) / 1_000_000;
                if off >= u128::from(FELT) { self.up(kernel, nodes) } else { 0 }
            }
            _ => 0,
        }
    }

    /// Brings processes and clocks in line with the faults at work. Says how much those that go on had slept through.
    pub(super) fn settle_hosts(&mut self, kernel: &mut Kernel<Actor>) -> u64 {
        let mut ills: BTreeMap<NodeId, Ills> = BTreeMap::new();
        let mut rates: BTreeMap<NodeId, Rate> = BTreeMap::new();
        let mut paused = BTreeSet::new();
        for Striking { fault, caught, turned, .. } in self.striking.values() {
            match fault {
                Fault::SilentWorker { nodes } => {
                    self.hosts(nodes, kernel).into_iter().for_each(|id| ills.entry(id).or_default().silent = true);
                }
                Fault::SlowVerifier { nodes, factor, extra_ns } => {
                    let slow = Some((*factor, *extra_ns));
                    self.hosts(nodes, kernel).into_iter().for_each(|id| ills.entry(id).or_default().slow = slow);
                }
                Fault::FailedVerifier { nodes } => {
                    self.hosts(nodes, kernel).into_iter().for_each(|id| ills.entry(id).or_default().failing = true);
                }
                Fault::Skew { nodes, drift_ppm, .. } if *drift_ppm != 0 => {
                    for id in self.hosts(nodes, kernel) {
                        let rate = rates.entry(id).or_insert(Rate::Drift(*drift_ppm));
                        if *rate != Rate::Frozen {
                            *rate = Rate::Drift(*drift_ppm);
                        }
                    }
                }
                Fault::ClockFreeze { nodes } => {
                    rates.extend(self.hosts(nodes, kernel).into_iter().map(|id| (id, Rate::Frozen)));
                }
                Fault::PauseLeader => paused.extend(*caught),
                Fault::SnapshotDamage { nodes, ppm } => {
                    self.hosts(nodes, kernel).into_iter().for_each(|id| ills.entry(id).or_default().damage_ppm = *ppm);
                }
                Fault::Pause { nodes } => paused.extend(self.hosts(nodes, kernel)),
                Fault::DiskFull { nodes } => {
                    self.hosts(nodes, kernel).into_iter().for_each(|id| ills.entry(id).or_default().full = true);
                }
                Fault::DiskSlow { nodes, min_ns, max_ns } => {
                    let slow = Some(Span::new(*min_ns, *max_ns));
                    self.hosts(nodes, kernel).into_iter().for_each(|id| ills.entry(id).or_default().slow_disk = slow);
                }
                Fault::QuorumSwap { first, victim, second } => {
                    let asleep = if *turned { second } else { first };
                    paused.extend(asleep.iter().map(|party| self.id(*party)));
                    if !turned {
                        ills.entry(self.id(*victim)).or_default().slow_disk = Some(SWAP_SYNC);
                    }
                }
                Fault::ZombieWorker { .. } => {
                    paused.extend(*caught);
                    rates.extend(caught.map(|id| (id, Rate::Frozen)));
                }
                _ => {}
            }
        }
        for waking in &self.waking {
            ills.entry(waking.node).or_default().undead = true;
        }
        let all = kernel.nodes().len();
        for id in (0..all).map(NodeId::from_index) {
            let ills = ills.remove(&id).unwrap_or_default();
            kernel.with_node(id, |actor, cx| {
                if let Actor::Host(host) = actor {
                    let before = std::mem::replace(&mut host.ills, ills);
                    if before.full && !host.ills.full {
                        host.freed(cx);
                    }
                }
            });
        }
        self.set_rates(kernel, rates);
        self.set_paused(kernel, paused)
    }

    fn set_rates(&mut self, kernel: &mut Kernel<Actor>, rates: BTreeMap<NodeId, Rate>) {
        let healthy = |id: &NodeId| Rate::Drift(self.healthy.drift_ppm.get(id).copied().unwrap_or(0));
        for id in self.rates.keys().chain(rates.keys()).copied().collect::<BTreeSet<_>>() {
            let now = self.rates.get(&id).copied().unwrap_or_else(|| healthy(&id));
            let wanted = rates.get(&id).copied().unwrap_or_else(|| healthy(&id));
            if now != wanted {
                kernel.set_clock(
                    id,
                    match wanted {
                        Rate::Drift(ppm) => ClockChange::Drift { ppm },
                        Rate::Frozen => ClockChange::Freeze,
                    },
                );
            }
        }
        self.rates = rates;
    }

    fn set_paused(&mut self, kernel: &mut Kernel<Actor>, paused: BTreeSet<NodeId>) -> u64 {
        paused.difference(&self.paused).for_each(|id| kernel.pause(*id));
        let waited = self.paused.difference(&paused).map(|id| kernel.resume(*id)).sum();
        self.paused = paused;
        waited
    }

    /// Suspends the first worker found at work for each zombie fault that has none, and lets those hear again that have
    /// spoken.
    pub(super) fn look_for_zombies(&mut self, kernel: &mut Kernel<Actor>) {
        let mut found = Vec::new();
        for (id, striking) in &self.striking {
            let Fault::ZombieWorker { nodes } = &striking.fault else { continue };
            if striking.caught.is_some() {
                continue;
            }
            let at_work = |id: &NodeId| matches!(kernel.node(*id), Actor::Host(host) if host.is_at_work());
            let taken = |node: &NodeId| self.paused.contains(node) || found.iter().any(|(_, other)| other == node);
            let hosts = self.hosts(nodes, kernel);
            found.extend(hosts.into_iter().find(|node| at_work(node) && !taken(node)).map(|node| (*id, node)));
        }
        for (id, node) in &found {
            let striking = self.striking.get_mut(id).expect("it was found here");
            (striking.caught, striking.since) = (Some(*node), kernel.now());
        }
        let now = kernel.now();
        let spoke = |waking: &Waking| harm(kernel, waking.node).undead_commits > waking.before.undead_commits;
        let over: Vec<usize> = (0..self.waking.len())
            .rev()
            .filter(|at| now >= self.waking[*at].until || spoke(&self.waking[*at]))
            .collect();
        let changed = !found.is_empty() || !over.is_empty();
        for at in over {
            let waking = self.waking.remove(at);
            kernel.net_mut().lift(waking.deaf);
            let bites = harm(kernel, waking.node).undead - waking.before.undead;
            self.count(Kind::ZombieWorker).bites += bites;
        }
        if changed {
            self.settle(kernel);
        }
    }

    /// The end of a zombie's sleep: it goes on, and hears nothing from the bus until it has spoken. Who has not slept through a lease is
    /// none.
    pub(super) fn wake_zombie(&mut self, kernel: &mut Kernel<Actor>, striking: &Striking) {
        if !is_zombie(&striking.fault) {
            return;
        }
        let slept = kernel.now().since(striking.since);
        let Some(node) = striking.caught.filter(|_| slept >= self.healthy.lease_ns) else { return };
        let link = Scope::Link(service(BUS), node);
        let deaf = kernel.net_mut().impose(link, kernel::Fault::Cut { in_flight: true });
        let (until, before) = (kernel.now().plus(DEAF), harm(kernel, node));
        self.waking.push(Waking { node, deaf, until, before });
        self.settle(kernel);
    }
}

/// What all hosts have counted so far of faults of this kind.
pub(super) fn harm_of_hosts(kernel: &Kernel<Actor>, kind: Kind) -> u64 {
    let count: fn(&Harm) -> u64 = match kind {
        Kind::SlowVerifier => |harm| harm.slowed,
        Kind::FailedVerifier => |harm| harm.failed,
        Kind::SilentWorker => |harm| harm.silenced,
        Kind::SnapshotDamage => |harm| harm.damaged,
        Kind::DiskFull => |harm| harm.no_room,
        Kind::DiskSlow => |harm| harm.synced_late,
        _ => return 0,
    };
    kernel.nodes().map(|(id, _)| count(&harm(kernel, id))).sum()
}

fn harm(kernel: &Kernel<Actor>, id: NodeId) -> Harm {
    match kernel.node(id) {
        Actor::Host(host) => host.harm,
        _ => Harm::default(),
    }
}
