//! What a run leaves behind to be judged by: a chain of states, its published part, and the keyed proof over the rest.
//!
//! A job feeds what it works out along the way: not its inputs or outputs, which anyone can fetch, but values that exist
//! only while the work is being done (running counts, ranks, hashes between rounds). Whoever wants the chain must work.

use swarm_core::id::Digest;

use super::STATES_MAX;

/// The chain of one run.
pub(super) struct Trace {
    /// Bytes between two states: finer for small inputs, so that they too have states to publish and to withhold.
    grain: usize,
    pending: Vec<u8>,
    states: Vec<Digest>,
    steps: u64,
}

impl Trace {
    /// The trace of a run over `input_bytes`.
    pub(super) fn new(input_bytes: u64) -> Self {
        let grain = (input_bytes / 1_024).clamp(64, 16_384) as usize;
        Self { grain, pending: Vec::with_capacity(grain + 64), states: Vec::new(), steps: 0 }
    }

    /// One step: `bytes` are what it worked out.
    pub(super) fn step(&mut self, bytes: &[u8]) {
        self.steps += 1;
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= self.grain {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let last = self.states.last().copied().unwrap_or_default();
        self.states.push(Digest::of("swarm/job-state", &[&last.0, &self.pending]));
        self.pending.clear();
    }

    /// Steps so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// The states to publish, and the proofs under `keys` over all others. At least every other state is withheld.
    pub(super) fn finish(mut self, keys: &[Digest]) -> (Vec<Digest>, Vec<Digest>) {
        self.cut();
        let stride = self.states.len().div_ceil(STATES_MAX).max(2);
        let published = |i: usize| i % stride == stride - 1;
        let (mut open, mut withheld) = (Vec::new(), Vec::<&[u8]>::new());
        for (i, state) in self.states.iter().enumerate() {
            if published(i) { open.push(*state) } else { withheld.push(&state.0) }
        }
        assert!(open.len() <= STATES_MAX && !withheld.is_empty(), "a run publishes some states and withholds some");
        (open, keys.iter().map(|key| proof_of(key, &withheld)).collect())
    }
}

/// The digest of `states` under `key`.
pub(super) fn proof_of(key: &Digest, states: &[&[u8]]) -> Digest {
    let parts: Vec<&[u8]> = std::iter::once(&key.0[..]).chain(states.iter().copied()).collect();
    Digest::of("swarm/work-proof", &parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_publishes_at_most_the_bound_and_withholds_something() {
        for steps in [0u32, 1, 2, 3, 127, 128, 129, 5_000] {
            let mut trace = Trace::new(0);
            (0..steps).for_each(|i| trace.step(&[i as u8; 64]));
            let (states, _) = trace.finish(&[]);
            assert!(states.len() <= STATES_MAX, "{steps} steps publish {}", states.len());
            assert!(steps < 2 || !states.is_empty());
        }
    }

    #[test]
    fn one_wrong_step_changes_every_later_state_and_the_proof() {
        let run = |wrong: Option<u32>| {
            let mut trace = Trace::new(0);
            (0..64u32).for_each(|i| trace.step(&[if wrong == Some(i) { 255 } else { i as u8 }; 64]));
            trace.finish(&[Digest::default()])
        };
        let (good, proof) = run(None);
        let (bad, other) = run(Some(21));
        let first = good.iter().zip(&bad).position(|(a, b)| a != b).unwrap();
        assert_eq!(first, 10, "the dispute narrows to the stretch of step 21");
        assert!(good[first..].iter().zip(&bad[first..]).all(|(a, b)| a != b));
        assert_ne!(proof, other);
    }
}
