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

/// Appends the canonical bytes of `value`.
pub(super) fn write<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) {
    // Without std there is no writer to serialize into; the copy is small beside the hash that follows.
    bytes.extend_from_slice(&to_vec(value));
}

/// Continues the object that `bytes` end with by the fields of `value`, and says where they begin. Neither may be empty,
/// and the fields of `value` must sort after those before them.
pub(super) fn join<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) -> usize {
    let end = bytes.pop();
    assert_eq!(end, Some(b'}'), "only an object can be continued");
    let at = bytes.len();
    write(bytes, value);
    bytes[at] = b',';
    at
}
