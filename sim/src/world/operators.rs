//! Those who hold the recovery keys: they give the seat of a coordinator that lost its disk to a new agent on a new host, and
//! restore a register that lost its data.
//!
//! What every coordinator applied stands in its log, and no log lacks what was believed: the longest one is the register, and
//! from there on a higher generation counts.
//!
//! One mandate at a time. A newcomer starts with every mandate there was before its own, in the order in which the register
//! took them, and its number in the register follows from that order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use swarm_core::base::Base;
use swarm_core::genesis::Member;
use swarm_core::id::{AgentId, Cid, Thread};
use swarm_core::identity::Keys;
use swarm_core::members::{Act, Mandate, Members, Succession};
use swarm_core::node;
use swarm_core::raft;
use swarm_core::register::Chain;
use swarm_core::reveal::Chains;
use swarm_core::rng::fork;
use swarm_core::wire::{NewPolicy, Role};
use swarm_nemeses::{Node as Party, Nodes};
use swarm_scenarios::Policy;

use crate::kernel::{Fork, Kernel, NodeId, Place};
use crate::policies;
use crate::world::actor::{Actor, BUS, REGISTER, service};
use crate::world::bus::Topics;
use crate::world::cluster;
use crate::world::maker::{Agent, Maker};
use crate::world::strike::{Strikes, Vacancy};
use crate::world::survived::Survived;

/// The operators of a run.
pub struct Operators<'a> {
    pub maker: Maker<'a>,
    /// What is random about newcomers.
    chance: Fork,
    keys: Vec<Keys>,
    /// What those of them name that found the register anew.
    bases: Vec<Arc<Base>>,
    mandates: Vec<Arc<Mandate>>,
    calls: VecDeque<Call>,
    generation: u32,
}

/// Who is to take a seat, before its host is made.
struct Newcomer {
    name: String,
    keys: Keys,
    chains: Chains,
}

/// A register that was founded anew.
pub struct Founded {
    /// Its members' hosts, in the order of the seats.
    pub hosts: Vec<NodeId>,
    /// What was kept.
    pub base: BTreeMap<Thread, Chain>,
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
        Self { maker, chance, keys, bases: Vec::new(), mandates: Vec::new(), calls: VecDeque::new(), generation: 0 }
    }

    /// Policy `number` is announced to whoever is reached; any of them passes it on.
    pub fn announce(&mut self, kernel: &mut Kernel<Actor>, strikes: &Strikes, number: u32, policy: &Policy) {
        let Maker { genesis, root, scenario, .. } = &self.maker;
        let keys = cluster::policy_keys(scenario, root);
        let artifact = policies::artifact(policy, scenario);
        // The keys sign what the capsule says of itself, whether or not it can prove it.
        let engine = policies::engine(&artifact);
        let policy = (Cid::of(&artifact), engine);
        let new = NewPolicy::sign(policy, number, &genesis.digest(), &keys[..keys.len() / 2 + 1]);
        for id in strikes.seats() {
            hand(kernel, id, node::Act::Adopt(new.clone()));
        }
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

    /// The register is founded anew on what those hold who are not of this majority. They are taken down, as their word counts
    /// no more; the majority does not hear of it before the newcomers are heard.
    pub fn found_anew(
        &mut self,
        kernel: &mut Kernel<Actor>,
        strikes: &mut Strikes,
        majority: &Nodes,
        by: u32,
        first: u32,
    ) -> Founded {
        let genesis = Arc::clone(&self.maker.genesis);
        let seats: Vec<NodeId> = strikes.seats().collect();
        let of_majority = |seat: u32| majority.contains(Party::Coordinator(seat));
        let survivors = (0..).zip(&seats).filter(|(seat, id)| !of_majority(*seat) && !strikes.is_gone(**id));
        let survivors: Vec<NodeId> = survivors.map(|(_, id)| *id).collect();
        let logs = survivors.iter().map(|id| match kernel.node(*id) {
            Actor::Host(host) => host.entries(),
            _ => Vec::new(),
        });
        let survived = Survived::of(&genesis, logs.collect());

        self.generation += 1;
        let nth = self.mandates.len();
        let mut newcomers = Vec::new();
        let mut successions = Vec::new();
        for (seat, old) in seats.iter().enumerate() {
            let Actor::Host(host) = kernel.node(*old) else { continue };
            let (newcomer, succession) = self.newcomer(format!("{nth}/{seat}"), host.agent());
            newcomers.push(newcomer);
            successions.push(succession);
        }
        let base = Base { generation: self.generation, heads: survived.heads.clone() };
        let act = Act::Refound { base: base.root(), generation: self.generation, seats: successions };
        self.bases.push(Arc::new(base));
        let mandate = self.sign(act);

        let mut members = Members::new(&genesis);
        for mandate in &self.mandates {
            members.mandate(mandate).expect("each was signed behind the one before it");
        }
        let entries = survived.founding(&mandate);
        let buckets = genesis.params.buckets as u16;
        let disk = raft::foundation(&entries, &members.ids(), buckets, self.maker.codec());

        for id in &survivors {
            strikes.take_down(kernel, *id, by);
        }
        let gone: Vec<NodeId> = seats.iter().copied().filter(|id| strikes.is_gone(*id)).collect();
        let mut hosts = Vec::new();
        for ((seat, no), newcomer) in (0..).zip(first..).zip(newcomers) {
            let agent = newcomer.keys.agent();
            hosts.push((self.bring(kernel, strikes, newcomer, seat, no, disk.clone()), agent));
        }
        kernel.with_node(service(BUS), |actor, cx| {
            if let Actor::Bus(bus) = actor {
                gone.iter().for_each(|id| bus.leave(*id));
                for (new, agent) in &hosts {
                    let topics = Topics { agent: *agent, coordinator: true, market: false, finals: false, all: false };
                    bus.join_late(cx, vec![*new], topics);
                }
            }
        });
        Founded { hosts: hosts.into_iter().map(|(id, _)| id).collect(), base: survived.heads }
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
        let (newcomer, succession) = self.newcomer(nth.to_string(), gone);
        let agent = newcomer.keys.agent();
        self.mandate(kernel, strikes, Act::Replace(succession));
        let new = self.bring(kernel, strikes, newcomer, seat, no, Vec::new());
        let topics = Topics { agent, coordinator: true, market: false, finals: false, all: false };
        kernel.with_node(service(BUS), |actor, cx| {
            if let Actor::Bus(bus) = actor {
                bus.leave(old);
                bus.join_late(cx, vec![new], topics);
            }
        });
        kernel.with_node(service(REGISTER), |actor, cx| {
            if let Actor::Register(register) = actor {
                register.admit(cx, old, new);
            }
        });
        Some(seat)
    }

    /// An agent to take the seat that `old` holds; `name` is its own in the run.
    fn newcomer(&self, name: String, old: AgentId) -> (Newcomer, Succession) {
        let of = |what: &str| fork(&self.maker.root, &format!("{what}/newcomer/{name}"));
        let keys = Keys::from_seed(&of("key"));
        let mut chains = Chains::new(of("chain"), cluster::REVEALS);
        let new = Member { agent: keys.agent(), anchor: chains.anchor(0) };
        let succession = Succession { manifest: cluster::coordinator(&keys), new, old };
        (Newcomer { name, keys, chains }, succession)
    }

    /// Makes a newcomer's host, which takes the seat from now on.
    fn bring(
        &mut self,
        kernel: &mut Kernel<Actor>,
        strikes: &mut Strikes,
        newcomer: Newcomer,
        seat: u32,
        no: u32,
        disk: Vec<raft::Record>,
    ) -> NodeId {
        let Newcomer { name, keys, chains } = newcomer;
        let host = self.maker.host(Agent {
            no,
            party: Party::Coordinator(seat),
            keys,
            chains: Some(chains),
            roles: vec![Role::Coordinator],
            bases: self.bases.clone(),
            mandates: self.mandates.clone(),
            disk,
            variant: 0,
            replayed: true,
        });
        let clock = self.maker.clock(&mut self.chance.stream(&format!("clocks/{name}")));
        let new = kernel.add_at(Actor::Host(Box::new(host)), Place { clock, ..Place::default() });
        strikes.seat(seat, new, clock.drift_ppm);
        new
    }

    /// Signs an act and hands the mandate to whoever is reached; all but the first come too late.
    fn mandate(&mut self, kernel: &mut Kernel<Actor>, strikes: &Strikes, act: Act) {
        let mandate = self.sign(act);
        for id in strikes.seats() {
            hand(kernel, id, node::Act::Mandate(Arc::clone(&mandate)));
        }
    }

    fn sign(&mut self, act: Act) -> Arc<Mandate> {
        let majority = &self.keys[..self.keys.len() / 2 + 1];
        let after = self.mandates.last().map(|mandate| mandate.id()).unwrap_or_default();
        let mandate = Arc::new(Mandate::sign(act, after, &self.maker.genesis.digest(), majority));
        self.mandates.push(Arc::clone(&mandate));
        mandate
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
