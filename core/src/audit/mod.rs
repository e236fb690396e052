//! The audit log of one node: what went in, what came out, in an order that nobody can change unnoticed (ARCHITECTURE:
//! Audit and replay).
//!
//! JSON Lines in canonical form. Every line carries its number, the digest of the line before and the thread it is about;
//! at times the node's key signs how far the log has come. The inputs alone make the node again, so the log is also what a
//! node restarts from ([`restore`]); the records are what anyone can hold a replay against ([`replay`]).
//!
//! No I/O here: [`Writer`] gives lines, whoever hosts the node stores them. What must never happen: an effect leaves the
//! node before its lines are durable. Then a crash at any byte loses only what nobody has seen, and a Lamport value or a
//! nonce is never used for two things (T08).

mod line;
mod replay;
mod writer;

pub use line::{FORMAT, Line, LineBody, Number, Opening, Record, Seal};
pub use replay::{BadLog, Final, Replayed, Restored, Why, replay, restore, restore_with};
pub use writer::{Memory, SEAL_EVERY, Writer};
