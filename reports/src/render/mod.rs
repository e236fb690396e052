//! How a report is read: JSON by programs, JUnit by CI, text by people at a terminal, Markdown on a page.
//!
//! Renderers say what a report holds and decide nothing.

pub mod human;
pub mod junit;
pub mod markdown;
pub mod story;

use serde::Serialize;

/// `report` as indented JSON, line feed included.
pub fn json(report: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("every report has a JSON form");
    text.push('\n');
    text
}

/// `n` in groups of three digits.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<_> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).expect("digits are ASCII")).collect();
    groups.join(",")
}

/// A length of time for people, in the unit that fits.
fn span(ns: u64) -> String {
    let (us, ms, s) = (ns / 1_000, ns / 1_000_000, ns / 1_000_000_000);
    match s {
        3_600.. => format!("{} h {:02} min {:02} s", grouped(s / 3_600), s / 60 % 60, s % 60),
        60.. => format!("{} min {:02} s", s / 60, s % 60),
        1.. => format!("{s}.{:03} s", ms % 1_000),
        0 if ms > 0 => format!("{ms}.{:03} ms", us % 1_000),
        0 => format!("{us} us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let times = [0, 1_999, 7_300_000, 61_500_000_000, 1_000_000_000, 86_461_500_000_000];
        assert_eq!(times.map(span), ["0 us", "1 us", "7.300 ms", "1 min 01 s", "1.000 s", "24 h 01 min 01 s"]);
        assert!(span(u64::MAX).starts_with("5,124,095 h"));
    }

    #[test]
    fn json_reads_back() {
        let run = crate::report::fixture::violated(3);
        let text = json(&run);
        assert!(text.ends_with("}\n"));
        assert_eq!(serde_json::from_str::<crate::RunReport>(&text).unwrap(), run);
    }
}
