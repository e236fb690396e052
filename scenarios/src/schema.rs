//! The JSON Schemas of scenario files and of needs files, made from the structs themselves.
//!
//! What the structs cannot say is added here: which keys a fault's kind takes, asked of the fault itself, and the bounds of
//! numbers, which the lint enforces (a test holds the two together). A schema never refuses what the lint accepts.

use crate::fault::{FaultSection, keys};
use crate::lint::faults::example;
use crate::needs::NeedLine;
use crate::scenario::Scenario;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;
use swarm_nemeses::Kind;

/// The identity of this version of the format. A change that makes valid files invalid, or gives
/// them another meaning, counts the last part up.
const SCHEMA_ID: &str = "urn:can-swarm:scenario:1";
/// The same for needs files.
const NEEDS_ID: &str = "urn:can-swarm:needs:1";

/// The least and greatest number that the lint lets stand, by definition and key.
const BOUNDS: &[(&str, &str, i64, i64)] = &[
    ("Bus", "redeliver_ppm", 0, 500_000),
    ("ChaosSection", "budget", 0, 100),
    ("Clocks", "drift_ppm", -100_000, 100_000),
    ("Adversaries", "count", 1, 10_000),
    ("Cluster", "asns", 1, 10_000),
    ("Cluster", "balance", 0, 1_000_000_000_000),
    ("Cluster", "coordinators", 1, 15),
    ("Cluster", "orgs", 1, 10_000),
    ("Cluster", "planners", 1, 10_000),
    ("Cluster", "regions", 1, 10_000),
    ("Cluster", "requesters", 1, 10_000),
    ("Cluster", "stake", 1_000, 1_000_000_000_000),
    ("Cluster", "verifiers", 1, 10_000),
    ("Cluster", "workers", 1, 10_000),
    ("FaultSection", "count", 0, 100),
    ("FaultSection", "drift_ppm", -500_000, 500_000),
    ("FaultSection", "factor", 1, 1_000),
    ("FaultSection", "ppm", 0, 1_000_000),
    ("Joiner", "count", 1, 100),
    ("Limits", "max_deliveries", 1_000, 10_000_000_000),
    ("Limits", "max_needs", 1, 100_000),
    ("Network", "duplicate_ppm", 0, 500_000),
    ("Network", "loss_ppm", 0, 500_000),
    ("Network", "reorder_ppm", 0, 500_000),
    ("Protocol", "alpha_bp", 1, 10_000),
    ("Protocol", "k_plan", 1, 32),
    ("Protocol", "k_result", 1, 50),
    ("Protocol", "watch_bp", 0, 10_000),
    ("Workload", "budget", 1, 1_000_000_000_000),
    ("Workload", "cancel_bp", 0, 9_999),
    ("Workload", "fee", 0, 1_000),
    ("Workload", "input_bytes", 1, 64 << 20),
    ("Workload", "needs", 1, 100_000),
    ("Workload", "refuse_bp", 0, 10_000),
    ("Workload", "tasks", 1, 64),
    ("Workload", "yield_bp", 0, 10_000),
];

/// The JSON Schema (draft 2020-12) of a scenario file, for editors and other tools.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Scenario>();
    schema.insert("$id".into(), SCHEMA_ID.into());
    schema.insert("title".into(), "CAN Swarm scenario".into());
    let mut schema = schema.to_value();
    without_null(&mut schema);
    for (definition, key, least, greatest) in BOUNDS {
        bound(&mut schema["$defs"][*definition]["properties"][*key], *least, *greatest);
    }
    schema["$defs"]["FaultSection"]["oneOf"] = Kind::ALL.iter().map(|kind| fault(*kind)).collect();
    schema
}

/// The JSON Schema (draft 2020-12) of one line of a needs file.
pub fn needs_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<NeedLine>();
    schema.insert("$id".into(), NEEDS_ID.into());
    schema.insert("title".into(), "One line of a CAN Swarm needs file (JSON Lines)".into());
    let mut schema = schema.to_value();
    without_null(&mut schema);
    schema
}

/// The same without references, so that it can be walked beside a document.
pub(crate) fn flat() -> &'static Value {
    static FLAT: OnceLock<Value> = OnceLock::new();
    FLAT.get_or_init(|| {
        let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
        settings.into_generator().into_root_schema_for::<Scenario>().into()
    })
}

/// The least and greatest whole number that the lint lets stand at `path`, if it has such bounds.
pub(crate) fn bounds(path: &str) -> Option<(i64, i64)> {
    let whole = schema();
    let named = |of: &Value| of["$ref"].as_str().and_then(|name| whole.pointer(name.trim_start_matches('#')).cloned());
    let mut here = whole.clone();
    for step in path.split('.') {
        let next = if step.bytes().all(|b| b.is_ascii_digit()) { &here["items"] } else { &here["properties"][step] };
        here = named(next).unwrap_or_else(|| next.clone());
    }
    Some((here["minimum"].as_i64()?, here["maximum"].as_i64()?))
}

/// Takes out the null of keys that may be left out: TOML has none, and a key that is left out is not there.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(without_null);
            if let Some(types) = map.get_mut("type").and_then(Value::as_array_mut) {
                types.retain(|one| one != "null");
                if let [one] = &types[..] {
                    map["type"] = one.clone();
                }
            }
            let Some(mut choices) = map.get("anyOf").and_then(Value::as_array).cloned() else { return };
            choices.retain(|choice| choice["type"] != "null");
            match &choices[..] {
                [Value::Object(one)] => {
                    map.remove("anyOf");
                    for (key, value) in one {
                        map.entry(key).or_insert_with(|| value.clone());
                    }
                }
                _ => map["anyOf"] = choices.into(),
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// Bounds a number, or a range of numbers whose definition it must not share with others then.
fn bound(schema: &mut Value, least: i64, greatest: i64) {
    let number = json!({ "type": "integer", "minimum": least, "maximum": greatest });
    let Some(map) = schema.as_object_mut() else { unreachable!("every bound is of a key that is there") };
    if map.remove("$ref").is_some() {
        let two = json!({ "type": "array", "items": number, "minItems": 2, "maxItems": 2 });
        map.insert("anyOf".into(), json!([number, two]));
    } else {
        map.extend(number.as_object().cloned().unwrap_or_default());
    }
}

/// What a fault of one kind must have and may not have, besides what all have.
fn fault(kind: Kind) -> Value {
    let all = flat()["properties"]["faults"]["items"]["properties"].as_object().cloned().unwrap_or_default();
    let own = keys(kind);
    let mut properties = Map::new();
    properties.insert("kind".into(), json!({ "const": kind }));
    for key in all.keys().filter(|key| !["kind", "at", "for", "count"].contains(&key.as_str())) {
        if !own.contains(&key.as_str()) {
            properties.insert(key.clone(), false.into());
        }
    }
    // The fault itself is asked whether it can do without a key, and without two of which one is enough.
    let lacks = |without: &[&str]| {
        let mut text = format!("kind = \"{kind}\"\nfor = \"1s\"\n");
        for key in own.iter().filter(|key| !without.contains(key)) {
            text.push_str(&format!("{key} = {}\n", example(key)));
        }
        let section: FaultSection = toml::from_str(&text).expect("examples can be read");
        section.nemesis().is_err()
    };
    let required: Vec<&str> = own.iter().copied().filter(|key| lacks(&[key])).collect();
    let free: Vec<&str> = own.iter().copied().filter(|key| !required.contains(key)).collect();
    let mut either = Vec::new();
    for (at, one) in free.iter().enumerate() {
        for other in free[at + 1..].iter().filter(|other| lacks(&[one, other])) {
            either.extend([json!({ "required": [one] }), json!({ "required": [other] })]);
        }
    }
    let mut schema = json!({ "properties": properties, "required": required });
    if !either.is_empty() {
        schema["anyOf"] = either.into();
    }
    schema
}
