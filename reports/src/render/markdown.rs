//! Markdown for a page: of a sweep a table of its scenarios and one of its properties, what must be known besides, its faults and
//! marks, and what everyone earned in each scenario; of a hunt for planted bugs one of the bugs, and one of the runs without.

use comfy_table::{Table, presets};

use super::human::short;
use super::{counted, grouped, in_order, notes, span, spelled};
use crate::report::{MutantsReport, SweepReport};

/// Failing seeds named per scenario.
const SEEDS_SHOWN_MAX: usize = 10;

/// Failing seeds told of; the JSON report has all.
const FAILURES_SHOWN_MAX: usize = 10;

/// A sweep as Markdown tables.
pub fn sweep(report: &SweepReport) -> String {
    let mut scenarios =
        table(&["scenario", "runs", "failing seeds", "settled", "other ends", "deliveries", "simulated"]);
    for (name, sums) in &report.scenarios {
        let failures = report.failures.iter().filter(|f| f.scenario == *name);
        let mut seeds: Vec<_> = failures.clone().take(SEEDS_SHOWN_MAX).map(|f| f.seed.to_string()).collect();
        if failures.count() > SEEDS_SHOWN_MAX {
            seeds.push("...".into());
        }
        let needs = &sums.needs;
        scenarios.add_row([
            name.clone(),
            grouped(sums.runs),
            if seeds.is_empty() { "none".into() } else { seeds.join(" ") },
            grouped(needs.settled),
            grouped(needs.posted.saturating_sub(needs.settled)),
            grouped(sums.deliveries),
            span(sums.simulated_ns),
        ]);
    }
    let mut properties = table(&["property", "checked", "violated in", "unknown in", "promise ended in"]);
    for (name, p) in in_order(&report.total.properties) {
        let ended = grouped(p.expected + p.ended);
        properties.add_row([spelled(name), grouped(p.checked), grouped(p.violated), grouped(p.unknown), ended]);
    }
    let planned = report.planned_runs.max(report.total.runs);
    let runs = match report.total.runs {
        runs if runs < planned => format!("{} of {}", grouped(runs), counted(planned, "run")),
        runs => counted(runs, "run"),
    };
    let cut = if report.interrupted { ", interrupted" } else { "" };
    let but = notes::but(report).map_or_else(String::new, |but| format!(", {but}"));
    let mut page = format!("{runs}{cut}: **{}**{but}\n\n{scenarios}\n\n{properties}\n", report.verdict.as_str());
    let list = known(report);
    if !list.is_empty() {
        page.push_str(&format!("\n{}\n", list.join("\n")));
    }
    let mut faults = table(&["fault", "injected", "bites"]);
    for (name, fault) in &report.total.faults {
        faults.add_row([name.clone(), grouped(fault.injected), grouped(fault.bites)]);
    }
    if !report.total.faults.is_empty() {
        page.push_str(&format!("\n{faults}\n"));
    }
    let mut marks = table(&["sometimes", "hits", "required"]);
    for (name, hits) in &report.total.sometimes {
        let required = if report.total.required_marks.contains(name) { "yes" } else { "" };
        marks.add_row([name.clone(), grouped(*hits), required.to_owned()]);
    }
    if !report.total.sometimes.is_empty() {
        page.push_str(&format!("\n{marks}\n"));
    }
    for (name, sums) in &report.scenarios {
        let (head, rows) = super::profits(&sums.profits);
        if !rows.is_empty() {
            let mut profits = table(&head);
            profits.add_rows(rows);
            page.push_str(&format!("\nProfits in `{name}`, in credits:\n\n{profits}\n"));
        }
    }
    page
}

/// What must be known beside the figures, and the runs that failed, as the lines of a list.
fn known(report: &SweepReport) -> Vec<String> {
    let note = |note: notes::Note| format!("- `{}`: {}: {}", note.scenario, note.what, note.text);
    let mut lines: Vec<_> = notes::of(report).into_iter().map(note).collect();
    for failure in report.failures.iter().take(FAILURES_SHOWN_MAX) {
        let (scenario, seed, verdict) = (&failure.scenario, failure.seed, failure.verdict.as_str());
        lines.push(format!("- `{scenario}`, seed {seed}: {verdict}: `{}`", failure.reproduce));
        let found = failure.contradictions.iter().map(|found| format!("{}: {}", found.property, found.what));
        lines.extend(failure.what.iter().cloned().chain(found).map(|line| format!("  - {}", short(&line))));
    }
    match report.failures.len().checked_sub(FAILURES_SHOWN_MAX) {
        None | Some(0) => {}
        Some(more) => lines.push(format!("- and {more} more failing seeds")),
    }
    lines
}

/// A hunt for planted bugs as Markdown tables.
pub fn mutants(hunt: &MutantsReport) -> String {
    let mut bugs = table(&["planted bug", "what it breaks", "must fell", "fells", "scenario", "seeds, median", "most"]);
    let told = |seeds: Option<u64>| seeds.map_or("never".to_owned(), grouped);
    for bug in &hunt.bugs {
        let fell = bug.caught.iter().flat_map(|catch| catch.fell.keys());
        let most = bug.took.iter().copied().max_by_key(|took| took.unwrap_or(u64::MAX)).flatten();
        bugs.add_row([
            bug.bug.clone(),
            bug.breaks.clone(),
            bug.expected.clone(),
            fell.cloned().collect::<Vec<_>>().join(" "),
            bug.scenario.clone(),
            told(bug.median),
            told(most),
        ]);
    }
    let mut unmodified = table(&["scenario", "runs without a bug", "accused"]);
    for row in &hunt.unmodified {
        let accused = row.accused.as_ref().map_or("never".to_owned(), |catch| format!("seed {}", catch.seed));
        unmodified.add_row([row.scenario.clone(), grouped(row.runs), accused]);
    }
    let caught = hunt.bugs.iter().filter(|bug| bug.median.is_some()).count();
    let (of, starts, seeds) = (hunt.bugs.len(), hunt.starts, grouped(hunt.seeds));
    let unneeded = match hunt.unneeded.as_slice() {
        [] => String::new(),
        names => format!("No bug is caught by these checkers alone: {}.\n\n", names.join(", ")),
    };
    let starts = if starts == 1 { "one start".to_owned() } else { format!("each of {starts} starts") };
    format!(
        "{caught} of {of} planted bugs caught, within {seeds} seeds from {starts}.\n\n{unneeded}{bugs}\n\n{unmodified}\n"
    )
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).force_no_tty().set_header(head);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{held, violated};

    #[test]
    fn profits() {
        let page = super::sweep(&SweepReport::of(&(0..30).map(crate::report::fixture::robbed).collect::<Vec<_>>()));
        insta::assert_snapshot!(page.split_once("credits:\n\n").unwrap().1, @r"
        | role   | strategy | actors | runs | mean profit | worst | best  | spread | more than honest |
        |--------|----------|--------|------|-------------|-------|-------|--------|------------------|
        | worker | honest   | 60     | 30   | 7.50        | -7    | 22    | 13.63  | -                |
        | worker | thief    | 30     | 30   | 1,035.00    | 1,034 | 1,036 | 0.83   | 1,027.50 ± 0.00  |
        ");
    }

    #[test]
    fn a_hunt_for_planted_bugs() {
        use crate::report::{Catch, PlantedBug, Unmodified};
        let catch = |fell: &str| Catch { seed: 4, fell: [(fell.to_owned(), "so it is".to_owned())].into() };
        let bug = |took: [Option<u64>; 3], caught| PlantedBug {
            bug: "one-sided".to_owned(),
            breaks: "Nobody asks twice.".to_owned(),
            scenario: "quiet".to_owned(),
            expected: "P1".to_owned(),
            median: crate::report::median(&took),
            took: took.to_vec(),
            caught,
            otherwise: None,
            real_ms: 1,
        };
        let hunt = MutantsReport {
            version: 2,
            seeds: 2_000,
            starts: 3,
            held: false,
            bugs: vec![bug([Some(5), Some(1_234), Some(2)], Some(catch("P1"))), bug([None, None, Some(2)], None)],
            unneeded: vec!["P8".to_owned()],
            unmodified: [None, Some(catch("P4"))]
                .map(|accused| Unmodified { scenario: "quiet".to_owned(), runs: 2_000, accused, real_ms: 1 })
                .into(),
        };
        insta::assert_snapshot!(mutants(&hunt), @r"
        1 of 2 planted bugs caught, within 2,000 seeds from each of 3 starts.

        No bug is caught by these checkers alone: P8.

        | planted bug | what it breaks     | must fell | fells | scenario | seeds, median | most  |
        |-------------|--------------------|-----------|-------|----------|---------------|-------|
        | one-sided   | Nobody asks twice. | P1        | P1    | quiet    | 5             | 1,234 |
        | one-sided   | Nobody asks twice. | P1        |       | quiet    | never         | never |

        | scenario | runs without a bug | accused |
        |----------|--------------------|---------|
        | quiet    | 2,000              | never   |
        | quiet    | 2,000              | seed 4  |
        ");
    }

    #[test]
    fn a_page_says_what_the_text_for_people_says() {
        use crate::report::fixture::beyond;
        let mut sweep = SweepReport::of(&(0..3).map(|seed| beyond(seed, seed == 2)).collect::<Vec<_>>());
        assert!(super::sweep(&sweep).starts_with("3 runs: **held**, but for a promise that ends in 1\n"));
        let said = "\n- `quiet`: expected violation: the promise of P3 ends in 1 of 3 runs: all of a panel lie\n";
        assert!(super::sweep(&sweep).contains(said), "{}", super::sweep(&sweep));
        sweep.close(400, true);
        assert!(super::sweep(&sweep).starts_with("3 of 400 runs, interrupted: **unknown**"));
        let page = super::sweep(&SweepReport::of(&(0..12).map(violated).collect::<Vec<_>>()));
        assert!(page.contains("\n- and 2 more failing seeds\n"), "{page}");
    }

    #[test]
    fn a_sweep() {
        insta::assert_snapshot!(super::sweep(&SweepReport::of([&held(1), &violated(3), &violated(4)])), @r##"
        3 runs: **violated**

        | scenario | runs | failing seeds | settled | other ends | deliveries | simulated        |
        |----------|------|---------------|---------|------------|------------|------------------|
        | quiet    | 1    | none          | 1       | 0          | 4,211      | 24 h 01 min 01 s |
        | split    | 2    | 3 4           | 2       | 0          | 8,422      | 48 h 02 min 03 s |

        | property                   | checked | violated in | unknown in | promise ended in |
        |----------------------------|---------|-------------|------------|------------------|
        | P1 single DECIDE           | 9       | 2           | 0          | 0                |
        | P2 deterministic replay    | 15      | 0           | 0          | 0                |
        | P4 lease and fencing       | 18      | 0           | 0          | 0                |
        | P5 lease lifetime          | 30      | 0           | 0          | 0                |
        | P6 quorum validity         | 18      | 0           | 0          | 0                |
        | P9 conservation            | 123     | 0           | 0          | 0                |
        | P10 convergence            | 6       | 0           | 0          | 0                |
        | liveness (every need ends) | 6       | 0           | 0          | 0                |
        | model (a plain one agrees) | 3       | 0           | 0          | 0                |
        | policy (its gates hold)    | 3       | 0           | 0          | 0                |

        - `quiet`: marks never hit: lost-disk (too few runs to tell: 100 would)
        - `quiet`: faults that never bit: partition (too few runs to tell: 100 would)
        - `split`: faults that never bit: partition (too few runs to tell: 100 would)
        - `split`, seed 3: violated: `swarm-sim run scenarios/split.toml --seed 3`
          - P1 violated (1)
          - P1: two proposals are decided for one need
        - `split`, seed 4: violated: `swarm-sim run scenarios/split.toml --seed 4`
          - P1 violated (1)
          - P1: two proposals are decided for one need

        | fault     | injected | bites |
        |-----------|----------|-------|
        | loss      | 36       | 9     |
        | partition | 3        | 0     |

        | sometimes  | hits | required |
        |------------|------|----------|
        | lost-disk  | 0    | yes      |
        | reassigned | 3    |          |
        "##);
    }
}
