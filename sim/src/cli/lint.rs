//! `lint`: everything that is wrong with scenario files, each mistake in its place with a mend.

use swarm_scenarios::lint_all;

use crate::cli::{CliError, LintArgs, code, say, scenarios};

/// Prints every finding; errors make the files unusable, warnings do not.
pub fn run(args: &LintArgs) -> Result<u8, CliError> {
    let files = scenarios::files(&args.files)?;
    let reports = lint_all(&files);
    let (mut errors, mut warnings) = (0, 0);
    for report in reports {
        (errors, warnings) = (errors + report.errors.len(), warnings + report.warnings.len());
        for finding in report.errors.into_iter().chain(report.warnings) {
            say(format!("{:?}\n", miette::Report::new(finding)))?;
        }
    }
    say(format!("{}: {}, {}\n", of(files.len(), "file"), of(errors, "error"), of(warnings, "warning")))?;
    Ok(if errors > 0 { code::BAD_INPUT } else { 0 })
}

fn of(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
