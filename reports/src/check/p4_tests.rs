//! Cases of P4: one task that is granted, expires, is granted again and becomes final, with signed evidence throughout; each
//! rule of the property broken once.

use std::sync::Arc;

use swarm_core::bids::Bid;
use swarm_core::id::{Credits, Digest, Lamport, Seq};
use swarm_core::register::{Command, Ending, Outcome, Says, Word};
use swarm_core::reject::Reject;
use swarm_core::wire::{
    Attest, AttestPlan, Claim, Commit, FinalizeRecord, Heartbeat, SnapshotRef, Verdict as Judged, Windows, Yield,
};

use super::*;
use crate::check::Verdict;
use crate::check::fixture::{Run, caught, good, holds, keys, need, rules, said, task, unknown};
use crate::history::Party;

const TOTAL: Span = Span::from_secs(30);

fn claim(n: u8, epoch: u64, fence: u64) -> Arc<Envelope> {
    said(n, Body::Claim(Claim { cost: Credits(9), eta_ms: 1_000, task: task() }), epoch, Some(fence))
}

fn beat(n: u8, epoch: u64, fence: u64) -> Arc<Envelope> {
    said(n, Body::Heartbeat(Heartbeat { progress_bp: 1, task: task() }), epoch, Some(fence))
}

fn commit(n: u8, epoch: u64, fence: u64) -> Arc<Envelope> {
    let body = Commit { outputs: Default::default(), states: Vec::new(), task: task(), telemetry: Default::default() };
    said(n, Body::Commit(body), epoch, Some(fence))
}

fn attest(epoch: u64, fence: u64, commit: Cid) -> Arc<Envelope> {
    let (policy, proof) = (Digest::default(), Digest::default());
    let body = Attest { commit, policy, proof, reasons: Vec::new(), task: task(), verdict: Judged::Pass };
    said(7, Body::Attest(body), epoch, Some(fence))
}

fn plan_vote(epoch: u64) -> Arc<Envelope> {
    said(7, Body::AttestPlan(AttestPlan { policy: Digest::default(), proposal: None }), epoch, None)
}

fn report(by: u8, segment: u64) -> Command {
    timed(by, TOTAL, segment)
}

fn timed(by: u8, elapsed: Span, segment: u64) -> Command {
    let says = Says::Elapsed { elapsed, segment: Segment(segment) };
    Command::Word(Word { by: keys(by).agent(), says, thread: Thread::Need(need()) }.sign(keys(by).signing()))
}

/// A command whose evidence is another thread's.
fn relay() -> Command {
    Command::Snapshot { number: 1 }
}

fn opens(segment: u64, waiting: Waiting) -> Did {
    Did::WaitOpened { segment: Segment(segment), total: TOTAL, waiting }
}

fn bids() -> Waiting {
    Waiting::Bids(task())
}

fn lease() -> Waiting {
    Waiting::Lease(task())
}

fn granting(fence: u64, claim: &Envelope) -> Did {
    let bid =
        Bid { agent: claim.sender, cost: Credits(9), eta_ms: 1_000, id: claim.id(), lamport: Lamport(1), score: 1 };
    Did::Granting { bid, fees: Credits(1), fence: Fence(fence), org: String::new(), task: task() }
}

fn closed(waiting: Waiting) -> Did {
    Did::WaitClosed { waiting }
}

fn released(fence: u64, reason: ReleaseReason) -> Did {
    Did::Released { fence: Fence(fence), reason, task: task() }
}

fn leased(fence: u64) -> Did {
    Did::Leased { fence: Fence(fence), task: task() }
}

fn finality(epoch: u64, fence: u64, commit: Cid) -> Did {
    let record = FinalizeRecord {
        attestations: Vec::new(),
        commit,
        engines: Vec::new(),
        epoch: Epoch(epoch),
        fence: Fence(fence),
        need: need(),
        outputs: Default::default(),
        payouts: Vec::new(),
        plan: Digest::default(),
        snapshot: SnapshotRef::default(),
        task: task(),
    };
    Did::Final { record: Arc::new(record) }
}

type Entries = Vec<(Command, Vec<Did>)>;

/// Places in the story, to be broken.
const CLAIM: usize = 2;
const GRANT: usize = 4;
const LEASED: usize = 5;
const BEAT: usize = 6;
const EXPIRE: usize = 8;
const AGAIN: usize = 10;
const COMMIT: usize = 12;
const VERDICT: usize = 13;
const SETTLED: usize = 15;
const PAID: usize = 17;

/// Agents 4 and 5 hold the task one after the other; of three coordinators, two see each wait through.
fn story() -> Entries {
    let opened = Did::Opened { epoch: Epoch(1), k_plan: 1, snapshot: SnapshotRef::default(), voters: Vec::new() };
    let decided = Did::Decided { counted: Vec::new(), proposal: Cid::default() };
    let (first, second, result) = (claim(4, 1, 0), claim(5, 1, 1), commit(5, 1, 2));
    let id = result.id();
    vec![
        (relay(), vec![opened]),
        (Command::Count(vec![plan_vote(1)]), vec![decided, opens(1, bids())]),
        (Command::Act(Arc::clone(&first)), vec![Did::Bidding { task: task() }]),
        (report(1, 1), vec![Did::Bidding { task: task() }]),
        (report(2, 1), vec![closed(bids()), granting(1, &first)]),
        (relay(), vec![leased(1), opens(2, lease())]),
        (
            Command::Act(beat(4, 1, 1)),
            vec![Did::Renewed { fence: Fence(1), more_ms: 60_000, task: task() }, opens(3, lease())],
        ),
        (report(1, 3), vec![Did::Bidding { task: task() }]),
        (report(2, 3), vec![closed(lease()), released(1, ReleaseReason::Expired), opens(4, bids())]),
        (report(1, 4), vec![Did::Bidding { task: task() }]),
        (report(2, 4), vec![closed(bids()), granting(2, &second)]),
        (relay(), vec![leased(2), opens(5, lease())]),
        (
            Command::Act(Arc::clone(&result)),
            vec![closed(lease()), Did::Accepted { commit: result, fence: Fence(2), task: task() }],
        ),
        (Command::Count(vec![attest(1, 2, id)]), vec![finality(1, 2, id), opens(6, Waiting::Challenge(task()))]),
        (report(1, 6), vec![Did::Bidding { task: task() }]),
        (
            report(2, 6),
            vec![
                closed(Waiting::Challenge(task())),
                Did::Settled { payouts: Vec::new(), task: task() },
                opens(7, Waiting::Late(task())),
            ],
        ),
        (report(1, 7), vec![Did::Bidding { task: task() }]),
        (report(2, 7), vec![closed(Waiting::Late(task())), Did::Paid { task: task() }]),
        (relay(), vec![Did::Over { ending: Ending::Closed }]),
    ]
}

fn told(entries: Entries) -> Run {
    let mut run = Run { records: Vec::new(), end: End { settled: true, ..End::default() } };
    let party = |node| Party {
        agent: keys(node as u8 + 1).agent(),
        asn: String::new(),
        coordinator: true,
        honest: true,
        node: NodeNo(node),
        org: String::new(),
        part: None,
        region: String::new(),
    };
    run.tell(0, Event::Genesis { parties: (0..3).map(party).collect(), rules: rules().into() });
    for ((command, events), seq) in entries.into_iter().zip(1..) {
        let applied = Applied::new(command.id(), Outcome::Did(events), Seq(seq));
        let (command, entry, thread) = (Arc::new(command), Arc::new(applied), Thread::Need(need()));
        run.tell(0, Event::Ordered { command, entry, thread });
    }
    run
}

/// The story in which the need's own text says that each of its waits is as long as it is.
fn worded() -> Entries {
    let ms = (TOTAL.0 / 1_000_000) as u32;
    let windows =
        Windows { bids_ms: ms, challenge_ms: ms, decision_ms: ms, lease_ms: ms, proposals_ms: ms, verify_ms: ms };
    let text = swarm_core::wire::Need {
        budget: Credits(9),
        class: swarm_core::wire::Class::Simple,
        deadline_ms: 1_000,
        fee: Credits(1),
        fees: Credits(9),
        forms: [].into(),
        k_plan: 1,
        k_result: 1,
        produces: Vec::new(),
        recipe: task(),
        requires: Default::default(),
        supersedes: None,
        windows,
    };
    let mut entries = story();
    let opening = Did::Opening { need: said(1, Body::Need(text), 0, None) };
    entries[0].1.insert(0, opening);
    entries
}

/// The story in which coordinators took each entry in one second after the one before, by their own clocks, and reported the
/// end of a wait of 30 seconds when those showed it; `change` says otherwise, of what is told.
fn clocked(change: impl Fn(&mut Event)) -> Run {
    let mut run = told(story());
    let mut clocked = Vec::new();
    // What all clocks show; and when each segment was opened.
    let (mut now, mut since) = (0, BTreeMap::new());
    for record in run.records.drain(..) {
        if let Event::Ordered { command, entry, thread } = &record.event {
            let thread = *thread;
            if let Command::Word(word) = &**command
                && let Says::Elapsed { elapsed, segment } = word.says
            {
                let by = word.by;
                let no = (0..).find(|no| keys(*no as u8 + 1).agent() == by).expect("a coordinator's");
                now = now.max(since[&segment] + elapsed.0);
                let timed = Event::Timed { agent: by, boot: 1, elapsed, mono_ns: now, segment, thread };
                clocked.push(Record::new(record.at, NodeNo(no), timed));
            }
            now += 1_000_000_000;
            for event in entry.outcome.events() {
                if let Did::WaitOpened { segment, .. } = event {
                    since.insert(*segment, now);
                }
            }
            for n in 1..=3 {
                let took = Event::Took { agent: keys(n).agent(), boot: 1, mono_ns: now, seq: entry.seq, thread };
                clocked.push(Record::new(record.at, NodeNo(u32::from(n) - 1), took));
            }
        }
        clocked.push(record);
    }
    clocked.iter_mut().for_each(|record| change(&mut record.event));
    run.records = clocked;
    run
}

/// The story with one entry changed.
#[track_caller]
fn broken(at: usize, change: impl FnOnce(&mut (Command, Vec<Did>)), what: &str) {
    let mut entries = story();
    change(&mut entries[at]);
    caught(Fencing::default(), &told(entries), what);
}

#[test]
fn a_good_story_holds() {
    holds(Fencing::default(), &told(story()));
    holds(Fencing::default(), &good());
}

#[test]
fn t12_a_result_under_an_older_fence_or_epoch_or_of_another() {
    let act = |envelope| move |entry: &mut (Command, Vec<Did>)| entry.0 = Command::Act(envelope);
    broken(COMMIT, act(commit(5, 1, 1)), "COMMIT under fence 1 takes effect in epoch 1, under fence 2");
    broken(COMMIT, act(commit(5, 2, 2)), "COMMIT of epoch 2 takes effect in epoch 1");
    broken(COMMIT, act(commit(4, 1, 2)), "one who does not hold the task");
    broken(BEAT, act(beat(4, 1, 0)), "HEARTBEAT under fence 0");
    broken(BEAT, act(beat(5, 1, 1)), "one who does not hold the task");
    broken(CLAIM, act(claim(4, 1, 1)), "CLAIM under fence 1 takes effect in epoch 1, under fence 0");
}

#[test]
fn t19_a_lease_that_has_ended() {
    let yields = said(4, Body::Yield(Yield { reason: String::new(), task: task() }), 1, Some(1));
    let late = |envelope: Arc<Envelope>| move |entry: &mut (Command, Vec<Did>)| entry.0 = Command::Act(envelope);
    // The entry after the lease expired, before the next grant: nobody holds the task.
    broken(EXPIRE + 1, late(commit(4, 1, 1)), "the lease under fence 1 has ended");
    broken(EXPIRE + 1, late(beat(4, 1, 1)), "the lease under fence 1 has ended");
    broken(EXPIRE + 1, late(yields), "the lease under fence 1 has ended");
}

#[test]
fn a_vote_of_another_epoch_attempt_or_result() {
    let id = commit(5, 1, 2).id();
    let count = |vote| move |entry: &mut (Command, Vec<Did>)| entry.0 = Command::Count(vec![vote]);
    broken(1, count(plan_vote(2)), "ATTEST_PLAN of epoch 2");
    broken(VERDICT, count(attest(2, 2, id)), "ATTEST of epoch 2");
    broken(VERDICT, count(attest(1, 1, id)), "a verdict under fence 1 is counted under fence 2");
    broken(VERDICT, count(attest(1, 2, Cid::of(b"other"))), "another result than it judges");
}

#[test]
fn fences_rise_and_none_is_given_twice() {
    let winner = claim(5, 1, 1);
    for fence in [0, 1] {
        broken(AGAIN, |entry| entry.1[1] = granting(fence, &winner), "a fence does not rise");
    }
    broken(LEASED, |entry| entry.1[0] = leased(2), "something happens under fence 2, but 1 was given out");
    broken(AGAIN + 1, |entry| entry.1[0] = leased(1), "something happens under fence 1");
    broken(GRANT, |entry| drop(entry.1.pop()), "something happens under fence 1, but 0");
    // An answer that comes twice grants nothing twice.
    broken(BEAT, |entry| *entry = (relay(), vec![leased(1)]), "a grant happens to task t without");
}

#[test]
fn what_becomes_final_is_what_was_accepted() {
    let id = commit(5, 1, 2).id();
    broken(VERDICT, |entry| entry.1[0] = finality(1, 1, id), "something happens under fence 1");
    broken(VERDICT, |entry| entry.1[0] = finality(2, 2, id), "a result of epoch 2 becomes final in epoch 1");
    broken(VERDICT, |entry| entry.1[0] = finality(1, 2, Cid::of(b"other")), "finality happens to task t without");
    broken(VERDICT, |entry| drop(entry.1.remove(0)), "a settlement happens to task t without");
}

#[test]
fn t72_a_wait_ends_by_a_majority_of_its_present_segment() {
    // One clock alone; one that reports twice; reports of the segment before the renewal; one that saw too little.
    broken(EXPIRE - 1, |entry| entry.0 = relay(), "1 of 3 coordinators saw through");
    broken(EXPIRE - 1, |entry| entry.0 = report(2, 3), "1 of 3 coordinators saw through");
    broken(EXPIRE - 1, |entry| entry.0 = report(1, 2), "segment 2, which is not running");
    let short = timed(1, Span(TOTAL.0 - 1), 3);
    broken(EXPIRE - 1, |entry| entry.0 = short, "1 of 3 coordinators saw through");
    broken(EXPIRE, |entry| drop(entry.1.remove(0)), "a lease expires that no majority saw through");
    broken(EXPIRE, |entry| entry.0 = relay(), "a lease expires that no majority saw through");
    broken(BEAT, |entry| entry.1[1] = opens(2, lease()), "segment 2 does not rise");
}

/// Coordinators 0 and 1 report the end of each wait.
#[test]
fn t72_what_a_liar_reports_is_not_seen() {
    let with_liar = |node| {
        let mut run = told(story());
        run.liar(node);
        run
    };
    caught(Fencing::default(), &with_liar(1), "1 of 2 coordinators saw through");
    holds(Fencing::default(), &with_liar(2));
}

/// Each window that is over too soon: what it guards comes without its end, or its end comes without reports.
#[test]
fn t72_what_a_window_guards_comes_after_its_end() {
    for reported in [false, true] {
        let end = |entry: &mut (Command, Vec<Did>)| {
            if !reported {
                entry.0 = relay();
            }
            drop(entry.1.remove(0));
        };
        broken(GRANT, end, "a bid wins, and no majority saw the window for bids through");
        broken(SETTLED, end, "a result is settled, and no majority saw its challenge window through");
        broken(PAID, end, "a result is paid, and no majority saw its late window through");
    }
    let unheard = |entry: &mut (Command, Vec<Did>)| entry.0 = relay();
    broken(GRANT, unheard, "a bid wins, and no majority saw the window for bids through");
    broken(SETTLED, unheard, "a result is settled, and no majority saw its challenge window through");
    broken(PAID, unheard, "a window is closed that no majority saw through");
    for at in [SETTLED, PAID] {
        broken(at - 1, unheard, "1 of 3 coordinators saw through");
    }
    let voting = Did::Voting { candidates: Vec::new() };
    let proposals = |entry: &mut (Command, Vec<Did>)| entry.1.extend([opens(1, Waiting::Proposals), voting.clone()]);
    broken(0, proposals, "a vote begins while the window for proposals is open");
}

#[test]
fn a_wait_is_as_long_as_the_need_says() {
    holds(Fencing::default(), &told(worded()));
    for (at, which) in [(1, 1), (EXPIRE, 2), (VERDICT, 1), (SETTLED, 2)] {
        let mut entries = worded();
        let Did::WaitOpened { total, .. } = &mut entries[at].1[which] else { panic!("no wait begins at {at}") };
        *total = Span(TOTAL.0 - 1);
        caught(Fencing::default(), &told(entries), "it should be 30000000000 ns long");
    }
    // A vote's and a committee's time as well.
    for waiting in [Waiting::Decision, Waiting::Proposals, Waiting::Verdicts(task()), Waiting::Redraw(task())] {
        let mut entries = worded();
        let (segment, total) = (Segment(9), Span(TOTAL.0 - 1));
        entries[VERDICT].1.push(Did::WaitOpened { segment, total, waiting });
        caught(Fencing::default(), &told(entries), "it should be 30000000000 ns long");
    }
}

fn empanelled() -> Did {
    let snapshot = crate::check::fixture::pool().snapshot;
    Did::Empanelled { k_ruling: 1, seats: Vec::new(), seed: Digest::default(), snapshot, task: task() }
}

fn ruled() -> Did {
    Did::Ruled { challenge: Cid::of(b"challenge"), counted: Vec::new(), ruling: None, task: task() }
}

/// The window is measured on while a panel is asked for, and cannot end before it is clear that nobody sits.
#[test]
fn a_window_over_which_nobody_sits_never_stood_still() {
    let disputed = |ends_first: bool, sat: bool| {
        let mut entries = worded();
        let challenge = said(8, Body::Yield(Yield { reason: String::new(), task: task() }), 1, Some(2));
        let mut late = entries.split_off(SETTLED);
        let left = Span(TOTAL.0);
        let asked = Did::Challenged { bench: Default::default(), challenge, left, task: task() };
        let bids = || vec![Did::Bidding { task: task() }];
        entries.push((relay(), vec![asked]));
        if sat {
            entries.push((relay(), vec![empanelled()]));
        }
        if !ends_first {
            entries.push((relay(), vec![ruled()]));
        }
        entries.push((timed(3, TOTAL, 6), bids()));
        entries.append(&mut late);
        told(entries)
    };
    holds(Fencing::default(), &disputed(false, false));
    caught(Fencing::default(), &disputed(true, false), "a window ends while the result is disputed");
    caught(Fencing::default(), &disputed(false, true), "segment 6, which is not running");
}

/// A dispute after one coordinator has seen the window through and another two thirds of it: a third is left.
#[test]
fn a_window_that_stood_still_runs_on_for_what_was_left() {
    let disputed = |left: u64, on: u64| {
        let mut entries = worded();
        let challenge = said(8, Body::Yield(Yield { reason: String::new(), task: task() }), 1, Some(2));
        let (segment, waiting) = (Segment(7), Waiting::Challenge(task()));
        let seen = timed(3, Span(TOTAL.0 / 3 * 2), 6);
        let stood = [
            (seen, vec![Did::Bidding { task: task() }]),
            (relay(), vec![Did::Challenged { bench: Default::default(), challenge, left: Span(left), task: task() }]),
            (relay(), vec![empanelled()]),
            (relay(), vec![ruled(), Did::WaitOpened { segment, total: Span(on), waiting }]),
        ];
        let late = entries.split_off(SETTLED);
        entries.extend(stood);
        let again = |segment| (report(1, segment), vec![Did::Bidding { task: task() }]);
        entries.push(again(7));
        entries.extend(late);
        let at = entries.len();
        (entries[at - 4].0, entries[at - 3].0, entries[at - 2].0) = (report(2, 7), report(1, 8), report(2, 8));
        entries[at - 4].1[2] = opens(8, Waiting::Late(task()));
        told(entries)
    };
    let third = TOTAL.0 / 3;
    holds(Fencing::default(), &disputed(third, third));
    caught(Fencing::default(), &disputed(third - 1, third - 1), "a window stands still with");
    caught(Fencing::default(), &disputed(third, third - 1), "it should be 10000000000 ns long");
}

#[test]
fn t72_a_report_counts_for_what_its_own_clock_showed() {
    let run = clocked(|_| {});
    let timed = run.records.iter().filter(|r| matches!(r.event, Event::Timed { .. })).count();
    assert_eq!(timed, 10, "of bids twice, a lease, and both windows");
    holds(Fencing::default(), &run);
    // Whatever is waited for: bids, a lease, bids again, the challenge window, the late one.
    for of in [1, 3, 4, 6, 7].map(Segment) {
        // It had reported one second after the other.
        let early = clocked(|event| match event {
            Event::Timed { agent, mono_ns, segment, .. } if *segment == of && *agent == keys(2).agent() => {
                *mono_ns -= 1_000_000_001;
            }
            _ => {}
        });
        caught(Fencing::default(), &early, "of a wait, and its own clock showed 29999999999");
        // Of one that lies nothing else is expected, and nothing counts; one whose clock is not known is not judged.
        let mut liar = early.clone();
        liar.liar(1);
        let found = liar.finding(Fencing::default()).contradictions;
        assert!(found.iter().all(|c| c.what.contains("1 of 2 coordinators saw through")), "{found:#?}");
        let mut unknown = early;
        unknown.drop_all(|event| matches!(event, Event::Took { .. }));
        holds(Fencing::default(), &unknown);
    }
    let silent = |event: &Event| matches!(event, Event::Timed { segment: Segment(1), .. });
    let mut run = clocked(|_| {});
    run.drop_all(silent);
    caught(Fencing::default(), &run, "its own clock showed 0");
}

#[test]
fn a_clock_that_starts_anew_goes_on() {
    // Coordinator 2 restarts somewhere within the first window, and goes on from what it had reported: nothing yet.
    let reboots = |after: u64| {
        clocked(move |event| match event {
            Event::Took { agent, boot, mono_ns, seq, .. } if *agent == keys(2).agent() && seq.0 > 3 => {
                (*boot, *mono_ns) = (2, *mono_ns - 2_000_000_000);
            }
            Event::Timed { agent, boot, mono_ns, segment, .. } if *agent == keys(2).agent() => {
                let shown = if *segment == Segment(1) { after } else { *mono_ns - 2_000_000_000 };
                (*boot, *mono_ns) = (2, shown);
            }
            _ => {}
        })
    };
    holds(Fencing::default(), &reboots(TOTAL.0));
    caught(Fencing::default(), &reboots(TOTAL.0 - 3_000_000_000), "and its own clock showed");
}

#[test]
fn nothing_after_the_end() {
    let mut entries = story();
    entries.push((relay(), vec![opens(9, bids())]));
    caught(Fencing::default(), &told(entries), "after the need's end");
}

#[test]
fn an_epoch_only_rises() {
    let passed = |epoch| Did::EpochPassed { epoch: Epoch(epoch) };
    broken(1, |entry| entry.1[0] = passed(0), "epoch 0 begins after epoch 1");
    broken(1, |entry| entry.1[0] = passed(1), "passes into itself");
}

#[test]
fn what_was_refused_has_no_effect_and_what_is_missing_is_not_guessed() {
    let mut run = told(story());
    let late = Command::Act(commit(4, 1, 1));
    let refused = Applied::new(late.id(), Outcome::Refused(Reject::StaleFence), Seq(18));
    run.tell(0, Event::Ordered { command: late.into(), entry: refused.into(), thread: Thread::Need(need()) });
    holds(Fencing::default(), &run);
    // Told again by a node that restarted.
    let again = run.records[5].clone();
    run.records.push(again);
    holds(Fencing::default(), &run);
    run.records.remove(5);
    unknown(Fencing::default(), &run, "entries of");
    assert_eq!(run.finding(Fencing::default()).verdict, Verdict::Unknown);
}

#[test]
fn beliefs_of_fences_are_judged_too() {
    let granted = |e: &Event| matches!(e, Event::Granted { fence: Fence(2), .. });
    let mut run = good();
    run.edit_last(granted, |e| {
        if let Event::Granted { fence, .. } = e {
            *fence = Fence(1);
        }
    });
    caught(Fencing::default(), &run, "fence 1 is granted twice");
    let mut run = good();
    run.repeat_last(granted);
    caught(Fencing::default(), &run, "a fence does not rise");
    let mut run = good();
    run.edit_last(
        |e| matches!(e, Event::Accepted { .. }),
        |e| {
            if let Event::Accepted { fence, .. } = e {
                *fence = Fence(1);
            }
        },
    );
    caught(Fencing::default(), &run, "a result under fence 1 takes effect");
    run.liar(2);
    holds(Fencing::default(), &run);
}

/// Whoever catches up says what is final of a result that has fallen since; nobody says it of what was never granted.
#[test]
fn a_result_may_be_announced_once_it_has_fallen() {
    for (of, wrong) in [(1, None), (2, None), (3, Some("a result under fence 3 takes effect, but 2 was granted"))] {
        let mut run = good();
        run.repeat_last(|e| matches!(e, Event::Finalized { .. }));
        run.edit_last(
            |e| matches!(e, Event::Finalized { .. }),
            |e| {
                let Event::Finalized { need, record, task, .. } = e.clone() else { unreachable!("it was asked for") };
                *e = Event::Announced { fence: Fence(of), need, record, task };
            },
        );
        match wrong {
            None => holds(Fencing::default(), &run),
            Some(wrong) => caught(Fencing::default(), &run, wrong),
        }
    }
}

#[test]
fn nobody_is_shown_to_say_what_it_did_not_sign() {
    let mut run = told(story());
    let sender = keys(5).agent();
    run.tell(crate::history::WORLD.0, Event::Forged { envelope: Cid::of(b"forged"), sender });
    caught(Fencing::default(), &run, "never signed it");
}
