//! A need's slot: everything about it that is exclusive (PROTOCOL 5).
//!
//! [`Record`] is a fold over events. [`Record::apply`] turns a command into events or a refusal, purely: same record, same
//! command, same answer on every coordinator. Agents do not apply commands; they fold the events they believe.

mod apply;
mod decoy;
mod dispute;
mod fence;
mod fold;
mod perform;
mod record;
mod stopwatch;

pub(crate) use apply::PROPOSALS_EACH;
pub use apply::{Registry, Standing, lease_margin, renewable, terms};
pub use decoy::mask;
pub use record::{Decision, Dispute, HEARINGS_MAX, Lease, Phase, Record, Task, Unmasking, Wrong};
pub use stopwatch::{Stopwatch, Waiting};
