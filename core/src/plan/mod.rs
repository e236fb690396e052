//! The plan of a thread: a grow-only set of signed facts, and the view that is derived from it (PROTOCOL 4).
//!
//! Never exclusive: nothing here decides who may act. What is exclusive lives in [`crate::slot`].

mod fact;

pub use fact::{Fact, TaskState};
