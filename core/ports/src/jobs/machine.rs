//! A job that can be stopped on its way, and taken up again from what it was then: what lets a dispute be about one stretch of a run.

use super::JobError;
use super::trace::Trace;

/// A run under way. What it does next depends on its inputs and its [`state`](Self::state) alone.
pub(super) trait Machine {
    /// How much there is to do in all, in units of its own.
    fn units(&self) -> u64;

    /// Goes on until so many units are done, and a little further where it cannot stop there; to the very end if that is all.
    fn advance(&mut self, until: u64, trace: &mut Trace) -> Result<(), JobError>;

    /// All that it has come to, as bytes that a machine of the same inputs can be made from.
    fn state(&self) -> Vec<u8>;

    /// Its outputs, once it is at the end.
    fn outputs(&self) -> Vec<Vec<u8>>;
}

/// Reads a state. Its bytes are an artifact like any other: anything.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn u64(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }

    /// A number that is no more than `most`.
    pub(super) fn up_to(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.u64()?).ok().filter(|n| *n <= most)
    }

    /// So many bytes.
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}
