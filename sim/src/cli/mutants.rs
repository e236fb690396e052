//! `mutants`: runs every planted protocol bug until the property that it must fell falls, and the unmodified protocol over the
//! same seeds, which must never be accused. A bug that no oracle sees is a hole in the oracles: exit code 1.
//!
//! An ordinary build holds no bugs. It builds one that does, in a target folder of its own, and hands over to it.

use comfy_table::{Table, presets};
use miette::Report;
use swarm_core::mutant::Mutant;

use crate::cli::{CliError, MutantsArgs, say};

/// Prints the table and writes the report; the exit code is 0 if every bug was caught by its property and nothing else was
/// accused, 1 if not.
pub fn run(args: &MutantsArgs) -> Result<u8, Report> {
    if args.list {
        return Ok(list()?);
    }
    #[cfg(swarm_mutants)]
    return Ok(hunt::run(args)?);
    #[cfg(not(swarm_mutants))]
    return Ok(build::run(args)?);
}

/// Which bugs there are.
fn list() -> Result<u8, CliError> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["planted bug", "fells", "in", "what it breaks"]);
    // What no scenario brings about is no bug to hunt for.
    let place = |bug: &Mutant| match bug.scenario() {
        "core" => "(just mutants-core)",
        scenario => scenario,
    };
    table.add_rows(Mutant::ALL.iter().map(|bug| [bug.name(), bug.falls(), place(bug), bug.breaks()]));
    say(format!("{table}\n")).map(|()| 0)
}

/// The ordinary build: makes the other one and runs it.
#[cfg(not(swarm_mutants))]
mod build {
    use std::env;
    use std::ffi::OsStr;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use crate::cli::{CliError, MutantsArgs, code};

    /// The compiler for this workspace's own packages, with the flag under which planted bugs exist.
    const PLANTING_RUSTC: &str = "sim/planting-rustc";

    pub fn run(args: &MutantsArgs) -> Result<u8, CliError> {
        let Some(root) = sources() else {
            tell!("planted bugs are compiled in, and the sources are not here: run this from the project's folder");
            return Ok(code::UNAVAILABLE);
        };
        // What the ordinary build has compiled of others' is used again; the binary is apart, so nobody takes it for the product.
        let shared = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = shared.join("mutants");
        tell!("building swarm-sim with the planted bugs, in {}", target.display());
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(&cargo);
        build.args(["build", "--release", "-p", "swarm-sim", "--manifest-path"]).arg(root.join("Cargo.toml"));
        build.arg("--target-dir").arg(&target).env("CARGO_BUILD_BUILD_DIR", &shared);
        build.env("RUSTC_WORKSPACE_WRAPPER", root.join(PLANTING_RUSTC));
        match build.status() {
            Ok(done) if done.success() => {}
            Ok(_) => {
                tell!("the build with the planted bugs failed: what cargo says above is the reason");
                return Ok(code::UNAVAILABLE);
            }
            Err(error) => {
                tell!("cargo cannot be run ({error}): install Rust from https://rustup.rs, or set CARGO to its path");
                return Ok(code::UNAVAILABLE);
            }
        }
        let binary = target.join("release").join(format!("swarm-sim{}", env::consts::EXE_SUFFIX));
        let mut hunt = Command::new(&binary);
        hunt.args(["mutants", "--seeds", &args.seeds.to_string(), "--starts", &args.starts.to_string()]);
        hunt.args(args.only.iter().flat_map(|bug| ["--only", bug.name()]));
        for (option, file) in [("--json", &args.json), ("--markdown", &args.markdown)] {
            hunt.args(file.iter().flat_map(|file| [OsStr::new(option), file.as_os_str()]));
        }
        let done = hunt.status().map_err(CliError::unreadable(&binary))?;
        Ok(done.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(code::INTERRUPTED))
    }

    /// The project's folder: this one, or the one around it.
    fn sources() -> Option<PathBuf> {
        let here = env::current_dir().ok()?;
        here.ancestors().find(|folder| folder.join("core/src/mutant.rs").is_file()).map(Path::to_owned)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_planting_compiler_adds_the_flag_and_nothing_else() {
            let planting = sources().expect("tests run within the project").join(PLANTING_RUSTC);
            let said = Command::new(planting).args(["echo", "--crate-name", "a b"]).output().expect("it runs");
            assert_eq!(String::from_utf8_lossy(&said.stdout), "--crate-name a b --cfg swarm_mutants\n");
        }
    }
}

/// The build with the bugs.
#[cfg(swarm_mutants)]
mod hunt {
    use std::collections::{BTreeMap, BTreeSet};
    use std::num::NonZeroUsize;
    use std::ops::ControlFlow;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use comfy_table::{Table, presets};
    use swarm_core::mutant::{Mutant, plant};
    use swarm_reports::check::Verdict;
    use swarm_reports::history::AlarmKind;
    use swarm_reports::render::markdown;
    use swarm_reports::report::{Catch, MutantsReport, PlantedBug, Unmodified, median, unneeded};
    use swarm_scenarios::Scenario;

    use crate::cli::files::LateFile;
    use crate::cli::pool::in_order;
    use crate::cli::progress::Progress;
    use crate::cli::{CliError, MutantsArgs, beside, code, interrupt, panics, scenarios};
    use crate::world::{self, RunOptions};

    /// Of the report's form.
    const VERSION: u32 = 2;

    fn millis(real: Duration) -> u64 {
        u64::try_from(real.as_millis()).unwrap_or(u64::MAX)
    }

    pub fn run(args: &MutantsArgs) -> Result<u8, CliError> {
        if args.json.is_some() && args.json == args.markdown {
            return Err(CliError::OneFile(args.json.clone().unwrap_or_default()));
        }
        let json = args.json.as_deref().map(LateFile::begin).transpose()?;
        let page = args.markdown.as_deref().map(LateFile::begin).transpose()?;
        let say = beside(&[&page, &json])?;
        let here: Vec<_> = Mutant::hunted().filter(|bug| args.only.is_empty() || args.only.contains(bug)).collect();
        let names: BTreeSet<_> = here.iter().map(|mutant| mutant.scenario()).collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let load = |name: &&'static str| Ok((*name, scenarios::one(&folder.join(name).with_extension("toml"))?));
        let stage: BTreeMap<_, _> = names.iter().map(load).collect::<Result<_, CliError>>()?;

        let bugs: Vec<_> = (here.into_iter())
            .filter(|_| !interrupt::asked())
            .map(|mutant| bug(mutant, &stage[mutant.scenario()], args))
            .collect::<Result<_, _>>()?;
        plant(None);
        let unmodified: Vec<_> = (stage.iter())
            .filter(|_| !interrupt::asked())
            .map(|(name, scenario)| clean(name, scenario, args.seeds))
            .collect::<Result<_, _>>()?;
        let held = bugs.iter().all(|row| row.median.is_some()) && unmodified.iter().all(|row| row.accused.is_none());
        // Of checkers that other bugs need some of them say nothing.
        let unneeded = match args.only.as_slice() {
            [] => unneeded(&checkers(stage.values())?, &bugs),
            _ => Vec::new(),
        };
        let (seeds, starts) = (args.seeds, args.starts);
        let hunt = MutantsReport { version: VERSION, seeds, starts, held, bugs, unneeded, unmodified };
        if let Some(file) = page {
            file.finish(markdown::mutants(&hunt).as_bytes())?;
        }
        if let Some(file) = json {
            let mut bytes = serde_json::to_vec_pretty(&hunt).expect("every report has a JSON form");
            bytes.push(b'\n');
            file.finish(&bytes)?;
        }
        say(table(&hunt))?;
        if interrupt::asked() {
            return Ok(code::INTERRUPTED);
        }
        Ok(u8::from(!held))
    }

    /// The checkers that had something to check in a run of one of these.
    fn checkers<'a>(stage: impl Iterator<Item = &'a Scenario>) -> Result<BTreeSet<String>, CliError> {
        let mut names = BTreeSet::new();
        for scenario in stage {
            let done = world::run(scenario, 0, RunOptions::default()).map_err(|source| CliError::Input { source })?;
            let looked = done.judgement.properties.iter().filter(|(_, finding)| finding.checked > 0);
            names.extend(looked.map(|(name, _)| (*name).to_owned()));
        }
        Ok(names)
    }

    /// Plants `mutant` and looks, from each start, for the first seed in which its property falls.
    fn bug(mutant: Mutant, scenario: &Scenario, args: &MutantsArgs) -> Result<PlantedBug, CliError> {
        plant(Some(mutant));
        let (mut caught, mut otherwise) = (None, None);
        let (mut took, mut real) = (Vec::new(), Duration::ZERO);
        for start in (0..u64::from(args.starts)).take_while(|_| !interrupt::asked()) {
            let first = start * args.seeds;
            let mut found = None;
            let (_, lasted) = search(mutant.name(), scenario, first, args.seeds, |catch| {
                if catch.fell.contains_key(mutant.falls()) {
                    found = Some(catch.seed - first + 1);
                    caught.get_or_insert(catch);
                    return ControlFlow::Break(());
                }
                otherwise.get_or_insert(catch);
                ControlFlow::Continue(())
            })?;
            took.push(found);
            real += lasted;
        }
        Ok(PlantedBug {
            bug: mutant.name().to_owned(),
            breaks: mutant.breaks().to_owned(),
            scenario: mutant.scenario().to_owned(),
            expected: mutant.falls().to_owned(),
            median: median(&took),
            took,
            caught,
            otherwise,
            real_ms: millis(real),
        })
    }

    /// Looks for a seed in which the protocol as it is would be accused.
    fn clean(name: &'static str, scenario: &Scenario, seeds: u64) -> Result<Unmodified, CliError> {
        let mut accused = None;
        let (runs, real) = search("unmodified", scenario, 0, seeds, |catch| {
            accused.get_or_insert(catch);
            ControlFlow::Break(())
        })?;
        Ok(Unmodified { scenario: name.to_owned(), runs, accused, real_ms: millis(real) })
    }

    /// Runs the seeds on all cores and hands over, by rising seed, those that accuse somebody; how many were run, and how
    /// long it took.
    fn search(
        what: &'static str,
        scenario: &Scenario,
        first: u64,
        seeds: u64,
        mut take: impl FnMut(Catch) -> ControlFlow<()>,
    ) -> Result<(u64, Duration), CliError> {
        let began = Instant::now();
        let jobs = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let mut progress = Progress::new(what, seeds);
        let (mut runs, mut failed) = (0, None);
        let attempt = |at| trial(scenario, first + at);
        let each = |at, fell: Result<BTreeMap<String, String>, CliError>| {
            runs += 1;
            match fell {
                Ok(fell) if fell.is_empty() => ControlFlow::Continue(()),
                Ok(fell) => take(Catch { seed: first + at, fell }),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        in_order(jobs, seeds, interrupt::flag(), attempt, each, |done| progress.at(done, 0))?;
        failed.map_or(Ok((runs, began.elapsed())), Err)
    }

    /// What fell in one run. A panic is an internal error, as is an alarm about our own code.
    fn trial(scenario: &Scenario, seed: u64) -> Result<BTreeMap<String, String>, CliError> {
        let judged = match panics::guarded(|| world::run(scenario, seed, RunOptions::default())) {
            Ok(done) => done.map_err(|source| CliError::Input { source })?.judgement,
            Err(panic) => return Ok([("internal".to_owned(), panic)].into()),
        };
        let mut fell = BTreeMap::new();
        for (name, finding) in judged.properties.iter().filter(|(_, f)| f.verdict == Verdict::Violated) {
            let what = finding.contradictions.first().map(|c| c.what.clone()).unwrap_or_default();
            fell.insert((*name).to_owned(), what);
        }
        for (kind, what) in &judged.alarms {
            let name = if *kind == AlarmKind::Internal { "internal" } else { "data-loss" };
            fell.entry(name.to_owned()).or_insert_with(|| what.clone());
        }
        Ok(fell)
    }

    fn table(hunt: &MutantsReport) -> String {
        let fell = |catch: &Catch| catch.fell.keys().cloned().collect::<Vec<_>>().join(" ");
        let time = |ms: u64| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
        let mut bugs = Table::new();
        bugs.load_preset(presets::NOTHING);
        bugs.set_header(["planted bug", "must fell", "fell", "scenario", "seeds", "time"]);
        let told = |seeds: Option<u64>| seeds.map_or("never".to_owned(), |seeds| seeds.to_string());
        let of = |row: &PlantedBug| match row.took.iter().map(|took| took.unwrap_or(u64::MAX)).max() {
            Some(most) if row.took.len() > 1 && most < u64::MAX => format!("{}, at most {most}", told(row.median)),
            Some(_) if row.took.len() > 1 => {
                let missed = row.took.iter().filter(|took| took.is_none()).count();
                format!("{}, missed from {missed} of {} starts", told(row.median), row.took.len())
            }
            _ => told(row.median),
        };
        for row in &hunt.bugs {
            let felled = match (&row.caught, &row.otherwise) {
                (Some(catch), _) => fell(catch),
                (None, Some(other)) => format!("only {}", fell(other)),
                (None, None) => "nothing".to_owned(),
            };
            bugs.add_row([&row.bug, &row.expected, &felled, &row.scenario, &of(row), &time(row.real_ms)]);
        }
        let mut clean = Table::new();
        clean.load_preset(presets::NOTHING);
        clean.set_header(["unmodified in", "runs", "accused", "time"]);
        for row in &hunt.unmodified {
            let accused =
                row.accused.as_ref().map_or("never".to_owned(), |c| format!("{} at seed {}", fell(c), c.seed));
            clean.add_row([&row.scenario, &row.runs.to_string(), &accused, &time(row.real_ms)]);
        }
        let caught = hunt.bugs.iter().filter(|row| row.median.is_some()).count();
        let mut text = format!("{bugs}\n\n{clean}\n\n{caught} of {} planted bugs caught\n", hunt.bugs.len());
        if !hunt.unneeded.is_empty() {
            text.push_str(&format!("no bug is caught by these alone: {}\n", hunt.unneeded.join(", ")));
        }
        for row in &hunt.unmodified {
            for (property, what) in row.accused.iter().flat_map(|catch| &catch.fell) {
                text.push_str(&format!("the unmodified protocol is accused in {}: {property}: {what}\n", row.scenario));
            }
        }
        text
    }
}
