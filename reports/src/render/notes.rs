//! What a reader of a sweep must know beside its figures, in the order in which it is told, for every way to read it.

use super::human::short;
use super::{counted, credits, grouped};
use crate::check::Outcome;
use crate::report::{GapKind, HONEST, PAIRS_TELLING, RUNS_TELLING, SweepReport};

/// Something to know about a scenario.
pub(super) struct Note {
    pub scenario: String,
    /// What kind of thing, in a few words.
    pub what: &'static str,
    /// Whether it fails the sweep by itself.
    pub grave: bool,
    pub text: String,
}

/// How the first line ends, where the verdict does not say it all.
pub(super) fn but(report: &SweepReport) -> Option<String> {
    let ended = report.total.properties.values().map(|p| p.expected + p.ended).max().unwrap_or(0);
    let paid = (!report.pays.is_empty()).then(|| "as a lie pays".to_owned());
    let but = if report.verdict == Outcome::Held { "but for" } else { "with" };
    let ended = (ended > 0).then(|| format!("{but} a promise that ends in {}", grouped(ended)));
    let parts: Vec<_> = paid.into_iter().chain(ended).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// All of a sweep.
pub(super) fn of(report: &SweepReport) -> Vec<Note> {
    let note = |scenario: &String, what, text| Note { scenario: scenario.clone(), what, grave: false, text };
    let mut notes = Vec::new();
    for name in report.scenarios.keys() {
        for (kind, what) in [
            (GapKind::Property, "properties never checked"),
            (GapKind::Mark, "marks never hit"),
            (GapKind::Fault, "faults that never bit"),
            (GapKind::Profit, "lies known to pay that did not"),
            (GapKind::Violation, "properties to be violated that never were"),
        ] {
            let gaps = report.gaps.iter().filter(|gap| gap.scenario == *name && gap.kind == kind);
            let list: Vec<_> = gaps.clone().map(|gap| gap.name.as_str()).collect();
            let few = if gaps.clone().any(|gap| !gap.counts) {
                format!(" (too few runs to tell: {RUNS_TELLING} would)")
            } else {
                String::new()
            };
            if !list.is_empty() {
                notes.push(note(name, what, list.join(", ") + &few));
            }
        }
    }
    for (name, sums) in &report.scenarios {
        let few = report.unweighed.iter().filter(|lie| lie.scenario == *name);
        let few: Vec<_> = few.map(|lie| format!("{} ({})", lie.strategy, lie.role)).collect();
        if !few.is_empty() {
            let left_out = sums.properties.values().map(|p| p.expected).max().filter(|left_out| *left_out > 0);
            let but = left_out.map_or_else(String::new, |n| format!(" and no promise that ends, as in {}", grouped(n)));
            let why = format!("too few runs with honest ones beside them{but}: {PAIRS_TELLING} would tell");
            notes.push(note(name, "lies whose profit was not weighed", format!("{} ({why})", few.join(", "))));
        }
    }
    for (name, sums) in &report.scenarios {
        let runs = counted(sums.runs, "run");
        for (property, why) in &sums.breaks {
            let seen = sums.properties.get(property).map_or(0, |p| p.expected);
            if seen > 0 {
                let text = format!("the promise of {property} ends in {} of {runs}: {why}", grouped(seen));
                notes.push(note(name, "expected violation", text));
            }
        }
        for (property, p) in sums.properties.iter().filter(|(_, p)| p.ended > 0) {
            let first = p.ended_first.map_or_else(String::new, |seed| format!(", first with seed {}", seed.0));
            let text =
                format!("that of {property} in {} of {runs}{first}; the report of each says how", grouped(p.ended));
            notes.push(note(name, "the promise ended", text));
        }
    }
    for pays in &report.pays {
        let of_role = &report.scenarios[&pays.scenario].profits[&pays.role];
        let mean = |strategy: &str| of_role.get(strategy).map_or_else(String::new, |profit| credits(profit.mean_bp));
        let text = format!(
            "{} earns {} credits where an honest {} earns {} (how much of what is done honest verifiers look at again is \
             `watch_bp` in [protocol])",
            pays.strategy,
            mean(&pays.strategy),
            pays.role,
            mean(HONEST)
        );
        notes.push(Note { grave: true, ..note(&pays.scenario, "lying pays", text) });
    }
    notes.iter_mut().for_each(|note| note.text = short(&note.text));
    notes
}
