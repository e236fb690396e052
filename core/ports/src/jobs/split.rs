//! Cutting a text at line ends.

use super::JobError;
use super::machine::{Machine, Reader};
use super::trace::Trace;

/// Cuts a text into parts, each cut after the first line end at or past its even share. Parts can be empty.
pub(super) struct Split<'a> {
    text: &'a [u8],
    parts: u64,
    /// Where it is, at the begin of a line.
    at: usize,
    /// Where the parts end that are done.
    cuts: Vec<usize>,
}

impl<'a> Split<'a> {
    pub(super) fn new(text: &'a [u8], parts: u32) -> Self {
        Self { text, parts: parts.into(), at: 0, cuts: Vec::new() }
    }

    pub(super) fn at(mut self, state: &[u8]) -> Option<Self> {
        let mut state = Reader(state);
        self.at = state.up_to(self.text.len())?;
        while !state.0.is_empty() {
            let cut = state.up_to(self.at).filter(|cut| self.cuts.last().is_none_or(|last| last <= cut))?;
            self.cuts.push(cut);
        }
        (self.cuts.len() as u64 <= self.parts).then_some(self)
    }

    /// Where the part ends that is being cut, which begins there.
    fn end(&self, begin: usize) -> usize {
        let part = self.cuts.len() as u64 + 1;
        let share = (self.text.len() as u64 * part / self.parts) as usize;
        if part == self.parts { self.text.len() } else { cut_after(self.text, share).max(begin) }
    }
}

impl Machine for Split<'_> {
    fn units(&self) -> u64 {
        self.text.len() as u64
    }

    fn advance(&mut self, until: u64, trace: &mut Trace) -> Result<(), JobError> {
        while (self.cuts.len() as u64) < self.parts {
            let end = self.end(self.cuts.last().copied().unwrap_or(0));
            while self.at < end {
                if self.at as u64 >= until {
                    return Ok(());
                }
                let rest = &self.text[self.at..end];
                let line = &rest[..rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1)];
                self.at += line.len();
                trace.step(&[&(self.at as u64).to_be_bytes()[..], line].concat());
            }
            self.cuts.push(end);
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let all = std::iter::once(&self.at).chain(&self.cuts);
        all.flat_map(|at| (*at as u64).to_be_bytes()).collect()
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        let begins = std::iter::once(&0).chain(&self.cuts);
        begins.zip(&self.cuts).map(|(begin, end)| self.text[*begin..*end].to_vec()).collect()
    }
}

/// The first position at or past `share` that follows a line end; zero counts as one.
fn cut_after(text: &[u8], share: usize) -> usize {
    match share.checked_sub(1) {
        None => 0,
        Some(from) => text[from..].iter().position(|b| *b == b'\n').map_or(text.len(), |at| from + at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_only_at_line_ends() {
        let show = |text: &str, n| {
            let mut split = Split::new(text.as_bytes(), n);
            split.advance(split.units(), &mut Trace::new(0)).unwrap();
            let parts = split.outputs();
            parts.into_iter().map(|p| String::from_utf8(p).unwrap()).collect::<Vec<_>>().join("|")
        };
        assert_eq!(show("", 3), "||", "nothing makes empty parts");
        assert_eq!(show("one line without end", 2), "one line without end|", "a line is never cut");
        assert_eq!(show("a\nb\nc\nd\n", 4), "a\n|b\n|c\n|d\n", "even shares fall on line ends");
        assert_eq!(show("a\nb\n", 1), "a\nb\n", "one part is the whole");
        assert_eq!(show("\n\n\n", 2), "\n|\n\n", "empty lines are lines");
        assert_eq!(
            show("loooooooooong\na\nb", 3),
            "loooooooooong\n||a\nb",
            "a long line uses up its neighbour's share"
        );
    }
}
