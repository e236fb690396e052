//! Those who hold the recovery keys: they give the seat of a coordinator that lost its disk to a new agent on a new host, and
//! restore a register that lost its data.
//!
//! What every coordinator applied stands in its log, and no log lacks what was believed: the longest one is the register, and
//! from there on a higher generation counts.
//!
//! One mandate at a time. A newcomer starts with every mandate there was before its own, in the order in which the register
//! took them, and its number in the register follows from that order.

use std::collections::VecDeque;
use std::sync::Arc;

use swarm_core::genesis::Member;
use swarm_core::identity::Keys;
use swarm_core::members::{Act, Mandate, Succession};
use swarm_core::node;
use swarm_core::reveal::Chains;
use swarm_core::rng::fork;
use swarm_core::wire::Role;

use crate::kernel::{Fork, Kernel, NodeId, Place};
use crate::world::actor::{Actor, BUS, REGISTER, service};
use crate::world::bus::Topics;
use crate::world::cluster;
use crate::world::maker::{Agent, Maker};
use crate::world::strike::{Strikes, Vacancy};

/// The operators of a run.
pub struct Operators<'a> {
    pub maker: Maker<'a>,
    /// What is random about newcomers.
    chance: Fork,
    keys: Vec<Keys>,
    mandates: Vec<Arc<Mandate>>,
    calls: VecDeque<Call>,
    generation: u32,
}

/// What the operators are asked for.
enum Call {
    /// A new holder for a seat.
    Seat(Vacancy),
    /// A higher generation.
    Generation(u32),
}

impl<'a> Operators<'a> {
    /// The operators of what `maker` makes.
    pub fn new(maker: Maker<'a>, chance: Fork) -> Self {
        let keys = cluster::recovery_keys(&maker.root);
        Self { maker, chance, keys, mandates: Vec::new(), calls: VecDeque::new(), generation: 0 }
    }

    /// A seat has to be given away.
    pub fn call(&mut self, vacancy: Vacancy) {
        self.calls.push_back(Call::Seat(vacancy));
    }

    /// The register has lost its data: it begins anew with what the coordinators remember.
    pub fn restore(&mut self, kernel: &mut Kernel<Actor>, strikes: &Strikes) {
        let entries = |id: NodeId| match kernel.node(id) {
            Actor::Host(host) => host.entries(),
            _ => Vec::new(),
        };
        // The register handed them over in one order: a shorter log is the beginning of a longer one.
        let longest = strikes.seats().map(entries).max_by_key(Vec::len).unwrap_or_default();
        let era = kernel.with_node(service(REGISTER), |actor, cx| match actor {
            Actor::Register(register) => {
                register.restore(cx, longest);
                register.era()
            }
            _ => 0,
        });
        for id in strikes.seats() {
            kernel.with_node(id, |actor, cx| {
                if let Actor::Host(host) = actor {
                    host.reconnect(cx, era);
                }
            });
        }
        self.generation += 1;
        self.calls.push_back(Call::Generation(self.generation));
    }

    /// Whether a call waits for the register to have taken the mandate before.
    pub fn are_busy(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Does what is next, if it is its turn; says which seat a new host was made for.
    pub fn work(&mut self, kernel: &mut Kernel<Actor>, strikes: &mut Strikes, no: u32) -> Option<u32> {
        let took = |actor: &Actor| matches!(actor, Actor::Host(host) if host.mandates() >= self.mandates.len());
        if !self.mandates.is_empty() && !kernel.nodes().any(|(_, actor)| took(actor)) {
            return None;
        }
        let Vacancy { seat, old } = match self.calls.pop_front()? {
            Call::Seat(vacancy) => vacancy,
            Call::Generation(generation) => {
                self.mandate(kernel, strikes, Act::Restore { generation });
                return self.work(kernel, strikes, no);
            }
        };
        let nth = self.mandates.len();
        let Actor::Host(host) = kernel.node(old) else { return None };
        let gone = host.agent();
        let keys = Keys::from_seed(&fork(&self.maker.root, &format!("key/newcomer/{nth}")));
        let mut chains = Chains::new(fork(&self.maker.root, &format!("chain/newcomer/{nth}")), cluster::REVEALS);
        let agent = keys.agent();
        let act = Act::Replace(Succession {
            manifest: cluster::coordinator(&keys),
            new: Member { agent, anchor: chains.anchor(0) },
            old: gone,
        });
        self.mandate(kernel, strikes, act);
        let host = self.maker.host(Agent {
            no,
            party: swarm_nemeses::Node::Coordinator(seat),
            keys,
            chains: Some(chains),
            roles: vec![Role::Coordinator],
            mandates: self.mandates.clone(),
            variant: 0,
            replayed: true,
        });
        let clock = self.maker.clock(&mut self.chance.stream(&format!("clocks/{nth}")));
        let new = kernel.add_at(Actor::Host(Box::new(host)), Place { clock, ..Place::default() });
        strikes.seat(seat, new, clock.drift_ppm);
        let topics = Topics { agent, coordinator: true, market: false, finals: false };
        kernel.with_node(service(BUS), |actor, cx| {
            if let Actor::Bus(bus) = actor {
                bus.leave(old);
                bus.join_late(cx, vec![new], topics);
            }
        });
        kernel.with_node(service(REGISTER), |actor, cx| {
            if let Actor::Register(register) = actor {
                register.admit(cx, old, (new, agent));
            }
        });
        Some(seat)
    }

    /// Signs an act and hands the mandate to whoever is reached; all but the first come too late.
    fn mandate(&mut self, kernel: &mut Kernel<Actor>, strikes: &Strikes, act: Act) {
        let majority = &self.keys[..self.keys.len() / 2 + 1];
        let after = self.mandates.last().map(|mandate| mandate.id()).unwrap_or_default();
        let mandate = Arc::new(Mandate::sign(act, after, &self.maker.genesis.digest(), majority));
        self.mandates.push(Arc::clone(&mandate));
        for id in strikes.seats() {
            hand(kernel, id, node::Act::Mandate(Arc::clone(&mandate)));
        }
    }
}

/// The operators want something of a coordinator.
fn hand(kernel: &mut Kernel<Actor>, id: NodeId, act: node::Act) {
    kernel.with_node(id, |actor, cx| {
        if let Actor::Host(host) = actor {
            host.act(cx, 0, act);
        }
    });
}
