//! The command line as data: every command, option and its help. What they do is in the files named after them.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use swarm_core::id::Label;
use swarm_core::mutant::Mutant;
use swarm_policy::Caps;

use crate::cli::seeds::{self, Seeds};

/// Runs scenarios in a simulated swarm and says whether the protocol kept its promises.
#[derive(Debug, Parser)]
#[command(name = "swarm-sim", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes (when several apply, the first of 75 70 1 3 2 4):
  0 all held            1 a property was violated    2 unknown
  3 no liveness: safe, but a need did not end within its bound, or ended otherwise than asked
  4 nothing was checked; in a sweep also, from 100 runs of a scenario on, a required mark that
    was never hit or a fault that never bit (with fewer runs both are only noted)
  64 wrong usage       65 bad input file            69 something is unavailable
  70 internal error    75 data loss                130 interrupted; the report so far is given";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario under one seed and judge it
    Run(RunArgs),
    /// Run scenarios under many seeds, on all cores
    Sweep(SweepArgs),
    /// Let nodes live again from their audit logs, and compare every FINALIZE record
    Replay(ReplayArgs),
    /// Say what is wrong with scenario files, where, and how to mend it
    Lint(LintArgs),
    /// Run the planted protocol bugs: each must be caught
    Mutants(MutantsArgs),
    /// Make a policy capsule of Rego, and see what one is, does and says
    Policy(PolicyArgs),
    /// Print the JSON Schema of a format
    Schema(SchemaArgs),
    /// Print a completion script
    Completions(CompletionsArgs),
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A scenario file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The seed, which decides everything; the scenario's own unless given
    #[arg(long, value_name = "N", value_parser = seeds::seed, allow_hyphen_values = true)]
    pub seed: Option<u64>,
    /// A file, or a folder that is taken as one text, for a scenario that does real work
    #[arg(long, value_name = "PATH")]
    pub input: Option<PathBuf>,
    /// Keep all there is to know in this folder, new or empty: the scenario, run.json, history.jsonl, audit/ROLE-N.jsonl,
    /// policies/ADDRESS, out/NEED/LABEL, and manifest.json, by which `replay` sees what is missing or was changed
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A short summary
    Human,
    /// The whole report; see `schema run`
    Json,
}

/// Options of `sweep`.
///
/// Beyond the properties of each run, a sweep holds every scenario to its word: a property asked for must have been checked
/// in some run, a `sometimes` mark hit in some run, a planned fault must have made a difference in some run. A few seeds may
/// honestly miss marks and faults, so those two are only noted in a scenario of fewer than 100 runs; from 100 on they
/// count as nothing checked (exit code 4).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct SweepArgs {
    /// Scenario files, or folders of them
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Seeds from A up to, not including, B
    #[arg(long, value_name = "A..B")]
    pub seeds: Seeds,
    /// Runs at a time; all cores unless given. The result does not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Only `run` takes real input; a sweep makes its own text
    #[arg(long, value_name = "PATH", hide = true)]
    pub input: Option<PathBuf>,
    /// Write a JUnit report for CI
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the whole report; see `schema sweep`. Where a report goes to the standard output (`-`), the text for people goes to
    /// the standard error
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write its tables in Markdown, for a page
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Run every seed twice and compare; the first event that differs is named
    #[arg(long)]
    pub check_determinism: bool,
    /// End the sweep at the Nth failing run, in order of scenarios and seeds; it goes on to the end unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_fail: Option<u64>,
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// A folder that `run --out` or `swarm-live up --data` wrote, or one audit log of its `audit` folder
    #[arg(value_name = "RUN_DIR|AUDIT.jsonl")]
    pub path: PathBuf,
    /// Capsules of policies that the nodes judged by, besides those in the run's folder
    #[arg(long, value_name = "CAPSULE")]
    pub policy: Vec<PathBuf>,
}

/// Options of `lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// Scenario files, or folders of them
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// The commands of `policy`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Compile Rego by the pinned OPA and seal it with the cases that it must decide
    Build(PolicyBuildArgs),
    /// Say what a capsule or a module holds and needs
    Inspect(PolicyInspectArgs),
    /// Let a capsule decide its own cases, and others
    Test(PolicyTestArgs),
    /// Ask a capsule or a module
    Eval(PolicyEvalArgs),
}

/// Options of `policy build`.
#[derive(Debug, Args)]
pub struct PolicyBuildArgs {
    /// Rego files, or folders of them
    #[arg(value_name = "REGO", required = true)]
    pub sources: Vec<PathBuf>,
    /// The rule that decides at all three gates, as in swarm/base/decision
    #[arg(long, value_name = "PATH")]
    pub entry: String,
    /// What it must decide: a JSON array of {"input": {"gate": ..., ...}, "decision": {"allow": ..., "reasons": [...]}}, with at
    /// least one for each gate (preflight, ingress and commit), one that may pass and one that may not; an input has what
    /// core/policy/policies/base.rego reads
    #[arg(long, value_name = "FILE")]
    pub cases: PathBuf,
    /// Whose signature it gets: a file of 64 hexadecimal digits that nobody else may read
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// What it is called
    #[arg(long, value_name = "NAME", default_value = "policy", value_parser = |text: &str| text.parse::<Label>().map_err(|bad| bad.0))]
    pub name: Label,
    /// The most gas one evaluation may take
    #[arg(long, value_name = "N", default_value_t = Caps::default().gas)]
    pub gas: u32,
    /// The most memory one evaluation may take, in pages of 64 KiB
    #[arg(long, value_name = "N", default_value_t = Caps::default().memory_pages)]
    pub memory_pages: u32,
    /// Where the capsule goes
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Options of `policy inspect`.
#[derive(Debug, Args)]
pub struct PolicyInspectArgs {
    /// A capsule, or a module that OPA made
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Options of `policy test`.
#[derive(Debug, Args)]
pub struct PolicyTestArgs {
    /// A capsule
    #[arg(value_name = "CAPSULE")]
    pub file: PathBuf,
    /// More cases, in the form that `policy build` takes
    #[arg(long, value_name = "FILE")]
    pub cases: Option<PathBuf>,
}

/// Options of `policy eval`.
#[derive(Debug, Args)]
pub struct PolicyEvalArgs {
    /// A capsule, or a module that OPA made
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Which entry point: a gate, or the module's own name for it; its first one unless given
    #[arg(long, value_name = "NAME")]
    pub entry: Option<String>,
    /// What is asked, as JSON; - is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub input: PathBuf,
}

/// Options of `mutants`.
#[derive(Debug, Args)]
pub struct MutantsArgs {
    /// The most seeds tried for each planted bug
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub seeds: u64,
    /// How often each is hunted, each time from behind the seeds of the time before: the table tells the median
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub starts: u32,
    /// Hunt this planted bug alone; may be given again
    #[arg(long, value_name = "BUG", value_parser = planted_bugs(), hide_possible_values = true)]
    pub only: Vec<Mutant>,
    /// Write the table as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write it in Markdown, for a page
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Only say which bugs there are, which property each must fell, and where; builds nothing
    #[arg(long, conflicts_with_all = ["json", "markdown", "only"])]
    pub list: bool,
}

/// The planted bugs by name; only those that a scenario can bring about are hunted here.
fn planted_bugs() -> impl TypedValueParser<Value = Mutant> {
    let names = Mutant::ALL.iter().map(|bug| bug.name());
    let hunted = |name: String| {
        let bug = Mutant::hunted().find(|bug| bug.name() == name);
        bug.ok_or("no scenario brings it about: the core's own tests hunt it, by `just mutants-core`")
    };
    PossibleValuesParser::new(names).try_map(hunted)
}

/// Options of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Which format
    #[arg(value_enum, default_value_t = SchemaOf::Scenario)]
    pub of: SchemaOf,
}

/// A published format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A scenario file
    Scenario,
    /// One line of a needs file
    Needs,
    /// The report of `run --format json`
    Run,
    /// The report of `sweep --json`
    Sweep,
    /// The report of `mutants --json`
    Mutants,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
