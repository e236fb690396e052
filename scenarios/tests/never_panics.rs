//! No input may panic the reader, and none may be both refused and without an error.

use proptest::prelude::*;
use std::path::Path;
use swarm_scenarios::{Needs, load_text};

/// Reads a text both ways; a refusal always says why.
fn read(text: &str) {
    if let Err(failure) = load_text(Path::new("case.toml"), text) {
        assert!(!failure.report.errors.is_empty());
        for finding in &failure.report.errors {
            assert!(!finding.what.is_empty() && !finding.mend.is_empty() && finding.line >= 1);
        }
        let mut shown = String::new();
        let plain = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
        plain.render_report(&mut shown, &failure).unwrap();
    }
    if let Err(failure) = Needs::parse("needs.jsonl", text) {
        assert!(!failure.report.errors.is_empty());
    }
}

const SECTIONS: &[&str] = &[
    "limits",
    "cluster",
    "workload",
    "protocol",
    "network",
    "bus",
    "store",
    "clocks",
    "phases",
    "properties",
    "faults",
    "nonsense",
];

fn key() -> impl Strategy<Value = String> {
    let schema = swarm_scenarios::schema();
    let mut keys = vec!["teaches".to_owned(), "kind".to_owned(), "ünknown".to_owned()];
    for definition in schema["$defs"].as_object().unwrap().values() {
        if let Some(properties) = definition["properties"].as_object() {
            keys.extend(properties.keys().cloned());
        }
    }
    proptest::sample::select(keys)
}

fn value() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (0..20i64).prop_map(|n| n.to_string()),
        any::<u128>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:?}")),
        "[a-z:0-9-]{0,12}".prop_map(|s| format!("{s:?}")),
        "[0-9]{1,20}(ns|ms|s|h|d|y)".prop_map(|s| format!("{s:?}")),
        proptest::sample::select(vec![
            "true",
            "1979-05-27",
            "{}",
            "{ a = 1 }",
            "\"loss\"",
            "\"skew\"",
            "\"forever\"",
            "\"worker:all\"",
            "\"fan\"",
            "\"../..\"",
            "\"\""
        ])
        .prop_map(str::to_owned),
    ];
    prop_oneof![
        3 => one.clone(),
        1 => proptest::collection::vec(one, 0..4).prop_map(|all| format!("[{}]", all.join(", "))),
    ]
}

fn document() -> impl Strategy<Value = String> {
    let pairs = || proptest::collection::btree_map(key(), value(), 0..6);
    let section = (proptest::sample::select(SECTIONS), any::<bool>(), pairs());
    (any::<bool>(), pairs(), proptest::collection::vec(section, 0..6)).prop_map(|(teach, top, sections)| {
        let lines = |pairs: &std::collections::BTreeMap<String, String>| -> String {
            pairs.iter().map(|(k, v)| format!("{k:?} = {v}\n")).collect()
        };
        let mut text =
            if teach && !top.contains_key("teaches") { "teaches = \"t\"\n".to_owned() } else { String::new() };
        text += &lines(&top);
        let mut seen = std::collections::BTreeSet::new();
        for (name, _, pairs) in sections {
            if name == "faults" {
                text += &format!("[[faults]]\n{}", lines(&pairs));
            } else if seen.insert(name) {
                text += &format!("[{name}]\n{}", lines(&pairs));
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        read(&text);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_well_formed_document(text in document()) {
        read(&text);
    }

    #[test]
    fn a_shipped_file_cut_and_spoilt(at in 0usize..4_000, len in 0usize..40, put in "\\PC{0,8}") {
        let text = include_str!("../everything.toml");
        let chars: Vec<char> = text.chars().collect();
        let at = at.min(chars.len());
        let end = (at + len).min(chars.len());
        let spoilt: String = chars[..at].iter().copied().chain(put.chars()).chain(chars[end..].iter().copied()).collect();
        read(&spoilt);
    }
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["[", "{ a = "] {
        read(&format!("teaches = {}", open.repeat(100_000)));
        read(&format!("faults = {}", open.repeat(100_000)));
    }
    assert!(Needs::parse("n", "[".repeat(10_000)).is_err());
}
