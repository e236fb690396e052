//! The oracles against a real history: one run in which everything holds, doctored in ways that a careless oracle would miss.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use swarm_core::id::{AgentId, Credits, NeedId, Nonce, Seq, Thread};
use swarm_core::register::{Answer, Applied, Ask, Event as Did, Outcome};
use swarm_core::reject::Reject;
use swarm_reports::check::{End, Finding, Verdict, judge};
use swarm_reports::history::{Account, Event, LedgerEvent, NodeNo, Record};

use super::{RunOptions, run};

const SMALL: &str = "\
teaches = \"Two needs, one of which has a late worker.\"
[workload]
needs = 2
recipe = \"chain\"
tasks = 2
";

fn history() -> &'static [Record] {
    static TOLD: OnceLock<Vec<Record>> = OnceLock::new();
    TOLD.get_or_init(|| {
        let scenario = swarm_scenarios::load_text(Path::new("small.toml"), SMALL).expect("it is a scenario");
        let options = RunOptions { keep_history: true, ..RunOptions::default() };
        run(&scenario, 5, options).unwrap_or_else(|_| panic!("it takes no input")).history
    })
}

fn finding(records: &[Record], property: &str) -> Finding {
    let end = End { at: records.last().map_or(0, |r| r.at), settled: true, ..End::default() };
    judge(records, &end).properties.remove(property).expect("it is judged")
}

/// The history with one change, which `property` must see, and say in these words.
#[track_caller]
fn caught(property: &str, what: &str, change: impl FnOnce(&mut Vec<Record>)) {
    let mut records = history().to_vec();
    change(&mut records);
    let found = finding(&records, property);
    assert_eq!(found.verdict, Verdict::Violated, "{found:#?}");
    let said = found.contradictions.iter().any(|c| c.what.contains(what));
    assert!(said, "no {what:?} in {:?}", found.contradictions.iter().map(|c| &c.what).collect::<Vec<_>>());
}

/// Changes the outcome of the first entry that did what `which` looks for.
fn outcome(records: &mut [Record], which: impl Fn(&Did) -> bool, change: impl FnOnce(&mut Vec<Did>)) {
    let mut change = Some(change);
    for record in records {
        let Event::Ordered { entry, .. } = &mut record.event else { continue };
        if entry.outcome.events().iter().any(&which)
            && let Some(change) = change.take()
        {
            let mut events = entry.outcome.events().to_vec();
            change(&mut events);
            *entry = Arc::new(Applied::new(entry.command, Outcome::Did(events), entry.seq));
        }
    }
    assert!(change.is_none(), "nothing of that kind happened");
}

fn each(events: &mut [Did], change: impl FnMut(&mut Did)) {
    events.iter_mut().for_each(change);
}

#[test]
fn the_history_itself_holds() {
    // Nobody lies in it, and there are no decoys.
    let rare = swarm_reports::check::RARE;
    for property in swarm_reports::check::PROPERTIES.into_iter().filter(|property| !rare.contains(property)) {
        let found = finding(history(), property);
        assert_eq!((property, found.verdict), (property, Verdict::Holds), "{found:#?}");
        assert!(found.checked > 0, "{property} is vacuous");
    }
}

#[test]
fn the_model_sees_what_an_entry_did_not_do() {
    let decided = |did: &Did| matches!(did, Did::Decided { .. });
    caught("model", "happens here", |records| {
        outcome(records, decided, |events| {
            each(events, |did| {
                if let Did::Decided { counted, .. } = did {
                    counted.pop();
                }
            })
        });
    });
    caught("model", "nothing was told", |records| {
        outcome(records, |did| matches!(did, Did::Over { .. }), |events| drop(events.pop()));
    });
    let finality = |did: &Did| matches!(did, Did::Settled { .. });
    caught("model", "happens here", |records| {
        outcome(records, finality, |events| {
            each(events, |did| {
                if let Did::Settled { payouts, .. } = did {
                    payouts[0].amount = Credits(payouts[0].amount.0 + 1);
                }
            })
        });
    });
    caught("model", "happens here", |records| {
        outcome(
            records,
            |did| matches!(did, Did::Granting { .. }),
            |events| {
                each(events, |did| {
                    if let Did::Asked { ask: Ask::Grant { bond, .. }, .. } = did {
                        *bond = Credits(bond.0 + 1);
                    }
                })
            },
        );
    });
}

#[test]
fn the_model_sees_what_was_refused_or_not_for_no_reason() {
    let entry_at = |records: &[Record], did: bool| {
        let fits = |record: &Record| match &record.event {
            Event::Ordered { entry, thread: Thread::Need(_), .. } => {
                entry.seq > Seq(3) && (matches!(entry.outcome, Outcome::Did(_)) == did)
            }
            _ => false,
        };
        records.iter().position(fits).expect("there is one")
    };
    caught("model", "it was refused", |records| {
        let at = entry_at(records, true);
        let Event::Ordered { entry, .. } = &mut records[at].event else { unreachable!("just found") };
        *entry = Arc::new(Applied::new(entry.command, Outcome::Refused(Reject::WrongPhase), entry.seq));
    });
    caught("model", "it took effect, and is refused here", |records| {
        // The same command once more, under the next place, as if it had not been known.
        let at = entry_at(records, true);
        let Event::Ordered { command, entry, thread } = records[at].event.clone() else { unreachable!("just found") };
        let again = Applied::new(entry.command, entry.outcome.clone(), entry.seq.next());
        let record = Record { event: Event::Ordered { command, entry: again.into(), thread }, ..records[at].clone() };
        records.insert(at + 1, record);
    });
}

#[test]
fn the_model_sees_who_may_not_have_been_drawn() {
    let answered = |did: &Did| matches!(did, Did::Answered { answer: Answer::Escrowed { .. }, .. });
    let change = |edit: fn(&mut u32, &mut Vec<AgentId>)| {
        move |records: &mut Vec<Record>| {
            for record in records.iter_mut() {
                let Event::Ordered { entry, thread: Thread::System, .. } = &mut record.event else { continue };
                if !entry.outcome.events().iter().any(answered) {
                    continue;
                }
                let mut events = entry.outcome.events().to_vec();
                each(&mut events, |did| {
                    if let Did::Answered { answer: Answer::Escrowed { k_plan, voters, .. }, .. } = did {
                        edit(k_plan, voters);
                    }
                });
                *entry = Arc::new(Applied::new(entry.command, Outcome::Did(events), entry.seq));
            }
        }
    };
    caught("model", "was drawn, and is not in the pool", change(|_, voters| voters[0] = AgentId([9; 32])));
    caught("model", "distinct were drawn", change(|_, voters| voters[0] = voters[1]));
    caught(
        "model",
        "distinct were drawn",
        change(|_, voters| {
            voters.pop();
        }),
    );
    caught("model", "K is", change(|k, _| *k += 1));
}

#[test]
fn what_could_have_been_had_is_not_denied() {
    let denied = |which: fn(&Answer) -> bool, why: Reject| {
        move |records: &mut Vec<Record>| {
            for record in records.iter_mut() {
                let Event::Ordered { entry, thread: Thread::System, .. } = &mut record.event else { continue };
                let mut events = entry.outcome.events().to_vec();
                each(&mut events, |did| {
                    if let Did::Answered { answer, .. } = did
                        && which(answer)
                    {
                        *answer = Answer::Denied(why);
                    }
                });
                if let Outcome::Did(_) = entry.outcome {
                    *entry = Arc::new(Applied::new(entry.command, Outcome::Did(events), entry.seq));
                }
            }
        }
    };
    let escrow = |answer: &Answer| matches!(answer, Answer::Escrowed { .. });
    let seats = |answer: &Answer| matches!(answer, Answer::Seated { .. });
    for why in [Reject::NoQuorum, Reject::NotEnough] {
        caught("model", "can be had is true and can be voted on is true here", denied(escrow, why));
        caught("model", "a committee is denied, and can be seated here", denied(seats, why));
    }
}

#[test]
fn a_pool_is_what_ledger_and_registry_make_of_it() {
    type Change = fn(&mut swarm_reports::history::PoolSnapshot);
    let changes: [(&str, Change); 6] = [
        ("may be drawn here", |taken| drop(taken.members.pop())),
        ("the weight of", |taken| taken.members[0].weight += 1),
        ("the stake of", |taken| taken.members[0].stake.0 += 1),
        ("the reputation of", |taken| taken.members[0].reputation_bp += 1),
        ("has stated another place", |taken| taken.members[0].org.push('x')),
        ("its digest is", |taken| taken.snapshot.digest = Default::default()),
    ];
    for (what, change) in changes {
        for nth in [0, 1] {
            caught("model", what, |records| {
                let mut numbers = std::collections::BTreeMap::new();
                for record in records.iter_mut() {
                    let Event::SnapshotTaken(taken) = &mut record.event else { continue };
                    let number = taken.snapshot.number;
                    let place = numbers.len();
                    if *numbers.entry(number).or_insert(place) == nth {
                        let mut other = (**taken).clone();
                        change(&mut other);
                        *taken = Arc::new(other);
                    }
                }
                assert!(numbers.len() > nth, "so many snapshots were not taken");
            });
        }
    }
}

#[test]
fn no_wait_of_any_kind_is_reported_before_its_time() {
    let timed = |record: &Record| match &record.event {
        Event::Timed { segment, thread: thread @ Thread::Need(_), .. } => Some((*thread, *segment)),
        _ => None,
    };
    let waits: std::collections::BTreeSet<_> = history().iter().filter_map(timed).collect();
    assert!(waits.len() > 8, "proposals, bids, both windows of each task");
    for wait in waits {
        caught("P4", "its own clock showed", |records| {
            for record in records.iter_mut().filter(|record| timed(record) == Some(wait)) {
                // A late bid makes its coordinator patient, for a quarter of a minute at most.
                if let Event::Timed { mono_ns, .. } = &mut record.event {
                    *mono_ns -= 16_000_000_000;
                }
            }
        });
    }
}

#[test]
fn a_need_that_its_requester_never_posted() {
    caught("liveness", "was asked for", |records| {
        let last = |record: &Record| matches!(record.event, Event::NeedPosted { .. });
        let at = records.iter().rposition(last).expect("two were posted");
        let Event::NeedPosted { need, .. } = records[at].event else { unreachable!("just found") };
        records.retain(|record| match &record.event {
            Event::NeedPosted { need: of, .. } | Event::NeedEnded { need: of, .. } => *of != need,
            _ => true,
        });
    });
}

#[test]
fn credits_that_went_elsewhere_in_books_that_agree() {
    // Every node tells of the same wrong payee, and its books at the end say so too: nothing is made, lost or overdrawn.
    let payee = |records: &[Record]| {
        records.iter().find_map(|record| match &record.event {
            Event::Ledger(LedgerEvent::Posted { legs, .. }) => legs.iter().find_map(|leg| match (&leg.from, &leg.to) {
                (Account::Pot(_), Account::Free(to)) => Some(*to),
                _ => None,
            }),
            _ => None,
        })
    };
    let (from, to) = (payee(history()).expect("somebody is paid"), AgentId([9; 32]));
    let mut records = history().to_vec();
    let mut moved = 0;
    for record in &mut records {
        match &mut record.event {
            Event::Ledger(LedgerEvent::Posted { legs, .. }) => {
                let mut own = legs.to_vec();
                let hits = |leg: &swarm_reports::history::Leg| {
                    matches!(leg.from, Account::Pot(_)) && leg.to == Account::Free(from)
                };
                for leg in own.iter_mut().filter(|leg| hits(leg)) {
                    leg.to = Account::Free(to);
                    moved += if record.node == NodeNo(0) { leg.amount.0 } else { 0 };
                }
                *legs = own.into();
            }
            Event::Ledger(LedgerEvent::Books { balances, .. }) => {
                let mut own = balances.to_vec();
                own.iter_mut().filter(|(a, _)| *a == Account::Free(from)).for_each(|(_, c)| c.0 -= moved);
                own.push((Account::Free(to), Credits(moved)));
                own.retain(|(_, c)| c.0 > 0);
                *balances = own.into();
            }
            _ => {}
        }
    }
    for property in ["P9", "model"] {
        let found = finding(&records, property);
        assert_eq!((property, found.verdict), (property, Verdict::Violated), "{found:#?}");
    }
}

#[test]
fn a_lien_that_nobody_ends() {
    caught("P9", "outlives its need", |records| {
        let ends = |event: &Event| match event {
            Event::Ledger(LedgerEvent::LienEnded { lien }) => Some(lien.clone()),
            _ => None,
        };
        let first = records.iter().find_map(|record| ends(&record.event)).expect("liens end");
        records.retain(|record| ends(&record.event).as_ref() != Some(&first));
    });
}

#[test]
fn an_entry_of_one_need_in_anothers_thread() {
    for property in ["P4", "model"] {
        let what = if property == "P4" { "takes effect" } else { "is refused here" };
        caught(property, what, |records| {
            let mut threads = records.iter().filter_map(|record| match record.event {
                Event::Ordered { thread: thread @ Thread::Need(_), .. } => Some(thread),
                _ => None,
            });
            let (one, other) = (threads.next().unwrap(), NeedId::of(&AgentId([1; 32]), Nonce(1)));
            let stray = |record: &Record| {
                let Event::Ordered { command, entry, thread } = &record.event else { return None };
                let granted = entry.outcome.events().iter().any(|did| matches!(did, Did::Accepted { .. }));
                let entry = Applied::new(entry.command, entry.outcome.clone(), Seq(1)).into();
                let event = Event::Ordered { command: Arc::clone(command), entry, thread: Thread::Need(other) };
                (granted && *thread == one).then(|| Record { event, ..record.clone() })
            };
            let stray = records.iter().find_map(stray).expect("a result is accepted");
            records.push(stray);
        });
    }
}

#[test]
fn an_entry_left_out_is_unknown_and_one_told_again_is_nothing() {
    let at = |record: &Record| matches!(&record.event, Event::Ordered { entry, thread: Thread::Need(_), .. } if entry.seq == Seq(7));
    let place = history().iter().position(at).expect("threads are longer");
    let mut left_out = history().to_vec();
    let record = left_out.remove(place);
    for property in ["P4", "model"] {
        assert_eq!(finding(&left_out, property).verdict, Verdict::Unknown, "{property}");
    }
    let mut again = history().to_vec();
    again.insert(place + 1, record);
    for property in ["P4", "model"] {
        assert_eq!(finding(&again, property).verdict, Verdict::Holds, "{property}");
    }
}
