//! How a report is read: JSON by programs, JUnit by CI, text by people at a terminal, Markdown on a page.
//!
//! Renderers say what a report holds and decide nothing.

mod event;
pub mod human;
pub mod junit;
pub mod markdown;
mod notes;
mod story;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::{HONEST, Profits};

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

/// Basis points of a credit as credits and hundredths of one, rounded towards nothing.
fn credits(bp: i128) -> String {
    let cents = bp.unsigned_abs() / 100;
    let whole = grouped(u64::try_from(cents / 100).unwrap_or(u64::MAX));
    format!("{}{whole}.{:02}", if bp < 0 && cents > 0 { "-" } else { "" }, cents % 100)
}

/// A table of profits, without its look: the head, then a row for each role and strategy, honesty first in each role.
fn profits(profits: &Profits) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let head = vec!["role", "strategy", "actors", "runs", "mean profit", "worst", "best", "spread", "more than honest"];
    let whole = |credits: i128| self::credits(credits.saturating_mul(10_000)).trim_end_matches(".00").to_owned();
    let mut rows = Vec::new();
    for (role, strategies) in profits {
        let mut list: Vec<_> = strategies.iter().collect();
        list.sort_by_key(|(strategy, _)| (*strategy != HONEST, *strategy));
        for (strategy, profit) in list {
            let error = credits(i128::try_from(profit.more.error_bp).unwrap_or(i128::MAX));
            let mean = credits(profit.more.mean_bp);
            // Of nobody there is nothing to tell.
            let told = |text: String| if profit.actors == 0 { "-".to_owned() } else { text };
            rows.push(vec![
                role.clone(),
                strategy.clone(),
                grouped(profit.actors),
                grouped(profit.runs),
                told(credits(profit.mean_bp)),
                told(whole(profit.worst)),
                told(whole(profit.best)),
                told(credits(i128::try_from(profit.deviation_bp).unwrap_or(i128::MAX))),
                match profit.more.runs {
                    0 => "-".to_owned(),
                    // How far off one run may be it does not tell.
                    1 => mean,
                    _ => format!("{mean} ± {error}"),
                },
            ]);
        }
    }
    (head, rows)
}

/// `n` of something, in words that agree.
fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// Properties in the order people count: P2 before P10, and what has no number last.
fn in_order<V>(properties: &BTreeMap<String, V>) -> Vec<(&String, &V)> {
    let mut list: Vec<_> = properties.iter().collect();
    list.sort_by_key(|(name, _)| {
        let number = name.strip_prefix('P').and_then(|digits| digits.parse::<u32>().ok());
        (number.is_none(), number, name.as_str())
    });
    list
}

/// A property's name with what it means (ARCHITECTURE: What must stay true).
fn spelled(property: &str) -> String {
    let means = match property {
        "P1" => "single DECIDE",
        "P2" => "deterministic replay",
        "P3" => "challenge safety",
        "P4" => "lease and fencing",
        "P5" => "lease lifetime",
        "P6" => "quorum validity",
        "P7" => "checkpoint consistency",
        "P8" => "cross-shard atomicity",
        "P9" => "conservation",
        "P10" => "convergence",
        "liveness" => return "liveness (every need ends)".to_owned(),
        "model" => return "model (a plain one agrees)".to_owned(),
        "policy" => return "policy (its gates hold)".to_owned(),
        "decoys" => return "decoys (who passes one pays)".to_owned(),
        _ => return property.to_owned(),
    };
    format!("{property} {means}")
}

/// A length of time for people, in the unit that fits.
pub(crate) fn span(ns: u64) -> String {
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
    fn credits_for_people() {
        let told = [0, 99, 100, -99, -100, 12_345_678, -12_345_678].map(credits);
        assert_eq!(told, ["0.00", "0.00", "0.01", "0.00", "-0.01", "1,234.56", "-1,234.56"]);
    }

    #[test]
    fn properties_stand_in_the_order_people_count() {
        let names = ["P1", "P10", "P2", "P9", "liveness"].map(|name| (name.to_owned(), ())).into();
        let order: Vec<_> = in_order(&names).into_iter().map(|(name, ())| name.as_str()).collect();
        assert_eq!(order, ["P1", "P2", "P9", "P10", "liveness"]);
        assert_eq!(counted(1, "run") + &counted(1_000, "run"), "1 run1,000 runs");
        for property in crate::check::PROPERTIES {
            assert_ne!(spelled(property), property, "every property has its meaning beside it");
        }
    }

    #[test]
    fn json_reads_back() {
        let run = crate::report::fixture::violated(3);
        let text = json(&run);
        assert!(text.ends_with("}\n"));
        assert_eq!(serde_json::from_str::<crate::RunReport>(&text).unwrap(), run);
    }
}
