//! Faults as data become faults of the simulated world. Every fault counts its bites, and what several faults do to one
//! party is worked out anew whenever one begins or ends, so that the end of one never heals another.
//!
//! `links` is what happens to messages, `hosts` to processes and clocks, `deaths` to disks when a process dies, `wipes` to
//! disks that are gone for good, `services` to bus and store.

mod deaths;
mod hosts;
mod links;
mod services;
mod wipes;

use std::collections::{BTreeMap, BTreeSet};

use swarm_nemeses::{Fault, Kind, Node as Party, Nodes, Shape};
use swarm_reports::FaultCount;

use crate::kernel::{FaultId, Kernel, NodeId, SimTime, Stream};
use crate::world::actor::{Actor, BUS, REGISTER, STORE, host_id, service};
use deaths::Doomed;
use hosts::{Rate, Waking, harm_of_hosts};
use services::harm_of_services;
pub use wipes::Vacancy;

/// How the world is where nothing is wrong.
#[derive(Clone, Debug, Default)]
pub struct Healthy {
    /// The bus repeats so many acknowledged messages anyway.
    pub redeliver_ppm: u32,
    /// How fast each host's clocks run, parts per million too fast.
    pub drift_ppm: BTreeMap<NodeId, i32>,
    /// How long a lease is: whoever sleeps for less wakes in time.
    pub lease_ns: u64,
}

/// A fault at work.
struct Striking {
    fault: Fault,
    links: Vec<FaultId>,
    /// The worker that a zombie fault found; the leader that stands still.
    caught: Option<NodeId>,
    /// Half of its time is over.
    turned: bool,
    /// When it began; of a zombie, when one was found.
    since: SimTime,
}

/// All faults of a run.
pub struct Strikes {
    shape: Shape,
    healthy: Healthy,
    striking: BTreeMap<u32, Striking>,
    counts: BTreeMap<String, FaultCount>,
    paused: BTreeSet<NodeId>,
    rates: BTreeMap<NodeId, Rate>,
    /// Zombies that have not spoken yet.
    waking: Vec<Waking>,
    dead: BTreeSet<NodeId>,
    /// Hosts whose disks are gone for good, and by which fault.
    wiped: BTreeMap<NodeId, u32>,
    /// Seats of the register that changed hands, and who holds them.
    moved: BTreeMap<u32, NodeId>,
    /// Deaths that wait for a write that is not durable.
    doomed: Vec<Doomed>,
    /// How much a disk keeps.
    luck: Stream,
}

impl Strikes {
    /// For a cluster of this shape; `planned` names the kinds that will strike, so that one that never does is seen.
    pub fn new(shape: Shape, healthy: Healthy, luck: Stream, planned: impl Iterator<Item = Kind>) -> Self {
        Self {
            shape,
            healthy,
            striking: BTreeMap::new(),
            counts: planned.map(|kind| (kind.name().to_owned(), FaultCount::default())).collect(),
            paused: BTreeSet::new(),
            rates: BTreeMap::new(),
            waking: Vec::new(),
            dead: BTreeSet::new(),
            wiped: BTreeMap::new(),
            moved: BTreeMap::new(),
            doomed: Vec::new(),
            luck,
        }
    }

    pub fn counts(&self) -> BTreeMap<String, FaultCount> {
        self.counts.clone()
    }

    /// The faults at work.
    pub fn at_work(&self) -> Vec<u32> {
        self.striking.keys().copied().collect()
    }

    /// Whom a zombie fault at work found.
    pub fn caught(&self, id: u32) -> Option<NodeId> {
        self.striking.get(&id).filter(|striking| is_zombie(&striking.fault)).and_then(|striking| striking.caught)
    }

    /// Who leads the register now: a host, or the sequencer.
    pub fn leader(kernel: &Kernel<Actor>) -> NodeId {
        links::leader(kernel)
    }

    /// Who holds this part in the world now.
    pub fn id(&self, party: Party) -> NodeId {
        match party {
            Party::Coordinator(no) => self.holder(no),
            Party::Agent(no) => host_id(self.shape.coordinators + no),
            Party::Bus => service(BUS),
            Party::Register => service(REGISTER),
            Party::Store => service(STORE),
        }
    }

    fn ids(&self, nodes: &Nodes, kernel: &Kernel<Actor>) -> BTreeSet<NodeId> {
        match nodes {
            Nodes::All => kernel.nodes().map(|(id, _)| id).collect(),
            Nodes::These(parties) => parties.iter().map(|party| self.id(*party)).collect(),
        }
    }

    /// The hosts among the nodes of a fault.
    fn hosts(&self, nodes: &Nodes, kernel: &Kernel<Actor>) -> BTreeSet<NodeId> {
        let is_host = |id: &NodeId| matches!(kernel.node(*id), Actor::Host(_));
        self.ids(nodes, kernel).into_iter().filter(is_host).collect()
    }

    fn count(&mut self, kind: Kind) -> &mut FaultCount {
        self.counts.entry(kind.name().to_owned()).or_default()
    }

    /// A fault begins.
    pub fn start(&mut self, kernel: &mut Kernel<Actor>, id: u32, fault: Fault) {
        let at_once = self.jump_clocks(kernel, &fault)
            + self.strike_services(kernel, &fault, true)
            + self.wipe(kernel, id, &fault);
        let links = self.impose(kernel, &fault);
        self.doom(kernel, id, &fault);
        let count = self.count(fault.kind());
        count.injected += 1;
        count.bites += at_once;
        let caught = matches!(fault, Fault::PauseLeader).then(|| links::leader(kernel));
        self.striking.insert(id, Striking { fault, links, caught, turned: false, since: kernel.now() });
        self.settle(kernel);
        self.look_for_prey(kernel);
    }

    /// Half of a fault's time is over.
    pub fn turn(&mut self, kernel: &mut Kernel<Actor>, id: u32) {
        let Some(striking) = self.striking.get_mut(&id) else { return };
        striking.turned = true;
        let kind = striking.fault.kind();
        self.swap_sides(kernel, id);
        let slept_through = self.settle(kernel);
        self.count(kind).bites += slept_through;
    }

    /// A fault ends; says how often it bit.
    pub fn stop(&mut self, kernel: &mut Kernel<Actor>, id: u32) -> (Option<Fault>, u64) {
        self.kill_the_doomed(kernel, id);
        let Some(striking) = self.striking.remove(&id) else { return (None, 0) };
        let drifted = self.drifted(kernel, &striking);
        self.revive(kernel, &striking.fault);
        let slept_through = self.settle(kernel);
        // A zombie bites by what it says, not by what it missed.
        let mut bites = if is_zombie(&striking.fault) { 0 } else { slept_through };
        bites += drifted + self.strike_services(kernel, &striking.fault, false);
        self.wake_zombie(kernel, &striking);
        bites += striking.links.iter().map(|id| kernel.net_mut().lift(*id)).sum::<u64>();
        self.count(striking.fault.kind()).bites += bites;
        (Some(striking.fault), bites)
    }

    /// Whether some fault waits for a moment of its own; then [`Self::look`] is to be called after every event.
    pub fn is_lurking(&self) -> bool {
        !self.waking.is_empty()
            || !self.doomed.is_empty()
            || self.striking.values().any(|s| s.caught.is_none() && is_zombie(&s.fault))
    }

    /// Looks whether that moment has come.
    pub fn look(&mut self, kernel: &mut Kernel<Actor>) {
        self.look_for_zombies(kernel);
        self.look_for_prey(kernel);
    }

    /// Brings every party in line with the faults at work. Says how much the hosts that go on had slept through.
    fn settle(&mut self, kernel: &mut Kernel<Actor>) -> u64 {
        self.settle_services(kernel);
        self.settle_hosts(kernel)
    }

    /// Counts what still strikes, at the end of a run.
    pub fn close(&mut self, kernel: &mut Kernel<Actor>) {
        for id in self.at_work() {
            self.stop(kernel, id);
        }
        self.waking.iter_mut().for_each(|waking| waking.until = kernel.now());
        self.look(kernel);
        // What parties count by kind, they count once, however many faults of that kind were at work.
        for kind in Kind::ALL {
            let bites = harm_of_hosts(kernel, *kind) + harm_of_services(kernel, *kind);
            if let Some(count) = self.counts.get_mut(kind.name()) {
                count.bites += bites;
            }
        }
    }
}

const fn is_zombie(fault: &Fault) -> bool {
    matches!(fault, Fault::ZombieWorker { .. })
}
