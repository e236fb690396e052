//! Whole nodes under attack: what one liar, or anyone at all, can say must neither stop a need nor keep anyone awake.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use crate::host::Host;
use crate::kit::*;
use swarm_core::id::*;
use swarm_core::node::{Effect, Input, Message, Node, Note};
use swarm_core::policy::{BaseRules, Limits, preflight};
use swarm_core::register::{Applied, Command, Ending, Outcome, Proof, Word};
use swarm_core::reject::Reject;
use swarm_core::rng::Stream;
use swarm_core::slot::{Phase, Record};
use swarm_core::time::{Instant, Now, WallTime};
use swarm_core::wire::*;

pub fn need() -> Need {
    Stage::new().body
}

/// The need's record at every coordinator.
pub fn records(host: &mut Host, need: NeedId) -> Vec<Record> {
    let mut all = Vec::new();
    for name in host.coordinators() {
        let held = host.nodes.get_mut(&name).unwrap().needs();
        all.extend(held.into_iter().find(|(id, _)| *id == need).map(|(_, holding)| holding.record));
    }
    all
}

pub fn assert_closed(host: &mut Host, id: NeedId) {
    let records = records(host, id);
    assert_eq!(records.len(), 3);
    for record in &records {
        assert_eq!(record.phase, Phase::Over(Ending::Closed));
        assert!(record.tasks.values().all(|t| t.record.is_some()), "every task has its result");
        assert_eq!(shared(record), shared(&records[0]), "all coordinators hold the same");
    }
    for name in host.coordinators() {
        let ledger = host.nodes[&name].system().unwrap().ledger();
        assert_eq!((ledger.open_pots().count(), ledger.all_liens().count()), (0, 0));
    }
    let diverged = host.notes.iter().any(|(_, note)| matches!(note, Note::Diverged { .. }));
    assert!(!diverged, "nobody believes other than it applied");
}

/// An envelope that passes the policy, of somebody with its own manifest.
pub fn said_by(
    who: &str,
    manifest: Cid,
    thread: Thread,
    body: Body,
    roles: &[Role],
    edit: impl FnOnce(&mut Content),
) -> Arc<Envelope> {
    let keys = keys(who);
    let mut content = content_of(&keys, thread, body, manifest);
    edit(&mut content);
    let (draft, _) = preflight(&BaseRules::new(Limits::default()), content, roles).expect("the policy lets it out");
    Arc::new(keys.sign(draft))
}

/// Who refused an envelope, and why.
pub fn refused(host: &Host, envelope: &Envelope) -> BTreeSet<(String, Reject)> {
    let of = |note: &Note| match note {
        Note::Refused { envelope: id, reject } if *id == envelope.id() => Some(*reject),
        _ => None,
    };
    host.notes.iter().filter_map(|(name, note)| Some((name.clone(), of(note)?))).collect()
}

/// Anyone can say NEEDs that nobody can pay. What coordinators keep of one is that it was there.
#[test]
fn t45_coordinators_forget_a_need_that_was_denied() {
    let mut host = Host::new();
    let (paid, unpaid) = (host.post(need()), host.post(Need { budget: Credits(1_000_000), ..need() }));
    assert!(host.run(100));
    assert_closed(&mut host, paid);
    let records = records(&mut host, unpaid);
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|record| record.was_denied() && record.need.is_none()));
    let remark = Body::UpdatePlan(UpdatePlan { facts: vec![task("t", "text", "total")] });
    let manifest = host.genesis.manifest(&id_of("w1")).unwrap().0.id();
    let late = said_by("w1", manifest, Thread::Need(unpaid), remark, &[Role::Worker], |_| {});
    host.tell("c1", &late);
    host.run(1);
    let refused = |(_, note): &(String, Note)| matches!(note, Note::Refused { envelope, reject: Reject::WrongPhase } if *envelope == late.id());
    assert!(host.notes.iter().any(refused), "nor does anything gather about it");
}

#[test]
fn a_need_closes_and_everyone_rests() {
    let mut host = Host::new();
    let id = host.post(need());
    assert!(host.run(48), "somebody never rests");
    assert_closed(&mut host, id);
}

#[test]
fn t02_an_ended_need_stays_ended_when_all_is_said_again() {
    let mut host = Host::new();
    let id = host.post(need());
    assert!(host.run(48));
    let (said, notes) = (host.said.len(), host.notes.len());
    host.repeat_all();
    assert!(host.run(48));
    assert_closed(&mut host, id);
    assert_eq!(host.said.len(), said, "nobody answers a duplicate, with a DENY least of all");
    let believed =
        host.notes[notes..].iter().any(|(_, note)| matches!(note, Note::Believed { .. } | Note::Applied { .. }));
    assert!(!believed, "nothing is believed twice");
}

/// Accounts are looked at only where an act is applied. Whoever says too much, or too early, is refused once, and nobody insists.
#[test]
fn what_an_account_cannot_bear_keeps_nobody_awake() {
    let mut host = Host::new();
    let id = host.post(need());
    let manifest = host.genesis.manifest(&id_of("w1")).unwrap().0.id();
    let amount = Credits(1_000_000_000);
    let bodies = [
        (10, Body::Transfer(AmountTo { amount, to: id_of("w2") })),
        (11, Body::Unstake(Amount { amount })),
        (12, Body::Withdraw(Amount { amount: Credits(1) })),
    ];
    let say = |nonce, body| said_by("w1", manifest, Thread::System, body, &[Role::Worker], |c| c.nonce = Nonce(nonce));
    let acts = bodies.map(|(nonce, body)| say(nonce, body));
    acts.iter().for_each(|act| host.tell_all(act));
    assert!(host.run(48), "somebody never rests");
    assert_closed(&mut host, id);
    for act in &acts {
        let command = Command::Act(Arc::clone(act)).id();
        let refused = |(_, note): &&(String, Note)| matches!(note, Note::Applied { entry, .. } if entry.command == command && matches!(entry.outcome, Outcome::Refused(_)));
        assert_eq!(host.notes.iter().filter(refused).count(), 3, "{:?}: once at each coordinator", act.verb());
    }
}

#[test]
fn t73_a_forged_relay_under_the_true_ones_name_stops_nobody() {
    // The id of a relay does not cover its proof: a liar can have its forgery ordered first, while the true one is lost.
    let mut host = Host::new();
    let mut seen = BTreeSet::new();
    host.hook = Some(Box::new(move |_, command| match &**command {
        Command::Relay(proof) if seen.insert(command.id()) => {
            let forged = Command::Relay(Proof { vouchers: vec![], ..proof.clone() });
            assert_eq!(forged.id(), command.id());
            Some(vec![Arc::new(forged)])
        }
        _ => None,
    }));
    let id = host.post(need());
    assert!(host.run(48), "a need is stuck");
    assert_closed(&mut host, id);
}

/// Two waits of two threads can be reported by words of one id: a liar has the one that was given elsewhere ordered first, while the
/// true one is lost.
#[test]
fn t73_a_word_given_on_another_thread_takes_the_place_of_none() {
    let mut host = Host::new();
    let mut seen = BTreeSet::new();
    host.hook = Some(Box::new(move |thread, command| match &**command {
        Command::Word(word) if seen.insert((*thread, command.id())) => {
            let keys = ["c1", "c2", "c3"].map(keys).into_iter().find(|keys| keys.agent() == word.by).unwrap();
            let elsewhere = match thread {
                Thread::System => Thread::Need(NeedId::of(&word.by, Nonce(9))),
                Thread::Need(_) => Thread::System,
            };
            let other = Word { thread: elsewhere, ..Word::clone(word) }.sign(keys.signing());
            assert_eq!(other.id(), command.id());
            Some(vec![Arc::new(Command::Word(other))])
        }
        _ => None,
    }));
    let id = host.post(need());
    assert!(host.run(48), "a need is stuck");
    assert_closed(&mut host, id);
    let refused = |(_, note): &(String, Note)| {
        matches!(note, Note::Applied { entry, command, .. }
            if matches!(**command, Command::Word(_)) && entry.outcome == Outcome::Refused(Reject::WrongFields))
    };
    assert!(host.notes.iter().any(refused), "nothing was tried");
}

#[test]
fn t80_what_a_liar_claims_of_the_future_is_not_waited_for() {
    let mut host = Host::new();
    let mut done = false;
    host.hook = Some(Box::new(move |thread, command| match (&**command, thread) {
        (Command::Relay(proof), Thread::Need(_)) if !done => {
            done = true;
            let entry = Applied::new(proof.entry.command, proof.entry.outcome.clone(), Seq(1 << 40));
            let liar = Proof { vouchers: vec![], entry, ..proof.clone() };
            Some(vec![Arc::new(Command::Relay(liar)), Arc::clone(command)])
        }
        _ => None,
    }));
    let id = host.post(need());
    assert!(host.run(48), "the thread waits for what never comes");
    assert_closed(&mut host, id);
}

#[test]
fn t68_a_reveal_that_comes_after_its_round_is_let_go() {
    let mut host = Host::new();
    host.silent = Some("c3".into());
    let id = host.post(need());
    host.run(48);
    host.late_reveals();
    assert!(host.run(1), "a late reveal is carried for ever");
    assert_closed(&mut host, id);
}

#[test]
fn t11_nobody_speaks_for_the_register_but_its_members() {
    let mut host = Host::new();
    let id = host.post(need());
    let roles = [Role::Coordinator, Role::Verifier];
    let join = said_by(
        "x1",
        Cid::default(),
        Thread::System,
        Body::Manifest(manifest_of("x1", roles.to_vec())),
        &roles,
        |_| (),
    );
    host.tell_all(&join);
    let task = label("cut");
    let links = vec![Digest::default()];
    let mut batch = swarm_core::register::Chain::default();
    batch.push(&links[0]);
    let release = Body::Release(Release { reason: ReleaseReason::Expired, task: task.clone() });
    let entry = Body::Entry(EntryBatch { first: Seq(1), head: batch.head, links, prev: Digest::default() });
    let settle = Body::Settle(Settle { payouts: vec![], task });
    let thread = Thread::Need(id);
    let lies: Vec<_> = [release, entry, settle]
        .into_iter()
        .enumerate()
        .map(|(n, body)| {
            said_by("x1", join.id(), thread, body, &roles, |c| {
                c.nonce = Nonce(10 + n as u64);
                (c.epoch, c.fence) = match c.body.verb() {
                    Verb::Release => (Some(Epoch(1)), Some(Fence(7))),
                    _ => (None, None),
                };
            })
        })
        .collect();
    lies.iter().for_each(|lie| host.tell_all(lie));
    assert!(host.run(48));
    assert_closed(&mut host, id);
    for lie in &lies {
        let by_all = host.nodes.keys().map(|name| (name.clone(), Reject::NotEntitled)).collect();
        assert_eq!(refused(&host, lie), by_all, "{}", lie.verb().as_str());
    }
}

#[test]
fn t45_strangers_votes_crowd_nobody_out() {
    let mut host = Host::new();
    let id = host.post(need());
    let roles = [Role::Verifier];
    let join = said_by(
        "x1",
        Cid::default(),
        Thread::System,
        Body::Manifest(manifest_of("x1", roles.to_vec())),
        &roles,
        |_| (),
    );
    host.tell_all(&join);
    for n in 0..300 {
        let body = Body::Attest(Attest {
            commit: Cid::default(),
            policy: Digest::default(),
            proof: Digest::default(),
            reasons: vec![],
            task: label(&format!("t{n}")),
            verdict: Verdict::Fail,
        });
        let vote = said_by("x1", join.id(), Thread::Need(id), body, &roles, |c| {
            (c.nonce, c.epoch, c.fence) = (Nonce(10 + n), Some(Epoch(1)), Some(Fence(1)));
        });
        host.tell_all(&vote);
    }
    assert!(host.run(48));
    assert_closed(&mut host, id);
    assert_eq!(records(&mut host, id)[0].epoch, Epoch::FIRST, "decided by the first vote");
}

#[test]
fn a_thread_that_somebody_named_keeps_nobody_awake() {
    let mut host = Host::new();
    let id = host.post(need());
    let nowhere = Thread::Need(NeedId::of(&id_of("w1"), Nonce(77)));
    let manifest = host.genesis.manifest(&id_of("w1")).unwrap().0.id();
    let body = Body::Claim(Claim { cost: Credits(1), eta_ms: 1, task: label("cut") });
    let claim =
        said_by("w1", manifest, nowhere, body, &[Role::Worker], |c| (c.nonce, c.epoch) = (Nonce(900), Some(Epoch(1))));
    host.tell_all(&claim);
    assert!(host.run(48), "somebody waits for a need that nobody opened");
    assert_closed(&mut host, id);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever overtakes what, of one sender or of several.
    #[test]
    fn t75_messages_in_any_order_give_one_state(order: [u8; 8]) {
        let mut host = Host::new();
        host.shuffle = Some(Stream::new(&Digest::sha256(&order)));
        let id = host.post(need());
        prop_assert!(host.run(96), "somebody never rests");
        assert_closed(&mut host, id);
        let mut views = BTreeSet::new();
        for name in host.coordinators() {
            let held = host.nodes.get_mut(&name).unwrap().needs();
            views.extend(held.iter().map(|(_, holding)| (holding.heads, holding.view)));
        }
        prop_assert_eq!(views.len(), 1, "one plan, one view");
    }
}

/// Everybody dies while a need is under way. Then the register hands one coordinator all of its entries again and the bus
/// everyone all that was ever said.
fn restarted() -> (Host, NeedId, usize) {
    let mut host = Host::new();
    let mut body = need();
    body.windows.challenge_ms = 24 * 3_600_000;
    let id = host.post(body);
    // Far enough that its results are final, not so far that a window is over.
    host.run(1);
    let open = records(&mut host, id).iter().all(|record| record.phase == Phase::Decided);
    assert!(open && records(&mut host, id)[0].tasks.values().any(|task| task.record.is_some()));
    host.reboot();
    host.run(0);
    let said = host.said.len();
    host.hand_over_again();
    host.repeat_all();
    host.run(0);
    (host, id, said)
}

#[test]
fn t02_what_was_heard_before_a_restart_is_no_news_after_it() {
    let (host, _, said) = restarted();
    let denied = host.said[said..].iter().any(|(_, message)| matches!(message.envelope.body, Body::Deny(_)));
    assert!(!denied, "nobody is told off for what the bus repeats");
}

#[test]
fn t20_entries_handed_over_again_after_a_restart_change_nothing() {
    let (mut host, id, _) = restarted();
    assert!(host.run(96), "somebody never rests");
    assert_closed(&mut host, id);
}

/// What no scenario brings about: the hosts of the simulator hand nothing over twice, and nobody judges a DENY.
#[cfg(swarm_mutants)]
#[test]
fn planted_bugs_are_caught() {
    use swarm_core::mutant::{Mutant, plant};
    let hunt = |mutant: Mutant, test: fn()| {
        test();
        plant(Some(mutant));
        let caught = std::panic::catch_unwind(test).is_err();
        plant(None);
        println!("{}: caught {caught}", mutant.name());
        caught
    };
    let nonces = hunt(Mutant::NoncesForgotten, t02_what_was_heard_before_a_restart_is_no_news_after_it);
    let stale = hunt(Mutant::StaleEntryTaken, t20_entries_handed_over_again_after_a_restart_change_nothing);
    let alone = hunt(Mutant::OneAnnounces, crate::attacks::what_one_coordinator_tells_few_is_told_to_all_by_others);
    let unread = hunt(Mutant::PlanUnread, crate::attacks::a_plan_that_does_something_else_is_not_decided);
    assert!(nonces && stale && alone && unread);
}

/// What was measured on the clock of an earlier boot says nothing on this one's: a coordinator that was up for long before it
/// died must not keep its refusals to itself for as long again.
#[test]
fn t72_a_reboot_does_not_silence_a_coordinator() {
    let host = Host::new();
    let me = host.coordinators()[0].clone();
    let mut node = host.nodes[&me].clone();
    let place = host.genesis.coordinators().iter().position(|member| *member == node.me()).unwrap() as u64;
    // Entries of somebody who is no member, each one that this coordinator must answer for all.
    let mut wrong = (0..64u64)
        .map(|n| entry_batch("w1", Thread::System, Seq(1), &[], Digest::sha256(&n.to_be_bytes())))
        .filter(|envelope| envelope.id().0.prefix() % 3 == place);
    let mut denied = |node: &mut Node, secs: u64, input: Option<Input>| {
        let envelope = wrong.next().unwrap();
        let now = Now { mono: Instant(secs * 1_000_000_000), wall: WallTime(secs * 1_000) };
        let input = input.unwrap_or(Input::Message(Message { entries: [].into(), envelope }));
        node.handle(now, input);
        let mut denied = 0;
        while let Some(effect) = node.poll_effect() {
            denied +=
                usize::from(matches!(effect, Effect::Publish { draft, .. } if matches!(draft.body, Body::Deny(_))));
        }
        denied
    };
    assert_eq!(denied(&mut node, 1, Some(Input::Boot)), 0);
    assert_eq!(denied(&mut node, 3_600, None), 1);
    assert_eq!(denied(&mut node, 3_600, None), 0, "not twice in a second");
    denied(&mut node, 1, Some(Input::Boot));
    assert_eq!(denied(&mut node, 5, None), 1);
}
