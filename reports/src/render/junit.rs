//! JUnit for CI: one suite per scenario, one case per property with the seeds in which it did not hold, and one per seed that
//! failed in another way. A suite's properties count its faults and marks, and its output holds what must be known besides. Each cause counts once: a contradiction is a failure, what could not be told an error.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{event, in_order, notes, span};
use crate::check::{Outcome, Verdict};
use crate::report::{Failure, Gap, GapKind, Lie, RunReport, Sums, SweepReport};

/// Seeds told per property; the JSON report has all.
const SEEDS_SHOWN_MAX: usize = 10;

/// A run as JUnit XML.
pub fn run(report: &RunReport) -> String {
    sweep(&SweepReport::of([report]))
}

/// A sweep as JUnit XML.
pub fn sweep(report: &SweepReport) -> String {
    let mut junit = Report::new("swarm-sim");
    let notes = notes::of(report);
    for (name, sums) in &report.scenarios {
        let mut suite = TestSuite::new(name.as_str());
        suite.set_time(std::time::Duration::from_nanos(sums.real_ns.0));
        suite.add_property(("runs", sums.runs.to_string().as_str()));
        for (fault, count) in &sums.faults {
            let told = format!("{} injected, {} made a difference", count.injected, count.bites);
            suite.add_property((format!("fault {fault}").as_str(), told.as_str()));
        }
        for (mark, hits) in &sums.sometimes {
            suite.add_property((format!("mark {mark}").as_str(), hits.to_string().as_str()));
        }
        let known: Vec<_> = notes.iter().filter(|note| note.scenario == *name).collect();
        if !known.is_empty() {
            let lines: Vec<_> = known.iter().map(|note| format!("{}: {}", note.what, note.text)).collect();
            suite.set_system_out(lines.join("\n"));
        }
        suite.add_test_cases(properties(name, sums, report));
        suite.add_test_cases(report.gaps.iter().filter(|gap| gap.counts && gap.scenario == *name).filter_map(gap));
        suite.add_test_cases(report.pays.iter().filter(|pays| pays.scenario == *name).map(pays));
        suite.add_test_cases(report.failures.iter().filter(|f| f.scenario == *name && is_otherwise(f)).map(failure));
        junit.add_test_suite(suite);
    }
    // A run that was not the same has a case of its own.
    if report.done_twice > 0 && report.verdict != Outcome::Internal {
        let mut case = TestCase::new("every run is the same twice", TestCaseStatus::success());
        case.set_assertions(usize::try_from(report.done_twice).unwrap_or(usize::MAX));
        let mut suite = TestSuite::new("determinism");
        suite.add_test_case(case);
        junit.add_test_suite(suite);
    }
    if report.interrupted {
        let mut suite = TestSuite::new("sweep");
        let done = format!("interrupted after {} of {} runs", report.total.runs, report.planned_runs);
        suite.add_test_case(TestCase::new("every run was done", bad(NonSuccessKind::Error, &done)));
        junit.add_test_suite(suite);
    }
    junit.to_string().expect("a report in memory can be written")
}

fn bad(kind: NonSuccessKind, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message);
    status
}

/// Whether a run failed in a way that no property's case tells.
fn is_otherwise(failure: &Failure) -> bool {
    failure.properties.is_empty() || matches!(failure.verdict, Outcome::Internal | Outcome::DataLoss)
}

/// A mark or a fault that a scenario asked for and did not get.
fn gap(gap: &Gap) -> Option<TestCase> {
    let (what, message) = match gap.kind {
        // Its property's case tells it.
        GapKind::Property => return None,
        GapKind::Mark => ("mark", "never hit"),
        GapKind::Fault => ("fault", "never made a difference"),
        GapKind::Profit => ("profit of", "known to pay, and did not"),
        GapKind::Violation => ("end of the promise of", "never seen"),
    };
    let name = format!("{what} {}", gap.name);
    let mut case = TestCase::new(name, bad(NonSuccessKind::Error, message));
    case.set_classname(gap.scenario.as_str());
    Some(case)
}

/// A way of lying that pays.
fn pays(pays: &Lie) -> TestCase {
    let message = format!("pays better than an honest {}", pays.role);
    let mut case = TestCase::new(format!("profit of {}", pays.strategy), bad(NonSuccessKind::Failure, &message));
    case.set_classname(pays.scenario.as_str());
    case
}

/// A property's case fails if it was contradicted, could not be told, or was asked for and never checked; the seeds say
/// where.
fn properties<'a>(scenario: &'a str, sums: &'a Sums, report: &'a SweepReport) -> impl Iterator<Item = TestCase> + 'a {
    in_order(&sums.properties).into_iter().map(move |(name, p)| {
        let mut status = match p.verdict {
            Verdict::Violated => {
                bad(NonSuccessKind::Failure, &format!("violated in {} of {} runs", p.violated, sums.runs))
            }
            Verdict::Unknown => bad(NonSuccessKind::Error, &format!("unknown in {} of {} runs", p.unknown, sums.runs)),
            Verdict::Holds if p.checked > 0 => TestCaseStatus::success(),
            Verdict::Holds if p.asked > 0 => bad(NonSuccessKind::Error, "never checked"),
            // Nobody asked for it here.
            Verdict::Holds => TestCaseStatus::skipped(),
        };
        if p.verdict != Verdict::Holds {
            let seeds = report.failures.iter().filter(|f| f.scenario == scenario && f.properties.contains_key(name));
            let told: Vec<_> =
                seeds.take(SEEDS_SHOWN_MAX).map(|f| format!("seed {}: {}", f.seed, told(f, Some(name)))).collect();
            status.set_description(told.join("\n\n"));
        }
        let mut case = TestCase::new(name.as_str(), status);
        case.set_classname(scenario).set_assertions(usize::try_from(p.checked).unwrap_or(usize::MAX));
        case
    })
}

fn failure(failure: &Failure) -> TestCase {
    let kind = if failure.verdict == Outcome::DataLoss { NonSuccessKind::Failure } else { NonSuccessKind::Error };
    let mut status = bad(kind, failure.verdict.as_str());
    status.set_description(told(failure, None));
    let mut case = TestCase::new(format!("seed {}", failure.seed), status);
    case.set_classname(failure.scenario.as_str());
    case
}

/// What went wrong in a run, and how to have it again; of one property only, if it is named.
fn told(failure: &Failure, property: Option<&str>) -> String {
    let mut text = failure.what.join("\n");
    for found in failure.contradictions.iter().filter(|found| property.is_none_or(|name| name == found.property)) {
        text.push_str(&format!("\n{}: {}", found.property, found.what));
        for witness in &found.records {
            let (at, event) = (span(witness.at_ns), event::in_words(&witness.event));
            text.push_str(&format!("\n  {} at {at}: {event}", witness.node));
        }
    }
    text.push_str(&format!("\nagain: {}", failure.reproduce));
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_lie_that_pays_is_a_failure() {
        let text = sweep(&SweepReport::of(&(0..30).map(crate::report::fixture::robbed).collect::<Vec<_>>()));
        assert!(
            text.contains("profit of thief") && text.contains("<failure message=\"pays better than an honest worker")
        );
        assert!(!sweep(&SweepReport::of([&held(1)])).contains("profit of"));
    }

    use super::*;
    use crate::report::fixture::{held, violated};

    #[test]
    fn a_sweep() {
        let text = sweep(&SweepReport::of([&held(1), &violated(3)]));
        let shown: Vec<_> = text.lines().filter(|line| line.contains("<test") || line.contains("<failure")).collect();
        insta::assert_snapshot!(shown.join("\n"), @r##"
        <testsuites name="swarm-sim" tests="20" failures="1" errors="0">
            <testsuite name="quiet" tests="10" disabled="0" errors="0" failures="0" time="0.007">
                <testcase name="P1" classname="quiet" assertions="3">
                <testcase name="P2" classname="quiet" assertions="5">
                <testcase name="P4" classname="quiet" assertions="6">
                <testcase name="P5" classname="quiet" assertions="10">
                <testcase name="P6" classname="quiet" assertions="6">
                <testcase name="P9" classname="quiet" assertions="41">
                <testcase name="P10" classname="quiet" assertions="2">
                <testcase name="liveness" classname="quiet" assertions="2">
                <testcase name="model" classname="quiet" assertions="1">
                <testcase name="policy" classname="quiet" assertions="1">
            <testsuite name="split" tests="10" disabled="0" errors="0" failures="1" time="0.007">
                <testcase name="P1" classname="split" assertions="3">
                    <failure message="violated in 1 of 1 runs">seed 3: P1 violated (1)
                <testcase name="P2" classname="split" assertions="5">
                <testcase name="P4" classname="split" assertions="6">
                <testcase name="P5" classname="split" assertions="10">
                <testcase name="P6" classname="split" assertions="6">
                <testcase name="P9" classname="split" assertions="41">
                <testcase name="P10" classname="split" assertions="2">
                <testcase name="liveness" classname="split" assertions="2">
                <testcase name="model" classname="split" assertions="1">
                <testcase name="policy" classname="split" assertions="1">
        "##);
        assert!(text.contains("again: swarm-sim run scenarios/split.toml --seed 3"));
    }

    #[test]
    fn a_suite_counts_its_faults_and_marks_and_holds_what_must_be_known() {
        let text = run(&held(1));
        for part in [
            "<property name=\"fault loss\" value=\"12 injected, 3 made a difference\"",
            "<property name=\"mark reassigned\" value=\"1\"",
            "<system-out>marks never hit: lost-disk (too few runs to tell: 100 would)\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn an_interrupted_sweep_is_an_error() {
        let mut report = SweepReport::of([&held(1)]);
        report.close(400, true);
        let text = sweep(&report);
        assert!(text.contains("errors=\"1\"") && text.contains("interrupted after 1 of 400 runs"), "{text}");
    }

    #[test]
    fn a_cause_counts_once_and_as_one_kind() {
        let mut unknown = violated(1);
        unknown.verdict = Outcome::Unknown;
        unknown.properties.get_mut("P1").unwrap().verdict = Verdict::Unknown;
        assert!(run(&unknown).contains("failures=\"0\" errors=\"1\""));
        assert!(run(&violated(1)).contains("failures=\"1\" errors=\"0\""));
        let mut internal = SweepReport::of([&held(1)]);
        let lost = Failure { verdict: Outcome::Internal, ..Failure::of(&held(1)) };
        internal.fail(lost);
        assert!(sweep(&internal).contains("failures=\"0\" errors=\"1\""));
    }

    #[test]
    fn what_was_asked_for_and_never_checked_is_an_error_of_its_scenario() {
        let mut vacuous = held(1);
        vacuous.scenario = "other".into();
        vacuous.properties.get_mut("P2").unwrap().checked = 0;
        assert!(run(&vacuous).contains("never checked"));
        let text = sweep(&SweepReport::of([&vacuous, &held(1)]));
        assert!(text.contains("errors=\"1\"") && text.contains("never checked"), "{text}");
        vacuous.properties.get_mut("P2").unwrap().asked = false;
        assert!(run(&vacuous).contains("<skipped"));
    }

    #[test]
    fn a_gap_that_counts_is_an_error() {
        let mut missed = held(1);
        missed.sometimes.insert("torn-tail".into(), 0);
        missed.faults.insert("skew".into(), Default::default());
        let text = sweep(&SweepReport::of([&missed]));
        assert!(text.contains("errors=\"0\""), "of one run nothing is expected: {text}");
        let text = sweep(&SweepReport::of(std::iter::repeat_n(&missed, 100)));
        assert!(text.contains("mark torn-tail") && text.contains("fault skew"), "{text}");
    }

    #[test]
    fn a_promise_whose_end_was_never_seen_is_an_error() {
        use crate::report::fixture::beyond;
        let poor = |run| RunReport { profits: Default::default(), ..run };
        let runs = |come| (0..100).map(|seed| poor(beyond(seed, seed < come))).collect::<Vec<_>>();
        let (seen, unseen) = (sweep(&SweepReport::of(&runs(1))), sweep(&SweepReport::of(&runs(0))));
        assert!(!seen.contains("end of the promise") && seen.contains("failures=\"0\""), "{seen}");
        assert!(unseen.contains("end of the promise of P3"), "{unseen}");
    }

    #[test]
    fn a_loss_that_was_not_seen_is_an_error() {
        let mut missed = held(1);
        missed.vacuous.push(crate::check::DATA_LOSS.into());
        let report = SweepReport::of([&missed]);
        assert_eq!(report.verdict, Outcome::Vacuous);
        assert!(sweep(&report).contains("never checked"));
    }
}
