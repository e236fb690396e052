//! The CAN Swarm protocol as a value: time and one input go in, effects come out, in order.
//!
//! Nothing here reads a clock, a file, a socket or the operating system's randomness, and nothing is decided by a float
//! or by the order of an unordered map. Whoever hosts a [`node::Node`] does three things, always in this order:
//!
//! ```text
//! node.handle(now, input);                        // one thing changes
//! while let Some(effect) = node.poll_effect() {}  // then everything that follows is drained
//! node.next_deadline();                           // when to wake it
//! ```
//!
//! Reading order: [`id`], [`time`], [`wire`] (what agents say), [`slot`] and [`register`] (what is exclusive),
//! [`ledger`] and [`pool`] (money and who may judge), [`plan`] (what is never exclusive), [`node`] (who does what when).
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

pub mod audit;
pub mod base;
pub mod bids;
pub mod committee;
pub mod config;
pub mod form;
pub mod genesis;
pub mod id;
pub mod identity;
pub mod lamport;
pub mod ledger;
pub mod members;
pub mod mutant;
pub mod node;
pub mod nonce;
pub mod plan;
pub mod policy;
pub mod pool;
pub mod quorum;
pub mod raft;
pub mod register;
pub mod reject;
pub mod reveal;
pub mod rng;
pub mod slot;
pub mod system;
pub mod time;
pub mod wire;
