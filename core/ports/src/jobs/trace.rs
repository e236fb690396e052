//! What a run leaves behind that shows who did it: the keyed proof over a chain of states.
//!
//! A job feeds what it works out along the way: not its inputs or outputs, which anyone can fetch, but values that exist
//! only while the work is being done (running counts, ranks, hashes between rounds). Whoever wants the chain must work.

use swarm_core::id::Digest;

/// The chain of one run. Nothing of it is published.
pub(super) struct Trace {
    /// Bytes between two states.
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

    /// The proofs under `keys` over all states.
    pub(super) fn finish(mut self, keys: &[Digest]) -> Vec<Digest> {
        self.cut();
        let states: Vec<&[u8]> = self.states.iter().map(|state| &state.0[..]).collect();
        keys.iter().map(|key| proof_of(key, &states)).collect()
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
    fn one_wrong_step_changes_the_proof() {
        let run = |wrong: Option<u32>, key: u8| {
            let mut trace = Trace::new(0);
            (0..64u32).for_each(|i| trace.step(&[if wrong == Some(i) { 255 } else { i as u8 }; 64]));
            (trace.steps(), trace.finish(&[Digest([key; 32])]))
        };
        assert_eq!(run(None, 0), run(None, 0));
        for other in [run(Some(0), 0), run(Some(21), 0), run(Some(63), 0), run(None, 1)] {
            assert_eq!(other.0, 64);
            assert_ne!(other.1, run(None, 0).1);
        }
    }
}
