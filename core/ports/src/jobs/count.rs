//! Counting the words of a text.

use std::collections::BTreeMap;

use super::JobError;
use super::list::{Lines, is_word, write_line};
use super::machine::{Machine, Reader};
use super::trace::Trace;

/// Counts words, by first occurrence.
pub(super) struct Counting<'a> {
    text: &'a [u8],
    /// Where it is, not within a word.
    at: usize,
    words: Vec<(&'a [u8], u64)>,
    index: BTreeMap<&'a [u8], usize>,
}

impl<'a> Counting<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, words: Vec::new(), index: BTreeMap::new() }
    }

    pub(super) fn at(mut self, state: &'a [u8]) -> Option<Self> {
        let mut state = Reader(state);
        self.at = state.up_to(self.text.len())?;
        for line in Lines::new(1, state.0) {
            let line = line.ok()?;
            if self.index.insert(line.word, self.words.len()).is_some() {
                return None;
            }
            self.words.push((line.word, line.count));
        }
        Some(self)
    }

    fn list(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (word, count) in &self.words {
            write_line(&mut out, *count, word);
        }
        out
    }
}

impl Machine for Counting<'_> {
    fn units(&self) -> u64 {
        self.text.len() as u64
    }

    fn advance(&mut self, until: u64, trace: &mut Trace) -> Result<(), JobError> {
        while (self.at as u64) < until {
            let rest = &self.text[self.at..];
            let Some(begin) = rest.iter().position(|b| is_word(*b)) else {
                self.at = self.text.len();
                break;
            };
            let word = &rest[begin..];
            let word = &word[..word.iter().position(|b| !is_word(*b)).unwrap_or(word.len())];
            self.at += begin + word.len();
            let at = *self.index.entry(word).or_insert(self.words.len());
            if at == self.words.len() {
                self.words.push((word, 0));
            }
            self.words[at].1 = self.words[at].1.saturating_add(1);
            trace.step(&[(at as u32).to_be_bytes(), (self.words[at].1 as u32).to_be_bytes()].concat());
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        [&(self.at as u64).to_be_bytes()[..], &self.list()].concat()
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        vec![self.list()]
    }
}
