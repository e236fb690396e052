//! Text for people: short, and a failure says the property, what contradicts what, and the command that does it again.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Color, Table, presets};

use super::{grouped, span};
use crate::check::{Contradiction, NeedCounts, Outcome, Verdict};
use crate::report::{FaultCount, RunReport, SweepReport};

/// How text may look. The caller knows whether it goes to a terminal and whether `NO_COLOR` is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI colours may be used.
    pub color: bool,
}

/// Failing seeds shown of a sweep; the JSON report has all.
const FAILURES_SHOWN_MAX: usize = 10;

/// A run for people.
pub fn run(report: &RunReport, style: Style) -> String {
    let mut out = String::new();
    let verdict = style.paint(report.verdict.as_str(), outcome_color(report.verdict));
    let _ = writeln!(out, "{}, seed {}: {verdict}", report.scenario, report.seed);
    let _ = writeln!(out, "\nneeds: {}", needs(&report.needs));

    let mut table = style.table(&["property", "verdict", "checked"]);
    for (name, p) in &report.properties {
        let (word, color) = verdict_word(p.verdict, p.checked);
        table.add_row([Cell::new(name), Cell::new(word).fg(color), number(p.checked)]);
    }
    section(&mut out, &table);
    if let Some(table) = faults(&report.faults, style) {
        section(&mut out, &table);
    }
    if let Some(table) = marks(&report.sometimes, style) {
        section(&mut out, &table);
    }
    if !report.refused.is_empty() {
        let list: Vec<_> = report.refused.iter().map(|(name, n)| format!("{name} {}", grouped(*n))).collect();
        let _ = writeln!(out, "\nrefused: {}", list.join(", "));
    }
    let _ = writeln!(out, "\ntime: {}", times(report.simulated_ns, report.real_ns.0));
    let _ = writeln!(out, "traffic: {}", traffic(report.deliveries, report.envelopes, report.signatures));
    let _ = writeln!(out, "trace hash: {}", report.trace_hash);
    for alarm in &report.alarms {
        let _ = writeln!(out, "\n{} {}", style.paint("alarm:", Color::Red), alarm.what);
    }
    for found in &report.contradictions {
        contradiction(&mut out, found, style);
    }
    for (name, p) in report.properties.iter().filter(|(_, p)| p.verdict == Verdict::Unknown) {
        for why in &p.unknown {
            let _ = writeln!(out, "\n{name} unknown: {why}");
        }
    }
    if !report.vacuous.is_empty() {
        let _ = writeln!(out, "\nnever checked: {}", report.vacuous.join(", "));
    }
    if report.verdict.failed() {
        let _ = writeln!(out, "\nagain: {}", report.reproduce);
    }
    out
}

/// A sweep for people.
pub fn sweep(report: &SweepReport, style: Style) -> String {
    let mut out = String::new();
    let verdict = style.paint(report.verdict.as_str(), outcome_color(report.verdict));
    let total = &report.total;
    let _ = writeln!(out, "{} runs of {} scenarios: {verdict}", grouped(total.runs), report.scenarios.len());
    let _ = writeln!(out, "\nneeds: {}", needs(&total.needs));

    let mut table = style.table(&["scenario", "runs", "failed", "settled", "deliveries"]);
    for (name, sums) in &report.scenarios {
        let failed = report.failures.iter().filter(|f| f.scenario == *name).count() as u64;
        let cells = [sums.runs, failed, sums.needs.settled, sums.deliveries].map(number);
        table.add_row([Cell::new(name)].into_iter().chain(cells));
    }
    section(&mut out, &table);
    let mut table = style.table(&["property", "verdict", "checked", "violated", "unknown"]);
    for (name, p) in &total.properties {
        let (word, color) = verdict_word(p.verdict, p.checked);
        let cells = [p.checked, p.violated, p.unknown].map(number);
        table.add_row([Cell::new(name), Cell::new(word).fg(color)].into_iter().chain(cells));
    }
    section(&mut out, &table);
    if let Some(table) = faults(&total.faults, style) {
        section(&mut out, &table);
    }
    if let Some(table) = marks(&total.sometimes, style) {
        section(&mut out, &table);
    }
    let _ = writeln!(out, "\ntime: {}", times(total.simulated_ns, total.real_ns.0));
    let _ = writeln!(out, "traffic: {}", traffic(total.deliveries, total.envelopes, total.signatures));
    let _ = writeln!(out, "trace hash of all: {}", total.trace_hash);
    let never = [
        ("never checked", &report.vacuous),
        ("marks never hit", &report.marks_never_hit),
        ("faults that never bit", &report.faults_never_bit),
    ];
    for (what, list) in never.into_iter().filter(|(_, list)| !list.is_empty()) {
        let _ = writeln!(out, "\n{}: {}", style.paint(what, Color::Yellow), list.join(", "));
    }
    for failure in report.failures.iter().take(FAILURES_SHOWN_MAX) {
        let verdict = style.paint(failure.verdict.as_str(), outcome_color(failure.verdict));
        let _ = writeln!(out, "\n{}, seed {}: {verdict}", failure.scenario, failure.seed);
        for line in &failure.what {
            let _ = writeln!(out, "  {line}");
        }
        for found in &failure.contradictions {
            contradiction(&mut out, found, style);
        }
        let _ = writeln!(out, "  again: {}", failure.reproduce);
    }
    if report.failures.len() > FAILURES_SHOWN_MAX {
        let _ = writeln!(out, "\nand {} more failing seeds", report.failures.len() - FAILURES_SHOWN_MAX);
    }
    out
}

fn contradiction(out: &mut String, found: &Contradiction, style: Style) {
    let _ = writeln!(out, "\n{} {}", style.paint(&format!("{}:", found.property), Color::Red), found.what);
    for witness in &found.records {
        let _ = writeln!(out, "  {} at {} ns: {}", witness.node, witness.at_ns, witness.event);
    }
}

fn needs(n: &NeedCounts) -> String {
    let ends = [(n.settled, "settled"), (n.cancelled, "cancelled"), (n.failed, "failed"), (n.unfinished, "unfinished")];
    let ends: Vec<_> = ends.iter().map(|(n, word)| format!("{} {word}", grouped(*n))).collect();
    let (posted, opened, finalized) = (grouped(n.posted), grouped(n.opened), grouped(n.finalized));
    format!("{posted} posted, {opened} opened, {finalized} finalized; {}", ends.join(", "))
}

fn times(simulated: u64, real: u64) -> String {
    let mut text = format!("{} simulated in {}", span(simulated), span(real));
    if let Some(times) = simulated.checked_div(real).filter(|times| *times > 1) {
        let _ = write!(text, ", {} times as fast as real", grouped(times));
    }
    text
}

fn traffic(deliveries: u64, envelopes: u64, signatures: u64) -> String {
    let [deliveries, envelopes, signatures] = [deliveries, envelopes, signatures].map(grouped);
    format!("{deliveries} deliveries, {envelopes} envelopes, {signatures} signatures")
}

fn faults(faults: &std::collections::BTreeMap<String, FaultCount>, style: Style) -> Option<Table> {
    let mut table = style.table(&["fault", "injected", "bites"]);
    for (name, fault) in faults {
        table.add_row([Cell::new(name), number(fault.injected), warned(fault.bites)]);
    }
    (!faults.is_empty()).then_some(table)
}

fn marks(marks: &std::collections::BTreeMap<String, u64>, style: Style) -> Option<Table> {
    let mut table = style.table(&["sometimes", "hits"]);
    for (name, hits) in marks {
        table.add_row([Cell::new(name), warned(*hits)]);
    }
    (!marks.is_empty()).then_some(table)
}

fn section(out: &mut String, table: &Table) {
    out.push('\n');
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn number(n: u64) -> Cell {
    Cell::new(grouped(n)).set_alignment(CellAlignment::Right)
}

fn warned(n: u64) -> Cell {
    if n == 0 { number(n).fg(Color::Yellow) } else { number(n) }
}

fn verdict_word(verdict: Verdict, checked: u64) -> (&'static str, Color) {
    match verdict {
        Verdict::Violated => ("violated", Color::Red),
        Verdict::Unknown => ("unknown", Color::Yellow),
        Verdict::Holds if checked == 0 => ("vacuous", Color::Yellow),
        Verdict::Holds => ("holds", Color::Green),
    }
}

fn outcome_color(outcome: Outcome) -> Color {
    match outcome {
        Outcome::Held => Color::Green,
        Outcome::Vacuous | Outcome::Unknown => Color::Yellow,
        _ => Color::Red,
    }
}

impl Style {
    fn paint(self, text: &str, color: Color) -> String {
        let code = match color {
            Color::Red => 31,
            Color::Green => 32,
            _ => 33,
        };
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn table(self, head: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(head);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        if self.color { table.enforce_styling() } else { table.force_no_tty() };
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{held, violated};

    #[test]
    fn a_run_that_held() {
        insta::assert_snapshot!(run(&held(7), Style::default()), @"");
    }

    #[test]
    fn a_run_that_did_not() {
        let text = run(&violated(7), Style::default());
        let end = text.split_once("trace hash").unwrap().1;
        insta::assert_snapshot!(end, @"");
    }

    #[test]
    fn a_sweep_that_did_not() {
        insta::assert_snapshot!(sweep(&SweepReport::of([&held(1), &held(2), &violated(3)]), Style::default()), @"");
    }

    #[test]
    fn colour_only_if_asked_for() {
        for text in [run(&violated(1), Style { color: false }), sweep(&SweepReport::of([&violated(1)]), Style { color: false })] {
            assert!(!text.contains('\u{1b}'));
        }
        let text = run(&violated(1), Style { color: true });
        assert!(text.contains("\u{1b}[31mviolated\u{1b}[0m"));
    }

    #[test]
    fn of_many_failures_the_first_are_shown() {
        let runs: Vec<_> = (0..12).map(violated).collect();
        let text = sweep(&SweepReport::of(&runs), Style::default());
        assert_eq!(text.matches("again: ").count(), 10);
        assert!(text.ends_with("and 2 more failing seeds\n"));
    }
}
