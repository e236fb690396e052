//! The simulator: a seeded world in which the protocol of `swarm-core` runs unchanged, and the loops around it.
//!
//! [`kernel`] is a discrete-event kernel for any kind of node and knows nothing of the protocol. [`world`] puts the protocol
//! on it: hosts, a bus, a register, a store, clocks, faults. [`cli`] is the command line.

pub mod cli;
pub mod kernel;
pub mod policies;
pub mod world;
