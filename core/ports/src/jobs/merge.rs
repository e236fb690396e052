//! Merging sorted lists into one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::JobError;
use super::list::{Lines, write_line};
use super::machine::{Machine, Reader};
use super::trace::Trace;

/// Merges sorted lists, adding the counts of equal words.
pub(super) struct Merge<'a> {
    /// Of each list what was not read yet.
    lists: Vec<Lines<'a>>,
    /// Bytes before the head of each list: those of lines that are done.
    done: Vec<usize>,
    sizes: Vec<usize>,
    /// The heads: word, list and count.
    heads: BinaryHeap<Reverse<(&'a [u8], usize, u64)>>,
    /// The word being added up.
    open: Option<(&'a [u8], u64)>,
    out: Vec<u8>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(inputs: &[&'a [u8]]) -> Result<Self, JobError> {
        Self::with_heads(inputs, &vec![0; inputs.len()])
    }

    pub(super) fn at(inputs: &[&'a [u8]], state: &'a [u8]) -> Option<Self> {
        let mut state = Reader(state);
        let heads: Option<Vec<usize>> = inputs.iter().map(|list| state.up_to(list.len())).collect();
        let mut merge = Self::with_heads(inputs, &heads?).ok()?;
        let len = state.up_to(state.0.len())?;
        let word = state.take(len)?;
        let sum = state.u64()?;
        merge.open = (sum > 0).then_some((word, sum));
        merge.out = state.0.to_vec();
        Some(merge)
    }

    /// With the head of each list at that byte of it.
    fn with_heads(inputs: &[&'a [u8]], heads: &[usize]) -> Result<Self, JobError> {
        let sizes = inputs.iter().map(|list| list.len()).collect();
        let lists = inputs.iter().zip(heads).enumerate().map(|(source, (list, head))| {
            let mut lines = Lines::new(source + 1, &list[*head..]);
            lines.line = list[..*head].iter().filter(|b| **b == b'\n').count() as u64;
            lines
        });
        let (lists, heads) = (lists.collect(), BinaryHeap::new());
        let mut merge = Self { lists, done: vec![0; inputs.len()], sizes, heads, open: None, out: Vec::new() };
        for source in 0..inputs.len() {
            merge.next(source)?;
        }
        Ok(merge)
    }

    /// Reads the next head of a list.
    fn next(&mut self, source: usize) -> Result<Option<&'a [u8]>, JobError> {
        let lines = &mut self.lists[source];
        self.done[source] = self.sizes[source] - lines.rest.len();
        let Some(line) = lines.next().transpose()? else { return Ok(None) };
        self.heads.push(Reverse((line.word, source, line.count)));
        Ok(Some(line.word))
    }
}

impl Machine for Merge<'_> {
    fn units(&self) -> u64 {
        self.sizes.iter().map(|size| *size as u64).sum()
    }

    fn advance(&mut self, until: u64, trace: &mut Trace) -> Result<(), JobError> {
        let mut done: u64 = self.done.iter().map(|done| *done as u64).sum();
        while done < until
            && let Some(Reverse((word, source, count))) = self.heads.pop()
        {
            let line = self.lists[source].line;
            let malformed = |line, why| JobError::Malformed { input: source + 1, line, why };
            let sum = match self.open {
                Some((last, sum)) if last == word => {
                    sum.checked_add(count).ok_or_else(|| malformed(line, "the counts of this word exceed 64 bits"))?
                }
                _ => {
                    if let Some((last, sum)) = self.open {
                        write_line(&mut self.out, sum, last);
                    }
                    count
                }
            };
            self.open = Some((word, sum));
            trace.step(&[&(source as u16).to_be_bytes()[..], &sum.to_be_bytes()].concat());
            let before = self.done[source];
            let next = self.next(source)?;
            done += (self.done[source] - before) as u64;
            if next.is_some_and(|next| next < word) {
                return Err(malformed(self.lists[source].line, "the list is not sorted by word"));
            }
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let (word, sum) = self.open.unwrap_or_default();
        let numbers = self.done.iter().copied().chain([word.len()]);
        let mut state: Vec<u8> = numbers.flat_map(|number| (number as u64).to_be_bytes()).collect();
        state.extend(word);
        state.extend(sum.to_be_bytes());
        state.extend(&self.out);
        state
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        let mut out = self.out.clone();
        if let Some((last, sum)) = self.open {
            write_line(&mut out, sum, last);
        }
        vec![out]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(lists: &[&[u8]]) -> Result<Vec<u8>, JobError> {
        let mut merge = Merge::new(lists)?;
        merge.advance(merge.units(), &mut Trace::new(0))?;
        Ok(merge.outputs().remove(0))
    }

    fn error(lists: &[&str]) -> String {
        let lists: Vec<_> = lists.iter().map(|l| l.as_bytes()).collect();
        merged(&lists).unwrap_err().to_string()
    }

    #[test]
    fn a_malformed_list_is_named_by_input_and_line() {
        assert_eq!(error(&["1\ta\n", "1\ta\n2 b\n"]), "input 2, line 2: no tab between count and word");
        assert_eq!(error(&["1\ta"]), "input 1, line 1: the line does not end");
        assert_eq!(error(&["1\t\n"]), "input 1, line 1: not a word of A-Z a-z 0-9 _");
        assert_eq!(error(&["1\tb\n1\ta\n"]), "input 1, line 2: the list is not sorted by word");
        for count in ["", "0", "01", "-1", "+1", "18446744073709551616"] {
            let text = format!("{count}\ta\n");
            assert!(error(&[&text]).contains("line 1: the count is not a number"), "{count}");
        }
        let most = "18446744073709551615\ta\n";
        assert_eq!(error(&[most, most]), "input 2, line 1: the counts of this word exceed 64 bits");
        assert_eq!(merged(&[most.as_bytes()]).unwrap(), most.as_bytes());
    }
}
