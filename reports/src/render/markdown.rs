//! Markdown for a page: a table of a sweep's scenarios, one of its properties, and one of what everyone earned in each scenario.

use comfy_table::{Table, presets};

use super::{grouped, in_order, span, spelled};
use crate::report::SweepReport;

/// Failing seeds named per scenario.
const SEEDS_SHOWN_MAX: usize = 10;

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
    let mut properties = table(&["property", "checked", "violated in", "unknown in"]);
    for (name, p) in in_order(&report.total.properties) {
        properties.add_row([spelled(name), grouped(p.checked), grouped(p.violated), grouped(p.unknown)]);
    }
    let mut page = format!("{scenarios}\n\n{properties}\n");
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
    fn a_sweep() {
        insta::assert_snapshot!(super::sweep(&SweepReport::of([&held(1), &violated(3), &violated(4)])), @r##"
        | scenario | runs | failing seeds | settled | other ends | deliveries | simulated        |
        |----------|------|---------------|---------|------------|------------|------------------|
        | quiet    | 1    | none          | 1       | 0          | 4,211      | 24 h 01 min 01 s |
        | split    | 2    | 3 4           | 2       | 0          | 8,422      | 48 h 02 min 03 s |

        | property                   | checked | violated in | unknown in |
        |----------------------------|---------|-------------|------------|
        | P1 single DECIDE           | 9       | 2           | 0          |
        | P2 deterministic replay    | 15      | 0           | 0          |
        | P4 lease and fencing       | 18      | 0           | 0          |
        | P5 lease lifetime          | 30      | 0           | 0          |
        | P6 quorum validity         | 18      | 0           | 0          |
        | P9 conservation            | 123     | 0           | 0          |
        | P10 convergence            | 6       | 0           | 0          |
        | liveness (every need ends) | 6       | 0           | 0          |
        | model (a plain one agrees) | 3       | 0           | 0          |
        | policy (its gates hold)    | 3       | 0           | 0          |
        "##);
    }
}
