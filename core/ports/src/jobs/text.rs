//! Counting the words of a text in parts: split, count, sort, merge. The parts' results merged are the whole's result.
//!
//! Bytes throughout: a text need not be UTF-8, words compare by their bytes, and no locale can change a result.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::JobError;
use super::trace::Trace;

/// Lines sorted together before they are merged: the runs whose order the trace covers.
const RUN_LINES: usize = 1_024;

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Cuts `text` into `parts`, each cut after the first line end at or past its even share. Parts can be empty.
pub(super) fn split(text: &[u8], parts: u32, trace: &mut Trace) -> Vec<Vec<u8>> {
    let mut start = 0;
    (1..=u64::from(parts))
        .map(|i| {
            let share = (text.len() as u64 * i / u64::from(parts)) as usize;
            let end = if i == u64::from(parts) { text.len() } else { cut_after(text, share).max(start) };
            let part = &text[start..end];
            for line in part.split_inclusive(|b| *b == b'\n') {
                start += line.len();
                trace.step(&[&(start as u64).to_be_bytes()[..], line].concat());
            }
            part.to_vec()
        })
        .collect()
}

/// The first position at or past `share` that follows a line end; zero counts as one.
fn cut_after(text: &[u8], share: usize) -> usize {
    match share.checked_sub(1) {
        None => 0,
        Some(from) => text[from..].iter().position(|b| *b == b'\n').map_or(text.len(), |at| from + at + 1),
    }
}

/// Counts the words of `text`, by first occurrence.
pub(super) fn count(text: &[u8], trace: &mut Trace) -> Vec<u8> {
    let mut index = BTreeMap::new();
    let mut words: Vec<(&[u8], u64)> = Vec::new();
    for word in text.split(|b| !is_word(*b)).filter(|w| !w.is_empty()) {
        let at = *index.entry(word).or_insert(words.len());
        if at == words.len() {
            words.push((word, 0));
        }
        words[at].1 += 1;
        trace.step(&[(at as u32).to_be_bytes(), (words[at].1 as u32).to_be_bytes()].concat());
    }
    let mut out = Vec::new();
    for (word, count) in words {
        write_line(&mut out, count, word);
    }
    out
}

/// Sorts the lines of `list` by word; equal words keep their order.
pub(super) fn sort(list: &[u8], trace: &mut Trace) -> Result<Vec<u8>, JobError> {
    let lines = Lines::new(1, list).collect::<Result<Vec<_>, _>>()?;
    let mut order: Vec<u32> = (0..lines.len() as u32).collect();
    let word = |line: &u32| lines[*line as usize].word;
    // The order within each run is seen in neither input nor output; the order of the whole is what it leads to.
    for run in order.chunks_mut(RUN_LINES) {
        run.sort_by_key(word);
        run.iter().for_each(|line| trace.step(&line.to_be_bytes()));
    }
    order.sort_by_key(|line| (word(line), *line));
    let mut out = Vec::with_capacity(list.len());
    for line in order {
        trace.step(&line.to_be_bytes());
        write_line(&mut out, lines[line as usize].count, lines[line as usize].word);
    }
    Ok(out)
}

/// Merges sorted lists into one, adding the counts of equal words.
pub(super) fn merge(lists: &[&[u8]], trace: &mut Trace) -> Result<Vec<u8>, JobError> {
    let mut lists: Vec<_> = lists.iter().enumerate().map(|(i, list)| Lines::new(i + 1, list)).collect();
    let mut heap = BinaryHeap::new();
    for (source, list) in lists.iter_mut().enumerate() {
        if let Some(line) = list.next().transpose()? {
            heap.push(Reverse((line.word, source, line.count)));
        }
    }
    let mut out = Vec::new();
    let mut open: Option<(&[u8], u64)> = None;
    while let Some(Reverse((word, source, count))) = heap.pop() {
        let list = &mut lists[source];
        let line = list.line;
        let malformed = |line, why| JobError::Malformed { input: source + 1, line, why };
        let sum = match open {
            Some((last, sum)) if last == word => {
                sum.checked_add(count).ok_or_else(|| malformed(line, "the counts of this word exceed 64 bits"))?
            }
            _ => {
                if let Some((last, sum)) = open {
                    write_line(&mut out, sum, last);
                }
                count
            }
        };
        open = Some((word, sum));
        trace.step(&[&(source as u16).to_be_bytes()[..], &sum.to_be_bytes()].concat());
        if let Some(next) = list.next().transpose()? {
            if next.word < word {
                return Err(malformed(list.line, "the list is not sorted by word"));
            }
            heap.push(Reverse((next.word, source, next.count)));
        }
    }
    if let Some((last, sum)) = open {
        write_line(&mut out, sum, last);
    }
    Ok(out)
}

fn write_line(out: &mut Vec<u8>, count: u64, word: &[u8]) {
    out.extend_from_slice(count.to_string().as_bytes());
    out.push(b'\t');
    out.extend_from_slice(word);
    out.push(b'\n');
}

/// One line of a list.
struct Line<'a> {
    count: u64,
    word: &'a [u8],
}

/// The lines of one input, each held against the format.
struct Lines<'a> {
    input: usize,
    line: u64,
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    fn new(input: usize, rest: &'a [u8]) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        Trace::new(0)
    }

    fn error(lists: &[&str]) -> String {
        let lists: Vec<_> = lists.iter().map(|l| l.as_bytes()).collect();
        merge(&lists, &mut trace()).unwrap_err().to_string()
    }

    #[test]
    fn a_text_is_cut_only_at_line_ends() {
        let show = |text: &str, n| {
            let parts = split(text.as_bytes(), n, &mut trace());
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
        assert_eq!(merge(&[most.as_bytes()], &mut trace()).unwrap(), most.as_bytes());
    }

    #[test]
    fn equal_words_keep_their_order_across_runs() {
        let list: String = (1..=3 * RUN_LINES).map(|i| format!("{i}\t{}\n", ["b", "a"][i % 2])).collect();
        let sorted = sort(list.as_bytes(), &mut trace()).unwrap();
        let counts: Vec<u64> = Lines::new(1, &sorted).map(|l| l.unwrap().count).collect();
        let wanted: Vec<u64> =
            (1..=3 * RUN_LINES as u64).step_by(2).chain((2..=3 * RUN_LINES as u64).step_by(2)).collect();
        assert_eq!(counts, wanted);
    }
}
