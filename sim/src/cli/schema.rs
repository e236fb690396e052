//! `schema`: the published formats.

use swarm_reports::render::json;
use swarm_reports::report::{mutants_schema, run_schema, sweep_schema};

use crate::cli::{CliError, SchemaArgs, SchemaOf, say};

/// Prints one.
pub fn run(args: &SchemaArgs) -> Result<u8, CliError> {
    let schema = match args.of {
        SchemaOf::Scenario => swarm_scenarios::schema(),
        SchemaOf::Needs => swarm_scenarios::needs_schema(),
        SchemaOf::Run => run_schema(),
        SchemaOf::Sweep => sweep_schema(),
        SchemaOf::Mutants => mutants_schema(),
    };
    say(json(&schema)).map(|()| 0)
}
