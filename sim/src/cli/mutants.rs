//! `mutants`: the planted protocol bugs, each of which must be caught. An ordinary build has none to run.

use miette::Report;

use crate::cli::{MutantsArgs, code};

/// Says how to get a build that has them.
pub fn run(_args: &MutantsArgs) -> Result<u8, Report> {
    eprintln!("this build has no planted bugs; they exist only under --cfg swarm_mutants: just mutants");
    Ok(code::UNAVAILABLE)
}
