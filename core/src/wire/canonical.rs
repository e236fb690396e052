//! The canonical form of JSON (RFC 8785), for the values this protocol has: no floats, integers of at most 32 bits as
//! numbers, ASCII keys. For those, `serde_json`'s compact output of a type whose fields are declared in alphabetical order
//! is already canonical; the tests hold it against an independent canonicaliser.

use alloc::vec::Vec;
use serde::Serialize;

/// The canonical bytes of `value`.
///
/// # Panics
/// If `value` cannot be JSON at all (a map with keys that are not strings), which is a mistake in this crate.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("protocol types always serialize")
}
