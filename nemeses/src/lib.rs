//! The fault library: what can go wrong, as data.
//!
//! A [`Nemesis`] is one line of a scenario: a kind of fault, when it may begin, how long it lasts,
//! how often, and at whom it aims; [`Chaos`] draws more of them. [`schedule`] turns both into a sorted list of
//! [`Timed`] steps. The list is a pure function of the nemeses, the random streams handed in and the
//! [`Shape`] of the cluster: the same three give the same faults in the simulator, against real
//! processes, and in every rerun of a seed.
//!
//! This crate must never do anything to a node, read a clock or make randomness of its own; who
//! applies a fault, and counts how often it bit, is the host's business.
//!
//! ```
//! use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
//! use swarm_nemeses::{Between, Change, Lasts, Nemesis, Shape, What, schedule};
//!
//! let loss = Nemesis {
//!     what: What::Loss { from: "all".parse()?, to: "bus".parse()?, ppm: Between::one(50_000) },
//!     at_ns: Between { min: 0, max: 60_000_000_000 },
//!     lasts: Lasts::For(Between::one(5_000_000_000)),
//!     count: Between::one(2),
//! };
//! let shape = Shape { coordinators: 3, requesters: 1, planners: 1, workers: 2, verifiers: 5 };
//! let steps = schedule(&[loss], None, &shape, |_stream| ChaCha8Rng::seed_from_u64(7))?;
//! assert_eq!(steps.len(), 4);
//! assert!(matches!(steps[0].change, Change::Start(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod chaos;
mod draw;
mod etcd;
mod fault;
mod kind;
mod nemesis;
mod target;
mod text;
mod what;
mod whom;

pub use chaos::Chaos;
pub use draw::Between;
pub use etcd::{EtcdFault, EtcdWhat};
pub use fault::{Fault, Links, PPM};
pub use kind::{Kind, Traffic};
pub use nemesis::{Change, Lasts, Nemesis, Timed, schedule};
pub use target::{Node, Nodes, Pick, Role, Shape, Target, TargetError};
pub use what::What;
