//! Work of which many results are right: a brief makes claims about its inputs, and which ones is up to whoever writes it. Nobody
//! does it again to compare; who judges one reads it.
//!
//! A brief is a JSON object: `{"claims": [{"about": "lines", "cites": ["input"], "value": 12}, ...]}`. Two claims contradict each other
//! if they are about the same and give it different values.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use swarm_core::form::Pointer;
use swarm_core::id::Label;

use super::trace::Trace;

/// The most claims that a brief makes: so many things can be said of its inputs.
pub const CLAIMS_MAX: u32 = 8;
/// The most contradictions that are named of one document.
const NAMED_MAX: usize = 16;
/// Claims of a document that are held against each other.
const READ_MAX: usize = 256;

/// What can be said of `inputs`.
fn measures(inputs: &[&[u8]]) -> [(&'static str, usize); CLAIMS_MAX as usize] {
    let bytes = || inputs.iter().flat_map(|input| input.iter());
    let lines = || inputs.iter().flat_map(|input| input.split(|b| *b == b'\n'));
    let words = || lines().flat_map(|line| line.split(u8::is_ascii_whitespace)).filter(|word| !word.is_empty());
    [
        ("bytes", bytes().count()),
        ("distinct-bytes", bytes().collect::<BTreeSet<_>>().len()),
        ("distinct-words", words().collect::<BTreeSet<_>>().len()),
        ("inputs", inputs.len()),
        ("lines", lines().count()),
        ("longest-line", lines().map(<[u8]>::len).max().unwrap_or(0)),
        ("longest-word", words().map(<[u8]>::len).max().unwrap_or(0)),
        ("words", words().count()),
    ]
}

/// A brief of so many `claims` about `inputs`, beginning with the one that `whim` picks.
pub(super) fn write(inputs: &[&[u8]], names: &[Label], claims: u32, whim: u64) -> Vec<u8> {
    let all = measures(inputs);
    let first = (whim % u64::from(CLAIMS_MAX)) as usize;
    let picked = all.iter().cycle().skip(first).take(claims as usize);
    let cites: Vec<&str> = names.iter().map(Label::as_str).collect();
    let claims: Vec<Value> =
        picked.map(|(about, value)| json!({ "about": about, "cites": cites, "value": value })).collect();
    json!({ "claims": claims }).to_string().into_bytes()
}

/// Reads documents: what that takes is what it leaves behind.
pub(super) fn read<'a>(documents: impl Iterator<Item = &'a [u8]>, trace: &mut Trace) {
    for piece in documents.flat_map(|document| document.chunks(32)) {
        trace.step(piece);
    }
}

/// Whether two claims contradict each other.
fn contradict(one: &Value, other: &Value) -> bool {
    fn said(claim: &Value) -> Option<(&str, &Value)> {
        Some((claim.get("about")?.as_str()?, claim.get("value")?))
    }
    matches!((said(one), said(other)), (Some((this, a)), Some((that, b))) if this == that && a != b)
}

/// Whether the claims at `first` and `second` of `document` contradict each other.
pub(super) fn is_contradiction(document: &[u8], first: &Pointer, second: &Pointer) -> bool {
    let Ok(document) = serde_json::from_slice::<Value>(document) else { return false };
    let at = |pointer: &Pointer| document.pointer(pointer.as_str());
    matches!((at(first), at(second)), (Some(one), Some(other)) if contradict(one, other))
}

/// The pairs of claims in `document` that contradict each other, the lesser pointer first; `claims` points to all of them. Of each
/// claim at most one is named, and of all together [`NAMED_MAX`].
pub(super) fn contradictions(document: &[u8], claims: &Pointer) -> Vec<(Pointer, Pointer)> {
    let Ok(document) = serde_json::from_slice::<Value>(document) else { return Vec::new() };
    let list = document.pointer(claims.as_str()).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let pair = |at: usize| {
        let before = list[..at].iter().position(|other| contradict(other, &list[at]))?;
        let (one, other) = (claims.item(before)?, claims.item(at)?);
        Some(if one < other { (one, other) } else { (other, one) })
    };
    (0..list.len().min(READ_MAX)).filter_map(pair).take(NAMED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_core::id::label;

    #[test]
    fn what_is_written_depends_on_a_whim_and_is_true_all_the_same() {
        let inputs: [&[u8]; 1] = [b"one two\none\n"];
        let text = |whim| String::from_utf8(write(&inputs, &[label("input")], 2, whim)).unwrap();
        assert_eq!(
            text(7),
            r#"{"claims":[{"about":"words","cites":["input"],"value":3},{"about":"bytes","cites":["input"],"value":12}]}"#
        );
        assert_ne!(text(0), text(1));
        assert_eq!(text(0), text(8));
        let claims = "/claims".parse().unwrap();
        (0..8).for_each(|whim| assert_eq!(contradictions(&write(&inputs, &[], 8, whim), &claims), []));
    }

    #[test]
    fn a_contradiction_is_one_thing_with_two_values() {
        let pointer = |text: &str| text.parse::<Pointer>().unwrap();
        let of = |text: &str| contradictions(text.as_bytes(), &pointer("/claims"));
        let claim = |about: &str, value: u32| format!(r#"{{"about":"{about}","value":{value}}}"#);
        let all = |claims: &[String]| of(&format!(r#"{{"claims":[{}]}}"#, claims.join(",")));
        assert_eq!(all(&[claim("a", 1), claim("b", 2), claim("a", 1)]), []);
        let pair = (pointer("/claims/0"), pointer("/claims/2"));
        assert_eq!(all(&[claim("a", 1), claim("b", 2), claim("a", 3)]), [pair]);
        let asked = |first: &str, second: &str| {
            let text = format!(r#"{{"claims":[{},{}]}}"#, claim("a", 1), claim("a", 2));
            is_contradiction(text.as_bytes(), &pointer(first), &pointer(second))
        };
        assert_eq!(
            [asked("/claims/0", "/claims/1"), asked("/claims/0", "/claims/0"), asked("/claims/0", "/x")],
            [true, false, false]
        );
        // The order of pointers is that of their text.
        let many: Vec<String> =
            (0..11).map(|n| claim(if n % 8 == 2 { "a" } else { "b" }, u32::from(n == 10))).collect();
        assert_eq!(all(&many), [(pointer("/claims/10"), pointer("/claims/2"))]);
        for nothing in ["", "[]", r#"{"claims":7}"#, r#"{"claims":[7,{},{"about":1,"value":2}]}"#] {
            assert_eq!(of(nothing), [], "{nothing}");
        }
    }
}
