//! `run`: one scenario, one seed, one verdict.

use swarm_reports::render::{human, json};

use crate::cli::files::LateFolder;
use crate::cli::folder::write;
use crate::cli::progress::Going;
use crate::cli::{CliError, Format, RunArgs, again, code, interrupt, panics, say, scenarios};
use crate::world::{self, RunOptions};

/// Runs it and prints its report; the exit code is its verdict.
pub fn run(args: &RunArgs) -> Result<u8, CliError> {
    let scenario = scenarios::one(&args.file)?;
    let seed = args.seed.unwrap_or(scenario.seed);
    let folder = args.out.as_deref().map(LateFolder::begin).transpose()?;
    let reproduce = again::run(&args.file, seed, args.input.as_deref());
    let options = RunOptions {
        input: args.input.as_deref(),
        keep_history: folder.is_some(),
        keep_audit: folder.is_some(),
        reproduce: &reproduce,
        stop: Some(interrupt::flag()),
        ..RunOptions::default()
    };
    let going = Going::on(format!("{}, seed {seed}", scenario.name));
    let done = panics::guarded(|| world::run(&scenario, seed, options));
    drop(going);
    let outcome = match done {
        Ok(done) => done.map_err(|source| CliError::Input { source })?,
        Err(panic) => {
            tell!("{}", panics::line(&panic, &reproduce));
            return Ok(code::INTERNAL);
        }
    };
    if let Some(folder) = folder {
        let text = std::fs::read(&args.file).map_err(CliError::unreadable(&args.file))?;
        write(&folder, &scenario, &text, &outcome)?;
        folder.finish()?;
    }
    say(match args.format {
        Format::Json => json(&outcome.report),
        Format::Human => human::run(&outcome.report, human::Style { color: console::colors_enabled() }),
    })?;
    Ok(if interrupt::asked() { code::INTERRUPTED } else { outcome.report.exit_code() })
}
