//! Policies that are WebAssembly: loaded once, judged before they are trusted, run at a bounded price.
//!
//! OPA compiles Rego to a module; a [`Program`] is such a module after every check that can be made before it runs, and an
//! [`Instance`] answers questions with it. An answer and its gas depend on the module, the caps, the entry point and the
//! input, and on nothing else: not on the machine, the build, or what was asked before.
//!
//! Reading order: [`Caps`] and [`schedule`] (what it may cost), [`Program`] (what is refused at load), [`Instance`] and
//! [`Failure`] (what is denied at run time), [`builtins`] (what OPA leaves to its host), [`capsule`] (how it travels, and why it is
//! believed), [`Rego`] (a capsule as the rules of a node).
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, clippy::allow_attributes_without_reason)]
#![deny(clippy::float_arithmetic, clippy::disallowed_types, clippy::disallowed_methods)]
#![cfg_attr(
    test,
    allow(
        clippy::float_arithmetic,
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "tests stand outside the wall"
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod builtins;
mod caps;
pub mod capsule;
#[cfg(test)]
mod conformance;
mod failure;
mod host;
#[cfg(test)]
mod hostile;
mod instance;
mod library;
mod load;
mod number;
mod pool;
mod program;
mod rules;
pub mod schedule;
mod sections;
mod value;

pub use caps::{BadCaps, Caps};
pub use failure::{Decision, Failure, Run, Verdict};
pub use instance::Instance;
pub use library::Library;
pub use load::LoadError;
pub use pool::Pool;
pub use program::{Entry, Program};
pub use rules::{BASE, Counts, Rego, base_keys, question};
