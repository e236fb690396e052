//! What agents say: canonical JSON, envelopes, verbs (PROTOCOL 2 and 3).

pub mod bounds;
pub mod canonical;
mod envelope;
mod rules;
#[cfg(test)]
pub(crate) mod testing;
mod verb;

pub(crate) use envelope::verify_signature;
pub use envelope::{
    CapabilityRef, Content, Draft, ENVELOPE_BYTES_MAX, Envelope, Expires, Nested, PolicyRef, Refusal, Signature,
    VERSION, trace_of,
};
pub use rules::{Field, ThreadKind};
pub use verb::*;
