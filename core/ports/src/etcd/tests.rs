//! The client half against the model: alone through the conformance suite, and in company with everything going wrong.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use swarm_core::id::{Cid, Digest, NeedId, Seq, Thread};
use swarm_core::rng::Stream;
use swarm_core::time::Instant;

use super::model::Store;
use super::{Answer, Client, Config, Event, Kept, Loss, Output, Request, RequestId, Response, Ticket, Value};
use crate::store::{self, Bytes, PAYLOAD_BYTES_MAX, Register, StoreError, conformance};

type Stored = Value<Bytes>;
type Shared = Rc<RefCell<Store<Stored>>>;

/// One client and a cluster that answers at once: the contract of a register, met by waiting.
struct Alone {
    client: Client<Bytes>,
    store: Shared,
    now: Instant,
    tickets: u64,
    applied: BTreeMap<Thread, Vec<Bytes>>,
    answers: BTreeMap<Ticket, Answer>,
}

impl Alone {
    fn open(store: Shared, name: &str) -> Self {
        let client = Client::new(
            Config { page: 16, ..Config::default() },
            Stream::new(&Digest::sha256(name.as_bytes())),
            Kept::default(),
        );
        let (applied, answers) = Default::default();
        let mut alone = Self { client, store, now: Instant(0), tickets: 0, applied, answers };
        alone.client.start(alone.now);
        alone.pump();
        alone
    }

    fn pump(&mut self) {
        while let Some(output) = self.client.poll() {
            match output {
                Output::Ask(id, Request::Txn(txn)) => {
                    let ran = self.store.borrow_mut().run(&txn);
                    let header = self.store.borrow().header();
                    let response = Response::Txn { header, held: ran.held, read: ran.read };
                    self.client.on_response(self.now, id, response);
                }
                Output::Ask(id, Request::Watch { .. }) => {
                    let header = self.store.borrow().header();
                    self.client.on_response(self.now, id, Response::Watch { header, event: Event::Began });
                }
                Output::Applied(thread, seq, command) => {
                    let log = self.applied.entry(thread).or_default();
                    log.push(command);
                    assert_eq!(Seq(log.len() as u64), seq);
                }
                Output::Answer(ticket, answer) => drop(self.answers.insert(ticket, answer)),
                Output::Ask(_, Request::Unwatch) | Output::FoundOwn | Output::CaughtUp => {}
                Output::Lost(loss) => panic!("{loss}"),
            }
        }
    }
}

impl Register for Alone {
    fn submit_all(&mut self, commands: &[(Thread, &[u8])]) -> store::Answer<Vec<Seq>> {
        let max = PAYLOAD_BYTES_MAX;
        if let Some(size) = commands.iter().map(|(_, c)| c.len() as u64).find(|size| *size > max) {
            return store::Answer::NotCommitted(StoreError::Oversize { size, max });
        }
        let mut seqs = Vec::new();
        for (thread, command) in commands {
            self.tickets += 1;
            let ticket = Ticket(self.tickets);
            self.client.submit(self.now, ticket, *thread, Digest::sha256(command), Arc::from(*command));
            self.pump();
            let Some(Answer::Committed(seq)) = self.answers.remove(&ticket) else { panic!("a cluster that is well") };
            seqs.push(seq);
        }
        store::Answer::Committed(seqs)
    }

    fn read(&self, thread: &Thread, from: Seq, max: usize) -> Result<Vec<(Seq, Bytes)>, StoreError> {
        let log = self.applied.get(thread).map_or(&[][..], Vec::as_slice);
        let all = (1..).map(Seq).zip(log.iter().cloned());
        Ok(all.filter(|(seq, _)| *seq >= from).take(max).collect())
    }

    fn last(&self, thread: &Thread) -> Result<Seq, StoreError> {
        Ok(Seq(self.applied.get(thread).map_or(0, Vec::len) as u64))
    }

    fn threads(&self) -> Result<Vec<Thread>, StoreError> {
        Ok(self.applied.keys().copied().collect())
    }
}

#[test]
fn it_is_a_register() {
    conformance::register(&mut Alone::open(Rc::new(RefCell::new(Store::new(1))), "one"));
    let store = Rc::new(RefCell::new(Store::new(1)));
    let mut opened = 0;
    conformance::register_survive(|| {
        opened += 1;
        Alone::open(Rc::clone(&store), &opened.to_string())
    });
}

/// Several clients, one cluster, and a network that does as it likes.
struct Company {
    clients: Vec<Client<u32>>,
    applied: Vec<BTreeMap<Thread, Vec<u32>>>,
    answers: BTreeMap<Ticket, Answer>,
    lost: Vec<Option<Loss>>,
    found_own: u32,
    store: Store<Value<u32>>,
    watches: BTreeSet<(usize, RequestId)>,
    /// On the way: when, in which order, and what.
    way: BTreeMap<(u64, u64), Way>,
    order: u64,
    now: u64,
    dice: Stream,
    /// In a hundred.
    loss: u64,
}

enum Way {
    Ask(usize, RequestId, Request<Value<u32>>),
    Say(usize, RequestId, Response<Value<u32>>),
}

fn thread(n: u64) -> Thread {
    if n == 0 { Thread::System } else { Thread::Need(NeedId(Cid::of(&n.to_be_bytes()))) }
}

fn client(seed: u64, no: u64, kept: Kept) -> Client<u32> {
    let config = Config { page: 4, batch_max: 3, poll_max_ns: 20_000_000_000, ..Config::default() };
    Client::new(config, Stream::new(&Digest::of("company", &[&seed.to_be_bytes(), &no.to_be_bytes()])), kept)
}

fn id(command: u32) -> Digest {
    Digest::sha256(&command.to_be_bytes())
}

impl Company {
    fn new(seed: u64, loss: u64) -> Self {
        let mut company = Self {
            clients: (0..3).map(|no| client(seed, no, Kept::default())).collect(),
            applied: vec![BTreeMap::new(); 3],
            answers: BTreeMap::new(),
            lost: vec![None; 3],
            found_own: 0,
            store: Store::new(1),
            watches: BTreeSet::new(),
            way: BTreeMap::new(),
            order: 0,
            now: 0,
            dice: Stream::new(&Digest::of("company", &[&seed.to_be_bytes(), &9_u64.to_be_bytes()])),
            loss,
        };
        for no in 0..3 {
            company.clients[no].start(Instant(0));
            company.drain(no);
        }
        company
    }

    /// One of them dies and starts again: it knows its cluster, if it is told, and what it applied.
    fn restart(&mut self, no: usize, cluster: Option<u64>) {
        let applied = std::mem::take(&mut self.applied[no]);
        let last = applied.into_iter().map(|(thread, log)| {
            let seq = Seq(log.len() as u64);
            (thread, (seq, id(*log.last().expect("it is there since its first"))))
        });
        self.clients[no] = client(77, no as u64, Kept { cluster, last: last.collect() });
        self.clients[no].start(Instant(self.now));
        self.drain(no);
    }

    /// Puts something on its way: late, out of order, or never; sometimes so late that nobody waits for it any more.
    fn send(&mut self, what: Way) {
        if self.dice.below(100) < self.loss {
            return;
        }
        let stray = if self.dice.below(100) < self.loss { 4_000_000_000 } else { 0 };
        self.order += 1;
        let at = self.now + stray + 1 + self.dice.below(20_000_000);
        self.way.insert((at, self.order), what);
    }

    fn submit(&mut self, no: usize, ticket: u64, thread: Thread, command: u32) {
        self.clients[no].submit(Instant(self.now), Ticket(ticket), thread, id(command), command);
        self.drain(no);
    }

    fn drain(&mut self, no: usize) {
        while let Some(output) = self.clients[no].poll() {
            match output {
                Output::Ask(id, request) => self.send(Way::Ask(no, id, request)),
                Output::Applied(thread, seq, command) => {
                    let log = self.applied[no].entry(thread).or_default();
                    log.push(command);
                    assert_eq!(log.len() as u64, seq.0, "in order, without a gap");
                }
                Output::Answer(ticket, answer) => {
                    assert_eq!(self.answers.insert(ticket, answer), None, "answered once");
                }
                Output::FoundOwn => self.found_own += 1,
                Output::CaughtUp => {}
                Output::Lost(loss) => self.lost[no] = Some(loss),
            }
        }
    }

    fn run(&mut self, until: u64) {
        loop {
            let due = (0..3).filter_map(|no| Some((self.clients[no].deadline()?.0, no))).min();
            let way = self.way.first_key_value().map(|((at, _), _)| *at);
            let next = due.map(|(at, _)| at).into_iter().chain(way).min().filter(|at| *at <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            if way == Some(next) {
                let (_, what) = self.way.pop_first().expect("just seen");
                self.arrive(what);
            } else if let Some((_, no)) = due {
                self.clients[no].on_time(Instant(self.now));
                self.drain(no);
            }
        }
        self.now = until;
    }

    fn arrive(&mut self, what: Way) {
        match what {
            Way::Say(no, id, response) => {
                self.clients[no].on_response(Instant(self.now), id, response);
                self.drain(no);
            }
            Way::Ask(no, id, Request::Txn(txn)) => {
                let ran = self.store.run(&txn);
                let header = self.store.header();
                self.send(Way::Say(no, id, Response::Txn { header, held: ran.held, read: ran.read }));
                if ran.wrote {
                    let wrote = self.store.since(header.revision).expect("the present").remove(0);
                    for (who, watch) in self.watches.clone() {
                        let event = Event::Wrote(wrote.clone());
                        self.send(Way::Say(who, watch, Response::Watch { header, event }));
                    }
                }
            }
            Way::Ask(no, id, Request::Watch { from }) => {
                let header = self.store.header();
                self.send(Way::Say(no, id, Response::Watch { header, event: Event::Began }));
                match self.store.since(from) {
                    Ok(missed) => {
                        self.watches.insert((no, id));
                        for wrote in missed {
                            self.send(Way::Say(no, id, Response::Watch { header, event: Event::Wrote(wrote) }));
                        }
                    }
                    Err(compacted) => {
                        let event = Event::Ended { compacted: Some(compacted.first) };
                        self.send(Way::Say(no, id, Response::Watch { header, event }));
                    }
                }
            }
            Way::Ask(no, id, Request::Unwatch) => drop(self.watches.remove(&(no, id))),
        }
    }
}

#[test]
fn e5_e6_whatever_is_lost_everybody_applies_the_same_once() {
    let (mut found_own, mut committed) = (0, 0);
    for seed in 0..60 {
        let mut company = Company::new(seed, seed % 4 * 10);
        let mut dice = Stream::new(&Digest::of("commands", &[&u64::to_be_bytes(seed)]));
        let mut wanted: BTreeMap<Thread, BTreeSet<u32>> = BTreeMap::new();
        for ticket in 0..120 {
            // Often two of them want the same command.
            let (at, command) = (thread(dice.below(3)), dice.below(80) as u32);
            wanted.entry(at).or_default().insert(command);
            company.submit(dice.below(3) as usize, ticket, at, command);
            let later = company.now + dice.below(50_000_000);
            company.run(later);
            match dice.below(40) {
                0 => company.store.compact(),
                1 => company.watches.clear(),
                _ => {}
            }
        }
        company.loss = 0;
        company.run(company.now + 120_000_000_000);
        assert_eq!(company.lost, [None; 3], "seed {seed}");
        assert_eq!(company.answers.len(), 120, "every submission is answered, seed {seed}");
        assert_eq!(company.applied[0], company.applied[1], "seed {seed}");
        assert_eq!(company.applied[0], company.applied[2], "seed {seed}");
        for (thread, log) in &company.applied[0] {
            let once: BTreeSet<u32> = log.iter().copied().collect();
            assert_eq!(once.len(), log.len(), "a command has one place, seed {seed}");
            assert!(once.is_subset(&wanted[thread]));
        }
        let entries = company.applied[0].values().map(Vec::len).sum::<usize>();
        committed += company.answers.values().filter(|a| matches!(a, Answer::Committed(_))).count();
        assert!(entries >= 100 * company.answers.len() / 400);
        found_own += company.found_own;
    }
    assert!(found_own > 20 && committed > 60 * 100, "nothing was put to the test: {found_own}, {committed}");
}

#[test]
fn e2_a_restored_cluster_is_an_alarm_and_nothing_more_is_decided() {
    for (seed, same_cluster) in [(1, false), (2, true)] {
        let mut company = Company::new(seed, 0);
        for ticket in 0..20 {
            company.submit(0, ticket, thread(0), ticket as u32);
            company.run(company.now + 100_000_000);
        }
        let before: Vec<_> = company.applied.iter().map(|logs| logs[&thread(0)].len()).collect();
        assert_eq!(before, [20; 3]);
        let (mut old, revision) = (company.store.clone(), company.store.header().revision);
        if same_cluster {
            // A backup put back under the same name: only what it holds tells.
            old = Store::new(1);
        } else {
            old.restore(revision - 5);
        }
        (company.store, company.watches) = (old, BTreeSet::new());
        company.run(company.now + 60_000_000_000);
        let right = |loss: &Option<Loss>| match loss {
            Some(Loss::OtherCluster { .. }) => !same_cluster,
            Some(Loss::WentBack { .. }) => same_cluster,
            _ => false,
        };
        assert!(company.lost.iter().all(right), "{:?}", company.lost);
        company.submit(1, 99, thread(1), 99);
        company.run(company.now + 60_000_000_000);
        assert_eq!(company.answers[&Ticket(99)], Answer::Unknown);
        assert_eq!(company.store.get(&super::Range::one(Value::<u32>::head_key(thread(1))), 1), Ok(vec![]));
    }
}

#[test]
fn e6_an_event_that_the_watch_dropped_is_read_as_soon_as_a_later_one_shows_the_gap() {
    let mut company = Company::new(5, 0);
    company.run(1_000_000_000);
    let deaf: Vec<_> = company.watches.iter().copied().filter(|(no, _)| *no == 2).collect();
    company.watches.retain(|(no, _)| *no != 2);
    company.submit(0, 1, thread(1), 1);
    company.run(company.now + 200_000_000);
    assert_eq!(company.applied[2].get(&thread(1)), None, "it was not told");
    company.watches.extend(deaf);
    company.submit(0, 2, thread(2), 2);
    company.run(company.now + 500_000_000);
    assert_eq!(company.applied[2][&thread(1)], [1]);
}

#[test]
fn another_entry_in_an_applied_place_is_an_alarm() {
    let mut company = Company::new(3, 0);
    company.submit(0, 1, thread(0), 1);
    company.run(1_000_000_000);
    // The same cluster, at the same revision or later, with another history.
    let mut other = Company::new(4, 0);
    for command in 0..9 {
        other.submit(1, command, thread(0), 100 + command as u32);
        other.run(other.now + 100_000_000);
    }
    (company.store, company.watches) = (other.store, BTreeSet::new());
    company.submit(2, 2, thread(0), 2);
    company.run(company.now + 10_000_000_000);
    assert_eq!(company.lost[2], Some(Loss::Forgotten { thread: thread(0), seq: Seq(1) }));
    assert_eq!(company.applied[2][&thread(0)], [1], "what took its place is not applied");
}

/// Whoever was down while its etcd was put back to a backup, and whoever comes anew, knows by its deployment that this is another
/// cluster; under the same name it knows by what it had applied. Found by a coordinator that was down for a minute and went on alone.
#[test]
fn e2_who_starts_again_beside_a_restored_cluster_knows_it() {
    let begun = || {
        let mut company = Company::new(6, 0);
        for ticket in 0..20 {
            company.submit(0, ticket, thread(ticket % 2), ticket as u32);
            company.run(company.now + 100_000_000);
        }
        company
    };
    // Nothing happened meanwhile: it is handed everything again, and goes on.
    let mut company = begun();
    let before = company.applied.clone();
    company.restart(1, Some(1));
    company.run(company.now + 10_000_000_000);
    assert_eq!((&company.applied, &company.lost), (&before, &vec![None; 3]));
    company.submit(1, 99, thread(1), 99);
    company.run(company.now + 10_000_000_000);
    assert!(company.applied.iter().all(|logs| logs[&thread(1)].last() == Some(&99)), "{:?}", company.lost);

    // A backup that lacks nothing is another cluster all the same; whoever has never been there knows that too.
    let mut company = begun();
    company.store.restore(company.store.header().revision);
    company.watches.clear();
    company.restart(0, Some(1));
    company.applied[1].clear();
    company.restart(1, Some(1));
    company.run(company.now + 10_000_000_000);
    for lost in &company.lost {
        assert!(matches!(lost, Some(Loss::OtherCluster { was: 1, .. })), "{lost:?}");
    }
    assert!(company.applied[0].is_empty() && company.applied[1].is_empty(), "nothing of it is applied");

    // Under the same name: it ends before what was applied; it has another entry there; it has nothing.
    let history = |commands: &[u32]| {
        let mut other = Company::new(4, 0);
        for command in commands {
            other.submit(1, u64::from(*command), thread(1), *command);
            other.run(other.now + 100_000_000);
        }
        other.store
    };
    let odd: Vec<u32> = (0..20).filter(|n| n % 2 == 1).collect();
    let longer: Vec<u32> = odd[..9].iter().copied().chain([98, 99, 100]).collect();
    for (commands, handed) in [(&odd[..8], 0), (&longer, 9), (&[], 0)] {
        let mut company = begun();
        (company.store, company.watches) = (history(commands), BTreeSet::new());
        company.applied[2].remove(&thread(0));
        company.restart(2, Some(1));
        company.run(company.now + 10_000_000_000);
        assert_eq!(company.lost[2], Some(Loss::Forgotten { thread: thread(1), seq: Seq(10) }), "{commands:?}");
        let again = company.applied[2].get(&thread(1)).map_or(0, Vec::len);
        assert_eq!(again, handed, "{commands:?}");
        company.submit(2, 77, thread(1), 77);
        company.run(company.now + 10_000_000_000);
        assert_eq!(company.answers[&Ticket(77)], Answer::Unknown, "it has stopped");
    }
}
