//! The trace. Decides whether two runs were the same, and where they first were not.
//!
//! Every start, delivery, wake, drop, clock read and digest is folded into 128 bits; order matters. It must never depend on anything but those facts:
//! not on the process, the build profile or the machine's word order. It is quick and it is **not cryptographic**: it finds accidents, not enemies.
//!
//! Each of the two lanes is changed by a bijection at every word, so two traces that differ in one word alone never have the same hash.

use super::{NodeId, SimTime};
use core::fmt;

// Odd, with bits spread evenly: the fractions of the square roots of 2 and 3, last bit set.
const LANE_A: u64 = 0x6a09_e667_f3bc_c909;
const LANE_B: u64 = 0xbb67_ae85_84ca_a73b;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A node began (or began again).
    Start = 1,
    /// A message reached its node; `what` is its fingerprint.
    Deliver,
    /// A deadline came; `what` is the deadline in local time.
    Wake,
    /// A message was sent into a cut.
    Cut,
    /// A message on its way was caught by a cut.
    CutInFlight,
    /// A message was lost.
    Lose,
    /// A message arrived at a stopped node.
    Unheard,
    /// A node read its monotonic clock; `what` is what it saw.
    Now,
    /// A node read its wall clock; `what` is what it saw.
    Wall,
    /// A node stated a fact; `what` is its digest.
    Digest,
    /// The harness paused a node.
    Pause,
    /// The harness let a node go on.
    Resume,
    /// The harness stopped a node.
    Stop,
}

/// One recorded event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: SimTime,
    /// What kind.
    pub kind: Kind,
    /// Who sent it; the node itself where nobody did.
    pub from: NodeId,
    /// Whom it concerns.
    pub to: NodeId,
    /// Fingerprint, reading or digest, as [`Kind`] says.
    pub what: u64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>15} ns  {:<11} ", self.at.ns(), format!("{:?}", self.kind))?;
        if self.from == self.to {
            write!(f, "{}", self.to)?
        } else {
            write!(f, "{} -> {}", self.from, self.to)?
        }
        write!(f, "  {:016x}", self.what)
    }
}

/// The rolling hash of a run, and its lines if they were asked for.
#[derive(Clone, Debug)]
pub struct Trace {
    a: u64,
    b: u64,
    lines: Option<Vec<Line>>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { a: LANE_B, b: LANE_A, lines: None }
    }

    /// Keeps every line from now on: 32 bytes each, so for runs one wants to look into.
    pub(super) fn record(&mut self) {
        self.lines.get_or_insert_default();
    }

    /// The hash so far.
    pub fn hash(&self) -> u128 {
        (u128::from(finish(self.a)) << 64) | u128::from(finish(self.b))
    }

    /// The lines recorded, oldest first; empty unless recording was on.
    pub fn lines(&self) -> &[Line] {
        self.lines.as_deref().unwrap_or_default()
    }

    #[inline]
    pub(super) fn note(&mut self, kind: Kind, at: SimTime, from: NodeId, to: NodeId, what: u64) {
        // Node ids have at most 28 bits (`NODES_MAX`), so kind and both ids are one word.
        self.fold(((kind as u64) << 56) | (u64::from(from.0) << 28) | u64::from(to.0));
        self.fold(at.ns());
        self.fold(what);
        if let Some(lines) = &mut self.lines {
            lines.push(Line { at, kind, from, to, what });
        }
    }

    #[inline]
    fn fold(&mut self, word: u64) {
        (self.a, self.b) = fold(self.a, self.b, word);
    }
}

/// One step of both lanes: xor or add, times an odd number, shift-xor; each can be undone, hence nothing is ever forgotten.
#[inline]
fn fold(a: u64, b: u64, word: u64) -> (u64, u64) {
    let a = (a ^ word).wrapping_mul(LANE_A);
    let b = b.wrapping_add(word.rotate_left(32)).wrapping_mul(LANE_B);
    (a ^ (a >> 29), b ^ (b >> 31))
}

fn finish(lane: u64) -> u64 {
    let lane = (lane ^ (lane >> 32)).wrapping_mul(LANE_B);
    let lane = (lane ^ (lane >> 29)).wrapping_mul(LANE_A);
    lane ^ (lane >> 32)
}

/// What a message adds to the trace: equal messages have equal fingerprints, different ones almost always different ones.
/// Called once per delivery or drop, so a large message should remember its own.
pub trait Fingerprint {
    /// 64 bits that stand for this value; the same in every process and build.
    fn fingerprint(&self) -> u64;

    /// Which sort of message it is, below 32; the numbers are the harness's own. Asked for only where a filter stands.
    fn sort(&self) -> u8 {
        0
    }
}

macro_rules! fingerprint_integers {
    ($($int:ty)*) => {$(
        impl Fingerprint for $int {
            #[inline]
            fn fingerprint(&self) -> u64 { u64::from(*self) }
        }
    )*};
}
fingerprint_integers!(bool u8 u16 u32 u64);

impl Fingerprint for () {
    fn fingerprint(&self) -> u64 {
        0
    }
}

impl Fingerprint for [u8] {
    fn fingerprint(&self) -> u64 {
        let (words, rest) = self.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        // The length goes first: bytes that end in zeros are not the same as shorter ones.
        let start = fold(LANE_B, LANE_A, self.len() as u64);
        let (a, b) = words.iter().chain([&last]).fold(start, |(a, b), word| fold(a, b, u64::from_le_bytes(*word)));
        finish(a) ^ b
    }
}

impl Fingerprint for Vec<u8> {
    fn fingerprint(&self) -> u64 {
        self.as_slice().fingerprint()
    }
}

impl Fingerprint for str {
    fn fingerprint(&self) -> u64 {
        self.as_bytes().fingerprint()
    }
}

impl Fingerprint for String {
    fn fingerprint(&self) -> u64 {
        self.as_bytes().fingerprint()
    }
}

impl<T: Fingerprint + ?Sized> Fingerprint for std::sync::Arc<T> {
    fn fingerprint(&self) -> u64 {
        (**self).fingerprint()
    }
}

impl<T: Fingerprint + ?Sized> Fingerprint for std::rc::Rc<T> {
    fn fingerprint(&self) -> u64 {
        (**self).fingerprint()
    }
}

/// Where two recorded runs part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Index of the first event that differs.
    pub index: usize,
    /// That event on the left; nothing if the left run had ended.
    pub left: Option<Line>,
    /// That event on the right.
    pub right: Option<Line>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the runs part at event {}:", self.index)?;
        for (side, line) in [("left ", self.left), ("right", self.right)] {
            match line {
                Some(line) => writeln!(f, "  {side} {line}")?,
                None => writeln!(f, "  {side} (had ended)")?,
            }
        }
        Ok(())
    }
}

/// The first event in which two recorded runs differ; nothing if the recordings are equal.
pub fn first_difference(left: &Trace, right: &Trace) -> Option<Difference> {
    let (left, right) = (left.lines(), right.lines());
    let index = left.iter().zip(right).take_while(|(l, r)| l == r).count();
    (index < left.len().max(right.len())).then(|| Difference {
        index,
        left: left.get(index).copied(),
        right: right.get(index).copied(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trace(words: &[u64]) -> Trace {
        let mut trace = Trace::new();
        trace.record();
        for &word in words {
            trace.note(Kind::Digest, SimTime::from_ns(5), NodeId(1), NodeId(1), word);
        }
        trace
    }

    /// The hash is part of every published figure: changing it is a decision, not an accident.
    #[test]
    fn the_hash_is_the_same_everywhere() {
        assert_eq!(format!("{:032x}", trace(&[]).hash()), "f7e4bc4badea2ab081ed053941828c3d");
        assert_eq!(format!("{:032x}", trace(&[1, 2, 3]).hash()), "b611be10793e8f9cd3411d2903501d58");
        assert_eq!(format!("{:016x}", "swarm in a glass".fingerprint()), "a712a73f44422141");
    }

    #[test]
    fn length_is_part_of_a_fingerprint() {
        assert_ne!(b"a"[..].fingerprint(), b"a\0"[..].fingerprint());
        assert_ne!(b""[..].fingerprint(), b"\0\0\0\0\0\0\0\0"[..].fingerprint());
        assert_eq!(String::from("ab").fingerprint(), b"ab".to_vec().fingerprint());
    }

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(first_difference(&trace(&[1, 2]), &trace(&[1, 2])), None);
        let found = first_difference(&trace(&[1, 2, 3]), &trace(&[1, 9, 3])).unwrap();
        assert_eq!((found.index, found.left.unwrap().what, found.right.unwrap().what), (1, 2, 9));
        let ended = first_difference(&trace(&[1]), &trace(&[1, 2])).unwrap();
        assert_eq!((ended.index, ended.left), (1, None));
        assert_eq!(
            ended.to_string(),
            "the runs part at event 1:\n  left  (had ended)\n  right               5 ns  Digest      n1  0000000000000002\n"
        );
    }

    proptest! {
        #[test]
        fn one_word_changed_always_shows(words in proptest::collection::vec(any::<u64>(), 1..20), at in any::<prop::sample::Index>(), flip in 1_u64..) {
            let mut other = words.clone();
            other[at.index(words.len())] ^= flip;
            prop_assert_ne!(trace(&words).hash(), trace(&other).hash());
        }
    }
}
