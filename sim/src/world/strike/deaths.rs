//! Who dies when, and who comes back. A death waits, if its fault says so, for a moment at which its victim has written
//! something that is not durable yet: that is when dying hurts.

use std::collections::BTreeSet;

use swarm_nemeses::{Fault, Nodes};

use super::Strikes;
use crate::kernel::{Kernel, NodeId, SimTime};
use crate::world::actor::Actor;

/// How long a loss of power waits for a moment in which somebody writes, nanoseconds.
const POWER_WAIT: u64 = 500_000_000;

/// How long the victim of a quorum swap is stalked, nanoseconds.
const SWAP_WAIT: u64 = 2_000_000_000;

/// A host that will die by a fault.
pub(super) struct Doomed {
    by: u32,
    node: NodeId,
    /// At the latest.
    until: SimTime,
    /// It starts again at once.
    returns: bool,
    /// It dies in the same moment as the first of those that die by this fault.
    together: bool,
}

impl Strikes {
    /// Picks the victims of a fault that kills.
    pub(super) fn doom(&mut self, kernel: &Kernel<Actor>, by: u32, fault: &Fault) {
        let Some(nodes) = killed(fault) else { return };
        let wait_ns = if let Fault::Crash { wait_ns, .. } = fault { *wait_ns } else { POWER_WAIT };
        let (until, together) = (kernel.now().plus(wait_ns), matches!(fault, Fault::PowerLoss { .. }));
        let victims = self.hosts(nodes, kernel).into_iter();
        self.doomed.extend(victims.map(|node| Doomed { by, node, until, returns: false, together }));
    }

    /// Half time of a quorum swap.
    pub(super) fn swap_sides(&mut self, kernel: &mut Kernel<Actor>, by: u32) {
        let Some(Fault::QuorumSwap { victim, .. }) = self.striking.get(&by).map(|s| &s.fault) else { return };
        let (node, until) = (self.id(*victim), kernel.now().plus(SWAP_WAIT));
        self.doomed.push(Doomed { by, node, until, returns: true, together: false });
        self.look_for_prey(kernel);
    }

    /// Kills whose moment has come.
    pub(super) fn look_for_prey(&mut self, kernel: &mut Kernel<Actor>) {
        let now = kernel.now();
        let mut at = 0;
        while at < self.doomed.len() {
            let doomed = &self.doomed[at];
            let ripe = matches!(kernel.node(doomed.node), Actor::Host(host) if host.has_unsynced());
            if ripe || now >= doomed.until {
                let doomed = self.doomed.remove(at);
                self.kill(kernel, &doomed);
                if doomed.together {
                    return self.kill_the_doomed(kernel, doomed.by);
                }
            } else {
                at += 1;
            }
        }
    }

    /// A fault ends: those it still stalks die now.
    pub(super) fn kill_the_doomed(&mut self, kernel: &mut Kernel<Actor>, by: u32) {
        let (mine, others) = std::mem::take(&mut self.doomed).into_iter().partition(|doomed| doomed.by == by);
        self.doomed = others;
        let mine: Vec<Doomed> = mine;
        mine.iter().for_each(|doomed| self.kill(kernel, doomed));
    }

    fn kill(&mut self, kernel: &mut Kernel<Actor>, doomed: &Doomed) {
        let Some(kind) = self.striking.get(&doomed.by).map(|striking| striking.fault.kind()) else { return };
        // Who is dead already is not killed again, but stays dead for both.
        if !self.dead.contains(&doomed.node) && !self.wiped.contains_key(&doomed.node) {
            let Actor::Host(host) = kernel.node_mut(doomed.node) else { return };
            host.crash(&mut self.luck);
            kernel.stop(doomed.node);
            self.dead.insert(doomed.node);
            self.count(kind).bites += 1;
        }
        if doomed.returns {
            self.reboot(kernel, doomed.node);
        }
    }

    /// A fault has ended: whom nothing else keeps dead starts again.
    pub(super) fn revive(&mut self, kernel: &mut Kernel<Actor>, fault: &Fault) {
        let Some(nodes) = killed(fault) else { return };
        let kept: BTreeSet<NodeId> = (self.striking.values())
            .filter_map(|striking| Some(self.hosts(killed(&striking.fault)?, kernel)))
            .flatten()
            .collect();
        for node in self.hosts(nodes, kernel) {
            if !kept.contains(&node) {
                self.reboot(kernel, node);
            }
        }
    }

    fn reboot(&mut self, kernel: &mut Kernel<Actor>, node: NodeId) {
        if self.dead.remove(&node) {
            kernel.reboot(node);
            // It starts asleep where something has put its place to sleep.
            if self.paused.contains(&node) {
                kernel.pause(node);
            }
        }
    }
}

/// Whom a fault kills until it ends.
fn killed(fault: &Fault) -> Option<&Nodes> {
    match fault {
        Fault::Crash { nodes, .. } | Fault::PowerLoss { nodes, .. } => Some(nodes),
        _ => None,
    }
}
