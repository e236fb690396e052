//! When an entry is believed, and what a feed refuses.

use std::sync::Arc;

use crate::kit::*;
use swarm_core::config::Params;
use swarm_core::genesis::Member;
use swarm_core::id::{AgentId, Digest, NeedId, Nonce, Seq, Thread};
use swarm_core::members::{Handover, Voices};
use swarm_core::register::{Applied, Chain, Event, Feed, Outcome, Proof};
use swarm_core::reject::Reject;
use swarm_core::wire::{Envelope, Verb};

fn thread() -> Thread {
    Thread::Need(NeedId::of(&AgentId([7; 32]), Nonce(1)))
}

/// An entry that tells two stories apart.
fn entry(seq: u64, story: u8) -> Arc<Applied> {
    let events = vec![Event::RoundOpened { round: u32::from(story) }];
    Arc::new(Applied::new(Digest::default(), Outcome::Did(events), Seq(seq)))
}

/// What `who` signs for `entries`, which follow one another.
fn signed(who: &str, entries: &[Arc<Applied>]) -> Arc<Envelope> {
    let links: Vec<Digest> = entries.iter().map(|entry| entry.link(thread())).collect();
    let before: Chain = (1..entries[0].seq.0).fold(Chain::default(), |mut chain, seq| {
        chain.push(&entry(seq, 0).link(thread()));
        chain
    });
    entry_batch(who, thread(), entries[0].seq, &links, before.head)
}

fn founders(n: usize) -> Vec<Member> {
    (1..=n).map(|n| Member { agent: id_of(&format!("c{n}")), anchor: Digest::default() }).collect()
}

struct Listener {
    feed: Feed,
    founders: Vec<Member>,
    handovers: Vec<Handover>,
    believe_at: usize,
}

impl Listener {
    fn of(n: usize, liars: u32) -> Self {
        let founders = founders(n);
        let params = Params { liars_max: liars, ..Params::default() };
        Self { feed: Feed::new(thread()), founders, handovers: Vec::new(), believe_at: params.believe_at(n) }
    }

    fn hears(&mut self, who: &str, entries: &[Arc<Applied>]) -> Result<(), Reject> {
        self.takes(&signed(who, entries), entries)
    }

    fn takes(&mut self, envelope: &Arc<Envelope>, entries: &[Arc<Applied>]) -> Result<(), Reject> {
        self.feed.vouch(Voices::new(&self.founders, &self.handovers), self.believe_at, envelope, entries)
    }

    /// Places of what has become believed, with how many vouch.
    fn believes(&mut self) -> Vec<(u64, usize)> {
        let mut all = Vec::new();
        while let Some(believed) = self.feed.poll(Voices::new(&self.founders, &self.handovers), self.believe_at) {
            all.push((believed.entry.seq.0, believed.vouchers.len()));
        }
        all
    }
}

#[test]
fn a_majority_is_believed_once_and_in_order() {
    let mut l = Listener::of(3, 0);
    let all: Vec<_> = (1..=5).map(|seq| entry(seq, 0)).collect();
    // Batches come in any order, and twice.
    assert_eq!(l.hears("c1", &all[2..]), Ok(()));
    assert_eq!(l.hears("c1", &all[..2]), Ok(()));
    assert_eq!(l.hears("c1", &all[..2]), Ok(()));
    assert_eq!(l.believes(), [], "one coordinator that repeats itself is one");
    assert_eq!(l.hears("c2", &all[3..]), Ok(()));
    assert_eq!(l.believes(), [], "what lies before is not believed yet");
    assert_eq!(l.hears("c2", &all[..3]), Ok(()));
    assert_eq!(l.believes(), [(1, 2), (2, 2), (3, 2), (4, 2), (5, 2)]);
    assert_eq!(l.hears("c3", &all), Ok(()));
    assert_eq!((l.believes(), l.feed.chain().seq), (vec![], Seq(5)));
}

#[test]
fn a_gap_stops_belief_until_it_is_filled() {
    let mut l = Listener::of(3, 0);
    for who in ["c1", "c2", "c3"] {
        l.hears(who, &[entry(1, 0)]).unwrap();
        l.hears(who, &[entry(3, 0)]).unwrap();
    }
    assert_eq!(l.believes(), [(1, 3)]);
    l.hears("c1", &[entry(2, 0)]).unwrap();
    l.hears("c3", &[entry(2, 0)]).unwrap();
    assert_eq!(l.believes(), [(2, 2), (3, 3)]);
}

#[test]
fn what_is_vouched_for_waits_for_its_content() {
    let mut l = Listener::of(3, 0);
    for who in ["c1", "c2"] {
        let envelope = signed(who, &[entry(1, 0)]);
        l.takes(&envelope, &[]).unwrap();
    }
    assert_eq!(l.believes(), []);
    l.hears("c3", &[entry(1, 0)]).unwrap();
    assert_eq!(l.believes(), [(1, 3)]);
}

#[test]
fn entries_beside_must_be_those_vouched_for() {
    let mut l = Listener::of(3, 0);
    let envelope = signed("c1", &[entry(1, 0)]);
    assert_eq!(l.takes(&envelope, &[entry(1, 9)]), Err(Reject::WrongLink));
    assert_eq!(l.takes(&envelope, &[entry(2, 0)]), Err(Reject::WrongLink), "no link for it");
    assert_eq!(l.takes(&envelope, &[entry(0, 0)]), Err(Reject::WrongLink));
    // A head that is not that of the links.
    let forged = entry_batch("c1", thread(), Seq(1), &[entry(1, 0).link(thread())], Digest::default());
    let swarm_core::wire::Body::Entry(mut batch) = forged.body.clone() else { panic!("{}", Verb::Entry.as_str()) };
    batch.head = Digest::sha256(b"other");
    let keys = keys("c1");
    let body = swarm_core::wire::Body::Entry(batch);
    let content = content_of(&keys, thread(), body, Default::default());
    let forged = Arc::new(keys.sign(swarm_core::wire::Draft::new(content)));
    assert_eq!(Envelope::verify(forged.bytes()).unwrap_err(), Reject::WrongLink, "it never becomes an envelope");
    for who in ["c2", "c3"] {
        assert_eq!(l.believes(), []);
        l.hears(who, &[entry(1, 0)]).unwrap();
    }
    assert_eq!(l.believes(), [(1, 2)], "a refused ENTRY vouches for nothing");
}

#[test]
fn a_stranger_vouches_for_nothing() {
    let mut l = Listener::of(3, 0);
    for who in ["s1", "s2", "s3", "c1"] {
        l.hears(who, &[entry(1, 7)]).unwrap();
    }
    assert_eq!(l.believes(), []);
}

#[test]
fn believing_takes_more_than_a_majority_when_some_may_lie() {
    let at = |n, liars_max| Params { liars_max, ..Params::default() }.believe_at(n);
    assert_eq!([at(1, 0), at(3, 0), at(5, 0), at(7, 0)], [1, 2, 3, 4]);
    assert_eq!([at(5, 1), at(7, 1), at(7, 2)], [4, 5, 5]);
    for n in [1_usize, 3, 5, 7, 9] {
        for liars in 0..n.div_ceil(3) {
            // Two quorums share more than those who may lie; the honest alone are one.
            let q = at(n, liars as u32);
            assert!(2 * q > n + liars, "{n} {liars}");
            assert_eq!(q <= n - liars, 3 * liars < n, "{n} {liars}");
        }
    }
}

#[test]
fn t80_one_liar_that_signs_both_sides_convinces_nobody() {
    // Two honest coordinators saw one story, two the other, and the fifth signs both: with a bare majority each side would
    // have its three.
    let [one, other] = [entry(1, 1), entry(1, 2)];
    for first in [0, 1] {
        let mut l = Listener::of(5, 1);
        l.hears("c1", std::slice::from_ref(&one)).unwrap();
        l.hears("c2", std::slice::from_ref(&one)).unwrap();
        l.hears("c3", std::slice::from_ref(&other)).unwrap();
        l.hears("c4", std::slice::from_ref(&other)).unwrap();
        for story in if first == 0 { [&one, &other] } else { [&other, &one] } {
            l.hears("c5", std::slice::from_ref(story)).unwrap();
        }
        assert_eq!(l.believes(), []);
    }
    let mut bare = Listener::of(5, 0);
    for who in ["c1", "c2", "c5"] {
        bare.hears(who, std::slice::from_ref(&one)).unwrap();
    }
    assert_eq!(bare.believes(), [(1, 3)], "that is what the fourth signature is for");
}

#[test]
fn t80_a_liar_has_one_voice_per_place() {
    // Its first word stands, so that it can neither switch sides nor fill the memory with stories.
    let mut l = Listener::of(3, 0);
    for story in 1..=50 {
        l.hears("c3", &[entry(1, story)]).unwrap();
    }
    l.hears("c1", &[entry(1, 2)]).unwrap();
    assert_eq!(l.believes(), []);
    l.hears("c2", &[entry(1, 2)]).unwrap();
    assert_eq!(l.believes(), [(1, 2)]);
}

/// Everything a thread ever told, in the batches in which `who` said it.
fn past(who: &str, entries: &[Arc<Applied>]) -> Vec<Arc<Envelope>> {
    let mut chain = Chain::default();
    let mut batches = Vec::new();
    for batch in entries.chunks(64) {
        let links: Vec<Digest> = batch.iter().map(|entry| entry.link(thread())).collect();
        batches.push(entry_batch(who, thread(), batch[0].seq, &links, chain.head));
        links.iter().for_each(|link| chain.push(link));
    }
    batches
}

#[test]
fn a_newcomer_hears_a_long_past_at_once_and_loses_none_of_it() {
    let all: Vec<_> = (1..=10_000).map(|seq| entry(seq, 0)).collect();
    for (n, liars, speak) in [(3, 0, 2), (5, 0, 3), (5, 1, 4)] {
        let mut l = Listener::of(n, liars);
        let said: Vec<_> = (1..=speak).map(|c| past(&format!("c{c}"), &all)).collect();
        // The bus tells what each of them said in the order of saying, and nothing twice.
        for (at, batch) in all.chunks(64).enumerate() {
            for said in &said {
                assert_eq!(l.takes(&said[at], batch), Ok(()), "{n} {at}");
            }
        }
        assert_eq!(l.believes().len(), all.len(), "{n}");
    }
}

#[test]
fn one_that_speaks_of_far_places_alone_fills_no_memory() {
    let far = entry(5_000, 0);
    for who in ["c1", "c2", "c3"] {
        let mut l = Listener::of(3, 0);
        let envelope = entry_batch(who, thread(), Seq(5_000), &[far.link(thread())], Digest::default());
        assert_eq!(l.takes(&envelope, std::slice::from_ref(&far)), Err(Reject::NoRoom));
        assert_eq!(l.takes(&envelope, &[]), Err(Reject::NoRoom), "saying it twice does not help");
        l.hears("c1", &[entry(1, 0)]).unwrap();
        l.hears("c2", &[entry(1, 0)]).unwrap();
        assert_eq!(l.believes(), [(1, 2)]);
    }
    // What strangers say of them counts for nothing.
    let mut l = Listener::of(3, 0);
    for who in ["s1", "s2", "s3"] {
        let envelope = entry_batch(who, thread(), Seq(5_000), &[far.link(thread())], Digest::default());
        assert_eq!(l.takes(&envelope, &[]), Err(Reject::NoRoom));
    }
}

#[test]
fn a_proof_is_of_one_thread_one_place_and_distinct_members() {
    let founders = founders(3);
    let members = Voices::new(&founders, &[]);
    let told = entry(4, 0);
    let by = |names: &[&str], thread| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        vouchers(&names, thread, &told)
    };
    let proof = |vouchers| Proof { at: 0, entry: Applied::clone(&told), thread: thread(), vouchers };
    assert!(proof(by(&["c1", "c3"], thread())).check(members, 2).is_ok());
    let no = |proof: Proof| assert_eq!(proof.check(members, 2), Err(Reject::NoEvidence));
    no(proof(by(&["c1"], thread())));
    no(proof(by(&["c1", "c1"], thread())));
    no(proof(by(&["c1", "s1"], thread())));
    no(proof(by(&["c1", "c2"], Thread::System)));
    no(Proof { at: 1, ..proof(by(&["c1", "c2"], thread())) });
    no(Proof { at: u32::MAX, ..proof(by(&["c1", "c2"], thread())) });
    no(Proof { thread: Thread::System, ..proof(by(&["c1", "c2"], thread())) });
    no(Proof { entry: Applied::new(told.command, told.outcome.clone(), Seq(5)), ..proof(by(&["c1", "c2"], thread())) });
    no(Proof { entry: Applied::clone(&entry(4, 1)), ..proof(by(&["c1", "c2"], thread())) });
}

#[test]
fn t71_a_seat_is_one_voice_whoever_speaks_for_it() {
    let mut l = Listener::of(3, 0);
    l.handovers = vec![
        Handover { founding: None, new: id_of("c4"), old: id_of("c1") },
        Handover { founding: None, new: id_of("c5"), old: id_of("c4") },
    ];
    for who in ["c1", "c4", "c5"] {
        l.hears(who, &[entry(1, 0), entry(2, 0)]).unwrap();
        assert_eq!(l.believes(), [], "one seat, three holders one after the other");
    }
    l.hears("c2", &[entry(1, 0)]).unwrap();
    assert_eq!(l.believes(), [(1, 4)], "what a past holder signed stays evidence");
    let mut fresh = Listener::of(3, 0);
    fresh.hears("c5", &[entry(1, 0)]).unwrap();
    fresh.hears("c2", &[entry(1, 0)]).unwrap();
    assert_eq!(fresh.believes(), [], "who it is, nobody knows yet");
    // Heard of in the other order, too.
    fresh.handovers = vec![l.handovers[1], l.handovers[0]];
    assert_eq!(fresh.believes(), [(1, 2)], "a seat is known when all that led to its holder is");
    let ring = [
        Handover { founding: None, new: id_of("x1"), old: id_of("x2") },
        Handover { founding: None, new: id_of("x2"), old: id_of("x1") },
    ];
    let founders = founders(3);
    assert_eq!(Voices::new(&founders, &ring).seat(&id_of("x1")), None);
}
