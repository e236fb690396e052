//! What one agent, or a coordinator among those that may lie, can say to stop others: nobody falls silent by it, stays awake by it,
//! or waits for ever.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};

use crate::host::Host;
use crate::kit::*;
use crate::nodes::{assert_closed, need, records, said_by};
use swarm_core::id::*;
use swarm_core::node::Message;
use swarm_core::plan::TaskState;
use swarm_core::register::{Answer, Applied, Ask, Chain, Command, Ending, Event, Outcome, Says};
use swarm_core::reject::Reject;
use swarm_core::slot::{HEARINGS_MAX, Phase, Record};
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

/// A CAPSULE whose number lies further ahead than the next: nobody has signed it, and it waits for its turn for ever.
#[test]
fn a_capsule_of_nobody_that_is_ahead_keeps_nobody_awake() {
    let mut host = Host::new();
    let id = host.post(need());
    let by = manifest(&host, "w1");
    for n in 0..20_u64 {
        let body = Body::Capsule(NewPolicy {
            capsule: Cid::of(b"none"),
            engine: host.genesis.engine,
            number: 7,
            sigs: [].into(),
        });
        let said = said_by("w1", by, Thread::System, body, &[Role::Worker], |c| c.nonce = Nonce(900 + n));
        host.tell_all(&said);
    }
    let rests = host.run(200);
    assert_closed(&mut host, id);
    assert!(rests, "somebody never rests");
}

/// Every verifier is honest and awake, and takes some seconds; more votes are under way than a coordinator keeps of one need.
#[test]
fn a_need_of_many_tasks_with_large_committees_closes() {
    let mut host = Host::with(|p| p.alpha_bp = 10_000);
    host.plan = side_by_side(64);
    host.at_work = Some(vec![]);
    let id = host.post(Need { budget: Credits(2_000), fees: Credits(9_000), k_result: 10, ..need() });
    let mut most = 0;
    for _ in 0..4_000 {
        host.run_for(swarm_core::time::Span::from_secs(20));
        most = most.max(host.work_is_done());
    }
    let refused = |(_, note): &&(String, swarm_core::node::Note)| {
        matches!(note, swarm_core::node::Note::Refused { reject: Reject::NoRoom, .. })
    };
    assert!(most > 256, "{most} votes are under way at once");
    assert_eq!(host.notes.iter().filter(refused).count(), 0);
    let records = records(&mut host, id);
    assert!(records[0].tasks.values().all(|task| task.state != TaskState::Failed));
}

/// A plan that makes what is wanted out of nothing, for next to nothing: nobody holds it against what the need asks for.
#[test]
pub fn a_plan_that_does_something_else_is_not_decided() {
    let mut host = Host::new();
    let id = host.post(need());
    host.run(0);
    let fact = task("anything", "", "total");
    let body = Propose { ballot: 9, cost_caps: [(label("anything"), Credits(1))].into(), eta_ms: 1, patch: vec![fact] };
    let by = manifest(&host, "p2");
    let said = said_by("p2", by, Thread::Need(id), Body::Propose(body), &[Role::Planner], |c| c.nonce = Nonce(900));
    host.tell_all(&said);
    host.run(48);
    let records = records(&mut host, id);
    let decision = records[0].decision.as_ref().unwrap();
    assert!(decision.proposal.id() != said.id(), "the need closed on a plan that does not look at its input");
}

/// Whoever cannot reach what it plans by says nothing, for others may know better, and tries again when the next voters are drawn.
#[test]
fn a_plan_that_could_not_be_made_is_made_later() {
    for unable in [6, 12] {
        let mut host = Host::new();
        host.no_plan = (1..=unable).map(|n| format!("v{n}")).collect();
        let id = host.post(need());
        host.run(48);
        assert_eq!(records(&mut host, id)[0].epoch > Epoch(1), unable == 12, "{unable} had no plan at first");
        let votes = host.said.iter().filter(|(_, message)| match &message.envelope.body {
            Body::AttestPlan(vote) => vote.proposal.is_none(),
            _ => false,
        });
        assert_eq!(votes.count(), 0, "{unable}: who has no plan has nothing to vote by");
        assert_closed(&mut host, id);
    }
}

/// Says of itself what it likes.
fn restate(stage: &mut Stage, who: &str, org: &str, asn: &str) {
    let said = Manifest { org: org.into(), asn: asn.into(), ..manifest_of(who, vec![Role::Worker, Role::Verifier]) };
    let said = stage.say_with(who, Body::Manifest(said), |c| {
        c.capability.manifest = Cid::default();
        c.lamport = Lamport(900);
    });
    assert_eq!(stage.submit_system(Command::Act(said)).unwrap(), "Registered");
}

/// Who is found to be at fault says, before or after it is disputed, that it belongs to whoever disputes its result, and to whoever
/// built on it.
#[test]
fn whoever_is_at_fault_does_not_choose_who_is_paid() {
    for robs in ["never", "before", "after"] {
        let mut stage = Stage::with(3, |p| p.bond_bp = 5_000, |_| {});
        stage.decide(two_steps());
        stage.finish("w1", "cut");
        stage.finish("w2", "join");
        let has_part = |agent: &AgentId| stage.record.tasks.values().any(|task| task.seats.contains(agent));
        let who = (1..=12).map(|n| format!("v{n}")).find(|name| !has_part(&id_of(name))).unwrap();
        let (before, honest) = (stage.available(&who), stage.available("w2"));
        if robs == "before" {
            restate(&mut stage, "w1", &format!("org-{who}"), "asn-w2");
        }
        stage.challenge(&who, "cut");
        if robs == "after" {
            restate(&mut stage, "w1", &format!("org-{who}"), "asn-w2");
        }
        stage.rule("uphold cut").unwrap();
        stage.relay();
        let (reward, paid) = (stage.available(&who) - before, stage.available("w2") - honest);
        assert!(reward > 0, "robs {robs}: whoever was right is rewarded");
        assert!(paid > 10, "robs {robs}: whoever worked honestly on what is void is paid its price");
    }
}

/// Whoever made a wrong result, and whoever passed it, say before they are judged that they belong to those who could judge them.
#[test]
fn whoever_is_judged_does_not_choose_who_rules() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.finish("w1", "cut");
    let passed = stage.record.tasks[&label("cut")].passed_by();
    let liars: Vec<String> = passed.iter().map(|seat| stage.who(seat)).chain(["w1".to_owned()]).collect();
    let mut others: Vec<String> = (1..=12).map(|n| format!("v{n}")).filter(|name| !liars.contains(name)).collect();
    let who = others.remove(0);
    assert_eq!((liars.len(), others.len()), (4, 8), "two for each");
    for (liar, victims) in liars.iter().zip(others.chunks(2)) {
        restate(&mut stage, liar, &format!("org-{}", victims[0]), &format!("asn-{}", victims[1]));
    }
    stage.challenge(&who, "cut");
    let panel = stage.record.tasks[&label("cut")].dispute.clone().unwrap().seats;
    assert!(!panel.is_empty());
    let may = |seat: &AgentId| others.contains(&stage.who(seat));
    assert!(panel.iter().all(may), "who has a part in it rules, though there are eight who have none");
}

/// A right result, masked as a decoy beforehand; its worker and requester let only some fetch what it is made of.
#[test]
fn whoever_passes_what_is_right_is_not_slashed() {
    let mut stage = Stage::with(3, |p| p.bond_bp = 5_000, |_| {});
    let salt = Digest([7; 32]);
    let mask = swarm_core::slot::mask(&id_of("r1"), &id_of("w1"), [&Cid::of(b"total")], &salt);
    let said = stage.say("p2", Body::Mask(Mask { mask }));
    stage.submit_system(Command::Act(said)).unwrap();
    stage.decide(side_by_side(1));
    stage.act("w1", "claim t0 1").unwrap();
    stage.elapse("bids t0").unwrap();
    stage.relay();
    // Right: the job gives exactly this.
    stage.commit("w1", "t0");
    let seats: Vec<String> =
        stage.record.tasks[&label("t0")].seats.clone().iter().map(|seat| stage.who(seat)).collect();
    let committed = stage.record.tasks[&label("t0")].commit.clone().unwrap();
    let passes = stage.verdicts("pass t0", &[3, 4]);
    // Honest verifiers who could not fetch it say just that: `node::verifier` fails it as unavailable.
    let Body::Attest(fail) = stage.parse("fail t0") else { unreachable!() };
    let fail = Body::Attest(Attest { proof: Digest::default(), reasons: vec![label("unavailable")], ..fail });
    let fails = sorted(seats[..3].iter().map(|name| stage.say(name, fail.clone())).collect());
    stage.submit(Command::Count(fails)).unwrap();
    stage.relay();
    // Nobody has found it wrong, so there is no mask to open, and no pass of it to bring up.
    let Body::Commit(commit) = &committed.body else { unreachable!("a COMMIT") };
    let said = Unmask { commit: committed.id(), denied: vec![], mask, salt, task: commit.task.clone() };
    let said = stage.say("r1", Body::Unmask(said));
    assert_eq!(stage.submit(Command::Act(said)), Err(Reject::WrongPhase));
    for pass in passes {
        assert!(stage.submit(Command::Act(pass)).is_err());
    }
    for name in &seats {
        let staked = stage.system.ledger().balance(&id_of(name)).unwrap().staked;
        assert_eq!(staked, Credits(10_000), "{name} is honest and loses stake");
    }
}

/// One credit, one wait of a week at every coordinator.
#[test]
fn crumbs_of_stake_are_no_waits() {
    let mut stage = Stage::new();
    stage.submit_system(Command::Act(manifest_envelope("x1", vec![Role::Worker]))).unwrap();
    let said = stage.say("w1", Body::Transfer(AmountTo { amount: Credits(5_000), to: id_of("x1") }));
    stage.submit_system(Command::Act(said)).unwrap();
    let mut says = |what: fn(Amount) -> Body, amount| {
        let said = stage.say("x1", what(Amount { amount: Credits(amount) }));
        stage.submit_system(Command::Act(said))
    };
    assert_eq!(says(Body::Stake, 999), Err(Reject::OutOfBounds), "no seat is had for that");
    says(Body::Stake, 1_000).unwrap();
    says(Body::Stake, 1).unwrap();
    assert_eq!(says(Body::Unstake, 1), Err(Reject::OutOfBounds));
    assert_eq!(says(Body::Unstake, 999), Err(Reject::OutOfBounds));
    says(Body::Unstake, 1_000).unwrap();
    says(Body::Unstake, 1).expect("all that is left");
}

/// An act that is over before it is said passes the look before the register, and is refused there: it costs nothing, and counts
/// for nothing, as often as it is said.
#[test]
fn what_has_expired_is_not_ordered() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.finish("w1", "cut");
    for _ in 0..50 {
        let body = stage.parse("challenge cut");
        let said = stage.say_with("v12", body, |c| c.expires = Some(Expires::Register(Seq(1))));
        let command = Command::Act(said);
        assert_eq!(stage.submit(command.clone()), Err(Reject::Expired));
        assert_eq!(
            stage.record.check(stage.seq.next(), &command, &stage.system),
            Err(Reject::Expired),
            "a coordinator has it ordered"
        );
    }
}

/// While such a dispute is on its way nobody says that the window is over: whoever says one after the other stops it for ever, and
/// has nothing to pay.
#[test]
fn a_dispute_that_has_expired_stops_no_window() {
    let mut host = Host::new();
    let id = host.post(need());
    // A register that takes as long as it takes until the next one comes.
    let mut held: Option<Arc<Command>> = None;
    host.hook = Some(Box::new(move |_, command| match &**command {
        Command::Act(act) if matches!(act.body, Body::Challenge(_)) => {
            if held.as_ref() == Some(command) {
                return Some(vec![]);
            }
            Some(held.replace(Arc::clone(command)).into_iter().collect())
        }
        _ => None,
    }));
    let mut fenced = None;
    while fenced.is_none() && host.now < swarm_core::time::Span::from_secs(3_600).0 {
        host.run_for(swarm_core::time::Span::from_ms(200));
        let all = records(&mut host, id);
        fenced = all
            .first()
            .and_then(|r| r.tasks.get(&label("join")).filter(|t| t.state == TaskState::Final))
            .map(|t| (t.fence, t.commit.as_ref().unwrap().id()));
    }
    let (fence, commit) = fenced.expect("it becomes final");
    let by = manifest(&host, "v12");
    // Its window is a hundred seconds. A key with ten credits speaks up five times in two.
    for n in 0..2_500_u64 {
        let evidence = Evidence::OutputMismatch { label: label("total") };
        let body = Body::Challenge(Challenge { commit, evidence, task: label("join") });
        let said = said_by("v12", by, Thread::Need(id), body, &[Role::Verifier], |c| {
            (c.nonce, c.epoch, c.fence) = (Nonce(5_000 + n), Some(Epoch(1)), Some(fence));
            c.expires = Some(Expires::Register(Seq(1)));
        });
        host.coordinators().iter().for_each(|name| host.tell(name, &said));
        host.run_for(swarm_core::time::Span::from_ms(400));
    }
    let all = records(&mut host, id);
    let task = &all[0].tasks[&label("join")];
    assert!(task.state > TaskState::Final, "a thousand seconds later the window of a hundred has not closed");
}

/// A window runs until somebody sits over the dispute about it. Where that takes longer than the window does, nobody says meanwhile that it
/// is over: others may have come to be heard, and it goes on when the dispute is dismissed.
#[test]
fn a_window_is_not_over_before_who_disputes_it_is_heard() {
    let mut host = Host::new();
    let id = host.post(need());
    let (held, watched, over) = (Rc::new(Cell::new(true)), Rc::new(Cell::new(None)), Rc::new(Cell::new(0)));
    let (holds, watches, counts) = (Rc::clone(&held), Rc::clone(&watched), Rc::clone(&over));
    host.hook = Some(Box::new(move |thread, command| match &**command {
        Command::Relay(proof) if holds.get() && *thread == Thread::System => match proof.claim() {
            Some(Event::Asked { ask: Ask::Contest { .. }, .. }) => Some(vec![]),
            _ => None,
        },
        Command::Word(word) if *thread == Thread::Need(id) => {
            let is_of = |segment| matches!(word.says, Says::Elapsed { segment: of, .. } if of == segment);
            counts.set(counts.get() + i32::from(watches.get().is_some_and(is_of)));
            None
        }
        _ => None,
    }));
    let name = label("join");
    let is_final = |r: &Record| r.tasks.get(&name).is_some_and(|t| t.state == TaskState::Final);
    while !records(&mut host, id).first().is_some_and(is_final) {
        host.run_for(secs(1));
    }
    let task = records(&mut host, id)[0].tasks[&name].clone();
    let who = (1..=12).map(|n| format!("v{n}")).find(|who| !task.seats.contains(&id_of(who))).unwrap();
    let evidence = Evidence::OutputMismatch { label: label("total") };
    let commit = task.commit.as_ref().unwrap().id();
    let body = Body::Challenge(Challenge { commit, evidence, task: name.clone() });
    let by = manifest(&host, &who);
    let said = said_by(&who, by, Thread::Need(id), body, &[Role::Verifier], |c| {
        (c.nonce, c.epoch, c.fence) = (Nonce(5_000), Some(Epoch(1)), Some(task.fence));
    });
    host.tell_all(&said);
    host.run_for(secs(1));
    let record = &records(&mut host, id)[0];
    assert!(record.tasks[&name].dispute.is_some(), "it is heard");
    watched.set(Some(record.waits[&Stage::waiting("challenge join")].segment));
    // The window is a hundred seconds.
    host.run_for(secs(1_000));
    assert_eq!(over.get(), 0, "that a contested window is over was said");
    held.set(false);
    assert!(host.run(48), "somebody never rests");
    assert_closed(&mut host, id);
}

/// One of five coordinators may lie. It has a proposal ordered that the policy denies and that beats all others: whoever votes looks at
/// the best one alone, and the best one stays the best.
#[test]
fn a_proposal_that_the_policy_denies_stops_no_need() {
    let mut host = Host::of(5, |p| p.liars_max = 1);
    let id = host.post(need());
    host.run_for(swarm_core::time::Span::from_secs(3));
    let body = Propose {
        ballot: 9,
        cost_caps: [(label("x"), Credits(1))].into(),
        eta_ms: 1,
        patch: vec![task("x", "", "total")],
    };
    let (keys, by) = (keys("p2"), manifest(&host, "p2"));
    let mut content = content_of(&keys, Thread::Need(id), Body::Propose(body), by);
    content.nonce = Nonce(900);
    content.policy =
        PolicyRef { capsule: Cid::of(b"no policy"), digest: Digest::default(), engine: host.genesis.engine };
    let poison = Arc::new(keys.sign(Draft::new(content)));
    host.order(Thread::Need(id), Arc::new(Command::Act(Arc::clone(&poison))));
    host.run_for(swarm_core::time::Span::from_ms(1));
    assert!(records(&mut host, id)[0].proposals.contains_key(&poison.id()), "it is kept");
    assert!(host.run(48), "somebody never rests");
    let records = records(&mut host, id);
    assert_eq!(records[0].phase, Phase::Over(Ending::Closed), "one proposal in one thread ended the need");
}

/// One of five coordinators may lie. It has a NEED ordered that anybody signed and that names an engine nobody has: all others wait for
/// those rules before they vouch for its entries, so it never ends.
#[test]
fn a_need_under_rules_that_nobody_has_ends() {
    let mut host = Host::of(5, |p| p.liars_max = 1);
    let honest = host.post(need());
    host.run(0);
    let nonce = Nonce(77);
    let thread = Thread::Need(NeedId::of(&id_of("x9"), nonce));
    let mut content = content_of(&keys("x9"), thread, Body::Need(need()), Cid::of(b"nowhere"));
    content.nonce = nonce;
    content.policy = PolicyRef { capsule: Cid::of(b"none"), digest: Digest::default(), engine: Digest([9; 32]) };
    let said = Arc::new(keys("x9").sign(Draft::new(content)));
    host.order(thread, Arc::new(Command::Act(said)));
    let rests = host.run(200);
    let all = records(&mut host, honest);
    assert!(all.iter().all(|record| record.phase == Phase::Over(Ending::Closed)));
    assert!(rests, "somebody never rests");
}

/// A coordinator that may lie has a holder's heartbeats ordered as they come: each takes a whole lease of what its bid allows, and gives
/// only what has passed of the one before.
#[test]
fn a_holder_has_the_time_it_asked_for_whenever_its_heartbeats_are_ordered() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    // It asked for two minutes, and a lease is one.
    stage.lease("w1", "cut");
    while stage.act("w1", "heartbeat cut").is_ok() {}
    let mut total = 0;
    while stage.state("cut") == TaskState::Leased {
        total += stage.record.waits[&Stage::waiting("lease cut")].total.0 / 1_000_000;
        stage.elapse("lease cut").unwrap();
    }
    assert!(total >= 120_000);
}

/// A holder beats every half minute and is heard from half of what runs on: of a lease of sixty-five seconds the first beat would come too
/// early and the second too late. Whoever opens a need chooses its lease.
#[test]
fn a_lease_of_any_length_can_be_renewed() {
    let mut host = Host::new();
    (host.at_work, host.slow_workers) = (Some(Vec::new()), true);
    let mut asked = need();
    asked.windows.lease_ms = 65_000;
    let id = host.post(asked);
    let name = label("cut");
    let held = |host: &mut Host| {
        let records = records(host, id);
        let task = records.first().and_then(|record| record.tasks.get(&name));
        task.filter(|task| task.state == TaskState::Leased).map(|task| task.fence)
    };
    while held(&mut host).is_none() {
        host.run_for(secs(1));
    }
    let fence = held(&mut host);
    // It asked for one lease at least, and may have half as much again.
    host.run_for(secs(90));
    assert_eq!(held(&mut host), fence, "its holder lost it");
}

/// What was refused for want of credits is kept by whoever was to have them, and brought up again when they are there.
#[test]
fn what_was_refused_is_not_cashed_later() {
    let mut stage = Stage::new();
    let said = stage.say("w1", Body::Transfer(AmountTo { amount: Credits(1_500_000), to: id_of("w2") }));
    assert_eq!(stage.submit_system(Command::Act(Arc::clone(&said))), Err(Reject::NotEnough));
    let more = stage.say("w3", Body::Transfer(AmountTo { amount: Credits(900_000), to: id_of("w1") }));
    stage.submit_system(Command::Act(more)).unwrap();
    let told = stage.submit_system(Command::Act(said));
    assert_eq!(told, Err(Reject::Duplicate), "its sender was told that it was refused");
}

/// A verifier that passed what is void cuts off a crumb of its stake before it is slashed: the slash takes the crumb whole, its wait goes
/// on, and when that is over there is nothing to mature.
#[test]
fn a_slash_that_takes_what_unbonds_stops_no_coordinator() {
    let mut stage = Stage::with(3, |p| p.stake_min = Credits(1), |_| {});
    stage.decide(two_steps());
    stage.finish("w1", "cut");
    let passed = stage.record.tasks[&label("cut")].passed_by();
    let liar = stage.who(&passed[0]);
    for amount in [1, 9_999] {
        let said = stage.say(&liar, Body::Unstake(Amount { amount: Credits(amount) }));
        assert_eq!(stage.submit_system(Command::Act(said)).unwrap(), "Booked");
    }
    let has_part = |agent: &AgentId| stage.record.tasks[&label("cut")].seats.contains(agent);
    let who = (1..=12).map(|n| format!("v{n}")).find(|name| !has_part(&id_of(name))).unwrap();
    stage.challenge(&who, "cut");
    stage.rule("uphold cut").unwrap();
    stage.relay();
    let unbonding = |waiting: &swarm_core::slot::Waiting| matches!(waiting, swarm_core::slot::Waiting::Unbonding(..));
    let waits: Vec<_> =
        stage.system.waits().iter().filter(|(waiting, _)| unbonding(waiting)).map(|(_, watch)| watch.clone()).collect();
    assert_eq!(waits.len(), 2);
    for watch in waits {
        for by in ["c1", "c2"] {
            stage.submit_system(timed(by, Thread::System, watch.total, watch.segment)).unwrap();
        }
    }
}

/// A window of up to an hour has no reports before its end. Whoever had ten credits when the need was opened, and has given them away,
/// is denied a panel four times: it pays nothing, and each time the whole window begins anew.
#[test]
fn whoever_pays_nothing_does_not_begin_a_window_anew() {
    let mut stage = Stage::new();
    stage.decide(two_steps());
    stage.finish("w1", "cut");
    let all = stage.available("v12");
    let said = stage.say("v12", Body::Transfer(AmountTo { amount: Credits(all), to: id_of("w3") }));
    stage.submit_system(Command::Act(said)).unwrap();
    let watch = stage.record.waits[&Stage::waiting("challenge cut")].clone();
    // Ninety-nine hundredths of it have passed on every clock; nobody says so before it is over.
    for _ in 0..HEARINGS_MAX {
        stage.act("v12", "challenge cut").unwrap();
        assert_eq!(stage.act("v11", "challenge cut"), Err(Reject::WrongPhase), "one at a time");
        assert_eq!(stage.relay(), "Answered Ruled");
        assert_eq!(stage.record.waits[&Stage::waiting("challenge cut")], watch, "it was never stopped");
    }
    stage.elapse("challenge cut").unwrap();
    assert_eq!(stage.state("cut"), TaskState::Settled);
}

/// Whoever replays a log is handed its genesis by whoever wrote it.
#[test]
fn a_genesis_whose_manifests_rest_on_others_is_refused() {
    let (mut genesis, _) = genesis(3, |_| {});
    let at = genesis.manifests.iter().position(|manifest| manifest.sender == id_of("w1")).unwrap();
    let body = Body::Manifest(manifest_of("w1", vec![Role::Worker]));
    let cites = content_of(&keys("w1"), Thread::System, body, Cid::of(b"another"));
    genesis.manifests[at] = Arc::new(keys("w1").sign(Draft::new(cites)));
    let why = genesis.check().unwrap_err().0;
    assert!(why.contains("a founding manifest cites another"), "{why}");
}
