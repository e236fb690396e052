//! A simulated swarm: nodes of the protocol, a bus, a register, an artifact store and clocks, all as actors on the kernel.
//!
//! Nothing here decides anything about the protocol. Hosts carry out what their nodes ask for, exactly as a live driver
//! does, and tell a recorder what they saw; faults reach them only through links, clocks and the services they use.

mod actor;
mod audit;
mod books;
mod bus;
mod cluster;
#[cfg(test)]
mod decoy_tests;
#[cfg(test)]
mod dispute_tests;
mod etcd;
mod host;
mod maker;
mod operators;
#[cfg(test)]
mod oracle_tests;
mod recorder;
mod register;
mod run;
mod store;
mod strike;
mod survived;
mod void;
mod wire;

pub use cluster::InputError;
pub use run::{Outcome, RunOptions, run};
