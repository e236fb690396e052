//! `sweep`: scenarios under many seeds on all cores, to the end, whatever fails on the way.
//!
//! Runs are numbered scenario by scenario, seed by seed, and added up in that order, so the report depends neither on the
//! number of threads nor on who was first. Of a run only its report is kept, and of that only the sums.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use swarm_reports::render::{human, json, junit, markdown};
use swarm_reports::report::{Failure, SweepReport};
use swarm_reports::{Outcome, RunReport};
use swarm_scenarios::Scenario;

use crate::cli::determinism::{self, Print};
use crate::cli::files::LateFile;
use crate::cli::pool::in_order;
use crate::cli::progress::Progress;
use crate::cli::{CliError, Seeds, SweepArgs, again, beside, code, interrupt, panics, scenarios};
use crate::world::{self, InputError, RunOptions};

/// Sweeps, prints and writes the report; the exit code is its verdict.
pub fn run(args: &SweepArgs) -> Result<u8, CliError> {
    if args.input.is_some() {
        return Err(CliError::SweepInput);
    }
    let reports: Vec<&PathBuf> = args.json.iter().chain(&args.junit).chain(&args.markdown).collect();
    let twice = |(at, report): &(usize, &&PathBuf)| reports[..*at].contains(report);
    if let Some((_, report)) = reports.iter().enumerate().find(twice) {
        return Err(CliError::OneFile((*report).clone()));
    }
    let plan = Plan { scenarios: scenarios::all(&args.files)?, seeds: args.seeds };
    let is = |report: &PathBuf, scenario: &PathBuf| {
        fs::canonicalize(report).is_ok_and(|report| fs::canonicalize(scenario).is_ok_and(|scenario| scenario == report))
    };
    if let Some(report) =
        reports.into_iter().find(|report| plan.scenarios.iter().any(|(scenario, _)| is(report, scenario)))
    {
        return Err(CliError::OverInput(report.clone()));
    }
    let junit_file = args.junit.as_deref().map(LateFile::begin).transpose()?;
    let json_file = args.json.as_deref().map(LateFile::begin).transpose()?;
    let markdown_file = args.markdown.as_deref().map(LateFile::begin).transpose()?;
    let say = beside(&[&junit_file, &json_file, &markdown_file])?;
    let jobs = args.jobs.map_or_else(cores, usize::from);
    let sweep = Sweep { plan: &plan, jobs, max_fail: args.max_fail, stop: interrupt::flag() };
    let attempt = |number| plan.attempt(number, interrupt::flag());
    let (mut report, prints) = sweep.first(args.check_determinism, attempt)?;
    if args.check_determinism {
        for number in sweep.second(&prints, attempt)? {
            report.fail(plan.parted(number));
        }
        report.done_twice = if interrupt::asked() { 0 } else { prints.len() as u64 };
    }
    report.close(plan.total(), interrupt::asked());
    if let Some(file) = junit_file {
        file.finish(junit::sweep(&report).as_bytes())?;
    }
    if let Some(file) = json_file {
        file.finish(json(&report).as_bytes())?;
    }
    if let Some(file) = markdown_file {
        file.finish(markdown::sweep(&report).as_bytes())?;
    }
    say(human::sweep(&report, human::Style { color: console::colors_enabled() }))?;
    if report.interrupted {
        return Ok(code::INTERRUPTED);
    }
    if (prints.len() as u64) < plan.total() {
        say("\nended at --max-fail\n".to_owned())?;
    }
    if !report.pays.is_empty() {
        // No run shows it alone.
        say(format!("\nagain: {}\n", again::whole()))?;
    }
    if report.done_twice > 0 && report.verdict != Outcome::Internal {
        say(format!("\nevery one of {} runs was done twice, and was the same\n", report.done_twice))?;
    }
    Ok(report.exit_code())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The runs of a sweep, by number.
struct Plan {
    scenarios: Vec<(PathBuf, Scenario)>,
    seeds: Seeds,
}

/// What a run came to.
enum Attempt {
    Done(Box<RunReport>),
    /// Its panic.
    Panicked(Failure),
    /// No seed of it can be run.
    Unusable(InputError),
    /// It was cut short.
    Stopped,
}

impl Plan {
    fn total(&self) -> u64 {
        self.scenarios.len() as u64 * self.seeds.count()
    }

    fn run(&self, number: u64) -> (&PathBuf, &Scenario, u64) {
        let at = usize::try_from(number / self.seeds.count()).expect("a number below the total");
        let (file, scenario) = &self.scenarios[at];
        (file, scenario, self.seeds.at(number % self.seeds.count()))
    }

    fn attempt(&self, number: u64, stop: &AtomicBool) -> Attempt {
        let (file, scenario, seed) = self.run(number);
        let reproduce = again::run(file, seed, None);
        let options = RunOptions { reproduce: &reproduce, stop: Some(stop), ..RunOptions::default() };
        let done = panics::guarded(|| world::run(scenario, seed, options).map(|outcome| outcome.report));
        match done {
            _ if stop.load(std::sync::atomic::Ordering::Relaxed) => Attempt::Stopped,
            Ok(Ok(report)) => Attempt::Done(Box::new(report)),
            Ok(Err(why)) => Attempt::Unusable(why),
            Err(panic) => Attempt::Panicked(self.internal(number, vec![format!("panicked: {panic}")])),
        }
    }

    /// A run that was not the same twice, with the first event that differs.
    fn parted(&self, number: u64) -> Failure {
        let (_, scenario, seed) = self.run(number);
        self.internal(number, determinism::explain(scenario, seed))
    }

    fn internal(&self, number: u64, what: Vec<String>) -> Failure {
        let (file, scenario, seed) = self.run(number);
        Failure {
            scenario: scenario.name.clone(),
            seed,
            verdict: Outcome::Internal,
            properties: BTreeMap::new(),
            what,
            contradictions: Vec::new(),
            reproduce: again::run(file, seed, None),
        }
    }
}

struct Sweep<'a> {
    plan: &'a Plan,
    jobs: usize,
    max_fail: Option<u64>,
    stop: &'a AtomicBool,
}

impl Sweep<'_> {
    /// Every run once, in order. The prints are one per run, and empty unless they are kept.
    fn first(
        &self,
        keep: bool,
        attempt: impl Fn(u64) -> Attempt + Sync,
    ) -> Result<(SweepReport, Vec<Option<Print>>), CliError> {
        let mut report = SweepReport::default();
        let mut prints = Vec::new();
        let mut unusable = None;
        let mut failed = 0;
        let mut progress = Progress::new("sweep", self.plan.total());
        let failures = std::cell::Cell::new(0);
        let take = |_, attempt| {
            let (bad, print) = match attempt {
                Attempt::Done(run) => {
                    report.add(&run);
                    (run.verdict.failed(), keep.then(|| Print::of(&run)))
                }
                Attempt::Panicked(failure) => {
                    report.fail(failure);
                    (true, None)
                }
                Attempt::Unusable(why) => {
                    unusable = Some(why);
                    return ControlFlow::Break(());
                }
                Attempt::Stopped => return ControlFlow::Break(()),
            };
            prints.push(print);
            failed += u64::from(bad);
            failures.set(failed);
            if self.max_fail.is_some_and(|max| failed >= max) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        in_order(self.jobs, self.plan.total(), self.stop, attempt, take, |done| progress.at(done, failures.get()))?;
        match unusable {
            Some(source) => Err(CliError::Input { source }),
            None => Ok((report, prints)),
        }
    }

    /// Every run a second time, in reverse order: the numbers of those that were not the same.
    fn second(&self, prints: &[Option<Print>], attempt: impl Fn(u64) -> Attempt + Sync) -> Result<Vec<u64>, CliError> {
        let total = prints.len() as u64;
        let mut parted = Vec::new();
        let mut progress = Progress::new("second time", total);
        let mirrored = |number| total - 1 - number;
        let take = |number, attempt| {
            let number = mirrored(number);
            let print = match attempt {
                Attempt::Done(run) => Some(Print::of(&run)),
                Attempt::Panicked(_) | Attempt::Unusable(_) => None,
                Attempt::Stopped => return ControlFlow::Break(()),
            };
            if prints[number as usize] != print {
                parted.push(number);
            }
            ControlFlow::Continue(())
        };
        in_order(self.jobs, total, self.stop, |number| attempt(mirrored(number)), take, |done| progress.at(done, 0))?;
        parted.reverse();
        Ok(parted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "teaches = \"One need of one task.\"\n[workload]\nneeds = 1\nrecipe = \"single\"\n";
    static GO: AtomicBool = AtomicBool::new(false);

    fn plan(seeds: &str) -> Plan {
        let file = PathBuf::from("some where/one.toml");
        let scenario = swarm_scenarios::load_text(&file, ONE).unwrap();
        Plan { scenarios: vec![(file, scenario)], seeds: seeds.parse().unwrap() }
    }

    fn sweep(plan: &Plan, max_fail: Option<u64>) -> Sweep<'_> {
        Sweep { plan, jobs: 2, max_fail, stop: &GO }
    }

    fn held(seed: u64) -> Attempt {
        Attempt::Done(Box::new(RunReport { scenario: "one".into(), seed, ..RunReport::default() }))
    }

    #[test]
    fn a_panic_is_one_seeds_failure() {
        let plan = plan("10..14");
        let attempt = |number| match panics::guarded(|| assert_ne!(number, 2, "a rule of ours")) {
            Ok(()) => held(number),
            Err(panic) => Attempt::Panicked(plan.internal(number, vec![format!("panicked: {panic}")])),
        };
        let (report, prints) = sweep(&plan, None).first(true, attempt).unwrap();
        assert_eq!((report.total.runs, report.exit_code()), (3, code::INTERNAL));
        let failure = &report.failures[0];
        assert_eq!(failure.seed, 12);
        assert!(failure.reproduce.ends_with("run 'some where/one.toml' --seed 12"), "{}", failure.reproduce);
        assert_eq!(prints.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true]);
    }

    #[test]
    fn max_fail_ends_at_that_failure_in_order() {
        let plan = plan("0..50");
        let attempt = |number| Attempt::Panicked(plan.internal(number, Vec::new()));
        let (report, prints) = sweep(&plan, Some(3)).first(false, attempt).unwrap();
        assert_eq!(report.failures.iter().map(|f| f.seed).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(prints.len(), 3);
    }

    #[test]
    fn a_run_that_is_not_the_same_twice_is_an_internal_error() {
        let plan = plan("0..5");
        let sweep = sweep(&plan, None);
        let (mut report, prints) = sweep.first(true, held).unwrap();
        assert!(sweep.second(&prints, held).unwrap().is_empty());
        let other = |number| match number {
            1 | 3 => held(number + 100),
            same => held(same),
        };
        assert_eq!(sweep.second(&prints, other).unwrap(), [1, 3]);
        report.fail(plan.parted(3));
        assert_eq!(report.exit_code(), code::INTERNAL);
        assert_eq!(report.failures[0].what[0], "not the same when done again");
    }
}
