//! From paths on the command line to scenarios that can be run, or everything that is wrong with them.

use std::path::{Path, PathBuf};

use swarm_scenarios::{Finding, Scenario, discover, lint_all};

use crate::cli::CliError;

/// The scenario files meant; never none.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let first = paths.first().map_or(Path::new("."), PathBuf::as_path);
    let found = discover(paths).map_err(CliError::unreadable(first))?;
    if found.is_empty() { Err(CliError::NoScenarios(paths.to_vec())) } else { Ok(found) }
}

/// One scenario. What the lint warns of is told.
pub fn one(file: &Path) -> Result<Scenario, CliError> {
    let scenario = swarm_scenarios::load(file).map_err(|failure| CliError::Scenarios(failure.report.errors))?;
    warn(lint_all(&[file.to_owned()]).into_iter().flat_map(|report| report.warnings));
    Ok(scenario)
}

fn warn(warnings: impl Iterator<Item = Finding>) {
    for warning in warnings {
        tell!("{:?}", miette::Report::new(warning));
    }
}

/// All scenarios meant, each with its file. Two of one name would be summed as one, so they are refused. What the lint warns of is told.
pub fn all(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Scenario)>, CliError> {
    let files = files(paths)?;
    let (mut bad, mut warnings) = (Vec::new(), Vec::new());
    for report in lint_all(&files) {
        bad.extend(report.errors);
        warnings.extend(report.warnings);
    }
    let mut good = Vec::new();
    if bad.is_empty() {
        for file in files {
            match swarm_scenarios::load(&file) {
                Ok(scenario) => good.push((file, scenario)),
                Err(failure) => bad.extend(failure.report.errors),
            }
        }
    }
    if !bad.is_empty() {
        return Err(CliError::Scenarios(bad));
    }
    warn(warnings.into_iter());
    Ok(good)
}
