//! What stands between the protocol and the world: the work itself, and the three subsystems it leans on.
//!
//! - [`jobs`]: the native deterministic kinds behind `Effect::Execute`. Bytes in, bytes out, equal on every machine.
//! - [`recipes`]: planning is a job too: a NEED's recipe becomes the facts of a PROPOSE.
//! - [`store`]: the contracts of artifact store, register and bus, one conformance suite that every implementation
//!   passes (models and adapters alike), the reference in memory, and the embedded ones on local files.
//! - [`etcd`]: the register's client half on etcd, as a value that both simulator and live host carry.
//!
//! Nothing here reads a clock or the operating system's randomness, and no result depends on the order of an unordered
//! map: whoever hosts a node decides when, these decide what.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(clippy::float_arithmetic)]

pub mod etcd;
pub mod jobs;
pub mod recipes;
pub mod store;
