//! What agents say: canonical JSON, envelopes, verbs (PROTOCOL 2 and 3).

pub mod bounds;
pub mod canonical;
mod content;
mod envelope;
mod rules;
mod signature;
#[cfg(test)]
pub(crate) mod testing;
mod verb;
mod written;

pub use content::{CapabilityRef, Content, Expires, PolicyRef, trace_of};
pub use envelope::{Draft, ENVELOPE_BYTES_MAX, Envelope, Nested, Refusal, VERSION};
pub use rules::{Field, ThreadKind};
pub use signature::{Ring, Signature, verify_signature};
pub use verb::*;
