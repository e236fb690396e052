//! Randomness by name. Decides which random numbers each part of a run sees.
//!
//! One `u64` seed is forked by name into independent ChaCha8 streams. It must never happen that one part's draws move another part's:
//! a fault that is added, or a node that draws once more, leaves every other stream where it was.

use core::convert::Infallible;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng, TryRng};

/// Parts per million of a certainty: a chance of this many is always taken.
pub const PPM: u32 = 1_000_000;

/// A named place in the tree of randomness. Same seed and same path of names: same streams, in any process.
#[derive(Clone, Debug)]
pub struct Fork {
    key: [u8; 32],
}

impl Fork {
    /// The root of a run.
    pub fn new(seed: u64) -> Self {
        Self { key: blake3::derive_key("swarm-sim 2026-11 kernel seed", &seed.to_le_bytes()) }
    }

    /// A subtree of its own: `fork("a").stream("b")` shares nothing with `stream("b")` nor with `stream("a")`.
    pub fn fork(&self, name: &str) -> Self {
        Self { key: self.derive(b'/', name) }
    }

    /// The stream called `name`, from its beginning: asking twice gives the same numbers twice.
    pub fn stream(&self, name: &str) -> Stream {
        Stream(ChaCha8Rng::from_seed(self.derive(b'=', name)))
    }

    fn derive(&self, kind: u8, name: &str) -> [u8; 32] {
        *blake3::Hasher::new_keyed(&self.key).update(&[kind]).update(name.as_bytes()).finalize().as_bytes()
    }
}

/// One stream of random numbers. It is also a `rand_core` generator, for code that wants one.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// A number in `0..bound`; 0 for a bound of 0. Uneven by at most `bound / 2^64`, which no run is long enough to see.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// A length within `span`. An empty range draws nothing, so a fixed delay costs no randomness.
    #[inline]
    pub fn within(&mut self, span: Span) -> u64 {
        if span.min_ns >= span.max_ns {
            return span.min_ns;
        }
        span.min_ns + self.below((span.max_ns - span.min_ns).saturating_add(1))
    }

    /// True in `ppm` of a million draws; [`PPM`] and above always.
    #[inline]
    pub fn chance(&mut self, ppm: u32) -> bool {
        self.below(u64::from(PPM)) < u64::from(ppm)
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(dst);
        Ok(())
    }
}

/// A range of durations in nanoseconds, both ends included. Draws are uniform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Shortest.
    pub min_ns: u64,
    /// Longest; at or below `min_ns` the span is the single value `min_ns`.
    pub max_ns: u64,
}

impl Span {
    /// From `min_ns` to `max_ns`.
    pub const fn new(min_ns: u64, max_ns: u64) -> Self {
        Self { min_ns, max_ns }
    }

    /// Always `ns`.
    pub const fn exactly(ns: u64) -> Self {
        Self::new(ns, ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(fork: &Fork, name: &str) -> [u64; 4] {
        let mut stream = fork.stream(name);
        [0; 4].map(|_| stream.next_u64())
    }

    #[test]
    fn streams_are_named_not_numbered() {
        let root = Fork::new(7);
        let alone = first(&root, "network");
        let mut other = root.stream("a nemesis added later");
        other.next_u64();
        assert_eq!(first(&root, "network"), alone);
        assert_ne!(first(&root, "clock"), alone);
        assert_ne!(first(&Fork::new(8), "network"), alone);
        assert_ne!(first(&root.fork("network"), "network"), alone);
        assert_ne!(first(&root.fork("a"), "b"), first(&root, "a/b"));
    }

    #[test]
    fn draws_stay_in_their_bounds() {
        let mut stream = Fork::new(1).stream("x");
        for _ in 0..2_000 {
            assert!(stream.below(3) < 3);
            assert!((10..=12).contains(&stream.within(Span::new(10, 12))));
            assert!(stream.chance(PPM));
            assert!(!stream.chance(0));
        }
        let hits = (0..100_000).filter(|_| stream.chance(100_000)).count();
        assert!((9_000..11_000).contains(&hits), "a tenth, not {hits}");
        assert_eq!(stream.below(0), 0);
        stream.within(Span::new(0, u64::MAX));
    }

    #[test]
    fn a_fixed_span_draws_nothing() {
        let mut stream = Fork::new(1).stream("x");
        let before = stream.clone().next_u64();
        assert_eq!(stream.within(Span::exactly(5)), 5);
        assert_eq!(stream.next_u64(), before);
    }
}
