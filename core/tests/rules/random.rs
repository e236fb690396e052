//! Random histories, valid and hostile: apply is total, a refusal changes nothing, who folds the events holds the same
//! record, fences rise, the books balance after every step, and when the need has ended no pot is left.
//!
//! The stage holds all of that after every command (see `kit`); here is where the commands come from.

use std::sync::Arc;

use proptest::prelude::*;

use crate::kit::*;
use swarm_core::id::*;
use swarm_core::register::Command;
use swarm_core::slot::Waiting;
use swarm_core::time::Span;
use swarm_core::wire::*;

/// What happens next. Most of it makes sense in some state only.
#[derive(Clone, Debug)]
enum Step {
    Act { who: usize, words: usize, task: usize, amount: u64 },
    Skewed { who: usize, words: usize, task: usize, epoch: u64, fence: u64 },
    Again(usize),
    Approve { voters: usize, candidate: usize, k: usize },
    Judge { pass: bool, task: usize, k: usize, shift: usize },
    Elapse(usize),
    Report { by: usize, wait: usize, elapsed: u64 },
    Carry,
    Reveal,
    System { who: usize, verb: usize, amount: u64 },
    Snapshot,
}

const WHO: [&str; 10] = ["r1", "p1", "p2", "w1", "w2", "w3", "v1", "v2", "c1", "nobody"];
const WORDS: [&str; 9] = ["need", "propose", "claim", "heartbeat", "yield", "cancel", "commit", "pass", "fail"];
const TASKS: [&str; 3] = ["cut", "join", "nowhere"];

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 1..40_u64, 1 => 990_000..1_000_010_u64, 1 => Just(u64::MAX), 1 => Just(0_u64)]
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..WHO.len();
    prop_oneof![
        8 => (who.clone(), 0..WORDS.len(), 0..TASKS.len(), amount())
            .prop_map(|(who, words, task, amount)| Step::Act { who, words, task, amount }),
        // What somebody who knows its part would say.
        8 => (prop::sample::select(vec![(0, 0), (1, 1), (2, 1), (3, 2), (4, 2), (3, 3), (3, 6), (4, 6), (3, 4), (0, 5)]), 0..2_usize, 1..20_u64)
            .prop_map(|((who, words), task, amount)| Step::Act { who, words, task, amount }),
        1 => (who.clone(), 0..WORDS.len(), 0..TASKS.len(), prop_oneof![0..3_u64, Just(u64::MAX)], prop_oneof![0..4_u64, Just(u64::MAX)])
            .prop_map(|(who, words, task, epoch, fence)| Step::Skewed { who, words, task, epoch, fence }),
        2 => any::<usize>().prop_map(Step::Again),
        3 => (0..8_usize, 0..3_usize, 1..9_usize)
            .prop_map(|(voters, candidate, k)| Step::Approve { voters, candidate, k }),
        4 => (any::<bool>(), 0..2_usize, 1..6_usize, 0..5_usize)
            .prop_map(|(pass, task, k, shift)| Step::Judge { pass, task, k, shift }),
        6 => (0..4_usize).prop_map(Step::Elapse),
        2 => (0..WHO.len(), 0..6_usize, prop_oneof![Just(0_u64), Just(u64::MAX), any::<u64>(), 0..100_000_000_000_u64])
            .prop_map(|(by, wait, elapsed)| Step::Report { by, wait, elapsed }),
        8 => Just(Step::Carry),
        4 => Just(Step::Reveal),
        1 => (who, 0..6_usize, amount()).prop_map(|(who, verb, amount)| Step::System { who, verb, amount }),
        1 => Just(Step::Snapshot),
    ]
}

fn words(step_words: usize, task: usize, amount: u64) -> String {
    match WORDS[step_words] {
        "need" => "need".into(),
        "propose" => format!("propose {}", amount as u32),
        "cancel" if amount.is_multiple_of(3) => "cancel".into(),
        word => format!("{word} {} {amount}", TASKS[task]),
    }
}

fn take(stage: &mut Stage, said: &mut Vec<Command>, step: Step) {
    let mut submit = |stage: &mut Stage, command: Command| {
        said.push(command.clone());
        drop(stage.submit(command));
    };
    match step {
        Step::Act { who, words: w, task, amount } => {
            let body = stage.parse(&words(w, task, amount));
            let envelope = stage.say(WHO[who], body);
            submit(stage, Command::Act(envelope));
        }
        Step::Skewed { who, words: w, task, epoch, fence } => {
            let body = stage.parse(&words(w, task, 1));
            let envelope = stage.say_with(WHO[who], body, |c| {
                c.epoch = c.epoch.map(|_| Epoch(epoch));
                c.fence = Some(Fence(fence));
            });
            submit(stage, Command::Act(envelope));
        }
        Step::Again(n) => {
            if !said.is_empty() {
                let command = said[n % said.len()].clone();
                drop(stage.submit(command));
            }
        }
        Step::Approve { voters, candidate, k } => {
            let n = stage.record.voters.len();
            if n > 0 {
                let candidate = stage.record.candidates.get(candidate).copied();
                let at: Vec<usize> = (0..k.min(n)).map(|i| (voters + i) % n).collect();
                let votes = stage.approvals(&at, candidate);
                submit(stage, Command::Count(votes));
            }
        }
        Step::Judge { pass, task, k, shift } => {
            let n = stage.record.tasks.get(&label(TASKS[task])).map_or(0, |t| t.seats.len());
            if n > 0 {
                let at: Vec<usize> = (0..k.min(n)).map(|i| (shift + i) % n).collect();
                let words = format!("{} {}", if pass { "pass" } else { "fail" }, TASKS[task]);
                let votes = stage.verdicts(&words, &at);
                submit(stage, Command::Count(votes));
            }
        }
        Step::Elapse(n) => {
            let Some((_, watch)) = stage.record.waits.iter().nth(n).or(stage.record.waits.iter().next()) else {
                return;
            };
            let (segment, elapsed) = (watch.segment, watch.total);
            for by in ["c1", "c2"] {
                submit(stage, timed(by, stage.thread(), elapsed, segment));
            }
        }
        Step::Report { by, wait, elapsed } => {
            let segment = stage.record.waits.values().nth(wait).map_or(Segment(elapsed), |w| w.segment);
            submit(stage, timed(WHO[by], stage.thread(), Span(elapsed), segment));
        }
        Step::Carry => drop(stage.relay()),
        Step::Reveal => {
            if stage.system.open_round().is_some_and(|round| round < LINKS) {
                stage.reveal();
            }
        }
        Step::System { who, verb, amount } => {
            let (amount, to) = (Credits(amount), id_of("w2"));
            let body = match verb {
                0 => Body::Stake(Amount { amount }),
                1 => Body::Unstake(Amount { amount }),
                2 => Body::Withdraw(Amount { amount }),
                3 => Body::Transfer(AmountTo { amount, to }),
                4 => Body::Delegate(AmountTo { amount, to }),
                _ => Body::Mint(AmountTo { amount, to }),
            };
            let act = stage.say(WHO[who], body);
            drop(stage.submit_system(Command::Act(Arc::clone(&act))));
            assert!(stage.submit_system(Command::Act(act)).is_err(), "nothing is booked twice");
        }
        Step::Snapshot => {
            let number = stage.system.number() + 1;
            drop(stage.submit_system(Command::Snapshot { number }));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t79_any_history_is_survived_and_ends(steps in prop::collection::vec(step(), 0..120), opened: bool) {
        let mut stage = Stage::with(3, |p| p.bond_bp = 5_000, |_| {});
        if opened {
            stage.open();
        }
        let mut said = Vec::new();
        for step in steps {
            take(&mut stage, &mut said, step);
        }
        // Then the world falls silent, and it must come to an end.
        if stage.record.need.is_some() {
            for _ in 0..300 {
                stage.relay();
                stage.reveal();
                stage.relay();
                let Some(watch) = stage.record.waits.values().next().cloned() else { break };
                for by in ["c1", "c2"] {
                    drop(stage.submit(timed(by, stage.thread(), watch.total, watch.segment)));
                }
            }
            prop_assert!(stage.record.is_over(), "stuck in {:?}", stage.record.phase);
            prop_assert_eq!(stage.open_pots(), 0);
            prop_assert_eq!(stage.system.ledger().all_liens().count(), 0);
        }
        prop_assert!(!stage.record.waits.contains_key(&Waiting::Reveals), "only the system waits for reveals");
    }
}
