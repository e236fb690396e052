//! Text for people: short, and a failure says the property, what contradicts what, and the command that does it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Color, Table, presets};

use super::{counted, event, grouped, in_order, notes, span, spelled, story};
use crate::check::{Contradiction, NeedCounts, Outcome, Verdict};
use crate::report::{FaultCount, HONEST, Profits, RunReport, Struck, SweepReport};

/// How text may look. The caller knows whether it goes to a terminal and whether `NO_COLOR` is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI colours may be used.
    pub color: bool,
}

/// Failing seeds shown of a sweep; the JSON report has all.
const FAILURES_SHOWN_MAX: usize = 10;
/// Names of this length and more are cut.
const NAME_SHOWN_MAX: usize = 40;

/// A run for people: what happened first, then what it came to; the command that does it again stands last.
pub fn run(report: &RunReport, style: Style) -> String {
    let mut out = story::needs(&report.stories, style).trim_start().to_owned();
    if !out.is_empty() {
        out.push('\n');
    }
    let verdict = match report.expected().next() {
        Some(_) if report.verdict == Outcome::Held => style.paint("expected violation", Color::Yellow),
        _ => style.paint(report.verdict.as_str(), outcome_color(report.verdict)),
    };
    let cut = cut(report.interrupted, report.limited, style);
    let _ = writeln!(out, "{}, seed {}{cut}: {verdict}", report.scenario, report.seed);
    let _ = writeln!(out, "\nneeds: {}", needs(&report.needs));

    let mut table = style.table(&["property", "verdict", "checked"]);
    for (name, p) in in_order(&report.properties) {
        let (word, color) = verdict_word(p.verdict, p.checked, p.expected);
        table.add_row([Cell::new(spelled(name)), Cell::new(word).fg(color), number(p.checked)]);
    }
    section(&mut out, &table);
    // Of what a seed could have drawn most was not: that is a matter for sweeps.
    let (hit, idle): (BTreeMap<_, _>, BTreeMap<_, _>) =
        report.faults.clone().into_iter().partition(|(_, count)| count.injected > 0 || count.bites > 0);
    if let Some(table) = faults(&hit, style) {
        section(&mut out, &table);
    }
    if !idle.is_empty() {
        let _ = writeln!(out, "\nnot injected in this run: {}", idle.into_keys().collect::<Vec<_>>().join(", "));
    }
    if let Some(table) = struck(&report.struck, style) {
        section(&mut out, &table);
    }
    if let Some(table) = marks(&report.sometimes, &report.required_marks, style) {
        section(&mut out, &table);
    }
    if let Some(table) = profits(&report.profits, style) {
        section(&mut out, &table);
    }
    if !report.refused.is_empty() {
        let list: Vec<_> = report.refused.iter().map(|(name, n)| format!("{name} {}", grouped(*n))).collect();
        let _ = writeln!(out, "\nrefused: {}", list.join(", "));
    }
    let _ = writeln!(out, "\ntime: {}", times(report.simulated_ns, report.real_ns.0));
    let _ = writeln!(
        out,
        "traffic: {}",
        traffic(report.deliveries, report.envelopes, report.signatures, report.raft_messages)
    );
    let _ = writeln!(out, "trace hash: {}", report.trace_hash);
    for alarm in &report.alarms {
        let _ = writeln!(out, "\n{} {}", style.paint("alarm:", Color::Red), alarm.what);
    }
    for found in &report.contradictions {
        contradiction(&mut out, found, style);
    }
    for (name, why) in &report.breaks {
        let _ = match report.properties.get(name).is_some_and(|p| p.expected) {
            true => writeln!(out, "\nhere the promise of {name} ends, as the scenario says: {why}"),
            false => {
                writeln!(out, "\nthe promise of {name} ends in this scenario, and this run did not come to it: {why}")
            }
        };
    }
    for (name, p) in report.properties.iter().filter(|(_, p)| !p.ended.is_empty()) {
        let (times, how) = (counted(p.beyond, "time"), p.ended.iter().map(|how| short(how)).collect::<Vec<_>>());
        let what = style.paint("the promise of", Color::Yellow);
        let _ = writeln!(out, "\n{what} {name} ended {times}, of which its verdict says nothing: {}", how.join("; "));
    }
    for (name, p) in report.properties.iter().filter(|(_, p)| p.verdict == Verdict::Unknown) {
        for why in &p.unknown {
            let _ = writeln!(out, "\n{name} unknown: {}", short(why));
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

/// That it was cut short, if it was, and by what.
fn cut(interrupted: bool, limited: bool, style: Style) -> String {
    match (interrupted, limited) {
        (true, _) => style.paint(", interrupted", Color::Yellow),
        (_, true) => style.paint(", stopped at its limit", Color::Yellow),
        _ => String::new(),
    }
}

/// A sweep for people.
pub fn sweep(report: &SweepReport, style: Style) -> String {
    let mut out = String::new();
    let verdict = style.paint(report.verdict.as_str(), outcome_color(report.verdict));
    let total = &report.total;
    let runs = match report.planned_runs > total.runs {
        true => format!("{} of {}", grouped(total.runs), counted(report.planned_runs, "run")),
        false => counted(total.runs, "run"),
    };
    let interrupted = cut(report.interrupted, false, style);
    let scenarios = counted(report.scenarios.len() as u64, "scenario");
    let but = notes::but(report).map_or_else(String::new, |but| style.paint(&format!(", {but}"), Color::Yellow));
    let _ = writeln!(out, "{runs} of {scenarios}{interrupted}: {verdict}{but}");
    let _ = writeln!(out, "\nneeds: {}", needs(&total.needs));

    // Rates are per second of one core: the time of all runs together, whatever number ran side by side.
    let head = ["scenario", "runs", "failed", "settled", "bites", "deliveries", "deliveries/s", "runs/s"];
    let mut table = style.table(&head);
    for (name, sums) in &report.scenarios {
        let failed = report.failures.iter().filter(|f| f.scenario == *name).count() as u64;
        let bites = sums.faults.values().map(|fault| fault.bites).fold(0, u64::saturating_add);
        let rate = per_second(sums.deliveries, sums.real_ns.0);
        let cells = [sums.runs, failed, sums.needs.settled, bites, sums.deliveries, rate].map(number);
        let tenths = per_second(sums.runs.saturating_mul(10), sums.real_ns.0);
        let runs = Cell::new(format!("{}.{}", grouped(tenths / 10), tenths % 10)).set_alignment(CellAlignment::Right);
        table.add_row([Cell::new(name)].into_iter().chain(cells).chain([runs]));
    }
    section(&mut out, &table);
    let mut table = style.table(&["property", "verdict", "checked", "violated", "unknown", "promise ended"]);
    for (name, p) in in_order(&total.properties) {
        let expected = p.expected > 0 && p.verdict == Verdict::Holds;
        let (word, color) = verdict_word(p.verdict, p.checked, expected);
        let cells = [p.checked, p.violated, p.unknown, p.expected + p.ended].map(number);
        table.add_row([Cell::new(spelled(name)), Cell::new(word).fg(color)].into_iter().chain(cells));
    }
    section(&mut out, &table);
    if let Some(table) = faults(&total.faults, style) {
        section(&mut out, &table);
    }
    if let Some(table) = marks(&total.sometimes, &total.required_marks, style) {
        section(&mut out, &table);
    }
    // What is earned in one scenario says nothing of another.
    for (name, sums) in &report.scenarios {
        let lies = sums.profits.values().any(|strategies| strategies.keys().any(|strategy| strategy != HONEST));
        if let Some(table) = profits(&sums.profits, style).filter(|_| lies || report.scenarios.len() == 1) {
            let _ = writeln!(out, "\n{name}: profits in credits");
            section(&mut out, &table);
        }
    }
    let _ = writeln!(out, "\ntime: {}", times(total.simulated_ns, total.real_ns.0));
    let _ =
        writeln!(out, "traffic: {}", traffic(total.deliveries, total.envelopes, total.signatures, total.raft_messages));
    let _ = writeln!(out, "trace hash of all: {}", total.trace_hash);
    for note in notes::of(report) {
        let what = style.paint(note.what, if note.grave { Color::Red } else { Color::Yellow });
        let _ = writeln!(out, "\n{}: {what}: {}", note.scenario, note.text);
    }
    for failure in report.failures.iter().take(FAILURES_SHOWN_MAX) {
        let verdict = style.paint(failure.verdict.as_str(), outcome_color(failure.verdict));
        let _ = writeln!(out, "\n{}, seed {}: {verdict}", failure.scenario, failure.seed);
        for line in &failure.what {
            let _ = writeln!(out, "  {}", short(line));
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
    let _ = writeln!(out, "\n{} {}", style.paint(&format!("{}:", found.property), Color::Red), short(&found.what));
    for witness in &found.records {
        let _ = writeln!(out, "  {} at {}: {}", witness.node, span(witness.at_ns), event::in_words(&witness.event));
    }
}

/// `text` with every name of digits and letters too long to read cut to its end, where names differ. The JSON report has
/// them whole.
pub(super) fn short(text: &str) -> String {
    let part = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(part) {
        out.push_str(&rest[..start]);
        let name = &rest[start..];
        let (name, after) = name.split_at(name.find(|c| !part(c)).unwrap_or(name.len()));
        match name.len() {
            NAME_SHOWN_MAX.. => out.extend(["..", &name[name.len() - 8..]]),
            _ => out.push_str(name),
        }
        rest = after;
    }
    out + rest
}

fn needs(n: &NeedCounts) -> String {
    let ends = [(n.settled, "settled"), (n.cancelled, "cancelled"), (n.failed, "failed"), (n.unfinished, "unfinished")];
    let ends: Vec<_> = ends.iter().map(|(n, word)| format!("{} {word}", grouped(*n))).collect();
    let (posted, opened, finalized) = (grouped(n.posted), grouped(n.opened), grouped(n.finalized));
    format!("{posted} posted, {opened} opened, {finalized} with all tasks final; {}", ends.join(", "))
}

fn times(simulated: u64, real: u64) -> String {
    let mut text = format!("{} simulated in {}", span(simulated), span(real));
    if let Some(times) = simulated.checked_div(real).filter(|times| *times > 1) {
        let _ = write!(text, ", {} times as fast as real", grouped(times));
    }
    text
}

/// `n` in `ns` nanoseconds, per second.
fn per_second(n: u64, ns: u64) -> u64 {
    let rate = u128::from(n) * 1_000_000_000 / u128::from(ns.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn traffic(deliveries: u64, envelopes: u64, signatures: u64, raft: u64) -> String {
    let [deliveries, envelopes, signatures] = [deliveries, envelopes, signatures].map(grouped);
    let raft = if raft == 0 { String::new() } else { format!(", {} raft messages", grouped(raft)) };
    format!("{deliveries} deliveries, {envelopes} envelopes, {signatures} signatures{raft}")
}

fn faults(faults: &BTreeMap<String, FaultCount>, style: Style) -> Option<Table> {
    let mut table = style.table(&["fault", "injected", "bites"]);
    for (name, fault) in faults {
        table.add_row([Cell::new(name), number(fault.injected), warned(fault.bites)]);
    }
    (!faults.is_empty()).then_some(table)
}

/// When each fault struck, and whom.
fn struck(struck: &[Struck], style: Style) -> Option<Table> {
    let mut table = style.table(&["struck", "from", "until", "whom"]);
    for fault in struck {
        let time = |ns| Cell::new(span(ns)).set_alignment(CellAlignment::Right);
        table.add_row([Cell::new(&fault.kind), time(fault.at_ns), time(fault.until_ns), Cell::new(&fault.whom)]);
    }
    (!struck.is_empty()).then_some(table)
}

fn profits(profits: &Profits, style: Style) -> Option<Table> {
    let (head, rows) = super::profits(profits);
    let mut table = style.table(&head);
    for row in &rows {
        let cells = row.iter().enumerate().map(|(at, text)| match at {
            0 | 1 => Cell::new(text),
            _ => Cell::new(text).set_alignment(CellAlignment::Right),
        });
        table.add_row(cells);
    }
    (!rows.is_empty()).then_some(table)
}

fn marks(marks: &BTreeMap<String, u64>, required: &BTreeSet<String>, style: Style) -> Option<Table> {
    let mut table = style.table(&["sometimes", "hits", "required"]);
    for (name, hits) in marks {
        let required = if required.contains(name) { "yes" } else { "" };
        table.add_row([Cell::new(name), warned(*hits), Cell::new(required)]);
    }
    (!marks.is_empty()).then_some(table)
}

pub(super) fn section(out: &mut String, table: &Table) {
    out.push('\n');
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

pub(super) fn number(n: u64) -> Cell {
    Cell::new(grouped(n)).set_alignment(CellAlignment::Right)
}

fn warned(n: u64) -> Cell {
    if n == 0 { number(n).fg(Color::Yellow) } else { number(n) }
}

/// `expected` says that it was violated where the scenario says that its promise ends.
fn verdict_word(verdict: Verdict, checked: u64, expected: bool) -> (&'static str, Color) {
    match verdict {
        _ if expected => ("violated, as expected", Color::Yellow),
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

    pub(super) fn table(self, head: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(head);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        if self.color {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::PropertyReport;
    use crate::report::fixture::{held, violated};

    /// A run without what became of its needs, which stands first.
    fn came_to(report: &RunReport, style: Style) -> String {
        run(&RunReport { stories: Vec::new(), ..report.clone() }, style)
    }

    #[test]
    fn what_became_of_the_needs_stands_first() {
        let text = run(&held(7), Style::default());
        let (needs, rest) = text.split_once("\n\n").unwrap();
        assert!(needs.starts_with("need ") && needs.contains("closed"), "{text}");
        assert_eq!(rest, came_to(&held(7), Style::default()));
    }

    #[test]
    fn a_run_that_held() {
        insta::assert_snapshot!(came_to(&held(7), Style::default()), @r##"
        quiet, seed 7: held

        needs: 1 posted, 1 opened, 1 with all tasks final; 1 settled, 0 cancelled, 0 failed, 0 unfinished

        property                    verdict  checked
        P1 single DECIDE            holds          3
        P2 deterministic replay     holds          5
        P4 lease and fencing        holds          6
        P5 lease lifetime           holds         10
        P6 quorum validity          holds          6
        P9 conservation             holds         41
        P10 convergence             holds          2
        liveness (every need ends)  holds          2
        model (a plain one agrees)  holds          1
        policy (its gates hold)     holds          1

        fault      injected  bites
        loss             12      3
        partition         1      0

        struck  from     until       whom
        loss    1.500 s  1 min 01 s  worker-1 to bus

        sometimes   hits  required
        lost-disk      0  yes
        reassigned     1

        refused: replay 1

        time: 24 h 01 min 01 s simulated in 7.300 ms, 11,844,041 times as fast as real
        traffic: 4,211 deliveries, 97 envelopes, 120 signatures
        trace hash: 00c0ffee000000000000000000000007
        "##);
    }

    #[test]
    fn a_run_that_did_not() {
        let text = came_to(&violated(7), Style::default());
        let end = text.split_once("trace hash").unwrap().1;
        insta::assert_snapshot!(end, @r#"
        : 00c0ffee000000000000000000000007

        P1: two proposals are decided for one need
          coordinator-0 at 2.300 s: decided: approvals ..bDYodYya ..hye18Dcz ..mMgbsYwh, epoch 1, k 3, need ..fossf2nq, planner ..x34DQtRo, proposal ..ckty5veu, snapshot (digest ..73f9b51e, number 1)
          coordinator-2 at 2.500 s: decided: approvals ..bDYodYya ..hye18Dcz ..mMgbsYwh, epoch 1, k 3, need ..fossf2nq, planner ..x34DQtRo, proposal ..7vwl6p7i, snapshot (digest ..73f9b51e, number 1)

        again: swarm-sim run scenarios/split.toml --seed 7
        "#);
    }

    #[test]
    fn a_promise_that_ended_is_told_beside_the_verdict() {
        let mut report = held(1);
        let ended = vec!["what is wrong stands".to_owned()];
        let p3 = PropertyReport { beyond: 2, checked: 4, ended, ..PropertyReport::default() };
        report.properties.insert("P3".to_owned(), p3);
        let text = came_to(&report, Style::default());
        let told = "\nthe promise of P3 ended 2 times, of which its verdict says nothing: what is wrong stands\n";
        assert!(text.starts_with("quiet, seed 1: held") && text.contains(told), "{text}");
        let text = sweep(&SweepReport::of([&report, &held(2)]), Style::default());
        assert!(text.starts_with("2 runs of 1 scenario: held, but for a promise that ends in 1\n"), "{text}");
        let told =
            "\nquiet: the promise ended: that of P3 in 1 of 2 runs, first with seed 1; the report of each says how\n";
        assert!(text.contains(told), "{text}");
    }

    #[test]
    fn a_sweep_that_did_not() {
        insta::assert_snapshot!(sweep(&SweepReport::of([&held(1), &held(2), &violated(3)]), Style::default()), @r##"
        3 runs of 2 scenarios: violated

        needs: 3 posted, 3 opened, 3 with all tasks final; 3 settled, 0 cancelled, 0 failed, 0 unfinished

        scenario  runs  failed  settled  bites  deliveries  deliveries/s  runs/s
        quiet        2       0        2      6       8,422       576,849   136.9
        split        1       1        1      3       4,211       576,849   136.9

        property                    verdict   checked  violated  unknown  promise ended
        P1 single DECIDE            violated        9         1        0              0
        P2 deterministic replay     holds          15         0        0              0
        P4 lease and fencing        holds          18         0        0              0
        P5 lease lifetime           holds          30         0        0              0
        P6 quorum validity          holds          18         0        0              0
        P9 conservation             holds         123         0        0              0
        P10 convergence             holds           6         0        0              0
        liveness (every need ends)  holds           6         0        0              0
        model (a plain one agrees)  holds           3         0        0              0
        policy (its gates hold)     holds           3         0        0              0

        fault      injected  bites
        loss             36      9
        partition         3      0

        sometimes   hits  required
        lost-disk      0  yes
        reassigned     3

        time: 72 h 03 min 04 s simulated in 21.900 ms, 11,844,041 times as fast as real
        traffic: 12,633 deliveries, 291 envelopes, 360 signatures
        trace hash of all: 4a635669fb6abf30a1f446030c21888e

        quiet: marks never hit: lost-disk (too few runs to tell: 100 would)

        quiet: faults that never bit: partition (too few runs to tell: 100 would)

        split: faults that never bit: partition (too few runs to tell: 100 would)

        split, seed 3: violated
          P1 violated (1)

        P1: two proposals are decided for one need
          coordinator-0 at 2.300 s: decided: approvals ..bDYodYya ..hye18Dcz ..mMgbsYwh, epoch 1, k 3, need ..fossf2nq, planner ..x34DQtRo, proposal ..ckty5veu, snapshot (digest ..73f9b51e, number 1)
          coordinator-2 at 2.500 s: decided: approvals ..bDYodYya ..hye18Dcz ..mMgbsYwh, epoch 1, k 3, need ..fossf2nq, planner ..x34DQtRo, proposal ..7vwl6p7i, snapshot (digest ..73f9b51e, number 1)
          again: swarm-sim run scenarios/split.toml --seed 3
        "##);
    }

    #[test]
    fn a_lie_that_pays() {
        let runs: Vec<_> = (0..30).map(crate::report::fixture::robbed).collect();
        let text = sweep(&SweepReport::of(&runs), Style::default());
        let table = text.split_once("profits in credits\n").unwrap().1.split_once("\n\ntime").unwrap().0;
        insta::assert_snapshot!(table, @r"
        role    strategy  actors  runs  mean profit  worst  best   spread  more than honest
        worker  honest        60    30         7.50     -7     22   13.63                 -
        worker  thief         30    30     1,035.00  1,034  1,036    0.83   1,027.50 ± 0.00
        ");
        assert!(text.starts_with("30 runs of 1 scenario: violated, as a lie pays\n"), "{text}");
        let said = text.lines().find(|line| line.contains("lying pays: ")).unwrap();
        let earns = "quiet: lying pays: thief earns 1,035.00 credits where an honest worker earns 7.50 (";
        assert!(said.starts_with(earns), "{said}");
        assert!(came_to(&runs[0], Style::default()).contains("worker  thief"));
        let few = "quiet: lies whose profit was not weighed: thief (worker) (too few runs with \
                   honest ones beside them: 10 would tell)\n";
        assert!(!text.contains("not weighed"), "{text}");
        let text = sweep(&SweepReport::of(&runs[..9]), Style::default());
        assert!(text.contains(few) && !text.contains("lying pays"), "{text}");
    }

    #[test]
    fn the_end_of_a_promise_is_no_failure() {
        use crate::report::fixture::beyond;
        let text = came_to(&beyond(4, true), Style::default());
        assert!(text.starts_with("quiet, seed 4: expected violation\n"), "{text}");
        assert!(text.contains("violated, as expected") && !text.contains("again:"), "{text}");
        assert!(text.contains("here the promise of P3 ends, as the scenario says: all of a panel lie\n"), "{text}");
        let text = came_to(&beyond(5, false), Style::default());
        assert!(text.starts_with("quiet, seed 5: held\n") && text.contains("this run did not come to it"), "{text}");
        let runs: Vec<_> = (0..3).map(|seed| beyond(seed, seed == 2)).collect();
        let text = sweep(&SweepReport::of(&runs), Style::default());
        let said = "quiet: expected violation: the promise of P3 ends in 1 of 3 runs: all of a panel lie\n";
        assert!(text.contains(said) && text.starts_with("3 runs of 1 scenario: held"), "{text}");
    }

    #[test]
    fn an_interrupted_sweep_says_so_first() {
        let mut report = SweepReport::of([&held(1)]);
        report.close(400, true);
        assert!(sweep(&report, Style::default()).starts_with("1 of 400 runs of 1 scenario, interrupted: unknown\n"));
        let cut = RunReport { interrupted: true, ..held(1) };
        assert!(came_to(&cut, Style::default()).lines().next().unwrap().contains(", seed 1, interrupted: "));
        let cut = RunReport { limited: true, ..held(1) };
        assert!(came_to(&cut, Style::default()).lines().next().unwrap().contains(", seed 1, stopped at its limit: "));
    }

    #[test]
    fn long_names_are_cut_to_their_ends() {
        let name = "did:key:z6Mkf8T12FuYFXTjWQLn3ZE2krGdGANs9X7ZH6aVR5R1PZ1T";
        assert_eq!(short(&format!("{{\"a\":\"{name}\",\"b\":12}} é")), "{\"a\":\"..R5R1PZ1T\",\"b\":12} é");
        assert_eq!(short(""), "");
    }

    #[test]
    fn colour_only_if_asked_for() {
        for text in [
            came_to(&violated(1), Style { color: false }),
            sweep(&SweepReport::of([&violated(1)]), Style { color: false }),
        ] {
            assert!(!text.contains('\u{1b}'));
        }
        let text = came_to(&violated(1), Style { color: true });
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
