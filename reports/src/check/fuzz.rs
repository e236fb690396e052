//! Any history at all, in any order, is judged without a panic, and the verdicts agree with what they rest on.

use proptest::prelude::*;

use super::{End, Judge, Verdict, fixture, judge};
use crate::history::{Account, Event, LedgerEvent, Leg, Move, NodeNo, Record};
use swarm_core::id::{Credits, Epoch, Fence, Seq};

/// Turns some numbers of an event into others.
fn distort(event: &mut Event, by: u64) {
    match event {
        Event::Granted { fence, epoch, eta_ms, lease_ms, .. } => {
            (*fence, *epoch, *eta_ms, *lease_ms) = (Fence(by), Epoch(by), by as u32, (by >> 8) as u32);
        }
        Event::Renewed { more_ms, .. } if by.is_multiple_of(3) => *more_ms = by as u32,
        Event::Renewed { fence, .. } | Event::LeaseEnded { fence, .. } | Event::Accepted { fence, .. } => {
            *fence = Fence(by)
        }
        Event::Applied { seq, .. } | Event::Believed { seq, .. } | Event::Discharged { seq, .. } => *seq = Seq(by),
        Event::Decided { k, snapshot, .. } => (*k, snapshot.number) = (by as u32, by as u32),
        Event::SnapshotTaken(taken) => {
            let taken = std::sync::Arc::make_mut(taken);
            (taken.active, taken.bootstrap) = (by as u32, by.is_multiple_of(2));
            taken.members.iter_mut().for_each(|member| member.weight = by);
            taken.members.truncate(by as usize % 30);
        }
        Event::Genesis { rules, .. } => {
            let rules = std::sync::Arc::make_mut(rules);
            (rules.alpha_bp, rules.seats_spare, rules.voters_spare, rules.held_ns_max) =
                (by as u32, by as u32, by as u32, by);
            rules.held_ns_min = by;
        }
        Event::NeedPosted { k_plan, k_result, fee, .. } => {
            (*k_plan, *k_result, *fee) = (by as u32, by as u32, Credits(by));
        }
        Event::Seated { seats, .. } => *seats = seats.iter().copied().cycle().take(by as usize % 30).collect(),
        Event::Ledger(LedgerEvent::Posted { legs, .. }) => {
            let leg = |_| Leg { amount: Credits(by), from: Account::Outside, to: Account::Commons };
            *legs = (0..3).map(leg).collect();
        }
        Event::Ledger(LedgerEvent::LienBooked { amount, .. }) => *amount = Credits(by),
        Event::Ledger(event) if by.is_multiple_of(5) => {
            *event = LedgerEvent::Posted { key: by.to_string().into(), legs: [].into(), op: Move::Burn };
        }
        _ => {}
    }
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![0..40_u64, Just(u64::MAX), Just(u64::from(u32::MAX)), any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn never_a_panic(
        picks in prop::collection::vec((any::<prop::sample::Index>(), numbers(), 0..5_u32, numbers(), any::<bool>()), 0..120),
        settled: bool,
        at in numbers(),
    ) {
        let good = fixture::good().records;
        let records: Vec<_> = picks.into_iter().map(|(pick, at, node, by, bent)| {
            let mut event = pick.get(&good).event.clone();
            if bent {
                distort(&mut event, by);
            }
            Record::new(at, if node == 4 { crate::WORLD } else { NodeNo(node) }, event)
        }).collect();
        let end = End { at, settled, ..End::default() };
        let judged = judge(&records, &end);
        for finding in judged.properties.values() {
            prop_assert_eq!(finding.verdict == Verdict::Violated, finding.violations > 0);
            prop_assert!(finding.contradictions.len() <= 5);
        }
        // One record at a time, with a verdict asked for in between, comes to the same.
        let mut watcher = Judge::default();
        for record in &records {
            watcher.see(record);
        }
        watcher.finish(&end);
        prop_assert_eq!(watcher.finish(&end), judged);
    }
}
