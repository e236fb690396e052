//! Coordinators whose disks are gone, and the seats they leave empty.

use swarm_nemeses::{Fault, Node as Party, Nodes};

use super::{Strikes, links};
use crate::kernel::{Kernel, NodeId};
use crate::world::actor::{Actor, host_id};

/// A seat of the register whose holder has lost everything.
#[derive(Clone, Copy, Debug)]
pub struct Vacancy {
    /// Its place, as faults count coordinators.
    pub seat: u32,
    /// The host that held it.
    pub old: NodeId,
}

impl Strikes {
    /// Takes the disks of a fault's victims. Says how many there were.
    pub(super) fn wipe(&mut self, kernel: &mut Kernel<Actor>, by: u32, fault: &Fault) -> u64 {
        let (Fault::WipeRejoin { nodes } | Fault::MajorityLost { nodes }) = fault else { return 0 };
        let mut bites = 0;
        for seat in 0..self.shape.coordinators {
            let old = self.holder(seat);
            let hit = matches!(nodes, Nodes::These(these) if these.contains(&Party::Coordinator(seat)));
            if !hit || self.wiped.contains_key(&old) {
                continue;
            }
            self.take_down(kernel, old, by);
            bites += 1;
        }
        bites
    }

    /// A host stops for good.
    pub fn take_down(&mut self, kernel: &mut Kernel<Actor>, host: NodeId, by: u32) {
        if let Actor::Host(host) = kernel.node_mut(host) {
            host.wipe();
        }
        kernel.stop(host);
        self.dead.remove(&host);
        self.wiped.insert(host, by);
    }

    /// Whether a host is gone for good.
    pub fn is_gone(&self, host: NodeId) -> bool {
        self.wiped.contains_key(&host)
    }

    /// Nobody hears these hosts, nor they anyone, until the fault `by` ends.
    pub fn cut_off(&mut self, kernel: &mut Kernel<Actor>, by: u32, hosts: &[NodeId]) {
        let cut = links::cut(kernel, hosts.iter().copied().collect());
        if let Some(striking) = self.striking.get_mut(&by) {
            striking.links.push(cut);
        }
    }

    /// The seats that a fault emptied and nobody was given yet.
    pub fn vacated(&self, by: u32) -> Vec<Vacancy> {
        let seats = (0..self.shape.coordinators).map(|seat| Vacancy { seat, old: self.holder(seat) });
        let anew = self.striking.get(&by).is_some_and(|striking| striking.fault.kind().founds_anew());
        seats.filter(|vacancy| !anew && self.wiped.get(&vacancy.old) == Some(&by)).collect()
    }

    /// A newcomer holds a seat from now on; its clocks are off by so much where nothing is wrong.
    pub fn seat(&mut self, seat: u32, new: NodeId, drift_ppm: i32) {
        self.moved.insert(seat, new);
        self.healthy.drift_ppm.insert(new, drift_ppm);
    }

    /// The hosts of all seats.
    pub fn seats(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0..self.shape.coordinators).map(|seat| self.holder(seat))
    }

    pub(super) fn holder(&self, seat: u32) -> NodeId {
        self.moved.get(&seat).copied().unwrap_or(host_id(seat))
    }
}
