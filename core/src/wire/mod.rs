//! What agents say: canonical JSON, envelopes, verbs (PROTOCOL 2 and 3).

pub mod canonical;
mod envelope;
mod verb;

pub use envelope::{CapabilityRef, Content, Draft, Envelope, Expires, PolicyRef, Signature, VERSION, trace_of};
pub use verb::*;
