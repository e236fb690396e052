//! A list: lines of `count\tword`, in bytes. A word is of `[A-Za-z0-9_]`; words compare by their bytes, and no locale can change a
//! result.

use super::JobError;

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(super) fn write_line(out: &mut Vec<u8>, count: u64, word: &[u8]) {
    out.extend_from_slice(count.to_string().as_bytes());
    out.push(b'\t');
    out.extend_from_slice(word);
    out.push(b'\n');
}

/// One line of a list.
pub(super) struct Line<'a> {
    pub(super) count: u64,
    pub(super) word: &'a [u8],
}

/// The lines of one input, each held against the format.
pub(super) struct Lines<'a> {
    pub(super) input: usize,
    /// The line read last, from 1.
    pub(super) line: u64,
    pub(super) rest: &'a [u8],
}

impl<'a> Lines<'a> {
    pub(super) fn new(input: usize, rest: &'a [u8]) -> Self {
        Self { input, line: 0, rest }
    }

    fn read(&mut self) -> Result<Line<'a>, &'static str> {
        let end = self.rest.iter().position(|b| *b == b'\n').ok_or("the line does not end")?;
        let (line, rest) = (&self.rest[..end], &self.rest[end + 1..]);
        let tab = line.iter().position(|b| *b == b'\t').ok_or("no tab between count and word")?;
        let (count, word) = (&line[..tab], &line[tab + 1..]);
        if word.is_empty() || !word.iter().all(|b| is_word(*b)) {
            return Err("not a word of A-Z a-z 0-9 _");
        }
        let digits = count.iter().all(u8::is_ascii_digit) && !count.starts_with(b"0");
        let count = if digits { std::str::from_utf8(count).ok().and_then(|c| c.parse().ok()) } else { None };
        let count = count.ok_or("the count is not a number from 1, without leading zeros, of at most 64 bits")?;
        self.rest = rest;
        Ok(Line { count, word })
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, JobError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        self.line += 1;
        let (input, line) = (self.input, self.line);
        Some(self.read().map_err(|why| JobError::Malformed { input, line, why }))
    }
}
