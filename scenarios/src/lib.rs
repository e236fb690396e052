//! The scenario format: what a researcher writes, and what is wrong with it.
//!
//! A scenario is a short TOML file: a cluster, a workload, the weather and the faults, and which
//! promises are judged. [`load`] gives a [`Scenario`] in which everything is decided but the seed;
//! [`lint`] gives every mistake at once, each with its place and a mend. [`Needs`] reads the needs
//! of a real job, one JSON object a line.
//!
//! Nothing here may run anything, and no input may panic it: a scenario that passes the lint can
//! still violate a property, but it can be run.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod document;
mod fault;
mod file;
mod finding;
mod lint;
mod marks;
mod needs;
mod policy;
mod scenario;
mod schema;
mod value;
mod wording;
mod workload;

pub use document::SCENARIO_BYTES_MAX;
pub use fault::FaultSection;
pub use file::{open_regular, read_regular};
pub use finding::{Code, Failure, Finding, Level, Report};
pub use lint::{discover, lint, lint_all, load, load_text};
pub use marks::{MARKS, Mark};
pub use needs::{LINE_BYTES_MAX, NEEDS_BYTES_MAX, NEEDS_LINES_MAX, NeedLine, NeedRecipe, Needs, PARTS_MAX};
pub use policy::{Policy, PolicyChange, read_capsule};
pub use scenario::{
    Adversaries, Break, Bus, ChaosSection, Clocks, Cluster, Disk, Limits, NeedEnd, Network, Phases, Properties,
    Property, Protocol, Register, Role, Scenario, Store, Strategy,
};
pub use schema::{needs_schema, schema};
pub use swarm_nemeses::Between;
pub use value::{Credits, DURATION_MAX_NS, Lasting, Nanos, SignedNanos};
pub use workload::{Class, Joiner, JoinerRole, Leaver, Recipe, Workload};
