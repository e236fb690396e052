//! The live driver: the same core as in the simulator, in real time, in one process, with its bus, register and artifacts in
//! files. What it proves is that nothing in the core leans on the simulator; engines for many machines come behind the same
//! ports.
//!
//! Reading order: [`up`] (what the one command does), `job` (what is asked for), `founding` (who takes part), `folder` (what
//! is on disk), `host` (one node and its log), `swarm` (the loop), `office` (the work itself).
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(clippy::print_stderr, clippy::print_stdout)]

#[cfg(swarm_mutants)]
compile_error!("planted bugs must never meet real data: build swarm-live without --cfg swarm_mutants");

/// Says something on standard output. Whether anyone reads it changes nothing.
macro_rules! say {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($what)*);
    }};
}

/// Says something beside it, on standard error. Whether anyone reads it changes nothing.
macro_rules! tell {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($what)*);
    }};
}

pub mod cli;
mod error;
mod folder;
mod founding;
mod host;
mod job;
mod office;
mod progress;
mod swarm;
pub mod up;

pub use error::{Exit, LiveError};
