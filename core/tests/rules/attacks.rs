//! What one agent, or a coordinator among those that may lie, can say to stop others: nobody falls silent by it, stays awake by it,
//! or waits for ever.

use std::sync::Arc;

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};

use crate::host::Host;
use crate::kit::*;
use crate::nodes::{assert_closed, need, records, said_by};
use swarm_core::id::*;
use swarm_core::node::Message;
use swarm_core::register::{Answer, Applied, Chain, Command, Ending, Event, Outcome};
use swarm_core::reject::Reject;
use swarm_core::slot::{HEARINGS_MAX, Phase};
use swarm_core::wire::*;

fn manifest(host: &Host, who: &str) -> Cid {
    host.genesis.manifest(&id_of(who)).unwrap().0.id()
}

/// A stranger dates its MANIFESTs ahead, each as far as the one before has brought the clock, and sends them to some nodes alone:
/// what those say is above everybody else's horizon from then on.
#[test]
fn t07_nobody_is_muted_by_what_a_stranger_dates_ahead() {
    for whom in ["w", "v"] {
        let mut host = Host::new();
        for n in 0..3 {
            let roles = vec![Role::Worker];
            let body = Body::Manifest(manifest_of("x1", roles.clone()));
            let said = said_by("x1", Cid::default(), Thread::System, body, &roles, |c| {
                (c.nonce, c.lamport) = (Nonce(500 + n), Lamport(990_000 * (n + 1)));
            });
            let names: Vec<String> = host.nodes.keys().filter(|name| name.starts_with(whom)).cloned().collect();
            names.iter().for_each(|name| host.tell(name, &said));
        }
        let ids: Vec<_> = (0..3).map(|_| host.post(need())).collect();
        assert!(host.run(200), "{whom}: somebody never rests");
        ids.into_iter().for_each(|id| assert_closed(&mut host, id));
    }
}

/// A requester cancels while voters are being drawn: the answer comes when the need has ended.
#[test]
fn an_answer_to_a_need_that_has_ended_keeps_nobody_awake() {
    let mut host = Host::new();
    let id = host.post(need());
    let body = Body::Cancel(Cancel { reason: String::new(), task: None });
    let manifest = manifest(&host, "r1");
    let cancel = said_by("r1", manifest, Thread::Need(id), body, &[Role::Requester], |c| c.nonce = Nonce(900));
    let mut once = Some(cancel);
    host.hook = Some(Box::new(move |_, command| match &**command {
        Command::Act(act) if matches!(act.body, Body::Propose(_)) => Some(vec![]),
        Command::Relay(proof)
            if matches!(proof.claim(), Some(Event::Answered { answer: Answer::Voters { .. }, .. })) =>
        {
            Some(vec![Arc::new(Command::Act(once.take()?)), Arc::clone(command)])
        }
        _ => None,
    }));
    assert!(host.run(48), "somebody never rests");
    assert!(records(&mut host, id).iter().all(|record| record.phase == Phase::Over(Ending::Cancelled)));
}

/// Keys are free, and a window stands still from a challenge until the books are asked: whoever has nothing stops none.
#[test]
fn whoever_cannot_pay_for_a_challenge_stops_no_window() {
    let mut stage = Stage::with(3, |_| {}, |n| n.windows.challenge_ms = 3_600_000);
    stage.decide(two_steps());
    stage.finish("w1", "cut");
    for n in 0..HEARINGS_MAX {
        assert_eq!(stage.act(&format!("x{n}"), "challenge cut").unwrap_err(), Reject::NotEnough);
    }
    assert!(stage.record.waits.contains_key(&Stage::waiting("challenge cut")), "it runs");
    assert_eq!(stage.act("v12", "challenge cut").unwrap(), "Challenged Asked");
}

/// Whoever is drawn could void every count by a vote that is no evidence any more when it is counted.
#[test]
fn votes_do_not_expire() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.lease("w1", "cut");
    stage.commit("w1", "cut");
    let votes = stage.verdicts("pass cut", &[0]);
    let mut content = (**votes[0]).clone();
    assert_eq!(content.check(), Ok(()));
    content.expires = Some(Expires::Register(Seq(1)));
    assert_eq!(content.check(), Err(Reject::WrongFields));
}

/// One of five coordinators may lie. What it alone announces, of an epoch or a fence that never comes, nobody acts upon.
#[test]
fn what_one_coordinator_announces_is_no_news() {
    for lie in ["decide", "release"] {
        let mut host = Host::of(5, |p| p.liars_max = 1);
        let id = host.post(need());
        host.run(0);
        let (thread, by) = (Thread::Need(id), manifest(&host, "c1"));
        let body = Body::Propose(propose(two_steps(), 7));
        let planner = manifest(&host, "p2");
        let proposal = said_by("p2", planner, thread, body, &[Role::Planner], |c| c.nonce = Nonce(900));
        for (n, task) in ["cut", "join"].into_iter().enumerate() {
            let (epoch, fence, body) = if lie == "decide" {
                let snapshot = SnapshotRef { digest: Digest::default(), number: 1 };
                let proposal = Arc::clone(&proposal);
                (u64::MAX, None, Body::Decide(Decide { approvals: vec![], k_plan: 1, proposal, snapshot }))
            } else {
                let release = Release { reason: ReleaseReason::Expired, task: label(task) };
                (1, Some(Fence(u64::MAX)), Body::Release(release))
            };
            let lie = said_by("c1", by, thread, body, &[Role::Coordinator], |c| {
                (c.nonce, c.epoch, c.fence) = (Nonce(900 + n as u64), Some(Epoch(epoch)), fence);
            });
            host.tell_all(&lie);
        }
        assert!(host.run(200), "{lie}: somebody never rests");
        let records = records(&mut host, id);
        assert!(records.iter().all(|record| record.phase == Phase::Over(Ending::Closed)), "{lie}");
    }
}

/// It tells the other coordinators, which stand down, and nobody else.
#[test]
pub fn what_one_coordinator_tells_few_is_told_to_all_by_others() {
    for liar in ["c1", "c3", "c5"] {
        let mut host = Host::of(5, |p| p.liars_max = 1);
        host.whisperer = Some(liar.into());
        let ids: Vec<_> = (0..6).map(|_| host.post(need())).collect();
        assert!(host.run(200), "{liar}: somebody never rests");
        for id in ids {
            let records = records(&mut host, id);
            assert!(records.iter().all(|record| record.phase == Phase::Over(Ending::Closed)), "{liar}");
        }
    }
}

/// It calls verifiers to a thread that is nobody's.
#[test]
fn whoever_is_called_to_no_need_rests() {
    let mut host = Host::of(5, |p| p.liars_max = 1);
    let id = host.post(need());
    let nowhere = Thread::Need(NeedId::of(&id_of("x9"), Nonce(77)));
    let voters = (1..=12).map(|n| id_of(&format!("v{n}"))).collect();
    let snapshot = SnapshotRef { digest: Digest::default(), number: 1 };
    let event = Event::Opened { epoch: Epoch(1), k_plan: 1, snapshot, voters };
    let entry = Arc::new(Applied::new(Digest::default(), Outcome::Did(vec![event]), Seq(1)));
    let link = entry.link(nowhere);
    let mut chain = Chain::default();
    chain.push(&link);
    let body = EntryBatch { first: Seq(1), head: chain.head, links: vec![link], prev: Digest::default() };
    let by = manifest(&host, "c1");
    let said = said_by("c1", by, nowhere, Body::Entry(body), &[Role::Coordinator], |c| c.nonce = Nonce(900));
    for n in 1..=12 {
        let message = Message { entries: [Arc::clone(&entry)].into(), envelope: Arc::clone(&said) };
        host.tell_beside(&format!("v{n}"), message);
    }
    assert!(host.run(200), "somebody never rests");
    assert!(records(&mut host, id).iter().all(|record| record.phase == Phase::Over(Ending::Closed)));
}

/// One content can be signed in two ways. A register that takes nothing twice under one id orders one of them, and both are done with.
#[test]
fn one_content_under_two_signatures_is_refused_once() {
    let mut host = Host::new();
    host.by_id = true;
    let id = host.post(need());
    let body = Body::Transfer(AmountTo { amount: Credits(1_000_000_000), to: id_of("w2") });
    let manifest = manifest(&host, "w1");
    let one = said_by("w1", manifest, Thread::System, body, &[Role::Worker], |c| c.nonce = Nonce(900));
    let mut secret = ExpandedSecretKey::from(&keys("w1").signing().to_bytes());
    secret.hash_prefix[0] ^= 1;
    let draft = Draft::new((**one).clone());
    let sig = raw_sign::<sha2::Sha512>(&secret, &draft.unsigned_bytes(), &keys("w1").signing().verifying_key());
    let text = std::str::from_utf8(one.bytes()).unwrap();
    let text = text.replace(&one.sig().to_string(), &Signature(sig.to_bytes()).to_string());
    let other = Arc::new(Envelope::verify(text.as_bytes()).expect("its author signed it"));
    assert!(one.id() == other.id() && one != other);
    host.tell("c1", &one);
    host.tell("c2", &other);
    host.tell("c3", &other);
    assert!(host.run(48), "somebody never rests");
    assert_closed(&mut host, id);
}
