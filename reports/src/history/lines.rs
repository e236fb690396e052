//! A history as JSON lines, one record each.

use std::fmt;

use super::Record;

/// A line that is not a record.
#[derive(Debug)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: serde_json::Error,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not a record of a history: {}", self.line, self.what)
    }
}

impl std::error::Error for BadLine {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.what)
    }
}

/// `record` as one line, line feed included.
pub fn write_line(record: &Record) -> String {
    let mut line = serde_json::to_string(record).expect("every record has a JSON form");
    line.push('\n');
    line
}

/// Reads the records of `text`; empty lines do not count.
///
/// # Errors
/// The first line that is not a record.
pub fn read_lines(text: &str) -> Result<Vec<Record>, BadLine> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines.map(|(i, line)| serde_json::from_str(line).map_err(|what| BadLine { line: i + 1, what })).collect()
}

/// Canonical JSON bytes as the text they are; bytes that are no text (which no honest node tells) as `hex:` and digits,
/// which no JSON value starts with.
pub(super) mod canonical_bytes {
    use std::borrow::Cow;
    use std::sync::Arc;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &Arc<[u8]>, s: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.starts_with("hex:") => s.serialize_str(text),
            _ => s.collect_str(&format_args!("hex:{}", swarm_core::id::hex(bytes))),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Arc<[u8]>, D::Error> {
        let text = Cow::<str>::deserialize(d)?;
        let Some(digits) = text.strip_prefix("hex:") else { return Ok(text.as_bytes().into()) };
        let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        digits.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>().map(Into::into).ok_or_else(|| D::Error::custom("not pairs of hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture;

    #[test]
    fn a_history_survives_its_lines() {
        let records = fixture::good().records;
        let text: String = records.iter().map(write_line).collect();
        assert_eq!(read_lines(&text).unwrap(), records);
    }

    #[test]
    fn bytes_that_are_no_text_survive() {
        let mut records = fixture::good().records;
        for record in &mut records {
            if let crate::Event::Finalized { record, .. } = &mut record.event {
                *record = [0xff, 0x00].as_slice().into();
            }
        }
        let text: String = records.iter().map(write_line).collect();
        assert!(text.contains("hex:ff00"));
        assert_eq!(read_lines(&text).unwrap(), records);
    }

    #[test]
    fn the_first_bad_line_is_named() {
        let text = "{\"at\":\"1\",\"event\":{\"phase\":\"heal\"},\"node\":4294967295}\n\n{}\n";
        assert_eq!(read_lines(text).unwrap_err().line, 3);
    }
}
