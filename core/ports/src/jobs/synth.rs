//! Work that only simulates work: hashing in rounds, as dear as the name says, with a few bytes of output.

use swarm_core::id::{Digest, Label};

use super::trace::Trace;

/// Hashes `inputs` for `rounds`; each output is one line of hex that depends on its name.
pub(super) fn synth(inputs: &[&[u8]], rounds: u32, produces: &[Label], trace: &mut Trace) -> Vec<Vec<u8>> {
    let mut state = Digest::of("swarm/synth-input", inputs);
    for round in 0..rounds {
        state = Digest::of("swarm/synth-round", &[&state.0, &round.to_be_bytes()]);
        trace.step(&state.0);
    }
    let line = |name: &Label| format!("{}\n", Digest::of("swarm/synth-output", &[&state.0, name.as_str().as_bytes()]));
    produces.iter().map(|name| line(name).into_bytes()).collect()
}
