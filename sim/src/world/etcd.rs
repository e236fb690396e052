//! A model of etcd as one party on the network: what it keeps (`swarm_ports::etcd::model`), and everything that can go wrong on the way.
//!
//! A request takes effect some time after it came, all at once; then it is answered and the watches are told. Faults strike
//! between those three. It must be able to do whatever a real cluster was seen to do (see `Ills`), and never more than that
//! for what is committed: no write is lost but by a restore.

use std::collections::BTreeMap;
use std::rc::Rc;

use swarm_nemeses::{EtcdFault, Kind};
use swarm_ports::etcd::model::{Compacted, Store};
use swarm_ports::etcd::{Event, Request, RequestId, Response};

use crate::kernel::{Cx, LocalTime, NodeId, Span, Stream};
use crate::world::wire::{Stored, Wire};

/// From a request's arrival to its effect: a round of the quorum and its disks.
const QUORUM: Span = Span::new(500_000, 3_000_000);

/// How much later a write may take effect that was thought lost.
const STRAY: Span = Span::new(100_000_000, 4_000_000_000);

/// Time between two compactions while [`EtcdFault::Compact`] is on.
const COMPACT_EVERY: u64 = 500_000_000;

/// What it still has to do, in order of time.
#[derive(Debug)]
enum Todo {
    /// Let a request take effect; and answer it, or not.
    Run(NodeId, RequestId, Rc<Request<Stored>>, bool),
    /// Send.
    Say(NodeId, RequestId, Rc<Response<Stored>>),
    /// Compact.
    Compact,
}

#[derive(Debug)]
struct Watch {
    who: NodeId,
    id: RequestId,
}

/// What is wrong with it at present.
#[derive(Debug, Default)]
pub struct Ills {
    /// There is no leader.
    pub leaderless: bool,
    /// Writes whose answer is lost, before or after they take effect, in parts per million.
    pub unknown_ppm: u32,
    pub compacting: bool,
    /// Events that a watch is not told, or told again, in parts per million.
    pub watch_ppm: u32,
    pub slow: Option<Span>,
    /// It is down while a backup of this age is put back.
    pub restoring: Option<u64>,
}

impl Ills {
    /// With one more.
    pub fn add(&mut self, fault: &EtcdFault) {
        match *fault {
            EtcdFault::LeaderChange => self.leaderless = true,
            EtcdFault::Unknown { ppm } => self.unknown_ppm = self.unknown_ppm.max(ppm),
            EtcdFault::Compact => self.compacting = true,
            EtcdFault::Watch { ppm } => self.watch_ppm = self.watch_ppm.max(ppm),
            EtcdFault::Slow { min_ns, max_ns } => self.slow = Some(Span::new(min_ns, max_ns)),
            EtcdFault::Restore { age_ns } => self.restoring = self.restoring.max(Some(age_ns)),
        }
    }

    fn is_down(&self) -> bool {
        self.leaderless || self.restoring.is_some()
    }
}

/// The cluster that every deployment is set up on.
pub const CLUSTER: u64 = 0xe7cd;

/// The whole cluster, as its clients see it.
pub struct Etcd {
    store: Store<Stored>,
    watches: Vec<Watch>,
    todo: BTreeMap<(LocalTime, u64), Todo>,
    counter: u64,
    ills: Ills,
    /// Until when something is on its way to each client: a stream keeps its order.
    busy: BTreeMap<NodeId, LocalTime>,
    /// When which revision was reached, for a backup of that age.
    backups: BTreeMap<LocalTime, u64>,
    stream: Stream,
    /// How often each kind of fault changed what would have happened.
    pub bites: BTreeMap<Kind, u64>,
}

impl Etcd {
    pub fn new(stream: Stream) -> Self {
        Self {
            store: Store::new(CLUSTER),
            watches: Vec::new(),
            todo: BTreeMap::new(),
            counter: 0,
            ills: Ills::default(),
            busy: BTreeMap::new(),
            backups: BTreeMap::new(),
            stream,
            bites: BTreeMap::new(),
        }
    }

    fn bite(&mut self, kind: Kind) {
        *self.bites.entry(kind).or_default() += 1;
    }

    fn at(&mut self, at: LocalTime, what: Todo) {
        self.counter += 1;
        self.todo.insert((at, self.counter), what);
    }

    fn wake(&self, cx: &mut Cx<'_, Wire>) {
        match self.todo.first_key_value() {
            Some(((at, _), _)) => cx.wake_at(*at),
            None => cx.clear_wake(),
        }
    }

    pub fn on_message(&mut self, cx: &mut Cx<'_, Wire>, from: NodeId, msg: Wire) {
        let Wire::EtcdAsk { id, request } = msg else { return };
        let now = cx.now();
        if self.ills.is_down() {
            // Some are refused, some hang until their caller gives up.
            self.bite(Kind::EtcdLeaderChange);
            if self.stream.chance(500_000) {
                self.say(now, from, id, Response::Unavailable);
            }
        } else {
            let mut takes = self.stream.within(QUORUM);
            if let Some(slow) = self.ills.slow {
                self.bite(Kind::EtcdSlow);
                takes += self.stream.within(slow);
            }
            self.take_in(now.plus(takes), from, id, request);
        }
        self.wake(cx);
    }

    /// Plans a request's effect, and what becomes of its answer.
    fn take_in(&mut self, at: LocalTime, from: NodeId, id: RequestId, request: Rc<Request<Stored>>) {
        let is_write = matches!(&*request, Request::Txn(txn) if !txn.guards.is_empty());
        if !is_write || self.ills.unknown_ppm == 0 || !self.stream.chance(self.ills.unknown_ppm) {
            return self.at(at, Todo::Run(from, id, request, true));
        }
        self.bite(Kind::EtcdUnknown);
        match self.stream.below(4) {
            // It takes effect and nobody is told.
            0 => self.at(at, Todo::Run(from, id, request, false)),
            // The same, with an error that sounds like a failure.
            1 => {
                self.at(at, Todo::Run(from, id, request, false));
                self.at(at, Todo::Say(from, id, Rc::new(Response::Unavailable)));
            }
            // It never arrived.
            2 => {}
            // It takes effect after everybody gave it up.
            _ => {
                let stray = self.stream.within(STRAY);
                self.at(at.plus(stray), Todo::Run(from, id, request, false));
            }
        }
    }

    pub fn on_timer(&mut self, cx: &mut Cx<'_, Wire>) {
        let now = cx.now();
        while let Some(entry) = self.todo.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Todo::Run(from, id, request, answered) => self.run(now, from, id, &request, answered),
                Todo::Say(to, id, response) => cx.send(to, Wire::EtcdSay { id, response }),
                Todo::Compact => self.compact(now),
            }
        }
        self.wake(cx);
    }

    fn say(&mut self, now: LocalTime, to: NodeId, id: RequestId, response: Response<Stored>) {
        self.say_shared(now, to, id, Rc::new(response));
    }

    fn say_shared(&mut self, now: LocalTime, to: NodeId, id: RequestId, response: Rc<Response<Stored>>) {
        let mut at = now;
        if let Some(slow) = self.ills.slow {
            at = at.plus(self.stream.within(slow));
        }
        let busy = self.busy.entry(to).or_default();
        at = at.max(*busy);
        *busy = at;
        self.at(at, Todo::Say(to, id, response));
    }

    /// A watch is told of a write. A bad one leaves it out, or tells it once more when later ones have been told: it goes
    /// back in time.
    fn tell(&mut self, now: LocalTime, who: NodeId, id: RequestId, told: &Rc<Response<Stored>>) {
        if self.ills.watch_ppm > 0 && self.stream.chance(self.ills.watch_ppm) {
            self.bite(Kind::EtcdWatch);
            if self.stream.chance(500_000) {
                return;
            }
            let stray = self.stream.within(STRAY);
            self.at(now.plus(stray), Todo::Say(who, id, Rc::clone(told)));
        }
        self.say_shared(now, who, id, Rc::clone(told));
    }

    /// A request takes effect.
    fn run(&mut self, now: LocalTime, from: NodeId, id: RequestId, request: &Request<Stored>, answered: bool) {
        match request {
            Request::Txn(txn) => {
                let ran = self.store.run(txn);
                let header = self.store.header();
                if answered {
                    self.say(now, from, id, Response::Txn { header, held: ran.held, read: ran.read });
                }
                if ran.wrote {
                    self.backups.insert(now, header.revision);
                    let wrote = self.store.since(header.revision).unwrap_or_default().into_iter().flatten().collect();
                    let told = Rc::new(Response::Watch { header, event: Event::Wrote(wrote) });
                    for (who, id) in self.watches.iter().map(|w| (w.who, w.id)).collect::<Vec<_>>() {
                        self.tell(now, who, id, &told);
                    }
                }
            }
            Request::Watch { from: since } => {
                let header = self.store.header();
                self.say(now, from, id, Response::Watch { header, event: Event::Began });
                match self.store.since(*since) {
                    Err(Compacted { first }) => {
                        self.bite(Kind::EtcdCompact);
                        let event = Event::Ended { compacted: Some(first) };
                        self.say(now, from, id, Response::Watch { header, event });
                    }
                    Ok(missed) => {
                        for wrote in missed {
                            self.say(now, from, id, Response::Watch { header, event: Event::Wrote(wrote) });
                        }
                        self.watches.push(Watch { who: from, id });
                    }
                }
            }
            Request::Unwatch => self.watches.retain(|watch| (watch.who, watch.id) != (from, id)),
        }
    }

    /// History goes. A watch that was behind cannot be told it any more.
    fn compact(&mut self, now: LocalTime) {
        if !self.ills.compacting {
            return;
        }
        let before = self.store.header().revision;
        self.store.compact();
        let mut behind = Vec::new();
        self.watches.retain(|watch| {
            let cut = self.stream.chance(200_000);
            if cut {
                behind.push((watch.who, watch.id));
            }
            !cut
        });
        for (who, id) in behind {
            self.bite(Kind::EtcdCompact);
            // What was on its way to a watch that is behind never arrives.
            self.todo.retain(|_, todo| {
                !matches!(todo, Todo::Say(to, of, response) if (*to, *of) == (who, id)
                    && matches!(**response, Response::Watch { event: Event::Wrote(_), .. }))
            });
            let event = Event::Ended { compacted: Some(before) };
            self.say(now, who, id, Response::Watch { header: self.store.header(), event });
        }
        self.at(now.plus(COMPACT_EVERY), Todo::Compact);
    }

    /// Every watch ends without a reason.
    fn end_watches(&mut self, now: LocalTime) {
        let header = self.store.header();
        for Watch { who, id } in std::mem::take(&mut self.watches) {
            self.say(now, who, id, Response::Watch { header, event: Event::Ended { compacted: None } });
        }
    }

    /// From now on this is wrong with it, and nothing else.
    pub fn settle(&mut self, cx: &mut Cx<'_, Wire>, ills: Ills) {
        let now = cx.now();
        let before = std::mem::replace(&mut self.ills, ills);
        if self.ills.leaderless && !before.leaderless {
            self.lose_leader(now);
        }
        if let (Some(age), None) = (self.ills.restoring, before.restoring) {
            self.restore(now, age);
        }
        if before.is_down() && !self.ills.is_down() {
            self.store.lead(now.ns());
        }
        if self.ills.compacting && !before.compacting {
            self.at(now, Todo::Compact);
        }
        self.wake(cx);
    }

    /// Back to a backup; what was under way is gone too.
    fn restore(&mut self, now: LocalTime, age: u64) {
        self.todo.clear();
        self.watches.clear();
        let taken = LocalTime::from_ns(now.ns().saturating_sub(age));
        let revision = self.backups.range(..=taken).next_back().map_or(1, |(_, revision)| *revision);
        let lost = self.store.restore(revision);
        self.backups.retain(|_, at| *at <= revision);
        // Where nothing is lost it is another cluster all the same.
        *self.bites.entry(Kind::EtcdRestore).or_default() += lost.max(1);
    }

    /// What was under way when the leader went: committed or not, and its caller does not learn which.
    fn lose_leader(&mut self, now: LocalTime) {
        let all = std::mem::take(&mut self.todo);
        for ((at, turn), todo) in all {
            let Todo::Run(from, id, request, answered) = todo else {
                self.todo.insert((at, turn), todo);
                continue;
            };
            self.bite(Kind::EtcdLeaderChange);
            let (commits, refused) = (self.stream.chance(500_000), self.stream.chance(500_000));
            if commits {
                self.run(now, from, id, &request, false);
            }
            if refused && answered {
                self.say(now, from, id, Response::Unavailable);
            }
        }
        if self.stream.chance(500_000) {
            self.end_watches(now);
        }
    }
}
