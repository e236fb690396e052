//! What a need asks of an output besides its name.

mod pointer;

pub use pointer::{NoPointer, Pointer};

use serde::{Deserialize, Serialize};

/// The form of an output that is a JSON document and makes claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// Where its claims stand: the items of a list. No two of them may contradict each other.
    pub claims: Pointer,
}
