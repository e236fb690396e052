//! One suite for every implementation of the contracts: functions that assert, to be called from tests.
//!
//! Each takes a fresh, empty store and panics with what the contract says where it is broken. The `*_survive` functions
//! take a way to open the same store again and again; the value of the time before is dropped first, without a farewell.
//! Only answers that are the same on every engine are asked for: nothing here depends on time.

use std::collections::{BTreeMap, BTreeSet};

use swarm_core::id::{Cid, Digest, NeedId, Seq, Thread};
use swarm_core::rng::Stream;

use super::{
    Answer, Artifacts, Bus, Bytes, Delivery, Filter, IN_FLIGHT_MAX, PAYLOAD_BYTES_MAX, Position, Register, StoreError,
    Subject,
};

fn done<T>(answer: Answer<T>) -> T {
    match answer {
        Answer::Committed(value) => value,
        Answer::NotCommitted(error) | Answer::Unknown(error) => {
            panic!("a change that must be committed was not: {error}")
        }
    }
}

fn need(n: u8) -> Thread {
    Thread::Need(NeedId(Cid::of(&[n])))
}

fn subject(text: &str) -> Subject {
    text.parse().expect("a subject")
}

fn filter(text: &str) -> Filter {
    text.parse().expect("a filter")
}

/// The contract of [`Artifacts`].
pub fn artifacts(store: &mut impl Artifacts) {
    let large: Vec<u8> = (0..200_000u32).map(|i| i.wrapping_mul(i) as u8).collect();
    for bytes in [&b""[..], b"text", b"\0\xff\n", &large] {
        let cid = Cid::of(bytes);
        assert_eq!(store.get(&cid).expect("readable"), None, "nothing is there before it is put");
        assert_eq!(done(store.put(bytes)), cid, "the address is that of the content");
        assert_eq!(store.get(&cid).expect("readable").as_deref(), Some(bytes), "what was put is what is got");
        assert_eq!(done(store.put(bytes)), cid, "the same bytes again are the same artifact");
        assert_eq!(store.get(&cid).expect("readable").as_deref(), Some(bytes));
    }
    assert_eq!(store.get(&Cid::of(b"never put")).expect("readable"), None);
}

/// The contract of [`Artifacts`] across restarts.
pub fn artifacts_survive<A: Artifacts>(mut open: impl FnMut() -> A) {
    let cids: Vec<Cid> = (0..20u8).map(|i| done(open().put(&[i; 100]))).collect();
    let store = open();
    for (i, cid) in cids.iter().enumerate() {
        assert_eq!(store.get(cid).expect("readable").as_deref(), Some(&[i as u8; 100][..]), "committed is durable");
    }
}

/// Everything in `thread`, by pages.
fn log(register: &impl Register, thread: &Thread) -> Vec<Bytes> {
    let mut all: Vec<Bytes> = Vec::new();
    loop {
        let page = register.read(thread, Seq(all.len() as u64 + 1), 7).expect("readable");
        assert!(page.len() <= 7, "no more than asked for");
        if page.is_empty() {
            break;
        }
        for (seq, entry) in page {
            assert_eq!(seq, Seq(all.len() as u64 + 1), "positions rise from 1 without gaps");
            all.push(entry);
        }
    }
    assert_eq!(register.last(thread).expect("readable"), Seq(all.len() as u64));
    all
}

/// The contract of [`Register`].
pub fn register(register: &mut impl Register) {
    assert_eq!(register.threads().expect("readable"), []);
    assert_eq!(log(register, &need(1)), Vec::<Bytes>::new(), "a thread begins empty");
    assert_eq!(done(register.submit(need(1), b"a")), Seq(1));
    assert_eq!(done(register.submit(need(1), b"b")), Seq(2));
    assert_eq!(done(register.submit(Thread::System, b"b")), Seq(1), "threads are independent");
    assert_eq!(done(register.submit(need(1), b"a")), Seq(1), "a command again is the same entry");
    assert_eq!(done(register.submit(need(1), b"")), Seq(3), "an empty command is a command");
    let batch: [(Thread, &[u8]); 4] = [(need(1), b"c"), (need(2), b"c"), (need(1), b"c"), (need(1), b"b")];
    assert_eq!(done(register.submit_all(&batch)), [Seq(4), Seq(1), Seq(4), Seq(2)], "also inside one batch");
    assert_eq!(done(register.submit_all(&[])), []);
    let large = vec![0; PAYLOAD_BYTES_MAX as usize + 1];
    let refused = register.submit_all(&[(need(3), b"x"), (need(3), &large)]);
    assert!(matches!(refused, Answer::NotCommitted(StoreError::Oversize { .. })), "{refused:?}");
    assert_eq!(register.last(&need(3)).expect("readable"), Seq(0), "all of a batch or none");
    let texts: Vec<Vec<u8>> = log(register, &need(1)).iter().map(|e| e.to_vec()).collect();
    assert_eq!(texts, [&b"a"[..], b"b", b"", b"c"]);
    let mut wanted = vec![Thread::System, need(1), need(2)];
    wanted.sort();
    assert_eq!(register.threads().expect("readable"), wanted);
    assert_eq!(
        register.read(&need(1), Seq(0), 1).expect("readable"),
        register.read(&need(1), Seq(1), 1).expect("readable")
    );
    assert_eq!(register.read(&need(1), Seq(u64::MAX), 1).expect("readable"), []);
    against_a_model(register);
}

/// A long random history, against the plainest thing that could be right.
fn against_a_model(register: &mut impl Register) {
    let mut dice = Stream::new(&Digest::sha256(b"register conformance"));
    let mut model: BTreeMap<Thread, Vec<Vec<u8>>> = BTreeMap::new();
    for _ in 0..300 {
        let (thread, command) = (need(10 + dice.below(3) as u8), vec![dice.below(60) as u8; dice.below(3) as usize]);
        let log = model.entry(thread).or_default();
        let wanted = log.iter().position(|c| *c == command).unwrap_or_else(|| {
            log.push(command.clone());
            log.len() - 1
        });
        assert_eq!(done(register.submit(thread, &command)), Seq(wanted as u64 + 1));
    }
    for (thread, wanted) in model {
        assert_eq!(log(register, &thread).iter().map(|e| e.to_vec()).collect::<Vec<_>>(), wanted);
    }
}

/// The contract of [`Register`] across restarts.
pub fn register_survive<R: Register>(mut open: impl FnMut() -> R) {
    for i in 0..20u8 {
        assert_eq!(done(open().submit(need(i % 2), &[i])), Seq(u64::from(i / 2) + 1), "the order goes on where it was");
        assert_eq!(done(open().submit(need(i % 2), &[i])), Seq(u64::from(i / 2) + 1), "and knows its commands");
    }
    for odd in 0..2u8 {
        let texts: Vec<u8> = log(&open(), &need(odd)).iter().map(|e| e[0]).collect();
        assert_eq!(texts, (0..20).filter(|i| i % 2 == odd).collect::<Vec<u8>>(), "committed is durable");
    }
}

fn fetch(bus: &mut impl Bus, group: &str, member: &str, max: usize) -> Vec<Delivery> {
    bus.fetch(group, member, max).expect("a group")
}

fn texts(deliveries: &[Delivery]) -> Vec<(String, u32)> {
    deliveries.iter().map(|d| (String::from_utf8_lossy(&d.payload).into_owned(), d.attempt)).collect()
}

fn said(texts: &[(&str, u32)]) -> Vec<(String, u32)> {
    texts.iter().map(|(text, attempt)| ((*text).to_owned(), *attempt)).collect()
}

/// The contract of [`Bus`].
pub fn bus(bus: &mut impl Bus) {
    assert!(matches!(bus.fetch("all", "m", 1), Err(StoreError::NoGroup { .. })));
    assert!(matches!(bus.ack("all", Position(1)), Err(StoreError::NoGroup { .. })));
    assert!(matches!(bus.give_back("all", "m"), Err(StoreError::NoGroup { .. })));
    let (need, vote) = (subject("market.need"), subject("thread.7.x.vote"));
    let one = done(bus.publish(&need, b"n1"));
    bus.subscribe("all", &filter(">")).expect("subscribed");
    bus.subscribe("votes", &filter("thread.*.x.vote")).expect("subscribed");
    let more = done(bus.publish_all(&[(vote.clone(), b"v1"), (need.clone(), b"n2"), (vote.clone(), b"v2")]));
    assert!(one < more[0] && more.is_sorted(), "positions rise with every publish");

    let first = fetch(bus, "all", "m", 3);
    assert_eq!(texts(&first), said(&[("n1", 1), ("v1", 1), ("n2", 1)]), "everything ever published, in order");
    assert_eq!((first[0].position, &first[0].subject), (one, &need));
    assert_eq!(texts(&fetch(bus, "all", "other", 9)), said(&[("v2", 1)]), "what one member has no other gets");
    assert_eq!(
        texts(&fetch(bus, "votes", "m", 9)),
        said(&[("v1", 1), ("v2", 1)]),
        "groups are independent; filters pick"
    );
    assert_eq!(fetch(bus, "all", "m", 9), [], "in flight is not delivered again by itself");

    bus.ack("all", first[1].position).expect("noted");
    assert_eq!(bus.give_back("all", "m").expect("a group"), 2);
    done(bus.publish(&need, b"n3"));
    let again = fetch(bus, "all", "other", 2);
    assert_eq!(texts(&again), said(&[("n1", 2), ("n2", 2)]), "given back: again, to anyone; acknowledged: never");
    assert_eq!(texts(&fetch(bus, "all", "m", 9)), said(&[("n3", 1)]), "then what is new");
    bus.ack("all", again[0].position).expect("noted");
    bus.ack("all", again[0].position).expect("an acknowledgement again does nothing");
    bus.ack("all", Position(u64::MAX)).expect("nor does one for no message");
    assert_eq!(bus.give_back("all", "nobody").expect("a group"), 0);

    bus.subscribe("all", &filter(">")).expect("subscribing again does nothing");
    assert_eq!(fetch(bus, "all", "m", 9), []);
    assert!(matches!(bus.subscribe("all", &filter("market.>")), Err(StoreError::OtherFilter { .. })));

    let large = vec![0; PAYLOAD_BYTES_MAX as usize + 1];
    let refused = bus.publish_all(&[(need.clone(), b"x"), (need, &large)]);
    assert!(matches!(refused, Answer::NotCommitted(StoreError::Oversize { .. })), "{refused:?}");
    assert_eq!(fetch(bus, "all", "m", 9), [], "all of a batch or none");
    never_loses(bus);
    holds_back(bus);
}

/// Random members that fall silent: every message still arrives, and first deliveries keep their order.
fn never_loses(bus: &mut impl Bus) {
    let mut dice = Stream::new(&Digest::sha256(b"bus conformance"));
    let topics = [subject("random.a"), subject("random.b")];
    bus.subscribe("random", &filter("random.*")).expect("subscribed");
    let (mut sent, mut seen, mut acked) = (0u32, BTreeSet::new(), BTreeSet::new());
    let mut newest = Position(0);
    for round in 0..400 {
        let last = round >= 300;
        if !last {
            done(bus.publish(&topics[dice.below(2) as usize], &sent.to_be_bytes()));
            sent += 1;
        }
        let member = ["p", "q", "r"][dice.below(3) as usize];
        for delivery in fetch(bus, "random", member, dice.below(5) as usize) {
            assert!(!acked.contains(&delivery.position), "acknowledged is over");
            if delivery.attempt == 1 {
                assert!(delivery.position > newest && seen.insert(delivery.position), "first deliveries are in order");
                newest = delivery.position;
            }
            if last || dice.below(2) == 0 {
                bus.ack("random", delivery.position).expect("noted");
                acked.insert(delivery.position);
            }
        }
        if dice.below(4) == 0 {
            bus.give_back("random", member).expect("a group");
        }
    }
    for member in ["p", "q", "r"] {
        bus.give_back("random", member).expect("a group");
    }
    acked.extend(fetch(bus, "random", "p", sent as usize).iter().map(|d| d.position));
    assert_eq!(acked.len() as u32, sent, "every message arrives");
}

/// A group that acknowledges nothing is not drowned, and misses nothing.
fn holds_back(bus: &mut impl Bus) {
    let topic = subject("flood");
    let batch: Vec<(Subject, &[u8])> = vec![(topic, b"f"); IN_FLIGHT_MAX + 1];
    done(bus.publish_all(&batch));
    bus.subscribe("flood", &filter("flood")).expect("subscribed");
    let held = fetch(bus, "flood", "m", usize::MAX);
    assert_eq!(held.len(), IN_FLIGHT_MAX);
    assert_eq!(fetch(bus, "flood", "m", 1), [], "further ones wait");
    bus.ack("flood", held[5].position).expect("noted");
    assert_eq!(fetch(bus, "flood", "m", 9).len(), 1);
}

/// The contract of [`Bus`] across restarts. `flush` makes acknowledgements durable, where the implementation may lose them.
pub fn bus_survive<B: Bus>(mut open: impl FnMut() -> B, flush: impl Fn(&mut B)) {
    let topic = subject("a.b");
    for i in 0..9u8 {
        done(open().publish(&topic, &[b'0' + i]));
    }
    open().subscribe("g", &filter("a.*")).expect("subscribed");
    let mut bus = open();
    assert!(matches!(bus.subscribe("g", &filter("b")), Err(StoreError::OtherFilter { .. })), "groups are durable");
    let held = fetch(&mut bus, "g", "m", 6);
    assert_eq!(held.len(), 6, "committed is durable");
    for i in [0, 2, 3] {
        bus.ack("g", held[i].position).expect("noted");
    }
    flush(&mut bus);
    drop(bus);
    let mut bus = open();
    let wanted: Vec<(String, u32)> = [1, 4, 5, 6, 7, 8].map(|i: u8| (i.to_string(), 1)).to_vec();
    assert_eq!(texts(&fetch(&mut bus, "g", "m", 99)), wanted, "unacknowledged comes again, acknowledged does not");
}
