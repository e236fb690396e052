//! Seeded randomness, forked by name.
//!
//! A node's only randomness is a stream that its host hands it. Streams forked under different names are independent, so
//! that drawing more from one never changes what another yields.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::id::Digest;

/// A 256-bit seed.
pub type Seed = Digest;

/// The seed that `seed` gives to `name`.
pub fn fork(seed: &Seed, name: &str) -> Seed {
    Digest::of("swarm/fork", &[&seed.0, name.as_bytes()])
}

/// A stream of uniform integers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `seed`.
    pub fn new(seed: &Seed) -> Self {
        Self(ChaCha8Rng::from_seed(seed.0))
    }

    /// A uniform value in `0..bound`, without bias; `bound` must not be zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a draw needs something to draw from");
        // Values in the last, incomplete round would favour small results: draw again.
        let limit = u64::MAX - (u64::MAX % bound + 1) % bound;
        loop {
            let value = self.0.next_u64();
            if value <= limit {
                return value % bound;
            }
        }
    }

    /// Fills `bytes` with uniform bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}
