//! What happened, and was it right.
//!
//! [`history`] is the format in which a run is told: by the nodes, each its own beliefs, and by whoever could see all of
//! them. [`check`] holds the oracles that judge a history, outside the protocol and with their own arithmetic; [`model`] is
//! the protocol's exclusive half written once more, plainly, as one more of them. [`report`]
//! is what a run and a sweep come to, and [`render`] how people and machines read it.
//!
//! Nothing here calls the code it judges: of the protocol only names and message types are used.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod check;
pub mod history;
pub mod model;
pub mod render;
pub mod report;
mod wide;

pub use check::{Checker, End, Expect, Finding, Judge, Judgement, Outcome, Verdict, judge};
pub use history::{Event, NodeNo, Record, WORLD};
pub use report::{FaultCount, RunFacts, RunReport, SweepReport};
pub use wide::Wide;
