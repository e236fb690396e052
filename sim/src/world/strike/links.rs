//! What faults do to messages on their way.

use std::collections::BTreeSet;

use swarm_nemeses::{Fault, Links, Nodes};

use super::Strikes;
use crate::kernel::{self, FaultId, Kernel, NodeId, PPM, Scope, Span};
use crate::world::actor::{Actor, REGISTER, host_id, service};
use crate::world::wire::sort_of;

impl Strikes {
    /// Imposes what a fault does to links, if it does anything.
    pub(super) fn impose(&self, kernel: &mut Kernel<Actor>, fault: &Fault) -> Vec<FaultId> {
        use kernel::Fault as Link;
        let (links, fault) = match fault {
            Fault::Delay { links, min_ns, max_ns } => {
                (links, Link::Delay { ppm: PPM, extra: Span::new(*min_ns, *max_ns) })
            }
            Fault::Loss { links, ppm } => (links, Link::Lose { ppm: *ppm }),
            Fault::Duplicate { links, ppm } => {
                (links, Link::Duplicate { ppm: *ppm, after: Span::new(1, 1_000_000_000) })
            }
            Fault::Reorder { links, ppm, extra_ns } => {
                (links, Link::Reorder { ppm: *ppm, extra: Span::new(1, *extra_ns) })
            }
            Fault::LateReplay { links, ppm, min_ns, max_ns } => {
                (links, Link::Replay { ppm: *ppm, after: Span::new(*min_ns, *max_ns) })
            }
            Fault::Clog { links, lasts_ns } => (links, Link::Clog { until: kernel.now().plus(*lasts_ns) }),
            Fault::Filter { links, traffic } => (links, Link::Filter { sorts: 1 << sort_of(*traffic) }),
            Fault::Partition { side, .. } => {
                return vec![cut(kernel, side.iter().map(|party| self.id(*party)).collect())];
            }
            Fault::PartitionLeader { with } => {
                let leader = leader(kernel);
                let others = with.iter().map(|party| self.id(*party)).filter(|id| *id != leader);
                // A leader that is a coordinator is one of the minority; a sequencer takes a whole one with it.
                let minority = (with.len().max(1) - 1) / 2;
                let joins = minority - usize::from(minority > 0 && leader != service(REGISTER));
                return vec![cut(kernel, others.take(joins).chain([leader]).collect())];
            }
            Fault::Cuts { links, .. } => {
                let cut = Link::Cut { in_flight: true };
                return links.iter().map(|links| self.on(kernel, links, cut)).collect();
            }
            _ => return Vec::new(),
        };
        vec![self.on(kernel, links, fault)]
    }

    fn on(&self, kernel: &mut Kernel<Actor>, links: &Links, fault: kernel::Fault) -> FaultId {
        let scope = match (&links.from, &links.to) {
            (Nodes::All, Nodes::All) => Scope::All,
            (from, to) => Scope::OneWay(self.ids(from, kernel), self.ids(to, kernel)),
        };
        kernel.net_mut().impose(scope, fault)
    }
}

pub(super) fn cut(kernel: &mut Kernel<Actor>, side: BTreeSet<NodeId>) -> FaultId {
    kernel.net_mut().impose(Scope::Across(side), kernel::Fault::Cut { in_flight: true })
}

/// Who leads the register right now: the host that says so, or else the sequencer.
pub(super) fn leader(kernel: &Kernel<Actor>) -> NodeId {
    let leads = (0..)
        .map(host_id)
        .take(kernel.nodes().len())
        .find(|id| id.index() < kernel.nodes().len() && matches!(kernel.node(*id), Actor::Host(host) if host.leads()));
    leads.unwrap_or(service(REGISTER))
}
