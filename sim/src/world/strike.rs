//! Faults as data become faults of the simulated world: on links, clocks, services and hosts. Every fault counts its bites.

use std::collections::BTreeMap;

use swarm_nemeses::{Fault, Links, Node as Party, Nodes, Shape};
use swarm_reports::FaultCount;

use crate::kernel::{self, ClockChange, FaultId, Kernel, NodeId, PPM, Scope, Span};
use crate::world::actor::{Actor, BUS, REGISTER, STORE, host_id, service};

/// A fault at work.
struct Striking {
    fault: Fault,
    links: Vec<FaultId>,
    /// Bites of its targets when it began.
    before: u64,
}

/// All faults of a run.
pub struct Strikes {
    shape: Shape,
    striking: BTreeMap<u32, Striking>,
    counts: BTreeMap<String, FaultCount>,
}

impl Strikes {
    /// For a cluster of this shape; `planned` names the kinds that will strike, so that one that never does is seen.
    pub fn new(shape: Shape, planned: impl Iterator<Item = String>) -> Self {
        Self { shape, striking: BTreeMap::new(), counts: planned.map(|kind| (kind, FaultCount::default())).collect() }
    }

    pub fn counts(&self) -> BTreeMap<String, FaultCount> {
        self.counts.clone()
    }

    fn id(&self, party: Party) -> NodeId {
        match party {
            Party::Coordinator(no) => host_id(no),
            Party::Agent(no) => host_id(self.shape.coordinators + no),
            Party::Bus => service(BUS),
            Party::Register => service(REGISTER),
            Party::Store => service(STORE),
        }
    }

    fn ids(&self, nodes: &Nodes, kernel: &Kernel<Actor>) -> Vec<NodeId> {
        match nodes {
            Nodes::All => kernel.nodes().map(|(id, _)| id).collect(),
            Nodes::These(parties) => parties.iter().map(|party| self.id(*party)).collect(),
        }
    }

    fn impose(&self, kernel: &mut Kernel<Actor>, links: &Links, fault: kernel::Fault) -> Vec<FaultId> {
        if (&links.from, &links.to) == (&Nodes::All, &Nodes::All) {
            return vec![kernel.net_mut().impose(Scope::All, fault)];
        }
        let (from, to) = (self.ids(&links.from, kernel), self.ids(&links.to, kernel));
        let pairs = from.iter().flat_map(|a| to.iter().filter(move |b| *b != a).map(move |b| (*a, *b)));
        pairs.map(|(a, b)| kernel.net_mut().impose(Scope::Link(a, b), fault)).collect()
    }

    /// A fault begins.
    pub fn start(&mut self, kernel: &mut Kernel<Actor>, id: u32, fault: Fault) {
        use kernel::Fault as Link;
        let before = self.bites(kernel, &fault);
        let mut at_once = 0;
        let links = match &fault {
            Fault::Delay { links, min_ns, max_ns } => {
                self.impose(kernel, links, Link::Delay { ppm: PPM, extra: Span::new(*min_ns, *max_ns) })
            }
            Fault::Loss { links, ppm } => self.impose(kernel, links, Link::Lose { ppm: *ppm }),
            Fault::Duplicate { links, ppm } => {
                self.impose(kernel, links, Link::Duplicate { ppm: *ppm, after: Span::new(1, 1_000_000_000) })
            }
            Fault::Reorder { links, ppm, extra_ns } => {
                self.impose(kernel, links, Link::Reorder { ppm: *ppm, extra: Span::new(1, *extra_ns) })
            }
            Fault::Partition { side, .. } => {
                let side = side.iter().map(|party| self.id(*party)).collect();
                vec![kernel.net_mut().impose(Scope::Across(side), Link::Cut { in_flight: true })]
            }
            Fault::Skew { nodes, offset_ns, drift_ppm } => {
                for node in self.ids(nodes, kernel) {
                    if let Ok(ahead) = u64::try_from(*offset_ns) {
                        kernel.set_clock(node, ClockChange::Leap { ns: ahead });
                    } else {
                        kernel.set_clock(node, ClockChange::Wall { ns: *offset_ns });
                    }
                    kernel.set_clock(node, ClockChange::Drift { ppm: *drift_ppm });
                    at_once += u64::from(*offset_ns != 0 || *drift_ppm != 0);
                }
                Vec::new()
            }
            Fault::SlowVerifier { nodes, factor, extra_ns } => {
                self.hosts(kernel, nodes, |host| host.slow = Some((*factor, *extra_ns)));
                Vec::new()
            }
            Fault::SilentWorker { nodes } => {
                self.hosts(kernel, nodes, |host| host.silent = true);
                Vec::new()
            }
            Fault::Etcd(fault) => {
                kernel.with_node(service(REGISTER), |node, cx| {
                    if let Actor::Etcd(etcd) = node {
                        etcd.fall_ill(cx, fault);
                    }
                });
                Vec::new()
            }
            Fault::BusRedeliver { ppm } => {
                if let Actor::Bus(bus) = kernel.node_mut(service(BUS)) {
                    bus.redeliver_ppm = *ppm;
                }
                Vec::new()
            }
        };
        let count = self.counts.entry(fault.kind().name().to_owned()).or_default();
        count.injected += 1;
        count.bites += at_once;
        self.striking.insert(id, Striking { fault, links, before });
    }

    /// A fault ends; says how often it bit.
    pub fn stop(&mut self, kernel: &mut Kernel<Actor>, id: u32, healthy_redeliver_ppm: u32) -> (Option<Fault>, u64) {
        let Some(Striking { fault, links, before }) = self.striking.remove(&id) else { return (None, 0) };
        let mut bites: u64 = links.into_iter().map(|id| kernel.net_mut().lift(id)).sum();
        bites += self.bites(kernel, &fault) - before;
        match &fault {
            Fault::Skew { nodes, .. } => {
                for node in self.ids(nodes, kernel) {
                    kernel.set_clock(node, ClockChange::Drift { ppm: 0 });
                }
            }
            Fault::SlowVerifier { nodes, .. } => self.hosts(kernel, nodes, |host| host.slow = None),
            Fault::SilentWorker { nodes } => self.hosts(kernel, nodes, |host| host.silent = false),
            Fault::Etcd(fault) => kernel.with_node(service(REGISTER), |node, cx| {
                if let Actor::Etcd(etcd) = node {
                    etcd.recover(cx, fault);
                }
            }),
            Fault::BusRedeliver { .. } => {
                if let Actor::Bus(bus) = kernel.node_mut(service(BUS)) {
                    bus.redeliver_ppm = healthy_redeliver_ppm;
                }
            }
            _ => {}
        }
        let count = self.counts.entry(fault.kind().name().to_owned()).or_default();
        count.bites += bites;
        (Some(fault), bites)
    }

    /// Counts what still strikes, at the end of a run.
    pub fn close(&mut self, kernel: &mut Kernel<Actor>) {
        let open: Vec<u32> = self.striking.keys().copied().collect();
        for id in open {
            self.stop(kernel, id, 0);
        }
    }

    fn hosts(&self, kernel: &mut Kernel<Actor>, nodes: &Nodes, mut change: impl FnMut(&mut crate::world::host::Host)) {
        for id in self.ids(nodes, kernel) {
            if let Actor::Host(host) = kernel.node_mut(id) {
                change(host);
            }
        }
    }

    /// What the targets of a fault that is not on links have counted so far.
    fn bites(&self, kernel: &Kernel<Actor>, fault: &Fault) -> u64 {
        let of = |nodes: &Nodes, count: fn(&crate::world::host::Host) -> u64| {
            let hosts = self.ids(nodes, kernel).into_iter().filter_map(|id| match kernel.node(id) {
                Actor::Host(host) => Some(count(host)),
                _ => None,
            });
            hosts.sum()
        };
        match fault {
            Fault::SlowVerifier { nodes, .. } => of(nodes, |host| host.slowed),
            Fault::SilentWorker { nodes } => of(nodes, |host| host.silenced),
            Fault::Etcd(fault) => match kernel.node(service(REGISTER)) {
                Actor::Etcd(etcd) => etcd.bites.get(&fault.kind()).copied().unwrap_or(0),
                _ => 0,
            },
            Fault::BusRedeliver { .. } => match kernel.node(service(BUS)) {
                Actor::Bus(bus) => bus.redelivered,
                _ => 0,
            },
            _ => 0,
        }
    }
}
