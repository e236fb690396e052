//! The register's rules, driven without nodes: commands go in, events or refusals come out, and after every step a follower
//! that only folds the events holds the same record, the books balance, and a refusal has changed nothing.

mod attacks;
mod bounds;
mod decoys;
mod disputes;
mod feed;
mod flood;
mod host;
mod kit;
mod life;
mod nodes;
mod opinions;
mod random;
mod seats;
mod traps;
