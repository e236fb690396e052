//! JUnit for CI: one suite per scenario, one case per property, and one per failing seed.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::check::Verdict;
use crate::report::{Failure, RunReport, Sums, SweepReport};

/// A run as JUnit XML.
pub fn run(report: &RunReport) -> String {
    sweep(&SweepReport::of([report]))
}

/// A sweep as JUnit XML.
pub fn sweep(report: &SweepReport) -> String {
    let mut junit = Report::new("swarm-sim");
    for (name, sums) in &report.scenarios {
        let mut suite = TestSuite::new(name.as_str());
        suite.set_time(std::time::Duration::from_nanos(sums.real_ns.0));
        suite.add_property(("runs", sums.runs.to_string().as_str()));
        suite.add_test_cases(properties(name, sums, report));
        suite.add_test_cases(report.failures.iter().filter(|f| f.scenario == *name).map(failure));
        junit.add_test_suite(suite);
    }
    junit.to_string().expect("a report in memory can be written")
}

/// A property's case fails only if it was contradicted or could not be told; the seeds say where. What this scenario
/// never checked is skipped if another one of the sweep did, and an error if none did.
fn properties<'a>(scenario: &'a str, sums: &'a Sums, report: &'a SweepReport) -> impl Iterator<Item = TestCase> + 'a {
    sums.properties.iter().map(move |(name, p)| {
        let bad = |kind, message: String| {
            let mut status = TestCaseStatus::non_success(kind);
            status.set_message(message);
            status
        };
        let status = match p.verdict {
            Verdict::Violated => {
                bad(NonSuccessKind::Failure, format!("violated in {} of {} runs", p.violated, sums.runs))
            }
            Verdict::Unknown => bad(NonSuccessKind::Error, format!("unknown in {} of {} runs", p.unknown, sums.runs)),
            Verdict::Holds if p.checked > 0 => TestCaseStatus::success(),
            Verdict::Holds if report.vacuous.contains(name) => {
                bad(NonSuccessKind::Error, "never checked in the whole sweep".into())
            }
            Verdict::Holds => TestCaseStatus::skipped(),
        };
        let mut case = TestCase::new(name.as_str(), status);
        case.set_classname(scenario).set_assertions(usize::try_from(p.checked).unwrap_or(usize::MAX));
        case
    })
}

fn failure(failure: &Failure) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let mut text = failure.what.join("\n");
    for found in &failure.contradictions {
        text.push_str(&format!("\n{}: {}", found.property, found.what));
        for witness in &found.records {
            text.push_str(&format!("\n  {} at {} ns: {}", witness.node, witness.at_ns, witness.event));
        }
    }
    text.push_str(&format!("\nagain: {}", failure.reproduce));
    status.set_message(failure.verdict.as_str()).set_description(text);
    let mut case = TestCase::new(format!("seed {}", failure.seed), status);
    case.set_classname(failure.scenario.as_str());
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{held, violated};

    #[test]
    fn a_sweep() {
        let text = sweep(&SweepReport::of([&held(1), &violated(3)]));
        let shown: Vec<_> = text.lines().filter(|line| line.contains("<test") || line.contains("<failure")).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        <testsuites name="swarm-sim" tests="17" failures="2" errors="0">
            <testsuite name="quiet" tests="8" disabled="0" errors="0" failures="0" time="0.007">
                <testcase name="P1" classname="quiet" assertions="3">
                <testcase name="P10" classname="quiet" assertions="2">
                <testcase name="P2" classname="quiet" assertions="6">
                <testcase name="P4" classname="quiet" assertions="6">
                <testcase name="P5" classname="quiet" assertions="10">
                <testcase name="P6" classname="quiet" assertions="4">
                <testcase name="P9" classname="quiet" assertions="27">
                <testcase name="liveness" classname="quiet" assertions="1">
            <testsuite name="split" tests="9" disabled="0" errors="0" failures="2" time="0.007">
                <testcase name="P1" classname="split" assertions="3">
                    <failure message="violated in 1 of 1 runs"/>
                <testcase name="P10" classname="split" assertions="2">
                <testcase name="P2" classname="split" assertions="6">
                <testcase name="P4" classname="split" assertions="6">
                <testcase name="P5" classname="split" assertions="10">
                <testcase name="P6" classname="split" assertions="4">
                <testcase name="P9" classname="split" assertions="27">
                <testcase name="liveness" classname="split" assertions="1">
                <testcase name="seed 3" classname="split">
                    <failure message="violated">P1 violated (1)
        "#);
        assert!(text.contains("again: swarm-sim run scenarios/split.toml --seed 3"));
    }

    #[test]
    fn what_was_never_checked_is_an_error_only_if_nobody_did() {
        let mut vacuous = held(1);
        vacuous.scenario = "other".into();
        vacuous.properties.get_mut("P2").unwrap().checked = 0;
        assert!(run(&vacuous).contains("never checked in the whole sweep"));
        let text = sweep(&SweepReport::of([&vacuous, &held(1)]));
        assert!(text.contains("<skipped") && !text.contains("never checked"));
    }
}
