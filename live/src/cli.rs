//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use swarm_scenarios::Policy;

/// A swarm of agents that do needs together and check each other, in real time.
#[derive(Debug, Parser)]
#[command(name = "swarm-live", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0 every need closed   1 nodes contradict each other
  3 a need did not end in time, or ended otherwise than closed
  64 wrong usage       65 bad input file            69 something is unavailable
  70 internal error    75 data loss                130 interrupted; the same command goes on";

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring a swarm up in this process, see the needs to their end, and write their outputs.
    ///
    /// All it knows is in the data folder: interrupted or killed at any moment, the same command goes on.
    #[command(after_help = EXIT_CODES)]
    Up(Up),
    /// Print a completion script
    Completions {
        /// The shell
        #[arg(value_enum, value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
}

/// Options of `up`.
#[derive(Clone, Debug, Parser)]
pub struct Up {
    /// Needs, one JSON object a line: {"recipe":"wordcount","parts":4}
    #[arg(long, value_name = "FILE")]
    pub needs: PathBuf,
    /// A file, or a folder that is taken as one text: what the needs are about
    #[arg(long, value_name = "PATH")]
    pub input: PathBuf,
    /// Everything the swarm keeps; the outputs go to its folder `out`
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The rules that all nodes judge by: native, rego, or the path of a capsule (`swarm-sim policy build` makes one)
    #[arg(long, value_name = "POLICY", default_value = "native")]
    pub policy: Policy,
    /// Workers
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub workers: u32,
    /// Verifiers
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(6..=64))]
    pub verifiers: u32,
    /// How long the needs may take before the command gives up (what was done stays)
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
}
