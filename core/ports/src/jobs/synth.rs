//! Work that only simulates work: hashing in rounds, as dear as the name says, with a few bytes of output.

use swarm_core::id::{Digest, Label};

use super::JobError;
use super::machine::Machine;
use super::trace::Trace;

/// Hashes its inputs for so many rounds; each output is one line of hex that depends on its name.
pub(super) struct Synth<'a> {
    rounds: u32,
    produces: &'a [Label],
    round: u32,
    hash: Digest,
}

impl<'a> Synth<'a> {
    pub(super) fn new(inputs: &[&[u8]], rounds: u32, produces: &'a [Label]) -> Self {
        Self { rounds, produces, round: 0, hash: Digest::of("swarm/synth-input", inputs) }
    }

    pub(super) fn at(mut self, state: &[u8]) -> Option<Self> {
        let (round, hash) = state.split_first_chunk()?;
        self.round = Some(u32::from_be_bytes(*round)).filter(|round| *round <= self.rounds)?;
        self.hash = Digest(hash.try_into().ok()?);
        Some(self)
    }
}

impl Machine for Synth<'_> {
    fn units(&self) -> u64 {
        self.rounds.into()
    }

    fn advance(&mut self, until: u64, trace: &mut Trace) -> Result<(), JobError> {
        while u64::from(self.round) < until {
            self.hash = Digest::of("swarm/synth-round", &[&self.hash.0, &self.round.to_be_bytes()]);
            self.round += 1;
            trace.step(&self.hash.0);
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        [&self.round.to_be_bytes()[..], &self.hash.0].concat()
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        let line =
            |name: &Label| format!("{}\n", Digest::of("swarm/synth-output", &[&self.hash.0, name.as_str().as_bytes()]));
        self.produces.iter().map(|name| line(name).into_bytes()).collect()
    }
}
