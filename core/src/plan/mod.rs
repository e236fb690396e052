//! The plan of a thread: a grow-only set of signed facts, and the view that is derived from it (PROTOCOL 4).
//!
//! Never exclusive: nothing here decides who may act. What is exclusive lives in [`crate::slot`].
//!
//! [`Plan`] is what a decided PROPOSE means, fixed for ever. [`Document`] is the op-log that replicas exchange. [`View`] is
//! what one replica makes of its document and of the entries it believes; equal documents and equal entries give equal
//! views, whatever order they came in.

mod check;
mod doc;
mod fact;
mod links;
mod patch;
mod view;

#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod traps;

pub use check::{Plan, PlannedTask, Source, TASKS_MAX};
pub use doc::{Document, MERGE_BYTES_MAX, Taken, UPDATE_BYTES_MAX, UPDATES_EACH, UPDATES_MAX};
pub use fact::{Fact, TaskState};
pub use patch::facts_of;
pub use view::{Attested, Decision, Orphan, Standing, TaskView, ThreadView, View};
