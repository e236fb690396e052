//! Sorting a list by its words.

use super::JobError;
use super::list::{Line, Lines, write_line};
use super::machine::{Machine, Reader};
use super::trace::Trace;

/// Lines sorted together before they are merged: the runs whose order the trace covers.
const RUN_LINES: usize = 1_024;

/// Sorts the lines of a list by word; equal words keep their order. First runs of lines, then the whole.
pub(super) struct Sort<'a> {
    lines: Vec<Line<'a>>,
    order: Vec<u32>,
    /// Lines that were sorted in their runs, and then those that found their place in the whole.
    done: usize,
}

impl<'a> Sort<'a> {
    pub(super) fn new(list: &'a [u8]) -> Result<Self, JobError> {
        let lines = Lines::new(1, list).collect::<Result<Vec<_>, _>>()?;
        let order = (0..lines.len() as u32).collect();
        Ok(Self { lines, order, done: 0 })
    }

    pub(super) fn at(mut self, state: &[u8]) -> Option<Self> {
        let mut state = Reader(state);
        self.done = state.up_to(2 * self.lines.len())?;
        let known = self.done.min(self.lines.len());
        let numbers = Some(state.0).filter(|rest| rest.len() == 4 * known)?;
        for (place, number) in self.order.iter_mut().zip(numbers.as_chunks().0) {
            *place = Some(u32::from_be_bytes(*number)).filter(|line| (*line as usize) < self.lines.len())?;
        }
        Some(self)
    }
}

impl Machine for Sort<'_> {
    fn units(&self) -> u64 {
        2 * self.lines.len() as u64
    }

    fn advance(&mut self, until: u64, trace: &mut Trace) -> Result<(), JobError> {
        let (all, lines) = (self.lines.len(), &self.lines);
        let word = |line: &u32| lines[*line as usize].word;
        // The order within each run is seen in neither input nor output; the order of the whole is what it leads to.
        while self.done < all && (self.done as u64) < until {
            let end = all.min(self.done + RUN_LINES);
            let run = &mut self.order[self.done..end];
            run.sort_by_key(word);
            run.iter().for_each(|line| trace.step(&line.to_be_bytes()));
            self.done = end;
        }
        if self.done == all && self.done as u64 <= until {
            self.order.sort_by_key(|line| (word(line), *line));
        }
        while self.done < 2 * all && (self.done as u64) < until {
            trace.step(&self.order[self.done - all].to_be_bytes());
            self.done += 1;
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let mut state = (self.done as u64).to_be_bytes().to_vec();
        state.extend(self.order[..self.done.min(self.lines.len())].iter().flat_map(|line| line.to_be_bytes()));
        state
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        for line in self.order.iter().map(|line| &self.lines[*line as usize]) {
            write_line(&mut out, line.count, line.word);
        }
        vec![out]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_words_keep_their_order_across_runs() {
        let list: String = (1..=3 * RUN_LINES).map(|i| format!("{i}\t{}\n", ["b", "a"][i % 2])).collect();
        let mut sort = Sort::new(list.as_bytes()).unwrap();
        sort.advance(sort.units(), &mut Trace::new(0)).unwrap();
        let sorted = sort.outputs().remove(0);
        let counts: Vec<u64> = Lines::new(1, &sorted).map(|l| l.unwrap().count).collect();
        let wanted: Vec<u64> =
            (1..=3 * RUN_LINES as u64).step_by(2).chain((2..=3 * RUN_LINES as u64).step_by(2)).collect();
        assert_eq!(counts, wanted);
    }
}
