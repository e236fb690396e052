//! Markdown for a page: a table of a sweep's scenarios and one of its properties.

use comfy_table::{Table, presets};

use super::{grouped, span};
use crate::report::SweepReport;

/// A sweep as Markdown tables.
pub fn sweep(report: &SweepReport) -> String {
    let mut scenarios = table(&["scenario", "runs", "failing seeds", "settled", "other ends", "deliveries", "simulated"]);
    for (name, sums) in &report.scenarios {
        let seeds: Vec<_> = report.failures.iter().filter(|f| f.scenario == *name).map(|f| f.seed.to_string()).collect();
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
    for (name, p) in &report.total.properties {
        properties.add_row([name.clone(), grouped(p.checked), grouped(p.violated), grouped(p.unknown)]);
    }
    format!("{scenarios}\n\n{properties}\n")
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
    fn a_sweep() {
        insta::assert_snapshot!(super::sweep(&SweepReport::of([&held(1), &violated(3), &violated(4)])), @"");
    }
}
